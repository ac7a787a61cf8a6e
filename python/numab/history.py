"""A page's history: the events of the core, as sentences."""

from __future__ import annotations

import numpy as np

from numa_core import lib, reason_rows, text
from numa_core.errors import InvalidArgument

from .engine import ReplayJob, run_until, start_replay

__all__ = ["busiest_pages", "history_lines", "page_history"]

RING = 1 << 16
_REASONS = reason_rows()
_KINDS = {text(lib.numab_event_name(i)): i for i in range(7)}
_UNSET = lib.NUMAB_TAG_UNSET


def _events(job: ReplayJob, pages: tuple[int, int] | None) -> list[np.ndarray]:
    """All events of a replay on the pages watched; none is lost."""
    built = start_replay(job)
    machine = built.machine
    if pages is not None and pages[0] not in built.vpns:
        raise InvalidArgument(
            f"page {pages[0]:#x} is not in the trace; its pages lie in "
            f"{int(built.vpns[0]):#x}..{int(built.vpns[-1]):#x}"
        )
    machine.events(RING, lossless=True, pages=pages)
    chunks = []
    while machine.now_ns + machine.tick_ns <= job.duration_ns:
        stop = run_until(machine, job.duration_ns)
        chunks.append(machine.drain(RING))
        if stop.why == "done":
            break
    return chunks


def page_history(job: ReplayJob, vpn: int) -> np.ndarray:
    """Events that concern one page, in order: a copy, dtype numa_core.EVENT."""
    return np.concatenate(_events(job, (vpn, vpn + 1)))


def busiest_pages(job: ReplayJob, limit: int = 10) -> list[tuple[int, int, int]]:
    """(page, moves, hints) of the pages that moved most, then were hinted most."""
    moves: dict[int, int] = {}
    hints: dict[int, int] = {}
    moved = [i for i, (name, _) in enumerate(_REASONS) if name == "go_migrated"][0]
    for events in _events(job, None):
        found = events[events["kind"] == _KINDS["hint"]]
        for vpn, n in zip(*np.unique(found["vpn"], return_counts=True)):
            hints[int(vpn)] = hints.get(int(vpn), 0) + int(n)
        went = found[found["reason"] == moved]
        for vpn, n in zip(*np.unique(went["vpn"], return_counts=True)):
            moves[int(vpn)] = moves.get(int(vpn), 0) + int(n)
    order = sorted(hints, key=lambda v: (-moves.get(v, 0), -hints[v], v))
    return [(v, moves.get(v, 0), hints[v]) for v in order[:limit]]


def _sentence(e: np.void) -> str:
    kind, who = int(e["kind"]), f"task {e['tid']} on CPU {e['cpu']}"
    if kind == _KINDS["hint"]:
        name, why = _REASONS[e["reason"]]
        tag = "unset" if e["aux"] == _UNSET else str(int(e["aux"]))
        went = f"node {e['from']} -> {e['to']}" if e["from"] != e["to"] else f"stays on {e['from']}"
        return f"hint by {who}: {went}; last_nid was {tag}; {name}: {why}"
    if kind == _KINDS["scan"]:
        return f"scanned by {who}: {e['aux']} entries marked in {e['nr_pages']} pages"
    if kind == _KINDS["pass"]:
        return f"the scanner came to the end, pass {e['aux']} begins"
    if kind == _KINDS["alloc"]:
        return f"first touch or copy by {who}: on node {e['to']}"
    if kind == _KINDS["migrate"]:
        mode = text(lib.numab_migrate_mode_name(int(e["from"])))
        reason = text(lib.numab_migrate_reason_name(int(e["to"])))
        done, failed = int(e["aux"]) & 0xFFFFFFFF, int(e["aux"]) >> 32
        return (f"mm_migrate_pages: nr_succeeded={done} nr_failed={failed} mode={mode} "
                f"reason={reason}")
    if kind == _KINDS["unmap"]:
        return f"unmapped with {e['nr_pages']} pages"
    return "huge page split"


def history_lines(events: np.ndarray, vpn: int) -> list[str]:
    """The history as text, a line an event, virtual time in seconds first."""
    head = f"page {vpn:#x}: {len(events)} events"
    return [head, *(f"{e['now_ns'] / 1e9:9.3f} s  {_sentence(e)}" for e in events)]
