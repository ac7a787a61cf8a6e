"""mbind and set_mempolicy_home_node: the policy of a range of addresses."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numa_core import ffi, lib

from ..arguments import whole
from ..mempolicy import Flags, InForce, Mode
from ..mempolicy.interned import MASK_WORDS, mask_words
from .policy_calls import LONG, mpol_new, sanitize_mpol_flags
from .state import MemoryState, core_answer
from .user import MAX_NUMNODES, bits_of, get_nodes, refuse

if TYPE_CHECKING:
    from ..task import Task

__all__ = [
    "MPOL_MF_LAZY", "MPOL_MF_MOVE", "MPOL_MF_MOVE_ALL", "MPOL_MF_STRICT", "mbind",
    "set_mempolicy_home_node",
]

MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_LAZY = 1, 2, 4, 8
PAGE_BYTES = 4096
TASK_SIZE = 1 << 47
_U64 = 2**64


def mbind(
    task: Task, start: int, length: int, mode: int, nmask: Any, maxnode: int, flags: int
) -> None:
    """The policy of a range, and where its pages lie.  Linux: mbind(2), kernel_mbind, do_mbind.

    STRICT without MOVE refuses (EIO) and changes nothing when a page is misplaced; with MOVE the
    policy is set, what can move moves, and EIO says that not all did.
    """
    state = task.machine.memory
    era = state.era
    start, length = whole("start", start, LONG) % _U64, whole("length", length, LONG) % _U64
    row, mode_flags = sanitize_mpol_flags(era, mode)
    mask = get_nodes(nmask, whole("maxnode", maxnode, LONG), old=era.old_calls)
    flags = whole("flags", flags, LONG) & 0xFFFFFFFF
    if flags & ~era.mbind_flags:
        refuse(errno.EINVAL, f"mbind flags {flags:#x}, permitted in era {era.name}: a sum of "
               f"{_flag_names(era.mbind_flags)}")
    pid = state.pid_of(task.tid)
    if flags & MPOL_MF_MOVE_ALL and not state.capable(pid):
        refuse(errno.EPERM, f"MOVE_ALL by user {state.uid(pid)}, permitted: root (CAP_SYS_NICE)")
    end = _page_range(start, length)
    if row.rule == "NONE":
        flags &= ~MPOL_MF_STRICT
    if end == start:
        return
    policy = mpol_new(state, task.tid, row, mode_flags, mask)
    if policy and flags & MPOL_MF_LAZY:
        policy = replace(policy, asked=replace(policy.asked, flags=policy.flags | Flags.MOF))
    _set_range(state, task, start, end, row, policy, mask, flags)


def _flag_names(valid: int) -> str:
    names = ((1, "STRICT"), (2, "MOVE"), (4, "MOVE_ALL"), (8, "LAZY"))
    return ", ".join(f"{bit} ({name})" for bit, name in names if valid & bit)


def _page_range(start: int, length: int) -> int:
    """The range's end, rounded up to pages in 64 bits."""
    if start % PAGE_BYTES:
        refuse(errno.EINVAL, f"start {start:#x}, permitted: a multiple of {PAGE_BYTES}")
    end = (start + (length + PAGE_BYTES - 1) % _U64 // PAGE_BYTES * PAGE_BYTES) % _U64
    if end < start:
        refuse(errno.EINVAL, f"{length} bytes from {start:#x}, permitted: an end below 2**64")
    return end


def _set_range(
    state: MemoryState, task: Task, start: int, end: int, row: Mode, policy: InForce | None,
    mask: int, flags: int,
) -> None:
    era = state.era
    if policy and end > TASK_SIZE or start >= TASK_SIZE:
        refuse(errno.EFAULT, f"{start:#x}..{end:#x} is not all mapped")
    c, _mask = state.policies.lowered(policy, state.within(task.tid) if policy else None)
    out = ffi.new("struct numab_mbind_result *")
    core_answer(task._h, lib.numab_mbind(
        task._h.m, task.tid, start, min(end, TASK_SIZE) - start,
        ffi.NULL if row.name == "NOOP" else c, mask_words(bits_of(mask)), MASK_WORDS,
        flags | era.core_flags, out))
    unmoved = out.failed + (0 if era.old_calls else out.unmovable)
    if flags & MPOL_MF_STRICT and unmoved:
        refuse(errno.EIO, f"{unmoved} pages of {start:#x}..{end:#x} could not be moved; the "
               "policy is set")


def set_mempolicy_home_node(
    task: Task, start: int, length: int, home_node: int, flags: int = 0
) -> None:
    """The node that BIND and PREFERRED_MANY of a range count distances from.

    Ranges before the first whose policy has no home node keep theirs.  Linux:
    set_mempolicy_home_node(2).
    """
    state = task.machine.memory
    if not state.era.home_node:
        refuse(errno.ENOSYS, f"set_mempolicy_home_node in era {state.era.name}, permitted: from "
               "era v6.1 on")
    start, length = whole("start", start, LONG) % _U64, whole("length", length, LONG) % _U64
    if start % PAGE_BYTES:
        refuse(errno.EINVAL, f"start {start:#x}, permitted: a multiple of {PAGE_BYTES}")
    if whole("flags", flags, LONG):
        refuse(errno.EINVAL, f"flags {flags:#x}, permitted: 0")
    home = whole("home_node", home_node, LONG) % _U64
    if home >= MAX_NUMNODES or home not in state.nodes:
        refuse(errno.EINVAL, f"home node {home_node}, permitted: {list(state.nodes)}")
    end = _page_range(start, length)
    if end != start:
        _set_home(state, task, start, end, home)


def _set_home(state: MemoryState, task: Task, start: int, end: int, home: int) -> None:
    pid = state.pid_of(task.tid)
    found = False
    for vma_start, vma_end, policy in vma_policies(state, pid, start, end):
        if policy is None:
            continue
        if policy.asked.mode not in ("BIND", "PREFERRED_MANY"):
            refuse(errno.EOPNOTSUPP, f"a home node for policy {policy} at {vma_start:#x}, "
                   "permitted: BIND and PREFERRED_MANY")
        found = True
        set_vma_policy(state, task, vma_start, vma_end, replace(policy, home_nid=home))
    if not found:
        refuse(errno.ENOENT, f"no policy in {start:#x}..{end:#x}, permitted: a range with BIND "
               "or PREFERRED_MANY")


def vma_policies(
    state: MemoryState, pid: int, start: int = 0, end: int = _U64
) -> Iterator[tuple[int, int, InForce | None]]:
    """(start, end, own policy) of each mapping, as far as it lies in the range, ascending."""
    n = lib.numab_vmas(state._m, pid, ffi.NULL, 0)
    c = ffi.new("struct numab_vma[]", max(n, 1))
    lib.numab_vmas(state._m, pid, c, n)
    for i in range(max(n, 0)):
        low, high = max(c[i].vaddr, start), min(c[i].vaddr + c[i].size_bytes, end)
        if low < high:
            yield low, high, state.range_policy(pid, c[i].vaddr, shared=False)


def set_vma_policy(
    state: MemoryState, task: Task, start: int, end: int, policy: InForce | None
) -> None:
    """Give a mapped range that policy."""
    c, _mask = state.policies.lowered(policy, state.within(task.tid) if policy else None)
    core_answer(task._h, lib.numab_set_vma_policy(
        task._h.m, state.pid_of(task.tid), start, end - start, c))
