"""private: every thread sweeps its own part of the memory.

The easiest case: after one pass everything can be local.
"""

from __future__ import annotations

from dataclasses import replace

from ..program import Touch
from .load import Load, Size, one_process, private_ranges


def private(size: Size) -> Load:
    """Thread i over part i of the pages."""
    part = size.pages // size.threads
    load = one_process("private", size.pages, [
        (Touch("sweep", i * part, part, touches=size.touches),) for i in range(size.threads)
    ])
    return replace(load, ranges=private_ranges(0, part, [t.share for t in load.threads]))
