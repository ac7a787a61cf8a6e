"""What balancing costs and gains: the formulas of the series (patches 3 and 20), and mmtests'.

Units are those of the posting: machine words touched, no unit of time.  The modelled time of a run
comes from the PRICE tunables instead, and is printed apart from these.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "balancing_cost",
    "benefit",
    "compaction_cost",
    "convergence",
    "mmtests_autonuma_cost",
    "mmtests_local_percent",
]

POINTER_BYTES = 8
PAGE_BYTES = 4096
STRUCT_PAGE_BYTES = 56
#: Weight of taking a lock; the posting leaves Wi and Wlock open, mmtests uses 12 for Wi.
LOCK_WEIGHT = 12
#: Cost of a hinting fault: the posting's example, and the value mmtests uses.
HINT_COST_POSTED, HINT_COST_MMTESTS = 1000, 5000
#: 1 local, 1.2 means 20 per cent dearer.
NUMA_WEIGHT = 1.2

CA = STRUCT_PAGE_BYTES / POINTER_BYTES  #: touching a struct page
CPTE = CA
CPAGERW = CA + PAGE_BYTES / POINTER_BYTES  #: reading or writing a page
CI = CA + LOCK_WEIGHT  #: isolating a page


def balancing_cost(vmstat: Mapping[str, int], numa_weight: float = NUMA_WEIGHT) -> float:
    """Cost of balancing by patch 20, in words touched.

    Cpte * numa_pte_updates + Cnumahint * numa_hint_faults + (Ci + Cpagecopy) * numa_pages_migrated

    >>> balancing_cost({"numa_pte_updates": 10, "numa_hint_faults": 1, "numa_pages_migrated": 0})
    1070.0
    """
    page_copy = CPAGERW * (1 + numa_weight) + CI * (1 + numa_weight)
    return (
        CPTE * vmstat["numa_pte_updates"]
        + HINT_COST_POSTED * vmstat["numa_hint_faults"]
        + (CI + page_copy) * vmstat["numa_pages_migrated"]
    )


def compaction_cost(vmstat: Mapping[str, int]) -> float:
    """Cost of compaction by patch 3; rows that nothing bumps count as 0.

    >>> compaction_cost({"pgmigrate_success": 1, "pgmigrate_fail": 1})
    1052.0
    """
    cmc, cmf = 2 * (CA + PAGE_BYTES / POINTER_BYTES), 2 * CA
    return (
        CA * vmstat.get("compact_migrate_scanned", 0)
        + CA * vmstat.get("compact_free_scanned", 0)
        + CI * vmstat.get("compact_isolated", 0)
        + cmc * vmstat.get("pgmigrate_success", 0)
        + cmf * vmstat.get("pgmigrate_fail", 0)
    )


def benefit(remote_before: int, remote_after: int, numa_weight: float = NUMA_WEIGHT) -> float:
    """Benefit by patch 20: remote accesses saved times the NUMA weight.

    The posting calls it not measurable on a real machine; a model can count it.

    >>> benefit(1000, 500)
    600.0
    """
    return (remote_before - remote_after) * numa_weight


def convergence(vmstat: Mapping[str, int]) -> float | None:
    """numa_hint_faults_local / numa_hint_faults, 1 is converged; None without a hint (patch 20).

    >>> convergence({"numa_hint_faults": 8, "numa_hint_faults_local": 6})
    0.75
    """
    hints = vmstat["numa_hint_faults"]
    return vmstat["numa_hint_faults_local"] / hints if hints else None


def mmtests_autonuma_cost(vmstat: Mapping[str, int]) -> float:
    """mmtests' row «AutoNUMA cost», millions.

    mmtests computes a page-copy term as well, but a stray semicolon drops it; so does this.

    >>> rows = {"numa_pte_updates": 10**6, "numa_hint_faults": 1000, "numa_pages_migrated": 0}
    >>> mmtests_autonuma_cost(rows)
    12.0
    """
    return (
        CPTE * vmstat["numa_pte_updates"]
        + HINT_COST_MMTESTS * vmstat["numa_hint_faults"]
        + CI * vmstat["numa_pages_migrated"]
    ) / 1e6


def mmtests_local_percent(vmstat: Mapping[str, int]) -> int:
    """mmtests' row «NUMA hint local percent», whole per cent, 100 without a hint.

    >>> mmtests_local_percent({"numa_hint_faults": 8, "numa_hint_faults_local": 6})
    75
    """
    hints = vmstat["numa_hint_faults"]
    return vmstat["numa_hint_faults_local"] * 100 // hints if hints else 100
