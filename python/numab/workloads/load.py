"""What a load consists of: processes, memory, and threads with programs.

A load is a description and never sees a machine.  Where it speaks of the machine it does so in
shares: :class:`Share` ``(1, 1, 4)`` is the second quarter of the nodes, however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..program import Repeat, Step, Touch

__all__ = ["Load", "Phase", "Range", "Share", "Size", "Thread"]

#: Accesses of a touch that goes over all of a page, a cache line at a time.
PAGE_LINES = 64


@dataclass(frozen=True)
class Size:
    """How large a load shall be.

    ``threads`` in all; ``pages`` of memory in all; ``touches`` of its steady state that each thread
    makes, 0: for ever; ``seed`` for loads that toss a coin; ``args``: options of its own.

    >>> from numab.workloads import numa02
    >>> numa02(Size(threads=2, pages=100)).processes
    (100,)
    """

    threads: int
    pages: int
    touches: int = 0
    seed: int = 0
    args: str = ""


@dataclass(frozen=True)
class Share:
    """Parts ``first .. first + nr - 1`` of ``of`` equal parts of the machine.

    >>> Share(1, 1, 2)  # the second half of its nodes
    Share(first=1, nr=1, of=2)
    """

    first: int = 0
    nr: int = 1
    of: int = 1


@dataclass(frozen=True)
class Range:
    """``nr_pages`` from page ``first`` on of a process (by its place in ``Load.processes``), which
    belong to a share of the machine when a bound is run (hard_bind, inverse_bind).

    >>> from numab.workloads import load_named
    >>> load_named("numa02", 2, 100).ranges[1]
    Range(process=0, first=50, nr_pages=50, share=Share(first=1, nr=1, of=2))
    """

    process: int
    first: int
    nr_pages: int
    share: Share


@dataclass(frozen=True)
class Phase:
    """A program, under a memory policy: ``bind`` to that one of the nodes with memory (0 the
    first), None: no policy.

    >>> Phase((Touch("sweep", 0, 16, touches=16),), bind=1).bind  # written on the second node
    1
    """

    steps: tuple[Step, ...]
    bind: int | None = None


@dataclass(frozen=True)
class Thread:
    """A thread of ``process``; its first is the process's main one.

    ``background``: the load is over without it.  ``mutator``: stands still while the world is
    stopped.  ``cpus``: where it is pinned, none: anywhere.

    >>> thread = Thread(0, (Phase((Touch("sweep", 0, 16), Repeat(0))),))
    >>> [touch.nr_pages for touch in thread.steady]
    [16]
    """

    process: int
    phases: tuple[Phase, ...]
    share: Share = field(default_factory=Share)
    background: bool = False
    mutator: bool = False
    cpus: tuple[int, ...] = ()

    @property
    def steady(self) -> tuple[Touch, ...]:
        """The touches of its last phase."""
        return tuple(s for s in self.phases[-1].steps if isinstance(s, Touch))


@dataclass(frozen=True)
class Load:
    """All of it: ``processes`` in pages, each with ``shared`` pages, the same in all, before its
    own; threads in the order in which they are made.

    What its own options fix: ``amount`` of work, in words, without its time; ``duration_ns`` after
    which it ends (0: never); ``thp`` (None: as the machine has it); every ``perturb_s`` seconds its
    first thread is moved to the machine's other half (0: never); ``convergence`` is looked for,
    each second: all threads of each process on one node, with ``until_converged`` the load's end.

    >>> from numab.workloads import load_named
    >>> load = load_named("numa01", 4, 1000)
    >>> load.pages, len(load.threads)
    (1000, 4)
    """

    name: str
    processes: tuple[int, ...]
    threads: tuple[Thread, ...]
    ranges: tuple[Range, ...] = ()
    shared: int = 0
    amount: str = ""
    duration_ns: int = 0
    thp: bool | None = None
    perturb_s: int = 0
    convergence: bool = False
    until_converged: bool = False

    @property
    def pages(self) -> int:
        """Pages in all, shared ones once."""
        return self.shared + sum(self.processes)


def again(target: int, times: int | None) -> tuple[Repeat, ...]:
    """The steps from ``target`` on ``times`` in all; None: for ever."""
    if times is not None and times <= 1:
        return ()
    return (Repeat(target, None if times is None else times - 1),)


def one_process(name: str, pages: int, programs: list[tuple[Step, ...]]) -> Load:
    """A single process whose thread i belongs to part i of the machine."""
    n = len(programs)
    return Load(name, (pages,), tuple(
        Thread(0, (Phase(steps),), Share(i, 1, n)) for i, steps in enumerate(programs)
    ))


def private_ranges(process: int, part: int, shares: list[Share]) -> tuple[Range, ...]:
    """Range i of ``part`` pages goes to share i."""
    return tuple(Range(process, i * part, part, share) for i, share in enumerate(shares))
