"""Recorded traces: epochs, their window, atomicity, price and loops.  Ticks are 4 ms."""

import numpy as np
import pytest
from numa_core import EPOCH
from numab import InvalidArgument, NoSuchTask, rows

from .world import BASE, MS, PAGE, VPN, World

EV_ALLOC = 4
TICK = 4 * MS
#: A cache line takes 1 ms and nothing else takes time: an epoch's price is its accesses in ms.
ONE_MS = {"cpu_ps": 1, "latency_local_ps": 999_999_999, "fault_ns": 0, "page_alloc_ns": 0,
          "zero_page": 0}


class Replay:
    """Threads A, B, .. on CPUs `cpus`; `script` is a list of (thread, ms), one page an epoch.
    The scheduler's slices are ticks."""

    def __init__(self, script, cpus="01", **words):
        nodes = [tuple(range(8))]
        self.w = World(nodes=1, cpus=nodes, mapped=len(script), policy="off",
                       sched_latency_ns=100_000, sched_min_granularity_ns=100_000, **ONE_MS)
        self.tasks = [self.w.t] + [self.w.t.clone(int(c)) for c in cpus[1:]]
        self.w.t.set_cpu(int(cpus[0]))
        table = rows([VPN + i for i in range(len(script))], reads=[ms for _, ms in script])
        epochs = np.zeros(len(script), EPOCH)
        for i, (thread, _) in enumerate(script):
            epochs[i] = (i, 1, self.tasks["ABCD".index(thread)].tid)
        self.w.m.events(4096)
        self.w.m.feed_replay(table, epochs, **words)

    def starts(self, until_ms=400):
        """When each epoch starts, in ms, by its page's first touch; and why the run ended."""
        stop = self.w.m.run(until_ms * MS)
        got = {}
        for e in self.w.m.drain():
            if e["kind"] == EV_ALLOC:
                got[int(e["vpn"]) - VPN] = int(e["now_ns"]) // MS
        return [got[i] for i in sorted(got)], stop


# ---- the window rule ----

SCRIPT = [("A", 8), ("A", 8), ("A", 8), ("B", 4), ("B", 4)]


def test_an_epoch_waits_for_those_a_window_earlier():
    """Window 2.  A on CPU 0, B on CPU 1.

    time   0        8             16
    A      A0 ....  A1 .......    A2
    B               B3 (0 and 1 have started)   B4 (needs A2)
    """
    starts, stop = Replay(SCRIPT, window=2, loops=1).starts()
    assert starts == [0, 8, 16, 8, 16]
    assert stop.why == "done"


def test_within_the_window_threads_are_free():
    """Window 64: «every epoch that stands 64 or more places earlier»: none does."""
    starts, _ = Replay(SCRIPT, window=64, loops=1).starts()
    assert starts == [0, 8, 16, 0, 4]


def test_the_file_order_when_the_window_is_one():
    """Window 1: every epoch waits for all before it to have started, not to have ended."""
    starts, _ = Replay([("A", 8), ("B", 8), ("A", 4), ("B", 4)], window=1, loops=1).starts()
    assert starts == [0, 0, 8, 8]


def test_a_lower_cpu_sees_the_start_a_tick_later():
    """B on CPU 0 is asked before A on CPU 1 starts its epoch: it waits out the tick."""
    starts, _ = Replay(SCRIPT, cpus="10", window=2, loops=1).starts()
    assert starts == [0, 8, 16, 12, 20]


def test_window_64_at_its_border():
    """64 epochs of A, then B's.  Expect: B's first (number 64) needs epoch 0, its second 1."""
    script = [("A", 4)] * 64 + [("B", 4)] * 2
    starts, _ = Replay(script, window=64, loops=1).starts(2000)
    assert starts[64:] == [0, 4]
    starts, _ = Replay([("A", 12)] + script, window=64, loops=1).starts(2000)
    assert starts[65:] == [12, 16]       # number 65 needs epoch 1, which starts at 12


# ---- atomicity and price ----


def test_an_epoch_runs_at_its_start_and_its_price_is_paid_tick_by_tick():
    """Ten pages of 1 ms in one epoch.  Expect: all touched at 0; 4, 8, 10 ms of run time, and the
    next epoch starts in the tick in which the price is paid."""
    w = World(nodes=1, mapped=11, policy="off", **ONE_MS)
    table = rows([VPN + i for i in range(11)], reads=1)
    epochs = np.array([(0, 10, w.t.tid), (10, 1, w.t.tid)], EPOCH)
    w.m.events(4096)
    w.m.feed_replay(table, epochs, loops=1)
    seen = []
    for tick in range(1, 4):
        w.m.run(tick * TICK)
        info = w.t.info()
        seen.append((len(w.m.drain()), info.sum_exec_ns // MS, info.debt_ps // 10**9))
    assert seen == [(10, 4, 6), (0, 8, 2), (1, 11, 0)]


def test_time_waited_is_not_run_time():
    """B waits 8 ms for A's second epoch.  Expect: only what it did is its run time."""
    replay = Replay(SCRIPT, window=2, loops=1)
    replay.starts()
    assert [t.info().sum_exec_ns // MS for t in replay.tasks] == [24, 8]


def test_tasks_of_one_cpu_take_turns_while_they_pay():
    """A and B on one CPU, 8 ms each, A again: slices of a tick, lowest run time first."""
    starts, _ = Replay([("A", 8), ("B", 8), ("A", 8)], cpus="00", loops=1).starts()
    assert starts == [0, 4, 16]


def test_more_accesses_than_lines_pay_for_64_lines():
    """A row's price: accesses x cpu_ps + min(accesses, 64) x latency: 64 ms for 100 accesses."""
    replay = Replay([("A", 100)], cpus="0", loops=1)
    replay.starts()
    assert replay.tasks[0].info().sum_exec_ns == (100 * 1 + 64 * 999_999_999) // 1000
    assert replay.w.m.access_matrix.sum() == 100


# ---- loops ----


def test_a_loop_ends_when_every_price_is_paid():
    """A 6 ms, B 10 ms.  Expect: a loop each 12 ms (10, in whole ticks); pages persist."""
    replay = Replay([("A", 6), ("B", 10)], loops=3)
    m = replay.w.m
    ends = []
    for _ in range(3):
        stop = m.run(1000 * MS)
        ends.append((stop.why, stop.loop, m.now_ns // MS))
    assert ends == [("loop", 1, 12), ("loop", 2, 24), ("done", 3, 36)]
    assert m.counters["alloc_pages"] == 2
    assert m.access_matrix.sum() == 3 * 16


def test_without_an_end_the_loop_goes_on():
    replay = Replay([("A", 4)], cpus="0", loops=0)
    for loop in range(1, 6):
        stop = replay.w.m.run(10_000 * MS)
        assert (stop.why, stop.loop) == ("loop", loop)


def test_after_the_last_loop_tasks_are_free_again():
    replay = Replay([("A", 4), ("B", 4)], loops=1)
    m, task = replay.w.m, replay.tasks[0]
    with pytest.raises(InvalidArgument):
        task.feed(rows(VPN, reads=1))
    with pytest.raises(InvalidArgument):
        task.exit()
    assert m.run(1000 * MS).why == "done"
    assert m.run(1000 * MS).why == "feed"
    task.feed(rows(VPN, reads=1), repeat=0)
    replay.tasks[1].exit()
    assert m.run(m.now_ns + 10 * TICK).why == "until"


def test_tasks_outside_the_trace_go_on_beside_it():
    replay = Replay([("A", 8)], cpus="0", loops=0)
    other = replay.w.t.clone(1)
    other.feed(rows(VPN, reads=1), repeat=0)
    assert replay.w.m.run(1000 * MS).why == "loop"
    assert other.info().sum_exec_ns == 8 * MS


def test_balancing_goes_on_over_the_loops():
    """Statistics, marks and scans persist.  One page on the far node, loops of 16 ms:

    scan at 1004 ms, hint in the loop that starts at 1008: the filter holds;
    scan at 5012, hint in the loop that starts at 5024: it moves, and loops take 8 ms.
    """
    free = ("fault_ns", "hint_ns", "scan_ns", "mark_ps", "tlb_range_ns", "tlb_local_ns",
            "migrate_ns")
    w = World(cpu_ps=2, latency_local_ps=124_999_999, pmd_mark=0, **dict.fromkeys(free, 0))
    w.place(0, 1)
    w.m.feed_replay(rows(VPN, reads=64), np.array([(0, 1, w.t.tid)], EPOCH))

    def hints_by(ms):
        while w.m.now_ns < ms * MS:
            w.m.run(ms * MS)
        return w.m.counters["numa_hint_faults"], w.nid()

    assert hints_by(1008) == (0, 1)
    assert hints_by(1012) == (1, 1)
    assert hints_by(5024) == (1, 1)
    assert hints_by(5028) == (2, 0)


# ---- refusals ----


def test_replays_are_checked():
    w = World()
    table = rows([VPN, VPN], reads=1)
    epoch = (0, 1, w.t.tid)
    for error, epochs, words in (
            (InvalidArgument, [], {}), (InvalidArgument, [epoch], {"window": 0}),
            (NoSuchTask, [(0, 1, 99)], {}), (InvalidArgument, [(0, 3, w.t.tid)], {}),
            (InvalidArgument, [(2, 1, w.t.tid)], {}), (InvalidArgument, [(0, 0, w.t.tid)], {})):
        with pytest.raises(error):
            w.m.feed_replay(table, np.array(epochs, EPOCH), **words)
    assert w.m.run(TICK).why == "feed"
    w.m.feed_replay(table, np.array([epoch], EPOCH))
    with pytest.raises(InvalidArgument, match="running"):
        w.m.feed_replay(table, np.array([epoch], EPOCH))


def test_a_failing_epoch_names_its_page():
    w = World(nodes=1, mapped=1)
    w.m.feed_replay(rows([VPN, VPN + 1], reads=1), np.array([(0, 2, w.t.tid)], EPOCH))
    with pytest.raises(PermissionError, match=str(VPN + 1)):
        w.m.run(1000 * MS)
    w.p.mmap(BASE + PAGE, PAGE)
    assert w.m.run(1000 * MS).why == "loop"
    assert w.m.access_matrix.sum() == 2
