"""CPU follows memory: who should exchange homes with whom, and that the balancer brings them there.

Tasks get their statistics by real hinting faults: on a node's CPU, a task that hints a page of that
node is credited there.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.placement import find_placement

from numa_core import ffi, lib
from numab import Machine, Node, Topology
from numab.policies.home_node import HomeNode
from numab.sched import Scheduler

VPN, PAGE, MS = 0x10000, 4096, 1_000_000


class Crowd:
    """Nodes of ``per`` CPUs; processes with a page on each node."""

    def __init__(self, nodes=2, per=1):
        rows = [Node(n, tuple(range(n * per, (n + 1) * per)), 1 << 24) for n in range(nodes)]
        table = [[10 if a == b else 20 for b in range(nodes)] for a in range(nodes)]
        self.topology = Topology(rows, table)
        self.m = Machine(self.topology, sched="2012", tunables={"zero_page": 0, "pmd_mark": 0})
        self.nodes, self.per, self.tasks = nodes, per, []

    def task(self, cpu, faults, beside=None):
        """A task on ``cpu`` with ``faults[n]`` hinting faults on node n; ``beside``: a thread of
        that one's process."""
        if beside is None:
            p = self.m.process(0)
            p.mmap(VPN * PAGE, self.nodes * PAGE)
            p.populate([VPN + n for n in range(self.nodes)], list(range(self.nodes)))
            task = p.main
        else:
            task = beside.clone(0)
        process = self.m.process_of(task.info().pid)
        for nid, n in enumerate(faults):
            task.set_cpu(nid * self.per)
            for _ in range(n):
                process.change_prot_numa((VPN + nid) * PAGE, PAGE)
                task.access((VPN + nid) * PAGE)
        task.set_cpu(cpu)
        task.feed_pattern("sweep", VPN, 1, reads=1)
        self.tasks.append(task)
        return task

    def start(self):
        """Let every CPU choose whom it runs; nothing is balanced."""
        for cpu in self.topology.cpus:
            self.m._h.check(lib.numab_set_domain(self.m._h.m, cpu, 0, ffi.NULL))
        self.m.run(self.m.now_ns + self.m.tick_ns)
        return HomeNode(self.m._h, self.topology)

    def homes(self):
        return [task.info().home_nid for task in self.tasks]


def test_the_example_of_the_specification():
    """Section G: p on node 0 with weights {200, 800}, a thread of its process on node 1 with
    {600, 400}: 400 + 600 = 1000 > 0.  Expect: they exchange homes, and stay where they are."""
    crowd = Crowd()
    p = crowd.task(0, (2, 8))
    crowd.task(1, (6, 4), beside=p)
    search = crowd.start()
    assert search.find_placement(p.tid) == (1, crowd.tasks[1].tid)
    assert crowd.homes() == [-1, -1]
    search.place(p.tid)
    assert crowd.homes() == [1, 0]
    assert [task.info().cpu for task in crowd.tasks] == [0, 1]
    assert crowd.m.rqs["offnode_running"].tolist() == [1, 1]


def test_no_exchange_when_the_other_wants_its_node_as_much():
    crowd = Crowd()
    p = crowd.task(0, (2, 8))
    crowd.task(1, (2, 8), beside=p)
    search = crowd.start()
    assert search.find_placement(p.tid) is None
    search.place(p.tid)
    assert crowd.homes() == [-1, -1]


def test_idle_cpus_and_who_may_not_run_here_are_passed_over():
    """Version 2 does not consider idle CPUs."""
    crowd = Crowd(per=2)
    p = crowd.task(0, (0, 5))
    assert crowd.start().find_placement(p.tid) is None
    other = crowd.task(2, (5, 0), beside=p)
    assert crowd.start().find_placement(p.tid) == (1, other.tid)
    other.set_affinity([2, 3])
    assert crowd.start().find_placement(p.tid) is None
    other.set_affinity(None)
    p.set_affinity([0, 1, 3])
    assert crowd.start().find_placement(p.tid) is None
    p.set_affinity(None)
    other.sleep()
    assert crowd.start().find_placement(p.tid) is None


def test_the_load_balancer_brings_them_home():
    """
    node 0   two threads that want node 1, one of nice 1     loads within 25 %
    node 1   two threads that want node 0

    Each looks for a place: homes are exchanged.  Then the bias of the NUMA level trades them.  No
    scans, so that nobody changes its mind.
    """
    crowd = Crowd()
    crowd.m.tunables["numa_balancing"] = 0
    first = crowd.task(0, (0, 9))
    for cpu, faults in ((0, (0, 9)), (1, (9, 0)), (1, (9, 0))):
        crowd.task(cpu, faults, beside=first)
    first.nice = 1
    search = crowd.start()
    for task in crowd.tasks:
        search.place(task.tid)
    assert crowd.homes() == [1, 1, 0, 0]
    Scheduler().attach(crowd.m._h, crowd.topology)
    crowd.m.run(3000 * MS)
    assert [task.info().nid for task in crowd.tasks] == [1, 1, 0, 0]


def test_candidates_by_hand():
    """p of node 0 and a thread of its process on node 1, weights {200, 800} and {600, 400} (section
    G); a process of its own on node 2, of which CPU 5 idles; whom p may not meet on CPU 3.

    The address spaces: 8 of 20 faults each on node 0 and 12 on node 1; all 5 on node 2.
    """
    crowd = Crowd(3, 2)
    p = crowd.task(0, (2, 8, 0))
    thread = crowd.task(2, (6, 4, 0), beside=p)
    other = crowd.task(4, (0, 0, 5))
    crowd.start()
    p.set_affinity([0, 2, 4, 5])
    other.set_affinity([4, 5])
    other.set_home(1)
    m, out = crowd.m._h.m, ffi.new("struct numab_candidate[]", 8)
    may_come, has_faults, wanted = (
        lib.NUMAB_CAND_MAY_COME, lib.NUMAB_CAND_HAS_FAULTS, lib.NUMAB_CAND_WANTED)
    expected = [
        (0, 0, p.tid, -1, 200, 200, 200, may_come | has_faults),
        (2, 1, thread.tid, -1, 200, 800, 400, may_come | has_faults | wanted),
        (4, 2, other.tid, 1, 400, 0, 1000, has_faults),
        (5, 2, 0, -1, 0, 0, 0, 0),
    ]

    def seen(n):
        return [(c.cpu, c.nid, c.tid, c.home_nid, c.here, c.there, c.other, c.flags)
                for c in out[0:n]]

    assert lib.numab_candidates(m, p.tid, 0, out, 8) == 4 and seen(4) == expected
    assert lib.numab_candidates(m, p.tid, wanted | may_come, out, 8) == 1
    assert seen(1) == expected[1:2]
    assert lib.numab_candidates(m, p.tid, 0, out, 0) == 4 and seen(1) == expected[1:2]
    assert lib.numab_candidates(m, p.tid, 0, ffi.NULL, 8) == 4
    assert lib.numab_candidates(m, 99, 0, out, 8) == -3


def astray(homes, per=1, nodes=3):
    """A task on the first CPU of each node, with these home nodes, swap_off_home on."""
    crowd = Crowd(nodes, per)
    crowd.m.tunables["swap_off_home"] = 1
    for nid, home in enumerate(homes):
        crowd.task(nid * per, (0,) * nodes).set_home(home)
    return crowd, crowd.start()


def test_two_off_home_change_cpus_when_none_is_idle_there():
    """The first wants node 1, whose task wants node 0: both get home, in the next tick."""
    crowd, search = astray([1, 0, 2])
    first, second, _ = crowd.tasks
    assert search.find_swap(first.tid) == second.tid
    search.place(first.tid)
    crowd.m.run(crowd.m.now_ns + crowd.m.tick_ns)
    assert [task.info().cpu for task in crowd.tasks] == [1, 0, 2]


def test_nobody_is_driven_away_from_home_or_farther_from_it():
    """
    [1, 1, 2]   the other is at home             [-1, 0, 2]  no home, nothing to look for
    [1, -1, 2]  the other has no home            [0, 1, 2]   at home already
    [1, 2, 0]   the other's home is as far from here: it may
    """
    for homes in ([1, 1, 2], [-1, 0, 2], [1, -1, 2], [0, 1, 2]):
        crowd, search = astray(homes)
        assert search.find_swap(crowd.tasks[0].tid) is None
    crowd, search = astray([1, 2, 0])
    assert search.find_swap(crowd.tasks[0].tid) == crowd.tasks[1].tid


def test_an_idle_cpu_at_home_is_left_to_the_load_balancer():
    crowd, search = astray([1, 0, 2], per=2)
    assert search.find_swap(crowd.tasks[0].tid) is None


def test_the_one_that_gets_nearest_to_its_home_is_chosen():
    """On node 1 run a task whose home is node 2 and, second, one whose home is node 0."""
    crowd = Crowd(3, 2)
    crowd.m.tunables["swap_off_home"] = 1
    for cpu, home in ((0, 1), (2, 2), (3, 0)):
        crowd.task(cpu, (0, 0, 0)).set_home(home)
    search = crowd.start()
    assert search.find_swap(crowd.tasks[0].tid) == crowd.tasks[2].tid


def test_masks_hold_and_the_switch_is_off_by_default():
    crowd, search = astray([1, 0, 2])
    first, second, _ = crowd.tasks
    second.set_affinity([1])
    assert search.find_swap(first.tid) is None
    second.set_affinity(None)
    first.set_affinity([0])
    assert search.find_swap(first.tid) is None
    first.set_affinity(None)
    crowd.m.tunables["swap_off_home"] = 0
    search.place(first.tid)
    crowd.m.run(crowd.m.now_ns + crowd.m.tick_ns)
    assert [task.info().cpu for task in crowd.tasks] == [0, 1, 2]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_search_is_that_of_the_specification(data):
    """Random threads of two processes on six CPUs of three nodes, random masks, some idle CPUs."""
    crowd = Crowd(3, 2)
    firsts, theirs = [], []
    for cpu in data.draw(st.lists(st.integers(0, 5), min_size=2, max_size=8)):
        faults = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
        mine = data.draw(st.integers(0, 1))
        task = crowd.task(cpu, faults, beside=firsts[mine] if mine < len(firsts) else None)
        if mine >= len(firsts):
            firsts.append(task)
        theirs.append(dict(tid=task.tid, cpu=cpu, faults=dict(enumerate(faults)), tot=sum(faults)))
    for task in theirs:  # not sooner: threads inherit
        if data.draw(st.booleans()):
            crowd.m.task(task["tid"]).set_affinity(
                data.draw(st.sets(st.integers(0, 5), max_size=3)) | {task["cpu"]})
        task["cpus"] = set(crowd.m.task(task["tid"]).affinity)
    search = crowd.start()
    for task in theirs:
        task["pid"] = crowd.m.task(task["tid"]).info().pid
    for task in theirs:
        family = [t for t in theirs if t["pid"] == task["pid"]]
        task["mm_faults"] = {n: sum(t["faults"][n] for t in family) for n in range(3)}
        task["mm_tot"] = sum(t["tot"] for t in family)
    by_tid = {task["tid"]: task for task in theirs}
    running = {cpu: by_tid.get(int(crowd.m.rqs["curr"][cpu])) for cpu in range(6)}
    node_of = {cpu: cpu // 2 for cpu in range(6)}
    for task in theirs:
        assert search.find_placement(task["tid"]) == find_placement(
            task, theirs, running, node_of)
