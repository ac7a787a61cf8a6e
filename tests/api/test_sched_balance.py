"""load_balance: which tasks come, in which order, and what a failure leaves behind."""

from __future__ import annotations

import pytest

from numa_core import lib
from numa_core.errors import NumabError
from numab.topology import Topology

from .queued import Queued

IDLE, BUSY, NEWLY_IDLE = lib.NUMAB_CPU_IDLE, lib.NUMAB_CPU_NOT_IDLE, lib.NUMAB_CPU_NEWLY_IDLE
MOVED, STOP = lib.NUMAB_BALANCE_MOVED, lib.NUMAB_BALANCE_STOP


class Scene(Queued):
    """A machine whose tasks are put one by one; level -1 is the NUMA level."""

    def __init__(self, machine="tiny", **words):
        super().__init__(Topology.load(machine), **words)

    def moved(self):
        return [number for number, _, _ in self.moves()]


def test_whose_turn_it_is():
    """Of node 0 the first idle CPU balances, here CPU 1; newly idle everybody may."""
    scene = Scene("2s")
    scene.put(0, runs=True)
    assert [scene.balance(cpu, IDLE) for cpu in (1, 2)] == [0, STOP]
    assert [scene.balance(cpu, NEWLY_IDLE) for cpu in (1, 2)] == [0, 0]


def test_half_of_them_come_the_last_enqueued_first():
    scene = Scene()
    runs, *rest = [scene.put(1, runs=(i == 0)) for i in range(4)]
    assert scene.balance(0, IDLE) == MOVED
    assert scene.moved() == [rest[2], rest[1]]
    assert scene.curr(1) == runs


def test_off_node_tasks_come_first():
    """A task whose home is node 0 waits on node 1, enqueued before the other.

    3072 against 0, average 1536: that much is to move, two tasks (half of the second still fits).
    """
    scene = Scene()
    scene.put(1, runs=True)
    away = scene.put(1, home=0)
    at_home = scene.put(1, home=1)
    scene.balance(0, IDLE)
    assert scene.moved() == [away, at_home]


def test_without_pull_the_off_node_list_is_left_alone():
    scene = Scene(numa_homenode_pull=False)
    scene.put(1, runs=True)
    scene.put(1, home=0)
    at_home = scene.put(1, home=1)
    scene.balance(0, IDLE)
    assert scene.moved() == [at_home]


def test_the_loop_starts_anew_on_the_second_list():
    """Nine looks at two pinned off-node tasks use up the first list's limit, not the second's.

    9216 against 0: 4608 are to move, five tasks.
    """
    scene = Scene()
    scene.put(1, runs=True)
    for _ in range(2):
        scene.put(1, home=0, cpus=[1])
    free = [scene.put(1, home=1) for _ in range(6)]
    scene.balance(0, IDLE)
    assert scene.moved() == free[::-1][:5]


def test_a_running_task_stays():
    scene = Scene()
    runs = scene.put(1, runs=True)
    waits = scene.put(1)
    assert scene.balance(0, IDLE) == MOVED
    assert scene.moved() == [waits] and scene.curr(1) == runs


@pytest.mark.parametrize("since, comes", [(499_999, False), (500_000, True)])
def test_cache_hot(since, comes):
    """Less than 0.5 ms ago is hot."""
    scene = Scene(since=since)
    scene.put(1, runs=True)
    scene.put(1, hot=True)
    assert bool(scene.balance(0, IDLE) & MOVED) == comes


def test_hot_tasks_come_after_three_failures():
    """nr_balance_failed must exceed cache_nice_tries, 2 for a NUMA level."""
    scene = Scene()
    scene.put(1, runs=True)
    hot = scene.put(1, hot=True)
    for failures in (1, 2, 3):
        assert scene.balance(0, IDLE) == 0
        assert scene.state(0).nr_balance_failed == failures
    assert scene.balance(0, IDLE) == MOVED
    assert scene.moved() == [hot] and scene.state(0).nr_balance_failed == 0


@pytest.mark.parametrize("home, idle, comes", [
    (1, BUSY, False),    # it would leave its home
    (0, BUSY, True),     # it gets home
    (-1, BUSY, True),    # it has none
    (1, IDLE, True),         # idle CPUs do not ask
    (1, NEWLY_IDLE, True),
])
def test_task_numa_hot(home, idle, comes):
    scene = Scene()
    if idle == BUSY:
        scene.put(0, runs=True)
    scene.put(1, runs=True)
    for _ in range(3):
        scene.put(1, home=home)
    assert bool(scene.balance(0, idle) & MOVED) == comes


def test_task_numa_hot_when_equally_far():
    """From node 1 to node 2 a task whose home is node 0 gets no nearer: it stays."""
    for preferred in (True, False):
        scene = Scene("numa:3 core:1 pu:1 distance:21", numa_homenode_preferred=preferred)
        for i in range(4):
            scene.put(1, home=0, runs=(i == 0))
        scene.put(2, runs=True)
        assert bool(scene.balance(2, BUSY) & MOVED) == (not preferred)


def test_newly_idle_under_preempt_takes_one():
    for preempt, expected in ((False, 2), (True, 1)):
        scene = Scene(preempt=preempt)
        for i in range(4):
            scene.put(1, runs=(i == 0))
        assert scene.balance(0, NEWLY_IDLE) == MOVED
        assert len(scene.moves()) == expected


def test_newly_idle_failures_do_not_count():
    scene = Scene()
    scene.put(1, runs=True)
    scene.put(1, hot=True)
    assert scene.balance(0, NEWLY_IDLE) == 0
    assert scene.state(0).nr_balance_failed == 0


def test_intervals_double_while_balanced_and_fall_back():
    """A NUMA level of two CPUs: 2 ms to 4 ms."""
    scene = Scene()
    stays = [scene.put(cpu, runs=True) for cpu in (0, 1)]
    comes = scene.put(1)
    scene.build()
    scene.tasks[comes].sleep()
    state = scene.state(0)
    assert state.balance_interval_ms == 2
    for expected in (4, 4):
        scene.balance(0, BUSY)
        assert state.balance_interval_ms == expected
    scene.tasks[comes].wake()
    scene.tasks[stays[0]].sleep()
    scene.balance(0, IDLE)
    assert state.balance_interval_ms == 2 and scene.moved() == [comes]


def test_pinned_tasks_let_the_interval_grow_to_512():
    scene = Scene()
    scene.put(1, runs=True, cpus=[1])
    scene.put(1, cpus=[1])
    for _ in range(10):
        scene.balance(0, IDLE)
    assert scene.state(0).balance_interval_ms == 512
    assert scene.state(0).nr_balance_failed == 0


def test_another_queue_is_tried_when_all_are_pinned():
    """Of node 1 CPU 8 is the busiest, but nobody there may leave."""
    scene = Scene("2s")
    for i in range(6):
        scene.put(8, runs=(i == 0), cpus=[8])
    scene.put(9, runs=True)
    free = scene.put(9)
    assert scene.balance(0, IDLE) == MOVED
    assert scene.moved() == [free]


def test_what_may_not_come_here_may_go_beside():
    """CPU 0 pulls a task that may run on CPU 1 of its own node only."""
    scene = Scene("2s")
    scene.put(8, runs=True)
    task = scene.put(8, cpus=[1, 8])
    assert scene.balance(0, IDLE) == MOVED
    assert scene.moves() == [(task, 8, 1)]


def test_force_after_five_failures():
    """cache_nice_tries + 2 = 4 failures are borne; at the fifth the stopper moves the running task.

    A core of two threads, busy, beside an idle one: SMT's siblings are a group of the MC level.
    """
    scene = Scene("numa:1 core:2 pu:2")
    first = scene.put(2, runs=True)
    scene.put(3, runs=True)
    for failures in (1, 2, 3):
        assert scene.balance(0, IDLE) == 0 and not scene.moved()
        assert scene.state(0).nr_balance_failed == failures
    scene.balance(0, IDLE)
    assert scene.moves() == [(first, 2, 0)]
    assert scene.state(0).nr_balance_failed == 2  # cache_nice_tries + 1


def test_force_spares_a_pinned_task():
    scene = Scene("numa:1 core:2 pu:2")
    scene.put(2, runs=True, cpus=[2])
    scene.put(3, runs=True, cpus=[3])
    for _ in range(9):
        scene.balance(0, IDLE)
    assert not scene.moved() and scene.state(0).nr_balance_failed > 4


def test_the_bias_pushes_a_lone_task_home():
    """Patch 28's addition to need_active_balance: one task, off its node, on the queue chosen.

    Nodes alike but for a little weight, 2048 a CPU and about 2301 (nice -1 and 0): within 125 %, so
    only the bias acts.  CPU 9 runs one task of nice -4, whose home is node 0; a task of node 0 is
    off its node too.
    """
    scene = Scene("2s")
    for cpu in range(16):
        for i in range(1 if cpu == 9 else 2):
            home = (0 if cpu < 8 else 1) if (cpu, i) not in ((0, 0), (9, 0)) else 1 - (cpu >= 8)
            nice = -4 if cpu == 9 else -(cpu >= 8 and i == 1)
            lone = scene.put(cpu, home=home, nice=nice, runs=(i == 0))
            if cpu == 9:
                expected = [(lone, 9, 0)]
    assert scene.balance(0, BUSY) == 0
    assert scene.moves() == expected
    assert scene.state(0).nr_balance_failed == 3


def traders(this=1, there=0, machine="2s", **features):
    """Two tasks a CPU: 2048 here and some 2301 (nice -1 and 0) there, so that nothing would move
    but for the bias; the homes of one on CPU 0 and one on CPU 9 are given, the others are at
    home."""
    scene = Scene(machine, **features)
    for cpu in range(16):
        for i in range(2):
            home = {0: this, 9: there}.get(cpu, cpu // 8) if i else cpu // 8
            scene.put(cpu, home=home, nice=-(cpu >= 8 and i == 1), runs=(i == 0))
    return scene


def test_the_bias_brings_a_task_home():
    scene = traders()
    assert scene.balance(0, BUSY) == MOVED
    assert scene.moves() == [(19, 9, 0)] and scene.state(0).nr_called == 1


@pytest.mark.parametrize("words, asked", [
    ({"this": 0}, True),                         # who is here is at home: nothing to trade
    ({"numa_homenode_pull_bias": 0}, True),      # switched off
    ({"there": 1}, False),                       # nobody there wants away
])
def test_the_bias_leaves_all_as_it_is(words, asked):
    scene = traders(**words)
    assert scene.balance(0, BUSY) == 0 and scene.moves() == []
    assert scene.state(0).nr_called == asked


@pytest.mark.parametrize("by_lot, sources", [(0, {9}), (1, {9, 10, 17, 18, 25, 26})])
def test_whom_the_bias_trades_with(by_lot, sources):
    """Two queues of each other node have a task of node 0: as posted the first node's first."""
    came_from = set()
    for seed in range(32):
        scene = Scene("4s", seed=seed, random_offnode=by_lot)
        for cpu in range(32):
            for i in range(2):
                home = cpu // 8 if not i else {0: 1}.get(cpu, cpu // 8 * (cpu % 8 not in (1, 2)))
                scene.put(cpu, home=home, nice=-(cpu >= 8 and i == 1), runs=(i == 0))
        assert scene.balance(0, BUSY) == MOVED
        came_from |= {source for _, source, _ in scene.moves()}
    assert came_from == sources


def test_the_bias_is_for_numa_levels():
    """Within a node all CPUs are equally near to any home."""
    scene = traders()
    assert scene.balance(0, BUSY, level=0) == 0 and scene.state(0, 0).nr_called == 0


def test_the_bias_is_not_asked_at_the_early_exits():
    """One task a CPU, every one of them on the wrong node: no busiest, so nothing moves."""
    scene = Scene("2s")
    for cpu in range(16):
        scene.put(cpu, home=1 - cpu // 8, runs=True)
    assert scene.balance(0, BUSY) == 0 and scene.state(0).nr_called == 0


def test_a_hook_cannot_balance():
    """One balancing at a time: the core keeps what it has found of one machine's CPUs."""
    scene, said = traders(), []
    scene.build()

    def answer(lb):
        said.append(lib.numab_load_balance(scene.h.m, 1, 0, IDLE))
        return 0

    scene.h.balance = answer
    assert scene.balance(0, BUSY) == 0 and said == [-16]


@pytest.mark.parametrize("group, imbalance", [(-1, 1), (2, 1), (1, 0), (1, 1 << 62 | 1)])
def test_an_answer_that_names_no_group_or_amount(group, imbalance):
    scene = traders()
    scene.build()

    def answer(lb):
        lb.group, lb.imbalance = group, imbalance
        return lib.NUMAB_BALANCE_PULL

    scene.h.balance = answer
    with pytest.raises(NumabError, match=f"load {imbalance} of group {group}, permitted .* 0..1"):
        scene.balance(0, BUSY)
    assert scene.moves() == []


@pytest.mark.parametrize("call, says", [
    ((16, 0, IDLE), "CPU 16 does not exist"), ((0, 9, IDLE), "level 9 of CPU 0, which has"),
    ((0, -1, IDLE), "level -1"), ((0, 0, 3), "idle 3, permitted 0..2")])
def test_calls_that_make_no_sense(call, says):
    scene = traders()
    scene.build()
    with pytest.raises(ValueError, match=says):
        scene.h.check(lib.numab_load_balance(scene.h.m, *call))
