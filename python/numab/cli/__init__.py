"""The ``numab`` command: thin, one module a subcommand.

Exit codes: 0 done; 2 bad input, or interrupted, with one line on stderr and nothing half-written.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import NoReturn

from numa_core.errors import NumabError, NumabWarning

from . import compare, policy, replay, run, topo, trace, tunables, why

__all__ = ["main"]

SUBCOMMANDS = (replay, run, compare, trace, why, policy, topo, tunables)


class _Parser(argparse.ArgumentParser):
    """One line on stderr instead of the usage and a line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _warn(message: Warning | str, *_: object) -> None:
    print(f"numab: note: {message}", file=sys.stderr)


def _drop_stdout() -> None:
    """What could not be written must not be tried, and complained about, again at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # not a file: nothing will be tried
        pass


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="numab", allow_abbrev=False,
        description="A model of Linux automatic NUMA balancing: would it help this program on "
        "that machine?",
    )
    from numab import __version__

    parser.add_argument("--version", action="version", version=f"numab {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in SUBCOMMANDS:
        name = module.__name__.rpartition(".")[2]
        text = (module.__doc__ or "").splitlines()[0]
        sub = commands.add_parser(name, help=text, description=module.__doc__, allow_abbrev=False,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        module.arguments(sub)
        sub.set_defaults(run=module.run, subcommand=sub)
    return parser


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    """The command's words; what is left over is the subcommand's to complain about."""
    args, left = _parser().parse_known_args(argv)
    if left:
        args.subcommand.error(f"unrecognized arguments: {' '.join(left)}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Entry point of the ``numab`` command; returns the exit code."""
    try:
        args = _parsed(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("always", NumabWarning)
            warnings.showwarning = _warn
            code = int(args.run(args) or 0)
        if sys.stdout:  # None: it was closed before we came
            sys.stdout.flush()
        return code
    except NumabError as e:
        message = " ".join(str(e).split())
    except BrokenPipeError:  # the reader has seen enough
        _drop_stdout()
        return 0
    except OSError as e:
        message = f"{e.filename}: {e.strerror}" if e.filename else e.strerror or str(e)
        _drop_stdout()
    except MemoryError:
        message = "this computer has not enough memory for that"
    except KeyboardInterrupt:
        message = "interrupted; nothing was written"
    print(f"numab: {message}", file=sys.stderr)
    return 2
