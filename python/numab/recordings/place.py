"""Section place: where a policy put pages, in which order they were touched, what was counted.

A row: memory in a place of its own (so that touching it takes two page-table pages), the policy on
it (scope vma) or on the task (scope task), every page touched once on a node, in an order.  Rows
whose tag says full ran with that node's memory (default 0) taken by another process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numa_core.errors import InvalidArgument, OutOfMemory

from .. import syscalls
from ..arguments import shown
from ..process import Process
from ..procfs.numa_maps import maps_line
from .reading import NotUnderstood, Recording, Row, field, mode_number, result, understood
from .replay import PAGE, SLOT, Stage, digits, fitting, killed, touch
from .tables import MAXNODE, Compared, policy_words

__all__ = ["place"]

NUMA_STATS = (
    "numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other",
)
OOM_KILLED = "signal 9"
PAGES_MAX = 1 << 16
WEIGHT_MAX = 255


@dataclass(frozen=True)
class _Spec:
    """A row, read."""

    task_scope: bool
    mode: int
    mask: int | None
    weighted: bool
    nid: int
    pages: int
    step: int
    order: list[int]
    first_page: int
    full: int | None


def place(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """The section, row by row."""
    weights = _weights(rows)
    for row in rows:
        said = _said(row)
        ours = understood(lambda: _placed(recording, row, said, weights))
        label = " ".join(str(row.get(k)) for k in (
            "tag", "scope", "policy", "touch_from_node", "pages", "order"))
        yield label, said, ours


def _placed(
    recording: Recording, row: Row, said: dict[str, Any], weights: dict[int, int]
) -> dict[str, Any]:
    spec = _spec(recording, row)
    period = sum(weights.get(n, 1) for n in range(recording.nodes)) if spec.weighted else 0
    ours = fitting(
        max(period, recording.nodes), lambda phase: _run(recording, spec, phase, weights),
        lambda out: out.get("nodes") == said.get("nodes"))
    if isinstance(said.get("count"), list) and "count" in ours:  # of as many nodes as they told
        ours["count"] = (ours["count"] + [0] * len(said["count"]))[:len(said["count"])]
    return ours


def _said(row: Row) -> dict[str, Any]:
    """What a row recorded, one value a key."""
    r = row.get("r")
    said: dict[str, Any] = {"r": OOM_KILLED if killed(r) else r}
    if said["r"] == OOM_KILLED:
        return said
    for key in ("nodes", "count", "numa_maps"):
        if key in row:
            said[key] = row[key]
    stats = row.get("vmstat_delta", {})
    if not isinstance(stats, dict):
        raise InvalidArgument(f"vmstat_delta {shown(stats)}, expected an object")
    return {**said, **{k: stats[k] for k in NUMA_STATS if k in stats}}


def _spec(recording: Recording, row: Row) -> _Spec:
    name, mask = policy_words(field(row, "policy", str))
    thp = bool(row.get("thp", 0))
    listed = row.get("count")
    pages = field(row, "pages", int)
    if thp and pages == 0:  # huge pages are counted in the result only
        pages = sum(listed) if isinstance(listed, list) else 0
        pages = pages or len(str(row.get("nodes", ""))) or 8
    nid = field(row, "touch_from_node", int)
    if not 1 <= pages <= PAGES_MAX or not 0 <= nid < recording.nodes:
        raise InvalidArgument(f"{pages} pages touched from node {nid}, expected 1..{PAGES_MAX} "
                              f"and a node below {recording.nodes}")
    full = re.search(r"full\D*(\d{0,2})", str(row.get("tag", "")))
    return _Spec(
        field(row, "scope", str) == "task", mode_number(name), mask,
        name.startswith(("WEIGHTED", "6")), nid, pages, SLOT if thp else PAGE,
        _order(str(row.get("order", "up")), pages),
        0 if thp else field({"first_pgoff_mod8": 0} | row, "first_pgoff_mod8", int) % 8,
        int(full[1] or 0) if full else None)


def _order(order: str, pages: int) -> list[int]:
    stride = re.fullmatch(r"stride(\d{1,4})", order)
    if order == "up":
        return list(range(pages))
    if order == "down":
        return list(range(pages - 1, -1, -1))
    if stride:
        return [i * int(stride[1]) % pages for i in range(pages)]
    raise NotUnderstood(f"order {shown(order)}, expected up, down or strideN")


def _weights(rows: list[Row]) -> dict[int, int]:
    """Weights of the nodes: what a row says, else what the first weighted row looks like (they are
    a setting of the recorded machine that no row tells): a node's longest run of pages."""
    for row in rows:
        given = row.get("weights")
        if given is not None:
            return _given_weights(given)
    for row in rows:
        nodes = str(row.get("nodes") or "")
        if "WEIGHTED" in str(row.get("policy", "")) and len(set(nodes)) > 1:
            runs = [run[0] for run in re.finditer(r"(.)\1*", nodes)]
            return {int(c, 16): min(max(len(run) for run in runs if run[0] == c), WEIGHT_MAX)
                    for c in set(nodes)}
    return {}


def _given_weights(given: Any) -> dict[int, int]:
    """A list by node, or an object of node and weight."""
    pairs = dict(enumerate(given)) if isinstance(given, list) else given
    try:
        weights = {int(n): int(w) for n, w in pairs.items()}
    except (AttributeError, TypeError, ValueError):
        weights = {-1: -1}
    if not all(n >= 0 and 1 <= w <= WEIGHT_MAX for n, w in weights.items()):
        raise InvalidArgument(f"weights {shown(given)}, expected 1..{WEIGHT_MAX} by node")
    return weights


def _run(
    recording: Recording, spec: _Spec, phase: int, weights: dict[int, int]
) -> dict[str, Any]:
    stage = Stage(recording, page_tables=1, thp=int(spec.step == SLOT))
    machine = stage.machine
    for nid, weight in weights.items():
        if nid < recording.nodes:
            machine.set_weight(nid, weight)
    if spec.full is not None:
        stage.fill(spec.full)
    process = stage.process(spec.nid)
    # The address decides what interleaving starts with: 8 pages, or a huge page, further on.
    slots = spec.step // PAGE
    first_page = spec.first_page + phase * (slots if slots > 1 else 8)
    base = stage.room(process, spec.pages * slots, first_page=first_page)
    size = spec.pages * spec.step
    if spec.task_scope:
        r = syscalls.set_mempolicy(process.main, spec.mode, spec.mask, MAXNODE)
    else:
        r = syscalls.mbind(process.main, base, size, spec.mode, spec.mask, MAXNODE, 0)
    if r:
        return {"r": result(r), "nodes": "", "count": [0] * recording.nodes, "numa_maps": None,
                **dict.fromkeys(NUMA_STATS, 0)}
    before = machine.vmstat()
    try:
        touch(process.main, (base + i * spec.step for i in spec.order))
    except OutOfMemory:
        return {"r": OOM_KILLED}
    after = machine.vmstat()
    return {"r": "ok", **_found(recording, spec, process, base),
            **{k: after[k] - before[k] for k in NUMA_STATS}}


def _found(recording: Recording, spec: _Spec, process: Process, base: int) -> dict[str, Any]:
    nodes = digits(process, base, spec.pages, spec.step)
    count = [nodes.count(f"{n:x}") for n in range(recording.nodes)]
    state = process.machine.memory
    policy = state.range_policy(process.pid, base, shared=True)
    if policy is None:
        policy, _ = state.task_policy(process.main.tid)
    vma = next(v for v in process.vmas() if v.vaddr == base)
    line = maps_line(vma, process.vma_stats(base), policy, state.era, reader_nid=spec.nid)
    return {"nodes": nodes, "count": count, "numa_maps": str(line).partition(" ")[2]}
