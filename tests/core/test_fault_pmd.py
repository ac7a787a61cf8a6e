"""Marked regular pmds: as posted their fault clears a slot and moves nothing; version 3 moves."""

from .world import BASE, PAGE, SLOT, VPN, World


def posted(mapped=8, **kwargs):
    return World(mapped=mapped, as_posted=True, **kwargs)


def test_the_pmd_is_marked_when_an_entry_is():
    """4.1 step 5: any changed entry marks the pmd, which is not counted as an update.  Finding
    nothing to change marks nothing."""
    w = posted(mapped=SLOT + 4)
    w.write(0, 1, SLOT)
    assert w.counts(w.mark, 0, SLOT + 4) == {
        "numa_pte_updates": 3, "pmd_marks": 2, "tlb_flush_range": 1}
    assert w.counts(w.mark, 0, SLOT + 4) == {"tlb_flush_range": 1}


def test_first_touch_of_a_marked_slot_clears_all_its_hints_and_moves_nothing():
    """4.3 as posted.  Pages 0 1 on node 0, 2 3 on node 1; touched from node 1.

    slot   0 1 2 3 . .      Expect: 4 hints (2 local), each credited to its page's node, no
    node   0 0 1 1          migration, no tag, and nothing left to fault on.
    """
    w = posted(policy="moron")
    w.place(0, 0, 2)
    w.place(2, 1, 2)
    w.t.set_cpu(1)
    w.mark(0, 8)
    assert w.counts(w.touch, 0) == {
        "pgfault": 1, "pmd_hint_faults": 1, "numa_hint_faults": 4, "numa_hint_faults_local": 2}
    assert w.reasons() == {"hold_pmd_cleared": 4}
    assert w.t.faults().tolist() == [2, 2]
    assert [w.touch(page).faults for page in range(4)] == [0, 0, 0, 0]
    assert [w.page(page).tag for page in range(4)] == [None] * 4
    assert w.nids(4) == [0, 0, 1, 1]


def test_entries_that_were_not_marked_count_too():
    """4.3: «counts all present unshared entries, also those that were not numa».

    page   0 marked | 1 touched after the marking | 2 absent        Expect: two hints.
    """
    w = posted()
    w.write(0)
    w.mark(0, 8)
    w.place(1, 0)
    assert w.counts(w.touch, 0)["numa_hint_faults"] == 2


def test_shared_pages_and_the_zero_page_do_not_count():
    """4.3: no normal page, or mapcount not 1: cleared at most, never credited."""
    w = posted()
    w.write(0)
    w.t.fork()                       # page 0 now has two mappings
    w.touch(1)                       # the zero page
    w.write(2)
    assert w.mark(0, 8) == 1
    assert w.counts(w.touch, 1)["numa_hint_faults"] == 1
    assert w.t.faults().tolist() == [1, 0]


def test_the_batch_begins_at_the_vma_and_ends_with_the_slot():
    """4.3: from max(slot start, vma.start) to the slot's end, across following VMAs.

    slot    | A A A | B B B | C C C | . .       the fault is in B
    Expect: A keeps its marks; B and C are cleared and counted.
    """
    w = posted(mapped=3)
    w.p.mmap(BASE + 3 * PAGE, 3 * PAGE)
    w.p.mmap(BASE + 6 * PAGE, 3 * PAGE)
    w.write(*range(9))
    w.mark(0, 9)
    assert w.counts(w.touch, 4)["numa_hint_faults"] == 6
    assert w.marked(9) == [0, 1, 2]
    assert w.touch(0).hints == 1     # an ordinary entry's hint: it may still migrate


def test_memory_without_permission_is_left_alone():
    """
    slot    | A A | N N |     N is PROT_NONE: the same bit, but not a hint
    Expect: not counted, not opened; touching it is a SIGSEGV as before.
    """
    w = posted(mapped=2)
    w.p.mmap(BASE + 2 * PAGE, 2 * PAGE)
    w.write(0, 1, 2, 3)
    w.p.mprotect(BASE + 2 * PAGE, 2 * PAGE, "none")
    w.mark(0, 4)
    assert w.counts(w.touch, 0)["numa_hint_faults"] == 2
    assert w.marked(4) == [2, 3]
    assert w.t.probe(BASE + 2 * PAGE).kind == "segv"


def test_base_pages_migrate_as_posted_when_their_hints_have_no_pmd():
    """The important consequence of 4.3, case (a): hints that come from a huge page's split."""
    w = World(mapped=SLOT, as_posted=True, policy="moron", thp=1)
    w.write(0)
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    assert w.touch(3).reason == "go_migrated"
    assert w.nids(5) == [0, 0, 0, 1, 0]


# ---- version 3: pmd_batch_migrate ----


def test_version_3_asks_and_moves_page_by_page():
    """Switch pmd_batch_migrate.  0 and 1 on node 0, 2 and 3 on node 1; touched from node 1.

    Expect: 0 and 1 move and are credited to the target; 2 and 3 are local: cleared, and «nothing
    accounted when not misplaced».
    """
    w = World(mapped=8, policy="moron", pmd_mark_same_node_only=0)
    w.place(0, 0, 2)
    w.place(2, 1, 2)
    w.t.set_cpu(1)
    w.mark(0, 8)
    assert w.counts(w.touch, 3) == {
        "pgfault": 1, "pmd_hint_faults": 1, "numa_hint_faults": 4, "numa_hint_faults_local": 2,
        "numa_pages_migrated": 2, "pgmigrate_success": 2, "migrate_calls": 2, "migrate_passes": 2,
        "tlb_flush_local": 2}
    assert w.nids(4) == [1, 1, 1, 1]
    assert w.marked(4) == []
    assert w.t.faults().tolist() == [0, 2]
    assert w.reasons() == {"go_migrated": 2, "hold_local": 2}


def test_an_outcome_counts_faults_and_tells_the_verdict_on_its_own_page():
    """Four pages, one fault.  Page 1 cannot be isolated, the others move; page 4, mapped twice, is
    passed over: all that can be said of it is that the pmd's mark was in the way."""
    for page, reason in ((0, "go_migrated"), (1, "hold_isolation_failed"), (4, "hold_pmd_cleared")):
        w = World(mapped=5, policy="moron")
        w.write(4)
        w.t.fork()
        w.write(0, 1, 2, 3)
        w.set_flag("no_lru", 1)
        w.t.set_cpu(1)
        w.mark(0, 4)
        outcome = w.touch(page)
        assert (outcome.faults, outcome.hints, outcome.reason) == (1, 1, reason)
        assert w.m.counters["numa_hint_faults"] == 4


def test_version_3_credits_the_running_node_when_the_move_fails():
    """«task_numa_fault(target if migrated else running node)»: unlike the pte fault, which credits
    the page's node."""
    w = World(mapped=2, policy="moron")
    w.write(0, 1)
    w.set_flag("no_lru", 1)
    w.t.set_cpu(1)
    w.mark(0, 2)
    w.touch(0)
    assert w.nids(2) == [1, 0]
    assert w.t.faults().tolist() == [0, 2]
    assert w.marked(2) == []


def test_version_3_passes_every_page_through_the_two_stage_filter():
    """Expect: two pmd faults until the batch moves; the tag is written for all pages."""
    w = World(mapped=3)
    w.write(0, 1, 2)
    w.t.set_cpu(1)
    w.mark(0, 3)
    w.touch(0)
    assert [w.page(page).tag for page in range(3)] == [1, 1, 1]
    assert w.nids(3) == [0, 0, 0]
    w.mark(0, 3)
    w.touch(0)
    assert w.nids(3) == [1, 1, 1]


def test_version_3_marks_a_pmd_only_when_all_marked_entries_lie_on_one_node():
    """Switch pmd_mark_same_node_only, off as posted.

    slot 0: nodes 0 0      slot 1: nodes 0 1      Expect: the first pmd, not the second.
    """
    for switch, marks in ((1, 1), (0, 2)):
        w = World(mapped=2 * SLOT, pmd_mark_same_node_only=switch)
        w.place(0, 0, 2)
        w.place(SLOT, 0)
        w.place(SLOT + 1, 1)
        assert w.mark(0, 2 * SLOT) == 4
        assert w.m.counters["pmd_marks"] == marks
        assert "pmd_marked" in w.flags(0)
        assert ("pmd_marked" in w.flags(SLOT)) is (not switch)


def test_entries_only_as_later_kernels():
    """Switch pmd_mark off.  Expect: each page takes its own fault and its own way."""
    w = World(mapped=3, policy="moron", pmd_mark=0)
    w.write(0, 1, 2)
    w.t.set_cpu(1)
    w.mark(0, 3)
    assert w.m.counters["pmd_marks"] == 0
    assert w.touch(1).hints == 1
    assert w.nids(3) == [0, 1, 0]
    assert w.marked(3) == [0, 2]


def test_a_marked_pmd_outlives_the_unmapping_of_its_pages():
    """The pmd stays as it is when its entries go.  Expect: the first touch of new memory in the
    slot meets it: two faults, then none."""
    w = posted(mapped=4)
    w.write(0)
    w.mark(0, 4)
    w.p.munmap(BASE, PAGE)
    w.p.mmap(BASE, PAGE)
    outcome = w.touch(0, True)
    assert (outcome.faults, outcome.hints) == (2, 1)
    assert w.touch(1, True).faults == 1


def test_a_first_touch_below_a_marked_pmd_by_another_way_still_meets_it():
    """Pages placed under a marked pmd are present but out of the CPU's reach until the fault."""
    w = posted(mapped=4)
    w.write(0)
    w.mark(0, 4)
    w.place(1, 0)
    assert not w.t.gup(BASE + PAGE)
    assert w.counts(w.touch, 1)["numa_hint_faults"] == 2
    assert w.p.page(VPN + 1).flags >= {"present", "accessed"}


def pmd_marked(w, page):
    return "pmd_marked" in w.flags(page)


def test_the_mark_goes_with_the_page_table():
    """free_pgtables: when no mapping reaches into a slot its table is freed, mark and all.

    slot 0: pages 0..511     slot 1: 4 pages, which keep the address space's memory where it is
    """
    w = posted(mapped=SLOT + 4)
    w.write(0)
    w.mark(0, SLOT + 4)
    assert pmd_marked(w, 0)
    w.p.munmap(BASE, SLOT * PAGE)
    w.p.mmap(BASE, SLOT * PAGE)
    w.write(0)
    assert not pmd_marked(w, 0)
    assert w.m.counters["pmd_hint_faults"] == 0


def test_the_mark_stays_while_something_is_mapped_there():
    """Two pages of the slot stay, without memory: so does its table."""
    w = posted(mapped=SLOT)
    w.write(0)
    w.mark(0, SLOT)
    w.p.munmap(BASE, (SLOT - 2) * PAGE)
    w.p.mmap(BASE, PAGE)
    assert w.counts(w.touch, 0)["pmd_hint_faults"] == 1


def test_the_mark_stays_behind_when_a_mapping_moves_away():
    """mremap moves entries, not the pmd: the new slot has no mark, the old one loses its table."""
    w = posted(mapped=SLOT)
    w.write(0)
    w.mark(0, SLOT)
    w.p.mremap(BASE, SLOT * PAGE, BASE + 4 * SLOT * PAGE)
    w.p.mmap(BASE, PAGE)
    w.write(0)
    assert not pmd_marked(w, 0) and not pmd_marked(w, 4 * SLOT)
