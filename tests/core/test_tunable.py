"""Whose value of a tunable is in force: the user's, the policy's preset, the row's own."""

import pytest
from numa_core import ffi, lib
from numab import TUNABLES, InvalidArgument, Policy
from numab.policies import POLICIES, PRESETS

from .world import World


class Preset(Policy):
    """A policy of one's own that wants other scans."""

    name = "preset"

    def __init__(self, **presets):
        self.presets = presets


def state(w, name="scan_period_min_ms"):
    return w.m.tunables[name], w.m.tunables.source(name)


def test_a_user_wins_over_the_policy_and_the_policy_over_the_row():
    """
    call:      -         policy v3_8    set 7       policy moron   unset     policy v3_8   as posted
    in force:  2000      100            7           7              2000      100           100
    """
    w = World()
    seen = [state(w)]
    for call in (lambda: setattr(w.m, "policy", "v3_8"),
                 lambda: w.m.tunables.update_checked({"scan_period_min_ms": 7}),
                 lambda: setattr(w.m, "policy", "moron"),
                 lambda: w.m.tunables.unset("scan_period_min_ms"),
                 lambda: setattr(w.m, "policy", "v3_8"),
                 lambda: lib.numab_set_as_posted(w.m._h.m, 1)):
        call()
        seen.append(state(w))
    assert seen == [(2000, "default"), (100, "policy"), (7, "user"), (7, "user"),
                    (2000, "default"), (100, "policy"), (100, "policy")]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_the_order_of_calls_does_not_matter(order):
    """Set one, leave the others to the policy; as posted comes before the set that it forgets."""
    w = World(policy="off")
    calls = (lambda: lib.numab_set_as_posted(w.m._h.m, 1),
             lambda: w.m.tunables.update_checked({"pmd_batch_migrate": 0}),
             lambda: setattr(w.m, "policy", "v3_8"))
    for k in order:
        calls[k]()
    found = {name: state(w, name) for name in (
        "pmd_batch_migrate", "leak_on_refused_migrate", "home_requeue", "rate_limit")}
    assert found == {
        "pmd_batch_migrate": (0, "user"), "leak_on_refused_migrate": (0, "policy"),
        "home_requeue": (0, "default"), "rate_limit": (1, "policy")}


def test_a_policys_presets_end_with_it():
    """Every tunable is what it was, whatever the user set meanwhile."""
    for posted in (False, True):
        w = World(policy="moron", as_posted=posted)
        before = dict(w.m.tunables)
        w.m.policy = "v3_8"
        changed = {name for name in TUNABLES if w.m.tunables.source(name) == "policy"}
        assert changed == set(PRESETS["v3_8"])
        assert {name: w.m.tunables[name] for name in changed} == PRESETS["v3_8"]
        w.m.tunables["scan_size_mb"] = 3
        w.m.policy = Preset(scan_size_mb=5, hint_ns=1)
        assert (state(w, "scan_size_mb"), w.m.tunables["hint_ns"]) == ((3, "user"), 1)
        w.m.policy = "moron"
        w.m.tunables.unset("scan_size_mb")
        assert dict(w.m.tunables) == before


def test_as_posted_forgets_what_was_set_but_not_prices():
    w = World(scan_size_mb=3, pmd_mark=0, hint_ns=7)
    lib.numab_set_as_posted(w.m._h.m, 1)
    assert (state(w, "scan_size_mb"), state(w, "pmd_mark")) == ((256, "default"), (1, "default"))
    assert state(w, "hint_ns") == (7, "user")


def test_a_preset_price_of_memory_is_charged_at_once_and_taken_back():
    """latency_local_ps has a table behind it: a line of 5 ns, then of 80 ns again."""
    w = World(policy=Preset(latency_local_ps=5000), cpu_ps=1)
    w.write(0)
    assert w.touch(0).cost_ps == 5001
    w.m.policy = "moron"
    assert w.touch(0).cost_ps == 80001


def test_a_refused_update_sets_nothing_and_leaves_presets_in_force():
    w = World(policy="v3_8", scan_delay_ms=5)
    with pytest.raises(InvalidArgument, match="scan_size_mb = 0 MB"):
        w.m.tunables.update_checked(
            {"scan_period_max_ms": 9, "scan_delay_ms": 6, "scan_size_mb": 0})
    assert state(w, "scan_period_max_ms") == (5000, "policy")
    assert state(w, "scan_delay_ms") == (5, "user")


@pytest.mark.parametrize("presets, words", [
    ({"scan_size_mb": 0}, "scan_size_mb = 0 MB, permitted 1..16777216"),
    ({"pmd_mark": 1, "rate_limit": 2}, "rate_limit = 2 bool"),
    ({"rate_limits": 1}, "rate_limits"), ({"pmd_mark": None}, "pmd_mark"), ([1], "presets")])
def test_odd_presets_are_refused_and_the_policy_stays(presets, words):
    w = World(policy="v3_8")
    policy = Policy()
    policy.presets = presets
    with pytest.raises(InvalidArgument, match=words):
        w.m.policy = policy
    assert (w.m.policy, state(w, "pmd_mark")) == ("v3_8", (1, "policy"))


def test_the_calls_refuse_rows_that_are_not_there():
    m = World().m._h.m
    for index in (-1, len(TUNABLES)):
        assert lib.numab_unset(m, index) == lib.numab_tunable_source(m, index) == -22
        assert lib.numab_set(m, index, 0) == -22 and lib.numab_get(m, index) == 0
        row = ffi.new("struct numab_preset *", {"tunable": index})
        policy = ffi.new("struct numab_policy *", {
            "name": ffi.new("char[]", b"x"), "nr_presets": 1, "presets": row})
        assert lib.numab_use_own_policy(m, policy) == -22
    policy.presets = ffi.NULL
    assert lib.numab_use_own_policy(m, policy) == -22
    for call in (lib.numab_unset, lib.numab_tunable_source, lib.numab_set_as_posted):
        assert call(ffi.NULL, 0) == -22


def test_every_preset_is_within_its_rows_range():
    for name in POLICIES:
        for tunable, value in PRESETS[name].items():
            assert TUNABLES[tunable].min <= value <= TUNABLES[tunable].max
