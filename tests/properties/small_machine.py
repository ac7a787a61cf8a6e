"""The machine that the steps run on, and the settings they try.

The machine is small on purpose, so that nodes fill up, windows wrap and ranges straddle the
borders of 2 MiB slots:

    nid     0          1          4              7
    CPUs    0, 1       2, 4       5              -
    memory  yes        yes        none           yes
"""

CPU_NID, NO_SUCH_CPU = [0, 0, 1, -1, 1, 4], 3
CPUS = [0, 1, 2, 4, 5]
NIDS = [0, 1, 4, 7]
DISTANCE = [[10, 20, 20, 30], [20, 10, 30, 20], [20, 30, 10, 20], [30, 20, 20, 10]]

SIZES = {
    "roomy": [(0, 1800, 8, 16, 24), (1, 1300, 8, 16, 24), (4, 0), (7, 700, 8, 16, 24)],
    "tight": [(0, 90, 4, 8, 12), (1, 60, 4, 8, 12), (4, 0), (7, 40, 2, 3, 4)],
    "computed": [(0, 700), (1, 1500), (4, 0), (7, 300)],
    # Two huge pages are just too many, or just not.
    "edge": [(0, 560, 8, 16, 24), (1, 1060, 8, 16, 24), (4, 0), (7, 550, 8, 16, 24)],
}
SWITCHES = (
    "numa_balancing", "scan_rewind_bug", "small_vma_skip", "pmd_mark", "pmd_mark_same_node_only",
    "pmd_batch_migrate", "last_nid_transfer", "home_alloc", "count_pages_not_faults",
    "scan_budget_ptes", "first_nid_gate", "inaccessible_vma_skip", "flush_if_marked",
    "huge_counts_ptes", "pmd_batch_numa_only", "gup_numa", "place_misplaced_only",
    "account_when_off", "home_requeue", "mm_decay_once",
    "leak_on_refused_migrate", "rate_limit", "thp", "thp_native_migration", "zero_page",
    "policy_table_ready", "arch_x86", "tlb_x86_local_only", "tlb_x86_no_flush",
    "tlb_generic_local")
SETTINGS = [(name, value) for name in SWITCHES for value in (0, 1)] + [
    (name, value) for name, values in {
        "scan_size_mb": (1, 2, 3, 4, 256), "scan_delay_ms": (0, 3, 1000, 10_000_001),
        "next_scan_factor": (0, 1, 2), "period_step_ticks": (0, 10, 37, 1001),
        "scan_period_reset": (0, 1, 60_000), "scan_period_max_ms": (1, 2500, 5000, 32_000),
        "scan_period_min_ms": (0, 1, 3, 1001, 2000),
        "migrate_fail_ppm": (0, 0, 1_000_000), "migrate_again_ppm": (0, 0, 1_000_000),
    }.items() for value in values]
