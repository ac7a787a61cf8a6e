"""A /sys tree: read it (a folder, the live one, or an archive), write one.

Read are ``devices/system/node`` for nodes, CPUs, memory and distances, and
``devices/system/cpu`` for which CPUs are online and which share a core or a
package.  Numbers come from the files alone; links are not needed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from numa_core.errors import InvalidArgument, TopologyError

from numab.topology.cpuset import (
    format_list, format_mask, parse_list, parse_mask, quoted, whole)
from numab.topology.draft import MAX_CPUS, MAX_MEMORY, MAX_NODES, Draft

if TYPE_CHECKING:
    from numab.topology.model import Topology

__all__ = ["FolderTree", "Tree", "find_folder_tree", "read_sysfs", "write_sysfs"]

NODES = "devices/system/node"
CPUS = "devices/system/cpu"
KIB = 1024
MODEL_NAME = "numab modelled CPU"
FILE_BYTES_MAX = 1 << 20


class Tree(Protocol):
    """What the reader asks of a tree; paths are relative to /sys."""

    def read(self, path: str) -> str | None:
        """A file's text, or None when there is no such file."""

    def names(self, folder: str) -> list[str]:
        """Names in a folder, ascending; empty when there is no such folder."""


class FolderTree:
    """A /sys tree on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> str | None:
        """A file's text, or None when there is no such file.  Raises TopologyError."""
        try:
            with open(self._root / path, "rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise TopologyError(f"cannot read {path}: {error.strerror}") from None
        if len(data) > FILE_BYTES_MAX:
            raise TopologyError(f"{path} has more than {FILE_BYTES_MAX} bytes")
        return data.decode("latin-1")

    def names(self, folder: str) -> list[str]:
        """Names in a folder, ascending; empty when there is no such folder."""
        try:
            return sorted(os.listdir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise TopologyError(f"cannot list {folder}: {error.strerror}") from None


def find_folder_tree(directory: Path) -> FolderTree:
    """The /sys tree that is this folder, or lies below it as ``sys``.

    Raises TopologyError when neither holds devices/system/node.
    """
    for root in (directory, directory / "sys"):
        if (root / NODES).is_dir():
            return FolderTree(root)
    raise TopologyError("neither this folder nor its sys/ holds devices/system/node "
                        "(a /sys tree, or a file system root, of a kernel with NUMA)")


def read_sysfs(tree: Tree) -> Draft:
    """The machine that a /sys tree describes.

    ``cpulist`` is preferred to ``cpumap``.  A node without either has no CPUs, one without
    meminfo no memory, both with a note.  Raises TopologyError that names the file.
    """
    draft = Draft()
    online = _read_list(tree, f"{NODES}/online", MAX_NODES)
    for name in tree.names(NODES):
        match = re.fullmatch("node([0-9]{1,9})", name)
        if match is None or (online and int(match[1]) not in online):
            continue
        node = draft.add_node(int(match[1]))
        cpus = _read_ids(tree, f"{NODES}/{name}", ("cpulist",), ("cpumap",))
        memory = _read_memory(tree, f"{NODES}/{name}/meminfo")
        for what, value in (("cpulist or cpumap", cpus), ("meminfo", memory)):
            if value is None:
                draft.notes.append(f"{name} has no {what}, taken as none")
        node.cpus = cpus or set()
        node.memory = memory or 0
    draft.distance = _read_distances(tree, sorted(draft.nodes))
    draft.running = _read_running(tree)
    _read_siblings(tree, draft)
    return draft


def _read_list(tree: Tree, path: str, nr_ids: int) -> set[int] | None:
    text = tree.read(path)
    return None if text is None else parse_list(text, path, nr_ids)


def _read_ids(tree: Tree, folder: str, lists: tuple[str, ...],
              masks: tuple[str, ...]) -> set[int] | None:
    """CPU ids of the first of these files that is there, or None."""
    for names, parse in ((lists, parse_list), (masks, parse_mask)):
        for name in names:
            text = tree.read(f"{folder}/{name}")
            if text is not None:
                return parse(text, f"{folder}/{name}", MAX_CPUS)
    return None


def _read_memory(tree: Tree, path: str) -> int | None:
    """MemTotal in bytes; None without the file."""
    text = tree.read(path)
    if text is None:
        return None
    match = re.search(r"\bMemTotal:\s*(\S*) kB", text)
    if match is None:
        raise TopologyError(f"{path} has no line 'MemTotal: ... kB'")
    return whole(match[1], f"{path}: MemTotal", MAX_MEMORY // KIB) * KIB


def _read_distances(tree: Tree, nids: list[int]) -> list[list[int]] | None:
    """Linux prints a row's entries in the order of the online nodes."""
    texts = {nid: tree.read(f"{NODES}/node{nid}/distance") for nid in nids}
    if all(text is None for text in texts.values()):
        return None
    rows = []
    for nid, text in texts.items():
        if text is None:
            raise TopologyError(f"node{nid} has no file distance, other nodes have")
        words = text.strip("\0 \t\n").split()
        if len(words) != len(nids):
            raise TopologyError(f"node{nid}/distance has {len(words)} entries "
                                f"for {len(nids)} nodes")
        rows.append([whole(word, f"node{nid}/distance: an entry", 10**9) for word in words])
    return rows


def _read_running(tree: Tree) -> set[int] | None:
    """CPUs that are online, or None when the tree says nothing about CPUs.

    The file cpu/online decides; older kernels lack it, there a CPU runs when it has a folder
    and its own file ``online`` (which CPU 0 often lacks) does not say 0.
    """
    listed = _read_list(tree, f"{CPUS}/online", MAX_CPUS)
    if listed:
        return listed
    folders = {name for name in tree.names(CPUS) if re.fullmatch("cpu[0-9]{1,9}", name)}
    running = set()
    for name in sorted(folders):
        if (tree.read(f"{CPUS}/{name}/online") or "1").strip("\0 \t\n") != "0":
            running.add(whole(name[3:], f"{CPUS}: a CPU id", MAX_CPUS - 1))
    return running if folders else None


def _read_siblings(tree: Tree, draft: Draft) -> None:
    """Fill core and package; a CPU's core is named after its lowest running CPU."""
    cpus = set().union(*(node.cpus for node in draft.nodes.values()))
    running = cpus if draft.running is None else draft.running
    for cpu in sorted(running):
        folder = f"{CPUS}/cpu{cpu}/topology"
        siblings = _read_ids(tree, folder, ("core_cpus_list", "thread_siblings_list"),
                             ("core_cpus", "thread_siblings"))
        if siblings:
            draft.core[cpu] = min(siblings & running, default=cpu)
        package = (tree.read(f"{folder}/physical_package_id") or "-1").strip("\0 \t\n")
        if package != "-1":  # -1: the kernel does not know
            draft.package[cpu] = whole(package, f"{folder}/physical_package_id", 2**31 - 1)


def write_sysfs(topology: Topology, directory: str | os.PathLike[str]) -> Path:
    """See :meth:`Topology.write_sysfs`, which is this function."""
    root = Path(directory)
    for name in ("sys", "proc"):
        if (root / name).exists():
            raise InvalidArgument(f"{quoted(str(root / name))} exists already, "
                                  "choose another directory")
    files = {f"sys/{NODES}/{path}": text for path, text in _node_files(topology).items()}
    files |= {f"sys/{CPUS}/{path}": text for path, text in _cpu_files(topology).items()}
    # lscpu and lstopo take a tree without it for no tree, lscpu a CPU without a model for none.
    files["proc/cpuinfo"] = "\n".join(f"processor\t: {cpu}\nmodel name\t: {MODEL_NAME}\n"
                                      for cpu in topology.cpus)
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + "\n", encoding="ascii")
    return root


def _node_files(topology: Topology) -> dict[str, str]:
    """Texts by path below devices/system/node."""
    everyone = format_list(topology.nids)
    with_memory = format_list(topology.memory_nodes)
    files = {"online": everyone, "possible": everyone,
             "has_cpu": format_list(topology.cpu_nodes),
             "has_memory": with_memory, "has_normal_memory": with_memory}
    nr_ids = topology.cpus[-1] + 1
    for node, row in zip(topology.nodes, topology.distance.tolist()):
        folder = f"node{node.nid}"
        total = node.memory // KIB
        files[f"{folder}/cpulist"] = format_list(node.cpus)
        files[f"{folder}/cpumap"] = format_mask(node.cpus, nr_ids)
        files[f"{folder}/distance"] = " ".join(str(value) for value in row)
        files[f"{folder}/meminfo"] = "\n".join(
            f"Node {node.nid} {key + ':':<14} {value:>9} kB"
            for key, value in (("MemTotal", total), ("MemFree", total), ("MemUsed", 0)))
    return files


def _cpu_files(topology: Topology) -> dict[str, str]:
    """Texts by path below devices/system/cpu; an unknown core gets no file."""
    everyone = format_list(topology.cpus)
    nr_ids = topology.cpus[-1] + 1
    files = {"online": everyone, "possible": everyone, "present": everyone,
             "kernel_max": str(nr_ids - 1)}
    # -1: the kernel does not know; lstopo wants some group even then, so it gets one of all.
    package = {cpu: topology.package_of(cpu) for cpu in topology.cpus}
    package = {cpu: -1 if label is None else label for cpu, label in package.items()}
    core = {cpu: topology.core_of(cpu) for cpu in topology.cpus}
    for owner, id_file, words in ((core, "core_id", ("thread_siblings", "core_cpus")),
                                  (package, "physical_package_id",
                                   ("core_siblings", "package_cpus"))):
        members: dict[int, list[int]] = {}
        for cpu, label in owner.items():
            if label is not None:
                members.setdefault(label, []).append(cpu)
        for label, group in members.items():
            mask, ids = format_mask(group, nr_ids), format_list(group)
            for cpu in group:
                files[f"cpu{cpu}/topology/{id_file}"] = str(label)
                for word in words:
                    files[f"cpu{cpu}/topology/{word}"] = mask
                    files[f"cpu{cpu}/topology/{word}_list"] = ids
    return files | {f"cpu{cpu}/online": "1" for cpu in topology.cpus}
