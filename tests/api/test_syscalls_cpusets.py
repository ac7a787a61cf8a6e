"""Cpusets: what changing the allowed nodes does to tasks, mappings and pages."""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument
from numab import Machine

BASE, PAGE = 1 << 30, 4096


@pytest.fixture
def m():
    return Machine("4s", policy="off", era="v6.1")


def nodes_of(task, vaddr=None):
    return task.get_mempolicy(vaddr).nodes


def test_policies_of_tasks_and_mappings_are_rebound(m):
    p = m.process()
    thread = p.main.clone()
    p.mmap(BASE, 3 * PAGE)
    p.main.set_mempolicy("bind:0,1")
    thread.set_mempolicy("interleave:1 static")
    p.mbind(BASE, PAGE, "bind:0,1 relative")
    p.mbind(BASE + PAGE, PAGE, "prefer:1")
    p.set_mems_allowed((0, 1))
    p.set_mems_allowed((2, 3))
    force = m.memory
    assert p.main.mems_allowed == thread.mems_allowed == (2, 3)
    assert nodes_of(p.main) == (2, 3)
    assert force.task_policy(thread.tid)[0].nodes == (2, 3)     # nothing of {1} left: all
    assert nodes_of(thread) == (1,)                             # but the user's mask is kept
    assert force.range_policy(p.pid, BASE, shared=False).nodes == (2, 3)
    assert nodes_of(p.main, BASE + PAGE) == (1,)                # preferred nodes stay since 5.14
    assert p.main.get_mempolicy(BASE + 2 * PAGE) is None
    p.set_mems_allowed((1, 2))
    assert force.task_policy(thread.tid)[0].nodes == (1,)       # and found again


def test_pages_move_along_when_asked(m):
    p = m.process(cpu=0)
    p.mmap(BASE, 2 * PAGE)
    p.main.access(BASE, write=True)
    p.set_mems_allowed((0, 1))
    p.set_mems_allowed((2, 3))
    assert p.page(BASE // PAGE).nid == 0
    p.set_mems_allowed((0, 1))
    p.set_mems_allowed((2, 3), migrate=True)
    assert p.page(BASE // PAGE).nid == 2


def test_a_task_without_a_policy_stays_inside(m):
    """On node 0, allowed 2 and 3: the nearest allowed node."""
    p = m.process(cpu=0)
    p.mmap(BASE, 2 * PAGE)
    p.set_mems_allowed((3, 2))
    p.main.access(BASE, write=True)
    assert p.page(BASE // PAGE).nid in (2, 3)
    assert p.main.get_mempolicy() is None
    p.set_mems_allowed((0, 1, 2, 3))
    p.main.access(BASE + PAGE, write=True)
    assert p.page(BASE // PAGE + 1).nid == 0


def test_children_and_threads_inherit_and_new_processes_do_not(m):
    p = m.process()
    p.uid = 7
    p.set_mems_allowed((1,))
    assert p.main.clone().mems_allowed == p.main.fork().main.mems_allowed == (1,)
    assert p.main.fork().uid == 7
    fresh = m.process()
    assert (fresh.main.mems_allowed, fresh.uid) == ((0, 1, 2, 3), 0)


@pytest.mark.parametrize("nodes", [(), (4,), (0, 9), "0", None])
def test_what_a_cpuset_cannot_be(m, nodes):
    p = m.process()
    with pytest.raises((InvalidArgument, TypeError)):
        p.set_mems_allowed(nodes)
    assert p.main.mems_allowed == (0, 1, 2, 3)
