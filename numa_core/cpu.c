/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cpu.c - run queues: who is queued where, who runs next.  Mechanism only: nothing here decides
 * that a task should change its CPU.
 *
 * A queue holds every live task of its CPU; the runnable ones are on one of its two lists and in
 * its counters.  Linux: kernel/sched/fair.c of 3.7 at the resolution of a tick, and the off-node
 * lists of patch 28.  Virtual run times are compared by their signed difference, as there.
 */
#include "internal.h"

#define NICE_0_LOAD 1024u

/* Nice -20 to 19; a step is about 10 % of CPU time.  Linux: prio_to_weight. */
static const uint32_t prio_to_weight[40] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
	9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,
	1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,
	110,   87,    70,    56,    45,    36,    29,    23,    18,    15,
};

uint32_t nice_to_weight(int nice)
{
	return prio_to_weight[nice + 20];
}

/* Room for one more task, so that rq_add() cannot fail. */
int rq_reserve(struct numab_machine *m, int cpu)
{
	struct queue *q = &m->queues[cpu];
	int cap = q->cap ? q->cap * 2 : 4;

	if (q->nr + q->incoming < q->cap)
		return 0;
	if (mem_grow(m, (void **)&q->tids, sizeof(int), q->cap, cap))
		return NUMAB_ENOMEM;
	q->cap = cap;
	return 0;
}

/* ---- virtual run time ---- */

/* Linux: calc_delta_fair, exact.  Quotient first: the product may not fit. */
static uint64_t calc_delta_fair(uint64_t delta, uint32_t weight)
{
	if (weight == NICE_0_LOAD)
		return delta;
	return delta / weight * NICE_0_LOAD + delta % weight * NICE_0_LOAD / weight;
}

/* The larger of two virtual run times. */
static uint64_t max_vruntime(uint64_t a, uint64_t b)
{
	return (int64_t)(b - a) > 0 ? b : a;
}

/* A scheduler's granularity in ps: the sysctl scaled by the number of CPUs, as the kernel's
 * update_sysctl does. */
static uint64_t granularity(const struct numab_machine *m, int tunable)
{
	uint64_t cpus = (uint64_t)m->nr_online_cpus, factor = 1;

	if (m->tun[NUMAB_T_sched_tunable_scaling] == 1)
		while (cpus >> factor && factor < 4)
			factor++; /* 1 + log2 of at most 8 CPUs */
	else if (m->tun[NUMAB_T_sched_tunable_scaling] == 2)
		factor = cpus < 8 ? cpus : 8;
	return (uint64_t)m->tun[tunable] * factor * PS_PER_NS;
}

/* The lowest virtual run time of the queued tasks, and never less than it was.  Called before and
 * after every change of the queue, which gives what the kernel gets by updating all the time. */
static void update_min_vruntime(const struct numab_machine *m, struct queue *q)
{
	const struct task *low = NULL;
	int i;

	for (i = 0; i < q->nr; i++) {
		const struct task *t = m->ids[q->tids[i]].task;

		if (t->queued && (!low || (int64_t)(t->vruntime_ps - low->vruntime_ps) < 0))
			low = t;
	}
	if (low)
		q->min_vruntime_ps = max_vruntime(q->min_vruntime_ps, low->vruntime_ps);
}

/* A task's share of one round over its queue, in ps.  One that is not queued yet counts itself.
 * More tasks than have a shortest slice in the latency (sched_nr_latency) stretch the round. */
static uint64_t sched_slice(const struct numab_machine *m, const struct task *t)
{
	const struct numab_rq *rq = &m->rqs[t->cpu];
	uint64_t nr = (uint64_t)rq->nr_running + !t->queued;
	uint64_t load = rq->load_weight + (t->queued ? 0 : t->weight);
	uint64_t latency = granularity(m, NUMAB_T_sched_latency_ns);
	uint64_t least = granularity(m, NUMAB_T_sched_min_granularity_ns);
	uint64_t period = nr > (latency + least - 1) / least ? nr * least : latency;

	return period / load * t->weight + period % load * t->weight / load;
}

/* A sleeper gets credit for half a latency (GENTLE_FAIR_SLEEPERS), a newcomer starts one slice
 * behind (START_DEBIT); nobody's virtual run time is put back. */
static void place_entity(const struct numab_machine *m, struct queue *q, struct task *t,
			 int initial)
{
	uint64_t at = q->min_vruntime_ps;

	if (initial)
		at += calc_delta_fair(sched_slice(m, t), t->weight);
	else
		at -= granularity(m, NUMAB_T_sched_latency_ns) / 2;
	t->vruntime_ps = max_vruntime(t->vruntime_ps, at);
}

void charge_run_time(struct task *t, uint64_t ps)
{
	t->sum_exec_ps += ps;
	t->vruntime_ps += calc_delta_fair(ps, t->weight);
}

/* ---- the two lists, and what they count (patch 28, spec 5.1) ---- */

static void list_add(struct numab_machine *m, struct queue *q, struct task *t, int list, int tail)
{
	int *front = tail ? &q->last[list] : &q->first[list];
	int *back = tail ? &q->first[list] : &q->last[list];

	t->list = list;
	t->list_prev = tail ? *front : 0;
	t->list_next = tail ? 0 : *front;
	if (*front && tail)
		m->ids[*front].task->list_next = t->tid;
	else if (*front)
		m->ids[*front].task->list_prev = t->tid;
	else
		*back = t->tid;
	*front = t->tid;
}

static void list_del(struct numab_machine *m, struct queue *q, struct task *t)
{
	if (t->list_prev)
		m->ids[t->list_prev].task->list_next = t->list_next;
	else
		q->first[t->list] = t->list_next;
	if (t->list_next)
		m->ids[t->list_next].task->list_prev = t->list_prev;
	else
		q->last[t->list] = t->list_prev;
}

/* What move_tasks does with a task that it passes over. */
void list_move_tail(struct numab_machine *m, struct task *t)
{
	list_del(m, &m->queues[t->cpu], t);
	list_add(m, &m->queues[t->cpu], t, t->list, 1);
}

static void account_numa_enqueue(struct numab_machine *m, struct task *t)
{
	struct numab_rq *rq = &m->rqs[t->cpu];
	int offnode = t->home != NUMAB_NO_NODE && t->home != t->nid;

	if (offnode) {
		t->numa_contrib = t->weight;
		rq->offnode_weight += t->numa_contrib;
		rq->offnode_running++;
	} else if (t->home != NUMAB_NO_NODE) {
		rq->onnode_running++;
	}
	list_add(m, &m->queues[t->cpu], t, offnode ? NUMAB_OFFNODE_TASKS : NUMAB_CFS_TASKS, 0);
}

/* The mirror, by the home that the task has now. */
static void account_numa_dequeue(struct numab_machine *m, struct task *t)
{
	struct numab_rq *rq = &m->rqs[t->cpu];

	if (t->home != NUMAB_NO_NODE && t->home != t->nid) {
		rq->offnode_weight -= t->numa_contrib;
		rq->offnode_running--;
	} else if (t->home != NUMAB_NO_NODE) {
		rq->onnode_running--;
	}
	list_del(m, &m->queues[t->cpu], t);
}

/* ---- joining and leaving a queue ---- */

static void enqueue_task(struct numab_machine *m, struct task *t)
{
	struct numab_rq *rq = &m->rqs[t->cpu];

	t->queued = 1;
	rq->nr_running++;
	rq->load_weight += t->weight;
	account_numa_enqueue(m, t);
}

/* Off the queue; its virtual run time stays absolute. */
static void dequeue_task(struct numab_machine *m, struct task *t)
{
	struct numab_rq *rq = &m->rqs[t->cpu];

	account_numa_dequeue(m, t);
	rq->load_weight -= t->weight;
	rq->nr_running--;
	t->queued = 0;
}

/* Dequeue, change something, enqueue: a running task goes on running.  What was relative to the
 * queue stays relative to it; the kernel does not let the others catch up while the one that runs
 * is off the queue, as it is still its current one.  Returns whether it was queued. */
int requeue_begin(struct numab_machine *m, struct task *t)
{
	struct queue *q = &m->queues[t->cpu];

	if (!t->queued)
		return 0;
	update_min_vruntime(m, q);
	t->vruntime_ps -= q->min_vruntime_ps;
	dequeue_task(m, t);
	if (m->rqs[t->cpu].curr != t->tid)
		update_min_vruntime(m, q);
	return 1;
}

void requeue_end(struct numab_machine *m, struct task *t)
{
	t->vruntime_ps += m->queues[t->cpu].min_vruntime_ps;
	enqueue_task(m, t);
}

/* Linux: sched_setnode (patch 25).  put_prev and set_curr let its slice start anew. */
void sched_setnode(struct numab_machine *m, struct task *t, int nid)
{
	int from = t->home, queued = requeue_begin(m, t);

	t->home = nid;
	if (queued)
		requeue_end(m, t);
	if (m->rqs[t->cpu].curr == t->tid)
		t->slice_start_ps = t->sum_exec_ps;
	if (from != nid)
		sched_event(m, NUMAB_EV_SCHED_HOME, t, from, nid, 0);
}

/* Should the task that runs give way to one that joins?  It is seen at the next tick. */
static void check_preempt_wakeup(struct numab_machine *m, const struct task *t)
{
	const struct task *curr = task_get(m, m->rqs[t->cpu].curr);
	int64_t ahead = curr ? (int64_t)(curr->vruntime_ps - t->vruntime_ps) : 0;
	uint64_t gran = granularity(m, NUMAB_T_sched_wakeup_granularity_ns);

	if (ahead > 0 && (uint64_t)ahead > calc_delta_fair(gran, t->weight))
		m->queues[t->cpu].need_resched = 1;
}

/* A sleeper that another CPU has woken counts where it will run, until it does. */
static void count_woken(struct numab_machine *m, const struct task *t, int sign)
{
	struct queue *q = &m->queues[t->cpu];

	q->nr_woken += sign * (t->woken_weight != 0);
	q->woken_weight += sign < 0 ? -(uint64_t)t->woken_weight : t->woken_weight;
}

static void queue_insert(struct numab_machine *m, struct task *t, int cpu)
{
	struct queue *q = &m->queues[cpu];
	int i;

	for (i = q->nr; i > 0 && q->tids[i - 1] > t->tid; i--)
		q->tids[i] = q->tids[i - 1];
	q->tids[i] = t->tid;
	q->nr++;
	m->rqs[cpu].nr_tasks++;
	t->cpu = cpu;
	t->nid = m->cpu_nid[cpu];
	count_woken(m, t, 1);
	if (t->state == TASK_ASLEEP && t->wake_ns < q->next_wake_ns)
		q->next_wake_ns = t->wake_ns;
}

/* On a queue to which its virtual run time is relative so far. */
static void join_queue(struct numab_machine *m, struct task *t)
{
	update_min_vruntime(m, &m->queues[t->cpu]);
	t->vruntime_ps += m->queues[t->cpu].min_vruntime_ps;
	enqueue_task(m, t);
	check_preempt_wakeup(m, t);
}

/* A new task.  Where it starts is reckoned on the queue of its @parent (NULL: its own), not before
 * the parent.  Linux: task_fork_fair, wake_up_new_task. */
void rq_add(struct numab_machine *m, struct task *t, const struct task *parent, int cpu)
{
	struct queue *q = &m->queues[parent ? parent->cpu : cpu];

	t->cpu = parent ? parent->cpu : cpu;
	update_min_vruntime(m, q);
	t->vruntime_ps = parent && parent->queued ? parent->vruntime_ps : q->min_vruntime_ps;
	place_entity(m, q, t, 1);
	t->vruntime_ps -= q->min_vruntime_ps;
	queue_insert(m, t, cpu);
	join_queue(m, t);
}

/* A queue that loses its last runnable task looks for work at the end of the tick. */
static void left_queue(struct numab_machine *m, const struct task *t, int cpu)
{
	if (m->rqs[cpu].curr == t->tid)
		m->rqs[cpu].curr = 0;
	if (!m->rqs[cpu].nr_running)
		m->queues[cpu].went_idle = 1;
}

/* Off its CPU: dead, or on its way to another. */
void rq_remove(struct numab_machine *m, struct task *t)
{
	struct queue *q = &m->queues[t->cpu];
	int i;

	for (i = 0; i < q->nr && q->tids[i] != t->tid; i++)
		;
	if (i == q->nr)
		return;
	if (t->queued) {
		update_min_vruntime(m, q);
		dequeue_task(m, t);
		left_queue(m, t, t->cpu);
	}
	count_woken(m, t, -1);
	q->nr--;
	m->rqs[t->cpu].nr_tasks--;
	memmove(&q->tids[i], &q->tids[i + 1], sizeof(int) * (size_t)(q->nr - i));
	t->vruntime_ps -= q->min_vruntime_ps; /* relative, see rq_move() */
	update_min_vruntime(m, q);
}

/* To another CPU, keeping how far ahead of or behind its queue it is.  Linux: set_task_cpu between
 * a dequeue and an enqueue, then check_preempt_curr. */
void rq_move(struct numab_machine *m, struct task *t, int cpu)
{
	int queued = t->queued;

	rq_remove(m, t);
	queue_insert(m, t, cpu);
	if (queued)
		join_queue(m, t);
	else
		t->vruntime_ps += m->queues[cpu].min_vruntime_ps;
}

/* ---- sleep and wake ---- */

static void forget_woken(struct numab_machine *m, struct task *t)
{
	count_woken(m, t, -1);
	t->woken_weight = 0;
}

void task_sleep(struct numab_machine *m, struct task *t, uint64_t until_ns)
{
	struct queue *q = &m->queues[t->cpu];

	forget_woken(m, t);
	t->state = TASK_ASLEEP;
	t->wake_ns = until_ns;
	if (until_ns < q->next_wake_ns)
		q->next_wake_ns = until_ns;
	if (!t->queued)
		return;
	update_min_vruntime(m, q);
	dequeue_task(m, t);
	left_queue(m, t, t->cpu);
	update_min_vruntime(m, q);
	sched_event(m, NUMAB_EV_SLEEP, t, t->cpu, t->cpu, until_ns);
}

static void sleeper_move(struct numab_machine *m, struct task *t, int cpu)
{
	int from = t->cpu;

	if (cpu == from || rq_reserve(m, cpu))
		return;
	rq_move(m, t, cpu);
	sched_event(m, NUMAB_EV_SCHED_MOVE, t, from, cpu, 0);
}

/* On @cpu, which has come to that time. */
void task_wake(struct numab_machine *m, struct task *t, int cpu)
{
	if (t->state != TASK_ASLEEP)
		return;
	forget_woken(m, t);
	sleeper_move(m, t, cpu);
	t->state = TASK_RUNNABLE;
	update_min_vruntime(m, &m->queues[t->cpu]);
	place_entity(m, &m->queues[t->cpu], t, 0);
	enqueue_task(m, t);
	check_preempt_wakeup(m, t);
	sched_event(m, NUMAB_EV_WAKE, t, t->cpu, t->cpu, 0);
}

/* By who runs on @waker_cpu.  Within a tick the CPUs behind that one have not come to its time: a
 * task for one of them sleeps on until they have. */
void task_wake_by(struct numab_machine *m, struct task *t, int waker_cpu)
{
	int cpu = select_task_rq(m, t, waker_cpu);

	if (t->state != TASK_ASLEEP)
		return;
	if (!m->run.mid_tick || cpu <= m->run.cpu) {
		task_wake(m, t, cpu);
		return;
	}
	forget_woken(m, t);
	t->wake_ns = cpu_now_ns(m, m->run.cpu);
	sleeper_move(m, t, cpu);
	t->woken_weight = t->weight;
	count_woken(m, t, 1);
	if (t->wake_ns < m->queues[t->cpu].next_wake_ns)
		m->queues[t->cpu].next_wake_ns = t->wake_ns;
}

/* Those whose time has come, in order of ids. */
void wake_sleepers(struct numab_machine *m, int cpu)
{
	struct queue *q = &m->queues[cpu];
	int i = 0;

	if (q->next_wake_ns > m->now_ns)
		return;
	q->next_wake_ns = UINT64_MAX;
	while (i < q->nr) {
		struct task *t = m->ids[q->tids[i]].task;

		if (t->state == TASK_ASLEEP && t->wake_ns <= m->now_ns)
			task_wake(m, t, t->woken_weight ? cpu : select_task_rq(m, t, cpu));
		else if (t->state == TASK_ASLEEP && t->wake_ns < q->next_wake_ns)
			q->next_wake_ns = t->wake_ns;
		i += t->cpu == cpu;
	}
}

/* A CPU with nobody to run idles until the first of its sleepers is due.  Returns 0: nobody is,
 * within this tick. */
int wake_first_sleeper(struct numab_machine *m, int cpu)
{
	struct queue *q = &m->queues[cpu];
	uint64_t end_ns = m->now_ns + m->tick_ns, left_ps;
	struct task *first = NULL;
	int i;

	if (q->next_wake_ns >= end_ns)
		return 0;
	q->next_wake_ns = UINT64_MAX;
	for (i = 0; i < q->nr; i++) {
		struct task *t = m->ids[q->tids[i]].task;

		if (t->state != TASK_ASLEEP || t->wake_ns >= q->next_wake_ns)
			continue;
		q->next_wake_ns = t->wake_ns;
		first = t;
	}
	if (q->next_wake_ns >= end_ns)
		return 0;
	left_ps = (end_ns - q->next_wake_ns) * PS_PER_NS;
	if (left_ps < m->run.left_ps)
		m->run.left_ps = left_ps;
	task_wake(m, first, cpu);
	return 1;
}

/* ---- who runs ---- */

/* The lowest virtual run time, ties by id.  NULL: the CPU idles.  Tasks that wait for others in
 * this tick are passed over. */
struct task *pick_next_task(struct numab_machine *m, int cpu)
{
	struct queue *q = &m->queues[cpu];
	uint64_t tick = m->now_ns / m->tick_ns + 1;
	struct task *best = NULL;
	int i;

	for (i = 0; i < q->nr; i++) {
		struct task *t = m->ids[q->tids[i]].task;

		if (t->queued && t->blocked_tick != tick &&
		    (!best || (int64_t)(t->vruntime_ps - best->vruntime_ps) < 0))
			best = t;
	}
	q->need_resched = 0;
	m->rqs[cpu].curr = best ? best->tid : 0;
	if (best)
		best->slice_start_ps = best->sum_exec_ps;
	if (q->last_ran != m->rqs[cpu].curr) {
		struct task *before = q->last_ran ? m->ids[q->last_ran].task : NULL;

		if (before)
			before->nr_switches++;
		m->rqs[cpu].nr_switches++;
		sched_switch_event(m, cpu, q->last_ran, m->rqs[cpu].curr);
		q->last_ran = m->rqs[cpu].curr;
	}
	return best;
}

/* Has the running task used up its slice?  Linux: check_preempt_tick. */
static void check_preempt_tick(struct numab_machine *m, int cpu, const struct task *curr)
{
	uint64_t ideal = sched_slice(m, curr), ran = curr->sum_exec_ps - curr->slice_start_ps;
	struct queue *q = &m->queues[cpu];
	const struct task *first = NULL;
	int i;

	if (ran > ideal)
		q->need_resched = 1;
	if (ran > ideal || ran < granularity(m, NUMAB_T_sched_min_granularity_ns))
		return;
	for (i = 0; i < q->nr; i++) {
		const struct task *t = m->ids[q->tids[i]].task;

		if (t->queued && t != curr &&
		    (!first || (int64_t)(t->vruntime_ps - first->vruntime_ps) < 0))
			first = t;
	}
	if (first && (int64_t)(curr->vruntime_ps - first->vruntime_ps) > (int64_t)ideal)
		q->need_resched = 1;
}

/* Load averages over 2, 4, 8 and 16 ticks, rounded up while they grow.  Linux: update_cpu_load. */
static void update_cpu_load(struct numab_rq *rq)
{
	uint64_t i;

	rq->cpu_load[0] = rq->load_weight;
	for (i = 1; i < NUMAB_CPU_LOADS; i++) {
		uint64_t scale = 1ull << i, now = rq->load_weight;

		if (now > rq->cpu_load[i])
			now += scale - 1;
		rq->cpu_load[i] = (rq->cpu_load[i] * (scale - 1) + now) >> i;
	}
}

/* The scheduler's part of the timer interrupt.  Linux: scheduler_tick, task_tick_fair. */
void scheduler_tick(struct numab_machine *m, int cpu)
{
	struct numab_rq *rq = &m->rqs[cpu];
	const struct task *curr = rq->curr ? m->ids[rq->curr].task : NULL;

	update_cpu_load(rq);
	if (curr && rq->nr_running > 1)
		check_preempt_tick(m, cpu, curr);
}
