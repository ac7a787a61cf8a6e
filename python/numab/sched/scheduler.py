"""The scheduler on a machine: its domains are set in the core, which balances them.

The core keeps the queues, the intervals and the order of CPUs, and moves tasks at once; what is
asked of Python is the trade between balanced nodes (:mod:`numab.sched.bias`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numa_core import Handle, ffi, lib
from numa_core.errors import InvalidArgument

from ..arguments import flag, shown
from ..topology import Topology
from .bias import PullBias
from .domain import Domain, build_domains, cpu_powers
from .flags import SD_BALANCE_NEWIDLE, SD_NUMA, SD_SHARE_PKG_RESOURCES, SD_WAKE_AFFINE

__all__ = ["Scheduler", "scheduler_of", "set_domain"]

_FLAGS = (
    (SD_BALANCE_NEWIDLE, lib.NUMAB_SD_NEWIDLE),
    (SD_SHARE_PKG_RESOURCES, lib.NUMAB_SD_SHARE_CACHE),
    (SD_NUMA, lib.NUMAB_SD_NUMA),
    (SD_WAKE_AFFINE, lib.NUMAB_SD_WAKE_AFFINE),
)


def _words(cpus: Sequence[int], n: int) -> Any:
    bits = sum(1 << cpu for cpu in cpus)
    return ffi.new("uint64_t[]", [bits >> 64 * i & (1 << 64) - 1 for i in range(n)])


def set_domain(handle: Handle, domain: Domain, cpu_power: Any, flags: int = 0) -> None:
    """Tell the core of a domain; it and ``cpu_power`` (``uint32_t[]`` by CPU id) must live as long
    as the handle.  ``flags``: NUMAB_SD_* bits beyond those of the domain.

    Raises InvalidArgument for what the core refuses.

    >>> from numab import Machine
    >>> m = Machine("2s")
    >>> power = ffi.new("uint32_t[]", cpu_powers(m.topology).tolist())
    >>> domains = m._h.keep("domains", build_domains(m.topology))
    >>> for chain in domains.values():
    ...     for domain in chain[:-1]:  # nothing is balanced between nodes
    ...         set_domain(m._h, domain, power)
    """
    kind, c = domain.kind, ffi.new("struct numab_domain *")
    span = _words(domain.span, (len(cpu_power) + 63) // 64)
    c.flags = flags | sum(core for sd, core in _FLAGS if domain.flags & sd)
    c.groups, c.span, c.nr_mask_words = domain.core(cpu_power)[0], span, len(span)
    c.min_interval_ms, c.max_interval_ms = kind.min_interval, kind.max_interval
    c.busy_factor, c.cache_nice_tries = kind.busy_factor, kind.cache_nice_tries
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

    def attach(self, handle: Handle, topology: Topology) -> PullBias:
        """Set the domains of every CPU in the core; returns what answers the core's balance hook.

        Called by Machine.
        """
        domains = build_domains(topology)
        cpu_power = ffi.new("uint32_t[]", cpu_powers(topology).tolist())
        handle.keep("domains", (domains, cpu_power))
        for chain in domains.values():
            for domain in chain:
                set_domain(handle, domain, cpu_power,
                           lib.NUMAB_SD_PREEMPT if self.preempt else 0)
        return PullBias(handle)


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
