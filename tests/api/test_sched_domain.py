"""Sched domains: the levels, spans, groups and numbers of Linux 3.7, worked out by hand."""

from __future__ import annotations

import pytest

from numab.sched.domain import build_domains, cpu_powers
from numab.sched.flags import (
    SD_BALANCE_EXEC, SD_BALANCE_FORK, SD_LOAD_BALANCE, SD_NUMA, SD_OVERLAP, SD_PREFER_SIBLING,
    SD_SERIALIZE, SD_SHARE_CPUPOWER, SD_SHARE_PKG_RESOURCES, SD_WAKE_AFFINE,
)
from numab.topology import Node, Topology


def shape(domains):
    return [(d.kind.name, len(d.span), len(d.ring)) for d in domains]


def test_levels_of_presets():
    """SMT pairs, the package, the node, and a level for each distance.

    A level that adds nothing goes, except that CPU stays above MC: it has SD_PREFER_SIBLING, which
    MC has not.
    """
    assert shape(build_domains(Topology.load("tiny"))[0]) == [("NUMA", 2, 2)]
    assert shape(build_domains(Topology.load("1s"))[0]) == [("MC", 8, 8)]
    assert shape(build_domains(Topology.load("2s-smt"))[0]) == [
        ("SIBLING", 2, 2), ("MC", 16, 8), ("CPU", 16, 1), ("NUMA", 32, 2)]
    assert shape(build_domains(Topology.load("8s"))[0]) == [
        ("MC", 8, 8), ("CPU", 8, 1), ("NUMA", 32, 4), ("NUMA", 64, 4)]


def test_numbers_of_each_level():
    smt, mc, cpu, numa = build_domains(Topology.load("2s-smt"))[0]
    rows = [(d.kind.imbalance_pct, d.kind.busy_factor, d.kind.min_interval, d.kind.max_interval,
             d.kind.cache_nice_tries) for d in (smt, mc, cpu, numa)]
    assert rows == [(110, 64, 1, 2, 0), (125, 64, 1, 4, 1), (125, 64, 1, 4, 1),
                    (125, 32, 32, 64, 2)]
    near = SD_BALANCE_EXEC | SD_BALANCE_FORK | SD_WAKE_AFFINE
    for domain in (smt, mc, cpu, numa):
        assert domain.flags & SD_LOAD_BALANCE and domain.flags & near == near
    assert smt.flags & SD_SHARE_CPUPOWER and mc.flags & SD_SHARE_PKG_RESOURCES
    assert cpu.flags & SD_PREFER_SIBLING and numa.prefer_sibling and not mc.prefer_sibling
    assert numa.flags & (SD_NUMA | SD_OVERLAP | SD_SERIALIZE) == SD_NUMA | SD_OVERLAP | SD_SERIALIZE
    assert SD_NUMA == 0x4000


def test_beyond_reclaim_distance_nothing_is_started():
    """31 is farther than RECLAIM_DISTANCE (30): no balancing at fork and exec there."""
    near, far = build_domains(Topology.load("4s"))[0][-2:]
    assert near.flags & SD_BALANCE_FORK and not far.flags & (SD_BALANCE_FORK | SD_WAKE_AFFINE)


def test_ring_overlaps():
    """
    node 0 -- 1        21 a hop, 31 across.  CPUs 0-7, 8-15, 16-23, 24-31.
         |    |
         3 -- 2        Expect for node 0: {0} {1} {3}, then {3,0,1} {1,2,3}.
    """
    domains = build_domains(Topology.load("4s"))

    def nodes(domain):
        return [sorted({cpu // 8 for cpu in group.cpus}) for group in domain.groups]

    assert nodes(domains[0][-2]) == [[0], [1], [3]]
    assert nodes(domains[0][-1]) == [[0, 1, 3], [1, 2, 3]]
    # Node 2 asks in its turn, and stands in its own group.
    assert nodes(domains[16][-2]) == [[2], [3], [1]]
    assert nodes(domains[16][-1]) == [[1, 2, 3], [0, 1, 3]]
    # Node 1 is in both groups of the machine, so that it can pull from neither: 3.7's defect.
    assert sorted(domains[8][-1].local) == [0, 1]


def test_groups_start_with_their_own():
    domains = build_domains(Topology.load("2s"))
    mc = domains[3][0]
    assert [group.cpus for group in mc.groups] == [(3,), (4,), (5,), (6,), (7,), (0,), (1,), (2,)]
    assert [group.balance_cpu for group in domains[9][-1].groups] == [8, 0]


def test_star_whose_centre_needs_one_level_less():
    """
    1 -- 0 -- 2     node 0 reaches everything at 20 and has no level of 30; at that level only
                    nodes 1 and 2 ask, and only their CPUs may balance.
    """
    topology = Topology([Node(n, (n,), 1 << 20) for n in range(3)],
                        [[10, 20, 20], [20, 10, 30], [20, 30, 10]])
    domains = build_domains(topology)
    assert shape(domains[0]) == [("NUMA", 3, 3)]
    assert shape(domains[1]) == [("NUMA", 2, 2), ("NUMA", 3, 2)]
    top = domains[1][-1]
    assert [(g.cpus, set(g.mask)) for g in top.groups] == [((0, 1), {1}), ((0, 2), {2})]


def test_nodes_without_cpus_are_no_level():
    assert shape(build_domains(Topology.load("hbm"))[0]) == [("MC", 16, 16)]
    assert shape(build_domains(Topology.load("cxl"))[0])[-1] == ("NUMA", 16, 2)


def test_power():
    """Threads share 1178: 589 each of two, 294 each of four."""
    assert set(cpu_powers(Topology.load("2s")).tolist()) == {1024}
    assert set(cpu_powers(Topology.load("2s-smt")).tolist()) == {589}
    assert set(cpu_powers(Topology.load("numa:1 core:2 pu:4")).tolist()) == {294}
    numa = build_domains(Topology.load("2s-smt"))[0][-1]
    assert [(g.power, g.capacity) for g in numa.groups] == [(9424, 9), (9424, 9)]


def test_cores_and_packages_that_are_not_known():
    topology = Topology([Node(0, (0, 1), 1 << 20), Node(1, (2, 3), 1 << 20)], [[10, 20], [20, 10]])
    assert shape(build_domains(topology)[0]) == [("MC", 2, 2), ("CPU", 2, 1), ("NUMA", 4, 2)]


@pytest.mark.parametrize("text, levels", [
    ("numa:16 core:32 pu:2", 4),
    ("numa:64 core:16", 3),
])
def test_large_machines(text, levels):
    domains = build_domains(Topology.load(text))
    assert len(domains) == 1024
    assert all(len(chain) == levels for chain in domains.values())
