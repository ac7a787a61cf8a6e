"""hwloc's XML, format 2 and 3, as ``lstopo machine.xml`` writes it.

Read are NUMANode, PU, Core and Package objects and the matrix NUMALatency;
caches, devices, memory attributes and other matrices are passed over.

The file may come from anybody: entities are refused (an «entity bomb» expands
to gigabytes), external ones are never fetched, nesting has a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from numa_core.errors import TopologyError

from numab.topology.cpuset import format_list, parse_hwloc, quoted, whole
from numab.topology.draft import (
    LOCAL_DISTANCE, MAX_CPUS, MAX_MEMORY, MAX_NODES, REMOTE_DISTANCE, Draft)

__all__ = ["looks_like_xml", "read_hwloc_xml"]

DEPTH_MAX = 200
"""Real files nest about 20 deep."""

@dataclass
class _NumaNode:
    nid: int
    cpus: frozenset[int]
    subtype: str
    memory: int
    gp_index: str


def looks_like_xml(data: bytes) -> bool:
    """Whether the bytes start as an XML file does, after a byte-order mark and blanks."""
    return data[:200].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_hwloc_xml(data: bytes) -> Draft:
    """The machine that an hwloc XML file describes.

    CPUs are the PU objects that ``allowed_cpuset`` allows.  Memory of a node that
    ``allowed_nodeset`` excludes is not counted, and the node not at all if it has no CPU
    either.  A CPU that lies in several nodes (DRAM and HBM side by side) belongs to one,
    see :func:`_owner`; the others then have no CPUs.  Raises TopologyError: not well-formed,
    entities, hwloc 1, values out of range, nodes that overlap in part.
    """
    root = _parse(data)
    _check_format(root)
    objects, core, package = _walk(root)
    machine = root.find("object")
    attributes = machine.attrib if machine is not None else {}
    running = {whole(pu.get("os_index", ""), "os_index of a PU", MAX_CPUS - 1)
               for pu in objects if pu.get("type") == "PU"}
    if attributes.get("allowed_cpuset"):
        running &= parse_hwloc(attributes["allowed_cpuset"], "allowed_cpuset", MAX_CPUS)
    numa = sorted((_numa_node(found, running) for found in objects
                   if found.get("type") == "NUMANode"), key=lambda node: node.nid)
    allowed = {node.nid for node in numa}
    if attributes.get("allowed_nodeset"):
        allowed &= parse_hwloc(attributes["allowed_nodeset"], "allowed_nodeset", MAX_NODES)

    draft = Draft(running=running)
    for node in numa:
        draft.add_node(node.nid).memory = node.memory if node.nid in allowed else 0
    _assign(numa, draft)
    _drop_disallowed(draft, allowed)
    draft.core = _labels({cpu: core[cpu] for cpu in running if cpu in core})
    draft.package = _package_ids({cpu: package[cpu] for cpu in running if cpu in package})
    draft.distance = _distances(root, numa, draft)
    return draft


def _parse(data: bytes) -> ElementTree.Element:
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise TopologyError(f"the XML nests deeper than {DEPTH_MAX} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def entity(name: str, *_: Any) -> None:
        raise TopologyError(f"the XML declares the entity {quoted(name)}; entities are refused")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, TopologyError):
            raise
        raise TopologyError(f"the XML is truncated or corrupt: {quoted(str(error))}") from None
    return builder.close()


def _check_format(root: ElementTree.Element) -> None:
    if root.tag != "topology":
        raise TopologyError(f"the XML's root is {quoted(root.tag)}, expected 'topology' of hwloc")
    version = root.get("version", "1")
    if version.partition(".")[0] not in ("2", "3"):
        raise TopologyError(f"the XML has hwloc's format {quoted(version)}, expected 2 or 3: "
                            "write it again with lstopo of hwloc 2 or later")


def _walk(root: ElementTree.Element) -> tuple[
        list[ElementTree.Element], dict[int, ElementTree.Element], dict[int, ElementTree.Element]]:
    """All objects, and for each CPU the Core and the Package object around it."""
    objects: list[ElementTree.Element] = []
    core: dict[int, ElementTree.Element] = {}
    package: dict[int, ElementTree.Element] = {}
    todo: list[tuple[ElementTree.Element, dict[str, ElementTree.Element]]] = [
        (found, {}) for found in root.findall("object")]
    while todo:
        found, around = todo.pop()
        objects.append(found)
        kind = found.get("type", "")
        if kind == "PU":
            cpu = whole(found.get("os_index", ""), "os_index of a PU", MAX_CPUS - 1)
            if "Core" in around:
                core[cpu] = around["Core"]
            if "Package" in around:
                package[cpu] = around["Package"]
        inner = {**around, kind: found} if kind in ("Core", "Package") else around
        todo.extend((child, inner) for child in found.findall("object"))
    return objects, core, package


def _numa_node(found: ElementTree.Element, running: set[int]) -> _NumaNode:
    nid = whole(found.get("os_index", ""), "os_index of a NUMANode", MAX_NODES - 1)
    cpus = parse_hwloc(found.get("cpuset", ""), f"cpuset of node {nid}", MAX_CPUS)
    memory = whole(found.get("local_memory", "0"), f"local_memory of node {nid}", MAX_MEMORY)
    return _NumaNode(nid, frozenset(cpus & running), found.get("subtype", ""), memory,
                     found.get("gp_index", ""))


def _assign(numa: list[_NumaNode], draft: Draft) -> None:
    """Give each CPU that lies in a node to one."""
    homes: dict[int, list[_NumaNode]] = {}
    for node in numa:
        for cpu in node.cpus:
            homes.setdefault(cpu, []).append(node)
    owners: dict[tuple[int, ...], int] = {}  # most CPUs lie in the same nodes as their neighbour
    for cpu, around in sorted(homes.items()):
        nids = tuple(node.nid for node in around)
        if nids not in owners:
            owners[nids] = _owner(cpu, around).nid
        draft.nodes[owners[nids]].cpus.add(cpu)


def _owner(cpu: int, homes: list[_NumaNode]) -> _NumaNode:
    """The node that a CPU belongs to, among all whose cpuset holds it.

    hwloc gives a memory-only node the CPUs that are near it: side by side with the ordinary
    node (HBM), or around several (CXL on a package).  Linux gives each CPU one node.  So:
    not a special memory, then the nearest around the CPU, then DRAM, then the lowest id.
    Raises TopologyError when two of the sets overlap in part: then none is around the other.
    """
    ordered = sorted(homes, key=lambda node: (
        node.subtype not in ("", "DRAM"), len(node.cpus), node.subtype != "DRAM", node.nid))
    by_size = sorted(homes, key=lambda node: len(node.cpus))
    for inner, outer in zip(by_size, by_size[1:]):
        if not inner.cpus <= outer.cpus:
            raise TopologyError(f"CPU {cpu} is on nodes {inner.nid} and {outer.nid}, "
                                "whose cpusets overlap in part")
    return ordered[0]


def _drop_disallowed(draft: Draft, allowed: set[int]) -> None:
    for nid in sorted(set(draft.nodes) - allowed):
        if draft.nodes[nid].cpus:
            draft.notes.append(f"node {nid} is not allowed: its memory is not counted")
        else:
            draft.notes.append(f"node {nid} is not allowed: not counted")
            del draft.nodes[nid]


def _labels(around: dict[int, ElementTree.Element]) -> dict[int, int]:
    """CPU -> lowest CPU that has the same object around it."""
    lowest: dict[int, int] = {}
    for cpu in sorted(around):
        lowest.setdefault(id(around[cpu]), cpu)
    return {cpu: lowest[id(found)] for cpu, found in around.items()}


def _package_ids(around: dict[int, ElementTree.Element]) -> dict[int, int]:
    """CPU -> os_index of its Package; the lowest CPU names it where ids are absent or repeat."""
    labels = _labels(around)
    ids = {labels[cpu]: found.get("os_index", "") for cpu, found in around.items()}
    if len(set(ids.values())) < len(ids) or not all(
            text.isascii() and text.isdigit() and len(text) < 10 for text in ids.values()):
        return labels
    return {cpu: int(ids[label]) for cpu, label in labels.items()}


def _distances(root: ElementTree.Element, numa: list[_NumaNode],
               draft: Draft) -> list[list[int]] | None:
    """The first NUMALatency matrix by ascending node id, or None."""
    for matrix in root.iter("distances2"):
        if matrix.get("type") == "NUMANode" and matrix.get("name") == "NUMALatency":
            break
    else:
        return None
    indexes = _words(matrix, "indexes")
    if matrix.get("indexing") == "gp":
        by_gp = {node.gp_index: str(node.nid) for node in numa}
        indexes = [by_gp.get(word, word) for word in indexes]
    nids = [whole(word, "an index of NUMALatency", MAX_NODES - 1) for word in indexes]
    values = _words(matrix, "u64values")
    if len(values) != len(nids) ** 2 or len(set(nids)) != len(nids):
        raise TopologyError(f"NUMALatency has {len(values)} values for {len(nids)} "
                            f"indexes ({len(set(nids))} different)")
    place = {nid: at for at, nid in enumerate(nids)}
    absent = sorted(set(draft.nodes) - set(place))
    if absent:
        draft.notes.append(f"NUMALatency lacks nodes {format_list(absent)}: "
                           f"{REMOTE_DISTANCE} assumed to and from them")
    return [[_entry(values, place, a, b) for b in sorted(draft.nodes)] for a in sorted(draft.nodes)]


def _entry(values: list[str], place: dict[int, int], from_nid: int, to_nid: int) -> int:
    if from_nid not in place or to_nid not in place:
        return LOCAL_DISTANCE if from_nid == to_nid else REMOTE_DISTANCE
    text = values[place[from_nid] * len(place) + place[to_nid]]
    return whole(text, f"NUMALatency from node {from_nid} to node {to_nid}", 10**9)


def _words(matrix: ElementTree.Element, tag: str) -> list[str]:
    """hwloc splits long lists over several elements."""
    return " ".join(part.text or "" for part in matrix.findall(tag)).split()
