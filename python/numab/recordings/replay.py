"""The machine and the processes that a recording's rows ran on, built anew from what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from numa_core.errors import OutOfMemory

from ..machine import Machine
from ..process import Process
from ..task import Task
from ..topology import Node, Topology
from ..values import rows
from .reading import Recording

__all__ = ["PAGE", "SLOT", "Stage", "fitting"]

PAGE, SLOT = 4096, 2 << 20
NODE_BYTES = 256 << 20
CPUS_A_NODE = 2
USER_PID = 99999  # a process that does not exist
Result = TypeVar("Result")


class Stage:
    """A machine as recorded, with ``init`` as its first process; ``process`` makes the others.

    Automatic balancing never runs: nothing here takes as long as a scan's delay.
    """

    def __init__(self, recording: Recording, **tunables: int) -> None:
        nodes = [
            Node(n, tuple(range(CPUS_A_NODE * n, CPUS_A_NODE * (n + 1))), NODE_BYTES)
            for n in range(recording.nodes)
        ]
        topology = Topology(nodes, recording.distances)
        self.machine = Machine(
            topology, policy="off", era=recording.era.name, tunables=tunables)
        self.init = self.machine.process(cpu=0)
        self._next = 1 << 30

    def process(self, nid: int = 0, uid: int = 0) -> Process:
        """A process on that node's first CPU."""
        process = self.machine.process(cpu=CPUS_A_NODE * nid)
        process.uid = uid
        return process

    def room(self, process: Process, pages: int, *, first_page: int = 0, gap: int = 0) -> int:
        """Map anonymous memory in a GiB of its own, ``first_page`` pages into it; its address.

        ``gap``: pages to leave unmapped behind it, before as much again.
        """
        base = self._next + first_page * PAGE
        self._next += 1 << 30
        if self._next > 1 << 45:
            self._next = 1 << 30
        process.mmap(base, pages * PAGE, pgoff=base // PAGE)
        if gap:
            after = base + (pages + gap) * PAGE
            process.mmap(after, pages * PAGE, pgoff=after // PAGE)
        return base

    def fill(self, nid: int) -> Process:
        """Take all memory of a node that user programs can have."""
        hog = self.process(nid)
        room = self.machine.node(nid).pages
        base = self.room(hog, room)
        hog.main.mbind(base, room * PAGE, f"bind:{nid}")
        with contextlib.suppress(OutOfMemory):
            hog.main.access_rows(rows(base // PAGE + np.arange(room, dtype=np.uint64), writes=1))
        return hog


def touch(task: Task, addresses: Iterable[int]) -> None:
    """Write to each, in that order."""
    for address in addresses:
        task.access(address, write=True)


def digits(process: Process, base: int, pages: int, step: int = PAGE) -> str:
    """Nodes of pages as recordings write them: a digit each, ``F`` where there is none."""
    nids = [process.page((base + i * step) // PAGE).nid for i in range(pages)]
    return "".join("F" if nid < 0 else f"{nid:x}" for nid in nids)


def fitting(phases: int, run: Callable[[int], Result], fits: Callable[[Result], bool]) -> Result:
    """What interleaving starts with depends on an address that recordings do not tell: the first
    phase whose result fits, else that of phase 0."""
    first = run(0)
    if fits(first):
        return first
    for phase in range(1, phases):
        result = run(phase)
        if fits(result):
            return result
    return first


def killed(text: Any) -> bool:
    """Does a recorded result say that the OOM killer came?"""
    words = str(text).lower()
    return "kill" in words or "oom" in words or ("sig" in words and "9" in words)
