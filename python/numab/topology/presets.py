"""Machines by name, and by a line such as ``numa:2 core:4 pu:2 mem:64GiB``.

:data:`PRESETS` is the one list of names; distances are those that firmware of
such machines reports, sizes are round.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from numa_core.errors import TopologyError

from numab.topology.cpuset import quoted, whole
from numab.topology.draft import (
    LOCAL_DISTANCE, MAX_CPUS, MAX_MEMORY, MAX_NODES, Draft)

__all__ = ["PRESETS", "Preset", "looks_synthetic", "nearest_preset", "read_preset",
           "read_synthetic"]

MIB = 1 << 20
GIB = 1 << 30

_Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Preset:
    """A named machine: per node the number of cores and the memory in bytes."""

    name: str
    about: str
    cores: tuple[int, ...]
    memory: tuple[int, ...]
    distance: _Rows
    threads: int = 1
    """CPUs of a core.  As x86 firmware does, all first threads have the low CPU ids."""
    nodes_per_package: int = 1


def _flat(nr_nodes: int, remote: int) -> _Rows:
    """Every other node is equally far."""
    return tuple(tuple(LOCAL_DISTANCE if a == b else remote for b in range(nr_nodes))
                 for a in range(nr_nodes))


def _ring(nr_nodes: int, hop: int) -> _Rows:
    """Links to two neighbours; each hop adds the same."""
    return tuple(tuple(LOCAL_DISTANCE + (hop * min((a - b) % nr_nodes, (b - a) % nr_nodes)
                                         + 1 if a != b else 0)
                       for b in range(nr_nodes)) for a in range(nr_nodes))


def _levels(nr_nodes: int, levels: tuple[tuple[int, int], ...]) -> _Rows:
    """Rows of (group size, distance), the smallest first: nodes of one group are that far."""
    return tuple(tuple(next(far for size, far in levels if a // size == b // size)
                       for b in range(nr_nodes)) for a in range(nr_nodes))


def _cube(nr_nodes: int, near: int, far: int) -> _Rows:
    """A node is linked to those whose id differs in one bit; all others are far."""
    return tuple(tuple(LOCAL_DISTANCE if a == b else near if (a ^ b).bit_count() == 1 else far
                       for b in range(nr_nodes)) for a in range(nr_nodes))


_TABLE = (
    Preset("tiny", "2 nodes of 1 CPU and 256 MiB, for examples and tests",
           (1,) * 2, (256 * MIB,) * 2, _flat(2, 20)),
    Preset("1s", "1 socket, 1 node: 8 cores, 64 GiB; nothing to balance",
           (8,), (64 * GIB,), _flat(1, 20)),
    Preset("2s", "2 sockets of 8 cores and 64 GiB, distance 21",
           (8,) * 2, (64 * GIB,) * 2, _flat(2, 21)),
    Preset("2s-smt", "2s with 2 threads a core; siblings are CPU n and n + 16",
           (8,) * 2, (64 * GIB,) * 2, _flat(2, 21), threads=2),
    Preset("4s", "4 sockets of 8 cores and 64 GiB in a ring: neighbour 21, opposite 31",
           (8,) * 4, (64 * GIB,) * 4, _ring(4, 10)),
    Preset("8s", "8 sockets of 8 cores and 64 GiB, glueless: linked 16, all others 22",
           (8,) * 8, (64 * GIB,) * 8, _cube(8, 16, 22)),
    Preset("64n", "64 nodes of 4 cores and 8 GiB in a tree: 22 within 4, 26 within 16, else 30",
           (4,) * 64, (8 * GIB,) * 64, _levels(64, ((1, 10), (4, 22), (16, 26), (64, 30)))),
    Preset("snc", "2 sockets cut in 2 clusters of 8 cores and 32 GiB: 11 within, 21 across",
           (8,) * 4, (32 * GIB,) * 4, _levels(4, ((1, 10), (2, 11), (4, 21))), nodes_per_package=2),
    Preset("nps4", "2 sockets cut in 4 nodes of 4 cores and 16 GiB: 12 within, 32 across",
           (4,) * 8, (16 * GIB,) * 8, _levels(8, ((1, 10), (4, 12), (8, 32))), nodes_per_package=4),
    Preset("hbm", "1 socket of 16 cores and 64 GiB; node 1 is 16 GiB of fast memory without CPUs",
           (16, 0), (64 * GIB, 16 * GIB), _flat(2, 31)),
    Preset("cxl", "2s and node 2 without CPUs: 128 GiB of CXL memory at socket 0",
           (8, 8, 0), (64 * GIB, 64 * GIB, 128 * GIB),
           ((10, 21, 14), (21, 10, 24), (14, 24, 10))),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _TABLE}
"""Every preset by its name, in the order in which they are best shown."""


def nearest_preset(name: str) -> str | None:
    """The preset that is spelt most like this name, if any is alike.

    >>> nearest_preset("cxl2")
    'cxl'
    """
    found = difflib.get_close_matches(name.lower(), PRESETS, n=1, cutoff=0.3)
    return found[0] if found else None


def read_preset(preset: Preset) -> Draft:
    """The machine of a row of the table."""
    draft = Draft(distance=[list(row) for row in preset.distance])
    nr_cores = sum(preset.cores)
    first = 0
    for nid, (cores, memory) in enumerate(zip(preset.cores, preset.memory)):
        node = draft.add_node(nid)
        node.memory = memory
        for core in range(first, first + cores):
            for cpu in range(core, nr_cores * preset.threads, nr_cores):
                node.cpus.add(cpu)
                draft.core[cpu] = core
                draft.package[cpu] = nid // preset.nodes_per_package
        first += cores
    return draft


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LEVELS = {"pack": "pack", "package": "pack", "socket": "pack", "numa": "numa", "node": "numa",
           "numanode": "numa", "core": "core", "pu": "pu"}


def looks_synthetic(text: str) -> bool:
    """Whether the text consists of words such as ``numa:2``."""
    return re.fullmatch(r"\s*[A-Za-z]\w*:\S*(\s+[A-Za-z]\w*:\S*)*\s*", text) is not None


def read_synthetic(text: str) -> Draft:
    """The machine of a line as hwloc's synthetic descriptions, from the outside to the inside.

    ``pack:`` (may be left out), ``numa:``, ``core:`` and ``pu:`` say how many of each lie in
    the one before; those left out count 1.  CPU ids ascend node by node, core by core.
    ``mem:`` is the memory of each node, default 1 GiB; K, M, G and T (with or without B or
    iB) are powers of 1024.  ``distance:`` is that between any two nodes.
    Raises TopologyError: an unknown word, one that repeats, order, range.

    >>> draft = read_synthetic("numa:2 core:2 pu:2 mem:64GiB distance:21")
    >>> sorted(draft.nodes[1].cpus), draft.nodes[1].memory >> 30, draft.distance
    ([4, 5, 6, 7], 64, [[10, 21], [21, 10]])
    """
    count = {"pack": 1, "numa": 1, "core": 1, "pu": 1}
    memory, distance = GIB, 0
    seen: list[str] = []
    for word in text.split():
        key, _, value = word.partition(":")
        kind = _LEVELS.get(key.lower(), key.lower())
        if kind in seen:
            raise TopologyError(f"{quoted(word)}: {kind} is given twice")
        if kind == "mem":
            memory = _bytes(value)
        elif kind == "distance":
            distance = whole(value, "distance", 255)
        elif kind in count:
            if any(list(count).index(kind) < list(count).index(outer)
                   for outer in seen if outer in count):
                raise TopologyError(f"{quoted(word)}: the order is pack, numa, core, pu")
            count[kind] = whole(value, kind, MAX_CPUS)
        else:
            raise TopologyError(f"{quoted(word)}: expected pack, numa, core, pu, mem or distance")
        seen.append(kind)
    return _build_synthetic(count, memory, distance if "distance" in seen else None)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,20})([KMGT]?)(?:i?B)?", text, re.I | re.A)
    if match is None:
        raise TopologyError(f"mem is {quoted(text)}, expected such as 64GiB")
    size = int(match[1]) * _UNITS[match[2].upper()]
    if size > MAX_MEMORY:
        raise TopologyError(f"mem is {quoted(text)}, at most {MAX_MEMORY >> 40} TiB a node")
    return size


def _build_synthetic(count: dict[str, int], memory: int, distance: int | None) -> Draft:
    nr_nodes = count["pack"] * count["numa"]
    cpus_per_node = count["core"] * count["pu"]
    if not 1 <= nr_nodes <= MAX_NODES or not 1 <= nr_nodes * cpus_per_node <= MAX_CPUS:
        raise TopologyError(f"{nr_nodes} nodes of {cpus_per_node} CPUs, expected 1 to {MAX_NODES} "
                            f"nodes and 1 to {MAX_CPUS} CPUs in all")
    draft = Draft()
    if distance is not None:
        draft.distance = [list(row) for row in _flat(nr_nodes, distance)]
    elif nr_nodes == 1:
        draft.distance = [[LOCAL_DISTANCE]]
    for nid in range(nr_nodes):
        node = draft.add_node(nid)
        node.memory = memory
        for cpu in range(nid * cpus_per_node, (nid + 1) * cpus_per_node):
            node.cpus.add(cpu)
            draft.core[cpu] = cpu - cpu % count["pu"]
            draft.package[cpu] = nid // count["numa"]
    return draft
