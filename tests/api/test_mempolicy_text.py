"""Policies as text: each syntax read, refused by its wrong word, printed as numa_maps does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.mempolicy import MODES, Flags, MemPolicy, format_policy, in_force, parse

S, R, B, L = Flags.STATIC_NODES, Flags.RELATIVE_NODES, Flags.NUMA_BALANCING, Flags.MOF


@pytest.mark.parametrize("text, mode, nodes, flags", [
    ("default", "DEFAULT", (), 0),
    ("local", "LOCAL", (), 0),
    ("prefer:1", "PREFERRED", (1,), 0),
    ("bind:0-2,5", "BIND", (0, 1, 2, 5), 0),
    ("bind=static:0", "BIND", (0,), S),
    ("interleave=relative:0-1", "INTERLEAVE", (0, 1), R),
    ("bind=static|balancing:0-1", "BIND", (0, 1), S | B),
    ("prefer (many):0-1", "PREFERRED_MANY", (0, 1), 0),
    ("weighted interleave:0-3", "WEIGHTED_INTERLEAVE", (0, 1, 2, 3), 0),
    ("mpol=interleave:0", "INTERLEAVE", (0,), 0),
    ("MPOL_PREFERRED_MANY:1", "PREFERRED_MANY", (1,), 0),
    ("bind:0,1 static lazy", "BIND", (0, 1), S | L),
    ("  bind:0   balancing ", "BIND", (0,), B),
    ("noop lazy", "NOOP", (), L),
    ("--membind=0,1", "BIND", (0, 1), 0),
    ("--membind 0,1 --balancing", "BIND", (0, 1), B),
    ("-b -m 1", "BIND", (1,), B),
    ("--interleave=all", "INTERLEAVE", (0, 1, 4), 0),
    ("-i !4", "INTERLEAVE", (0, 1), 0),
    ("-w 0-1", "WEIGHTED_INTERLEAVE", (0, 1), 0),
    ("--weighted-interleave=1", "WEIGHTED_INTERLEAVE", (1,), 0),
    ("--preferred=1", "PREFERRED", (1,), 0),
    ("-p +2", "PREFERRED", (4,), 0),
    ("--preferred-many=0,4", "PREFERRED_MANY", (0, 4), 0),
    ("-P 1", "PREFERRED_MANY", (1,), 0),
    ("--localalloc", "LOCAL", (), 0),
    ("-l", "LOCAL", (), 0),
    ("interleave", "INTERLEAVE", (0, 1, 4), 0),   # nodes with memory when there is no list
])
def test_a_policy_is_read(text, mode, nodes, flags):
    assert parse(text, (0, 1, 4)) == MemPolicy(mode, nodes, Flags(flags))


@pytest.mark.parametrize("text, says", [
    ("", "permitted: a text"), (None, "permitted: a text"), (7, "permitted: a text"),
    ("band:0", "MODE one of 'default'"), ("bind:", "MODE"), ("bind 0", "MODE"), (":0", "MODE"),
    ("bind=fixed:0", "flag 'fixed'"), ("bind:0 fixed", "flag 'fixed'"),
    ("bind:x", "'x' is not an id"), ("bind:3-1", "runs back"), ("bind:1024", "outside 0-1023"),
    ("bind:0,,1", "is not an id"), ("bind", "at least one node"), ("prefer:0,1", "one preferred"),
    ("local:0", "no nodes"), ("default:0", "no nodes"), ("bind=static|relative:0", "one of them"),
    ("--membind", "at least one node"), ("--membind=", "at least one node"),
    ("--cpunodebind=0", "word '--cpunodebind=0'"), ("-m 0 -i 1", "word '-i'"),
    ("-b", "goes with a policy"), ("--preferred=0-1", "one preferred node"),
    ("-m +3", r"permitted \+0..\+2"),
])
def test_a_wrong_text_is_refused_and_named(text, says):
    with pytest.raises(InvalidArgument, match=says):
        parse(text, (0, 1, 4))


@pytest.mark.parametrize("text", ["interleave", "--interleave=all", "-m !0", "-m +0"])
def test_words_about_a_machine_need_one(text):
    with pytest.raises(InvalidArgument, match="name a machine"):
        parse(text)


@pytest.mark.parametrize("policy, text", [
    (None, "default"),
    (MemPolicy("LOCAL"), "local"),
    (MemPolicy("PREFERRED"), "local"),
    (MemPolicy("PREFERRED", (1,)), "prefer:1"),
    (MemPolicy("BIND", (0, 1), B), "bind=balancing:0-1"),
    (MemPolicy("BIND", (0, 1), S | B), "bind=static|balancing:0-1"),
    (MemPolicy("INTERLEAVE", (0, 2), R), "interleave=relative:0,2"),
    (MemPolicy("PREFERRED_MANY", (0, 1)), "prefer (many):0-1"),
    (MemPolicy("WEIGHTED_INTERLEAVE", (0, 1)), "weighted interleave:0-1"),
])
def test_a_policy_is_printed_as_numa_maps_prints_it(policy, text):
    assert format_policy(policy) == text


def test_numa_maps_shows_the_nodes_in_force():
    asked = MemPolicy("INTERLEAVE", (3, 5), R)
    assert str(in_force(asked, (0, 1), (0, 1))) == "interleave=relative:1"


@given(st.sampled_from([m for m in MODES if m != "NOOP"]),
       st.sets(st.integers(0, 1023), min_size=1), st.sampled_from([Flags.NONE, S, R, B, S | B]))
def test_what_is_printed_reads_back(mode, nodes, flags):
    row = MODES[mode]
    given_nodes = () if row.mask == "none" else (min(nodes),) if mode == "PREFERRED" else nodes
    policy = MemPolicy(mode, tuple(given_nodes), flags)
    assert parse(str(policy)) == policy


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        policy = parse(text, (0, 1))
    except InvalidArgument:
        return
    assert parse(str(policy), (0, 1)).mode in (policy.mode, "LOCAL")
