"""``numab policy check``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = Path(__file__).resolve().parents[1] / "data" / "policy-small.json"


def test_a_recording_that_comes_out(numab):
    ran = numab("policy", "check", SMALL)
    assert ran.code == 0 and not ran.err
    table = ran.out[ran.out.index("kernel 6.1 (era v6.1), 2 nodes"):].splitlines()
    assert table[1].split() == ["section", "rows", "agree", "accepted", "differ", "share"]
    assert {line.split()[0]: line.split()[4] for line in table[2:]} == dict.fromkeys(
        ["mbind", "set_mempolicy", "mbind_addr", "get_mempolicy", "move_pages", "migrate_pages",
         "set_mempolicy_home_node", "place"], "0")


def test_each_differing_row_is_printed_and_counts(numab, tmp_path):
    document = json.loads(SMALL.read_text())
    rows = document["sections"]["errs"]["set_mempolicy"]
    document["sections"] = {"errs": {"set_mempolicy": rows}}
    row = rows[0]
    row["r"] = "EPERM"
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    ran = numab("policy", "check", path)
    assert ran.code == 1
    assert ran.out.splitlines()[0] == (
        f"set_mempolicy: user 0 {row['mode']} {row['mask']}: r recorded 'EPERM', here 'ok'")
    assert ran.out.splitlines()[-1].split() == ["set_mempolicy", "63", "62", "0", "1", "98.41%"]


@pytest.mark.parametrize("data, says", [
    (b"", "is not JSON"), (b"{}", "no kernel"),
    (b'{"kernel":"6.1","nodes":2,"sections":{"errs":{"mbind":[{"mode":5,"rows":{}}]}}}',
     "section mbind, row 0: mode 5 in a row, expected text")])
def test_bad_files(numab, tmp_path, data, says):
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    ran = numab("policy", "check", path)
    assert (ran.code, ran.out) == (2, "") and says in ran.err and ran.err.count("\n") == 1


def test_files_that_are_not_there(numab):
    ran = numab("policy", "check", "nowhere.json")
    assert ran.code == 2 and "nowhere.json" in ran.err and ran.err.count("\n") == 1


def test_the_subcommands(refused):
    assert "check" in refused("policy", "fly")
