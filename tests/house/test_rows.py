"""The closed lists: every row has a name, a sentence and a place in the ledger."""

import re

import pytest
from tree import CORE, read

import numa_core
from numa_core import counter_rows, lib, reason_rows, text, tunable_rows

MODEL = CORE / "MODEL.md"


def is_sentence(words):
    return len(words) >= 15 and " " in words and words == words.strip() and words[-1] not in ".,;"


@pytest.mark.parametrize("row", counter_rows(), ids=lambda row: row[0])
def test_counters(row):
    name, kind, unit, sentence = row
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert kind in ("VMSTAT", "MODEL", "ABSENT")
    assert unit and is_sentence(sentence)


@pytest.mark.parametrize("row", reason_rows(), ids=lambda row: row[0])
def test_reasons(row):
    name, sentence = row
    assert re.fullmatch(r"none|(go|hold)_[a-z_]+", name)
    assert is_sentence(sentence)


@pytest.mark.parametrize("row", tunable_rows(), ids=lambda row: row["name"])
def test_tunables(row):
    assert row["kind"] in ("SYSCTL", "SCHED", "FEATURE", "SWITCH", "INJECT", "PRICE")
    assert row["unit"] and is_sentence(row["text"])
    assert row["min"] <= row["dflt"] <= row["max"]
    assert row["min"] <= row["as_posted"] <= row["max"]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row["name"])
    if row["kind"] == "PRICE":
        assert row["name"].endswith(("_ps", "_ns")) and row["name"].endswith(row["unit"])


def test_errors():
    rows = re.findall(r'^X\((\w+), (\d+), "(.*)"\)', read(CORE / "errors.def"), flags=re.M)
    assert len(rows) >= 10
    for name, code, sentence in rows:
        assert text(lib.numab_strerror(-int(code))) == sentence
        assert getattr(lib, f"NUMAB_{name}", -int(code)) == -int(code)
        assert is_sentence(sentence)
        assert isinstance(numa_core.error(-int(code)), numa_core.errors.NumabError)
        assert -int(code) in numa_core._ERRORS
    assert len({code for _, code, _ in rows}) == len(rows) == len(numa_core._ERRORS)
    assert text(lib.numab_strerror(0)) == "success"
    assert text(lib.numab_strerror(-9999)) not in {sentence for _, _, sentence in rows}


@pytest.mark.skipif(not MODEL.exists(), reason="no MODEL.md yet")
@pytest.mark.parametrize("row", [
    *(row[0] for row in counter_rows() if row[1] == "VMSTAT"),
    *(row["name"] for row in tunable_rows() if row["kind"] == "SWITCH")])
def test_the_ledger_names(row):
    """What is counted, and what can be switched, has a row that says how faithful it is."""
    assert re.search(rf"\b{row}\b", read(MODEL)), f"MODEL.md does not name {row}"
