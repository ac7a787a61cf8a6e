"""Node and Topology: a machine as Linux sees it, checked when it is built.

What Linux would accept is accepted, and what is odd about it noted; what Linux
could not have reported raises TopologyError.  The rules for distances are in
:mod:`numab.topology.distances`.
"""

from __future__ import annotations

import operator
import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from numa_core.errors import InvalidArgument, NumabWarning, TopologyError

from numab.topology.cpuset import format_list
from numab.topology.distances import checked_distance
from numab.topology.draft import MAX_CPUS, MAX_MEMORY, MAX_NODES, Draft
from numab.topology.numactl_text import format_numactl
from numab.topology.source import read_source, shown
from numab.topology.sysfs import write_sysfs

__all__ = ["Node", "PAGE_BYTES", "Topology"]

PAGE_BYTES = 4096

MAX_LABEL = 2**31 - 1


def _whole(value: Any, what: str, limit: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TopologyError(f"{what} is {value!r}, expected a whole number") from None
    if not 0 <= number <= limit:
        raise TopologyError(f"{what} is {number}, expected 0 to {limit}")
    return number


@dataclass(frozen=True)
class Node:
    """A NUMA node: its CPUs and its memory, either of which it may lack.

    Parameters
    ----------
    nid : id, 0 to 1023.
    cpus : CPU ids, ascending, each 0 to 8191.
    memory : bytes; whole pages of 4096 count.
    cpu_core : for each CPU of ``cpus`` a label that the threads of one core share (the
        lowest CPU id of the core, when read from a machine); None: not known.
    cpu_package : likewise of the package (socket), as the firmware numbers it.

    Raises TopologyError.

    >>> Node(0, range(4), 64 << 20).pages
    16384
    """

    nid: int
    cpus: tuple[int, ...] = ()
    memory: int = 0
    cpu_core: tuple[int, ...] | None = None
    cpu_package: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        nid = _whole(self.nid, "node id", MAX_NODES - 1)
        cpus = self._ids(self.cpus, f"CPU id of node {nid}", MAX_CPUS - 1)
        if any(a >= b for a, b in zip(cpus, cpus[1:])):
            raise TopologyError(f"the CPU ids of node {nid} do not ascend")
        settled = {"nid": nid, "cpus": cpus,
                   "memory": _whole(self.memory, f"memory of node {nid} in bytes", MAX_MEMORY)}
        for name in ("cpu_core", "cpu_package"):
            given = getattr(self, name)
            labels = None if given is None else self._ids(
                given, f"{name} of node {nid}", MAX_LABEL)
            if labels is not None and len(labels) != len(cpus):
                raise TopologyError(f"{name} of node {nid} has {len(labels)} entries "
                                    f"for {len(cpus)} CPUs")
            settled[name] = labels if cpus else ()
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def _ids(values: Iterable[Any], what: str, limit: int) -> tuple[int, ...]:
        try:
            items = list(values)
        except TypeError:
            raise TopologyError(f"{what}: {values!r} is not a sequence") from None
        return tuple(_whole(value, what, limit) for value in items)

    @property
    def pages(self) -> int:
        """Whole pages of 4096 bytes."""
        return self.memory // PAGE_BYTES


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Topology:
    """A machine: nodes and the distances between them.

    Parameters
    ----------
    nodes : ascending by nid; ids may have gaps.  At least one CPU and one page in all.
    distance : (nr_nodes, nr_nodes), rows from and columns to the nodes in their order, 1 to
        255; kept as a read-only int64 array.  None: 10 and 20, as Linux assumes, with a note.
    name : where it came from; plays no part in ``==``.
    notes : what was assumed and what is odd; plays no part in ``==``.

    Raises TopologyError, warns with NumabWarning (odd distances).

    >>> two = Topology((Node(0, (0, 1), 1 << 30), Node(4, (), 1 << 30)), [[10, 14], [14, 10]])
    >>> two.cpu_nodes, two.memory_nodes, two.distance_between(0, 4)
    ((0,), (0, 4), 14)
    """

    nodes: tuple[Node, ...]
    distance: npt.NDArray[np.int64]
    name: str
    notes: tuple[str, ...]

    def __init__(self, nodes: Iterable[Node], distance: npt.ArrayLike | None = None,
                 name: str = "", notes: Iterable[str] = ()) -> None:
        settled = _checked_nodes(nodes)
        matrix, said, odd = checked_distance(tuple(node.nid for node in settled), distance)
        known = tuple(notes)
        for note in odd:
            if note not in known:  # a copy, or a worker's: said before
                warnings.warn(f"{name or 'topology'}: {note}", NumabWarning, stacklevel=2)
        everything = known + tuple(note for note in said + odd if note not in known)
        for field, value in (("nodes", settled), ("distance", matrix), ("name", name),
                             ("notes", everything)):
            object.__setattr__(self, field, value)

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> Topology:
        """The machine that ``source`` describes.

        Parameters
        ----------
        source : one of

            * a preset's name, see :data:`numab.topology.PRESETS` (to read a file of that
              name write ``./2s``);
            * a folder: a /sys tree (``/sys`` itself too), or one that holds ``sys/``;
            * a ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz`` of such a folder;
            * an hwloc XML file, format 2 or 3;
            * a text file that holds the output of ``numactl --hardware``;
            * a line such as ``numa:2 core:4 pu:2 mem:64GiB distance:21``.

            Files are told apart by their content.  CPUs that are offline, or that an XML
            file does not allow, are not counted.

        Raises TopologyError: no such source, not readable, truncated, corrupt, or a machine
        that Linux could not have reported; one line, which starts with the source's name.

        >>> Topology.load("numa:2 core:4 pu:1 mem:2GiB").describe()
        '2 nodes, 8 CPUs, 4 GiB'
        """
        try:
            return cls._from_draft(*read_source(source))
        except TopologyError as error:
            raise TopologyError(f"{shown(source)}: {error}") from None

    @classmethod
    def _from_draft(cls, name: str, draft: Draft) -> Topology:
        draft.settle()
        nodes = []
        for nid, node in sorted(draft.nodes.items()):
            cpus = tuple(sorted(node.cpus))
            core, package = (tuple(labels[cpu] for cpu in cpus) if labels.keys() >= node.cpus
                             else None for labels in (draft.core, draft.package))
            nodes.append(Node(nid, cpus, node.memory, core, package))
        return cls(tuple(nodes), draft.distance, name, tuple(draft.notes))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Topology):
            return NotImplemented
        return self.nodes == other.nodes and np.array_equal(self.distance, other.distance)

    def __hash__(self) -> int:
        return hash((self.nodes, self.distance.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Topology, (self.nodes, self.distance, self.name, self.notes)

    def __repr__(self) -> str:
        return f"<Topology {self.name!r}: {self.describe()}>"

    @property
    def nr_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def nr_cpus(self) -> int:
        """Number of CPUs; ids may have gaps, so the highest may be larger."""
        return len(self.cpus)

    @property
    def memory(self) -> int:
        """Bytes of all nodes."""
        return sum(node.memory for node in self.nodes)

    @cached_property
    def nids(self) -> tuple[int, ...]:
        """Node ids, ascending."""
        return tuple(node.nid for node in self.nodes)

    @cached_property
    def cpus(self) -> tuple[int, ...]:
        """All CPU ids, ascending."""
        return tuple(sorted(self._place))

    @cached_property
    def cpu_nodes(self) -> tuple[int, ...]:
        """Ids of nodes with CPUs, ascending."""
        return tuple(node.nid for node in self.nodes if node.cpus)

    @cached_property
    def memory_nodes(self) -> tuple[int, ...]:
        """Ids of nodes with at least one page, ascending."""
        return tuple(node.nid for node in self.nodes if node.pages)

    @cached_property
    def cpu_nid(self) -> npt.NDArray[np.int32]:
        """Node of each CPU id: int32, shape (highest CPU id + 1,), -1: no such CPU; read-only."""
        nids = np.full(self.cpus[-1] + 1, -1, dtype=np.int32)
        for node in self.nodes:
            nids[list(node.cpus)] = node.nid
        nids.setflags(write=False)
        return nids

    @cached_property
    def _index(self) -> dict[int, int]:
        return {nid: at for at, nid in enumerate(self.nids)}

    @cached_property
    def _place(self) -> dict[int, tuple[Node, int]]:
        return {cpu: (node, at) for node in self.nodes for at, cpu in enumerate(node.cpus)}

    def _row(self, nid: int) -> int:
        if nid not in self._index:
            raise InvalidArgument(f"no node {nid}, expected one of {format_list(self.nids)}")
        return self._index[nid]

    def _cpu(self, cpu: int) -> tuple[Node, int]:
        if cpu not in self._place:
            raise InvalidArgument(f"no CPU {cpu}, expected one of {format_list(self.cpus)}")
        return self._place[cpu]

    def node(self, nid: int) -> Node:
        """The node of that id.  Raises InvalidArgument."""
        return self.nodes[self._row(nid)]

    def node_of_cpu(self, cpu: int) -> int:
        """Id of a CPU's node.  Raises InvalidArgument.  Linux: cpu_to_node."""
        return self._cpu(cpu)[0].nid

    def core_of(self, cpu: int) -> int | None:
        """Label of a CPU's core, which its SMT siblings share; None: not known.

        Raises InvalidArgument.
        """
        node, at = self._cpu(cpu)
        return None if node.cpu_core is None else node.cpu_core[at]

    def package_of(self, cpu: int) -> int | None:
        """Id of a CPU's package (socket); None: not known.  Raises InvalidArgument."""
        node, at = self._cpu(cpu)
        return None if node.cpu_package is None else node.cpu_package[at]

    def distance_between(self, from_nid: int, to_nid: int) -> int:
        """Distance of two nodes by their ids.  Raises InvalidArgument.  Linux: node_distance."""
        return int(self.distance[self._row(from_nid), self._row(to_nid)])

    def by_distance(self, nid: int) -> tuple[int, ...]:
        """All node ids, nearest first: ``nid`` itself, then by distance from it, ties by id.

        This is the order in which an allocation falls back.  Nodes without memory are in it
        too.  Linux also avoids nodes with CPUs and, between equally near ones, spreads the
        load over the starting nodes (find_next_best_node); that is left out here.
        Raises InvalidArgument.

        >>> Topology.load("4s").by_distance(2)
        (2, 1, 3, 0)
        """
        row = self.distance[self._row(nid)].tolist()
        far = sorted((value, other) for value, other in zip(row, self.nids) if other != nid)
        return (nid, *(other for _, other in far))

    def numactl_hardware(self, free_bytes: Sequence[int] | None = None) -> str:
        """The text that ``numactl --hardware`` prints on this machine.

        ``free_bytes`` has one entry a node, in their order, at most its memory; None: all
        of it.  Sizes are printed in whole MiB («MB»), rounded down.  Raises InvalidArgument.

        >>> print(Topology.load("tiny").numactl_hardware().replace(" \\n", "\\n"), end="")
        available: 2 nodes (0-1)
        node 0 cpus: 0
        node 0 size: 256 MB
        node 0 free: 256 MB
        node 1 cpus: 1
        node 1 size: 256 MB
        node 1 free: 256 MB
        node distances:
        node   0   1
          0:  10  20
          1:  20  10
        """
        return format_numactl(self, free_bytes)

    def write_sysfs(self, directory: str | os.PathLike[str]) -> Path:
        """Write a file system root that numab, ``lscpu -s`` and ``lstopo --input`` read.

        It holds ``sys/devices/system`` and a ``proc/cpuinfo`` that only counts the CPUs.
        Memory is written in whole KiB, rounded down.  Returns the directory as a Path.
        Raises InvalidArgument when it holds ``sys`` or ``proc`` already, OSError when it
        cannot be written.
        """
        return write_sysfs(self, directory)

    def describe(self) -> str:
        """One line: nodes, CPUs and memory.

        >>> Topology.load("2s").describe()
        '2 nodes, 16 CPUs, 128 GiB'
        """
        lacking = [f"{self.nr_nodes - len(having)} without {what}" for having, what in
                   ((self.cpu_nodes, "CPUs"), (self.memory_nodes, "memory"))
                   if len(having) < self.nr_nodes]
        remark = f" ({', '.join(lacking)})" if lacking else ""
        return (f"{self.nr_nodes} node{'s' * (self.nr_nodes > 1)}{remark}, "
                f"{self.nr_cpus} CPU{'s' * (self.nr_cpus > 1)}, {_size(self.memory)}")


def _size(memory: int) -> str:
    """Bytes in a unit that suits; one decimal below 100, none when it would be 0."""
    unit, shift = next(((unit, shift) for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20))
                        if memory >= (10 if shift == 40 else 1) << shift), ("KiB", 10))
    value = memory / (1 << shift)
    text = f"{value:.0f}" if value >= 100 else f"{value:.1f}".removesuffix(".0")
    return f"{text} {unit}"


def _checked_nodes(given: Iterable[Any]) -> tuple[Node, ...]:
    """Raises TopologyError."""
    try:
        nodes = tuple(given)
    except TypeError:
        raise TopologyError(f"nodes is {given!r}, expected Node objects") from None
    for node in nodes:
        if not isinstance(node, Node):
            raise TopologyError(f"nodes holds {node!r}, expected Node objects")
    for before, after in zip(nodes, nodes[1:]):
        if before.nid >= after.nid:
            raise TopologyError(f"node {after.nid} comes after node {before.nid}: ids must ascend")
    home: dict[int, int] = {}
    for node in nodes:
        for cpu in node.cpus:
            if cpu in home:
                raise TopologyError(f"CPU {cpu} is on node {home[cpu]} and on node {node.nid}")
            home[cpu] = node.nid
    if not home:
        raise TopologyError("no node has a CPU")
    if not any(node.pages for node in nodes):
        raise TopologyError("no node has memory")
    return nodes
