"""Run a load on a machine for some time, policies side by side.

  uniform             every thread touches all of the memory evenly
  zipf                every thread its own part, a few pages of it hot
  pingpong            all threads sweep the same memory
  private             every thread sweeps its own part
  numa01              two processes, all threads of each clear all of its memory
  numa01_threadlocal  the same start, then each thread clears its own chunk
  numa02, numa02_smt  one process, each thread clears its own chunk
  specjbb             warehouses, an old generation, a collector that stops the world
  perf_bench_numa     perf bench numa mem, with its options in --args
  phases              threads that change what they use
  server              more tasks than CPUs, asleep most of the time

For a fixed amount of work, and elapsed times, see numab compare.

  numab run private --machine 4s --threads 8 --memory 1G --start worst
"""

from __future__ import annotations

import argparse

from ..policies import POLICIES
from ..synthetic import LoadJob, as_load_says, run_load
from ..workloads import LOADS, THREADS_MAX, load_named
from .side_by_side import side_by_side
from .options import (
    add_run_options, add_sched_option, duration_ns, integer, load_machine, sched, size_pages,
    threads_for, tunables,
)

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab run``."""
    parser.add_argument("load", metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--threads", type=integer(1, THREADS_MAX), metavar="N",
                        help="threads (default: the load's own for this machine)")
    parser.add_argument("--memory", default="256M", metavar="SIZE",
                        help="memory of the load (default 256M)")
    parser.add_argument("--args", default="", metavar="OPTIONS",
                        help="perf_bench_numa: options of perf bench numa mem, see pydoc "
                        "numab.workloads.perf_bench_numa")
    parser.add_argument("--policy", "--policies", default="off,moron,home_node",
                        metavar="P,P,...",
                        help=f"of {', '.join(POLICIES)} (default off,moron,home_node)")
    parser.add_argument("--explain", action="store_true", help="say what the verdicts mean")
    add_run_options(parser)
    add_sched_option(parser, "none")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    topology = load_machine(args.machine)
    threads, pages = threads_for(args, topology), size_pages(args.memory)
    load = load_named(args.load, threads, pages, args=args.args)
    job = as_load_says(LoadJob(
        args.load, topology, threads, pages, args=args.args, place=args.place,
        duration_ns=duration_ns(args.duration), hz=args.hz, seed=args.seed, thp=args.thp,
        as_posted=args.as_posted, tunables=tunables(args), sched=sched(args),
    ), load)
    about = {
        "what": f"{args.load} ({threads} threads, {args.memory})", "load": args.load,
        "threads": threads, "pages": pages, "args": args.args,
        "machine": topology.name, "place": args.place,
        "duration_ns": job.duration_ns, "tunables": dict(job.tunables), "hz": args.hz,
        "seed": args.seed, "thp": job.thp, "as_posted": args.as_posted,
        "sched": sched(args),
    }
    return side_by_side(args, job, run_load, topology, unit="part", about=about)
