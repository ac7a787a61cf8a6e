"""The four lines of ``/proc/PID/status`` that say where a task may run and allocate.

::

    Cpus_allowed:       f
    Cpus_allowed_list:  0-3
    Mems_allowed:       00000000,...,00000003
    Mems_allowed_list:  0-1

A tab follows the colon.  A mask has a hexadecimal word for 32 ids, the highest first, and its first
word as many digits as it has bits left: CPUs that can exist, and 1024 nodes.  libnuma learns the
size of a node mask from the length of its line.

Linux: task_cpus_allowed, cpuset_task_status_allowed.
"""

from __future__ import annotations

from collections.abc import Iterable

from numa_core.errors import InvalidArgument, TopologyError

from ..arguments import shown
from ..topology.cpuset import format_list, parse_list, parse_mask

__all__ = ["MAX_NUMNODES", "mask_text", "parse_status_masks", "status_masks"]

MAX_NUMNODES = 1024
"""NODES_SHIFT 10, as distributions build x86-64."""

WORD_BITS = 32
NR_CPUS = 8192


def mask_text(ids: Iterable[int], nr_bits: int) -> str:
    """A bitmap of ``nr_bits`` as the kernel prints it.  Linux: bitmap_scnprintf, ``%*pb``.

    >>> mask_text((0, 33), 34), mask_text((0, 1), 2)
    ('2,00000001', '3')
    """
    bits = sum(1 << number for number in set(ids))
    if bits >> nr_bits:
        raise InvalidArgument(f"id {bits.bit_length() - 1} in a mask, permitted 0..{nr_bits - 1}")
    words = []
    for low in range(0, nr_bits, WORD_BITS):
        width = min(WORD_BITS, nr_bits - low)
        words.append(f"{bits >> low & (1 << width) - 1:0{-(-width // 4)}x}")
    return ",".join(reversed(words))


def status_masks(
    cpus: Iterable[int], nodes: Iterable[int], nr_cpu_ids: int, *, nr_nodes: int = MAX_NUMNODES
) -> str:
    """The four lines, each with its newline.

    ``cpus``, ``nodes``: ids allowed; ``nr_cpu_ids``: the highest CPU that can exist, plus 1.
    Raises InvalidArgument for an id beyond.

    >>> print(status_masks((0, 1), (0,), 2, nr_nodes=64).replace("\\t", " "), end="")
    Cpus_allowed: 3
    Cpus_allowed_list: 0-1
    Mems_allowed: 00000000,00000001
    Mems_allowed_list: 0
    """
    cpus, nodes = sorted(cpus), sorted(nodes)
    return (
        f"Cpus_allowed:\t{mask_text(cpus, nr_cpu_ids)}\n"
        f"Cpus_allowed_list:\t{format_list(cpus)}\n"
        f"Mems_allowed:\t{mask_text(nodes, nr_nodes)}\n"
        f"Mems_allowed_list:\t{format_list(nodes)}\n"
    )


def parse_status_masks(text: str) -> dict[str, set[int]]:
    """``Cpus_allowed`` and ``Mems_allowed`` of a status file, whatever else it holds.

    Raises InvalidArgument: a line is missing or malformed, or mask and list disagree.

    >>> parse_status_masks(status_masks((0, 5), (1,), 8))
    {'Cpus_allowed': {0, 5}, 'Mems_allowed': {1}}
    """
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    out = {}
    for name, limit in (("Cpus_allowed", NR_CPUS), ("Mems_allowed", MAX_NUMNODES)):
        for row in (name, f"{name}_list"):
            if row not in rows:
                raise InvalidArgument(f"status {shown(text)}, permitted: with a line {row}:")
        try:
            mask = parse_mask(rows[name], name, limit)
            ids = parse_list(rows[f"{name}_list"], f"{name}_list", limit)
        except TopologyError as e:
            raise InvalidArgument(str(e)) from None
        if mask != ids:
            raise InvalidArgument(
                f"{name} {shown(rows[name].strip())} and its list {shown(sorted(ids))} disagree"
            )
        out[name] = ids
    return out
