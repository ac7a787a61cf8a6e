"""What the calls know beside the core: tasks that come and go, errors of the core as errnos."""

from __future__ import annotations

import errno

import pytest

from numa_core.errors import InvalidArgument, NoSuchTask
from numab import Machine, syscalls
from numab.syscalls.state import core_answer


def test_tasks_of_a_process():
    m = Machine("2s", policy="off")
    p = m.process()
    thread = p.main.clone()
    child = p.main.fork()
    assert m.memory.tids(p.pid) == [p.pid, thread.tid]
    assert m.memory.tids(child.pid) == [child.pid]
    thread.exit()
    assert m.memory.tids(p.pid) == [p.pid]
    with pytest.raises(NoSuchTask):
        m.memory.pid_of(thread.tid)


def test_memory_less_nodes_are_never_allowed():
    from numab.topology import Node, Topology

    m = Machine(Topology([Node(0, (0,), 8 << 20), Node(1, (1,), 0)], [[10, 20], [20, 10]]),
                policy="off", era="v6.1")
    assert m.process().main.mems_allowed == (0,)
    assert syscalls.set_mempolicy(m.process().main, 2, 0b10, 64) == -errno.EINVAL


def test_errors_of_the_core_have_the_kernels_numbers():
    m = Machine("2s", policy="off")
    for code, number in ((-14, errno.EFAULT), (-12, errno.ENOMEM), (-105, errno.ENOMEM)):
        with pytest.raises(OSError) as e:
            core_answer(m._h, code, "words")
        assert (e.value.errno, e.value.strerror) == (number, "words")
    assert core_answer(m._h, 3) == 3


def test_an_unknown_era():
    with pytest.raises(InvalidArgument, match="era 'v4', permitted: v2, v3.8, v6.1, v6.12"):
        Machine("2s", era="v4")


def test_raw_calls_do_not_swallow_mistakes_in_python():
    m = Machine("2s", policy="off")
    task = m.process().main
    with pytest.raises(InvalidArgument):
        syscalls.set_mempolicy(task, "bind", 1, 64)
    task.exit()
    with pytest.raises(NoSuchTask):
        syscalls.set_mempolicy(task, 2, 1, 64)
