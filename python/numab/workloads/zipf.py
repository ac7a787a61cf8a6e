"""zipf: every thread has its own part of the memory, and in it a few pages are hot.

What a scan marks first decides how soon the hot pages are local.  Exponent 0.99.
"""

from __future__ import annotations

from dataclasses import replace

from ..program import Touch
from .load import Load, Size, one_process, private_ranges


def zipf(size: Size) -> Load:
    """Thread i over part i of the pages."""
    part = size.pages // size.threads
    load = one_process("zipf", size.pages, [
        (Touch("zipf", i * part, part, touches=size.touches),) for i in range(size.threads)
    ])
    return replace(load, ranges=private_ranges(0, part, [t.share for t in load.threads]))
