/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sched.c - what hosts and their hooks ask of the scheduler, and what they may see of it
 *
 * A task is not moved under an access that is under way, nor in the middle of a tick: such moves
 * wait, with their room on the new queue reserved.
 */
#include "internal.h"

int check_cpu(struct numab_machine *m, int cpu)
{
	if (cpu < 0 || cpu >= m->nr_cpus || m->cpu_nid[cpu] < 0)
		return fail(m, NUMAB_EINVAL, "CPU %d does not exist (0..%d)", cpu, m->nr_cpus - 1);
	return 0;
}

int check_cpu_allowed(struct numab_machine *m, const struct task *t, int cpu)
{
	int err = check_cpu(m, cpu);

	if (!err && !cpu_allowed(t, cpu))
		err = fail(m, NUMAB_EINVAL, "CPU %d is not in the affinity mask of task %d", cpu,
			   t->tid);
	return err;
}

/* ---- moves ---- */

void forget_move(struct numab_machine *m, struct task *t)
{
	if (t->next_cpu < 0)
		return;
	m->queues[t->next_cpu].incoming--;
	m->nr_moving--;
	t->next_cpu = -1;
}

static void move_now(struct numab_machine *m, struct task *t)
{
	int cpu = t->next_cpu, from = t->cpu;

	forget_move(m, t);
	if (cpu == from)
		return;
	rq_move(m, t, cpu);
	sched_event(m, NUMAB_EV_SCHED_MOVE, t, from, cpu, 0);
}

/* Between accesses: carry out what hooks asked for, in order of ids. */
void apply_task_moves(struct numab_machine *m)
{
	int i;

	if (m->busy || m->run.mid_tick)
		return;
	for (i = 1; m->nr_moving && i < m->nr_slots; i++)
		if (m->ids[i].task && m->ids[i].task->next_cpu >= 0)
			move_now(m, m->ids[i].task);
}

/* A move that waits is replaced.  There is room on the new queue. */
void ask_move(struct numab_machine *m, struct task *t, int cpu)
{
	forget_move(m, t);
	t->next_cpu = cpu;
	m->queues[cpu].incoming++;
	m->nr_moving++;
	if (!m->busy && !m->run.mid_tick)
		move_now(m, t);
}

int numab_task_set_cpu(struct numab_machine *m, int tid, int cpu)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	if (check_cpu_allowed(m, t, cpu))
		return NUMAB_EINVAL;
	if (rq_reserve(m, cpu))
		return no_memory(m);
	ask_move(m, t, cpu);
	return 0;
}

int numab_task_swap(struct numab_machine *m, int tid, int other_tid)
{
	struct task *t = task_get(m, tid), *o = task_get(m, other_tid);
	int cpu;

	if (!t || !o)
		return no_task(m, t ? other_tid : tid);
	if (check_cpu_allowed(m, t, o->cpu) || check_cpu_allowed(m, o, t->cpu))
		return NUMAB_EINVAL;
	if (rq_reserve(m, t->cpu) || rq_reserve(m, o->cpu))
		return no_memory(m);
	cpu = t->cpu;
	sched_event(m, NUMAB_EV_SCHED_SWAP, t, cpu, o->cpu, (uint64_t)other_tid);
	ask_move(m, t, o->cpu);
	ask_move(m, o, cpu);
	return 0;
}

/* ---- what a task has ---- */

int numab_task_set_home(struct numab_machine *m, int tid, int nid)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	if (nid != NUMAB_NO_NODE && (nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online))
		return fail(m, NUMAB_EINVAL, "home node %d does not exist (-1: none)", nid);
	sched_setnode(m, t, nid);
	return 0;
}

int numab_task_set_nice(struct numab_machine *m, int tid, int nice)
{
	struct task *t = task_get(m, tid);
	int queued, slower;

	if (!t)
		return no_task(m, tid);
	if (nice < -20 || nice > 19)
		return fail(m, NUMAB_EINVAL, "nice %d, permitted -20..19", nice);
	if (nice == t->nice)
		return 0;
	slower = nice > t->nice;
	queued = requeue_begin(m, t);
	t->nice = nice;
	t->weight = nice_to_weight(nice);
	if (!queued)
		return 0;
	requeue_end(m, t);
	if (!slower || m->rqs[t->cpu].curr == tid)
		m->queues[t->cpu].need_resched = 1;
	return 0;
}

/* The first permitted CPU of the task's node, else the first of all. */
static int fallback_cpu(const struct numab_machine *m, const struct task *t, const uint64_t *mask)
{
	int cpu, first = -1;

	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		if (!cpu_bit(mask, cpu))
			continue;
		if (m->cpu_nid[cpu] == t->nid)
			return cpu;
		if (first < 0)
			first = cpu;
	}
	return first;
}

/* The caller's mask at the core's length. */
static int read_mask(struct numab_machine *m, const uint64_t *mask, uint32_t nr_words,
		     uint64_t *out)
{
	uint32_t i;
	int bit, any = 0;

	for (i = 0; i < nr_words; i++) {
		for (bit = 0; bit < 64; bit++) {
			uint64_t cpu = (uint64_t)i * 64 + (uint64_t)bit;

			if (!(mask[i] >> bit & 1))
				continue;
			if (cpu >= (uint64_t)m->nr_cpus || m->cpu_nid[cpu] < 0)
				return fail(m, NUMAB_EINVAL,
					    "CPU %llu in a mask does not exist (0..%d)", (ull)cpu,
					    m->nr_cpus - 1);
			any = 1;
			out[i] |= 1ull << bit;
		}
	}
	return any ? 0 : fail(m, NUMAB_EINVAL, "a mask without any CPU, permitted 0..%d",
			      m->nr_cpus - 1);
}

int cpus_copy(struct numab_machine *m, const uint64_t *mask, uint32_t nr_words, uint64_t *out)
{
	if (!mask && nr_words)
		return fail(m, NUMAB_EINVAL, "no mask of %u words given", nr_words);
	memset(out, 0, sizeof(uint64_t) * cpu_words(m));
	return read_mask(m, mask, nr_words, out);
}

int numab_task_set_affinity(struct numab_machine *m, int tid, const uint64_t *mask,
			    uint32_t nr_words)
{
	struct task *t = task_get(m, tid);
	size_t bytes;
	uint64_t *copy = NULL;
	int cpu, err = 0;

	if (!t)
		return no_task(m, tid);
	bytes = sizeof(uint64_t) * cpu_words(m);
	cpu = t->next_cpu >= 0 ? t->next_cpu : t->cpu;
	if (mask) {
		copy = (uint64_t *)mem_alloc(m, bytes);
		if (!copy)
			return no_memory(m);
		err = cpus_copy(m, mask, nr_words, copy);
		if (!err && !cpu_bit(copy, cpu)) {
			cpu = fallback_cpu(m, t, copy);
			if (rq_reserve(m, cpu))
				err = no_memory(m);
		}
	}
	if (err) {
		mem_free(m, copy, bytes);
		return err;
	}
	mem_free(m, t->cpus_allowed, bytes);
	t->cpus_allowed = copy;
	if (cpu != (t->next_cpu >= 0 ? t->next_cpu : t->cpu))
		ask_move(m, t, cpu);
	return 0;
}

int numab_task_affinity(const struct numab_machine *m, int tid, uint64_t *out, uint32_t nr_words)
{
	const struct task *t = task_get(m, tid);
	int cpu, n = 0;

	if (!t || (!out && nr_words))
		return m && t ? NUMAB_EINVAL : (m ? NUMAB_ESRCH : NUMAB_EINVAL);
	if (nr_words)
		memset(out, 0, sizeof(*out) * nr_words);
	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		if (m->cpu_nid[cpu] < 0 || !cpu_allowed(t, cpu))
			continue;
		n++;
		if ((uint32_t)cpu / 64 < nr_words)
			out[cpu / 64] |= 1ull << (cpu % 64);
	}
	return n;
}

int numab_task_sleep(struct numab_machine *m, int tid, uint64_t until_ns)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	task_sleep(m, t, until_ns);
	return 0;
}

int numab_task_wake(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	task_wake(m, t, m->busy ? t->cpu : select_task_rq(m, t, t->cpu));
	return 0;
}

int numab_task_wake_by(struct numab_machine *m, int tid, int by)
{
	struct task *t = task_get(m, tid), *waker = task_get(m, by);

	if (!t || !waker)
		return no_task(m, t ? by : tid);
	task_wake(m, t, m->busy ? t->cpu : select_task_rq(m, t, waker->cpu));
	return 0;
}

/* ---- the queues ---- */

const struct numab_rq *numab_rqs(const struct numab_machine *m)
{
	return m ? m->rqs : NULL;
}

int numab_rq_tasks(const struct numab_machine *m, int cpu, int list, int32_t *out, int max)
{
	int n = 0, tid;

	if (!m || cpu < 0 || cpu >= m->nr_cpus || m->cpu_nid[cpu] < 0 ||
	    list < NUMAB_CFS_TASKS || list > NUMAB_OFFNODE_TASKS || (!out && max > 0))
		return NUMAB_EINVAL;
	for (tid = m->queues[cpu].first[list]; tid; tid = m->ids[tid].task->list_next, n++)
		if (n < max)
			out[n] = tid;
	return n;
}

int numab_rq_move_tail(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	if (!t->queued)
		return fail(m, NUMAB_EINVAL, "task %d is asleep: it is on no list", tid);
	list_move_tail(m, t);
	return 0;
}
