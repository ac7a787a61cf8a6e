"""How many hinting faults a second, when every page is marked and touched once?

Method: all pages marked by one call, then every page once in random order, one task, through
numab_access_rows; the limit loop clears the mark and keeps the tag, with neither statistics nor
reasons nor prices.  Nothing moves in a first storm: the two-stage filter holds every page.
Non-goals: migration (bench_whole_job.py has it), first touches, write faults.
"""

import numpy as np
import pytest
from sides import ROW, SLACK, U64, CoreSide, LimitSide, Rounds, address, clib, digest, measure

GIB = 1 << 18
LARGE = {"1GiB": (GIB, 9), "64GiB": (64 * GIB, 5)}


def fault_storm(benchmark, nr_pages, rounds):
    c = clib()
    core, limit = CoreSide(nr_pages), LimitSide(nr_pages)
    rows = np.zeros(nr_pages + SLACK, ROW)
    c.trace_permutation(address(rows), U64(nr_pages), U64(1))
    out = Rounds("faults", nr_pages)
    faults = {}

    def turn():
        limit.reset()
        c.limit_marks(limit.state, 1, address(np.zeros(1)))
        out.run("limit", lambda: faults.__setitem__("limit", c.limit_storm(
            limit.state, 0, address(rows), U64(nr_pages))))
        core.reset()
        c.host_marks(core.calls, core.m, core.pid, U64(nr_pages), 1, address(np.zeros(1)))

    def call():
        out.run("numab", lambda: core.check(c.host_rows(
            core.calls, core.m, 1, address(rows), U64(nr_pages), U64(4096))))

    measure(benchmark, rounds, turn, call)
    faults["numab"] = core.counters()["numa_hint_faults"]
    words = np.zeros(1024, np.uint64)
    n = c.limit_words(limit.state, address(words))
    pages = {"limit": int(words[n - 1]), "numab": core.pages_word()}
    out.digests = {name: digest([faults[name], pages[name]]) for name in faults}
    out.publish(benchmark, nr_pages=nr_pages)
    return out.digests


@pytest.mark.benchmark(group="fault storm")
@pytest.mark.parametrize("case", LARGE)
def bench_fault_storm(benchmark, case):
    digests = fault_storm(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_fault_storm = bench_fault_storm
