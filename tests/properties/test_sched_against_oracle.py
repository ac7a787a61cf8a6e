"""Does the load balancer decide what a plain reading of the 2012 kernel decides?

Random machines and random run queues; balancing after balancing on both sides, compared in moves,
their order, the order of the lists, failures and intervals.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import sched as oracle
from api.plain_queues import PlainFeatures, PlainQueues, PlainState

from numab import Machine
from numab.sched.balance import Balancer
from numab.sched.domain import build_domains, cpu_powers
from numab.topology import Node, Topology

DISTANCES = st.sampled_from([11, 16, 21, 31])
WEIGHTS = st.sampled_from([1024, 1024, 1024, 820, 15, 88761])


@st.composite
def machines(draw):
    """1 to 4 nodes of up to 4 CPUs, some of them threads of a core, some in packages."""
    threads = draw(st.sampled_from([1, 1, 2, 4]))
    per_node = draw(st.sampled_from([1, 2, 4]))
    nr_nodes = draw(st.integers(1, 4))
    packages = draw(st.integers(1, 2))
    nodes = []
    for nid in range(nr_nodes):
        cpus = tuple(range(nid * per_node, (nid + 1) * per_node))
        nodes.append(Node(nid, cpus, 1 << 20, tuple(c // threads * threads for c in cpus),
                          tuple(100 + c % packages for c in cpus)))
    table = np.full((nr_nodes, nr_nodes), 10)
    for a in range(nr_nodes):
        for b in range(a):
            table[a, b] = table[b, a] = draw(DISTANCES)
    return Topology(nodes, table)


def reading(topology):
    cpus = list(topology.cpus)
    node_of = {cpu: topology.node_of_cpu(cpu) for cpu in cpus}
    core_of = {cpu: topology.core_of(cpu) for cpu in cpus}
    package_of = {cpu: topology.package_of(cpu) for cpu in cpus}
    return cpus, node_of, core_of, package_of, topology.distance.tolist()


@settings(deadline=None)
@given(machines())
def test_domains(topology):
    expected, power = oracle.build(*reading(topology))
    found = build_domains(topology)
    assert cpu_powers(topology).tolist() == [power[cpu] for cpu in topology.cpus]
    for cpu in topology.cpus:
        assert len(found[cpu]) == len(expected[cpu])
        for ours, theirs in zip(found[cpu], expected[cpu]):
            kind = ours.kind
            assert theirs["name"].startswith(kind.name)
            assert list(ours.span) == theirs["span"]
            assert [list(g.cpus) for g in ours.groups] == [g["cpus"] for g in theirs["groups"]]
            assert [g.power for g in ours.groups] == [g["power"] for g in theirs["groups"]]
            assert [set(g.mask) for g in ours.groups] == [g["mask"] for g in theirs["groups"]]
            assert ours.prefer_sibling == bool(
                theirs["child"] and "sibling" in theirs["child"]["flags"])
            numbers = (kind.imbalance_pct, kind.busy_factor, kind.min_interval, kind.max_interval,
                       kind.cache_nice_tries, kind.busy_idx, kind.idle_idx, kind.newidle_idx)
            assert numbers == tuple(theirs[key] for key in (
                "pct", "factor", "min", "max", "tries", "busy_idx", "idle_idx", "newidle_idx"))


class Pair:
    """Both sides over the same tasks."""

    def __init__(self, draw, topology):
        cpus, node_of, core_of, package_of, distance = reading(topology)
        self.domains = build_domains(topology)
        self.their_domains, power = oracle.build(cpus, node_of, core_of, package_of, distance)
        features = PlainFeatures(*(draw(st.integers(0, 7)) < 6 for _ in range(3)))
        self.world = oracle.World(cpus, node_of, distance, power, {
            "preferred": features.homenode_preferred, "pull": features.homenode_pull,
            "bias": features.homenode_pull_bias})
        self.queues = PlainQueues(len(cpus), node_of, cpu_powers(topology))
        self.states = {(c, d.level): PlainState(d.kind.min_interval)
                       for c, chain in self.domains.items() for d in chain}
        self.balancer = Balancer(self.domains, self.queues, features,
                                 [node_of[c] for c in cpus], distance,
                                 lambda cpu, level: self.states[cpu, level])
        self.cpus = cpus
        tid = 1
        crowded = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 5] if draw(st.booleans()) else [2, 2, 3])
        for cpu in cpus:
            for _ in range(draw(crowded)):
                self.add(draw, tid, cpu, topology.nids)
                tid += 1

    def add(self, draw, tid, cpu, nids):
        pinned = draw(st.integers(0, 5)) == 0
        task = {
            "tid": tid, "weight": draw(WEIGHTS), "home": draw(st.sampled_from([-1, *nids])),
            "ran": draw(st.sampled_from([10**9, 10**9 - 499_999, 10**9 - 500_000, 0, 0, 0])),
            "cpus": draw(st.sets(st.sampled_from(self.cpus), min_size=1)) if pinned
            else set(self.cpus),
        }
        task["cpus"] = task["cpus"] | {cpu}
        self.queues.put(dict(task), cpu)
        self.world.put(dict(task), cpu)
        if draw(st.booleans()):
            self.queues.rqs[cpu].curr = self.world.curr[cpu] = tid

    def set_past(self, draw):
        for cpu in self.cpus:
            past = [draw(st.sampled_from([0, 512, 1024, 2048, 5000])) for _ in range(5)]
            self.queues.set_past(cpu, past)
            self.world.past[cpu][:5] = past

    def balance(self, cpu, level, idle):
        domain, theirs = self.domains[cpu][level], self.their_domains[cpu][level]
        before = len(self.queues.moves)
        ours = self.balancer.load_balance(domain, idle)
        assert ours == oracle.load_balance(self.world, self.their_domains, theirs, idle)
        state = self.states[cpu, level]
        assert self.queues.moves[before:] == self.world.moves[before:]
        assert (state.nr_balance_failed, state.balance_interval_ms) == (
            theirs["failed"], theirs["interval"])
        for at in self.cpus:
            assert self.queues.lists[at, 0] == [t["tid"] for t in self.world.cfs[at]]
            assert self.queues.lists[at, 1] == [t["tid"] for t in self.world.off[at]]


@settings(deadline=None)
@given(st.data(), machines())
def test_balancing(data, topology):
    pair = Pair(data.draw, topology)
    if data.draw(st.booleans()):
        pair.set_past(data.draw)
    for _ in range(4):
        cpu = data.draw(st.sampled_from(pair.cpus))
        if pair.domains[cpu]:
            level = data.draw(st.integers(0, len(pair.domains[cpu]) - 1))
            idle = data.draw(st.sampled_from(
                [0, 2] if not pair.queues.rqs[cpu].nr_running else [1, 1, 1, 0, 2]))
            for _ in range(data.draw(st.integers(1, 7))):  # failures add up
                pair.balance(cpu, level, idle)


@settings(deadline=None)
@given(st.data(), machines())
def test_waking(data, topology):
    """One sleeps on each CPU of a few, some beside tasks that run; each wakes where the oracle
    says, one after the other."""
    chains, _ = oracle.build(*reading(topology))
    machine = Machine(topology, policy="off", sched="2012")
    cpus, some_cpu = list(topology.cpus), st.sampled_from(topology.cpus)
    running = dict.fromkeys(cpus, 0)
    for cpu in data.draw(st.lists(some_cpu, max_size=2 * len(cpus))):
        machine.process(cpu)
        running[cpu] += 1
    sleepers = []
    for cpu in data.draw(st.lists(some_cpu, min_size=1, max_size=8)):
        task = machine.process(cpu).main
        allowed = data.draw(st.one_of(st.none(), st.sets(some_cpu, min_size=1)))
        if allowed is not None:
            task.set_affinity(sorted(allowed | {cpu}))
        task.sleep()
        sleepers.append((task, cpu, set(cpus) if allowed is None else allowed | {cpu}))
    for task, prev, allowed in sleepers:
        task.wake()
        expected = oracle.select_idle_sibling(chains[prev], running, prev, allowed)
        assert task.info().cpu == expected
        running[expected] += 1
    assert machine.rqs["nr_running"].tolist() == [running[cpu] for cpu in cpus]
    machine.check()
