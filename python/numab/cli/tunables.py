"""List and explain the tunables, under all generations of the kernel's names.

  numab tunables                every row
  numab tunables scan_size_mb   some rows, by any of their names
  numab tunables --kernel 5.13  one generation's names, with the defaults of 2012
  numab tunables --policy v3_8  the rows that a policy presets, and to what
"""

from __future__ import annotations

import argparse

from ..policies import POLICIES, PRESETS, check_policy
from ..tunables import GENERATIONS, TUNABLES, Tunable, resolve

__all__ = ["arguments", "run"]

_HEADINGS = {
    "SYSCTL": "The kernel's own",
    "SCHED": "The scheduler's",
    "FEATURE": "Scheduler features",
    "SWITCH": "Switches: default, and as posted on 13 Nov 2012",
    "INJECT": "Injected failures",
    "PRICE": "Prices of the cost model",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab tunables``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="in any spelling")
    parser.add_argument("--kernel", choices=GENERATIONS,
                        help="print that generation's names with the defaults of 2012")
    parser.add_argument("--policy", metavar="POLICY",
                        help="print what a policy presets; --set wins over it")


def _show(row: Tunable) -> None:
    posted = f", as posted {row.as_posted}" if row.as_posted != row.dflt else ""
    print(f"{row.name} = {row.dflt} {row.unit}{posted}  [{row.min}..{row.max}]")
    print(f"    {row.text}")
    for generation in row.generations:
        print(f"    {generation:>5}: {row.spelling(generation)}")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.policy:
        for name, value in PRESETS[check_policy(args.policy)].items():
            row = TUNABLES[name]
            print(f"{name} = {value} {row.unit}  (otherwise {row.dflt})")
        return 0
    rows = [TUNABLES[resolve(n)] for n in args.names] or list(TUNABLES.values())
    if args.kernel:
        for row in rows:
            if row.kind == "SYSCTL" and args.kernel in row.generations:
                print(f"{row.spelling(args.kernel)} = {row.dflt}")
        return 0
    kind = None
    for row in rows:
        if row.kind != kind and not args.names:
            print(("" if kind is None else "\n") + _HEADINGS[row.kind])
            kind = row.kind
        _show(row)
    if not args.names:
        print("\nPolicies, and how many rows they preset (numab tunables --policy POLICY)")
        for name, sentence in POLICIES.items():
            print(f"{name}: {len(PRESETS[name])}\n    {sentence}")
        print("\nBoot parameter: numa_balancing=enable|disable (--set numa_balancing=disable)")
    return 0
