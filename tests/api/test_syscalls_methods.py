"""The calls as methods: values in, the right exception out, with words that help."""

from __future__ import annotations

import errno

import pytest

from numa_core.errors import InvalidArgument
from numab import Machine
from numab.mempolicy import Flags, MemPolicy
from numab.syscalls.methods import NOT_TRIED

BASE, PAGE = 1 << 30, 4096


@pytest.fixture
def p():
    process = Machine("2s", policy="off", era="v6.1").process(cpu=0)
    process.mmap(BASE, 4 * PAGE)
    return process


def test_policies_come_back_as_they_were_given(p):
    for text in ("bind=static:0-1", "interleave:0-1", "local", "prefer:1", "prefer (many):0-1",
                 "bind=balancing:0"):
        p.main.set_mempolicy(text)
        p.mbind(BASE, PAGE, text)
        assert str(p.main.get_mempolicy()) == str(p.main.get_mempolicy(BASE)) == text
    p.main.set_mempolicy(None)
    assert p.main.get_mempolicy() is None
    p.main.set_mempolicy(MemPolicy("BIND", (0,), Flags.STATIC_NODES))
    assert p.main.get_mempolicy() == MemPolicy("BIND", (0,), Flags.STATIC_NODES)


@pytest.mark.parametrize("call, kind, number, says", [
    (lambda p: p.main.set_mempolicy("bind:7"), OSError, errno.EINVAL, "nodes \\(7,\\)"),
    (lambda p: p.main.set_mempolicy("weighted interleave:0"), OSError, errno.EINVAL,
     "permitted in era v6.1"),
    (lambda p: p.mbind(BASE, 9 * PAGE, "bind:0"), OSError, errno.EFAULT, "not all mapped"),
    (lambda p: p.mbind(BASE + 1, PAGE, "bind:0"), OSError, errno.EINVAL, "multiple of 4096"),
    (lambda p: p.mbind(BASE, PAGE, "bind:0", lazy=True), OSError, errno.EINVAL,
     "permitted in era v6.1: a sum of 1 \\(STRICT\\), 2 \\(MOVE\\), 4 \\(MOVE_ALL\\)"),
    (lambda p: p.set_mempolicy_home_node(BASE, PAGE, 0), FileNotFoundError, errno.ENOENT,
     "no policy in"),
    (lambda p: p.main.move_pages([BASE], 9), OSError, errno.ENODEV, "permitted: \\[0, 1\\]"),
    (lambda p: p.main.node_of(5), OSError, errno.EFAULT, "not mapped"),
    (lambda p: p.main.next_interleave_node(), OSError, errno.EINVAL, "interleaving"),
])
def test_refusals(p, call, kind, number, says):
    with pytest.raises(kind, match=says) as e:
        call(p)
    assert e.value.errno == number


def test_rights(p):
    other = p.machine.process(cpu=0)
    other.uid = 5
    with pytest.raises(PermissionError, match="process .* of user 0 by user 5"):
        other.main.move_pages([BASE], process=p)
    with pytest.raises(PermissionError, match="permitted: root"):
        other.main.mbind(BASE, PAGE, "bind:0", move_all=True)
    with pytest.raises(ProcessLookupError, match="no process"):
        p.main.migrate_pages(p.machine.process_of(4711), [0], [1])


def test_moving(p):
    for i in range(3):
        p.main.access(BASE + i * PAGE, write=True)
    assert p.main.node_of(BASE) == 0
    assert p.main.move_pages([BASE, BASE + PAGE, BASE + 3 * PAGE], [1, 0, 1]).tolist()[:2] == [1, 0]
    assert p.main.move_pages([BASE], None).tolist() == [1]
    assert p.main.migrate_pages(p, [0], [1]) == 0
    assert p.main.node_of(BASE + PAGE) == 1
    assert NOT_TRIED < -4096


def test_lazy_belongs_to_mbind():
    p = Machine("2s", policy="off").process(cpu=0)
    p.mmap(BASE, PAGE)
    p.main.access(BASE, write=True)
    p.mbind(BASE, PAGE, "bind:1 lazy")
    p.main.access(BASE, write=True)
    assert p.page(BASE // PAGE).nid == 1
    with pytest.raises(InvalidArgument, match="lazy"):
        p.main.set_mempolicy("bind:1 lazy")


@pytest.mark.parametrize("call", [
    lambda p: p.main.set_mempolicy(3), lambda p: p.main.set_mempolicy("bend:1"),
    lambda p: p.mbind(-1, PAGE, "bind:0"), lambda p: p.mbind(BASE, 1.5, "bind:0"),
    lambda p: p.mbind(BASE, PAGE, "bind:0", move=2),
    lambda p: p.main.move_pages(["x"]), lambda p: p.main.move_pages([BASE], [1, 2]),
    lambda p: p.main.migrate_pages(p, [-1], [0]),
    lambda p: setattr(p, "uid", -1), lambda p: setattr(p.machine, "era", "v9"),
    lambda p: p.main.set_mems_allowed([7]),
])
def test_values_that_make_no_sense(p, call):
    with pytest.raises(InvalidArgument, match="permitted"):
        call(p)


def test_the_era_can_change(p):
    p.main.set_mempolicy("prefer (many):0-1")
    p.machine.era = "v2"
    assert p.machine.era == "v2"
    with pytest.raises(OSError, match="permitted in era v2"):
        p.main.set_mempolicy("prefer (many):0-1")
