"""zipf: every thread has its own part of the memory, and in it a few pages are hot.

What a scan marks first decides how soon the hot pages are local.
"""

from __future__ import annotations

from .load import Load, Touch


def zipf(threads: int, pages: int) -> Load:
    """The load for ``threads`` threads over ``pages`` pages, exponent 0.99."""
    part = pages // threads
    return Load("zipf", pages, tuple(Touch("zipf", i * part, part) for i in range(threads)))
