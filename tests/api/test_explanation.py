"""What a policy does: orders of nodes by hand, from the distances; refusals by era."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab import Node, Topology
from numab.explanation import Balance, Order, explain, explain_mount
from numab.mempolicy import MemPolicy, parse

#: A line: 0 - 1 - 2 - 3, each step 10 further.
LINE = Topology(
    [Node(n, (n,), 64 << 20) for n in range(4)],
    [[10 + 10 * abs(a - b) for b in range(4)] for a in range(4)],
)


def orders(text, era="v6.12", **options):
    e = explain(parse(text, LINE.memory_nodes), LINE, era=era, **options)
    return {o.nid: (o.nodes, o.out_of_memory) for o in e.orders}


@pytest.mark.parametrize("text, expected", [
    # by distance from the running node, ties to the lower node
    ("local", {0: (0, 1, 2, 3), 2: (2, 1, 3, 0)}),
    ("default", {0: (0, 1, 2, 3), 3: (3, 2, 1, 0)}),
    # by distance from the preferred one, wherever the task runs
    ("prefer:3", {0: (3, 2, 1, 0), 2: (3, 2, 1, 0)}),
    # inside the mask by distance, then outside it
    ("preferred-many:1,3", {0: (1, 3, 0, 2), 3: (3, 1, 2, 0)}),
])
def test_policies_that_fall_back(text, expected):
    found = orders(text)
    assert {nid: found[nid] for nid in expected} == {
        nid: (nodes, False) for nid, nodes in expected.items()}


@pytest.mark.parametrize("text, expected", [
    ("bind:0,2", {0: (0, 2), 3: (2, 0)}), ("bind:3", {0: (3,), 3: (3,)}),
    ("bind:1,5 relative", {0: (1,), 1: (1,)}),
])
def test_binding_ends_out_of_memory(text, expected):
    found = orders(text)
    assert {nid: found[nid] for nid in expected} == {
        nid: (nodes, True) for nid, nodes in expected.items()}


def test_binding_to_all_nodes_ends_when_there_is_none():
    assert orders("bind:0-3", nids=[1]) == {1: ((1, 0, 2, 3), False)}


def test_interleaving_goes_in_turn_and_then_by_distance_from_the_full_node():
    e = explain(parse("interleave:0,3"), LINE, era="v6.1", nids=[1])
    assert e.orders == (Order(1, (0, 3), (0, 3, 1, 2), False),)
    weighted = explain(parse("weighted interleave:0,2"), LINE, era="v6.12", nids=[0],
                       weights={0: 2, 2: 3})
    assert weighted.orders[0].turn == (0, 0, 2, 2, 2)


def test_the_kernel_of_an_era_may_refuse():
    e = explain(parse("preferred-many:0"), LINE, era="v3.8")
    assert [(v.era, v.errno) for v in e.verdicts] == [
        ("v2", "EINVAL"), ("v3.8", "EINVAL"), ("v6.1", ""), ("v6.12", "")]
    assert (e.orders, e.balances, e.shown) == ((), (), "")
    lazy = explain(parse("bind:0 lazy"), LINE, era="v2")
    assert lazy.call == "mbind" and [v.errno for v in lazy.verdicts] == ["", *["EINVAL"] * 3]
    assert "LAZY" not in lazy.verdicts[1].text.split("permitted")[1]


@pytest.mark.parametrize("text, era, first", [
    ("default", "v2", Balance(0, 1, 1, "go_migrated")),
    ("local", "v2", Balance(0, 1, 0, "hold_no_mof")),
    ("bind:0,2", "v6.1", Balance(0, 2, 0, "hold_no_mof")),
    ("bind:0,2 balancing", "v6.1", Balance(0, 2, 2, "go_migrated")),
    ("preferred-many:0,2 balancing", "v6.12", Balance(0, 2, 2, "go_migrated")),
    ("bind:0,2 lazy", "v2", Balance(0, 2, 0, "hold_bind_node_allowed")),
])
def test_balancing(text, era, first):
    """Any explicit policy opts out, unless it is lazy or says balancing."""
    assert explain(parse(text), LINE, era=era).balances[0] == first


def test_a_lazy_policy_fetches_what_lies_outside():
    """Patch 11: from node 1 the nearest allowed node of {0, 3} is 0."""
    assert explain(parse("bind:0,3 lazy"), LINE).balances[1] == Balance(1, 1, 0, "go_migrated")


def test_a_mount_of_which_kernels_take_it():
    e = explain_mount("bind=static:1-2", LINE, era="v3.8", nids=[3])
    assert (e.call, e.shown, e.orders) == (
        "mount", "bind=static:1-2", (Order(3, (2,), (2, 1), True),))
    assert all(v.errno == "" for v in e.verdicts)
    with pytest.raises(InvalidArgument, match="no nodes in mpol='bind'"):
        explain_mount("bind", LINE)


def test_nodes_without_memory_or_cpus():
    machine = Topology(
        [Node(0, (0,), 64 << 20), Node(1, (1,), 0), Node(2, (), 64 << 20)],
        [[10, 20, 30], [20, 10, 20], [30, 20, 10]],
    )
    e = explain(MemPolicy("LOCAL"), machine, era="v6.1")
    assert [(o.nid, o.nodes) for o in e.orders] == [(0, (0, 2)), (1, (0, 2))]


@given(st.sets(st.integers(0, 3), min_size=1), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_any_bound_mask_is_used_nearest_first(nodes, nid):
    e = explain(MemPolicy("BIND", tuple(nodes)), LINE, era="v6.1", nids=[nid])
    nearest = tuple(sorted(nodes, key=lambda n: (abs(n - nid), n)))
    assert (e.orders[0].nodes, e.orders[0].out_of_memory) == (nearest, len(nodes) < 4)


@pytest.mark.parametrize("options, message", [
    ({"nids": [4]}, "running node 4, permitted: [0, 1, 2, 3]"),
    ({"weights": {9: 1}}, "of node 9, permitted 1..255"),
    ({"weights": {0: 256}}, "weight 256 of node 0"),
    ({"era": "v5"}, "era 'v5', permitted: v2"),
])
def test_mistakes_are_named(options, message):
    with pytest.raises(InvalidArgument) as caught:
        explain(MemPolicy("LOCAL"), LINE, **options)
    assert message in str(caught.value)
