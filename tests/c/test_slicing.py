"""How a run is cut into calls never shows in its result.

Whatever the ``until_ns`` of each ``numab_run``, whether a task's rows come in one piece or many,
whether events are kept (in a ring that stops runs, or in one that drops) or not: the same bits in
every counter, reason, task, fault array, node and page.
"""

import numpy as np
from core_host import SLOT, Host, row_array
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numa_core import ffi, lib

MS = 1_000_000
NR_PAGES = 3 * SLOT
END_NS = 60 * MS

ROW = st.tuples(
    st.integers(0, NR_PAGES - 65), st.sampled_from([0, 0, 0, 0, 3, 64]), st.integers(0, 9000),
    st.sampled_from([0, 0, 1, 500]))
ROWS = st.lists(ROW, min_size=1, max_size=20)
CUTS = st.lists(st.integers(0, 10 ** 6), max_size=6)
# Each task: CPU, a thread of the process before (or a process of its own), rows, times over.
TASKS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), ROWS, st.integers(1, 40)),
                 min_size=1, max_size=5)
SWITCHES = st.fixed_dictionaries({
    "pmd_mark": st.integers(0, 1), "thp": st.integers(0, 1), "zero_page": st.integers(0, 1),
    "migrate_fail_ppm": st.sampled_from([0, 200_000]), "scan_size_mb": st.sampled_from([1, 256])})


def place_somewhere(handle):
    """A hook that moves tasks and homes by a fixed rule."""
    calls = []

    def place(tid):
        calls.append(tid)
        lib.numab_task_set_cpu(handle[0].m, tid, (tid + len(calls)) % 5)
        lib.numab_task_set_home(handle[0].m, tid, (-1, 0, 1, 4)[len(calls) % 4])
    return place


def build(tasks, switches, hook):
    handle = []
    host = Host(tunables=switches, place=place_somewhere(handle) if hook else None)
    handle.append(host)
    for cpu, thread, _rows, _times in tasks:
        if thread and host.processes:
            host.clone(host.processes[-1], cpu)
        else:
            host.mmap(host.process(cpu), 0, NR_PAGES)
    return host


def pieces(rows, times, cuts):
    """The whole of a task's rows, cut where told (each cut taken modulo the length)."""
    whole = np.concatenate([row_array(rows)] * times)
    at = sorted({cut % len(whole) for cut in cuts} | {0})
    return [whole[a:b] for a, b in zip(at, [*at[1:], len(whole)])]


def drain(host):
    ring = ffi.new("struct numab_event[]", 4096)
    return host.check(lib.numab_drain(host.m, ring, 4096))


def run(host, feeds, stops):
    """Run to the end, stopping at each of @stops too; feed what is left whenever asked."""
    stop = ffi.new("struct numab_stop *")
    for tid, feed in zip(host.tasks, feeds):
        host.feed(tid, *feed.pop(0))
    for until in [*sorted(stops), END_NS]:
        while True:
            host.check(lib.numab_run(host.m, until, stop))
            if stop.why == lib.NUMAB_STOP_RING:
                assert drain(host) > 0
            elif stop.why == lib.NUMAB_STOP_FEED:
                feed = feeds[host.tasks.index(stop.tid)]
                if feed:
                    host.feed(stop.tid, *feed.pop(0))
                else:
                    host.check(lib.numab_task_sleep(host.m, stop.tid, 2 ** 64 - 1))
            else:
                assert stop.why == lib.NUMAB_STOP_UNTIL
                break
    return host.everything()


@settings(max_examples=120, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])
@given(tasks=TASKS, switches=SWITCHES, hook=st.booleans(), cuts=st.lists(CUTS, min_size=5,
       max_size=5), stops=st.lists(st.integers(0, END_NS), max_size=12),
       events=st.sampled_from([None, True, False]))
def test_slices_pieces_and_events_never_show(tasks, switches, hook, cuts, stops, events):
    one = build(tasks, switches, hook)
    in_one = run(one, [[(row_array(rows), times)] for _, _, rows, times in tasks], [])

    many = build(tasks, switches, hook)
    if events is not None:
        many.check(lib.numab_events(many.m, 4096, events, 0, 2 ** 64 - 1))
    cut = [[(piece, 1) for piece in pieces(rows, times, cuts[i])]
           for i, (_, _, rows, times) in enumerate(tasks)]
    in_many = run(many, cut, stops)

    dropped = in_many["counters"].pop("events_dropped")
    in_one["counters"].pop("events_dropped")
    assert not events or dropped == 0
    assert in_many == in_one


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(ROW, min_size=1, max_size=60), cuts=CUTS, hook=st.booleans(),
       switches=SWITCHES)
def test_batches_of_rows_may_be_cut_anywhere(rows, cuts, hook, switches):
    """The host owns the time: numab_access_rows in one batch or several, hints and all.

    Without a hook: one that moves a task acts at the end of a batch, and so does see batches.
    """
    results = []
    for batches in ([row_array(rows)], pieces(rows, 1, cuts)):
        host = build([(0, False, rows, 1)], switches, False)
        tid = host.tasks[0]
        for cpu in (0, 1, 2, 1, 1, 0, 0):
            host.check(lib.numab_task_set_cpu(host.m, tid, cpu))
            for batch in batches:
                host.check(lib.numab_access_rows(
                    host.m, tid, ffi.from_buffer("struct numab_row[]", batch), len(batch),
                    ffi.NULL))
            host.check(lib.numab_change_prot_numa(host.m, tid, 0x10000 * 4096, NR_PAGES * 4096))
        results.append(host.everything())
    assert results[0] == results[1]
