/* SPDX-License-Identifier: BSD-3-Clause
 *
 * v3_8.c - what was merged: balancenuma V11, Linux 3.8 to 3.12 (policies, section 4)
 *
 * A page belongs on the node that touches it, if the last hint on it came from there too.  No home
 * nodes, no statistics, no placement; what adapts is how much is scanned.
 */
#include "policy.h"

static void v3_8_filter(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	uint32_t here = (uint32_t)f->cpu_nid;

	(void)ud;
	/* Exchanged at every fault, also where the page stays; an unset tag lets nothing pass. */
	if (f->tag != here)
		*v = verdict_stay(NUMAB_HOLD_TWO_STAGE_FILTER, here);
	else if (f->page_nid == f->cpu_nid)
		*v = verdict_stay(NUMAB_HOLD_LOCAL, here);
	else
		*v = verdict_go(f->cpu_nid, here);
}

static const struct numab_preset v3_8_presets[] = {
	/* Scans: quick at first, further apart while nothing moves. */
	{ NUMAB_T_scan_delay_ms, 0, 1000 },
	{ NUMAB_T_scan_period_min_ms, 0, 100 },
	{ NUMAB_T_scan_period_max_ms, 0, 5000 },
	{ NUMAB_T_scan_period_reset, 0, 60000 },
	{ NUMAB_T_scan_size_mb, 0, 256 },
	{ NUMAB_T_next_scan_factor, 0, 1 },
	{ NUMAB_T_period_step_ticks, 0, 10 },
	{ NUMAB_T_scan_rewind_bug, 0, 0 },
	/* What they walk and mark. */
	{ NUMAB_T_first_nid_gate, 0, 1 },
	{ NUMAB_T_scan_budget_ptes, 0, 1 },
	{ NUMAB_T_small_vma_skip, 0, 1 },
	{ NUMAB_T_inaccessible_vma_skip, 0, 1 },
	{ NUMAB_T_flush_if_marked, 0, 1 },
	{ NUMAB_T_huge_counts_ptes, 0, 1 },
	{ NUMAB_T_pmd_mark, 0, 1 },
	{ NUMAB_T_pmd_mark_same_node_only, 0, 1 },
	/* Faults. */
	{ NUMAB_T_pmd_batch_migrate, 0, 1 },
	{ NUMAB_T_pmd_batch_numa_only, 0, 1 },
	{ NUMAB_T_gup_numa, 0, 1 },
	{ NUMAB_T_place_misplaced_only, 0, 0 },
	{ NUMAB_T_account_when_off, 0, 0 },
	/* Migration. */
	{ NUMAB_T_last_nid_transfer, 0, 1 },
	{ NUMAB_T_thp_native_migration, 0, 1 },
	{ NUMAB_T_rate_limit, 0, 1 },
	{ NUMAB_T_leak_on_refused_migrate, 0, 0 },
};

static const struct builtin_policy policy_v3_8 = {
	{ "v3_8", NUMAB_POLICY_SCANS | NUMAB_POLICY_MOF,
	  sizeof(v3_8_presets) / sizeof(v3_8_presets[0]), v3_8_filter, NULL, v3_8_presets },
	"as merged in Linux 3.8: two faults in a row from one node, rate limit, scans that adapt",
};
