"""How fast do move_pages' entries move, from Python, arrays and all?

Method: one process, all pages present and exclusive, in random order and each to a random node
(three in four have to move): the rules of 2012, batches of 169 with a target an entry.  Or sorted
by target: the rules of 6.1, one run a node.  The core's side is the call through the binding with
numpy arrays in and statuses out.  The limit looks each entry up, prefetched, rewrites it and
keeps the free counts.  Thread CPU time; every round has targets of its own.
Non-goals: huge and shared pages, pages that cannot move, several VMAs.
"""

import numpy as np
import pytest
from numa_core import ffi, lib
from sides import U64, CoreSide, LimitSide, Rounds, address, clib, digest, measure

MOVE, V6 = lib.NUMAB_MF_MOVE, lib.NUMAB_MF_V6
LARGE = {"1M entries, 2012": (1 << 20, 0, 9), "1M entries, runs": (1 << 20, V6, 9)}


def targets(nr_pages, flags, number):
    """Addresses and nodes of a round."""
    rng = np.random.default_rng(number)
    vaddrs = rng.permutation(nr_pages).astype(np.uint64) * np.uint64(4096)
    nids = rng.integers(0, 4, nr_pages, np.int32)
    return vaddrs, np.sort(nids) if flags & V6 else nids


def move_pages(benchmark, nr_pages, flags, rounds):
    c = clib()
    core, limit = CoreSide(nr_pages), LimitSide(nr_pages)
    out = Rounds("entries", nr_pages)
    state = {"number": 0, "numab": [], "limit": []}

    def turn():
        state["number"] += 1
        vaddrs, nids = state["arrays"] = targets(nr_pages, flags, state["number"])
        status = np.full(nr_pages, -999, np.int32)
        out.run("limit", lambda: c.limit_moves(
            limit.state, U64(nr_pages), address(vaddrs), address(nids), address(status)))
        state["limit"].append(digest(status.astype(np.int64).view(np.uint64)))

    def call():
        vaddrs, nids = state["arrays"]
        done = {}

        def ask():
            done["status"] = status = np.full(nr_pages, -999, np.int32)
            core.check(lib.numab_move_pages(
                core.h.m, core.pid, core.pid, nr_pages, ffi.from_buffer("uint64_t[]", vaddrs),
                ffi.from_buffer("int32_t[]", nids), ffi.from_buffer("int32_t[]", status),
                MOVE | flags))

        out.run("numab", ask)
        state["numab"].append(digest(done["status"].astype(np.int64).view(np.uint64)))

    measure(benchmark, rounds, turn, call)
    out.digests = {
        side.name: digest(side.words() + [int(d, 16) for d in state[side.name]])
        for side in (limit, core)}
    out.publish(benchmark, nr_pages=nr_pages)
    return out.digests


@pytest.mark.benchmark(group="move_pages")
@pytest.mark.parametrize("case", LARGE)
def bench_move_pages(benchmark, case):
    digests = move_pages(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_move_pages = bench_move_pages
