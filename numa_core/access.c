/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access.c - touching memory: the hot loop, single accesses, get_user_pages, probe
 *
 * run_rows() is where a run spends its time.  Beyond the processor's L2 cache it waits for entries,
 * so they are prefetched far ahead; one test of the entry decides; reads and writes are counted in
 * several histograms, so that one count does not wait for the one before; all else is out of line.
 */
#include "internal.h"

#define PREFETCH_AHEAD 64
#define LINES_PER_PAGE 64ull /* cache lines of a page: more accesses than that hit the cache */

/* What an unmarked, exclusively mapped entry looks like when nothing at all has to be done. */
#define NEED_READ (PTE_PRESENT | PTE_ACCESSED | PTE_EXCL)
#define NEED_WRITE (NEED_READ | PTE_RW | PTE_DIRTY)

static inline uint64_t lines_of(uint64_t accesses)
{
	return accesses < LINES_PER_PAGE ? accesses : LINES_PER_PAGE;
}

static inline void count_access(const struct numab_machine *m, int h, int nid, uint64_t reads,
				uint64_t writes)
{
	uint64_t *slot = m->hist + ((size_t)h * m->nr_ids + nid) * 2;

	slot[0] += reads;
	slot[1] += writes;
}

/* One page, whatever it takes. */
static noinline int access_slow(struct fault_ctx *c, uint64_t vpn, uint64_t reads, uint64_t writes)
{
	const struct numab_machine *m = c->m;
	uint64_t accesses;
	int nid, err;

	if (!reads && !writes)
		reads = 1;
	err = handle_access(c, vpn, writes != 0, &nid);
	if (err)
		return err;
	count_access(m, 0, nid, reads, writes);
	accesses = reads + writes;
	c->cost_ps += accesses * (uint64_t)m->tun[NUMAB_T_cpu_ps] +
		      lines_of(accesses) * m->latency_ps[(size_t)c->t->nid * m->nr_ids + nid];
	return m->place_failed ? NUMAB_EHOST : 0;
}

/* The batch is over: fold the histograms into the machine's matrix and the task's totals. */
static void fold_histograms(struct numab_machine *m, struct task *t)
{
	uint64_t *row = m->matrix + (size_t)t->nid * m->nr_ids * 2, local = 0, all = 0;
	int h, i;

	for (i = 0; i < m->nr_ids; i++) {
		uint64_t reads = 0, writes = 0;

		for (h = 0; h < m->nr_hist; h++) {
			uint64_t *slot = m->hist + ((size_t)h * m->nr_ids + i) * 2;

			reads += slot[0];
			writes += slot[1];
			slot[0] = slot[1] = 0;
		}
		row[2 * i] += reads;
		row[2 * i + 1] += writes;
		all += reads + writes;
		if (i == t->nid)
			local = reads + writes;
	}
	t->acc_local += local;
	t->acc_remote += all - local;
}

/* A row that covers several pages, or is not in the span at hand: page by page. */
static noinline int run_wide_row(struct fault_ctx *c, const struct numab_row *row,
				 uint64_t budget_ps, struct progress *p)
{
	uint64_t vpn = ROW_VPN(row->page), nr = ROW_EXTRA(row->page) + 1;

	for (; p->page < nr; p->page++) {
		int err;

		if (c->cost_ps >= budget_ps)
			return 0;
		if (ring_full(c->m))
			return NUMAB_EAGAIN;
		err = access_slow(c, vpn + p->page, row->reads, row->writes);
		if (err)
			return err;
	}
	p->page = 0;
	p->rows++;
	return 0;
}

/* The common case: rows of one page inside one span.  Stops at the first row that is neither, at
 * the end of the budget, or at an error. */
static int run_span_rows(struct fault_ctx *c, const struct numab_row *rows, uint64_t n,
			 uint64_t budget_ps, struct progress *p, const struct span *s)
{
	struct numab_machine *m = c->m;
	const uint64_t *latency = m->latency_ps + (size_t)c->t->nid * m->nr_ids;
	const uint64_t base = s->base, nr = s->nr, cpu_ps = (uint64_t)m->tun[NUMAB_T_cpu_ps];
	uint64_t *const pte = s->pte;
	uint64_t i = p->rows, cost = c->cost_ps;
	const size_t hist_step = m->nr_hist == NR_HIST ? (size_t)m->nr_ids * 2 : 0;
	uint64_t *const hist = m->hist;
	int err = 0;

	for (; i < n; i++) {
		uint64_t at = rows[i].page - base, reads = rows[i].reads, writes = rows[i].writes;
		uint64_t val, need, accesses = reads + writes, *slot;

		if (i + PREFETCH_AHEAD < n) {
			uint64_t ahead = rows[i + PREFETCH_AHEAD].page - base;

			prefetch_w(&pte[ahead < nr ? ahead : 0]);
		}
		/* One comparison sends away other spans and rows of several pages. */
		if (unlikely(at >= nr) || unlikely(cost >= budget_ps))
			break;
		val = pte[at];
		need = writes ? NEED_WRITE : NEED_READ;
		if (unlikely((val & (need | PTE_SLOT)) != need || !accesses)) {
			if (ring_full(m)) {
				err = NUMAB_EAGAIN;
				break;
			}
			c->cost_ps = cost;
			err = access_slow(c, rows[i].page, reads, writes);
			cost = c->cost_ps;
			if (unlikely(err))
				break;
			continue;
		}
		slot = hist + (i % NR_HIST) * hist_step + (size_t)pg_nid(val) * 2;
		slot[0] += reads;
		slot[1] += writes;
		cost += accesses * cpu_ps + lines_of(accesses) * latency[pg_nid(val)];
	}
	c->cost_ps = cost;
	p->rows = i;
	return err;
}

/* Rows in order until they are done or the budget is used up (the last row may overrun it).
 * Resumes at p->rows and p->page. */
int run_rows(struct numab_machine *m, struct task *t, const struct numab_row *rows, uint64_t n,
	     uint64_t budget_ps, struct progress *p)
{
	struct fault_ctx c = { m, t, t->mm, 0, 0, 0, 0 };
	int err = 0;

	while (p->rows < n && c.cost_ps < budget_ps && !err) {
		const struct numab_row *row = &rows[p->rows];
		struct span *s = NULL;

		if (!p->page && !ROW_EXTRA(row->page))
			s = span_find(t->mm, ROW_VPN(row->page));
		err = s ? run_span_rows(&c, rows, n, budget_ps, p, s) :
			  run_wide_row(&c, row, budget_ps, p);
	}
	fold_histograms(m, t);
	p->cost_ps += c.cost_ps;
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
	if (err == NUMAB_EHOST) {
		m->place_failed = 0;
		fail(m, err, "the place hook failed");
	}
	if (out) {
		out->consumed = p.rows;
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
	c.cost_ps = 0;
	c.faults = c.hints = 0;
	c.reason = NUMAB_NONE;
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
	if (!err) {
		row = m->matrix + ((size_t)t->nid * m->nr_ids + nid) * 2;
		row[write != 0]++;
		*(nid == t->nid ? &t->acc_local : &t->acc_remote) += 1;
		c.cost_ps += (uint64_t)m->tun[NUMAB_T_cpu_ps] +
			     m->latency_ps[(size_t)t->nid * m->nr_ids + nid];
	}
	if (unlikely(m->nr_moving))
		apply_task_moves(m);
	if (unlikely(m->place_failed)) {
		m->place_failed = 0;
		err = fail(m, NUMAB_EHOST, "the place hook failed");
	}
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
	struct fault_ctx c = { m, t, NULL, 0, 0, 0, 0 };
	const struct vma *v;
	struct span *s;
	int nid;

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
	/* follow_page sees a present entry, marked or not, and takes it: no hint, the mark stays. */
	if (pte_present(val) && (!write || (val & PTE_RW)))
		return 1;
	if (pte_present(val) && pte_numa(val))
		pte_store(s, &s->pte[vpn - s->base], pte_mknonnuma(val)); /* its write fault replaces it */
	nid = handle_access(&c, vpn, write, &nid);
	return nid ? nid : 1;
}

/* ---- probe ---- */

static void probe_hint(struct numab_machine *m, const struct task *t, const struct vma *v,
		       const struct span *s, uint64_t vpn, int write, struct numab_probe *out)
{
	int huge = out->kind == NUMAB_FAULT_HINT_THP;
	uint64_t at = huge ? vpn & ~(SLOT_PAGES - 1) : vpn;
	uint64_t *pte = &s->pte[at - s->base], bits = *page_bits(m, pte);
	uint32_t flags = (write ? NUMAB_F_WRITE : 0) | (huge ? NUMAB_F_HUGE : 0) |
			 ((*pte & PTE_EXCL) ? 0 : NUMAB_F_SHARED) |
			 (out->kind == NUMAB_FAULT_HINT_PMD ? NUMAB_F_PMD : 0);
	struct numab_verdict verdict;

	out->tag = out->new_tag = pg_tag(bits);
	if (out->kind == NUMAB_FAULT_HINT_PMD &&
	    (page_mapcount(m, *pte) != 1 || !m->tun[NUMAB_T_pmd_batch_migrate])) {
		out->reason = page_mapcount(m, *pte) != 1 ? NUMAB_NONE : NUMAB_HOLD_PMD_CLEARED;
		return;
	}
	verdict = mpol_misplaced(m, t, v, at, bits, flags);
	out->new_tag = verdict.tag;
	out->reason = verdict.reason;
	if (verdict.target_nid < 0)
		return;
	if (huge && !m->tun[NUMAB_T_thp_native_migration]) {
		out->reason = NUMAB_HOLD_THP_SPLIT;
		return;
	}
	out->reason = migrate_admit(m, bits, page_mapcount(m, *pte), verdict.target_nid,
				    huge ? SLOT_PAGES : 1, 0);
	if (!out->reason && (bits & PG_WRITEBACK))
		out->reason = NUMAB_HOLD_MIGRATE_FAILED;
	if (!out->reason && (bits & PG_PINNED))
		out->reason = NUMAB_HOLD_MIGRATE_AGAIN;
	if (out->reason)
		return;
	out->reason = m->external ? NUMAB_GO_ASKED_HOST : NUMAB_GO_MIGRATED;
	if (m->external)
		return;
	out->to_nid = verdict.target_nid;
	if (!m->tun[NUMAB_T_last_nid_transfer])
		out->new_tag = NUMAB_TAG_UNSET;
}

/* Where an allocation would go; the fault itself is told by @kind. */
static void probe_alloc(struct numab_machine *m, const struct task *t, const struct vma *v,
			uint64_t vpn, uint64_t val, int kind, struct numab_probe *out)
{
	const uint64_t *mask = NULL;
	int from = (val & PTE_WISH) ? pg_nid(val) : alloc_target(m, t, v, vpn, &mask);

	out->kind = kind;
	out->to_nid = page_alloc_zonelist(m, from, mask, 1, 0);
}

static void probe_write(struct numab_machine *m, const struct task *t, const struct vma *v,
			uint64_t vpn, uint64_t val, struct numab_probe *out)
{
	int private_vma = v->kind == NUMAB_ANON_PRIVATE || v->kind == NUMAB_FILE_PRIVATE;
	int copies = (val & PTE_SPECIAL) ? !(v->flags & NUMAB_VMA_PFNMAP) :
		     !(val & PTE_EXCL) && private_vma &&
		     (page_mapcount(m, val) != 1 || !(*rec_at(m, rec_index(val)) & REC_ANON));

	out->kind = NUMAB_FAULT_WRITE;
	if (copies)
		probe_alloc(m, t, v, vpn, 0, NUMAB_FAULT_COW, out);
}

int numab_probe(struct numab_machine *m, int tid, uint64_t vaddr, int write,
		struct numab_probe *out)
{
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, need = PTE_PRESENT | (write ? PTE_RW : 0), val;
	struct task *t = task_get(m, tid);
	const struct vma *v;
	struct span *s;
	uint8_t flags;

	if (!t || !out)
		return m ? fail(m, t ? NUMAB_EINVAL : NUMAB_ESRCH, "no task %d", tid) : NUMAB_EINVAL;
	memset(out, 0, sizeof(*out));
	out->nid = out->to_nid = NUMAB_NO_NODE;
	out->tag = out->new_tag = NUMAB_TAG_UNSET;
	s = span_find(t->mm, vpn);
	v = vma_find(t->mm, vpn);
	val = s ? s->pte[vpn - s->base] : 0;
	if (pte_present(val)) {
		out->nid = out->to_nid = pte_nid(m, val);
		if (!(val & PTE_SPECIAL))
			out->tag = out->new_tag = pg_tag(*page_bits(m, &s->pte[vpn - s->base]));
	}
	if (s && (val & (need | PTE_SLOT)) == need)
		return 0;
	if (!v || v->prot == NUMAB_PROT_NONE || (write && !(v->prot & NUMAB_PROT_WRITE))) {
		out->kind = NUMAB_FAULT_SEGV;
		return 0;
	}
	flags = slot_of(s, vpn)->flags;
	if (flags & SLOT_PMD_NUMA)
		out->kind = (flags & SLOT_HUGE) ? NUMAB_FAULT_HINT_THP : NUMAB_FAULT_HINT_PMD;
	else if (pte_numa(val))
		out->kind = NUMAB_FAULT_HINT_PTE;
	if (out->kind && (val & PTE_SPECIAL || !pte_present(val)))
		out->reason = NUMAB_HOLD_PMD_CLEARED; /* only the pmd's mark is in the way */
	else if (out->kind)
		probe_hint(m, t, v, s, vpn, write, out);
	else if (pte_present(val))
		probe_write(m, t, v, vpn, val, out);
	else if (v->kind == NUMAB_ANON_PRIVATE && !write && m->tun[NUMAB_T_zero_page] &&
		 !m->tun[NUMAB_T_thp] && !(val & PTE_WISH) && !(v->flags & NUMAB_VMA_PFNMAP))
		out->kind = NUMAB_FAULT_ZERO_PAGE;
	else
		probe_alloc(m, t, v, vpn, val, NUMAB_FAULT_FIRST_TOUCH, out);
	return 0;
}

/* ---- looking at pages ---- */

static uint32_t page_flags(const struct numab_machine *m, struct span *s, uint64_t vpn)
{
	uint64_t *pte = &s->pte[vpn - s->base], val = *pte, bits;
	uint32_t f = NUMAB_PG_PRESENT;
	uint8_t slot = slot_of(s, vpn)->flags;

	f |= pte_numa(val) ? NUMAB_PG_MARKED : 0;
	f |= (val & PTE_RW) ? NUMAB_PG_WRITABLE : 0;
	f |= (val & PTE_ACCESSED) ? NUMAB_PG_ACCESSED : 0;
	f |= (val & PTE_DIRTY) ? NUMAB_PG_DIRTY : 0;
	f |= (slot & SLOT_HUGE) ? NUMAB_PG_HUGE : 0;
	f |= (slot & SLOT_PMD_NUMA) ? NUMAB_PG_PMD_MARKED : 0;
	if (val & PTE_SPECIAL)
		return f | NUMAB_PG_ZERO;
	f |= (val & PTE_EXCL) ? NUMAB_PG_EXCLUSIVE : 0;
	bits = *page_bits(m, pte);
	f |= (bits & PG_NO_LRU) ? NUMAB_PG_NO_LRU : 0;
	f |= (bits & PG_PINNED) ? NUMAB_PG_PINNED : 0;
	f |= (bits & PG_WRITEBACK) ? NUMAB_PG_WRITEBACK : 0;
	f |= (bits & PG_MOVING) ? NUMAB_PG_MOVING : 0;
	return f;
}

int numab_page(const struct numab_machine *m, int pid, uint64_t vpn, struct numab_page *out)
{
	struct mm *mm = mm_get(m, pid);
	struct span *s;
	uint64_t *pte;

	if (!mm || !out)
		return m && out ? NUMAB_ESRCH : NUMAB_EINVAL;
	out->nid = NUMAB_NO_NODE;
	out->tag = NUMAB_TAG_UNSET;
	out->mapcount = 0;
	out->flags = 0;
	s = span_find(mm, vpn);
	if (!s || !pte_present(s->pte[vpn - s->base]))
		return 0;
	pte = &s->pte[vpn - s->base];
	out->flags = page_flags(m, s, vpn);
	if (*pte & PTE_SPECIAL)
		return 0;
	out->nid = pte_nid(m, *pte);
	out->tag = pg_tag(*page_bits(m, pte));
	out->mapcount = (uint32_t)page_mapcount(m, *pte);
	return 0;
}

int numab_page_nids(const struct numab_machine *m, int pid, uint64_t vpn, uint64_t n, int16_t *out)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t i;

	if (!mm || (n && !out))
		return m && !mm ? NUMAB_ESRCH : NUMAB_EINVAL;
	for (i = 0; i < n; i++) {
		struct span *s = span_find(mm, vpn + i);
		uint64_t val = s ? s->pte[vpn + i - s->base] : 0;

		out[i] = pte_present(val) && !(val & PTE_SPECIAL) ? (int16_t)pte_nid(m, val) : -1;
	}
	return 0;
}

int numab_page_set_flags(struct numab_machine *m, int pid, uint64_t vpn, uint32_t flags, int on)
{
	struct mm *mm = mm_get(m, pid);
	struct span *s = mm ? span_find(mm, vpn) : NULL;
	uint64_t *pte = s ? &s->pte[vpn - s->base] : NULL, set;

	if (!mm)
		return no_process(m, pid);
	if (flags & ~(uint32_t)(NUMAB_PG_NO_LRU | NUMAB_PG_PINNED | NUMAB_PG_WRITEBACK))
		return fail(m, NUMAB_EINVAL, "page flags 0x%x, permitted 0x400, 0x800, 0x1000", flags);
	if (!pte || !pte_present(*pte) || (*pte & PTE_SPECIAL))
		return fail(m, NUMAB_ENOENT, "no page at vpn %llu", (ull)vpn);
	if (slot_of(s, vpn)->flags & SLOT_HUGE)
		pte = &s->pte[(vpn & ~(SLOT_PAGES - 1)) - s->base]; /* the head speaks for all */
	set = ((flags & NUMAB_PG_NO_LRU) ? PG_NO_LRU : 0) |
	      ((flags & NUMAB_PG_PINNED) ? PG_PINNED : 0) |
	      ((flags & NUMAB_PG_WRITEBACK) ? PG_WRITEBACK : 0);
	if (on)
		*page_bits(m, pte) |= set;
	else
		*page_bits(m, pte) &= ~set;
	return 0;
}

int numab_split_huge_page(struct numab_machine *m, int pid, uint64_t vpn)
{
	struct mm *mm = mm_get(m, pid);
	struct span *s = mm ? span_find(mm, vpn) : NULL;

	if (!mm)
		return no_process(m, pid);
	if (!s || !(slot_of(s, vpn)->flags & SLOT_HUGE))
		return fail(m, NUMAB_ENOENT, "no huge page at vpn %llu", (ull)vpn);
	huge_split(m, mm, s, (vpn - s->base) / SLOT_PAGES);
	return 0;
}
