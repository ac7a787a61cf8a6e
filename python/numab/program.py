"""What a thread does, as steps that the core runs by itself.

A step is a small frozen value; :func:`step_rows` turns a sequence of them into the core's array.
Pages are counted from the start of the program's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

from numa_core import STEP, lib, text
from numa_core.errors import InvalidArgument

from .arguments import U32, U64, choice, flag, real, shown, whole

__all__ = [
    "PATTERNS", "Barrier", "Protect", "Repeat", "Sleep", "StartWorld", "Step", "StopWorld", "Touch",
    "step_rows",
]

PATTERNS = ("sweep", "uniform", "zipf")
PROTECTIONS = ("none", "r", "rw")
_KINDS = {text(lib.numab_step_name(i)): i for i in range(7)}


@dataclass(frozen=True)
class Touch:
    """``touches`` rows of a pattern over ``nr_pages`` from page ``first`` on; 0: for ever.

    ``pattern`` is sweep, uniform or zipf; every touch makes ``accesses`` accesses to its page, and
    ``write_permille`` of the touches write, the others read.  A program that comes back to a sweep
    goes on where it was.
    """

    pattern: str
    first: int
    nr_pages: int
    accesses: int = 64
    write_permille: int = 300
    theta: float = 0.99
    touches: int = 0


@dataclass(frozen=True)
class Repeat:
    """Back to step ``target``, ``times`` more times; None: for ever."""

    target: int
    times: int | None = None


@dataclass(frozen=True)
class Sleep:
    """Between ``min_ns`` and ``max_ns``, drawn evenly; the task wakes then if its CPU idles, else
    when that has nobody to run, or at the next tick."""

    min_ns: int
    max_ns: int


@dataclass(frozen=True)
class Barrier:
    """Wait until ``count`` tasks have come to barrier ``number``.

    With ``wait=False`` only be counted there, and go on: a worker that says that it is done.
    """

    number: int
    count: int
    wait: bool = True


@dataclass(frozen=True)
class StopWorld:
    """The process's mutators stop at their next rows."""


@dataclass(frozen=True)
class StartWorld:
    """They go on."""


@dataclass(frozen=True)
class Protect:
    """mprotect of ``nr_pages`` from page ``first`` on: ``none``, ``r`` or ``rw``."""

    first: int
    nr_pages: int
    prot: str


Step = Union[Touch, Repeat, Sleep, Barrier, StopWorld, StartWorld, Protect]


def _set_touch(row: np.void, step: Touch, base_vpn: int) -> None:
    row["kind"] = _KINDS["touch"]
    row["pattern"] = choice("pattern", step.pattern, PATTERNS)
    row["vpn"] = base_vpn + whole("first", step.first, U64)
    row["nr_pages"] = whole("nr_pages", step.nr_pages, U64)
    row["touches"] = whole("touches", step.touches, U64)
    row["writes"] = whole("accesses", step.accesses, U32)
    row["write_permille"] = whole("write_permille", step.write_permille, (0, 1000))
    row["theta_milli"] = round(real("theta", step.theta, 0.001, 4.0) * 1000)


def _set_row(row: np.void, step: Step, base_vpn: int) -> None:
    if isinstance(step, Touch):
        _set_touch(row, step, base_vpn)
    elif isinstance(step, Repeat):
        row["kind"], row["target"] = _KINDS["repeat"], whole("target", step.target, U32)
        row["count"] = 0 if step.times is None else whole("times", step.times, (1, U64[1]))
    elif isinstance(step, Sleep):
        row["kind"], row["count"] = _KINDS["sleep"], whole("min_ns", step.min_ns, U64)
        row["count_max"] = whole("max_ns", step.max_ns, U64)
    elif isinstance(step, Barrier):
        row["kind"], row["target"] = _KINDS["barrier"], whole("number", step.number, U32)
        row["count"] = whole("count", step.count, U64)
        row["count_max"] = not flag("wait", step.wait)
    elif isinstance(step, Protect):
        row["kind"], row["vpn"] = _KINDS["protect"], base_vpn + whole("first", step.first, U64)
        row["nr_pages"] = whole("nr_pages", step.nr_pages, U64)
        row["target"] = (0, 1, 3)[choice("protection", step.prot, PROTECTIONS)]
    elif isinstance(step, (StopWorld, StartWorld)):
        row["kind"] = _KINDS["stop" if isinstance(step, StopWorld) else "start"]
    else:
        raise InvalidArgument(f"step {shown(step)}, permitted: those of numab.program")


def step_rows(steps: Sequence[Step], base_vpn: int = 0) -> np.ndarray:
    """The steps as the core's array: new, dtype ``numa_core.STEP``, one row a step.

    Each touch has a seed of its own, its number.  Raises InvalidArgument that names the value.

    >>> step_rows([Touch("sweep", 0, 4, touches=4), Repeat(0, 9)], 0x100)["vpn"].tolist()
    [256, 0]
    """
    table = np.zeros(len(steps), STEP)
    for i, step in enumerate(steps):
        _set_row(table[i], step, base_vpn)
        table[i]["seed"] = i
    return table
