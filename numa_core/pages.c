/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pages.c - allocating pages: for faults, for page tables, for the kernel
 *
 * One call of the allocator, whatever its order, bumps the six statistics once (zone_statistics).
 * Linux: alloc_pages_vma and alloc_pages_current (mm/mempolicy.c), __pte_alloc, __pmd_alloc.
 */
#include "internal.h"

static struct alloc_plan near_nid(int nid)
{
	struct alloc_plan plan = { nid, NULL, 0, 0 };

	return plan;
}

/* The node that @pages at once would come from, -1: out of memory.  *asked: the node that was asked
 * first, of the round that succeeded.  Takes and counts nothing. */
int alloc_find(struct numab_machine *m, const struct alloc_plan *plan, uint64_t pages,
	       int low_only, int *asked)
{
	int nid = page_alloc_zonelist(m, plan->nid, plan->mask, pages, low_only);
	const uint64_t *mask = plan->mask;

	if (nid < 0 && plan->then_all) {
		mask = NULL;
		nid = page_alloc_zonelist(m, plan->nid, NULL, pages, low_only);
	}
	*asked = nid < 0 ? NUMAB_NO_NODE : preferred_zone(m, plan->nid, mask);
	return nid;
}

/* Take @pages at once and count the call.  Node id, or -1. */
static int alloc_pages(struct numab_machine *m, const struct task *t,
		       const struct alloc_plan *plan, uint64_t pages, int low_only)
{
	int asked, nid = alloc_find(m, plan, pages, low_only, &asked);

	if (nid < 0)
		return NUMAB_NO_NODE;
	page_take(m, nid, pages);
	zone_statistics(m, asked, nid, t->nid, plan->interleaved && nid == plan->nid);
	return nid;
}

/* ---- for faults ---- */

static void alloc_event(struct fault_ctx *c, uint64_t vpn, int from, int to)
{
	struct numab_event e;

	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_ALLOC;
	e.pid = c->mm->pid;
	e.tid = c->t->tid;
	e.cpu = (int16_t)c->t->cpu;
	e.vpn = vpn;
	e.nr_pages = 1;
	e.from = (int16_t)from;
	e.to = (int16_t)to;
	event_put(c->m, &e);
}

static int alloc_at_fault(struct fault_ctx *c, const struct alloc_plan *plan, uint64_t pages,
			  int low_only)
{
	struct numab_machine *m = c->m;
	int nid = alloc_pages(m, c->t, plan, pages, low_only);

	if (nid < 0)
		return nid;
	m->counters[NUMAB_C_alloc_pages] += pages;
	if (nid != (plan->mask ? preferred_zone(m, plan->nid, plan->mask) : plan->nid))
		m->counters[NUMAB_C_alloc_fallback] += pages;
	c->cost_ps += (uint64_t)m->tun[NUMAB_T_page_alloc_ns] * PS_PER_NS * pages;
	return nid;
}

/* A page for @vpn by policy, or near the node its placement hint wishes.  Node id, or -1. */
int alloc_page_vma(struct fault_ctx *c, const struct vma *v, uint64_t vpn, uint64_t pte)
{
	struct alloc_plan plan = (pte & PTE_WISH) ? near_nid(pg_nid(pte)) :
						    vma_alloc_plan(c->m, c->t, v, vpn, 0);
	int nid = alloc_at_fault(c, &plan, 1, 0);

	if (nid >= 0 && c->m->ring_cap)
		alloc_event(c, vpn, plan.nid, nid);
	return nid;
}

/* Shared memory obeys the policy of its part; the page cache of a file has no VMA, so that the
 * task's policy and rotation rule.  Linux: shmem_alloc_page, page_cache_alloc. */
struct alloc_plan object_alloc_plan(struct numab_machine *m, const struct task *t,
				    const struct vma *v, uint64_t vpn)
{
	return vma_has_shared_policy(v) ? vma_alloc_plan(m, t, v, vpn, 0) : task_alloc_plan(m, t);
}

/* The object's page behind @vpn is touched for the first time.  Node id, or -1. */
int alloc_object_page(struct fault_ctx *c, const struct vma *v, uint64_t vpn)
{
	struct alloc_plan plan = object_alloc_plan(c->m, c->t, v, vpn);
	int nid = alloc_at_fault(c, &plan, 1, 0);

	if (nid < 0)
		return nid;
	if (plan.interleaved && !vma_has_shared_policy(v))
		interleave_advance(c->m, c->t);
	if (c->m->ring_cap)
		alloc_event(c, vpn, plan.nid, nid);
	return nid;
}

static int huge_may_fit(const struct numab_machine *m, const struct vma *v, const struct span *s,
			uint64_t vpn)
{
	uint64_t head = vpn & ~(SLOT_PAGES - 1);

	return m->tun[NUMAB_T_thp] && v->kind == NUMAB_ANON_PRIVATE && head >= v->start &&
	       head + SLOT_PAGES <= v->end && !slot_of(s, vpn)->nr_used;
}

/* Node for a huge page: where a whole slot is free and inside the VMA, and some node is not low.
 * -1: base pages it is. */
int huge_alloc_nid(struct numab_machine *m, const struct task *t, const struct vma *v,
		   const struct span *s, uint64_t vpn)
{
	struct alloc_plan plan;
	int asked;

	if (!huge_may_fit(m, v, s, vpn))
		return NUMAB_NO_NODE;
	plan = vma_alloc_plan(m, t, v, vpn & ~(SLOT_PAGES - 1), 1);
	return alloc_find(m, &plan, SLOT_PAGES, 1, &asked);
}

int alloc_huge_page(struct fault_ctx *c, const struct vma *v, const struct span *s, uint64_t vpn)
{
	struct alloc_plan plan;
	int nid;

	if (!huge_may_fit(c->m, v, s, vpn))
		return NUMAB_NO_NODE;
	plan = vma_alloc_plan(c->m, c->t, v, vpn & ~(SLOT_PAGES - 1), 1);
	nid = alloc_at_fault(c, &plan, SLOT_PAGES, 1);
	c->m->counters[NUMAB_C_thp_fault_alloc] += nid >= 0;
	return nid;
}

/* ---- for the kernel ---- */

static int alloc_pages_current(struct numab_machine *m, struct task *t, uint64_t pages)
{
	struct alloc_plan plan = task_alloc_plan(m, t);
	int nid = alloc_pages(m, t, &plan, pages, 0);

	if (nid >= 0 && plan.interleaved)
		interleave_advance(m, t);
	return nid;
}

static int table_alloc(struct numab_machine *m, struct task *t, struct mm *mm, uint16_t *page,
		       uint64_t *cost_ps)
{
	int nid = alloc_pages_current(m, t, 1);

	if (nid < 0)
		return NUMAB_EOOM;
	m->nodes[nid].tables++;
	mm->nr_tables++;
	*page = (uint16_t)(nid + 1);
	if (cost_ps)
		*cost_ps += (uint64_t)m->tun[NUMAB_T_page_alloc_ns] * PS_PER_NS;
	return 0;
}

/* The GiB of @vpn has no pmd page yet, and gets one.  A slot that has a page of entries shows that
 * it has one. */
int pmd_page_missing(const struct numab_machine *m, const struct mm *mm, const struct span *s,
		     uint64_t vpn)
{
	return m->tun[NUMAB_T_page_tables] && !slot_of(s, vpn)->pte_page && !pmd_page_slot(mm, vpn);
}

/* The slot of @vpn has no page of entries yet, and gets one. */
int pte_page_missing(const struct numab_machine *m, const struct span *s, uint64_t vpn)
{
	return m->tun[NUMAB_T_page_tables] && !slot_of(s, vpn)->pte_page;
}

/* The GiB of @vpn needs its pmd page.  0, or NUMAB_EOOM. */
int pmd_alloc(struct numab_machine *m, struct task *t, struct mm *mm, struct span *s, uint64_t vpn,
	      uint64_t *cost_ps)
{
	if (!pmd_page_missing(m, mm, s, vpn))
		return 0;
	return table_alloc(m, t, mm, &slot_of(s, vpn)->pmd_page, cost_ps);
}

/* The slot of @vpn needs its page of entries; a huge page keeps one in store for its split.
 * Linux: __pte_alloc, pgtable_trans_huge_deposit. */
int pte_alloc(struct numab_machine *m, struct task *t, struct mm *mm, struct span *s, uint64_t vpn,
	      uint64_t *cost_ps)
{
	if (!pte_page_missing(m, s, vpn))
		return 0;
	return table_alloc(m, t, mm, &slot_of(s, vpn)->pte_page, cost_ps);
}

/* fork, in the name of the parent: tables for all that the new address space maps.  Linux:
 * copy_page_range. */
int copy_pgtables(struct numab_machine *m, struct task *t, struct mm *mm)
{
	uint64_t at;
	uint32_t i;

	for (i = 0; m->tun[NUMAB_T_page_tables] && i < mm->nr_spans; i++) {
		struct span *s = &mm->spans[i];

		for (at = s->base; at < s->base + s->nr; at += SLOT_PAGES)
			if (slot_of(s, at)->nr_used && (pmd_alloc(m, t, mm, s, at, NULL) ||
							pte_alloc(m, t, mm, s, at, NULL)))
				return no_page(m, at, 0);
	}
	return 0;
}

#define MAX_ORDER 10 /* 4 MiB */

int numab_alloc_kernel(struct numab_machine *m, int tid, int order)
{
	struct task *t = task_get(m, tid);
	int nid;

	if (!t)
		return no_task(m, tid);
	if (order < 0 || order > MAX_ORDER)
		return fail(m, NUMAB_EINVAL, "order %d, permitted 0..%d", order, MAX_ORDER);
	nid = alloc_pages_current(m, t, 1ull << order);
	if (nid < 0)
		return fail(m, NUMAB_EOOM, "out of memory: no node has 2^%d pages", order);
	m->nodes[nid].kernel += 1ull << order;
	return nid;
}

int numab_free_kernel(struct numab_machine *m, int nid, int order)
{
	if (!m)
		return NUMAB_EINVAL;
	if (nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online)
		return fail(m, NUMAB_EINVAL, "node %d does not exist", nid);
	if (order < 0 || order > MAX_ORDER)
		return fail(m, NUMAB_EINVAL, "order %d, permitted 0..%d", order, MAX_ORDER);
	if (m->nodes[nid].kernel < 1ull << order)
		return fail(m, NUMAB_EINVAL, "node %d has %llu such pages, order %d is %llu", nid,
			    (ull)m->nodes[nid].kernel, order, 1ull << order);
	m->nodes[nid].kernel -= 1ull << order;
	m->nodes[nid].free += 1ull << order;
	return 0;
}
