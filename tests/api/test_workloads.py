"""numab.workloads: which thread touches what."""

from __future__ import annotations

import pytest

from numab import InvalidArgument
from numab.program import Barrier, Protect, Repeat, Sleep, StopWorld, Touch, step_rows
from numab.workloads import LOADS, Share, default_threads, load_named
from numab.workloads.perf_bench_numa import perf_bench_numa


def steady(load):
    return [thread.steady for thread in load.threads]


def test_the_plain_four():
    for name, kind, pages in (("private", "sweep", 10), ("zipf", "zipf", 11)):
        assert steady(load_named(name, 2, pages)) == [(Touch(kind, 0, 5),), (Touch(kind, 5, 5),)]
    assert steady(load_named("uniform", 2, 10)) == [(Touch("uniform", 0, 10),)] * 2
    assert steady(load_named("pingpong", 3, 10)) == [(Touch("sweep", 0, 10),)] * 3


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("touches", [0, 1000])
@pytest.mark.parametrize("threads, pages", [(2, 64), (3, 64), (7, 1000)])
def test_every_thread_stays_inside(name, threads, pages, touches):
    load = load_named(name, threads, pages, touches=touches)
    assert load.name == name and load.pages <= pages
    workers = [thread for thread in load.threads if not thread.background]
    assert len(workers) == threads
    for thread in load.threads:
        size = load.shared + load.processes[thread.process]
        for phase in thread.phases:
            assert len(step_rows(phase.steps)) == len(phase.steps)
            for step in phase.steps:
                if isinstance(step, (Touch, Protect)):
                    assert step.nr_pages >= 1 and 0 <= step.first <= size - step.nr_pages
    for r in load.ranges:
        assert 0 <= r.first <= load.shared + load.processes[r.process] - r.nr_pages


@pytest.mark.parametrize("name", LOADS)
def test_an_end_is_an_end_for_every_worker(name):
    """Without touches nobody ends; with them no worker has an endless step in its last phase."""
    for touches in (0, 1000):
        for thread in load_named(name, 4, 400, touches=touches).threads:
            steps = thread.phases[-1].steps
            endless = any(isinstance(s, Touch) and not s.touches
                          or isinstance(s, Repeat) and s.times is None for s in steps)
            assert endless == (thread.background or not touches)


def test_numa01_is_two_processes_that_start_on_one_node():
    """5 threads of 100 pages: 3 in the first process, 2 in the second; the coin is the seed's."""
    for seed in (0, 1):
        load = load_named("numa01", 5, 100, touches=7, seed=seed)
        assert load.processes == (50, 50)
        assert [t.process for t in load.threads] == [0, 0, 0, 1, 1]
        for thread in load.threads:
            first, then = thread.phases
            assert first.bind == seed and then.bind is None
            assert first.steps == (Touch("sweep", 0, 50, 64, 1000, touches=50),)
            assert then.steps == (Touch("sweep", 0, 50, 64, 1000, touches=7),)
            assert thread.share == Share(thread.process, 1, 2)


def test_numa01_threadlocal_has_chunks_but_the_same_start():
    load = load_named("numa01_threadlocal", 4, 100)
    assert [t.steady[0].first for t in load.threads] == [0, 25, 0, 25]
    assert {t.steady[0].nr_pages for t in load.threads} == {25}
    assert all(t.phases[0].steps[0].nr_pages == 50 for t in load.threads)
    assert [t.share for t in load.threads] == [Share(i, 1, 4) for i in range(4)]
    assert [(r.process, r.first) for r in load.ranges] == [(0, 0), (0, 25), (1, 0), (1, 25)]


def test_numa02_touches_its_own_chunk_first():
    load = load_named("numa02", 4, 100)
    assert len(load.processes) == 1 and all(len(t.phases) == 1 for t in load.threads)
    assert [t.steady[0].first for t in load.threads] == [0, 25, 50, 75]


def test_specjbb_has_collectors_that_stop_the_world():
    """8 warehouses: 8 collectors; 16: 8 + 5/8 of the other eight, as HotSpot has it."""
    for warehouses, collectors in ((8, 8), (16, 13)):
        load = load_named("specjbb", warehouses, 4000)
        assert [t.mutator for t in load.threads] == [True] * warehouses + [False] * collectors
        background = [t for t in load.threads if t.background]
        assert len(background) == collectors
        leader, *others = (t.phases[0].steps for t in background)
        assert isinstance(leader[0], Sleep) and any(isinstance(s, StopWorld) for s in leader)
        assert [s.prot for s in leader if isinstance(s, Protect)] == ["none", "r"]
        for steps in others:
            assert [s.count for s in steps if isinstance(s, Barrier)] == [collectors] * 2


def test_phases_come_back_to_their_own():
    load = load_named("phases", 4, 400, touches=80)
    assert load.threads[1].phases[0].steps == (
        Touch("sweep", 100, 100, touches=20), Touch("sweep", 200, 100, touches=20), Repeat(0, 1))


def test_default_threads_follow_the_machine():
    """Two nodes, four cores, eight CPUs."""
    assert {name: default_threads(name, 2, 4, 8) for name in LOADS} == {
        "uniform": 2, "zipf": 2, "pingpong": 2, "private": 2, "numa01": 8, "numa01_threadlocal": 8,
        "numa02": 8, "numa02_smt": 4, "specjbb": 8, "perf_bench_numa": 8, "phases": 8,
        "server": 16,
    }
    assert default_threads("numa01", 1, 1, 1) == 2


# ---- perf's own options ----


def perf(args, threads=4, pages=1024, touches=0):
    return load_named("perf_bench_numa", threads, pages, args=args, touches=touches)


def test_perf_processes_threads_and_memory():
    """-G 1, -P 2, -T 1 MB in 2 processes of 3 threads: 256 shared pages, 512 + 3 x 256 own."""
    load = perf("-p 2 -t 3 -G 1 -P 2 -T 1 -l 5 --no-data_rand_walk")
    assert load.shared == 256 and load.processes == (1280, 1280)
    assert [t.process for t in load.threads] == [0, 0, 0, 1, 1, 1]
    loops = load.threads[4].phases[-1].steps
    # its sweeps begin with its process's part, 1/2, and its own, 1/3: 128 and 170 pages on
    assert loops == (
        Touch("sweep", 128, 128, 64, 1000, touches=128),
        Touch("sweep", 0, 128, 64, 1000, touches=128),
        Touch("sweep", 426, 342, 64, 1000, touches=342),
        Touch("sweep", 256, 170, 64, 1000, touches=170),
        Touch("sweep", 1024, 256, 64, 1000, touches=256), Repeat(0, 4),
    )


@pytest.mark.parametrize("args, permille, pattern", [
    ("-P 1", 1000, "uniform"), ("-P 1 -R", 1000, "uniform"), ("-P 1 -rRWBzIcdq", 1000, "uniform"),
    ("-P 1 --no-data_writes", 0, "uniform"), ("-P 1 --no-data_reads", 1000, "uniform"),
    ("-P 1 --no-data_rand_walk", 1000, "sweep"), ("-zZ0q -P 1 --no-data_rand_walk", 1000, "sweep"),
    ("--mb_proc=1 --no-data_writes --no-data_rand_walk", 0, "sweep"),
    ("--no-data_reads --no-data_writes -Z", 1000, "uniform"),
    ("--no-data_writes -W", 1000, "uniform"),                     # the last word counts
])
def test_perf_how_data_is_accessed(args, permille, pattern):
    """perf's init_params: reads, writes and the random walk are on until taken back."""
    touch = perf(args).threads[0].steady[0]
    assert (touch.write_permille, touch.pattern, touch.accesses) == (permille, pattern, 64)


def test_perf_without_options_shares_the_memory_out():
    load = perf("", threads=4, pages=1000, touches=2500)
    assert load.processes == (1000,) and len(load.threads) == 4
    assert load.threads[0].phases[-1].steps[-1] == Repeat(0, 2)  # 2,500 touches: three loops
    assert perf("-p 2", threads=4, pages=1000).processes == (500, 500)
    assert perf("-G 0 -P 1 -l 1").threads[0].phases[-1].steps == (
        Touch("uniform", 0, 256, 64, 1000, touches=256),)


def written(first, n):
    return Touch("sweep", first, n, 64, 1000, touches=n)


def test_perf_writes_all_memory_before_its_loops():
    """Global memory once, then each process's, then each thread's: 256, 512 and 256 pages."""
    load = perf("-p 2 -t 2 -G 1 -P 2 -T 1 --no-serialize-startup")
    assert [[p.steps for p in t.phases[:-1]] for t in load.threads] == [
        [(written(0, 256),), (Barrier(0, 2), written(256, 512)),
         (Barrier(2, 2), written(768, 256))],
        [(Barrier(2, 2), written(1024, 256))],
        [(Barrier(0, 2), written(256, 512)), (Barrier(3, 2), written(768, 256))],
        [(Barrier(3, 2), written(1024, 256))],
    ]
    alone = perf("-p 1 -t 1 -P 1 -G 0").threads[0].phases[:-1]
    assert [p.steps for p in alone] == [(written(0, 256),)]
    assert [len(t.phases) for t in perf("-p 2 -t 2 -T 1 --no-init_random").threads] == [2] * 4
    assert [len(t.phases) for t in perf("-p 1 -t 2 -G 0 -T 1").threads] == [3, 3]


@pytest.mark.parametrize("args, count", [("-p 2 -t 3", 6), ("-p 1 -t 2 -I", 2)])
def test_perf_starts_all_loops_at_once(args, count):
    """perf's init_params: startup is serialized until that is taken back."""
    for thread in (*perf(args).threads, *perf(args + " -S").threads):
        assert thread.phases[-2].steps == (Barrier(1, count),)
    not_at_once = perf(args + " --no-serialize-startup").threads
    assert all(Barrier(1, count) not in p.steps for t in not_at_once for p in t.phases)
    assert len(perf("-p 1 -t 1 -P 1 -S --no-init_random").threads[0].phases) == 1


def test_perf_memset_begins_at_the_front():
    """bzero(3) of all of it, where other sweeps begin at the thread's own part."""
    load = perf("-t 2 -G 0 -P 1 -Z --no-data_rand_walk")
    assert [t.steady for t in load.threads] == [(written(0, 256),)] * 2


def test_perf_has_a_megabyte_of_global_memory():
    """-G is 1 unless it is given, or no memory is, which then is the run's."""
    assert [(perf(args, pages=1000).shared, perf(args, pages=1000).processes[0]) for args in (
        "", "-P 2", "-P 0", "-T 1 -t 2", "-G 0 -P 2", "-G 3", "--mb_global=2 -P 1",
    )] == [(0, 1000), (256, 512), (256, 0), (256, 512), (0, 512), (768, 0), (512, 256)]


@pytest.mark.parametrize("text, cpus", [
    ("3", ["3"]), ("3,1", ["3", "1"]), ("4-6", ["4", "5", "6"]), ("0x2,5", ["0", "0", "5"]),
    ("0-6#3", ["0", "3", "6"]), ("0-2#2x2", ["0", "0", "2", "2"]), ("7-7", ["7"]),
    ("8_4,12_4", ["8 9 10 11", "12 13 14 15"]), ("0_2-4#2,5", ["0 1", "2 3", "4 5", "5"]),
    ("1_2x2", ["1 2", "1 2"]),
])
def test_perf_lists_of_cpus(text, cpus):
    """8_4-16#4 is 8_4,12_4,16_4, and 8_4 the four CPUs from 8 on."""
    made = [" ".join(map(str, t.cpus)) for t in perf(f"-t 8 -C {text}").threads]
    assert made == cpus + [""] * (8 - len(cpus))


@pytest.mark.parametrize("args, binds", [
    ("-G 0 -P 1", [[1, 1, 1], [0, 0], [1, 1]]),    # who has no node inherits the first thread's
    ("-G 0 -P 1 -0", [[0, 0, 1], [0, 0], [0, None]]),  # -0 restores the process's to the default
    ("-T 1", [[None, 1, 1], [0, 0], [1, 1]]),      # the main process is not bound
    ("-T 1 -0", [[0, 0, None], [0, None], [0, None]]),
    ("-G 1 -0", [[0, 0, 1], [0, 0], [0, 1]]),      # of the main process there is nothing to restore
    ("-P 1 -0 --no-init_random", [[1], [0], [None]]),
])
def test_perf_binds_the_first_threads(args, binds):
    load = perf(args + " --no-serialize-startup -t 3 -C 4,6-7 -M 1,0")
    assert [t.cpus for t in load.threads] == [(4,), (6,), (7,)]
    assert [[p.bind for p in t.phases] for t in load.threads] == binds


@pytest.mark.parametrize("args, said", [
    ("-p 0", "-p 0, permitted: at least one"), ("-t 0", "-t 0"), ("-G 0 -P 0", "no memory"),
    ("-t 40000 -p 2", "permitted: 1..65536 in all"), ("-p x", "'x', permitted 0.."),
    ("-L 4", "locks shorter"), ("--mb_proc_locked=4", "locks shorter"), ("-u", "sleeps"),
    ("-a", "one at a time"), ("--frob", "permitted: -p -t"), ("-s -5", "-s -5, permitted: 0 and"),
    ("-H x", "'x', permitted: a whole number"), ("--thp -x", "'-x', permitted"), ("-x", "expected"),
    ("-C 4-2", "'4-2', permitted: such as"), ("-P 99999999", "'99999999', permitted"),
    ("-C 4_0", "'4_0', permitted: such as"), ("-C 0#0", "'0#0'"), ("-M 1x0", "'1x0'"),
    ("-M 4_2", "'4_2', permitted: no width"), ("-C 0_65537", "'0_65537', permitted"),
    ("-C 0x70000", "'0x70000', permitted: such as"), ("-C ,", "',', permitted: such as"),
    ("-p -1", "-p -1, permitted: 0 and more"), ("-M -1", "-M -1, permitted"),
    ("-t 1 -C 0,99", "-C names 2 for 1 threads, permitted: one a thread"),
    ("-t 1 -M 0x2", "-M names 2 for 1"),
    ("--no-data_reads --no-data_writes", "neither reads nor writes"),
    ("'", "permitted: perf's options"), ("stray", "permitted: -p -t"),
])
def test_perf_options_that_are_refused(args, said):
    with pytest.raises(InvalidArgument, match=said):
        perf(args)


@pytest.mark.parametrize("args, end", [
    ("", ("", 0, None, 0, False, False)), ("-l 1", ("1 loop", 0, None, 0, False, False)),
    ("-l 40 -m", ("40 loops, until it converges", 0, None, 0, True, True)),
    ("-l 40", ("40 loops", 0, None, 0, False, False)),
    ("-s 20 -zZ0q --thp 1", ("", 20 * 10**9, True, 0, False, False)),
    ("-s100 -zZ0qcm --thp -1", ("until it converges", 10**11, False, 0, True, True)),
    ("-c -x 2 -H 0", ("", 0, None, 2, True, False)), ("-m -H+1", ("until it converges", 0, True, 0,
                                                                True, True)),
])
def test_perf_says_when_it_ends(args, end):
    load = perf(args)
    assert (load.amount, load.duration_ns, load.thp, load.perturb_s, load.convergence,
            load.until_converged) == end


def test_perf_with_seconds_runs_until_they_are_over():
    assert perf("-s 1 -G 0 -P 1", touches=1000).threads[0].phases[-1].steps[-1] == Repeat(0)
    assert perf("-s 1 -l 3 -G 0 -P 1").threads[0].phases[-1].steps[-1] == Repeat(0, 2)


def test_perf_is_the_load_of_that_name():
    assert LOADS["perf_bench_numa"][0] is perf_bench_numa


# ---- refusals ----


@pytest.mark.parametrize("name, threads, pages, said", [
    ("privat", 1, 1, "'privat'; nearest: private"), ("1", 1, 1, "permitted: uniform"),
    (None, 1, 1, "permitted: uniform"), ("zipf", 0, 1, "threads 0, permitted 1..65536"),
    ("zipf", 65537, 1 << 20, "permitted 1..65536"), ("zipf", 1.5, 4, "threads 1.5"),
    ("zipf", 2, 1, "permitted 2..68719476736"), ("zipf", 1, (1 << 36) + 1, "permitted 1.."),
    ("zipf", 1, "4", "pages"), ("numa01", 1, 100, "threads 1, permitted 2..65536"),
    ("numa01", 2, 3, "permitted 4.."),
])
def test_loads_that_are_refused(name, threads, pages, said):
    with pytest.raises(InvalidArgument, match=said):
        load_named(name, threads, pages)


@pytest.mark.parametrize("words, said", [
    ({"touches": -1}, "touches -1"), ({"seed": -1}, "seed -1"),
    ({"args": "-p 2"}, "'-p 2' for private, permitted: perf_bench_numa's"), ({"args": 3}, "--args"),
])
def test_words_that_are_refused(words, said):
    with pytest.raises(InvalidArgument, match=said):
        load_named("private", 1, 4, **words)
