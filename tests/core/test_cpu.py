"""Run queues: who runs next, sleep and wake, the order within a tick.  Ticks are 4 ms here."""

from .world import BASE, MB, MS, PAGE, VPN, World

TICK = 4 * MS
#: A local access takes exactly 1 ms, four make a tick.
ONE_MS = {"cpu_ps": 1, "latency_local_ps": 999_999_999}


def busy(*tasks, page=0):
    """Endless reads of one page."""
    for task in tasks:
        task.feed_pattern("sweep", VPN + page, 1, reads=1)


def world(**kwargs):
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


def test_a_sleeper_wakes_at_the_first_tick_at_or_after_its_time():
    """Deadlines are seen at ticks: 10 ms is in the third tick, so it runs from 12 ms on; 12 ms
    exactly is not late."""
    for until in (10 * MS, 12 * MS):
        w = world()
        busy(w.t)
        w.t.sleep(until)
        assert w.t.info().state == 1
        w.m.run(3 * TICK)
        assert ran(w.t) == [0]
        w.m.run(4 * TICK)
        assert (ran(w.t), w.t.info().state) == ([1], 0)


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
