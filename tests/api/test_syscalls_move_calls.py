"""migrate_pages and move_pages: whose pages, in which order, how far before a mistake."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from oracle.calls import OLD

from numab import Machine, syscalls
from numab.mempolicy import ERAS
from numab.syscalls import BAD_POINTER
from numab.syscalls.move_calls import _next_step

BASE, PAGE = 1 << 30, 4096


class Stage:
    """A process with ``n`` pages on node 0 of four."""

    def __init__(self, n, era="v6.1"):
        self.m = Machine("4s", policy="off", era=era)
        self.p = self.m.process(cpu=0)
        self.task, self.n = self.p.main, n
        self.p.mmap(BASE, n * PAGE)
        for i in range(n):
            self.task.access(BASE + i * PAGE, write=True)
        self.pages = BASE + PAGE * np.arange(n, dtype=np.uint64)

    def move(self, nodes, status=None, **other):
        self.status = np.full(self.n, -999, np.int32) if status is None else status
        given = dict(pid=0, count=self.n, pages=self.pages, nodes=nodes, status=self.status,
                     flags=2) | other
        return syscalls.move_pages(self.task, *given.values())

    def nids(self):
        return self.p.page_nids(BASE // PAGE, self.n).tolist()


def steps(old, new):
    """What do_migrate_pages does, in order."""
    left, out = set(old), []
    while step := _next_step(left, tuple(old), tuple(new)):
        left.discard(step[0])
        out.append(step)
    return out


@pytest.mark.parametrize("old, new, moves", [
    ((0,), (1,), [(0, 1)]),
    ((0,), (0, 1), []),                               # 0 is in both, and the counts differ
    ((0, 1), (1, 2), [(1, 2), (0, 1)]),               # first where nothing must leave
    ((0, 1), (1, 0), [(1, 0), (0, 1)]),               # a ring: the last found begins
    ((0, 1, 2), (3,), [(0, 3), (1, 3), (2, 3)]),
    ((0, 1), (0, 1), []),
    ((0, 1), (), []),
])
def test_the_order_of_nodes(old, new, moves):
    assert steps(old, new) == moves


def test_migrate_pages_moves_by_position():
    stage = Stage(4)
    assert syscalls.migrate_pages(stage.task, 0, 64, 0b0001, 0b1000) == 0
    assert stage.nids() == [3] * 4
    assert syscalls.migrate_pages(stage.task, stage.p.pid, 64, 0b1010, 0b0101) == 0
    assert stage.nids() == [2] * 4                    # 1 -> 0, 3 -> 2


@pytest.mark.parametrize("era", list(ERAS))
def test_migrate_pages_to_nowhere(era):
    stage = Stage(1, era)
    old = era in OLD
    assert syscalls.migrate_pages(stage.task, 0, 64, 1, 0) == (0 if old else -errno.EINVAL)
    assert syscalls.migrate_pages(stage.task, 0, 64, 1, 0x90) == -errno.EINVAL
    # part of it is there
    assert syscalls.migrate_pages(stage.task, 0, 64, 1, 0x82) == (-errno.EINVAL if old else 0)
    assert syscalls.migrate_pages(stage.task, 4711, 64, 1, 2) == -errno.ESRCH


def test_other_users_processes_are_root_s_only():
    stage = Stage(2)
    other = stage.m.process(cpu=0)
    stage.p.uid = 1000
    for target, r in ((other, -errno.EPERM), (stage.p, 0)):
        assert syscalls.migrate_pages(stage.task, target.pid, 64, 1, 2) == r
        assert stage.move(None, pid=target.pid) == r
    assert stage.move([1, 1], flags=4) == -errno.EPERM
    # a user may not leave the target's cpuset, root may
    stage.p.set_mems_allowed((0, 1))
    assert syscalls.migrate_pages(stage.task, 0, 64, 2, 0b1000) == -errno.EPERM
    stage.p.uid = 0
    assert syscalls.migrate_pages(stage.task, 0, 64, 2, 0b1000) == -errno.EINVAL  # its own cpuset


def test_move_pages_tells_and_moves():
    stage = Stage(4)
    assert stage.move(None) == 0 and stage.status.tolist() == [0] * 4
    assert stage.move([1, 2, 2, 3]) == 0
    assert stage.status.tolist() == stage.nids() == [1, 2, 2, 3]


@pytest.mark.parametrize("era", list(ERAS))
@pytest.mark.parametrize("bad, name", [(9, "ENODEV"), (-1, "ENODEV"), (5000, "ENODEV")])
def test_entries_before_a_bad_one_are_done(era, bad, name):
    """171 pages for node 1, of which entry 170 names no node: 2012 has done a batch of 169."""
    stage = Stage(171, era)
    done = 169 if era in OLD else 170
    assert stage.move([1] * 170 + [bad]) == -getattr(errno, name)
    assert stage.status.tolist() == [1] * done + [-999] * (171 - done)
    assert stage.nids() == [1] * done + [0] * (171 - done)


def test_nodes_outside_of_the_targets_cpuset():
    stage = Stage(2)
    stage.p.set_mems_allowed((0, 1))
    assert stage.move([1, 2]) == -errno.EACCES
    assert stage.status.tolist() == [1, -999]


def test_pointers_that_end_or_lead_nowhere():
    stage = Stage(40)
    assert stage.move(BAD_POINTER) == stage.move([1] * 40, pages=BAD_POINTER) == -errno.EFAULT
    assert stage.move([1] * 40, pages=None) == -errno.EFAULT
    assert stage.move([1] * 3) == -errno.EFAULT
    assert stage.status[:4].tolist() == [1, 1, 1, -999]
    assert stage.move([2] * 40, status=BAD_POINTER) == -errno.EFAULT
    assert stage.nids() == [2] * 40                   # moved, but not told
    assert stage.move(None, pages=stage.pages[:20]) == -errno.EFAULT
    assert (stage.status != -999).sum() == 16         # told by sixteens
    assert stage.move([9] * 40, count=0) == 0


def test_flags_come_first():
    stage = Stage(1)
    for flags in (1, 8, 16, 3):
        assert stage.move([1], flags=flags, pid=4711) == -errno.EINVAL
    assert stage.move([1], pid=-1) == stage.move([1], pid=4711) == -errno.ESRCH
    assert stage.move([1], flags=0) == 0 and stage.nids() == [1]


def test_a_million_pages_are_told_and_moved_in_a_second():
    import time

    stage = Stage(1)
    stage.p.mmap(1 << 40, 1 << 32)
    stage.p.populate((1 << 28) + np.arange(1 << 20, dtype=np.uint64), 0)
    pages = (1 << 40) + PAGE * np.arange(1 << 20, dtype=np.uint64)
    status = np.zeros(1 << 20, np.int32)
    began = time.perf_counter()
    r = syscalls.move_pages(stage.task, 0, 1 << 20, pages, np.ones(1 << 20, np.int32), status, 2)
    took = time.perf_counter() - began
    assert r == 0 and (status == 1).all()
    assert took < 5, "a second on an idle machine, with room for a busy one"
