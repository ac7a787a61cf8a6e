"""How libnuma's functions meet the kernel: errno, and what a program is told."""

from __future__ import annotations

import errno

import pytest

from numab import Machine
from numab.libnuma import Bitmask, LibNuma


@pytest.fixture
def numa():
    return LibNuma(Machine("2s", era="v6.1").process(cpu=0).main)


def test_a_refusal_is_minus_one_and_errno(numa):
    assert numa.answer(-errno.EPERM) == -1 and numa.errno == errno.EPERM
    assert numa.answer(3) == 3 and numa.errno == errno.EPERM, "errno stays, as in C"
    assert numa.fail(errno.EINTR) == -1 and numa.errno == errno.EINTR


def test_what_a_program_was_told_is_kept(numa):
    numa.errno = 5
    numa.numa_error("here")
    numa.numa_warn("kind", "first")
    numa.numa_warn("kind", "second")
    numa.numa_warn("other", "third")
    assert (numa.errors, numa.warnings) == ([("here", 5)], ["first", "third"])


def test_a_program_may_replace_both():
    class Own(LibNuma):
        def numa_error(self, where):
            raise RuntimeError(where)

    own = Own(Machine("2s").process(cpu=0).main)
    with pytest.raises(RuntimeError, match="set_mempolicy"):
        own.numa_set_membind(Bitmask(1024))


def test_all_bits_of_a_mask_reach_the_kernel(numa):
    """The kernel reads one bit less than it is told; libnuma tells it one more than it has."""
    numa.setpol(2, Bitmask(2, (1,)))
    assert str(numa.task.get_mempolicy()) == "bind:1" and numa.errors == []


def test_a_mask_that_is_too_small_for_the_answer():
    """get_mempolicy wants room for every node that can exist."""
    numa = LibNuma(Machine("64n", era="v6.1").process(cpu=0).main)
    assert numa.get_mempolicy(Bitmask(8)) is None and numa.errno == errno.EINVAL
    assert numa.getpol(Bitmask(8)) == 0 and numa.errors == [("get_mempolicy", errno.EINVAL)]
