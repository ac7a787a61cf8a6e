"""The calls as methods: policies as values, refusals as exceptions.

A refusal raises the subclass of OSError that Python has for the kernel's errno (PermissionError for
EPERM, ProcessLookupError for ESRCH, OSError itself for EINVAL), with ``errno`` set and a message
that says what was wrong and what is permitted.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core.errors import InvalidArgument

from ..arguments import U32, U64, flag, whole, whole_array
from ..mempolicy import MODES, Flags, MemPolicy
from ..mempolicy.policy import checked_policy
from . import cpusets, move_calls, policy_calls, range_calls
from .user import MAX_NUMNODES, bits_of, mask_of, refuse

if TYPE_CHECKING:
    from ..machine import Machine
    from ..process import Process
    from ..task import Task

__all__ = ["NOT_TRIED", "ProcessCalls", "TaskCalls"]

MAXNODE = MAX_NUMNODES + 1
#: Status of a page that move_pages did not come to.
NOT_TRIED = -(2**31)
_USER_FLAGS = Flags.STATIC_NODES | Flags.RELATIVE_NODES | Flags.NUMA_BALANCING


def _asked(task: Any, value: Any) -> tuple[int, int, bool]:
    """Mode number, mask, and whether lazy, of a policy; None is DEFAULT."""
    policy = MemPolicy("DEFAULT") if value is None else checked_policy(value)
    try:
        number = policy.number(task.machine.memory.era)
    except InvalidArgument as e:
        refuse(errno.EINVAL, str(e))
    return number, mask_of(policy.nodes), bool(policy.flags & Flags.MOF)


def _nodes_mask(what: str, nodes: Iterable[int]) -> int:
    return mask_of(whole_array(what, nodes, np.int64, (0, MAX_NUMNODES - 1)).tolist())


class TaskCalls:
    """Memory-policy system calls of a task."""

    machine: Machine
    tid: Any

    def set_mempolicy(self: Task, policy: MemPolicy | str | None) -> None:
        """Its own policy, for memory whose range has none: a value, or a text such as
        ``bind:0,1 static``; None: none.  Linux: set_mempolicy(2).

        >>> import numab
        >>> m = numab.Machine("2s")
        >>> m.process(cpu=0).main.set_mempolicy("bind:5")
        Traceback (most recent call last):
        OSError: [Errno 22] none of the nodes (5,) is there and allowed, permitted: (0, 1)
        """
        number, mask, lazy = _asked(self, policy)
        if lazy:
            raise InvalidArgument("policy flag lazy, permitted: with mbind only")
        policy_calls.set_mempolicy(self, number, mask, MAXNODE)

    def get_mempolicy(self: Task, vaddr: int | None = None) -> MemPolicy | None:
        """Its own policy, or that of the memory at an address; None: none.

        The nodes are those in force, or the user's own with STATIC_NODES and RELATIVE_NODES.
        Linux: get_mempolicy(2) with flags 0 or F_ADDR.
        """
        state = self.machine.memory
        addr = 0 if vaddr is None else whole("vaddr", vaddr, U64)
        number, mask = policy_calls.do_get_mempolicy(
            state, self, addr, 0 if vaddr is None else policy_calls.MPOL_F_ADDR)
        flags = Flags(number & int(_USER_FLAGS))
        row = state.era.mode(number & ~int(_USER_FLAGS)) or MODES["DEFAULT"]
        if row.name == "DEFAULT":
            return None
        if row.name == "PREFERRED" and not mask:
            row, flags = MODES["LOCAL"], Flags.NONE
        return MemPolicy(row.name, bits_of(mask), flags)

    def node_of(self: Task, vaddr: int) -> int:
        """Node of the page at an address, faulted in for reading if absent.

        Linux: get_mempolicy(2) with F_NODE|F_ADDR.
        """
        return policy_calls.do_get_mempolicy(
            self.machine.memory, self, whole("vaddr", vaddr, U64), 3)[0]

    def next_interleave_node(self: Task) -> int:
        """Node of the next page that its interleaving policy places without a mapping.

        Linux: get_mempolicy(2) with F_NODE.
        """
        return policy_calls.do_get_mempolicy(self.machine.memory, self, 0, 1)[0]

    def mbind(
        self: Task, vaddr: int, size: int, policy: MemPolicy | str | None, *,
        strict: bool = False, move: bool = False, move_all: bool = False, lazy: bool = False,
    ) -> None:
        """Policy of a range of its memory; None or ``default``: none.

        ``strict``: OSError EIO when pages are misplaced and not moved; ``move``: move them, where
        only this process maps them; ``move_all``: also shared ones (root); ``lazy``: at their next
        touch (era v2).  Linux: mbind(2).
        """
        number, mask, said_lazy = _asked(self, policy)
        bits = (("strict", strict, 1), ("move", move, 2), ("move_all", move_all, 4),
                ("lazy", lazy or said_lazy, 8))
        flags = sum(bit for name, on, bit in bits if flag(name, on))
        range_calls.mbind(self, whole("vaddr", vaddr, U64), whole("size", size, U64), number, mask,
                          MAXNODE, flags)

    def set_mempolicy_home_node(self: Task, vaddr: int, size: int, nid: int) -> None:
        """Node that distances count from under BIND and PREFERRED_MANY of a range.

        From era v6.1 on.  Linux: set_mempolicy_home_node(2).
        """
        range_calls.set_mempolicy_home_node(
            self, whole("vaddr", vaddr, U64), whole("size", size, U64), whole("nid", nid, U32))

    def migrate_pages(
        self: Task, process: Process, old: Iterable[int], new: Iterable[int]
    ) -> int:
        """Move a process's pages from the old nodes to the new ones, by position; returns how many
        could not be moved.  Linux: migrate_pages(2)."""
        return move_calls.migrate_pages(
            self, process.pid, MAXNODE, _nodes_mask("old", old), _nodes_mask("new", new))

    def move_pages(
        self: Task, vaddrs: Any, nodes: Any = None, *, process: Process | None = None,
        move_all: bool = False,
    ) -> np.ndarray:
        """Move pages to a node each (one for all is enough), or only tell where they are.

        Returns a new array of int32: each page's node, or its negative errno; ``NOT_TRIED`` behind
        a batch that failed.  Linux: move_pages(2).

        >>> import numab
        >>> m = numab.Machine("2s")
        >>> p = m.process(cpu=0)
        >>> vma = p.mmap(0x10000000, 2 * 4096)
        >>> _ = p.main.access(0x10000000, write=True)
        >>> p.main.move_pages([0x10000000, 0x10001000], 1).tolist()    # -2: not touched yet
        [1, -2]
        """
        pages = whole_array("vaddrs", vaddrs, np.uint64, U64)
        targets = None
        if nodes is not None:
            targets = whole_array("nodes", nodes, np.int32, (-(2**31), 2**31 - 1))
            if len(targets) not in (1, len(pages)):
                raise InvalidArgument(
                    f"{len(targets)} nodes for {len(pages)} pages, permitted: one for all, or "
                    "one each")
            targets = np.ascontiguousarray(np.broadcast_to(targets, pages.shape))
        status = np.full(len(pages), NOT_TRIED, np.int32)
        move_calls.move_pages(
            self, 0 if process is None else process.pid, len(pages), pages, targets, status,
            4 if flag("move_all", move_all) else 2)
        return status

    @property
    def mems_allowed(self: Task) -> tuple[int, ...]:
        """Nodes that its cpuset allows, ascending.  Linux: get_mempolicy(2), F_MEMS_ALLOWED."""
        return self.machine.memory.allowed(self.tid)

    def set_mems_allowed(self: Task, nodes: Iterable[int], *, migrate: bool = False) -> None:
        """Change them for this task; see :func:`numab.syscalls.set_mems_allowed`."""
        cpusets.set_mems_allowed([self], nodes, migrate=flag("migrate", migrate))


class ProcessCalls:
    """Of a process: its user and cpuset, and the calls that its main task makes."""

    machine: Machine
    pid: Any
    main: Any

    @property
    def uid(self) -> int:
        """Its user; 0 is root.  Inherited by children."""
        return self.machine.memory.uid(self.pid)

    @uid.setter
    def uid(self, uid: int) -> None:
        self.machine.memory.set_uid(self.pid, whole("uid", uid, U32))

    def set_mems_allowed(self, nodes: Iterable[int], *, migrate: bool = False) -> None:
        """Nodes that the cpuset of all its tasks allows."""
        tids = self.machine.memory.tids(self.pid)
        cpusets.set_mems_allowed(
            [self.machine.task(tid) for tid in tids], nodes, migrate=flag("migrate", migrate))

    def mbind(self, vaddr: int, size: int, policy: MemPolicy | str | None, **flags: bool) -> None:
        """As :meth:`TaskCalls.mbind`, by its main task."""
        self.main.mbind(vaddr, size, policy, **flags)

    def set_mempolicy_home_node(self, vaddr: int, size: int, nid: int) -> None:
        """As :meth:`TaskCalls.set_mempolicy_home_node`, by its main task."""
        self.main.set_mempolicy_home_node(vaddr, size, nid)
