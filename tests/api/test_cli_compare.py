"""numab compare: mmtests' table of loads with a fixed amount of work."""

from __future__ import annotations

import json

import pytest

EARLY = ("--hz", "1000", "--set", "scan_delay_ms=2", "--set", "scan_period_min_ms=10")
SHORT = ("--machine", "2s", "--threads", "4", "--memory", "8M", "--work", "150ms", *EARLY)


def compare(load, *words):
    return ("compare", load, *SHORT, *words)


def test_bounds_and_policies_side_by_side(numab):
    """numa01_threadlocal starts on one node: off leaves half of it remote, the bounds all local and
    all remote, and migrate on reference ends near the better one."""
    ran = numab(*compare("numa01_threadlocal", "--policies", "off,moron,hard_bind,inverse_bind",
                         "--json", "o.json"))
    assert ran.code == 0 and ran.err == "numab: wrote o.json\n"
    head = ran.out.splitlines()[0]
    assert head.startswith("numa01_threadlocal (4 threads, 8M, 150ms of work a thread) on 2s: ")
    with open("o.json", encoding="utf-8") as f:
        found = json.load(f)
    rows = found["rows"]["Elapsed"]
    assert rows["hard_bind"] <= rows["moron"] < rows["off"]
    assert rows["hard_bind"] < rows["inverse_bind"]
    off, moron, hard, inverse = found["runs"]
    assert [r["policy"] for r in found["runs"]] == ["off", "moron", "hard_bind", "inverse_bind"]
    assert moron["local_share"][-1] == hard["local_share"][-1] == 1.0
    assert inverse["local_share"][-1] == 0.0 and all(r["finished"] for r in found["runs"])
    assert off["vmstat"]["numa_pte_updates"] == 0 and len(off["tasks"]) == 4
    assert (found["threads"], found["pages"], found["work_ns"]) == (4, 2048, 150_000_000)


def test_the_same_seeds_give_the_same_results_at_any_number_of_workers(numab):
    files = []
    for workers in (1, 2, 3):
        name = f"{workers}.json"
        ran = numab(*compare("server", "--policies", "moron,home_node", "--runs", "2", "--seed",
                             "5", "--workers", workers, "--json", name))
        assert ran.code == 0
        with open(name, encoding="utf-8") as f:
            files.append(f.read())
    assert files[0] == files[1] == files[2]
    runs = json.loads(files[0])["runs"]
    assert [r["seed"] for r in runs] == [5, 6, 5, 6]
    assert runs[0]["accesses"] == runs[1]["accesses"] and runs[0]["model"] != runs[1]["model"] \
        or runs[0]["time_ns"] != runs[1]["time_ns"]


def test_for_a_time_instead_of_work(numab):
    ran = numab(*compare("phases", "--policies", "off", "--duration", "40ms", "--json", "o.json"))
    assert ran.code == 0 and "for 40ms" in ran.out
    with open("o.json", encoding="utf-8") as f:
        run = json.load(f)["runs"][0]
    assert run["elapsed_ns"] == run["time_ns"] == 40_000_000 and not run["finished"]


def test_perf_takes_its_own_options(numab):
    ran = numab("compare", "perf_bench_numa", "--machine", "2s", "--args", "-p 2 -t 2 -P 1 -l 3",
                "--policies", "off")
    assert ran.code == 0 and "Elapsed" in ran.out and "converged" not in ran.out
    assert ran.out.startswith("perf_bench_numa (4 threads, 3M, 3 loops) on 2s")


def test_a_line_of_perfs_own_test_suite(numab):
    """« 2x1-convergence», smaller: two processes of a thread each, placed on two nodes."""
    ran = numab("compare", "perf_bench_numa", "--machine", "2s", "--policies", "off,home_node",
                "--args", "-p 2 -t 1 -P 1 -s 100 -zZ0qcm --thp -1", "--json", "out.json")
    assert ran.code == 0 and "(2 threads, 3M, for 100s, until it converges)" in ran.out
    assert [line.split()[3:] for line in ran.out.splitlines()
            if line.startswith("runs that converged")] == [["100", "%", "100", "%"]]
    with open("out.json", encoding="utf-8") as f:
        made = json.load(f)
    assert (made["duration_ns"], made["work_ns"], made["thp"]) == (100 * 10**9, 0, False)
    assert [(run["converged_ns"], run["elapsed_ns"], run["finished"]) for run in made["runs"]] == [
        (10**9, 10**9, True)] * 2


@pytest.mark.parametrize("words, said", [
    (("numa03",), "unknown load 'numa03'; nearest: numa0"),
    (("numa01", "--policies", "home_nod"), "nearest: home_node"),
    (("numa01", "--policies", "hard_bnd"), "nearest: hard_bind"),
    (("numa01", "--policies", ","), "no policy in ','"),
    (("numa01", "--threads", "0"), "'0', permitted: 1..65536"),
    (("numa01", "--threads", "1"), "threads 1, permitted 2..65536"),
    (("numa01", "--runs", "0"), "'0', permitted: 1..10000"),
    (("numa01", "--memory", "2T"), "does not fit; the machine has"),
    (("numa01", "--work", "0s"), "duration '0s'"),
    (("numa01", "--args", "-p 2"), "permitted: perf_bench_numa's"),
    (("perf_bench_numa", "--args", "-M 0,5"), "memory node 5; 2s has 2 nodes"),
    (("perf_bench_numa", "--args", "-q -a"), "one at a time"),
    (("numa02", "--machine", "numa:1 core:4 pu:1 mem:1GiB", "--policies", "inverse_bind"),
     "nodes with CPUs and memory: 1, permitted: 2 and more"),
])
def test_bad_input(refused, words, said):
    line = refused("compare", words[0], "--machine", "2s", "--json", "out.json", *words[1:])
    assert said in line
