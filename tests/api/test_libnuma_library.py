"""Running on nodes, lists of nodes, and two threads with a library each."""

from __future__ import annotations

import errno

import pytest

from numa_core.errors import InvalidArgument
from numab import Machine
from numab.libnuma import Bitmask, LibNuma


def loaded(machine="2s", **options):
    return LibNuma(Machine(machine, era="v6.1", **options).process(cpu=0).main)


def mask(*nodes):
    return Bitmask(1024, nodes)


def test_running_on_a_node():
    numa = loaded()
    assert list(numa.numa_get_run_node_mask()) == [0, 1]
    assert numa.numa_get_run_node_mask().size == numa.numa_num_possible_cpus()
    assert numa.numa_run_on_node(1) == 0
    assert list(numa.numa_get_run_node_mask()) == [1]
    assert numa.task.info().nid == 1 and numa.task.affinity == tuple(range(8, 16))
    assert numa.numa_run_on_node(-1) == 0 and len(numa.task.affinity) == 16


@pytest.mark.parametrize("node, code", [
    (1024, errno.EINVAL), (-2, errno.EINVAL), (5, errno.ERANGE),
])
def test_nodes_that_are_not_there(node, code):
    numa = loaded()
    assert numa.numa_run_on_node(node) == -1 and numa.errno == code
    assert len(numa.task.affinity) == 16


def test_running_on_nodes_leaves_out_what_the_cpuset_does_not_allow():
    numa = loaded("4s")
    numa.process.set_mems_allowed((0, 1))
    numa = LibNuma(numa.task)
    assert numa.numa_run_on_node_mask(mask(1, 2)) == 0
    assert numa.task.info().nid == 1 and numa.warnings == ["node 2 not allowed"]
    assert numa.numa_run_on_node_mask(mask(2)) == -1
    assert numa.errors == [("numa_sched_setaffinity_v2_int() failed", errno.EINVAL)]
    assert numa.numa_run_on_node_mask_all(mask(2)) == 0 and numa.task.info().nid == 2
    assert list(numa.numa_get_run_node_mask()) == [], "it may not use that node's memory"


def test_binding_is_running_and_allocating_there():
    numa = loaded()
    numa.numa_bind(mask(1))
    assert numa.task.info().nid == 1 and str(numa.task.get_mempolicy()) == "bind:1"


def test_affinity_by_pid():
    numa = loaded()
    thread = numa.task.clone()
    cpus = Bitmask(64, (3, 9))
    assert numa.numa_sched_setaffinity(thread.tid, cpus) == 0
    assert thread.affinity == (3, 9) and len(numa.task.affinity) == 16
    got = numa.numa_allocate_cpumask()
    assert numa.numa_sched_getaffinity(thread.tid, got) == 8 and list(got) == [3, 9]
    assert numa.numa_sched_setaffinity(0, Bitmask(64, (40,))) == -1 and numa.errno == errno.EINVAL
    assert numa.numa_sched_setaffinity(777, cpus) == -1 and numa.errno == errno.ESRCH
    assert numa.numa_sched_getaffinity(777, got) == -1


def test_lists_of_nodes_and_cpus():
    numa = loaded("4s")
    numa.process.set_mems_allowed((1, 2))
    numa = LibNuma(numa.task)
    assert list(numa.numa_parse_nodestring("all")) == [1, 2]
    assert list(numa.numa_parse_nodestring_all("all")) == [0, 1, 2, 3]
    assert numa.numa_parse_nodestring("0") is None
    assert numa.warnings == ["node argument 0 is out of range"]
    assert list(numa.numa_parse_nodestring("+0")) == [1]
    assert list(numa.numa_parse_cpustring("0-2,5")) == [0, 1, 2, 5]
    assert list(numa.numa_parse_cpustring_all("31")) == [31]
    assert numa.numa_parse_cpustring_all("32") is None
    assert numa.numa_parse_nodestring("x") is None and len(numa.warnings) == 2, "each kind once"
    with pytest.raises(InvalidArgument, match="permitted: a text"):
        numa.numa_parse_nodestring(3)


def test_threads_have_a_library_each():
    a = loaded()
    b = LibNuma(a.task.clone())
    a.numa_set_bind_policy(0)
    a.numa_alloc_onnode(4096, 1)
    b.numa_alloc_onnode(4096, 1)
    shown = [line.split()[1] for line in a.process.numa_maps().splitlines()]
    assert shown == ["bind:1", "prefer"]
    a.numa_set_membind(mask(1))
    assert list(b.numa_get_membind()) == [0, 1]


def test_every_function_that_users_know_is_there():
    names = """available max_node max_possible_node num_possible_nodes num_possible_cpus
        num_configured_nodes num_configured_cpus num_task_cpus num_task_nodes parse_nodestring
        parse_nodestring_all parse_cpustring parse_cpustring_all node_size node_size64 preferred
        has_preferred_many preferred_many set_preferred set_preferred_many get_interleave_node
        get_interleave_mask set_interleave_mask interleave_memory bind set_localalloc set_membind
        set_membind_balancing get_membind get_mems_allowed alloc_onnode alloc_local
        alloc_interleaved alloc_interleaved_subset alloc realloc free run_on_node run_on_node_mask
        run_on_node_mask_all get_run_node_mask tonode_memory tonodemask_memory setlocal_memory
        police_memory set_bind_policy set_strict distance sched_getaffinity sched_setaffinity
        node_to_cpus node_of_cpu allocate_cpumask allocate_nodemask move_pages migrate_pages error
        warn pagesize"""
    assert [name for name in names.split() if not hasattr(LibNuma, f"numa_{name}")] == []
