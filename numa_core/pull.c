/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pull.c - one balancing: whose turn it is, which tasks come to the CPU, and what a failure leaves
 *
 * Linux: kernel/sched/fair.c of 3.7, load_balance, move_tasks, can_migrate_task,
 * need_active_balance and active_load_balance_cpu_stop, with patch 28's order of lists,
 * task_numa_hot and lone task off its home.  Whether balanced nodes trade such tasks is the hook's
 * to say (check_numa_busiest_group).
 */
#include "internal.h"

#define MIGRATION_COST_NS 500000 /* who ran less than this ago is cache-hot */
#define NR_MIGRATE 32            /* looks at the tasks of a list, at most */
#define MAX_PINNED_INTERVAL_MS 512
#define MAX_IMBALANCE (1ull << 62)

/* Linux: struct lb_env. */
struct pull {
	struct numab_machine *m;
	struct domain *d;
	int cpu;          /* whose domain it is */
	int level, idle;
	int dst_cpu;      /* that pulls: @cpu, or one beside it */
	int src_cpu;
	int64_t imbalance; /* load still to move */
	int numa_queue;   /* the bias chose: queues count by their off-node tasks */
	int nr_pinned;
	uint64_t *pinned; /* CPUs found to have nobody who may leave, NULL: none */
	int loop_max;
	int all_pinned;
	int new_dst_cpu;  /* beside @cpu, where a task may go that may not come here, -1 */
	int stopper;      /* runs on the source, so that nobody else does */
};

/* ---- where from ---- */

/* Of a group the first idle CPU balances, or else the first. */
static int balance_cpu(const struct pull *p, uint32_t group)
{
	const struct numab_groups *g = &p->d->groups;
	int first = -1, cpu;
	uint32_t i;

	for (i = g->starts[group]; i < g->starts[group + 1]; i++) {
		cpu = g->cpus[i];
		if (!g->turn[i])
			continue;
		if (!p->m->rqs[cpu].nr_running && !(p->pinned && cpu_bit(p->pinned, cpu)))
			return cpu;
		if (first < 0 || cpu < first)
			first = cpu;
	}
	return first;
}

static int our_turn(const struct pull *p)
{
	const struct numab_groups *g = &p->d->groups;
	uint32_t i, k;

	if (p->idle == NUMAB_CPU_NEWLY_IDLE)
		return 1;
	for (i = 0; i < g->nr_groups; i++)
		for (k = g->starts[i]; k < g->starts[i + 1]; k++)
			if (g->cpus[k] == p->dst_cpu && balance_cpu(p, i) != p->dst_cpu)
				return 0;
	return 1;
}

/* A question to the host.  The hook may set domains: @d is looked up anew, NULL when gone. */
static int ask(struct pull *p, struct numab_lb *lb)
{
	struct numab_machine *m = p->m;
	struct queue *q = &m->queues[p->cpu];
	int answer;

	p->d->state.nr_called++;
	lb->cpu = p->cpu;
	lb->level = p->level;
	lb->idle = p->idle;
	lb->group = -1;
	answer = m->balance(m->balance_ud, m, lb);
	p->d = p->level < q->nr_domains ? &q->domains[p->level] : NULL;
	if (answer < 0)
		m->hook_failed = HOOK_FAILED;
	return answer;
}

/* Balanced, but there may be something to trade: 1 when the host says what. */
static int bias(struct pull *p, struct numab_lb *lb)
{
	struct numab_machine *m = p->m;
	int answer;

	if (!(p->d->flags & NUMAB_SD_NUMA) || lb->stats.numa.group < 0 || !m->balance)
		return 0;
	if (m->tun[NUMAB_T_random_offnode])
		random_offnode_group(m, &p->d->groups, p->dst_cpu, p->idle, p->pinned,
				     &lb->stats.numa);
	answer = ask(p, lb);
	if (answer < 0 || !(answer & NUMAB_BALANCE_PULL) || !p->d)
		return 0;
	if (lb->group < 0 || (uint32_t)lb->group >= p->d->groups.nr_groups || !lb->imbalance ||
	    lb->imbalance > MAX_IMBALANCE) {
		fail(m, NUMAB_EHOST,
		     "balance hook: load %llu of group %d, permitted 1..2^62 of 0..%u",
		     (ull)lb->imbalance, lb->group, p->d->groups.nr_groups - 1);
		m->hook_failed = HOOK_FAILED_SAID;
		return 0;
	}
	p->numa_queue = 1;
	return 1;
}

/* The queue to pull from in src_cpu, -1: none; or NUMAB_BALANCE_STOP. */
static int find_source(struct pull *p)
{
	struct numab_machine *m = p->m;
	struct numab_lb lb;

	p->src_cpu = -1;
	if (!our_turn(p))
		return NUMAB_BALANCE_STOP;
	numab_find_busiest_group(m->rqs, &p->d->groups, p->dst_cpu, p->idle, p->pinned, &lb.stats);
	if (lb.stats.exit == NUMAB_LB_IMBALANCE || lb.stats.exit == NUMAB_LB_FORCED) {
		lb.group = lb.stats.busiest.group;
		lb.imbalance = lb.stats.imbalance;
	} else if (lb.stats.exit < NUMAB_LB_IDLE_ENOUGH || !bias(p, &lb)) {
		return 0;
	}
	p->imbalance = (int64_t)lb.imbalance;
	if (p->numa_queue && m->tun[NUMAB_T_random_offnode])
		p->src_cpu = random_offnode_queue(m, &p->d->groups, lb.group, p->pinned);
	else
		p->src_cpu = numab_find_busiest_queue(m->rqs, &p->d->groups, lb.group,
						      lb.imbalance, p->numa_queue, p->pinned);
	return 0;
}

/* ---- which tasks ---- */

/* Would it get no nearer to its home node?  Equally far counts as stay.  Linux: patch 28. */
static int task_numa_hot(const struct pull *p, const struct task *t)
{
	const struct numab_machine *m = p->m;
	const uint8_t *from = &m->distance[m->cpu_nid[p->src_cpu] * m->nr_ids];
	const uint8_t *to = &m->distance[m->cpu_nid[p->dst_cpu] * m->nr_ids];

	if (!m->tun[NUMAB_T_numa_homenode_preferred] || t->home < 0)
		return 0;
	return to[t->home] >= from[t->home];
}

/* The first CPU beside this one that a task may use, -1: none. */
static int allowed_beside(const struct pull *p, const struct task *t)
{
	const struct numab_groups *g = &p->d->groups;
	uint32_t i;

	for (i = g->starts[g->first]; i < g->starts[g->first + 1]; i++)
		if (cpu_allowed(t, g->cpus[i]))
			return g->cpus[i];
	return -1;
}

/* Not pinned, not running, and neither cache-hot nor, for a busy CPU, better where it is. */
static int can_migrate_task(struct pull *p, const struct task *t)
{
	struct numab_machine *m = p->m;
	int running = m->rqs[p->src_cpu].curr == t->tid, hot;

	if (!cpu_allowed(t, p->dst_cpu)) {
		if (p->new_dst_cpu < 0 && !p->stopper)
			p->new_dst_cpu = allowed_beside(p, t);
		return 0;
	}
	p->all_pinned = 0;
	if (running && !p->stopper)
		return 0;
	hot = running || m->now_ns < t->last_ran_ns + MIGRATION_COST_NS;
	if (!hot && p->idle == NUMAB_CPU_NOT_IDLE)
		hot = task_numa_hot(p, t);
	return (!hot || p->d->state.nr_balance_failed > p->d->cache_nice_tries) &&
	       !rq_reserve(m, p->dst_cpu);
}

/* From the head of a list; who is passed over goes to its end.  1: nothing more is wanted. */
static int move_from_list(struct pull *p, int which, int *moved)
{
	struct numab_machine *m = p->m;
	int loop, tid;

	for (loop = 0; (tid = m->queues[p->src_cpu].first[which]) != 0;) {
		struct task *t = m->ids[tid].task;

		if (++loop > p->loop_max)
			break;
		if ((int64_t)(t->weight / 2) > p->imbalance || !can_migrate_task(p, t)) {
			list_move_tail(m, t);
			continue;
		}
		ask_move(m, t, p->dst_cpu);
		++*moved;
		p->imbalance -= t->weight;
		if (p->imbalance <= 0 || ((p->d->flags & NUMAB_SD_PREEMPT) &&
					  p->idle == NUMAB_CPU_NEWLY_IDLE))
			return 1;
	}
	return 0;
}

/* The off-node list first: patch 28.  The kernel's breather after 32 looks cannot come before its
 * limit of 32 looks. */
static int move_tasks(struct pull *p)
{
	int moved = 0;

	if (p->m->tun[NUMAB_T_numa_homenode_pull] &&
	    move_from_list(p, NUMAB_OFFNODE_TASKS, &moved))
		return moved;
	move_from_list(p, NUMAB_CFS_TASKS, &moved);
	return moved;
}

/* To CPUs beside this one, too, while some could not come here. */
static int pull_tasks(struct pull *p)
{
	const struct numab_groups *g = &p->d->groups;
	uint32_t beside = g->starts[g->first + 1] - g->starts[g->first], tries;
	int nr = p->m->rqs[p->src_cpu].nr_running, moved;

	p->loop_max = nr < NR_MIGRATE ? nr : NR_MIGRATE;
	p->all_pinned = 1;
	p->new_dst_cpu = -1;
	moved = p->imbalance > 0 ? move_tasks(p) : 0;
	for (tries = 1; p->new_dst_cpu >= 0 && p->imbalance > 0 && tries < beside; tries++) {
		p->dst_cpu = p->new_dst_cpu;
		p->new_dst_cpu = -1;
		moved += move_tasks(p);
	}
	return moved;
}

/* ---- how it ends ---- */

/* Look less often: nothing to do, or nothing that can be done. */
static void back_off(struct domain *d, int pinned)
{
	if ((pinned && d->state.balance_interval_ms < MAX_PINNED_INTERVAL_MS) ||
	    d->state.balance_interval_ms < d->max_interval_ms)
		d->state.balance_interval_ms *= 2;
}

static void balanced_out(struct domain *d, int pinned)
{
	d->state.nr_balance_failed = 0;
	back_off(d, pinned);
}

/* The stopper of the source pushes one task, whoever runs; at once, in the kernel as soon as the
 * balancing has returned.  Linux: active_load_balance_cpu_stop. */
static void active_load_balance(struct numab_machine *m, int src, int dst)
{
	static const int lists[2] = { NUMAB_OFFNODE_TASKS, NUMAB_CFS_TASKS };
	struct queue *q = &m->queues[dst];
	struct pull p;
	int i, tid;

	memset(&p, 0, sizeof(p));
	p.m = m;
	p.idle = NUMAB_CPU_IDLE;
	p.dst_cpu = dst;
	p.src_cpu = src;
	p.stopper = 1;
	for (i = 0; i < q->nr_domains && !cpu_bit(q->domains[i].span, src); i++)
		;
	if (i == q->nr_domains)
		return;
	p.d = &q->domains[i];
	for (i = 0; i < 2; i++) {
		for (tid = m->queues[src].first[lists[i]]; tid; tid = m->ids[tid].task->list_next) {
			if (can_migrate_task(&p, m->ids[tid].task)) {
				ask_move(m, m->ids[tid].task, dst);
				return;
			}
		}
	}
}

/* After failures in a row, or when the bias chose a queue whose one task is off its home node. */
static int need_active_balance(const struct pull *p)
{
	const struct numab_rq *rq = &p->m->rqs[p->src_cpu];

	if (p->numa_queue && rq->nr_running == 1 && rq->offnode_running)
		return 1;
	return p->d->state.nr_balance_failed > p->d->cache_nice_tries + 2;
}

/* There was load to move and no task that could be: count it, and at last use force. */
static void balance_failed(struct pull *p)
{
	struct domain *d = p->d;
	int curr = p->m->rqs[p->src_cpu].curr;

	if (p->idle != NUMAB_CPU_NEWLY_IDLE)
		d->state.nr_balance_failed++;
	if (!need_active_balance(p)) {
		d->state.balance_interval_ms = d->min_interval_ms;
		return;
	}
	if (curr && !cpu_allowed(p->m->ids[curr].task, p->cpu)) {
		back_off(d, 1);
		return;
	}
	d->state.nr_balance_failed = d->cache_nice_tries + 1;
	back_off(d, 0);
	active_load_balance(p->m, p->src_cpu, p->cpu);
}

/* One balancing of the core's.  NUMAB_BALANCE_MOVED or STOP. */
static int core_balance(struct pull *p)
{
	struct numab_machine *m = p->m;
	int answer, moved;

	for (;;) {
		answer = find_source(p);
		if (m->hook_failed || !p->d)
			return NUMAB_BALANCE_STOP;
		if (p->src_cpu < 0) {
			balanced_out(p->d, p->nr_pinned > 0);
			return answer;
		}
		moved = 0;
		if (m->rqs[p->src_cpu].nr_running > 1) {
			moved = pull_tasks(p);
			if (p->all_pinned) {
				p->pinned = m->pinned_cpus;
				p->pinned[p->src_cpu / 64] |= 1ull << (p->src_cpu % 64);
				if (++p->nr_pinned < m->nr_online_cpus)
					continue;
				balanced_out(p->d, 1);
				return 0;
			}
		}
		if (!moved) {
			balance_failed(p);
			return 0;
		}
		p->d->state.nr_balance_failed = 0;
		p->d->state.balance_interval_ms = p->d->min_interval_ms;
		return NUMAB_BALANCE_MOVED;
	}
}

/* The host's, where it could find anything: the other ends of its search leave nothing but the
 * state of a balanced domain behind. */
static int host_balance(struct pull *p)
{
	struct numab_lb lb;
	int answer;

	memset(&lb, 0, sizeof(lb));
	if (!p->m->balance || !our_turn(p)) {
		balanced_out(p->d, 0);
		return NUMAB_BALANCE_STOP;
	}
	numab_find_busiest_group(p->m->rqs, &p->d->groups, p->cpu, p->idle, NULL, &lb.stats);
	if (lb.stats.exit >= NUMAB_LB_NO_BUSIEST && lb.stats.exit < NUMAB_LB_IDLE_ENOUGH) {
		balanced_out(p->d, 0);
		return 0;
	}
	answer = ask(p, &lb);
	return answer < 0 ? NUMAB_BALANCE_STOP : answer;
}

int load_balance(struct numab_machine *m, int cpu, int level, int idle)
{
	struct pull p;
	int answer;

	memset(&p, 0, sizeof(p));
	p.m = m;
	p.d = &m->queues[cpu].domains[level];
	p.cpu = p.dst_cpu = cpu;
	p.level = level;
	p.idle = idle;
	p.d->state.nr_due++;
	m->balancing = 1;
	answer = p.d->flags & NUMAB_SD_HOST ? host_balance(&p) : core_balance(&p);
	m->balancing = 0;
	if (p.pinned)
		memset(m->pinned_cpus, 0, sizeof(uint64_t) * cpu_words(m));
	return answer;
}

int numab_load_balance(struct numab_machine *m, int cpu, int level, int idle)
{
	if (!m)
		return NUMAB_EINVAL;
	if (check_cpu(m, cpu))
		return NUMAB_EINVAL;
	if (level < 0 || level >= m->queues[cpu].nr_domains)
		return fail(m, NUMAB_EINVAL, "level %d of CPU %d, which has %d", level, cpu,
			    m->queues[cpu].nr_domains);
	if (idle < NUMAB_CPU_IDLE || idle > NUMAB_CPU_NEWLY_IDLE)
		return fail(m, NUMAB_EINVAL, "idle %d, permitted %d..%d", idle, NUMAB_CPU_IDLE,
			    NUMAB_CPU_NEWLY_IDLE);
	if (m->balancing)
		return fail(m, NUMAB_EBUSY, "CPU %d balances already: this is its hook", cpu);
	return hook_result(m, load_balance(m, cpu, level, idle));
}
