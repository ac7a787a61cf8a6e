"""numab.Task: threads of control, their accesses and their time."""

from __future__ import annotations

import numpy as np
import pytest

from numab import AccessFault, Batch, InvalidArgument, Machine, NoSuchTask, Outcome, rows

BASE = 0x10000000
VPN = BASE >> 12
PAGE = 4096


@pytest.fixture
def t():
    p = Machine("2s", tunables={"zero_page": 0}).process(cpu=0)
    p.mmap(BASE, 16 * PAGE)
    return p.main


def test_info_of_a_new_task(t):
    info = t.info()
    assert (info.tid, info.pid, info.cpu, info.nid) == (1, 1, 0, 0)
    assert (info.home_nid, info.state) == (-1, 0)
    assert info.sum_exec_ns == info.numa_faults_ever == info.mm_pages == 0
    with pytest.raises(NoSuchTask, match="no task 9"):
        t.machine.task(9).info()


def test_first_touch_costs_a_fault_and_an_access(t):
    """500 ns fault + 500 ns page + 80 ns line + 500 ps instructions, then 80.5 ns; far: 80 times
    the distance over 10."""
    prices = t.machine.tunables
    first = t.access(BASE, write=True)
    line = prices["latency_local_ps"] + prices["cpu_ps"]
    faulting = (prices["fault_ns"] + prices["page_alloc_ns"]) * 1000
    assert first == Outcome(faulting + line, 0, "none", 1, 0)
    assert t.access(BASE) == Outcome(line, 0, "none", 0, 0)
    t.set_cpu(8)
    distance = t.machine.topology.distance_between(1, 0)
    assert t.access(BASE).cost_ps == prices["latency_local_ps"] * distance // 10 + prices["cpu_ps"]


def test_an_access_to_nothing_is_a_fault_that_changes_nothing_else(t):
    with pytest.raises(AccessFault, match="read of vpn 65535: nothing is mapped there"):
        t.access(BASE - 1)
    assert t.machine.counters["sigsegv"] == 1 and t.machine.counters["pgfault"] == 0


def test_rows_are_done_up_to_the_bad_one(t):
    table = rows([VPN, VPN + 1, VPN + 99, VPN + 2], writes=1)
    with pytest.raises(AccessFault):
        t.access_rows(table)
    assert t.machine.process_of(1).page_nids(VPN, 3).tolist() == [0, 0, -1]
    assert t.access_rows(table[:2]).consumed == 2
    assert t.access_rows(rows([])) == Batch(0, 0, 0, 0)


def test_a_row_may_be_a_range(t):
    """The high 16 bits hold the number of further pages."""
    batch = t.access_rows(rows(VPN | 15 << 48, writes=1))
    assert (batch.consumed, batch.faults, batch.hints) == (1, 16, 0)
    assert t.info().mm_pages == 16


def test_fork_copies_on_write_and_clone_shares(t):
    t.access(BASE, write=True)
    child, thread = t.fork(8), t.clone(8)
    assert (child.pid, thread.info().pid, thread.info().cpu) == (2, 1, 8)
    assert child.main.access(BASE, write=True).nid == 1
    assert t.machine.counters["cow_faults"] == 1 and thread.access(BASE).nid == 0
    with pytest.raises(InvalidArgument, match="thread"):
        t.exec()
    thread.exit()
    t.exec()
    assert t.machine.process_of(1).vmas() == []


def test_home_and_its_end(t):
    t.set_home(1)
    assert t.info().home_nid == 1
    assert t.access(BASE, write=True).nid == 1  # home_alloc
    t.set_home(-1)
    assert t.info().home_nid == -1
    assert t.access(BASE + PAGE, write=True).nid == 0


def test_home_is_where_a_task_can_run():
    """cxl: nodes 0 and 1 with CPUs, node 2 only memory.  Expect: 2 is refused as 3 is, with what
    is permitted, the home stays, and memory still goes there when a policy says so."""
    t = Machine("cxl", sched="2012").process(cpu=0).main
    t.set_home(1)
    before = t.info()
    for nid, why in ((2, "has no CPUs"), (3, "does not exist"), (1023, "does not exist")):
        with pytest.raises(InvalidArgument) as caught:
            t.set_home(nid)
        assert str(caught.value) == f"home node {nid} {why}, permitted: -1 (none), or one of 0-1"
    assert t.info() == before
    t.machine.check()
    t.machine.process_of(t.tid).mmap(BASE, PAGE)
    t.set_policy("bind", nodes=[2])
    assert t.access(BASE, write=True).nid == 2


@pytest.mark.parametrize("mode, options, nids", [
    ("local", {}, [0, 0]), ("preferred", {"nid": 1}, [1, 1]), ("bind", {"nodes": (1,)}, [1, 1]),
    ("interleave", {"nodes": np.array([0, 1])}, [0, 1]), ("none", {}, [0, 0]),
])
def test_a_task_obeys_its_policy(t, mode, options, nids):
    t.set_policy(mode, **options)
    assert [t.access(BASE + i * PAGE, write=True).nid for i in range(2)] == nids


def test_probe_says_what_an_access_then_does(t):
    assert t.probe(BASE - 1).kind == "segv"
    found = t.probe(BASE, write=True)
    assert (found.kind, found.nid, found.to_nid) == ("first_touch", -1, 0)
    before = dict(t.machine.counters)
    t.access(BASE, write=True)
    t.set_cpu(8)
    t.machine.process_of(1).change_prot_numa(BASE, PAGE)
    found = t.probe(BASE)
    assert found == t.probe(BASE) and found.kind.startswith("hint")
    assert (found.reason, found.tag, found.new_tag) == ("hold_two_stage_filter", None, 1)
    assert t.access(BASE).reason == found.reason and before["numa_hint_faults"] == 0
    assert t.probe(BASE).kind == "none"


def test_gup(t):
    """fast refuses what is not there or marked; slow faults it in and leaves marks alone."""
    assert not t.gup(BASE) and t.gup(BASE, write=True, fast=False) and t.gup(BASE)
    t.machine.process_of(1).change_prot_numa(BASE, PAGE)
    assert not t.gup(BASE)
    assert t.gup(BASE, fast=False) and t.machine.counters["numa_hint_faults"] == 0


def test_sleep_and_wake(t):
    m = t.machine
    t.feed(rows(VPN, reads=1), repeat=0)
    t.sleep(3 * m.tick_ns)
    m.run(2 * m.tick_ns)
    assert t.info().sum_exec_ns == 0 and t.info().state == 1
    m.run(5 * m.tick_ns)
    assert t.info().sum_exec_ns > 0 and t.info().state == 0
    t.sleep()
    ran = t.info().sum_exec_ns
    m.run(9 * m.tick_ns)
    assert t.info().sum_exec_ns == ran
    t.wake()
    m.run(10 * m.tick_ns)
    assert t.info().sum_exec_ns > ran


def test_feed_does_not_copy_and_holds(t):
    table = rows([VPN, VPN + 1], reads=[1, 3])
    t.feed(table, repeat=3)
    del table
    m = t.machine
    assert m.run(10**9).why == "feed"
    assert m.access_matrix[0, 0, 0] == 12


@pytest.mark.parametrize("kind", ["sweep", "uniform", "zipf"])
def test_patterns_are_exactly_as_long_as_asked_and_repeatable(kind):
    def run(seed):
        m = Machine("2s", tunables={"zero_page": 0})
        p = m.process()
        p.mmap(BASE, 256 * PAGE)
        p.main.feed_pattern(kind, VPN, 256, reads=2, writes=3, touches=500, seed=seed,
                            write_permille=500)
        assert m.run(10**9).why == "feed"
        m.check()
        return m.access_matrix.sum(), p.page_nids(VPN, 256).tolist(), m.access_matrix.tolist()

    first = run(1)
    assert first == run(1) and 0 < first[0] <= 500 * 5
    if kind == "sweep":
        assert first[1] == [0] * 256
    else:
        assert first != run(2)


def test_a_host_that_owns_the_time_scans_by_hand(t):
    """account + tick queue a scan after the slow start of 1000 ms; task_work marks."""
    m = t.machine
    t.access(BASE, write=True)
    assert t.task_work() == 0
    t.account(999_000_000)
    m.set_now(999_000_000)
    assert not t.tick()
    for _ in range(4):
        t.account(3_000_000_000)
        m.set_now(m.now_ns + 30_000_000_000)
        if t.tick():
            break
    assert t.task_work() == 1 and m.counters["numa_pte_updates"] == 1
    assert "marked" in m.process_of(1).page(VPN).flags


def test_the_line_in_sched_debug():
    """3.7's columns, by hand: 8 ms of run time at nice 5 (weight 335), home node 0, on node 1."""
    m = Machine("2s", policy="off", tunables={"zero_page": 0})
    task = m.process(cpu=8).main
    m.process_of(task.tid).mmap(0x10000 * 4096, 4096)
    task.set_home(0)
    task.set_nice(5)
    task.feed_pattern("sweep", 0x10000, 1, reads=1)
    before = task.info().vruntime_ns
    m.run(8_000_000)
    line = task.sched_debug()
    assert line[0] == "R" and line[1:16] == f"task-{task.tid}".rjust(15)
    words = line[1:].split()
    ran = before + sum(4_000_000 * 1024 // 335 for _ in range(2))
    assert words[1] == str(task.tid) and words[3:5] == ["0", "125"]
    assert words[2] == words[5] and abs(float(words[2]) * 1e6 - ran) < 10
    assert words[6:] == ["8.000000", "0.000000", "0/1"]
    task.sleep()
    assert task.sched_debug()[0] == " "
