"""numab.report.mmtests: the table as the series' author posted his."""

from __future__ import annotations

import dataclasses

import pytest

from numab.report import mmtests_rows, mmtests_table
from numab.report.mmtests import gain_percent
from numab.synthetic import LoadJob, run_load

MS = 1_000_000


@pytest.fixture(scope="module")
def base():
    result = run_load(LoadJob("numa02", "2s", 2, 512, "moron", work_ns=20 * MS, hz=1000,
                              tunables={"scan_delay_ms": 1, "scan_period_min_ms": 5}))
    return dataclasses.replace(
        result, user_ns=1523_150_000_000, system_ns=2_000_000_000, elapsed_ns=50_000_000_000,
        cpu_percent=1600.0, local_share_parts=(0.25, 1.0), scan_passes=3,
        vmstat={**result.vmstat, "numa_pte_updates": 1000, "numa_hint_faults": 500,
                "numa_hint_faults_local": 400, "numa_pages_migrated": 100},
    )


def lines(table):
    return {line[:30].strip(): line[30:] for line in table.splitlines() if line}


def test_gains_are_those_of_the_posted_tables():
    """1523.15 against 1311.20 is printed as 13.92 % by mmtests."""
    assert round(gain_percent(1523.15, 1311.20), 2) == 13.92
    assert gain_percent(100, 150) == -50 and gain_percent(0, 5) == 0


def test_the_form_of_a_row(base):
    other = dataclasses.replace(base, user_ns=1311_200_000_000)
    table = lines(mmtests_table({"off": [base], "moron": [other]}))
    assert table["User"].split("  ") and table["User"].strip().startswith("1523.15 (  0.00%)")
    assert table["User"].endswith("1311.20 ( 13.92%)")


def test_rows_in_mmtests_order_and_by_its_formulas(base):
    """Updates 7, hint faults 5000, migrations 19 words each: 1000, 500 and 100 of them cost
    (7,000 + 2,500,000 + 1,900) / 1e6."""
    rows = mmtests_rows({"off": [base]})
    wanted = [
        "User", "System", "Elapsed", "CPU", "NUMA alloc hit", "NUMA alloc miss",
        "NUMA interleave hit", "NUMA alloc local", "NUMA base-page range updates",
        "NUMA PTE updates", "NUMA PMD updates", "NUMA hint faults", "NUMA hint local faults %",
        "NUMA hint local percent", "NUMA pages migrated", "AutoNUMA cost",
        "local share", "local share, first part", "local share, last part", "scan passes",
    ]
    assert list(rows) == [name for name in wanted if name in rows]
    assert [name for name in lines(mmtests_table({"off": [base]}))if name in wanted] == wanted
    assert rows["NUMA hint local percent"]["off"] == [80.0]
    assert rows["AutoNUMA cost"]["off"] == [pytest.approx(2.5089)]
    assert rows["local share, last part"]["off"] == [100.0]


def test_several_runs_give_a_mean_and_a_spread(base):
    slow = dataclasses.replace(base, elapsed_ns=54_000_000_000)
    table = mmtests_table({"off": [base, slow], "moron": [base, base]})
    text = table.splitlines()
    at = next(i for i, line in enumerate(text) if line.startswith("Elapsed"))
    assert "52.00 (  0.00%)" in text[at] and "50.00 (  3.85%)" in text[at]
    assert text[at + 1].split() == ["spread", "4.00"]
    assert sum(line.startswith("  spread") for line in text) == 1
    assert mmtests_rows({"off": [base, slow]})["Elapsed"]["off"] == [50.0, 54.0]


def test_rows_of_a_kernel_with_huge_updates(base):
    """Two huge updates in numa_pte_updates count 512 each there (3.13 on)."""
    later = dataclasses.replace(base, vmstat={**base.vmstat, "numa_pte_updates": 1324,
                                              "numa_huge_pte_updates": 2})
    rows = mmtests_rows({"x": [later]})
    assert rows["NUMA PTE updates"]["x"] == [300.0] and rows["NUMA PMD updates"]["x"] == [2.0]
    assert rows["NUMA base-page range updates"]["x"] == [1324.0]


def test_what_is_not_modelled_is_absent_and_not_nought(base):
    without = dataclasses.replace(base, vmstat={
        k: v for k, v in base.vmstat.items() if k != "numa_hit"})
    assert lines(mmtests_table({"off": [without]}))["NUMA alloc hit"].split() == ["absent"]
    assert "NUMA alloc hit" not in mmtests_rows({"off": [without]})


def test_lines_end_where_they_end(base):
    assert not [line for line in mmtests_table({"off": [base]}).splitlines() if line[-1:] == " "]
