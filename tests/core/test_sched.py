"""What hosts ask of the scheduler: nice, affinity, homes, moves; what they see: queues, lists."""

import numpy as np
import pytest
from numa_core import RQ, ffi, lib
from numab import InvalidArgument, NoSuchTask

from .world import MS, VPN, World

TICK = 4 * MS
EV = {name: i for i, name in enumerate((
    "sched_move", "sched_swap", "sched_stick", "sched_home", "switch", "wake", "sleep"), 7)}


def listed(w, cpu, offnode=False):
    """Tids of one of a CPU's two lists, first to last."""
    out = np.zeros(32, np.int32)
    which = lib.NUMAB_OFFNODE_TASKS if offnode else lib.NUMAB_CFS_TASKS
    n = lib.numab_rq_tasks(w.m._h.m, cpu, which, ffi.from_buffer("int32_t[]", out), 32)
    return out[:n].tolist()


def rq(w, cpu, *names):
    return tuple(int(w.m.rqs[cpu][name]) for name in names)


OFF = ("nr_running", "onnode_running", "offnode_running", "offnode_weight")


# ---- the queue accounting of patch 28, section 5.1 ----


def test_which_list_and_which_counts():
    """
    CPU 0, node 0:   home  -1   0   1   1 (nice 5)
                     list  cfs cfs off off        Expect: 4 run, 1 on-node, 2 off-node of
                     weight         1024 335      1024 + 335; who came last stands first
    """
    w = World()
    tasks = [w.t] + [w.t.clone(0) for _ in range(3)]
    tasks[3].set_nice(5)
    for task, home in zip(tasks, (-1, 0, 1, 1)):
        task.set_home(home)
    ids = [task.tid for task in tasks]
    assert rq(w, 0, *OFF) == (4, 1, 2, 1359)
    assert (listed(w, 0), listed(w, 0, True)) == ([ids[1], ids[0]], [ids[3], ids[2]])
    assert rq(w, 0, "load_weight", "nid", "nr_tasks") == (3 * 1024 + 335, 0, 4)
    assert rq(w, 1, *OFF) == (0, 0, 0, 0)


def test_a_move_changes_the_list():
    """Home 1: off-node on CPU 0, on-node on CPU 1, and back."""
    w = World()
    w.t.set_home(1)
    w.t.set_cpu(1)
    assert (rq(w, 0, *OFF), rq(w, 1, *OFF)) == ((0, 0, 0, 0), (1, 1, 0, 0))
    assert listed(w, 1) == [w.t.tid]
    w.t.set_cpu(0)
    assert (rq(w, 0, *OFF), rq(w, 1, *OFF)) == ((1, 0, 1, 1024), (0, 0, 0, 0))


def test_sleepers_are_in_no_count():
    w = World()
    w.t.set_home(1)
    w.t.sleep()
    assert rq(w, 0, *OFF, "load_weight", "nr_tasks") == (0, 0, 0, 0, 0, 1)
    assert listed(w, 0, True) == []
    w.t.set_home(0)                              # of a sleeper: nothing to requeue
    w.t.wake()
    assert rq(w, 0, *OFF) == (1, 1, 0, 0)


def test_the_contribution_is_remembered():
    """numa_contrib is the weight at the time of queueing; nice requeues, so it follows."""
    w = World()
    w.t.set_home(1)
    assert w.t.info().numa_contrib == 1024
    w.t.nice = -20
    assert (w.t.info().numa_contrib, rq(w, 0, "offnode_weight")) == (88761, (88761,))
    w.t.exit()
    assert rq(w, 0, *OFF) == (0, 0, 0, 0)


def test_a_task_that_is_passed_over_goes_to_the_end():
    w = World()
    tasks = [w.t] + [w.t.clone(0) for _ in range(2)]
    ids = [t.tid for t in tasks]
    assert listed(w, 0) == ids[::-1]
    w.m._h.check(lib.numab_rq_move_tail(w.m._h.m, ids[2]))
    assert listed(w, 0) == [ids[1], ids[0], ids[2]]
    tasks[0].sleep()
    with pytest.raises(InvalidArgument, match="asleep"):
        w.m._h.check(lib.numab_rq_move_tail(w.m._h.m, ids[0]))
    assert lib.numab_rq_move_tail(w.m._h.m, 99) < 0


def test_bad_questions_about_lists():
    w = World()
    for cpu, which in ((-1, 0), (2, 0), (0, 2), (0, -1)):
        assert lib.numab_rq_tasks(w.m._h.m, cpu, which, ffi.NULL, 0) == -22
    assert lib.numab_rq_tasks(w.m._h.m, 0, 0, ffi.NULL, 1) == -22
    assert lib.numab_rq_tasks(w.m._h.m, 0, 0, ffi.NULL, 0) == 1    # how many there are


def test_the_queues_are_a_live_view():
    """Read-only, zero-copy, and it keeps the machine's memory alive."""
    w = World()
    view = w.m.rqs
    assert view.dtype == RQ and view.shape == (2,) and not view.flags.writeable
    assert view["nr_running"].tolist() == [1, 0]
    w.t.clone(1)
    assert view["nr_running"].tolist() == [1, 1]


# ---- nice ----


@pytest.mark.parametrize("nice, weight", [
    (-20, 88761), (-10, 9548), (-1, 1277), (0, 1024), (1, 820), (10, 110), (19, 15)])
def test_weights(nice, weight):
    """prio_to_weight: 1024 at 0, a step about 1.25."""
    w = World()
    w.t.set_nice(nice)
    assert (w.t.nice, w.t.info().weight, rq(w, 0, "load_weight")) == (nice, weight, (weight,))


def test_children_inherit_nice_and_affinity():
    w = World()
    w.t.nice = 7
    w.t.set_affinity([0])
    for child in (w.t.clone(0), w.t.fork(0).main):
        assert (child.nice, child.info().weight, child.affinity) == (7, 215, (0,))
    with pytest.raises(InvalidArgument, match="CPU 1 is not in the affinity mask"):
        w.t.clone(1)
    assert w.m.rqs["nr_tasks"].tolist() == [3, 0]


@pytest.mark.parametrize("nice", [-21, 20, 1.5, None, "5"])
def test_nice_out_of_range(nice):
    w = World()
    with pytest.raises(InvalidArgument, match="-20..19"):
        w.t.set_nice(nice)
    assert w.t.nice == 0
    assert lib.numab_task_set_nice(w.m._h.m, w.t.tid, 20) == -22


# ---- affinity ----


def four():
    """CPUs 0 and 1 on node 0, 2 and 3 on node 1."""
    return World(cpus=[(0, 1), (2, 3)])


def test_a_task_that_sits_elsewhere_moves_to_the_first_permitted_cpu_of_its_node():
    w = four()
    w.t.set_affinity([1, 2])
    assert (w.t.info().cpu, w.t.affinity) == (1, (1, 2))
    w.t.set_affinity([2, 3])
    assert w.t.info().cpu == 2                   # none on its node: the first of all
    w.t.set_affinity("0,2-3")
    assert w.t.info().cpu == 2                   # it may stay
    w.t.set_affinity(None)
    assert w.t.affinity == (0, 1, 2, 3)


def test_only_permitted_cpus():
    w = four()
    w.t.set_affinity([0, 1])
    with pytest.raises(InvalidArgument, match="CPU 2 is not in the affinity mask of task 1"):
        w.t.set_cpu(2)
    assert w.t.info().cpu == 0
    w.t.set_cpu(1)


@pytest.mark.parametrize("cpus, words", [
    ([], "without any CPU"), ([4], "CPU 4 in a mask does not exist"), ([0, 64], "CPU 64"),
    ([-1], "permitted 0..8191"), ([0.5], "cpus of dtype"), ("", "without any CPU"),
    ("0-9", "CPU 4"), ("x", "not an id or a range"), ("3-1", "runs back"), ([8192], "0..8191")])
def test_masks_that_make_no_sense(cpus, words):
    w = four()
    w.t.set_affinity([0, 3])
    with pytest.raises(InvalidArgument, match=words):
        w.t.set_affinity(cpus)
    assert w.t.affinity == (0, 3)


def test_a_sleeper_moves_too():
    w = four()
    w.t.sleep()
    w.t.set_affinity([3])
    assert w.t.info().cpu == 3
    w.t.wake()
    assert w.m.rqs["nr_running"].tolist() == [0, 0, 0, 1]


def test_machines_of_more_than_64_cpus():
    w = World(cpus=[tuple(range(100)), tuple(range(100, 200))])
    w.t.set_affinity([63, 64, 199])
    assert (w.t.affinity, w.t.info().cpu) == ((63, 64, 199), 63)
    w.t.set_affinity([199])
    assert w.t.info().cpu == 199


def test_the_dead_have_neither():
    w = four()
    other = w.t.clone(0)
    other.exit()
    for call in (lambda: other.nice, lambda: other.affinity, lambda: other.set_nice(1),
                 lambda: other.set_affinity([0]), lambda: other.set_cpu(0)):
        with pytest.raises(NoSuchTask):
            call()


# ---- changing places ----


def test_two_tasks_change_places():
    w = four()
    other = w.t.clone(3)
    w.m._h.check(lib.numab_task_swap(w.m._h.m, w.t.tid, other.tid))
    assert (w.t.info().cpu, other.info().cpu) == (3, 0)
    other.set_affinity([0, 1])
    assert lib.numab_task_swap(w.m._h.m, w.t.tid, other.tid) == -22
    assert lib.numab_task_swap(w.m._h.m, w.t.tid, 99) == -3
    assert (w.t.info().cpu, other.info().cpu) == (3, 0)


# ---- events ----


def test_the_schedulers_events_are_kept_when_asked_for():
    """from and to are CPUs, for a home nodes; the kinds of pages are left out here."""
    w = four()
    other = w.t.clone(3)
    w.m.events(4096, kinds=EV)
    w.t.set_cpu(1)
    w.t.set_home(1)
    w.t.set_home(1)                              # it is there: requeued, not worth an event
    lib.numab_task_swap(w.m._h.m, w.t.tid, other.tid)
    other.sleep(8 * MS)
    other.wake()
    w.touch(0)
    keys = ("kind", "tid", "from", "to", "aux")
    events = [tuple(int(e[key]) for key in keys) for e in w.m.drain()]
    a, b = w.t.tid, other.tid
    assert events == [
        (EV["sched_move"], a, 0, 1, 0), (EV["sched_home"], a, -1, 1, 0),
        (EV["sched_swap"], a, 1, 3, b), (EV["sched_move"], a, 1, 3, 0),
        (EV["sched_move"], b, 3, 1, 0), (EV["sleep"], b, 1, 1, 8 * MS), (EV["wake"], b, 1, 1, 0)]


def test_without_being_asked_the_ring_has_pages_only():
    w = four()
    w.m.events(4096)
    w.t.set_cpu(1)
    w.write(0)
    assert [int(e["kind"]) for e in w.m.drain()] == [4]
    with pytest.raises(InvalidArgument, match="permitted: hint, scan"):
        w.m.events(4096, kinds=["nothing"])
    assert lib.numab_events_mask(w.m._h.m, 1 << 14) == -22


def test_switches():
    """Two tasks of slices of one tick, then one of them, then nobody.  aux: who ran before."""
    w = World(policy="off", cpu_ps=1, latency_local_ps=999_999_999, sched_latency_ns=100_000,
              sched_min_granularity_ns=100_000)
    w.place(0, 0)
    other = w.t.clone(0)
    for task in (w.t, other):
        task.feed_pattern("sweep", VPN, 1, reads=1)
    w.m.events(4096, kinds=["switch"])
    w.m.run(3 * TICK)
    w.t.sleep()
    w.m.run(5 * TICK)
    other.sleep()
    w.m.run(7 * TICK)
    a, b = w.t.tid, other.tid
    assert [(int(e["tid"]), int(e["aux"])) for e in w.m.drain()] == [
        (a, 0), (b, a), (a, b), (b, a), (0, b)]
    assert rq(w, 0, "nr_switches", "curr") == (5, 0)
    assert (w.t.info().nr_switches, other.info().nr_switches) == (2, 2)
    assert other.sched_debug().split()[3] == "2"


def test_who_has_ended_is_switched_from_all_the_same():
    w = World(policy="off", cpu_ps=1, latency_local_ps=999_999_999)
    w.place(0, 0)
    other = w.t.clone(0)
    other.sleep()
    for task in (w.t, other):
        task.feed_pattern("sweep", VPN, 1, reads=1)
    w.m.run(TICK)
    w.t.exit()
    other.wake()
    w.m.run(2 * TICK)
    assert rq(w, 0, "nr_switches", "curr") == (2, other.tid)
    assert other.info().nr_switches == 0


# ---- sched features ----


def test_features_read_and_write_as_in_debugfs():
    m = World().m
    assert m.sched_features == (
        "NUMA NUMA_HOMENODE_PREFERRED NUMA_HOMENODE_PULL NUMA_HOMENODE_PULL_BIAS")
    m.sched_features = "NO_NUMA NO_NUMA_HOMENODE_PULL"
    assert m.sched_features == (
        "NO_NUMA NUMA_HOMENODE_PREFERRED NO_NUMA_HOMENODE_PULL NUMA_HOMENODE_PULL_BIAS")
    assert (m.tunables["numa_balancing"], m.tunables["NUMA_HOMENODE_PULL"]) == (0, 0)
    m.sched_features = "NUMA_HOMENODE_PULL"
    assert m.tunables["sched_features: NUMA_HOMENODE_PULL"] == 1
    for bad in ("NUMA_FORCE", "NO_NUMA_HOMENODE_PULL BOGUS", "NO_NO_NUMA"):
        with pytest.raises(InvalidArgument, match="sched feature"):
            m.sched_features = bad
    assert m.tunables["NUMA_HOMENODE_PULL"] == 1
