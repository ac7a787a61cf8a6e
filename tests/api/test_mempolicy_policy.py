"""What a policy is under given allowed nodes, and after they change.

Expectations are worked out by hand from mpol_set_nodemask, mpol_rebind_nodemask and
mpol_rebind_preferred, with nodes drawn as sets.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.mempolicy import (
    ERAS, Flags, InForce, MemPolicy, in_force, rebind, relative_nodes, remap)

STATIC, RELATIVE = Flags.STATIC_NODES, Flags.RELATIVE_NODES
NODES = st.sets(st.integers(0, 70), min_size=1)


def made(mode, nodes, flags=Flags.NONE, allowed=(0, 1, 2, 3), memory=range(64)):
    return in_force(MemPolicy(mode, nodes, flags), allowed, memory)


def test_equal_values_are_one_policy():
    assert MemPolicy("BIND", [1, 0, 1]) == MemPolicy("BIND", (0, 1))
    assert hash(MemPolicy("BIND", [1, 0])) == hash(MemPolicy("BIND", (0, 1)))
    assert MemPolicy("BIND", (0,)) != MemPolicy("BIND", (0,), STATIC)


@pytest.mark.parametrize("mode, nodes, flags, says", [
    ("bind", (0,), 0, "policy mode 'bind', permitted: DEFAULT"),
    ("BIND", (), 0, "at least one node"),
    ("INTERLEAVE", (), 0, "at least one node"),
    ("LOCAL", (0,), 0, "no nodes"),
    ("DEFAULT", (0,), 0, "no nodes"),
    ("BIND", (1024,), 0, "permitted 0..1023"),
    ("BIND", (-1,), 0, "permitted 0..1023"),
    ("BIND", (0,), STATIC | RELATIVE, "one of them"),
    ("PREFERRED", (), STATIC, "neither STATIC_NODES nor RELATIVE_NODES"),
    ("BIND", (0,), 1, "policy flags 0x1"),
    ("BIND", (0,), 1 << 20, "permitted 0..65535"),
    ("BIND", ("x",), 0, "permitted: integers"),
])
def test_what_no_kernel_takes_is_refused(mode, nodes, flags, says):
    with pytest.raises(InvalidArgument, match=says):
        MemPolicy(mode, nodes, flags)


def test_a_mode_number_carries_its_flags_and_not_the_internal_ones():
    policy = MemPolicy("BIND", (0,), STATIC | Flags.MOF)
    assert policy.number(ERAS["v2"]) == 2 | 1 << 15
    with pytest.raises(InvalidArgument, match="permitted in era v2: DEFAULT, PREFERRED, BIND"):
        MemPolicy("PREFERRED_MANY", (0,)).number(ERAS["v2"])


@pytest.mark.parametrize("nodes, allowed, out", [
    ((7,), (0, 1), (1,)),          # the recording: RELATIVE {7} on two nodes
    ((3, 5), (0, 1), (1,)),
    ((0, 1), (4, 6, 9), (4, 6)),
    ((3,), (4, 6, 9), (4,)),
    ((0,), (), ()),
])
def test_relative_nodes_count_round_the_allowed_ones(nodes, allowed, out):
    assert relative_nodes(nodes, allowed) == out


@given(NODES, NODES, NODES)
def test_remap_keeps_what_is_not_in_the_old_set(nodes, old, new):
    out = remap(nodes, old, new)
    assert set(out) <= set(new) | (nodes - old)
    assert remap(nodes, old, old) == tuple(sorted(nodes))


@pytest.mark.parametrize("mode, nodes, flags, allowed, memory, out", [
    ("BIND", (0, 1, 7), 0, (0, 1), (0, 1), (0, 1)),
    ("BIND", (7,), 0, (0, 1), (0, 1), None),
    ("BIND", (7,), STATIC, (0, 1), (0, 1), None),
    ("BIND", (7,), RELATIVE, (0, 1), (0, 1), (1,)),
    ("BIND", (1,), 0, (0, 1), (0,), None),             # a node without memory
    ("PREFERRED", (0, 1), 0, (0, 1), (0, 1), (0,)),    # the lowest only
    ("PREFERRED", (1, 2), 0, (2, 3), (0, 1, 2, 3), (2,)),
    ("INTERLEAVE", (0, 1), 0, (1, 2), (0, 1, 2), (1,)),
    ("PREFERRED", (7,), 0, (0, 1), (0, 1), None),
])
def test_nodes_in_force_at_creation(mode, nodes, flags, allowed, memory, out):
    policy = made(mode, nodes, Flags(flags), allowed, memory)
    assert (None if policy is None else policy.nodes) == out


def test_local_needs_no_node_and_reports_none():
    for mode in ("LOCAL", "PREFERRED"):
        policy = made(mode, ())
        assert policy.local and policy.rule == "LOCAL" and policy.reported_nodes() == ()


@pytest.mark.parametrize("flags, out", [(0, (0,)), (STATIC, (0, 7)), (RELATIVE, (0, 7))])
def test_get_mempolicy_reports_the_users_mask_of_static_and_relative(flags, out):
    policy = made("BIND", (0, 7), Flags(flags), (0, 1), (0, 1))
    assert policy.reported_nodes() == out


@pytest.mark.parametrize("mode", ["BIND", "INTERLEAVE", "WEIGHTED_INTERLEAVE"])
@pytest.mark.parametrize("flags, nodes, first, then, out", [
    (0, (0, 1), (0, 1), (2, 3), (2, 3)),
    (0, (1,), (0, 1), (2, 3), (3,)),
    (0, (0, 1), (0, 1), (3,), (3,)),
    (0, (0, 1), (0, 1), (0, 1, 2), (0, 1)),          # does not grow
    (STATIC, (0, 1), (0, 1), (1, 2), (1,)),
    (STATIC, (0, 1), (0, 1), (2, 3), (2, 3)),        # nothing left: all allowed ones
    (RELATIVE, (0, 5), (0, 1), (1, 2, 3), (1, 3)),   # 5 mod 3 = 2: the third
])
def test_rebinding(mode, flags, nodes, first, then, out):
    policy = rebind(made(mode, nodes, Flags(flags), first), then, ERAS["v6.1"])
    assert policy.nodes == out and policy.w == (nodes if flags else then)


@pytest.mark.parametrize("flags", [0, STATIC, RELATIVE])
def test_preferred_many_keeps_its_nodes_and_loses_the_users_mask(flags):
    """mpol_rebind_preferred of 5.14 on writes the allowed nodes into the union with the mask."""
    policy = rebind(made("PREFERRED_MANY", (0, 1), Flags(flags), (0, 1)), (2, 3), ERAS["v6.1"])
    assert policy.nodes == (0, 1) and policy.w == (2, 3)
    assert policy.reported_nodes() == ((2, 3) if flags else (0, 1))


def test_balancing_alone_remaps_from_the_users_mask():
    """{1,7} of allowed 0-1, remapped: 1 is the first of {1,7}, so it becomes the first of 2-3."""
    policy = made("BIND", (1, 7), Flags.NUMA_BALANCING, (0, 1))
    assert (policy.nodes, policy.reported_nodes()) == ((1,), (1, 7))
    after = rebind(policy, (2, 3), ERAS["v6.1"])
    assert (after.nodes, after.reported_nodes()) == ((2,), (2, 3))


def test_a_static_policy_gets_its_nodes_back():
    policy = made("BIND", (0, 1), STATIC, (0, 1))
    away = rebind(policy, (2, 3), ERAS["v6.1"])
    assert rebind(away, (0, 1), ERAS["v6.1"]).nodes == (0, 1)


@pytest.mark.parametrize("era, flags, out, local", [
    ("v2", 0, (3,), False), ("v2", STATIC, (1,), True), ("v2", RELATIVE, (3,), False),
    ("v3.8", 0, (3,), False), ("v6.1", 0, (1,), False), ("v6.12", STATIC, (1,), False)])
def test_preferred_moves_along_in_old_kernels_only(era, flags, out, local):
    """PREFERRED {1} under 0-1, then 2-3."""
    policy = rebind(made("PREFERRED", (1,), Flags(flags), (0, 1)), (2, 3), ERAS[era])
    assert (policy.nodes, policy.local) == (out, local)


def test_local_is_never_rebound():
    policy = made("LOCAL", ())
    assert rebind(policy, (3,), ERAS["v2"]) is policy


@given(NODES, NODES, NODES, st.sampled_from([Flags.NONE, STATIC, RELATIVE]),
       st.sampled_from(list(ERAS)))
def test_a_rebound_mask_is_never_empty(nodes, first, then, flags, era):
    policy = made("BIND", nodes, flags, first, range(1024))
    if policy is not None:
        after = rebind(policy, then, ERAS[era])
        assert after.nodes and isinstance(after, InForce)
        if flags:
            assert set(after.nodes) <= then
