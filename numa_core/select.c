/* SPDX-License-Identifier: BSD-3-Clause
 *
 * select.c - on which CPU a task wakes: where it slept, or where its waker runs, or on an idle one
 * that shares the cache of that
 *
 * Linux: kernel/sched/fair.c of 3.7, select_task_rq_fair with SD_BALANCE_WAKE (which no domain
 * has), wake_affine and select_idle_sibling.  All of it reads, nothing of it moves.
 */
#include "internal.h"

/* Nobody runs there, nor is about to, woken by another CPU. */
static int idles(const struct numab_machine *m, int cpu)
{
	return !m->rqs[cpu].nr_running && !m->queues[cpu].nr_woken;
}

/* Of who runs there and who is about to. */
static uint64_t load_of(const struct numab_machine *m, int cpu)
{
	return m->rqs[cpu].load_weight + m->queues[cpu].woken_weight;
}

/* The first CPU that a task may use of a group all of whose CPUs idle, -1: it is not one. */
static int idle_group(const struct numab_machine *m, const struct task *t,
		      const struct numab_groups *g, uint32_t at)
{
	int first = -1;
	uint32_t i;

	for (i = g->starts[at]; i < g->starts[at + 1]; i++) {
		if (!idles(m, g->cpus[i]))
			return -1;
		if (first < 0 && cpu_allowed(t, g->cpus[i]))
			first = g->cpus[i];
	}
	return first;
}

/* @target, or, while others run there, a CPU that shares its cache and idles; whole cores first. */
static int select_idle_sibling(const struct numab_machine *m, const struct task *t, int target)
{
	const struct queue *q = &m->queues[target];
	const struct numab_groups *g;
	uint32_t i;
	int level, cpu;

	for (level = idles(m, target) ? -1 : q->nr_domains - 1; level >= 0; level--) {
		g = &q->domains[level].groups;
		if (!(q->domains[level].flags & NUMAB_SD_SHARE_CACHE))
			continue;
		for (i = 0; i < g->nr_groups; i++) {
			cpu = idle_group(m, t, g, (g->first + i) % g->nr_groups);
			if (cpu >= 0)
				return cpu;
		}
	}
	return target;
}

/* Would the waker's CPU with the task on it be hardly busier than the one where it slept?  By loads
 * now: all levels have wake_idx 0.  Wakes are not sync. */
static int wake_affine(const struct numab_machine *m, const struct task *t, int this_cpu,
		       const struct numab_groups *g)
{
	uint64_t here = load_of(m, this_cpu), there = load_of(m, t->cpu), with, without;
	int nr = m->rqs[this_cpu].nr_running + m->queues[this_cpu].nr_woken;

	with = 100ull * g->cpu_power[t->cpu] * (here + t->weight);
	without = (100ull + (g->imbalance_pct - 100) / 2) * g->cpu_power[this_cpu] *
		  (there + t->weight);
	return !here || with <= without ||
	       (here <= there && here + there <= here / (uint64_t)(nr ? nr : 1));
}

/* @waker_cpu: where whoever wakes it runs, or the timer. */
int select_task_rq(const struct numab_machine *m, const struct task *t, int waker_cpu)
{
	const struct queue *q = &m->queues[waker_cpu];
	int level;

	if (t->next_cpu >= 0 || !cpu_allowed(t, waker_cpu))
		return t->cpu;
	for (level = 0; level < q->nr_domains; level++)
		if (q->domains[level].flags & NUMAB_SD_WAKE_AFFINE &&
		    cpu_bit(q->domains[level].span, t->cpu))
			break;
	if (level == q->nr_domains)
		return t->cpu;
	if (waker_cpu != t->cpu && !wake_affine(m, t, waker_cpu, &q->domains[level].groups))
		waker_cpu = t->cpu;
	return select_idle_sibling(m, t, waker_cpu);
}
