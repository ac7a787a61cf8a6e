"""Running a synthetic load: the same results as a replay, by time instead of loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

import numpy as np

from numa_core.errors import InvalidArgument

from .engine import BEST_STATIC, NS_PER_S, Progress, Result, Shares, summary
from .machine import Machine
from .placement import FIRST_TOUCH, check_start, cpus_for_threads, start_nids
from .policies import Policy
from .process import Process
from .topology import Topology
from .workloads import Load, load_named

__all__ = ["LoadJob", "run_load"]

BASE_VPN = 0x10000
PAGE_BYTES = 4096
#: Parts of a run: the first and the last stand where a replay has its first and last loop.
PARTS = 20


@dataclass(frozen=True)
class LoadJob:
    """One run of a synthetic load: ``load`` by name, ``threads``, memory in ``pages``."""

    load: str
    machine: Union[str, Topology]
    threads: int
    pages: int
    policy: Union[str, Policy] = "home_node"
    start: str = FIRST_TOUCH
    place: str = "spread"
    duration_ns: int = 60 * NS_PER_S
    hz: int = 250
    seed: int = 0
    thp: bool = False
    as_posted: bool = False
    tunables: Mapping[str, int] = field(default_factory=dict)


def _use(load: Load, nids: list[int], nr_ids: int) -> np.ndarray:
    """Threads on each node that use each page: int64, shape (pages, nr_ids)."""
    use = np.zeros((load.pages + 1, nr_ids), np.int64)
    for touch, nid in zip(load.threads, nids):
        use[touch.first, nid] += 1
        use[touch.first + touch.nr_pages, nid] -= 1
    return np.cumsum(use, axis=0)[:-1]


def _feed(process: Process, load: Load, cpus: list[int], seed: int) -> None:
    tasks = [process.main, *(process.main.clone(cpu) for cpu in cpus[1:])]
    for i, (task, touch) in enumerate(zip(tasks, load.threads)):
        task.feed_pattern(
            touch.pattern, BASE_VPN + touch.first, touch.nr_pages, writes=touch.accesses,
            write_permille=touch.write_permille, theta=touch.theta, seed=seed * 65537 + i,
        )


def run_load(job: LoadJob, progress: Progress | None = None) -> Result:
    """Run one job; see :func:`numab.engine.replay` for the rest."""
    if job.duration_ns <= 0:
        raise InvalidArgument(f"duration {job.duration_ns} ns, permitted: more than 0")
    load = load_named(job.load, job.threads, job.pages)
    topology = job.machine if isinstance(job.machine, Topology) else Topology.load(job.machine)
    machine = Machine(
        topology, policy=job.policy, hz=job.hz, seed=job.seed, as_posted=job.as_posted,
        tunables={"zero_page": 0, "thp": int(job.thp), **job.tunables},
    )
    cpus = cpus_for_threads(job.place, [1.0] * len(load.threads), topology)
    nids = [topology.node_of_cpu(cpu) for cpu in cpus]
    use = _use(load, nids, machine.nr_node_ids)
    main_nids = np.argmax(use, axis=1)
    process = machine.process(cpus[0])
    process.mmap(BASE_VPN * PAGE_BYTES, load.pages * PAGE_BYTES)
    memory = list(topology.memory_nodes)
    best = 1 - use[:, memory].max(axis=1).sum() / max(int(use.sum()), 1)
    if job.start != FIRST_TOUCH:
        where = (
            np.array(memory, np.int32)[np.argmax(use[:, memory], axis=1)]
            if job.start == BEST_STATIC
            else start_nids(check_start(job.start, topology), topology, main_nids, main_nids)
        )
        process.populate(BASE_VPN + np.arange(load.pages, dtype=np.uint64), where)
    _feed(process, load, cpus, job.seed)

    shares, parts = Shares(machine), []
    for i in range(1, PARTS + 1):
        machine.run(job.duration_ns * i // PARTS)
        parts.append(shares.since())
        if progress:
            progress(i / PARTS)
    return summary(machine, machine.policy, job.start, parts, [], float(best), [process])
