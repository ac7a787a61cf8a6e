/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scan.c - working set sampling: the tick, the task work, the window, the marks
 *
 * Linux: kernel/sched/fair.c task_tick_numa and task_numa_work (patches 15, 18, 19), and
 * change_prot_numa of mm/mempolicy.c (patch 14).
 */
#include "internal.h"

#define SMALL_VMA_PAGES 512 /* small_vma_skip: under 2 MiB */
#define NS_PER_MS 1000000ull

/* ---- marking a run of entries ---- */

/* Exclusive present entries become marked (NUMA is clear in them).  One body, compiled for several
 * instruction sets: it is the widest loop of the core, and a build for plain x86-64 reaches less
 * than half of what the processor can do.  The entries of records are only counted here. */
#define EXCL_PRESENT (PTE_EXCL | PTE_PRESENT)
#define MARK_ENTRIES(name, target)                                                               \
	target static uint64_t name(uint64_t *pte, uint64_t n, int want_nids, struct marks *out)  \
	{                                                                                         \
		uint64_t marked = 0, any_or = 0, any_and = ~0ull, shared = 0, i;                  \
												  \
		if (!want_nids) {                                                                 \
			for (i = 0; i < n; i++) {                                                 \
				uint64_t p = pte[i];                                              \
				uint64_t is = p & (EXCL_PRESENT | PTE_SPECIAL);                   \
				uint64_t hit = is == EXCL_PRESENT;                                \
												  \
				shared |= is == PTE_PRESENT;                                      \
				pte[i] = hit ? p ^ (PTE_PRESENT | PTE_NUMA) : p;                  \
				marked += hit;                                                    \
			}                                                                         \
		} else {                                                                          \
			for (i = 0; i < n; i++) {                                                 \
				uint64_t p = pte[i];                                              \
				uint64_t is = p & (EXCL_PRESENT | PTE_SPECIAL);                   \
				uint64_t hit = is == EXCL_PRESENT;                                \
												  \
				shared |= is == PTE_PRESENT;                                      \
				any_or |= hit ? p : 0;                                            \
				any_and &= hit ? p : ~0ull;                                       \
				pte[i] = hit ? p ^ (PTE_PRESENT | PTE_NUMA) : p;                  \
				marked += hit;                                                    \
			}                                                                         \
		}                                                                                 \
		out->nids_or |= any_or & PG_NID_MASK;                                             \
		out->nids_and &= any_and | ~PG_NID_MASK;                                          \
		out->shared = shared;                                                             \
		return marked;                                                                    \
	}

MARK_ENTRIES(mark_entries_base, )
#if defined(__GNUC__) && defined(__x86_64__)
#define SCAN_X86 1
MARK_ENTRIES(mark_entries_avx2, __attribute__((target("avx2"))))
MARK_ENTRIES(mark_entries_avx512, __attribute__((target("avx512f,avx512dq"))))
#endif

/* Use the named instruction set, or (NULL) the best this processor has. */
int scan_isa_pick(struct numab_machine *m, const char *name)
{
#if defined(SCAN_X86)
	__builtin_cpu_init();
	if ((!name || !strcmp(name, "avx512")) && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512dq")) {
		m->mark_entries = mark_entries_avx512;
		m->isa = "avx512";
		return 0;
	}
	if ((!name || !strcmp(name, "avx2")) && __builtin_cpu_supports("avx2")) {
		m->mark_entries = mark_entries_avx2;
		m->isa = "avx2";
		return 0;
	}
#endif
	if (name && strcmp(name, "base"))
		return NUMAB_EINVAL;
	m->mark_entries = mark_entries_base;
	m->isa = "base";
	return 0;
}

const char *numab_scan_isa(const struct numab_machine *m)
{
	return m ? m->isa : "";
}

int numab_scan_isa_use(struct numab_machine *m, const char *name)
{
	if (!m)
		return NUMAB_EINVAL;
	if (!name || scan_isa_pick(m, name))
		return fail(m, NUMAB_EINVAL, "instruction set '%.20s' is not to be had here",
			    name ? name : "(null)");
	return 0;
}

/* Entries that name a record: marked when nobody else maps the page. */
static uint64_t mark_shared(struct numab_machine *m, uint64_t *pte, uint64_t n, struct marks *out)
{
	uint64_t marked = 0, i;

	for (i = 0; i < n; i++) {
		uint64_t nid;

		if (!(pte[i] & PTE_PRESENT) || (pte[i] & (PTE_EXCL | PTE_SPECIAL)) ||
		    page_mapcount(m, pte[i]) != 1)
			continue;
		nid = *page_bits(m, &pte[i]) & PG_NID_MASK;
		out->nids_or |= nid;
		out->nids_and &= nid | ~PG_NID_MASK;
		pte[i] = pte_mknuma(pte[i]);
		marked++;
	}
	return marked;
}

/* One pmd's part of a range: entries [lo, hi) of slot @slot (spec 4.1, range helper). */
static uint64_t change_slot(struct numab_machine *m, struct span *s, uint64_t slot, uint64_t lo,
			    uint64_t hi)
{
	uint64_t *pte = s->pte + slot * SLOT_PAGES;
	struct slot *sl = &s->slots[slot];
	struct marks out = { 0, ~0ull, 0 };
	int want_pmd = m->tun[NUMAB_T_pmd_mark] && !(sl->flags & SLOT_PMD_NUMA);
	int same_node = m->tun[NUMAB_T_pmd_mark_same_node_only] != 0;
	uint64_t marked;

	if (sl->flags & SLOT_HUGE) {
		if ((sl->flags & SLOT_PMD_NUMA) || pte_numa(pte[0]))
			return 0;
		slot_pmd_mark(s, slot);
		return m->tun[NUMAB_T_huge_counts_ptes] ? SLOT_PAGES : 1;
	}
	marked = m->mark_entries(pte + lo, hi - lo, want_pmd && same_node, &out);
	if (out.shared)
		marked += mark_shared(m, pte + lo, hi - lo, &out);
	if (marked && want_pmd &&
	    (!same_node || (out.nids_or & PG_NID_MASK) == (out.nids_and & PG_NID_MASK))) {
		slot_pmd_mark(s, slot);
		m->counters[NUMAB_C_pmd_marks]++;
	}
	return marked;
}

/* Entries [lo, hi) of slots that hold base pages only, where no pmd is to be marked. */
static uint64_t change_entries(struct numab_machine *m, struct span *s, uint64_t lo, uint64_t hi)
{
	struct marks out = { 0, ~0ull, 0 };
	uint64_t marked = m->mark_entries(s->pte + lo, hi - lo, 0, &out);

	return out.shared ? marked + mark_shared(m, s->pte + lo, hi - lo, &out) : marked;
}

/* Where the run of slots that are in use and hold base pages ends that begins with @slot: at most
 * at @end.  @slot's own head when there is none. */
static uint64_t base_run_end(const struct span *s, uint64_t slot, uint64_t end)
{
	uint64_t head = s->base + slot * SLOT_PAGES;

	for (; head < end && head < s->base + s->nr; slot++, head += SLOT_PAGES)
		if (!s->slots[slot].nr_used || (s->slots[slot].flags & SLOT_HUGE))
			break;
	return head < end ? head : end;
}

/* Mark [start, end) of one VMA.  Returns how many entries. */
uint64_t change_prot_numa(struct numab_machine *m, struct mm *mm, const struct task *t,
			  uint64_t start, uint64_t end, uint64_t *cost_ps)
{
	uint64_t at = start, marked = 0;
	struct numab_event e;

	while (at < end) {
		struct span *s = span_find(mm, at);
		uint64_t slot = (at - s->base) / SLOT_PAGES, head = s->base + slot * SLOT_PAGES;
		uint64_t stop = head + SLOT_PAGES < end ? head + SLOT_PAGES : end;
		uint64_t run = m->tun[NUMAB_T_pmd_mark] ? head : base_run_end(s, slot, end);

		if (run > head) { /* no pmd to be marked: slots need not be told apart */
			stop = run;
			marked += change_entries(m, s, at - s->base, stop - s->base);
		} else if (s->slots[slot].nr_used) {
			marked += change_slot(m, s, slot, at - head, stop - head);
		}
		at = stop;
	}
	m->counters[NUMAB_C_numa_pte_updates] += marked;
	if (cost_ps)
		*cost_ps += marked * (uint64_t)m->tun[NUMAB_T_mark_ps];
	if (marked || !m->tun[NUMAB_T_flush_if_marked])
		tlb_flush_range(m, mm, cost_ps);
	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_SCAN;
	e.pid = mm->pid;
	e.tid = t ? t->tid : 0;
	e.cpu = (int16_t)(t ? t->cpu : -1);
	e.vpn = start;
	e.nr_pages = end - start > UINT32_MAX ? UINT32_MAX : (uint32_t)(end - start);
	e.aux = marked;
	event_put(m, &e);
	return marked;
}

int64_t numab_change_prot_numa(struct numab_machine *m, int pid, uint64_t vaddr,
			       uint64_t size_bytes)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end, marked = 0;
	uint32_t i;
	int err;

	if (!mm)
		return no_process(m, pid);
	err = mm_range(m, vaddr, size_bytes, &start, &end);
	if (err)
		return err;
	i = vma_first_ending_after(mm, start);
	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		const struct vma *v = &mm->vmas[i];

		if (v->flags & NUMAB_VMA_HUGETLB)
			continue;
		marked += change_prot_numa(m, mm, NULL, start > v->start ? start : v->start,
					   end < v->end ? end : v->end, NULL);
	}
	return (int64_t)marked;
}

/* ---- the clockwork ---- */

uint64_t jiffies(const struct numab_machine *m)
{
	/* now_ns may pass 2^64 / hz: whole seconds first */
	return m->now_ns / NS_PER_SEC * m->hz + m->now_ns % NS_PER_SEC * m->hz / NS_PER_SEC;
}

static uint64_t msecs_to_jiffies(const struct numab_machine *m, uint64_t ms)
{
	return (ms * m->hz + 999) / 1000;
}

/* A negative value is possible as posted; the kernel's arithmetic on it is unsigned. */
static uint64_t tunable_ms(const struct numab_machine *m, int index)
{
	return (uint64_t)(uint32_t)m->tun[index];
}

/* vma_migratable, and what later versions leave out besides. */
static int vma_scanned(const struct numab_machine *m, const struct vma *v)
{
	if (v->flags & (NUMAB_VMA_IO | NUMAB_VMA_HUGETLB | NUMAB_VMA_PFNMAP))
		return 0;
	if (v->prot == NUMAB_PROT_NONE && m->tun[NUMAB_T_inaccessible_vma_skip])
		return 0;
	return !m->tun[NUMAB_T_small_vma_skip] || v->end - v->start >= SMALL_VMA_PAGES;
}

/* The timer tick of the running task: is a scan due?  node_stamp moves on even when the address
 * space's own gate is closed.  Periods are in executed run time, the gate is in wall time. */
int task_tick_numa(struct numab_machine *m, struct task *t)
{
	uint64_t now = t->sum_exec_ps / PS_PER_NS;

	if (!m->tun[NUMAB_T_numa_balancing] || !(m->policy.ops.flags & NUMAB_POLICY_SCANS))
		return 0;
	if (t->work_queued || now - t->node_stamp_ns <= t->numa_scan_period * NS_PER_MS)
		return 0;
	if (t->node_stamp_ns == 0) /* the slow start is over */
		t->numa_scan_period = tunable_ms(m, NUMAB_T_scan_period_min_ms);
	t->node_stamp_ns = now;
	if (jiffies(m) < t->mm->numa_next_scan)
		return 0;
	t->work_queued = 1;
	return 1;
}

/* Walk one VMA from *offset until the budget is used up or it ends.  Returns what was marked. */
static uint64_t scan_vma(struct numab_machine *m, struct task *t, const struct vma *v,
			 uint64_t *offset, int64_t *budget, uint64_t *cost_ps)
{
	uint64_t marked = 0;

	if (*offset < v->start)
		*offset = v->start;
	do {
		uint64_t end = (*offset + (uint64_t)*budget + SLOT_PAGES - 1) & ~(SLOT_PAGES - 1);
		uint64_t got;

		if (end > v->end)
			end = v->end;
		got = change_prot_numa(m, t->mm, t, *offset, end, cost_ps);
		*budget -= (int64_t)(m->tun[NUMAB_T_scan_budget_ptes] ? got : end - *offset);
		*offset = end;
		marked += got;
	} while (*budget > 0 && *offset < v->end);
	return marked;
}

/* Walk VMAs from the saved offset until the budget is used up.  *complete: there is nothing left
 * after what was walked.  v3.8 leaves the walk before it looks for another VMA, and so finds that
 * out at its next scan. */
static int64_t scan_window(struct numab_machine *m, struct task *t, uint64_t *offset, int *complete,
			   uint64_t *cost_ps)
{
	struct mm *mm = t->mm;
	int64_t budget = (int64_t)(m->tun[NUMAB_T_scan_size_mb] * ((1 << 20) / NUMAB_PAGE_BYTES));
	uint32_t i = vma_first_ending_after(mm, *offset);
	int64_t marked = 0;

	if (i == mm->nr_vmas) {
		reset_ptenuma_scan(m, t);
		*offset = 0;
		i = 0;
	}
	*complete = 1;
	for (; i < mm->nr_vmas && budget > 0; i++) {
		const struct vma *v = &mm->vmas[i];

		if (!vma_scanned(m, v))
			continue;
		marked += (int64_t)scan_vma(m, t, v, offset, &budget, cost_ps);
		*complete = *offset == v->end;
		if (budget <= 0 && m->tun[NUMAB_T_scan_budget_ptes])
			break;
	}
	*complete = *complete && i == mm->nr_vmas;
	return marked;
}

/* Has the address space been seen on a second node (first_nid_gate, v3.8)?  A program that stays
 * on one has nothing to gain. */
static int seen_on_second_node(const struct numab_machine *m, struct mm *mm, int nid)
{
	if (!m->tun[NUMAB_T_first_nid_gate] || mm->first_nid == FIRST_NID_ACTIVE)
		return 1;
	if (mm->first_nid == FIRST_NID_INIT)
		mm->first_nid = nid;
	if (mm->first_nid == nid)
		return 0;
	mm->first_nid = FIRST_NID_ACTIVE;
	return 1;
}

/* Now and then scans become quick again, as the program may have changed (scan_period_reset). */
static void reset_scan_period(struct numab_machine *m, struct task *t, uint64_t now)
{
	uint64_t after_ms = tunable_ms(m, NUMAB_T_scan_period_reset);

	if (!after_ms || now <= t->mm->numa_next_reset)
		return;
	t->numa_scan_period = tunable_ms(m, NUMAB_T_scan_period_min_ms);
	t->mm->numa_next_reset = now + msecs_to_jiffies(m, after_ms);
}

/* The scan proper, in the task's own context and at its cost. */
int64_t task_numa_work(struct numab_machine *m, struct task *t)
{
	struct mm *mm = t->mm;
	uint64_t now = jiffies(m), offset = mm->numa_scan_vpn, cost_ps;
	int complete;
	int64_t marked;

	t->work_queued = 0;
	if (!seen_on_second_node(m, mm, t->nid)) {
		m->counters[NUMAB_C_scan_one_node]++;
		return 0;
	}
	reset_scan_period(m, t, now);
	if (now < mm->numa_next_scan) {
		m->counters[NUMAB_C_scan_too_early]++;
		return 0;
	}
	if (!t->numa_scan_period)
		t->numa_scan_period = tunable_ms(m, NUMAB_T_scan_period_min_ms);
	mm->numa_next_scan = now + msecs_to_jiffies(m, (uint64_t)m->tun[NUMAB_T_next_scan_factor] *
						       t->numa_scan_period);
	if (rate_limit_holds_scan(m, t->nid)) {
		m->counters[NUMAB_C_scan_rate_limited]++;
		return 0;
	}
	m->counters[NUMAB_C_scan_windows]++;
	cost_ps = (uint64_t)m->tun[NUMAB_T_scan_ns] * PS_PER_NS;
	marked = scan_window(m, t, &offset, &complete, &cost_ps);
	if (!complete) {
		mm->numa_scan_vpn = offset;
	} else {
		reset_ptenuma_scan(m, t);
		if (!m->tun[NUMAB_T_scan_rewind_bug])
			mm->numa_scan_vpn = 0;
	}
	t->debt_ps += cost_ps;
	t->sys_ps += cost_ps;
	return marked;
}
