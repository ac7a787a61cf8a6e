/* SPDX-License-Identifier: BSD-3-Clause
 *
 * balance.c - scheduling domains: when a CPU balances which of its levels
 *
 * Linux: kernel/sched/fair.c of 3.7, rebalance_domains and idle_balance.
 */
#include "internal.h"

#define MAX_DOMAINS 64
#define MAX_INTERVAL_MS 1000000
#define SD_FLAGS (NUMAB_SD_NEWIDLE | NUMAB_SD_SHARE_CACHE | NUMAB_SD_NUMA | NUMAB_SD_PREEMPT | \
		  NUMAB_SD_HOST | NUMAB_SD_WAKE_AFFINE)

static void domain_forget(struct numab_machine *m, struct domain *d)
{
	mem_free(m, d->span, sizeof(uint64_t) * cpu_words(m));
	d->span = NULL;
}

void domains_free(struct numab_machine *m, struct queue *q)
{
	while (q->nr_domains)
		domain_forget(m, &q->domains[--q->nr_domains]);
	mem_free(m, q->domains, sizeof(*q->domains) * (size_t)q->cap_domains);
	q->domains = NULL;
	q->cap_domains = 0;
}

/* ---- when ---- */

static int idle_cpu(const struct numab_machine *m, int cpu)
{
	return !m->rqs[cpu].nr_running;
}

static uint64_t to_ticks(const struct numab_machine *m, uint64_t ms)
{
	return (ms * m->hz + 999) / 1000;
}

/* Ticks between two looks at a level. */
static uint64_t interval_ticks(const struct numab_machine *m, const struct domain *d, int idle)
{
	uint64_t ms = d->state.balance_interval_ms, ticks;
	uint64_t max = (uint64_t)m->hz * (uint64_t)m->nr_online_cpus / 10;

	if (idle != NUMAB_CPU_IDLE)
		ms *= d->busy_factor;
	ticks = to_ticks(m, ms);
	if (ticks > max)
		ticks = max;
	return ticks ? ticks : 1;
}

/* Whatever a hook makes of the levels, one that is gone is not looked at. */
static void rebalance_domains(struct numab_machine *m, int cpu, uint64_t now)
{
	struct queue *q = &m->queues[cpu];
	int idle = idle_cpu(m, cpu) ? NUMAB_CPU_IDLE : NUMAB_CPU_NOT_IDLE;
	uint64_t next = now + 60ull * m->hz, interval;
	int level, answer = 0;

	for (level = 0; level < q->nr_domains && !m->hook_failed; level++) {
		interval = interval_ticks(m, &q->domains[level], idle);
		if (now >= q->domains[level].state.last_balance + interval) {
			answer = load_balance(m, cpu, level, idle);
			if (answer & NUMAB_BALANCE_MOVED)
				idle = NUMAB_CPU_NOT_IDLE;
			if (level >= q->nr_domains)
				break;
			q->domains[level].state.last_balance = now;
		}
		if (q->domains[level].state.last_balance + interval < next)
			next = q->domains[level].state.last_balance + interval;
		if (answer & NUMAB_BALANCE_STOP)
			break;
	}
	q->next_balance = next;
}

/* The next look may have been set for a busy CPU: it comes sooner now. */
static void idle_balance(struct numab_machine *m, int cpu, uint64_t now)
{
	struct queue *q = &m->queues[cpu];
	uint64_t next = now + m->hz, at;
	int level, pulled = 0;

	for (level = 0; level < q->nr_domains && !m->hook_failed && !pulled; level++) {
		if (q->domains[level].flags & NUMAB_SD_NEWIDLE)
			pulled = load_balance(m, cpu, level, NUMAB_CPU_NEWLY_IDLE) &
				 NUMAB_BALANCE_MOVED;
		if (level >= q->nr_domains)
			break;
		at = q->domains[level].state.last_balance +
		     to_ticks(m, q->domains[level].state.balance_interval_ms);
		if (at < next)
			next = at;
	}
	if (pulled || now > q->next_balance)
		q->next_balance = next;
}

/* At the end of a tick. */
void balance_cpus(struct numab_machine *m)
{
	uint64_t now = m->now_ns / m->tick_ns;
	int cpu;

	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		int went_idle = m->queues[cpu].went_idle;

		m->queues[cpu].went_idle = 0;
		if (went_idle && idle_cpu(m, cpu))
			idle_balance(m, cpu, now);
	}
	for (cpu = 0; cpu < m->nr_cpus && !m->hook_failed; cpu++)
		if (m->queues[cpu].nr_domains && now >= m->queues[cpu].next_balance)
			rebalance_domains(m, cpu, now);
}

/* ---- setting them up ---- */

static int check_domain(struct numab_machine *m, int level, const struct numab_domain *d, int cpu)
{
	const int nr = m->queues[cpu].nr_domains;

	if (level < 0 || level > nr || level >= MAX_DOMAINS)
		return fail(m, NUMAB_EINVAL, "level %d of CPU %d, permitted 0..%d", level, cpu,
			    nr < MAX_DOMAINS ? nr : MAX_DOMAINS - 1);
	if (!d)
		return 0;
	if (d->flags & ~(uint32_t)SD_FLAGS)
		return fail(m, NUMAB_EINVAL, "domain flags 0x%x, permitted bits 0x%x", d->flags,
			    SD_FLAGS);
	if (!d->max_interval_ms || d->max_interval_ms > MAX_INTERVAL_MS)
		return fail(m, NUMAB_EINVAL, "a longest interval of %u ms, permitted 1..%d",
			    d->max_interval_ms, MAX_INTERVAL_MS);
	if (!d->min_interval_ms || d->min_interval_ms > MAX_INTERVAL_MS)
		return fail(m, NUMAB_EINVAL, "a shortest interval of %u ms, permitted 1..%d",
			    d->min_interval_ms, MAX_INTERVAL_MS);
	if (!d->busy_factor || d->busy_factor > 1000)
		return fail(m, NUMAB_EINVAL, "busy factor %u, permitted 1..1000", d->busy_factor);
	if (d->cache_nice_tries > 1000)
		return fail(m, NUMAB_EINVAL, "cache_nice_tries %u, permitted 0..1000",
			    d->cache_nice_tries);
	return check_groups(m, &d->groups, cpu);
}

int numab_set_domain(struct numab_machine *m, int cpu, int level, const struct numab_domain *in)
{
	struct domain d;
	struct queue *q;
	int err;

	if (!m)
		return NUMAB_EINVAL;
	if (check_cpu(m, cpu) || check_domain(m, level, in, cpu))
		return NUMAB_EINVAL;
	q = &m->queues[cpu];
	if (!in) {
		while (q->nr_domains > level)
			domain_forget(m, &q->domains[--q->nr_domains]);
		return 0;
	}
	if (level == q->cap_domains) {
		if (mem_grow(m, (void **)&q->domains, sizeof(d), level, level + 4))
			return no_memory(m);
		q->cap_domains = level + 4;
	}
	memset(&d, 0, sizeof(d));
	d.span = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * cpu_words(m));
	if (!d.span)
		return no_memory(m);
	err = cpus_copy(m, in->span, in->nr_mask_words, d.span);
	if (!err && !cpu_bit(d.span, cpu))
		err = fail(m, NUMAB_EINVAL, "the span of CPU %d's domain does not hold it", cpu);
	if (err) {
		domain_forget(m, &d);
		return err;
	}
	d.groups = in->groups;
	d.flags = in->flags;
	d.min_interval_ms = d.state.balance_interval_ms = in->min_interval_ms;
	d.max_interval_ms = in->max_interval_ms;
	d.busy_factor = in->busy_factor;
	d.cache_nice_tries = in->cache_nice_tries;
	d.state.last_balance = m->now_ns / m->tick_ns;
	if (level < q->nr_domains)
		domain_forget(m, &q->domains[level]);
	else
		q->nr_domains++;
	q->domains[level] = d;
	q->next_balance = 0;
	return 0;
}

struct numab_domain_state *numab_domain_state(const struct numab_machine *m, int cpu, int level)
{
	if (!m || cpu < 0 || cpu >= m->nr_cpus || level < 0 ||
	    level >= m->queues[cpu].nr_domains)
		return NULL;
	return &m->queues[cpu].domains[level].state;
}
