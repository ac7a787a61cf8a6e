"""The command as a user sees it: what it prints, writes and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from numab.policies import POLICIES, PRESETS
from numab.report import vmstat_text
from numab.tunables import GENERATIONS, TUNABLES

from .conftest import EARLY, TINY

REPLAY = ("replay", TINY, "--machine", "2s")
MOVING = (*REPLAY, *EARLY, "--loops", "300", "--start", "worst")
RUN = ("run", "private", "--machine", "2s", "--memory", "4M", "--duration", "100ms")
RUN_KEYS = {
    "policy", "start", "remote_share", "remote_share_first", "remote_share_last",
    "remote_share_best_static", "accesses", "time_ns", "loops", "loop_ns_first", "loop_ns_last",
    "scan_passes", "pages", "vmstat", "absent", "model", "reasons", "node_pages", "cost",
}
COMPARED = ["off", "moron", "home_node"]  # side by side, unless asked otherwise
KERNEL_NAMES = [
    "numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other",
    "numa_pte_updates", "numa_hint_faults", "numa_hint_faults_local", "numa_pages_migrated",
    "pgmigrate_success", "pgmigrate_fail", "pgfault", "thp_fault_alloc", "thp_split",
]


def subprocess_numab(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "numab.cli", *map(str, words)], capture_output=True, text=True,
        timeout=60, **options,
    )


def read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def cells(table: str, label: str) -> list[str]:
    """The cells of a row of the table, numbers without their blanks."""
    line = next(x for x in table.splitlines() if x.strip().startswith(label + " "))
    groups = line.split("|")[1:]
    return [c.replace(" ", "") for group in groups for c in group.split("  ") if c.strip()]


# ---- replay ----


def test_default_shows_first_touch_and_the_first_node_side_by_side(numab):
    ran = numab(*REPLAY, "--loops", "2", "--json", "out.json")
    assert ran.code == 0 and ran.err == "numab: wrote out.json\n"
    heads = ran.out.splitlines()[2:4]
    assert heads[0].split("|")[1:] and "start: first-touch" in heads[0].split("|")[1]
    assert "start: node:0" in heads[0].split("|")[2]
    assert [group.split() for group in heads[1].split("|")[1:]] == [COMPARED] * 2
    pairs = [(r["start"], r["policy"]) for r in read("out.json")["runs"]]
    assert pairs == [(s, p) for s in ("first-touch", "node:0") for p in COMPARED]


def test_other_policies_side_by_side_and_a_tunable_wins_over_what_they_preset(numab):
    """The trace's mappings are under 2 MiB, which Linux 3.8 does not scan."""
    options = ("--policies", "v3_8,off", "--json", "out.json")
    assert numab(*MOVING, *options).code == 0
    skipped, off = read("out.json")["runs"]
    assert (skipped["policy"], off["policy"]) == ("v3_8", "off")
    assert skipped["vmstat"]["numa_pte_updates"] == 0 < skipped["scan_passes"]
    assert numab(*MOVING, *options, "--set", "small_vma_skip=0").code == 0
    scanned, _ = read("out.json")["runs"]
    assert scanned["vmstat"]["numa_pages_migrated"] >= 92


def test_default_start_is_the_first_node_that_has_memory(numab, tmp_path):
    (tmp_path / "m.txt").write_text(
        "available: 2 nodes (0-1)\nnode 0 cpus: 0 1\nnode 0 size: 0 MB\nnode 1 cpus: 2 3\n"
        "node 1 size: 64 MB\nnode distances:\nnode   0   1\n  0:  10  21\n  1:  21  10\n"
    )
    ran = numab("replay", TINY, "--machine", "m.txt", "--loops", "1", "--policy", "off")
    assert ran.code == 0 and "start: node:1" in ran.out


def test_json_has_every_key_and_the_kernels_names_in_the_kernels_order(numab):
    assert numab(*MOVING, "--json", "out.json").code == 0
    content = read("out.json")
    assert set(content) >= {
        "runs", "best_static", "trace", "machine", "place", "duration_ns", "tunables", "hz",
        "loops", "window", "seed", "thp", "as_posted",
    }
    assert content["tunables"] == {"scan_delay_ms": 10, "scan_period_min_ms": 20}
    for run in [*content["runs"], content["best_static"]]:
        assert set(run) == RUN_KEYS
        assert list(run["vmstat"]) == KERNEL_NAMES
        assert run["absent"] == [
            "compact_migrate_scanned", "compact_free_scanned", "compact_isolated"]
        assert set(run["node_pages"]) == {"0", "1"} and sum(run["node_pages"].values()) == 97
        assert run["loops"] == 300 and run["pages"] == 97
    assert [r["policy"] for r in content["runs"]] == ["off", "moron", "home_node"]
    assert content["best_static"]["start"] == "best-static"


def test_json_says_what_the_pages_did(numab):
    """Under worst every page starts far from its main user.  92 of the 97 have one user only: under
    off nothing moves, under both policies each of the 92 moves just once."""
    numab(*MOVING, "--json", "out.json")
    off, moron, home = read("out.json")["runs"]
    assert off["vmstat"]["numa_pte_updates"] == off["vmstat"]["numa_hint_faults"] == 0
    assert off["reasons"] == {} and off["remote_share_last"] == off["remote_share_first"]
    for run in (moron, home):
        assert run["vmstat"]["numa_pages_migrated"] == run["reasons"]["go_migrated"] == 92
        assert sum(run["reasons"].values()) == run["vmstat"]["numa_hint_faults"]
        assert run["remote_share_last"] < 0.06 < 0.9 < run["remote_share_first"]
        assert run["remote_share_first"] > run["remote_share"] > run["remote_share_last"]
    assert home["reasons"]["hold_two_stage_filter"] >= 92  # the first remote hint holds
    assert "hold_two_stage_filter" not in moron["reasons"]


def test_numbers_of_the_table_are_those_of_the_json(numab):
    table = numab(*MOVING, "--json", "out.json").out
    runs = read("out.json")["runs"]
    for name in KERNEL_NAMES:
        assert cells(table, name) == [str(r["vmstat"][name]) for r in runs], name
    for name in ("go_migrated", "hold_two_stage_filter", "hold_local"):
        assert cells(table, name) == [str(r["reasons"].get(name, 0)) for r in runs], name
    shares = {"first loop": "remote_share_first", "last loop": "remote_share_last",
              "total": "remote_share", "best static placement": "remote_share_best_static"}
    for label, key in shares.items():
        assert cells(table, label) == [f"{100 * r[key]:.2f}%" for r in runs], label
    assert cells(table, "virtual time") == [f"{r['time_ns'] / 1e9:.3f}s" for r in runs]
    assert cells(table, "loops") == ["300"] * 3
    assert cells(table, "compact_isolated") == ["absent"] * 3
    assert not [line for line in table.splitlines() if line != line.rstrip()]


def test_loops_is_exactly_that_many(numab):
    for loops in (1, 3):
        numab(*REPLAY, "--loops", loops, "--policy", "off", "--start", "node:1", "--json", "o.json")
        (run,) = read("o.json")["runs"]
        assert run["loops"] == loops and run["accesses"] == loops * 1_600_000


@pytest.mark.parametrize("start, by_node", [
    ("first-touch", None), ("node:0", {"0": 97, "1": 0}), ("node:1", {"0": 0, "1": 97}),
    ("interleave", {"0": 49, "1": 48}), ("worst", None),
])
def test_only_the_start_asked_for_is_run(numab, start, by_node):
    ran = numab(*REPLAY, "--loops", "1", "--policy", "off", "--start", start, "--json", "o.json")
    assert ran.code == 0 and ran.out.count("start: ") == 1
    (run,) = read("o.json")["runs"]
    assert run["start"] == start
    assert by_node in (None, run["node_pages"])


def test_worst_is_the_mirror_image_of_first_touch_on_two_nodes(numab):
    shares = {}
    for start in ("first-touch", "worst"):
        numab(*REPLAY, "--loops", "1", "--policy", "off", "--start", start, "--json", "o.json")
        shares[start] = read("o.json")["runs"][0]["remote_share"]
    assert shares["first-touch"] < 0.1 < 0.9 < shares["worst"]


@pytest.mark.parametrize("place, remote", [
    ("spread", True), ("pack", False), ("0,8", True), ("0-1", False), ("3", False), ("8,0", True),
])
def test_place_decides_whether_threads_meet(numab, place, remote):
    """CPUs 0..7 are node 0, 8..15 node 1: two working threads are apart, or together."""
    numab(*REPLAY, "--loops", "1", "--policy", "off", "--start", "first-touch", "--place", place,
          "--json", "o.json")
    (run,) = read("o.json")["runs"]
    assert (run["remote_share"] > 0) == remote


def test_workers_give_the_same_bits(numab):
    for workers in (1, 2):
        assert numab(*MOVING, "--workers", workers, "--json", f"{workers}.json").code == 0
    with open("1.json", "rb") as one, open("2.json", "rb") as two:
        assert one.read() == two.read()


def test_explain_has_a_line_for_every_verdict_given(numab):
    out = numab(*MOVING, "--explain").out
    for name in ("go_migrated", "hold_two_stage_filter", "hold_local"):
        assert any(line.startswith(name + " ") for line in out.splitlines())


def test_numa_balancing_off_by_every_name_stops_marking(numab):
    for word in ("numa_balancing=disable", "numa_balancing=0", "kernel.numa_balancing=0",
                 "/proc/sys/kernel/numa_balancing=0", "sched_features: NUMA=0"):
        numab(*MOVING, "--policy", "moron", "--set", word, "--json", "o.json")
        (run,) = read("o.json")["runs"]
        assert run["vmstat"]["numa_pte_updates"] == 0, word
    assert numab(*MOVING, "--set", "numa_balancing=enable", "--json", "o.json").code == 0
    assert read("o.json")["runs"][1]["vmstat"]["numa_pte_updates"] > 0


@pytest.mark.parametrize("generation", GENERATIONS)
def test_set_takes_every_generation_of_names(numab, generation):
    name = TUNABLES["scan_size_mb"].spelling(generation)
    numab(*REPLAY, "--loops", "1", "--policy", "off", "--set", f"{name}=16", "--json", "o.json")
    assert read("o.json")["tunables"] == {"scan_size_mb": 16}


def test_as_posted_changes_the_switches_and_takes_what_the_handler_of_2012_took(numab):
    """As posted, a marked pmd's fault clears its hints and moves nothing."""
    assert numab(*MOVING, "--policy", "moron", "--as-posted", "--json", "o.json").code == 0
    content = read("o.json")
    assert content["as_posted"] is True
    assert "hold_pmd_cleared" in content["runs"][0]["reasons"]
    assert numab(*MOVING, "--as-posted", "--set", "scan_size_mb=-1", "--policy", "off").code == 0


def test_thp_maps_huge_pages(numab):
    numab(*RUN, "--policy", "off", "--thp", "--json", "o.json")
    assert read("o.json")["runs"][0]["vmstat"]["thp_fault_alloc"] == 2  # 4 MiB
    assert read("o.json")["thp"] is True


def test_more_threads_than_cpus_share_them(numab, machine_file):
    ran = numab("run", "private", "--machine", machine_file, "--threads", "9", "--memory", "1M",
                "--duration", "200ms", "--policy", "off", "--json", "o.json")
    assert ran.code == 0 and read("o.json")["threads"] == 9
    assert read("o.json")["runs"][0]["pages"] == 252  # 9 parts of 256 // 9, all touched in time


# ---- run ----


def test_run_shows_parts_and_names_the_load(numab):
    ran = numab(*RUN, "--json", "o.json")
    assert ran.code == 0
    assert ran.out.startswith("private (2 threads, 4M) on 2s: 2 nodes, 16 CPUs, 128 GiB\n")
    assert "first part" in ran.out and "loops" not in ran.out
    content = read("o.json")
    assert (content["load"], content["threads"], content["pages"]) == ("private", 2, 1024)
    assert len(content["runs"]) == 6
    for run in content["runs"]:
        assert run["time_ns"] == 100_000_000 and run["loops"] == 0


@pytest.mark.parametrize("load", ["uniform", "zipf", "pingpong", "private"])
def test_every_load_runs_and_workers_do_not_matter(numab, load):
    words = ("run", load, "--machine", "2s", "--memory", "1M", "--duration", "50ms", "--start",
             "interleave", *EARLY)
    assert numab(*words, "--json", "1.json").code == 0
    assert numab(*words, "--json", "2.json", "--workers", "2").code == 0
    assert read("1.json") == read("2.json")


def test_seed_changes_a_random_load_and_is_repeatable(numab):
    shares = []
    for seed in (0, 0, 1, 2**64 - 1):
        numab("run", "uniform", "--machine", "2s", "--memory", "1M", "--duration", "20ms",
              "--policy", "off", "--start", "node:0", "--seed", seed, "--json", "o.json")
        shares.append(json.dumps(read("o.json")["runs"][0]["model"]))
    assert shares[0] == shares[1]


# ---- why, topo, tunables ----


def test_why_lists_the_pages_that_moved_and_one_history(numab):
    ran = numab("why", TINY, "--machine", "2s", *EARLY, "--start", "worst", "--duration", "200ms")
    lines = ran.out.splitlines()
    assert ran.code == 0 and lines[0].split() == ["page", "moves", "hints"]
    page, moves, _ = lines[1].split()
    assert moves == "1" and f"page {page}: " in ran.out
    assert "go_migrated" in ran.out and "hold_two_stage_filter" in ran.out


def test_why_of_one_page_and_its_limit(numab):
    words = ("why", TINY, "--machine", "2s", *EARLY, "--start", "worst", "--duration", "200ms",
             "--page", "0x400001c")
    every = numab(*words, "--limit", "0").out.splitlines()
    short = numab(*words, "--limit", "3").out.splitlines()
    assert every[0] == f"page 0x400001c: {len(every) - 1} events"
    assert short[:3] == every[:3] and short[3] == f"... {len(every) - 3} more (--limit 0 shows all)"
    assert numab(*words[:-1], str(0x400001c), "--limit", "0").out.splitlines() == every


def test_why_without_a_hint_says_so(numab):
    ran = numab("why", TINY, "--machine", "2s", "--duration", "10ms", "--policy", "off")
    assert (ran.code, ran.out) == (0, "no page took a hinting fault under off\n")


def test_topo_prints_what_it_can_read_again(numab, tmp_path):
    out = numab("topo", "2s").out
    assert out.startswith("available: 2 nodes (0-1)\n")
    (tmp_path / "again.txt").write_text(out)
    assert numab("topo", "again.txt").out == out
    assert [line.split()[0] for line in numab("topo").out.splitlines()][:3] == ["tiny", "1s", "2s"]


def test_tunables_lists_every_row_with_its_range(numab):
    out = numab("tunables").out
    for row in TUNABLES.values():
        assert f"{row.name} = {row.dflt} {row.unit}" in out and row.text in out
    one = numab("tunables", "kernel.balance_numa_scan_size_mb").out
    assert one.startswith("scan_size_mb = 256 MB  [1..16777216]\n")
    for generation in GENERATIONS:
        assert TUNABLES["scan_size_mb"].spelling(generation) in one


@pytest.mark.parametrize("generation", GENERATIONS)
def test_tunables_as_sysctl_text_of_a_generation(numab, generation):
    lines = numab("tunables", "--kernel", generation).out.splitlines()
    names = [line.partition(" = ")[0] for line in lines]
    rows = [t for t in TUNABLES.values() if t.kind == "SYSCTL"]
    assert names == [t.spelling(generation) for t in rows if generation in t.generations]


def test_tunables_of_a_policy_are_what_it_presets(numab):
    listed = numab("tunables").out
    for policy, sentence in POLICIES.items():
        out = numab("tunables", "--policy", policy).out
        assert f"{policy}: {len(PRESETS[policy])}\n    {sentence}\n" in listed
        assert out.splitlines() == [
            f"{name} = {value} {TUNABLES[name].unit}  (otherwise {TUNABLES[name].dflt})"
            for name, value in PRESETS[policy].items()]
    refused = numab("tunables", "--policy", "v38")
    assert refused.code == 2 and "'v38'; nearest: v3_8" in refused.err


def test_sched_lets_the_kernel_of_2012_move_tasks(numab):
    """Sixteen threads start on two CPUs: they stay there for 500 ms, or have sixteen."""
    words = ("run", "private", "--machine", "2s", "--threads", "16", "--place", "0,1",
             "--memory", "1M", "--duration", "500ms", "--policy", "off")
    alone = numab(*words, "--json", "a.json")
    spread = numab(*words, "--sched", "2012", "--json", "b.json")
    assert (alone.code, spread.code) == (0, 0)
    done = [read(name)["runs"][-1]["user_ns"] for name in ("a.json", "b.json")]
    assert done[0] < 1_001_000_000 and done[1] > 7_000_000_000  # of 1 s and of 8 s
    assert [read(name)["sched"] for name in ("a.json", "b.json")] == [None, "2012"]
    assert "--sched: invalid choice: '2013'" in numab(*words, "--sched", "2013").err


# ---- as a process ----


def test_help_and_version(numab):
    assert numab("--version").out == "numab 0.1.0\n"
    for words in ([], ["replay"], ["run"], ["compare"], ["trace"], ["why"], ["topo"], ["tunables"],
                  ["policy"], ["policy", "check"], ["policy", "explain"]):
        ran = numab(*words, "--help")
        assert ran.code == 0 and "usage: numab" in ran.out


def test_help_offers_what_a_command_takes(numab):
    """A run of a fixed amount of work has no default duration; one run writes no JSON."""
    texts = {c: " ".join(numab(c, "--help").out.split())
             for c in ("run", "compare", "trace", "why")}
    assert "run for (default 60s)" in texts["run"] and "run for (default 60s)" in texts["why"]
    for command in ("compare", "trace"):
        assert "run for, instead of an amount of work" in texts[command]
        assert "with local memory (default 60s)" in texts[command]
        assert "of off, moron, home_node, v3_8, hard_bind, inverse_bind" in texts[command]
    for option in ("--json", "--workers"):
        assert [c for c, text in texts.items() if option in text] == ["run", "compare"]


def test_as_a_module_from_any_folder(tmp_path):
    ran = subprocess_numab(*REPLAY, "--loops", "1", "--json", "o.json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "numab: wrote o.json\n")
    assert os.listdir(tmp_path) == ["o.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "o.json").stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_binding_tells_an_embedders_build(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "numa_core", "--cflags", "--sources"], capture_output=True,
        text=True, cwd=tmp_path, timeout=60,
    )
    words = ran.stdout.split()
    assert ran.returncode == 0 and ran.stderr == ""
    assert "-std=c99" in words and words[-1].endswith("_core.c") and os.path.isfile(words[-1])
    include = next(w for w in words if w.startswith("-I"))[2:]
    assert os.path.isfile(os.path.join(include, "numab.h"))


def test_vmstat_text_is_a_fragment_of_proc_vmstat(numab):
    numab(*MOVING, "--policy", "moron", "--json", "o.json")
    text = vmstat_text(read("o.json")["runs"][0]["vmstat"])
    assert text.endswith("\n")
    for name, line in zip(KERNEL_NAMES, text.splitlines(), strict=True):
        assert line.split(" ") == [name, str(int(line.split(" ")[1]))]
