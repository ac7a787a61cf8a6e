"""load_balance: which tasks come, in which order, and what a failure leaves behind."""

from __future__ import annotations

import pytest

from numab.sched.balance import Balancer
from numab.sched.domain import build_domains, cpu_powers
from numab.sched.flags import CPU_IDLE, CPU_NEWLY_IDLE, CPU_NOT_IDLE
from numab.topology import Topology

from .plain_queues import PlainFeatures, PlainQueues, PlainState

LONG_AGO, JUST_NOW = 0, 10**9 - 499_999


class Scene:
    """A machine whose tasks are put one by one; level -1 is the NUMA level."""

    def __init__(self, machine="tiny", preempt=False, **features):
        self.topology = Topology.load(machine)
        nids = self.topology.cpu_nid.tolist()
        self.domains = build_domains(self.topology)
        self.queues = PlainQueues(len(nids), nids, cpu_powers(self.topology))
        self.states = {(c, d.level): PlainState(d.kind.min_interval)
                       for c, chain in self.domains.items() for d in chain}
        self.balancer = Balancer(
            self.domains, self.queues, PlainFeatures(**features), nids,
            self.topology.distance.tolist(), lambda cpu, level: self.states[cpu, level],
            preempt=preempt)

    def put(self, cpu, *, home=-1, weight=1024, ran=LONG_AGO, cpus=None, runs=False):
        tid = len(self.queues.by_tid) + 1
        self.queues.put({"tid": tid, "weight": weight, "home": home, "ran": ran,
                         "cpus": set(self.topology.cpus) if cpus is None else cpus}, cpu)
        if runs:
            self.queues.rqs[cpu].curr = tid
        self.queues.set_past(cpu, None)
        return tid

    def balance(self, cpu, idle, level=-1):
        moved, _ = self.balancer.load_balance(self.domains[cpu][level], idle)
        return moved

    def state(self, cpu, level=-1):
        return self.states[cpu, self.domains[cpu][level].level]

    @property
    def moved(self):
        return [tid for tid, _, _ in self.queues.moves]


def test_half_of_them_come_the_last_enqueued_first():
    scene = Scene()
    runs, *rest = [scene.put(1, runs=(i == 0)) for i in range(4)]
    assert scene.balance(0, CPU_IDLE) == 2
    assert scene.moved == [rest[2], rest[1]]
    assert scene.queues.rqs[1].curr == runs


def test_off_node_tasks_come_first():
    """A task whose home is node 0 waits on node 1, enqueued before the other.

    3072 against 0, average 1536: that much is to move, two tasks (half of the second still fits).
    """
    scene = Scene()
    scene.put(1, runs=True)
    away = scene.put(1, home=0)
    at_home = scene.put(1, home=1)
    scene.balance(0, CPU_IDLE)
    assert scene.moved == [away, at_home]


def test_without_pull_the_off_node_list_is_left_alone():
    scene = Scene(homenode_pull=False)
    scene.put(1, runs=True)
    scene.put(1, home=0)
    at_home = scene.put(1, home=1)
    scene.balance(0, CPU_IDLE)
    assert scene.moved == [at_home]


def test_the_loop_starts_anew_on_the_second_list():
    """Nine looks at two pinned off-node tasks use up the first list's limit, not the second's.

    9216 against 0: 4608 are to move, five tasks.
    """
    scene = Scene()
    scene.put(1, runs=True)
    for _ in range(2):
        scene.put(1, home=0, cpus={1})
    free = [scene.put(1, home=1) for _ in range(6)]
    scene.balance(0, CPU_IDLE)
    assert scene.moved == free[::-1][:5]


def test_a_running_task_stays():
    scene = Scene()
    runs = scene.put(1, runs=True)
    waits = scene.put(1)
    assert scene.balance(0, CPU_IDLE) == 1
    assert scene.moved == [waits] and scene.queues.rqs[1].curr == runs


@pytest.mark.parametrize("ran, comes", [(10**9 - 499_999, False), (10**9 - 500_000, True)])
def test_cache_hot(ran, comes):
    """Less than 0.5 ms ago is hot."""
    scene = Scene()
    scene.put(1, runs=True)
    scene.put(1, ran=ran)
    assert scene.balance(0, CPU_IDLE) == int(comes)


def test_hot_tasks_come_after_three_failures():
    """nr_balance_failed must exceed cache_nice_tries, 2 for a NUMA level."""
    scene = Scene()
    scene.put(1, runs=True)
    hot = scene.put(1, ran=JUST_NOW)
    for failures in (1, 2, 3):
        assert scene.balance(0, CPU_IDLE) == 0
        assert scene.state(0).nr_balance_failed == failures
    assert scene.balance(0, CPU_IDLE) == 1
    assert scene.moved == [hot] and scene.state(0).nr_balance_failed == 0


@pytest.mark.parametrize("home, idle, comes", [
    (1, CPU_NOT_IDLE, False),    # it would leave its home
    (0, CPU_NOT_IDLE, True),     # it gets home
    (-1, CPU_NOT_IDLE, True),    # it has none
    (1, CPU_IDLE, True),         # idle CPUs do not ask
    (1, CPU_NEWLY_IDLE, True),
])
def test_task_numa_hot(home, idle, comes):
    scene = Scene()
    if idle == CPU_NOT_IDLE:
        scene.put(0, runs=True)
    scene.put(1, runs=True)
    for _ in range(3):
        scene.put(1, home=home)
    assert (scene.balance(0, idle) > 0) == comes


def test_task_numa_hot_when_equally_far():
    """From node 1 to node 2 a task whose home is node 0 gets no nearer: it stays."""
    for preferred in (True, False):
        scene = Scene("numa:3 core:1 pu:1 distance:21", homenode_preferred=preferred)
        for i in range(4):
            scene.put(1, home=0, runs=(i == 0))
        scene.put(2, runs=True)
        assert (scene.balance(2, CPU_NOT_IDLE) > 0) == (not preferred)


def test_newly_idle_under_preempt_takes_one():
    for preempt, expected in ((False, 2), (True, 1)):
        scene = Scene(preempt=preempt)
        for i in range(4):
            scene.put(1, runs=(i == 0))
        assert scene.balance(0, CPU_NEWLY_IDLE) == expected


def test_newly_idle_failures_do_not_count():
    scene = Scene()
    scene.put(1, runs=True)
    scene.put(1, ran=JUST_NOW)
    assert scene.balance(0, CPU_NEWLY_IDLE) == 0
    assert scene.state(0).nr_balance_failed == 0


def test_intervals_double_while_balanced_and_fall_back():
    """A NUMA level of two CPUs: 2 ms to 4 ms."""
    scene = Scene()
    state = scene.state(0)
    assert state.balance_interval_ms == 2
    for expected in (4, 4):
        scene.balance(0, CPU_IDLE)
        assert state.balance_interval_ms == expected
    scene.put(1, runs=True)
    scene.put(1)
    scene.balance(0, CPU_IDLE)
    assert state.balance_interval_ms == 2


def test_pinned_tasks_let_the_interval_grow_to_512():
    scene = Scene()
    scene.put(1, runs=True, cpus={1})
    scene.put(1, cpus={1})
    for _ in range(10):
        scene.balance(0, CPU_IDLE)
    assert scene.state(0).balance_interval_ms == 512
    assert scene.state(0).nr_balance_failed == 0


def test_another_queue_is_tried_when_all_are_pinned():
    """Of node 1 CPU 8 is the busiest, but nobody there may leave."""
    scene = Scene("2s")
    for i in range(6):
        scene.put(8, runs=(i == 0), cpus={8})
    scene.put(9, runs=True)
    free = scene.put(9)
    assert scene.balance(0, CPU_IDLE) == 1
    assert scene.moved == [free]


def test_what_may_not_come_here_may_go_beside():
    """CPU 0 pulls a task that may run on CPU 1 of its own node only."""
    scene = Scene("2s")
    scene.put(8, runs=True)
    task = scene.put(8, cpus={1, 8})
    assert scene.balance(0, CPU_IDLE) == 1
    assert scene.queues.moves == [(task, 8, 1)]


def test_force_after_five_failures():
    """cache_nice_tries + 2 = 4 failures are borne; at the fifth the stopper moves the running task.

    A core of two threads, busy, beside an idle one: SMT's siblings are a group of the MC level.
    """
    scene = Scene("numa:1 core:2 pu:2")
    first = scene.put(2, runs=True, ran=10**9)
    scene.put(3, runs=True, ran=10**9)
    for failures in (1, 2, 3):
        assert scene.balance(0, CPU_IDLE) == 0 and not scene.moved
        assert scene.state(0).nr_balance_failed == failures
    scene.balance(0, CPU_IDLE)
    assert scene.queues.moves == [(first, 2, 0)]
    assert scene.state(0).nr_balance_failed == 2  # cache_nice_tries + 1


def test_force_spares_a_pinned_task():
    scene = Scene("numa:1 core:2 pu:2")
    scene.put(2, runs=True, ran=10**9, cpus={2})
    scene.put(3, runs=True, ran=10**9, cpus={3})
    for _ in range(9):
        scene.balance(0, CPU_IDLE)
    assert not scene.moved and scene.state(0).nr_balance_failed > 4


def test_the_bias_pushes_a_lone_task_home():
    """Patch 28's addition to need_active_balance: one task, off its node, on the queue chosen.

    Nodes alike but for a little weight: within 125 %, so only the bias acts.  CPU 9 runs one task,
    whose home is node 0; a task of node 0 is off its node too.
    """
    scene = Scene("2s")
    for cpu in range(16):
        for i in range(1 if cpu == 9 else 2):
            home = (0 if cpu < 8 else 1) if (cpu, i) not in ((0, 0), (9, 0)) else 1 - (cpu >= 8)
            weight = 1024 if cpu < 8 else 2450 if cpu == 9 else 1125
            scene.put(cpu, home=home, weight=weight, runs=(i == 0), ran=10**9)
    lone = next(t for t, (_, cpu) in scene.queues.by_tid.items() if cpu == 9)
    assert scene.balance(0, CPU_NOT_IDLE) == 0
    assert scene.queues.moves == [(lone, 9, 0)]
    assert scene.state(0).nr_balance_failed == 3
