"""Memory through libnuma: where it lies, under which policy, and what fails how."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from numa_core.errors import AccessFault, InvalidArgument
from numab import Machine
from numab.libnuma import Bitmask, LibNuma
from numab.libnuma.memory import MMAP_BASE, unmapped_area
from numab.procfs import parse_numa_maps
from numab.values import Vma

PAGE = 4096


def loaded(era="v6.1", machine="4s", cpu=0):
    return LibNuma(Machine(machine, era=era).process(cpu=cpu).main)


def mask(*nodes):
    return Bitmask(1024, nodes)


def nodes_of(numa, mem, pages):
    return numa.process.page_nids(mem // PAGE, pages).tolist()


def policies(numa):
    return [line.policy for line in parse_numa_maps(numa.process.numa_maps())]


def test_memory_is_mapped_from_the_top_down():
    numa = loaded()
    a, b = numa.numa_alloc_local(1), numa.numa_alloc_onnode(2 * PAGE + 1, 1)
    assert (a, b) == (MMAP_BASE - PAGE, MMAP_BASE - 4 * PAGE)
    numa.numa_free(a, 1)
    assert numa.numa_alloc_onnode(PAGE, 2) == a, "the highest hole that fits"


@pytest.mark.parametrize("ranges, size, place", [
    ([], 1, MMAP_BASE - 1), ([(1, 2)], 3, MMAP_BASE - 3),
    ([(MMAP_BASE - 9, 4)], 5, MMAP_BASE - 5), ([(MMAP_BASE - 9, 4)], 6, MMAP_BASE - 15),
    ([(MMAP_BASE - 2, 9), (MMAP_BASE + 20, 4)], 3, MMAP_BASE - 5),
    ([(0x10000, MMAP_BASE - 0x10000)], 1, None),
])
def test_the_highest_hole_below_the_base(ranges, size, place):
    vmas = [Vma(start, length, "anon_private", "rw", (), 0, 0) for start, length in ranges]
    assert unmapped_area(vmas, size) == place


def test_numa_alloc_touches_its_pages_under_the_tasks_policy():
    numa = loaded()
    numa.numa_set_preferred(2)
    assert nodes_of(numa, numa.numa_alloc(2 * PAGE + 1), 3) == [2, 2, 2]


@pytest.mark.parametrize("alloc, shown, nodes", [
    (lambda n: n.numa_alloc_onnode(4 * PAGE, 3), "bind:3", [3, 3, 3, 3]),
    (lambda n: n.numa_alloc_local(4 * PAGE), "local", [1, 1, 1, 1]),
    (lambda n: n.numa_alloc_interleaved_subset(4 * PAGE, mask(0, 2)), "interleave:0,2", None),
    (lambda n: n.numa_alloc_interleaved(4 * PAGE), "interleave:0-3", None),
])
def test_allocators_leave_pages_to_the_first_touch(alloc, shown, nodes):
    """Interleaving goes by the page's number, as its offset in anonymous memory."""
    numa = loaded(cpu=8)
    mem = alloc(numa)
    assert nodes_of(numa, mem, 4) == [-1] * 4
    numa.numa_police_memory(mem, 4 * PAGE)
    assert policies(numa) == [shown]
    if nodes is None:
        ids = [0, 2] if "," in shown else [0, 1, 2, 3]
        nodes = [ids[(mem // PAGE + i) % len(ids)] for i in range(4)]
    assert nodes_of(numa, mem, 4) == nodes


def test_a_refused_policy_is_told_and_the_memory_is_there_all_the_same():
    """As the library itself does: numa_alloc_onnode(4096, 5) on a machine of one node."""
    numa = loaded()
    mem = numa.numa_alloc_onnode(PAGE, 5)
    assert mem is not None and numa.errors == [("mbind", errno.EINVAL)]
    assert policies(numa) == ["default"]


def test_no_memory_of_no_size():
    numa = loaded()
    for alloc in (numa.numa_alloc, numa.numa_alloc_local, numa.numa_alloc_interleaved):
        assert alloc(0) is None and numa.errno == errno.EINVAL
    assert numa.numa_alloc_onnode(1 << 48, 0) is None and numa.errno == errno.ENOMEM
    assert numa.errors == []


@pytest.mark.parametrize("era, policy", [
    ("v2", "prefer:1"), ("v3.8", "prefer:1"), ("v6.1", "prefer (many):1"),
    ("v6.12", "prefer (many):1"),
])
def test_binding_can_be_made_preferring(era, policy):
    numa = loaded(era)
    numa.numa_set_bind_policy(0)
    numa.numa_alloc_onnode(PAGE, 1)
    assert policies(numa) == [policy]
    numa.numa_set_bind_policy(1)
    numa.numa_alloc_onnode(PAGE, 2)
    assert policies(numa)[0] == "bind:2"


@pytest.mark.parametrize("call, policy", [
    (lambda n, m: n.numa_interleave_memory(m, 2 * PAGE, mask(1, 2)), "interleave:1-2"),
    (lambda n, m: n.numa_tonode_memory(m, 2 * PAGE, 3), "bind:3"),
    (lambda n, m: n.numa_tonodemask_memory(m, 2 * PAGE, mask(0, 3)), "bind:0,3"),
    (lambda n, m: n.numa_setlocal_memory(m, 2 * PAGE), "local"),
])
def test_policies_of_mapped_memory(call, policy):
    numa = loaded()
    mem = numa.numa_alloc_onnode(2 * PAGE, 0)
    call(numa, mem)
    assert policies(numa) == [policy] and numa.errors == []


def test_strict_makes_misplaced_pages_an_error():
    numa = loaded()
    mem = numa.numa_alloc_onnode(PAGE, 0)
    numa.numa_police_memory(mem, PAGE)
    numa.numa_tonode_memory(mem, PAGE, 1)
    assert numa.errors == [] and nodes_of(numa, mem, 1) == [0], "not moved"
    numa.numa_set_strict(1)
    numa.numa_tonode_memory(mem, PAGE, 2)
    assert numa.errors == [("mbind", errno.EIO)] and policies(numa) == ["bind:1"]
    numa.numa_set_strict(0)
    numa.numa_tonode_memory(mem, PAGE, 2)
    assert len(numa.errors) == 1


def test_realloc_in_place_keeps_pages_and_policy():
    """
    before     [ 2 pages, bind:1 ]                 after   [ 2 pages | 1 page, bind:1 ]
    """
    numa = loaded()
    numa.numa_alloc_local(PAGE)
    hole = numa.numa_alloc_local(4 * PAGE)
    mem = numa.numa_alloc_onnode(2 * PAGE, 1)
    numa.numa_police_memory(mem, 2 * PAGE)
    numa.numa_free(hole, 4 * PAGE)
    assert numa.numa_realloc(mem, 2 * PAGE, 3 * PAGE) == mem
    numa.numa_police_memory(mem, 3 * PAGE)
    assert nodes_of(numa, mem, 3) == [1, 1, 1]
    assert numa.numa_realloc(mem, 3 * PAGE, PAGE) == mem
    assert nodes_of(numa, mem, 2) == [1, -1]


def test_realloc_moves_when_there_is_no_room():
    numa = loaded()
    numa.numa_alloc_onnode(PAGE, 1)                     # right behind it
    mem = numa.numa_alloc_onnode(2 * PAGE, 1)
    numa.numa_police_memory(mem, 2 * PAGE)
    moved = numa.numa_realloc(mem, 2 * PAGE, 4 * PAGE)
    assert moved == mem - 4 * PAGE, "below what is still there"
    assert nodes_of(numa, mem, 2) == [-1, -1]
    numa.numa_police_memory(moved, 4 * PAGE)
    assert nodes_of(numa, moved, 4) == [1] * 4
    assert set(policies(numa)) == {"bind:1"}


@pytest.mark.parametrize("args, code", [
    ((1, PAGE, PAGE), errno.EINVAL), ((PAGE, PAGE, 0), errno.EINVAL), ((PAGE, 0, 1), errno.EINVAL),
    ((0x10000, PAGE, PAGE), errno.EFAULT),
])
def test_realloc_refuses(args, code):
    numa = loaded()
    assert numa.numa_realloc(*args) is None and numa.errno == code


def test_free_of_what_is_no_pages_address_is_passed_over():
    numa = loaded()
    numa.numa_free(5, PAGE)
    assert numa.errno == errno.EINVAL


def test_touching_what_is_not_mapped_is_a_fault():
    with pytest.raises(AccessFault):
        loaded().numa_police_memory(0x1000, PAGE)


def test_moving_pages():
    numa = loaded()
    mem = numa.numa_alloc_onnode(2 * PAGE, 0)
    numa.numa_police_memory(mem, PAGE)
    status = np.full(2, 99, np.int32)
    pages = [mem, mem + PAGE]
    assert numa.numa_move_pages(0, 2, pages, None, status, 0) == 0
    assert status.tolist() == [0, -errno.EFAULT]      # 6.1: never touched
    assert numa.numa_move_pages(0, 1, pages[:1], [3], status[:1], 2) == 0
    assert nodes_of(numa, mem, 1) == [3]
    assert numa.numa_migrate_pages(0, mask(3), mask(1)) == 0
    assert nodes_of(numa, mem, 1) == [1]
    assert numa.numa_migrate_pages(12345, mask(3), mask(1)) == -1 and numa.errno == errno.ESRCH
    assert numa.numa_move_pages(0, 1, pages[:1], [900], status[:1], 2) == -1
    assert numa.errno == errno.ENODEV


def test_mistakes_are_named():
    numa = loaded()
    for call, message in (
        (lambda: numa.numa_alloc(-1), "size -1, permitted 0.."),
        (lambda: numa.numa_alloc_interleaved_subset(PAGE, [0]), "bitmask [0], permitted"),
        (lambda: numa.numa_set_strict(7), "strict 7, permitted: True or False"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert message in str(caught.value)
