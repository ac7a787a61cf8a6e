"""find_busiest_group and find_busiest_queue: every way the search ends, worked out by hand."""

from __future__ import annotations

import pytest

from numa_core import ffi, lib
from numab.sched import build_domains
from numab.sched.bias import check_numa_busiest_group
from numab.sched.domain import cpu_powers
from numab.topology import Topology

IDLE, BUSY, NEWLY_IDLE = lib.NUMAB_CPU_IDLE, lib.NUMAB_CPU_NOT_IDLE, lib.NUMAB_CPU_NEWLY_IDLE
IMBALANCE, FORCED, NO_BUSIEST = (
    lib.NUMAB_LB_IMBALANCE, lib.NUMAB_LB_FORCED, lib.NUMAB_LB_NO_BUSIEST)
ABOVE_BUSIEST, ABOVE_AVERAGE = lib.NUMAB_LB_ABOVE_BUSIEST, lib.NUMAB_LB_ABOVE_AVERAGE
IDLE_ENOUGH, WITHIN_PCT = lib.NUMAB_LB_IDLE_ENOUGH, lib.NUMAB_LB_WITHIN_PCT


class Scene:
    """A machine and the tasks on it: {cpu: [(weight, home), ...]}; its queues are the test's."""

    def __init__(self, machine, tasks):
        topology = Topology.load(machine)
        nids = topology.cpu_nid.tolist()
        self.domains = build_domains(topology)
        self.power = ffi.new("uint32_t[]", cpu_powers(topology).tolist())
        self.rqs = ffi.new("struct numab_rq[]", len(nids))
        self.lb = ffi.new("struct numab_lb *")
        for cpu, those in tasks.items():
            rq = self.rqs[cpu]
            rq.nr_running, rq.load_weight = len(those), sum(weight for weight, _ in those)
            away = [weight for weight, home in those if home not in (-1, nids[cpu])]
            rq.offnode_running, rq.offnode_weight = len(away), sum(away)
            rq.onnode_running = sum(home == nids[cpu] for _, home in those)
            rq.cpu_load = [rq.load_weight] * 5

    def _mask(self, excluded):
        bits = sum(1 << cpu for cpu in excluded)
        return ffi.new("uint64_t[]", [bits]) if excluded else ffi.NULL

    def ask(self, cpu, idle, level=-1, excluded=()):
        """The CPUs of the group to pull from, or None."""
        self.domain = self.domains[cpu][level]
        self.groups, self.stats = self.domain.core(self.power), self.lb.stats
        self.excluded = self._mask(excluded)
        lib.numab_find_busiest_group(
            self.rqs, self.groups, cpu, idle, self.excluded, ffi.addressof(self.lb, "stats"))
        found = self.stats.exit in (IMBALANCE, FORCED)
        assert bool(self.stats.imbalance) <= found
        return self.cpus(self.stats.busiest.group) if found else None

    def cpus(self, group):
        return self.domain.ring.groups[group].cpus

    def bias(self):
        """What the bias makes of the same numbers: the CPUs of its group, or None."""
        return self.cpus(self.lb.group) if check_numa_busiest_group(self.lb) else None

    def queue(self, cpu, imbalance=None, numa_queue=False):
        """Of the group that holds a CPU."""
        at = next(i for i, g in enumerate(self.domain.ring.groups) if cpu in g.cpus)
        return lib.numab_find_busiest_queue(
            self.rqs, self.groups, at, self.stats.imbalance if imbalance is None else imbalance,
            numa_queue, self.excluded)


ONE = (1024, -1)
NODE0, NODE1 = tuple(range(8)), tuple(range(8, 16))


def test_no_busiest():
    """Eight tasks on eight CPUs: not more than the capacity, so nobody is busiest.

    A local group with room would lower that capacity to 1 (SD_PREFER_SIBLING), hence node 0 is
    full too.
    """
    scene = Scene("2s", {cpu: [ONE] for cpu in range(16)})
    assert scene.ask(0, BUSY) is None
    assert scene.stats.exit == NO_BUSIEST


def test_above_busiest():
    """Node 0 has 8 x 2048, node 1 16 tasks of weight 512."""
    scene = Scene("2s", {c: [ONE] * 2 if c < 8 else [(512, -1)] * 2 for c in range(16)})
    assert scene.ask(0, BUSY) is None
    assert scene.stats.exit == ABOVE_BUSIEST


def test_above_average():
    """8s, level of 4 linked nodes: the fourth is busier, but the average lies below this one."""
    tasks = {c: [ONE] * 2 for c in range(8)} | {c: [ONE] * 3 for c in range(8, 16)}
    scene = Scene("8s", tasks)
    assert scene.ask(0, BUSY, level=2) is None
    assert scene.stats.exit == ABOVE_AVERAGE


def test_idle_enough():
    """One CPU idles here, none there, and 8 tasks on 8 CPUs are not too many: no need to move.

    Node 1 is busiest only because node 0 has room, which makes its capacity 1.
    """
    tasks = {c: [ONE] for c in range(1, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, IDLE) is None
    assert scene.stats.exit == IDLE_ENOUGH


def test_within_pct():
    """2250 against 2048 a core: 110 %, under the 125 % of a NUMA level."""
    tasks = {c: [ONE] * 2 for c in range(8)}
    tasks |= {c: [(1125, -1)] * 2 for c in range(8, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, BUSY) is None
    assert scene.stats.exit == WITHIN_PCT


def test_imbalance():
    """Node 0: 8 tasks, node 1: 24.  Loads 1024 and 3072, average 2048.

    max_pull = min(3072 - 2048, above capacity (24 - 8) * 2^20 / 8192 = 2048) = 1024;
    to move: min(1024 * 8192, 1024 * 8192) / 1024 = 8192, eight tasks.
    """
    scene = Scene("2s", {c: [ONE] * (1 if c < 8 else 3) for c in range(16)})
    assert scene.ask(0, BUSY) == NODE1
    assert (scene.stats.exit, scene.stats.imbalance) == (IMBALANCE, 8192)
    assert scene.queue(8) == 8  # all alike: the first


def test_forced_by_a_crooked_group():
    """Node 1 has the same load in all, but all of it on CPU 8: the group is imbalanced."""
    tasks = {c: [ONE] for c in range(8)} | {8: [ONE] * 8}
    scene = Scene("2s", tasks)
    assert scene.ask(0, BUSY) == NODE1
    assert scene.stats.exit == FORCED
    assert scene.queue(8) == 8


def test_forced_newly_idle():
    """Room here, none there: heavier tasks here do not matter then."""
    tasks = {c: [(88761, -1)] for c in range(1, 8)} | {c: [ONE] * 2 for c in range(8, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, NEWLY_IDLE) == NODE1
    assert scene.stats.exit == FORCED


def bias_scene(this, there):
    """Two tasks a CPU on either node, 2048 a CPU here and 2250 there, so that nothing would move
    but for the bias; the homes of those on CPU 0 and on CPUs 9 and 10 are given."""
    tasks = {c: [(1024, 0)] * 2 for c in range(8)}
    tasks |= {c: [(1125, 1)] * 2 for c in range(8, 16)}
    tasks[0] = [(1024, this), (1024, 0)]
    tasks[9] = [(1536, there), (1125, 1)]
    tasks[10] = [(1536, there), (1125, 1)]
    return Scene("2s", tasks)


def test_bias_golden():
    """Spec section G: numa_group_weight 3072, running 2: the imbalance is 1536."""
    scene = bias_scene(this=1, there=0)
    assert scene.ask(0, BUSY) is None and scene.stats.exit == WITHIN_PCT
    assert scene.bias() == NODE1 and scene.lb.imbalance == 1536
    # the first with off-node tasks, not the one with most load
    assert scene.queue(8, 1536, numa_queue=True) == 9


@pytest.mark.parametrize("this, found", [(1, True), (-1, True), (0, False)])
def test_bias_needs_something_to_trade(this, found):
    """A task of ours that is off its node, or one that has none; not only tasks at home."""
    scene = bias_scene(this, there=0)
    assert scene.ask(0, BUSY) is None
    assert (scene.bias() is not None) == found


def test_small_imbalance_is_rounded_up_to_a_task():
    """2 tasks here, 3 there, on a machine of 1 CPU a node: 512 to move, less than a task.

    2048 against 3072, average 2560, 512 to move.  3072 - 2048 + 1024 < 2 * 1024 is false: one task.
    """
    scene = Scene("tiny", {0: [ONE] * 2, 1: [ONE] * 3})
    assert scene.ask(0, BUSY) == (1,)
    assert scene.stats.imbalance == 1024


def test_a_lone_heavy_task_is_not_a_queue_to_pull_from():
    """CPU 8 runs one task that weighs more than the imbalance: CPU 9 it is."""
    tasks = {8: [(88761, -1)], 9: [(1024, -1)] * 3}
    scene = Scene("2s", tasks)
    scene.ask(0, IDLE)
    assert scene.queue(8, imbalance=2048) == 9


def test_excluded_cpus_do_not_count():
    scene = Scene("2s", {c: [ONE] * (1 if c < 8 else 3) for c in range(16)})
    assert scene.ask(0, BUSY, excluded=set(NODE1)) is None
    scene.ask(0, BUSY, excluded={8})
    assert scene.queue(8) == 9
    assert scene.ask(8, BUSY) is None
    assert NODE0 == tuple(g.cpus for g in scene.domain.groups)[1]
