"""The simulation loop: build a machine, feed it, run it, and say what happened.

A job is one policy from one start.  Jobs are independent: any number of worker processes gives the
same bits.
"""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Union

import numpy as np

from numa_core import EPOCH, ROW
from numa_core.errors import InvalidArgument, NumabError

from . import cost
from .arguments import flag, shown, whole
from .machine import Machine
from .placement import (
    best_static_nids, best_static_remote_share, check_start, cpus_for_threads, start_nids,
)
from .policies import Policy, check_policy
from .process import Process
from .topology import Topology
from .traces import Trace, load
from .values import Stop

__all__ = [
    "BEST_STATIC", "Parts", "ReplayJob", "Result", "Shares", "replay", "run_jobs", "run_until",
    "start_replay", "summary",
]

#: Start of the bound: every page where it costs least, by what the whole trace does.
BEST_STATIC = "best-static"
PAGE_BYTES = 4096
SLOT_PAGES = 512
NS_PER_S = 1_000_000_000
SLICES = 200  # of a run, for the progress bar
SLICE_NS_MAX = NS_PER_S  # of virtual time, for the interrupt key
DURATION = (1, (1 << 62) - 1)
COUNT = (0, (1 << 62) - 1)

Progress = Callable[[float], None]


@dataclass(frozen=True)
class ReplayJob:
    """One replay: a trace on a machine under a policy.

    ``trace`` and ``machine`` are a path (or preset) or the value itself; ``duration_ns`` of virtual
    time, or ``loops`` of the trace when given.  See :func:`replay` for an example.
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

    ``remote_share`` and its ``_first`` and ``_last`` loop are shares of accesses; ``time_ns`` is
    the virtual time at the end, ``loop_ns_first`` and ``loop_ns_last`` that of one loop (None while
    none is complete).
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
def _loaded(path: str, size: int, mtime_ns: int) -> Trace:
    return load(path)


def _trace(path: str) -> Trace:
    """The trace at @path; a worker's further jobs find it read, unless the file has changed."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidArgument(f"trace {shown(path)}, permitted: a path or a Trace")
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return load(path)  # says what is wrong
    return _loaded(path, found.st_size, found.st_mtime_ns)


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


@dataclass
class Parts:
    """The loops of a replay, or the parts of another run: the first, the last, their number.

    ``first`` and ``last`` are (remote, all) accesses; a run of a million loops takes no more room
    than one of three.
    """

    first: tuple[int, int] | None = None
    last: tuple[int, int] = (0, 0)
    nr: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    end_ns: int = 0

    def add(self, accesses: tuple[int, int], now_ns: int) -> None:
        """A part is complete."""
        self.last, self.last_ns = accesses, now_ns - self.end_ns
        if not self.nr:
            self.first, self.first_ns = self.last, self.last_ns
        self.nr, self.end_ns = self.nr + 1, now_ns


def summary(
    machine: Machine, policy: str, start: str, parts: Parts, best_share: float,
    processes: Iterable[Process], *, looped: bool,
) -> Result:
    """Gather a Result; ``looped``: the parts are loops of a trace, each of its own length."""
    counters, vmstat = dict(machine.counters), machine.vmstat()
    remote, every = whole_run = Shares(machine).since()
    pages = sum((p.node_pages() for p in processes), np.zeros(machine.nr_node_ids, np.uint64))
    return Result(
        policy=policy,
        start=start,
        remote_share=share(remote, every),
        remote_share_first=share(*(parts.first or whole_run)),
        remote_share_last=share(*(parts.last if parts.nr else whole_run)),
        remote_share_best_static=best_share,
        accesses=every,
        time_ns=machine.now_ns,
        loops=parts.nr if looped else 0,
        loop_ns_first=parts.first_ns if looped else None,
        loop_ns_last=parts.last_ns if looped else None,
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


def _whole_slots(vpns: np.ndarray, vmas: np.ndarray) -> np.ndarray:
    """Which pages lie in a 2 MiB slot that is all inside one mapping: bool, shape of ``vpns``."""
    head = vpns - vpns % np.uint64(SLOT_PAGES)
    at = np.searchsorted(vmas[:, 1], vpns, side="right")
    return (vmas[at, 0] <= head) & (head + np.uint64(SLOT_PAGES) <= vmas[at, 1])


def start_replay(job: ReplayJob) -> StartedReplay:
    """Threads onto CPUs, VMAs, pages at their start, rows and epochs into the core."""
    whole("duration_ns", job.duration_ns, DURATION)
    whole("loops", job.loops, COUNT)
    whole("window", job.window, (1, COUNT[1]))
    trace = job.trace if isinstance(job.trace, Trace) else _trace(job.trace)
    topology = job.machine if isinstance(job.machine, Topology) else Topology.load(job.machine)
    tunables = {"zero_page": 0, "thp": int(flag("thp", job.thp)), **job.tunables}
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

    known = np.array(sorted(tids), np.uint32)
    cpu_of = dict(zip(tids, cpus))
    nid_of = np.array([topology.node_of_cpu(cpu_of[tid]) for tid in known.tolist()], np.int32)
    tid_map = np.array([task_of[tid] for tid in known.tolist()], np.int32)
    vpns, first_tids = trace.first_toucher()
    first_nids = nid_of[np.searchsorted(known, first_tids)]
    use = trace.page_thread_accesses()
    use_nids = nid_of[np.searchsorted(known, use["tid"])]
    best_share = best_static_remote_share(
        topology, use["page"], use_nids, use["accesses"], len(vpns)
    )
    if job.start == BEST_STATIC:
        nids = best_static_nids(topology, use["page"], use_nids, use["lines"], len(vpns))
    else:
        order = np.lexsort((-use["tid"].astype(np.int64), use["accesses"], use["page"]))
        last = np.searchsorted(use["page"][order], np.arange(len(vpns)), side="right") - 1
        main_nids = use_nids[order][last]
        nids = start_nids(check_start(job.start, topology), topology, first_nids, main_nids)
    if job.thp and job.start == "first-touch":
        hinted = ~_whole_slots(vpns, trace.vmas())  # a huge page goes to whoever comes first
    else:
        hinted = np.ones(len(vpns), bool)
    process.populate(vpns[hinted], nids[hinted], present=job.start != "first-touch")

    rows = np.empty(trace.rows, ROW)
    rows["page"], rows["reads"], rows["writes"] = trace.vpn, trace.reads, trace.writes
    found = trace.epochs()
    epochs = np.empty(len(found), EPOCH)
    epochs["row"], epochs["nr_rows"] = found["row_begin"], found["nr_rows"]
    epochs["tid"] = tid_map[np.searchsorted(known, found["tid"])]
    machine.feed_replay(rows, epochs, window=job.window, loops=job.loops)
    return StartedReplay(machine, process, vpns, best_share)


def run_until(machine: Machine, until_ns: int) -> Stop:
    """Run until then or until a stop, in slices: between them the interrupt key is heard."""
    while True:
        stop = machine.run(min(until_ns, machine.now_ns + max(SLICE_NS_MAX, machine.tick_ns)))
        if stop.why != "until" or machine.now_ns + machine.tick_ns > until_ns:
            return stop


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
    machine, shares, parts = built.machine, Shares(built.machine), Parts()
    end_ns = (1 << 62) if job.loops else job.duration_ns
    step = max(machine.tick_ns, job.duration_ns // SLICES)
    while machine.now_ns + machine.tick_ns <= end_ns:
        stop = run_until(machine, min(end_ns, machine.now_ns + step))
        if stop.why in ("loop", "done"):
            parts.add(shares.since(), machine.now_ns)
        if progress:
            done = parts.nr / job.loops if job.loops else machine.now_ns / end_ns
            progress(min(done, 1.0))
        if stop.why == "done":
            break
    return summary(
        machine, machine.policy, job.start, parts, built.best_share, [built.process], looped=True
    )


def run_jobs(
    run: Callable[..., Result],
    jobs: list[Any],
    *,
    workers: int = 1,
    progress: Progress | None = None,
    check: Callable[[str], str] = check_policy,
) -> list[Result]:
    """Results in the order of the jobs, computed by ``workers`` processes.

    ``check`` refuses names of policies before anything runs.
    """
    for job in jobs:
        if isinstance(job.policy, str):
            check(job.policy)
    whole("workers", workers, (1, COUNT[1]))
    if workers == 1 or len(jobs) == 1:
        out = []
        for i, job in enumerate(jobs):
            tell = (lambda x, i=i: progress((i + x) / len(jobs))) if progress else None
            out.append(run(job, tell))
        return out
    return _run_in_processes(run, jobs, min(workers, len(jobs), os.cpu_count() or 1), progress)


def _follow_the_parent() -> None:
    """A worker leaves interrupts to its parent, and ends with it, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _run_in_processes(
    run: Callable[..., Result], jobs: list[Any], workers: int, progress: Progress | None
) -> list[Result]:
    results: dict[int, Result] = {}
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, initializer=_follow_the_parent) as pool:
        try:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the workers' too
            try:
                futures = {pool.submit(run, job): i for i, job in enumerate(jobs)}
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                if progress:
                    progress(len(results) / len(jobs))
        except BaseException as error:  # the interrupt key, or a job that failed: end at once
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise NumabError("a worker process died; was there memory enough?") from None
            raise
    return [results[i] for i in range(len(jobs))]
