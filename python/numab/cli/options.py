"""What several subcommands ask for: machines, policies, durations, tunables, progress."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable

from numa_core.errors import InvalidArgument, NumabWarning

from ..arguments import shown
from ..bounds import BOUNDS
from ..policies import POLICIES, check_policy
from ..topology import Topology
from ..tunables import parse_assignments
from ..workloads import default_threads

__all__ = [
    "add_run_options", "add_sched_option", "duration_ns", "integer", "load_machine", "policies",
    "progress_bar", "size_pages", "threads_for", "tunables",
]

_TIMES = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}
_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def integer(low: int, high: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""

    def parse(text: str) -> int:
        plain = text.isascii() and text.lstrip("+-").isdigit() and len(text) <= 25
        if not plain or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{shown(text)}, permitted: {low}..{high}")
        return int(text)

    return parse


def duration_ns(text: str) -> int:
    """``60s``, ``500ms``, ``2m`` or seconds, in ns; more than 0, at most 1000 hours.

    >>> duration_ns("500ms")
    500000000
    """
    found = re.fullmatch(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*(ns|us|ms|s|m|h|)", text.strip())
    ns = round(float(found[1]) * _TIMES[found[2]]) if found else 0
    if not 0 < ns <= 1000 * _TIMES["h"]:
        raise InvalidArgument(f"duration {shown(text)}, permitted: 60s, 500ms, 2m, up to 1000h")
    return ns


def size_pages(text: str) -> int:
    """``512M``, ``4GiB`` or bytes, in pages of 4 KiB, rounded up.

    >>> size_pages("1G")
    262144
    """
    found = re.fullmatch(r"([0-9]{1,20})\s*([kmgt]?)(?:ib|b)?", text.strip().lower())
    size = int(found[1]) * _SIZES.get(found[2], 1) if found else 0
    if not 0 < size <= 1 << 48:
        raise InvalidArgument(f"memory {shown(text)}, permitted: 64M, 4G, up to 256T")
    return -(-size // 4096)


def policies(text: str) -> list[str]:
    """A list of policy names, each checked."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InvalidArgument(f"no policy in {shown(text)}, permitted: {', '.join(POLICIES)}")
    bound = next((word for word in words if word in BOUNDS), None)
    if bound:
        raise InvalidArgument(f"{bound} is a bound, for numab compare and numab trace only; "
                              f"permitted: {', '.join(POLICIES)}")
    return list(dict.fromkeys(map(check_policy, words)))


def tunables(args: argparse.Namespace) -> dict[str, int]:
    """The ``--set`` options, checked, and the boot parameter among them."""
    words = []
    for word in args.set or []:
        if word in ("numa_balancing=enable", "numa_balancing=disable"):
            word = f"numa_balancing={int(word.endswith('enable'))}"
        words.append(word)
    return parse_assignments(words, as_posted=args.as_posted)


def load_machine(source: str) -> Topology:
    """The machine, with a note on stderr for each thing that had to be assumed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumabWarning)  # what it would say is among the notes
        topology = Topology.load(source)
    for note in topology.notes:
        print(f"numab: note: {source}: {note}", file=sys.stderr)
    return topology


def threads_for(args: argparse.Namespace, topology: Topology) -> int:
    """``--threads``, or as many as the load has on this machine."""
    if args.threads is not None:
        return int(args.threads)
    nr_cpus = len(topology.cpus)
    cores = {(topology.node_of_cpu(cpu), topology.core_of(cpu)) for cpu in topology.cpus}
    known = not any(core is None for _, core in cores)
    return default_threads(
        args.load, len(topology.cpu_nodes), len(cores) if known else max(nr_cpus // 2, 1), nr_cpus
    )


def progress_bar(width: int = 40) -> Callable[[float], None] | None:
    """A bar on stderr; None when that is not a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: float) -> None:
        filled = int(done * width)
        end = "\r" + " " * (width + 8) + "\r" if done >= 1 else ""
        bar = "#" * filled + "." * (width - filled)
        sys.stderr.write(f"\r[{bar}] {done:4.0%}{end}")
        sys.stderr.flush()

    return show


def add_run_options(
    parser: argparse.ArgumentParser, *, duration: str | None = "60s", single: bool = False
) -> None:
    """Options that every kind of run has.

    ``duration``: its default; None: the run has an end of its own.  ``single``: one run that
    writes no JSON, so that --json and --workers are taken, as everywhere, but not offered.
    """
    parser.add_argument("--machine", required=True, metavar="MACHINE",
                        help="preset, /sys tree or snapshot, hwloc XML, numactl --hardware text")
    parser.add_argument("--place", default="spread", metavar="PLACE",
                        help="threads to CPUs: spread (default), pack, fork, or a list of CPUs")
    parser.add_argument("--start", metavar="START",
                        help="where pages start: first-touch, node:N, interleave, worst")
    parser.add_argument("--duration", default=duration, metavar="TIME",
                        help=f"virtual time to run for (default {duration})" if duration
                        else "virtual time to run for, instead of an amount of work")
    parser.add_argument("--json", metavar="FILE",
                        help=argparse.SUPPRESS if single else "write all results to FILE")
    parser.add_argument("--set", action="append", metavar="NAME=VALUE",
                        help="a tunable, in any kernel's spelling, or a sched feature, also with "
                        "NO_ before it; may be repeated")
    parser.add_argument("--as-posted", action="store_true",
                        help="every switch as the posting of 13 Nov 2012 had it; without huge "
                        "pages (--thp) it moves next to nothing")
    parser.add_argument("--thp", action="store_true",
                        help="huge pages where a whole slot of a mapping is first touched "
                        "in the run (starts other than first-touch leave base pages)")
    parser.add_argument("--hz", type=integer(100, 1000), default=250, metavar="HZ",
                        help="ticks per second (default 250)")
    parser.add_argument("--seed", type=integer(0, 2**64 - 1), default=0, metavar="N",
                        help="of generated loads and injected failures (default 0)")
    parser.add_argument("--workers", type=integer(1, 4096), default=1, metavar="N",
                        help=argparse.SUPPRESS if single
                        else "processes to run the jobs in; the results are the same")


def add_sched_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Who moves tasks: ``none`` or ``2012``; in the namespace None for ``none``."""
    parser.add_argument("--sched", choices=("2012", "none"), default=default, metavar="KERNEL",
                        help="2012: loads are balanced as by Linux 3.7 with patch 28, and "
                        "home_node looks for better CPUs; none: threads stay where they are "
                        f"(default {default})")


def sched(args: argparse.Namespace) -> str | None:
    """What ``Machine(sched=)`` takes."""
    return None if args.sched == "none" else str(args.sched)
