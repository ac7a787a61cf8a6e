"""Machine(sched=): the load balancer at work on a machine's own queues."""

from __future__ import annotations

import pytest

from numa_core import ffi, lib
from numab import InvalidArgument, Machine, Node, Topology
from numab.sched import Scheduler, build_domains, scheduler_of

VPN, PAGE, MS = 0x10000, 4096, 1_000_000


def topology(nodes=2, per_node=2, threads=1):
    """CPUs in order of nodes; ``threads`` neighbours share a core."""
    rows = []
    for nid in range(nodes):
        cpus = tuple(range(nid * per_node, (nid + 1) * per_node))
        rows.append(Node(nid, cpus, 1 << 26, tuple(c // threads * threads for c in cpus)))
    return Topology(rows, [[10 if a == b else 20 for b in range(nodes)] for a in range(nodes)])


class Crowd:
    """A process whose tasks all run for ever, started on given CPUs."""

    def __init__(self, cpus, *, topo=None, sched="2012", **words):
        self.m = Machine(topo or topology(), policy="off", sched=sched,
                         tunables={"zero_page": 0}, **words)
        p = self.m.process(cpus[0])
        p.mmap(VPN * PAGE, PAGE)
        self.tasks = [p.main] + [p.main.clone(cpu) for cpu in cpus[1:]]
        for task in self.tasks:
            task.feed_pattern("sweep", VPN, 1, reads=1)

    def run(self, ms):
        self.m.run(self.m.now_ns + ms * MS)
        self.m.check()

    def cpus(self):
        return [task.info().cpu for task in self.tasks]

    def loads(self):
        return self.m.rqs["nr_running"].tolist()


def test_without_a_scheduler_tasks_stay():
    crowd = Crowd([0, 0, 0, 0], sched=None)
    crowd.run(1000)
    assert crowd.cpus() == [0, 0, 0, 0]
    assert lib.numab_domain_state(crowd.m._h.m, 0, 0) == ffi.NULL


def test_four_tasks_of_one_cpu_spread_over_four():
    """The MC level sees the idle CPU next door at once, the NUMA level after 4 ms and more."""
    crowd = Crowd([0, 0, 0, 0])
    crowd.run(12)
    assert crowd.loads()[1] >= 1
    crowd.run(500)
    assert crowd.loads() == [1, 1, 1, 1]


def test_everybody_gets_the_same_share_in_the_end():
    """Six tasks, three CPUs: two each.  Run times then differ by slices, not by a factor."""
    crowd = Crowd([0] * 6, topo=topology(1, 3))
    crowd.run(200)
    assert crowd.loads() == [2, 2, 2]
    before = [task.info().sum_exec_ns for task in crowd.tasks]
    crowd.run(1200)
    ran = [task.info().sum_exec_ns - t for task, t in zip(crowd.tasks, before)]
    assert all(abs(ms / MS - 600) < 60 for ms in ran)


def test_threads_of_a_core_are_the_last_to_be_shared():
    """Two cores of two threads, two tasks on one core: one moves to the other core."""
    crowd = Crowd([0, 1], topo=topology(1, 4, threads=2))
    crowd.run(400)
    assert sorted(cpu // 2 for cpu in crowd.cpus()) == [0, 1]


def test_pinned_tasks_stay():
    crowd = Crowd([0, 0, 0])
    for task in crowd.tasks[:2]:
        task.set_affinity([0])
    crowd.run(500)
    assert crowd.cpus()[:2] == [0, 0] and crowd.cpus()[2] != 0


def test_the_list_of_those_off_their_home_is_pulled_first():
    """
    CPU 0 runs a; b (home: node 1) and c wait, c came last.  CPUs 1 and 2 have one task each that
    cannot move.  After 4 ms CPU 3 pulls one.  Expect: b, of the off-node list; without
    NUMA_HOMENODE_PULL nobody looks at that list, and c goes.
    """
    for feature, who in (("NUMA_HOMENODE_PULL", 1), ("NO_NUMA_HOMENODE_PULL", 2)):
        crowd = Crowd([0, 0, 0, 1, 2])
        crowd.m.sched_features = feature
        crowd.tasks[1].set_home(1)
        for task, cpu in zip(crowd.tasks[3:], (1, 2)):
            task.set_affinity([cpu])
        crowd.run(4)
        assert [i for i in range(3) if crowd.cpus()[i] == 3] == [who]


def test_balanced_nodes_trade_tasks_off_their_homes():
    """
    node 0   nice 1, nice 0, both at home on node 1       1844 against 2048: within 25 %
    node 1   nice 0, nice 0, both at home on node 0

    Expect: balanced, so that nobody moves; with the bias all come home.  Equal loads would leave
    through an exit that does not ask the bias (patch 28).
    """
    def at_home(feature, nice=1):
        crowd = Crowd([0, 0, 1, 1], topo=topology(2, 1))
        crowd.m.sched_features = feature
        crowd.tasks[0].nice = nice
        for task, home in zip(crowd.tasks, (1, 1, 0, 0)):
            task.set_home(home)
        crowd.run(3000)
        return sum(task.info().nid == task.info().home_nid for task in crowd.tasks)

    assert at_home("NO_NUMA_HOMENODE_PULL_BIAS") == 0
    assert at_home("NUMA_HOMENODE_PULL_BIAS") == 4
    assert at_home("NUMA_HOMENODE_PULL_BIAS", nice=0) == 0


def test_who_wakes_beside_a_running_task_looks_for_a_whole_idle_core():
    """
    node 0: cores {0, 1} and {2, 3} and {4, 5}; tasks run on 0 and 2, a third slept on 0.

    It wakes by its timer on 4: core {2, 3} is not wholly idle, and 1 comes after whole cores.  With
    a task on 4 too there is no such core, and it takes 1.  Node 1 shares no cache.
    """
    for busy, expected in (((0, 2), 4), ((0, 2, 4), 1), ((0, 1, 2, 3, 4, 5), 0)):
        crowd = Crowd([0, *busy], topo=topology(2, 6, threads=2))
        crowd.tasks[0].sleep(5 * MS)
        for task, cpu in zip(crowd.tasks[1:], busy):
            task.set_affinity([cpu])
        crowd.run(12)
        assert crowd.cpus() == [expected, *busy]


def test_without_domains_who_wakes_stays():
    crowd = Crowd([0, 0], sched=None)
    crowd.tasks[1].sleep(5 * MS)
    crowd.run(20)
    assert crowd.cpus() == [0, 0]


def test_the_slicing_of_a_run_changes_nothing():
    def run(step):
        crowd = Crowd([0] * 5 + [3])
        crowd.tasks[1].nice = 5
        crowd.tasks[2].sleep(300 * MS)
        for until in range(step, 1000 + step, step):
            crowd.m.run(min(until, 1000) * MS)
        return [task.info() for task in crowd.tasks]

    assert run(1000) == run(7) == run(4)


def test_balancing_does_not_enter_python():
    """Tasks without home nodes: there is nothing to trade, whatever moves."""
    crowd = Crowd([0] * 9, topo=topology(2, 4))
    calls = []
    crowd.m._h.balance = lambda lb: calls.append(lb) or 0
    crowd.run(1000)
    assert sum(task.info().cpu >= 4 for task in crowd.tasks) in (4, 5)
    assert calls == []


def test_the_domains_in_the_core_are_those_of_the_topology():
    m = Machine("2s-smt", sched=Scheduler(preempt=True))
    for cpu, chain in build_domains(m.topology).items():
        for domain in chain:
            state = lib.numab_domain_state(m._h.m, cpu, domain.level)
            assert state.balance_interval_ms == domain.kind.min_interval
        assert lib.numab_domain_state(m._h.m, cpu, len(chain)) == ffi.NULL


def test_what_sched_takes():
    assert scheduler_of(None) is None and scheduler_of("2012") == Scheduler()
    for bad in ("2013", 5, True, Scheduler):
        with pytest.raises(InvalidArgument, match="sched .*permitted: None, '2012'"):
            Machine("2s", sched=bad)
    with pytest.raises(InvalidArgument, match="preempt"):
        Scheduler(preempt=2)
