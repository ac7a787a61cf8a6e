"""Birth and death: what fork, clone, exec and exit do to the fields of section 1.2."""

import pytest
from numab import AccessFault, InvalidArgument, NoSuchTask

from .world import BASE, MS, PAGE, SLOT, VPN, World


def scan_state(task):
    info = task.info()
    return info.mm_numa_next_scan, info.mm_numa_scan_seq, info.mm_numa_scan_vpn


def test_a_new_process_starts_slowly_and_without_statistics():
    """Patches 15, 19, 25, 29: next_scan = now, seq 0, offset 0, period = scan_delay, home -1."""
    w = World(nodes=3)
    w.m.set_now(1000 * MS)
    task = w.m.process(2).main
    info = task.info()
    assert scan_state(task) == (250, 0, 0)
    assert (info.numa_scan_seq, info.numa_scan_period_ms, info.node_stamp_ns) == (0, 1000, 0)
    assert (info.home_nid, info.cpu, info.nid, info.state) == (-1, 2, 2, 0)
    assert (info.numa_fault_tot, info.sum_exec_ns, info.debt_ps) == (0, 0, 0)
    assert task.faults().tolist() == [0, 0, 0]


def scanned():
    """Two windows of a pass of three, one pass done before: seq 1, offset in the middle."""
    w = World(mapped=SLOT * 3, scan_size_mb=2)
    w.write(0)
    w.hint()
    for _ in range(5):
        w.scan()
    next_scan, seq, vpn = scan_state(w.t)
    assert (seq, vpn) == (1, VPN + 2 * SLOT)
    return w, next_scan


def test_fork_resets_the_scan_of_a_parent_with_one_thread_and_the_child_copies_it():
    """1.2, the fork detail: the hook still sees the parent's mm.  Expect: next_scan = now and
    seq = 0 for both; the offset is left, and copied."""
    w, next_scan = scanned()
    w.m.set_now(next_scan * w.m.tick_ns + 4 * MS)
    child = w.t.fork().main
    assert scan_state(w.t) == scan_state(child) == (next_scan + 1, 0, VPN + 2 * SLOT)


def test_fork_of_a_process_with_threads_resets_nothing():
    """mm_users != 1: the child copies what the parent has."""
    w, next_scan = scanned()
    w.t.clone()                                     # this one did reset: one user then
    assert scan_state(w.t)[1] == 0
    w.scan()
    state = scan_state(w.t)
    assert state[1] == 1
    child = w.t.fork().main
    assert scan_state(w.t) == scan_state(child) == state


def test_a_thread_more_resets_only_while_there_was_one():
    """clone goes through the same hook: mm_users == 1 at that moment."""
    w, next_scan = scanned()
    w.m.set_now((next_scan + 10) * w.m.tick_ns)
    w.t.clone()
    assert scan_state(w.t)[:2] == (next_scan + 10, 0)
    w.scan()
    state = scan_state(w.t)
    w.t.clone()
    assert scan_state(w.t) == state


def test_a_child_inherits_home_and_policy_but_no_statistics():
    """25: by struct copy; 29: statistics are not shared.  numa_scan_seq is the mm's."""
    w, _ = scanned()
    w.t.account(50 * MS)
    w.t.set_home(1)
    for child in (w.t.clone(1), w.t.fork(1).main):
        info = child.info()
        assert (info.home_nid, info.cpu) == (1, 1)
        assert info.numa_scan_seq == info.mm_numa_scan_seq
        assert (info.numa_scan_period_ms, info.node_stamp_ns, info.sum_exec_ns) == (1000, 0, 0)
        assert (info.numa_fault_tot, info.accesses_local) == (0, 0)
    assert child.info().mm_numa_fault_tot == 0
    assert w.m.process_of(child.tid).faults().tolist() == [0, 0]
    child.set_home(0)
    assert w.t.info().home_nid == 1


def test_exec_starts_with_an_empty_address_space():
    """The mm is new and all zero (next_scan 0: it may scan at once); the task's fields stay."""
    w, _ = scanned()
    w.t.set_home(1)
    before = w.t.info()
    w.t.exec()
    info = w.t.info()
    assert scan_state(w.t) == (0, 0, 0)
    assert (info.mm_numa_fault_tot, info.mm_pages, w.p.vmas()) == (0, 0, [])
    kept = ("numa_scan_seq", "numa_scan_period_ms", "node_stamp_ns", "sum_exec_ns", "home_nid",
            "numa_fault_tot", "numa_faults_ever", "cpu")
    assert [getattr(info, k) for k in kept] == [getattr(before, k) for k in kept]
    assert w.m.node(0).free == 4000
    with pytest.raises(AccessFault):
        w.touch(0)
    w.p.mmap(BASE, PAGE)
    assert w.touch(0, True).faults == 1


def test_exec_needs_to_be_alone():
    w = World()
    thread = w.t.clone()
    w.write(0)
    with pytest.raises(InvalidArgument, match="2 threads"):
        w.t.exec()
    assert w.touch(0).faults == 0
    thread.exit()
    w.t.exec()


def test_the_last_exit_frees_the_memory():
    w = World(mapped=3)
    thread = w.t.clone(1)
    w.write(0, 1, 2)
    w.t.exit()
    assert w.m.node(0).free == 3997
    assert thread.access(BASE).faults == 0          # the process lives on without its first task
    assert w.p.page(VPN).nid == 0
    thread.exit()
    assert w.m.node(0).free == 4000
    for dead in (w.t, thread):
        for call in (dead.info, dead.faults, dead.tick, lambda: dead.access(BASE), dead.exit):
            with pytest.raises(NoSuchTask):
                call()
    with pytest.raises(NoSuchTask):
        w.p.faults()


def test_ids_are_never_used_again():
    w = World()
    seen = {w.t.tid}
    for _ in range(50):
        child = w.t.fork().main
        thread = w.t.clone()
        assert not seen & {child.tid, thread.tid}
        seen |= {child.tid, thread.tid}
        child.exit()
        thread.exit()


def test_homes_and_cpus_must_exist():
    w = World()
    for call, wrong in ((w.t.set_home, 2), (w.t.set_home, -2), (w.t.set_cpu, 2), (w.t.fork, 9),
                        (w.t.clone, 9), (w.m.process, 9)):
        with pytest.raises(InvalidArgument):
            call(wrong)
    assert (w.t.info().home_nid, w.t.info().cpu) == (-1, 0)
    w.t.set_home(1)
    w.t.set_home(-1)


def test_a_home_does_not_move_a_task():
    """Patch 25: sched_setnode requeues, nothing migrates directly."""
    w = World()
    w.t.set_home(1)
    assert (w.t.info().cpu, w.t.info().nid) == (0, 0)


def test_run_time_is_the_hosts_to_add():
    w = World()
    w.t.account(5)
    w.t.account(7)
    assert w.t.info().sum_exec_ns == 12
    with pytest.raises(InvalidArgument):
        w.t.account((1 << 64) // 1000)
    assert w.t.info().sum_exec_ns == 12


def test_time_never_goes_back():
    w = World()
    w.m.set_now(10)
    with pytest.raises(InvalidArgument, match="back"):
        w.m.set_now(9)
    assert w.m.now_ns == 10
