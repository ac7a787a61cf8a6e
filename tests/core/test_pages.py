"""Allocation: which node, what is counted, page tables, kernel pages.

zone_statistics counts a call once, whatever its order: hit or miss where the page came from,
foreign where it was asked for, local or other by the CPU that asked.
"""

from __future__ import annotations

import dataclasses

import pytest

from numa_core import ffi, lib
from numab.mempolicy import Flags, MemPolicy, in_force

from .world import BASE, LOW, PAGE, SLOT, World

SLOT_BYTES = SLOT * PAGE
GIB = 1 << 30


def policy(w, mode, *nodes, home=-1):
    """Give the world's task that policy; rotation starts anew."""
    nids = tuple(n.nid for n in w.m.topology.nodes)
    force = in_force(MemPolicy(mode, nodes, Flags.NONE), nids, nids)
    w.m.memory.set_task_policy(w.t.tid, dataclasses.replace(force, home_nid=home))


def placed(w, n):
    return "".join(str(nid) for nid in w.nids(n))


@pytest.mark.parametrize("mode, nodes, home, out", [
    ("PREFERRED", (2,), -1, "2222"), ("BIND", (1, 2), -1, "1111"), ("BIND", (1, 2), 3, "2222"),
    ("PREFERRED_MANY", (2, 3), -1, "3333"), ("INTERLEAVE", (1, 3), -1, "1313"),
    ("WEIGHTED_INTERLEAVE", (0, 1), -1, "0001"),
])
def test_the_node_of_each_rule(mode, nodes, home, out):
    """A ring of four: from 0, 1 and 3 are 20 away, 2 is 30; from 3, 2 and 0 are 20 away."""
    ring = [[10 + 10 * min((a - b) % 4, (b - a) % 4) for b in range(4)] for a in range(4)]
    w = World(4, mapped=4, distance=ring)
    w.m.set_weight(0, 3)
    policy(w, mode, *nodes, home=home)
    w.write(0, 1, 2, 3)
    assert placed(w, 4) == out


def test_bind_ends_where_its_nodes_end_and_preferred_many_does_not():
    for mode, ends in (("BIND", True), ("PREFERRED_MANY", False)):
        w = World(2, pages=200, mapped=300)
        policy(w, mode, 0)
        if ends:
            with pytest.raises(MemoryError):
                w.write(*range(300))
        else:
            w.write(*range(300))
            assert set(w.nids(300)) == {0, 1}


@pytest.mark.parametrize("mode, nodes, stats", [
    ("PREFERRED", (0,), {"numa_hit": 4, "numa_local": 4}),
    ("PREFERRED", (1,), {"numa_hit": 4, "numa_other": 4}),
    ("INTERLEAVE", (0, 1),
     {"numa_hit": 4, "numa_interleave": 4, "numa_local": 2, "numa_other": 2}),
])
def test_what_is_counted(mode, nodes, stats):
    w = World(2, mapped=4)
    policy(w, mode, *nodes)
    assert w.zone_stats(w.write, 0, 1, 2, 3) == stats


def test_a_full_node_is_missed_elsewhere_and_foreign_here():
    w = World(2, pages=200, mapped=2)
    w.fill(0, LOW)
    assert w.zone_stats(w.write, 0, 1) == {"numa_miss": 2, "numa_foreign": 2, "numa_other": 2}
    at = w.m._h.view(lib.numab_node_stats(w.m._h.m), (2, 6))
    assert at[1].tolist() == [0, 2, 0, 0, 0, 2] and at[0, 2] == 2


def test_a_migrated_page_is_allocated_on_its_target():
    w = World(2, mapped=1, zero_page=0)
    w.write(0)
    pages = [BASE // PAGE]
    assert w.zone_stats(w.p.migrate_pages, pages, 1) == {"numa_hit": 1, "numa_other": 1}


def test_page_tables():
    """A new GiB: a page of pmds; a new slot: a page of entries; a huge page keeps one in store."""
    w = World(2, mapped=0, page_tables=1, thp=1, pages=20000)
    base = 2 * GIB
    w.p.mmap(base, 4 * SLOT_BYTES)
    w.p.mmap(base + GIB, PAGE)

    def hits(vaddr):
        return w.zone_stats(w.t.access, vaddr, True)["numa_hit"]

    assert hits(base) == 3                     # pmds, store, the huge page
    assert hits(base + 2 * SLOT_BYTES) == 2    # store, the huge page
    assert hits(base + GIB) == 3               # pmds, entries, the page
    free = w.m.node(0).free
    w.p.munmap(base + GIB, PAGE)
    assert w.m.node(0).free == free + 3


def test_page_tables_rotate_with_the_tasks_interleaving():
    """Rotation starts at the first node: pmds on 0, entries on 1, and the next kernel page on 0."""
    w = World(2, mapped=1, page_tables=1)
    policy(w, "INTERLEAVE", 0, 1)
    out = ffi.new("struct numab_mpol *")
    for nid in (0, 1):
        assert lib.numab_task_policy(w.m._h.m, w.t.tid, out) == 0 and out.nid == nid
        assert lib.numab_alloc_kernel(w.m._h.m, w.t.tid, 0) == nid
    w.write(0)
    assert lib.numab_task_policy(w.m._h.m, w.t.tid, out) == 0 and out.nid == 0


def test_kernel_pages_come_and_go():
    w = World(2)
    m, free = w.m._h.m, w.m.node(0).free
    assert lib.numab_alloc_kernel(m, w.t.tid, 3) == 0
    assert w.m.node(0).free == free - 8
    for nid, order in ((0, 4), (1, 0), (2, 0), (0, 11)):
        assert lib.numab_free_kernel(m, nid, order) < 0
    assert lib.numab_free_kernel(m, 0, 3) == 0 and w.m.node(0).free == free


def test_huge_pages_interleave_by_their_own_number():
    w = World(2, mapped=0, thp=1, pages=20000)
    policy(w, "INTERLEAVE", 0, 1)
    base = GIB
    w.p.mmap(base, 4 * SLOT_BYTES, pgoff=base // PAGE)
    for i in range(4):
        w.t.access(base + i * SLOT_BYTES, write=True)
    assert [w.p.page((base + i * SLOT_BYTES) // PAGE).nid for i in range(4)] == [0, 1, 0, 1]
