"""``numastat``: allocations by node, and a process's memory by node and kind.

::

    numastat        counters of the allocator, in calls, a column a node
    numastat -n     the same in MB, with a total: calls times 4 KiB, whatever was allocated
    numastat -p     what numa_maps says, in MB: Huge, Heap, Stack, Private

Widths and rounding are those of numactl 2.0.16, where output is not a terminal (lines do not fold).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..procfs.node import NUMASTAT_ROWS
from ..procfs.numa_maps import MapsLine, parse_numa_maps

__all__ = ["numastat", "numastat_mb", "numastat_process", "numastat_processes"]

WIDTH = 16
PAGE_MB = 4096 / (1 << 20)
HUGE_MB = 2.0
KINDS = ("Huge", "Heap", "Stack", "Private")

Stats = Mapping[int, Mapping[str, int]]


def _row(label: str, cells: Iterable[str], width: int = WIDTH) -> str:
    return f"{label:<{width}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells) + "\n"


def _with_total(values: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in (*values, sum(values))]


def _heads(nodes: Iterable[int]) -> list[str]:
    return [*(f"Node {nid}" for nid in nodes), "Total"]


def _checked(stats: Stats) -> list[int]:
    if not isinstance(stats, Mapping) or not stats:
        raise InvalidArgument(f"statistics {shown(stats)}, permitted: counters by node id")
    return sorted(stats)


def numastat(stats: Stats) -> str:
    """``numastat``: ``stats`` are counters under their vmstat names, by node id.

    >>> names = ("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local",
    ...          "numa_other")
    >>> print(numastat({0: dict(zip(names, range(6)))}), end="")
                               node0
    numa_hit                       0
    numa_miss                      1
    numa_foreign                   2
    interleave_hit                 3
    local_node                     4
    other_node                     5
    """
    nodes = _checked(stats)
    text = _row("", (f"node{nid}" for nid in nodes))
    for row, counter in NUMASTAT_ROWS.items():
        text += _row(row, (str(stats[nid][counter]) for nid in nodes))
    return text


def numastat_mb(stats: Stats) -> str:
    """``numastat -n``: the same in MB."""
    nodes = _checked(stats)
    heads = _heads(nodes)
    text = "\nPer-node numastat info (in MBs):\n" + _row("", heads)
    text += _row("", ["-" * (WIDTH - 1)] * len(heads))
    for row, counter in NUMASTAT_ROWS.items():
        label = "_".join(word.capitalize() for word in row.split("_"))
        text += _row(label, _with_total([stats[nid][counter] * PAGE_MB for nid in nodes]))
    return text


def _kind(line: MapsLine) -> str:
    """What numastat takes a mapping for: the first of its words that is a kind."""
    return next((kind for kind in KINDS[:3] if getattr(line, kind.lower())), "Private")


def _usage(numa_maps: str, nodes: Sequence[int]) -> dict[str, list[float]]:
    """MB by kind and node.  Raises InvalidArgument for a node that is not among ``nodes``."""
    usage = {kind: [0.0] * len(nodes) for kind in KINDS}
    for line in parse_numa_maps(numa_maps):
        kind = _kind(line)
        for nid, pages in line.nodes.items():
            if nid not in nodes:
                raise InvalidArgument(f"node {nid} in numa_maps, permitted: {list(nodes)}")
            usage[kind][nodes.index(nid)] += pages * (HUGE_MB if kind == "Huge" else PAGE_MB)
    return usage


def _table(
    corner: str, rows: Mapping[str, list[float]], nodes: Sequence[int]
) -> str:
    width = max(WIDTH, *map(len, rows)) + 1
    heads, rule = _heads(nodes), "-" * (width - 1)
    dashes = ["-" * (WIDTH - 1)] * len(heads)
    text = _row(corner, heads, width) + _row(rule if corner else "", dashes, width)
    for label, values in rows.items():
        text += _row(label, _with_total(values), width)
    total = [sum(column) for column in zip(*rows.values())]
    return text + _row(rule, dashes, width) + _row("Total", _with_total(total), width)


def numastat_process(
    numa_maps: str, nodes: Iterable[int], pid: int, command: str = "numab"
) -> str:
    """``numastat -p PID``: one process, by kind of memory.

    ``numa_maps``: the text of the file; ``nodes``: the machine's; ``command``: the process's name.

    >>> text = numastat_process("00400000 default heap anon=512 N1=512", (0, 1), 7)
    >>> for line in text.splitlines():
    ...     print(line.rstrip())
    <BLANKLINE>
    Per-node process memory usage (in MBs) for PID 7 (numab)
                               Node 0          Node 1           Total
                      --------------- --------------- ---------------
    Huge                         0.00            0.00            0.00
    Heap                         0.00            2.00            2.00
    Stack                        0.00            0.00            0.00
    Private                      0.00            0.00            0.00
    ----------------  --------------- --------------- ---------------
    Total                        0.00            2.00            2.00
    """
    columns = sorted(nodes)
    head = f"\nPer-node process memory usage (in MBs) for PID {pid} ({command})\n"
    return head + _table("", _usage(numa_maps, columns), columns)


def numastat_processes(
    numa_maps: Mapping[int, str], nodes: Iterable[int],
    command: Callable[[int], str] = lambda pid: "numab",
) -> str:
    """``numastat -p`` of several processes, a row each: the texts of numa_maps by pid."""
    columns = sorted(nodes)
    if not numa_maps:
        raise InvalidArgument("no process, permitted: numa_maps of one or more, by pid")
    rows = {}
    for pid, text in numa_maps.items():
        of_kind = _usage(text, columns).values()
        rows[f"{pid} ({command(pid)})"] = [sum(column) for column in zip(*of_kind)]
    return "\nPer-node process memory usage (in MBs)\n" + _table("PID", rows, columns)
