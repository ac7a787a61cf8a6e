"""server: more tasks than CPUs, asleep most of the time.

A request wakes its worker, touches its client's memory and looks into a cache that all share (an
eighth of the memory); then the worker waits for the next one.  A request takes some 10 ms while all
its memory is local, so that the ticks, which start scans, find most workers at work.
"""

from __future__ import annotations

from ..program import Sleep, Touch
from .load import Load, Phase, Range, Share, Size, Thread, again

CLIENT_TOUCHES = 1500
CACHE_TOUCHES = 500
THINK_NS = (0, 40_000_000)


def server(size: Size) -> Load:
    """The load; its default number of threads is twice the machine's CPUs."""
    cache = max(size.pages // 8, 1)
    part = max((size.pages - cache) // size.threads, 1)
    requests = -(-size.touches // (CLIENT_TOUCHES + CACHE_TOUCHES)) if size.touches else None
    threads, ranges = [], [Range(0, 0, cache, Share())]
    for i in range(size.threads):
        first, share = cache + i * part, Share(i, 1, size.threads)
        steps = (
            Sleep(*THINK_NS),
            Touch("zipf", first, part, touches=CLIENT_TOUCHES),
            Touch("zipf", 0, cache, write_permille=50, touches=CACHE_TOUCHES),
            *again(0, requests),
        )
        threads.append(Thread(0, (Phase(steps),), share))
        ranges.append(Range(0, first, part, share))
    return Load("server", (cache + part * size.threads,), tuple(threads), tuple(ranges))
