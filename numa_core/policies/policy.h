/* SPDX-License-Identifier: BSD-3-Clause
 *
 * policy.h - what a built-in policy is
 *
 * One file a policy: its traits, its per-fault filter, and the tunables it presets.  A filter sees
 * struct numab_fault, returns a verdict, a reason and the page's new tag, and changes nothing
 * itself.  To add one: write its file, include it in policies.c and give it a row there.
 */
#ifndef NUMAB_POLICY_H
#define NUMAB_POLICY_H

#include "../numab.h"

struct builtin_policy {
	struct numab_policy ops;
	const char *text;
};

static inline struct numab_verdict verdict_stay(int reason, uint32_t tag)
{
	struct numab_verdict v = { NUMAB_NO_NODE, reason, tag, 0 };

	return v;
}

static inline struct numab_verdict verdict_go(int nid, uint32_t tag)
{
	struct numab_verdict v = { nid, NUMAB_NONE, tag, 0 };

	return v;
}

#endif /* NUMAB_POLICY_H */
