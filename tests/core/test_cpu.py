"""Run queues: who runs next, sleep and wake, the order within a tick.  Ticks are 4 ms here.

Machines of two CPUs scale the scheduler's three sysctls by 2: latency 12 ms, shortest slice 1.5 ms,
wake-up granularity 2 ms.  With the shortest that the sysctls allow every slice is a tick.
"""

import pytest

from .world import BASE, MB, MS, PAGE, VPN, World

TICK = 4 * MS
#: A local access takes exactly 1 ms, four make a tick.
ONE_MS = {"cpu_ps": 1, "latency_local_ps": 999_999_999}


def busy(*tasks, page=0):
    """Endless reads of one page."""
    for task in tasks:
        task.feed_pattern("sweep", VPN + page, 1, reads=1)


#: A latency of 0.2 ms on two CPUs: whoever ran a tick has used up its slice.
SHORT = {"sched_latency_ns": 100_000, "sched_min_granularity_ns": 100_000}


def world(**kwargs):
    """One page on node 0, slices of a tick."""
    return plain(**SHORT, **kwargs)


def plain(**kwargs):
    """One page on node 0."""
    w = World(policy="off", **ONE_MS, **kwargs)
    w.place(0, 0)
    return w


def ran(*tasks):
    """Executed ticks."""
    return [task.info().sum_exec_ns / TICK for task in tasks]


def test_tasks_of_one_cpu_share_it():
    """Lowest run time first, ties by id, slices of one tick.  Ten ticks among 3: 4, 3, 3."""
    w = world()
    tasks = [w.t, w.t.clone(0), w.t.clone(0)]
    busy(*tasks)
    seen = []
    for tick in range(1, 11):
        w.m.run(tick * TICK)
        seen.append(ran(*tasks))
    assert seen[:4] == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1]]
    assert seen[-1] == [4, 3, 3]


def test_cpus_run_side_by_side():
    w = world(cpus=[(0, 1), (2,)], mapped=2)
    w.place(1, 1)
    tasks = [w.t, w.t.clone(1), w.t.clone(2)]
    busy(*tasks[:2])
    busy(tasks[2], page=1)
    w.m.run(5 * TICK)
    assert ran(*tasks) == [5, 5, 5]
    assert w.m.access_matrix[:, :, 0].tolist() == [[2 * 20, 0], [0, 20]]


def test_more_tasks_than_cpus():
    """Seven tasks of two processes on two CPUs, 100 ticks: nobody is more than a tick apart."""
    w = world()
    other = w.m.process(1)
    other.mmap(BASE, PAGE)
    other.populate([VPN], 1)
    mine = [w.t] + [w.t.clone(cpu) for cpu in (0, 1, 1)]
    theirs = [other.main] + [other.main.clone(cpu) for cpu in (0, 1)]
    busy(*mine, *theirs)
    w.m.run(100 * TICK)
    for cpu in (0, 1):
        shares = [t.info().sum_exec_ns for t in mine + theirs if t.info().cpu == cpu]
        assert sum(shares) == 100 * TICK
        assert max(shares) - min(shares) <= TICK


def test_a_task_that_joins_starts_level():
    """100 ticks late.  Expect: it neither catches up nor waits: half of what follows."""
    w = world()
    busy(w.t)
    w.m.run(100 * TICK)
    late = w.t.clone(0)
    busy(late)
    w.m.run(110 * TICK)
    assert ran(w.t, late) == [105, 5]


def test_a_task_that_moves_joins_level_and_runs_from_the_next_tick_on():
    w = world()
    other = w.t.clone(1)
    busy(w.t, other)
    w.m.run(50 * TICK)
    w.t.set_cpu(1)
    assert w.t.info().cpu == 1
    w.m.run(60 * TICK)
    assert ran(w.t, other) == [55, 55]
    w.t.set_cpu(0)
    w.m.run(70 * TICK)
    assert ran(w.t, other) == [65, 65]


@pytest.mark.parametrize("until, third", [(9 * MS, 0.75), (10 * MS, 0.5), (12 * MS, 0)])
def test_a_sleeper_wakes_when_its_time_comes(until, third):
    """9 ms is in the third tick: on a CPU that idles it runs for the 3 ms that are left."""
    w = world()
    busy(w.t)
    w.t.sleep(until)
    assert w.t.info().state == 1
    w.m.run(3 * TICK)
    assert ran(w.t) == [third]
    w.m.run(4 * TICK)
    assert (ran(w.t), w.t.info().state) == ([third + 1], 0)


def test_a_sleeper_on_a_busy_cpu_wakes_at_the_next_tick():
    """A runs; B's 9 ms are over at the tick at 12 ms, and it is the next when A's slice is."""
    w = world()
    other = w.t.clone(0)
    busy(w.t, other)
    other.sleep(9 * MS)
    w.m.run(3 * TICK)
    assert (ran(w.t, other), other.info().state) == ([3, 0], 1)
    w.m.run(4 * TICK)
    assert (ran(w.t, other), other.info().state) == ([4, 0], 0)
    w.m.run(5 * TICK)
    assert ran(w.t, other) == [4, 1]


def test_sleepers_of_an_idle_cpu_wake_one_after_the_other():
    """B is due at 5 ms, A at 6: B runs from 5 ms, A wakes at the tick at 8 ms."""
    w = world()
    other = w.t.clone(0)
    busy(w.t, other)
    w.t.sleep(6 * MS)
    other.sleep(5 * MS)
    w.m.run(2 * TICK)
    assert (ran(w.t, other), w.t.info().state) == ([0, 0.75], 1)
    w.m.run(3 * TICK)
    assert w.t.info().state == 0


def test_sleep_for_ever_ends_with_wake():
    w = world()
    busy(w.t)
    w.t.sleep()
    w.m.run(50 * TICK)
    assert ran(w.t) == [0]
    w.t.wake()
    w.m.run(51 * TICK)
    assert ran(w.t) == [1]


def test_what_was_slept_is_not_made_up_for():
    """B sleeps 100 ticks beside A.  Expect: half and half afterwards, whichever way it wakes."""
    for wake in ("time", "call"):
        w = world()
        other = w.t.clone(0)
        busy(w.t, other)
        other.sleep(100 * TICK if wake == "time" else None)
        w.m.run(100 * TICK)
        if wake == "call":
            other.wake()
        w.m.run(110 * TICK)
        assert ran(w.t, other) == [105, 5]


def test_a_newcomer_is_level_with_those_who_run_not_with_sleepers():
    """A runs 100 ticks, B slept since 50.  C comes.  Expect: A and C share; when B wakes, all."""
    w = world()
    other = w.t.clone(0)
    busy(w.t, other)
    w.m.run(50 * TICK)
    other.sleep()
    w.m.run(100 * TICK)
    third = w.t.clone(0)
    busy(third)
    w.m.run(110 * TICK)
    assert ran(w.t, other, third) == [80, 25, 5]
    other.wake()
    w.m.run(119 * TICK)
    assert ran(w.t, other, third) == [83, 28, 8]


def test_a_newcomer_on_a_queue_of_sleepers_does_not_keep_them_waiting():
    """A ran 50 ticks and sleeps; B comes fresh, runs 10; A wakes.  Expect: half and half."""
    w = world()
    busy(w.t)
    w.m.run(50 * TICK)
    w.t.sleep()
    other = w.t.clone(0)
    busy(other)
    w.m.run(60 * TICK)
    w.t.wake()
    w.m.run(70 * TICK)
    assert ran(w.t, other) == [55, 15]


# ---- slices, weights, wake-ups: with the sysctls as they are ----


def who_runs(w, tasks, ticks):
    """Of each tick the task that had it."""
    seen = ""
    for _ in range(ticks):
        before = ran(*tasks)
        w.m.run(w.m.now_ns + TICK)
        after = ran(*tasks)
        seen += "".join("abcdef"[i] for i in range(len(tasks)) if after[i] > before[i])
    return seen


def test_a_slice_is_a_share_of_the_latency():
    """
    Three tasks: 4 ms each.  One gives way that ran *longer*, so after two ticks.  START_DEBIT puts
    A at 12 (its own slice), then B at 12 + 12/2 = 18, C at 12 + 12/3 = 16.

    virtual ms   A 12 16 20          20 24 28
                 C          16 20 24          24 ..
                 B                   18 ..       Expect: aa cc bb aa cc
    """
    w = plain()
    tasks = [w.t, w.t.clone(0), w.t.clone(0)]
    busy(*tasks)
    assert [t.info().vruntime_ns / MS for t in tasks] == [12, 18, 16]
    assert who_runs(w, tasks, 10) == "aaccbbaacc"


def test_more_tasks_than_the_latency_holds_stretch_it():
    """sched_nr_latency = 12 / 1.5 = 8.  The ninth task debits itself 9 x 1.5 / 9 = 1.5 ms, as does
    the eighth (12 / 8); with a granularity of 2 x 2 ms, three fit, and the fourth debits 4."""
    w = plain()
    tasks = [w.t] + [w.t.clone(0) for _ in range(9)]
    debits = [(t.info().vruntime_ns - w.t.info().vruntime_ns) / MS for t in tasks]
    assert debits[1:4] == [6, 4, 3] and debits[7:] == [1.5, 1.5, 1.5]
    w = plain(sched_min_granularity_ns=2_000_000)
    tasks = [w.t] + [w.t.clone(0) for _ in range(4)]
    assert [(t.info().vruntime_ns - w.t.info().vruntime_ns) / MS for t in tasks[1:]] == [6, 4, 4, 4]


@pytest.mark.parametrize("scaling, cpus, latency", [
    (0, 8, 6), (1, 1, 6), (1, 2, 12), (1, 3, 12), (1, 4, 18), (1, 8, 24), (1, 16, 24), (2, 3, 18),
    (2, 16, 48)])
def test_granularities_grow_with_the_cpus(scaling, cpus, latency):
    """update_sysctl: not at all, by 1 + log2, or linearly, of at most 8 CPUs.  A task alone debits
    itself the whole latency."""
    w = World(cpus=[tuple(range(cpus)), ()], sched_tunable_scaling=scaling)
    task = w.m.process(cpus - 1).main if cpus > 1 else None
    if task:
        assert task.info().vruntime_ns == latency * MS
    w.t.clone(0)
    w.t.exit()


def test_a_heavier_task_gets_its_share():
    """Nice 0 beside nice 5: 1024 to 335, so 753.5 of 1000 ticks; slices are a few ticks."""
    w = plain()
    other = w.t.clone(0)
    other.nice = 5
    busy(w.t, other)
    w.m.run(1000 * TICK)
    mine, theirs = ran(w.t, other)
    assert mine + theirs == 1000 and abs(mine - 1000 * 1024 / 1359) <= 3
    lead = w.t.info().vruntime_ns - other.info().vruntime_ns
    assert abs(lead) <= 2 * TICK * 1024 / 335


def test_who_slept_long_preempts_with_half_a_latency_of_credit():
    """
    A runs alone to 12 + 400 ms, B slept.  GENTLE_FAIR_SLEEPERS: B wakes 6 ms behind, that is more
    than the wake-up granularity of 2 ms: it runs from the next tick on.

    virtual ms   A 412                    B 406 410 414 (ran 8 > 6)   A 412 ..  Expect: bb aa bb
    """
    w = plain()
    other = w.t.clone(0)
    busy(w.t, other)
    other.sleep()
    w.m.run(100 * TICK)
    other.wake()
    assert [t.info().vruntime_ns / MS for t in (w.t, other)] == [412, 406]
    assert who_runs(w, [w.t, other], 6) == "bbaabb"


def test_who_is_less_than_the_granularity_behind_waits_for_the_slice_to_end():
    """The same with a granularity of 2 x 3 ms: 6 is not more than 6.  A has just run 400 ms, far
    more than its slice; the next tick sees it."""
    w = plain(sched_wakeup_granularity_ns=3_000_000)
    other = w.t.clone(0)
    busy(w.t, other)
    other.sleep()
    w.m.run(100 * TICK)
    other.wake()
    assert who_runs(w, [w.t, other], 3) == "abb"


def test_a_light_task_must_be_further_behind():
    """wakeup_gran counts in the waker's own time: nice 5 makes 2 ms 6.11 ms, more than 6."""
    w = plain()
    other = w.t.clone(0)
    other.set_nice(5)
    busy(w.t, other)
    other.sleep()
    w.m.run(100 * TICK)
    other.wake()
    assert who_runs(w, [w.t, other], 1) == "a"


def test_a_short_nap_gives_no_credit():
    """B slept while A ran a tick: its own virtual run time is the later one, and stays."""
    w = plain()
    other = w.t.clone(0)
    busy(w.t, other)
    before = other.info().vruntime_ns
    other.sleep()
    w.m.run(TICK)
    other.wake()
    assert other.info().vruntime_ns == before == 18 * MS


def test_a_child_starts_on_its_parents_queue_and_not_before_the_parent():
    """task_fork_fair reckons on the parent's CPU, and what it finds is carried along as a
    difference.

    CPU 0   A 12, ran to 52, beside it a sleeper         child of A on CPU 1: 52 + 6 - 52 = 6 ahead
    CPU 1   B 12, ran to 52                              of B's 52
    """
    w = plain()
    other = w.m.process(1)
    other.mmap(BASE, PAGE)
    other.populate([VPN], 1)
    busy(w.t, other.main)
    w.m.run(10 * TICK)
    child = w.t.clone(1)
    assert [t.info().vruntime_ns / MS for t in (w.t, other.main, child)] == [52, 52, 58]


def test_load_averages_over_ticks():
    """update_cpu_load: index i closes 1/2^i of the gap each tick, rounded up while it grows."""
    w = plain()
    busy(w.t)
    w.m.run(TICK)
    assert w.m.rqs[0]["cpu_load"].tolist() == [1024, 512, 256, 128, 64]
    w.m.run(2 * TICK)
    assert w.m.rqs[0]["cpu_load"].tolist() == [1024, 768, 448, 240, 124]
    w.t.sleep()
    w.m.run(3 * TICK)
    assert w.m.rqs[0]["cpu_load"].tolist() == [0, 384, 336, 210, 116]


# ---- the order within a tick ----


def test_an_idle_cpu_takes_no_tick():
    """A task that sleeps through the tick's end is not looked at by the scanner."""
    w = World(**ONE_MS)
    busy(w.t)
    w.m.run(300 * TICK)
    assert w.m.counters["scan_windows"] == 1          # at 1004 ms
    w.t.sleep()
    w.m.run(3000 * TICK)
    assert w.m.counters["scan_windows"] == 1
    assert w.t.info().node_stamp_ns == 1004 * MS


def test_debts_are_paid_before_anything_else_runs():
    """A scan of 10 ms after the tick at 1004 ms.  Expect: two and a half ticks without accesses,
    charged as run time."""
    w = World(scan_ns=10_000_000, tlb_range_ns=0, mark_ps=0, **ONE_MS)
    w.place(0, 0)
    busy(w.t)
    w.m.run(1004 * MS)
    done = int(w.m.access_matrix.sum())
    assert (done, w.t.info().debt_ps) == (1004, 10 * 10**9)
    w.m.run(1012 * MS)
    assert int(w.m.access_matrix.sum()) == done
    assert (w.t.info().sum_exec_ns, w.t.info().debt_ps) == (1012 * MS, 2 * 10**9)
    w.m.run(1016 * MS)
    assert int(w.m.access_matrix.sum()) == done + 2


def test_threads_that_are_due_together_race_and_the_lowest_cpu_wins():
    """The tick's interrupts come first, on all CPUs, then the scans they queued."""
    w = World(cpus=[(0,), (1,)], **ONE_MS)
    w.place(0, 0)
    other = w.t.clone(1)
    busy(w.t, other)
    w.m.events(4096)
    w.m.run(1004 * MS)
    assert w.m.counters["scan_windows"] == w.m.counters["scan_too_early"] == 1
    scans = [e for e in w.m.drain() if e["kind"] == 1]
    assert [int(e["tid"]) for e in scans] == [w.t.tid]


def test_the_slicing_of_a_run_changes_nothing():
    """Same load; once in one call, once in many odd steps.  Expect: the same counters and times."""
    def load(steps):
        w = World(mapped=512, nodes=2, pages=4000, latency_local_ps=1_000_000)
        tasks = [w.t, w.t.clone(0), w.t.clone(1)]
        for seed, task in enumerate(tasks):
            task.feed_pattern("uniform", VPN, 512, reads=1, writes=1, write_permille=300, seed=seed)
        end = 3000 * MS
        for until in [*range(0, end, steps), end]:
            w.m.run(until)
        return (dict(w.m.counters), w.m.access_matrix.tolist(), [t.info() for t in tasks],
                w.nids(512))

    assert load(3000 * MS) == load(17 * MS + 1) == load(TICK)


def test_an_until_between_ticks_runs_whole_ticks_only():
    w = world()
    busy(w.t)
    w.m.run(3 * TICK - 1)
    assert w.m.now_ns == 2 * TICK
    w.m.run(TICK)                                     # the past
    assert w.m.now_ns == 2 * TICK


def test_address_spaces_come_and_go_while_time_runs():
    """exit and exec between runs: the queue goes on with who is left."""
    w = world()
    child = w.t.fork(0).main
    busy(w.t, child)
    w.m.run(10 * TICK)
    w.t.exit()
    w.m.run(20 * TICK)
    assert ran(child) == [15]
    child.exec()
    child.feed_pattern("sweep", MB // PAGE, 1, reads=1)
    w.m.process_of(child.tid).mmap(MB, PAGE)
    w.m.run(21 * TICK)
    assert ran(child) == [16]
