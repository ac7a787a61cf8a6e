"""The address space: mmap, munmap, mprotect, mremap, populate, the policy of a range."""

from dataclasses import replace

from .huge import split_huge_page
from .names import ANON_SHARED, EEXIST, EFAULT, SHM, SLOT_PAGES, OracleError
from .node import alloc_pages, flush_tlb_range, free_page, page_remove_rmap, zonelist
from .state import Entry

# ---- VMAs ------------------------------------------------------------------------------------

def can_merge(one, other):
    """Is @other just the continuation of @one?  Special mappings never are."""
    return (one.end == other.start and not one.flags
            and (one.kind, one.prot, one.flags, one.owner, one.policy)
            == (other.kind, other.prot, other.flags, other.owner, other.policy)
            and one.pgoff + one.end - one.start == other.pgoff)


def merge_vmas(mm, start, end):
    """VMAs in and around [start, end] become one where they are alike."""
    for one, other in zip(list(mm.vmas), list(mm.vmas)[1:]):
        if one.end >= start and other.start <= end and can_merge(one, other):
            mm.vmas.remove(one)
            other.start, other.pgoff = one.start, one.pgoff
            if one.owner:
                one.owner.nr_vmas -= 1


def insert_vma(mm, vma):
    mm.vmas.append(vma)
    mm.vmas.sort(key=lambda other: other.start)
    if vma.owner:
        vma.owner.nr_vmas += 1


def remove_vma(m, mm, vma):
    mm.vmas.remove(vma)
    if vma.owner:
        vma.owner.nr_vmas -= 1
        free_object_if_unused(m, vma.owner)


def free_object_if_unused(m, owner):
    """A dropped object's pages go with its last mapping."""
    if owner.dropped and owner.nr_vmas == 0:
        for page in owner.pages.values():
            free_page(m, page)
        owner.pages.clear()


def split_vma(m, mm, vpn):
    """Make @vpn the start of a VMA, if it lies inside one.  A huge page there is split first."""
    vma = mm.find_vma(vpn)
    if vma is None or vma.start == vpn:
        return
    slot = mm.slot(vpn)
    if slot and slot.huge and slot.start != vpn:
        split_huge_page(m, slot)
    tail = replace(vma, start=vpn, pgoff=vma.offset_of(vpn))
    vma.end = vpn
    insert_vma(mm, tail)


def carve(m, mm, vma, start, end):
    """The part of @vma in [start, end) as a VMA of its own."""
    start, end = max(start, vma.start), min(end, vma.end)
    split_vma(m, mm, start)
    split_vma(m, mm, end)
    return mm.find_vma(start)


def check_no_holes(mm, start, end):
    for vma in mm.vmas_in(start, end):
        if vma.start > start:
            break
        start = vma.end
    if start < end:
        raise OracleError(EFAULT)


# ---- calls -----------------------------------------------------------------------------------

def mmap_region(mm, vma):
    if mm.vmas_in(vma.start, vma.end):
        raise OracleError(EEXIST)
    insert_vma(mm, vma)
    merge_vmas(mm, vma.start, vma.end)


def do_munmap(m, mm, start, end):
    """Holes are fine.  One flush if anything was mapped."""
    for vma in mm.vmas_in(start, end):
        carve(m, mm, vma, start, end)
    vpns = mm.vpns_in(start, end)
    for vpn in vpns:
        zap_pte(m, mm, vpn)
    for vpn in [vpn for vpn in mm.placement if start <= vpn < end]:
        del mm.placement[vpn]
    for vma in mm.vmas_in(start, end):
        remove_vma(m, mm, vma)
    if vpns:
        flush_tlb_range(m)
    free_pgtables(mm, start, end)


def free_pgtables(mm, start, end):
    """A page table that serves no mapping any more goes, and with it the mark of its pmd."""
    for slot in mm.slots_in(start, end):
        if not mm.vmas_in(slot.start, slot.end):
            slot.pmd_numa = False


def zap_pte(m, mm, vpn):
    """Remove an entry.  A huge page is always removed whole."""
    slot = mm.slot(vpn)
    entry = slot.entries.pop(vpn)
    if entry.page:
        page_remove_rmap(m, entry.page)
    if slot.huge and not slot.entries:
        slot.huge = slot.pmd_numa = False


def exit_mmap(m, mm):
    """The end of an address space: everything goes, no flush is counted."""
    for vpn in mm.vpns_in(0, mm.vmas[-1].end if mm.vmas else 0):
        zap_pte(m, mm, vpn)
    for vma in list(mm.vmas):
        remove_vma(m, mm, vma)


def do_mprotect(m, mm, start, end, prot):
    """VMAs that have @prot already are skipped; one flush for each of the others."""
    check_no_holes(mm, start, end)
    for vma in mm.vmas_in(start, end):
        if vma.prot == prot:
            continue
        part = carve(m, mm, vma, start, end)
        part.prot = prot
        change_protection(mm, part)
        flush_tlb_range(m)
    merge_vmas(mm, start, end)


def change_protection(mm, vma):
    """Rewrite entries from the VMA's protection: the hint shares PROT_NONE's bit and is lost."""
    for slot in mm.slots_in(vma.start, vma.end):
        if slot.huge:
            slot.pmd_numa = False
    for vpn in mm.vpns_in(vma.start, vma.end):
        entry = mm.entry(vpn)
        entry.numa = vma.inaccessible
        entry.present = not entry.numa
        notify_free = vma.kind in (SHM, ANON_SHARED) or entry.dirty
        entry.rw = vma.shared and vma.writable and notify_free


def do_mremap(m, mm, start, end, new_start):
    """Move [start, end), which must lie in one VMA, with its entries, marks and placements."""
    vma = mm.find_vma(start)
    if vma is None or end > vma.end:
        raise OracleError(EFAULT)
    if mm.vmas_in(new_start, new_start + end - start):
        raise OracleError(EEXIST)
    for slot in mm.slots_in(start, end):
        if slot.huge:
            split_huge_page(m, slot)
    part = carve(m, mm, vma, start, end)
    shift = new_start - start
    for vpn in mm.vpns_in(start, end):
        mm.set_entry(vpn + shift, mm.slot(vpn).entries.pop(vpn))
    placements = {vpn: nid for vpn, nid in mm.placement.items() if start <= vpn < end}
    for vpn, nid in placements.items():
        del mm.placement[vpn]
        mm.placement[vpn + shift] = nid
    part.start, part.end = part.start + shift, part.end + shift
    mm.vmas.sort(key=lambda other: other.start)
    merge_vmas(mm, part.start, part.end)
    flush_tlb_range(m)
    free_pgtables(mm, start, end)


def set_vma_policy(m, mm, start, end, policy):
    """Install @policy on a range (3.3, step 5).  Nothing moves and nothing is marked here.

    Parts of shared memory get it too, for all who map them."""
    check_no_holes(mm, start, end)
    mbind_range(m, mm, start, end, policy)


def mbind_range(m, mm, start, end, policy):
    """What is mapped in a range obeys @policy; holes are passed over."""
    for vma in mm.vmas_in(start, end):
        if vma.kind in (SHM, ANON_SHARED):
            for vpn in range(max(start, vma.start), min(end, vma.end)):
                vma.owner.policies[vma.offset_of(vpn)] = policy
        if vma.policy != policy:
            carve(m, mm, vma, start, end).policy = policy
    merge_vmas(mm, start, end)


def populate(m, mm, vpns, nids, present):
    """Place pages beforehand, or note where their first touch shall place them."""
    for vpn, nid in zip(vpns, nids):
        vma = mm.find_vma(vpn)
        if vma is None or not vma.anonymous_private or vma.pfnmap:
            raise OracleError(EFAULT)
        if mm.entry(vpn):
            continue
        if not present:
            mm.placement[vpn] = nid
            continue
        page = alloc_pages(m, nid, zonelist(m, nid))
        page.mapcount, page.exclusive = 1, True
        mm.placement.pop(vpn, None)
        mm.set_entry(vpn, Entry(page, accessed=True, rw=vma.writable, dirty=vma.writable,
                                present=not vma.inaccessible, numa=vma.inaccessible))


def split_range_huge(m, mm, vpns):
    """Split every huge page that holds one of @vpns."""
    for number in sorted({vpn // SLOT_PAGES for vpn in vpns}):
        slot = mm.slots.get(number)
        if slot and slot.huge:
            split_huge_page(m, slot)


def copy_page_range(parent, child):
    """fork: private pages become shared and read-only in both; the child's pmds are unmarked."""
    for vma in parent.vmas:
        insert_vma(child, replace(vma))
        for vpn in parent.vpns_in(vma.start, vma.end):
            child.set_entry(vpn, copy_one_pte(vma, parent.entry(vpn)))
    child.placement = dict(parent.placement)


def copy_one_pte(vma, entry):
    """The child's entry; a hint on the parent's is copied too."""
    if entry.special:
        return replace(entry)
    if not vma.shared:
        entry.rw = False
    copy = replace(entry, accessed=False)
    if vma.shared:
        copy.dirty = False
    entry.page.exclusive = False
    entry.page.mapcount += 1
    return copy
