"""What libnuma reads when it is loaded: counts and masks of nodes and CPUs."""

from __future__ import annotations

import errno

import pytest

from numa_core.errors import InvalidArgument
from numab import Machine, Node, Topology
from numab.libnuma import Bitmask, LibNuma

#: Node 33 has no memory, node 2 no CPU; there is no node 1.
SPARSE = Topology(
    [Node(0, (0, 1), 64 << 20), Node(2, (), 32 << 20), Node(33, (5,), 0)],
    [[10, 20, 30], [20, 10, 40], [30, 40, 10]],
)


@pytest.fixture
def numa():
    return LibNuma(Machine(SPARSE, era="v6.1").process(cpu=0).main)


def test_counts(numa):
    assert numa.numa_available() == 0
    assert (numa.numa_max_node(), numa.numa_max_possible_node()) == (33, 1023)
    assert numa.numa_num_possible_nodes() == 1024
    assert numa.numa_num_possible_cpus() == 64
    assert numa.numa_num_configured_nodes() == 2, "nodes with memory"
    assert numa.numa_num_configured_cpus() == 3
    assert (numa.numa_num_task_nodes(), numa.numa_num_task_cpus()) == (2, 3)
    assert numa.numa_pagesize() == 4096


def test_masks(numa):
    assert list(numa.numa_nodes_ptr) == [0, 2, 33]
    assert list(numa.numa_all_nodes_ptr) == list(numa.numa_memnode_ptr) == [0, 2]
    assert list(numa.numa_all_cpus_ptr) == [0, 1, 5]
    assert numa.numa_no_nodes_ptr == numa.numa_allocate_nodemask() == Bitmask(1024)
    assert numa.numa_allocate_cpumask() == Bitmask(64)
    assert numa.numa_free_nodemask(Bitmask(1)) is None is numa.numa_free_cpumask(Bitmask(1))


def test_a_cpuset_and_an_affinity_show_in_what_is_loaded_after_them():
    p = Machine(SPARSE, era="v6.1").process(cpu=0)
    before = LibNuma(p.main)
    p.set_mems_allowed((2,))
    p.main.set_affinity((0, 5))
    after = LibNuma(p.main)
    assert list(after.numa_all_nodes_ptr) == [2] and after.numa_num_task_nodes() == 1
    assert list(after.numa_all_cpus_ptr) == [0, 5] and after.numa_num_task_cpus() == 2
    assert list(before.numa_all_nodes_ptr) == [0, 2]
    assert list(before.numa_get_mems_allowed()) == [2], "this one asks each time"


def test_sizes_and_distances(numa):
    assert numa.numa_node_size64(0) == (64 << 20, 64 << 20)
    assert numa.numa_node_size(33) == (0, 0)
    assert numa.numa_node_size64(1) == numa.numa_node_size64(-1) == (-1, -1)
    numa.numa_police_memory(numa.numa_alloc_onnode(3 * 4096, 2), 3 * 4096)
    assert numa.numa_node_size64(2) == (32 << 20, (32 << 20) - 3 * 4096)
    assert [numa.numa_distance(0, b) for b in (0, 2, 33, 1, -1, 99)] == [10, 20, 30, 0, 0, 0]


def test_cpus_of_nodes(numa):
    mask = numa.numa_allocate_cpumask()
    assert numa.numa_node_to_cpus(33, mask) == 0 and list(mask) == [5]
    assert numa.numa_node_to_cpus(2, mask) == 0 and list(mask) == []
    assert numa.numa_node_to_cpus(34, mask) == -1 and numa.errno == errno.ERANGE
    assert numa.numa_node_to_cpus(1, mask) == -1 and len(list(mask)) == 64, "no such node: all"
    assert [numa.numa_node_of_cpu(cpu) for cpu in (0, 5)] == [0, 33]
    assert numa.numa_node_of_cpu(3) == -1 and numa.errno == errno.EINVAL
    assert numa.numa_node_to_cpu_update() is None


@pytest.mark.parametrize("era, has", [("v2", 0), ("v3.8", 0), ("v6.1", 1), ("v6.12", 1)])
def test_preferred_many_is_found_by_trying_it(era, has):
    """On 3.7 with the series, mode 5 is MPOL_NOOP, which wants no nodes."""
    task = Machine("2s", era=era).process(cpu=0).main
    task.set_mempolicy("bind:1 static")
    assert LibNuma(task).numa_has_preferred_many() == has
    assert str(task.get_mempolicy()) == "bind=static:1", "the old policy is back"


def test_it_is_not_found_when_node_0_has_no_memory():
    topology = Topology([Node(0, (0,), 0), Node(1, (1,), 64 << 20)], [[10, 20], [20, 10]])
    numa = LibNuma(Machine(topology, era="v6.1").process(cpu=0).main)
    assert numa.numa_has_preferred_many() == 0


def test_mistakes_are_named(numa):
    for call, message in (
        (lambda: LibNuma("task"), "task 'task', permitted: a numab.Task"),
        (lambda: numa.numa_distance(0, "1"), "node2 '1', permitted: a whole number"),
        (lambda: numa.numa_node_to_cpus(0, 5), "bitmask 5, permitted: a numab.libnuma.Bitmask"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert message in str(caught.value)
