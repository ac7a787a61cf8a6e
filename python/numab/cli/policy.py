"""Memory policies: what one does, and how the model stands beside recordings of real kernels.

  numab policy explain "bind:0,1 static" --machine 4s
  numab policy check recording.json
"""

from __future__ import annotations

import argparse

from . import policy_check, policy_explain

__all__ = ["arguments", "run"]

COMMANDS = (policy_check, policy_explain)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of ``numab policy``, one module each."""
    commands = parser.add_subparsers(dest="policy_command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        name = module.__name__.rpartition("_")[2]
        text = (module.__doc__ or "").splitlines()[0]
        sub = commands.add_parser(name, help=text, description=module.__doc__, allow_abbrev=False,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        module.arguments(sub)
        sub.set_defaults(run_policy=module.run, subcommand=sub)


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    return int(args.run_policy(args))
