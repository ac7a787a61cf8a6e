"""Does the load balancer decide what a plain reading of the 2012 kernel decides?

Random machines and random run queues; balancing after balancing on both sides, compared in moves,
their order, the order of the lists, failures and intervals.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import sched as oracle
from api.queued import Queued

from numa_core import lib
from numab import Machine
from numab.sched import select_task_rq
from numab.sched.domain import build_domains, cpu_powers
from numab.sched.flags import SD_BALANCE_EXEC, SD_BALANCE_FORK
from numab.topology import Node, Topology

DISTANCES = st.sampled_from([11, 16, 21, 31])
NICE = st.sampled_from([0, 0, 0, 1, 19, -20])


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


FEATURES = ("preferred", "pull", "bias")
TUNABLES = ("numa_homenode_preferred", "numa_homenode_pull", "numa_homenode_pull_bias")


class Pair:
    """A machine and the oracle over the same tasks."""

    def __init__(self, draw, topology):
        cpus, node_of, core_of, package_of, distance = reading(topology)
        self.draw, self.cpus = draw, cpus
        chains, power = oracle.build(cpus, node_of, core_of, package_of, distance)
        on = [draw(st.integers(0, 7)) < 6 for _ in TUNABLES]
        preempt, by_lot = draw(st.integers(0, 3)) == 0, draw(st.booleans())
        self.world = oracle.World(cpus, node_of, distance, power,
                                  {**dict(zip(FEATURES, on)), "preempt": preempt, "random": by_lot})
        self.queued = Queued(topology, preempt=preempt, random_offnode=int(by_lot),
                             **dict(zip(TUNABLES, map(int, on))),
                             since=draw(st.sampled_from([499_999, 500_000, 10**9])))
        self.chains = chains
        crowded = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 5] if draw(st.booleans()) else [2, 2, 3])
        for cpu in cpus:
            self.add(cpu, draw(crowded), topology.nids)
        self.queued.build()
        self.read()

    def add(self, cpu, n, nids):
        """The first may run, the last may be hot."""
        draw = self.draw
        for i in range(n):
            allowed = None
            if draw(st.integers(0, 5)) == 0:
                allowed = tuple(sorted(
                    draw(st.sets(st.sampled_from(self.cpus), min_size=1)) | {cpu}))
            self.queued.put(
                cpu, nice=draw(NICE), home=draw(st.sampled_from([-1, *nids])), cpus=allowed,
                runs=i == 0 and draw(st.booleans()),
                hot=0 < i == n - 1 and draw(st.booleans()))

    def read(self):
        """The oracle gets the machine's tasks, lists and who runs."""
        q, world = self.queued, self.world
        self.known = {}
        for i, spec in enumerate(q.specs):
            self.known[i] = {"tid": i, "weight": q.tasks[i].info().weight, "home": spec.home,
                             "cpus": set(spec.cpus or self.cpus)}
        for cpu in self.cpus:
            world.cfs[cpu], world.off[cpu] = (
                [self.known[i] for i in those] for those in q.lists(cpu))
            world.curr[cpu] = q.curr(cpu)
        averages = None
        if self.draw(st.booleans()):
            averages = {cpu: [self.draw(st.sampled_from([0, 512, 1024, 2048, 5000]))
                              for _ in range(5)] for cpu in self.cpus}
        q.set_past(averages)
        for cpu in self.cpus:
            world.past[cpu][:5] = list(lib.numab_rqs(q.h.m)[cpu].cpu_load)

    def balance(self, cpu, level, idle):
        q, world, theirs = self.queued, self.world, self.chains[cpu][level]
        if self.draw(st.integers(0, 3)) == 0:
            q.m.set_now(q.m.now_ns + 500_000)
        world.now = q.m.now_ns
        for i, task in self.known.items():
            task["ran"] = q.tasks[i].info().last_ran_ns
        before = len(world.moves)
        answer = q.balance(cpu, idle, level)
        moved, turn = oracle.load_balance(world, self.chains, theirs, idle)
        assert answer == (lib.NUMAB_BALANCE_MOVED if moved else 0) | (
            0 if turn else lib.NUMAB_BALANCE_STOP)
        assert q.moves() == [move for move in world.moves[before:] if move[1] != move[2]]
        state = q.state(cpu, level)
        assert (state.nr_balance_failed, state.balance_interval_ms) == (
            theirs["failed"], theirs["interval"])
        for at in self.cpus:
            assert q.lists(at) == tuple(
                [task["tid"] for task in lists[at]] for lists in (world.cfs, world.off))
            assert q.curr(at) == world.curr[at]


@settings(deadline=None)
@given(st.data(), machines())
def test_balancing(data, topology):
    pair = Pair(data.draw, topology)
    for _ in range(4):
        cpu = data.draw(st.sampled_from(pair.cpus))
        if pair.chains[cpu]:
            level = data.draw(st.integers(0, len(pair.chains[cpu]) - 1))
            idle = data.draw(st.sampled_from(
                [0, 2] if not pair.world.all(cpu) else [1, 1, 1, 0, 2]))
            for _ in range(data.draw(st.integers(1, 7))):  # failures add up
                pair.balance(cpu, level, idle)


@settings(deadline=None)
@given(st.data(), machines())
def test_waking(data, topology):
    """Some sleep, some run beside them; the sleepers wake by their timer or by one that runs, where
    the oracle says, one after the other."""
    chains, power = oracle.build(*reading(topology))
    machine = Machine(topology, policy="off", sched="2012")
    cpus, some_cpu = list(topology.cpus), st.sampled_from(topology.cpus)
    weights, runners, sleepers = {cpu: [] for cpu in cpus}, [], []
    for cpu in data.draw(st.lists(some_cpu, min_size=1, max_size=2 * len(cpus))):
        task = machine.process(cpu).main
        task.set_nice(data.draw(NICE))
        weights[cpu].append(task.info().weight)
        runners.append(task)
    for cpu in data.draw(st.lists(some_cpu, min_size=1, max_size=8)):
        task = machine.process(cpu).main
        task.set_nice(data.draw(NICE))
        allowed = data.draw(st.one_of(st.none(), st.sets(some_cpu, min_size=1)))
        if allowed is not None:
            task.set_affinity(sorted(allowed | {cpu}))
        task.sleep()
        sleepers.append((task, cpu, set(cpus) if allowed is None else allowed | {cpu}))
    for task, prev, allowed in sleepers:
        waker = data.draw(st.one_of(st.none(), st.sampled_from(runners)))
        task.wake(by=waker)
        expected = oracle.wake_cpu(chains, power, weights, task.info().weight, prev,
                                   prev if waker is None else waker.info().cpu, allowed)
        assert task.info().cpu == expected
        weights[expected].append(task.info().weight)
    assert machine.rqs["load_weight"][cpus].tolist() == [sum(weights[cpu]) for cpu in cpus]
    machine.check()


@settings(deadline=None)
@given(st.data(), machines())
def test_forking_and_execing(data, topology):
    """Task after task is put where fork puts it, each weighing on those that come later."""
    chains, _ = oracle.build(*reading(topology))
    domains, cpus = build_domains(topology), list(topology.cpus)
    weight, some_cpu = st.sampled_from([0, 0, 15, 335, 1024, 88761]), st.sampled_from(cpus)
    load = [data.draw(weight) if cpu in cpus else 0 for cpu in range(max(cpus) + 1)]
    parent = data.draw(some_cpu)
    for _ in range(data.draw(st.integers(1, 3 * len(cpus)))):
        allowed = sorted(data.draw(st.one_of(st.just(set(cpus)), st.sets(some_cpu, min_size=1))))
        kind, flag = data.draw(st.sampled_from([
            ("fork", SD_BALANCE_FORK), ("exec", SD_BALANCE_EXEC)]))
        found = select_task_rq(domains, load, parent, allowed, flag)
        assert found == oracle.select_task_rq(chains, load, parent, allowed, kind)
        load[found] += 1024
