"""find_busiest_group and find_busiest_queue of Linux 3.7, with patch 28's bias.

Decisions only: run queues come in, a group, an amount of load and a queue come out, and nothing
changes.  The groups' numbers are added up in the core (``numab_sd_stats``), which uses them to ask
only where something could be found.  Integers only; subtractions wrap at 64 bits where the
kernel's do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numa_core import ffi, lib

from .domain import Domain, Group
from .flags import (
    CPU_IDLE, CPU_NEWLY_IDLE, SCHED_LOAD_SCALE, SCHED_POWER_SCALE, SD_NUMA,
)

__all__ = ["Env", "Loads", "find_busiest_group", "find_busiest_queue"]

_WRAP = (1 << 64) - 1
_EXITS = {
    lib.NUMAB_LB_NO_BUSIEST: "no_busiest", lib.NUMAB_LB_ABOVE_BUSIEST: "above_busiest",
    lib.NUMAB_LB_ABOVE_AVERAGE: "above_average", lib.NUMAB_LB_FORCED: "forced",
    lib.NUMAB_LB_IMBALANCE: "imbalance",
}


class Loads(Protocol):
    """What the search reads of run queues.

    ``rqs``: ``struct numab_rq *`` in the core's memory or the caller's, by CPU id; ``power``: of
    each CPU id.
    """

    rqs: Any
    power: Sequence[int]


@dataclass(slots=True)
class Env:
    """One balancing: who pulls, in which domain, how it idles, and what has been found.

    ``excluded``: CPUs whose tasks turned out to be pinned; ``imbalance``: load to move;
    ``numa_queue``: the bias is at work (queues are then chosen by their off-node tasks);
    ``exit``: the name of the way find_busiest_group ended, for tests and statistics.
    """

    domain: Domain
    dst_cpu: int
    idle: int
    pull_bias: bool = True
    excluded: set[int] = field(default_factory=set)
    imbalance: int = 0
    numa_queue: bool = False
    exit: str = ""


def _balances(env: Env, loads: Loads) -> bool:
    """Is it this CPU's turn?  Of its group the first idle CPU, or else the first, balances."""
    if env.idle == CPU_NEWLY_IDLE:
        return True
    for index in env.domain.local:
        group = env.domain.ring.groups[index]
        turn = group.balance_cpu
        for cpu in group.cpus:
            if not loads.rqs[cpu].nr_running and cpu in group.mask and cpu not in env.excluded:
                turn = cpu
                break
        if turn != env.dst_cpu:
            return False
    return True


def _sd_stats(env: Env, loads: Loads) -> Any:
    """``struct numab_sd_stats *`` of the domain as it stands: update_sd_lb_stats."""
    excluded = ffi.NULL
    if env.excluded:
        bits = sum(1 << cpu for cpu in env.excluded)
        excluded = ffi.from_buffer("uint64_t[]", bits.to_bytes(8 * (len(loads.power) // 64 + 1),
                                                               "little"))
    out = ffi.new("struct numab_sd_stats *")
    lib.numab_sd_stats(loads.rqs, env.domain.core, env.idle, excluded, out)
    return out


def find_busiest_group(env: Env, loads: Loads) -> tuple[Group | None, bool]:
    """The group to pull from, and whether it is this CPU's turn to balance at all.

    Leaves the load to move in ``env.imbalance`` and the way it ended in ``env.exit``:
    ``not_our_turn``, ``no_busiest``, ``above_busiest``, ``above_average`` (these three never ask
    the bias: patch 28), ``idle_enough``, ``within_pct`` (the bias may still find a group:
    ``numa_bias``), ``forced``, ``imbalance``.
    """
    env.imbalance = 0
    if not _balances(env, loads):
        env.exit = "not_our_turn"
        return None, False
    stats, groups = _sd_stats(env, loads), env.domain.ring.groups
    env.exit = _EXITS[stats.exit]
    if env.exit == "imbalance":
        env.exit = _balanced(env, stats)
        if env.exit != "imbalance":
            return check_numa_busiest_group(env, stats), True
    elif env.exit != "forced":
        return None, True
    env.imbalance = _calculate_imbalance(env, loads, stats)
    return groups[stats.busiest.group], True


def _balanced(env: Env, stats: Any) -> str:
    """The last two looks, whose yes the bias may overrule."""
    this, busiest = stats.local, stats.busiest
    if env.idle == CPU_IDLE:
        if (this.idle_cpus <= busiest.idle_cpus + 1
                and busiest.nr_running <= len(env.domain.ring.groups[busiest.group].cpus)):
            return "idle_enough"
    elif 100 * busiest.avg_load <= env.domain.kind.imbalance_pct * this.avg_load:
        return "within_pct"
    return "imbalance"


def check_numa_busiest_group(env: Env, stats: Any) -> Group | None:
    """Invent an imbalance so that tasks get home, when there is something to trade (patch 28)."""
    this, numa = stats.local, stats.numa
    if not env.domain.flags & SD_NUMA or not env.pull_bias or numa.group < 0:
        return None
    if not (this.offnode_running
            or this.nr_running - this.onnode_running - this.offnode_running > 0):
        return None
    env.imbalance = numa.offnode_weight // numa.offnode_running
    env.numa_queue, env.exit = True, "numa_bias"
    return env.domain.ring.groups[numa.group]


def _calculate_imbalance(env: Env, loads: Loads, stats: Any) -> int:
    """How much load to move, so that nobody ends beyond the average: calculate_imbalance."""
    this, busiest, average = stats.local, stats.busiest, stats.avg_load
    per_task = busiest.weight // busiest.nr_running
    if busiest.imbalanced:
        per_task = min(per_task, average)
    if busiest.avg_load < average:
        return _fix_small_imbalance(env, loads, stats, per_task, 0)
    above = _WRAP
    if not busiest.imbalanced:
        above = (busiest.nr_running - busiest.capacity) & _WRAP
        above = (above * (SCHED_LOAD_SCALE * SCHED_POWER_SCALE) & _WRAP) // busiest.power
    max_pull = min(busiest.avg_load - average, above)
    room = ((average - this.avg_load) & _WRAP) * this.power & _WRAP
    imbalance = min(max_pull * busiest.power & _WRAP, room) // SCHED_POWER_SCALE
    if imbalance < per_task:
        return _fix_small_imbalance(env, loads, stats, per_task, imbalance)
    return imbalance


def _fix_small_imbalance(
    env: Env, loads: Loads, stats: Any, per_task: int, imbalance: int
) -> int:
    """Too little to move one task: move one all the same if that gains throughput."""
    this, busiest, scale = stats.local, stats.busiest, SCHED_POWER_SCALE
    this_power, busy_power = this.power, busiest.power
    imbn = 2
    if this.nr_running:
        this_per_task = this.weight // this.nr_running
        if per_task > this_per_task:
            imbn = 1
    else:
        rq = loads.rqs[env.dst_cpu]
        this_per_task = rq.load_weight // rq.nr_running if rq.nr_running else 0
    scaled = per_task * scale // busy_power
    if ((busiest.avg_load - this.avg_load + scaled) & _WRAP) >= scaled * imbn:
        return per_task
    now = busy_power * min(per_task, busiest.avg_load)
    now = (now + this_power * min(this_per_task, this.avg_load)) // scale
    after, less = 0, per_task * scale // busy_power
    if busiest.avg_load > less:
        after = busy_power * min(per_task, busiest.avg_load - less)
    more = min(busiest.avg_load * busy_power, per_task * scale) // this_power
    after = (after + this_power * min(this_per_task, this.avg_load + more)) // scale
    return per_task if after > now else imbalance


def find_busiest_queue(env: Env, loads: Loads, group: Group) -> int:
    """The CPU of the group to pull from, -1: none.  Patch 27 made it a method, patch 28 uses it:
    under the bias it is the first with off-node tasks."""
    busiest, max_load, rqs = -1, 0, loads.rqs
    small_capacity = env.domain.ring.small_capacity(group)
    for cpu in group.cpus:
        if cpu in env.excluded:
            continue
        rq = rqs[cpu]
        if env.numa_queue:
            if rq.offnode_running:
                return cpu
            continue
        power, load = loads.power[cpu], rq.load_weight
        capacity = (power + SCHED_POWER_SCALE // 2) // SCHED_POWER_SCALE or small_capacity
        if capacity and rq.nr_running == 1 and load > env.imbalance:
            continue
        load = load * SCHED_POWER_SCALE // power
        if load > max_load:
            busiest, max_load = cpu, load
    return busiest
