"""numa01 with THREAD_ALLOC: after the common start each thread clears a chunk of its own.

Every chunk has one user, so all of it can be local, once chunks have come to their threads or
threads to their chunks.
"""

from __future__ import annotations

from .load import Load, Size
from .numa01 import halves


def numa01_threadlocal(size: Size) -> Load:
    """The load; at least two threads, and a page for each."""
    return halves(size, "numa01_threadlocal", own_chunks=True)
