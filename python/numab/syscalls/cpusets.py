"""A cpuset's memory: the nodes that tasks may use, and what changing them does to policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..mempolicy import rebind
from .move_calls import do_migrate_pages
from .range_calls import MPOL_MF_MOVE_ALL, set_vma_policy, vma_policies

if TYPE_CHECKING:
    from ..task import Task

__all__ = ["set_mems_allowed"]


def set_mems_allowed(tasks: Iterable[Task], nodes: Iterable[int], *, migrate: bool = False) -> None:
    """Give tasks of one process the nodes that their cpuset allows.

    Their policies, and those of the process's mappings, are rebound: STATIC_NODES keeps what is
    still allowed, RELATIVE_NODES counts anew, others move along by position (what kernels since
    5.14 do not do to preferred nodes).  ``migrate``: the process's pages move along too, the k-th
    old node's to the k-th new one.

    Raises InvalidArgument for nodes without memory, and for none; nothing has changed then.
    Linux: cpuset_change_task_nodemask, mpol_rebind_task, mpol_rebind_mm, cpuset_migrate_mm.
    """
    members = list(tasks)
    state = members[0].machine.memory
    new = state.checked_allowed(nodes)
    pid = state.pid_of(members[0].tid)
    before = state.allowed(members[0].tid)
    for task in members:
        policy, _ = state.task_policy(task.tid)
        state.set_allowed(task.tid, new)
        state.set_task_policy(task.tid, policy and rebind(policy, new, state.era))
    for start, end, policy in list(vma_policies(state, pid)):
        if policy is not None:
            set_vma_policy(state, members[0], start, end, rebind(policy, new, state.era))
    if migrate:
        do_migrate_pages(state, members[0], pid, before, new, MPOL_MF_MOVE_ALL)
