"""migrate_pages and move_pages: pages of a process, moved at somebody's request."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core import ffi, lib

from ..arguments import whole
from .policy_calls import LONG
from .range_calls import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from .state import MemoryState, core_answer
from .user import MAX_NUMNODES, BadPointer, bits_of, checked_in, checked_out, get_nodes, refuse

if TYPE_CHECKING:
    from ..task import Task

__all__ = ["migrate_pages", "move_pages"]

U64_MAX = 2**64 - 1
PID = (-(2**31), 2**31 - 1)
OLD_CHUNK = 169  # a page of struct page_to_node, less the end mark
STAT_CHUNK = 16  # do_pages_stat
_UNWRITTEN = -(2**31)


def _target(state: MemoryState, task: Task, pid: int) -> tuple[int, int]:
    """(tid, pid) of the process a call names.  Raises OSError ESRCH, EPERM.

    Linux: find_mm_struct; ptrace_may_access, which asks for the same user, or root.
    """
    number = whole("pid", pid, PID)
    tid = number or task.tid
    info = state.info(tid) if tid > 0 else None
    if info is None:
        refuse(errno.ESRCH, f"no process {number}")
    own, other = state.uid(state.pid_of(task.tid)), state.uid(int(info.pid))
    if own not in (0, other):
        refuse(errno.EPERM, f"process {number} of user {other} by user {own}, permitted: the same "
               "user, or root")
    return tid, int(info.pid)


# ---- migrate_pages ----


def migrate_pages(
    task: Task, pid: int, maxnode: int, old_nodes: Any, new_nodes: Any
) -> int:
    """Move a process's pages on ``old_nodes`` to ``new_nodes``; returns how many stayed.

    The k-th node of the old mask goes to the k-th of the new one, counted round, node by node so
    that nothing moves twice.  Linux: migrate_pages(2), do_migrate_pages.
    """
    state = task.machine.memory
    maxnode = whole("maxnode", maxnode, LONG)
    old = get_nodes(old_nodes, maxnode, old=state.era.old_calls)
    new = get_nodes(new_nodes, maxnode, old=state.era.old_calls)
    tid, target = _target(state, task, pid)
    root = state.capable(state.pid_of(task.tid))
    allowed = state.allowed(tid)
    wanted = bits_of(new)
    if not root and not set(wanted) <= set(allowed):
        refuse(errno.EPERM, f"nodes {wanted}, permitted for another user than root: {allowed}")
    if state.era.old_calls:
        if not set(wanted) <= set(state.memory_nodes):
            refuse(errno.EINVAL, f"nodes {wanted}, permitted: {state.known_nodes()}")
    else:
        mine = state.allowed(task.tid)
        if not set(wanted) & set(mine):
            refuse(errno.EINVAL, f"nodes {wanted}, permitted: at least one of {mine}")
        wanted = tuple(n for n in wanted if n in mine)
    return do_migrate_pages(state, task, target, bits_of(old), wanted,
                            MPOL_MF_MOVE_ALL if root else MPOL_MF_MOVE)


def do_migrate_pages(
    state: MemoryState, task: Task, pid: int, old: tuple[int, ...], new: tuple[int, ...],
    flags: int,
) -> int:
    """Node by node, a target that is not itself still to be emptied first.  Raises OSError."""
    left, busy = set(old), 0
    how = lib.NUMAB_MF_FALL_BACK if state.era.old_calls else state.era.core_flags
    while left:
        step = _next_step(left, old, new)
        if step is None:
            break
        left.discard(step[0])
        if step[0] in state.nodes:
            busy += core_answer(task._h, lib.numab_migrate_to_node(
                task._h.m, task.tid, pid, *step, flags | how))
    return busy


def _next_step(
    left: set[int], old: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, int] | None:
    """(source, target) of the next round: the first whose target holds nothing that must go, else
    the last that moves at all."""
    step = None
    for source in sorted(left):
        if len(old) != len(new) and source in new:
            continue
        target = new[old.index(source) % len(new)] if new else source
        if source != target:
            step = source, target
            if target not in left:
                break
    return step


# ---- move_pages ----


def move_pages(
    task: Task, pid: int, count: int, pages: Any, nodes: Any, status: Any, flags: int
) -> int:
    """Move or look up single pages of a process.

    ``pages`` (addresses, uint64), ``nodes`` (int32; None: only tell) and ``status`` (an array of
    int32 that is written: the page's node, or its own negative errno) have ``count`` entries.
    Returns 0, or since 4.20 how many were not moved when some could not be.  Entries before a bad
    one are done.  Linux: move_pages(2), do_pages_move, do_pages_stat.
    """
    state = task.machine.memory
    count = whole("count", count, LONG) & U64_MAX
    pages = checked_in("pages", pages, np.uint64)
    nodes = checked_in("nodes", nodes, np.int32)
    status = checked_out("status", status, np.int32)
    flags = whole("flags", flags, LONG) & 0xFFFFFFFF
    if flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL):
        refuse(errno.EINVAL, f"move_pages flags {flags:#x}, permitted: 2 (MOVE), 4 (MOVE_ALL)")
    own = state.pid_of(task.tid)
    if flags & MPOL_MF_MOVE_ALL and not state.capable(own):
        refuse(errno.EPERM, f"MOVE_ALL by user {state.uid(own)}, permitted: root (CAP_SYS_NICE)")
    tid, target = _target(state, task, pid)
    if nodes is None:
        return _stat(state, task, target, count, pages, status)
    return _move(state, task, tid, target, count, pages, nodes, status, flags)


def _length(pointer: Any) -> int:
    return 0 if pointer is None or isinstance(pointer, BadPointer) else len(pointer)


def _stat(
    state: MemoryState, task: Task, pid: int, count: int, pages: Any, status: Any
) -> int:
    n = min(count, _length(pages), _length(status))
    if n < count:
        n -= n % STAT_CHUNK
    _core_move(state, task, pid, pages, None, status, n, 0)
    if n < count:
        refuse(errno.EFAULT, f"pages and status end before entry {count}")
    return 0


def _move(
    state: MemoryState, task: Task, tid: int, pid: int, count: int, pages: Any, nodes: Any,
    status: Any, flags: int,
) -> int:
    bad, code, text = _first_bad(state, tid, count, pages, nodes)
    done = bad - bad % OLD_CHUNK if state.era.old_calls and bad < count else bad
    room = _length(status)
    told = np.full(done, _UNWRITTEN, np.int32)
    left = _core_move(state, task, pid, pages, nodes, told, done, flags)
    written = told != _UNWRITTEN
    shown_to = min(done, room)
    if shown_to:
        status[:shown_to][written[:shown_to]] = told[:shown_to][written[:shown_to]]
    if left and done and not written[-1]:  # stopped before it came to the bad entry
        return left + count - done
    if written[shown_to:].any():
        refuse(errno.EFAULT, f"status ends at entry {room}")
    if bad < count:
        refuse(code, text)
    return left


def _first_bad(
    state: MemoryState, tid: int, count: int, pages: Any, nodes: Any
) -> tuple[int, int, str]:
    """(index, errno, words) of the first entry that ends the call; index ``count``: none does."""
    n = min(count, _length(pages), _length(nodes))
    targets = np.asarray(nodes[:n], np.int64) if n else np.empty(0, np.int64)
    there, allowed = np.zeros(MAX_NUMNODES, bool), np.zeros(MAX_NUMNODES, bool)
    there[list(state.memory_nodes)] = True
    allowed[list(state.allowed(tid))] = True
    inside = (targets >= 0) & (targets < MAX_NUMNODES)
    at = np.where(inside, targets, 0)
    wrong = ~inside | ~there[at] | ~allowed[at]
    if wrong.any():
        i = int(wrong.argmax())
        if not inside[i] or not there[at[i]]:
            return i, errno.ENODEV, f"node {targets[i]}, permitted: {state.known_nodes()}"
        return i, errno.EACCES, f"node {targets[i]}, permitted by the cpuset: {state.allowed(tid)}"
    return n, errno.EFAULT, f"pages and nodes end before entry {count}"


def _core_move(
    state: MemoryState, task: Task, pid: int, pages: Any, nodes: Any, status: Any, n: int,
    flags: int,
) -> int:
    if not n:
        return 0
    return core_answer(task._h, lib.numab_move_pages(
        task._h.m, task.tid, pid, n, ffi.from_buffer("uint64_t[]", pages),
        ffi.NULL if nodes is None else ffi.from_buffer("int32_t[]", nodes),
        ffi.from_buffer("int32_t[]", status, True), flags | state.era.core_flags))
