"""How fast are entries marked, next to a plain loop over the same bytes?

Method: one process, all pages present and exclusive; numab_change_prot_numa over the whole
mapping, entries only (pmd_mark off).  The table is unmarked before each round, by changing the
protection back and forth; only the marking is timed, with the monotonic clock, medians.  256 MiB
of modelled memory has its table in the L2 cache, 64 GiB in memory.
Non-goals: marking pmds, huge pages, shared pages, the price of the walk over many VMAs.
"""

import statistics

import numpy as np
import pytest
from sides import U64, CoreSide, LimitSide, Rounds, address, clib, digest, measure

GIB = 1 << 18
LARGE = {"table in L2": (GIB // 4, 200, 9), "table in memory": (64 * GIB, 1, 9)}


def scan(benchmark, nr_pages, times, rounds):
    c = clib()
    core, limit = CoreSide(nr_pages), LimitSide(nr_pages)
    out = Rounds("entries", nr_pages)
    seconds = np.zeros(times)
    marked = {}

    def side(name, call):
        marked[name] = marked.get(name, 0) + call()
        out.seconds.setdefault(name, []).append(statistics.median(seconds))

    def turn():
        side("limit", lambda: c.limit_marks(limit.state, times, address(seconds)))

    def call():
        side("numab", lambda: c.host_marks(
            core.calls, core.m, core.pid, U64(nr_pages), times, address(seconds)))

    measure(benchmark, rounds, turn, call)
    out.digests = {name: digest([n]) for name, n in marked.items()}
    out.publish(benchmark, nr_pages=nr_pages, marked=marked["numab"], isa=core.isa())
    return out.digests


@pytest.mark.benchmark(group="scan")
@pytest.mark.parametrize("case", LARGE)
def bench_scan(benchmark, case):
    digests = scan(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_scan = bench_scan
