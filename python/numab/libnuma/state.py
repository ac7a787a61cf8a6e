"""What libnuma keeps for one thread, and how it makes its system calls."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np

from numa_core.errors import InvalidArgument

from .. import syscalls
from ..arguments import flag, shown, whole
from ..task import Task
from .bitmask import Bitmask

if TYPE_CHECKING:
    from ..machine import Machine
    from ..process import Process

__all__ = [
    "MPOL_BIND", "MPOL_DEFAULT", "MPOL_F_NUMA_BALANCING", "MPOL_INTERLEAVE", "MPOL_LOCAL",
    "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE", "State", "checked_mask",
]

# numaif.h, with which libnuma is compiled: the same numbers whatever kernel runs.
MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL = range(5)
MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE = 5, 6
MPOL_F_NUMA_BALANCING = 1 << 13
PID = (-(2**31), 2**31 - 1)


def checked_mask(mask: object) -> Bitmask:
    """The mask, if it is one."""
    if not isinstance(mask, Bitmask):
        raise InvalidArgument(f"bitmask {shown(mask)}, permitted: a numab.libnuma.Bitmask")
    return mask


class State:
    """The library's variables: thread-local ones, ``errno``, and what a program was told.

    ``errors``: (where, errno) of each call of numa_error; ``warnings``: texts of numa_warn, each
    kind once; ``numa_exit_on_error``: libnuma would exit, here numa_error raises OSError.
    """

    def __init__(self, task: Task) -> None:
        if not isinstance(task, Task):
            raise InvalidArgument(f"task {shown(task)}, permitted: a numab.Task")
        self.task = task
        self.machine: Machine = task.machine
        self.errno = 0
        self.errors: list[tuple[str, int]] = []
        self.warnings: list[str] = []
        self.numa_exit_on_error = False
        self._warned: set[str] = set()
        self._bind_policy = MPOL_BIND
        self._mbind_flags = 0

    @property
    def process(self) -> Process:
        """The task's process."""
        return self.machine.process_of(self.task.info().pid)

    # ---- what a program can replace ----

    def numa_error(self, where: str) -> None:
        """A call failed in a function that returns nothing; :attr:`errno` says why."""
        self.errors.append((where, self.errno))
        if flag("numa_exit_on_error", self.numa_exit_on_error):
            raise OSError(self.errno, where)

    def numa_warn(self, kind: str, text: str) -> None:
        """Something is odd; of each kind only the first is told."""
        if kind not in self._warned:
            self._warned.add(kind)
            self.warnings.append(text)

    # ---- system calls ----

    def fail(self, code: int) -> int:
        """Set errno; -1."""
        self.errno = code
        return -1

    def answer(self, result: int) -> int:
        """A system call's result as C has it: -1 and errno instead of -errno."""
        return self.fail(-result) if result < 0 else result

    def setpol(self, policy: int, bmp: Bitmask) -> None:
        """set_mempolicy, an error of which numa_error is told."""
        bmp = checked_mask(bmp)
        result = syscalls.set_mempolicy(self.task, policy, bmp.words(), bmp.size + 1)
        if self.answer(result) < 0:
            self.numa_error("set_mempolicy")

    def get_mempolicy(self, bmp: Bitmask | None, flags: int = 0) -> int | None:
        """The number that get_mempolicy gives, the mask in ``bmp``; None: refused, see errno."""
        policy = np.zeros(1, np.int32)
        words = None if bmp is None else bmp.words()
        result = syscalls.get_mempolicy(
            self.task, policy, words, 0 if bmp is None else bmp.size + 1, 0, flags
        )
        if self.answer(result) < 0:
            return None
        if bmp is not None and words is not None:
            bmp.take(words)
        return int(policy[0])

    def getpol(self, bmp: Bitmask) -> int:
        """The task's policy and its mask; an error is told to numa_error, and reads as default."""
        policy = self.get_mempolicy(bmp)
        if policy is None:
            self.numa_error("get_mempolicy")
            return MPOL_DEFAULT
        return policy

    def dombind(self, mem: int, size: int, policy: int, bmp: Bitmask | None) -> None:
        """mbind with the thread's flags, an error of which numa_error is told."""
        words = None if bmp is None else checked_mask(bmp).words()
        result = syscalls.mbind(
            self.task, mem, size, policy, words, 0 if bmp is None else bmp.size + 1,
            self._mbind_flags,
        )
        if self.answer(result) < 0:
            self.numa_error("mbind")

    def _task_of(self, pid: int) -> Task | None:
        number = whole("pid", pid, PID)
        task = self.machine.task(number) if number > 0 else self.task
        return task if number >= 0 and self.machine.memory.info(task.tid) else None

    def setaffinity(self, task: Task, bmp: Bitmask) -> int:
        """sched_setaffinity: the CPUs of the mask that exist; -1 and EINVAL: there is none."""
        cpus = [cpu for cpu in checked_mask(bmp) if cpu in self.machine.topology.cpus]
        if not cpus:
            return self.fail(errno.EINVAL)
        task.set_affinity(cpus)
        return 0
