"""Why did a page move, or not: its history in a replay.

  numab why tests/data/sort-small.npz --machine 2s --page 0x4001a2b
  numab why tests/data/sort-small.npz --machine 2s      the pages that moved most, and the first's
                                                        history
"""

from __future__ import annotations

import argparse

from numa_core.errors import InvalidArgument

from ..engine import ReplayJob
from ..history import busiest_pages, history_lines, page_history
from .options import add_run_options, duration_ns, load_machine, policies, tunables

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab why``."""
    parser.add_argument("trace", metavar="TRACE", help=".npz, .npy or .parquet (extra [arrow])")
    parser.add_argument("--page", metavar="VPN", help="page number, decimal or 0x...")
    parser.add_argument("--policy", default="home_node", metavar="P", help="policy to watch")
    parser.add_argument("--limit", type=int, default=40, metavar="N",
                        help="lines of history to print (default 40, 0: all)")
    add_run_options(parser)
    parser.set_defaults(duration="60s")


def _page(text: str) -> int:
    try:
        page = int(text, 0)
    except ValueError:
        page = -1
    if not 0 <= page < 1 << 48:
        raise InvalidArgument(f"page {text!r}, permitted: a page number 0..2^48-1, or 0x...")
    return page


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.json:
        raise InvalidArgument("--json is not for why; permitted: replay, run")
    names = policies(args.policy)
    if len(names) != 1:
        raise InvalidArgument(f"--policy {args.policy!r}: why takes one policy")
    job = ReplayJob(
        args.trace, load_machine(args.machine), policy=names[0], start=args.start or "first-touch",
        place=args.place, duration_ns=duration_ns(args.duration), hz=args.hz, seed=args.seed,
        thp=args.thp, as_posted=args.as_posted, tunables=tunables(args),
    )
    if args.page is None:
        top = busiest_pages(job)
        if not top:
            print(f"no page took a hinting fault under {names[0]}")
            return 0
        print("page        moves  hints")
        for vpn, moves, hints in top:
            print(f"{vpn:#10x} {moves:6} {hints:6}")
        print()
        page = top[0][0]
    else:
        page = _page(args.page)
    lines = history_lines(page_history(job, page), page)
    shown = lines if not args.limit else lines[: args.limit]
    print("\n".join(shown))
    if len(shown) < len(lines):
        print(f"... {len(lines) - len(shown)} more (--limit 0 shows all)")
    return 0
