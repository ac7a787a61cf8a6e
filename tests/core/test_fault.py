"""Faults: the order of dispatch (patch 8), the base page's hint (13, 16, 17), its counters (20)."""

import pytest
from numab import AccessFault

from .world import BASE, HIGH, PAGE, SLOT, VPN, World

PTE = {"pmd_mark": 0}
HINT = {"pgfault": 1, "numa_hint_faults": 1}
MOVED = {
    "numa_pages_migrated": 1, "pgmigrate_success": 1, "migrate_calls": 1, "migrate_passes": 1,
    "tlb_flush_local": 1,
}


# ---- patch 8: which handler, in which order ----


def test_a_marked_huge_page_is_hinted_before_its_write_protection_is_lifted():
    """Patch 8.  A huge page made read-only and back, then marked, then written:

    1st fault: numa -> the huge hint (it stays)      2nd fault: read-only -> writable again
    """
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.p.mprotect(BASE, SLOT * PAGE, "r")
    w.p.mprotect(BASE, SLOT * PAGE, "rw")
    w.mark(0, SLOT)
    outcome = w.touch(5, True)
    assert (outcome.faults, outcome.hints) == (2, 1)
    assert {"huge", "writable"} <= w.flags(400)
    assert "pmd_marked" not in w.flags()


def test_a_marked_pmd_is_hinted_before_copy_on_write():
    """Patch 8.  page 0 own and marked, page 1 shared since a fork, one pmd marked over both.

    write page 1:  1st fault numa pmd -> cleared and retried     2nd fault read-only -> copy
    """
    w = World(mapped=2, as_posted=True)
    w.write(1)
    w.t.fork()
    w.write(0)
    assert w.mark(0, 2) == 1
    assert "pmd_marked" in w.flags(1)
    expect = {"pgfault": 2, "pmd_hint_faults": 1, "numa_hint_faults": 1,
              "numa_hint_faults_local": 1, "cow_faults": 1, "alloc_pages": 1, "tlb_flush_local": 1}
    assert w.counts(w.touch, 1, True) == expect
    assert w.marked(2) == []


def test_a_marked_pmd_is_hinted_before_a_first_touch():
    """Patch 8: the numa pmd returns at once, whatever lies below it.  Expect: two faults."""
    w = World(mapped=2, as_posted=True)
    w.write(0)
    w.mark(0, 2)
    outcome = w.touch(1, True)
    assert (outcome.faults, outcome.hints) == (2, 1)
    assert w.marked(2) == []


def test_a_marked_entry_is_hinted_before_copy_on_write():
    """Patch 8: numa entry first, then the write.  Expect: hint, then copy; the parent keeps its
    own mark."""
    w = World(**PTE)
    w.write(0)
    w.mark()
    child = w.t.fork()
    outcome = child.main.access(BASE, True)
    assert (outcome.faults, outcome.hints) == (2, 1)
    assert w.m.counters["cow_faults"] == 1
    assert "marked" not in child.page(VPN).flags
    assert "marked" in w.flags()


@pytest.mark.parametrize("kind, faults", [("none", "rw"), ("r", "w")])
def test_a_segmentation_fault_comes_before_any_hint(kind, faults):
    """Section 1.1: the arch code looks at the VMA first.  Expect: SIGSEGV, no fault counted, no
    hint, the entry as it was."""
    w = World(**PTE)
    w.write(0)
    w.p.mprotect(BASE, PAGE, kind)
    if kind == "r":
        w.mark()
    before = w.flags()
    for write in (["r", "w"] if faults == "rw" else ["w"]):
        with pytest.raises(AccessFault):
            w.touch(0, write == "w")
    assert w.flags() == before
    assert w.m.counters["sigsegv"] == len(faults)
    assert w.m.counters["pgfault"] == 1
    assert w.m.counters["numa_hint_faults"] == 0


def test_an_access_to_nothing_is_a_segmentation_fault():
    w = World()
    with pytest.raises(AccessFault, match="nothing is mapped"):
        w.touch(1)
    assert w.counts(lambda: pytest.raises(AccessFault, w.touch, 7, True)) == {"sigsegv": 1}


# ---- patches 13, 16, 17, 20: the numa pte fault ----


def test_a_local_hint_counts_both_and_moves_nothing():
    """Patch 20: hint +1, local +1.  4.2 step 6: the mark goes, the page stays."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.mark()
    assert w.counts(w.touch) == {**HINT, "numa_hint_faults_local": 1}
    assert w.reasons() == {"hold_local": 1}
    assert w.marked(1) == []


def test_a_misplaced_page_moves_on_its_fault_and_the_hint_is_not_local():
    """Patches 13, 20.  Touched from node 1, page on 0.  Expect: hint +1, local +0, migrated +1."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.t.set_cpu(1)
    w.mark()
    assert w.counts(w.touch) == {**HINT, **MOVED}
    assert (w.nid(), w.reasons()) == (1, {"go_migrated": 1})


def test_local_is_judged_before_the_migration():
    """Patch 20: running on 0, at home on 1: the page is here, counts as local, then leaves."""
    w = World(home_alloc=0, last_nid_transfer=0, **PTE)
    w.t.set_home(1)
    w.write(0)
    w.hint()
    w.mark()
    assert w.counts(w.touch) == {**HINT, **MOVED, "numa_hint_faults_local": 1}
    assert w.nid() == 1


def test_no_second_fault_after_a_migration():
    """Patch 17.  Expect: one fault for the access that moves the page, none for the next, and the
    entry writable as before."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.t.set_cpu(1)
    outcome = w.hint(write=True)
    assert (outcome.faults, outcome.hints, outcome.nid) == (1, 1, 1)
    assert w.flags() == {"present", "writable", "accessed", "dirty", "exclusive"}
    assert w.touch(write=True).faults == 0


def test_a_migrated_entry_is_clean_until_the_access_is_retried():
    """Patch 17: restored from the VMA's protection: accessible, ACCESSED and DIRTY clear; the
    retried read sets ACCESSED alone."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.t.set_cpu(1)
    w.hint(write=False)
    assert w.flags() == {"present", "writable", "accessed", "exclusive"}


@pytest.mark.parametrize("pmd_mark", [0, 1])
def test_an_objects_page_that_migrated_is_clean_too(pmd_mark):
    """As above for a page of shared memory with one mapping; in a batch the other page of the slot
    shows it best, as nobody retries an access to it."""
    w = World(policy="moron", mapped=0, pmd_mark=pmd_mark)
    w.p.mmap(BASE, 2 * PAGE, kind="shm", object=w.m.object("shm", 2))
    w.write(0, 1)
    w.t.set_cpu(1)
    w.mark(0, 2)
    w.touch(0)
    assert w.flags(0) == {"present", "writable", "accessed"}
    if pmd_mark:
        assert w.flags(1) == {"present", "writable"}
    assert w.nids(2) == [1, pmd_mark]


def test_a_failed_migration_clears_the_mark_and_is_not_retried_by_itself():
    """4.2 steps 7, 8.  Expect: one fault, page where it was, no mark; the next touch is free."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.set_flag("pinned")
    w.t.set_cpu(1)
    outcome = w.hint()
    assert (outcome.faults, outcome.reason, outcome.nid) == (1, "hold_migrate_again", 0)
    assert w.marked(1) == []
    assert w.touch().faults == 0


def hold(flag=None, free=None):
    """A page on 0, touched from 1, with one obstacle; the counters of its hint."""
    w = World(policy="moron", sizes=[4000, 200], **PTE)
    w.write(0)
    if flag:
        w.set_flag(flag)
    if free is not None:
        w.fill(1, free)
    w.t.set_cpu(1)
    w.mark()
    return w.counts(w.touch), w.reasons()


def test_every_refusal_counts_what_it_should():
    """Tables 4.5 and B.  Not isolated, or no room: no migrate_pages call at all.  Out of retries:
    ten passes, ten flushes, no failure counted.  For good: one pass, one failure."""
    assert hold("no_lru") == (HINT, {"hold_isolation_failed": 1})
    assert hold(free=HIGH + 1) == (HINT, {"hold_target_low_memory": 1})
    call = {"migrate_calls": 1, "migrate_passes": 1}
    assert hold("writeback") == ({**HINT, **call, "pgmigrate_fail": 1}, {"hold_migrate_failed": 1})
    again = {"migrate_calls": 1, "migrate_passes": 10, "tlb_flush_local": 10}
    assert hold("pinned") == ({**HINT, **again}, {"hold_migrate_again": 1})


def test_balancing_off_still_serves_armed_hints():
    """Feature NUMA gates the tick alone (5.2).  Expect: no new marks, but the armed hint moves."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.mark()
    w.m.tunables["numa_balancing"] = 0
    assert not w.due()
    assert w.t.task_work() == 0
    w.t.set_cpu(1)
    assert (w.touch().reason, w.nid()) == ("go_migrated", 1)


def test_without_a_policy_armed_hints_are_cleared_and_counted():
    """CONFIG off but marked by hand.  Expect: hint counted, mark gone, page stays, for lack of
    migrate-on-fault."""
    w = World(policy="moron", **PTE)
    w.write(0)
    w.mark()
    w.m.policy = "off"
    w.t.set_cpu(1)
    assert w.counts(w.touch) == HINT
    assert w.reasons() == {"hold_no_mof": 1}
    assert (w.nid(), w.marked(1)) == (0, [])
    assert not w.due()


# ---- faults on absent and read-only entries ----


def test_first_touch_by_read_maps_the_zero_page_and_by_write_a_page():
    """Expect: the zero page holds no memory; the write to it copies."""
    w = World(mapped=2)
    assert w.counts(w.touch, 0) == {"pgfault": 1}
    assert w.flags() == {"present", "accessed", "zero"}
    assert w.nid() == -1
    assert w.counts(w.touch, 1, True) == {"pgfault": 1, "alloc_pages": 1}
    copy = {"pgfault": 1, "cow_faults": 1, "alloc_pages": 1, "tlb_flush_local": 1}
    assert w.counts(w.touch, 0, True) == copy
    assert (w.nid(), w.m.node(0).free) == (0, 3998)


def test_without_the_zero_page_a_read_allocates_a_writable_page():
    w = World(zero_page=0)
    assert w.counts(w.touch, 0) == {"pgfault": 1, "alloc_pages": 1}
    assert w.flags() == {"present", "writable", "accessed", "dirty", "exclusive"}


def test_write_permission_regained_without_a_copy():
    """mprotect to read-only and back leaves entries read-only; the write fault lifts that."""
    w = World()
    w.write(0)
    w.p.mprotect(BASE, PAGE, "r")
    w.p.mprotect(BASE, PAGE, "rw")
    assert "writable" not in w.flags()
    assert w.touch().faults == 0
    assert w.counts(w.touch, 0, True) == {"pgfault": 1}
    assert "writable" in w.flags()
    assert w.touch(0, True).faults == 0


def test_device_memory_has_entries_but_no_pages():
    """VM_PFNMAP.  Expect: mapped at a fault, no page, never marked."""
    w = World(mapped=0)
    w.p.mmap(BASE, 2 * PAGE, flags=["pfnmap"])
    assert w.counts(w.touch, 0) == {"pgfault": 1}
    assert w.counts(w.touch, 1, True) == {"pgfault": 1}
    assert w.touch(0, True).faults == 0
    assert (w.nid(), w.t.info().mm_pages, w.mark(0, 2)) == (-1, 0, 0)
