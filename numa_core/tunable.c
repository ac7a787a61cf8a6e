/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tunable.c - whose value of a tunable is in force: the user's, the policy's preset, the row's own
 */
#include "internal.h"

static struct numab_tunable_info row_of(int index)
{
	struct numab_tunable_info row;

	numab_tunable_info(index, &row);
	return row;
}

/* Bring a row's value in line with who has a say in it. */
static void settle(struct numab_machine *m, int index)
{
	struct numab_tunable_info row = row_of(index);

	if (m->tun_from[index] == NUMAB_FROM_USER)
		return;
	m->tun_from[index] = m->has_preset[index] ? NUMAB_FROM_POLICY : NUMAB_FROM_DEFAULT;
	m->tun[index] = m->as_posted ? row.as_posted : row.dflt;
	if (m->has_preset[index])
		m->tun[index] = m->preset[index];
	if (index == NUMAB_T_latency_local_ps)
		latencies_update(m);
}

/* No user's value and no preset yet. */
void tunables_init(struct numab_machine *m)
{
	int i;

	for (i = 0; i < NUMAB_NR_TUNABLES; i++)
		settle(m, i);
}

static int no_tunable(struct numab_machine *m, int index)
{
	return fail(m, NUMAB_EINVAL, "no tunable %d", index);
}

static int out_of_range(struct numab_machine *m, int index, int64_t value, int64_t min, int64_t max)
{
	struct numab_tunable_info row = row_of(index);

	return fail(m, NUMAB_EINVAL, "%s = %lld %s, permitted %lld..%lld", row.name,
		    (long long)value, row.unit, (long long)min, (long long)max);
}

int64_t numab_get(const struct numab_machine *m, int index)
{
	return m && index >= 0 && index < NUMAB_NR_TUNABLES ? m->tun[index] : 0;
}

int numab_set(struct numab_machine *m, int index, int64_t value)
{
	struct numab_tunable_info row;
	int64_t min, max;

	if (!m)
		return NUMAB_EINVAL;
	if (index < 0 || index >= NUMAB_NR_TUNABLES)
		return no_tunable(m, index);
	row = row_of(index);
	min = row.min;
	max = row.max;
	if (m->as_posted && !strcmp(row.kind, "SYSCTL")) { /* a plain integer handler */
		min = INT32_MIN;
		max = INT32_MAX;
	}
	if (value < min || value > max)
		return out_of_range(m, index, value, min, max);
	m->tun[index] = value;
	m->tun_from[index] = NUMAB_FROM_USER;
	if (index == NUMAB_T_latency_local_ps)
		latencies_update(m);
	return 0;
}

int numab_unset(struct numab_machine *m, int index)
{
	if (!m)
		return NUMAB_EINVAL;
	if (index < 0 || index >= NUMAB_NR_TUNABLES)
		return no_tunable(m, index);
	m->tun_from[index] = NUMAB_FROM_DEFAULT;
	settle(m, index);
	return 0;
}

int numab_tunable_source(const struct numab_machine *m, int index)
{
	if (!m || index < 0 || index >= NUMAB_NR_TUNABLES)
		return NUMAB_EINVAL;
	return m->tun_from[index];
}

int numab_set_as_posted(struct numab_machine *m, int as_posted)
{
	int i;

	if (!m)
		return NUMAB_EINVAL;
	m->as_posted = as_posted != 0;
	for (i = 0; i < NUMAB_NR_TUNABLES; i++) {
		if (strcmp(row_of(i).kind, "PRICE"))
			m->tun_from[i] = NUMAB_FROM_DEFAULT;
		settle(m, i);
	}
	return 0;
}

/* A policy's presets come into force in place of the former one's.  All are checked first. */
int use_presets(struct numab_machine *m, const struct numab_preset *presets, uint32_t n)
{
	uint32_t k;
	int i;

	if (n && !presets)
		return fail(m, NUMAB_EINVAL, "%u presets announced, none given", n);
	for (k = 0; k < n; k++) {
		struct numab_tunable_info row;

		if (presets[k].tunable < 0 || presets[k].tunable >= NUMAB_NR_TUNABLES)
			return no_tunable(m, presets[k].tunable);
		row = row_of(presets[k].tunable);
		if (presets[k].value < row.min || presets[k].value > row.max)
			return out_of_range(m, presets[k].tunable, presets[k].value, row.min,
					    row.max);
	}
	memset(m->has_preset, 0, sizeof(m->has_preset));
	for (k = 0; k < n; k++) {
		m->has_preset[presets[k].tunable] = 1;
		m->preset[presets[k].tunable] = presets[k].value;
	}
	for (i = 0; i < NUMAB_NR_TUNABLES; i++)
		settle(m, i);
	return 0;
}
