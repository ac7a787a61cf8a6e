"""numab.engine: replays, their results, and jobs in several processes."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from numab import InvalidArgument, NumabError, Policy, Topology, TraceError
from numab.engine import (
    Parts, ReplayJob, Result, Shares, replay, run_jobs, run_until, share, start_replay,
)
from numab.traces import Trace, load

from .conftest import TINY

EARLY = {"scan_delay_ms": 10, "scan_period_min_ms": 20}


def two_threads(**changes):
    """Thread 7 touches pages 16 and 17, then thread 3 page 17 and its own page 9000."""
    columns = {
        "start": [0, 0, 140, 140], "end": [140, 140, 240, 240], "tid": [7, 7, 3, 3],
        "vpn": [16, 17, 17, 9000], "reads": [100, 0, 50, 10], "writes": [0, 40, 0, 40],
        "first": [True, True, False, True],
    }
    return Trace(**{**columns, **changes})


def test_a_loop_is_every_access_once():
    """240 accesses; the 50 of thread 3 on page 17 are the remote ones under first touch."""
    result = replay(ReplayJob(two_threads(), "2s", "off", loops=1))
    assert (result.accesses, result.loops, result.pages) == (240, 1, 3)
    assert result.remote_share == result.remote_share_first == result.remote_share_last
    assert result.remote_share == pytest.approx(50 / 240)
    assert result.remote_share_best_static == pytest.approx(40 / 240)  # page 17 at thread 3's
    assert result.node_pages == {"0": 2, "1": 1}
    assert result.vmstat["pgfault"] == 3 and result.loop_ns_first == result.time_ns == 4_000_000


@pytest.mark.parametrize("start, node_pages", [
    ("first-touch", {"0": 2, "1": 1}), ("node:1", {"0": 0, "1": 3}),
    ("interleave", {"0": 2, "1": 1}), ("worst", {"0": 2, "1": 1}),
    ("best-static", {"0": 1, "1": 2}),
])
def test_starts(start, node_pages):
    """Under worst, page 17 lies far from thread 3, its main user, and page 16 far from thread 7."""
    result = replay(ReplayJob(two_threads(), "2s", "off", start, loops=1))
    assert result.node_pages == node_pages and result.start == start


def test_thread_numbers_may_be_as_large_as_the_format_permits():
    huge = two_threads(tid=[7, 7, 2**31 - 1, 2**31 - 1])
    small = replay(ReplayJob(two_threads(), "2s", "moron", loops=3))
    assert replay(ReplayJob(huge, "2s", "moron", loops=3)) == small


def test_by_path_by_value_and_by_topology_the_same():
    by_path = replay(ReplayJob(TINY, "2s", loops=3, tunables=EARLY, hz=1000))
    by_value = replay(ReplayJob(load(TINY), Topology.load("2s"), loops=3, tunables=EARLY, hz=1000))
    assert by_path == by_value


def test_a_file_that_has_changed_is_read_again(tmp_path):
    path = str(tmp_path / "t.npz")
    np.savez(path, **two_threads().columns)
    assert replay(ReplayJob(path, "2s", "off", loops=1)).accesses == 240
    shutil.copy(TINY, path)
    assert replay(ReplayJob(path, "2s", "off", loops=1)).accesses == 1_600_000
    os.unlink(path)
    with pytest.raises(TraceError, match="t.npz"):
        replay(ReplayJob(path, "2s", "off", loops=1))


def test_duration_ends_a_run_at_its_tick():
    result = replay(ReplayJob(TINY, "2s", "off", duration_ns=30_000_001))
    assert result.time_ns == 28_000_000 and result.loops == 7
    short = replay(ReplayJob(TINY, "2s", "off", duration_ns=1))
    assert (short.time_ns, short.loops, short.accesses, short.loop_ns_last) == (0, 0, 0, None)


def test_a_result_is_plain_and_complete():
    result = replay(ReplayJob(TINY, "2s", "moron", "worst", loops=100, hz=1000, tunables=EARLY))
    assert json.loads(json.dumps(result.as_dict())) == result.as_dict()
    assert sum(result.reasons.values()) == result.vmstat["numa_hint_faults"] > 0
    assert result.cost["convergence"] == pytest.approx(
        result.vmstat["numa_hint_faults_local"] / result.vmstat["numa_hint_faults"])
    assert not set(result.model) & set(result.vmstat)


def test_progress_goes_up_to_one():
    for job in (ReplayJob(TINY, "2s", loops=5), ReplayJob(TINY, "2s", duration_ns=40_000_000)):
        seen: list[float] = []
        replay(job, seen.append)
        assert seen == sorted(seen) and seen[-1] == 1.0 and all(0 <= x <= 1 for x in seen)


def test_jobs_come_back_in_order_and_do_not_depend_on_workers():
    jobs = [ReplayJob(TINY, "2s", p, "worst", loops=50, hz=1000, tunables=EARLY)
            for p in ("off", "moron", "home_node")]
    seen: list[float] = []
    one = run_jobs(replay, jobs, progress=seen.append)
    assert [r.policy for r in one] == ["off", "moron", "home_node"]
    assert one == run_jobs(replay, jobs, workers=2)
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert run_jobs(replay, []) == []


def test_an_error_in_a_worker_comes_home_as_it_is():
    jobs = [ReplayJob(TINY, "2s", "off", "node:7", loops=1)] * 2
    with pytest.raises(InvalidArgument, match="node 7 has no memory"):
        run_jobs(replay, jobs, workers=2)


def die(job):
    os._exit(1)


def test_a_worker_that_dies_is_an_error_and_no_hang():
    with pytest.raises(NumabError, match="a worker process died"):
        run_jobs(die, [ReplayJob(TINY, "2s")] * 2, workers=2)


class Named(Policy):
    name = "named"


def test_own_policies_travel_to_workers():
    jobs = [ReplayJob(TINY, "2s", policy, loops=2) for policy in (Named(), "off")]
    assert [r.policy for r in run_jobs(replay, jobs, workers=2)] == ["named", "off"]


@pytest.mark.parametrize("changes", [
    {"duration_ns": 0}, {"duration_ns": -1}, {"duration_ns": 1.5}, {"duration_ns": None},
    {"loops": -1}, {"loops": "3"}, {"window": 0}, {"window": -1}, {"hz": 5}, {"seed": -1},
    {"policy": "mron"}, {"start": "x"}, {"place": "x"}, {"machine": "nope"}, {"trace": "nope.npz"},
    {"trace": 5}, {"machine": 5}, {"tunables": {"x": 1}}, {"thp": "yes"}, {"as_posted": "no"},
])
def test_jobs_that_make_no_sense(changes):
    job = ReplayJob(**{"trace": TINY, "machine": "2s", "loops": 1, **changes})
    with pytest.raises(NumabError):
        replay(job)


@pytest.mark.parametrize("workers", [0, -1, 1.5, None, "2"])
def test_workers_that_make_no_sense(workers):
    with pytest.raises(InvalidArgument, match="workers"):
        run_jobs(replay, [ReplayJob(TINY, "2s", loops=1)] * 2, workers=workers)


def test_policies_are_checked_before_the_first_job_runs():
    def never(job, progress):
        raise AssertionError("ran")

    with pytest.raises(InvalidArgument, match="unknown policy"):
        run_jobs(never, [ReplayJob(TINY, "2s", "off"), ReplayJob(TINY, "2s", "nope")])


def test_start_replay_is_ready_to_run():
    built = start_replay(ReplayJob(two_threads(), "2s", "off", "node:1", loops=2))
    assert built.vpns.tolist() == [16, 17, 9000] and built.process.node_pages().tolist() == [0, 3]
    assert built.machine.now_ns == 0 and built.best_share == pytest.approx(40 / 240)
    shares = Shares(built.machine)
    assert run_until(built.machine, 10**9).why == "loop" and shares.since()[1] == 240
    assert shares.since() == (0, 0) and run_until(built.machine, 10**9).why == "done"


def test_parts_remember_the_first_and_the_last():
    parts = Parts()
    for accesses, now_ns in (((1, 2), 5), ((3, 4), 7), ((5, 6), 12)):
        parts.add(accesses, now_ns)
    assert (parts.first, parts.last, parts.nr) == ((1, 2), (5, 6), 3)
    assert (parts.first_ns, parts.last_ns, parts.end_ns) == (5, 5, 12)
    assert share(1, 4) == 0.25 and share(0, 0) == 0.0
    assert isinstance(replay(ReplayJob(TINY, "2s", loops=1)), Result)
