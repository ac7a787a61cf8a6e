"""The table of a comparison in the form of mmtests, as the series' author posted his results.

Times with their gain against the first column, then the rows of /proc/vmstat under mmtests' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import cost

if TYPE_CHECKING:
    from ..synthetic import LoadResult

__all__ = ["mmtests_rows", "mmtests_table"]

Cell = Callable[["LoadResult"], "float | None"]


def _counter(*names: str) -> Cell:
    """The sum of vmstat rows; None while one of them is not modelled."""

    def read(r: LoadResult) -> float | None:
        values = [r.vmstat.get(name) for name in names]
        return None if None in values else float(sum(v for v in values if v is not None))

    return read


def _seconds(field: str) -> Cell:
    return lambda r: getattr(r, field) / 1e9


def _huge(r: LoadResult) -> float:
    """numa_huge_pte_updates: a row of later kernels, nought in those that have none."""
    return float(r.vmstat.get("numa_huge_pte_updates", 0))


def _converged(r: LoadResult) -> float | None:
    return None if r.converged_ns is None else 100.0 * (r.converged_ns > 0)


@dataclass(frozen=True)
class _Row:
    label: str
    cell: Cell
    digits: int = 0
    gain: bool = False
    unit: str = ""
    optional: bool = False  # left out when no run has it


#: Rows with a gain: less is better in all four, as mmtests counts.
TIMES = (
    _Row("User", _seconds("user_ns"), 2, gain=True),
    _Row("System", _seconds("system_ns"), 2, gain=True),
    _Row("Elapsed", _seconds("elapsed_ns"), 2, gain=True),
    _Row("CPU", lambda r: r.cpu_percent, 2, gain=True),
)
#: mmtests' names.  A kernel without numa_huge_pte_updates has all its updates in numa_pte_updates.
VMSTAT = (
    _Row("NUMA alloc hit", _counter("numa_hit")),
    _Row("NUMA alloc miss", _counter("numa_miss")),
    _Row("NUMA interleave hit", _counter("numa_interleave")),
    _Row("NUMA alloc local", _counter("numa_local")),
    _Row("NUMA base-page range updates", _counter("numa_pte_updates")),
    _Row("NUMA PTE updates", lambda r: r.vmstat["numa_pte_updates"] - 512 * _huge(r)),
    _Row("NUMA PMD updates", _huge),
    _Row("NUMA hint faults", _counter("numa_hint_faults")),
    _Row("NUMA hint local faults %", _counter("numa_hint_faults_local")),
    _Row("NUMA hint local percent", lambda r: cost.mmtests_local_percent(r.vmstat)),
    _Row("NUMA pages migrated", _counter("numa_pages_migrated")),
    _Row("AutoNUMA cost", lambda r: cost.mmtests_autonuma_cost(r.vmstat), 2),
)
MODEL = (
    _Row("local share", lambda r: 100 * (1 - r.remote_share), 2, unit=" %"),
    _Row("local share, first part", lambda r: 100 * r.local_share_parts[0], 2, unit=" %"),
    _Row("local share, last part", lambda r: 100 * r.local_share_parts[-1], 2, unit=" %"),
    _Row("scan passes", lambda r: float(r.scan_passes)),
    _Row("runs that converged", _converged, unit=" %", optional=True),
)


def _values(row: _Row, runs: Sequence[LoadResult]) -> list[float] | None:
    values = [row.cell(r) for r in runs]
    known = [v for v in values if v is not None]
    return known if len(known) == len(values) else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def gain_percent(base: float, value: float) -> float:
    """By how much less than the base, in per cent of it; 0 when the base is nought.

    >>> round(gain_percent(1523.15, 1311.20), 2)
    13.92
    """
    return 100 * (base - value) / base if base else 0.0


def _cells(row: _Row, columns: Mapping[str, Sequence[LoadResult]]) -> list[str]:
    out, base = [], None
    for runs in columns.values():
        values = _values(row, runs)
        if values is None:
            out.append("absent")
            continue
        mean = _mean(values)
        base = mean if base is None else base
        text = f"{mean:.{row.digits}f}{row.unit}"
        out.append(f"{text} ({gain_percent(base, mean):6.2f}%)" if row.gain else text)
    return out


def _spread(row: _Row, columns: Mapping[str, Sequence[LoadResult]]) -> list[str]:
    """Largest less smallest; nothing where all runs agree."""
    out = []
    for runs in columns.values():
        values = _values(row, runs) or [0.0]
        spread = max(values) - min(values)
        text = f"{spread:.{max(row.digits, 2)}f}{row.unit}" if spread else ""
        out.append(text + " " * 10 if row.gain and text else text)
    return out


def mmtests_rows(columns: Mapping[str, Sequence[LoadResult]]) -> dict[str, dict[str, list[float]]]:
    """Row, column, and the value of each run: ready for JSON, without rows that a kernel lacks.

    >>> from numab.synthetic import LoadJob, run_load
    >>> job = LoadJob("private", "2s", 2, 64, "off", work_ns=10**8)
    >>> mmtests_rows({"off": [run_load(job)]})["Elapsed"]
    {'off': [0.104]}
    """
    out: dict[str, dict[str, list[float]]] = {}
    for row in (*TIMES, *VMSTAT, *MODEL):
        found = {name: _values(row, runs) for name, runs in columns.items()}
        if None not in found.values():
            out[row.label] = {name: v for name, v in found.items() if v is not None}
    return out


def mmtests_table(columns: Mapping[str, Sequence[LoadResult]]) -> str:
    """Policies side by side; each has the same number of runs, whose mean is shown.

    With several runs a row whose value differs among them is followed by its spread, the largest
    less the smallest.

    >>> from numab.synthetic import LoadJob, run_load
    >>> runs = {p: [run_load(LoadJob("private", "2s", 2, 64, p, work_ns=10**8))]
    ...         for p in ("off", "moron")}
    >>> print(mmtests_table(runs).splitlines()[3])
    Elapsed                            0.10 (  0.00%)     0.10 (  0.00%)
    """
    lines: list[tuple[str, list[str]]] = [("", list(columns))]
    for block in (TIMES, VMSTAT, MODEL):
        if block is not TIMES:
            lines.append(("", [""] * len(columns)))
        for row in block:
            cells = _cells(row, columns)
            if row.optional and set(cells) == {"absent"}:
                continue
            lines.append((row.label, cells))
            spread = _spread(row, columns)
            if any(spread):
                lines.append(("  spread", spread))
    label = max(len(name) for name, _ in lines) + 2
    widths = [max(len(cells[i]) for _, cells in lines) + 3 for i in range(len(columns))]
    return "".join(
        (name.ljust(label) + "".join(c.rjust(w) for c, w in zip(cells, widths))).rstrip() + "\n"
        for name, cells in lines
    )
