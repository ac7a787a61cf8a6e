"""numab.synthetic: generated loads."""

from __future__ import annotations

import pytest

from numab import NumabError, OutOfMemory, Topology
from numab.synthetic import PARTS, LoadJob, run_load

EARLY = {"scan_delay_ms": 10, "scan_period_min_ms": 20}
MS = 1_000_000


def test_private_becomes_local_and_off_stays_as_it_is():
    shares = {}
    for policy in ("off", "moron", "home_node"):
        job = LoadJob("private", "2s", 2, 512, policy, "worst", duration_ns=400 * MS, hz=1000,
                      tunables=EARLY)
        result = run_load(job)
        shares[policy] = (result.remote_share_first, result.remote_share_last)
        assert result.node_pages == {"0": 256, "1": 256} and result.time_ns == 400 * MS
        assert result.remote_share_best_static == 0.0
    assert shares["off"] == (1.0, 1.0)
    assert shares["moron"][1] == shares["home_node"][1] == 0.0


def test_pingpong_moves_more_under_migrate_on_reference():
    moves = {}
    for policy in ("moron", "home_node"):
        job = LoadJob("pingpong", "2s", 2, 4096, policy, duration_ns=400 * MS, hz=1000,
                      tunables=EARLY)
        moves[policy] = run_load(job).vmstat["numa_pages_migrated"]
    assert moves["moron"] > moves["home_node"]


@pytest.mark.parametrize("load, threads, bound", [
    ("uniform", 2, 0.5), ("uniform", 4, 0.5), ("pingpong", 3, 1 / 3), ("private", 3, 0.0),
    ("zipf", 2, 0.0),
])
def test_bound_of_every_static_placement(load, threads, bound):
    """Shared by n nodes evenly: 1 - 1/n; three threads on two nodes: the lone one is remote."""
    result = run_load(LoadJob(load, "2s", threads, 60, "off", duration_ns=10 * MS))
    assert result.remote_share_best_static == pytest.approx(bound)


@pytest.mark.parametrize("start, node_pages", [
    ("node:1", {"0": 0, "1": 60}), ("interleave", {"0": 30, "1": 30}),
    ("worst", {"0": 30, "1": 30}), ("best-static", {"0": 30, "1": 30}),
])
def test_starts(start, node_pages):
    result = run_load(LoadJob("private", "2s", 2, 60, "off", start, duration_ns=4 * MS))
    assert result.node_pages == node_pages and result.vmstat["pgfault"] == 0
    assert result.remote_share == {"node:1": 0.5, "interleave": 0.5, "worst": 1.0}.get(start, 0.0) \
        or start in ("node:1", "interleave")


def test_the_same_job_gives_the_same_bits_and_a_seed_others():
    def run(seed):
        return run_load(LoadJob("zipf", "2s", 3, 3000, "moron", "interleave", duration_ns=40 * MS,
                                seed=seed, hz=1000, tunables=EARLY))

    assert run(3) == run(3) and run(3).model != run(2**64 - 1).model


def test_progress_comes_at_each_part():
    seen: list[float] = []
    run_load(LoadJob("private", "2s", 1, 4, "off", duration_ns=100 * MS), seen.append)
    assert len(seen) == PARTS and seen[-1] == 1.0


def test_a_load_larger_than_the_machine_is_refused_before_anything_is_built():
    with pytest.raises(OutOfMemory, match="the machine has 33554432"):
        run_load(LoadJob("private", Topology.load("2s"), 2, 1 << 36, "off"))


def test_a_large_load_costs_no_table_of_its_pages():
    result = run_load(LoadJob("private", "2s", 2, 1 << 24, "off", duration_ns=4 * MS))
    assert result.remote_share == 0.0 and result.pages < 1 << 20


@pytest.mark.parametrize("changes", [
    {"load": "x"}, {"threads": 0}, {"threads": 1.5}, {"pages": 0}, {"duration_ns": 0},
    {"duration_ns": 1.5}, {"start": "x"}, {"place": "x"}, {"policy": "x"}, {"hz": 1},
    {"machine": "x"}, {"seed": -1}, {"tunables": {"x": 1}},
])
def test_jobs_that_make_no_sense(changes):
    job = LoadJob(**{"load": "private", "machine": "2s", "threads": 1, "pages": 4,
                     "duration_ns": MS, **changes})
    with pytest.raises(NumabError):
        run_load(job)
