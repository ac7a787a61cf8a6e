"""numab.cost: the formulas of patches 3 and 20 and of mmtests, by hand."""

from __future__ import annotations

import pytest

from numab import cost

VMSTAT = {"numa_pte_updates": 1000, "numa_hint_faults": 10, "numa_hint_faults_local": 4,
          "numa_pages_migrated": 2, "pgmigrate_success": 3, "pgmigrate_fail": 5}


def test_constants_are_those_of_the_posting():
    """Ca = 56 / 8, Cpagerw = Ca + 4096 / 8, Ci = Ca + Wi."""
    assert (cost.CA, cost.CPTE, cost.CPAGERW, cost.CI) == (7, 7, 519, 19)


def test_balancing_cost():
    """7 * 1000 + 1000 * 10 + (19 + 519 * 2.2 + 19 * 2.2) * 2"""
    assert cost.balancing_cost(VMSTAT) == pytest.approx(7000 + 10000 + (19 + 1141.8 + 41.8) * 2)
    assert cost.balancing_cost(VMSTAT, 1.0) == pytest.approx(17000 + (19 + 1038 + 38) * 2)


def test_compaction_cost():
    """Cmc = 2 (Ca + 512) a success, Cmf = 2 Ca a failure; absent rows count as 0."""
    assert cost.compaction_cost(VMSTAT) == 3 * 1038 + 5 * 14
    assert cost.compaction_cost({}) == 0
    assert cost.compaction_cost({"compact_migrate_scanned": 1, "compact_free_scanned": 1,
                                 "compact_isolated": 1}) == 7 + 7 + 19


def test_benefit_and_convergence():
    assert cost.benefit(100, 40, 1.5) == 90 and cost.benefit(40, 100) == pytest.approx(-72)
    assert cost.convergence(VMSTAT) == 0.4
    assert cost.convergence({"numa_hint_faults": 0, "numa_hint_faults_local": 0}) is None


def test_mmtests_rows():
    """(7 * 1000 + 5000 * 10 + 19 * 2) / 1e6; whole per cent, rounded down, 100 without a hint."""
    assert cost.mmtests_autonuma_cost(VMSTAT) == pytest.approx(0.057038)
    assert cost.mmtests_local_percent(VMSTAT) == 40
    assert cost.mmtests_local_percent({"numa_hint_faults": 3, "numa_hint_faults_local": 2}) == 66
    assert cost.mmtests_local_percent({"numa_hint_faults": 0, "numa_hint_faults_local": 0}) == 100
