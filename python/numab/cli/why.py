"""Why did a page move, or not: its history in a replay.

  numab why tests/data/sort-small.npz --machine 2s --page 0x4001a2b
  numab why tests/data/sort-small.npz --machine 2s      the pages that moved most, and the first's
                                                        history
"""

from __future__ import annotations

import argparse

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..engine import ReplayJob
from ..history import busiest_pages, history_lines, page_history
from ..placement import FIRST_TOUCH, check_start
from .options import add_run_options, duration_ns, integer, load_machine, policies, tunables

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab why``."""
    parser.add_argument("trace", metavar="TRACE", help=".npz, .npy or .parquet (extra [arrow])")
    parser.add_argument("--page", metavar="VPN", help="page number, decimal or 0x...")
    parser.add_argument("--policy", default="home_node", metavar="P",
                        help="policy to watch (default home_node)")
    parser.add_argument("--limit", type=integer(0, 2**32), default=40, metavar="N",
                        help="lines of history to print (default 40, 0: all)")
    add_run_options(parser, single=True)


def _page(text: str) -> int:
    try:
        page = int(text, 0)
    except ValueError:
        page = -1
    if not 0 <= page < 1 << 48:
        raise InvalidArgument(f"page {shown(text)}, permitted: a page number 0..2^48-1, or 0x...")
    return page


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.json:
        raise InvalidArgument("--json is not for why; permitted: replay, run")
    names = policies(args.policy)
    if len(names) != 1:
        raise InvalidArgument(f"--policy {shown(args.policy)}, permitted: one policy for why")
    topology = load_machine(args.machine)
    job = ReplayJob(
        args.trace, topology, policy=names[0],
        start=check_start(args.start or FIRST_TOUCH, topology),
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
    told = lines if not args.limit else lines[: args.limit]
    print("\n".join(told))
    if len(told) < len(lines):
        print(f"... {len(lines) - len(told)} more (--limit 0 shows all)")
    return 0
