"""The pull bias of patch 28: nodes whose loads are equal trade tasks, so that these get home.

The core balances loads as Linux 3.7 does and asks here where it found a NUMA level balanced while
another group has tasks off their home nodes.
"""

from __future__ import annotations

from typing import Any

from numa_core import Handle, lib

from ..tunables import TUNABLES

__all__ = ["PullBias", "check_numa_busiest_group"]

_FEATURE = list(TUNABLES).index("numa_homenode_pull_bias")


def check_numa_busiest_group(lb: Any) -> bool:
    """Invent an imbalance, if this side has something to give in return.

    ``lb``: ``struct numab_lb *`` with the search's numbers; gets ``group``, the other group with
    tasks off their home nodes that the core found (the first; with ``random_offnode`` any), and
    ``imbalance``, the mean weight of its off-node tasks.
    Returns False, and leaves both, when no task here is off its home node or without one: then
    there is nothing to trade.  Source: patch 28, ``check_numa_busiest_group``.

    >>> from numa_core import ffi
    >>> lb = ffi.new("struct numab_lb *")
    >>> lb.stats.numa.group, lb.stats.numa.offnode_running = 1, 2
    >>> lb.stats.numa.offnode_weight = 2048
    >>> lb.stats.local.nr_running = lb.stats.local.onnode_running = 4
    >>> check_numa_busiest_group(lb)  # who is here is at home
    False
    >>> lb.stats.local.offnode_running, lb.stats.local.onnode_running = 1, 3
    >>> check_numa_busiest_group(lb), lb.group, lb.imbalance
    (True, 1, 1024)
    """
    this, numa = lb.stats.local, lb.stats.numa
    homeless = this.nr_running - this.onnode_running - this.offnode_running
    if not this.offnode_running and homeless <= 0:
        return False
    lb.group, lb.imbalance = numa.group, numa.offnode_weight // numa.offnode_running
    return True


class PullBias:
    """The bias on a machine; it holds while NUMA_HOMENODE_PULL_BIAS does.

    >>> from numab import Machine
    >>> from numa_core import ffi
    >>> m = Machine("2s", sched="2012", tunables={"numa_homenode_pull_bias": 0})
    >>> PullBias(m._h).answer(ffi.new("struct numab_lb *"))
    0
    """

    def __init__(self, handle: Handle) -> None:
        self._machine = handle.m

    def answer(self, lb: Any) -> int:
        """One call of the core's balance hook: NUMAB_BALANCE_PULL, or 0 to leave all as it is."""
        if lib.numab_get(self._machine, _FEATURE) and check_numa_busiest_group(lb):
            return lib.NUMAB_BALANCE_PULL
        return 0
