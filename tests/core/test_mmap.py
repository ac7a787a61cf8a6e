"""The calls on an address space: map, unmap, protect, move, shared objects, populate."""

import pytest
from numab import AccessFault, AlreadyMapped, InvalidArgument, NoSuchTask, OutOfMemory

from .world import BASE, MB, PAGE, SLOT, VPN, World


def ranges(w):
    return [((v.vaddr - BASE) // PAGE, v.size // PAGE, v.prot) for v in w.p.vmas()]


# ---- mmap, munmap ----


def test_mappings_may_touch_but_not_overlap():
    w = World(mapped=4)
    w.p.mmap(BASE + 4 * PAGE, PAGE)
    w.p.mmap(BASE - PAGE, PAGE)
    for first, n in ((3, 1), (0, 1), (-2, 10), (-1, 1)):
        with pytest.raises(AlreadyMapped):
            w.p.mmap(BASE + first * PAGE, n * PAGE)
    assert ranges(w) == [(-1, 1, "rw"), (0, 4, "rw"), (4, 1, "rw")]


def test_unmapping_the_middle_leaves_two_mappings():
    """
    |a a a a a a|    ->    |a a|   |a a|      pages and their marks go with it, holes are fine
    """
    w = World(mapped=6)
    w.write(*range(6))
    w.mark(0, 6)
    w.p.munmap(BASE + 2 * PAGE, 2 * PAGE)
    assert ranges(w) == [(0, 2, "rw"), (4, 2, "rw")]
    assert w.nids(6) == [0, 0, -1, -1, 0, 0]
    assert w.m.node(0).free == 3996
    w.p.munmap(BASE - 4 * PAGE, 20 * PAGE)
    assert (ranges(w), w.m.node(0).free) == ([], 4000)
    w.p.munmap(BASE, 20 * PAGE)


def test_memory_mapped_anew_is_new():
    """Hints, tags and statistics of the old pages are no longer about it."""
    w = World(pmd_mark=0)
    w.write(0)
    w.hint()
    w.mark()
    w.p.munmap(BASE, PAGE)
    w.p.mmap(BASE, PAGE)
    assert w.nid() == -1
    assert w.touch(0, True).hints == 0
    assert w.page().tag is None


# ---- mprotect ----


def test_a_hint_is_lost_on_the_way_through_prot_none():
    """The hint and PROT_NONE share a bit: change_pte_range takes it from the new protection.

    rw, marked -> none -> rw      Expect: no hint is left, and none was counted.
    """
    w = World(pmd_mark=0)
    w.write(0)
    w.mark()
    w.p.mprotect(BASE, PAGE, "none")
    w.p.mprotect(BASE, PAGE, "rw")
    assert w.marked(1) == []
    assert w.touch().faults == 0
    assert w.m.counters["numa_hint_faults"] == 0


@pytest.mark.parametrize("prot", ["r", "rwx"])
def test_any_change_of_protection_loses_the_hint(prot):
    w = World(pmd_mark=0)
    w.write(0)
    w.mark()
    w.p.mprotect(BASE, PAGE, prot)
    assert w.marked(1) == []


def test_the_same_protection_changes_nothing():
    w = World(mapped=2, pmd_mark=0)
    w.write(0)
    w.mark()
    assert w.counts(w.p.mprotect, BASE, PAGE, "rw") == {}
    assert w.marked(1) == [0]
    assert ranges(w) == [(0, 2, "rw")]


def test_prot_none_is_a_segmentation_fault_never_a_hint():
    """Section 1.1: a real PROT_NONE mapping never reaches the numa handlers; its pages stay."""
    w = World(mapped=2)
    w.write(0, 1)
    w.p.mprotect(BASE, PAGE, "none")
    for write in (False, True):
        with pytest.raises(AccessFault, match="does not permit"):
            w.touch(0, write)
    assert w.m.counters["numa_hint_faults"] == 0
    assert w.m.counters["sigsegv"] == 2
    assert w.nids(2) == [0, 0]
    assert w.touch(1).faults == 0
    w.p.mprotect(BASE, PAGE, "r")
    assert w.touch(0).faults == 0


def test_protection_splits_mappings_at_its_borders():
    w = World(mapped=6)
    w.p.mprotect(BASE + 2 * PAGE, PAGE, "r")
    assert ranges(w) == [(0, 2, "rw"), (2, 1, "r"), (3, 3, "rw")]


def test_protecting_a_hole_changes_nothing():
    w = World(mapped=3)
    w.p.munmap(BASE + PAGE, PAGE)
    with pytest.raises(AccessFault):
        w.p.mprotect(BASE, 3 * PAGE, "none")
    assert ranges(w) == [(0, 1, "rw"), (2, 1, "rw")]


def test_a_whole_huge_page_stays_huge_a_part_splits_it():
    for first, n, splits in ((0, SLOT, 0), (0, SLOT - 1, 1)):
        w = World(mapped=SLOT, thp=1)
        w.write(0)
        w.mark(0, SLOT)
        w.p.mprotect(BASE + first * PAGE, n * PAGE, "r")
        assert w.m.counters["thp_split"] == splits
        assert w.touch(1).hints == 0                # the mark on it is lost
        assert ("huge" in w.flags()) is not splits


# ---- mremap ----


def test_entries_move_with_their_marks():
    """
    |0 1 2 3|  pages 1 and 2 (marked)  ->  |0 . . 3|  ..  |1 2|     same pages, tags, hints
    """
    w = World(mapped=4, pmd_mark=0)
    w.write(*range(4))
    w.hint(1)
    w.mark(1, 2)
    w.p.mremap(BASE + PAGE, 2 * PAGE, BASE + 100 * PAGE)
    assert ranges(w) == [(0, 1, "rw"), (3, 1, "rw"), (100, 2, "rw")]
    assert w.marked(2, 100) == [100, 101]
    assert w.page(100).tag == 0
    assert w.touch(100).hints == 1
    assert w.m.node(0).free == 3996
    with pytest.raises(AccessFault):
        w.touch(1)


def test_a_pmds_mark_stays_behind():
    """Only entries move.  Page 0 is marked itself, page 1 only below the marked pmd."""
    w = World(mapped=2)
    w.write(0)
    w.mark(0, 2)
    w.place(1, 0)
    w.p.mremap(BASE, 2 * PAGE, BASE + SLOT * PAGE)
    assert w.marked(2, SLOT) == [SLOT]
    assert "pmd_marked" not in w.flags(SLOT)
    assert w.touch(SLOT + 1).faults == 0


def test_moves_need_one_mapping_and_room():
    w = World(mapped=2)
    w.p.mmap(BASE + 2 * PAGE, 2 * PAGE)
    w.write(0)
    for error, first, n, to in ((AccessFault, 1, 2, 50), (AlreadyMapped, 0, 2, 1),
                                (AlreadyMapped, 0, 2, 3), (AccessFault, 5, 1, 50)):
        with pytest.raises(error):
            w.p.mremap(BASE + first * PAGE, n * PAGE, BASE + to * PAGE)
    assert ranges(w) == [(0, 2, "rw"), (2, 2, "rw")]


def test_interleaving_goes_on_counting_where_it_began():
    """vm_pgoff moves with the mapping."""
    w = World(mapped=0)
    w.p.mmap(BASE, 4 * PAGE, pgoff=3)
    w.p.set_policy(BASE, 4 * PAGE, "interleave", nodes=[0, 1])
    w.p.mremap(BASE + PAGE, 2 * PAGE, BASE + 10 * PAGE)
    w.write(10, 11)
    assert w.nids(2, 10) == [0, 1]                  # offsets 4 and 5


# ---- shared objects ----


@pytest.mark.parametrize("kind, obj", [("shm", "shm"), ("anon_shared", "shm"),
                                       ("file_shared", "file")])
def test_processes_share_an_objects_pages(kind, obj):
    """The first touch allocates, by its toucher; the other maps the same page.  No copies."""
    w = World(mapped=0)
    number = w.m.object(obj, 4)
    other = w.m.process(1)
    for process in (w.p, other):
        process.mmap(BASE, 4 * PAGE, kind=kind, object=number)
    assert w.counts(other.main.access, BASE, True) == {"pgfault": 1, "alloc_pages": 1}
    assert w.counts(w.touch, 0) == {"pgfault": 1}
    assert (w.nid(), w.page().mapcount) == (1, 2)
    assert w.touch(0, True).nid == 1
    assert w.m.counters["cow_faults"] == 0
    assert (w.p.node_pages().tolist(), other.node_pages().tolist()) == ([0, 1], [0, 1])


def test_shared_memory_is_writable_at_once_file_pages_notice_the_first_write():
    """Dirty accounting: a file's page is mapped read-only until it is written."""
    for kind, obj, faults in (("shm", "shm", 0), ("file_shared", "file", 1)):
        w = World(mapped=0)
        w.p.mmap(BASE, PAGE, kind=kind, object=w.m.object(obj, 1))
        w.touch(0)
        assert w.touch(0, True).faults == faults


def test_private_file_pages_are_shared_until_written():
    """
    read: the file's page, mapcount 1       write: a copy of one's own; the file keeps its page
    """
    w = World(mapped=0)
    w.p.mmap(BASE, 2 * PAGE, kind="file_private", object=w.m.object("file", 2))
    w.touch(0)
    assert "exclusive" not in w.flags(0)
    assert w.counts(w.touch, 0, True)["cow_faults"] == 1
    assert "exclusive" in w.flags(0)
    assert w.counts(w.touch, 1, True) == {"pgfault": 1, "cow_faults": 1, "alloc_pages": 2}
    assert w.m.node(0).free == 4000 - 4             # two of the file, two copies


def test_object_pages_outlive_their_mappings_until_the_object_goes():
    w = World(mapped=0)
    number = w.m.object("shm", 2)
    w.p.mmap(BASE, 2 * PAGE, kind="shm", object=number)
    w.write(0, 1)
    w.p.munmap(BASE, 2 * PAGE)
    assert w.m.node(0).free == 3998
    w.p.mmap(BASE, PAGE, kind="shm", object=number, pgoff=1)
    assert w.counts(w.touch, 0) == {"pgfault": 1}   # it is still there
    w.m.drop_object(number)
    assert w.m.node(0).free == 3998                 # one mapping is left
    with pytest.raises(InvalidArgument):
        w.p.mmap(BASE + MB, PAGE, kind="shm", object=number)
    w.p.munmap(BASE, PAGE)
    assert w.m.node(0).free == 4000
    with pytest.raises(NoSuchTask):
        w.m.drop_object(number)


def test_a_shared_mapping_stays_shared_through_fork():
    w = World(mapped=0)
    w.p.mmap(BASE, PAGE, kind="shm", object=w.m.object("shm", 1))
    w.write(0)
    child = w.t.fork(1)
    assert child.main.access(BASE, True).faults == 0
    assert (w.page().mapcount, w.m.counters["cow_faults"]) == (2, 0)
    w.p.munmap(BASE, PAGE)
    assert child.page(VPN).mapcount == 1


def test_a_shared_page_with_one_mapper_migrates_and_keeps_its_tag_in_the_object():
    w = World(mapped=0, pmd_mark=0, policy="moron")
    number = w.m.object("shm", 1)
    w.p.mmap(BASE, PAGE, kind="shm", object=number)
    w.write(0)
    w.t.set_cpu(1)
    assert w.hint().reason == "go_migrated"
    w.p.munmap(BASE, PAGE)
    other = w.m.process(0)
    other.mmap(BASE, PAGE, kind="shm", object=number)
    assert other.main.access(BASE).nid == 1


def test_mappings_must_fit_their_object():
    w = World(mapped=0)
    shm, file = w.m.object("shm", 2), w.m.object("file", 2)
    for words in ({"kind": "shm", "object": shm, "pgoff": 1}, {"kind": "shm", "object": file},
                  {"kind": "file_private", "object": shm}, {"kind": "shm", "object": 3},
                  {"kind": "shm"}, {"object": shm}):
        with pytest.raises(InvalidArgument):
            w.p.mmap(BASE, 2 * PAGE, **words)
    assert w.p.vmas() == []


# ---- populate ----


def test_pages_are_placed_before_the_program_runs():
    """populate: no faults, no accesses, but pages; those that are there are left alone."""
    w = World(mapped=4)
    w.write(1)
    assert w.counts(w.p.populate, [VPN, VPN + 1, VPN + 3], [1, 1, 0]) == {"alloc_pages": 2}
    assert w.nids(4) == [1, 0, -1, 0]
    assert w.touch(0, True).faults == 0
    assert w.m.access_matrix.sum() == 2


def test_a_wish_waits_for_the_first_touch():
    """present=False: nothing is there yet; the touch, from anywhere, puts the page there; also a
    read, as there is no zero page for it."""
    w = World(mapped=2)
    w.p.populate([VPN, VPN + 1], 1, present=False)
    assert (w.nids(2), w.m.node(1).free) == ([-1, -1], 4000)
    assert w.touch(0).nid == 1
    assert w.touch(1, True).nid == 1
    w.p.munmap(BASE, PAGE)
    w.p.mmap(BASE, PAGE)
    assert w.touch(0, True).nid == 0                # a wish is used once


def test_populate_falls_back_by_distance_and_stops_when_memory_is_out():
    """Node 1 holds 24 pages; 8 stay above low (16), then its neighbour."""
    w = World(sizes=[60, 24], mapped=100)
    w.place(0, 1, 10)
    assert w.nids(10) == [1] * 8 + [0] * 2
    assert w.m.counters["alloc_fallback"] == 2
    with pytest.raises(OutOfMemory):
        w.place(10, 1, 90)
    assert sum(n >= 0 for n in w.nids(100)) == (60 - 8) + (24 - 8)


def test_populate_names_the_first_page_that_cannot_be():
    w = World(mapped=2)
    with pytest.raises(AccessFault, match=str(VPN + 2)):
        w.place(1, 0, 3)
    assert w.nids(2) == [-1, 0]
    with pytest.raises(InvalidArgument):
        w.p.populate([VPN], 2)
