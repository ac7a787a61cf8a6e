"""numab.report: tables, vmstat text, JSON files."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import pytest

from numa_core import reason_rows
from numab import InvalidArgument
from numab.engine import ReplayJob, replay
from numab.report import explain, results_table, runs_json, vmstat_text, write_json
from numab.report.text import check_writable

from .conftest import TINY


@pytest.fixture(scope="module")
def result():
    return replay(ReplayJob(TINY, "2s", "moron", "worst", loops=100, hz=1000,
                            tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20}))


def test_vmstat_text():
    assert vmstat_text({"a": 1, "b": 0}) == "a 1\nb 0\n" and vmstat_text({}) == ""


def test_columns_line_up_whatever_the_numbers(result):
    """Two starts with a policy each: every bar stands in the same column in every row."""
    big = dataclasses.replace(result, start="node:0", accesses=10**15, time_ns=10**18,
                              vmstat={k: 10**15 for k in result.vmstat})
    table = results_table([result, big])
    rows = [line for line in table.splitlines() if "|" in line]
    bars = [[i for i, c in enumerate(line) if c == "|"] for line in rows]
    assert all(len(b) == 2 for b in bars) and len({tuple(b) for b in bars}) == 1
    assert "1 000 000 000 000 000" in table
    assert not [line for line in table.splitlines() if line.endswith(" ")]


def test_one_start_is_one_group(result):
    table = results_table([result, dataclasses.replace(result, policy="other")])
    assert table.count("start: worst") == 1 and "other" in table.splitlines()[1]
    assert results_table([result], unit="part").count("loop") == 0


def test_nothing_to_say_is_a_dash(result):
    quiet = dataclasses.replace(result, loop_ns_first=None, loop_ns_last=None, reasons={},
                                cost={**result.cost, "convergence": None})
    lines = {line.split("|")[0].strip(): line for line in results_table([quiet]).splitlines()}
    for label in ("first loop", "convergence"):
        assert lines[label].split("|")[1].strip() == "-", label


def test_explain_is_in_the_order_of_the_core():
    text = explain(["hold_local", "go_migrated", "hold_local", "nope"])
    assert [line.split()[0] for line in text.splitlines()] == ["go_migrated", "hold_local"]
    assert explain([]) == "" and len(explain([n for n, _ in reason_rows()]).splitlines()) == len(
        reason_rows())


def test_json_round_trip(result, tmp_path):
    path = str(tmp_path / "o.json")
    content = runs_json([result], machine="2s")
    write_json(path, content)
    with open(path) as f:
        assert json.load(f) == content == {"machine": "2s", "runs": [result.as_dict()]}
    assert os.listdir(tmp_path) == ["o.json"]


@pytest.mark.parametrize("content", [{"x": math.nan}, {"x": object()}, {"x": {1, 2}}])
def test_what_is_no_json_leaves_nothing(tmp_path, content):
    (tmp_path / "o.json").write_text("old")
    with pytest.raises((TypeError, ValueError)):
        write_json(str(tmp_path / "o.json"), content)
    assert (tmp_path / "o.json").read_text() == "old" and os.listdir(tmp_path) == ["o.json"]


def test_check_writable(tmp_path):
    check_writable(str(tmp_path / "new.json"))
    assert os.listdir(tmp_path) == []
    (tmp_path / "old.json").write_text("old")
    check_writable(str(tmp_path / "old.json"))
    assert (tmp_path / "old.json").read_text() == "old"
    for path in (tmp_path, tmp_path / "none" / "o.json", "a\0b", tmp_path / "old.json" / "x"):
        with pytest.raises(InvalidArgument, match="permitted: a file"):
            check_writable(str(path))
