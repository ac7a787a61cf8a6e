"""Events, errors and the closed lists of names."""

import numpy as np
import pytest
from numa_core import counter_rows, lib, reason_rows, text
from numab import InvalidArgument, rows

from .world import BASE, MS, PAGE, SLOT, VPN, World

HINT, SCAN, PASS, MIGRATE, ALLOC, UNMAP, SPLIT = range(7)
CAPACITY, MARGIN = 4096, 2048


def kinds(w):
    return [text(lib.numab_event_name(int(e["kind"]))) for e in w.m.drain()]


def test_a_pages_life_in_events():
    """first touch, scan, hint that holds, hint that moves, unmap: in this order."""
    w = World(pmd_mark=0)
    w.m.events(CAPACITY)
    w.write(0)
    w.t.set_home(1)
    w.scan()
    w.touch()
    w.hint()
    w.p.munmap(BASE, PAGE)
    assert kinds(w) == ["alloc", "scan", "pass", "hint", "scan", "migrate", "hint", "unmap"]


def test_a_hint_event_says_what_why_and_where():
    w = World(pmd_mark=0, nodes=3)
    w.place(0, 1)
    w.t.set_home(2)
    w.m.events(CAPACITY)
    w.m.set_now(5 * MS)
    w.hint()
    w.hint()
    hold, go = [e for e in w.m.drain() if e["kind"] == HINT]
    names = [name for name, _ in reason_rows()]
    for e in (hold, go):
        assert (int(e["now_ns"]), int(e["vpn"]), int(e["nr_pages"])) == (5 * MS, VPN, 1)
        assert (int(e["pid"]), int(e["tid"]), int(e["cpu"])) == (w.p.pid, w.t.tid, 0)
    assert [int(hold[k]) for k in ("from", "to", "aux")] == [1, 1, 0x1FFFFF]
    assert [int(go[k]) for k in ("from", "to", "aux")] == [1, 2, 2]
    assert names[hold["reason"]] == "hold_two_stage_filter"
    assert names[go["reason"]] == "go_migrated"


def test_events_of_one_range_only():
    """pages=(first, end): others are not kept; a scan that touches the range is, a pass always."""
    w = World(mapped=8, pmd_mark=0)
    w.m.events(CAPACITY, pages=(VPN + 3, VPN + 4))
    w.write(2, 3, 4)
    w.scan()
    w.touch(2)
    w.touch(3)
    assert kinds(w) == ["alloc", "scan", "pass", "hint"]


def test_huge_pages_tell_their_size():
    w = World(mapped=SLOT, thp=1, policy="moron")
    w.write(0)
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    w.m.events(CAPACITY)
    w.touch(9)
    got = [(int(e["kind"]), int(e["vpn"]) - VPN, int(e["nr_pages"])) for e in w.m.drain()]
    assert got == [(HINT, 0, SLOT), (SPLIT, 0, SLOT), (MIGRATE, 9, 1), (HINT, 9, 1)]


def test_the_ring_changes_no_result():
    def build(**words):
        w = World(mapped=200)
        if words:
            w.m.events(**words)
        for step in range(6):
            w.t.set_cpu(step % 2)
            w.mark(0, 200)
            for page in range(0, 200, 3):
                w.touch(page, page % 2 == 0)
        counters = {k: v for k, v in w.m.counters.items() if k != "events_dropped"}
        return counters, w.reasons(), w.nids(200)

    plain = build()
    assert plain == build(capacity=CAPACITY) == build(capacity=CAPACITY, pages=(0, 1))


def test_a_full_ring_drops_the_newest_and_counts_them():
    """5,000 first touches into 4,096 places: 904 are lost, the oldest are there."""
    w = World(pages=9000, mapped=5000)
    w.m.events(CAPACITY)
    w.t.access_rows(rows(np.arange(VPN, VPN + 5000), writes=1))
    assert w.m.counters["events_dropped"] == 904
    events = w.m.drain()
    assert (events["vpn"] - VPN).tolist() == list(range(4096))
    w.p.munmap(BASE, PAGE)
    assert kinds(w) == ["unmap"]


def test_a_lossless_ring_stops_rows_before_it_overflows():
    """Refused while less than a margin of 2,048 is left, exactly at the row that needs it; drained
    and continued nothing is lost or done twice."""
    w = World(pages=9000, mapped=5000)
    w.m.events(CAPACITY, lossless=True)
    table = rows(np.arange(VPN, VPN + 5000), writes=1)
    seen, done = [], 0
    while done < len(table):
        try:
            batch = w.t.access_rows(table[done:])
            done += batch.consumed
        except BlockingIOError:
            events = w.m.drain()
            assert len(events) == CAPACITY - MARGIN + 1
            seen += (events["vpn"] - VPN).tolist()
            done = len(seen)
    seen += (w.m.drain()["vpn"] - VPN).tolist()
    assert seen == list(range(5000))
    assert w.m.counters["events_dropped"] == 0


def test_a_lossless_ring_stops_a_run_and_loses_nothing():
    """The same load with a ring that is drained at each stop, and with one that never fills."""
    def load(capacity):
        w = World(pages=9000, mapped=6000, pmd_mark=0, latency_local_ps=1_000_000)
        w.m.events(capacity, lossless=True)
        w.t.feed_pattern("sweep", VPN, 6000, writes=1)
        out, stops = [], 0
        while w.m.now_ns < 1200 * MS:
            stop = w.m.run(1200 * MS)
            stops += stop.why == "ring"
            out += [tuple(e) for e in w.m.drain().tolist()]
        assert w.m.counters["events_dropped"] == 0
        return out, dict(w.m.counters), stops

    small, large = load(CAPACITY), load(1 << 20)
    assert small[:2] == large[:2]
    assert small[2] > 0 and large[2] == 0


def test_a_lossless_ring_keeps_all_of_a_scan_over_many_mappings():
    """One task_numa_work cannot stop halfway: 5,000 mappings, one event each, into 4,096 places;
    nor can a call of the host's."""
    w = World(mapped=0, latency_local_ps=100_000_000)
    for i in range(5000):
        w.p.mmap(BASE + 2 * i * PAGE, PAGE)
    w.m.events(CAPACITY, lossless=True)
    w.t.feed_pattern("sweep", VPN, 1, reads=1)
    while w.m.now_ns < 1004 * MS:
        w.m.run(1004 * MS)
    events = w.m.drain()
    assert (events["vpn"][events["kind"] == SCAN] - VPN).tolist() == list(range(0, 10_000, 2))
    w.p.munmap(BASE, 10_000 * PAGE)
    assert kinds(w) == ["unmap"] * 5000
    assert w.m.counters["events_dropped"] == 0


def test_a_ring_has_a_least_size_and_can_be_taken_away():
    w = World()
    with pytest.raises(InvalidArgument, match="4096"):
        w.m.events(CAPACITY - 1)
    w.m.events(CAPACITY)
    w.write(0)
    w.m.events(0)
    assert len(w.m.drain()) == 0
    assert w.m.counters["events_dropped"] == 0


def test_drain_gives_the_oldest_first_and_no_more_than_asked():
    w = World(mapped=5)
    w.m.events(CAPACITY)
    w.write(*range(5))
    assert (w.m.drain(2)["vpn"] - VPN).tolist() == [0, 1]
    assert (w.m.drain()["vpn"] - VPN).tolist() == [2, 3, 4]
    assert len(w.m.drain()) == 0


# ---- names ----


def test_every_code_has_a_sentence():
    codes = [0, -2, -3, -11, -12, -14, -16, -17, -22, -105, -106]
    sentences = [text(lib.numab_strerror(c)) for c in codes]
    assert len(set(sentences)) == len(codes)
    assert text(lib.numab_strerror(-99)) == text(lib.numab_strerror(7))


def test_the_vmstat_rows_have_the_kernels_names():
    """Patches 1, 3 and 20."""
    names = {name for name, kind, _, _ in counter_rows() if kind == "VMSTAT"}
    assert {"numa_pte_updates", "numa_hint_faults", "numa_hint_faults_local",
            "numa_pages_migrated", "pgmigrate_success", "pgmigrate_fail"} <= names


@pytest.mark.parametrize("count, name", [
    ("numab_nr_counters", "numab_counter_name"), ("numab_nr_counters", "numab_counter_text"),
    ("numab_nr_reasons", "numab_reason_name"), ("numab_nr_reasons", "numab_reason_text")])
def test_lists_end_where_they_say(count, name):
    n, at = getattr(lib, count)(), getattr(lib, name)
    assert all(text(at(i)) for i in range(n))
    assert text(at(n)) == text(at(-1)) == ""


def test_every_verdict_is_counted_once():
    """Sum of reasons = hints + huge hints that split, here none."""
    w = World(mapped=50)
    w.write(*range(50))
    for _ in range(3):
        w.mark(0, 50)
        w.touch(0)
    assert sum(w.reasons().values()) == w.m.counters["numa_hint_faults"] == 150
