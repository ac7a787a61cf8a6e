/* SPDX-License-Identifier: BSD-3-Clause
 *
 * off.c - no automatic balancing: nothing is marked, pages stay where they were first touched
 *
 * Hints armed before (or by mbind with MPOL_MF_LAZY) are still served: explicit policies with
 * migrate-on-fault act, all else is cleared and accounted.
 */
#include "policy.h"

/* Asked only about pages of a memory policy with balancing, which has nobody here to object. */
static void off_filter(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	(void)ud;
	if (f->page_nid == f->cpu_nid)
		*v = verdict_stay(NUMAB_HOLD_LOCAL, f->tag);
	else
		*v = verdict_go(f->cpu_nid, f->tag);
}

static const struct builtin_policy policy_off = {
	{ "off", 0, 0, off_filter, NULL, NULL },
	"no balancing: pages stay where they were first touched",
};
