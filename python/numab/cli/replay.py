"""Replay a recorded trace on a machine, policies side by side.

The trace is looped over one address space for --duration of virtual time (or --loops times).
Without --start, two starts are shown: first touch, and everything on the first node with memory,
which is what a single-threaded initialisation leaves.

Threads stay on their CPUs.  home_node: a page goes to its task's home node after two hinting faults
in a row that agree; home is where a task and its memory were found together, until then the node
it runs on.

  numab replay tests/data/sort-small.npz --machine 2s --policy off,home_node
"""

from __future__ import annotations

import argparse

from ..engine import ReplayJob, replay
from ..traces import load
from .side_by_side import side_by_side
from .options import add_run_options, duration_ns, integer, load_machine, tunables

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab replay``."""
    parser.add_argument("trace", metavar="TRACE", help=".npz, .npy or .parquet (extra [arrow])")
    parser.add_argument("--policy", "--policies", default="off,moron,home_node",
                        metavar="P,P,...",
                        help="policies to compare (default off,moron,home_node)")
    parser.add_argument("--loops", type=integer(1, 2**32), metavar="N",
                        help="run the trace N times instead of for --duration")
    parser.add_argument("--window", type=integer(1, 2**32), default=64, metavar="N",
                        help="an epoch waits for those N or more places earlier (default 64)")
    parser.add_argument("--explain", action="store_true", help="say what the verdicts mean")
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    topology = load_machine(args.machine)
    job = ReplayJob(
        args.trace, topology, place=args.place, duration_ns=duration_ns(args.duration),
        loops=args.loops or 0, window=args.window, hz=args.hz, seed=args.seed, thp=args.thp,
        as_posted=args.as_posted, tunables=tunables(args),
    )
    trace = load(args.trace)
    if args.workers == 1:
        job = ReplayJob(**{**vars(job), "trace": trace})
    about = {
        "what": f"{trace.name} ({trace.accesses:,} accesses, {trace.pages:,} pages, "
                f"{len(trace.tids)} threads)".replace(",", " "),
        "trace": args.trace, "machine": topology.name, "place": args.place,
        "duration_ns": job.duration_ns, "tunables": dict(job.tunables), "hz": args.hz,
        "loops": job.loops, "window": args.window, "seed": args.seed, "thp": args.thp,
        "as_posted": args.as_posted,
    }
    return side_by_side(args, job, replay, topology, unit="loop", about=about)
