"""numa02 of autonumabench: one process, a thread a CPU, each clears a chunk of its own.

The memory is first touched by the threads that use it.
"""

from __future__ import annotations

from dataclasses import replace

from .load import Load, Size, one_process, private_ranges
from .numa01 import clear


def chunks(size: Size, name: str) -> Load:
    """One process; thread i clears chunk i."""
    part = size.pages // size.threads
    load = one_process(name, size.pages, [
        (clear(i * part, part, size.touches),) for i in range(size.threads)
    ])
    return replace(load, ranges=private_ranges(0, part, [t.share for t in load.threads]))


def numa02(size: Size) -> Load:
    """The load."""
    return chunks(size, "numa02")
