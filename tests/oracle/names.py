"""Names and numbers that a user sees: errors, counters, reasons, tunables, flags."""

PAGE_BYTES = 4096
SLOT_PAGES = 512
NO_NODE = -1
TAG_UNSET = 0x1FFFFF
VPN_END = (1 << 60) // PAGE_BYTES

# Errors: the code that OracleError carries.
ENOENT, ESRCH, EIO, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL, EOOM = 2, 3, 5, 14, 16, 17, 19, 22, 105
# What migrate_pages returns when its target ran out of memory.
ENOMEM = 12
EACCES = 13  # as a status of move_pages


class OracleError(Exception):
    """A call failed; ``code`` is one of the E* numbers above."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


COUNTERS = [
    "numa_pte_updates", "numa_hint_faults", "numa_hint_faults_local", "numa_pages_migrated",
    "pgmigrate_success", "pgmigrate_fail", "pgfault", "thp_fault_alloc", "thp_split",
    "alloc_pages", "alloc_fallback", "cow_faults", "pmd_hint_faults", "thp_hint_faults",
    "pmd_marks", "scan_windows", "scan_passes", "scan_too_early", "scan_one_node",
    "scan_rate_limited",
    "migrate_calls", "migrate_passes", "tlb_flush_local", "tlb_flush_remote", "tlb_flush_range",
    "pages_leaked", "sigsegv", "events_dropped",
]

REASONS = [
    "NONE", "GO_MIGRATED", "GO_ASKED_HOST", "HOLD_NO_MOF", "HOLD_BIND_NODE_ALLOWED",
    "HOLD_OUTSIDE_MASK",
    "HOLD_TWO_STAGE_FILTER", "HOLD_LOCAL", "HOLD_USER_FILTER", "HOLD_SHARED_PAGE",
    "HOLD_TARGET_LOW_MEMORY", "HOLD_ISOLATION_FAILED", "HOLD_MIGRATE_AGAIN",
    "HOLD_MIGRATE_FAILED", "HOLD_MIGRATE_NOMEM", "HOLD_RATE_LIMIT", "HOLD_PMD_CLEARED",
    "HOLD_THP_SPLIT", "HOLD_HOST_REFUSED",
]

# Tunable: (default, smallest, largest).  Spec A and the switches of spec G.
TUNABLES = {
    "numa_balancing": (1, 0, 1),
    "scan_delay_ms": (1000, 0, 10_000_000),
    "scan_period_min_ms": (2000, 1, 10_000_000),
    "scan_period_max_ms": (32000, 1, 10_000_000),
    "scan_period_reset": (0, 0, 10_000_000),
    "scan_size_mb": (256, 1, 16_777_216),
    "sched_tunable_scaling": (1, 0, 2),
    "sched_latency_ns": (6_000_000, 100_000, 10**9),
    "sched_min_granularity_ns": (750_000, 100_000, 10**9),
    "sched_wakeup_granularity_ns": (1_000_000, 0, 10**9),
    "numa_homenode_preferred": (1, 0, 1),
    "numa_homenode_pull": (1, 0, 1),
    "numa_homenode_pull_bias": (1, 0, 1),
    "scan_rewind_bug": (0, 0, 1),
    "next_scan_factor": (2, 0, 16),
    "scan_budget_ptes": (0, 0, 1),
    "first_nid_gate": (0, 0, 1),
    "small_vma_skip": (0, 0, 1),
    "inaccessible_vma_skip": (0, 0, 1),
    "flush_if_marked": (0, 0, 1),
    "huge_counts_ptes": (0, 0, 1),
    "pmd_mark": (1, 0, 1),
    "pmd_mark_same_node_only": (1, 0, 1),
    "pmd_batch_migrate": (1, 0, 1),
    "pmd_batch_numa_only": (0, 0, 1),
    "gup_numa": (0, 0, 1),
    "last_nid_transfer": (0, 0, 1),
    "home_alloc": (1, 0, 1),
    "period_step_ticks": (0, 0, 1000),
    "place_misplaced_only": (1, 0, 1),
    "account_when_off": (1, 0, 1),
    "home_requeue": (1, 0, 1),
    "swap_off_home": (0, 0, 1),
    "random_offnode": (0, 0, 1),
    "count_pages_not_faults": (0, 0, 1),
    "mm_decay_once": (0, 0, 1),
    "leak_on_refused_migrate": (0, 0, 1),
    "rate_limit": (0, 0, 1),
    "thp": (0, 0, 1),
    "thp_native_migration": (0, 0, 1),
    "zero_page": (1, 0, 1),
    "policy_table_ready": (1, 0, 1),
    "page_tables": (0, 0, 1),
    "arch_x86": (1, 0, 1),
    "tlb_x86_local_only": (1, 0, 1),
    "tlb_x86_no_flush": (1, 0, 1),
    "tlb_generic_local": (1, 0, 1),
    "migrate_fail_ppm": (0, 0, 1_000_000),
    "migrate_again_ppm": (0, 0, 1_000_000),
}
# Where the mail of 13 Nov 2012 differs from the defaults.
AS_POSTED = {
    "scan_rewind_bug": 1,
    "pmd_mark_same_node_only": 0,
    "pmd_batch_migrate": 0,
    "leak_on_refused_migrate": 1,
    "home_requeue": 0,
}

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 0, 1, 2, 4

ANON_PRIVATE, ANON_SHARED, SHM, FILE_SHARED, FILE_PRIVATE = range(5)
SHARED_KINDS = (ANON_SHARED, SHM, FILE_SHARED)
VMA_IO, VMA_PFNMAP, VMA_HUGETLB = 1, 2, 4

MPOL_NONE, MPOL_LOCAL, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE = range(5)
MPOL_F_MOF = 8

# Traits of the machine's own policy.
POLICY_SCANS, POLICY_MOF, POLICY_HOME, POLICY_PLACE = 1, 2, 4, 8
POLICIES = {
    "off": 0,
    "moron": POLICY_SCANS | POLICY_MOF,
    "home_node": POLICY_SCANS | POLICY_MOF | POLICY_HOME | POLICY_PLACE,
    "v3_8": POLICY_SCANS | POLICY_MOF,
}
# What a policy makes of the tunables that the user has not set: 3.8's numbers (A, policies 4),
# and each of its rules (F).  It has none of the posting's defects, as_posted or not.
PRESETS = {
    "v3_8": {
        "scan_delay_ms": 1000, "scan_period_min_ms": 100, "scan_period_max_ms": 5000,
        "scan_period_reset": 60000, "scan_size_mb": 256, "next_scan_factor": 1,
        "period_step_ticks": 10, "scan_rewind_bug": 0, "first_nid_gate": 1,
        "scan_budget_ptes": 1, "small_vma_skip": 1, "inaccessible_vma_skip": 1,
        "flush_if_marked": 1, "huge_counts_ptes": 1, "pmd_mark": 1,
        "pmd_mark_same_node_only": 1, "pmd_batch_migrate": 1, "pmd_batch_numa_only": 1,
        "gup_numa": 1, "place_misplaced_only": 0, "account_when_off": 0, "last_nid_transfer": 1,
        "thp_native_migration": 1, "rate_limit": 1, "leak_on_refused_migrate": 0,
    },
}

MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC = range(3)
MR_NUMA_MISPLACED = 5
NR_MIGRATE_REASONS = 7

# Flags of mbind, move_pages and migrate_pages; the last three are numab's own.
MF_STRICT, MF_MOVE, MF_MOVE_ALL, MF_LAZY, MF_FALL_BACK, MF_V6, MF_V612 = 1, 2, 4, 8, 16, 32, 64
NOT_WRITTEN = -999  # a status that move_pages left alone

PG_PRESENT, PG_MARKED, PG_PMD_MARKED, PG_HUGE, PG_WRITABLE, PG_ACCESSED = 1, 2, 4, 8, 16, 32
PG_DIRTY, PG_ZERO, PG_EXCLUSIVE = 64, 128, 256
PG_NO_LRU, PG_PINNED, PG_WRITEBACK = 1024, 2048, 4096
PG_SETTABLE = PG_NO_LRU | PG_PINNED | PG_WRITEBACK
