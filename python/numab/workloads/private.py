"""private: every thread sweeps its own part of the memory.

The easiest case: after one pass everything can be local.
"""

from __future__ import annotations

from .load import Load, Touch


def private(threads: int, pages: int) -> Load:
    """The load for ``threads`` threads over ``pages`` pages."""
    part = pages // threads
    return Load("private", pages, tuple(Touch("sweep", i * part, part) for i in range(threads)))
