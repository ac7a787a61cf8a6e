"""What the system calls know beside the core: kernel, users, cpusets, and policies by value.

One per machine, ``machine.memory``.  A process starts as root in a cpuset of all nodes with memory;
children and threads inherit.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from numa_core import ffi, lib
from numa_core.errors import InvalidArgument, NoSuchTask

from ..arguments import shown
from ..mempolicy import MODES, Era, Flags, InForce, MemPolicy, era_named
from ..mempolicy.interned import Interned
from .user import bits_of, refuse

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["MemoryState", "core_answer"]

#: The core's codes are the kernel's numbers but for this: the modelled machine is out of memory.
_EOOM = 105


def core_answer(handle: Any, code: int, text: str = "") -> int:
    """Pass a result of the core through; its refusals become the kernel's errno."""
    if code >= 0 or handle.pending is not None:
        return int(handle.check(code))
    number = errno.ENOMEM if code == -_EOOM else -code
    detail = ffi.string(lib.numab_errmsg(handle.m)).decode()
    refuse(number, text or detail)


class MemoryState:
    """Kernel, users, cpusets and policies of one machine."""

    def __init__(self, machine: Machine, era: str) -> None:
        self._m = machine._h.m
        self.era: Era = era_named(era)
        self.policies = Interned()
        self.nodes = machine.topology.nids
        self.memory_nodes = machine.topology.memory_nodes
        self.nr_node_ids: int = lib.numab_nr_node_ids(self._m)
        self._uid: dict[int, int] = {}
        self._allowed: dict[int, tuple[int, ...]] = {}
        self._tasks: dict[int, set[int]] = {}

    # ---- tasks ----

    def started(self, tid: int, pid: int, parent: int | None = None) -> None:
        """A task began; it inherits its parent's user and cpuset.

        Linux: copy_creds, cpuset_fork.
        """
        if parent is not None:
            parent_pid = self.pid_of(parent)
            self._uid[pid] = self._uid.get(parent_pid, 0)
            self._allowed[tid] = self.allowed(parent)
        else:
            self._uid.pop(pid, None)
            self._allowed.pop(tid, None)
        if tid == pid:
            self._tasks.pop(pid, None)
        self._tasks.setdefault(pid, set()).add(tid)

    def info(self, tid: int) -> Any:
        """``struct numab_task_info`` of a living task; None: there is none."""
        c = ffi.new("struct numab_task_info *")
        return None if lib.numab_task_info(self._m, tid, c) else c

    def pid_of(self, tid: int) -> int:
        """Its process.  Raises NoSuchTask."""
        info = self.info(tid)
        if info is None:
            raise NoSuchTask(f"no task {tid}")
        return int(info.pid)

    def tids(self, pid: int) -> list[int]:
        """Its living tasks, ascending."""
        known = self._tasks.get(pid, set()) | {pid}
        infos = ((tid, self.info(tid)) for tid in sorted(known))
        return [tid for tid, info in infos if info is not None and info.pid == pid]

    # ---- users ----

    def uid(self, pid: int) -> int:
        """Its user; 0 is root, who may everything."""
        return self._uid.get(pid, 0)

    def set_uid(self, pid: int, uid: int) -> None:
        """Make it another user's."""
        self._uid[pid] = uid

    def capable(self, pid: int) -> bool:
        """CAP_SYS_NICE and CAP_SYS_PTRACE, which only root has here."""
        return self.uid(pid) == 0

    # ---- cpusets ----

    def allowed(self, tid: int) -> tuple[int, ...]:
        """Nodes its cpuset allows, ascending: those with memory unless narrowed."""
        return self._allowed.get(tid, self.memory_nodes)

    def set_allowed(self, tid: int, nodes: tuple[int, ...]) -> None:
        """Narrow or widen it; policies are the caller's business."""
        self._allowed[tid] = nodes

    def within(self, tid: int) -> tuple[int, ...] | None:
        """The same, None when they are all nodes with memory."""
        allowed = self.allowed(tid)
        return None if allowed == self.memory_nodes else allowed

    def checked_allowed(self, nodes: Iterable[int]) -> tuple[int, ...]:
        """Nodes for a cpuset: at least one, all with memory.  Linux: update_nodemask."""
        given = MemPolicy("BIND", tuple(nodes)).nodes
        strange = [n for n in given if n not in self.memory_nodes]
        if strange:
            raise InvalidArgument(
                f"node {strange[0]} in mems_allowed, permitted: {list(self.memory_nodes)}"
            )
        return given

    # ---- policies ----

    def policy_of(self, c: Any) -> InForce | None:
        """The policy that a ``struct numab_mpol`` stands for; None: none.

        One without a cookie was set as a bare rule, and is told as what asks for that rule.
        """
        if c.cookie or c.mode == lib.NUMAB_MPOL_NONE:
            return self.policies.policy(int(c.cookie))
        flags = Flags(int(c.flags) & int(Flags.MOF | Flags.MORON))
        for row in MODES.values():
            if row.rule != "LOCAL" and getattr(lib, f"NUMAB_MPOL_{row.rule}") == c.mode:
                words = (int(c.mask[i]) << 64 * i for i in range(c.nr_mask_words))
                nodes = bits_of(sum(words)) if row.rule != "PREFERRED" else (int(c.nid),)
                if nodes:
                    return InForce(MemPolicy(row.name, nodes, flags), nodes, self.memory_nodes)
        return InForce(MemPolicy("LOCAL", (), flags), (), self.memory_nodes, local=True)

    def task_policy(self, tid: int) -> tuple[InForce | None, Any]:
        """A task's own policy, and the core's word for it."""
        c = ffi.new("struct numab_mpol *")
        if lib.numab_task_policy(self._m, tid, c):
            raise NoSuchTask(f"no task {tid}")
        return self.policy_of(c), c

    def range_policy(self, pid: int, vaddr: int, *, shared: bool) -> InForce | None:
        """The policy at an address, without the task's; ``shared``: what the memory itself has
        where several map it, else what this mapping was given.  Raises OSError EFAULT."""
        c = ffi.new("struct numab_mpol *")
        if lib.numab_vma_policy(self._m, pid, vaddr, int(shared), c):
            refuse(errno.EFAULT, f"address {vaddr:#x} is not mapped")
        return self.policy_of(c)

    def set_task_policy(self, tid: int, policy: InForce | None) -> None:
        """Give a task its own policy, or none."""
        c, _mask = self.policies.lowered(policy, self.within(tid))
        if lib.numab_set_task_policy(self._m, tid, c):
            raise NoSuchTask(f"no task {tid}")

    def known_nodes(self) -> str:
        """The machine's nodes as a message shows them."""
        return shown(list(self.memory_nodes))
