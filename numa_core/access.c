/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access.c - touching memory: the hot loop, single accesses, get_user_pages
 *
 * run_rows() is where a run spends its time.  Beyond the processor's L2 cache it waits for entries,
 * so they are prefetched far ahead; one test of the entry decides; reads and writes are counted in
 * several histograms, so that one count does not wait for the one before; all else is out of line.
 */
#include "internal.h"

#define PREFETCH_AHEAD 96
/* Rows are fetched further ahead still: random look-ups disturb the processor's own read-ahead. */
#define PREFETCH_ROWS_AHEAD (4 * PREFETCH_AHEAD)
#define LINES_PER_PAGE 64ull /* cache lines of a page: more accesses than that hit the cache */

/* What an unmarked, exclusively mapped entry looks like when nothing at all has to be done. */
#define NEED_READ (PTE_PRESENT | PTE_ACCESSED | PTE_EXCL)
#define NEED_WRITE (NEED_READ | PTE_RW | PTE_DIRTY)

static inline uint64_t lines_of(uint64_t accesses)
{
	return accesses < LINES_PER_PAGE ? accesses : LINES_PER_PAGE;
}

static inline void count_access(struct numab_machine *m, struct task *t, int nid, uint64_t reads,
				uint64_t writes)
{
	uint64_t *cell = m->matrix + ((size_t)t->nid * m->nr_ids + nid) * 2;

	cell[0] += reads;
	cell[1] += writes;
	*(nid == t->nid ? &t->acc_local : &t->acc_remote) += reads + writes;
}

/* One page, whatever it takes.  NUMAB_EHOST: a hook failed, the access went through. */
static noinline int access_slow(struct fault_ctx *c, uint64_t vpn, uint64_t reads, uint64_t writes)
{
	struct numab_machine *m = c->m;
	uint64_t accesses, price;
	int nid = -1, err;

	if (!reads && !writes)
		reads = 1;
	err = handle_access(c, vpn, writes != 0, &nid);
	if (unlikely(err))
		return err;
	count_access(m, c->t, nid, reads, writes);
	accesses = reads + writes;
	price = accesses * (uint64_t)m->tun[NUMAB_T_cpu_ps] +
		lines_of(accesses) * m->latency_ps[(size_t)c->t->nid * m->nr_ids + nid];
	c->cost_ps += price;
	c->user_ps += price;
	return m->hook_failed ? NUMAB_EHOST : 0;
}

/* A row that covers several pages, or is not in the span at hand: page by page. */
static noinline int run_wide_row(struct fault_ctx *c, const struct numab_row *row,
				 uint64_t budget_ps, struct progress *p)
{
	uint64_t vpn = ROW_VPN(row->page), nr = ROW_EXTRA(row->page) + 1;
	int err = 0;

	while (p->page < nr && !err) {
		if (c->cost_ps >= budget_ps)
			return 0;
		if (ring_full(c->m))
			return NUMAB_EAGAIN;
		err = access_slow(c, vpn + p->page, row->reads, row->writes);
		if (err && err != NUMAB_EHOST) /* a hook that failed did not undo the access */
			return err;
		p->page++;
	}
	if (p->page == nr) {
		p->page = 0;
		p->rows++;
	}
	return err;
}

/* ---- the hot loop ---- */

/* Reads in the low half, writes in the high half, so that one addition counts both; a row without
 * either is one read. */
static inline uint64_t both_counts(const struct numab_row *row)
{
	uint64_t both = row->reads | (uint64_t)row->writes << 32;

	return both + !both;
}

/* A row with neither half in these bits makes at most 62 accesses: each is a cache line, and so the
 * price of many such rows follows from their number. */
#define COUNT_BITS 31ull
#define COUNTS_BIG (~(COUNT_BITS | COUNT_BITS << 32))
/* How many such rows a histogram's word can count before its low half could overflow. */
#define HIST_ROWS ((1ull << 32) / (COUNT_BITS + 1))

static inline uint64_t accesses_of(uint64_t both)
{
	return (both & UINT32_MAX) + (both >> 32);
}

/* The batch is over: fold the histograms into the machine's matrix and the task's totals.  Returns
 * the price of what they hold. */
static uint64_t fold_histograms(struct numab_machine *m, struct task *t)
{
	const uint64_t *latency = m->latency_ps + (size_t)t->nid * m->nr_ids;
	uint64_t cost = 0;
	int h, i;

	for (i = 0; i < m->nr_ids; i++) {
		uint64_t *words = m->hist + (size_t)i * NR_HIST, sum = 0;

		for (h = 0; h < NR_HIST; h++) {
			sum += words[h];
			words[h] = 0;
		}
		if (!sum)
			continue;
		count_access(m, t, i, sum & UINT32_MAX, sum >> 32);
		cost += accesses_of(sum) * ((uint64_t)m->tun[NUMAB_T_cpu_ps] + latency[i]);
	}
	return cost;
}

#define ROW_COUNTED -1000 /* none of the error codes */

static noinline int run_odd_row(struct fault_ctx *c, const struct numab_row *row)
{
	int err = ring_full(c->m) ? NUMAB_EAGAIN :
				    access_slow(c, row->page, row->reads, row->writes);

	return err ? err : ROW_COUNTED;
}

/* A row that takes faults, or whose counts are big.  The node whose histogram is to count it,
 * ROW_COUNTED, or an error. */
static flatten noinline int run_hint_row(struct fault_ctx *c, uint64_t *pte, uint64_t both,
					 const struct numab_row *row)
{
	int nid = both & COUNTS_BIG ? -1 : hint_stays(c, pte, row->page, both >> 32 != 0);

	return likely(nid >= 0) ? nid : run_odd_row(c, row);
}

/* A row of many accesses to an entry that needs nothing done: too large for the histograms. */
static noinline void run_big_row(struct fault_ctx *c, const struct numab_row *row, int nid)
{
	const struct numab_machine *m = c->m;
	uint64_t accesses = (uint64_t)row->reads + row->writes;
	uint64_t price = accesses * (uint64_t)m->tun[NUMAB_T_cpu_ps] +
			 lines_of(accesses) * m->latency_ps[(size_t)c->t->nid * m->nr_ids + nid];

	count_access(c->m, c->t, nid, row->reads, row->writes);
	c->cost_ps += price;
	c->user_ps += price;
}

/* What the hot loop keeps at hand. */
struct hot {
	struct fault_ctx *c;
	uint64_t base, nr;   /* of the span */
	uint64_t *pte;
	uintptr_t table;     /* where vpn 0 would have its entry */
	uint64_t *hist;
	uint64_t budget_ps, cpu_ps, plain_ps;
	const uint64_t *latency;
};

/* Entries far ahead.  The address is not tested: a prefetch of nothing does nothing. */
static inline void prefetch_row(const struct hot *hot, const struct numab_row *row)
{
	prefetch_w((const void *)(hot->table + (uintptr_t)row->page * sizeof(uint64_t)));
}

/* A cache line of rows.  It may lie behind the last row: the address is computed, not used. */
static inline void prefetch_rows_line(const struct numab_row *rows, uint64_t at)
{
	prefetch_r((const void *)((uintptr_t)rows + (uintptr_t)at * sizeof(*rows)));
}

/* One row, counted in histogram @h.  0, 1: not a row of this span, or the budget is used up, or an
 * error. */
static inline int run_row(struct hot *hot, const struct numab_row *row, unsigned h,
			  const int budgeted)
{
	uint64_t at = row->page - hot->base, both = both_counts(row), val, odd;
	int nid;

	if (budgeted && unlikely(hot->c->cost_ps + hot->plain_ps >= hot->budget_ps))
		return 1;
	/* One comparison sends away other spans and rows of several pages. */
	if (unlikely(at >= hot->nr))
		return 1;
	val = hot->pte[at];
	/* Bits that are needed and clear, SLOT where it is set, counts that are big. */
	odd = (val ^ NEED_WRITE) & (both >> 32 ? NEED_WRITE | PTE_SLOT : NEED_READ | PTE_SLOT);
	nid = pg_nid(val);
	if (unlikely(odd | (both & COUNTS_BIG))) {
		if (!odd) {
			run_big_row(hot->c, row, nid);
			return 0;
		}
		nid = run_hint_row(hot->c, &hot->pte[at], both, row);
		if (unlikely(nid < 0))
			return nid == ROW_COUNTED ? 0 : nid;
	}
	hot->hist[(size_t)nid * NR_HIST + h] += both;
	if (budgeted)
		hot->plain_ps += accesses_of(both) * (hot->cpu_ps + hot->latency[nid]);
	return 0;
}

/* Rows of one page inside one span.  Stops at the first row that is neither, at an error, or, when
 * there is a budget, at its end: only then is the price needed after every row. */
static inline int run_span_rows(struct fault_ctx *c, const struct numab_row *rows, uint64_t n,
				uint64_t budget_ps, struct progress *p, const struct span *s,
				const int budgeted)
{
	const struct numab_machine *m = c->m;
	struct hot hot = { c, s->base, s->nr, s->pte,
			   (uintptr_t)s->pte - (uintptr_t)s->base * sizeof(uint64_t), m->hist,
			   budget_ps, (uint64_t)m->tun[NUMAB_T_cpu_ps], 0,
			   m->latency_ps + (size_t)c->t->nid * m->nr_ids };
	uint64_t i = p->rows, k;
	int err = 0;

	for (k = i; k < n && k < i + PREFETCH_AHEAD; k++)
		prefetch_row(&hot, &rows[k]);
	while (n - i >= PREFETCH_AHEAD + NR_HIST) {
		prefetch_rows_line(rows, i + PREFETCH_ROWS_AHEAD);
		for (k = 0; k < NR_HIST; k++)
			prefetch_row(&hot, &rows[i + PREFETCH_AHEAD + k]);
		unroll(NR_HIST)
		for (k = 0; k < NR_HIST; k++, i++) {
			err = run_row(&hot, &rows[i], (unsigned)k, budgeted);
			if (unlikely(err))
				goto out;
		}
	}
	for (; i < n && !err; i += !err)
		err = run_row(&hot, &rows[i], (unsigned)(i % NR_HIST), budgeted);
out:
	p->rows = i + (err == NUMAB_EHOST); /* that access went through */
	c->cost_ps += hot.plain_ps;
	c->user_ps += hot.plain_ps;
	return err > 0 ? 0 : err;
}

static noinline int run_all(struct fault_ctx *c, const struct numab_row *rows, uint64_t n,
			    struct progress *p, const struct span *s)
{
	return run_span_rows(c, rows, n, UINT64_MAX, p, s, 0);
}

static noinline int run_budget(struct fault_ctx *c, const struct numab_row *rows, uint64_t n,
			       uint64_t budget_ps, struct progress *p, const struct span *s)
{
	return run_span_rows(c, rows, n, budget_ps, p, s, 1);
}

/* Rows in order until they are done or the budget is used up (the last row may overrun it).
 * Resumes at p->rows and p->page. */
int run_rows(struct numab_machine *m, struct task *t, const struct numab_row *rows, uint64_t n,
	     uint64_t budget_ps, struct progress *p)
{
	struct fault_ctx c = { m, t, t->mm, 0, 0, 0, 0, 0, NULL, 0, 0, NULL };
	uint64_t stop = p->rows, plain_ps = 0;
	int err = 0;

	while (p->rows < n && c.cost_ps < budget_ps && !err) {
		const struct numab_row *row = &rows[p->rows];
		struct span *s = NULL;

		if (p->rows == stop) {
			plain_ps += fold_histograms(m, t);
			stop = n - p->rows < HIST_ROWS ? n : p->rows + HIST_ROWS;
		}
		if (!p->page && !ROW_EXTRA(row->page))
			s = span_find(t->mm, ROW_VPN(row->page));
		if (!s)
			err = run_wide_row(&c, row, budget_ps, p);
		else if (budget_ps == UINT64_MAX)
			err = run_all(&c, rows, stop, p, s);
		else
			err = run_budget(&c, rows, stop, budget_ps, p, s);
	}
	plain_ps += fold_histograms(m, t);
	t->sys_ps += c.cost_ps - c.user_ps;
	p->cost_ps += c.cost_ps + (budget_ps == UINT64_MAX ? plain_ps : 0);
	p->faults += c.faults;
	p->hints += c.hints;
	return err;
}

int numab_access_rows(struct numab_machine *m, int tid, const struct numab_row *rows, uint64_t n,
		      struct numab_batch *out)
{
	struct task *t = task_get(m, tid);
	struct progress p = { 0, 0, 0, 0, 0 };
	int err;

	if (!t)
		return no_task(m, tid);
	if (n && !rows)
		return fail(m, NUMAB_EINVAL, "no rows given");
	m->busy = 1;
	err = run_rows(m, t, rows, n, UINT64_MAX, &p);
	m->busy = 0;
	apply_task_moves(m);
	if (err == NUMAB_EAGAIN)
		fail(m, err, "the event ring is full after %llu rows", (ull)p.rows);
	err = hook_result(m, err);
	if (out) {
		out->consumed = p.rows;
		out->pages = p.page;
		out->cost_ps = p.cost_ps;
		out->faults = p.faults;
		out->hints = p.hints;
	}
	return err;
}

int numab_access(struct numab_machine *m, int tid, uint64_t vaddr, int write,
		 struct numab_outcome *out)
{
	struct task *t = task_get(m, tid);
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, *row;
	struct fault_ctx c;
	struct span *s;
	int nid = -1, err = 0;

	if (!t)
		return no_task(m, tid);
	c.m = m;
	c.t = t;
	c.mm = t->mm;
	c.cost_ps = c.user_ps = 0;
	c.faults = c.hints = 0;
	c.reason = NUMAB_NONE;
	c.vma = NULL;
	c.plain_vpn = c.plain_nr = 0;
	s = span_find(t->mm, vpn);
	if (likely(s != NULL)) {
		uint64_t need = write ? NEED_WRITE : NEED_READ, val = s->pte[vpn - s->base];

		if (likely((val & (need | PTE_SLOT)) == need))
			nid = pg_nid(val);
	}
	if (nid < 0) {
		m->busy = 1;
		err = handle_access(&c, vpn, write, &nid);
		m->busy = 0;
	}
	t->sys_ps += c.cost_ps;
	if (!err) {
		row = m->matrix + ((size_t)t->nid * m->nr_ids + nid) * 2;
		row[write != 0]++;
		*(nid == t->nid ? &t->acc_local : &t->acc_remote) += 1;
		c.cost_ps += (uint64_t)m->tun[NUMAB_T_cpu_ps] +
			     m->latency_ps[(size_t)t->nid * m->nr_ids + nid];
	}
	if (unlikely(m->nr_moving))
		apply_task_moves(m);
	if (unlikely(m->hook_failed))
		err = hook_result(m, err);
	if (out) {
		out->cost_ps = c.cost_ps;
		out->nid = nid;
		out->reason = c.reason;
		out->faults = c.faults;
		out->hints = c.hints;
	}
	return err;
}

/* ---- get_user_pages ---- */

int numab_gup(struct numab_machine *m, int tid, uint64_t vaddr, int write, int fast)
{
	struct task *t = task_get(m, tid);
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, need = PTE_PRESENT | (write ? PTE_RW : 0), val;
	struct fault_ctx c = { m, t, NULL, 0, 0, 0, 0, 0, NULL, 0, 0, NULL };
	const struct vma *v;
	struct span *s;
	int nid, err, hinted;

	if (!t)
		return no_task(m, tid);
	c.mm = t->mm;
	s = span_find(t->mm, vpn);
	val = s ? s->pte[vpn - s->base] : 0;
	if (s && (val & (need | PTE_SLOT)) == need)
		return 1;
	if (fast)
		return 0; /* patch 6: marked entries and marked pmds go to the slow path */
	v = vma_find(t->mm, vpn);
	if (!v || v->prot == NUMAB_PROT_NONE || (write && !(v->prot & NUMAB_PROT_WRITE)))
		return fail(m, NUMAB_EFAULT, "vpn %llu is not to be had", (ull)vpn);
	/* follow_page takes a present entry, marked or not: no hint, the mark stays.  With
	 * FOLL_NUMA it does not see a marked one, which is then faulted on as by an access. */
	hinted = m->tun[NUMAB_T_gup_numa] && (pte_numa(val) || (val & PTE_SLOT));
	if (pte_present(val) && !hinted && (!write || (val & PTE_RW)))
		return 1;
	if (pte_present(val) && !hinted) {
		err = gup_write_fault(&c, s, vpn);
		return err ? err : 1;
	}
	m->busy = 1;
	err = handle_access(&c, vpn, write, &nid);
	m->busy = 0;
	apply_task_moves(m);
	err = hook_result(m, err);
	return err ? err : 1;
}
