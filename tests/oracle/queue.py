"""Moving pages on request: mbind (3.3), move_pages, migrate_pages.

Rules of 3.7 with patches 10 and 14; ``era`` 6 and 612 are those of 6.1 and 6.12.
"""

from .huge import split_huge_page
from .migrate import migrate_pages, restore_entry
from .names import (
    EACCES, EBUSY, EFAULT, EIO, ENODEV, ENOENT, ENOMEM, MF_FALL_BACK, MF_LAZY, MF_MOVE,
    MF_MOVE_ALL, MF_STRICT, MF_V6, MF_V612, MIGRATE_SYNC, SLOT_PAGES, VMA_HUGETLB, VMA_IO,
    VMA_PFNMAP, OracleError,
)
from .node import zonelist
from .policy import alloc_pages_vma
from .scan import change_prot_numa
from .vma import mbind_range

PAGES_PER_BATCH = 169  # struct page_to_node has 24 bytes; the last of a page is the end mark


def era_of(flags):
    return 6 if flags & MF_V6 else 612 if flags & MF_V612 else 2012


def vma_migratable(vma):
    return not vma.flags & (VMA_IO | VMA_HUGETLB | VMA_PFNMAP)


class Queue:
    """Pages taken off their lists: page -> (vpn, slot if it is a whole huge page)."""

    def __init__(self, m, process, task, flags):
        self.m, self.process, self.mm, self.task = m, process, process.mm, task
        self.flags, self.era = flags, era_of(flags)
        self.moving = bool(flags & (MF_MOVE | MF_MOVE_ALL))
        self.pages, self.unmovable = {}, 0

    def isolate(self, vpn):
        """True when the page at @vpn, or the huge page it is in, is queued now."""
        slot = self.mm.slot(vpn)
        entry = slot.head if slot.huge else slot.entries[vpn]
        if entry.page.no_lru or entry.page in self.pages:
            return False
        self.pages[entry.page] = (slot.start, slot) if slot.huge else (vpn, None)
        return True

    def may_take(self, page):
        """Shared pages are taken by MOVE_ALL alone."""
        return bool(self.flags & MF_MOVE_ALL) or page.mapcount == 1

    def split(self, slot):
        if slot and slot.huge:
            split_huge_page(self.m, slot)

    def nr_pages(self):
        return sum(SLOT_PAGES if slot else 1 for _, slot in self.pages.values())

    def migrate(self, target):
        """migrate_pages, synchronously; ``target(page, vpn)``: nodes to try in order.

        Returns (base pages moved, pages of the list left over, out of memory).  Empty afterwards;
        ``outcome`` keeps what became of each page.
        """
        queued, self.pages = self.pages, {}
        huge = {page: slot for page, (_, slot) in queued.items() if slot}
        moved, failed, left, _, nomem = migrate_pages(
            self.m, self.process, queued, lambda page: target(page, queued[page][0]),
            MIGRATE_SYNC, huge, self.task.cpu)
        self.outcome = dict.fromkeys(moved, "moved")
        for page in moved:
            vpn, slot = queued[page]
            if page.exclusive and not slot:
                restore_entry(self.mm.entry(vpn), self.mm.find_vma(vpn))
        count = sum(SLOT_PAGES if page in huge else 1 for page in moved)
        return count, len(failed) + len(left), nomem


# ---- the walk ----

class WalkEnds(Exception):
    """6.1, strict: something unmovable; what was queued so far moves."""


def visit_page(q, vma, vpn, misplaced):
    """queue_pages_required, migrate_page_add."""
    slot = q.mm.slot(vpn)
    entry = slot.entries.get(vpn)
    if entry is None or entry.page is None or not misplaced(entry.page.nid):
        return
    pages = SLOT_PAGES if slot.huge else 1
    if not q.moving:
        raise OracleError(EIO)
    if q.era != 2012 and not vma_migratable(vma):
        q.unmovable += pages
        if q.era == 6:
            raise WalkEnds
        return
    if q.may_take(entry.page) and not q.isolate(vpn):
        q.unmovable += pages


def visit_slot(q, vma, slot, start, end, misplaced):
    before = q.unmovable
    whole = end - start == SLOT_PAGES
    if slot.huge and q.era != 2012 and whole:
        visit_page(q, vma, start, misplaced)
        end = start
    elif slot.huge and (q.era == 2012 or q.moving):
        q.split(slot)
    for vpn in [vpn for vpn in sorted(slot.entries) if start <= vpn < end]:
        visit_page(q, vma, vpn, misplaced)
    if q.unmovable > before and q.era == 6 and q.flags & MF_STRICT:
        raise WalkEnds


def visit_vma(q, vma, start, end, misplaced):
    """Returns the entries marked."""
    if vma.flags & VMA_HUGETLB:
        return 0
    if q.flags & MF_LAZY:
        if q.era != 2012 and (not vma_migratable(vma) or vma.inaccessible):
            return 0
        before = q.m.counters["numa_pte_updates"]
        change_prot_numa(q.m, q.mm, start, end)
        return q.m.counters["numa_pte_updates"] - before
    if q.flags & MF_STRICT or (q.moving and vma_migratable(vma)):
        for slot in q.mm.slots_in(start, end):
            visit_slot(q, vma, slot, max(start, slot.start), min(end, slot.end), misplaced)
    return 0


def walk(q, start, end, misplaced, holes_are_fine):
    """check_range of 3.7, queue_pages_range later.  Returns the entries marked."""
    behind = [vma for vma in q.mm.vmas if vma.end > start]
    inside = [vma for vma in behind if vma.start < end]
    if not behind or (q.era != 2012 and not inside):
        raise OracleError(EFAULT)
    marked = 0
    for number, vma in enumerate(inside):
        following = behind[number + 1] if number + 1 < len(behind) else None
        if q.era == 2012:
            hole = (number > 0 and inside[number - 1].end < vma.start) or (
                following is None and vma.end < end)
        else:
            hole = (number == 0 and vma.start > start) or (
                vma.end < end and (following is None or following.start > vma.end))
        if hole and not holes_are_fine:
            raise OracleError(EFAULT)
        marked += visit_vma(q, vma, max(start, vma.start), min(end, vma.end), misplaced)
    return marked


# ---- the calls ----

def do_mbind(m, task, start, end, keep, policy, nodes, flags):
    """(queued, moved, failed, unmovable, marked)."""
    q, marked = Queue(m, task.process, task, flags), 0
    try:
        marked = walk(q, start, end, lambda nid: nid not in nodes, policy is None)
    except WalkEnds:
        pass
    if not keep:
        first = [vma for vma in q.mm.vmas if vma.end > start][0]
        if q.era == 2012 and first.start > start:
            raise OracleError(EFAULT)
        mbind_range(m, q.mm, start, end, policy)
    queued, moved = q.nr_pages(), 0
    if queued:
        def by_policy(page, vpn):
            return alloc_pages_vma(m, task, q.mm.find_vma(vpn), vpn)[1]
        moved, _, _ = q.migrate(by_policy)
    return queued, moved, queued - moved, q.unmovable, marked


def migrate_to_node(m, task, process, source, to, flags):
    q = Queue(m, process, task, flags)
    if process.mm.vmas:
        walk(q, 0, process.mm.vmas[-1].end, lambda nid: nid == source, True)
    if not q.pages:
        return 0
    nids = zonelist(m, to) if flags & MF_FALL_BACK else [to]
    _, left, nomem = q.migrate(lambda page, vpn: nids)
    if nomem:
        raise OracleError(ENOMEM)
    return left


def status_without_page(q, vma, entry):
    """Why there is no page at an entry, or 0."""
    if entry is None:
        return -EFAULT if q.era == 6 and vma.anonymous_private else -ENOENT
    if entry.page is not None:
        return 0
    if vma.pfnmap:
        return -ENOENT if q.era == 612 else -EFAULT
    return -ENOENT if q.era == 2012 else -EFAULT


def pages_stat(m, process, task, vpns, flags):
    q, out = Queue(m, process, task, flags), []
    for vpn in vpns:
        vma, entry = q.mm.find_vma(vpn), q.mm.entry(vpn)
        status = status_without_page(q, vma, entry) if vma else -EFAULT
        out.append(status or entry.page.nid)
    return out


def add_page(q, vpn, nid):
    """True when queued, else a status."""
    vma = q.mm.find_vma(vpn)
    if vma is None or not vma_migratable(vma):
        return -EFAULT
    status = status_without_page(q, vma, q.mm.entry(vpn))
    if status:
        return status
    if q.era == 2012:
        q.split(q.mm.slot(vpn))
    page = q.mm.entry(vpn).page
    if page.nid == nid:
        return nid
    if not q.may_take(page):
        return -EACCES
    return q.isolate(vpn) or -EBUSY


def check_node(m, nid):
    if nid not in m.nodes or not m.nodes[nid].pages:
        raise OracleError(ENODEV)


def move_batch(m, q, vpns, nids, status, at):
    """2012: one batch; what a page's last attempt gave is its status."""
    for nid in nids:
        check_node(m, nid)
    q.pages, wanted, got = {}, {}, []
    for vpn, nid in zip(vpns, nids):
        got.append(add_page(q, vpn, nid))
        if got[-1] is True:
            got[-1] = q.mm.entry(vpn).page
            wanted[got[-1]] = nid
    if wanted:
        _, _, nomem = q.migrate(lambda page, vpn: [wanted[page]])
        if nomem:
            raise OracleError(ENOMEM)
    for number, result in enumerate(got):
        if result in wanted:
            result = wanted[result] if result in q.outcome else -11
        status[at + number] = result


def move_queued(q, nid, status, run):
    """Later: the run moves; returns how many of it did not."""
    if not q.pages:
        return 0
    _, left, nomem = q.migrate(lambda page, vpn: [nid])
    if nomem:
        raise OracleError(ENOMEM)
    if not left:
        for number in run:
            status[number] = nid
    return left


def move_runs(m, q, vpns, nids, status):
    """Later: runs of equal targets.  Returns the pages not moved."""
    run, current, total = [], None, len(vpns)
    for number, (vpn, nid) in enumerate(zip(vpns, nids)):
        try:
            check_node(m, nid)
        except OracleError:
            flush_before_error(q, current, status, run)
            raise
        if run and nid != current:
            left = move_queued(q, current, status, run)
            if left:
                return left + total - number
            run = []
        current = nid
        got = add_page(q, vpn, nid)
        if got is True:
            run.append(number)
            continue
        status[number] = got
        left = move_queued(q, current, status, run)
        if left:
            return left + total - number - 1
        run = []
    return move_queued(q, current, status, run)


def flush_before_error(q, nid, status, run):
    """The first error counts; what the flush says is lost."""
    try:
        move_queued(q, nid, status, run)
    except OracleError:
        pass


def do_move_pages(m, task, process, vpns, nids, status, flags):
    """Fills @status as far as the kernel writes it; returns the pages not moved."""
    q = Queue(m, process, task, flags)
    if q.era != 2012:
        return move_runs(m, q, vpns, nids, status)
    for at in range(0, len(vpns), PAGES_PER_BATCH):
        end = at + PAGES_PER_BATCH
        move_batch(m, q, vpns[at:end], nids[at:end], status, at)
    return 0
