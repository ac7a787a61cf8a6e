"""numab.Machine: what it counts, shows and runs."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from numa_core import EPOCH
from numab import InvalidArgument, Machine, Move, NoSuchTask, Policy, Stop, Verdict, rows
from numab.topology import Node, Topology

BASE = 0x10000000
VPN = BASE >> 12
TRACE_LIKE = {"zero_page": 0}


def two_stage(m):
    """A page of node 0 that a task on node 1 is about to hint for the second time."""
    p = m.process(cpu=0)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    p.main.set_cpu(8)
    p.change_prot_numa(BASE, 4096)
    p.main.access(BASE)
    p.change_prot_numa(BASE, 4096)
    return p


def test_counters_are_live_and_vmstat_is_a_snapshot():
    m = Machine("2s")
    before = m.vmstat()
    p = m.process()
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    assert m.counters["pgfault"] == 1 and before["pgfault"] == 0
    assert "compact_isolated" not in m.counters and "compact_isolated" in m.counters.absent
    assert set(m.vmstat()) < set(m.counters) and len(m.counters) == len(list(m.counters))
    with pytest.raises(KeyError):
        m.counters["nope"]


def test_a_page_moves_at_the_second_remote_hint():
    """hints by node:  1 | 1    the page: 0 | 0 -> 1    Expect: two hints counted, one move."""
    m = Machine("2s", tunables=TRACE_LIKE)
    p = two_stage(m)
    assert p.main.probe(BASE).reason == "go_migrated"
    assert p.main.access(BASE).reason == "go_migrated"
    assert p.page(VPN).nid == 1
    v = m.vmstat()
    assert (v["numa_pte_updates"], v["numa_hint_faults"], v["numa_hint_faults_local"]) == (2, 2, 0)
    assert (v["numa_pages_migrated"], v["pgmigrate_success"]) == (1, 1)
    reasons = {k: n for k, n in m.reasons().items() if n}
    assert reasons == {"hold_two_stage_filter": 1, "go_migrated": 1}
    m.check()


def test_views_outlive_the_name_of_their_machine_and_are_read_only():
    m = Machine("2s", tunables=TRACE_LIKE)
    p = m.process(cpu=8)
    p.mmap(BASE, 4096)
    counters, matrix = m.counters, m.access_matrix
    part = matrix[1, 1]
    p.main.access(BASE, write=True)
    del m, p
    gc.collect()
    junk = [np.ones(1000) for _ in range(100)]
    assert counters["pgfault"] == 1 and matrix[1, 1].tolist() == [0, 1] and part.sum() == 1
    assert matrix.shape == (2, 2, 2) and len(junk) == 100
    for view in (matrix, part):
        with pytest.raises(ValueError):
            view[:] = 0
        with pytest.raises(ValueError):
            view.flags.writeable = True


def test_a_process_keeps_its_machine_alive():
    p = Machine("2s").process()
    gc.collect()
    assert p.mmap(BASE, 4096).size == 4096
    task = p.main
    del p
    gc.collect()
    assert task.access(BASE, write=True).nid == 0


def test_copies_of_fault_arrays_outlive_their_process():
    m = Machine("2s", tunables=TRACE_LIKE)
    p = two_stage(m)
    p.main.access(BASE)
    faults, own = p.faults(), p.main.faults()
    p.main.exit()
    assert faults.tolist() == own.tolist() == [0, 1]


def test_node_tells_pages_and_watermarks():
    m = Machine("2s", watermarks={1: (1, 2, 3)}, tunables=TRACE_LIKE)
    p = m.process(cpu=8)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    node = m.node(1)
    assert (node.nid, node.nr_cpus, node.pages - node.free, node.leaked) == (1, 8, 1, 0)
    assert (node.watermark_min, node.watermark_low, node.watermark_high) == (1, 2, 3)
    assert 0 < m.node(0).watermark_min < m.node(0).watermark_low < m.node(0).watermark_high
    with pytest.raises(NoSuchTask, match=r"node 2 does not exist; nodes: \[0, 1\]"):
        m.node(2)


def test_sparse_node_ids():
    topology = Topology((Node(1, (0,), 64 << 20), Node(5, (3,), 64 << 20)))
    m = Machine(topology, tunables=TRACE_LIKE)
    p = m.process(cpu=3)
    p.mmap(BASE, 4096)
    assert p.main.access(BASE, write=True).nid == 5
    assert m.nr_node_ids == 6 and p.node_pages().tolist() == [0, 0, 0, 0, 0, 1]
    with pytest.raises(NoSuchTask):
        m.node(0)
    with pytest.raises(InvalidArgument):
        m.process(cpu=1)


def test_policy_can_be_changed_and_marks_stay_armed():
    m = Machine("2s", policy="home_node", tunables=TRACE_LIKE)
    p = two_stage(m)
    m.policy = "moron"
    assert m.policy == "moron" and "marked" in p.page(VPN).flags
    assert p.main.access(BASE).reason == "go_migrated"
    m.policy = "off"
    p.change_prot_numa(BASE, 4096)
    assert p.main.access(BASE).reason == "hold_no_mof"


def test_as_posted_sets_the_switches_and_tunables_come_after():
    m = Machine("2s", as_posted=True, tunables={"pmd_batch_migrate": 1, "scan_size_mb": -5})
    assert (m.tunables["scan_rewind_bug"], m.tunables["pmd_batch_migrate"]) == (1, 1)
    assert m.tunables["scan_size_mb"] == -5


def test_time_runs_in_whole_ticks():
    m = Machine("2s", hz=1000)
    assert m.tick_ns == 1_000_000 and m.now_ns == 0
    assert m.run(2_999_999) == Stop("until", 0, 0) and m.now_ns == 2_000_000
    m.set_now(7_000_000)
    assert m.now_ns == 7_000_000
    with pytest.raises(InvalidArgument):
        m.set_now(6_999_999)


def test_run_stops_for_a_task_without_work_and_goes_on():
    m = Machine("2s", tunables=TRACE_LIKE)
    p = m.process()
    p.mmap(BASE, 4096)
    p.main.feed(rows(VPN, reads=5), repeat=2)
    stop = m.run(10**9)
    assert (stop.why, stop.tid) == ("feed", p.main.tid)
    assert m.access_matrix[0, 0].tolist() == [10, 0]
    p.main.sleep()
    assert m.run(10**9).why == "until" and m.now_ns == 10**9


def test_slicing_a_run_changes_nothing():
    def counters(step_ns):
        m = Machine("2s", tunables={**TRACE_LIKE, "scan_delay_ms": 1, "scan_period_min_ms": 5})
        p = m.process(cpu=0)
        p.mmap(BASE, 1 << 20)
        p.populate(VPN + np.arange(256), 1)
        p.main.feed_pattern("uniform", VPN, 256, writes=8)
        while m.now_ns < 200_000_000:
            m.run(min(200_000_000, m.now_ns + step_ns))
        m.check()
        return dict(m.counters), m.reasons(), p.main.info()

    assert counters(200_000_000) == counters(4_000_000)
    assert counters(200_000_000)[0]["numa_pages_migrated"] > 0


def test_replay_stops_at_each_loop_and_at_the_last():
    m = Machine("2s", tunables=TRACE_LIKE)
    p = m.process()
    p.mmap(BASE, 8192)
    epochs = np.zeros(2, EPOCH)
    epochs["row"], epochs["nr_rows"], epochs["tid"] = [0, 1], 1, p.main.tid
    m.feed_replay(rows([VPN, VPN + 1], reads=1), epochs, loops=2)
    gc.collect()
    assert [(s.why, s.loop) for s in (m.run(10**9), m.run(10**9))] == [("loop", 1), ("done", 2)]
    assert m.access_matrix[0, 0].tolist() == [4, 0]


def test_objects_are_shared_between_processes():
    m = Machine("2s", tunables=TRACE_LIKE)
    a, b = m.process(cpu=0), m.process(cpu=8)
    shm = m.object("shm", 4)
    for p in (a, b):
        p.mmap(BASE, 4 << 12, kind="shm", object=shm)
    a.main.access(BASE, write=True)
    assert b.main.access(BASE).nid == 0 and a.page(VPN).mapcount == 2
    for p in (a, b):
        p.munmap(BASE, 4 << 12)
    free = m.node(0).free
    m.drop_object(shm)
    assert m.node(0).free == free + 1


def test_external_mode_asks_the_host_and_waits():
    """hint -> go_asked_host -> moves() -> migrated(ok) moves it, migrated(not ok) leaves it."""
    for ok, nid in ((True, 1), (False, 0)):
        m = Machine("2s", external=True, tunables=TRACE_LIKE)
        p = two_stage(m)
        assert p.main.access(BASE).reason == "go_asked_host" and p.page(VPN).nid == 0
        (move,) = m.moves()
        assert move == Move(move.id, VPN, p.pid, p.main.tid, 0, 1, 1) and m.moves() == []
        assert "moving" in p.page(VPN).flags
        m.migrated(move if ok else move.id, ok)
        assert p.page(VPN).nid == nid and "moving" not in p.page(VPN).flags
        assert m.counters["numa_pages_migrated"] == int(ok)
        with pytest.raises(NoSuchTask):
            m.migrated(move)


def test_events_of_one_page_in_order():
    m = Machine("2s", tunables=TRACE_LIKE)
    m.events(4096, pages=(VPN, VPN + 1))
    p = two_stage(m)
    p.main.access(BASE)
    events = m.drain()
    assert set(events["vpn"].tolist()) <= {VPN, 0} and len(m.drain()) == 0
    assert [r for r in events["reason"].tolist() if r] != []
    m.events(0)
    p.change_prot_numa(BASE, 4096)
    p.main.access(BASE)
    assert len(m.drain(10)) == 0


class Broken(Policy):
    name = "broken"

    def __init__(self, error):
        self.error = error

    def filter(self, fault):
        raise self.error

    def place(self, machine, tid):
        raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt()])
def test_an_exception_in_a_filter_comes_home_and_the_machine_stays_usable(error):
    m = Machine("2s", policy=Broken(error), tunables=TRACE_LIKE)
    p = m.process(cpu=0)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    p.main.set_cpu(8)
    p.change_prot_numa(BASE, 4096)
    for call in (p.main.probe, p.main.access):
        with pytest.raises(type(error)) as caught:
            call(BASE)
        assert caught.value is error
    m.check()
    m.policy = "moron"
    p.change_prot_numa(BASE, 4096)
    assert p.main.access(BASE).reason == "go_migrated"


@pytest.mark.parametrize("hook", ["filter", "place"])
def test_an_exception_in_a_hook_ends_a_run_once(hook):
    error = ZeroDivisionError("mine")

    class OneHook(Broken):
        calls = 0

        def filter(self, fault):
            if hook == "filter":
                self.calls += 1
                raise error
            return Verdict(fault.cpu_nid)

        def place(self, machine, tid):
            if hook == "place":
                self.calls += 1
                raise error

    policy = OneHook(error)
    m = Machine("2s", policy=policy,
                tunables={**TRACE_LIKE, "scan_delay_ms": 1, "scan_period_min_ms": 5})
    p = m.process(cpu=0)
    p.mmap(BASE, 1 << 20)
    p.populate(VPN + np.arange(256), 1)
    p.main.feed_pattern("sweep", VPN, 256, writes=8)
    with pytest.raises(ZeroDivisionError) as caught:
        m.run(10**9)
    assert caught.value is error and policy.calls == 1
    m.check()
    m.policy = "moron"
    assert m.run(2 * 10**9).why == "until" and p.node_pages().tolist() == [256, 0]


@pytest.mark.parametrize("verdict", [
    None, 1, Verdict("x"), Verdict(-2), Verdict(1.5), Verdict(1, -1), Verdict(1, 2**21),
    Verdict(-1, None, "hold_nothing"), Verdict(-1, None, 5),
])
def test_a_verdict_that_is_none_is_refused(verdict):
    class Odd(Policy):
        def filter(self, fault):
            return verdict

    m = Machine("2s", policy=Odd(), tunables=TRACE_LIKE)
    p = m.process(cpu=0)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    p.change_prot_numa(BASE, 4096)
    with pytest.raises(InvalidArgument, match="permitted"):
        p.main.access(BASE)
    m.check()


def test_weights_of_nodes():
    m = Machine("2s")
    assert m.weight(1) == 1
    m.set_weight(1, 200)
    assert (m.weight(0), m.weight(1)) == (1, 200)
    m.set_weight(1, 0)
    assert m.weight(1) == 1
    for nid, weight in ((2, 1), (0, 256), (0, -1), (1024, 1)):
        with pytest.raises(InvalidArgument):
            m.set_weight(nid, weight)
    with pytest.raises(InvalidArgument):
        m.weight(7)
