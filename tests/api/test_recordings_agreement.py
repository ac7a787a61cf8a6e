"""Rows against rows: what counts as a difference, and which ones MODEL.md may accept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from numa_core.errors import InvalidArgument
from numab.recordings import accepted_differences, check_recording, load_recording
from numab.recordings.agreement import TITLE, Accepted

SMALL = Path(__file__).resolve().parents[1] / "data" / "policy-small.json"
TABLE = f"""
# Other

{TITLE}

| section | rows | fields | by | reason |
|---|---|---|---|---|
| `place` | `basic *` | `numa_hit`, `numa_local` | 1..2 | somebody else's page |
| `move_pages` | `user * query` | `status` | any | not told |

## Next
| a | b | c | d | e |
"""


@pytest.fixture(scope="module")
def small():
    return load_recording(str(SMALL))


def test_the_recorded_kernel_comes_out(small):
    for agreement in check_recording(small):
        assert not [str(d) for d in agreement.differences if not d.reason]
        assert agreement.rows


def test_the_packaged_table_gives_a_reason_for_each():
    table = accepted_differences()
    assert table and all(len(row.reason) > 20 for row in table)


def changed(small, section, index, **values):
    rows = [dict(row) for row in small.sections[section]]
    rows[index].update(values)
    return dataclasses.replace(small, sections={section: rows})


@pytest.mark.parametrize("section, index, values", [
    ("set_mempolicy", 0, {"r": "EPERM"}),
    ("get_mempolicy", 0, {"mask": "f"}),
    ("mbind_addr", 0, {"r": "ok"}),
    ("move_pages", 0, {"status": [1, 1, -14, -14, -14, 0]}),
    ("migrate_pages", 1, {"after": "0" * 32}),
    ("set_mempolicy_home_node", 1, {"after_touch_from_node0": "0" * 8}),
    ("place", 0, {"nodes": "1" * 16}),
    ("place", 3, {"numa_maps": "default"}),
])
def test_a_changed_row_is_seen(small, section, index, values):
    agreement, = check_recording(changed(small, section, index, **values))
    assert agreement.unexplained == 1
    text = str([d for d in agreement.differences if not d.reason][0])
    assert text.startswith(section) and str(list(values)[0]) in text


def test_a_table_is_read_to_the_next_heading():
    first, second = accepted_differences(TABLE)
    assert first == Accepted("place", "basic *", ("numa_hit", "numa_local"), "1..2",
                             "somebody else's page")
    assert (second.fields, second.by) == (("status",), "any")
    assert accepted_differences("no such heading") == []


@pytest.mark.parametrize("row", ["| a | b | c | d |", "| a | b | c | some | e |"])
def test_a_table_that_is_broken(row):
    with pytest.raises(InvalidArgument, match="accepted differences"):
        accepted_differences(f"{TITLE}\n\n{row}\n")


@pytest.mark.parametrize("label, said, differing, covered", [
    ("basic vma", {"numa_hit": 19, "numa_local": 19}, ["numa_hit", "numa_local"], True),
    ("basic vma", {"numa_hit": 20, "numa_local": 20}, ["numa_hit", "numa_local"], True),
    ("basic vma", {"numa_hit": 19, "numa_local": 18}, ["numa_hit"], False),   # not both
    ("basic vma", {"numa_hit": 21, "numa_local": 21}, ["numa_hit", "numa_local"], False),
    ("basic vma", {"numa_hit": 17, "numa_local": 17}, ["numa_hit", "numa_local"], False),
    ("thp vma", {"numa_hit": 19, "numa_local": 19}, ["numa_hit", "numa_local"], False),
    ("basic vma", {"numa_hit": 19, "numa_local": 19, "nodes": "1"},
     ["numa_hit", "numa_local", "nodes"], False),
])
def test_what_a_row_covers(label, said, differing, covered):
    row = accepted_differences(TABLE)[0]
    ours = {"numa_hit": 18, "numa_local": 18, "nodes": "0"}
    assert row.covers("place", label, said, ours, differing) == covered


def test_an_unknown_section_does_not_come_out(small):
    agreement, = check_recording(dataclasses.replace(small, sections={"swap": [{}, {}]}))
    assert (agreement.rows, agreement.unexplained, agreement.share) == (2, 2, 0.0)
    assert "none of mbind" in str(agreement.differences[0])


def test_a_row_that_is_not_understood_does_not_come_out(small):
    agreement, = check_recording(changed(small, "mbind_addr", 1, case="sideways"))
    assert (agreement.rows, agreement.unexplained) == (21, 1)
    assert "not understood recorded 'EINVAL', here \"case 'sideways', expected" in str(
        agreement.differences[0])


def test_a_bad_row_names_its_section(small):
    with pytest.raises(InvalidArgument, match="section mbind_addr, row 1: case 5 in a row"):
        check_recording(changed(small, "mbind_addr", 1, case=5))
