"""traces/trace: epochs, ranges, first touchers and sums, against plain loops over the rows."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.traces import EPOCH, PAGE_THREAD, Trace, trace as trace_module


def make(rows: list[tuple[int, int, int, int, int]]) -> Trace:
    """A trace from (start, tid, vpn, reads, writes); a page's first row is first."""
    rows = sorted(rows)
    seen: set[int] = set()
    first = [not (row[2] in seen or seen.add(row[2])) for row in rows]
    start, tid, vpn, reads, writes = (list(column) for column in zip(*rows))
    return Trace(start, [begin + 5 for begin in start], tid, vpn, reads, writes, first)


def test_values_of_a_trace_drawn_by_hand():
    """
    start      0         0         10
    thread     7         3         7         Expect: tids by appearance, so 3 (sorted within
    pages    16 17     16 900    17 1500     one start) before 7
    """
    trace = make([(0, 7, 16, 100, 1), (0, 7, 17, 1, 1), (0, 3, 16, 2, 0), (0, 3, 900, 64, 0),
                  (10, 7, 17, 0, 65), (10, 7, 1500, 1, 0)])
    assert (trace.rows, trace.pages, trace.accesses, trace.tids) == (6, 4, 235, (3, 7))
    assert trace.accesses_of(3) == 66 and trace.share_of(7) == 169 / 235
    assert trace.epochs().tolist() == [(0, 2, 3), (2, 2, 7), (4, 2, 7)]
    assert trace.vmas().tolist() == [[16, 18], [900, 901], [1500, 1501]]
    assert [column.tolist() for column in trace.first_toucher()] == [
        [16, 17, 900, 1500], [3, 7, 3, 7]]
    pairs = trace.page_thread_accesses()[["page", "tid", "accesses", "lines"]]
    assert pairs.tolist() == [(0, 3, 2, 2), (0, 7, 101, 64), (1, 7, 67, 66), (2, 3, 64, 64),
                              (3, 7, 1, 1)]


def test_ranges_join_over_512_untouched_pages_not_over_513():
    """
    100 |-- 512 untouched --| 613        Expect: one range;
    613 |-- 513 untouched --| 1127       Expect: two.
    """
    trace = make([(0, 0, vpn, 1, 0) for vpn in (100, 613, 1127)])
    assert trace.vmas().tolist() == [[100, 614], [1127, 1128]]
    assert trace.vmas(513).tolist() == [[100, 1128]]
    assert trace.vmas(0).tolist() == [[100, 101], [613, 614], [1127, 1128]]
    with pytest.raises(InvalidArgument, match="gap -1 pages; permitted: 0 or more"):
        trace.vmas(-1)


def test_unknown_thread_is_named():
    trace = make([(0, 2, 1, 1, 0), (0, 5, 1, 1, 0)])
    for question in (trace.share_of, trace.accesses_of):
        with pytest.raises(InvalidArgument, match="^tid 3 is not in trace; permitted: 2, 5$"):
            question(3)


def test_nothing_can_be_written():
    trace = make([(0, 0, 1, 1, 0)])
    arrays = [*trace.columns.values(), trace.epochs(), trace.page_thread_accesses(),
              *trace.first_toucher()]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        trace.vpn = trace.start


def test_columns_of_the_right_dtype_are_not_copied_and_stay_their_owners():
    vpn = np.array([1], "u8")
    trace = Trace([0], [1], [0], vpn, [1], [0], [True])
    assert np.shares_memory(trace.vpn, vpn) and vpn.flags.writeable


def test_record_layouts_have_no_hidden_size():
    """The core reads them: 64-bit fields first, all aligned."""
    assert (EPOCH.itemsize, EPOCH.fields["tid"][1]) == (24, 16)
    assert (PAGE_THREAD.itemsize, PAGE_THREAD.fields["tid"][1]) == (32, 24)


def loops(trace: Trace, gap: int) -> dict:
    """The same answers, one row at a time."""
    epochs, tids, pairs, touched = [], [], defaultdict(Counter), set()
    first = {}
    for row in range(trace.rows):
        start, tid, vpn = (int(trace.columns[name][row]) for name in ("start", "tid", "vpn"))
        accesses = int(trace.reads[row]) + int(trace.writes[row])
        if not row or (start, tid) != (int(trace.start[row - 1]), int(trace.tid[row - 1])):
            epochs.append([row, 0, tid])
        epochs[-1][1] += 1
        if tid not in tids:
            tids.append(tid)
        pairs[vpn, tid].update(accesses=accesses, lines=min(accesses, 64))
        touched.add(vpn)
        if trace.first[row]:
            first[vpn] = tid
    vmas: list[list[int]] = []
    for vpn in sorted(touched):
        if vmas and vpn - vmas[-1][1] <= gap:
            vmas[-1][1] = vpn + 1
        else:
            vmas.append([vpn, vpn + 1])
    places = {vpn: place for place, vpn in enumerate(sorted(touched))}
    return {
        "epochs": [tuple(epoch) for epoch in epochs], "tids": tuple(tids), "vmas": vmas,
        "first": [sorted(touched), [first[vpn] for vpn in sorted(touched)]],
        "pairs": [(places[vpn], tid, pairs[vpn, tid]["accesses"], pairs[vpn, tid]["lines"])
                  for vpn, tid in sorted(pairs)],
    }


def answers(trace: Trace, gap: int) -> dict:
    return {
        "epochs": trace.epochs().tolist(), "tids": trace.tids, "vmas": trace.vmas(gap).tolist(),
        "first": [column.tolist() for column in trace.first_toucher()],
        "pairs": trace.page_thread_accesses()[["page", "tid", "accesses", "lines"]].tolist(),
    }


PAGES = st.one_of(st.integers(0, 20), st.integers(500, 1600), st.integers(2**48 - 600, 2**48 - 1))
COUNTS = st.one_of(st.integers(0, 70), st.integers(2**32 - 3, 2**32 - 1))
ROWS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 9, 70_000]), PAGES),
    st.tuples(COUNTS, COUNTS).filter(any), min_size=1, max_size=40)


@settings(deadline=None)
@given(rows=ROWS, gap=st.sampled_from([0, 1, 15, 512]), block_rows=st.sampled_from([1, 3, 1 << 18]),
       max_exact=st.sampled_from([0, 2**53]))
def test_same_answers_as_plain_loops(rows, gap, block_rows, max_exact):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("numab.traces.columns.BLOCK_ROWS", block_rows)
        patch.setattr(trace_module, "BLOCK_ROWS", block_rows)
        patch.setattr(trace_module, "_MAX_EXACT", max_exact)
        trace = make([key + counts for key, counts in rows.items()])
        assert answers(trace, gap) == loops(trace, gap)


def test_scattered_pages_are_found_without_a_table():
    """2,100 pages, 512 apart: a table over their range would be larger than it is worth."""
    trace = make([(0, 0, 512 * n, 1, 0) for n in range(2100)]
                 + [(9, 1, 512 * n, 2, 0) for n in range(0, 2100, 7)])
    vpns, _ = trace.first_toucher()
    assert trace_module._PageIndex(vpns, 4 * trace.rows + (1 << 20))._table is None
    assert answers(trace, 512) == loops(trace, 512)


def test_sums_of_many_threads_with_a_page_each():
    """1,100 threads x 1,100 pages: few of the possible pairs occur."""
    trace = make([(0, n, n, n, 1) for n in range(1100)])
    assert answers(trace, 512) == loops(trace, 512)


def test_sums_beyond_the_integers_of_a_float_are_exact():
    key, value = np.zeros(3, "i8"), np.array([2**53, 1, 1], "u8")
    assert trace_module._sums(key, value, 1).tolist() == [2**53 + 2]
