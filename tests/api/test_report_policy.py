"""The sentences of ``numab policy explain``."""

from __future__ import annotations

from numab import Topology
from numab.explanation import explain
from numab.mempolicy import parse
from numab.report.policy import explanation_text

MACHINE = Topology.load("2s")


def text(policy, era="v6.12", **options):
    e = explain(parse(policy, (0, 1)), MACHINE, era=era, **options)
    return explanation_text(e, MACHINE, ("a note",))


def test_all_of_it():
    refusal = "permitted in era {}: a sum of 1 (STRICT), 2 (MOVE), 4 (MOVE_ALL)"
    told = text("bind:1 lazy", "v2", nids=[0])
    for era in ("v3.8", "v6.1", "v6.12"):
        told = told.replace(refusal.format(era), "...")
    assert told == """\
bind:1, lazy (of a range of memory, mbind(2) with MPOL_MF_LAZY) on 2 nodes, 16 CPUs, 128 GiB
  nodes of the mask only, nearest first; none left is out of memory
  a note
kernels
  v2     takes it
  v3.8   EINVAL: mbind flags 0x8, ...
  v6.1   EINVAL: mbind flags 0x8, ...
  v6.12  EINVAL: mbind flags 0x8, ...
pages go (era v2), touched from a CPU of
  node 0: 1, then out of memory, though other nodes have some
balancing
  on, as far as the policy lets a page move
  a page on node 1 touched from node 0 stays  (hold_bind_node_allowed)
  a page on node 0 touched from node 0 moves to 1  (go_migrated)
lazy
  mbind moves nothing: it marks the pages that are there, and each that
  is misplaced moves at its next touch
numa_maps shows  bind:1
"""


def test_what_a_mark_costs_depends_on_the_kernel():
    assert "each mark costs a hinting fault" in text("local", "v3.8")
    assert "which costs nothing" in text("local", "v6.1")
    assert "no policy stands in its way" in text("default", "v6.1")


def test_turns_are_written_out_as_far_as_they_are_short():
    assert "in turn 0 1, by the page's offset, until no node has any" in text("interleave:0-1")
    many = text("weighted interleave:0-1", weights={0: 40, 1: 40})
    assert f"in turn {' '.join(['0'] * 16)} ..., by" in many


def test_a_refusal_ends_the_text():
    refused = text("preferred-many:0", "v2")
    assert refused.splitlines()[-1].startswith("  v6.12") and "pages go" not in refused
