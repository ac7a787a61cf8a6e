"""Memory: mapped, placed, touched, moved."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np

from numa_core.errors import InvalidArgument

from .. import syscalls
from ..arguments import U64, flag, whole
from ..syscalls.range_calls import set_vma_policy
from ..values import Vma, rows
from .bitmask import Bitmask, numa_bitmask_setbit
from .policy import Policies
from .sizes import INT, PAGE_BYTES
from .state import (
    MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED, MPOL_PREFERRED_MANY, checked_mask,
)

__all__ = ["Memory", "unmapped_area"]

MMAP_BASE = 0x7FFFF7FFF000
"""Where mappings start and grow down from, without randomization: x86-64, a stack of 8 MiB."""

MMAP_MIN = 0x10000


def unmapped_area(vmas: list[Vma], size: int) -> int | None:
    """The highest place below MMAP_BASE where ``size`` bytes fit; None: there is none.

    Linux: arch_get_unmapped_area_topdown.

    >>> hex(unmapped_area([], 8192))
    '0x7ffff7ffd000'
    """
    end = MMAP_BASE
    for vma in reversed(vmas):
        if vma.vaddr + vma.size <= end - size:
            break
        end = min(end, vma.vaddr)
    return end - size if end - size >= MMAP_MIN else None


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES


class Memory(Policies):
    """numa_alloc and its kin return an address, or None with :attr:`errno` set.

    A policy that the kernel refuses is told to numa_error, and the memory is returned all the same.
    """

    def _mmap(self, size: int) -> int | None:
        length = _whole_pages(whole("size", size, U64))
        if not length:
            self.fail(errno.EINVAL)
            return None
        place = unmapped_area(self.process.vmas(), length)
        if place is None:
            self.fail(errno.ENOMEM)
            return None
        # The page offset is the address, as of all anonymous memory: interleaving goes by it.
        return self.process.mmap(place, length, pgoff=place // PAGE_BYTES).vaddr

    # ---- allocation ----

    def numa_alloc(self, size: int) -> int | None:
        """Under the task's policy; every page is touched at once."""
        mem = self._mmap(size)
        if mem is not None:
            self.numa_police_memory(mem, size)
        return mem

    def numa_alloc_onnode(self, size: int, node: int) -> int | None:
        """On one node, whatever :meth:`numa_set_bind_policy` made of that."""
        bmp = numa_bitmask_setbit(self.numa_allocate_nodemask(), whole("node", node, INT))
        mem = self._mmap(size)
        if mem is not None:
            self.dombind(mem, size, self._bind_policy, bmp)
        return mem

    def numa_alloc_local(self, size: int) -> int | None:
        """Where the task that touches it runs (MPOL_LOCAL)."""
        mem = self._mmap(size)
        if mem is not None:
            self.dombind(mem, size, MPOL_LOCAL, None)
        return mem

    def numa_alloc_interleaved_subset(self, size: int, nodemask: Bitmask) -> int | None:
        """Interleaved over some nodes."""
        mem = self._mmap(size)
        if mem is not None:
            self.dombind(mem, size, MPOL_INTERLEAVE, nodemask)
        return mem

    def numa_alloc_interleaved(self, size: int) -> int | None:
        """Interleaved over all nodes that were allowed when the library was loaded."""
        return self.numa_alloc_interleaved_subset(size, self.numa_all_nodes_ptr)

    def numa_realloc(self, old_addr: int, old_size: int, new_size: int) -> int | None:
        """Grow or shrink, in place if there is room, else somewhere else; pages and policy stay.

        None: EINVAL for no size or no page's address, EFAULT where nothing is mapped, ENOMEM.
        Linux: mremap(2) with MREMAP_MAYMOVE.
        """
        old = whole("old_addr", old_addr, U64)
        was = _whole_pages(whole("old_size", old_size, U64))
        size = _whole_pages(whole("new_size", new_size, U64))
        if old % PAGE_BYTES or not size or not was:
            self.fail(errno.EINVAL)
            return None
        vmas = self.process.vmas()
        own = next((v for v in vmas if v.vaddr <= old < v.vaddr + v.size), None)
        if own is None or own.vaddr + own.size < old + was:
            self.fail(errno.EFAULT)
            return None
        if size <= was:
            if size < was:
                self.process.munmap(old + size, was - size)
            return old
        return self._grow(own, old, was, size, vmas)

    def _grow(self, own: Vma, old: int, was: int, size: int, vmas: list[Vma]) -> int | None:
        process, memory = self.process, self.machine.memory
        policy = memory.range_policy(process.pid, old, shared=False)
        end, place = old + size, old
        if any(v.vaddr < end and old + was < v.vaddr + v.size for v in vmas):
            found = unmapped_area(vmas, size)
            if found is None:
                self.fail(errno.ENOMEM)
                return None
            place = found
            process.mremap(old, was, place)
        process.mmap(place + was, size - was, kind=own.kind, prot=own.prot, flags=own.flags,
                     object=own.object, pgoff=own.pgoff + (old + was - own.vaddr) // PAGE_BYTES)
        set_vma_policy(memory, self.task, place + was, place + size, policy)
        return place

    def numa_free(self, mem: int, size: int) -> None:
        """Unmap; what cannot be unmapped is left as it is."""
        try:
            self.process.munmap(whole("mem", mem, U64), _whole_pages(whole("size", size, U64)))
        except InvalidArgument:
            self.fail(errno.EINVAL)

    # ---- policy of memory that is mapped ----

    def numa_interleave_memory(self, mem: int, size: int, mask: Bitmask) -> None:
        """Interleave it over these nodes."""
        self.dombind(mem, size, MPOL_INTERLEAVE, mask)

    def numa_tonode_memory(self, mem: int, size: int, node: int) -> None:
        """Put it on one node, as :meth:`numa_set_bind_policy` says."""
        bmp = numa_bitmask_setbit(self.numa_allocate_nodemask(), whole("node", node, INT))
        self.dombind(mem, size, self._bind_policy, bmp)

    def numa_tonodemask_memory(self, mem: int, size: int, mask: Bitmask) -> None:
        """Put it on some nodes, as :meth:`numa_set_bind_policy` says."""
        self.dombind(mem, size, self._bind_policy, checked_mask(mask))

    def numa_setlocal_memory(self, mem: int, size: int) -> None:
        """Put it where the task that touches it runs."""
        self.dombind(mem, size, MPOL_LOCAL, None)

    def numa_police_memory(self, mem: int, size: int) -> None:
        """Write to each page, so that it is there.

        Raises AccessFault where nothing is mapped (SIGSEGV), OutOfMemory (the OOM killer)."""
        first, pages = whole("mem", mem, U64), _whole_pages(whole("size", size, U64)) // PAGE_BYTES
        if pages:
            vpns = np.arange(pages, dtype=np.uint64) + np.uint64(first // PAGE_BYTES)
            self.task.access_rows(rows(vpns, writes=1))

    def numa_set_bind_policy(self, strict: int) -> None:
        """What numa_alloc_onnode and numa_tonode... do when their nodes are full: 1 (as at the
        start) fail, 0 take another node."""
        if flag("strict", strict):
            self._bind_policy = MPOL_BIND
        else:
            many = self.numa_has_preferred_many()
            self._bind_policy = MPOL_PREFERRED_MANY if many else MPOL_PREFERRED

    def numa_set_strict(self, strict: int) -> None:
        """1: calls of the four functions above are errors when pages are misplaced already."""
        self._mbind_flags = syscalls.MPOL_MF_STRICT if flag("strict", strict) else 0

    # ---- moving ----

    def numa_migrate_pages(self, pid: int, fromnodes: Bitmask, tonodes: Bitmask) -> int:
        """migrate_pages(2): how many pages could not be moved, or -1."""
        return self.answer(syscalls.migrate_pages(
            self.task, pid, self.numa_num_possible_nodes() + 1, checked_mask(fromnodes).words(),
            checked_mask(tonodes).words(),
        ))

    def numa_move_pages(
        self, pid: int, count: int, pages: Any, nodes: Any, status: Any, flags: int
    ) -> int:
        """move_pages(2): 0, how many were not moved, or -1.

        ``pages``: ``count`` addresses; ``nodes``: as many nodes, None: only tell; ``status``: an
        array of as many int32, filled with nodes and negative errnos; ``flags``: 2 MOVE, 4
        MOVE_ALL.
        """
        return self.answer(
            syscalls.move_pages(self.task, pid, count, pages, nodes, status, flags)
        )
