/* SPDX-License-Identifier: BSD-3-Clause
 *
 * home_node.c - the series' own policy, its memory side (patches 26, 30 and 31)
 *
 * A page belongs on its task's home node, or on the running node while the task has none.  Two
 * faults in a row must want the same node: with p the share of a page's faults that come from a
 * node, the chance to move there is about p squared, so that a task which runs away from home for
 * a moment does not drag its pages along.
 */
#include "policy.h"

static void home_node_filter(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	int want = f->home_nid >= 0 ? f->home_nid : f->cpu_nid;

	(void)ud;
	/* The exchange happens on every examined fault, also when the page is in place already, so
	 * that local faults reinforce their node. */
	if (f->tag != (uint32_t)want)
		*v = verdict_stay(NUMAB_HOLD_TWO_STAGE_FILTER, (uint32_t)want);
	else if (f->page_nid == want)
		*v = verdict_stay(NUMAB_HOLD_LOCAL, (uint32_t)want);
	else
		*v = verdict_go(want, (uint32_t)want);
}

static const struct builtin_policy policy_home_node = {
	{ "home_node",
	  NUMAB_POLICY_SCANS | NUMAB_POLICY_MOF | NUMAB_POLICY_HOME | NUMAB_POLICY_PLACE, 0,
	  home_node_filter, NULL, NULL },
	"a page follows its task's home node, after two faults in a row that agree "
	"(patches 26, 29, 31)",
};
