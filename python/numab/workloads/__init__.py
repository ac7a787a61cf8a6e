"""Loads, made of C patterns and programs: one module a load, one row of LOADS.

A load is a description: address spaces, memory, and which task touches what how.  It never sees a
machine; :mod:`numab.synthetic` builds and runs it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from numa_core.errors import InvalidArgument

from ..arguments import U64, shown, whole
from .load import Load, Phase, Range, Share, Size, Thread
from .numa01 import numa01
from .numa01_threadlocal import numa01_threadlocal
from .numa02 import numa02
from .numa02_smt import numa02_smt
from .perf_bench_numa import perf_bench_numa
from .phases import phases
from .pingpong import pingpong
from .private import private
from .server import server
from .specjbb import specjbb
from .uniform import uniform
from .zipf import zipf

__all__ = ["LOADS", "Load", "Phase", "Range", "Share", "Size", "Thread", "default_threads",
           "load_named"]

THREADS_MAX = 65536
PAGES_MAX = 1 << 36
#: Load by name, and its default number of threads by that of nodes, cores and CPUs.
LOADS: dict[str, tuple[Callable[[Size], Load], Callable[[int, int, int], int]]] = {
    "uniform": (uniform, lambda nodes, cores, cpus: nodes),
    "zipf": (zipf, lambda nodes, cores, cpus: nodes),
    "pingpong": (pingpong, lambda nodes, cores, cpus: nodes),
    "private": (private, lambda nodes, cores, cpus: nodes),
    "numa01": (numa01, lambda nodes, cores, cpus: max(cpus, 2)),
    "numa01_threadlocal": (numa01_threadlocal, lambda nodes, cores, cpus: max(cpus, 2)),
    "numa02": (numa02, lambda nodes, cores, cpus: cpus),
    "numa02_smt": (numa02_smt, lambda nodes, cores, cpus: cores),
    "specjbb": (specjbb, lambda nodes, cores, cpus: cpus),
    "perf_bench_numa": (perf_bench_numa, lambda nodes, cores, cpus: cpus),
    "phases": (phases, lambda nodes, cores, cpus: cpus),
    "server": (server, lambda nodes, cores, cpus: 2 * cpus),
}
#: Loads of two processes.
TWO = {"numa01", "numa01_threadlocal"}


def _check_name(name: str) -> None:
    if not isinstance(name, str) or name not in LOADS:
        near = difflib.get_close_matches(name, LOADS, 1, 0.6) if isinstance(name, str) else []
        hint = f"nearest: {near[0]}" if near else f"permitted: {', '.join(LOADS)}"
        raise InvalidArgument(f"unknown load {shown(name)}; {hint}")


def default_threads(name: str, nodes: int, cores: int, cpus: int) -> int:
    """Threads that the load of that name has on a machine of so many nodes, cores and CPUs.

    >>> default_threads("numa02", 2, 16, 32), default_threads("numa02_smt", 2, 16, 32)
    (32, 16)

    Raises InvalidArgument: an unknown name (the nearest is suggested).
    """
    _check_name(name)
    return LOADS[name][1](nodes, cores, cpus)


def load_named(
    name: str, threads: int, pages: int, *, touches: int = 0, seed: int = 0, args: str = ""
) -> Load:
    """The load of that name; see :class:`Size` for the rest.

    >>> load = load_named("numa01", threads=4, pages=1000)
    >>> load.processes, [thread.process for thread in load.threads]
    ((500, 500), [0, 0, 1, 1])

    Raises InvalidArgument: an unknown name (the nearest is suggested), no thread (of the two
    processes of numa01, one each), fewer pages than threads, options that the load does not take.
    """
    _check_name(name)
    threads = whole("threads", threads, (2 if name in TWO else 1, THREADS_MAX))
    least = 2 * threads if name in TWO else threads
    pages = whole("pages (at least one a thread)", pages, (least, PAGES_MAX))
    touches, seed = whole("touches", touches, U64), whole("seed", seed, U64)
    if not isinstance(args, str) or (args.strip() and name != "perf_bench_numa"):
        raise InvalidArgument(f"--args {shown(args)} for {name}, permitted: perf_bench_numa's")
    return LOADS[name][0](Size(threads, pages, touches, seed, args))
