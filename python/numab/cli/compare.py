"""Compare policies on a load that does a fixed amount of work: mmtests' table.

Elapsed, user and system time are modelled; the rows below them are exact counters.  hard_bind and
inverse_bind are the bounds: everything bound by hand where it belongs, and the opposite.  Loads
whose pages belong to nobody (uniform, pingpong, phases) run alike under both.

  numab compare numa01_threadlocal --machine 2s --policies off,moron,home_node,hard_bind
  numab compare perf_bench_numa --args "-p 2 -t 8 -P 512 -l 40" --machine 4s --runs 3
  numab compare perf_bench_numa --args "-p 4 -t 1 -P 512 -s 100 -zZ0qcm" --machine 4s

The work (--work) is what a thread does in that time while all its memory is local, faults apart;
with --duration every load runs for that long instead.  --runs N repeats with seeds --seed,
--seed + 1, ..., and shows the mean and the spread (largest less smallest).  The local share is that
of all accesses, then of the first and of the last twentieth of the run: when threads end at
different times, only the slowest still work in the last one.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..bounds import BOUNDS, check_run_policy
from ..engine import run_jobs
from ..placement import FIRST_TOUCH, check_start
from ..policies import POLICIES
from ..report import mmtests_rows, mmtests_table, runs_json, write_json
from ..report.text import check_writable
from ..synthetic import LoadJob, LoadResult, as_load_says, run_load
from ..topology import Topology
from ..workloads import LOADS, THREADS_MAX, Load, load_named
from .options import (
    add_run_options, add_sched_option, duration_ns, integer, load_machine, progress_bar, sched,
    size_pages, threads_for, tunables,
)

__all__ = ["add_load_options", "arguments", "load_job", "run"]

FOR_EVER_NS = 1000 * 3600 * 10**9


def add_load_options(parser: argparse.ArgumentParser, *, single: bool = False) -> None:
    """What compare and trace ask for about the load."""
    parser.add_argument("load", metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--threads", type=integer(1, THREADS_MAX), metavar="N",
                        help="threads (default: the load's own for this machine)")
    parser.add_argument("--memory", default="1G", metavar="SIZE",
                        help="memory of the load (default 1G)")
    parser.add_argument("--args", default="", metavar="OPTIONS",
                        help="perf_bench_numa: options of perf bench numa mem, see pydoc "
                        "numab.workloads.perf_bench_numa")
    parser.add_argument("--work", default="60s", metavar="TIME",
                        help="work of a thread: what it does in TIME with local memory "
                        "(default 60s)")
    add_run_options(parser, duration=None, single=single)
    add_sched_option(parser, "2012")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab compare``."""
    default = "off,moron,home_node,hard_bind,inverse_bind"
    parser.add_argument("--policies", "--policy", default=default, metavar="P,P,...",
                        help=f"columns, of {', '.join((*POLICIES, *BOUNDS))}; gains are against "
                        f"the first (default {default})")
    parser.add_argument("--runs", type=integer(1, 10000), default=1, metavar="N",
                        help="runs of each policy, each with a seed of its own (default 1)")
    add_load_options(parser)


def load_job(args: argparse.Namespace, topology: Topology) -> tuple[LoadJob, Load]:
    """The job that the options describe, its policy left open, and its load."""
    threads, pages = threads_for(args, topology), size_pages(args.memory)
    load = load_named(args.load, threads, pages, args=args.args)
    start = check_start(args.start, topology) if args.start else FIRST_TOUCH
    job = LoadJob(
        args.load, topology, threads, pages, args=args.args, start=start, place=args.place,
        work_ns=0 if args.duration else duration_ns(args.work),
        duration_ns=duration_ns(args.duration) if args.duration else FOR_EVER_NS,
        hz=args.hz, seed=args.seed, thp=args.thp, as_posted=args.as_posted,
        tunables=tunables(args), sched=sched(args),
    )
    return as_load_says(job, load), load


def _what(args: argparse.Namespace, load: Load) -> str:
    """The load in words, by its own options where it has some."""
    threads = sum(not thread.background for thread in load.threads)
    memory = f"{load.pages * 4096 >> 20}M" if args.args else args.memory
    time = f"for {args.duration}" if args.duration else ""
    if load.duration_ns and not (time and duration_ns(args.duration) <= load.duration_ns):
        time = f"for {load.duration_ns // 10**9}s"
    amount = ", ".join(filter(None, (time, load.amount))) or f"{args.work} of work a thread"
    return f"{args.load} ({threads} threads, {memory}, {amount})"


def _policies(text: str) -> list[str]:
    names = [check_run_policy(word.strip()) for word in text.split(",") if word.strip()]
    if not names:
        raise InvalidArgument(f"no policy in {shown(text)}, permitted: "
                              f"{', '.join((*POLICIES, *BOUNDS))}")
    return list(dict.fromkeys(names))


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.json:
        check_writable(args.json)
    names = _policies(args.policies)
    topology = load_machine(args.machine)
    job, load = load_job(args, topology)
    jobs = [dataclasses.replace(job, policy=name, seed=(args.seed + k) % 2**64)
            for name in names for k in range(args.runs)]
    results = run_jobs(run_load, jobs, workers=args.workers, progress=progress_bar(),
                       check=check_run_policy)
    columns: dict[str, list[LoadResult]] = {
        name: results[i * args.runs:(i + 1) * args.runs] for i, name in enumerate(names)
    }
    if args.json:
        about = {
            "load": args.load, "threads": job.threads, "pages": job.pages, "args": args.args,
            "machine": topology.name, "place": args.place, "start": job.start,
            "work_ns": job.work_ns,
            "duration_ns": job.duration_ns if job.duration_ns < FOR_EVER_NS else None,
            "tunables": dict(job.tunables), "hz": args.hz, "seed": args.seed,
            "nr_runs": args.runs, "thp": job.thp, "as_posted": args.as_posted,
            "sched": sched(args),
        }
        write_json(args.json, runs_json(results, rows=mmtests_rows(columns), **about))
        print(f"numab: wrote {args.json}", file=sys.stderr)
    print(f"{_what(args, load)} on {topology.name}: {topology.describe()}; "
          f"{args.runs} run{'s' if args.runs > 1 else ''} of each")
    print()
    print(mmtests_table(columns), end="")
    return 0
