"""numab.history: events of a replay as sentences."""

from __future__ import annotations

import numpy as np
import pytest

from numa_core import EVENT
from numab import InvalidArgument
from numab.engine import ReplayJob, replay
from numab.history import busiest_pages, history_lines, page_history

from .conftest import TINY

JOB = ReplayJob(TINY, "2s", "home_node", "worst", loops=120, hz=1000,
                tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20})
PAGE = 0x400326B


def test_moves_and_hints_are_those_of_the_counters():
    every = busiest_pages(JOB, limit=1000)
    result = replay(JOB)
    assert sum(moves for _, moves, _ in every) == result.vmstat["numa_pages_migrated"] == 92
    assert sum(hints for _, _, hints in every) == result.vmstat["numa_hint_faults"]
    assert every == sorted(every, key=lambda row: (-row[1], -row[2], row[0]))
    assert busiest_pages(JOB, limit=3) == every[:3]


def test_a_page_is_held_at_its_first_hint_and_moves_at_its_second():
    text = [line.split(" s  ", 1)[-1] for line in history_lines(page_history(JOB, PAGE), PAGE)]
    hints = [line for line in text if line.startswith("hint by ")]
    assert "stays on 0; last_nid was unset; hold_two_stage_filter: " in hints[0]
    assert "node 0 -> 1; last_nid was 1; go_migrated: " in hints[1]
    assert "hold_" in hints[2]
    assert any(line.startswith("mm_migrate_pages: nr_succeeded=1 nr_failed=0 ") for line in text)
    assert any("entries marked in" in line for line in text)


def test_lines_start_with_the_time_and_their_number_is_said():
    events = page_history(JOB, PAGE)
    lines = history_lines(events, PAGE)
    assert lines[0] == f"page {PAGE:#x}: {len(events)} events" and len(lines) == len(events) + 1
    times = [float(line.split(" s ")[0]) for line in lines[1:]]
    assert times == sorted(times)


@pytest.mark.parametrize("page", [0, 5, 2**48 - 1])
def test_a_page_that_is_not_there(page):
    with pytest.raises(InvalidArgument, match=f"page {page:#x} is not in the trace; its pages lie"):
        page_history(JOB, page)


@pytest.mark.parametrize("kind, said", list(enumerate([
    "hint by task 1 on CPU 2: stays on 0",
    "scanned by task 1 on CPU 2: 9 entries marked in 4 pages",
    "the scanner came to the end, pass 9 begins", "mm_migrate_pages: nr_succeeded=9 nr_failed=0",
    "first touch or copy by task 1 on CPU 2: on node 0", "unmapped with 4 pages",
    "huge page split",
])))
def test_every_kind_of_event_is_a_sentence(kind, said):
    event = np.zeros(1, EVENT)
    event["kind"], event["tid"], event["cpu"] = kind, 1, 2
    event["aux"], event["nr_pages"] = 9, 4
    assert said in history_lines(event, 5)[1]
