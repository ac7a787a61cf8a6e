/* SPDX-License-Identifier: BSD-3-Clause
 *
 * groups.c - the numbers of a domain's groups of CPUs, and which group is the busiest
 *
 * Linux: kernel/sched/fair.c of 3.7, update_sg_lb_stats, update_sd_lb_stats and the beginning of
 * find_busiest_group; the off-node counts are patch 28's.  What is then pulled is the host's.
 */
#include "internal.h"

#define POWER_SCALE 1024

static int in_cpus(const uint64_t *mask, int cpu)
{
	return mask[cpu / 64] >> (cpu % 64) & 1;
}

static int holds(const struct numab_groups *g, uint32_t at, int cpu)
{
	uint32_t i;

	for (i = g->starts[at]; i < g->starts[at + 1]; i++)
		if (g->cpus[i] == cpu)
			return 1;
	return 0;
}

/* Between now and the past low for others, high for its own: source_load, target_load. */
static uint64_t biased_load(const struct numab_rq *rq, uint32_t idx, int local)
{
	uint64_t now = rq->load_weight, past;

	if (!idx)
		return now;
	past = rq->cpu_load[idx - 1];
	return local == (past > now) ? past : now;
}

/* Sums over a group; its tasks crowd when one CPU runs two more than another and the loads differ
 * by a task of average weight. */
static void sg_stats(const struct numab_rq *rqs, const struct numab_groups *g, uint32_t at,
		     uint32_t idx, int local, const uint64_t *excluded,
		     struct numab_sg_stats *s)
{
	uint64_t top_load = 0, low_load = UINT64_MAX, per_task;
	int top_nr = 0, low_nr = INT32_MAX;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	for (i = g->starts[at]; i < g->starts[at + 1]; i++) {
		const struct numab_rq *rq = &rqs[g->cpus[i]];
		uint64_t load;

		if (excluded && in_cpus(excluded, g->cpus[i]))
			continue;
		load = biased_load(rq, idx, local);
		s->load += load;
		s->weight += rq->load_weight;
		s->nr_running += rq->nr_running;
		s->idle_cpus += !rq->nr_running;
		s->offnode_weight += rq->offnode_weight;
		s->offnode_running += rq->offnode_running;
		s->onnode_running += rq->onnode_running;
		top_load = load > top_load ? load : top_load;
		low_load = load < low_load ? load : low_load;
		top_nr = rq->nr_running > top_nr ? rq->nr_running : top_nr;
		low_nr = rq->nr_running < low_nr ? rq->nr_running : low_nr;
	}
	per_task = s->nr_running ? s->weight / (uint64_t)s->nr_running : 0;
	s->imbalanced = !local && low_nr < top_nr - 1 && low_load <= top_load &&
			top_load - low_load >= per_task;
	s->group = (int32_t)at;
	s->power = g->power[at];
	s->avg_load = s->load * POWER_SCALE / s->power;
	s->capacity = (int32_t)g->capacity[at];
	s->has_capacity = s->capacity > s->nr_running;
}

/* Before the looks at imbalance_pct and idle CPUs. */
static int first_exits(const struct numab_sd_stats *s, int idle)
{
	if (s->local.group < 0 || s->busiest.group < 0 || !s->busiest.nr_running)
		return NUMAB_LB_NO_BUSIEST;
	if (s->busiest.imbalanced || (idle == NUMAB_CPU_NEWLY_IDLE && s->local.has_capacity &&
				      !s->busiest.has_capacity))
		return NUMAB_LB_FORCED;
	if (s->local.avg_load >= s->busiest.avg_load)
		return NUMAB_LB_ABOVE_BUSIEST;
	return s->local.avg_load >= s->avg_load ? NUMAB_LB_ABOVE_AVERAGE : NUMAB_LB_IMBALANCE;
}

void numab_sd_stats(const struct numab_rq *rqs, const struct numab_groups *g, int idle,
		    const uint64_t *excluded, struct numab_sd_stats *out)
{
	uint64_t load = 0, power = 0, max_load = 0;
	struct numab_sg_stats s;
	uint32_t i, at = g->first;

	memset(out, 0, sizeof(*out));
	out->local.group = out->busiest.group = out->numa.group = -1;
	for (i = 0; i < g->nr_groups; i++) {
		int local = holds(g, at, g->cpu);

		sg_stats(rqs, g, at, g->load_idx[idle], local, excluded, &s);
		load += s.load;
		power += s.power;
		at = at + 1 < g->nr_groups ? at + 1 : 0;
		if (local) {
			out->local = s;
			continue;
		}
		if (out->numa.group < 0 && s.offnode_running)
			out->numa = s;
		if (g->prefer_sibling && out->local.group >= 0 && out->local.has_capacity &&
		    s.capacity > 1)
			s.capacity = 1;
		if (s.avg_load > max_load && (s.nr_running > s.capacity || s.imbalanced)) {
			out->busiest = s;
			max_load = s.avg_load;
		}
	}
	out->avg_load = POWER_SCALE * load / power;
	out->exit = first_exits(out, idle);
}

/* ---- are they groups at all? ---- */

int check_groups(struct numab_machine *m, const struct numab_groups *g, int cpu)
{
	uint32_t i, k;

	if (!g->starts || !g->cpus || !g->power || !g->capacity)
		return fail(m, NUMAB_EINVAL, "groups without starts, cpus, power or capacity");
	if (g->cpu != cpu)
		return fail(m, NUMAB_EINVAL, "groups of CPU %d in a domain of CPU %d", g->cpu, cpu);
	if (!g->nr_groups || g->nr_groups > (uint32_t)m->nr_cpus)
		return fail(m, NUMAB_EINVAL, "%u groups, permitted 1..%d", g->nr_groups,
			    m->nr_cpus);
	if (g->first >= g->nr_groups)
		return fail(m, NUMAB_EINVAL, "group %u is the first, permitted 0..%u", g->first,
			    g->nr_groups - 1);
	for (i = 0; i < 3; i++)
		if (g->load_idx[i] > NUMAB_CPU_LOADS)
			return fail(m, NUMAB_EINVAL, "load index %u, permitted 0..%d",
				    g->load_idx[i], NUMAB_CPU_LOADS);
	for (i = 0; i < g->nr_groups; i++) {
		if (g->starts[i + 1] <= g->starts[i] ||
		    g->starts[i + 1] - g->starts[i] > (uint32_t)m->nr_cpus)
			return fail(m, NUMAB_EINVAL, "group %u holds cpus[%u..%u], permitted "
				    "1..%d CPUs", i, g->starts[i], g->starts[i + 1], m->nr_cpus);
		if (!g->power[i] || g->power[i] > 1ull << 32)
			return fail(m, NUMAB_EINVAL, "group %u of power %llu, permitted 1..2^32", i,
				    (ull)g->power[i]);
		if (g->capacity[i] > INT32_MAX)
			return fail(m, NUMAB_EINVAL, "group %u of capacity %u, permitted 0..2^31-1",
				    i, g->capacity[i]);
		for (k = g->starts[i]; k < g->starts[i + 1]; k++)
			if (check_cpu(m, g->cpus[k]))
				return NUMAB_EINVAL;
	}
	return holds(g, g->first, cpu) ? 0 :
	       fail(m, NUMAB_EINVAL, "group %u is the first of CPU %d and does not hold it",
		    g->first, cpu);
}
