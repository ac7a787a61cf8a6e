"""phases: threads that change what they use.

Each thread uses its own chunk for a quarter of its work, then that of its mirror (the last thread
for the first), then its own again, and so on.  Pages have to follow, or stay, in time.
"""

from __future__ import annotations

from dataclasses import replace

from ..program import Repeat, Touch
from .load import Load, Size, one_process, private_ranges

QUARTERS = 4
#: Touches of a phase when there is no end: 15 s of local ones at the default prices.
PHASE_TOUCHES = 2_900_000


def phases(size: Size) -> Load:
    """The load; one process."""
    part = size.pages // size.threads
    each = -(-size.touches // QUARTERS) if size.touches else PHASE_TOUCHES
    times = QUARTERS // 2 - 1 if size.touches else None
    programs = []
    for i in range(size.threads):
        other = size.threads - 1 - i
        programs.append((
            Touch("sweep", i * part, part, touches=each),
            Touch("sweep", other * part, part, touches=each),
            Repeat(0, times),
        ))
    load = one_process("phases", size.pages, programs)
    return replace(load, ranges=private_ranges(0, part, [t.share for t in load.threads]))
