"""find_busiest_group: every way it ends, each worked out by hand."""

from __future__ import annotations

import pytest

from numab.sched.busiest import Env, find_busiest_group, find_busiest_queue
from numab.sched.domain import build_domains, cpu_powers
from numab.sched.flags import CPU_IDLE, CPU_NEWLY_IDLE, CPU_NOT_IDLE
from numab.topology import Topology

from .plain_queues import PlainQueues


class Scene:
    """A machine and the tasks on it: {cpu: [(weight, home), ...]}."""

    def __init__(self, machine, tasks):
        self.topology = Topology.load(machine)
        self.domains = build_domains(self.topology)
        self.queues = PlainQueues(len(self.topology.cpus), self.topology.cpu_nid.tolist(),
                                  cpu_powers(self.topology))
        tid = 0
        for cpu, those in tasks.items():
            for weight, home in those:
                tid += 1
                self.queues.put({"tid": tid, "weight": weight, "home": home, "ran": 0,
                                 "cpus": set(self.topology.cpus)}, cpu)
        for cpu in self.topology.cpus:
            self.queues.set_past(cpu, None)

    def ask(self, cpu, idle, level=-1, **more):
        self.env = Env(self.domains[cpu][level], cpu, idle, **more)
        group, self.our_turn = find_busiest_group(self.env, self.queues)
        return None if group is None else group.cpus

    def queue(self, cpu):
        group = next(g for g in self.env.domain.groups if cpu in g.cpus)
        return find_busiest_queue(self.env, self.queues, group)


ONE = (1024, -1)
NODE0, NODE1 = tuple(range(8)), tuple(range(8, 16))


def test_not_our_turn():
    """Of node 0 the first idle CPU balances, here CPU 1; newly idle everybody may."""
    scene = Scene("2s", {0: [ONE]})
    assert scene.ask(2, CPU_IDLE) is None
    assert (scene.env.exit, scene.our_turn) == ("not_our_turn", False)
    assert scene.ask(1, CPU_IDLE) is None and scene.our_turn
    assert scene.ask(2, CPU_NEWLY_IDLE) is None and scene.our_turn


def test_no_busiest():
    """Eight tasks on eight CPUs: not more than the capacity, so nobody is busiest.

    A local group with room would lower that capacity to 1 (SD_PREFER_SIBLING), hence node 0 is
    full too.
    """
    scene = Scene("2s", {cpu: [ONE] for cpu in range(16)})
    assert scene.ask(0, CPU_NOT_IDLE) is None
    assert scene.env.exit == "no_busiest" and scene.our_turn


def test_above_busiest():
    """Node 0 has 8 x 2048, node 1 16 tasks of weight 512."""
    scene = Scene("2s", {c: [ONE] * 2 if c < 8 else [(512, -1)] * 2 for c in range(16)})
    assert scene.ask(0, CPU_NOT_IDLE) is None
    assert scene.env.exit == "above_busiest"


def test_above_average():
    """8s, level of 4 linked nodes: the fourth is busier, but the average lies below this one."""
    tasks = {c: [ONE] * 2 for c in range(8)} | {c: [ONE] * 3 for c in range(8, 16)}
    scene = Scene("8s", tasks)
    assert scene.ask(0, CPU_NOT_IDLE, level=2) is None
    assert scene.env.exit == "above_average"


def test_idle_enough():
    """One CPU idles here, none there, and 8 tasks on 8 CPUs are not too many: no need to move.

    Node 1 is busiest only because node 0 has room, which makes its capacity 1.
    """
    tasks = {c: [ONE] for c in range(1, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_IDLE) is None
    assert scene.env.exit == "idle_enough"


def test_within_pct():
    """2250 against 2048 a core: 110 %, under the 125 % of a NUMA level."""
    tasks = {c: [ONE] * 2 for c in range(8)}
    tasks |= {c: [(1125, -1)] * 2 for c in range(8, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_NOT_IDLE) is None
    assert scene.env.exit == "within_pct"


def test_imbalance():
    """Node 0: 8 tasks, node 1: 24.  Loads 1024 and 3072, average 2048.

    max_pull = min(3072 - 2048, above capacity (24 - 8) * 2^20 / 8192 = 2048) = 1024;
    to move: min(1024 * 8192, 1024 * 8192) / 1024 = 8192, eight tasks.
    """
    scene = Scene("2s", {c: [ONE] * (1 if c < 8 else 3) for c in range(16)})
    assert scene.ask(0, CPU_NOT_IDLE) == NODE1
    assert (scene.env.exit, scene.env.imbalance) == ("imbalance", 8192)
    assert scene.queue(8) == 8  # all alike: the first


def test_forced_by_a_crooked_group():
    """Node 1 has the same load in all, but all of it on CPU 8: the group is imbalanced."""
    tasks = {c: [ONE] for c in range(8)} | {8: [ONE] * 8}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_NOT_IDLE) == NODE1
    assert scene.env.exit == "forced"
    assert scene.queue(8) == 8


def test_forced_newly_idle():
    """Room here, none there: heavier tasks here do not matter then."""
    tasks = {c: [(88761, -1)] for c in range(1, 8)} | {c: [ONE] * 2 for c in range(8, 16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_NEWLY_IDLE) == NODE1
    assert scene.env.exit == "forced"


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
    assert scene.ask(0, CPU_NOT_IDLE) == NODE1
    assert (scene.env.exit, scene.env.imbalance, scene.env.numa_queue) == ("numa_bias", 1536, True)
    assert scene.queue(8) == 9  # the first with off-node tasks, not the one with most load


@pytest.mark.parametrize("this, found", [(1, True), (-1, True), (0, False)])
def test_bias_needs_something_to_trade(this, found):
    """A task of ours that is off its node, or one that has none; not only tasks at home."""
    scene = bias_scene(this, there=0)
    assert (scene.ask(0, CPU_NOT_IDLE) is not None) == found


def test_bias_can_be_off():
    scene = bias_scene(this=1, there=0)
    assert scene.ask(0, CPU_NOT_IDLE, pull_bias=False) is None
    assert scene.env.exit == "within_pct"


def test_bias_is_not_asked_at_the_early_exits():
    """One task a CPU, every one of them on the wrong node: no busiest, so nothing moves."""
    tasks = {c: [(1024, 1 if c < 8 else 0)] for c in range(16)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_NOT_IDLE) is None
    assert scene.env.exit == "no_busiest" and not scene.env.numa_queue


def test_bias_is_for_numa_levels():
    """Within a node all CPUs are equally near to any home."""
    tasks = {c: [(1024, 1)] * 2 for c in range(8)}
    scene = Scene("2s", tasks)
    assert scene.ask(0, CPU_NOT_IDLE, level=0) is None


def test_small_imbalance_is_rounded_up_to_a_task():
    """2 tasks here, 3 there, on a machine of 1 CPU a node: 512 to move, less than a task.

    2048 against 3072, average 2560, 512 to move.  3072 - 2048 + 1024 < 2 * 1024 is false: one task.
    """
    scene = Scene("tiny", {0: [ONE] * 2, 1: [ONE] * 3})
    assert scene.ask(0, CPU_NOT_IDLE) == (1,)
    assert scene.env.imbalance == 1024


def test_a_lone_heavy_task_is_not_a_queue_to_pull_from():
    """CPU 8 runs one task that weighs more than the imbalance: CPU 9 it is."""
    tasks = {8: [(88761, -1)], 9: [(1024, -1)] * 3}
    scene = Scene("2s", tasks)
    scene.ask(0, CPU_IDLE)
    scene.env.imbalance = 2048
    assert scene.queue(8) == 9


def test_excluded_cpus_do_not_count():
    scene = Scene("2s", {c: [ONE] * (1 if c < 8 else 3) for c in range(16)})
    assert scene.ask(0, CPU_NOT_IDLE, excluded=set(NODE1)) is None
    scene.ask(0, CPU_NOT_IDLE, excluded={8})
    assert scene.queue(8) == 9
    assert scene.ask(8, CPU_NOT_IDLE) is None
    assert NODE0 == tuple(g.cpus for g in scene.env.domain.groups)[1]
