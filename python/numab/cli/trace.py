"""Write what the scheduler and migration do in a run, for ftrace scripts or the Perfetto UI.

  ftrace  text as tracefs prints it: sched_switch, sched_wakeup, sched_migrate_task,
          sched_move_numa, sched_swap_numa, sched_stick_numa, mm_migrate_pages
  chrome  JSON for ui.perfetto.dev: a track for every CPU and task, and for every node its
          resident pages and the local share of its accesses

  numab trace numa01 --machine 2s --policy home_node --work 20s --out numa01.json --format chrome
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..bounds import BOUNDS, check_run_policy
from ..policies import POLICIES
from ..report import chrome_trace, ftrace_lines
from ..report.text import check_writable, write_text
from ..tracing import GROUPS, record
from .compare import add_load_options, load_job
from .options import load_machine

__all__ = ["arguments", "run"]

FORMATS = ("ftrace", "chrome")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab trace``."""
    parser.add_argument("--policy", default="home_node", metavar="P",
                        help=f"one of {', '.join((*POLICIES, *BOUNDS))} (default home_node)")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write")
    parser.add_argument("--format", choices=FORMATS, default="ftrace", help="default ftrace")
    parser.add_argument("--events", default="sched,migrate,scan", metavar="G,G,...",
                        help=f"of {', '.join(GROUPS)} (default sched,migrate,scan)")
    add_load_options(parser, single=True)


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.json:
        raise InvalidArgument("--json is not for trace; permitted: --out FILE --format chrome")
    check_writable(args.out)
    policy = check_run_policy(args.policy)
    groups = [word.strip() for word in args.events.split(",") if word.strip()]
    if not groups:
        raise InvalidArgument(f"--events {shown(args.events)}, permitted: {', '.join(GROUPS)}")
    job = dataclasses.replace(load_job(args, load_machine(args.machine))[0], policy=policy)
    recording = record(job, groups)
    if args.format == "chrome":
        write_text(args.out, json.dumps(chrome_trace(recording), allow_nan=False) + "\n")
    else:
        write_text(args.out, "".join(line + "\n" for line in ftrace_lines(recording)))
    print(f"numab: wrote {args.out}: {len(recording.events)} events in "
          f"{recording.end_ns / 1e9:.3f} s of virtual time", file=sys.stderr)
    return 0
