"""uniform: every thread touches all of the memory, every page equally often.

Nothing to win: with n nodes in use, no placement is better than 1 - 1/n remote.
"""

from __future__ import annotations

from ..program import Touch
from .load import Load, Size, one_process


def uniform(size: Size) -> Load:
    """All threads over all pages."""
    touch = Touch("uniform", 0, size.pages, touches=size.touches)
    return one_process("uniform", size.pages, [(touch,)] * size.threads)
