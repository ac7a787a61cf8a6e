"""specjbb: a Java virtual machine with warehouses and a stop-the-world collector.

Warehouse threads allocate through heaps of their own and look into an old generation that all
share.  Every two seconds the first collector protects the polling page, the world stops, all
collectors go over a share of the live data, and the page is readable again: the mprotect calls
that the author of the series suspected.  Collectors drag pages to where they run.
"""

from __future__ import annotations

from ..program import Barrier, Protect, Repeat, Sleep, StartWorld, StopWorld, Step, Touch
from .load import Load, Phase, Range, Share, Size, Thread, again

INTERVAL_NS = 2_000_000_000
ALLOCATED, LOOKED_UP = 192, 64  # touches of a transaction
LIVE = 8  # one page in that many survives a collection
GATHER, DONE = 0, 1  # barriers


def _collectors(cpus: int) -> int:
    """ParallelGCThreads as HotSpot chooses it."""
    return cpus if cpus <= 8 else 8 + (cpus - 8) * 5 // 8


def _collector(i: int, nr: int, heap: int, old: int) -> Thread:
    part = max(heap // nr, 1)
    work: tuple[Step, ...] = (
        Barrier(GATHER, nr),
        Touch("uniform", old + i * part, part, write_permille=500, touches=max(part // LIVE, 1)),
        Touch("uniform", 0, old, write_permille=500, touches=max(old // LIVE // nr, 1)),
        Barrier(DONE, nr, wait=i == 0),
    )
    if i == 0:
        poll = old + heap
        work = (
            Sleep(INTERVAL_NS, INTERVAL_NS), Protect(poll, 1, "none"), StopWorld(), *work,
            Protect(poll, 1, "r"), StartWorld(),
        )
    return Thread(0, (Phase((*work, Repeat(0))),), Share(i, 1, nr), background=True)


def specjbb(size: Size) -> Load:
    """The load: ``threads`` warehouses; a fourth of the memory is the old generation."""
    old = max(size.pages // 4, 1)
    part = max((size.pages - old - 1) // size.threads, 1)
    times = -(-size.touches // (ALLOCATED + LOOKED_UP)) if size.touches else None
    threads, ranges = [], [Range(0, 0, old, Share())]
    for i in range(size.threads):
        share, first = Share(i, 1, size.threads), old + i * part
        steps = (
            Touch("sweep", first, part, write_permille=700, touches=ALLOCATED),
            Touch("zipf", 0, old, write_permille=100, touches=LOOKED_UP),
            *again(0, times),
        )
        threads.append(Thread(0, (Phase(steps),), share, mutator=True))
        ranges.append(Range(0, first, part, share))
    nr, heap = _collectors(size.threads), part * size.threads
    threads += [_collector(i, nr, heap, old) for i in range(nr)]
    return Load("specjbb", (old + heap + 1,), tuple(threads), tuple(ranges))
