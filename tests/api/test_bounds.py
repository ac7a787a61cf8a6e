"""numab.bounds: shares of the machine become nodes and CPUs."""

from __future__ import annotations

import pytest

from numab import InvalidArgument, Topology
from numab.bounds import bound_cpus, check_run_policy, memory_nodes_of, nodes_of
from numab.report.ftrace import kind_names
from numab.synthetic import LoadJob
from numab.tracing import record
from numab.workloads import Share, load_named

FOUR = Topology.load("4s")


@pytest.mark.parametrize("share, nodes, inverse", [
    (Share(), [0, 1, 2, 3], [3, 2, 1, 0]), (Share(0, 1, 2), [0, 1], [3, 2]),
    (Share(1, 1, 2), [2, 3], [1, 0]), (Share(0, 1, 4), [0], [3]), (Share(3, 1, 4), [3], [0]),
    (Share(5, 1, 8), [2], [1]),            # the sixth of eight lies in the third node
    (Share(1, 1, 3), [1, 2], [2, 1]),      # a third of four nodes reaches over two
])
def test_shares_of_four_nodes(share, nodes, inverse):
    assert nodes_of(share, FOUR) == nodes
    assert memory_nodes_of(share, "hard_bind", FOUR) == nodes
    assert memory_nodes_of(share, "inverse_bind", FOUR) == inverse


def test_threads_get_the_least_used_cpu_of_their_share():
    """numa02 with 8 threads on 4 nodes of 8 CPUs: two a node; numa01's halves fill two nodes."""
    topology = Topology.load("4s")
    cpus = bound_cpus(load_named("numa02", 8, 80), topology)
    assert [topology.node_of_cpu(c) for c in cpus] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(set(cpus)) == 8
    cpus = bound_cpus(load_named("numa01", 8, 80), topology)
    assert {topology.node_of_cpu(c) for c in cpus[:4]} <= {0, 1}
    assert {topology.node_of_cpu(c) for c in cpus[4:]} <= {2, 3}


def test_one_node_has_no_bounds():
    one = Topology.load("numa:1 core:4 pu:1 mem:1GiB")
    with pytest.raises(InvalidArgument, match="nodes with CPUs and memory: 1, permitted: 2"):
        bound_cpus(load_named("numa02", 4, 40), one)


def test_names_of_policies_and_bounds():
    for name in ("off", "home_node", "hard_bind", "inverse_bind"):
        assert check_run_policy(name) == name
    for name, said in (("hard_bin", "nearest: hard_bind"), ("home_nod", "nearest: home_node"),
                       ("qqqq", "permitted: off, .*inverse_bind"), (3, "permitted: off|3")):
        with pytest.raises(InvalidArgument, match=said):
            check_run_policy(name)


def nodes_run_on(policy):
    """By task of a crowded server on two nodes: the node it began on, and those it has run on;
    and how often tasks were moved."""
    made = record(LoadJob("server", "2s", 96, 8192, policy, work_ns=100_000_000,
                          duration_ns=10**12, sched="2012"), ["sched"])
    kinds, moves = kind_names(), 0
    ran = {tid: {made.cpus[cpu]} for tid, cpu in made.start_cpus.items()}
    for e in made.events:
        kind = kinds[int(e["kind"])]
        if kind == "switch" and e["tid"]:
            ran[int(e["tid"])].add(made.cpus[int(e["cpu"])])
        moves += kind == "sched_move"
    return {tid: (made.cpus[cpu], ran[tid]) for tid, cpu in made.start_cpus.items()}, moves


@pytest.mark.parametrize("bound", ["hard_bind", "inverse_bind"])
def test_the_load_balancer_moves_bound_threads_within_their_nodes(bound):
    """96 tasks on 16 CPUs, half of them bound to each node.  Expect: there is balancing, no task
    ever runs on the other node, and without a bound (the last line) some do."""
    tasks, moves = nodes_run_on(bound)
    assert moves > 0
    assert all(ran == {nid} for nid, ran in tasks.values())
    assert [sum(nid == n for nid, _ in tasks.values()) for n in (0, 1)] == [48, 48]
    assert any(ran == {0, 1} for _, ran in nodes_run_on("off")[0].values())
