/* SPDX-License-Identifier: BSD-3-Clause
 *
 * groups.c - the numbers of a domain's groups of CPUs, which group is the busiest, and how much
 * load to pull from which of its queues
 *
 * Linux: kernel/sched/fair.c of 3.7, update_sg_lb_stats, update_sd_lb_stats, find_busiest_group,
 * calculate_imbalance, fix_small_imbalance, find_busiest_queue; the off-node counts and the choice
 * of a queue by them are patches 27 and 28's.  All of it reads, nothing of it moves; lots are
 * drawn from the machine's generator.
 */
#include "internal.h"

#define POWER_SCALE 1024ull
#define LOAD_SCALE 1024ull
#define MAX_POWER (1ull << 32)

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

		if (excluded && cpu_bit(excluded, g->cpus[i]))
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

/* ---- how much to move ---- */

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The average weight of a task here. */
static uint64_t task_weight(uint64_t weight, int nr_running)
{
	return nr_running ? weight / (uint64_t)nr_running : 0;
}

/* Too little to move one task: move one all the same if that gains throughput.  @dst: the queue
 * that pulls, @task: weight of one of the busiest group's.  Linux: fix_small_imbalance. */
static uint64_t fix_small_imbalance(const struct numab_sd_stats *s, const struct numab_rq *dst,
				    uint64_t task, uint64_t imbalance)
{
	const struct numab_sg_stats *here = &s->local, *busy = &s->busiest;
	uint64_t here_task, now, after = 0, gain, scaled = task * POWER_SCALE / busy->power;
	unsigned imbn = 2;

	if (here->nr_running) {
		here_task = task_weight(here->weight, here->nr_running);
		imbn = task > here_task ? 1 : 2;
	} else {
		here_task = task_weight(dst->load_weight, dst->nr_running);
	}
	if (busy->avg_load - here->avg_load + scaled >= scaled * imbn)
		return task;
	now = busy->power * min64(task, busy->avg_load) +
	      here->power * min64(here_task, here->avg_load);
	if (busy->avg_load > scaled)
		after = busy->power * min64(task, busy->avg_load - scaled);
	gain = min64(busy->avg_load * busy->power, task * POWER_SCALE) / here->power;
	after += here->power * min64(here_task, here->avg_load + gain);
	return after / POWER_SCALE > now / POWER_SCALE ? task : imbalance;
}

/* So much that nobody ends beyond the average.  Unsigned, wrapping where the kernel's does.  Linux:
 * calculate_imbalance. */
static uint64_t calculate_imbalance(const struct numab_sd_stats *s, const struct numab_rq *dst)
{
	const struct numab_sg_stats *here = &s->local, *busy = &s->busiest;
	uint64_t task = task_weight(busy->weight, busy->nr_running), above = UINT64_MAX, imbalance;

	if (busy->imbalanced)
		task = min64(task, s->avg_load);
	if (busy->avg_load < s->avg_load)
		return fix_small_imbalance(s, dst, task, 0);
	if (!busy->imbalanced)
		above = (uint64_t)(int64_t)(busy->nr_running - busy->capacity) *
			(LOAD_SCALE * POWER_SCALE) / busy->power;
	imbalance = min64(min64(busy->avg_load - s->avg_load, above) * busy->power,
			  (s->avg_load - here->avg_load) * here->power) / POWER_SCALE;
	return imbalance < task ? fix_small_imbalance(s, dst, task, imbalance) : imbalance;
}

/* ---- which group ---- */

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

/* The last two looks, whose yes the bias may overrule. */
static int balanced(const struct numab_groups *g, const struct numab_sd_stats *s, int idle)
{
	const uint32_t *starts = &g->starts[s->busiest.group];

	if (idle == NUMAB_CPU_IDLE)
		return s->local.idle_cpus <= s->busiest.idle_cpus + 1 &&
		       s->busiest.nr_running <= (int)(starts[1] - starts[0]) ?
			       NUMAB_LB_IDLE_ENOUGH : NUMAB_LB_IMBALANCE;
	return 100 * s->busiest.avg_load <= g->imbalance_pct * s->local.avg_load ?
		       NUMAB_LB_WITHIN_PCT : NUMAB_LB_IMBALANCE;
}

static void sd_stats(const struct numab_rq *rqs, const struct numab_groups *g, int cpu,
		     uint32_t idx, const uint64_t *excluded, struct numab_sd_stats *out)
{
	uint64_t load = 0, power = 0, max_load = 0;
	struct numab_sg_stats s;
	uint32_t i, at = g->first;

	memset(out, 0, sizeof(*out));
	out->local.group = out->busiest.group = out->numa.group = -1;
	for (i = 0; i < g->nr_groups; i++) {
		int local = holds(g, at, cpu);

		sg_stats(rqs, g, at, idx, local, excluded, &s);
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
}

void numab_find_busiest_group(const struct numab_rq *rqs, const struct numab_groups *g, int cpu,
			      int idle, const uint64_t *excluded, struct numab_sd_stats *out)
{
	sd_stats(rqs, g, cpu, g->load_idx[idle], excluded, out);
	out->exit = first_exits(out, idle);
	if (out->exit == NUMAB_LB_IMBALANCE)
		out->exit = balanced(g, out, idle);
	if (out->exit == NUMAB_LB_IMBALANCE || out->exit == NUMAB_LB_FORCED)
		out->imbalance = calculate_imbalance(out, &rqs[cpu]);
}

/* A lot among the first @nr: does the one that comes last win? */
static int wins(struct numab_machine *m, uint64_t nr)
{
	return !rng_below(&m->rng, nr);
}

/* One by lot of the other groups that have a task off its home node, for the bias. */
void random_offnode_group(struct numab_machine *m, const struct numab_groups *g, int cpu, int idle,
			  const uint64_t *excluded, struct numab_sg_stats *out)
{
	struct numab_sg_stats s;
	uint32_t i, at, nr = 0;

	for (i = 0; i < g->nr_groups; i++) {
		at = (g->first + i) % g->nr_groups;
		if (holds(g, at, cpu))
			continue;
		sg_stats(m->rqs, g, at, g->load_idx[idle], 0, excluded, &s);
		if (s.offnode_running && wins(m, ++nr))
			*out = s;
	}
}

/* One by lot of a group's queues that have a task off its home node, -1: none. */
int random_offnode_queue(struct numab_machine *m, const struct numab_groups *g, int group,
			 const uint64_t *excluded)
{
	uint32_t i, nr = 0;
	int found = -1;

	for (i = g->starts[group]; i < g->starts[group + 1]; i++) {
		if (excluded && cpu_bit(excluded, g->cpus[i]))
			continue;
		if (m->rqs[g->cpus[i]].offnode_running && wins(m, ++nr))
			found = g->cpus[i];
	}
	return found;
}

int numab_find_busiest_queue(const struct numab_rq *rqs, const struct numab_groups *g, int group,
			     uint64_t imbalance, int numa_queue, const uint64_t *excluded)
{
	uint64_t max_load = 0, load;
	int busiest = -1;
	uint32_t i;

	for (i = g->starts[group]; i < g->starts[group + 1]; i++) {
		int cpu = g->cpus[i];
		uint32_t power = g->cpu_power[cpu];

		if (excluded && cpu_bit(excluded, cpu))
			continue;
		if (numa_queue) {
			if (rqs[cpu].offnode_running)
				return cpu;
			continue;
		}
		load = rqs[cpu].load_weight;
		if (((power + POWER_SCALE / 2) / POWER_SCALE || g->share_cpupower) &&
		    rqs[cpu].nr_running == 1 && load > imbalance)
			continue;
		load = load * POWER_SCALE / power;
		if (load > max_load) {
			busiest = cpu;
			max_load = load;
		}
	}
	return busiest;
}

/* ---- are they groups at all? ---- */

static int check_group(struct numab_machine *m, const struct numab_groups *g, uint32_t i)
{
	uint32_t k;

	if (g->starts[i + 1] <= g->starts[i] ||
	    g->starts[i + 1] - g->starts[i] > (uint32_t)m->nr_cpus)
		return fail(m, NUMAB_EINVAL, "group %u holds cpus[%u..%u], permitted 1..%d CPUs", i,
			    g->starts[i], g->starts[i + 1], m->nr_cpus);
	if (!g->power[i] || g->power[i] > MAX_POWER)
		return fail(m, NUMAB_EINVAL, "group %u of power %llu, permitted 1..2^32", i,
			    (ull)g->power[i]);
	if (g->capacity[i] > INT32_MAX)
		return fail(m, NUMAB_EINVAL, "group %u of capacity %u, permitted 0..2^31-1", i,
			    g->capacity[i]);
	for (k = g->starts[i]; k < g->starts[i + 1]; k++) {
		if (check_cpu(m, g->cpus[k]))
			return NUMAB_EINVAL;
		if (!g->cpu_power[g->cpus[k]])
			return fail(m, NUMAB_EINVAL, "CPU %d of power 0, permitted 1..2^32-1",
				    g->cpus[k]);
	}
	return 0;
}

int check_groups(struct numab_machine *m, const struct numab_groups *g, int cpu)
{
	uint32_t i;

	if (!g->starts || !g->cpus || !g->turn || !g->power || !g->capacity || !g->cpu_power)
		return fail(m, NUMAB_EINVAL,
			    "groups without starts, cpus, turn, power, capacity or cpu_power");
	if (!g->nr_groups || g->nr_groups > (uint32_t)m->nr_cpus)
		return fail(m, NUMAB_EINVAL, "%u groups, permitted 1..%d", g->nr_groups,
			    m->nr_cpus);
	if (g->first >= g->nr_groups)
		return fail(m, NUMAB_EINVAL, "group %u is the first, permitted 0..%u", g->first,
			    g->nr_groups - 1);
	if (g->imbalance_pct < 100 || g->imbalance_pct > 1000)
		return fail(m, NUMAB_EINVAL, "imbalance_pct %u, permitted 100..1000",
			    g->imbalance_pct);
	for (i = 0; i < 3; i++)
		if (g->load_idx[i] > NUMAB_CPU_LOADS)
			return fail(m, NUMAB_EINVAL, "load index %u, permitted 0..%d",
				    g->load_idx[i], NUMAB_CPU_LOADS);
	for (i = 0; i < g->nr_groups; i++)
		if (check_group(m, g, i))
			return NUMAB_EINVAL;
	return holds(g, g->first, cpu) ? 0 :
	       fail(m, NUMAB_EINVAL, "group %u is the first of CPU %d and does not hold it",
		    g->first, cpu);
}
