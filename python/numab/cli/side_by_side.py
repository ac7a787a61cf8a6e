"""What replay and run share: jobs for every policy and start, the table, the JSON."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from ..engine import BEST_STATIC, Result, run_jobs
from ..placement import FIRST_TOUCH, check_start
from ..report import explain, results_table, runs_json, write_json
from ..report.text import check_writable
from ..topology import Topology
from .options import policies, progress_bar

__all__ = ["side_by_side"]


def _notes(results: list[Result], topology: Topology, unit: str) -> list[str]:
    """What a reader of the table has to know about these very runs."""
    notes = []
    if len(topology.nodes) == 1:
        notes.append("the machine has one node: every access is local, there is nothing to balance")
    elif all(r.scan_passes == 0 and not r.vmstat["numa_pte_updates"] for r in results) and any(
        r.policy != "off" for r in results
    ):
        cure = "; a loop that takes less than a tick is never sampled, try --hz 1000"
        notes.append("nothing was scanned: balancing is off, or the run is too short"
                     + (cure if unit == "loop" else ""))
    if unit != "loop":
        notes.append("shares are of accesses made in a fixed time: threads that wait for remote "
                     "memory make fewer")
    return notes


def side_by_side(
    args: argparse.Namespace,
    template: Any,
    run: Callable[..., Result],
    topology: Topology,
    *,
    unit: str,
    about: dict[str, Any],
) -> int:
    """Run a job for each start and policy, print the table, write the JSON."""
    if args.json:
        check_writable(args.json)
    names = policies(args.policy)
    default = [FIRST_TOUCH, f"node:{topology.memory_nodes[0]}"]
    starts = [check_start(args.start, topology)] if args.start else default
    jobs = [dataclasses.replace(template, policy=p, start=s) for s in starts for p in names]
    jobs.append(dataclasses.replace(template, policy="off", start=BEST_STATIC))
    *results, best = run_jobs(run, jobs, workers=args.workers, progress=progress_bar())
    if unit != "loop":  # a faster thread does more in the same time: only a run tells the share
        bound = best.remote_share
        results = [dataclasses.replace(r, remote_share_best_static=bound) for r in results]
    if args.json:  # first: the reader of the table may leave early
        write_json(args.json, runs_json(results, best_static=best.as_dict(), **about))
        print(f"numab: wrote {args.json}", file=sys.stderr)
    print(f"{about['what']} on {topology.name}: {topology.describe()}")
    print()
    print(results_table(results, unit=unit), end="")
    print()
    if unit == "loop" and best.loop_ns_last is not None:
        print(f"best static placement, replayed: {best.loop_ns_last / 1e9:.3f} s a loop "
              "(every page where the whole trace costs least)")
    else:
        print(f"best static placement: {100 * best.remote_share:.2f} % remote, "
              f"{best.accesses:,} accesses".replace(",", " "))
    for note in _notes(results, topology, unit):
        print(f"note: {note}")
    if args.explain:
        print()
        print(explain([n for r in results for n in r.reasons]), end="")
    return 0
