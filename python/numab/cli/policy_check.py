"""Replay a recording of policy calls, and say which rows come out.

Prints each differing row, and by section how many rows there are and which share agrees.  Era and
machine follow from the file.  Exit codes: 0 every row agrees, or MODEL.md accepts the difference
(the reason is printed); 1 there are others; 2 the file is not a recording.

  numab policy check policy_6.1_2nodes.json
"""

from __future__ import annotations

import argparse

from ..recordings import check_recording, load_recording

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab policy check``."""
    parser.add_argument("file", metavar="FILE", help="a recording: JSON, also gzipped")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    recording = load_recording(args.file)
    results = check_recording(recording)
    for agreement in results:
        for difference in agreement.differences:
            print(difference)
            if difference.reason:
                print(f"  accepted: {difference.reason}")
    print(f"kernel {recording.kernel} (era {recording.era.name}), {recording.nodes} nodes")
    print(f"{'section':<26}{'rows':>8}{'agree':>8}{'accepted':>10}{'differ':>8}{'share':>10}")
    for a in results:
        agree = a.rows - len(a.differences)
        print(f"{a.section:<26}{a.rows:>8}{agree:>8}{a.accepted:>10}{a.unexplained:>8}"
              f"{100 * a.share:>9.2f}%")
    return 1 if any(a.unexplained for a in results) else 0
