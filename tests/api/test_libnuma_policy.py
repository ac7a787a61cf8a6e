"""The task's policy through libnuma: what is set, what is told, and where they disagree."""

from __future__ import annotations

import errno

import pytest

from numab import Machine
from numab.libnuma import Bitmask, LibNuma


def loaded(era="v6.12", machine="4s"):
    return LibNuma(Machine(machine, era=era).process(cpu=0).main)


def mask(*nodes):
    return Bitmask(1024, nodes)


def policy_of(numa):
    return str(numa.task.get_mempolicy() or "default")


@pytest.mark.parametrize("call, policy", [
    (lambda n: n.numa_set_membind(mask(1, 2)), "bind:1-2"),
    (lambda n: n.numa_set_membind_balancing(mask(1, 2)), "bind=balancing:1-2"),
    (lambda n: n.numa_set_interleave_mask(mask(0, 3)), "interleave:0,3"),
    (lambda n: n.numa_set_weighted_interleave_mask(mask(0, 3)), "weighted interleave:0,3"),
    (lambda n: n.numa_set_preferred(2), "prefer:2"),
    (lambda n: n.numa_set_preferred(-1), "local"),
    (lambda n: n.numa_set_preferred_many(mask(0, 1)), "prefer (many):0-1"),
    (lambda n: n.numa_set_localalloc(), "local"),
    (lambda n: n.numa_set_interleave_mask(mask()), "default"),
    (lambda n: n.numa_set_weighted_interleave_mask(mask()), "default"),
])
def test_setters(call, policy):
    numa = loaded()
    numa.numa_set_membind(mask(3))
    call(numa)
    assert policy_of(numa) == policy and numa.errors == []


@pytest.mark.parametrize("era", ["v2", "v3.8"])
def test_kernels_without_the_new_modes(era):
    numa = loaded(era)
    numa.numa_set_membind_balancing(mask(1, 2))
    assert (policy_of(numa), numa.errors, numa.errno) == ("bind:1-2", [], 0), "just binds"
    numa.numa_set_preferred_many(mask(2, 3))
    assert policy_of(numa) == "prefer:2"
    assert numa.warnings == ["Unable to handle MANY preferred nodes. Falling back to first node"]
    numa.numa_set_weighted_interleave_mask(mask(0))
    assert numa.errors == [("set_mempolicy", errno.EINVAL)] and policy_of(numa) == "prefer:2"


@pytest.mark.parametrize("text, membind, interleave, preferred", [
    ("default", [0, 1, 2, 3], [], -1),
    ("local", [0, 1, 2, 3], [], -1),
    ("prefer:2", [0, 1, 2, 3], [], 2),
    ("bind:1-2", [1, 2], [], 1),
    ("interleave:1,3", [0, 1, 2, 3], [1, 3], 1),     # numa_preferred takes any policy's first node
    ("preferred-many:2-3", [0, 1, 2, 3], [], 2),
    ("bind:1 balancing", [0, 1, 2, 3], [], 1),       # a flag in the mode: not BIND to libnuma
    ("interleave:1 static", [0, 1, 2, 3], [], 1),
])
def test_getters(text, membind, interleave, preferred):
    numa = loaded()
    numa.task.set_mempolicy(text)
    assert list(numa.numa_get_membind()) == membind
    assert list(numa.numa_get_interleave_mask()) == interleave
    assert numa.numa_preferred() == preferred
    assert list(numa.numa_get_weighted_interleave_mask()) == []


def test_a_weighted_interleave_is_none_of_the_others():
    numa = loaded()
    numa.numa_set_weighted_interleave_mask(mask(1, 2))
    assert list(numa.numa_get_weighted_interleave_mask()) == [1, 2]
    assert list(numa.numa_get_interleave_mask()) == []


def test_several_preferred_nodes_are_told_as_an_error_though_nothing_is_wrong():
    numa = loaded()
    numa.numa_set_membind(mask(1, 2))
    assert list(numa.numa_preferred_many()) == [1, 2] and numa.errors == [("libnuma.c", 0)]


def test_the_next_interleave_node_is_0_under_any_other_policy():
    numa = loaded()
    numa.numa_set_interleave_mask(mask(2, 3))
    assert numa.numa_get_interleave_node() == 2
    numa.numa_set_preferred(1)
    assert numa.numa_get_interleave_node() == 0 and numa.errno == errno.EINVAL


@pytest.mark.parametrize("call", [
    lambda n: n.numa_set_membind(mask()),           # no node
    lambda n: n.numa_set_membind(mask(9)),          # none that is there
    lambda n: n.numa_set_preferred(900),
])
def test_refusals_reach_numa_error_and_change_nothing(call):
    numa = loaded()
    numa.numa_set_membind(mask(3))
    call(numa)
    assert numa.errors == [("set_mempolicy", errno.EINVAL)]
    assert policy_of(numa) == "bind:3"


def test_a_program_that_exits_on_errors_gets_an_exception():
    numa = loaded()
    numa.numa_exit_on_error = True
    with pytest.raises(OSError) as caught:
        numa.numa_set_membind(mask())
    assert (caught.value.errno, caught.value.strerror) == (errno.EINVAL, "set_mempolicy")


def test_nodes_outside_the_cpuset_are_dropped_and_none_left_is_an_error():
    numa = loaded()
    numa.process.set_mems_allowed((0, 1))
    numa.numa_set_membind(mask(1, 2))
    assert policy_of(numa) == "bind:1" and numa.errors == []
    numa.numa_set_membind(mask(2, 3))
    assert numa.errors == [("set_mempolicy", errno.EINVAL)]
    assert list(numa.numa_get_mems_allowed()) == [0, 1]
