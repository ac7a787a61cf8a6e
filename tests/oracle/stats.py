"""Fault statistics of tasks and address spaces (6.1 to 6.3)."""


def task_numa_fault(m, task, nid, pages, misplaced):
    """Account a hinting fault to @nid (patches 15, 16, 29): 1 a call, whatever @pages is.

    The rest of task_numa_placement is the scheduler's; here only its gate is kept: at most once
    per pass over the address space, and only on a misplaced fault (6.4, step 1).
    """
    count = pages if m.tunables["count_pages_not_faults"] else 1
    mm = task.mm
    task.fault_tot += count
    task.faults_ever += count
    task.faults[nid] = task.faults.get(nid, 0) + count
    mm.fault_tot += count
    mm.faults[nid] = mm.faults.get(nid, 0) + count
    if misplaced and mm.scan_seq != task.scan_seq:
        task.scan_seq = mm.scan_seq


def reset_ptenuma_scan(m, task):
    """The scanner came to the end of the address space: decay (6.2).

    mm total, and of the scanning task alone its total and its nodes; not the mm's nodes.
    """
    task.mm.scan_seq += 1
    m.counters["scan_passes"] += 1
    task.mm.fault_tot >>= 1
    task.fault_tot >>= 1
    for nid in task.faults:
        task.faults[nid] >>= 1


def weight(faults, total):
    """Share of @faults in @total, in thousandths (6.3, BALANCENUMA_SCALE)."""
    if total == 0:
        return 0
    return min(faults, total) * 1000 // total
