"""numab.synthetic: generated loads."""

from __future__ import annotations

import pytest

from numab import InvalidArgument, NumabError, OutOfMemory, Topology
from numab.samples import PARTS
from numab.synthetic import LoadJob, run_load, start_load

EARLY = {"scan_delay_ms": 10, "scan_period_min_ms": 20}
MS = 1_000_000


def test_private_becomes_local_and_off_stays_as_it_is():
    shares = {}
    for policy in ("off", "moron", "home_node"):
        job = LoadJob("private", "2s", 2, 512, policy, "worst", duration_ns=400 * MS, hz=1000,
                      tunables=EARLY)
        result = run_load(job)
        shares[policy] = (result.remote_share_first, result.remote_share_last)
        assert result.node_pages == {"0": 256, "1": 256} and result.time_ns == 400 * MS
        assert result.remote_share_best_static == 0.0
    assert shares["off"] == (1.0, 1.0)
    assert shares["moron"][1] == shares["home_node"][1] == 0.0


def test_pingpong_moves_more_under_migrate_on_reference():
    moves = {}
    for policy in ("moron", "home_node"):
        job = LoadJob("pingpong", "2s", 2, 4096, policy, duration_ns=400 * MS, hz=1000,
                      tunables=EARLY)
        moves[policy] = run_load(job).vmstat["numa_pages_migrated"]
    assert moves["moron"] > moves["home_node"]


@pytest.mark.parametrize("load, threads, bound", [
    ("uniform", 2, 0.5), ("uniform", 4, 0.5), ("pingpong", 3, 1 / 3), ("private", 3, 0.0),
    ("zipf", 2, 0.0),
])
def test_bound_of_every_static_placement(load, threads, bound):
    """Shared by n nodes evenly: 1 - 1/n; three threads on two nodes: the lone one is remote."""
    result = run_load(LoadJob(load, "2s", threads, 60, "off", duration_ns=10 * MS))
    assert result.remote_share_best_static == pytest.approx(bound)


@pytest.mark.parametrize("start, node_pages", [
    ("node:1", {"0": 0, "1": 60}), ("interleave", {"0": 30, "1": 30}),
    ("worst", {"0": 30, "1": 30}), ("best-static", {"0": 30, "1": 30}),
])
def test_starts(start, node_pages):
    result = run_load(LoadJob("private", "2s", 2, 60, "off", start, duration_ns=4 * MS))
    assert result.node_pages == node_pages and result.vmstat["pgfault"] == 0
    assert result.remote_share == {"node:1": 0.5, "interleave": 0.5, "worst": 1.0}.get(start, 0.0) \
        or start in ("node:1", "interleave")


def test_the_same_job_gives_the_same_bits_and_a_seed_others():
    def run(seed):
        return run_load(LoadJob("zipf", "2s", 3, 3000, "moron", "interleave", duration_ns=40 * MS,
                                seed=seed, hz=1000, tunables=EARLY))

    assert run(3) == run(3) and run(3).model != run(2**64 - 1).model


def test_progress_comes_at_each_part():
    seen: list[float] = []
    run_load(LoadJob("private", "2s", 1, 4, "off", duration_ns=100 * MS), seen.append)
    assert len(seen) == PARTS and seen[-1] == 1.0


# ---- a fixed amount of work ----

PAGE_NS = 64 * 80.5  # a local touch of a page: 64 accesses of 0.5 ns, 64 lines of 80 ns
FREE = {"fault_ns": 0, "page_alloc_ns": 0}


def work(load, policy="off", threads=2, pages=512, ms=40, **words):
    """A run on two nodes, without first-touch prices."""
    words.setdefault("tunables", FREE)
    return run_load(LoadJob(load, words.pop("machine", "2s"), threads, pages, policy,
                            work_ns=ms * MS, duration_ns=10_000 * MS, **words))


def test_local_work_takes_just_its_time():
    """numa02 touches its memory first and stays: 40 ms of work are 40 ms, to the tick."""
    result = work("numa02")
    assert result.finished and result.elapsed_ns == 40 * MS
    touches = 40 * MS * 1000 // 5_152_000
    assert result.accesses == 2 * touches * 64
    assert result.user_ns == pytest.approx(2 * touches * PAGE_NS, abs=4)
    assert result.system_ns == 0 and 195 < result.cpu_percent <= 200
    assert result.remote_share == 0.0 and result.local_share[-1] == 1.0


def test_bounds_bracket_the_rest():
    """Distance 21: a remote touch costs 64 x (0.5 + 168) ns, 2.093 times a local one."""
    hard, inverse = work("numa02", "hard_bind"), work("numa02", "inverse_bind")
    assert (hard.policy, inverse.policy) == ("hard_bind", "inverse_bind")
    assert (hard.remote_share, inverse.remote_share) == (0.0, 1.0)
    assert inverse.user_ns / hard.user_ns == pytest.approx(168.5 / 80.5)
    assert hard.elapsed_ns <= work("numa02").elapsed_ns < inverse.elapsed_ns
    assert hard.node_pages == inverse.node_pages == {"0": 256, "1": 256}
    assert hard.vmstat["numa_pte_updates"] == 0


def test_system_time_is_that_of_faults():
    """512 first touches at 500 + 500 ns, and no other system time."""
    assert work("numa02", tunables={}).system_ns == 512 * 1000


@pytest.mark.parametrize("seed", [0, 1])
def test_numa01_starts_on_the_node_of_its_coin(seed):
    result = work("numa01", threads=4, ms=4, seed=seed)
    assert result.node_pages == {str(seed): 512, str(1 - seed): 0}


def test_memory_of_a_process_that_ended_still_counts():
    """The process with one thread of three ends last; all pages are in the sum."""
    result = work("numa01", threads=3, ms=4)
    assert sum(result.node_pages.values()) == result.pages == 512
    assert len(result.tasks) == 3 and len({t["pid"] for t in result.tasks}) == 2


@pytest.mark.parametrize("load", ["specjbb", "phases", "server", "perf_bench_numa", "numa02_smt",
                                  "numa01_threadlocal"])
@pytest.mark.parametrize("policy", ["home_node", "hard_bind"])
def test_every_load_does_its_work(load, policy):
    result = work(load, policy, threads=4, pages=4096, ms=60, hz=1000,
                  tunables={"scan_delay_ms": 1, "scan_period_min_ms": 5})
    assert result.finished and result.load == load
    done = sum(t["accesses_local"] + t["accesses_remote"] for t in result.tasks)
    assert done == result.accesses >= 4 * 64 * (60 * MS * 1000 // 5_152_000)
    assert result.elapsed_ns >= 60 * MS
    if load != "server":
        assert result.cpu_percent > 150


def test_collectors_stop_the_warehouses():
    """2.5 s of work with a collection every 2 s: the world stood still once, and an mprotect of the
    polling page was done twice."""
    started = start_load(LoadJob("specjbb", "2s", 2, 1 << 16, "off", work_ns=2500 * MS))
    machine, task = started.machine, started.processes[0].main
    machine.run(2004 * MS)                          # the collectors' CPUs come after the task's
    assert task.info().state == 0
    machine.run(2008 * MS)
    assert task.info().state == 1                   # asleep: the world is stopped
    polling = started.processes[0].vmas()[-1]
    assert (polling.size, polling.prot) == (4096, "none")
    machine.run(2100 * MS)
    assert task.info().state == 0 and started.processes[0].vmas()[-1].prot == "r"


def test_shared_memory_is_mapped_once():
    """-G 1: 256 pages in two processes of one thread each, and a megabyte of their own; each is
    written once, and twice each process goes over what it uses."""
    result = work("perf_bench_numa", args="-p 2 -t 1 -G 1 -P 1 -l 2 --no-data_rand_walk")
    assert result.vmstat["pgfault"] == 2 * 512 and result.finished
    assert result.accesses == (768 + 2 * 2 * 512) * 64


def cpus_of(started):
    return [started.machine.task(t).info().cpu for t in started.threads]


def test_threads_that_are_pinned():
    started = start_load(LoadJob("perf_bench_numa", "2s", 3, 512, args="-t 3 -C 9,3"))
    assert cpus_of(started) == [9, 3, 1]
    started = start_load(LoadJob("perf_bench_numa", "2s", 3, 512, args="-t 3 -C 4_4,8_4"))
    assert cpus_of(started) == [4, 8, 1]                # placed on 0, 8 and 1
    assert [started.machine.task(t).affinity for t in started.threads] == [
        (4, 5, 6, 7), (8, 9, 10, 11), tuple(range(16))]


def looked_at(args, **words):
    return start_load(LoadJob("perf_bench_numa", "2s", 2, 512, "off",
                              **{"args": "-P 1 " + args, "duration_ns": 10**10, **words}))


def run_on(started, until_s):
    """Run, feed and end; why it stopped, ``feed``: the load is over."""
    stop = started.run(until_s * 10**9)
    while stop.why == "feed" and (started.feed(stop.tid) or not started.end(stop.tid)):
        stop = started.run(until_s * 10**9)
    return stop.why


def test_the_first_thread_is_disturbed():
    """Every second to the last CPU of 16, and from the other half to the first; nobody balances."""
    started, seen = looked_at("-t 2 -x 2"), []
    for second in range(1, 7):
        assert run_on(started, second) == "until"
        seen.append(cpus_of(started))
    assert seen == [[0, 8], [15, 8], [15, 8], [0, 8], [0, 8], [15, 8]]


def test_who_is_pinned_comes_back_at_once():
    started = looked_at("-t 2 -x 1 -C 3_2")
    assert run_on(started, 3) == "until"
    assert cpus_of(started) == [3, 8]
    assert started.machine.task(1).affinity == (3, 4)


@pytest.mark.parametrize("args, place, why, converged", [
    ("-t 2 -m", "spread", "until", 0), ("-t 2 -m", "pack", "converged", 1),
    ("-t 2 -c", "pack", "until", 1), ("-p 2 -t 1 -m", "spread", "converged", 1),
    ("-p 2 -t 1 -m", "pack", "converged", 1), ("-p 2 -t 2 -m", "spread", "until", 0),
])
def test_convergence_is_all_threads_of_each_process_on_one_node(args, place, why, converged):
    started = looked_at(args, place=place)
    assert run_on(started, 2) == why
    assert started.converged_ns == converged * 10**9
    assert started.machine.now_ns == (1 if why == "converged" else 2) * 10**9


def test_convergence_waits_for_the_loops_and_can_be_lost():
    """The first thread writes 256 pages, 64 accesses each, of 125 us: 2.05 s."""
    slow = {"latency_local_ps": 125_000_000}
    started = looked_at("-t 2 -m -G 0", place="pack", tunables=slow)
    assert run_on(started, 2) == "until" and not started.converged_ns
    assert run_on(started, 4) == "converged" and started.converged_ns == 3 * 10**9
    started = looked_at("-t 2 -c", place="pack")
    assert run_on(started, 1) == "until" and started.converged_ns == 10**9
    started.machine.task(2).set_affinity([8])
    assert run_on(started, 2) == "until" and started.converged_ns == 0


def test_a_thread_that_has_ended_stays_where_it_was():
    """One loop takes it from 4.1 to 8.2 s; on the other node the second one needs 8.6 s for it."""
    slow = {"latency_local_ps": 250_000_000}
    started = looked_at("-t 2 -c -l 1 -G 0 -C 0,8", tunables=slow, duration_ns=10**11)
    assert run_on(started, 9) == "until" and list(started.tasks) == [1]
    assert started.converged_ns == 0
    started.machine.task(2).set_affinity([1])
    assert run_on(started, 10) == "until" and started.converged_ns == 10 * 10**9


@pytest.mark.parametrize("words, said", [
    ({"policy": "inverse_bind", "machine": "numa:1 core:4 pu:1 mem:1GiB"}, "nodes with CPUs and"),
    ({"args": "-M 2", "load": "perf_bench_numa"}, "memory node 2; 2s has 2 .*permitted 0..1"),
    ({"args": "-C 99", "load": "perf_bench_numa"}, "no CPU 99"), ({"threads": 0}, "threads 0"),
    ({"load": "numa01", "threads": 1}, "threads 1, permitted 2"),
    ({"load": "numa01", "seed": 1, "machine": "numa:1 core:4 pu:1 mem:1GiB"},
     "binds to memory node 1"),
    ({"policy": "hard_bin"}, "nearest: hard_bind"), ({"work_ns": -1}, "work_ns -1"),
    ({"args": "-p 2"}, "permitted: perf_bench_numa"),
])
def test_what_a_load_or_machine_cannot_do(words, said):
    job = LoadJob(**{"load": "numa02", "machine": "2s", "threads": 2, "pages": 512, **words})
    with pytest.raises(InvalidArgument, match=said):
        start_load(job)


def test_a_load_larger_than_the_machine_is_refused_before_anything_is_built():
    with pytest.raises(OutOfMemory, match="the machine has 33554432"):
        run_load(LoadJob("private", Topology.load("2s"), 2, 1 << 36, "off"))


def test_a_large_load_costs_no_table_of_its_pages():
    result = run_load(LoadJob("private", "2s", 2, 1 << 24, "off", duration_ns=4 * MS))
    assert result.remote_share == 0.0 and result.pages < 1 << 20


@pytest.mark.parametrize("changes", [
    {"load": "x"}, {"threads": 0}, {"threads": 1.5}, {"pages": 0}, {"duration_ns": 0},
    {"duration_ns": 1.5}, {"start": "x"}, {"place": "x"}, {"policy": "x"}, {"hz": 1},
    {"machine": "x"}, {"seed": -1}, {"tunables": {"x": 1}},
])
def test_jobs_that_make_no_sense(changes):
    job = LoadJob(**{"load": "private", "machine": "2s", "threads": 1, "pages": 4,
                     "duration_ns": MS, **changes})
    with pytest.raises(NumabError):
        run_load(job)
