"""Faults and accesses: handle_mm_fault and everything under it (patch 8, 4.2, 4.3)."""

from dataclasses import dataclass

from .huge import do_huge_pmd_anonymous_page, do_huge_pmd_numa_page, do_huge_pmd_wp_page
from .migrate import migrate_misplaced_page
from .names import ANON_SHARED, EFAULT, NO_NODE, PAGE_BYTES, SHM, OracleError
from .node import (
    alloc_pages, flush_tlb_page, page_remove_rmap, ptep_set_access_flags, running_node, zonelist,
)
from .policy import alloc_pages_vma, mpol_misplaced, page_cache_alloc
from .state import Entry
from .stats import task_numa_fault


@dataclass
class Outcome:
    """What one access met: page's node at the access, last verdict, faults, hinting faults."""

    nid: int = NO_NODE
    reason: str = "NONE"
    faults: int = 0
    hints: int = 0

    def hint(self, reason):
        self.hints += 1
        self.reason = reason


def access(m, task, vaddr, write):
    """One access."""
    outcome = Outcome()
    outcome.nid = touch(m, task, vaddr // PAGE_BYTES, write, outcome)
    count_access(m, task, outcome.nid, 0 if write else 1, 1 if write else 0)
    return outcome


def access_rows(m, task, rows):
    """Rows (vpn, further pages, reads, writes a page): (rows done, faults, hints, error or 0).

    A row with writes is of kind write; one with neither is a single read.
    """
    outcome = Outcome()
    for done, (vpn, further, reads, writes) in enumerate(rows):
        for number in range(vpn, vpn + 1 + further):
            try:
                nid = touch(m, task, number, writes > 0, outcome)
            except OracleError as error:
                return done, outcome.faults, outcome.hints, error.code
            count_access(m, task, nid, reads if reads or writes else 1, writes)
    return len(rows), outcome.faults, outcome.hints, 0


def touch(m, task, vpn, write, outcome):
    """The CPU retries an access until it goes through; returns the node of the page."""
    entry = hardware_walk(task.mm, vpn, write)
    while entry is None:
        do_page_fault(m, task, vpn, write, outcome)
        entry = hardware_walk(task.mm, vpn, write)
    entry.accessed = True
    entry.dirty = entry.dirty or write
    # The zero page and bare page frames belong to no node: they count as local.
    return entry.page.nid if entry.page else running_node(m, task)


def hardware_walk(mm, vpn, write):
    """What the MMU finds: the entry when it allows the access, else None."""
    slot = mm.slot(vpn)
    if slot is None or slot.pmd_numa:
        return None
    entry = slot.entries.get(vpn)
    if entry and entry.present and (entry.rw or not write):
        return entry
    return None


def count_access(m, task, nid, reads, writes):
    running = running_node(m, task)
    cell = m.accesses.setdefault((running, nid), [0, 0])
    cell[0] += reads
    cell[1] += writes
    if running == nid:
        task.accesses_local += reads + writes
    else:
        task.accesses_remote += reads + writes


def do_page_fault(m, task, vpn, write, outcome):
    """The arch code: a VMA without permission is refused before any handler runs (1.1)."""
    vma = task.mm.find_vma(vpn)
    if vma is None or vma.inaccessible or (write and not vma.writable):
        m.counters["sigsegv"] += 1
        raise OracleError(EFAULT)
    m.counters["pgfault"] += 1
    outcome.faults += 1
    handle_mm_fault(m, task, vma, vpn, write, outcome)


def handle_mm_fault(m, task, vma, vpn, write, outcome):
    """Huge entry, then marked pmd, then the entry: the order of patch 8."""
    slot = task.mm.slot(vpn)
    if slot and slot.huge:
        if slot.pmd_numa:
            outcome.hint(do_huge_pmd_numa_page(m, task, vma, slot))
        elif write and not slot.head.rw:
            do_huge_pmd_wp_page(m, task, slot)
    elif slot and slot.pmd_numa:
        outcome.hint(do_pmd_numa_page(m, task, vma, slot, vpn))
    else:
        handle_pte_fault(m, task, vma, vpn, write, outcome)


def handle_pte_fault(m, task, vma, vpn, write, outcome):
    entry = task.mm.entry(vpn)
    if entry is None:
        do_no_page(m, task, vma, vpn, write)
    elif entry.numa:
        outcome.hint(do_numa_page(m, task, vma, vpn, entry))
    elif write and not entry.rw:
        do_wp_page(m, task, vma, vpn, entry)


# ---- first touches ---------------------------------------------------------------------------

def do_no_page(m, task, vma, vpn, write):
    if vma.pfnmap:
        insert_pfn(task.mm, vma, vpn)
    elif vma.owner is None:
        do_anonymous_page(m, task, vma, vpn, write)
    else:
        do_fault(m, task, vma, vpn, write)


def insert_pfn(mm, vma, vpn):
    """A bare page frame: no page behind it, the scanner skips it."""
    mm.set_entry(vpn, Entry(special=True, accessed=True, rw=vma.writable, dirty=vma.writable))


def do_anonymous_page(m, task, vma, vpn, write):
    """Huge page, zero page, or a page by the policy in force."""
    mm = task.mm
    if do_huge_pmd_anonymous_page(m, task, vma, vpn):
        return
    if not write and m.tunables["zero_page"] and vpn not in mm.placement:
        mm.set_entry(vpn, Entry(special=True, accessed=True))
        return
    map_new_page(mm, vpn, alloc_page_for(m, task, vma, vpn), vma.writable)


def alloc_page_for(m, task, vma, vpn):
    """A page for @vpn: a placement noted by populate() goes before the policy, and is used up."""
    mm = task.mm
    if vpn in mm.placement:
        nid = mm.placement[vpn]
        page = alloc_pages(m, nid, zonelist(m, nid))
        del mm.placement[vpn]
        return page
    return alloc_pages(m, *alloc_pages_vma(m, task, vma, vpn))


def map_new_page(mm, vpn, page, writable):
    """Map a fresh anonymous page, mapped nowhere else."""
    page.mapcount, page.exclusive = 1, True
    mm.set_entry(vpn, Entry(page, accessed=True, rw=writable, dirty=writable))


def do_fault(m, task, vma, vpn, write):
    """Shared memory and files: the object's page, or for a private write a copy of it."""
    page = object_page(m, task, vma, vpn)
    if vma.file_private and write:
        copy_page(m, task, vma, vpn)
        return
    page.mapcount += 1
    # Shared memory needs no write notification, a file does.
    notify = vma.kind not in (SHM, ANON_SHARED)
    rw = write or (vma.writable and not notify)
    task.mm.set_entry(vpn, Entry(page, accessed=True, rw=rw, dirty=write))


def object_page(m, task, vma, vpn):
    """The page of the VMA's object at @vpn; the first fault on it allocates it."""
    offset = vma.offset_of(vpn)
    if offset not in vma.owner.pages:
        shared = vma.kind in (SHM, ANON_SHARED)
        page = (alloc_page_for if shared else page_cache_alloc)(m, task, vma, vpn)
        page.owner = vma.owner
        vma.owner.pages[offset] = page
    return vma.owner.pages[offset]


# ---- write faults ----------------------------------------------------------------------------

def do_wp_page(m, task, vma, vpn, entry):
    """A write to a read-only entry: reuse the page, or copy it, and every CPU forgets the old."""
    page = entry.page
    if not must_copy(vma, entry):
        if page:
            page.exclusive = page.exclusive or page.owner is None
        reuse(m, task, entry)
        return
    copy_page(m, task, vma, vpn)
    if page:
        page_remove_rmap(m, page)
    flush_tlb_page(m, task.process)


def must_copy(vma, entry):
    """Nobody else may see a private write: an object's page, or one that is mapped twice."""
    if entry.page is None:
        return not vma.pfnmap
    if vma.shared or entry.page.exclusive:
        return False
    return entry.page.owner is not None or entry.page.mapcount != 1


def reuse(m, task, entry):
    """Make @entry writable; a hint on it is lost (only get_user_pages brings a marked one)."""
    entry.numa, entry.present = False, True
    entry.rw = entry.dirty = entry.accessed = True
    ptep_set_access_flags(m, task.process)


def copy_page(m, task, vma, vpn):
    """Copy on write into a new page; out of memory there is no copy to count."""
    page = alloc_page_for(m, task, vma, vpn)
    m.counters["cow_faults"] += 1
    map_new_page(task.mm, vpn, page, True)


# ---- hinting faults --------------------------------------------------------------------------

def clear_numa(entry):
    """pte_mknonnuma: PRESENT and ACCESSED (1.1).  An entry without a mark stays as it is."""
    if entry.numa:
        entry.numa, entry.present, entry.accessed = False, True, True


def numa_hint_fault(m, nid, running):
    m.counters["numa_hint_faults"] += 1
    if nid == running:
        m.counters["numa_hint_faults_local"] += 1


def do_numa_page(m, task, vma, vpn, entry):
    """The hinting fault on a base page, order of 4.2.  Returns its verdict."""
    page, running = entry.page, running_node(m, task)
    numa_hint_fault(m, page.nid, running)
    target, reason = mpol_misplaced(m, task, vma, vpn, page)
    if target == NO_NODE:
        clear_numa(entry)
        task_numa_fault(m, task, running, 1, False)
    else:
        reason = migrate_for_hint(m, task, entry, target)
        task_numa_fault(m, task, page.nid, 1, True, reason == "GO_MIGRATED")
    m.reasons[reason] += 1
    return reason


def migrate_for_hint(m, task, entry, target):
    """Steps 7 and 8 of 4.2: one fault either way; a moved page's entry is young and clean."""
    reason = migrate_misplaced_page(m, task, entry.page, target)
    clear_numa(entry)
    if reason == "GO_MIGRATED":
        entry.accessed = entry.dirty = False
    return reason


def do_pmd_numa_page(m, task, vma, slot, fault_vpn):
    """The fault on a marked regular pmd (4.3): clears the hints of the whole slot.

    It begins at the faulting VMA's start, but runs to the end of the slot, into VMAs that follow.
    Returns the verdict on the page that was touched; that it came this way, when the page was
    passed over.
    """
    m.counters["pmd_hint_faults"] += 1
    slot.pmd_numa = False
    verdict = "HOLD_PMD_CLEARED"
    for vpn in sorted(slot.entries):
        entry, its_vma = slot.entries[vpn], task.mm.find_vma(vpn)
        if vpn < vma.start or its_vma.inaccessible:
            continue
        if entry.special or entry.page.mapcount != 1:
            clear_numa(entry)
            continue
        if m.tunables["pmd_batch_numa_only"] and not entry.numa:
            continue
        numa_hint_fault(m, entry.page.nid, running_node(m, task))
        if m.tunables["pmd_batch_migrate"]:
            reason = pmd_batch_page(m, task, its_vma, vpn, entry)
        else:
            clear_numa(entry)
            task_numa_fault(m, task, entry.page.nid, 1, False)
            reason = "HOLD_PMD_CLEARED"
        m.reasons[reason] += 1
        if vpn == fault_vpn:
            verdict = reason
    return verdict


def pmd_batch_page(m, task, vma, vpn, entry):
    """One page of a batch, as version 3 does it: nothing is accounted when it stays."""
    target, reason = mpol_misplaced(m, task, vma, vpn, entry.page)
    if target == NO_NODE:
        clear_numa(entry)
        return reason
    reason = migrate_for_hint(m, task, entry, target)
    migrated = reason == "GO_MIGRATED"
    task_numa_fault(m, task, target if migrated else running_node(m, task), 1, True, migrated)
    return reason


# ---- get_user_pages --------------------------------------------------------------------------

def gup_fast(mm, vpn, write):
    """1 when the page is taken without a fault (patch 6), 0 for the slow path."""
    return 1 if hardware_walk(mm, vpn, write) else 0


def gup_slow(m, task, vpn, write):
    """follow_page without FOLL_NUMA: what is there is taken, marks neither fire nor go (patch 6).

    An absent entry is faulted in as an access would, a marked pmd on the way included; a write to
    a read-only entry is handled as if there were no marks.  With FOLL_NUMA (version 4, F) marks
    are seen, and faulted on as by an access.
    """
    vma = task.mm.find_vma(vpn)
    if vma is None or vma.inaccessible or (write and not vma.writable):
        raise OracleError(EFAULT)
    entry = task.mm.entry(vpn)
    if m.tunables["gup_numa"] and entry and (entry.numa or task.mm.slot(vpn).pmd_numa):
        touch(m, task, vpn, write, Outcome())
        return 1
    while entry is None or (write and not entry.rw):
        m.counters["pgfault"] += 1
        slot = task.mm.slot(vpn)
        if entry is None:
            handle_mm_fault(m, task, vma, vpn, write, Outcome())
        elif slot.huge:
            do_huge_pmd_wp_page(m, task, slot)
        else:
            do_wp_page(m, task, vma, vpn, entry)
        entry = task.mm.entry(vpn)
    return 1
