"""Events as Chrome JSON, which the Perfetto UI opens (ui.perfetto.dev, «Open trace file»).

A track for every CPU, with what runs there; one for every task, with where it runs and what befalls
it; counters for every node: resident pages of the load, and the local share of the accesses made
from it.  Times are microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numa_core import lib, text

from .ftrace import Tracks, kind_names

if TYPE_CHECKING:
    from ..tracing import Recording

__all__ = ["chrome_trace"]

CPUS_PID, NODES_PID = 1_000_000, 1_000_001  # beyond the tasks' own


def _meta(name: str, pid: int, tid: int, value: str) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": {"name": value}}


def _names(recording: Recording) -> list[dict[str, Any]]:
    out = [_meta("process_name", CPUS_PID, 0, "CPUs"), _meta("process_name", NODES_PID, 0, "nodes")]
    for cpu, nid in recording.cpus.items():
        out.append(_meta("thread_name", CPUS_PID, cpu, f"CPU {cpu} (node {nid})"))
    for pid in sorted(set(recording.tasks.values())):
        out.append(_meta("process_name", pid, 0, f"{recording.load} {pid}"))
    for tid, pid in recording.tasks.items():
        out.append(_meta("thread_name", pid, tid, f"task {tid}"))
    return out


class _Slices:
    """Who runs where, as complete events; a slice ends where the next one on its CPU begins."""

    def __init__(self, recording: Recording) -> None:
        self.tracks = Tracks(recording)
        self.out: list[dict[str, Any]] = []
        self._since: dict[int, tuple[int, int]] = {}  # by CPU: task, ns

    def switch(self, cpu: int, tid: int, now_ns: int) -> None:
        before, since = self._since.get(cpu, (0, now_ns))
        if before and now_ns > since:
            span = {"ph": "X", "ts": since / 1000, "dur": (now_ns - since) / 1000}
            nid = self.tracks.nid(cpu)
            self.out.append({**span, "name": f"task {before}", "pid": CPUS_PID, "tid": cpu,
                             "args": {"pid": self.tracks.pid(before)}})
            self.out.append({**span, "name": f"CPU {cpu}", "pid": self.tracks.pid(before),
                             "tid": before, "args": {"node": nid}})
        self._since[cpu] = (tid, now_ns)

    def finish(self, end_ns: int) -> None:
        for cpu in sorted(self._since):
            self.switch(cpu, 0, end_ns)


def _instant(e: np.void, name: str, tracks: Tracks, **args: Any) -> dict[str, Any]:
    tid = int(e["tid"]) or int(e["pid"])  # in nobody's name: on the track of the first task
    return {"ph": "i", "s": "t", "name": name, "ts": int(e["now_ns"]) / 1000,
            "pid": tracks.pid(tid), "tid": tid, "args": args}


def _told(e: np.void, kind: str, tracks: Tracks) -> dict[str, Any] | None:
    """What befell a task, as an instant on its track."""
    src, dst = int(e["from"]), int(e["to"])
    if kind == "sched_move":
        return _instant(e, "sched_migrate_task", tracks, orig_cpu=src, dest_cpu=dst,
                        home=bool(tracks.goes_home(e)))
    if kind in ("sched_swap", "sched_stick"):
        return _instant(e, f"{kind}_numa", tracks, src_cpu=src, dst_cpu=dst,
                        dst_pid=int(e["aux"]))
    if kind == "sched_home":
        return _instant(e, "sched_setnode", tracks, from_nid=src, to_nid=dst)
    if kind == "migrate":
        return _instant(e, "mm_migrate_pages", tracks, succeeded=int(e["aux"]) & 0xFFFFFFFF,
                        failed=int(e["aux"]) >> 32,
                        reason=text(lib.numab_migrate_reason_name(dst)))
    if kind in ("scan", "pass", "wake", "sleep", "hint", "alloc"):
        return _instant(e, kind, tracks, vpn=int(e["vpn"]), nr_pages=int(e["nr_pages"]))
    return None


def _counters(recording: Recording) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for sample in recording.samples:
        for nid in recording.nids:
            local, every = sample.accesses[nid]
            at = {"ph": "C", "ts": sample.now_ns / 1000, "pid": NODES_PID, "tid": 0}
            out.append({**at, "name": f"node {nid} pages", "args": {"pages": sample.pages[nid]}})
            if every:
                out.append({**at, "name": f"node {nid} local share",
                            "args": {"percent": 100 * local / every}})
    return out


def chrome_trace(recording: Recording) -> dict[str, Any]:
    """The trace, ready for JSON.

    >>> from numab.synthetic import LoadJob
    >>> from numab.tracing import record
    >>> made = record(LoadJob("private", "2s", 2, 64, "off", duration_ns=40_000_000))
    >>> [e["args"]["name"] for e in chrome_trace(made)["traceEvents"] if e["ph"] == "M"][:3]
    ['CPUs', 'nodes', 'CPU 0 (node 0)']
    """
    names, slices, told = kind_names(), _Slices(recording), []
    for e in recording.events:
        kind = names[int(e["kind"])]
        if kind == "switch":
            slices.switch(int(e["cpu"]), int(e["tid"]), int(e["now_ns"]))
        else:
            event = _told(e, kind, slices.tracks)
            if event:
                told.append(event)
        slices.tracks.after(e, kind)
    slices.finish(recording.end_ns)
    timed = sorted([*slices.out, *told, *_counters(recording)], key=lambda x: x["ts"])
    return {
        "displayTimeUnit": "ms",
        "otherData": {"load": recording.load, "policy": recording.policy, "tool": "numab"},
        "traceEvents": [*_names(recording), *timed],
    }
