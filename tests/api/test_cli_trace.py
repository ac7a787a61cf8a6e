"""numab trace: a run's events as a file."""

from __future__ import annotations

import json

import pytest

SHORT = ("--machine", "2s", "--threads", "4", "--memory", "8M", "--work", "60ms", "--hz", "1000",
         "--set", "scan_delay_ms=2", "--set", "scan_period_min_ms=5")


def test_ftrace_text(numab):
    ran = numab("trace", "numa01", *SHORT, "--policy", "moron", "--out", "t.txt")
    assert ran.code == 0 and ran.err.startswith("numab: wrote t.txt: ") and ran.out == ""
    with open("t.txt", encoding="utf-8") as f:
        text = f.read()
    assert text.startswith("# tracer: nop\n") and ": mm_migrate_pages: nr_succeeded=1" in text


def test_chrome_json(numab):
    ran = numab("trace", "server", *SHORT, "--out", "t.json", "--format", "chrome")
    assert ran.code == 0
    with open("t.json", encoding="utf-8") as f:
        trace = json.load(f)
    assert trace["otherData"] == {"load": "server", "policy": "home_node", "tool": "numab"}


@pytest.mark.parametrize("words, said", [
    (("--policy", "home_nod"), "nearest: home_node"), (("--events", ","), "permitted: sched"),
    (("--events", "x"), "events 'x', permitted: sched"), (("--json", "x"), "permitted: --out"),
    (("--format", "svg"), "svg"), (("--memory", "2T"), "does not fit"),
])
def test_bad_input(refused, words, said):
    assert said in refused("trace", "numa01", "--machine", "2s", "--out", "out.txt", *words)
