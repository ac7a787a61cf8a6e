/* SPDX-License-Identifier: BSD-3-Clause
 *
 * task.c - processes and tasks: birth, fork, exec, exit, what the host may see
 *
 * Linux: the fork hooks of patches 15, 18 and 19 (__sched_fork).
 */
#include "internal.h"

void cursor_free(struct numab_machine *m, struct cursor *c)
{
	generator_free(m, &c->gen);
	mem_free(m, c->program.steps, sizeof(*c->program.steps) * c->program.nr);
	mem_free(m, c->program.states, sizeof(*c->program.states) * c->program.nr);
	memset(c, 0, sizeof(*c));
}

/* Everybody (of @mm, NULL: of all) whose program waits for that, in order of ids. */
void wake_waiters(struct numab_machine *m, const struct mm *mm, int64_t what)
{
	int i;

	for (i = 1; i < m->nr_slots; i++) {
		struct task *t = m->ids[i].task;

		if (!t || t->cur.program.waits != what || (mm && t->mm != mm))
			continue;
		t->cur.program.waits = 0;
		task_wake_by(m, t, m->run.mid_tick ? m->run.cpu : t->cpu);
	}
}

/* One that had stopped the world lets it go on. */
void world_start(struct numab_machine *m, struct mm *mm)
{
	if (!--mm->world_stopped)
		wake_waiters(m, mm, WAITS_FOR_WORLD);
}

/* A task leaves its program: nobody counts on it at a barrier, nor stands still for it. */
void program_leave(struct numab_machine *m, struct task *t)
{
	struct program *p = &t->cur.program;

	if (p->waits > 0)
		m->barriers[p->waits - 1].arrived--;
	if (p->waits) {
		p->waits = 0;
		numab_task_wake(m, t->tid);
	}
	for (; p->stops; p->stops--)
		world_start(m, t->mm);
}

void task_free(struct numab_machine *m, struct task *t)
{
	if (!t)
		return;
	cursor_free(m, &t->cur);
	mpol_put(m, t->mpol);
	mem_free(m, t->faults, sizeof(uint64_t) * m->nr_ids);
	mem_free(m, t->cpus_allowed, sizeof(uint64_t) * cpu_words(m));
	mem_free(m, t, sizeof(*t));
}

/* Everything a new task needs, reserved but not yet visible.  From its @parent (NULL: none) it has
 * the home node, the nice value, the permitted CPUs and the memory policy. */
static int task_new(struct numab_machine *m, const struct task *parent, int cpu, struct task **out)
{
	size_t mask_bytes = sizeof(uint64_t) * cpu_words(m);
	struct task *t;

	*out = NULL;
	if (parent ? check_cpu_allowed(m, parent, cpu) : check_cpu(m, cpu))
		return NUMAB_EINVAL;
	if (m->nr_slots >= INT32_MAX - 1)
		return fail(m, NUMAB_EINVAL, "all task ids are used up");
	if (m->nr_slots == m->cap_slots) {
		int cap = m->cap_slots ? m->cap_slots * 2 : 16;

		if (mem_grow(m, (void **)&m->ids, sizeof(*m->ids), m->cap_slots, cap))
			return no_memory(m);
		m->cap_slots = cap;
	}
	if (rq_reserve(m, cpu))
		return no_memory(m);
	t = (struct task *)mem_zalloc(m, sizeof(*t));
	if (!t)
		return no_memory(m);
	t->faults = (uint64_t *)mem_zalloc(m, sizeof(uint64_t) * m->nr_ids);
	if (parent && parent->cpus_allowed)
		t->cpus_allowed = (uint64_t *)mem_alloc(m, mask_bytes);
	if (!t->faults || (parent && parent->cpus_allowed && !t->cpus_allowed)) {
		task_free(m, t);
		return no_memory(m);
	}
	if (t->cpus_allowed)
		memcpy(t->cpus_allowed, parent->cpus_allowed, mask_bytes);
	t->tid = m->nr_slots;
	t->home = parent ? parent->home : NUMAB_NO_NODE;
	t->nice = parent ? parent->nice : 0;
	t->weight = nice_to_weight(t->nice);
	t->mpol = parent ? mpol_get(parent->mpol) : NULL;
	t->il_prev = parent ? parent->il_prev : NUMAB_NO_NODE;
	t->il_weight = parent ? parent->il_weight : 0;
	t->next_cpu = -1;
	*out = t;
	return 0;
}

static int mm_reserve_task(struct numab_machine *m, struct mm *mm)
{
	int cap = mm->cap_tasks ? mm->cap_tasks * 2 : 4;

	if (mm->nr_tasks < mm->cap_tasks)
		return 0;
	if (mem_grow(m, (void **)&mm->tids, sizeof(int), mm->cap_tasks, cap))
		return no_memory(m);
	mm->cap_tasks = cap;
	return 0;
}

/* Slow start: the first period is the delay, until the first tick that exceeds it. */
static int task_publish(struct numab_machine *m, struct task *t, const struct task *parent,
			struct mm *mm, int cpu)
{
	t->mm = mm;
	t->numa_scan_seq = mm->numa_scan_seq;
	t->numa_scan_period = (uint64_t)(uint32_t)m->tun[NUMAB_T_scan_delay_ms];
	mm->tids[mm->nr_tasks++] = t->tid; /* ids only grow: ascending */
	m->ids[m->nr_slots++].task = t;
	rq_add(m, t, parent, cpu);
	return t->tid;
}

int numab_process(struct numab_machine *m, int cpu)
{
	struct task *t;
	struct mm *mm;
	int err;

	if (!m)
		return NUMAB_EINVAL;
	err = task_new(m, NULL, cpu, &t);
	if (err)
		return err;
	mm = mm_new(m, t->tid);
	if (!mm || mm_reserve_task(m, mm)) {
		mm_free(m, mm);
		task_free(m, t);
		return no_memory(m);
	}
	mm->numa_next_scan = mm->numa_next_reset = jiffies(m);
	m->ids[t->tid].mm = mm;
	return task_publish(m, t, NULL, mm, cpu);
}

/* The fork hook runs while the child still points to the parent's address space, and resets it when
 * it has one user: a single-threaded parent starts its scans anew. */
static void fork_hook(struct numab_machine *m, struct mm *mm)
{
	if (mm->nr_tasks == 1) {
		mm->numa_next_scan = mm->numa_next_reset = jiffies(m);
		mm->numa_scan_seq = 0;
	}
}

int numab_fork(struct numab_machine *m, int tid, int cpu)
{
	struct task *parent = task_get(m, tid), *t;
	struct mm *mm;
	int err;

	if (!parent)
		return no_task(m, tid);
	err = task_new(m, parent, cpu, &t);
	if (err)
		return err;
	mm = mm_new(m, t->tid);
	err = !mm || mm_reserve_task(m, mm) ? no_memory(m) : mm_copy(m, parent->mm, mm);
	if (!err)
		err = copy_pgtables(m, parent, mm);
	if (err) {
		if (mm)
			exit_mmap(m, mm);
		mm_free(m, mm);
		task_free(m, t);
		return err;
	}
	fork_hook(m, parent->mm);
	mm->numa_next_scan = parent->mm->numa_next_scan;
	mm->numa_next_reset = parent->mm->numa_next_reset;
	mm->numa_scan_seq = parent->mm->numa_scan_seq;
	mm->numa_scan_vpn = parent->mm->numa_scan_vpn;
	m->ids[t->tid].mm = mm;
	return task_publish(m, t, parent, mm, cpu);
}

int numab_clone(struct numab_machine *m, int tid, int cpu)
{
	struct task *parent = task_get(m, tid), *t;
	int err;

	if (!parent)
		return no_task(m, tid);
	err = task_new(m, parent, cpu, &t);
	if (err)
		return err;
	if (mm_reserve_task(m, parent->mm)) {
		task_free(m, t);
		return NUMAB_ENOMEM;
	}
	fork_hook(m, parent->mm);
	return task_publish(m, t, parent, parent->mm, cpu);
}

int numab_exec(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);
	struct mm *mm, *old;

	if (!t)
		return no_task(m, tid);
	old = t->mm;
	if (old->nr_tasks > 1)
		return fail(m, NUMAB_EBUSY, "process %d has %d threads", old->pid, old->nr_tasks);
	mm = mm_new(m, old->pid);
	if (!mm || mm_reserve_task(m, mm)) {
		mm_free(m, mm);
		return no_memory(m);
	}
	mm->tids[mm->nr_tasks++] = tid;
	mm->world_stopped = old->world_stopped; /* its one task's own doing */
	mm->first_nid = 0; /* v3.8 initialises it in fork alone: as if it had run on node 0 */
	exit_mmap(m, old);
	mm_free(m, old);
	m->ids[mm->pid].mm = mm;
	t->mm = mm;
	return 0;
}

int numab_exit(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);
	struct mm *mm;
	int i;

	if (!t)
		return no_task(m, tid);
	if (m->replay.active && t->cur.kind == CURSOR_REPLAY)
		return fail(m, NUMAB_EBUSY, "task %d takes part in a replay", tid);
	mm = t->mm;
	forget_move(m, t);
	program_leave(m, t);
	rq_remove(m, t);
	for (i = 0; mm->tids[i] != tid; i++)
		;
	mm->nr_tasks--;
	memmove(&mm->tids[i], &mm->tids[i + 1], sizeof(int) * (size_t)(mm->nr_tasks - i));
	m->ids[tid].task = NULL;
	if (!mm->nr_tasks) {
		exit_mmap(m, mm);
		m->ids[mm->pid].mm = NULL;
		mm_free(m, mm);
	}
	task_free(m, t);
	return 0;
}

int numab_task_info(const struct numab_machine *m, int tid, struct numab_task_info *out)
{
	const struct task *t = task_get(m, tid);

	if (!t || !out)
		return m && out ? NUMAB_ESRCH : NUMAB_EINVAL;
	memset(out, 0, sizeof(*out));
	out->tid = t->tid;
	out->pid = t->mm->pid;
	out->cpu = t->cpu;
	out->nid = t->nid;
	out->home_nid = t->home;
	out->state = (int32_t)t->state;
	out->numa_scan_seq = t->numa_scan_seq;
	out->mm_numa_scan_seq = t->mm->numa_scan_seq;
	out->numa_scan_period_ms = t->numa_scan_period;
	out->node_stamp_ns = t->node_stamp_ns;
	out->sum_exec_ns = t->sum_exec_ps / PS_PER_NS;
	out->numa_fault_tot = t->fault_tot;
	out->numa_faults_ever = t->faults_ever;
	out->debt_ps = t->debt_ps;
	out->accesses_local = t->acc_local;
	out->accesses_remote = t->acc_remote;
	out->mm_numa_next_scan = t->mm->numa_next_scan;
	out->mm_numa_scan_vpn = t->mm->numa_scan_vpn;
	out->mm_numa_fault_tot = t->mm->fault_tot;
	out->mm_pages = t->mm->nr_pages;
	out->sys_ps = t->sys_ps;
	out->nice = t->nice;
	out->weight = t->weight;
	out->queued = t->queued;
	out->next_cpu = t->next_cpu;
	out->numa_contrib = t->numa_contrib;
	out->vruntime_ns = t->vruntime_ps / PS_PER_NS;
	out->last_ran_ns = m->rqs[t->cpu].curr == t->tid ? m->now_ns : t->last_ran_ns;
	out->wake_ns = t->state == TASK_ASLEEP ? t->wake_ns : 0;
	out->mm_numa_next_reset = t->mm->numa_next_reset;
	out->mm_first_nid = t->mm->first_nid;
	out->nr_switches = t->nr_switches;
	return 0;
}

const uint64_t *numab_task_faults(const struct numab_machine *m, int tid)
{
	const struct task *t = task_get(m, tid);

	return t ? t->faults : NULL;
}

const uint64_t *numab_mm_faults(const struct numab_machine *m, int pid)
{
	const struct mm *mm = mm_get(m, pid);

	return mm ? mm->faults : NULL;
}

int numab_mm_node_pages(const struct numab_machine *m, int pid, uint64_t *out)
{
	const struct mm *mm = mm_get(m, pid);
	uint32_t i;
	uint64_t k;

	if (!mm || !out)
		return m && out ? NUMAB_ESRCH : NUMAB_EINVAL;
	memcpy(out, mm->node_pages, sizeof(uint64_t) * m->nr_ids);
	for (i = 0; mm->nr_shared && i < mm->nr_spans; i++) {
		const struct span *s = &mm->spans[i];

		for (k = 0; k < s->nr; k++)
			if (pte_present(s->pte[k]) && !(s->pte[k] & (PTE_EXCL | PTE_SPECIAL)))
				out[pte_nid(m, s->pte[k])]++;
	}
	return 0;
}

/* ---- the host keeps the time ---- */

int numab_set_now(struct numab_machine *m, uint64_t now_ns)
{
	if (!m)
		return NUMAB_EINVAL;
	if (now_ns < m->now_ns)
		return fail(m, NUMAB_EINVAL, "time goes back from %llu to %llu ns",
			    (unsigned long long)m->now_ns, (unsigned long long)now_ns);
	m->now_ns = now_ns;
	return 0;
}

int numab_account(struct numab_machine *m, int tid, uint64_t ran_ns)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	if (ran_ns > UINT64_MAX / PS_PER_NS - t->sum_exec_ps / PS_PER_NS)
		return fail(m, NUMAB_EINVAL, "run time of %llu ns overflows 2^64 ps",
			    (unsigned long long)ran_ns);
	charge_run_time(t, ran_ns * PS_PER_NS);
	return 0;
}

int numab_tick(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);

	return t ? task_tick_numa(m, t) : no_task(m, tid);
}

int64_t numab_task_work(struct numab_machine *m, int tid)
{
	struct task *t = task_get(m, tid);

	if (!t)
		return no_task(m, tid);
	return t->work_queued ? task_numa_work(m, t) : 0;
}
