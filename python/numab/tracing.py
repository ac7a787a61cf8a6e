"""Recording a run of a load: every event of the kinds asked for, and where memory is over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from numa_core import EVENT
from numa_core.errors import InvalidArgument

from .arguments import shown
from .synthetic import LoadJob, StartedLoad, run_started, start_load

__all__ = ["GROUPS", "Recording", "Sample", "record"]

RING = 1 << 16


#: Groups of kinds of events, by the core's names, that a user asks for.
GROUPS = {
    "sched": ("sched_move", "sched_swap", "sched_stick", "sched_home", "switch", "wake", "sleep"),
    "migrate": ("migrate",),
    "scan": ("scan", "pass"),
    "fault": ("hint", "alloc"),
}


@dataclass(frozen=True)
class Sample:
    """``now_ns``; by node id: resident ``pages`` of the load, and (local, all) ``accesses`` made
    from it since the sample before.

    >>> made = record(LoadJob("private", "2s", 2, 64, "off", duration_ns=40_000_000))
    >>> made.samples[-1].pages
    (32, 32)
    """

    now_ns: int
    pages: tuple[int, ...]
    accesses: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Recording:
    """What a run did: ``events`` by time, dtype EVENT; a Sample now and then; who took part.

    ``tasks``: process id by task id; ``cpus``: node by CPU; ``start_cpus``: where tasks began;
    ``nids``: all nodes, those without CPUs too.

    >>> made = record(LoadJob("private", "2s", 2, 64, "off", duration_ns=40_000_000))
    >>> made.start_cpus, made.cpus[8], made.nids
    ({1: 0, 2: 8}, 1, (0, 1))
    """

    load: str
    policy: str
    end_ns: int
    tick_ns: int
    events: np.ndarray
    samples: tuple[Sample, ...]
    tasks: dict[int, int]
    cpus: dict[int, int]
    start_cpus: dict[int, int]
    finished: bool
    nids: tuple[int, ...]


def _asked(groups: Iterable[str]) -> tuple[str, ...]:
    """The kinds of the groups; InvalidArgument that names the unknown one."""
    kinds: list[str] = []
    for group in groups:
        if group not in GROUPS:
            raise InvalidArgument(f"events {shown(group)}, permitted: {', '.join(GROUPS)}")
        kinds += GROUPS[group]
    if not kinds:
        raise InvalidArgument(f"no events asked for, permitted: {', '.join(GROUPS)}")
    return tuple(kinds)


class _Sampler:
    def __init__(self, started: StartedLoad) -> None:
        self._started = started
        self._before = np.zeros((started.machine.nr_node_ids, 2), np.int64)
        self.samples: list[Sample] = []

    def take(self) -> None:
        machine = self._started.machine
        pages = sum((p.node_pages() for p in self._started.living()),
                    np.zeros(machine.nr_node_ids, np.uint64))
        by_pair = machine.access_matrix.sum(axis=2).astype(np.int64)
        total = np.stack([np.diag(by_pair), by_pair.sum(axis=1)], axis=1)
        since, self._before = total - self._before, total
        self.samples.append(Sample(
            machine.now_ns, tuple(pages.astype(int).tolist()),
            tuple((int(a), int(b)) for a, b in since),
        ))


def record(job: LoadJob, groups: Iterable[str] = ("sched", "migrate", "scan")) -> Recording:
    """Run a load and keep its events; none is lost.

    Raises what :func:`numab.synthetic.run_load` raises, and InvalidArgument for unknown groups.

    >>> made = record(LoadJob("private", "2s", 2, 64, "moron", duration_ns=40_000_000))
    >>> sorted(made.tasks), made.end_ns
    ([1, 2], 40000000)
    """
    kinds = _asked(groups)
    started = start_load(job)
    machine, chunks, sampler = started.machine, [np.zeros(0, EVENT)], _Sampler(started)
    machine.events(RING, lossless=True, kinds=kinds)
    tasks = {tid: machine.task(tid).info() for tid in started.threads}

    def drain() -> None:
        while len(events := machine.drain(RING)):
            chunks.append(events)

    def sample(k: int, last: bool) -> None:
        drain()
        sampler.take()

    sampler.take()
    why = run_started(started, sample, drain)
    drain()
    events = np.concatenate(chunks)
    return Recording(
        load=job.load, policy=machine.policy if started.bound is None else started.bound,
        end_ns=started.end_ns(why), tick_ns=machine.tick_ns,
        events=events[np.argsort(events["now_ns"], kind="stable")], samples=tuple(sampler.samples),
        tasks={tid: info.pid for tid, info in tasks.items()},
        cpus={cpu: machine.topology.node_of_cpu(cpu) for cpu in machine.topology.cpus},
        start_cpus={tid: info.cpu for tid, info in tasks.items()}, finished=why != "until",
        nids=machine.topology.nids,
    )
