"""Bad input: exit code 2, one line that names the value and what is permitted, nothing written."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from .conftest import SMALL_NUMACTL, TINY

GOOD = {
    "start": np.array([0, 0, 100], "u8"), "end": np.array([100, 100, 200], "u8"),
    "tid": np.array([0, 0, 1], "u2"), "vpn": np.array([16, 17, 17], "u8"),
    "reads": np.array([60, 40, 100], "u4"), "writes": np.array([0, 0, 0], "u4"),
    "first": np.array([True, True, False]),
}
HUGE = "9" * 5000
OPTIONS = ("--loops", "1", "--policy", "off", "--json", "out.json")


def replay(trace, *words):
    return ("replay", trace, "--machine", "2s", *OPTIONS, *words)


def trace_file(folder, **changes):
    columns = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    np.savez(folder / "t.npz", **columns)
    return "t.npz"


def test_the_trace_that_is_spoilt_below_is_good(numab, tmp_path):
    assert numab(*replay(trace_file(tmp_path))).code == 0


@pytest.mark.parametrize("changes, said", [
    ({"vpn": None, "first": None}, "missing columns vpn, first"),
    ({"reads": np.array([0.5, 1, 2])}, "column reads has dtype float64; permitted: an integer"),
    ({"first": np.array([1, 1, 0])}, "column first has dtype int64; permitted: bool"),
    ({"vpn": np.array(["a", "b", "b"])}, "column vpn has dtype <U1"),
    ({"vpn": np.array([16, 17, 2**48], "u8")}, "281474976710655"),
    ({"tid": np.array([0, 0, -1])}, "tid"),
    ({"end": np.array([100, 100, 50], "u8")}, "end"),
    ({"start": np.array([0, 100, 0], "u8")}, "row"),
    ({"vpn": np.array([17, 16, 17], "u8")}, "row"),
    ({"reads": np.array([60, 40], "u4")}, "rows"),
    ({"first": np.array([True, True, True])}, "page 0x11 is first in rows 1 and 2"),
    ({k: v[:0] for k, v in GOOD.items()}, "rows"),
])
def test_traces_that_make_no_sense(refused, tmp_path, changes, said):
    line = refused(*replay(trace_file(tmp_path, **changes)))
    assert line.startswith("numab: t.npz: ") and said in line


@pytest.mark.parametrize("name, content", [
    ("t.npz", b""), ("t.npz", b"PK\x03\x04 and no more"), ("t.npy", b"\x93NUMPY\x01\x00"),
    ("t.npz", None), ("t.parquet", b"PAR1"),
])
def test_traces_that_are_damaged(refused, tmp_path, name, content):
    whole = Path(TINY).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert refused(*replay(name)).startswith(f"numab: {name}: ")


@pytest.mark.parametrize("name", ["absent.npz", "t.csv", "folder.npz", "/dev/null", "", "a\0b.npz"])
def test_traces_that_are_not_there(refused, tmp_path, name):
    (tmp_path / "folder.npz").mkdir()
    line = refused(*replay(name))
    assert name.replace("\0", "\\x00") in line


def tar_with(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"0"))
    return out.getvalue()


BOMB = ('<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi"))
        + ']><topology version="2.0"><object type="Machine" name="&i;"/></topology>')


@pytest.mark.parametrize("content, said", [
    (SMALL_NUMACTL.replace("64 MB", "0 MB"), "memory"),
    (SMALL_NUMACTL.replace("cpus: 2 3", "cpus: 1 2"), "CPU 1"),
    (SMALL_NUMACTL.replace("\nnode 1", "\nnode 0"), "node 0"),
    (SMALL_NUMACTL.replace("10  21", "10"), "distance"),
    (SMALL_NUMACTL.replace("cpus: 2 3", "cpus: 2 x"), "x"),
    (BOMB, "entit"),
    (tar_with("../../etc/passwd"), ""),
    ("no machine at all", "numactl --hardware"),
    ("", "empty"),
])
def test_machines_that_make_no_sense(refused, tmp_path, content, said):
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / "m.txt").write_bytes(data)
    line = refused("topo", "m.txt")
    assert line.startswith("numab: m.txt: ") and said in line
    assert refused("replay", TINY, "--machine", "m.txt", *OPTIONS) == line


@pytest.mark.parametrize("name, said", [
    ("2z", "presets"), ("nps5", "did you mean 'nps4'?"), ("absent/folder", "no such file"),
])
def test_machines_that_are_not_there(refused, name, said):
    assert said in refused("topo", name)


@pytest.mark.parametrize("text, said", [
    (SMALL_NUMACTL[: SMALL_NUMACTL.index("node distances")], "10 and 20 assumed"),
    (SMALL_NUMACTL.replace("1:  21", "1:  31"), "asymmetric"),
    (SMALL_NUMACTL.replace("1:  21  10", "1:  21  15"), "expected 10"),
])
def test_odd_machines_are_taken_with_one_note(numab, tmp_path, text, said):
    (tmp_path / "m.txt").write_text(text)
    for words in (("topo", "m.txt"), ("replay", TINY, "--machine", "m.txt", *OPTIONS)):
        ran = numab(*words)
        notes = [line for line in ran.err.splitlines() if "note: " in line]
        assert ran.code == 0 and len(notes) == 1
        assert notes[0].startswith("numab: note: m.txt: ") and said in notes[0]


def test_cpus_on_no_node_are_given_to_the_first_with_a_note(numab, tmp_path):
    node = tmp_path / "sys/devices/system/node/node0"
    node.mkdir(parents=True)
    (node / "cpulist").write_text("0-1\n")
    (node / "distance").write_text("10\n")
    (node / "meminfo").write_text("Node 0 MemTotal: 65536 kB\n")
    cpu = tmp_path / "sys/devices/system/cpu"
    cpu.mkdir()
    (cpu / "online").write_text("0-3\n")
    ran = numab("topo", "sys")
    assert ran.code == 0 and "node 0 cpus: 0 1 2 3\n" in ran.out
    assert ran.err == "numab: note: sys: CPUs 2-3 are on no node; assigned to node 0\n"


@pytest.mark.parametrize("words, said", [
    (("--policy", "home_nod"), "'home_nod'; nearest: home_node"),
    (("--policy", ","), "permitted: off, moron, home_node, v3_8"),
    (("--policy", "off,hard_bind"), "hard_bind is a bound, for numab compare and numab trace"),
    (("--set", "NO_NUMA_HOMENODE"), "name=value"),
    (("--set", "scan_siz_mb=1"), "'scan_siz_mb'; nearest: scan_size_mb"),
    (("--set", "scan_size_mb=0"), "scan_size_mb = 0, permitted 1..16777216 MB"),
    (("--set", "scan_size_mb=16777217"), "permitted 1..16777216 MB"),
    (("--set", "scan_size_mb=-1"), "permitted 1..16777216 MB"),
    (("--set", "scan_size_mb=1.5"), "not a whole number"),
    (("--set", "scan_size_mb=" + HUGE), "not a whole number"),
    (("--set", "scan_size_mb"), "name=value"),
    (("--set", "=5"), "unknown tunable ''"),
    (("--set", "numa_balancing=2"), "permitted 0..1"),
    (("--set", "scan_size_mb=4294967296", "--as-posted"), "permitted 1..16777216 MB"),
    (("--start", "first_touch"), "permitted: first-touch, node:N, interleave, worst"),
    (("--start", "node:"), "permitted: first-touch"),
    (("--start", "node:2"), "node 2 has no memory; nodes with memory: 0, 1"),
    (("--start", "node:-1"), "permitted: first-touch"),
    (("--start", "node:" + HUGE), "permitted: first-touch"),
    (("--place", "spred"), "permitted: spread, pack, fork, or CPUs"),
    (("--place", "16"), "CPU 16"),
    (("--place", "0-" + HUGE), "permitted: spread, pack, fork, or CPUs"),
    (("--place", "0-999999999"), "CPU 16"),
    (("--place", "3-1"), "low-high"),
    (("--place", "\u00b2"), "permitted: spread, pack, fork, or CPUs"),
    (("--place", ""), "permitted: spread, pack, fork, or CPUs"),
    (("--duration", "0s"), "permitted: 60s, 500ms"),
    (("--duration", "-5s"), "argument --duration"),
    (("--duration=-5s",), "permitted: 60s, 500ms"),
    (("--duration", "1e9"), "permitted: 60s, 500ms"),
    (("--duration", "nan"), "permitted: 60s, 500ms"),
    (("--duration", "1001h"), "up to 1000h"),
    (("--duration", HUGE + "s"), "permitted: 60s, 500ms"),
])
def test_options_of_every_run(refused, words, said):
    line = refused(*replay(TINY, *words))
    assert said in line and len(line) < 300
    line = refused("run", "private", "--machine", "2s", "--memory", "1M", "--policy", "off",
                   "--json", "out.json", *words)
    assert said in line


WHOLE = [("--hz", "100..1000", ("99", "1001")), ("--workers", "1..4096", ("0",)),
         ("--seed", "0..18446744073709551615", (str(2**64),))]


@pytest.mark.parametrize("command, option, permitted, outside", [
    *[(("replay", TINY), *row) for row in WHOLE], *[(("run", "private"), *row) for row in WHOLE],
    (("replay", TINY), "--loops", "1..4294967296", ("0",)),
    (("replay", TINY), "--window", "1..4294967296", ("0",)),
    (("run", "private"), "--threads", "1..65536", ("0", "65537")),
    (("why", TINY), "--limit", "0..4294967296", ()),
])
def test_options_that_take_a_whole_number(refused, command, option, permitted, outside):
    for value in (*outside, "-1", "1.5", "x", "", "1e3", HUGE, "\u0663"):
        line = refused(*command, "--machine", "2s", f"{option}={value}")
        assert f"argument {option}" in line and f"permitted: {permitted}" in line, value
        assert len(line) < 200


@pytest.mark.parametrize("memory, said", [
    ("0", "permitted: 64M, 4G, up to 256T"), ("-1M", "permitted: 64M"), ("1.5G", "permitted: 64M"),
    ("x", "permitted: 64M"), (HUGE, "permitted: 64M"), ("257T", "permitted: 64M"),
    ("256T", "the machine has 33554432"), ("4K", "permitted 2.."),
])
def test_memory(refused, memory, said):
    assert said in refused("run", "private", "--machine", "2s", f"--memory={memory}", "--json", "o")


def test_loads(refused):
    assert "'privat'; nearest: private" in refused("run", "privat", "--machine", "2s")
    assert "permitted: uniform, zipf" in refused("run", "12345", "--machine", "2s")


def test_pages_over_a_nodes_memory_fall_back_by_distance(numab, machine_file):
    ran = numab("run", "pingpong", "--machine", machine_file, "--memory", "100M", "--start",
                "node:0", "--policy", "off", "--duration", "10ms", "--json", "o.json")
    assert ran.code == 0
    pages = json.loads(Path("o.json").read_text())["runs"][0]["node_pages"]
    assert sum(pages.values()) == 25600 and 0 < pages["1"] < pages["0"] <= 16384


def test_pages_over_the_machines_memory(refused, machine_file):
    words = ("run", "pingpong", "--machine", machine_file, "--policy", "off", "--duration", "2s",
             "--json", "o.json")
    assert "does not fit; the machine has 32768" in refused(*words, "--memory", "129M")
    assert "out of memory" in refused(*words, "--memory", "128M")  # the reserves are not for users


@pytest.mark.parametrize("page, said", [
    ("x", "permitted: a page number"), ("-1", "permitted: a page number"),
    (hex(2**48), "permitted: a page number"), (HUGE, "permitted: a page number"),
    ("5", "page 0x5 is not in the trace; its pages lie in 0x400001c..0x40102b2"),
])
def test_why(refused, page, said):
    assert said in refused("why", TINY, "--machine", "2s", f"--page={page}")


def test_why_takes_one_policy_and_no_json(refused):
    assert "one policy" in refused("why", TINY, "--machine", "2s", "--policy", "off,moron")
    assert "--json" in refused("why", TINY, "--machine", "2s", "--json", "o.json")
    assert "permitted: first-touch" in refused("why", TINY, "--machine", "2s", "--start", "x")


def test_commands(refused):
    assert "COMMAND" in refused()
    assert "'rply'" in refused("rply")
    assert "--machine" in refused("replay", TINY)
    assert "--bogus" in refused(*replay(TINY), "--bogus")
    line = refused("run", "private", "--machine", "2s", "--work", "1")   # not short for --workers
    assert line == "numab run: unrecognized arguments: --work 1; see numab run --help"
    line = refused("policy", "check", "x", "--era", "v2")
    assert line.startswith("numab policy check: ") and line.endswith("numab policy check --help")
    assert "nearest: scan_size_mb" in refused("tunables", "scan_sizemb")
    assert "'4.0'" in refused("tunables", "--kernel", "4.0")


def test_json_that_cannot_be_written_is_refused_before_the_run(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    for path, said in (("folder", "is a directory"), ("absent/o.json", "No such file"),
                       ("/proc/o.json", "cannot be written"), (f"{TINY}/o.json", "directory")):
        line = refused("replay", TINY, "--machine", "2s", "--duration", "1000h", "--json", path)
        assert path in line and said in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_json_without_permission(refused, tmp_path):
    (tmp_path / "o.json").write_text("old")
    (tmp_path / "o.json").chmod(0o444)
    assert "o.json" in refused(*replay(TINY, "--json", "o.json"))


def test_json_to_a_device_leaves_the_device(numab):
    before = os.stat("/dev/null")
    assert numab(*replay(TINY), "--json", "/dev/null").code == 0
    assert os.stat("/dev/null").st_rdev == before.st_rdev


def test_json_through_a_link_keeps_the_link(numab, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "o.json").symlink_to("real/o.json")
    assert numab(*replay(TINY), "--json", "o.json").code == 0
    assert (tmp_path / "o.json").is_symlink() and (tmp_path / "real/o.json").stat().st_size > 1000


def test_a_failed_run_leaves_an_old_json_alone(numab, machine_file, tmp_path):
    (tmp_path / "o.json").write_text("old")
    ran = numab("run", "pingpong", "--machine", machine_file, "--policy", "off", "--duration", "2s",
                "--json", "o.json", "--memory", "128M")
    assert ran.code == 2 and (tmp_path / "o.json").read_text() == "old"
