"""What would an access meet first, and where would the page be afterwards?  On a copy."""

from copy import deepcopy

from .fault import Outcome, do_page_fault, hardware_walk, must_copy
from .names import NO_NODE, PAGE_BYTES, TAG_UNSET, OracleError


def probe(m, tid, vaddr, write):
    """(kind, reason, node now, node after the first fault, tag now, tag after it).

    The tag is the one that the fault looks at: of a huge page its head's.
    """
    vpn = vaddr // PAGE_BYTES
    mm = m.tasks[tid].mm
    kind = fault_kind(mm, vpn, write)
    tagged = mm.slot(vpn).start if kind == "HINT_THP" else vpn
    nid, tag = place_of(mm, vpn)[0], place_of(mm, tagged)[1]
    if kind in ("NONE", "SEGV"):
        return kind, "NONE", nid, nid, tag, tag
    after = deepcopy(m)
    after.tunables.update(migrate_fail_ppm=0, migrate_again_ppm=0)  # nobody can foresee these
    task, outcome = after.tasks[tid], Outcome()
    if kind == "HINT_PMD":
        leave_alone(task.mm.slot(vpn), vpn)
    try:
        do_page_fault(after, task, vpn, write, outcome)
    except OracleError:
        return kind, "NONE", nid, NO_NODE, tag, tag
    new_nid, new_tag = place_of(task.mm, vpn)[0], place_of(task.mm, tagged)[1]
    if kind == "FIRST_TOUCH" and new_nid == NO_NODE:
        kind = "ZERO_PAGE"
    return kind, outcome.reason, nid, new_nid, tag, new_tag


def leave_alone(slot, vpn):
    """A page of a batch is judged as if it were the only one: others may take the last room."""
    slot.entries = {vpn: slot.entries[vpn]} if vpn in slot.entries else {}


def place_of(mm, vpn):
    """(node, tag) of the page at @vpn."""
    entry = mm.entry(vpn)
    if entry is None or entry.page is None:
        return NO_NODE, TAG_UNSET
    return entry.page.nid, entry.page.tag


def fault_kind(mm, vpn, write):
    """The first fault an access would meet, in the order of handle_mm_fault."""
    vma, slot, entry = mm.find_vma(vpn), mm.slot(vpn), mm.entry(vpn)
    if hardware_walk(mm, vpn, write):
        return "NONE"
    if vma is None or vma.inaccessible or (write and not vma.writable):
        return "SEGV"
    if slot and slot.pmd_numa:
        return "HINT_THP" if slot.huge else "HINT_PMD"
    if entry is None:
        return "FIRST_TOUCH"
    if entry.numa:
        return "HINT_PTE"
    return "COW" if not slot.huge and must_copy(vma, entry) else "WRITE"
