"""The rules that hold for every source: offline CPUs, CPUs on no node, node ids."""

from __future__ import annotations

import pytest

from numa_core.errors import TopologyError
from numab.topology.draft import Draft


def two_nodes() -> Draft:
    draft = Draft()
    draft.add_node(2).cpus = {0, 1}
    draft.add_node(5).cpus = {2, 3}
    return draft


def test_a_cpu_that_does_not_run_is_not_counted():
    draft = two_nodes()
    draft.running = {0, 2, 3}
    draft.settle()
    assert (draft.nodes[2].cpus, draft.nodes[5].cpus, draft.notes) == ({0}, {2, 3}, [])


def test_a_source_that_does_not_say_what_runs_is_believed():
    draft = two_nodes()
    draft.settle()
    assert (draft.nodes[2].cpus, draft.nodes[5].cpus) == ({0, 1}, {2, 3})


def test_a_cpu_on_no_node_goes_to_the_first_with_a_note():
    draft = two_nodes()
    draft.running = {0, 1, 2, 3, 7, 8}
    draft.settle()
    assert draft.nodes[2].cpus == {0, 1, 7, 8}
    assert draft.notes == ["CPUs 7-8 are on no node; assigned to node 2"]


def test_no_node_at_all_is_refused():
    with pytest.raises(TopologyError, match="no NUMA node"):
        Draft(running={0}).settle()


def test_a_node_twice_or_out_of_range_is_refused():
    draft = two_nodes()
    with pytest.raises(TopologyError, match="node 5 is described twice"):
        draft.add_node(5)
    with pytest.raises(TopologyError, match="node id 1024 is outside 0-1023"):
        draft.add_node(1024)
