"""The scanner: the tick that arms it, the window it walks, the marks it sets (4.1)."""

from .migrate import scan_ratelimited
from .names import PAGE_BYTES, POLICY_SCANS, SLOT_PAGES, VMA_HUGETLB, VMA_IO, VMA_PFNMAP
from .node import flush_tlb_range, running_node
from .stats import reset_ptenuma_scan

SLOT_BYTES = SLOT_PAGES * PAGE_BYTES


def jiffies(m):
    return m.now_ns * m.hz // 1_000_000_000


def msecs_to_jiffies(m, msecs):
    """Rounds up."""
    return -(-msecs * m.hz // 1000)


def task_tick_numa(m, task):
    """The timer tick of a running task: 1 when it queues task_numa_work, 0 when not."""
    if not m.tunables["numa_balancing"] or not m.policy_flags & POLICY_SCANS:
        return 0
    if task.work_queued:
        return 0
    if task.sum_exec - task.node_stamp <= task.scan_period * 1_000_000:
        return 0
    if task.node_stamp == 0:
        task.scan_period = m.tunables["scan_period_min_ms"]  # the slow start is over (patch 19)
    task.node_stamp = task.sum_exec
    if jiffies(m) < task.mm.next_scan:
        return 0
    task.work_queued = True
    return 1


def task_numa_work(m, task):
    """Steps 1 to 6: may this task scan now?  Returns the entries marked."""
    mm = task.mm
    if not task.work_queued:
        return 0
    task.work_queued = False
    if m.tunables["first_nid_gate"] and not on_second_node(mm, running_node(m, task)):
        m.counters["scan_one_node"] += 1
        return 0
    if m.tunables["scan_period_reset"] and jiffies(m) > mm.next_reset:
        task.scan_period = m.tunables["scan_period_min_ms"]
        mm.next_reset = jiffies(m) + msecs_to_jiffies(m, m.tunables["scan_period_reset"])
    if jiffies(m) < mm.next_scan:
        m.counters["scan_too_early"] += 1
        return 0
    if task.scan_period == 0:
        task.scan_period = m.tunables["scan_period_min_ms"]
    gap = m.tunables["next_scan_factor"] * task.scan_period
    mm.next_scan = jiffies(m) + msecs_to_jiffies(m, gap)
    if scan_ratelimited(m, running_node(m, task)):
        m.counters["scan_rate_limited"] += 1
        return 0
    m.counters["scan_windows"] += 1
    before = m.counters["numa_pte_updates"]
    scan_window(m, task)
    return m.counters["numa_pte_updates"] - before


def on_second_node(mm, nid):
    """v3.8: has a scan of this address space been tried on two nodes?  (policies 4)"""
    if mm.first_nid == -1:
        mm.first_nid = nid
    if mm.first_nid != -2 and mm.first_nid != nid:
        mm.first_nid = -2
    return mm.first_nid == -2


def scan_window(m, task):
    """Steps 8 to 10: walk VMAs from numa_scan_offset until the window is used up."""
    mm, length = task.mm, m.tunables["scan_size_mb"] << 20
    in_ptes = m.tunables["scan_budget_ptes"]
    offset = before = mm.offset
    todo = [vma for vma in mm.vmas if vma.end * PAGE_BYTES > offset]
    if not todo:
        reset_ptenuma_scan(m, task)
        offset, todo = 0, list(mm.vmas)
    walked_to_its_end = True
    while todo and length > 0:
        vma = todo[0]
        if vma_migratable(m, vma):
            offset = max(offset, vma.start * PAGE_BYTES)
            while length > 0 and offset < vma.end * PAGE_BYTES:
                boundary = -(-(offset + length) // SLOT_BYTES) * SLOT_BYTES
                end = min(boundary, vma.end * PAGE_BYTES)
                marked = change_prot_numa(m, mm, offset // PAGE_BYTES, end // PAGE_BYTES)
                length -= marked * PAGE_BYTES if in_ptes else end - offset
                offset = end
            walked_to_its_end = offset == vma.end * PAGE_BYTES
            if in_ptes and length <= 0:
                break  # v3.8: out of the loop with this VMA in hand
        todo.pop(0)
    # The end is reached when no VMA is left *and* the last one was finished (end of 4.1, step 11).
    if todo or not walked_to_its_end:
        mm.offset = offset
        return
    reset_ptenuma_scan(m, task)
    mm.offset = before if m.tunables["scan_rewind_bug"] else 0


def vma_migratable(m, vma):
    """Step 9, first bullet; and what v3.8 skips besides, when the switches say so."""
    if vma.flags & (VMA_IO | VMA_PFNMAP | VMA_HUGETLB):
        return False
    if m.tunables["inaccessible_vma_skip"] and vma.inaccessible:
        return False
    return not m.tunables["small_vma_skip"] or vma.end - vma.start >= SLOT_PAGES


def change_prot_numa(m, mm, start, end):
    """Mark [start, end), which lies in one VMA; the flush comes whatever was marked (version 3 on:
    only if something was).  Returns the entries marked."""
    before = m.counters["numa_pte_updates"]
    for slot in mm.slots_in(start, end):
        change_pmd_numa(m, slot, max(start, slot.start), min(end, slot.end))
    marked = m.counters["numa_pte_updates"] - before
    if marked or not m.tunables["flush_if_marked"]:
        flush_tlb_range(m)
    return marked


def change_pmd_numa(m, slot, start, end):
    """The range helper for one slot."""
    if slot.huge:
        if not slot.pmd_numa and slot.head.present:
            slot.pmd_numa = True
            m.counters["numa_pte_updates"] += SLOT_PAGES if m.tunables["huge_counts_ptes"] else 1
        return
    nids = set()
    for vpn in range(start, end):
        entry = slot.entries.get(vpn)
        if entry is None or entry.numa or entry.special or entry.page.mapcount != 1:
            continue
        entry.numa, entry.present = True, False
        m.counters["numa_pte_updates"] += 1
        nids.add(entry.page.nid)
    one_node = len(nids) == 1 or not m.tunables["pmd_mark_same_node_only"]
    if nids and not slot.pmd_numa and m.tunables["pmd_mark"] and one_node:
        slot.pmd_numa = True
        m.counters["pmd_marks"] += 1
