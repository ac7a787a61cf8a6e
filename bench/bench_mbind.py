"""How long does a lazy mbind take, next to a plain loop over the same table?

Method: one process, all pages present and exclusive, one VMA; numab_mbind(BIND, LAZY | MOVE) over
all of it, entries only (pmd_mark off), timed alone with the monotonic clock.  The table is unmarked
before each round by changing the protection back and forth.  1 TiB of modelled memory has a table
of 2 GiB, and the limit loop another: 5 GiB of memory.
Non-goals: the moves, which come with the next touches (bench_fault_storm.py).
"""

import time

import pytest
from numa_core import ffi, lib
from sides import NODE_PAGES, CoreSide, LimitSide, Rounds, address, clib, digest, measure

import numpy as np

GIB = 1 << 18
LARGE = {"64GiB": (64 * GIB, 5), "1TiB": (1024 * GIB, 3)}
RW, NONE = 3, 0


def lazy_mbind(benchmark, nr_pages, rounds):
    c = clib()
    room = max(NODE_PAGES, nr_pages // 2)
    core, limit = CoreSide(nr_pages, node_pages=room), LimitSide(nr_pages, node_pages=room)
    h, size = core.h, nr_pages * 4096
    out = Rounds("entries", nr_pages)
    marked = {"numab": 0, "limit": 0}
    mask = ffi.new("uint64_t[1]", [2])
    policy = ffi.new("struct numab_mpol *", {
        "mode": lib.NUMAB_MPOL_BIND, "flags": lib.NUMAB_MPOL_F_MOF, "nr_mask_words": 1,
        "mask": mask})
    result = ffi.new("struct numab_mbind_result *")

    def turn():
        seconds = np.zeros(1)
        marked["limit"] += c.limit_marks(limit.state, 1, address(seconds))
        out.seconds.setdefault("limit", []).append(float(seconds[0]))
        for prot in (NONE, RW):
            h.check(lib.numab_mprotect(h.m, core.pid, 0, size, prot))

    def call():
        start = time.perf_counter()
        h.check(lib.numab_mbind(h.m, core.pid, 0, size, policy, mask, 1,
                                lib.NUMAB_MF_LAZY | lib.NUMAB_MF_MOVE, result))
        out.seconds.setdefault("numab", []).append(time.perf_counter() - start)
        marked["numab"] += result.marked

    measure(benchmark, rounds, turn, call)
    out.digests = {name: digest([n]) for name, n in marked.items()}
    print(f"\n  {max(out.seconds['numab']):.3f} s, the slowest call", end="")
    out.publish(benchmark, nr_pages=nr_pages, marked=marked["numab"], isa=core.isa())
    return out.digests


@pytest.mark.benchmark(group="mbind")
@pytest.mark.parametrize("case", LARGE)
def bench_mbind(benchmark, case):
    digests = lazy_mbind(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_mbind = bench_mbind
