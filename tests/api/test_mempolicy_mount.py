"""``mpol=`` of a tmpfs mount: what mpol_parse_str takes, and what makes a mount fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.mempolicy import ERAS, format_policy
from numab.mempolicy.mount import mpol_parse_str

V2, V38, V61, V612 = ERAS.values()
NODES = (0, 1, 3)


@pytest.mark.parametrize("text, shown", [
    ("default", "default"), ("default=static", "default"), ("default=nonsense", "default"),
    ("local", "local"), ("prefer:1", "prefer:1"), ("prefer", "local"),
    ("prefer=relative:0", "prefer=relative:0"),
    ("bind:0-1", "bind:0-1"), ("bind:0,1,3", "bind:0-1,3"), ("bind=static:3", "bind=static:3"),
    ("interleave", "interleave:0-1,3"), ("interleave=static:0-1", "interleave=static:0-1"),
    ("interleave=relative", "interleave=relative:0-1,3"),
])
def test_every_kernel_takes(text, shown):
    for era in ERAS.values():
        assert format_policy(mpol_parse_str(text, NODES, era)) == shown


@pytest.mark.parametrize("text, eras, shown", [
    ("prefer (many):0-1", (V61, V612), "prefer (many):0-1"),
    ("weighted interleave:0-1", (V612,), "weighted interleave:0-1"),
    ("weighted interleave", (V612,), "weighted interleave:0-1,3"),
])
def test_later_modes(text, eras, shown):
    for era in ERAS.values():
        if era in eras:
            assert format_policy(mpol_parse_str(text, NODES, era)) == shown
        else:
            with pytest.raises(InvalidArgument, match=f"permitted in era {era.name}"):
                mpol_parse_str(text, NODES, era)


@pytest.mark.parametrize("text, word", [
    ("", "mode ''"), ("BIND:0", "mode 'BIND'"), ("preferred:0", "mode 'preferred'"),
    ("noop", "mode 'noop'"), ("bind", "no nodes"), ("bind:", "no nodes"), ("bind:2", "node 2"),
    ("bind:0-3", "node 2"), ("bind:x", "'x'"), ("bind:1-0", "'1-0'"),
    ("prefer:0-1", "one number"), ("prefer:0,1", "one number"), ("prefer:", "one number"),
    ("local:0", "permitted: none"), ("default:0", "permitted: none"),
    ("bind=balancing:0", "flag 'balancing'"), ("bind=static|relative:0", "flag 'static|relative'"),
    ("bind=:0", "flag ''"), ("interleave:", "at least one node"),
])
def test_what_makes_a_mount_fail_is_named(text, word):
    for era in ERAS.values():
        with pytest.raises(InvalidArgument) as caught:
            mpol_parse_str(text, NODES, era)
        assert word in str(caught.value) and "permitted" in str(caught.value) or "'" in word


@given(st.sets(st.sampled_from(NODES), min_size=1), st.sampled_from(["", "=static", "=relative"]),
       st.sampled_from(["bind", "interleave", "prefer (many)", "weighted interleave"]))
def test_what_numa_maps_prints_can_be_mounted(nodes, flags, mode):
    text = f"{mode}{flags}:{','.join(map(str, sorted(nodes)))}"
    policy = mpol_parse_str(text, NODES, V612)
    assert mpol_parse_str(format_policy(policy), NODES, V612) == policy
    assert policy.nodes == tuple(sorted(nodes))


@given(st.text(max_size=20) | st.text("bindpreflocal=:statc,-0123 (many)", max_size=20))
@settings(max_examples=500)
def test_any_text_is_read_or_refused(text):
    try:
        policy = mpol_parse_str(text, NODES, V612)
    except InvalidArgument:
        return
    assert set(policy.nodes) <= set(NODES)


def test_other_things_than_texts_are_refused():
    with pytest.raises(InvalidArgument, match="permitted: a text"):
        mpol_parse_str(5, NODES, V61)
