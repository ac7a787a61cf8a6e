"""Values that cross the border between a host and a machine, and the closed sets of names.

Addresses are bytes, ``vpn`` page numbers of 4 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core import ROW, ffi, lib, reason_rows
from numa_core.errors import InvalidArgument

from .arguments import ID, NID, U32, U64, choice, flag, shown, whole, whole_array

if TYPE_CHECKING:
    from .machine import Machine

__all__ = [
    "Batch", "Move", "NodeInfo", "Outcome", "Page", "Part", "Probe", "Stop", "TaskInfo", "Vma",
    "VmaStats", "rows",
]

PAGE_BYTES = 4096
VMA_KINDS = ("anon_private", "anon_shared", "shm", "file_shared", "file_private")
VMA_FLAGS = {"io": 1, "pfnmap": 2, "hugetlb": 4, "heap": 8, "stack": 16}
OBJECT_KINDS = {"shm": "NUMAB_SHM", "file": "NUMAB_FILE_SHARED"}
PAGE_FLAGS = (
    "present", "marked", "pmd_marked", "huge", "writable", "accessed", "dirty", "zero",
    "exclusive", "moving", "no_lru", "pinned", "writeback",
)
MPOL_MODES = ("none", "local", "preferred", "bind", "interleave")
FAULT_KINDS = (
    "none", "segv", "first_touch", "zero_page", "write", "cow", "hint_pte", "hint_pmd", "hint_thp",
)
REASONS = tuple(name for name, _ in reason_rows())


@dataclass(frozen=True)
class Vma:
    """A mapping: ``vaddr`` and ``size`` in bytes, ``prot`` like ``rw`` or ``none``."""

    vaddr: int
    size: int
    kind: str
    prot: str
    flags: tuple[str, ...]
    object: int
    pgoff: int


@dataclass(frozen=True)
class VmaStats:
    """Pages of one mapping as numa_maps counts them; ``nodes`` only those that have any.

    Huge pages count as 512, those of a hugetlb mapping as 1 each."""

    pages: int
    anon: int
    dirty: int
    writeback: int
    mapcount_max: int
    nodes: dict[int, int]


@dataclass(frozen=True)
class Outcome:
    """One access: its price, the page's node then, its last hinting fault's verdict (``none``:
    there was no hint), page faults taken and how many of them were hints."""

    cost_ps: int
    nid: int
    reason: str
    faults: int
    hints: int


@dataclass(frozen=True)
class Batch:
    """Many accesses: rows done, price, faults, hints."""

    consumed: int
    cost_ps: int
    faults: int
    hints: int


@dataclass(frozen=True)
class Page:
    """A page, as it is: ``nid`` -1 when there is none, ``tag`` None when unset."""

    nid: int
    tag: int | None
    mapcount: int
    flags: frozenset[str]


@dataclass(frozen=True)
class Probe:
    """What an access would meet first, and why; nothing has changed.

    ``kind``: none, segv, first_touch, zero_page, write, cow, hint_pte, hint_pmd, hint_thp.
    """

    kind: str
    reason: str
    nid: int
    to_nid: int
    tag: int | None
    new_tag: int | None


@dataclass(frozen=True)
class TaskInfo:
    """A task and its address space, now: the fields of ``struct numab_task_info``."""

    tid: int
    pid: int
    cpu: int
    nid: int
    home_nid: int
    state: int
    numa_scan_seq: int
    mm_numa_scan_seq: int
    numa_scan_period_ms: int
    node_stamp_ns: int
    sum_exec_ns: int
    numa_fault_tot: int
    numa_faults_ever: int
    debt_ps: int
    accesses_local: int
    accesses_remote: int
    mm_numa_next_scan: int
    mm_numa_scan_vpn: int
    mm_numa_fault_tot: int
    mm_pages: int
    sys_ps: int
    nice: int
    weight: int
    queued: int
    next_cpu: int
    numa_contrib: int
    vruntime_ns: int
    last_ran_ns: int
    wake_ns: int
    mm_numa_next_reset: int
    mm_first_nid: int
    nr_switches: int


@dataclass(frozen=True)
class Stop:
    """Why a run ended: ``until``, ``feed`` (task ``tid`` has nothing to do), ``loop`` (``loop``
    loops of the replay are complete), ``done``, or ``ring`` (drain the events)."""

    why: str
    tid: int
    loop: int


@dataclass(frozen=True)
class Move:
    """External mode: a move that the host is asked for, to be answered by ``machine.migrated``."""

    id: int
    vpn: int
    pid: int
    tid: int
    from_nid: int
    to_nid: int
    nr_pages: int


@dataclass(frozen=True)
class NodeInfo:
    """A node's pages, now.  Units: pages of 4 KiB."""

    nid: int
    nr_cpus: int
    pages: int
    free: int
    leaked: int
    watermark_min: int
    watermark_low: int
    watermark_high: int


def rows(vpn: Any, reads: Any = 0, writes: Any = 0) -> np.ndarray:
    """Access rows for :meth:`Task.access_rows` and :meth:`Task.feed`: a new array, dtype ROW.

    Arguments are broadcast against each other.  The high 16 bits of ``vpn`` may hold a number of
    further pages.

    >>> rows([1, 2], reads=3)["reads"].tolist()
    [3, 3]
    """
    columns = (
        whole_array("vpn", vpn, np.uint64, U64),
        whole_array("reads", reads, np.uint32, U32),
        whole_array("writes", writes, np.uint32, U32),
    )
    try:
        pages, r, w = np.broadcast_arrays(*columns)
    except ValueError:
        lengths = ", ".join(str(len(c)) for c in columns)
        raise InvalidArgument(
            f"vpn, reads and writes of lengths {lengths}, permitted: equal ones, or 1"
        ) from None
    out = np.empty(pages.size, ROW)
    out["page"], out["reads"], out["writes"] = pages, r, w
    return out


def prot_bits(prot: str) -> int:
    if not isinstance(prot, str) or prot != "none" and (not prot or set(prot) - set("rwx-")):
        raise InvalidArgument(f"protection {shown(prot)}, permitted: none, or letters of rwx")
    return 0 if prot == "none" else sum({"r": 1, "w": 2, "x": 4}.get(c, 0) for c in set(prot))


def prot_text(prot: int) -> str:
    return "".join(c for c, bit in (("r", 1), ("w", 2), ("x", 4)) if prot & bit) or "none"


def mpol(mode: str, nid: int, nodes: Iterable[int], lazy: bool) -> Any:
    """``struct numab_mpol *`` and the mask that must live as long."""
    c = ffi.new("struct numab_mpol *")
    c.mode = choice("policy mode", mode, MPOL_MODES)
    c.flags = lib.NUMAB_MPOL_F_MOF if flag("lazy", lazy) else 0
    c.nid = whole("nid", nid, NID)
    c.home_nid = lib.NUMAB_NO_NODE
    words = [0] * 16
    for n in whole_array("nodes", nodes, np.int64, (0, 1023)).tolist():
        words[n // 64] |= 1 << n % 64
    mask = ffi.new("uint64_t[16]", words)
    c.nr_mask_words, c.mask = 16, mask
    return c, mask


def tag_or_none(tag: int) -> int | None:
    return None if tag == lib.NUMAB_TAG_UNSET else tag


class Part:
    """What processes and tasks have in common: a machine and an id."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self._h = machine._h
        self._id = whole("id", number, ID)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (
            (self.machine, self._id) == (other.machine, other._id)  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return hash((id(self.machine), self._id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._id})"
