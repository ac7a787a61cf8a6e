/* SPDX-License-Identifier: BSD-3-Clause
 *
 * off.c - no automatic balancing: nothing is marked, pages stay where they were first touched
 *
 * Hints armed before (or by mbind with MPOL_MF_LAZY) are still served: explicit policies with
 * migrate-on-fault act, all else is cleared and accounted.
 */
#include "policy.h"

static const struct builtin_policy policy_off = {
	{ "off", 0, 0, NULL, NULL },
	"no balancing: pages stay where they were first touched",
};
