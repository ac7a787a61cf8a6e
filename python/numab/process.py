"""Processes: an address space and the calls on it.

Addresses are bytes, ``vpn`` page numbers of 4 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core import ffi, lib, text
from numa_core.errors import InvalidArgument, NoSuchTask, OutOfMemory

from .arguments import U64, choice, flag, names, whole, whole_array
from .procfs.methods import ProcessFiles
from .syscalls.methods import ProcessCalls
from .values import (
    PAGE_FLAGS, VMA_FLAGS, VMA_KINDS, Page, Part, Vma, VmaStats, mpol, prot_bits, prot_text,
    tag_or_none,
)

if TYPE_CHECKING:
    from .task import Task

__all__ = ["Process"]

MODES = ("async", "sync_light", "sync")
HOST_FLAGS = ("no_lru", "pinned", "writeback")
NODE = (0, 1023)
OBJECT = (0, 2**31 - 1)


def _range(vaddr: Any, size: Any) -> tuple[int, int]:
    return whole("vaddr", vaddr, U64), whole("size", size, U64)


class Process(Part, ProcessCalls, ProcessFiles):
    """An address space.  ``pid`` is also the id of its first task.

    >>> from numab import Machine
    >>> process = Machine("2s").process(cpu=8)
    >>> _ = process.mmap(0x10000 * 4096, 2 * 4096)
    >>> process.main.access(0x10000 * 4096, write=True).nid, process.node_pages().tolist()
    (1, [0, 1])
    """

    @property
    def pid(self) -> int:
        """Process id."""
        return self._id

    @property
    def main(self) -> Task:
        """Its first task."""
        return self.machine.task(self._id)

    def mmap(
        self,
        vaddr: int,
        size: int,
        *,
        kind: str = "anon_private",
        prot: str = "rw",
        flags: Iterable[str] = (),
        object: int = 0,
        pgoff: int = 0,
    ) -> Vma:
        """Map ``[vaddr, vaddr + size)`` bytes; pages come at the first touch.

        ``kind``: anon_private, anon_shared, shm, file_shared, file_private (all but the first need
        an ``object`` of :meth:`Machine.object`); ``pgoff``: offset in the object, and where
        interleaving begins (Linux's of anonymous memory is ``vaddr // 4096``); ``flags``: io,
        pfnmap, hugetlb, and the names heap, stack.

        Raises InvalidArgument, AlreadyMapped, OutOfMemory; nothing is mapped then.
        """
        given = names("VMA flag", flags, tuple(VMA_FLAGS))
        c = ffi.new("struct numab_vma *")
        c.vaddr, c.size_bytes = _range(vaddr, size)
        c.object, c.pgoff = whole("object", object, OBJECT), whole("pgoff", pgoff, U64)
        c.kind, c.prot = choice("VMA kind", kind, VMA_KINDS), prot_bits(prot)
        for name in given:
            c.flags |= VMA_FLAGS[name]
        self._h.check(lib.numab_mmap(self._h.m, self._id, c))
        return Vma(c.vaddr, c.size_bytes, kind, prot_text(c.prot), given, c.object, c.pgoff)

    def munmap(self, vaddr: int, size: int) -> None:
        """Unmap a range; holes are fine."""
        self._h.check(lib.numab_munmap(self._h.m, self._id, *_range(vaddr, size)))

    def mprotect(self, vaddr: int, size: int, prot: str) -> None:
        """Change protection; hints on rewritten entries are lost.  Raises AccessFault on holes."""
        self._h.check(
            lib.numab_mprotect(self._h.m, self._id, *_range(vaddr, size), prot_bits(prot))
        )

    def mremap(self, vaddr: int, size: int, new_vaddr: int) -> None:
        """Move a mapping with its entries, marks included."""
        new_vaddr = whole("new_vaddr", new_vaddr, U64)
        self._h.check(lib.numab_mremap(self._h.m, self._id, *_range(vaddr, size), new_vaddr))

    def change_prot_numa(self, vaddr: int, size: int) -> int:
        """Mark a range for hinting at once; returns its numa_pte_updates (patch 14)."""
        return self._h.check(
            lib.numab_change_prot_numa(self._h.m, self._id, *_range(vaddr, size))
        )

    def vmas(self) -> list[Vma]:
        """Its mappings, ascending."""
        n = self._h.check(lib.numab_vmas(self._h.m, self._id, ffi.NULL, 0))
        c = ffi.new("struct numab_vma[]", max(n, 1))
        lib.numab_vmas(self._h.m, self._id, c, n)
        return [
            Vma(
                v.vaddr, v.size_bytes, VMA_KINDS[v.kind], prot_text(v.prot),
                tuple(f for f, bit in VMA_FLAGS.items() if v.flags & bit), v.object, v.pgoff,
            )
            for v in (c[i] for i in range(n))
        ]

    def populate(self, vpns: Any, nids: Any, *, present: bool = True) -> None:
        """Place pages before the program runs: ``vpns`` uint64, ``nids`` int32, same length.

        ``present=False`` only notes where the first touch shall place them.  Full nodes fall back
        by distance.  Raises AccessFault, OutOfMemory; pages before the offending one stay placed.
        """
        pages = whole_array("vpns", vpns, np.uint64, U64)
        nodes = whole_array("nids", nids, np.int32, NODE)
        if len(nodes) not in (1, len(pages)):
            raise InvalidArgument(
                f"{len(nodes)} nids for {len(pages)} vpns, permitted: one for all, or one each"
            )
        nodes = np.ascontiguousarray(np.broadcast_to(nodes, pages.shape))
        self._h.check(
            lib.numab_populate(
                self._h.m, self._id, ffi.from_buffer("uint64_t[]", pages),
                ffi.from_buffer("int32_t[]", nodes), len(pages), flag("present", present),
            )
        )

    def set_policy(
        self, vaddr: int, size: int, mode: str, *, nid: int = -1, nodes: Iterable[int] = (),
        lazy: bool = False,
    ) -> None:
        """Target rule of a range: none, local, preferred, bind, interleave; ``lazy``: MOF."""
        c, _mask = mpol(mode, nid, nodes, lazy)
        self._h.check(lib.numab_set_vma_policy(self._h.m, self._id, *_range(vaddr, size), c))

    def migrate_pages(
        self, vpns: Any, nid: int, *, mode: str = "sync", reason: str = "syscall_or_cpuset"
    ) -> int:
        """Move pages to a node (``vpns`` ascending); returns how many could not be moved.

        ``mode``: async, sync_light, sync.  Raises OutOfMemory when the node ran out.
        """
        reasons = [text(lib.numab_migrate_reason_name(i)) for i in range(7)]
        pages = whole_array("vpns", vpns, np.uint64, U64)
        return self._h.check(
            lib.numab_migrate_pages(
                self._h.m, self._id, ffi.from_buffer("uint64_t[]", pages), len(pages),
                whole("nid", nid, NODE), choice("mode", mode, MODES),
                choice("reason", reason, reasons),
            )
        )

    def page(self, vpn: int) -> Page:
        """One page, as it is."""
        c = ffi.new("struct numab_page *")
        self._h.check(lib.numab_page(self._h.m, self._id, whole("vpn", vpn, U64), c))
        flags = frozenset(f for i, f in enumerate(PAGE_FLAGS) if c.flags >> i & 1)
        return Page(c.nid, tag_or_none(c.tag), c.mapcount, flags)

    def page_nids(self, vpn: int, n: int) -> np.ndarray:
        """Node of each page of ``[vpn, vpn + n)``: a copy, int16, -1 where there is none."""
        vpn, n = whole("vpn", vpn, U64), whole("n", n, U64)
        try:
            out = np.empty(n, np.int16)
        except (MemoryError, ValueError):  # ValueError: more than an array can ever have
            raise OutOfMemory(f"no memory for the nodes of {n} pages") from None
        self._h.check(
            lib.numab_page_nids(
                self._h.m, self._id, vpn, n, ffi.from_buffer("int16_t[]", out, True)
            )
        )
        return out

    def set_page_flags(self, vpn: int, flags: Iterable[str], on: bool = True) -> None:
        """Set or clear ``no_lru`` (isolation fails), ``pinned`` (-EAGAIN), ``writeback``.

        What ``leak_on_refused_migrate`` has pinned stays so.
        """
        bits = sum(1 << PAGE_FLAGS.index(f) for f in set(names("page flag", flags, HOST_FLAGS)))
        vpn, on = whole("vpn", vpn, U64), flag("on", on)
        self._h.check(lib.numab_page_set_flags(self._h.m, self._id, vpn, bits, on))

    def split_huge_page(self, vpn: int) -> None:
        """Split the huge page at ``vpn``; raises NoSuchTask when there is none."""
        self._h.check(lib.numab_split_huge_page(self._h.m, self._id, whole("vpn", vpn, U64)))

    def node_pages(self) -> np.ndarray:
        """Resident pages by node id: a copy, uint64, shape (nr_node_ids,)."""
        out = np.zeros(self.machine.nr_node_ids, np.uint64)
        self._h.check(
            lib.numab_mm_node_pages(self._h.m, self._id, ffi.from_buffer("uint64_t[]", out, True))
        )
        return out

    def vma_stats(self, vaddr: int) -> VmaStats:
        """Pages of the mapping that holds ``vaddr``, as numa_maps counts them (gather_stats).

        One walk in C over what is mapped.  Raises AccessFault when no mapping is there.
        """
        c = ffi.new("struct numab_vma_stats *")
        nids = np.zeros(self.machine.nr_node_ids, np.uint64)
        self._h.check(
            lib.numab_vma_stats(
                self._h.m, self._id, whole("vaddr", vaddr, U64), c,
                ffi.from_buffer("uint64_t[]", nids, True),
            )
        )
        nodes = {int(nid): int(nids[nid]) for nid in np.flatnonzero(nids)}
        return VmaStats(c.pages, c.anon, c.dirty, c.writeback, c.mapcount_max, nodes)

    def faults(self) -> np.ndarray:
        """Hinting faults accounted to each node id: a copy, uint64, (nr_node_ids,)."""
        pointer = lib.numab_mm_faults(self._h.m, self._id)
        if pointer == ffi.NULL:
            raise NoSuchTask(f"no process {self._id}")
        return self._h.view(pointer, (self.machine.nr_node_ids,)).copy()  # gone with its last task
