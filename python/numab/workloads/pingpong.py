"""pingpong: all threads sweep the same memory, so that its pages are wanted everywhere.

The adversary of migrate-on-reference: the page moves at every hint.  The two-stage filter must
tame it.
"""

from __future__ import annotations

from ..program import Touch
from .load import Load, Size, one_process


def pingpong(size: Size) -> Load:
    """All threads over all pages."""
    touch = Touch("sweep", 0, size.pages, touches=size.touches)
    return one_process("pingpong", size.pages, [(touch,)] * size.threads)
