"""Huge pages: the first touch, the split (patch 7), the THP hinting fault (4.4)."""

from .migrate import migrate_misplaced_transhuge_page
from .names import NO_NODE, SLOT_PAGES, TAG_UNSET
from .node import flush_tlb_range, ptep_set_access_flags, running_node, take_pages
from .policy import alloc_pages_vma, mpol_misplaced
from .state import Entry, Page
from .stats import task_numa_fault


def transparent_hugepage_fits(m, mm, vma, vpn):
    """May the slot of @vpn become one huge page: inside the VMA, and nothing there yet?"""
    start = vpn - vpn % SLOT_PAGES
    end = start + SLOT_PAGES
    return (m.tunables["thp"] and vma.anonymous_private
            and vma.start <= start and end <= vma.end
            and not mm.vpns_in(start, end)
            and not any(start <= hinted < end for hinted in mm.placement))


def do_huge_pmd_anonymous_page(m, task, vma, vpn):
    """First touch with THP: True when a huge page was mapped, False to go on with a base page."""
    mm = task.mm
    if not transparent_hugepage_fits(m, mm, vma, vpn):
        return False
    start = vpn - vpn % SLOT_PAGES
    wanted, nids = alloc_pages_vma(m, task, vma, start, huge=True)
    fitting = [nid for nid in nids if m.nodes[nid].free - 511 > m.nodes[nid].low]
    if not fitting:
        return False
    take_pages(m, wanted, m.nodes[fitting[0]], SLOT_PAGES)
    m.counters["thp_fault_alloc"] += 1
    slot = mm.make_slot(vpn)
    slot.huge, slot.pmd_numa = True, False
    for number in range(start, start + SLOT_PAGES):
        page = Page(fitting[0], mapcount=1, exclusive=True)
        slot.entries[number] = Entry(page, accessed=True, rw=vma.writable, dirty=vma.writable)
    return True


def do_huge_pmd_wp_page(m, task, slot):
    """A write to a huge page that is mapped once: permission regained, nothing copied."""
    slot.pmd_numa = False
    for entry in slot.entries.values():
        entry.rw = entry.dirty = entry.accessed = True
    ptep_set_access_flags(m, task.process)


def pmd_mknonnuma(slot):
    """The huge entry is accessible again: PRESENT and ACCESSED (1.1)."""
    slot.pmd_numa = False
    for entry in slot.entries.values():
        entry.accessed = True


def split_huge_page(m, slot):
    """One huge page becomes 512 base pages; the hint goes to each, the pmd is ordinary (7)."""
    tag = slot.head.page.tag if m.tunables["last_nid_transfer"] else TAG_UNSET
    for entry in slot.entries.values():
        if entry is not slot.head:
            entry.page.tag = tag
        if slot.pmd_numa:
            entry.numa, entry.present = True, False
    slot.huge = slot.pmd_numa = False
    m.counters["thp_split"] += 1
    flush_tlb_range(m)


def do_huge_pmd_numa_page(m, task, vma, slot):
    """The hinting fault on a huge page (4.4).  Returns its verdict."""
    head = slot.head.page
    running = running_node(m, task)
    native = m.tunables["thp_native_migration"]
    m.counters["thp_hint_faults"] += 1
    m.counters["numa_hint_faults"] += 1
    if native and head.nid == running:
        m.counters["numa_hint_faults_local"] += 1
    target, reason = mpol_misplaced(m, task, vma, slot.start, head)
    if target == NO_NODE:
        pmd_mknonnuma(slot)
        task_numa_fault(m, task, running, SLOT_PAGES, False)
    elif native:
        reason = migrate_misplaced_transhuge_page(m, task.process, slot, target)
        if reason != "GO_MIGRATED":
            pmd_mknonnuma(slot)
        task_numa_fault(m, task, head.nid, SLOT_PAGES, True, reason == "GO_MIGRATED")
    else:
        split_huge_page(m, slot)
        reason = "HOLD_THP_SPLIT"
    m.reasons[reason] += 1
    return reason
