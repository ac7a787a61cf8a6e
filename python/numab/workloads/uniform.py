"""uniform: every thread touches all of the memory, every page equally often.

Nothing to win: with n nodes in use, no placement is better than 1 - 1/n remote.
"""

from __future__ import annotations

from .load import Load, Touch


def uniform(threads: int, pages: int) -> Load:
    """The load for ``threads`` threads over ``pages`` pages."""
    return Load("uniform", pages, (Touch("uniform", 0, pages),) * threads)
