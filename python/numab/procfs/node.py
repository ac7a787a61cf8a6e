"""``/sys/devices/system/node/nodeN/numastat``: allocations of one node, by how they went.

The rows are those of /proc/vmstat, the last three under older names.  Linux: node_read_numastat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from numa_core.errors import InvalidArgument

from ..arguments import shown

__all__ = ["NUMASTAT_ROWS", "node_numastat", "parse_node_numastat"]

#: Row of the file: counter of /proc/vmstat.
NUMASTAT_ROWS = {
    "numa_hit": "numa_hit",
    "numa_miss": "numa_miss",
    "numa_foreign": "numa_foreign",
    "interleave_hit": "numa_interleave",
    "local_node": "numa_local",
    "other_node": "numa_other",
}


def node_numastat(counters: Mapping[str, int]) -> str:
    """The file, from counters under their vmstat names; others are passed over.

    >>> print(node_numastat(dict.fromkeys(NUMASTAT_ROWS.values(), 7)), end="")
    numa_hit 7
    numa_miss 7
    numa_foreign 7
    interleave_hit 7
    local_node 7
    other_node 7
    """
    missing = [name for name in NUMASTAT_ROWS.values() if name not in counters]
    if missing:
        raise InvalidArgument(
            f"counters without {missing[0]}, permitted: all of {', '.join(NUMASTAT_ROWS.values())}"
        )
    return "".join(f"{row} {counters[name]}\n" for row, name in NUMASTAT_ROWS.items())


def parse_node_numastat(text: str) -> dict[str, int]:
    """The counters, under their vmstat names.  Raises InvalidArgument."""
    rows = {}
    for line in text.splitlines():
        found = re.fullmatch(r"([a-z_]+) ([0-9]{1,20})", line, re.ASCII)
        if not found or found[1] not in NUMASTAT_ROWS:
            raise InvalidArgument(
                f"numastat line {shown(line)}, permitted: a number after one of "
                f"{', '.join(NUMASTAT_ROWS)}"
            )
        rows[NUMASTAT_ROWS[found[1]]] = int(found[2])
    if len(rows) != len(NUMASTAT_ROWS):
        raise InvalidArgument(f"numastat of {len(rows)} rows, permitted: {len(NUMASTAT_ROWS)}")
    return rows
