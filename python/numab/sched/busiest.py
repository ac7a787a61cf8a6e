"""find_busiest_group and find_busiest_queue of Linux 3.7, with patch 28's bias.

Decisions only: run queues come in as arrays over CPU ids, a group, an amount of load and a queue
come out, and nothing changes.  Integers only; subtractions wrap at 64 bits where the kernel's do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .domain import Domain, Group
from .flags import (
    CPU_IDLE, CPU_NEWLY_IDLE, SCHED_LOAD_SCALE, SCHED_POWER_SCALE, SD_NUMA, SD_SHARE_CPUPOWER,
)

__all__ = ["Env", "Loads", "find_busiest_group", "find_busiest_queue"]

_WRAP = (1 << 64) - 1
_HUGE = np.int64(1 << 62)


class Loads(Protocol):
    """What the statistics read of run queues: arrays indexed by CPU id, any integer dtype.

    ``load``: weight of the runnable tasks; ``cpu_load``: its averages over 2^i ticks, shape (CPU
    ids, i); ``nr_running``: number of the tasks; ``offnode_weight``, ``offnode_running``,
    ``onnode_running``: of those with a home node (patch 28); ``power``: of the CPU, int64.
    """

    load: npt.NDArray[Any]
    cpu_load: npt.NDArray[Any]
    nr_running: npt.NDArray[Any]
    offnode_weight: npt.NDArray[Any]
    offnode_running: npt.NDArray[Any]
    onnode_running: npt.NDArray[Any]
    power: npt.NDArray[np.int64]


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


@dataclass(slots=True)
class _Stats:
    """One group's numbers: struct sg_lb_stats."""

    group: Group
    load: int      # of source_load or target_load: with a look at the past
    weight: int    # of the tasks, now
    nr_running: int
    idle_cpus: int
    avg_load: int = 0
    capacity: int = 0
    imbalanced: bool = False
    has_capacity: bool = False


def _balances(env: Env, loads: Loads) -> bool:
    """Is it this CPU's turn?  Of its group the first idle CPU, or else the first, balances."""
    if env.idle == CPU_NEWLY_IDLE:
        return True
    for index in env.domain.local:
        group = env.domain.ring.groups[index]
        turn = group.balance_cpu
        for cpu in group.cpus:
            if not loads.nr_running[cpu] and cpu in group.mask and cpu not in env.excluded:
                turn = cpu
                break
        if turn != env.dst_cpu:
            return False
    return True


def fix_small_capacity(domain: Domain, power: int, power_orig: int) -> int:
    """A thread of a core of many threads still is worth a task among its siblings.

    >>> from numab.sched.domain import build_domains
    >>> from numab.topology import Topology
    >>> smt = build_domains(Topology.load("numa:1 core:2 pu:4"))[0][0]
    >>> fix_small_capacity(smt, 294, 294)
    1
    """
    return int(bool(domain.flags & SD_SHARE_CPUPOWER) and power * 32 > power_orig * 29)


def _biased_load(env: Env, loads: Loads, weight: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Between now and the past low for others, high for our own: source_load, target_load."""
    kind, ring = env.domain.kind, env.domain.ring
    idx = {CPU_IDLE: kind.idle_idx, CPU_NEWLY_IDLE: kind.newidle_idx}.get(env.idle, kind.busy_idx)
    if not idx:
        return weight
    past = loads.cpu_load[ring.order, idx - 1].astype(np.int64)
    load = np.minimum(weight, past)
    for index in env.domain.local:
        own = slice(ring.starts[index], ring.starts[index] + ring.sizes[index])
        load[own] = np.maximum(weight[own], past[own])
    return load


def _group_stats(env: Env, loads: Loads) -> list[_Stats]:
    """Statistics of every group in the order of the domain's walk: update_sg_lb_stats."""
    ring = env.domain.ring
    weight = loads.load[ring.order].astype(np.int64)
    nr = loads.nr_running[ring.order].astype(np.int64)
    load = _biased_load(env, loads, weight)
    idle, low_load, low_nr = nr == 0, load, nr
    if env.excluded:
        gone = np.isin(ring.order, list(env.excluded))
        idle = idle & ~gone
        low_load, low_nr = np.where(gone, _HUGE, load), np.where(gone, _HUGE, nr)
        load, weight, nr = (np.where(gone, 0, column) for column in (load, weight, nr))
    add, top, low, at = np.add.reduceat, np.maximum.reduceat, np.minimum.reduceat, ring.starts
    columns = zip(
        ring.groups, add(load, at).tolist(), add(weight, at).tolist(), add(nr, at).tolist(),
        add(idle, at, dtype=np.int64).tolist(),
        (top(load, at) - low(low_load, at)).tolist(), (top(nr, at) - low(low_nr, at)).tolist(),
    )
    found = []
    for index, (group, load_sum, heft, running, idle_cpus, load_gap, nr_gap) in enumerate(columns):
        stats = _Stats(group, load_sum, heft, running, idle_cpus)
        stats.avg_load = load_sum * SCHED_POWER_SCALE // group.power
        if index not in env.domain.local:
            per_task = heft // running if running else 0
            stats.imbalanced = load_gap >= per_task and nr_gap > 1
        stats.capacity = group.capacity or fix_small_capacity(
            env.domain, group.power, group.power)
        stats.has_capacity = stats.capacity > running
        found.append(stats)
    return [found[i] for i in env.domain.walk]


@dataclass(slots=True)
class _Sides:
    """The domain's numbers: struct sd_lb_stats."""

    this: _Stats
    busiest: _Stats
    avg_load: int


def _pick_busiest(
    env: Env, found: list[_Stats]
) -> tuple[_Stats | None, _Stats | None]:
    """The local group and the busiest of the others: update_sd_lb_stats."""
    this: _Stats | None = None
    busiest: _Stats | None = None
    max_load = 0
    for index, stats in zip(env.domain.walk, found):
        if index in env.domain.local:
            this = stats
            continue
        if env.domain.prefer_sibling and this is not None and this.has_capacity:
            stats.capacity = min(stats.capacity, 1)
        if stats.avg_load > max_load and (
                stats.nr_running > stats.capacity or stats.imbalanced):
            busiest, max_load = stats, stats.avg_load
    return this, busiest


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
    found = _group_stats(env, loads)
    this, busiest = _pick_busiest(env, found)
    if this is None or busiest is None or not busiest.nr_running:
        env.exit = "no_busiest"
        return None, True
    total_load = sum(stats.load for stats in found)
    total_power = sum(stats.group.power for stats in found)
    sides = _Sides(this, busiest, SCHED_POWER_SCALE * total_load // total_power)
    if not busiest.imbalanced and not (
            env.idle == CPU_NEWLY_IDLE and this.has_capacity and not busiest.has_capacity):
        if this.avg_load >= busiest.avg_load:
            env.exit = "above_busiest"
            return None, True
        if this.avg_load >= sides.avg_load:
            env.exit = "above_average"
            return None, True
        env.exit = _balanced(env, sides)
        if env.exit != "imbalance":
            return check_numa_busiest_group(env, loads, this.nr_running), True
    else:
        env.exit = "forced"
    env.imbalance = _calculate_imbalance(env, loads, sides)
    return busiest.group, True


def _balanced(env: Env, sides: _Sides) -> str:
    """The last two looks, whose yes the bias may overrule."""
    this, busiest = sides.this, sides.busiest
    if env.idle == CPU_IDLE:
        if (this.idle_cpus <= busiest.idle_cpus + 1
                and busiest.nr_running <= len(busiest.group.cpus)):
            return "idle_enough"
    elif 100 * busiest.avg_load <= env.domain.kind.imbalance_pct * this.avg_load:
        return "within_pct"
    return "imbalance"


def check_numa_busiest_group(env: Env, loads: Loads, this_running: int) -> Group | None:
    """Invent an imbalance so that tasks get home, when there is something to trade (patch 28)."""
    if not env.domain.flags & SD_NUMA or not env.pull_bias:
        return None
    ring = env.domain.ring
    keep = np.ones(len(ring.order), np.int64)
    if env.excluded:
        keep[np.isin(ring.order, list(env.excluded))] = 0
    off = np.add.reduceat(loads.offnode_running[ring.order] * keep, ring.starts).tolist()
    on = np.add.reduceat(loads.onnode_running[ring.order] * keep, ring.starts).tolist()
    weight = np.add.reduceat(loads.offnode_weight[ring.order] * keep, ring.starts).tolist()
    this_off = this_on = 0
    numa_group = -1
    for index in env.domain.walk:
        if index in env.domain.local:
            this_off, this_on = int(off[index]), int(on[index])
        elif off[index] and numa_group < 0:
            numa_group = index
    if numa_group < 0 or not (this_off or this_running - this_on - this_off > 0):
        return None
    env.imbalance = int(weight[numa_group]) // int(off[numa_group])
    env.numa_queue, env.exit = True, "numa_bias"
    return ring.groups[numa_group]


def _calculate_imbalance(env: Env, loads: Loads, sides: _Sides) -> int:
    """How much load to move, so that nobody ends beyond the average: calculate_imbalance."""
    this, busiest, average = sides.this, sides.busiest, sides.avg_load
    per_task = busiest.weight // busiest.nr_running
    if busiest.imbalanced:
        per_task = min(per_task, average)
    if busiest.avg_load < average:
        return _fix_small_imbalance(env, loads, sides, per_task, 0)
    above = _WRAP
    if not busiest.imbalanced:
        above = (busiest.nr_running - busiest.capacity) & _WRAP
        above = (above * (SCHED_LOAD_SCALE * SCHED_POWER_SCALE) & _WRAP) // busiest.group.power
    max_pull = min(busiest.avg_load - average, above)
    room = ((average - this.avg_load) & _WRAP) * this.group.power & _WRAP
    imbalance = min(max_pull * busiest.group.power & _WRAP, room) // SCHED_POWER_SCALE
    if imbalance < per_task:
        return _fix_small_imbalance(env, loads, sides, per_task, imbalance)
    return imbalance


def _fix_small_imbalance(
    env: Env, loads: Loads, sides: _Sides, per_task: int, imbalance: int
) -> int:
    """Too little to move one task: move one all the same if that gains throughput."""
    this, busiest, scale = sides.this, sides.busiest, SCHED_POWER_SCALE
    this_power, busy_power = this.group.power, busiest.group.power
    imbn = 2
    if this.nr_running:
        this_per_task = this.weight // this.nr_running
        if per_task > this_per_task:
            imbn = 1
    else:
        nr = int(loads.nr_running[env.dst_cpu])
        this_per_task = int(loads.load[env.dst_cpu]) // nr if nr else 0
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
    busiest, max_load = -1, 0
    for cpu in group.cpus:
        if cpu in env.excluded:
            continue
        if env.numa_queue:
            if loads.offnode_running[cpu]:
                return cpu
            continue
        power, load = int(loads.power[cpu]), int(loads.load[cpu])
        capacity = (power + SCHED_POWER_SCALE // 2) // SCHED_POWER_SCALE
        capacity = capacity or fix_small_capacity(env.domain, group.power, group.power)
        if capacity and loads.nr_running[cpu] == 1 and load > env.imbalance:
            continue
        load = load * SCHED_POWER_SCALE // power
        if load > max_load:
            busiest, max_load = cpu, load
    return busiest
