/* SPDX-License-Identifier: BSD-3-Clause
 *
 * policies.c - the list of built-in policies
 */
#include "policy.h"

#include "off.c"
#include "moron.c"
#include "home_node.c"
#include "v3_8.c"

/* One row a policy: <row>.c above defines <row>_filter() and policy_<row>. */
#define BUILTIN_POLICIES(X) \
	X(off)              \
	X(moron)            \
	X(home_node)        \
	X(v3_8)

#define POLICY_ADDRESS(row) &policy_##row,
static const struct builtin_policy *const builtin_policies[] = {
	BUILTIN_POLICIES(POLICY_ADDRESS)
};

#define POLICY_OWNS_FILTER(row) || filter == row##_filter
static inline int is_builtin_filter(numab_filter_fn filter)
{
	return 0 BUILTIN_POLICIES(POLICY_OWNS_FILTER);
}

/* Call a built-in filter by its name, so that the compiler can inline it: an indirect call, with
 * the fault's description through memory, costs more than the decision. */
#define POLICY_CALL_FILTER(row)          \
	if (filter == row##_filter) {    \
		row##_filter(NULL, f, v); \
		return;                  \
	}
static inline void builtin_filter(numab_filter_fn filter, const struct numab_fault *f,
				  struct numab_verdict *v)
{
	BUILTIN_POLICIES(POLICY_CALL_FILTER)
	off_filter(NULL, f, v);
}

#define NR_BUILTIN_POLICIES ((int)(sizeof(builtin_policies) / sizeof(builtin_policies[0])))
