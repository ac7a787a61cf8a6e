"""task_numa_placement of patch 29: home node and scan period from the statistics (spec 6.4)."""

import pytest
from numab import Policy

from .world import VPN, World


class Placing(Policy):
    """MORON's filter under the core's placement; notes where it asks for another CPU."""

    name = "placing"
    places = True

    def __init__(self):
        self.asked = []

    def place(self, machine, tid):
        self.asked.append(tid)


def world(**kwargs):
    """Page 0 on node 0, page 1 on node 1; the task on CPU 0, and pass 1 not yet begun."""
    policy = Placing()
    w = World(policy=policy, pmd_mark=0, mapped=2, **kwargs)
    w.place(0, 0)
    w.place(1, 1)
    w.t.set_cpu(0)
    return w, policy.asked


def local(w, nid, hints, by=None):
    """Hints on the page of a node, from there: they stay, and credit that node."""
    (by or w.t).set_cpu(nid)
    for _ in range(hints):
        w.hint(nid, by=by)


def state(w, by=None):
    info = (by or w.t).info()
    return info.home_nid, info.numa_scan_period_ms


def test_a_task_that_is_with_its_memory_is_at_home_and_scans_less():
    """
    task, mm: [8, 0] of 8   pass: [4, 0] of 4, [8, 0] of 4   page 1 comes here: [5, 0] of 5, [9, 0]
    best 0 and 0, running on 0: home 0, period 2 x 2000; the mm's nodes halve.  Nobody is asked.
    """
    w, asked = world()
    local(w, 0, 8)
    w.scan()
    w.hint(1)
    assert state(w) == (0, 4000)
    assert (w.t.faults().tolist(), w.p.faults().tolist()) == ([5, 0], [4, 0])
    assert asked == []


def test_the_period_doubles_up_to_the_longest_and_falls_back_at_once():
    """Passes at home: 4000, 8000, 10000, 10000; then one on the other side: 2000, and a search."""
    w, asked = world(scan_period_max_ms=10000)
    local(w, 0, 64)
    seen = []
    for _ in range(4):
        w.scan()
        w.p.migrate_pages([VPN + 1], 1)
        w.hint(1)
        seen.append(w.t.info().numa_scan_period_ms)
    assert (seen, asked) == ([4000, 8000, 10000, 10000], [])
    w.scan()
    w.t.set_cpu(1)
    w.hint(0)
    assert (state(w), asked) == ((0, 2000), [w.t.tid])


def test_a_task_away_from_its_memory_scans_quickly_and_the_host_is_asked():
    """
    on CPU 1: [0, 8] of 8   pass: [0, 4] of 4, mm [0, 8] of 4   on CPU 0, page 1 comes: [1, 4] of 5
    best 1 (weights 200, 800) and 1 (200, 1000), running on 0.  The home node is the host's to set.
    """
    w, asked = world()
    local(w, 1, 8)
    w.scan()
    w.t.set_cpu(0)
    w.hint(1)
    assert (state(w), asked) == ((-1, 2000), [w.t.tid])
    assert (w.t.faults().tolist(), w.p.faults().tolist()) == ([1, 4], [0, 4])


def test_the_address_space_has_a_say_too():
    """
    the other thread: [0, 20] from CPU 1; the task [4, 0] from CPU 0, pass: [2, 0] of 2, mm of 12
    then [3, 0] of 3: best 0;  mm [5, 20] of 13 (384, 1000): best 1.  It is away from home.
    """
    w, asked = world()
    local(w, 1, 20, by=w.t.clone(1))
    local(w, 0, 4)
    w.scan()
    w.hint(1)
    assert (state(w), asked) == ((-1, 2000), [w.t.tid])


@pytest.mark.parametrize("here, expected", [(0, (0, 4000)), (1, (-1, 2000))])
def test_of_equal_nodes_the_lowest_counts(here, expected):
    """
    task: two hints over there, pass: 1 of 1;  one from here: 1 + 1 of 2, weights 500, 500
    mm: two there, one of another thread's here, one more: 2 + 2 of 2, weights 1000, 1000
    Both times the best is node 0: at home there, away from home on 1.
    """
    w, asked = world()
    local(w, 1 - here, 2)
    local(w, here, 1, by=w.t.clone(here))
    w.scan()
    w.t.set_cpu(here)
    w.hint(1 - here)
    assert (w.t.faults().tolist(), w.p.faults().tolist()) == ([1, 1], [1, 1])
    assert (state(w), len(asked)) == (expected, here)


def test_with_several_threads_the_nodes_halve_several_times_a_pass():
    """6.2: 16, pass; 17 >> 1 = 8; 9 >> 1 = 4; while the total halved once: 8 + 2."""
    w, asked = world()
    other = w.t.clone(0)
    local(w, 0, 16)
    w.scan()
    w.hint(1)
    w.p.migrate_pages([VPN + 1], 1)
    w.hint(1, by=other)
    assert w.p.faults().tolist() == [4, 0]
    assert w.t.info().mm_numa_fault_tot == 10
    assert (state(w), state(w, other), asked) == ((0, 4000), (0, 2000), [])


def test_by_switch_placement_halves_no_nodes():
    """The first example: task and mm [4, 0] of 4 after the pass, then one more each."""
    w, asked = world(mm_decay_once=1)
    local(w, 0, 8)
    w.scan()
    w.hint(1)
    assert state(w) == (0, 4000) and asked == []
    assert (w.t.faults().tolist(), w.p.faults().tolist()) == ([5, 0], [5, 0])


def test_it_happens_once_a_pass_and_only_for_a_misplaced_page():
    """
    pass     0           1                              (numbers of node 0: mm)
    hint     misplaced   local   misplaced  misplaced
    placed   no          no      yes        no
    """
    w, _ = world()
    local(w, 0, 4)

    def misplaced():
        w.p.migrate_pages([VPN + 1], 1)
        w.hint(1)
        return w.p.faults()[0]

    assert misplaced() == 5
    w.scan()
    w.hint(0)
    assert (w.p.faults()[0], state(w)) == (6, (-1, 2000))
    assert (misplaced(), state(w)) == (7 >> 1, (0, 4000))
    assert (misplaced(), state(w)) == (4, (0, 4000))


def test_a_node_without_a_thousandth_of_the_faults_is_nobodys_best():
    """
    mm: 4100 hints, pass: total 2050; then thread after thread places, each adds 1 and halves:
    4101 2051 1026 514 258 130 66 34 18 10 6 4 3 2 2    (15 threads; total 2051 ... 2065)
    The 14th finds 2 of 2064: all weights round to 0, no node is the best, it is not at home.
    """
    w, asked = world()
    threads = [w.t, *(w.t.clone(0) for _ in range(14))]
    local(w, 0, 4100)
    w.scan()
    for thread in threads:
        w.p.migrate_pages([VPN + 1], 1)
        w.hint(1, by=thread)
    assert asked == [thread.tid for thread in threads[13:]]
    assert [state(w, thread)[0] for thread in threads] == [0] * 13 + [-1] * 2


# ---- what is written ----


def test_home_node_takes_its_home_from_there():
    """The built-in policy, host's hook empty: page on 1, two hints from 0, a pass between them."""
    w = World(pmd_mark=0, mapped=2)
    w.place(0, 1)
    w.hint()
    w.scan()
    assert w.hint().reason == "go_migrated"
    assert state(w) == (0, 4000)
    w.t.set_cpu(1)
    w.write(1)
    assert w.nid(1) == 0                       # patch 26: memory comes from there too


@pytest.mark.parametrize("requeue, at_home, asleep", [(1, 1, 0), (0, 0, -1)])
def test_as_posted_the_queue_is_not_told(requeue, at_home, asleep):
    """6.4 step 4, D: the home node is written bare.  The queue, which counted the task nowhere,
    takes it off its on-node count when it leaves.  Mended: requeued, as by sched_setnode."""
    w, _ = world(home_requeue=requeue)
    local(w, 0, 8)
    w.scan()
    w.hint(1)
    assert state(w)[0] == 0
    assert w.m.rqs[0]["onnode_running"] == at_home
    w.t.sleep()
    assert w.m.rqs[0]["onnode_running"] == asleep


def test_as_posted_a_task_written_home_stays_on_the_list_of_those_away():
    """Home 1, queued on CPU 0 as off-node; placement writes 0.  An off-node task stays counted."""
    w, _ = world(home_requeue=0)
    w.t.set_home(1)
    local(w, 0, 8)
    w.scan()
    w.hint(1)
    assert state(w)[0] == 0
    queue = w.m.rqs[0]
    assert (queue["onnode_running"], queue["offnode_running"]) == (0, 1)
    w.t.sleep()
    queue = w.m.rqs[0]
    assert (queue["onnode_running"], queue["offnode_running"]) == (-1, 1)
    assert queue["offnode_weight"] == 1024
