"""Run a synthetic load on a machine, policies side by side.

  uniform   every thread touches all of the memory evenly
  zipf      every thread its own part, a few pages of it hot
  pingpong  all threads sweep the same memory
  private   every thread sweeps its own part

  numab run private --machine 4s --threads 8 --memory 1G --start worst
"""

from __future__ import annotations

import argparse

from ..synthetic import LoadJob, run_load
from ..workloads import LOADS, THREADS_MAX, load_named
from .compare import compare
from .options import add_run_options, duration_ns, integer, load_machine, size_pages, tunables

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab run``."""
    parser.add_argument("load", metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--threads", type=integer(1, THREADS_MAX), metavar="N",
                        help="threads (default: one a node with CPUs)")
    parser.add_argument("--memory", default="256M", metavar="SIZE",
                        help="memory of the load (default 256M)")
    parser.add_argument("--policy", default="off,moron,home_node", metavar="P,P,...",
                        help="policies to compare (default off,moron,home_node)")
    parser.add_argument("--explain", action="store_true", help="say what the verdicts mean")
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    topology = load_machine(args.machine)
    threads = len(topology.cpu_nodes) if args.threads is None else args.threads
    pages = size_pages(args.memory)
    load_named(args.load, threads, pages)
    job = LoadJob(
        args.load, topology, threads, pages, place=args.place,
        duration_ns=duration_ns(args.duration), hz=args.hz, seed=args.seed, thp=args.thp,
        as_posted=args.as_posted, tunables=tunables(args),
    )
    about = {
        "what": f"{args.load} ({threads} threads, {args.memory})", "load": args.load,
        "threads": threads, "pages": pages, "machine": topology.name, "place": args.place,
        "duration_ns": job.duration_ns, "tunables": dict(job.tunables), "hz": args.hz,
        "seed": args.seed, "thp": args.thp, "as_posted": args.as_posted,
    }
    return compare(args, job, run_load, topology, unit="part", about=about)
