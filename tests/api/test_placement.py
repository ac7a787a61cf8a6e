"""numab.placement: threads to CPUs, pages to nodes."""

from __future__ import annotations

import numpy as np
import pytest

from numab import InvalidArgument, Node, Topology
from numab.placement import (
    best_static_nids, best_static_remote_share, check_start, cpus_for_threads, start_nids,
)

TWO = Topology.load("2s")  # CPUs 0..7 and 8..15
#: Nodes 0 and 1 have CPUs, 0 and 5 have memory; 5 is nearer to 1.
ODD = Topology(
    (Node(0, (0, 1), 1 << 20), Node(1, (4,), 0), Node(5, (), 1 << 20)),
    [[10, 20, 30], [20, 10, 15], [30, 15, 10]],
)


@pytest.mark.parametrize("place, cpus", [
    ("spread", [0, 8, 1, 9]), ("pack", [0, 1, 2, 3]), ("5", [5] * 4), ("9,2", [9, 2, 9, 2]),
    ("6-8", [6, 7, 8, 6]), ("fork", [0, 9, 1, 10]), (" 3 , 12-13", [3, 12, 13, 3]),
])
def test_cpus_for_threads(place, cpus):
    assert cpus_for_threads(place, [0.25] * 4, TWO) == cpus


def test_idle_threads_share_the_first_cpu_and_take_no_turn():
    assert cpus_for_threads("spread", [0.5, 0.009, 0.01, 0.4], TWO) == [0, 0, 8, 1]


def test_nodes_of_different_sizes_and_more_threads_than_cpus():
    assert cpus_for_threads("spread", [1] * 5, ODD) == [0, 4, 1, 0, 4]
    assert cpus_for_threads("pack", [1] * 4, ODD) == [0, 1, 4, 0]
    assert cpus_for_threads("spread", [], ODD) == []


def test_fork_does_not_reach_beyond_the_reclaim_distance():
    """A ring of four nodes, 31 to the one opposite: who forks on node 0 fills nodes 0, 1 and 3."""
    ring = Topology.load("4s")
    assert ring.distance_between(0, 2) > 30 >= ring.distance_between(0, 1)
    cpus = cpus_for_threads("fork", [1] * 32, ring)
    assert cpus[0] == 0 and {ring.node_of_cpu(cpu) for cpu in cpus} == {0, 1, 3}
    assert sorted(set(cpus)) == [*range(16), *range(24, 32)]


@pytest.mark.parametrize("place", [
    "", "x", "16", "1-", "-1", "3-2", "1,,2", "1.5", 5, None, "\u00b2", "9" * 5000, "0-999999999",
])
def test_places_that_are_none(place):
    with pytest.raises(InvalidArgument):
        cpus_for_threads(place, [1.0], TWO)


def test_check_start():
    for start in ("first-touch", "interleave", "worst", "node:5", "node:0"):
        assert check_start(start, ODD) == start
    with pytest.raises(InvalidArgument, match="node 1 has no memory; nodes with memory: 0, 5"):
        check_start("node:1", ODD)
    for start in ("", "node", "node:", "node:x", "node:-1", "5", "Worst", None, 5, "best-static"):
        with pytest.raises(InvalidArgument, match="permitted: first-touch, node:N"):
            check_start(start, ODD)


def test_start_nids():
    first, main = np.array([0, 0, 1, 0]), np.array([0, 1, 1, 0])
    assert start_nids("first-touch", ODD, first, main).tolist() == [0, 0, 1, 0]
    assert start_nids("node:5", ODD, first, main).tolist() == [5] * 4
    assert start_nids("interleave", ODD, first, main).tolist() == [0, 5, 0, 5]
    assert start_nids("worst", ODD, first, main).tolist() == [5, 0, 0, 5]


def test_best_static_goes_where_it_costs_least():
    """page 0: 10 lines from node 0; page 1: 10 from node 1 (no memory: 20 to 0, 15 to 5);
    page 2: 9 lines from 1 and 10 from 0: at 0 it costs 280, at 5 435."""
    page, nid = np.array([0, 1, 2, 2]), np.array([0, 1, 0, 1])
    lines = np.array([10, 10, 10, 9])
    assert best_static_nids(ODD, page, nid, lines, 3).tolist() == [0, 5, 0]


def test_best_static_remote_share_counts_what_stays_remote():
    page, nid, accesses = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([60, 20, 20])
    assert best_static_remote_share(TWO, page, nid, accesses, 2) == pytest.approx(0.2)
    assert best_static_remote_share(TWO, page[:0], nid[:0], accesses[:0], 2) == 0.0
