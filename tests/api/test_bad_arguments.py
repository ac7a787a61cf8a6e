"""Bad Python arguments to every public method of Machine, Process and Task.

Whatever is handed in, a child of NumabError comes back whose one line names the argument's value,
and the machine is as it was.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import numab
from numab import InvalidArgument, Machine, NoSuchTask, NumabError
from numab.values import rows

BASE = 0x10000000
VPN = BASE >> 12
NOT_WHOLE = (1.5, np.float32(1.0), math.nan, math.inf, "1", b"1", None, [1], object(), 1 + 0j)
OUTSIDE = (-1, 2**64, -(2**63), 10**30, 10**5000)
NOT_A_TABLE = (None, 5, "rows", [(1, 2, 3)], np.zeros(3), np.zeros((2, 2), numab.rows(0).dtype),
               np.zeros(3, [("page", "u8")]))
NOT_PAGES = ([-1], [1.5], [2**64], ["a"], [[1, 2]], [[1], [2, 3]], None, "abc", [math.nan],
             np.array([1.0]), {"a": 1})


@pytest.fixture
def world():
    m = Machine("2s", tunables={"zero_page": 0})
    p = m.process(cpu=0)
    p.mmap(BASE, 64 << 12)
    p.main.access_rows(rows(VPN + np.arange(16), writes=1))
    p.main.feed(rows(VPN, reads=1), repeat=1)
    return m, p, p.main


def state(world):
    m, p, t = world
    return (dict(m.counters), m.reasons(), m.now_ns, p.vmas(), t.info(), dict(m.tunables),
            p.page_nids(VPN, 64).tolist(), m.access_matrix.tolist(), m.policy,
            [m.node(n) for n in m.topology.nids])


def scalars(*values):
    return [*values, *NOT_WHOLE]


#: method, values that it must refuse; the method takes (machine, process, task, value)
CALLS = {
    "Machine.process cpu": (lambda m, p, t, x: m.process(x), [*OUTSIDE, 16, *NOT_WHOLE[:4], "1"]),
    "Machine.process_of": (lambda m, p, t, x: m.process_of(x), scalars(*OUTSIDE, 0)),
    "Machine.task": (lambda m, p, t, x: m.task(x), scalars(*OUTSIDE, 0)),
    "Machine.node": (lambda m, p, t, x: m.node(x), scalars(*OUTSIDE, 2)),
    "Machine.object kind": (lambda m, p, t, x: m.object(x, 1), scalars("anon", 1)),
    "Machine.object": (lambda m, p, t, x: m.object("shm", x), scalars(*OUTSIDE, 0)),
    "Machine.drop_object": (lambda m, p, t, x: m.drop_object(x), scalars(*OUTSIDE, 0, 9)),
    "Machine.set_now": (lambda m, p, t, x: m.set_now(x), scalars(*OUTSIDE)),
    "Machine.run": (lambda m, p, t, x: m.run(x), scalars(*OUTSIDE)),
    "Machine.moves": (lambda m, p, t, x: m.moves(x), scalars(*OUTSIDE, 4097)),
    "Machine.migrated": (lambda m, p, t, x: m.migrated(x), scalars(*OUTSIDE, 7)),
    "Machine.migrated ok": (lambda m, p, t, x: m.migrated(1, x), [2, "yes", None, 1.0]),
    "Machine.events": (lambda m, p, t, x: m.events(x), scalars(*OUTSIDE, 1)),
    "Machine.events pages": (lambda m, p, t, x: m.events(0, pages=x),
                             [5, (1,), (1, 2, 3), (1, -1), (1.5, 2), "ab"]),
    "Machine.events lossless": (lambda m, p, t, x: m.events(0, lossless=x), [2, "yes", None]),
    "Machine.drain": (lambda m, p, t, x: m.drain(x), scalars(*OUTSIDE)),
    "Machine.policy": (lambda m, p, t, x: setattr(m, "policy", x), [1, None, "moro", ["moron"]]),
    "Machine.feed_replay": (lambda m, p, t, x: m.feed_replay(x, x), NOT_A_TABLE),
    "Machine.feed_replay window": (
        lambda m, p, t, x: m.feed_replay(rows(VPN), np.zeros(1, numab.machine.EPOCH), window=x),
        scalars(*OUTSIDE)),
    "Tunables": (lambda m, p, t, x: m.tunables.__setitem__("scan_size_mb", x),
                 scalars(*OUTSIDE, 0)),
    "Tunables name": (lambda m, p, t, x: m.tunables[x], ["scan_siz", 5, None, ""]),
    "Process.mmap vaddr": (lambda m, p, t, x: p.mmap(x, 4096), scalars(*OUTSIDE, 1, BASE)),
    "Process.mmap size": (lambda m, p, t, x: p.mmap(0, x), scalars(*OUTSIDE, 1, 0)),
    "Process.mmap kind": (lambda m, p, t, x: p.mmap(0, 4096, kind=x), [1, None, "anon", "shm"]),
    "Process.mmap prot": (lambda m, p, t, x: p.mmap(0, 4096, prot=x), [1, None, "", "rwz", ["r"]]),
    "Process.mmap flags": (lambda m, p, t, x: p.mmap(0, 4096, flags=x), [1, None, "io", ["iox"]]),
    "Process.mmap object": (lambda m, p, t, x: p.mmap(0, 4096, kind="shm", object=x),
                            scalars(*OUTSIDE, 5)),
    "Process.mmap pgoff": (lambda m, p, t, x: p.mmap(0, 4096, pgoff=x), scalars(*OUTSIDE)),
    "Process.munmap": (lambda m, p, t, x: p.munmap(x, 4096), scalars(*OUTSIDE, 1)),
    "Process.munmap size": (lambda m, p, t, x: p.munmap(BASE, x), scalars(*OUTSIDE, 1, 0)),
    "Process.mprotect": (lambda m, p, t, x: p.mprotect(x, 4096, "r"), scalars(*OUTSIDE, 1, 0)),
    "Process.mprotect prot": (lambda m, p, t, x: p.mprotect(BASE, 4096, x), [1, None, "q"]),
    "Process.mremap": (lambda m, p, t, x: p.mremap(BASE, 4096, x), scalars(*OUTSIDE, 1)),
    "Process.change_prot_numa": (lambda m, p, t, x: p.change_prot_numa(x, 4096),
                                 scalars(*OUTSIDE, 1)),
    "Process.populate": (lambda m, p, t, x: p.populate(x, 0), [*NOT_PAGES, [1]]),
    "Process.populate nids": (lambda m, p, t, x: p.populate([VPN + 40], x),
                              [*NOT_PAGES, [1024], [0, 1]]),
    "Process.set_policy nid": (lambda m, p, t, x: p.set_policy(BASE, 4096, "preferred", nid=x),
                               scalars(*OUTSIDE[1:], 7)),
    "Process.set_policy nodes": (lambda m, p, t, x: p.set_policy(BASE, 4096, "bind", nodes=x),
                                 [*NOT_PAGES, [1024], [7]]),
    "Process.set_policy mode": (lambda m, p, t, x: p.set_policy(BASE, 4096, x), [0, None, "bond"]),
    "Process.migrate_pages": (lambda m, p, t, x: p.migrate_pages(x, 1), NOT_PAGES),
    "Process.migrate_pages nid": (lambda m, p, t, x: p.migrate_pages([VPN], x),
                                  scalars(*OUTSIDE, 7)),
    "Process.migrate_pages mode": (lambda m, p, t, x: p.migrate_pages([VPN], 1, mode=x),
                                   [0, None, "syn"]),
    "Process.page": (lambda m, p, t, x: p.page(x), scalars(*OUTSIDE)),
    "Process.page_nids": (lambda m, p, t, x: p.page_nids(x, 1), scalars(*OUTSIDE)),
    "Process.page_nids n": (lambda m, p, t, x: p.page_nids(VPN, x), scalars(*OUTSIDE, 2**62)),
    "Process.set_page_flags": (lambda m, p, t, x: p.set_page_flags(x, ["pinned"]),
                               scalars(*OUTSIDE, 0)),
    "Process.set_page_flags flags": (lambda m, p, t, x: p.set_page_flags(VPN, x),
                                     ["pinned", 1, None, ["dirty"], [1]]),
    "Process.split_huge_page": (lambda m, p, t, x: p.split_huge_page(x), scalars(*OUTSIDE, VPN)),
    "Task.fork": (lambda m, p, t, x: t.fork(x), [*OUTSIDE, 16, *NOT_WHOLE[:4], "1"]),
    "Task.clone": (lambda m, p, t, x: t.clone(x), [*OUTSIDE, 16, *NOT_WHOLE[:4], "1"]),
    "Task.set_cpu": (lambda m, p, t, x: t.set_cpu(x), scalars(*OUTSIDE, 16)),
    "Task.set_home": (lambda m, p, t, x: t.set_home(x), scalars(*OUTSIDE[1:], -2, 2)),
    "Task.set_policy": (lambda m, p, t, x: t.set_policy("interleave", nodes=x), NOT_PAGES),
    "Task.set_policy lazy": (lambda m, p, t, x: t.set_policy("local", lazy=x), [2, None, "yes"]),
    "Task.sleep": (lambda m, p, t, x: t.sleep(x), [*OUTSIDE, *NOT_WHOLE[:4], "1"]),
    "Task.access": (lambda m, p, t, x: t.access(x), scalars(*OUTSIDE)),
    "Task.access write": (lambda m, p, t, x: t.access(BASE, x), [2, -1, None, "w", 1.0, math.nan]),
    "Task.access_rows": (lambda m, p, t, x: t.access_rows(x), NOT_A_TABLE),
    "Task.gup": (lambda m, p, t, x: t.gup(x), scalars(*OUTSIDE)),
    "Task.gup fast": (lambda m, p, t, x: t.gup(BASE, fast=x), [2, None, "yes"]),
    "Task.probe": (lambda m, p, t, x: t.probe(x), scalars(*OUTSIDE)),
    "Task.probe write": (lambda m, p, t, x: t.probe(BASE, x), [2, None, "yes"]),
    "Task.feed": (lambda m, p, t, x: t.feed(x), NOT_A_TABLE),
    "Task.feed repeat": (lambda m, p, t, x: t.feed(rows(VPN), repeat=x), scalars(*OUTSIDE)),
    "Task.feed_pattern kind": (lambda m, p, t, x: t.feed_pattern(x, VPN, 4), [0, None, "zip"]),
    "Task.feed_pattern vpn": (lambda m, p, t, x: t.feed_pattern("sweep", x, 4), scalars(*OUTSIDE)),
    "Task.feed_pattern nr": (lambda m, p, t, x: t.feed_pattern("sweep", VPN, x),
                             scalars(*OUTSIDE, 0)),
    "Task.feed_pattern touches": (lambda m, p, t, x: t.feed_pattern("sweep", VPN, 4, touches=x),
                                  scalars(*OUTSIDE)),
    "Task.feed_pattern reads": (lambda m, p, t, x: t.feed_pattern("sweep", VPN, 4, reads=x),
                                scalars(*OUTSIDE, 2**32)),
    "Task.feed_pattern seed": (lambda m, p, t, x: t.feed_pattern("sweep", VPN, 4, seed=x),
                               scalars(*OUTSIDE)),
    "Task.feed_pattern permille": (
        lambda m, p, t, x: t.feed_pattern("sweep", VPN, 4, write_permille=x),
        scalars(*OUTSIDE, 1001)),
    "Task.feed_pattern theta": (lambda m, p, t, x: t.feed_pattern("zipf", VPN, 4, theta=x),
                                [0.0, -1, 4.1, math.nan, math.inf, "x", None, 10**400]),
    "Task.account": (lambda m, p, t, x: t.account(x), scalars(*OUTSIDE)),
}


@pytest.mark.parametrize("name", CALLS)
def test_bad_arguments_are_refused_and_change_nothing(world, name):
    call, values = CALLS[name]
    before = state(world)
    for value in values:
        with pytest.raises(NumabError) as caught:
            call(*world, value)
        message = str(caught.value)
        assert message and "\n" not in message and len(message) < 300, message
        assert isinstance(caught.value, (ValueError, LookupError, MemoryError, PermissionError))
    assert state(world) == before
    world[0].check()


def test_the_message_names_argument_value_and_range(world):
    m, p, t = world
    for call, message in (
        (lambda: t.access(-1), "vaddr -1, permitted 0..18446744073709551615"),
        (lambda: t.set_cpu(1.5), "cpu 1.5, permitted: a whole number 0..8191"),
        (lambda: t.access(BASE, "x"), "write 'x', permitted: True or False"),
        (lambda: m.run(10**5000), "until_ns a number of 16610 bits, permitted "
                                  "0..18446744073709551615"),
        (lambda: p.mmap(0, 4096, flags="io"),
         "VMA flags 'io', permitted: a list of io, pfnmap, hugetlb, heap, stack"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("options", [
    {"hz": 99}, {"hz": 1001}, {"hz": 250.0}, {"hz": 2**70}, {"hz": None}, {"seed": -1},
    {"seed": 2**64}, {"seed": "0"}, {"as_posted": "no"}, {"external": 2}, {"policy": "nope"},
    {"policy": 3}, {"tunables": {"nope": 1}}, {"tunables": {"scan_size_mb": 0}}, {"tunables": 7},
    {"tunables": {"scan_size_mb": math.nan}}, {"watermarks": {5: (1, 2, 3)}}, {"watermarks": 5},
    {"watermarks": {0: (3, 2, 1)}}, {"watermarks": {0: (1, 2)}}, {"watermarks": {0: (1, 2, -3)}},
])
def test_machine_options(options):
    with pytest.raises(NumabError) as caught:
        Machine("2s", **options)
    assert "\n" not in str(caught.value)


def test_topologies_that_are_none():
    for value in (None, 5, [], "no such machine"):
        with pytest.raises(numab.TopologyError):
            Machine(value)


def test_a_refused_feed_leaves_the_old_one_alive_and_in_use(world):
    """1 rows are fed; 2 a feed is refused; 3 what was fed first still runs, and was not freed."""
    m, p, t = world
    t.feed(rows(np.full(1000, VPN + 20), writes=1), repeat=0)
    sleeper = m.process(cpu=1)
    with pytest.raises(NoSuchTask):
        m.task(99).feed(rows(VPN))
    with pytest.raises(InvalidArgument):
        t.feed(rows(VPN), repeat=-1)
    sleeper.main.sleep()
    m.run(m.tick_ns * 2)
    assert p.page(VPN + 20).nid == 0


def test_a_refused_policy_leaves_the_old_filter_in_use(world):
    class Stay(numab.Policy):
        name = "stay"

        def filter(self, fault):
            return numab.Verdict(numab.STAY)

    class Bad(numab.Policy):
        def filter(self, fault):
            raise AssertionError("not installed")

    m, p, t = world
    m.policy = Stay()
    for name in ("", "x" * 32, "a\0b", 5):
        bad = Bad()
        bad.name = name
        with pytest.raises(NumabError):
            m.policy = bad
    assert m.policy == "stay"
    t.set_cpu(8)
    p.change_prot_numa(BASE, 4096)
    assert t.access(BASE).reason == "hold_user_filter"


def test_after_exit_every_call_says_there_is_no_such_task(world):
    m, p, t = world
    child = t.fork()
    child.main.exit()
    for call in (child.main.info, child.main.faults, child.faults, child.vmas, child.node_pages,
                 child.main.exit, child.main.exec, child.main.wake, child.main.tick,
                 child.main.task_work, child.main.fork, child.main.clone):
        with pytest.raises(NoSuchTask):
            call()
