/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stats.c - per-task and per-mm fault statistics: the only part that writes the fault arrays
 *
 * Linux: kernel/sched/fair.c of the 2012 series, task_numa_fault and its statistics (patches 15,
 * 16 and 29).  Arrays are indexed by nid.
 */
#include "internal.h"

#define BALANCENUMA_SCALE 1000

uint64_t numab_weight(uint64_t faults, uint64_t total)
{
	if (!total)
		return 0;
	return (faults < total ? faults : total) * BALANCENUMA_SCALE / total;
}

/* Count a verdict and tell it. */
void decide(struct fault_ctx *c, int reason)
{
	c->reason = reason;
	c->m->reasons[reason]++;
}

/* The end of a call in which a hook may have failed: the host is told once. */
int hook_result(struct numab_machine *m, int err)
{
	int failed = m->hook_failed;

	m->hook_failed = 0;
	if (!failed)
		return err;
	if (failed == HOOK_FAILED_SAID)
		return NUMAB_EHOST;
	return fail(m, NUMAB_EHOST, "a hook of the host's failed");
}

/* The node with the largest share of a task's, or an address space's, faults; the lowest id among
 * equals, none where all round to nothing. */
static int heaviest(const struct numab_machine *m, const uint64_t *faults, uint64_t total)
{
	uint64_t best = 0;
	int i, nid = NUMAB_NO_NODE;

	for (i = 0; i < m->nr_nodes; i++) {
		uint64_t w = numab_weight(faults[m->nids[i]], total);

		if (w > best) {
			best = w;
			nid = m->nids[i];
		}
	}
	return nid;
}

/* As posted the home node is written as it is, so that a queued task leaves counts behind that it
 * never was in. */
static void write_home(struct numab_machine *m, struct task *t, int nid)
{
	if (m->tun[NUMAB_T_home_requeue]) {
		sched_setnode(m, t, nid);
		return;
	}
	m->homes_unqueued |= t->queued && t->home != nid;
	t->home = nid;
}

static void halve(const struct numab_machine *m, uint64_t *faults)
{
	int i;

	for (i = 0; i < m->nr_nodes; i++)
		faults[m->nids[i]] >>= 1;
}

/* The task, its address space and the running node agree: it is at home, and scans can slow down.
 * Returns whether they do; if not, scans become quick again and another CPU is to be looked for. */
static int task_is_placed(struct numab_machine *m, struct task *t)
{
	struct mm *mm = t->mm;
	uint64_t max = (uint64_t)(uint32_t)m->tun[NUMAB_T_scan_period_max_ms];
	int task_nid = heaviest(m, t->faults, t->fault_tot);
	int mm_nid = heaviest(m, mm->faults, mm->fault_tot);

	if (!m->tun[NUMAB_T_mm_decay_once])
		halve(m, mm->faults);
	if (task_nid != t->nid || mm_nid != t->nid) {
		t->numa_scan_period = (uint64_t)(uint32_t)m->tun[NUMAB_T_scan_period_min_ms];
		return 0;
	}
	t->numa_scan_period = 2 * t->numa_scan_period < max ? 2 * t->numa_scan_period : max;
	write_home(m, t, t->nid);
	return 1;
}

/* Once per pass over the address space and task (patch 29); the search for another CPU is the
 * host's. */
static void task_numa_placement(struct numab_machine *m, struct task *t)
{
	int seq = t->mm->numa_scan_seq, home = t->home, next_cpu = t->next_cpu;

	if (seq == t->numa_scan_seq)
		return;
	t->numa_scan_seq = seq;
	if (m->policy.ops.flags & NUMAB_POLICY_PLACE) {
		if (!t->mm->fault_tot || !t->fault_tot)
			return;
		if (task_is_placed(m, t))
			return;
	}
	if (!m->place)
		return;
	if (m->place(m->place_ud, m, t->tid))
		m->hook_failed = HOOK_FAILED;
	else if (t->home == home && t->next_cpu == next_cpu)
		sched_event(m, NUMAB_EV_SCHED_STICK, t, t->cpu, t->cpu, 0);
}

/* @other runs where @t may. */
static void compare(const struct task *t, const struct task *other, struct numab_candidate *out)
{
	const struct mm *mm = t->mm, *mm2 = other->mm;
	const uint64_t *mine = mm == mm2 ? t->faults : mm->faults;
	uint64_t total = mm == mm2 ? t->fault_tot : mm->fault_tot;

	out->tid = other->tid;
	out->home_nid = other->home;
	out->here = (int32_t)numab_weight(mine[t->nid], total);
	out->there = (int32_t)numab_weight(mine[out->nid], total);
	out->other = mm == mm2 ? (int32_t)numab_weight(other->faults[out->nid], other->fault_tot) :
				 (int32_t)numab_weight(mm2->faults[out->nid], mm2->fault_tot);
	out->flags = (cpu_allowed(other, t->cpu) ? NUMAB_CAND_MAY_COME : 0u) |
		     (other->fault_tot && mm2->fault_tot ? NUMAB_CAND_HAS_FAULTS : 0u) |
		     (out->there > out->here ? NUMAB_CAND_WANTED : 0u) |
		     (other->next_cpu >= 0 ? NUMAB_CAND_MOVES : 0u);
}

int numab_candidates(const struct numab_machine *m, int tid, uint32_t need,
		     struct numab_candidate *out, int max)
{
	const struct task *t = m ? task_get(m, tid) : NULL;
	struct numab_candidate c;
	int cpu, n = 0;

	if (!t)
		return NUMAB_ESRCH;
	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		const struct numab_rq *rq = &m->rqs[cpu];

		if (m->cpu_nid[cpu] < 0 || !cpu_allowed(t, cpu))
			continue;
		memset(&c, 0, sizeof(c));
		c.cpu = cpu;
		c.nid = m->cpu_nid[cpu];
		c.home_nid = NUMAB_NO_NODE;
		if (rq->nr_running && rq->curr)
			compare(t, m->ids[rq->curr].task, &c);
		if ((c.flags & need) != need)
			continue;
		if (out && n < max)
			out[n] = c;
		n++;
	}
	return n;
}

/* Pages that stay are in place: scan for less (v3.8).  task_numa_work() takes it back. */
static void scan_slower(const struct numab_machine *m, struct task *t)
{
	uint64_t max = (uint64_t)(uint32_t)m->tun[NUMAB_T_scan_period_max_ms];
	uint64_t step = (uint64_t)m->tun[NUMAB_T_period_step_ticks] * 1000 / m->hz;

	t->numa_scan_period = t->numa_scan_period + step < max ? t->numa_scan_period + step : max;
}

/* Credit a hinting fault to a node; @how: FAULT_*.  As posted, a call counts one whatever its
 * number of pages. */
void task_numa_fault(struct numab_machine *m, struct task *t, int nid, uint64_t pages, int how)
{
	uint64_t n = m->tun[NUMAB_T_count_pages_not_faults] ? pages : 1;

	if (unlikely(!m->tun[NUMAB_T_numa_balancing]) && !m->tun[NUMAB_T_account_when_off])
		return;
	t->fault_tot += n;
	t->faults_ever += n;
	t->faults[nid] += n;
	t->mm->fault_tot += n;
	t->mm->faults[nid] += n;
	if (m->tun[NUMAB_T_period_step_ticks] && !(how & FAULT_MIGRATED))
		scan_slower(m, t);
	if ((how & FAULT_MISPLACED) || !m->tun[NUMAB_T_place_misplaced_only])
		task_numa_placement(m, t);
}

/* The scanner came to the end: a pass is over.  The address space's total and the scanning task's
 * own numbers halve; other threads' do not (patch 29). */
void reset_ptenuma_scan(struct numab_machine *m, struct task *t)
{
	struct numab_event e;

	t->mm->numa_scan_seq++;
	m->counters[NUMAB_C_scan_passes]++;
	t->mm->fault_tot >>= 1;
	t->fault_tot >>= 1;
	halve(m, t->faults);
	if (m->tun[NUMAB_T_mm_decay_once])
		halve(m, t->mm->faults);
	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_PASS;
	e.pid = t->mm->pid;
	e.tid = t->tid;
	e.cpu = (int16_t)t->cpu;
	e.aux = (uint64_t)t->mm->numa_scan_seq;
	event_put(m, &e);
}
