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

static inline int is_builtin_filter(numab_filter_fn filter)
{
	return filter == home_node_filter || filter == moron_filter;
}

/* Call a built-in filter by its name, so that the compiler can inline it: an indirect call, with
 * the fault's description through memory, costs more than the decision. */
static inline void builtin_filter(numab_filter_fn filter, const struct numab_fault *f,
				  struct numab_verdict *v)
{
	if (filter == home_node_filter)
		home_node_filter(NULL, f, v);
	else
		moron_filter(NULL, f, v);
}

#define NR_BUILTIN_POLICIES ((int)(sizeof(builtin_policies) / sizeof(builtin_policies[0])))
