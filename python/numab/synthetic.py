"""Running a synthetic load: the same results as a replay, by time instead of loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

import numpy as np

from numa_core.errors import OutOfMemory

from .arguments import U64, flag, whole
from .engine import (
    BEST_STATIC, DURATION, NS_PER_S, Parts, Progress, Result, Shares, run_until, summary,
)
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


def _use(load: Load, nids: list[int], nr_ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Threads on each node that use the pages of a part: int64, shape (parts, nr_ids); and each
    part's number of pages.  Within a part all pages have the same users."""
    ends = {0, load.pages}
    for touch in load.threads:
        ends |= {touch.first, touch.first + touch.nr_pages}
    cuts = np.array(sorted(ends), np.int64)
    change = np.zeros((len(cuts), nr_ids), np.int64)
    for touch, nid in zip(load.threads, nids):
        change[np.searchsorted(cuts, touch.first), nid] += 1
        change[np.searchsorted(cuts, touch.first + touch.nr_pages), nid] -= 1
    return np.cumsum(change, axis=0)[:-1], np.diff(cuts)


def _feed(process: Process, load: Load, cpus: list[int], seed: int) -> None:
    tasks = [process.main, *(process.main.clone(cpu) for cpu in cpus[1:])]
    for i, (task, touch) in enumerate(zip(tasks, load.threads)):
        task.feed_pattern(
            touch.pattern, BASE_VPN + touch.first, touch.nr_pages, writes=touch.accesses,
            write_permille=touch.write_permille, theta=touch.theta,
            seed=(seed * 65537 + i) & U64[1],
        )


def _populate(process: Process, nids: np.ndarray) -> None:
    process.populate(BASE_VPN + np.arange(len(nids), dtype=np.uint64), nids)


def run_load(job: LoadJob, progress: Progress | None = None) -> Result:
    """Run one job; see :func:`numab.engine.replay` for the rest."""
    whole("duration_ns", job.duration_ns, DURATION)
    load = load_named(job.load, job.threads, job.pages)
    topology = job.machine if isinstance(job.machine, Topology) else Topology.load(job.machine)
    there = sum(node.pages for node in topology.nodes)
    if load.pages > there:
        raise OutOfMemory(
            f"load {job.load} of {load.pages} pages (4 KiB) does not fit; the machine has {there}"
        )
    machine = Machine(
        topology, policy=job.policy, hz=job.hz, seed=job.seed, as_posted=job.as_posted,
        tunables={"zero_page": 0, "thp": int(flag("thp", job.thp)), **job.tunables},
    )
    cpus = cpus_for_threads(job.place, [1.0] * len(load.threads), topology)
    nids = [topology.node_of_cpu(cpu) for cpu in cpus]
    use, part_pages = _use(load, nids, machine.nr_node_ids)
    process = machine.process(cpus[0])
    process.mmap(BASE_VPN * PAGE_BYTES, load.pages * PAGE_BYTES)
    memory = list(topology.memory_nodes)
    local = (use[:, memory].max(axis=1) * part_pages).sum()
    best = 1 - local / max(int((use.sum(axis=1) * part_pages).sum()), 1)
    if job.start == BEST_STATIC:
        part_nids = np.array(memory, np.int32)[np.argmax(use[:, memory], axis=1)]
        _populate(process, np.repeat(part_nids, part_pages))
    elif check_start(job.start, topology) != FIRST_TOUCH:
        main_nids = np.repeat(np.argmax(use, axis=1).astype(np.int32), part_pages)
        _populate(process, start_nids(job.start, topology, main_nids, main_nids))
    _feed(process, load, cpus, job.seed)

    shares, parts = Shares(machine), Parts()
    for i in range(1, PARTS + 1):
        run_until(machine, job.duration_ns * i // PARTS)
        parts.add(shares.since(), machine.now_ns)
        if progress:
            progress(i / PARTS)
    return summary(
        machine, machine.policy, job.start, parts, float(best), [process], looped=False
    )
