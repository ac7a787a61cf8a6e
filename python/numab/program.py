"""What a thread does, as steps that the core runs by itself.

A step is a small frozen value; :func:`step_rows` turns a sequence of them into the core's array.
Pages are counted from the start of the program's memory.  Two threads, each with four pages of
its own, that meet after every hundred touches:

>>> from numab import Machine
>>> machine = Machine("2s", policy="off")
>>> process = machine.process(cpu=0)
>>> _ = process.mmap(0, 8 * 4096)
>>> threads = process.main, process.main.clone(8)
>>> for i, task in enumerate(threads):
...     work = Touch("sweep", 4 * i, 4, touches=100)
...     task.feed_program([work, Barrier(0, 2), Repeat(0, 9)])
>>> machine.run(10**9).why, [task.info().accesses_local for task in threads]
('feed', [64000, 64000])
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

    ``pattern`` is sweep, uniform or zipf (page of rank k with weight k^-``theta``, 0.001..4.0);
    every touch makes ``accesses`` accesses to its page, and ``write_permille`` of the touches
    write, the others read.  A program that comes back to a sweep goes on where it was.

    >>> step_rows([Touch("zipf", 0, 1000, theta=0.8)])["theta_milli"].tolist()
    [800]
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
    """Back to step ``target``, an earlier one, ``times`` more times (1 and more); None: for ever.

    Whoever comes by again, in a loop around this one, begins to count anew.

    >>> step_rows([Touch("sweep", 0, 1, touches=5), Repeat(0, 2)])["count"].tolist()  # 15 touches
    [0, 2]
    """

    target: int
    times: int | None = None


@dataclass(frozen=True)
class Sleep:
    """Between ``min_ns`` and ``max_ns`` (below 2^62), drawn evenly; the task wakes then if its CPU
    idles, else when that has nobody to run, or at the next tick.

    >>> step_rows([Sleep(1_000_000, 5_000_000)])["count_max"].tolist()
    [5000000]
    """

    min_ns: int
    max_ns: int


@dataclass(frozen=True)
class Barrier:
    """Wait until ``count`` tasks have come to barrier ``number``.

    With ``wait=False`` only be counted there, and go on: a worker that says that it is done.
    Barriers 0..65535 belong to the machine; tasks of any processes may meet at one.

    >>> step_rows([Barrier(7, 4), Barrier(8, 2, wait=False)])["target"].tolist()
    [7, 8]
    """

    number: int
    count: int
    wait: bool = True


@dataclass(frozen=True)
class StopWorld:
    """The process's mutators (``feed_program(..., mutator=True)``) stop at their next rows, until
    as many StartWorld have been made by those who stopped them.

    >>> step_rows([StopWorld(), Sleep(10**6, 10**6), StartWorld()])["kind"].tolist()
    [4, 2, 5]
    """


@dataclass(frozen=True)
class StartWorld:
    """The mutators go on, see :class:`StopWorld`; without a stop of its own it does nothing.

    >>> step_rows([StartWorld()])["kind"].tolist()
    [5]
    """


@dataclass(frozen=True)
class Protect:
    """mprotect of ``nr_pages`` from page ``first`` on: ``none``, ``r`` or ``rw``.

    >>> step_rows([Protect(5, 1, "r")], base_vpn=0x100)["vpn"].tolist()
    [261]
    """

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
