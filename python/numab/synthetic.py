"""Running a load: the machine built, threads placed as at fork, programs fed, shares sampled.

A load without end is run for ``duration_ns``; one with a fixed amount of work until its threads
(those that are not background) have done it, which gives the benchmark's elapsed time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Union

import numpy as np

from numa_core.errors import InvalidArgument, OutOfMemory

from .arguments import flag, whole
from .bounds import BOUNDS, bound_cpus, check_run_policy, memory_nodes_of
from .engine import (
    BEST_STATIC, COUNT, DURATION, NS_PER_S, Parts, Progress, Result, Shares, summary,
)
from .machine import Machine
from .placement import FIRST_TOUCH, check_start, cpus_for_threads, start_nids
from .policies import Policy
from .process import Process
from .samples import PARTS, Samples
from .started import BASE_VPN, StartedLoad
from .task import Task
from .topology import Topology
from .tunables import TUNABLES
from .workloads import Load, Thread, load_named
from .workloads.load import PAGE_LINES

__all__ = ["LoadJob", "LoadResult", "StartedLoad", "run_load", "run_started", "start_load"]

PAGE_BYTES = 4096
SAMPLES_A_PART = 10
WORK_SAMPLES = 200  # while the work would last, were all of it local


@dataclass(frozen=True)
class LoadJob:
    """One run of a load: ``load`` by name, ``threads``, memory in ``pages``.

    ``work_ns`` is the work of a thread: what it does in that time while all its memory is local
    (at the default prices, faults apart); 0: without end.  ``duration_ns`` ends a run in any case.
    ``start``, ``place``, ``args``, ``sched`` and the rest are what ``numab compare`` takes.
    """

    load: str
    machine: Union[str, Topology]
    threads: int
    pages: int
    policy: Union[str, Policy] = "home_node"
    start: str = FIRST_TOUCH
    place: str = "spread"
    duration_ns: int = 60 * NS_PER_S
    work_ns: int = 0
    args: str = ""
    hz: int = 250
    seed: int = 0
    thp: bool = False
    as_posted: bool = False
    sched: str | None = None
    tunables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadResult(Result):
    """A Result, and what a benchmark's harness measures around it.

    ``user_ns``, ``system_ns``: over all tasks, accesses and the rest; ``elapsed_ns`` to the end of
    the work (or of the run); ``cpu_percent`` of one CPU.  ``local_share``: of the accesses, by
    pass of the scanner over all address spaces; ``local_share_parts``: by equal parts of the run.
    ``finished``: the work was done.  ``converged_ns``: since when each process has been on one node
    (0: it is not), None: nobody looked.
    """

    load: str = ""
    seed: int = 0
    finished: bool = False
    converged_ns: int | None = None
    elapsed_ns: int = 0
    user_ns: int = 0
    system_ns: int = 0
    cpu_percent: float = 0.0
    local_share: tuple[float, ...] = ()
    local_share_ends_ns: tuple[int, ...] = ()
    local_share_parts: tuple[float, ...] = ()
    tasks: tuple[dict[str, int], ...] = ()


def _use(load: Load, process: int, nids: list[int], nr_ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Touches from each node of the pages of a part of a process: float64, (parts, nr_ids); and
    each part's number of pages.  Within a part all pages have the same users."""
    total = load.shared + load.processes[process]
    touches = [
        (touch, nid, (touch.touches or 1) / touch.nr_pages)
        for thread, nid in zip(load.threads, nids) if thread.process == process
        for touch in thread.steady
    ]
    ends = {0, total}
    for touch, _, _ in touches:
        ends |= {touch.first, touch.first + touch.nr_pages}
    cuts = np.array(sorted(ends), np.int64)
    use = np.zeros((len(cuts) - 1, nr_ids))
    for touch, nid, density in touches:
        first, end = np.searchsorted(cuts, (touch.first, touch.first + touch.nr_pages))
        use[first:end, nid] += density
    return use, np.diff(cuts)


def _populate(process: Process, shared: int, nids: np.ndarray) -> None:
    """Pages behind the shared ones."""
    vpns = BASE_VPN + shared + np.arange(len(nids), dtype=np.uint64)
    process.populate(vpns, nids)


def _place_pages(
    job: LoadJob, machine: Machine, load: Load, processes: list[Process], nids: list[int]
) -> float:
    """Pages to their start; returns the least remote share that a placement can have, by use."""
    topology, local, every = machine.topology, 0.0, 0.0
    memory = list(topology.memory_nodes)
    for i, process in enumerate(processes):
        use, part_pages = _use(load, i, nids, machine.nr_node_ids)
        local += float((use[:, memory].max(axis=1) * part_pages).sum())
        every += float((use.sum(axis=1) * part_pages).sum())
        if job.start == BEST_STATIC:
            best = np.array(memory, np.int32)[np.argmax(use[:, memory], axis=1)]
            _populate(process, load.shared, np.repeat(best, part_pages)[load.shared:])
        elif check_start(job.start, topology) != FIRST_TOUCH:
            main = np.repeat(np.argmax(use, axis=1).astype(np.int32), part_pages)[load.shared:]
            _populate(process, load.shared, start_nids(job.start, topology, main, main))
    return 1 - local / every if every else 0.0


def _bind_pages(load: Load, bound: str, topology: Topology, processes: list[Process]) -> None:
    for r in load.ranges:
        processes[r.process].set_policy(
            (BASE_VPN + r.first) * PAGE_BYTES, r.nr_pages * PAGE_BYTES, "bind",
            nodes=memory_nodes_of(r.share, bound, topology),
        )


def _cpus(job: LoadJob, load: Load, topology: Topology, bound: str | None) -> list[int]:
    if bound:
        return bound_cpus(load, topology)
    cpus = cpus_for_threads(job.place, [1.0] * len(load.threads), topology)
    for i, thread in enumerate(load.threads):
        for cpu in thread.cpus:
            topology.node_of_cpu(cpu)  # says that there is no such CPU
        if thread.cpus and cpus[i] not in thread.cpus:
            cpus[i] = thread.cpus[0]
    return cpus


def _check_size(job: LoadJob, load: Load, topology: Topology) -> None:
    there = sum(node.pages for node in topology.nodes)
    if load.pages > there:
        raise OutOfMemory(
            f"load {load.name} of {load.pages} pages (4 KiB) does not fit; the machine has {there}"
        )
    nids = topology.memory_nodes
    for thread in load.threads:
        for phase in thread.phases:
            if phase.bind is not None and phase.bind >= len(nids):
                raise InvalidArgument(
                    f"load {load.name} binds to memory node {phase.bind}; {topology.name} has "
                    f"{len(nids)} nodes with memory, permitted 0..{len(nids) - 1}"
                )


def _make_tasks(
    machine: Machine, load: Load, cpus: list[int], pin: list[list[int] | None]
) -> tuple[list[Process], dict[int, Thread]]:
    processes: dict[int, Process] = {}
    threads: dict[int, Thread] = {}
    masks: list[tuple[Task, list[int]]] = []
    shared = machine.object("shm", load.shared) if load.shared else 0
    for thread, cpu, mask in zip(load.threads, cpus, pin):
        process = processes.get(thread.process)
        if process is None:
            process = processes[thread.process] = machine.process(cpu)
            task = process.main
            own = load.processes[thread.process]
            if shared:
                process.mmap(BASE_VPN * PAGE_BYTES, load.shared * PAGE_BYTES, kind="shm",
                             object=shared)
            if own:
                process.mmap((BASE_VPN + load.shared) * PAGE_BYTES, own * PAGE_BYTES)
        else:
            task = process.main.clone(cpu)
        if mask is not None:
            masks.append((task, mask))
        threads[task.tid] = thread
    for task, mask in masks:  # not sooner: threads would inherit them
        task.set_affinity(mask)
    return [processes[i] for i in range(len(load.processes))], threads


def as_load_says(job: LoadJob, load: Load) -> LoadJob:
    """The job under what the load's own options fix: when it ends, and huge pages.

    >>> job = LoadJob("perf_bench_numa", "2s", 4, 1024, args="-s 20 --thp 1", work_ns=10**9)
    >>> said = as_load_says(job, load_named(job.load, job.threads, job.pages, args=job.args))
    >>> said.duration_ns, said.work_ns, said.thp
    (20000000000, 0, True)
    """
    if load.duration_ns:
        job = replace(job, duration_ns=min(job.duration_ns, load.duration_ns), work_ns=0)
    return job if load.thp is None else replace(job, thp=load.thp)


def start_load(job: LoadJob) -> StartedLoad:
    """Everything up to the first tick."""
    whole("duration_ns", job.duration_ns, DURATION)
    work = whole("work_ns", job.work_ns, COUNT)
    touches = max(work * 1000 // _touch_ps(), 1) if work else 0
    load = load_named(job.load, job.threads, job.pages, touches=touches, seed=job.seed,
                      args=job.args)
    job = as_load_says(job, load)
    topology = job.machine if isinstance(job.machine, Topology) else Topology.load(job.machine)
    bound = job.policy if job.policy in BOUNDS else None
    if isinstance(job.policy, str):
        check_run_policy(job.policy)
    machine = Machine(
        topology, policy="off" if bound else job.policy, hz=job.hz, seed=job.seed,
        as_posted=job.as_posted, tunables={"zero_page": 0, "thp": int(flag("thp", job.thp)),
                                           **job.tunables},
        **({"sched": job.sched} if job.sched else {}),
    )
    _check_size(job, load, topology)
    cpus = _cpus(job, load, topology, bound)
    nids = [topology.node_of_cpu(cpu) for cpu in cpus]
    pin: list[list[int] | None] = [list(t.cpus) or None for t in load.threads]
    if bound:
        pin = [list(topology.node(nid).cpus) for nid in nids]
    processes, threads = _make_tasks(machine, load, cpus, pin)
    if bound:
        _bind_pages(load, bound, topology, processes)
        job = replace(job, start=FIRST_TOUCH)
    best = _place_pages(job, machine, load, processes, nids)
    started = StartedLoad(machine, load, job.seed, processes, threads, best, job.duration_ns,
                          job.work_ns, bound=bound)
    for tid in threads:
        started.feed(tid)
    return started


def _touch_ps() -> int:
    """A local touch of a page, at the default prices."""
    return PAGE_LINES * (TUNABLES["cpu_ps"].dflt + TUNABLES["latency_local_ps"].dflt)


def run_started(
    started: StartedLoad, on_sample: Callable[[int, bool], None],
    on_ring: Callable[[], None] = lambda: None,
) -> str:
    """Run to the end, and say of what: ``feed``, the work; ``converged``; ``until``, the time.

    ``on_sample(k, last)`` is called at the end of the k-th sample; ``on_ring()`` has to drain a
    ring of events that is full.
    """
    k, work_ns, end_ns = 0, started.work_ns, started.duration_ns
    steps, every = PARTS * SAMPLES_A_PART, max(work_ns // WORK_SAMPLES, started.machine.tick_ns)
    while True:
        k += 1
        until = min(k * every if work_ns else end_ns * k // steps, end_ns)
        stop = started.run(until)
        while stop.why != "until":
            if stop.why == "ring":
                on_ring()
            elif stop.why == "converged" or (not started.feed(stop.tid) and started.end(stop.tid)):
                on_sample(k, True)
                return stop.why
            stop = started.run(until)
        on_sample(k, until == end_ns)
        if until == end_ns:
            return stop.why


def run_load(job: LoadJob, progress: Progress | None = None) -> LoadResult:
    """Run one job; ``progress(share done)`` is called now and then.  Same job, same bits.

    >>> job = LoadJob("numa02", "2s", threads=16, pages=256, policy="off", work_ns=10**9)
    >>> result = run_load(job)
    >>> result.finished, result.elapsed_ns / 1e9, result.local_share_parts[-1]
    (True, 1.004, 1.0)

    Raises InvalidArgument, OutOfMemory or TopologyError for a job that makes no sense.
    """
    started = start_load(job)
    machine, samples, parts = started.machine, Samples(), Parts()
    shares = Shares(machine)

    def sample(k: int, last: bool) -> None:
        shares.since()
        samples.add(machine.now_ns, shares.total, started.passes())
        if progress and (last or k % SAMPLES_A_PART == 0):
            done = k / WORK_SAMPLES if started.work_ns else k / (PARTS * SAMPLES_A_PART)
            progress(1.0 if last else min(done, 0.99))

    why = run_started(started, sample)
    elapsed = started.end_ns(why)
    for tid in started.threads:
        if tid not in started.tasks:
            started.note(tid)
    for accesses, end_ns in samples.parts():
        parts.add(accesses, end_ns)
    plain = summary(
        machine, str(job.policy) if started.bound else machine.policy, job.start, parts,
        started.best_share, started.living(), looped=False,
    )
    node_pages = {nid: n + started.gone.get(int(nid), 0) for nid, n in plain.node_pages.items()}
    user = sum(t["user_ns"] for t in started.tasks.values())
    system = sum(t["system_ns"] for t in started.tasks.values())
    by_pass, ends = samples.passes()
    values: dict[str, Any] = {f: getattr(plain, f) for f in plain.__dataclass_fields__}
    return LoadResult(**{
        **values, "node_pages": node_pages, "pages": sum(node_pages.values()), "load": job.load,
        "seed": job.seed, "finished": why != "until", "elapsed_ns": elapsed,
        "converged_ns": started.converged_ns if started.load.convergence else None, "user_ns": user,
        "system_ns": system, "cpu_percent": 100 * (user + system) / elapsed if elapsed else 0.0,
        "local_share": tuple(by_pass), "local_share_ends_ns": tuple(ends),
        "local_share_parts": tuple(
            1 - r / n if n else 0.0 for (r, n), _ in samples.parts()
        ),
        "tasks": tuple(started.tasks[tid] for tid in sorted(started.tasks)),
    })
