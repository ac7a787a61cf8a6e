"""numa01 of autonumabench: two processes, each with threads for half the CPUs.

All threads of a process clear all of its memory, again and again.  First, as the benchmark that
mmtests runs does (NO_BIND_FORCE_SAME_NODE), all threads of both processes clear it once while bound
to one node, so that everything starts there; which one is the benchmark's coin, here the seed's.

On two nodes each process fits one node, and balancing should find that.  On four each wants two
nodes, and its threads contend for every page: nothing converges.

Its bounds: HARD_BIND gives each process its half of the nodes, memory and CPUs.
"""

from __future__ import annotations

from ..program import Touch
from .load import PAGE_LINES, Load, Phase, Range, Share, Size, Thread

PROCESSES = 2


def clear(first: int, nr_pages: int, touches: int) -> Touch:
    """bzero: every line of every page is written."""
    return Touch("sweep", first, nr_pages, PAGE_LINES, 1000, touches=touches)


def halves(size: Size, name: str, *, own_chunks: bool) -> Load:
    """Two processes; each thread clears all of its process's memory, or a chunk of its own."""
    pages = size.pages // PROCESSES
    threads, ranges = [], []
    for process in range(PROCESSES):
        nr = (size.threads + 1 - process) // PROCESSES
        part = pages // nr if own_chunks else pages
        initial = Phase((clear(0, pages, pages),), bind=size.seed % 2)
        if not own_chunks:
            ranges.append(Range(process, 0, pages, Share(process, 1, PROCESSES)))
        for i in range(nr):
            first = i * part if own_chunks else 0
            half = Share(process, 1, PROCESSES)
            share = Share(process * nr + i, 1, PROCESSES * nr) if own_chunks else half
            steady = Phase((clear(first, part, size.touches),))
            threads.append(Thread(process, (initial, steady), share))
            if own_chunks:
                ranges.append(Range(process, first, part, share))
    return Load(name, (pages,) * PROCESSES, tuple(threads), tuple(ranges))


def numa01(size: Size) -> Load:
    """The load; at least two threads."""
    return halves(size, "numa01", own_chunks=False)
