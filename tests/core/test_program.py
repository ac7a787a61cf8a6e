"""Programs: steps that tasks run by themselves.

Every access costs a millisecond here (``ONE_MS``), so that a tick of 4 ms makes four touches.
"""

import numpy as np
import pytest
from numab import InvalidArgument, NumabError
from numab.program import (
    Barrier, Protect, Repeat, Sleep, StartWorld, StopWorld, Touch,
)

from numa_core import STEP, ffi, lib

from .world import BASE, MS, PAGE, VPN, World

TICK = 4 * MS
ONE_MS = {"cpu_ps": 1, "latency_local_ps": 999_999_999}


def world(threads=1, mapped=16, **words):
    """A world whose pages lie on node 0, with that many threads, thread i on CPU 0 of node i."""
    w = World(nodes=max(threads, 2), policy="off", mapped=mapped, **{**ONE_MS, **words})
    w.place(0, 0, mapped)
    w.tasks = [w.t, *(w.t.clone(cpu) for cpu in range(1, threads))]
    return w


def once(first, n, touches):
    return Touch("sweep", first, n, accesses=1, write_permille=0, touches=touches)


def made(task):
    info = task.info()
    return info.accesses_local + info.accesses_remote


def test_steps_run_in_order_and_end_with_a_request_for_more():
    """Two touches of page 0 and one of page 5, twice over: 6 ms, then the host is asked."""
    w = world()
    w.t.feed_program([
        once(0, 1, 2), Touch("sweep", 5, 1, accesses=1, write_permille=1000, touches=1),
        Repeat(0, 1),
    ], base_vpn=VPN)
    stop = w.m.run(40 * MS)
    assert (stop.why, stop.tid) == ("feed", w.t.tid)
    assert made(w.t) == 6 and w.m.now_ns == TICK
    assert w.m.access_matrix[0, 0].tolist() == [4, 2]


def test_nested_repeats_count_anew_each_time_round():
    """touch; 2 more; (all of it) 3 more: 3 x 4 touches."""
    w = world()
    w.t.feed_program([once(0, 1, 1), Repeat(0, 2), Repeat(0, 3)], base_vpn=VPN)
    assert w.m.run(100 * MS).why == "feed"
    assert made(w.t) == 12


def test_a_sweep_that_is_come_back_to_goes_on_where_it_was():
    """Two pages a time of a ring of five: after three times page 5 of the ring, page 0, came
    round; first touches tell the order."""
    w = World(mapped=16, policy="off")
    w.m.events(4096)
    w.t.feed_program([
        Touch("sweep", 0, 5, write_permille=1000, touches=2),
        Touch("sweep", 8, 8, write_permille=1000, touches=1), Repeat(0, 2),
    ], base_vpn=VPN)
    assert w.m.run(100 * MS).why == "feed"
    events = w.m.drain()
    assert (events["vpn"][events["kind"] == 4] - VPN).tolist() == [0, 1, 8, 2, 3, 9, 4, 10]


def test_a_repeat_for_ever_never_asks():
    w = world()
    w.t.feed_program([once(0, 1, 3), Repeat(0)], base_vpn=VPN)
    assert w.m.run(100 * MS).why == "until"
    assert made(w.t) == 100


def test_a_program_that_touches_nothing_fills_its_ticks_too():
    w = world(cpu_ps=1_000_000)
    w.t.feed_program([Barrier(0, 1), Repeat(0)])
    assert w.m.run(3 * TICK).why == "until"
    assert w.t.info().sum_exec_ns == 3 * TICK


def test_a_sleeper_wakes_when_its_time_has_come():
    """One touch and its fault, then 5 ms; a touch, and again.  Asleep in between: no run time."""
    w = world(latency_local_ps=0, cpu_ps=1000)
    w.t.feed_program([once(0, 1, 1), Sleep(5 * MS, 5 * MS), once(0, 1, 1), Repeat(0)], base_vpn=VPN)
    seen = []
    for tick in range(1, 5):
        w.m.run(tick * TICK)
        seen.append((made(w.t), w.t.info().state))
    assert seen == [(1, 1), (3, 1), (5, 1), (7, 1)]           # at 5, 10 and 15 ms
    assert w.t.info().sum_exec_ns < 1000


def test_sleeps_are_drawn_from_their_range_and_by_the_seed():
    """0 to 12 ms at 4 ms a tick: over 400 sleeps each of 1 to 4 ticks comes up."""
    def gaps(seed):
        w = world(latency_local_ps=0, cpu_ps=1000)
        w.t.feed_program([once(0, 1, 1), Sleep(0, 12 * MS), Repeat(0)], base_vpn=VPN, seed=seed)
        seen = []
        for tick in range(1, 401):
            before = made(w.t)
            w.m.run(tick * TICK)
            if made(w.t) > before:
                seen.append(tick)
        return np.diff(seen).tolist()

    one = gaps(1)
    assert set(one) == {1, 2, 3, 4} or set(one) == {1, 2, 3}
    assert one == gaps(1) != gaps(2)


def test_nobody_passes_a_barrier_before_all_have_come():
    """
    CPU 0 (task 1):  1 ms, barrier            Task 1 sleeps from 1 ms on.  Task 2 comes in the third
    CPU 1 (task 2): 10 ms, barrier            tick at 10 ms and goes on at once; CPU 0 has had its
                                              tick: task 1 is awake then and runs in the next.
    """
    w = world(threads=2, latency_local_ps=500_000_000)       # node 1 is at distance 20: 1 ms
    one, two = w.tasks
    one.feed_program([once(0, 1, 2), Barrier(7, 2), once(1, 1, 0)], base_vpn=VPN)
    two.feed_program([once(0, 1, 10), Barrier(7, 2), once(1, 1, 0)], base_vpn=VPN)
    seen = []
    for tick in range(1, 5):
        w.m.run(tick * TICK)
        seen.append((made(one), one.info().state, made(two)))
    assert seen == [(2, 1, 4), (2, 1, 8), (2, 0, 12), (10, 0, 16)]
    assert one.info().sum_exec_ns < 6 * MS                    # nobody runs while it waits


def test_who_waits_on_a_later_cpu_goes_on_at_once():
    """Task 1 on CPU 0 comes at 10 ms, with 20 touches of 0.5 ms; task 2 on CPU 1 waits since 2 ms
    and makes two more touches of 1 ms in the same tick."""
    w = world(threads=2, latency_local_ps=500_000_000)
    one, two = w.tasks
    one.feed_program([once(0, 1, 20), Barrier(7, 2), once(1, 1, 0)], base_vpn=VPN)
    two.feed_program([once(0, 1, 2), Barrier(7, 2), once(1, 1, 0)], base_vpn=VPN)
    w.m.run(2 * TICK)
    assert (made(two), two.info().state) == (2, 1)
    w.m.run(3 * TICK)
    assert (made(one), made(two)) == (24, 4)
    assert two.info().sum_exec_ns < 5 * MS


def test_a_sleep_begins_when_what_came_before_is_paid():
    """A touch of 10 ms, then 1 ms of sleep: awake again at 11 ms, in the third tick."""
    w = world()
    touch = Touch("sweep", 0, 1, accesses=10, write_permille=0, touches=1)
    w.t.feed_program([touch, Sleep(MS, MS), Repeat(0)], base_vpn=VPN)
    w.m.events(4096, kinds=("sleep", "wake"))
    w.m.run(6 * TICK)
    at = w.m.drain()["now_ns"].tolist()             # a step costs 1 ps, seen as a whole ns
    assert at == [10 * MS + 1, 11 * MS + 1, 21 * MS + 2, 22 * MS + 2]


def test_a_barrier_can_be_met_at_again_and_again():
    w = world(threads=3, latency_local_ps=0, cpu_ps=1000)
    for task in w.tasks:
        task.feed_program([once(0, 1, 1), Barrier(0, 3), Repeat(0, 4)], base_vpn=VPN)
    seen = set()
    while len(seen) < 3:
        stop = w.m.run(1000 * MS)
        assert stop.why == "feed"
        seen.add(stop.tid)
        w.m.task(stop.tid).sleep()
    assert [made(t) for t in w.tasks] == [5, 5, 5]


def test_a_host_that_wakes_a_waiter_does_not_get_it_past_the_barrier():
    w = world(threads=2)
    one, two = w.tasks
    one.feed_program([Barrier(0, 2), once(0, 1, 0)], base_vpn=VPN)
    two.sleep()
    w.m.run(TICK)
    one.wake()
    w.m.run(3 * TICK)
    assert made(one) == 0 and one.info().state == 1


@pytest.mark.parametrize("leave", ["feed", "exit"])
def test_who_leaves_a_program_leaves_its_barrier(leave):
    """One of two waits, then is gone: the next two to come meet."""
    w = world(threads=3, latency_local_ps=0, cpu_ps=1000)
    one, two, three = w.tasks
    for task in (two, three):
        task.sleep()
    one.feed_program([Barrier(0, 2)])
    w.m.run(TICK)
    if leave == "exit":
        one.exit()
    else:
        one.feed_program([once(0, 1, 0)], base_vpn=VPN)
        assert one.info().state == 0
    w.m.check()
    two.wake()
    two.feed_program([Barrier(0, 2), once(0, 1, 0)], base_vpn=VPN)
    w.m.run(3 * TICK)
    assert made(two) == 0 and two.info().state == 1
    three.wake()
    three.feed_program([Barrier(0, 2), once(0, 1, 0)], base_vpn=VPN)
    w.m.run(5 * TICK)
    assert made(two) > 0 and made(three) > 0


def test_who_does_not_wait_at_a_barrier_is_counted_there():
    """
    CPU 0 (task 1):  1 ms, counted, 4 ms, counted    A touch takes 0.5 ms on CPU 0, 1 ms on CPU 1.
    CPU 1 (task 2):  2 ms, waits                     The third to come is task 1 again, at 5 ms:
                                                     task 2 has 3 ms of the second tick left.
    """
    w = world(threads=2, latency_local_ps=500_000_000)
    one, two = w.tasks
    posts = Barrier(7, 3, wait=False)
    one.feed_program([once(0, 1, 2), posts, once(1, 1, 8), posts, once(1, 1, 0)], base_vpn=VPN)
    two.feed_program([once(0, 1, 2), Barrier(7, 3), once(1, 1, 0)], base_vpn=VPN)
    seen = []
    for tick in range(1, 5):
        w.m.run(tick * TICK)
        w.m.check()
        seen.append((made(one), two.info().state, made(two)))
    assert seen == [(8, 1, 2), (16, 0, 5), (24, 0, 9), (32, 0, 13)]


def test_the_last_to_come_to_a_barrier_goes_on_either_way():
    w = world(latency_local_ps=0, cpu_ps=1000)
    w.t.feed_program([Barrier(0, 2, wait=False), Barrier(0, 2), once(0, 1, 3),
                      Barrier(0, 1, wait=False)], base_vpn=VPN)
    w.m.run(TICK)
    assert made(w.t) == 3 and w.t.info().state == 0
    w.m.check()


def test_who_was_counted_and_left_stays_counted():
    w = world(threads=2, latency_local_ps=0, cpu_ps=1000)
    one, two = w.tasks
    two.sleep()
    one.feed_program([Barrier(0, 2, wait=False)])
    w.m.run(TICK)
    one.exit()
    w.m.check()
    with pytest.raises(InvalidArgument, match="some came for 2 there"):
        two.feed_program([Barrier(0, 3)])
    two.wake()
    two.feed_program([Barrier(0, 2), once(0, 1, 0)], base_vpn=VPN)
    w.m.run(2 * TICK)
    assert made(two) > 0


def test_mutators_stand_still_while_the_world_is_stopped():
    """
    CPU 0  mutator    4 touches a tick                  Expect: the collector, on the higher CPU,
    CPU 1  collector  sleeps to 8 ms, stops the world,  stops it after three ticks; 10 remote
                      10 ms of touches, starts it       touches take 2.5 ticks, and the mutator
    CPU 2  bystander  another process, undisturbed      is back in the tick after that.
    """
    w = World(nodes=3, policy="off", mapped=16, cpu_ps=1, latency_local_ps=500_000_000)
    w.place(0, 0, 16)
    mutator, collector = w.t, w.t.clone(1)
    other = w.m.process(2)
    other.mmap(BASE, 16 * PAGE)
    other.populate([VPN], 2)
    mutator.feed_program([once(0, 1, 0)], base_vpn=VPN, mutator=True)
    other.main.feed_program([once(0, 1, 0)], base_vpn=VPN, mutator=True)
    collector.feed_program(
        [Sleep(8 * MS, 8 * MS), StopWorld(), once(0, 1, 10), StartWorld(), Sleep(1 << 60, 1 << 60)],
        base_vpn=VPN)
    seen = []
    for tick in range(1, 7):
        w.m.run(tick * TICK)
        w.m.check()
        seen.append((made(mutator), made(collector), made(other.main)))
    # local touches take 0.5 ms, remote ones 1 ms
    assert seen == [(8, 0, 8), (16, 0, 16), (24, 4, 24), (24, 8, 32), (24, 10, 40), (32, 10, 48)]


def test_a_world_stopped_by_a_task_that_ends_goes_on():
    w = world(threads=2)
    mutator, collector = w.tasks
    mutator.feed_program([once(0, 1, 0)], base_vpn=VPN, mutator=True)
    collector.feed_program([StopWorld(), Sleep(1 << 60, 1 << 60)])
    w.m.run(2 * TICK)
    assert mutator.info().state == 1
    collector.exit()
    assert mutator.info().state == 0


def test_protect_is_mprotect_with_its_price():
    """Two pages of four lose write permission: VMAs split, marks on them are lost (patch 4's bit
    is PROT_NONE's); 500 ns and twice 20 ns and the flush of 1000 ns are system time."""
    w = World(mapped=4, policy="off")
    w.place(0, 0, 4)
    w.mark(0, 4)
    w.t.feed_program([Protect(1, 2, "r")], base_vpn=VPN)
    assert w.m.run(TICK).why == "feed"
    assert [(v.size // PAGE, v.prot) for v in w.p.vmas()] == [(1, "rw"), (2, "r"), (1, "rw")]
    assert w.marked(4) == [0, 3]
    info = w.t.info()
    assert info.sys_ps == 1_540_000 and info.sum_exec_ns == 1540


def test_protecting_a_hole_stops_the_run():
    w = world(mapped=2)
    w.t.feed_program([Protect(1, 2, "r")], base_vpn=VPN)
    with pytest.raises(NumabError):
        w.m.run(TICK)


def test_system_time_is_faults_and_scans_and_not_accesses():
    """Four first touches cost 4 x (500 + 500) ns of system time beside 4 x 80.5 ns of access."""
    w = World(mapped=4, policy="off")
    w.t.feed_program([Touch("sweep", 0, 4, accesses=1, write_permille=1000, touches=4)],
                     base_vpn=VPN)
    w.m.run(TICK)
    info = w.t.info()
    assert info.sys_ps == 4 * 1_000_000
    assert info.sum_exec_ns + info.debt_ps // 1000 == 4 * 1000 + 4 * 80 + 2


@pytest.mark.parametrize("steps, said", [
    ([], "0 steps, permitted 1..4096"),
    ([once(0, 1, 1)] * 4097, "4097 steps"),
    ([Repeat(0)], "step 0 repeats from step 0, permitted: an earlier one"),
    ([once(0, 1, 1), Repeat(2, 1)], "step 1 repeats from step 2"),
    ([Sleep(2, 1)], "sleep of 2 to 1 ns"),
    ([Sleep(0, 1 << 62)], "below 2\\^62"),
    ([Barrier(65536, 1)], "barrier 65536, permitted 0..65535"),
    ([Barrier(0, 0)], "barrier 0 of 0 tasks"),
    ([Protect(0, 0, "r")], "0 pages from vpn"),
    ([Touch("sweep", 0, 0)], "pattern of 0 pages"),
    ([StopWorld], "permitted: those of numab.program"),
])
def test_programs_that_make_no_sense_change_nothing(steps, said):
    w = world()
    w.t.feed_program([once(0, 1, 0)], base_vpn=VPN)
    with pytest.raises(InvalidArgument, match=said):
        w.t.feed_program(steps)
    w.m.run(TICK)
    assert made(w.t) == 4


def test_a_barrier_cannot_change_its_number_under_those_who_wait():
    w = world(threads=2)
    one, two = w.tasks
    two.sleep()
    one.feed_program([Barrier(3, 2)])
    w.m.run(TICK)
    with pytest.raises(InvalidArgument, match="some came for 2 there"):
        two.feed_program([Barrier(3, 4)])


def test_bad_kinds_flags_and_protections_are_refused_by_the_core():
    w = world()
    table = np.zeros(1, STEP)
    table["count"], table["count_max"] = 1, 2
    for kind, target, flags in ((7, 0, 0), (4, 0, 2), (6, 8, 0), (3, 0, 0)):
        table["kind"], table["target"] = kind, target
        c = ffi.from_buffer("struct numab_step[]", table)
        assert lib.numab_feed_program(w.m._h.m, w.t.tid, c, 1, flags, 0) == -22
    assert lib.numab_feed_program(w.m._h.m, w.t.tid, ffi.NULL, 1, 0, 0) == -22
    assert lib.numab_feed_program(w.m._h.m, 99, ffi.NULL, 1, 0, 0) == -3
    assert lib.numab_step_name(7) == lib.numab_step_name(-1) == ffi.NULL


def test_slicing_a_run_changes_nothing():
    def run(slice_ns):
        w = World(nodes=2, mapped=64, scan_delay_ms=10, scan_period_min_ms=20)
        tasks = [w.t, w.t.clone(1), w.t.clone(1)]
        for i, task in enumerate(tasks):
            task.feed_program([
                Touch("zipf", 0, 64, touches=50), Touch("uniform", 0, 32, touches=70),
                Barrier(0, 3), Sleep(0, 9 * MS), Barrier(1, 3, wait=i == 0), Repeat(0),
            ], base_vpn=VPN, mutator=i < 2, seed=i)
        while w.m.now_ns < 400 * MS:
            w.m.run(min(w.m.now_ns + slice_ns, 400 * MS))
        return dict(w.m.counters), [t.info() for t in tasks], w.nids(64)

    assert run(4 * MS) == run(28 * MS) == run(400 * MS)
