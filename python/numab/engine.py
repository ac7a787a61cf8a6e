"""The simulation loop: build a machine, feed it, run it, and say what happened.

A job is one policy from one start.  Jobs are independent: any number of worker processes gives the
same bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Union

import numpy as np

from numa_core import EPOCH, ROW
from numa_core.errors import InvalidArgument

from . import cost
from .machine import Machine
from .placement import (
    best_static_nids, best_static_remote_share, check_start, cpus_for_threads, start_nids,
)
from .policies import Policy, check_policy
from .process import Process
from .topology import Topology
from .traces import Trace, load

__all__ = [
    "BEST_STATIC", "ReplayJob", "Result", "Shares", "replay", "run_jobs", "start_replay", "summary",
]

#: Start of the bound: every page where it costs least, by what the whole trace does.
BEST_STATIC = "best-static"
PAGE_BYTES = 4096
NS_PER_S = 1_000_000_000
SLICES = 200  # of a run, for the progress bar

Progress = Callable[[float], None]


@dataclass(frozen=True)
class ReplayJob:
    """One replay: a trace on a machine under a policy.

    ``trace`` and ``machine`` are a path (or preset) or the value itself; ``duration_ns`` of virtual
    time, or ``loops`` of the trace when given.
    """

    trace: Union[str, Trace]
    machine: Union[str, Topology]
    policy: Union[str, Policy] = "home_node"
    start: str = "first-touch"
    place: str = "spread"
    duration_ns: int = 60 * NS_PER_S
    loops: int = 0
    window: int = 64
    hz: int = 250
    seed: int = 0
    thp: bool = False
    as_posted: bool = False
    tunables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a run did.  Counters are exact; times are a model.

    ``remote_share`` and its ``_first`` and ``_last`` loop are shares of accesses; ``time_ns`` is the
    virtual time at the end, ``loop_ns_first`` and ``loop_ns_last`` that of one loop (None while none
    is complete).
    """

    policy: str
    start: str
    remote_share: float
    remote_share_first: float
    remote_share_last: float
    remote_share_best_static: float
    accesses: int
    time_ns: int
    loops: int
    loop_ns_first: int | None
    loop_ns_last: int | None
    scan_passes: int
    pages: int
    vmstat: dict[str, int]
    absent: tuple[str, ...]
    model: dict[str, int]
    reasons: dict[str, int]
    node_pages: dict[str, int]
    cost: dict[str, float | int | None]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self) | {"absent": list(self.absent)}


@lru_cache(maxsize=2)
def _trace(path: str) -> Trace:
    return load(path)


class Shares:
    """Local and remote accesses since the last look."""

    def __init__(self, machine: Machine) -> None:
        self._matrix = machine.access_matrix
        self.total = (0, 0)

    def since(self) -> tuple[int, int]:
        """(remote, all) accesses since the last call."""
        by_pair = self._matrix.sum(axis=2)
        every = int(by_pair.sum())
        remote = every - int(np.trace(by_pair))
        before, self.total = self.total, (remote, every)
        return remote - before[0], every - before[1]


def share(remote: int, every: int) -> float:
    """remote / every, 0 when there was nothing."""
    return remote / every if every else 0.0


def summary(
    machine: Machine, policy: str, start: str, parts: list[tuple[int, int]], loop_ends: list[int],
    best_share: float, processes: Iterable[Process],
) -> Result:
    """Gather a Result; ``parts`` are (remote, all) of each loop, the last one maybe unfinished."""
    counters, vmstat = dict(machine.counters), machine.vmstat()
    whole = parts[: len(loop_ends)] or parts
    remote, every = (sum(column) for column in zip(*parts)) if parts else (0, 0)
    pages = sum((p.node_pages() for p in processes), np.zeros(machine.nr_node_ids, np.uint64))
    loop_ns = np.diff([0, *loop_ends]).tolist()
    return Result(
        policy=policy,
        start=start,
        remote_share=share(remote, every),
        remote_share_first=share(*whole[0]) if whole else 0.0,
        remote_share_last=share(*whole[-1]) if whole else 0.0,
        remote_share_best_static=best_share,
        accesses=every,
        time_ns=machine.now_ns,
        loops=len(loop_ends),
        loop_ns_first=loop_ns[0] if loop_ns else None,
        loop_ns_last=loop_ns[-1] if loop_ns else None,
        scan_passes=counters["scan_passes"],
        pages=int(pages.sum()),
        vmstat=vmstat,
        absent=machine.counters.absent,
        model={n: v for n, v in counters.items() if n not in vmstat},
        reasons={n: v for n, v in machine.reasons().items() if v},
        node_pages={str(nid): int(pages[nid]) for nid in machine.topology.nids},
        cost={
            "balancing_cost": cost.balancing_cost(vmstat),
            "compaction_cost": cost.compaction_cost(vmstat),
            "convergence": cost.convergence(vmstat),
            "mmtests_autonuma_cost": cost.mmtests_autonuma_cost(vmstat),
            "mmtests_local_percent": cost.mmtests_local_percent(vmstat),
        },
    )


@dataclass(frozen=True)
class StartedReplay:
    """A machine that is fed and ready to run; ``vpns`` are the trace's pages, ascending."""

    machine: Machine
    process: Process
    vpns: np.ndarray
    best_share: float


def start_replay(job: ReplayJob) -> StartedReplay:
    """Threads onto CPUs, VMAs, pages at their start, rows and epochs into the core."""
    if job.duration_ns <= 0 or job.loops < 0:
        raise InvalidArgument(
            f"duration {job.duration_ns} ns, loops {job.loops}: permitted are more than 0, and 0 up"
        )
    trace = job.trace if isinstance(job.trace, Trace) else _trace(job.trace)
    topology = job.machine if isinstance(job.machine, Topology) else Topology.load(job.machine)
    tunables = {"zero_page": 0, "thp": int(job.thp), **job.tunables}
    machine = Machine(
        topology, policy=job.policy, hz=job.hz, seed=job.seed, as_posted=job.as_posted,
        tunables=tunables,
    )
    tids = trace.tids
    cpus = cpus_for_threads(job.place, [trace.share_of(t) for t in tids], topology)
    process = machine.process(cpus[0])
    task_of = {tids[0]: process.main.tid}
    for tid, cpu in zip(tids[1:], cpus[1:]):
        task_of[tid] = process.main.clone(cpu).tid
    for first, end in trace.vmas().tolist():
        process.mmap(first * PAGE_BYTES, (end - first) * PAGE_BYTES)

    nid_of = np.zeros(max(tids) + 1, np.int32)
    tid_map = np.zeros(max(tids) + 1, np.int32)
    for tid, cpu in zip(tids, cpus):
        nid_of[tid], tid_map[tid] = topology.node_of_cpu(cpu), task_of[tid]
    vpns, first_tids = trace.first_toucher()
    use = trace.page_thread_accesses()
    use_nids = nid_of[use["tid"]]
    best_share = best_static_remote_share(
        topology, use["page"], use_nids, use["accesses"], len(vpns)
    )
    if job.start == BEST_STATIC:
        nids = best_static_nids(topology, use["page"], use_nids, use["lines"], len(vpns))
    else:
        order = np.lexsort((-use["tid"].astype(np.int64), use["accesses"], use["page"]))
        last = np.searchsorted(use["page"][order], np.arange(len(vpns)), side="right") - 1
        main_nids = use_nids[order][last]
        nids = start_nids(check_start(job.start, topology), topology, nid_of[first_tids], main_nids)
    process.populate(vpns, nids, present=job.start != "first-touch")

    rows = np.empty(trace.rows, ROW)
    rows["page"], rows["reads"], rows["writes"] = trace.vpn, trace.reads, trace.writes
    found = trace.epochs()
    epochs = np.empty(len(found), EPOCH)
    epochs["row"], epochs["nr_rows"] = found["row_begin"], found["nr_rows"]
    epochs["tid"] = tid_map[found["tid"]]
    machine.feed_replay(rows, epochs, window=job.window, loops=job.loops)
    return StartedReplay(machine, process, vpns, best_share)


def replay(job: ReplayJob, progress: Progress | None = None) -> Result:
    """Run one job.  ``progress`` is called with the share done, 0..1.

    Raises what loading, placing and running raise: TraceError, TopologyError, InvalidArgument,
    OutOfMemory.

    Example
    -------
    >>> r = replay(ReplayJob("tests/data/tiny.npz", "2s", loops=3))  # doctest: +SKIP
    >>> r.loops                                                      # doctest: +SKIP
    3
    """
    built = start_replay(job)
    machine, shares = built.machine, Shares(built.machine)
    parts: list[tuple[int, int]] = []
    loop_ends: list[int] = []
    end_ns = (1 << 62) if job.loops else job.duration_ns
    step = max(machine.tick_ns, job.duration_ns // SLICES)
    while machine.now_ns + machine.tick_ns <= end_ns:
        stop = machine.run(min(end_ns, machine.now_ns + step))
        if stop.why in ("loop", "done"):
            parts.append(shares.since())
            loop_ends.append(machine.now_ns)
        if progress:
            done = len(loop_ends) / job.loops if job.loops else machine.now_ns / end_ns
            progress(min(done, 1.0))
        if stop.why == "done":
            break
    rest = shares.since()
    if rest[1]:
        parts.append(rest)
    return summary(
        machine, machine.policy, job.start, parts, loop_ends, built.best_share, [built.process]
    )


def run_jobs(
    run: Callable[..., Result],
    jobs: list[Any],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Result]:
    """Results in the order of the jobs, computed by ``workers`` processes."""
    for job in jobs:
        if isinstance(job.policy, str):
            check_policy(job.policy)
    if workers < 1:
        raise InvalidArgument(f"workers {workers}, permitted 1 and more")
    if workers == 1 or len(jobs) == 1:
        out = []
        for i, job in enumerate(jobs):
            tell = (lambda x, i=i: progress((i + x) / len(jobs))) if progress else None
            out.append(run(job, tell))
        return out
    results: list[Result | None] = [None] * len(jobs)
    with ProcessPoolExecutor(min(workers, len(jobs), os.cpu_count() or 1)) as pool:
        futures = {pool.submit(run, job): i for i, job in enumerate(jobs)}
        try:
            for n, future in enumerate(as_completed(futures), 1):
                results[futures[future]] = future.result()
                if progress:
                    progress(n / len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [r for r in results if r is not None]
