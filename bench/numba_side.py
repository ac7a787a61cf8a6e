"""The rival: what somebody who needs the whole job writes in an afternoon, with numba.

Same records, same decisions, same books, one plain loop.  Nothing here is tuned: no prefetch, one
count after the other.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from sides import NODE_PAGES, NR_NODES, NR_TASKS, WATERMARKS, Trace, hash_nids

U = np.uint64
PRESENT, RW, ACCESSED, DIRTY, NUMA = U(1), U(2), U(1 << 5), U(1 << 6), U(1 << 8)
NID_SHIFT, TAG_SHIFT = U(12), U(22)
NID_MASK, TAG_MASK = U(0x3FF << 12), U(0x1FFFFF << 22)
NEED_READ = PRESENT | ACCESSED
NEED_WRITE = NEED_READ | RW | DIRTY
UNMARK = ~(NUMA | TAG_MASK)
MOVED = ~(NID_MASK | DIRTY)
HIGH = WATERMARKS[2] + 1
#: Places in ``total``: entries marked, hints, local hints, migrated, passes; then the reasons.
MARKED, HINTS, LOCAL, MIGRATED, PASSES, FILTER, IN_PLACE, MEMORY, GO = range(9)


@numba.njit(cache=False)
def mark(pte, start, n, total):
    for i in range(start, start + n):
        if pte[i] & (PRESENT | NUMA) == PRESENT:
            pte[i] = (pte[i] & ~PRESENT) | NUMA
            total[MARKED] += 1


@numba.njit(cache=False)
def fault(p, task, nid, total, free, pages, mm, books):
    home = (p & NID_MASK) >> NID_SHIFT
    last = (p & TAG_MASK) >> TAG_SHIFT
    at = np.intp(nid)
    total[HINTS] += 1
    if home == nid:
        total[LOCAL] += 1
    p = (p & UNMARK) | PRESENT | ACCESSED | (U(nid) << TAG_SHIFT)
    if last != nid:
        total[FILTER] += 1
    elif home == nid:
        total[IN_PLACE] += 1
    elif free[nid] <= HIGH:
        total[MEMORY] += 1
        at = np.intp(home)
    else:
        total[GO] += 1
        total[MIGRATED] += 1
        free[home] += 1
        free[nid] -= 1
        pages[home] -= 1
        pages[nid] += 1
        p = (p & MOVED) | (U(nid) << NID_SHIFT)
    books[task, 0] += 1
    books[task, 1] += 1
    books[task, 2 + at] += 1
    mm[0] += 1
    mm[1 + at] += 1
    return p


@numba.njit(cache=False)
def job(rows, runs, run_rows, nr_windows, runs_per_window, window_pages,
        pte, total, free, pages, matrix, mm, books):
    per_pass = len(pte) // window_pages
    k = 0
    for w in range(nr_windows):
        mark(pte, w % per_pass * window_pages, window_pages, total)
        if w % per_pass == per_pass - 1:
            total[PASSES] += 1
            mm[0] >>= 1
            books[w % NR_TASKS, 0] >>= 1
            for i in range(NR_NODES):
                books[w % NR_TASKS, 2 + i] >>= 1
        for r in range(runs_per_window):
            task = np.intp(runs[w * runs_per_window + r])
            nid = U(task % NR_NODES)
            for _ in range(run_rows):
                row = rows[k]
                k += 1
                p = pte[row.page]
                need = NEED_WRITE if row.writes else NEED_READ
                if p & need != need:
                    if p & NUMA:
                        p = fault(p, task, nid, total, free, pages, mm, books)
                    p |= ACCESSED | DIRTY if row.writes else ACCESSED
                    pte[row.page] = p
                home = (p & NID_MASK) >> NID_SHIFT
                matrix[nid, home, 0] += row.reads
                matrix[nid, home, 1] += row.writes


class NumbaSide:
    """The same answers from the afternoon's code."""

    name = "numba"

    def __init__(self, nr_pages: int) -> None:
        self.nr_pages = nr_pages
        self.nids = hash_nids(nr_pages)
        self.pte = np.empty(nr_pages, np.uint64)
        self.reset()
        tiny = Trace(64, 0, 1, 1, 64)  # compile before any round is timed
        self.job(tiny)
        self.reset()

    def reset(self) -> None:
        self.pte[:] = NEED_WRITE | TAG_MASK | (self.nids.astype(np.uint64) << NID_SHIFT)
        self.total = np.zeros(9, np.int64)
        self.pages = np.bincount(self.nids, minlength=NR_NODES).astype(np.int64)
        self.free = NODE_PAGES - self.pages
        self.matrix = np.zeros((NR_NODES, NR_NODES, 2), np.int64)
        self.mm = np.zeros(1 + NR_NODES, np.int64)
        self.books = np.zeros((NR_TASKS, 2 + NR_NODES), np.int64)

    def job(self, t: Trace) -> None:
        job(t.rows, t.runs, t.run_rows, t.nr_windows, t.runs_per_window, t.window_pages,
            self.pte, self.total, self.free, self.pages, self.matrix, self.mm, self.books)

    def words(self) -> list[int]:
        p, i = self.pte, np.arange(self.nr_pages, dtype=np.uint64)
        word = (p & NID_MASK) >> NID_SHIFT | (p & TAG_MASK) >> TAG_SHIFT << U(10)
        for bit, at in ((NUMA, 31), (ACCESSED, 32), (DIRTY, 33)):
            word |= ((p & bit) != 0).astype(np.uint64) << U(at)
        pages = np.bitwise_xor.reduce((word ^ i << U(34)) * U(0x9E3779B97F4A7C15))
        parts: list[Any] = [self.total, self.matrix, self.free, self.pages, self.mm, self.books]
        return [int(x) for part in parts for x in part.ravel()] + [int(pages)]
