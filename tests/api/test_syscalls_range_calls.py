"""mbind and set_mempolicy_home_node: ranges, users, partial effects."""

from __future__ import annotations

import errno

import pytest

from numab import Machine, syscalls

PREFERRED, BIND, INTERLEAVE, NOOP = 1, 2, 3, 5
STRICT, MOVE, MOVE_ALL, LAZY = 1, 2, 4, 8
BASE, PAGE = 1 << 30, 4096


class Two:
    """A process on node 0 of two, with pages ``0 0 0 .`` (the last not touched)."""

    def __init__(self, era="v6.1"):
        self.m = Machine("2s", policy="off", era=era, tunables={"pmd_mark": 0})
        self.p = self.m.process(cpu=0)
        self.task = self.p.main
        self.p.mmap(BASE, 4 * PAGE)
        for i in range(3):
            self.task.access(BASE + i * PAGE, write=True)

    def mbind(self, mode, mask, flags=0, first=0, pages=4):
        return syscalls.mbind(
            self.task, BASE + first * PAGE, pages * PAGE, mode, mask, 64, flags)

    def nids(self):
        return self.p.page_nids(BASE // PAGE, 4).tolist()

    def policies(self):
        return [self.policy(i) for i in range(4)]

    def policy(self, i):
        try:
            policy = self.m.memory.range_policy(self.p.pid, BASE + i * PAGE, shared=False)
        except OSError:
            return "hole"
        return str(policy or "-")


def test_a_policy_alone_moves_nothing():
    two = Two()
    assert two.mbind(BIND, 0b10) == 0
    assert two.nids() == [0, 0, 0, -1]
    two.task.access(BASE + 3 * PAGE, write=True)
    assert two.nids() == [0, 0, 0, 1]


def test_strict_refuses_and_leaves_everything():
    two = Two()
    assert two.mbind(BIND, 0b10, STRICT) == -errno.EIO
    assert two.policies() == ["-"] * 4 and two.nids() == [0, 0, 0, -1]
    assert two.mbind(BIND, 0b10, STRICT, first=3, pages=1) == 0     # no page there: none misplaced


@pytest.mark.parametrize("flags", [MOVE, STRICT | MOVE, MOVE_ALL])
def test_move_moves_at_once(flags):
    two = Two()
    assert two.mbind(BIND, 0b10, flags) == 0
    assert two.nids() == [1, 1, 1, -1]


def test_what_cannot_move_is_an_error_under_strict_only_and_the_rest_is_done():
    """Page 1 is pinned: 0 and 2 move, the policy stands, STRICT says so."""
    for flags, r in ((MOVE, 0), (STRICT | MOVE, -errno.EIO)):
        two = Two()
        two.p.set_page_flags(BASE // PAGE + 1, ["pinned"])
        assert two.mbind(BIND, 0b10, flags) == r
        assert two.nids() == [1, 0, 1, -1] and two.policies() == ["bind:1"] * 4


def test_strict_asks_the_users_mask_not_what_it_folds_to():
    """RELATIVE {2} of two nodes is node 0, where the pages are; but they are not in {2}."""
    two = Two()
    assert two.mbind(BIND | 1 << 14, 0b100, STRICT) == -errno.EIO
    assert two.mbind(BIND | 1 << 14, 0b100, STRICT | MOVE) == 0
    assert two.nids() == [0, 0, 0, -1]


def test_move_all_is_roots():
    two = Two()
    two.p.uid = 1000
    assert two.mbind(BIND, 0b10, MOVE_ALL) == -errno.EPERM
    assert two.mbind(BIND, 0b10, MOVE) == 0
    # before the address, after the mask and the flags
    assert two.mbind(BIND, syscalls.BAD_POINTER, MOVE_ALL) == -errno.EFAULT
    assert two.mbind(BIND, 0b10, MOVE_ALL | 16) == -errno.EINVAL
    assert syscalls.mbind(two.task, 1, PAGE, BIND, 0, 64, MOVE_ALL) == -errno.EPERM


def test_lazy_and_noop_are_the_postings():
    two = Two("v2")
    assert two.mbind(BIND, 0b01) == 0
    assert two.mbind(NOOP, None, LAZY | MOVE) == 0
    assert two.policies() == ["bind:0"] * 4
    assert "marked" in two.p.page(BASE // PAGE).flags
    assert two.mbind(BIND, 0b10, LAZY) == 0                          # gives the policy MOF
    two.task.access(BASE, write=True)
    assert two.nids() == [1, 0, 0, -1]
    for era in ("v3.8", "v6.1", "v6.12"):
        assert Two(era).mbind(BIND, 0b10, LAZY) == -errno.EINVAL


def test_lazy_without_a_policy_does_not_crash_as_it_did():
    two = Two("v2")
    assert two.mbind(0, None, LAZY) == 0


def test_holes_stop_a_policy_and_not_its_absence():
    two = Two()
    two.p.munmap(BASE + PAGE, PAGE)
    assert two.mbind(BIND, 0b10) == -errno.EFAULT
    assert two.policies() == ["-", "hole", "-", "-"]
    assert two.mbind(BIND, 0b10, first=2, pages=2) == 0
    assert two.mbind(0, None) == 0
    assert two.mbind(0, None, first=1, pages=1) == -errno.EFAULT     # nothing at all there
    assert two.mbind(0, None, first=1, pages=3) == 0
    assert Two("v2").mbind(0, None, first=-1, pages=3) == -errno.EFAULT  # 2012 starts in a mapping


def test_addresses_beyond_the_end_of_user_space():
    two = Two()
    assert syscalls.mbind(two.task, 1 << 47, PAGE, BIND, 1, 64, 0) == -errno.EFAULT
    assert syscalls.mbind(two.task, BASE, 1 << 50, BIND, 1, 64, 0) == -errno.EFAULT
    assert syscalls.mbind(two.task, BASE, 1 << 50, 0, None, 0, 0) == 0
    assert syscalls.mbind(two.task, 2**64 - PAGE, 2 * PAGE, BIND, 1, 64, 0) == -errno.EINVAL


def test_home_node_goes_as_far_as_the_first_policy_that_has_none():
    two = Two()
    assert two.mbind(BIND, 0b11, pages=1) == 0
    assert two.mbind(INTERLEAVE, 0b11, first=2, pages=1) == 0
    assert two.mbind(BIND, 0b11, first=3, pages=1) == 0
    r = syscalls.set_mempolicy_home_node(two.task, BASE, 4 * PAGE, 1, 0)
    assert r == -errno.EOPNOTSUPP
    homes = [two.m.memory.range_policy(two.p.pid, BASE + i * PAGE, shared=False) for i in (0, 3)]
    assert [p.home_nid for p in homes] == [1, -1]
    assert syscalls.set_mempolicy_home_node(two.task, BASE + PAGE, PAGE, 1, 0) == -errno.ENOENT


def test_home_node_is_where_distances_count_from():
    """On node 0, BIND {0,1} takes 0; with home node 1 it takes 1."""
    two = Two()
    assert two.mbind(BIND, 0b11) == 0
    assert syscalls.set_mempolicy_home_node(two.task, BASE, 4 * PAGE, 1, 0) == 0
    two.task.access(BASE + 3 * PAGE, write=True)
    assert two.nids() == [0, 0, 0, 1]


@pytest.mark.parametrize("args, era, name", [
    ((BASE, PAGE, 1, 0), "v2", "ENOSYS"), ((BASE + 1, PAGE, 1, 0), "v6.1", "EINVAL"),
    ((BASE, PAGE, 1, 1), "v6.1", "EINVAL"), ((BASE, PAGE, 7, 0), "v6.1", "EINVAL"),
    ((BASE, PAGE, -1, 0), "v6.1", "EINVAL"), ((BASE, 0, 1, 0), "v6.1", None),
    ((BASE, 2**64 - PAGE, 1, 0), "v6.1", "EINVAL"),
])
def test_arguments_of_home_node(args, era, name):
    r = syscalls.set_mempolicy_home_node(Two(era).task, *args)
    assert (errno.errorcode[-r] if r else None) == name
