"""Do the memory-policy system calls answer what a plain reading of their rules answers?

Random machines, cpusets, users, eras and arguments, good and bad; compared in errno and in what
get_mempolicy tells afterwards.
"""

from __future__ import annotations

import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import calls as oracle

from numab import Machine, syscalls
from numab.topology import Node, Topology

ERAS = list(oracle.MODES)
PAGE = 4096
BASE = 1 << 30
NID = st.one_of(st.integers(0, 4), st.sampled_from([7, 63, 64, 1023, 1024, 1030, 2047]))
MAXNODE = st.one_of(
    st.integers(0, 12),
    st.sampled_from([64, 65, 66, 1024, 1025, 1026, 1031, 2048, 32769, 32770, 1 << 20, 2**64 - 1]))
WORDS = st.sampled_from([1, 2, 16, 17, 600])
MASK = st.one_of(
    st.sampled_from([("null",), ("bad",)]),
    st.tuples(st.just("bits"), st.frozensets(NID, max_size=4), WORDS))
MODE = st.one_of(
    st.builds(lambda mode, flags: mode | sum(flags), st.integers(0, 7),
              st.lists(st.sampled_from([1 << 13, 1 << 14, 1 << 15]), max_size=2, unique=True)),
    st.sampled_from([-1, 1 << 12, 2**31, 2**32 + 2]))


def pointer(mask):
    if mask[0] != "bits":
        return {"null": None, "bad": syscalls.BAD_POINTER}[mask[0]]
    words = np.zeros(mask[2], np.uint64)
    for bit in mask[1]:
        if bit // 64 < mask[2]:
            words[bit // 64] |= np.uint64(1 << bit % 64)
    return words


def as_seen(mask):
    """Bits beyond the mapped words are not there."""
    if mask[0] != "bits":
        return mask
    return ("bits", {b for b in mask[1] if b // 64 < mask[2]}, mask[2])


def name_of(code):
    return "" if code >= 0 else errno.errorcode[-code].replace("ENOTSUP", "EOPNOTSUPP")


class Case:
    """A machine of up to four nodes (some without memory), a process, and its oracle."""

    def __init__(self, era, memory, allowed, root):
        nodes = [Node(n, (n,), 8 << 20 if has else 0) for n, has in enumerate(memory)]
        table = [[10 if a == b else 20 for b in range(len(nodes))] for a in range(len(nodes))]
        self.machine = Machine(Topology(nodes, table), policy="off", era=era)
        self.init = self.machine.process(cpu=0)
        self.process = self.machine.process(cpu=0)
        self.task = self.process.main
        there = {n for n, has in enumerate(memory) if has}
        usable = {n for n in allowed if n in there} or there
        self.process.set_mems_allowed(sorted(usable))
        self.process.uid = 0 if root else 1000
        self.call = oracle.Call(era, there, usable, root, len(memory))


CASES = st.builds(
    Case, st.sampled_from(ERAS),
    st.lists(st.booleans(), min_size=1, max_size=4).filter(any),
    st.sets(st.integers(0, 3)), st.booleans())


@settings(deadline=None)
@given(CASES, MODE, MASK, MAXNODE)
def test_set_mempolicy_and_what_is_told_of_it(case, mode, mask, maxnode):
    name, policy = oracle.set_mempolicy(case.call, mode, as_seen(mask), maxnode)
    r = syscalls.set_mempolicy(case.task, mode, pointer(mask), maxnode)
    assert name_of(r) == name
    if not name:
        out, words = np.full(1, -9, np.int32), np.zeros(16, np.uint64)
        assert syscalls.get_mempolicy(case.task, out, words, 1024, 0, 0) == 0
        nodes = {64 * i + b for i, w in enumerate(words.tolist()) for b in range(64) if w >> b & 1}
        number, told = oracle.told(case.call, policy)
        assert (int(out[0]), nodes) == (number, told & set(range(1024)))


@settings(deadline=None)
@given(CASES, st.sampled_from([0, 1, 2, 3, 4, 8, 9, 15]), st.sampled_from([0, BASE, BASE + 8192]),
       st.booleans(), MAXNODE.filter(lambda n: n < 32770), st.sampled_from([0, 3]))
def test_get_mempolicy(case, flags, addr, has_mask, maxnode, mode):
    case.process.mmap(BASE, PAGE)
    mask = ("bits", frozenset({min(case.call.allowed)} if mode else ()), 16)
    _, policy = oracle.set_mempolicy(case.call, mode, mask, 1025)
    assert syscalls.set_mempolicy(case.task, mode, pointer(mask), 1025) == 0
    name = oracle.get_mempolicy(
        case.call, policy, has_mask, maxnode, addr, addr == BASE, flags)
    words = np.zeros(1024, np.uint64) if has_mask else None
    assert name_of(syscalls.get_mempolicy(case.task, None, words, maxnode, addr, flags)) == name


@settings(deadline=None)
@given(CASES, st.sampled_from([0, 1, 4096]),
       st.sampled_from([0, 1, PAGE, 2 * PAGE, 4 * PAGE, 2**64 - 1, 2**64 - PAGE]),
       MODE, MASK, MAXNODE, st.sampled_from([0, 1, 2, 3, 4, 5, 16]))
def test_mbind(case, offset, length, mode, mask, maxnode, flags):
    """Two pages, touched, then nothing: longer ranges meet the hole."""
    case.process.mmap(BASE, 2 * PAGE)
    for i in range(2):
        case.task.access(BASE + i * PAGE, write=True)
    start = BASE + offset
    end = start + -(-length // PAGE) * PAGE
    nids = [case.process.page(BASE // PAGE + i).nid for i in range(2)]
    pages = [nid for i, nid in enumerate(nids) if start <= BASE + i * PAGE < end]
    # A DEFAULT that meets no mapping at all: EFAULT, which the range below never is.
    hole = end > BASE + 2 * PAGE
    if offset == PAGE and length == 0:
        pages = []
    name = oracle.mbind(
        case.call, start, length, mode, as_seen(mask), maxnode, flags, pages, hole)
    r = syscalls.mbind(case.task, start, length, mode, pointer(mask), maxnode, flags)
    assert name_of(r) == name


@settings(deadline=None)
@given(CASES, st.sampled_from(["self", "init", "none"]), MASK, MASK, MAXNODE)
def test_migrate_pages(case, whom, old, new, maxnode):
    pid = {"self": 0, "init": case.init.pid, "none": 4711}[whom]
    call = case.call
    target_allowed = call.allowed if whom == "self" else call.nodes
    name = oracle.migrate_pages(call, whom != "none", whom == "self" or call.root, target_allowed,
                                as_seen(old), as_seen(new), maxnode)
    r = syscalls.migrate_pages(case.task, pid, maxnode, pointer(old), pointer(new))
    assert name_of(r) == name


@settings(deadline=None)
@given(CASES, st.sampled_from(["self", "none"]), st.lists(st.integers(-1, 4), max_size=6),
       st.integers(0, 200), st.sampled_from([0, 1, 2, 4, 6, 8]))
def test_move_pages(case, whom, nodes, before, flags):
    """``before`` good entries first, so that 2012's batches of 169 show."""
    targets = [min(case.call.allowed)] * before + nodes
    name, done = oracle.move_pages(case.call, whom == "self", True, targets, flags)
    n = len(targets)
    case.process.mmap(BASE, (n + 1) * PAGE)
    pages = BASE + PAGE * np.arange(n, dtype=np.uint64)
    status = np.full(n, -999, np.int32)
    r = syscalls.move_pages(case.task, 0 if whom == "self" else 4711, n, pages,
                            np.array(targets, np.int32), status, flags)
    assert name_of(r) == name
    assert (status != -999).sum() == done


@pytest.mark.parametrize("era", ERAS)
def test_every_mode_of_an_era_is_tried(era):
    """The table of modes is the oracle's, mode by mode."""
    case = Case(era, [True, True], {0, 1}, True)
    for number, mode in enumerate(oracle.MODES[era]):
        bits = 0 if mode in ("DEFAULT", "LOCAL", "NOOP") else 1
        assert syscalls.set_mempolicy(case.task, number, bits, 65) == 0, mode
    assert syscalls.set_mempolicy(case.task, len(oracle.MODES[era]), 1, 65) == -errno.EINVAL
