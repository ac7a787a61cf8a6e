"""Synthetic loads, made by C patterns: one module a load, one row of LOADS.

A load is a description: address spaces, memory, and which task touches what how.  It never sees a
machine; :mod:`numab.engine` builds and runs it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from numa_core.errors import InvalidArgument

from .load import Load, Touch
from .pingpong import pingpong
from .private import private
from .uniform import uniform
from .zipf import zipf

__all__ = ["LOADS", "Load", "Touch", "load_named"]

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
    if name not in LOADS:
        near = difflib.get_close_matches(name, LOADS, 1, 0.4)
        hint = f"nearest: {near[0]}" if near else f"permitted: {', '.join(LOADS)}"
        raise InvalidArgument(f"unknown load {name!r}; {hint}")
    if not 1 <= threads <= 65536:
        raise InvalidArgument(f"{threads} threads, permitted 1..65536")
    if not threads <= pages <= 1 << 36:
        raise InvalidArgument(f"{pages} pages for {threads} threads, permitted {threads}..2^36")
    return LOADS[name](threads, pages)
