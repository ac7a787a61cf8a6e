"""Each policy once, and the rule it lowers to."""

from __future__ import annotations

import pytest

from numa_core import lib
from numab.mempolicy import Flags, MemPolicy, in_force
from numab.mempolicy.interned import CPUSET_ONLY, Interned, core_flags

NODES = (0, 1, 2, 70)


def made(mode, nodes=(), flags=Flags.NONE):
    return in_force(MemPolicy(mode, nodes, flags), NODES, NODES)


def nodes_of(c):
    words = range(c.nr_mask_words)
    return tuple(64 * i + b for i in words for b in range(64) if c.mask[i] >> b & 1)


def test_equal_policies_share_a_cookie():
    table = Interned()
    first, second = table.cookie(made("BIND", (0,))), table.cookie(made("BIND", (1,)))
    assert table.cookie(made("BIND", [0])) == first != second
    assert table.policy(second).nodes == (1,)
    assert table.cookie(None) == 0
    assert [table.policy(n) for n in (0, CPUSET_ONLY, 99, -1)] == [None] * 4


@pytest.mark.parametrize("mode, nodes, rule, mask, nid", [
    ("LOCAL", (), "LOCAL", (), -1), ("PREFERRED", (), "LOCAL", (), -1),
    ("PREFERRED", (1, 2), "PREFERRED", (1,), 1),
    ("BIND", (0, 70), "BIND", (0, 70), -1),
    ("INTERLEAVE", (0, 1), "INTERLEAVE", (0, 1), -1),
    ("PREFERRED_MANY", (0, 1), "PREFERRED_MANY", (0, 1), -1),
    ("WEIGHTED_INTERLEAVE", (0, 1), "WEIGHTED_INTERLEAVE", (0, 1), -1),
])
def test_what_a_policy_lowers_to(mode, nodes, rule, mask, nid):
    table = Interned()
    c, _ = table.lowered(made(mode, nodes))
    assert c.mode == getattr(lib, f"NUMAB_MPOL_{rule}")
    assert (nodes_of(c), c.nid, c.home_nid) == (mask, nid, -1)
    assert table.policy(c.cookie) == made(mode, nodes)


def test_no_policy_is_none():
    c, _ = Interned().lowered(None)
    assert (c.mode, c.cookie, c.flags) == (lib.NUMAB_MPOL_NONE, 0, 0)


def test_in_a_narrow_cpuset_the_running_node_is_the_nearest_allowed_one():
    table = Interned()
    c, _ = table.lowered(None, (1, 2))
    assert (c.mode, nodes_of(c), c.cookie) == (lib.NUMAB_MPOL_BIND, (1, 2), CPUSET_ONLY)
    assert c.flags == 24 and table.policy(c.cookie) is None
    c, _ = table.lowered(made("LOCAL"), (1, 2))
    assert (c.mode, nodes_of(c), c.flags) == (lib.NUMAB_MPOL_BIND, (1, 2), 0)
    assert table.policy(c.cookie).rule == "LOCAL"
    c, _ = table.lowered(made("BIND", (0,)), (1, 2))
    assert nodes_of(c) == (0,)


def test_balancing_migrates_on_fault_toward_the_cpu():
    assert core_flags(Flags.NUMA_BALANCING) == 8 | 16
    assert core_flags(Flags.MOF | Flags.STATIC_NODES) == 8
