"""Fault statistics of tasks and address spaces, and what follows from them (section 6)."""

from .names import NO_NODE, POLICY_PLACE
from .node import running_node


def task_numa_fault(m, task, nid, pages, misplaced, migrated=False):
    """Account a hinting fault to @nid (patches 15, 16, 29): 1 a call, whatever @pages is.

    v3.8 (policies 4): nothing at all while balancing is off; what did not migrate slows scans
    down; every fault may place.
    """
    if not m.tunables["numa_balancing"] and not m.tunables["account_when_off"]:
        return
    count = pages if m.tunables["count_pages_not_faults"] else 1
    mm = task.mm
    task.fault_tot += count
    task.faults_ever += count
    task.faults[nid] = task.faults.get(nid, 0) + count
    mm.fault_tot += count
    mm.faults[nid] = mm.faults.get(nid, 0) + count
    if m.tunables["period_step_ticks"] and not migrated:
        step_ms = m.tunables["period_step_ticks"] * 1000 // m.hz
        longest = m.tunables["scan_period_max_ms"]
        task.scan_period = min(longest, task.scan_period + step_ms)
    if misplaced or not m.tunables["place_misplaced_only"]:
        task_numa_placement(m, task)


def task_numa_placement(m, task):
    """6.4: at most once per pass over the address space.  What the policy does not do itself, and
    task_numa_find_placement, is the host's: ``placed`` notes the calls."""
    mm = task.mm
    if mm.scan_seq == task.scan_seq:
        return
    task.scan_seq = mm.scan_seq
    if m.policy_flags & POLICY_PLACE:
        if mm.fault_tot == 0 or task.fault_tot == 0:
            return
        best_mm, best_task = heaviest(m, mm), heaviest(m, task)
        if not m.tunables["mm_decay_once"]:
            for nid in mm.faults:
                mm.faults[nid] >>= 1
        here = running_node(m, task)
        if best_mm == best_task == here:
            longest = m.tunables["scan_period_max_ms"]
            task.scan_period = min(longest, 2 * task.scan_period)
            task.home = here
            return
        task.scan_period = m.tunables["scan_period_min_ms"]
    m.placed.append(task.tid)


def heaviest(m, owner):
    """The node with the largest weight of @owner's faults, the lowest id first; or none."""
    best, best_nid = 0, NO_NODE
    for nid in sorted(m.nodes):
        share = weight(owner.faults.get(nid, 0), owner.fault_tot)
        if share > best:
            best, best_nid = share, nid
    return best_nid


def reset_ptenuma_scan(m, task):
    """The scanner came to the end of the address space: decay (6.2).

    mm total, and of the scanning task alone its total and its nodes; the mm's nodes only by the
    switch that mends this.
    """
    task.mm.scan_seq += 1
    m.counters["scan_passes"] += 1
    task.mm.fault_tot >>= 1
    task.fault_tot >>= 1
    for nid in task.faults:
        task.faults[nid] >>= 1
    if m.tunables["mm_decay_once"]:
        for nid in task.mm.faults:
            task.mm.faults[nid] >>= 1


def weight(faults, total):
    """Share of @faults in @total, in thousandths (6.3, BALANCENUMA_SCALE)."""
    if total == 0:
        return 0
    return min(faults, total) * 1000 // total
