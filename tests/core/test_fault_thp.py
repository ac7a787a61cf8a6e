"""Huge pages: marking, the huge hint that splits, and native migration as a switch (4.4)."""

import pytest

from .world import BASE, HIGH, LOW, PAGE, SLOT, VPN, World


def huge(home=None, by=None, **kwargs):
    """One huge page on node 0; the task then at home on `home` or running on CPU `by`."""
    w = World(mapped=SLOT, thp=1, **kwargs)
    w.write(0)
    assert "huge" in w.flags()
    if home is not None:
        w.t.set_home(home)
    if by is not None:
        w.t.set_cpu(by)
    return w


# ---- allocation ----


def test_a_huge_page_is_allocated_where_a_whole_slot_is_free():
    w = World(mapped=SLOT, thp=1)
    assert w.counts(w.touch, 77, True) == {
        "pgfault": 1, "thp_fault_alloc": 1, "alloc_pages": SLOT}
    assert w.nids(SLOT) == [0] * SLOT
    assert w.m.node(0).free == 4000 - SLOT
    assert w.touch(511, True).faults == 0


def test_a_read_gets_a_huge_page_too():
    """No huge zero page in this kernel."""
    w = World(mapped=SLOT, thp=1)
    w.touch(0)
    assert w.m.counters["thp_fault_alloc"] == 1
    assert "writable" in w.flags(9)


@pytest.mark.parametrize("first, pages", [(0, SLOT - 1), (1, SLOT)])
def test_no_huge_page_across_the_mappings_border(first, pages):
    """
    slots   |..........|..........|
    vma      |--------|              or one that begins a page later     Expect: base pages.
    """
    w = World(mapped=0, thp=1)
    w.p.mmap(BASE + first * PAGE, pages * PAGE)
    w.write(first)
    assert w.m.counters["thp_fault_alloc"] == 0
    assert w.t.info().mm_pages == 1


def test_no_huge_page_where_something_is_mapped():
    w = World(mapped=SLOT, thp=1)
    w.place(100, 1)
    w.write(0)
    assert w.m.counters["thp_fault_alloc"] == 0


def test_a_huge_page_needs_512_pages_above_the_low_watermark():
    """Node 0 must keep more than low (16) after 511 of them: 527 + 1 free, not 527; then node 1
    serves; then base pages do."""
    for free, nid in ((LOW + SLOT, 0), (LOW + SLOT - 1, 1)):
        w = World(mapped=SLOT, thp=1, nodes=2)
        w.fill(0, free)
        w.write(0)
        assert (w.m.counters["thp_fault_alloc"], w.nid()) == (1, nid)
        assert w.m.counters["alloc_fallback"] == (SLOT if nid else 0)
    w = World(mapped=SLOT, thp=1, sizes=[600, 600])
    w.fill(0, 100)
    w.fill(1, 100)
    w.write(0)
    assert (w.m.counters["thp_fault_alloc"], w.t.info().mm_pages) == (0, 501 + 501 - 2 + 1)


# ---- the hint ----


def test_marking_a_huge_page_is_one_update():
    """Table B: 1, not 512; and a second marking finds it numa."""
    w = huge()
    assert w.counts(w.mark, 0, SLOT) == {"numa_pte_updates": 1, "tlb_flush_range": 1}
    assert w.mark(0, SLOT) == 0
    assert w.mark(9) == 0


def test_a_huge_hint_that_stays_counts_once_and_never_as_local():
    """4.4 step 5, table B: numa_hint_faults 1, no local counter, running node credited «512»,
    counted as 1 as posted."""
    w = huge(policy="moron")
    w.mark(0, SLOT)
    assert w.counts(w.touch, 9) == {
        "pgfault": 1, "thp_hint_faults": 1, "numa_hint_faults": 1}
    assert w.t.faults().tolist() == [1, 0]
    assert "huge" in w.flags()
    assert w.touch(300).faults == 0


def test_a_huge_hint_is_accounted_on_the_running_node():
    """Version 1 to 2: «account THP faults on the node they occurred».  The page is on 0, the fault
    on 1, the filter holds.  Expect: credited to 1."""
    w = huge(by=1)
    w.mark(0, SLOT)
    assert w.touch().reason == "hold_two_stage_filter"
    assert w.t.faults().tolist() == [0, 1]


def test_a_split_is_not_accounted_as_a_fault():
    """Version 1 to 2: «do not account for THP splits as faults».  Misplaced: hint counted, split,
    no credit; the retried access takes an ordinary hint and moves one page."""
    w = huge(by=1, policy="moron")
    w.mark(0, SLOT)
    assert w.counts(w.touch, 7) == {
        "pgfault": 2, "thp_hint_faults": 1, "thp_split": 1, "numa_hint_faults": 2,
        "numa_pages_migrated": 1, "pgmigrate_success": 1, "migrate_calls": 1, "migrate_passes": 1,
        "tlb_flush_local": 1, "tlb_flush_range": 1}
    assert w.reasons() == {"hold_thp_split": 1, "go_migrated": 1}
    assert w.t.faults().tolist() == [0, 1]
    assert w.nids(9) == [0] * 7 + [1, 0]
    assert w.marked(SLOT) == [p for p in range(SLOT) if p != 7]


def test_base_pages_of_a_split_have_filters_of_their_own():
    """Golden of section G.  last_nid is not handed from head to tails: the head holds the tag of
    the two huge hints, every tail starts unset.

    touch   head(huge, 1st) | tail(huge, 2nd -> split, refault) | head | tail again
    expect  hold            | split, hold                        | go   | (mark gone)
    """
    w = huge(home=1)
    w.mark(0, SLOT)
    assert w.touch(0).reason == "hold_two_stage_filter"
    w.mark(0, SLOT)
    outcome = w.touch(5)
    assert (outcome.reason, outcome.hints) == ("hold_two_stage_filter", 2)
    assert w.touch(0).reason == "go_migrated"
    assert w.touch(5).hints == 0
    assert w.m.counters["numa_hint_faults"] == 4
    assert w.m.counters["numa_pages_migrated"] == 1


def test_tails_inherit_the_tag_when_it_is_transferred():
    """Switch last_nid_transfer (v3.8): the tails continue the head's filter and move at once."""
    w = huge(home=1, last_nid_transfer=1)
    for _ in range(2):
        w.mark(0, SLOT)
        outcome = w.touch(5)
    assert (outcome.reason, outcome.hints) == ("go_migrated", 2)
    assert w.page(6).tag == 1


# ---- native migration (version 4) ----

NATIVE = {"policy": "moron", "thp_native_migration": 1}


def test_natively_a_huge_page_moves_whole():
    """Switch thp_native_migration.  Expect: 512 migrated, one call, one range flush, no split."""
    w = huge(by=1, **NATIVE)
    w.mark(0, SLOT)
    assert w.counts(w.touch, 9) == {
        "pgfault": 1, "thp_hint_faults": 1, "numa_hint_faults": 1, "numa_pages_migrated": SLOT,
        "pgmigrate_success": SLOT, "migrate_calls": 1, "migrate_passes": 1, "tlb_flush_range": 1}
    assert w.nids(SLOT) == [1] * SLOT
    assert "huge" in w.flags()
    assert w.p.node_pages().tolist() == [0, SLOT]
    assert w.t.faults().tolist() == [0, 1]


def test_natively_a_local_huge_hint_counts_as_local():
    w = huge(**NATIVE)
    w.mark(0, SLOT)
    assert w.counts(w.touch)["numa_hint_faults_local"] == 1


def test_natively_512_pages_are_counted_when_pages_count():
    """Switch count_pages_not_faults."""
    w = huge(by=1, count_pages_not_faults=1, **NATIVE)
    w.mark(0, SLOT)
    w.touch()
    assert w.t.faults().tolist() == [0, SLOT]


@pytest.mark.parametrize("free, reason", [
    (HIGH + SLOT, "hold_target_low_memory"), (HIGH + SLOT + 1, "go_migrated")])
def test_natively_the_target_needs_512_pages_above_high(free, reason):
    """Expect: tight at the border."""
    w = huge(by=1, sizes=[1000, 1000], **NATIVE)
    w.fill(1, free)
    w.mark(0, SLOT)
    assert w.touch().reason == reason


@pytest.mark.parametrize("flag, reason, fail, passes", [
    ("no_lru", "hold_isolation_failed", SLOT, 0),
    ("pinned", "hold_migrate_again", 0, 10),
    ("writeback", "hold_migrate_failed", SLOT, 1)])
def test_natively_a_huge_page_fails_whole(flag, reason, fail, passes):
    """Permanent failures count 512; the page's node is credited; the mark is gone."""
    w = huge(by=1, **NATIVE)
    w.p.set_page_flags(VPN + 33, [flag])     # any page of it speaks for all
    w.mark(0, SLOT)
    assert w.touch(5).reason == reason
    assert w.m.counters["pgmigrate_fail"] == fail
    assert w.m.counters["migrate_passes"] == passes
    assert w.t.faults().tolist() == [1, 0]
    assert "pmd_marked" not in w.flags()
    assert "huge" in w.flags()
