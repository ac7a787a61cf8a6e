"""How much of what this machine can do does the whole job reach?

Method: the job of roofline/limit.c and its rivals over the same records: 4 passes of 64 windows,
each marked by the scanner and followed by 19 runs of 4,096 touches of one of 64 tasks on 4 nodes;
uniform and zipf 0.99; home_node policy, pages migrate.  A trace holds 19.9 M touches in all, so
that at 64 GiB three touches in four are hinting faults; the ``dense`` case has four times as many
touches a window. Sides take turns within a round, CPU time of the thread, medians of the rounds'
own ratios, and every side must give the same answers.  numab prices each access on top; the
others do not.
Non-goals: time to read or make a trace, processes that fork, huge pages, the scheduler.
"""

import ctypes

import numpy as np
import pytest
from sides import (
    NR_TASKS, SLACK, CoreSide, LimitSide, Rounds, Trace, address, clib, digest, measure,
)

try:
    from numba_side import NumbaSide
except ImportError:
    NumbaSide = None

GIB = 1 << 18  # pages
WINDOWS = 256
LARGE = {
    "1GiB-uniform": (GIB, 0.0, 19, 15),
    "1GiB-zipf": (GIB, 0.99, 19, 15),
    "64GiB-uniform": (64 * GIB, 0.0, 19, 7),
    "64GiB-zipf": (64 * GIB, 0.99, 19, 7),
    "1GiB-uniform-dense": (GIB, 0.0, 76, 5),
    "64GiB-uniform-dense": (64 * GIB, 0.0, 76, 3),
}


def five_byte_loop(trace: Trace, limit: LimitSide, rounds: Rounds, n: int):
    """One pass of n touches of the same trace through the loop of five bytes a record."""
    vpn = np.zeros(n + SLACK, np.uint32)
    vpn[:n] = trace.rows["page"][:n]
    task = np.repeat(trace.runs, trace.run_rows)[:n].copy()
    hints = ctypes.c_uint64()
    limit.reset()
    call = clib().five_job
    rounds.run("5-byte", lambda: call(limit.state, address(vpn), address(task), ctypes.c_uint64(n),
                                      ctypes.byref(hints)))


def whole_job(benchmark, nr_pages, theta, runs_per_window, rounds, run_rows=4096):
    """Run and publish; the digests of every side."""
    trace = Trace(nr_pages, theta, WINDOWS, runs_per_window, run_rows)
    core, limit = CoreSide(nr_pages), LimitSide(nr_pages)
    others = [limit] + ([NumbaSide(nr_pages)] if NumbaSide else [])
    out = Rounds("touches", trace.touches)

    def turn():
        five_byte_loop(trace, limit, out, trace.touches)
        for side in others:
            side.reset()
            out.run(side.name, lambda side=side: side.job(trace))
            out.digests[side.name] = digest(side.words())
        core.reset()

    measure(benchmark, rounds, turn, lambda: out.run("numab", lambda: core.job(trace)))
    out.digests["numab"] = digest(core.words())
    counters = core.counters()
    out.publish(
        benchmark, nr_pages=nr_pages, theta=theta, tasks=NR_TASKS,
        hint_faults=counters["numa_hint_faults"], migrated=counters["numa_pages_migrated"],
    )
    return out.digests


@pytest.mark.benchmark(group="whole job", warmup=False)
@pytest.mark.parametrize("case", LARGE)
def bench_whole_job(benchmark, case):
    digests = whole_job(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_whole_job = bench_whole_job
