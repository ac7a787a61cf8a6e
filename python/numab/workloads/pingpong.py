"""pingpong: all threads sweep the same memory, so that its pages are wanted everywhere.

The adversary of migrate-on-reference: the page moves at every hint.  The two-stage filter must
tame it.
"""

from __future__ import annotations

from .load import Load, Touch


def pingpong(threads: int, pages: int) -> Load:
    """The load for ``threads`` threads over ``pages`` pages."""
    return Load("pingpong", pages, (Touch("sweep", 0, pages),) * threads)
