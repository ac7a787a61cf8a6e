"""The errno tables beyond what the small recording has: other users, other eras."""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument
from numab.mempolicy import ERAS
from numab.recordings.moving import migrate_pages, move_pages
from numab.recordings.reading import Recording
from numab.recordings.tables import _mbind_said, mbind, mbind_addr

PAGES = "touched,touched,untouched,zeropage,unmapped,text"


def recording(kernel="6.1", nodes=2):
    era = {"6.1": "v6.1", "6.12": "v6.12"}[kernel]
    table = tuple(tuple(10 if a == b else 20 for b in range(nodes)) for a in range(nodes))
    return Recording(kernel, ERAS[era], nodes, table, {})


def answer(replay, row, kernel="6.1"):
    (_, said, ours), = replay(recording(kernel), [row])
    return ours


def test_results_of_mbind_cells():
    assert _mbind_said("ok 0001") == {"r": "ok", "nodes": "0001"}
    assert _mbind_said("EIO000F") == _mbind_said("EIO 000N") == {"r": "EIO", "nodes": "000F"}
    assert _mbind_said("EFAULT") == {"r": "EFAULT"} and _mbind_said("EPERM") == {"r": "EPERM"}
    with pytest.raises(InvalidArgument, match="expected the form"):
        _mbind_said("fine")


def test_another_user_has_no_move_all():
    cells = {"MOVE_ALL": "EPERM", "MOVE": "ok 1111"}
    row = {"user": 1000, "mode": "BIND", "rows": {"{1}/64": cells}}
    assert [(said, ours) for _, said, ours in mbind(recording(), [row])] == [
        ({"r": "EPERM"}, {"r": "EPERM", "nodes": "000F"}), ({"r": "ok", "nodes": "1111"},) * 2]


def test_default_in_a_hole():
    row = {"case": "DEFAULT over hole", "flags": "MOVE", "r": "ok"}
    assert answer(mbind_addr, row) == {"r": "ok"}


@pytest.mark.parametrize("kernel, untouched", [("6.1", -14), ("6.12", -2)])
def test_an_untouched_page(kernel, untouched):
    row = {"user": 0, "case": "query", "flags": 0, "pages": PAGES, "r": "ok"}
    assert answer(move_pages, row, kernel)["status"] == [0, 0, untouched, -14, -14, 0]


@pytest.mark.parametrize("case, user, r", [
    ("pid 1 (root-owned init)", 1000, "EPERM"), ("pid self", 1000, "ok"), ("pid 99999", 0, "ESRCH"),
    ("to node 5000", 0, "ENODEV"), ("status bad ptr", 0, "EFAULT"), ("MOVE_ALL", 1000, "EPERM")])
def test_further_cases_of_move_pages(case, user, r):
    flags = 4 if case == "MOVE_ALL" else 2
    row = {"user": user, "case": case, "flags": flags, "pages": PAGES, "r": r}
    assert answer(move_pages, row)["r"] == r


@pytest.mark.parametrize("row, r", [
    ({"user": 1000, "old": "{0}", "new": "{7}"}, "EPERM"),
    ({"user": 1000, "old": "{0}", "new": "{}"}, "EINVAL"),
    ({"user": 1000, "pid": 1}, "EPERM"), ({"user": 1000, "old": "{0}", "new": "{1}"}, "ok"),
    ({"user": 0, "bad ptr": 1}, "EFAULT")])
def test_further_cases_of_migrate_pages(row, r):
    assert answer(migrate_pages, row | {"r": r})["r"] == r


@pytest.mark.parametrize("replay, row", [
    (mbind_addr, {"case": "sideways", "r": "ok"}), (move_pages, {"case": "fly", "pages": PAGES}),
    (move_pages, {"case": "query", "pages": "sunny"}),
    (move_pages, {"case": "pid of the moon", "pages": PAGES}),
    (mbind, {"mode": "BEND", "rows": {"{1}/64": {"0": "ok"}}}),
    (mbind, {"mode": "BIND", "rows": {"one": {"0": "ok"}}}),
    (mbind, {"mode": "BIND", "rows": {"{1}/64": {"QUICK": "ok"}}})])
def test_rows_that_are_not_understood(replay, row):
    assert "expected" in answer(replay, row)["not understood"]


@pytest.mark.parametrize("replay, row", [
    (mbind, {"mode": "BIND", "rows": {"{1}/64": 5}}), (mbind, {"mode": "BIND"}),
    (migrate_pages, {"old": "{0}"}), (mbind_addr, {"case": 5, "r": "ok"}),
    (move_pages, {"case": "query", "user": []}), (mbind_addr, {"case": "len 0", "user": 2**40}),
    (move_pages, {"case": "x, MOVE", "from": 0, "to": 2**70})])
def test_rows_that_make_no_sense(replay, row):
    with pytest.raises(InvalidArgument, match="expected|without"):
        list(replay(recording(), [row]))
