/* SPDX-License-Identifier: BSD-3-Clause
 *
 * moron.c - Migrate On Reference Of pte_numa Node (patch 21)
 *
 * The simplest thing that has an effect, and the bar for every other policy: a page belongs on the
 * node that touches it now.  A page that two nodes use moves at every hint.
 */
#include "policy.h"

static void moron_filter(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	(void)ud;
	if (f->page_nid == f->cpu_nid)
		*v = verdict_stay(NUMAB_HOLD_LOCAL, f->tag);
	else
		*v = verdict_go(f->cpu_nid, f->tag);
}

static const struct builtin_policy policy_moron = {
	{ "moron", NUMAB_POLICY_SCANS | NUMAB_POLICY_MOF, 0, moron_filter, NULL, NULL },
	"migrate on reference: a hinting fault moves the page to the node that took it (patch 21)",
};
