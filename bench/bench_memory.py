"""How much memory does a modelled page cost, all in, and how fast is it touched first?

Method: growth of the resident set from before the machine is made until every page of a process has
been written once, divided by the pages; range rows of 65,536 pages.  Growth of the whole Python
process, so that small sizes show its own noise.
Non-goals: shared pages (8 bytes more each), many small mappings.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from numa_core import ROW, ffi, lib
from sides import CoreSide, Rounds, digest, measure

GIB = 1 << 18
LARGE = {"1GiB": (GIB, 5), "64GiB": (64 * GIB, 3)}
RANGE = 1 << 16


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def memory(benchmark, nr_pages, rounds):
    ranges = np.zeros(-(-nr_pages // RANGE), ROW)
    start = np.arange(len(ranges), dtype=np.uint64) * np.uint64(RANGE)
    last = np.minimum(start + np.uint64(RANGE), np.uint64(nr_pages)) - start - np.uint64(1)
    ranges["page"], ranges["writes"] = start | last << np.uint64(48), 1
    out = Rounds("first touches", nr_pages)
    bytes_a_page = []
    state = {}

    def turn():
        state.clear()
        state["before"] = resident_bytes()
        state["core"] = CoreSide(nr_pages, populate=False)

    def call():
        h = state["core"].h
        rows = ffi.cast("struct numab_row *", ranges.ctypes.data)
        out.run("numab", lambda: h.check(
            lib.numab_access_rows(h.m, 1, rows, len(ranges), ffi.NULL)))
        bytes_a_page.append((resident_bytes() - state["before"]) / nr_pages)

    measure(benchmark, rounds, turn, call)
    touched = state["core"].counters()["alloc_pages"]
    out.digests = {"numab": digest([touched]), "expected": digest([nr_pages])}
    worst = max(bytes_a_page)
    print(f"\n  {worst:.2f} bytes of resident memory a modelled page", end="")
    out.publish(benchmark, nr_pages=nr_pages, bytes_a_page=round(worst, 3))
    return out.digests


@pytest.mark.benchmark(group="memory")
@pytest.mark.parametrize("case", LARGE)
def bench_memory(benchmark, case):
    digests = memory(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_memory = bench_memory
