"""What several subcommands ask for: machines, policies, durations, tunables, progress."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable

from numa_core.errors import InvalidArgument

from ..policies import POLICIES, check_policy
from ..topology import Topology
from ..tunables import parse_assignments

__all__ = ["add_run_options", "duration_ns", "load_machine", "policies", "progress_bar", "size_pages",
           "tunables"]

_TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def duration_ns(text: str) -> int:
    """``60s``, ``500ms``, ``2m`` or seconds, in ns; more than 0, at most 1000 hours.

    >>> duration_ns("500ms")
    500000000
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|)", text.strip())
    ns = round(float(found[1]) * _TIMES[found[2]]) if found else 0
    if not 0 < ns <= 1000 * _TIMES["h"]:
        raise InvalidArgument(f"duration {text!r}, permitted: 60s, 500ms, 2m, up to 1000h")
    return ns


def size_pages(text: str) -> int:
    """``512M``, ``4GiB`` or bytes, in pages of 4 KiB, rounded up.

    >>> size_pages("1G")
    262144
    """
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:ib|b)?", text.strip().lower())
    size = int(found[1]) * _SIZES.get(found[2], 1) if found else 0
    if not 0 < size <= 1 << 48:
        raise InvalidArgument(f"memory {text!r}, permitted: 64M, 4G, up to 256T")
    return -(-size // 4096)


def policies(text: str) -> list[str]:
    """A list of policy names, each checked."""
    names = [check_policy(word.strip()) for word in text.split(",") if word.strip()]
    if not names:
        raise InvalidArgument(f"no policy in {text!r}, permitted: {', '.join(POLICIES)}")
    return list(dict.fromkeys(names))


def tunables(args: argparse.Namespace) -> dict[str, int]:
    """The ``--set`` options, checked, and the boot parameter among them."""
    words = []
    for word in args.set or []:
        if word in ("numa_balancing=enable", "numa_balancing=disable"):
            word = f"numa_balancing={int(word.endswith('enable'))}"
        words.append(word)
    return parse_assignments(words)


def load_machine(source: str) -> Topology:
    """The machine, with a note on stderr for each thing that had to be assumed."""
    topology = Topology.load(source)
    for note in topology.notes:
        print(f"numab: note: {source}: {note}", file=sys.stderr)
    return topology


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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that every kind of run has."""
    parser.add_argument("--machine", required=True, metavar="MACHINE",
                        help="preset, /sys tree or snapshot, hwloc XML, numactl --hardware text")
    parser.add_argument("--place", default="spread", metavar="PLACE",
                        help="threads to CPUs: spread (default), pack, or a list of CPUs")
    parser.add_argument("--start", metavar="START",
                        help="where pages start: first-touch, node:N, interleave, worst")
    parser.add_argument("--duration", default="60s", metavar="TIME",
                        help="virtual time to run for (default 60s)")
    parser.add_argument("--json", metavar="FILE", help="write all results to FILE")
    parser.add_argument("--set", action="append", metavar="NAME=VALUE",
                        help="a tunable, in any kernel's spelling; may be repeated")
    parser.add_argument("--as-posted", action="store_true",
                        help="every switch as the posting of 13 Nov 2012 had it")
    parser.add_argument("--thp", action="store_true", help="huge pages where they fit")
    parser.add_argument("--hz", type=int, default=250, metavar="HZ", help="ticks per second")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of generated loads")
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes to run the jobs in; the results are the same")
