"""Placement as real kernels did it: facts of a recorded 6.12 with four nodes in a ring, and others.

Distances of node 0 are 10, 20, 30, 20.
"""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument
from numab.mempolicy import ERAS
from numab.recordings.place import OOM_KILLED, _order, _weights, place
from numab.recordings.reading import Recording

RING = tuple(tuple(10 + 10 * min((a - b) % 4, (b - a) % 4) for b in range(4)) for a in range(4))
FOUR = Recording("6.12", ERAS["v6.12"], 4, RING, {})


def row(policy, **other):
    return {"tag": "basic", "scope": "vma", "policy": policy, "touch_from_node": 0, "pages": 8,
            "order": "up", "thp": 0, "r": "ok", "first_pgoff_mod8": 0, "nodes": "?",
            "vmstat_delta": {}} | other


def ours(recording=FOUR, **one):
    (_, said, out), = place(recording, [row(**one)])
    return out


def nodes(policy, **other):
    return ours(policy=policy, **other)["nodes"]


@pytest.mark.parametrize("policy, nid, out", [
    ("BIND{2,3}", 0, "3"), ("PREFERRED_MANY{2,3}", 0, "3"),     # 20 away, not 30
    ("BIND{1,2}", 0, "1"), ("BIND{1,2}", 3, "2"),
    ("DEFAULT", 2, "2"), ("PREFERRED{3}", 1, "3"), ("PREFERRED{2,3}", 0, "2"),
    ("BIND{5}|RELATIVE", 0, "1"),
])
@pytest.mark.parametrize("scope", ["vma", "task"])
def test_where_pages_go(policy, nid, out, scope):
    assert nodes(policy, touch_from_node=nid, scope=scope) == out * 8


def test_interleave_goes_by_position_not_by_touch():
    for order in ("up", "down", "stride3"):
        assert nodes("INTERLEAVE{1,3}", order=order, nodes="13131313") == "13131313"
        assert nodes("INTERLEAVE{1,3}", order=order, first_pgoff_mod8=1) == "31313131"
    assert nodes("INTERLEAVE{1,3}", nodes="31313131") == "13131313"   # an even offset was recorded


def test_weighted_interleave_three_to_one():
    given = "00010001"
    assert nodes("WEIGHTED_INTERLEAVE{0,1}", nodes=given) == given
    assert _weights([row("WEIGHTED_INTERLEAVE{0,1}", nodes=given)]) == {0: 3, 1: 1}
    assert _weights([row("DEFAULT", nodes="0111")]) == {}
    assert _weights([row("DEFAULT", weights={"0": 5, "1": 2})]) == {0: 5, 1: 2}


@pytest.mark.parametrize("policy", ["DEFAULT", "LOCAL", "PREFERRED{0}", "BIND{0,1}"])
def test_a_full_node_spills_to_the_next(policy):
    """To node 1, the first of the two that are 20 away; missed there, foreign on node 0."""
    names = ("numa_hit", "numa_miss", "numa_foreign", "numa_other")
    out = ours(policy=policy, tag="full0", vmstat_delta=dict.fromkeys(names, 0))
    assert out["nodes"] == "1" * 8
    assert out["numa_miss"] == out["numa_foreign"] >= 8


def test_bind_to_a_full_node_is_killed():
    assert ours(policy="BIND{0}", tag="full0", r="signal 9") == {"r": OOM_KILLED}
    assert nodes("BIND{0}", tag="full1") == "0" * 8


def test_page_tables_come_out_of_the_tasks_policy():
    """Two pages of page tables: node 1 under a task's BIND {1}, local under a mapping's."""
    stats = dict.fromkeys(("numa_hit", "numa_local", "numa_other"), 0)
    for scope, local in (("task", 0), ("vma", 2)):
        out = ours(policy="BIND{1}", scope=scope, vmstat_delta=stats)
        assert (out["numa_hit"], out["numa_local"], out["numa_other"]) == (10, local, 10 - local)


def test_a_refused_policy_places_nothing():
    old = Recording("6.1", ERAS["v6.1"], 4, RING, {})
    out = ours(old, policy="WEIGHTED_INTERLEAVE{0,1}", count=[])
    assert (out["r"], out["nodes"], out["count"]) == ("EINVAL", "", [])


def test_orders_of_touch():
    assert _order("up", 4) == [0, 1, 2, 3] and _order("down", 3) == [2, 1, 0]
    assert sorted(_order("stride7", 16)) == list(range(16)) and _order("stride7", 16)[1] == 7


def test_rows_that_are_not_understood():
    for strange in ({"policy": "BIND0+"}, {"order": "sideways"}, {"policy": "BEND{0}"}):
        assert "expected" in ours(**({"policy": "DEFAULT"} | strange))["not understood"]


@pytest.mark.parametrize("wrong", [
    {"pages": 0}, {"pages": "8"}, {"touch_from_node": 4}, {"policy": 1}, {"vmstat_delta": []},
    {"first_pgoff_mod8": "{"}, {"weights": [0]}, {"weights": {"a": 1}}])
def test_rows_that_make_no_sense(wrong):
    with pytest.raises(InvalidArgument, match="expected"):
        list(place(FOUR, [row("DEFAULT") | wrong]))
