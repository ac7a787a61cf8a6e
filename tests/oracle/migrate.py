"""Moving pages: migrate_pages (patches 1 and 2) and migrate_misplaced_page (patch 12)."""

from .names import ENOMEM, MIGRATE_ASYNC, MIGRATE_SYNC, SLOT_PAGES, TAG_UNSET, OracleError
from .node import flush_tlb_page, flush_tlb_range

MAX_PASSES = 10
FORCED_FROM_PASS = 3
RATELIMIT_PAGES = 128 << (20 - 12)
MIGRATE_INTERVAL_NS = 100_000_000
PTEUPDATE_INTERVAL_NS = 1_000_000_000

OK, AGAIN, FAILED, NOMEM = "ok", "again", "failed", "nomem"


def drawn(m, tunable):
    """An injected event.  Only the certain probabilities, 0 and one million, are modelled."""
    ppm = m.tunables[tunable]
    assert ppm in (0, 1_000_000), "the oracle has no random generator"
    return ppm != 0


def new_page_node(m, nids, nr_pages):
    """Where @nr_pages at once are allocated: the first of @nids above low, else above min."""
    for mark in ("low", "min"):
        for nid in nids:
            node = m.nodes[nid]
            if node.free >= nr_pages and node.free - (nr_pages - 1) > getattr(node, mark):
                return nid
    return None


def unmap_and_move(m, process, page, nids, mode, attempt, slot, cpu):
    """One attempt at one page (base: unmap_and_move of 3.7).  @attempt counts from 0.

    @slot: the huge page that @page stands for, which moves whole.  @cpu: that asked for it.
    """
    forced = attempt >= FORCED_FROM_PASS
    nid = new_page_node(m, nids, SLOT_PAGES if slot else 1)
    if nid is None:
        return NOMEM
    result = blocked(m, page, mode, forced)
    if result is not OK:
        return result
    if slot:
        if page.pinned:
            return AGAIN
        move_huge_page(m, slot, nid)
        return OK
    flush_tlb_page(m, process, cpu)  # unmapped before an extra reference is seen
    if page.pinned:
        return AGAIN
    m.nodes[page.nid].free += 1
    m.nodes[nid].free -= 1
    move_page(m, page, nid)
    return OK


def blocked(m, page, mode, forced):
    """What stops a page before it is unmapped: a lock (injected), writeback, injected failure."""
    if (mode == MIGRATE_ASYNC or not forced) and drawn(m, "migrate_again_ppm"):
        return AGAIN
    if page.writeback:
        if mode != MIGRATE_SYNC:
            return FAILED
        if not forced:
            return AGAIN
        page.writeback = False
    if mode == MIGRATE_ASYNC and drawn(m, "migrate_fail_ppm"):
        return FAILED
    return OK


def move_page(m, page, nid):
    """The new copy's tag is unset, unless last_nid_transfer (3.2, last bullet)."""
    page.nid = nid
    if not m.tunables["last_nid_transfer"]:
        page.tag = TAG_UNSET


def migrate_pages(m, process, pages, target, mode, huge=None, cpu=None):
    """Up to ten passes over @pages.  Returns (moved, failed, left, passes used, out of memory).

    ``target(page)``: the nodes to try.  @huge: page -> slot, of heads of whole huge pages.
    """
    huge = huge or {}
    left, moved, failed, passes = list(pages), [], [], 0
    while passes < MAX_PASSES and (left or passes == 0):
        retry = []
        for index, page in enumerate(left):
            result = unmap_and_move(m, process, page, target(page), mode, passes, huge.get(page),
                                    cpu)
            if result is NOMEM:
                return finish(m, moved, failed, retry + left[index:], passes + 1, True, huge)
            {OK: moved, FAILED: failed, AGAIN: retry}[result].append(page)
        left = retry
        passes += 1
    return finish(m, moved, failed, left, passes, False, huge)


def finish(m, moved, failed, left, passes, nomem, huge):
    """The end of migrate_pages: counters and one mm_migrate_pages event, always (patch 1, 2)."""
    for name, pages in (("pgmigrate_success", moved), ("pgmigrate_fail", failed)):
        m.counters[name] += sum(SLOT_PAGES if page in huge else 1 for page in pages)
    m.counters["migrate_calls"] += 1
    m.counters["migrate_passes"] += passes
    return moved, failed, left, passes, nomem


def syscall_migrate_pages(m, process, vpns, nid, mode):
    """Move the pages at @vpns of @process; returns what the kernel's migrate_pages returns.

    Huge pages in the way were split.  A page is isolated once, however often it is listed.
    """
    mm = process.mm
    listed = {}
    for vpn in vpns:
        entry = mm.entry(vpn)
        page = entry.page if entry else None
        if page and page.nid != nid and not page.no_lru and page not in listed:
            listed[page] = (vpn, entry)
    moved, failed, left, _, nomem = migrate_pages(m, process, listed, lambda page: [nid], mode)
    for page in moved:
        vpn, entry = listed[page]
        if page.exclusive:
            restore_entry(entry, mm.find_vma(vpn))
    if nomem:
        raise OracleError(ENOMEM)
    return len(failed) + len(left)


def restore_entry(entry, vma):
    """The entry of a moved page: from the VMA's protection, so the hint is gone (patch 17)."""
    entry.numa = vma.inaccessible
    entry.present = not entry.numa
    entry.accessed = entry.dirty = False


def migrate_misplaced_page(m, task, page, nid):
    """Move one @page that @task found misplaced to @nid (patch 12, steps in order).

    Returns GO_MIGRATED or the reason why it stays.
    """
    if page.mapcount != 1:
        return refuse(m, page, "HOLD_SHARED_PAGE")
    if migrate_ratelimited(m, nid, 1):
        return "HOLD_RATE_LIMIT"
    if not migrate_balanced_pgdat(m, nid, 1):
        return refuse(m, page, "HOLD_TARGET_LOW_MEMORY")
    if page.no_lru:
        return "HOLD_ISOLATION_FAILED"
    moved, failed, _, _, nomem = migrate_pages(
        m, task.process, [page], lambda page: [nid], MIGRATE_ASYNC)
    if moved:
        m.counters["numa_pages_migrated"] += 1
        return "GO_MIGRATED"
    return failure_reason(failed, nomem)


def failure_reason(failed, nomem):
    """Why migrate_pages left a page where it was."""
    if nomem:
        return "HOLD_MIGRATE_NOMEM"
    return "HOLD_MIGRATE_FAILED" if failed else "HOLD_MIGRATE_AGAIN"


def refuse(m, page, reason):
    """As posted, these two exits forget the caller's reference: pinned for ever (D)."""
    if m.tunables["leak_on_refused_migrate"]:
        m.counters["pages_leaked"] += 1
        page.pinned = page.leaked = True
    return reason


def migrate_balanced_pgdat(m, nid, nr_pages):
    """The target has room: free > high watermark + @nr_pages (patch 12, step 2)."""
    return m.nodes[nid].free > m.nodes[nid].high + nr_pages


def migrate_ratelimited(m, nid, nr_pages):
    """Switch rate_limit: 128 MB to a node in 100 ms (F)."""
    if not m.tunables["rate_limit"]:
        return False
    node = m.nodes[nid]
    if m.now_ns > node.window_end_ns:
        node.window_pages = 0
        node.window_end_ns = m.now_ns + MIGRATE_INTERVAL_NS
    if node.window_pages > RATELIMIT_PAGES:
        return True
    node.window_pages += nr_pages
    return False


def scan_ratelimited(m, nid):
    """Scans on @nid wait while migrations to it are limited, and up to 1000 ms after (F)."""
    node = m.nodes[nid]
    if not m.tunables["rate_limit"] or m.now_ns > node.window_end_ns + PTEUPDATE_INTERVAL_NS:
        return False
    return node.window_pages >= RATELIMIT_PAGES


def migrate_misplaced_transhuge_page(m, process, slot, nid):
    """Move a huge page whole (switch thp_native_migration; version 4).  Returns the reason."""
    head = slot.head.page
    if migrate_ratelimited(m, nid, 512):
        return "HOLD_RATE_LIMIT"
    if not migrate_balanced_pgdat(m, nid, 512):
        m.counters["pgmigrate_fail"] += 512
        return "HOLD_TARGET_LOW_MEMORY"
    if head.no_lru:
        m.counters["pgmigrate_fail"] += 512
        return "HOLD_ISOLATION_FAILED"
    moved, failed, _, _, nomem = migrate_pages(
        m, process, [head], lambda page: [nid], MIGRATE_ASYNC, {head: slot})
    if moved:
        m.counters["numa_pages_migrated"] += SLOT_PAGES
        return "GO_MIGRATED"
    return failure_reason(failed, nomem)


def move_huge_page(m, slot, nid):
    """All pages of @slot are on @nid now; its entries are accessible and clean."""
    m.nodes[slot.head.page.nid].free += SLOT_PAGES
    m.nodes[nid].free -= SLOT_PAGES
    for entry in slot.entries.values():
        move_page(m, entry.page, nid)
        entry.accessed = entry.dirty = False
    slot.pmd_numa = False
    flush_tlb_range(m)
