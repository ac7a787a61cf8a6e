/* SPDX-License-Identifier: BSD-3-Clause
 *
 * policies.c - the list of built-in policies
 */
#include "policy.h"

#include "off.c"
#include "moron.c"
#include "home_node.c"

static const struct builtin_policy *const builtin_policies[] = {
	&policy_off,
	&policy_moron,
	&policy_home_node,
};

#define NR_BUILTIN_POLICIES ((int)(sizeof(builtin_policies) / sizeof(builtin_policies[0])))
