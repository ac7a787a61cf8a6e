"""What does a host pay that hands over few accesses a call?

Method: unmarked pages of 1 GiB, uniform touches.  One access a call: a loop in C calls
numab_access through a pointer, as it would call a shared library; the limit is the same loop
around a function that looks the entry up and counts.  Batches from Python: numab_access_rows
through the binding, one task a batch; the limit is the C loop over such batches, called from C,
so that the binding's own cost is on our side only.
Non-goals: faults, and what a host needs to make its batches.
"""

import pytest
from numa_core import ffi, lib
from sides import U64, CoreSide, LimitSide, Rounds, Trace, clib, digest, measure

GIB = 1 << 18
TOUCHES = 16 * 125_000
LARGE = {"call in C": (GIB, 0, 15), "batches of 1k": (GIB, 1000, 15),
         "batches of 10k": (GIB, 10_000, 15), "batches of 100k": (GIB, 100_000, 15)}


def python_batches(core, rows, n, batch):
    h, access_rows, m = core.h, lib.numab_access_rows, core.h.m
    first = ffi.cast("struct numab_row *", rows.ctypes.data)
    for at in range(0, n, batch):
        h.check(access_rows(m, 1, first + at, min(batch, n - at), ffi.NULL))


def calls(benchmark, nr_pages, batch, rounds, touches=TOUCHES):
    c = clib()
    trace = Trace(nr_pages, 0.0, 1, 1, touches)
    core, limit = CoreSide(nr_pages), LimitSide(nr_pages)
    out = Rounds("accesses", touches)
    rows, n = trace.c_rows, U64(touches)

    def turn():
        limit.reset()
        core.reset()
        if batch:
            out.run("limit", lambda: c.limit_batches(limit.state, 0, rows, n, U64(batch)))
        else:
            out.run("limit", lambda: c.limit_calls(limit.state, 0, rows, n))

    def call():
        if batch:
            out.run("numab", lambda: python_batches(core, trace.rows, touches, batch))
        else:
            out.run("numab", lambda: core.check(c.host_calls(core.calls, core.m, 1, rows, n)))

    measure(benchmark, rounds, turn, call)
    out.digests = {side.name: digest(side.words()) for side in (limit, core)}
    out.publish(benchmark, nr_pages=nr_pages, batch=batch)
    return out.digests


@pytest.mark.benchmark(group="calls")
@pytest.mark.parametrize("case", LARGE)
def bench_calls(benchmark, case):
    digests = calls(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_calls = bench_calls
