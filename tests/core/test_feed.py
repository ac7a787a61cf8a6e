"""What tasks do next: rows."""

import numpy as np
import pytest
from numab import rows

from .world import MS, VPN, World

TICK = 4 * MS
ONE_MS = {"cpu_ps": 1, "latency_local_ps": 999_999_999}


def test_rows_run_in_order_as_often_as_asked():
    """Three rows twice over: 6 ms of accesses, then the host is asked for more, in mid tick."""
    w = World(policy="off", mapped=3, **ONE_MS)
    w.place(0, 0, 3)
    w.t.feed(rows([VPN, VPN + 2, VPN + 1], reads=1), repeat=2)
    stop = w.m.run(40 * MS)
    assert (stop.why, stop.tid) == ("feed", w.t.tid)
    assert w.m.access_matrix.sum() == 6
    assert w.m.now_ns == TICK                     # 6 ms are one tick and a half
    assert w.t.info().sum_exec_ns == 6 * MS


def test_a_task_fed_anew_uses_the_rest_of_its_tick():
    w = World(policy="off", **ONE_MS)
    w.place(0, 0)
    w.t.feed(rows(VPN, reads=1))
    assert w.m.run(TICK).why == "feed"
    w.t.feed(rows(VPN, reads=1), repeat=0)        # for ever
    assert w.m.run(TICK).why == "until"
    assert w.m.access_matrix.sum() == 4


def test_feeding_replaces_what_was_left():
    w = World(policy="off", mapped=2, **ONE_MS)
    w.place(0, 0, 2)
    w.t.feed(rows(VPN, reads=1), repeat=0)
    w.m.run(TICK)
    w.t.feed(rows(VPN + 1, writes=1), repeat=0)
    w.m.run(2 * TICK)
    assert w.m.access_matrix[0, 0].tolist() == [4, 4]


def test_the_size_of_the_portions_fed_changes_nothing():
    """The same 600 rows at once, and by sevens whenever the task runs dry, in mid tick."""
    def load(portion):
        w = World(mapped=64, latency_local_ps=50_000_000)
        rng = np.random.default_rng(3)
        table = rows(VPN + rng.integers(0, 64, 600), reads=1, writes=rng.integers(0, 2, 600))
        at = 0
        while True:
            stop = w.m.run(20 * MS)
            if stop.why != "feed" or at >= len(table):
                return dict(w.m.counters), w.t.info(), w.nids(64), w.m.access_matrix.tolist()
            w.t.feed(table[at:at + portion])
            at += portion

    assert load(600) == load(7) == load(1)


def test_a_long_row_is_spread_over_ticks():
    """One row of ten pages, 1 ms each.  Expect: four pages a tick."""
    w = World(policy="off", mapped=10, **ONE_MS)
    w.place(0, 0, 10)
    w.t.feed(rows(VPN | 9 << 48, reads=1), repeat=0)
    seen = []
    for tick in range(1, 4):
        w.m.run(tick * TICK)
        seen.append(int(w.m.access_matrix.sum()))
    assert seen == [4, 8, 12]


def test_an_access_longer_than_the_tick_is_paid_by_the_next_ones():
    """10 ms at once, debt in between; time is neither lost nor gained."""
    w = World(policy="off", cpu_ps=1, latency_local_ps=999_999_999)
    w.place(0, 0)
    w.t.feed(rows(VPN, reads=10), repeat=0)
    seen = []
    for tick in range(1, 6):
        w.m.run(tick * TICK)
        seen.append((int(w.m.access_matrix.sum()), w.t.info().debt_ps // 10**9))
    assert seen == [(10, 6), (10, 2), (20, 8), (20, 4), (20, 0)]


def test_a_failed_access_stops_the_run_and_the_rows_before_it_count():
    w = World(policy="off", mapped=2)
    w.t.feed(rows([VPN, VPN + 1, VPN + 2, VPN], writes=1))
    with pytest.raises(PermissionError, match=str(VPN + 2)):
        w.m.run(TICK)
    assert w.nids(2) == [0, 0]
    assert w.m.access_matrix.sum() == 2
