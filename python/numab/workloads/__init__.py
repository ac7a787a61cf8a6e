"""Synthetic loads, made by C patterns: one module a load, one row of LOADS.

A load is a description: address spaces, memory, and which task touches what how.  It never sees a
machine; :mod:`numab.engine` builds and runs it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from numa_core.errors import InvalidArgument

from ..arguments import shown, whole
from .load import Load, Touch
from .pingpong import pingpong
from .private import private
from .uniform import uniform
from .zipf import zipf

__all__ = ["LOADS", "Load", "Touch", "load_named"]

THREADS_MAX = 65536
PAGES_MAX = 1 << 36
#: Load by name; each takes the number of threads and of pages.
LOADS: dict[str, Callable[[int, int], Load]] = {
    "uniform": uniform,
    "zipf": zipf,
    "pingpong": pingpong,
    "private": private,
}


def load_named(name: str, threads: int, pages: int) -> Load:
    """The load of that name.

    Raises InvalidArgument: an unknown name (the nearest is suggested), no thread, or fewer pages
    than threads.
    """
    if not isinstance(name, str) or name not in LOADS:
        near = difflib.get_close_matches(name, LOADS, 1, 0.6) if isinstance(name, str) else []
        hint = f"nearest: {near[0]}" if near else f"permitted: {', '.join(LOADS)}"
        raise InvalidArgument(f"unknown load {shown(name)}; {hint}")
    threads = whole("threads", threads, (1, THREADS_MAX))
    pages = whole("pages (at least one a thread)", pages, (threads, PAGES_MAX))
    return LOADS[name](threads, pages)
