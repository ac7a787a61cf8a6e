"""set_mempolicy and get_mempolicy: what the eras take, what is told, who inherits it.

The order of checks and every errno are also held against an independent reading
(tests/properties/test_policy_calls_against_oracle.py) and a recorded kernel (test_recordings.py).
"""

from __future__ import annotations

import errno

import numpy as np
import pytest

from numab import Machine, syscalls
from numab.syscalls import BAD_POINTER

BIND, INTERLEAVE, LOCAL = 2, 3, 4
BASE = 1 << 30


def machine(era="v6.1", nodes="4s"):
    return Machine(nodes, policy="off", era=era)


def told(task, addr=0, flags=0):
    """(errno name or mode, nodes)"""
    mode, mask = np.full(1, -9, np.int32), np.zeros(16, np.uint64)
    r = syscalls.get_mempolicy(task, mode, mask, 1024, addr, flags)
    if r:
        return errno.errorcode[-r], None
    return int(mode[0]), {b for b in range(64) if int(mask[0]) >> b & 1}


@pytest.mark.parametrize("era, mode, r", [
    ("v2", 5, -errno.EINVAL),                # NOOP takes no nodes
    ("v3.8", 5, -errno.EINVAL),              # hidden again
    ("v6.1", 5, 0), ("v6.1", 6, -errno.EINVAL), ("v6.12", 6, 0),
    ("v6.1", BIND | 1 << 13, 0), ("v6.1", 5 | 1 << 13, -errno.EINVAL), ("v6.12", 5 | 1 << 13, 0),
    ("v3.8", BIND | 1 << 13, -errno.EINVAL),
])
def test_which_modes_an_era_has(era, mode, r):
    assert syscalls.set_mempolicy(machine(era).process().main, mode, 1, 64) == r


def test_noop_sets_no_policy_in_the_posting():
    """As derived in the specification: set_mempolicy(NOOP) is not refused, and is DEFAULT."""
    task = machine("v2").process().main
    assert syscalls.set_mempolicy(task, BIND, 1, 64) == 0
    assert syscalls.set_mempolicy(task, 5, None, 0) == 0
    assert told(task) == (0, set())


@pytest.mark.parametrize("era, number", [("v2", 1), ("v3.8", 1), ("v6.1", 4), ("v6.12", 4)])
def test_local_is_preferred_without_a_node_until_5_14(era, number):
    task = machine(era).process().main
    for mode in (1, LOCAL):
        assert syscalls.set_mempolicy(task, mode, None, 0) == 0
        assert told(task) == (number, set())


def test_the_users_mask_comes_back_with_a_flag_and_the_effective_one_without():
    task = machine().process().main
    for flags, nodes in ((0, {0}), (1 << 15, {0, 7}), (1 << 14, {0, 7}), (1 << 13, {0, 7})):
        assert syscalls.set_mempolicy(task, BIND | flags, 0b10000001, 64) == 0
        assert told(task) == (BIND | flags, nodes)


def test_next_node_of_an_interleaving_task_and_of_no_other():
    m = machine()
    task = m.process().main
    assert syscalls.set_mempolicy(task, INTERLEAVE, 0b1010, 64) == 0
    assert told(task, flags=1)[0] == 1
    assert syscalls.set_mempolicy(task, BIND, 0b1010, 64) == 0
    assert told(task, flags=1) == ("EINVAL", None)


def test_the_address_tells_the_ranges_policy_not_the_tasks():
    m = machine()
    p = m.process()
    p.mmap(BASE, 8192)
    assert syscalls.set_mempolicy(p.main, BIND, 1, 64) == 0
    assert told(p.main, BASE, 2) == (0, set())
    assert syscalls.mbind(p.main, BASE, 4096, INTERLEAVE, 0b1100, 64, 0) == 0
    assert told(p.main, BASE + 5, 2) == (INTERLEAVE, {2, 3})
    assert told(p.main, BASE + 4096, 2) == (0, set())
    assert told(p.main, BASE + 8192, 2) == ("EFAULT", None)
    assert told(p.main, BASE, 0) == ("EINVAL", None)


def test_node_of_a_page_faults_it_in_for_reading():
    """A page never written is the zero page, of the kernel's image: the first node's."""
    m = machine()
    p = m.process(cpu=m.topology.node(2).cpus[0])
    p.mmap(BASE, 8192)
    p.main.access(BASE, write=True)
    assert told(p.main, BASE, 3)[0] == 2
    assert told(p.main, BASE + 4096, 3)[0] == 0
    assert "zero" in p.page(BASE // 4096 + 1).flags
    p.mprotect(BASE, 4096, "none")
    assert told(p.main, BASE, 3) == ("EFAULT", None)


@pytest.mark.parametrize("era, maxnode, r", [
    ("v6.1", 4, 0), ("v6.1", 3, -errno.EINVAL), ("v2", 1023, -errno.EINVAL), ("v2", 1024, 0)])
def test_room_for_the_mask(era, maxnode, r):
    task = machine(era).process().main
    mask = np.zeros(16, np.uint64)
    assert syscalls.get_mempolicy(task, None, mask, maxnode, 0, 4) == r
    assert mask[0] == (0 if r else 0b1111)


def test_bad_pointers_are_met_last():
    task = machine().process().main
    assert syscalls.get_mempolicy(task, BAD_POINTER, None, 0, 0, 8) == -errno.EINVAL
    assert syscalls.get_mempolicy(task, BAD_POINTER, None, 0, 0, 0) == -errno.EFAULT
    assert syscalls.get_mempolicy(task, None, BAD_POINTER, 64, 0, 0) == -errno.EFAULT
    assert syscalls.get_mempolicy(task, np.zeros(0, np.int32), None, 0, 0, 0) == -errno.EFAULT


def test_threads_and_children_inherit_and_go_their_own_ways():
    m = machine()
    first = m.process().main
    assert syscalls.set_mempolicy(first, BIND, 0b10, 64) == 0
    thread, child = first.clone(), first.fork().main
    assert told(thread) == told(child) == (BIND, {1})
    assert syscalls.set_mempolicy(thread, INTERLEAVE, 0b11, 64) == 0
    assert (told(first), told(thread), told(child)) == (
        (BIND, {1}), (INTERLEAVE, {0, 1}), (BIND, {1}))


def test_a_bare_rule_is_told_as_the_policy_that_asks_for_it():
    m = machine("v2")
    task = m.process().main
    task.set_policy("bind", nodes=(1, 3))
    assert told(task) == (BIND, {1, 3})
    task.set_policy("preferred", nid=2)
    assert told(task) == (1, {2})
    task.set_policy("local")
    assert told(task) == (1, set())
    task.set_policy("none")
    assert told(task) == (0, set())
