"""numab.tracing: all events of a run, and samples of where memory is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from numab import InvalidArgument
from numab.report.ftrace import kind_names
from numab.synthetic import LoadJob, run_load
from numab.tracing import GROUPS, record

MS = 1_000_000
NAMES = kind_names()
JOB = LoadJob("numa01_threadlocal", "2s", 4, 2048, "moron", work_ns=60 * MS, hz=1000,
              tunables={"scan_delay_ms": 2, "scan_period_min_ms": 5})


def test_groups_are_kinds_of_the_core():
    assert all(name in NAMES for names in GROUPS.values() for name in names)


def test_recording_changes_nothing_and_loses_nothing():
    """The same counters as without; every migration of a page is there."""
    plain = run_load(JOB)
    made = record(JOB)
    migrated = made.events[made.events["kind"] == NAMES.index("migrate")]
    assert (migrated["aux"] & np.uint64(0xFFFFFFFF)).sum() == plain.vmstat["pgmigrate_success"] > 0
    assert made.end_ns == plain.elapsed_ns and made.finished


def test_a_recording_ends_when_its_load_has_converged():
    job = LoadJob("perf_bench_numa", "2s", 2, 512, "off", args="-p 2 -t 1 -P 1 -s 9 -m")
    made, plain = record(job), run_load(job)
    assert made.end_ns == plain.elapsed_ns == plain.converged_ns == 10**9 and made.finished
    assert (np.diff(made.events["now_ns"].astype(np.int64)) >= 0).all()
    marked = made.events[made.events["kind"] == NAMES.index("scan")]["aux"].sum()
    assert marked == plain.vmstat["numa_pte_updates"]


def test_only_the_kinds_asked_for_are_kept():
    made = record(JOB, ["migrate"])
    assert set(made.events["kind"].tolist()) == {NAMES.index("migrate")}


def test_samples_follow_the_pages():
    """All start on node 0 and end half and half, of one process as the other is through first;
    samples' accesses add up to the run's."""
    made = record(JOB)
    assert made.samples[0].pages == (0, 0)
    top = max(made.samples, key=lambda s: s.pages[0])
    assert top.pages == (2048, 0) and made.samples[-1].pages == (512, 512)
    every = sum(n for s in made.samples for _, n in s.accesses)
    assert every == run_load(JOB).accesses


def test_who_took_part():
    made = record(JOB)
    assert sorted(set(made.tasks.values())) == [1, 3] and list(made.tasks) == [1, 2, 3, 4]
    assert made.start_cpus == {1: 0, 2: 8, 3: 1, 4: 9} and made.cpus[8] == 1
    assert record(dataclasses.replace(JOB, policy="hard_bind")).policy == "hard_bind"


@pytest.mark.parametrize("groups, said", [
    (["sched", "tea"], "'tea', permitted: sched"), ([], "no"),
])
def test_groups_that_do_not_exist(groups, said):
    with pytest.raises(InvalidArgument, match=said):
        record(JOB, groups)
