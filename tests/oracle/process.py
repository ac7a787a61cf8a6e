"""Processes and tasks: fork, clone, exec, exit (1.2, patches 15, 18, 19, 25, 29)."""

from .huge import split_huge_page
from .names import EBUSY, OracleError
from .node import flush_tlb_range
from .scan import jiffies
from .state import Mm, Process, Task
from .vma import copy_page_range, exit_mmap


def new_process(m, cpu):
    """A process with an empty address space."""
    process = Process(m.new_id(), Mm(next_scan=jiffies(m), next_reset=jiffies(m)))
    m.processes[process.pid] = process
    return add_task(m, process, process.pid, cpu, None)


def add_task(m, process, tid, cpu, parent):
    """The new task: slow start, empty statistics, home and policy of its parent."""
    task = Task(tid, process, cpu, scan_seq=process.mm.scan_seq,
                scan_period=m.tunables["scan_delay_ms"])
    if parent:
        task.home, task.policy, task.il_prev = parent.home, parent.policy, parent.il_prev
    process.tasks.append(task)
    m.tasks[tid] = task
    return task


def sched_fork(m, parent):
    """The fork hook runs while the mm is still the parent's: it resets that one (1.2, detail)."""
    if len(parent.process.tasks) == 1:
        parent.mm.next_scan = parent.mm.next_reset = jiffies(m)
        parent.mm.scan_seq = 0


def fork(m, parent, cpu):
    """Copy the address space: next_scan, next_reset, seq and offset go along, statistics do not."""
    sched_fork(m, parent)
    old = parent.mm
    for slot in old.slots_in(0, old.vmas[-1].end if old.vmas else 0):
        if slot.huge:
            split_huge_page(m, slot)
    mm = Mm(next_scan=old.next_scan, next_reset=old.next_reset, scan_seq=old.scan_seq,
            offset=old.offset)
    copy_page_range(old, mm)
    flush_tlb_range(m)
    process = Process(m.new_id(), mm)
    m.processes[process.pid] = process
    return add_task(m, process, process.pid, cpu, parent)


def clone(m, parent, cpu):
    """A further thread of the same address space."""
    sched_fork(m, parent)
    return add_task(m, parent.process, m.new_id(), cpu, parent)


def exec_mm(m, task):
    """A new, empty address space, all zero, its first node too; the task's own fields stay."""
    if len(task.process.tasks) > 1:
        raise OracleError(EBUSY)
    exit_mmap(m, task.mm)
    task.process.mm = Mm(first_nid=0)


def do_exit(m, task):
    """The last task of a process takes its memory along."""
    del m.tasks[task.tid]
    task.process.tasks.remove(task)
    if not task.process.tasks:
        exit_mmap(m, task.mm)
        del m.processes[task.process.pid]
