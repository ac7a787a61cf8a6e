"""Where a task wakes that another wakes: by hand, and within a tick."""

from __future__ import annotations

import pytest

from numab import InvalidArgument, Machine
from numab.program import Barrier, Touch

TICK = 4_000_000
VPN, PAGE = 0x10000, 4096


def machine(preset="2s", busy=()):
    """One task of weight 1024 on each CPU of ``busy``."""
    m = Machine(preset, policy="off", sched="2012")
    return m, [m.process(cpu=cpu).main for cpu in busy]


def sleeper(m, cpu, **words):
    task = m.process(cpu=cpu).main
    for name, value in words.items():
        getattr(task, f"set_{name}")(value)
    task.sleep()
    return task


@pytest.mark.parametrize("preset, busy, prev, expected", [
    ("2s", (0,), 1, 1),           # 2048 here, 1024 x 112 % there: it stays, and CPU 1 idles
    ("2s", (0, 1, 1), 1, 2),      # 2048 here, 3072 there: to the waker, and beside it CPU 2 idles
    ("2s", (0, 1), 1, 2),         # 2048 on either side is 112 % in favour of the waker
    ("2s", (*range(8), 8), 8, 0),  # the same over nodes, 21 away; nobody idles beside CPU 0
    ("4s", (0, 16), 16, 16),      # node 2 is 31 away: no domain joins them, it does not look around
    ("4s", (0, 8), 8, 1),         # node 1 is 21 away
    ("2s-smt", (0, 16, 1), 1, 2),  # beside CPU 0 whole cores first: 2 and 18 idle
])
def test_woken_by_a_task_of_cpu_0(preset, busy, prev, expected):
    m, tasks = machine(preset, busy)
    t = sleeper(m, prev)
    t.wake(by=tasks[0])
    assert t.info().cpu == expected and t.info().queued
    m.check()


@pytest.mark.parametrize("nice, expected", [(0, 9), (19, 1)])
def test_a_light_waker_draws_even_from_an_idle_cpu(nice, expected):
    """Nice 19 weighs 15: 1039 here against 1.12 x 1024 on CPU 9; then CPU 1 idles beside CPU 0."""
    m, (waker,) = machine(busy=(0,))
    waker.set_nice(nice)
    t = sleeper(m, 9)
    t.wake(by=waker)
    assert t.info().cpu == expected


def test_affinity_keeps_it_from_the_waker():
    m, (waker, *_) = machine(busy=(0, 1, 1))
    t = sleeper(m, 1, affinity=[1, 2])
    t.wake(by=waker)
    assert t.info().cpu == 1    # not even CPU 2 is looked at, as in the kernel


def test_without_domains_it_stays():
    m = Machine("2s", policy="off")
    waker = m.process(cpu=0).main
    m.process(cpu=1)
    t = sleeper(m, 1)
    t.wake(by=waker)
    assert t.info().cpu == 1


def test_bad_wakers_change_nothing():
    m, (waker,) = machine(busy=(0,))
    t, (_, others) = sleeper(m, 1), machine(busy=(0,))
    for by in (1, "1", others[0], m):
        with pytest.raises(InvalidArgument, match="permitted: a task of the same machine"):
            t.wake(by=by)
    waker.exit()
    with pytest.raises(Exception, match=f"no task {waker.tid}"):
        t.wake(by=waker)
    assert t.info().state == 1 and not t.info().queued


def waiting(cpus, waker):
    """Tasks that meet at a barrier and then work on; a touch takes 0.5 ms, the one on ``waker``
    makes two before."""
    m = Machine("2s", policy="off", sched="2012", tunables={
        "latency_local_ps": 500_000_000, "cpu_ps": 1})
    tasks = []
    for cpu in (*cpus, waker):
        task = m.process(cpu=cpu).main
        p = m.process_of(task.info().pid)
        p.mmap(VPN * PAGE, PAGE)
        p.populate([VPN], [task.info().nid])
        accesses = 2 if cpu == waker else 1
        task.feed_program([Touch("sweep", 0, 1, accesses, touches=1),
                           Barrier(0, len(cpus) + 1), Touch("sweep", 0, 1, 1)], base_vpn=VPN)
        tasks.append(task)
    return m, tasks


def test_sleepers_behind_the_waker_run_from_its_time_on():
    """Tasks 1 and 2 wait on CPUs 3 and 9; task 3 on CPU 0 comes at 1 ms of the second tick."""
    m, (first, second, last) = waiting((3, 9), 0)
    last.sleep(TICK)
    m.run(2 * TICK)
    assert [t.info().cpu for t in (first, second, last)] == [3, 9, 0]
    assert [t.info().sum_exec_ns for t in (first, second, last)] == [
        3_499_999, 3_499_999, 4_000_000]    # 0.5 and 3 ms less a ns of rounding; 1 and 3 ms
    m.check()


def test_two_that_slept_on_one_cpu_do_not_both_wake_there():
    """Both slept on CPU 9.  Expect: the first wakes there at 1 ms, the second finds it taken; by
    112 % it goes to the waker's node, where CPU 1 idles."""
    m, (first, second, last) = waiting((9, 9), 0)
    last.sleep(TICK)
    m.run(2 * TICK)
    assert [t.info().cpu for t in (first, second)] == [9, 1]
    assert [t.info().sum_exec_ns for t in (first, second)] == [3_499_999, 3_499_999]
    m.check()


def test_a_sleeper_before_the_waker_is_awake_when_the_tick_ends():
    """CPU 0 has had its tick when CPU 5 comes to the barrier."""
    m, (first, last) = waiting((0,), 5)
    last.sleep(TICK)
    m.run(2 * TICK)
    assert first.info().state == 0 and first.info().sum_exec_ns == 500_000
    m.run(3 * TICK)
    assert first.info().sum_exec_ns == 500_000 + TICK
