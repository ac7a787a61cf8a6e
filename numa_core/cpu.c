/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cpu.c - run queues: who runs next.  Mechanism only: nothing here moves a task between CPUs.
 *
 * A queue holds every live task of its CPU; the runnable one with the lowest virtual run time runs
 * next, ties by id, and a slice is one tick.  Linux: a plain reading of CFS with equal weights.
 */
#include "internal.h"

/* Room for one more task, so that rq_add() cannot fail. */
int rq_reserve(struct numab_machine *m, int cpu)
{
	struct rq *rq = &m->rqs[cpu];
	int cap = rq->cap ? rq->cap * 2 : 4;

	if (rq->nr + rq->incoming < rq->cap)
		return 0;
	if (mem_grow(m, (void **)&rq->tids, sizeof(int), rq->cap, cap))
		return NUMAB_ENOMEM;
	rq->cap = cap;
	return 0;
}

/* Where the queue stands: the lowest virtual run time of its other runnable tasks, and never less
 * than what has been picked before. */
static uint64_t rq_level(const struct numab_machine *m, const struct rq *rq, const struct task *t)
{
	uint64_t level = UINT64_MAX;
	int i;

	for (i = 0; i < rq->nr; i++) {
		const struct task *o = m->ids[rq->tids[i]].task;

		if (o != t && o->state == TASK_RUNNABLE && o->vruntime_ps < level)
			level = o->vruntime_ps;
	}
	return level == UINT64_MAX || level < rq->min_vruntime_ps ? rq->min_vruntime_ps : level;
}

/* A task that joins starts level with the queue, as place_entity does, so that it neither starves
 * the others nor waits for them to catch up. */
void rq_add(struct numab_machine *m, struct task *t, int cpu)
{
	struct rq *rq = &m->rqs[cpu];
	int i;

	t->vruntime_ps = rq_level(m, rq, t);
	for (i = rq->nr; i > 0 && rq->tids[i - 1] > t->tid; i--)
		rq->tids[i] = rq->tids[i - 1];
	rq->tids[i] = t->tid;
	rq->nr++;
	t->cpu = cpu;
	t->nid = m->cpu_nid[cpu];
}

void rq_remove(struct numab_machine *m, struct task *t)
{
	struct rq *rq = &m->rqs[t->cpu];
	int i;

	for (i = 0; i < rq->nr && rq->tids[i] != t->tid; i++)
		;
	if (i == rq->nr)
		return;
	rq->nr--;
	memmove(&rq->tids[i], &rq->tids[i + 1], sizeof(int) * (size_t)(rq->nr - i));
	if (rq->curr == t->tid)
		rq->curr = 0;
}

/* Nor does a task that wakes get back what it slept. */
void task_wake(struct numab_machine *m, struct task *t)
{
	uint64_t level = rq_level(m, &m->rqs[t->cpu], t);

	if (t->state == TASK_ASLEEP && t->vruntime_ps < level)
		t->vruntime_ps = level;
	t->state = TASK_RUNNABLE;
}

void wake_sleepers(struct numab_machine *m, int cpu)
{
	struct rq *rq = &m->rqs[cpu];
	int i;

	for (i = 0; i < rq->nr; i++) {
		struct task *t = m->ids[rq->tids[i]].task;

		if (t->state == TASK_ASLEEP && t->wake_ns <= m->now_ns)
			task_wake(m, t);
	}
}

/* NULL: the CPU idles.  Tasks that wait for others in this tick are passed over. */
struct task *pick_next_task(struct numab_machine *m, int cpu)
{
	struct rq *rq = &m->rqs[cpu];
	uint64_t tick = m->now_ns / m->tick_ns + 1;
	struct task *best = NULL;
	int i;

	for (i = 0; i < rq->nr; i++) {
		struct task *t = m->ids[rq->tids[i]].task;

		if (t->state == TASK_RUNNABLE && t->blocked_tick != tick &&
		    (!best || t->vruntime_ps < best->vruntime_ps))
			best = t;
	}
	if (best && best->vruntime_ps > rq->min_vruntime_ps)
		rq->min_vruntime_ps = best->vruntime_ps;
	return best;
}

void charge_run_time(struct task *t, uint64_t ps)
{
	t->sum_exec_ps += ps;
	t->vruntime_ps += ps;
}
