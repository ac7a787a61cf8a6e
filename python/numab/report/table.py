"""The table of a comparison: policies side by side, starts side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from numa_core import reason_rows

if TYPE_CHECKING:
    from ..engine import Result

__all__ = ["explain", "results_table"]


def _percent(x: float | None) -> str:
    return "-" if x is None else f"{100 * x:.2f} %"


def _seconds(ns: int | None) -> str:
    return "-" if ns is None else f"{ns / 1e9:.3f} s"


def _number(x: float) -> str:
    return f"{x:,.0f}".replace(",", " ")


def _columns(results: Sequence[Result]) -> list[str]:
    return [r.policy for r in results]


def _rows(results: Sequence[Result], unit: str) -> list[tuple[str, list[str]]]:
    """(label, cell per result); an empty list of cells is a heading."""

    def row(label: str, cell: Callable[[Result], str]) -> tuple[str, list[str]]:
        return label, [cell(r) for r in results]

    table = [
        ("remote share of accesses (model)", []),
        row(f"  first {unit}", lambda r: _percent(r.remote_share_first)),
        row(f"  last {unit}", lambda r: _percent(r.remote_share_last)),
        row("  total", lambda r: _percent(r.remote_share)),
        row("  best static placement", lambda r: _percent(r.remote_share_best_static)),
        ("time (model)", []),
        row("  virtual time", lambda r: _seconds(r.time_ns)),
        row("  accesses made, millions", lambda r: _number(r.accesses / 1e6)),
    ]
    if unit == "loop":
        table += [
            row("  loops", lambda r: _number(r.loops)),
            row("  first loop", lambda r: _seconds(r.loop_ns_first)),
            row("  last loop", lambda r: _seconds(r.loop_ns_last)),
        ]
    table += [
        row("  scan passes", lambda r: _number(r.scan_passes)),
        ("vmstat (exact)", []),
    ]
    for name in results[0].vmstat:
        table.append(row(f"  {name}", lambda r, n=name: _number(r.vmstat[n])))
    for name in results[0].absent:
        table.append(row(f"  {name}", lambda r: "absent"))
    table.append(("verdicts on hinting faults (exact)", []))
    for name, _ in reason_rows():
        if any(name in r.reasons for r in results):
            table.append(row(f"  {name}", lambda r, n=name: _number(r.reasons.get(n, 0))))
    table += [
        ("cost and convergence (patches 3 and 20; words touched)", []),
        row("  balancing cost", lambda r: _number(r.cost["balancing_cost"] or 0)),
        row("  compaction cost", lambda r: _number(r.cost["compaction_cost"] or 0)),
        row("  AutoNUMA cost (mmtests)", lambda r: f"{r.cost['mmtests_autonuma_cost']:.3f}"),
        row("  convergence", lambda r: _percent(r.cost["convergence"])),
    ]
    return table


def results_table(results: Sequence[Result], *, unit: str = "loop") -> str:
    """Results as text: a group of columns a start, in it a column a policy.

    ``unit`` names what first and last refer to: ``loop`` or ``part``.
    """
    table = _rows(results, unit)
    label_width = max(len(label) for label, _ in table) + 2
    widths = [
        max(len(head), *(len(cells[i]) for _, cells in table if cells)) + 2
        for i, head in enumerate(_columns(results))
    ]
    lines, starts, i = [], [], 0
    while i < len(results):
        j = i
        while j < len(results) and results[j].start == results[i].start:
            j += 1
        starts.append((results[i].start, i, j))
        i = j
    for start, i, j in starts:
        need = len(f"start: {start}") + 2 - sum(widths[i:j])
        widths[i] += max(need, 0)
    bar = " |"
    heads = "".join(bar + f"start: {s}".rjust(sum(widths[i:j])) for s, i, j in starts)
    lines.append(" " * label_width + heads)
    names = _columns(results)
    lines.append(
        " " * label_width
        + "".join(bar + "".join(names[k].rjust(widths[k]) for k in range(i, j))
                  for _, i, j in starts)
    )
    lines.append("-" * len(lines[1]))
    for label, cells in table:
        if not cells:
            lines.append(label)
            continue
        lines.append(
            label.ljust(label_width)
            + "".join(bar + "".join(cells[k].rjust(widths[k]) for k in range(i, j))
                      for _, i, j in starts)
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def explain(names: Sequence[str]) -> str:
    """What the verdicts mean, a line each."""
    wanted = set(names)
    rows = [(name, text) for name, text in reason_rows() if name in wanted]
    width = max((len(name) for name, _ in rows), default=0)
    return "".join(f"{name.ljust(width)}  {text}\n" for name, text in rows)
