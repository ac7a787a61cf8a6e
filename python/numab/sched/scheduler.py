"""The load balancer on a machine: domains set in the core, decisions made when they are due.

The core keeps the queues, the intervals and the order of CPUs, and asks only where a balancing
could find something; what :class:`~numab.sched.balance.Balancer` then decides takes effect at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numa_core import Handle, ffi, lib
from numa_core.errors import InvalidArgument

from ..arguments import flag, shown
from ..topology import Topology
from ..tunables import TUNABLES
from .balance import Balancer, TaskView
from .domain import Domain, build_domains, cpu_powers
from .flags import SD_BALANCE_NEWIDLE, SD_SHARE_PKG_RESOURCES

__all__ = ["MachineQueues", "Scheduler", "scheduler_of"]

TASKS_MAX = 256  # of a list, looked at in one go


class MachineQueues:
    """A machine's run queues in the shape of :class:`numab.sched.balance.Queues`.

    ``rqs`` is the core's own array.
    """

    def __init__(self, handle: Handle, topology: Topology) -> None:
        self._h = handle
        self._info = ffi.new("struct numab_task_info *")
        self._tids = ffi.new("int32_t[]", TASKS_MAX)
        self.power = cpu_powers(topology).tolist()
        self.rqs = lib.numab_rqs(handle.m)
        self._words = (len(self.power) + 63) // 64
        self._mask = ffi.new("uint64_t[]", self._words)

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return lib.numab_now_ns(self._h.m)

    def tasks(self, cpu: int, which: int) -> Sequence[int]:
        """Tids on a CPU's list in the kernel's order, a copy."""
        n = lib.numab_rq_tasks(self._h.m, cpu, which, self._tids, len(self._tids))
        if n > len(self._tids):
            self._tids = ffi.new("int32_t[]", 2 * n)
            return self.tasks(cpu, which)
        return ffi.unpack(self._tids, n)

    def task(self, tid: int) -> TaskView:
        """A task's part in the decision."""
        info = self._info
        lib.numab_task_info(self._h.m, tid, info)
        return TaskView(info.weight, info.home_nid, info.last_ran_ns)

    def allowed(self, tid: int, cpus: Sequence[int]) -> int:
        """The first of these CPUs that the task may run on, -1: none."""
        mask = self._mask
        lib.numab_task_affinity(self._h.m, tid, mask, self._words)
        return next((cpu for cpu in cpus if mask[cpu // 64] >> cpu % 64 & 1), -1)

    def move(self, tid: int, cpu: int) -> None:
        """Dequeue it, and enqueue it there."""
        self._h.check(lib.numab_task_set_cpu(self._h.m, tid, cpu))

    def move_tail(self, tid: int) -> None:
        """To the end of its list."""
        self._h.check(lib.numab_rq_move_tail(self._h.m, tid))


def _feature(name: str) -> Any:
    index = list(TUNABLES).index(name)
    return property(lambda self: bool(lib.numab_get(self.handle.m, index)))


@dataclass
class _MachineFeatures:
    """The sched features as they stand now."""

    handle: Handle
    homenode_preferred = _feature("numa_homenode_preferred")
    homenode_pull = _feature("numa_homenode_pull")
    homenode_pull_bias = _feature("numa_homenode_pull_bias")


def _words(cpus: Sequence[int], n: int) -> Any:
    bits = sum(1 << cpu for cpu in cpus)
    return ffi.new("uint64_t[]", [bits >> 64 * i & (1 << 64) - 1 for i in range(n)])


def _set_domain(handle: Handle, domain: Domain, nr_cpus: int) -> None:
    """Tell the core of a domain.  A CPU of several groups (they overlap) leaves its turn to the
    balancer."""
    n = (nr_cpus + 63) // 64
    own = domain.ring.groups[domain.first]
    kind, c = domain.kind, ffi.new("struct numab_domain *")
    group = _words(sorted(own.mask), n) if len(domain.local) == 1 else ffi.NULL
    for flag_2012, flag_core in ((SD_BALANCE_NEWIDLE, lib.NUMAB_SD_NEWIDLE),
                                 (SD_SHARE_PKG_RESOURCES, lib.NUMAB_SD_SHARE_CACHE)):
        c.flags |= flag_core if domain.flags & flag_2012 else 0
    c.groups, c.nr_mask_words, c.group = domain.core[0], n, group
    c.max_interval_ms, c.busy_factor = kind.max_interval, kind.busy_factor
    c.balance_interval_ms = kind.min_interval
    handle.check(lib.numab_set_domain(handle.m, domain.cpu, domain.level, c))


@dataclass(frozen=True)
class Scheduler:
    """The scheduler of Linux 3.7 with patch 28 on a machine: ``Machine(..., sched=Scheduler())``,
    or ``sched="2012"``.

    ``preempt``: as a kernel with CONFIG_PREEMPT, whose newly idle balancing takes one task.
    Raises InvalidArgument for other than True or False.

    >>> from numab import Machine
    >>> m = Machine("2s", sched="2012")
    >>> p = m.process(cpu=0)
    >>> other = p.main.clone(0)
    >>> for task in (p.main, other):
    ...     p_vma = p.mmap(0x10000 * 4096 * task.tid, 4096)
    ...     task.feed_pattern("sweep", 0x10000 * task.tid, 1, reads=1)
    >>> _ = m.run(20_000_000)
    >>> other.info().cpu != p.main.info().cpu
    True
    """

    preempt: bool = False

    def __post_init__(self) -> None:
        flag("preempt", self.preempt)

    def attach(self, handle: Handle, topology: Topology) -> Balancer:
        """Set the domains of every CPU in the core; returns the balancer that serves them.

        Called by Machine; the core's hook is to be answered with :func:`answer`.
        """
        domains = build_domains(topology)
        nr_cpus = topology.cpus[-1] + 1
        for chain in domains.values():
            for domain in chain:
                _set_domain(handle, domain, nr_cpus)
        handle.keep("domains", domains)
        distance = {a: dict(zip(topology.nids, row))
                    for a, row in zip(topology.nids, topology.distance.tolist())}
        return Balancer(
            domains, MachineQueues(handle, topology), _MachineFeatures(handle),
            topology.cpu_nid.tolist(), distance,
            lambda cpu, level: lib.numab_domain_state(handle.m, cpu, level),
            preempt=self.preempt,
        )


def answer(balancer: Balancer, cpu: int, level: int, idle: int) -> int:
    """One call of the core's balance hook: NUMAB_BALANCE_* bits."""
    moved, our_turn = balancer.load_balance(balancer.domains[cpu][level], idle)
    return (lib.NUMAB_BALANCE_MOVED if moved else 0) | (0 if our_turn else lib.NUMAB_BALANCE_STOP)


def scheduler_of(given: Any) -> Scheduler | None:
    """What ``Machine(sched=)`` takes, as a Scheduler: None, ``"2012"``, or one.

    >>> scheduler_of("2012")
    Scheduler(preempt=False)
    """
    if given is None or isinstance(given, Scheduler):
        return given
    if given == "2012":
        return Scheduler()
    raise InvalidArgument(f"sched {shown(given)}, permitted: None, '2012', or a Scheduler")
