"""Entries, slots and huge pages: the bits of patches 4, 5 and 7."""

import pytest
from numab import InvalidArgument, NoSuchTask

from .world import BASE, MB, PAGE, SLOT, VPN, World


def test_a_marked_entry_counts_as_present_while_the_cpu_faults_on_it():
    """Patches 4, 5.  Expect: page, node and mapcount are all there; the next access faults."""
    w = World()
    w.write(0)
    assert w.flags() == {"present", "writable", "accessed", "dirty", "exclusive"}
    w.mark()
    page = w.page()
    assert {"present", "marked"} <= page.flags
    assert (page.nid, page.mapcount) == (0, 1)
    assert w.t.info().mm_pages == 1
    assert w.p.node_pages().tolist() == [1, 0]
    assert w.touch().faults == 1
    assert w.touch().faults == 0


def test_numa_is_never_set_together_with_present():
    """Patch 4.  The CPU must not get at a marked page: the walk without faults refuses it, and
    the invariants (verified after each step here) hold."""
    w = World(mapped=4)
    w.write(0, 1, 2, 3)
    for step in (lambda: w.mark(0, 4), lambda: w.touch(1), lambda: w.mark(0, 4)):
        step()
        w.m.check()
    assert not w.t.gup(BASE)
    assert w.marked(4) == [0, 1, 2, 3]


def test_the_numa_bit_is_the_protnone_bit():
    """Patch 4.  Expect: PROT_NONE makes an entry that looks marked, and only the VMA tells."""
    w = World()
    w.write(0)
    w.p.mprotect(BASE, PAGE, "none")
    assert {"present", "marked"} <= w.flags()
    w.p.mprotect(BASE, PAGE, "rw")
    assert "marked" not in w.flags()


def test_marking_keeps_the_other_bits_and_marks_once():
    """Patch 5.  Expect: the second marking finds it numa already: no update."""
    w = World()
    w.write(0)
    before = w.flags()
    assert w.mark() == 1
    assert w.flags() - {"marked", "pmd_marked"} == before
    assert w.mark() == 0


def test_unmarking_sets_accessed():
    """Patch 5: mknonnuma sets PRESENT and ACCESSED, which saves the later write of that bit.

    page    0         1
            touched   only unmarked, by the pmd's batch      Expect: both are accessed.
    """
    w = World(mapped=2, as_posted=True)
    w.place(0, 1, 2)
    w.p.migrate_pages([VPN, VPN + 1], 0)
    assert "accessed" not in w.flags(1)
    w.mark(0, 2)
    w.touch(0)
    assert w.marked(2) == []
    assert "accessed" in w.flags(1)


def test_the_mark_survives_a_split_of_the_huge_page():
    """Patch 7: all 512 entries get the huge entry's mark, the pmd that replaces it has none."""
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    assert "huge" in w.flags(511)
    w.mark(0, SLOT)
    assert {"huge", "pmd_marked"} <= w.flags(0)
    assert w.marked(SLOT) == []          # one mark, on the huge entry
    w.p.split_huge_page(VPN + 17)
    assert w.marked(SLOT) == list(range(SLOT))
    assert not w.flags(0) & {"huge", "pmd_marked"}
    assert w.m.counters["thp_split"] == 1
    assert w.m.counters["numa_pte_updates"] == 1


def test_an_unmarked_huge_page_splits_into_unmarked_entries():
    """Patch 7, the other way round."""
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.p.split_huge_page(VPN)
    assert w.marked(SLOT) == []
    assert w.touch(300, True).faults == 0


def test_a_page_that_is_not_huge_cannot_be_split():
    w = World()
    w.write(0)
    with pytest.raises(NoSuchTask):
        w.p.split_huge_page(VPN)
    assert w.m.counters["thp_split"] == 0


def test_a_border_inside_a_huge_page_splits_it():
    """
    slot    |-- huge page ------------|
    munmap           |XXXX|                Expect: split, marks kept, the hole is gone.
    """
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.mark(0, SLOT)
    w.p.munmap(BASE + 100 * PAGE, 10 * PAGE)
    assert w.marked(SLOT) == [*range(100), *range(110, SLOT)]
    assert w.t.info().mm_pages == SLOT - 10
    assert w.m.node(0).free == 4000 - SLOT + 10


def test_memory_far_apart_and_the_void_between():
    """
    |-- 1 page --|  .. 100 TB ..  |-- 1 page --|       Expect: each its own, nothing between.
    """
    w = World()
    far = 1 << 47
    w.p.mmap(far, PAGE)
    w.write(0)
    w.t.access(far, True)
    assert w.p.page(far // PAGE).nid == 0
    assert w.p.page(far // PAGE // 2).nid == -1
    assert w.p.page_nids(far // PAGE - 1, 3).tolist() == [-1, 0, -1]


def test_neighbours_in_one_slot_do_not_see_each_other():
    """
    slot     |A A A|B B B|        two mappings, borders inside one 2 MiB slot
    Expect: unmapping A leaves B's page and its mark.
    """
    w = World(mapped=3)
    w.p.mmap(BASE + 3 * PAGE, 3 * PAGE)
    w.write(0, 3)
    w.mark(3)
    w.p.munmap(BASE, 3 * PAGE)
    assert w.nids(6) == [-1, -1, -1, 0, -1, -1]
    assert w.marked(1, 3) == [3]


def test_mapped_ranges_are_checked():
    w = World(mapped=0)
    for vaddr, size in ((BASE + 1, PAGE), (BASE, 0), (BASE, PAGE + 1), (1 << 60, PAGE)):
        with pytest.raises(InvalidArgument):
            w.p.mmap(vaddr, size)
    assert w.p.vmas() == []
    w.p.mmap((1 << 60) - 2 * MB, 2 * MB)   # the last slot of all
