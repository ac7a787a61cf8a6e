"""The text of ``numactl --hardware``: read it, write it.

::

    available: 2 nodes (0-1)
    node 0 cpus: 0 1
    node 0 size: 4096 MB
    node 0 free: 2048 MB
    node 1 cpus:
    ...
    node distances:
    node   0   1
      0:  10  21
      1:  21  10

Sizes are whole MiB, although they are printed as MB.  Lines that are none of
these (a shell prompt, a warning of libnuma) are passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Sequence

from numa_core.errors import InvalidArgument, TopologyError

from numab.topology.cpuset import format_list, parse_list, quoted, whole
from numab.topology.draft import MAX_CPUS, MAX_MEMORY, MAX_NODES, Draft

if TYPE_CHECKING:
    from numab.topology.model import Topology

__all__ = ["format_numactl", "looks_like_numactl", "read_numactl"]

MIB = 1 << 20

_AVAILABLE = re.compile(r"^available: ([0-9]{1,9}) nodes? \(([0-9,-]*)\)\s*$", re.M | re.A)
_NODE_LINE = re.compile(r"node\s+([0-9]{1,9})\s+(cpus|size|free):(.*)", re.A)
_HEADER = re.compile(r"node((?:\s+[0-9]{1,9})+)\s*", re.A)
_ROW = re.compile(r"\s*([0-9]{1,9}):((?:\s+[0-9]{1,20})*)\s*", re.A)


def looks_like_numactl(text: str) -> bool:
    """Whether a line of the text starts as ``numactl --hardware`` starts its report."""
    return re.search(r"^available:", text, re.M) is not None


def read_numactl(text: str) -> Draft:
    """The machine that ``numactl --hardware`` printed.

    Raises TopologyError: lines missing (a truncated file), numbers out of range, a
    different number of nodes than announced.

    >>> draft = read_numactl("available: 1 nodes (0)\\nnode 0 cpus: 0 1\\nnode 0 size: 64 MB\\n")
    >>> draft.nodes[0]
    DraftNode(cpus={0, 1}, memory=67108864)
    """
    announced = _AVAILABLE.search(text)
    if announced is None:
        raise TopologyError("no line 'available: N nodes (...)' as numactl --hardware prints it")
    nids = parse_list(announced[2], "available nodes", MAX_NODES)
    if len(nids) != int(announced[1]):
        raise TopologyError(f"{announced[1]} nodes are available, but listed are "
                            f"{quoted(announced[2])}")
    draft = Draft()
    for nid in sorted(nids):
        draft.add_node(nid)
    head, has_distances, tail = text[announced.end():].partition("node distances:")
    _read_nodes(head, draft)
    if has_distances:
        draft.distance = _read_distances(tail, sorted(nids))
    return draft


def _read_nodes(text: str, draft: Draft) -> None:
    seen: set[tuple[int, str]] = set()
    for line in text.splitlines():
        match = _NODE_LINE.fullmatch(line.strip())
        if match is None:
            continue
        nid, word, value = int(match[1]), match[2], match[3].strip()
        if nid not in draft.nodes:
            raise TopologyError(f"node {nid} is described but not listed as available")
        if (nid, word) in seen:
            raise TopologyError(f"node {nid} has two lines '{word}:'")
        seen.add((nid, word))
        if word == "cpus":
            draft.nodes[nid].cpus = {
                whole(cpu, f"a CPU id of node {nid}", MAX_CPUS - 1) for cpu in value.split()}
        elif word == "size":
            draft.nodes[nid].memory = _size(value, nid)
    for nid in sorted(draft.nodes):
        for word in ("cpus", "size"):
            if (nid, word) not in seen:
                raise TopologyError(f"node {nid} has no line '{word}:' (is the text truncated?)")


def _size(value: str, nid: int) -> int:
    """Bytes; libnuma prints «<not available>» for a node without memory."""
    if value == "<not available>":
        return 0
    number, _, unit = value.partition(" ")
    if unit != "MB":
        raise TopologyError(f"size of node {nid} is {quoted(value)}, expected '<number> MB'")
    return whole(number, f"size of node {nid} in MB", MAX_MEMORY // MIB) * MIB


def _read_distances(text: str, nids: list[int]) -> list[list[int]] | None:
    """The matrix by ascending node id, or None when numactl says that it knows none."""
    rows: dict[int, list[int]] = {}
    columns: list[int] | None = None
    for line in text.splitlines():
        header, row = _HEADER.fullmatch(line), _ROW.fullmatch(line)
        if "No distance information available" in line:
            return None
        if header and columns is None:
            columns = [int(word) for word in header[1].split()]
            if sorted(columns) != nids:
                raise TopologyError("the header of the distances names other nodes than available")
        elif row and columns is not None:
            nid = int(row[1])
            if nid in rows or nid not in nids:
                raise TopologyError(f"distances of node {nid} come twice or are of no such node")
            rows[nid] = [whole(word, f"a distance of node {nid}", 10**9)
                         for word in row[2].split()]
            if len(rows[nid]) != len(nids):
                raise TopologyError(f"node {nid} has {len(rows[nid])} distances, "
                                    f"expected {len(nids)}")
    missing = [nid for nid in nids if nid not in rows]
    if columns is None or missing:
        raise TopologyError(f"the distances of node {missing[0] if missing else nids[0]} are "
                            "missing (is the text truncated?)")
    order = [columns.index(nid) for nid in nids]
    return [[rows[nid][at] for at in order] for nid in nids]


def format_numactl(topology: Topology, free_bytes: Sequence[int] | None) -> str:
    """See :meth:`Topology.numactl_hardware`, which is this function."""
    free = [node.memory for node in topology.nodes] if free_bytes is None else list(free_bytes)
    if len(free) != topology.nr_nodes:
        raise InvalidArgument(f"free_bytes has {len(free)} entries for {topology.nr_nodes} nodes")
    lines = [f"available: {topology.nr_nodes} nodes ({format_list(topology.nids)})"]
    for node, unused in zip(topology.nodes, free):
        if not 0 <= unused <= node.memory:
            raise InvalidArgument(f"free_bytes of node {node.nid} is {unused}, "
                                  f"expected 0 to {node.memory}")
        lines.append(f"node {node.nid} cpus:" + "".join(f" {cpu}" for cpu in node.cpus))
        lines.append(f"node {node.nid} size: {node.memory // MIB} MB")
        lines.append(f"node {node.nid} free: {int(unused) // MIB} MB")
    lines.append("node distances:")
    lines.append("node " + "".join(f"{nid: 3d} " for nid in topology.nids))
    for nid, row in zip(topology.nids, topology.distance.tolist()):
        lines.append(f"{nid: 3d}: " + "".join(f"{value:3d} " for value in row))
    return "\n".join(lines) + "\n"
