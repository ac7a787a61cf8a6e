"""numab.report.chrome on a real run; the form of hand-made events is in test_ftrace.py."""

from __future__ import annotations

import json

import pytest

from numab.report import chrome_trace
from numab.synthetic import LoadJob
from numab.tracing import record

from .test_ftrace import assert_well_formed, tracks

MS = 1_000_000


@pytest.mark.parametrize("load, threads", [("numa01", 4), ("server", 20), ("specjbb", 4)])
def test_a_run_is_well_formed(load, threads):
    """More tasks than CPUs, sleeps and two processes: slices never overlap, and on each CPU and
    task together they last no longer than the run."""
    made = record(LoadJob(load, "2s", threads, 4096, "moron", work_ns=40 * MS, hz=1000,
                          tunables={"scan_delay_ms": 2, "scan_period_min_ms": 5}))
    trace = chrome_trace(made)
    assert_well_formed(trace)
    for spans in tracks(trace).values():
        assert sum(dur for _, dur, _ in spans) <= made.end_ns / 1000 + 1e-6
    assert len(tracks(trace)) >= 2 * min(threads, 16)
    json.dumps(trace, allow_nan=False)


def test_a_node_without_cpus_has_its_pages_counted():
    """cxl, all 64 pages start on node 2, which has no CPUs.  Expect: they show there and nowhere
    else, and there is no share of accesses from a node where nobody runs."""
    made = record(LoadJob("private", "cxl", 2, 64, "off", start="node:2", duration_ns=8 * MS))
    events = chrome_trace(made)["traceEvents"]
    pages = {e["name"]: e["args"]["pages"] for e in events if e["name"].endswith("pages")}
    assert pages == {"node 0 pages": 0, "node 1 pages": 0, "node 2 pages": 64}
    assert {e["name"] for e in events if e["name"].endswith("share")} == {
        "node 0 local share", "node 1 local share"}
