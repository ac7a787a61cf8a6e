"""set_mempolicy and get_mempolicy: a task's own policy, and what holds at an address.

Checks stand in the kernel's order, so that of several mistakes the same one is answered.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core import lib

from ..arguments import whole
from ..mempolicy import Era, Flags, InForce, MemPolicy, Mode, in_force
from .state import MemoryState, core_answer
from .user import BadPointer, bits_of, checked_out, copy_nodes_to_user, get_nodes, mask_of, refuse

if TYPE_CHECKING:
    from ..task import Task

__all__ = [
    "MPOL_F_ADDR", "MPOL_F_MEMS_ALLOWED", "MPOL_F_NODE", "get_mempolicy", "mpol_new",
    "sanitize_mpol_flags", "set_mempolicy",
]

MPOL_F_NODE, MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED = 1, 2, 4
LONG = (-(2**63), 2**64 - 1)
_NODES_FLAGS = Flags.STATIC_NODES | Flags.RELATIVE_NODES
_USER_FLAGS = _NODES_FLAGS | Flags.NUMA_BALANCING


def sanitize_mpol_flags(era: Era, number: int) -> tuple[Mode, Flags]:
    """A mode number, with its flags, taken apart.  Linux: sanitize_mpol_flags.

    >>> from numab.mempolicy import ERAS
    >>> mode, flags = sanitize_mpol_flags(ERAS["v6.1"], 2 | 1 << 15)
    >>> mode.name, flags.name
    ('BIND', 'STATIC_NODES')
    """
    number = whole("mode", number, LONG) & 0xFFFFFFFF
    flags = Flags(number & int(era.mode_flags))
    row = era.mode(number & ~int(era.mode_flags))
    if row is None:
        refuse(errno.EINVAL, f"mode {number:#x}, permitted in era {era.name}: {_numbers(era)}")
    if flags & _NODES_FLAGS == _NODES_FLAGS:
        refuse(errno.EINVAL, "STATIC_NODES with RELATIVE_NODES, permitted: one of them")
    if flags & Flags.NUMA_BALANCING and row.name not in era.balancing:
        refuse(errno.EINVAL,
               f"NUMA_BALANCING with {row.name}, permitted with {', '.join(era.balancing)}")
    return row, flags


def _numbers(era: Era) -> str:
    modes = (era.mode(n) for n in range(8))
    return ", ".join(f"{row.numbers[era.name]} {row.name}" for row in modes if row)


def mpol_new(
    state: MemoryState, tid: int, row: Mode, flags: Flags, mask: int
) -> InForce | None:
    """The policy that a call asks for, under the task's allowed nodes; None: DEFAULT or NOOP.

    Raises OSError.  Linux: mpol_new, mpol_set_nodemask.
    """
    era, nodes = state.era, bits_of(mask)
    if row.mask == "none" and nodes:
        refuse(errno.EINVAL, f"{row.name} with nodes {nodes}, permitted: no nodes")
    if row.rule == "NONE":
        return None
    if row.name == "LOCAL" and flags & _NODES_FLAGS and not era.local_is_preferred:
        refuse(errno.EINVAL, f"LOCAL with {(flags & _NODES_FLAGS).name}, permitted: neither")
    if row.name == "PREFERRED" and not nodes and flags & _NODES_FLAGS:
        refuse(errno.EINVAL,
               f"{(flags & _NODES_FLAGS).name} with PREFERRED and no node, permitted: a node")
    if row.mask == "needed" and not nodes:
        refuse(errno.EINVAL, f"{row.name} without a node, permitted: at least one node")
    name = row.name
    if name == "PREFERRED" and not nodes and not era.local_is_preferred:
        name = "LOCAL"
    policy = in_force(MemPolicy(name, nodes, flags), state.allowed(tid), state.memory_nodes)
    if policy is None:
        refuse(errno.EINVAL, f"none of the nodes {nodes} is there and allowed, permitted: "
               f"{state.allowed(tid)}")
    return policy


def set_mempolicy(task: Task, mode: int, nmask: Any, maxnode: int) -> None:
    """A task's own policy.  Linux: set_mempolicy(2), kernel_set_mempolicy, do_set_mempolicy."""
    state = task.machine.memory
    row, flags = sanitize_mpol_flags(state.era, mode)
    mask = get_nodes(nmask, whole("maxnode", maxnode, LONG), old=state.era.old_calls)
    state.set_task_policy(task.tid, mpol_new(state, task.tid, row, flags, mask))


def get_mempolicy(
    task: Task, policy: Any = None, nmask: Any = None, maxnode: int = 0, addr: int = 0,
    flags: int = 0,
) -> None:
    """Policy, node, or allowed nodes, written where ``policy`` (an array of one int32) and
    ``nmask`` (an array of uint64) lead.

    Flags: 0 the task's policy, F_NODE the next node of its interleaving, F_ADDR the policy at
    ``addr``, F_NODE|F_ADDR the node of the page there (faulted in for reading if absent),
    F_MEMS_ALLOWED the cpuset's nodes.  Linux: get_mempolicy(2).
    """
    state = task.machine.memory
    policy = checked_out("policy", policy, np.int32)
    nmask = checked_out("nmask", nmask, np.uint64)
    maxnode, addr = whole("maxnode", maxnode, LONG), whole("addr", addr, (0, 2**64 - 1))
    room = 1024 if state.era.old_calls else state.nr_node_ids
    if nmask is not None and maxnode & 2**64 - 1 < room:
        refuse(errno.EINVAL, f"maxnode {maxnode} with a mask, permitted: {room} or more")
    value, mask = do_get_mempolicy(state, task, addr, whole("flags", flags, LONG) & 2**64 - 1)
    if isinstance(policy, BadPointer):
        refuse(errno.EFAULT, "the address for the policy is not mapped")
    if policy is not None:
        if not len(policy):
            refuse(errno.EFAULT, "no room for the policy, permitted: an array of one int32")
        policy[0] = value
    if nmask is not None:
        copy_nodes_to_user(nmask, maxnode, mask, state.nr_node_ids)


def do_get_mempolicy(state: MemoryState, task: Task, addr: int, flags: int) -> tuple[int, int]:
    """What get_mempolicy answers: a number and a mask.  Raises OSError."""
    if flags & ~7:
        refuse(errno.EINVAL, f"flags {flags:#x}, permitted: a sum of 1 (F_NODE), 2 (F_ADDR), "
               "4 (F_MEMS_ALLOWED)")
    if flags & MPOL_F_MEMS_ALLOWED:
        if flags != MPOL_F_MEMS_ALLOWED:
            refuse(errno.EINVAL, "F_MEMS_ALLOWED with F_NODE or F_ADDR, permitted: alone")
        return 0, mask_of(state.allowed(task.tid))
    in_use, next_nid = None, -1
    if flags & MPOL_F_ADDR:
        in_use = state.range_policy(state.pid_of(task.tid), addr, shared=True)
    elif addr:
        refuse(errno.EINVAL, f"addr {addr:#x} without F_ADDR, permitted: 0")
    else:
        in_use, core = state.task_policy(task.tid)
        if in_use and in_use.rule in ("INTERLEAVE", "WEIGHTED_INTERLEAVE"):
            next_nid = int(core.nid)
    mask = mask_of(in_use.reported_nodes()) if in_use else 0
    if flags & MPOL_F_NODE and flags & MPOL_F_ADDR:
        return _lookup_node(state, task, addr), mask
    if flags & MPOL_F_NODE:
        if next_nid < 0:
            refuse(errno.EINVAL, f"F_NODE of a task with policy {in_use or 'default'}, permitted: "
                   "an interleaving one, or F_ADDR too")
        return next_nid, mask
    return _reported_mode(state.era, in_use), mask


def _lookup_node(state: MemoryState, task: Task, addr: int) -> int:
    """Node of the page at an address, faulted in for reading.  Linux: lookup_node."""
    core_answer(task._h, lib.numab_gup(task._h.m, task.tid, addr, 0, 0),
                f"no page can be had at {addr:#x}")
    nid = task.machine.process_of(state.pid_of(task.tid)).page(addr // 4096).nid
    return nid if nid >= 0 else state.memory_nodes[0]  # the zero page lies in the kernel's image


def _reported_mode(era: Era, policy: InForce | None) -> int:
    if policy is None:
        return 0
    row = policy.asked.row
    number = row.numbers.get(era.name, 0)
    if policy.local:  # before 5.14 PREFERRED without a node
        number = 1 if era.local_is_preferred else 4
    return number | int(policy.flags & _USER_FLAGS)
