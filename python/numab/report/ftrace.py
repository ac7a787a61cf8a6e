"""Events as ftrace text, for the scripts that people have: the fields are the kernel's own.

``TASK-PID [CPU] FLAGS TIMESTAMP: event: args``, as ``trace`` of tracefs prints it.  What befell
pages in a tick bears the time of the tick.  A move to the task's home node is told twice, as
sched_migrate_task and as sched_move_numa; events that no kernel has are named numab_*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from numa_core import lib, reason_rows, text

if TYPE_CHECKING:
    from ..tracing import Recording

__all__ = ["Tracks", "ftrace_lines", "kind_names"]

PRIO = 120
COMM_CHARS = 15
_HEAD = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {n}/{n}   #P:{cpus}
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""


def kind_names() -> list[str]:
    """Names of the event kinds, by number."""
    out: list[str] = []
    while name := text(lib.numab_event_name(len(out))):
        out.append(name)
    return out


class Tracks:
    """What is known while events are read in order: homes and state of tasks, who runs on a CPU."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.home: dict[int, int] = {}
        self.asleep: set[int] = set()
        self.curr: dict[int, int] = {}

    def comm(self, tid: int) -> str:
        """Name of a task: the load's, as the kernel cuts it."""
        return self.recording.load[:COMM_CHARS] if tid else "swapper"

    def pid(self, tid: int) -> int:
        """Its process."""
        return self.recording.tasks.get(tid, 0)

    def nid(self, cpu: int) -> int:
        """Node of a CPU."""
        return self.recording.cpus.get(cpu, -1)

    def goes_home(self, e: np.void) -> bool:
        """A move from elsewhere to a CPU of the task's home node."""
        home = self.home.get(int(e["tid"]), -1)
        return home >= 0 and self.nid(int(e["to"])) == home != self.nid(int(e["from"]))

    def after(self, e: np.void, kind: str) -> None:
        """The event has been told."""
        if kind == "sched_home":
            self.home[int(e["tid"])] = int(e["to"])
        elif kind == "switch":
            self.curr[int(e["cpu"])] = int(e["tid"])
        elif kind == "sleep":
            self.asleep.add(int(e["tid"]))
        elif kind == "wake":
            self.asleep.discard(int(e["tid"]))


def _switch(e: np.void, t: Tracks) -> list[str]:
    prev, after, cpu = int(e["aux"]), int(e["tid"]), int(e["cpu"])
    state = "S" if prev in t.asleep else "R"
    names = [t.comm(x) if x else f"swapper/{cpu}" for x in (prev, after)]
    return [f"sched_switch: prev_comm={names[0]} prev_pid={prev} prev_prio={PRIO} "
            f"prev_state={state} ==> next_comm={names[1]} next_pid={after} next_prio={PRIO}"]


def _wake(e: np.void, t: Tracks) -> list[str]:
    return [f"sched_wakeup: comm={t.comm(int(e['tid']))} pid={e['tid']} prio={PRIO} "
            f"target_cpu={e['cpu']:03d}"]


def _move(e: np.void, t: Tracks) -> list[str]:
    tid, src, dst = int(e["tid"]), int(e["from"]), int(e["to"])
    out = [f"sched_migrate_task: comm={t.comm(tid)} pid={tid} prio={PRIO} orig_cpu={src} "
           f"dest_cpu={dst}"]
    if t.goes_home(e):
        out.append(f"sched_move_numa: pid={tid} tgid={t.pid(tid)} ngid=0 src_cpu={src} "
                   f"src_nid={t.nid(src)} dst_cpu={dst} dst_nid={t.nid(dst)}")
    return out


def _pair(name: str) -> Callable[[np.void, Tracks], list[str]]:
    def told(e: np.void, t: Tracks) -> list[str]:
        tid, other, src, dst = int(e["tid"]), int(e["aux"]), int(e["from"]), int(e["to"])
        return [f"{name}: src_pid={tid} src_tgid={t.pid(tid)} src_ngid=0 src_cpu={src} "
                f"src_nid={t.nid(src)} dst_pid={other} dst_tgid={t.pid(other)} dst_ngid=0 "
                f"dst_cpu={dst} dst_nid={t.nid(dst)}"]

    return told


def _migrate(e: np.void, t: Tracks) -> list[str]:
    done, failed = int(e["aux"]) & 0xFFFFFFFF, int(e["aux"]) >> 32
    mode = text(lib.numab_migrate_mode_name(int(e["from"])))
    reason = text(lib.numab_migrate_reason_name(int(e["to"])))
    return [f"mm_migrate_pages: nr_succeeded={done} nr_failed={failed} nr_thp_succeeded=0 "
            f"nr_thp_failed=0 nr_thp_split=0 nr_split=0 mode={mode} reason={reason}"]


def _home(e: np.void, t: Tracks) -> list[str]:
    return [f"numab_sched_setnode: pid={e['tid']} from_nid={e['from']} to_nid={e['to']}"]


def _scan(e: np.void, t: Tracks) -> list[str]:
    return [f"numab_scan: vpn={int(e['vpn']):#x} nr_pages={e['nr_pages']} marked={e['aux']}"]


def _pass(e: np.void, t: Tracks) -> list[str]:
    return [f"numab_pass: tgid={e['pid']} numa_scan_seq={e['aux']}"]


def _hint(e: np.void, t: Tracks) -> list[str]:
    why = _REASONS[int(e["reason"])]
    return [f"page_fault_user: address={int(e['vpn']) << 12:#x} ip=0x0 error_code=0x5",
            f"numab_hint: vpn={int(e['vpn']):#x} page_nid={e['from']} after_nid={e['to']} "
            f"reason={why}"]


def _alloc(e: np.void, t: Tracks) -> list[str]:
    return [f"page_fault_user: address={int(e['vpn']) << 12:#x} ip=0x0 error_code=0x4"]


_REASONS = [name for name, _ in reason_rows()]
_TOLD: dict[str, Callable[[np.void, Tracks], list[str]]] = {
    "switch": _switch, "wake": _wake, "sched_move": _move, "sched_swap": _pair("sched_swap_numa"),
    "sched_stick": _pair("sched_stick_numa"), "migrate": _migrate, "sched_home": _home,
    "scan": _scan, "pass": _pass, "hint": _hint, "alloc": _alloc,
}


def ftrace_lines(recording: Recording) -> Iterator[str]:
    """The trace, line by line.

    >>> from numab.synthetic import LoadJob
    >>> from numab.tracing import record
    >>> made = record(LoadJob("numa02", "2s", 2, 512, work_ns=10**7), ["sched"])
    >>> next(line for line in ftrace_lines(made) if line[0] != "#").split(": ")[1]
    'sched_switch'
    """
    lines = list(_lines(recording))
    yield from _HEAD.format(n=len(lines), cpus=len(recording.cpus)).splitlines()
    yield from lines


def _who(e: np.void, kind: str, tracks: Tracks) -> int:
    """The CPU's current task: at a switch the one that goes, as in the kernel; of those that wake
    or come there whom they meet."""
    if kind == "switch":
        return int(e["aux"])
    return tracks.curr.get(int(e["cpu"]), 0) if kind in ("wake", "sched_move") else int(e["tid"])


def _lines(recording: Recording) -> Iterator[str]:
    names = kind_names()
    tracks = Tracks(recording)
    for e in recording.events:
        kind, cpu = names[int(e["kind"])], int(e["cpu"])
        who = _who(e, kind, tracks)
        task = f"{tracks.comm(who) if who else '<idle>':>16}-{who:<7d}"
        stamp = int(e["now_ns"]) // 1000
        head = f"{task} [{cpu:03d}] d.... {stamp // 10**6:5d}.{stamp % 10**6:06d}: "
        for told in _TOLD.get(kind, lambda e, t: [])(e, tracks):
            yield head + told
        tracks.after(e, kind)
