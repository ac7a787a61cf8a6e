"""Show a machine as numactl --hardware does.

All memory counts as free: that is how a run starts.

  numab topo 4s
  numab topo /sys
"""

from __future__ import annotations

import argparse

from ..topology import PRESETS
from .options import load_machine

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab topo``."""
    parser.add_argument("machine", nargs="?", metavar="MACHINE",
                        help="as for --machine; without it, the presets are listed")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    if args.machine is None:
        for name, preset in PRESETS.items():
            print(f"{name:8} {preset.about}")
        return 0
    print(load_machine(args.machine).numactl_hardware(), end="")
    return 0
