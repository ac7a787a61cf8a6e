/* SPDX-License-Identifier: BSD-3-Clause
 *
 * migrate.c - moving pages: the only part that changes a mapped page's node
 *
 * Linux: mm/migrate.c of the 2012 series: migrate_pages with its counters and its event (patches 1
 * and 2), migrate_misplaced_page with every way to fail (patches 12 and 17).
 */
#include "internal.h"

#define MIGRATE_PASSES 10 /* over a list, while pages ask to be retried */
#define FORCE_PASS 2      /* passes after this one wait for locks, where the mode allows waiting */
#define PPM 1000000

static int draw(struct numab_machine *m, int64_t ppm)
{
	return ppm > 0 && (int64_t)rng_below(&m->rng, PPM) < ppm;
}

/* A migration entry is restored from the VMA's protection: accessible at once, write permission as
 * before, ACCESSED and DIRTY clear.  Memory without any permission stays without. */
static uint64_t restored_pte(const struct mm *mm, uint64_t vpn, uint64_t pte)
{
	const struct vma *v = vma_find(mm, vpn);

	pte &= ~(PTE_ACCESSED | PTE_DIRTY);
	if (v && v->prot == NUMAB_PROT_NONE)
		return pte;
	return (pte & ~PTE_NUMA) | PTE_PRESENT;
}

static uint64_t moved_bits(const struct numab_machine *m, uint64_t bits, int nid)
{
	if (!m->tun[NUMAB_T_last_nid_transfer])
		bits = pg_set_tag(bits, NUMAB_TAG_UNSET);
	return pg_set_nid(bits, nid);
}

static void move_page(struct numab_machine *m, struct move *mv, int nid)
{
	uint64_t *bits = page_bits(m, mv->pte);
	int from = pg_nid(*bits);

	m->nodes[from].free++;
	page_take(m, nid, 1);
	if (!(*mv->pte & PTE_EXCL)) {
		/* Unmapping for the move hands the entry's DIRTY on to the page. */
		*bits = moved_bits(m, *bits, nid) | ((*mv->pte & PTE_DIRTY) ? REC_DIRTY : 0);
		return;
	}
	mm_account(mv->mm, from, -1);
	mm_account(mv->mm, nid, 1);
	pte_store(mv->span, mv->pte, restored_pte(mv->mm, mv->vpn, moved_bits(m, *bits, nid)));
}

static void move_huge(struct numab_machine *m, struct move *mv, int nid)
{
	uint64_t i;
	int from = pg_nid(*mv->pte);

	m->nodes[from].free += SLOT_PAGES;
	page_take(m, nid, SLOT_PAGES);
	mm_account(mv->mm, from, -(int64_t)SLOT_PAGES);
	mm_account(mv->mm, nid, (int64_t)SLOT_PAGES);
	slot_pmd_clear(mv->span, (mv->vpn - mv->span->base) / SLOT_PAGES);
	for (i = 0; i < SLOT_PAGES; i++)
		pte_store(mv->span, mv->pte + i,
			  restored_pte(mv->mm, mv->vpn, moved_bits(m, mv->pte[i], nid)));
}

/* The node on which the copy of a page is allocated, NUMAB_NO_NODE: memory is out there.  With a
 * target of its own a page goes there or, with fall_back, as near as it can; without one it goes
 * where a first touch at its address would put it (new_vma_page).  A call of the allocator is
 * counted at each attempt, whatever becomes of the copy. */
static int new_page_nid(struct numab_machine *m, const struct migration *how,
			const struct move *mv)
{
	struct alloc_plan plan = { mv->to, NULL, 0, 0 };
	int nid = mv->to, asked = mv->to;
	const struct node *n;

	if (nid == NUMAB_NO_NODE)
		plan = vma_alloc_plan(m, how->t, vma_find(mv->mm, mv->vpn), mv->vpn,
				      mv->nr_pages > 1);
	if (nid == NUMAB_NO_NODE || how->fall_back) {
		nid = alloc_find(m, &plan, mv->nr_pages, 0, &asked);
	} else {
		n = &m->nodes[nid];
		nid = zone_watermark_ok(n, n->wmin, mv->nr_pages) ? nid : NUMAB_NO_NODE;
	}
	if (nid >= 0)
		zone_statistics(m, asked, nid, m->cpu_nid[how->cpu],
				plan.interleaved && nid == plan.nid);
	return nid;
}

/* One page, one pass.  0 moved, else NUMAB_EAGAIN, NUMAB_EBUSY (for good) or NUMAB_ENOMEM. */
static int unmap_and_move(struct numab_machine *m, const struct migration *how, struct move *mv,
			  int pass, uint64_t *cost_ps)
{
	uint64_t *bits = page_bits(m, mv->pte);
	int force = pass > FORCE_PASS, nid = new_page_nid(m, how, mv);

	if (nid == NUMAB_NO_NODE)
		return NUMAB_ENOMEM;
	if ((how->mode == NUMAB_MIGRATE_ASYNC || !force) &&
	    draw(m, m->tun[NUMAB_T_migrate_again_ppm]))
		return NUMAB_EAGAIN;
	if (*bits & PG_WRITEBACK) {
		if (how->mode != NUMAB_MIGRATE_SYNC)
			return NUMAB_EBUSY;
		if (!force)
			return NUMAB_EAGAIN;
		*bits &= ~PG_WRITEBACK;
	}
	if (how->mode == NUMAB_MIGRATE_ASYNC && draw(m, m->tun[NUMAB_T_migrate_fail_ppm]))
		return NUMAB_EBUSY;
	if (mv->nr_pages == 1)
		tlb_flush_page(m, mv->mm, how->cpu, cost_ps);
	if (*bits & PG_PINNED)
		return NUMAB_EAGAIN;
	if (mv->nr_pages == 1) {
		move_page(m, mv, nid);
	} else {
		tlb_flush_range(m, mv->mm, cost_ps);
		move_huge(m, mv, nid);
	}
	return 0;
}

static void mm_migrate_pages_event(struct numab_machine *m, const struct mm *mm, uint64_t vpn,
				   uint64_t nr, const struct tally *n, const struct migration *how)
{
	struct numab_event e;

	m->counters[NUMAB_C_pgmigrate_success] += n->moved;
	m->counters[NUMAB_C_pgmigrate_fail] += n->failed;
	m->counters[NUMAB_C_migrate_calls]++;
	if (!m->ring_cap)
		return;
	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_MIGRATE;
	e.pid = mm->pid;
	e.tid = how->t ? how->t->tid : 0;
	e.cpu = (int16_t)how->cpu;
	e.vpn = vpn;
	e.nr_pages = (uint32_t)nr;
	e.aux = n->moved | n->failed << 32;
	e.from = (int16_t)how->mode;
	e.to = (int16_t)how->reason;
	event_put(m, &e);
}

/* Linux: migrate_pages, for everybody who moves pages: base pages and whole huge pages, each to a
 * target of its own.  Pages that only ran out of retries, and those behind -ENOMEM, are not in
 * pgmigrate_fail.  Each move's err says how it ended: NUMAB_EAGAIN when it was left over. */
struct tally migrate_list(struct numab_machine *m, const struct migration *how, struct move *list,
			  uint64_t nr, uint64_t *cost_ps)
{
	struct tally n = { 0, 0, 1, 0 };
	const struct mm *mm = list[0].mm;
	uint64_t first = list[0].vpn, i;
	int pass;

	for (pass = 0; pass < MIGRATE_PASSES && n.retry && !n.nomem; pass++) {
		m->counters[NUMAB_C_migrate_passes]++;
		n.retry = 0;
		for (i = 0; i < nr && !n.nomem; i++) {
			if (list[i].err != NUMAB_EAGAIN)
				continue;
			list[i].err = unmap_and_move(m, how, &list[i], pass, cost_ps);
			n.nomem = list[i].err == NUMAB_ENOMEM;
			n.retry += list[i].err == NUMAB_EAGAIN;
			n.failed += list[i].err == NUMAB_EBUSY ? list[i].nr_pages : 0;
			n.moved += list[i].err == 0 ? list[i].nr_pages : 0;
		}
	}
	mm_migrate_pages_event(m, mm, first, nr == 1 ? list[0].nr_pages : nr, &n, how);
	return n;
}

/* Would migrate_misplaced_page get as far as migrating?  NUMAB_NONE, or the reason against.
 * commit: the request also counts against the rate limit. */
int migrate_admit(struct numab_machine *m, uint64_t bits, int mapcount, int nid, uint64_t pages,
		  int commit)
{
	const struct node *n = &m->nodes[nid];

	if (mapcount != 1)
		return NUMAB_HOLD_SHARED_PAGE;
	if (rate_limited(m, nid, pages, commit))
		return NUMAB_HOLD_RATE_LIMIT;
	if (!n->pages || n->free <= n->whigh + pages)
		return NUMAB_HOLD_TARGET_LOW_MEMORY;
	if (bits & (PG_NO_LRU | PG_MOVING))
		return NUMAB_HOLD_ISOLATION_FAILED;
	return NUMAB_NONE;
}

/* As posted, the caller's reference is not dropped when the page is shared or the target full. */
static void leak_reference(struct numab_machine *m, uint64_t *bits, int reason)
{
	if (!m->tun[NUMAB_T_leak_on_refused_migrate] ||
	    (reason != NUMAB_HOLD_SHARED_PAGE && reason != NUMAB_HOLD_TARGET_LOW_MEMORY))
		return;
	*bits |= PG_PINNED | PG_LEAKED;
	m->counters[NUMAB_C_pages_leaked]++;
}

/* External mode: leave a record for the host; the page counts as isolated until it answers. */
static int ask_host(struct fault_ctx *c, struct move *mv, uint64_t *bits, int nid, uint32_t pages)
{
	struct numab_machine *m = c->m;
	struct pending *p = m->pending;
	int i;

	for (i = 0; i < NUMAB_MAX_MOVES && p[i].id; i++)
		;
	if (i == NUMAB_MAX_MOVES)
		return NUMAB_HOLD_ISOLATION_FAILED;
	p[i].id = ++m->next_move;
	p[i].vpn = mv->vpn;
	p[i].pid = mv->mm->pid;
	p[i].tid = c->t->tid;
	p[i].from = pg_nid(*bits);
	p[i].to = nid;
	p[i].nr_pages = pages;
	p[i].taken = 0;
	m->nr_pending++;
	*bits |= PG_MOVING;
	return NUMAB_GO_ASKED_HOST;
}

static int tally_reason(const struct tally *n)
{
	if (n->moved)
		return NUMAB_GO_MIGRATED;
	if (n->nomem)
		return NUMAB_HOLD_MIGRATE_NOMEM;
	return n->retry ? NUMAB_HOLD_MIGRATE_AGAIN : NUMAB_HOLD_MIGRATE_FAILED;
}

static uint64_t ns_price(const struct numab_machine *m, int tunable, uint64_t times)
{
	return (uint64_t)m->tun[tunable] * PS_PER_NS * times;
}

/* A misplaced page moves without waiting, in the name of the task that touched it. */
static struct tally migrate_misplaced(struct fault_ctx *c, struct move *mv, int nid)
{
	struct numab_machine *m = c->m;
	struct migration how = { c->t, c->t->cpu, NUMAB_MIGRATE_ASYNC, NUMAB_MR_NUMA_MISPLACED, 0 };
	struct tally n;

	mv->to = nid;
	mv->err = NUMAB_EAGAIN;
	n = migrate_list(m, &how, mv, 1, &c->cost_ps);
	m->counters[NUMAB_C_numa_pages_migrated] += n.moved;
	c->cost_ps += n.moved ? ns_price(m, NUMAB_T_migrate_ns, n.moved) :
				ns_price(m, NUMAB_T_migrate_fail_ns, 1);
	return n;
}

/* Move the page of one entry to @nid, or say why not.  On success the entry maps the new page and
 * is accessible (patch 17: no second fault). */
noinline int migrate_misplaced_page(struct fault_ctx *c, struct move *mv, int nid)
{
	struct numab_machine *m = c->m;
	uint64_t *bits = page_bits(m, mv->pte);
	int reason = migrate_admit(m, *bits, page_mapcount(m, *mv->pte), nid, 1, 1);
	struct tally n;

	if (reason) {
		leak_reference(m, bits, reason);
		return reason;
	}
	if (m->external)
		return ask_host(c, mv, bits, nid, 1);
	n = migrate_misplaced(c, mv, nid);
	if (n.moved && !(*mv->pte & PTE_EXCL)) /* a record's only mapping: restored all the same */
		pte_store(mv->span, mv->pte, restored_pte(mv->mm, mv->vpn, *mv->pte));
	return tally_reason(&n);
}

/* thp_native_migration: the huge page whose first entry is mv->pte moves whole, or not. */
int migrate_misplaced_huge(struct fault_ctx *c, struct move *mv, int nid)
{
	struct numab_machine *m = c->m;
	int reason = migrate_admit(m, *mv->pte, 1, nid, SLOT_PAGES, 1);
	struct tally n;

	/* Nothing leaks: the posting has no such path. */
	if (reason == NUMAB_HOLD_TARGET_LOW_MEMORY || reason == NUMAB_HOLD_ISOLATION_FAILED)
		m->counters[NUMAB_C_pgmigrate_fail] += SLOT_PAGES;
	if (reason)
		return reason;
	if (m->external)
		return ask_host(c, mv, mv->pte, nid, NUMAB_SLOT_PAGES);
	mv->nr_pages = NUMAB_SLOT_PAGES;
	n = migrate_misplaced(c, mv, nid);
	return tally_reason(&n);
}

/* ---- the host asks for moves ---- */

/* Take the pages off their LRU lists that can be moved at all. */
static uint64_t isolate(struct numab_machine *m, struct mm *mm, const uint64_t *vpns, uint64_t n,
			int nid, struct move *list)
{
	uint64_t i, nr = 0;

	for (i = 0; i < n; i++) {
		struct span *s = span_find(mm, vpns[i]);
		uint64_t *pte = s ? &s->pte[vpns[i] - s->base] : NULL, *bits;

		if (!pte || !pte_present(*pte) || (*pte & PTE_SPECIAL))
			continue;
		if (slot_of(s, vpns[i])->flags & SLOT_HUGE)
			huge_split(m, mm, s, (vpns[i] - s->base) / SLOT_PAGES);
		bits = page_bits(m, pte);
		if (pg_nid(*bits) == nid || (*bits & (PG_NO_LRU | PG_MOVING)))
			continue;
		*bits |= PG_MOVING;
		list[nr++] = move_to(mm, s, pte, vpns[i], nid);
	}
	return nr;
}

/* Back onto the LRU lists, moved or not. */
void putback_lru_pages(struct numab_machine *m, const struct move *list, uint64_t nr)
{
	uint64_t i;

	for (i = 0; i < nr; i++)
		*page_bits(m, list[i].pte) &= ~PG_MOVING;
}

int64_t numab_migrate_pages(struct numab_machine *m, int pid, const uint64_t *vpns, uint64_t n,
			    int nid, int mode, int reason)
{
	struct mm *mm = mm_get(m, pid);
	struct migration how = { NULL, 0, mode, reason, 0 };
	struct move *list;
	struct tally t;
	uint64_t i, nr;

	if (!mm)
		return no_process(m, pid);
	if (nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online)
		return fail(m, NUMAB_EINVAL, "node %d does not exist", nid);
	if (!numab_migrate_mode_name(mode) || !numab_migrate_reason_name(reason))
		return fail(m, NUMAB_EINVAL, "mode %d or reason %d, permitted 0..2 and 0..6", mode,
			    reason);
	if (n && !vpns)
		return fail(m, NUMAB_EINVAL, "no pages given");
	for (i = 0; i < n; i++)
		if (vpns[i] >= MAX_VPN || (i && vpns[i] <= vpns[i - 1]))
			return fail(m, NUMAB_EINVAL, "page numbers must ascend below 2^48");
	list = (struct move *)mem_alloc(m, sizeof(*list) * (size_t)(n + 1));
	if (!list)
		return fail(m, NUMAB_ENOMEM, "no memory for a list of %llu pages",
			    (ull)n);
	list[0].mm = mm;
	list[0].vpn = n ? vpns[0] : 0;
	nr = isolate(m, mm, vpns, n, nid, list);
	how.cpu = m->ids[mm->tids[0]].task->cpu;
	t = migrate_list(m, &how, list, nr, NULL);
	putback_lru_pages(m, list, nr);
	mem_free(m, list, sizeof(*list) * (size_t)(n + 1));
	if (t.nomem)
		return fail(m, NUMAB_ENOMEM, "node %d has no free page above its min watermark",
			    nid);
	return (int64_t)(t.failed + t.retry);
}

/* ---- external mode ---- */

int numab_moves(struct numab_machine *m, struct numab_move *out, int max)
{
	int i, n = 0;

	if (!m)
		return NUMAB_EINVAL;
	if (!out && max > 0)
		return fail(m, NUMAB_EINVAL, "no place for %d moves", max);
	while (m->pending && n < max) {
		struct pending *p = NULL;

		/* oldest first; the table is small and this is not the access path */
		for (i = 0; i < NUMAB_MAX_MOVES; i++)
			if (m->pending[i].id && !m->pending[i].taken &&
			    (!p || m->pending[i].id < p->id))
				p = &m->pending[i];
		if (!p)
			break;
		p->taken = 1;
		memset(&out[n], 0, sizeof(out[n]));
		out[n].id = p->id;
		out[n].vpn = p->vpn;
		out[n].pid = p->pid;
		out[n].tid = p->tid;
		out[n].from_nid = p->from;
		out[n].to_nid = p->to;
		out[n++].nr_pages = p->nr_pages;
	}
	return n;
}

/* The page that a move speaks of, if it is still there and still moving.  A later move of the same
 * address speaks of a later page. */
static int pending_page(struct numab_machine *m, const struct pending *p, struct move *mv)
{
	int i;

	for (i = 0; i < NUMAB_MAX_MOVES; i++)
		if (m->pending[i].id > p->id && m->pending[i].pid == p->pid &&
		    m->pending[i].vpn == p->vpn)
			return 0;
	mv->mm = mm_get(m, p->pid);
	mv->span = mv->mm ? span_find(mv->mm, p->vpn) : NULL;
	mv->vpn = p->vpn;
	if (!mv->span)
		return 0;
	mv->pte = &mv->span->pte[p->vpn - mv->span->base];
	if (!pte_present(*mv->pte) || (*mv->pte & PTE_SPECIAL))
		return 0;
	if (p->nr_pages > 1 && !(slot_of(mv->span, p->vpn)->flags & SLOT_HUGE)) {
		*page_bits(m, mv->pte) &= ~PG_MOVING; /* split meanwhile */
		return 0;
	}
	return (*page_bits(m, mv->pte) & PG_MOVING) != 0;
}

/* The access that faulted is over: what it left in ACCESSED and DIRTY stays. */
static void apply_move(struct numab_machine *m, struct move *mv, const struct pending *p)
{
	uint64_t was = *mv->pte & (PTE_ACCESSED | PTE_DIRTY);
	uint64_t i;

	if (p->nr_pages == 1) {
		move_page(m, mv, p->to);
		*mv->pte |= (*mv->pte & PTE_EXCL) ? was : 0;
		return;
	}
	move_huge(m, mv, p->to);
	for (i = 0; i < SLOT_PAGES; i++)
		mv->pte[i] |= was;
}

int numab_migrated(struct numab_machine *m, uint64_t id, int result)
{
	struct migration how = { NULL, 0, NUMAB_MIGRATE_ASYNC, NUMAB_MR_NUMA_MISPLACED, 0 };
	struct pending *p = NULL;
	struct tally n = { 0, 0, 0, 0 };
	struct move mv;
	struct task *t;
	int i, found, nid;

	for (i = 0; m && m->pending && i < NUMAB_MAX_MOVES; i++)
		if (id && m->pending[i].id == id)
			p = &m->pending[i];
	if (!p)
		return m ? fail(m, NUMAB_ENOENT, "no move %llu", (ull)id) :
			   NUMAB_EINVAL;
	found = pending_page(m, p, &mv);
	if (found && result == 0 && m->nodes[p->to].free < p->nr_pages)
		return fail(m, NUMAB_EOOM, "node %d has %llu free pages, the move needs %u", p->to,
			    (ull)m->nodes[p->to].free, p->nr_pages);
	nid = found && result == 0 ? p->to : p->from;
	if (found)
		*page_bits(m, mv.pte) &= ~PG_MOVING;
	if (found && result == 0) {
		apply_move(m, &mv, p);
		n.moved = p->nr_pages;
		t = task_get(m, p->tid); /* the host has allocated, in the task's name */
		zone_statistics(m, p->to, p->to, t ? t->nid : p->to, 0);
	} else {
		n.failed = p->nr_pages;
	}
	m->counters[NUMAB_C_migrate_passes]++;
	m->counters[NUMAB_C_numa_pages_migrated] += n.moved;
	m->reasons[n.moved ? NUMAB_GO_MIGRATED : NUMAB_HOLD_HOST_REFUSED]++;
	t = task_get(m, p->tid);
	if (t) {
		how.t = t;
		how.cpu = t->cpu;
		mm_migrate_pages_event(m, t->mm, p->vpn, p->nr_pages, &n, &how);
		if (t->mm->pid == p->pid)
			task_numa_fault(m, t, nid, p->nr_pages,
					FAULT_MISPLACED | (n.moved ? FAULT_MIGRATED : 0));
	} else {
		m->counters[NUMAB_C_pgmigrate_success] += n.moved;
		m->counters[NUMAB_C_pgmigrate_fail] += n.failed;
		m->counters[NUMAB_C_migrate_calls]++;
	}
	m->nr_pending--;
	p->id = 0;
	return hook_result(m, found ? 0 : fail(m, NUMAB_ENOENT, "page %llu of move %llu is gone",
						(ull)p->vpn, (ull)id));
}
