/* SPDX-License-Identifier: BSD-3-Clause
 *
 * probe.c - looking without touching: what an access would meet, and what a page is like
 *
 * numab_probe() asks the same functions as the fault path (mpol_misplaced, migrate_admit, the
 * allocator's search), which change nothing, in the same order; what an allocation takes of a node
 * it takes too, and gives it back.
 */
#include "internal.h"

/* ---- allocations that were not made ---- */

/* One fault may allocate several pages, and each sees what those before it have left.  So they are
 * taken one after the other, and all given back, the task's rotation too. */
struct rehearsal {
	struct numab_machine *m;
	struct task *t;
	int il_prev;
	uint32_t il_weight;
	int nr;
	struct {
		int nid;
		uint64_t pages;
	} taken[4]; /* a pmd page, a huge page or an object's, a page of entries, a private page */
};

static struct rehearsal rehearsal_begin(struct numab_machine *m, struct task *t)
{
	struct rehearsal r;

	memset(&r, 0, sizeof(r));
	r.m = m;
	r.t = t;
	r.il_prev = t->il_prev;
	r.il_weight = t->il_weight;
	return r;
}

static void rehearsal_end(struct rehearsal *r)
{
	while (r->nr--)
		r->m->nodes[r->taken[r->nr].nid].free += r->taken[r->nr].pages;
	r->t->il_prev = r->il_prev;
	r->t->il_weight = r->il_weight;
}

/* @nid: as alloc_find() has it, -1: none. */
static int rehearse_take(struct rehearsal *r, int nid, uint64_t pages)
{
	if (nid < 0)
		return NUMAB_NO_NODE;
	page_take(r->m, nid, pages);
	r->taken[r->nr].nid = nid;
	r->taken[r->nr++].pages = pages;
	return nid;
}

/* A page; @turn: an interleaved one takes the task's turn.  Node id, or -1. */
static int rehearse_page(struct rehearsal *r, const struct alloc_plan *plan, int turn)
{
	int asked, nid = rehearse_take(r, alloc_find(r->m, plan, 1, 0, &asked), 1);

	if (nid >= 0 && turn && plan->interleaved)
		interleave_advance(r->m, r->t);
	return nid;
}

static int rehearse_table(struct rehearsal *r)
{
	struct alloc_plan plan = task_alloc_plan(r->m, r->t);

	return rehearse_page(r, &plan, 1);
}

/* A page of @v's own at @vpn, near the node that its placement hint @val wishes, if any. */
static int rehearse_private(struct rehearsal *r, const struct vma *v, uint64_t vpn, uint64_t val)
{
	struct alloc_plan plan = { pg_nid(val), NULL, 0, 0 };

	if (!(val & PTE_WISH))
		plan = vma_alloc_plan(r->m, r->t, v, vpn, 0);
	return rehearse_page(r, &plan, 0);
}

/* In the order of do_object_fault(): the object's page, then a private write's own. */
static void rehearse_object(struct rehearsal *r, const struct vma *v, uint64_t vpn, int write,
			    struct numab_probe *out)
{
	uint64_t at = r->m->objects[v->object - 1].rec + v->pgoff + (vpn - v->start);
	uint64_t rec = *rec_at(r->m, at);
	int nid = pg_nid(rec);

	if (!(rec & REC_USED)) {
		struct alloc_plan plan = object_alloc_plan(r->m, r->t, v, vpn);

		nid = rehearse_page(r, &plan, !vma_has_shared_policy(v));
	}
	if (write && v->kind == NUMAB_FILE_PRIVATE) {
		out->to_nid = nid < 0 ? nid : rehearse_private(r, v, vpn, 0);
		return;
	}
	out->to_nid = nid;
	if (rec & REC_USED)
		out->new_tag = pg_tag(rec); /* others have touched it before */
}

/* In the order of do_absent_page(); to_nid stays -1 where that runs out of memory. */
static void rehearse_absent(struct rehearsal *r, const struct vma *v, const struct span *s,
			    uint64_t vpn, int write, struct numab_probe *out)
{
	uint64_t val = s->pte[vpn - s->base];
	int huge = NUMAB_NO_NODE;

	if (pmd_page_missing(r->m, r->t->mm, s, vpn) && rehearse_table(r) < 0)
		return;
	if (!(v->flags & NUMAB_VMA_PFNMAP))
		huge = rehearse_take(r, huge_alloc_nid(r->m, r->t, v, s, vpn), SLOT_PAGES);
	if (pte_page_missing(r->m, s, vpn) && rehearse_table(r) < 0)
		return;
	if (huge >= 0)
		out->to_nid = huge;
	else if (v->flags & NUMAB_VMA_PFNMAP)
		out->kind = NUMAB_FAULT_ZERO_PAGE;
	else if (v->kind != NUMAB_ANON_PRIVATE)
		rehearse_object(r, v, vpn, write, out);
	else if (!write && r->m->tun[NUMAB_T_zero_page] && !(val & PTE_WISH))
		out->kind = NUMAB_FAULT_ZERO_PAGE;
	else
		out->to_nid = rehearse_private(r, v, vpn, val);
}

/* ---- probe ---- */

/* One page of a marked regular pmd: will its batch judge it, or only open it?  As
 * do_pmd_numa_page() and pmd_numa_page(). */
static int batch_judges(const struct numab_machine *m, uint64_t pte)
{
	return page_mapcount(m, pte) == 1 && m->tun[NUMAB_T_pmd_batch_migrate] &&
	       (pte_numa(pte) || !m->tun[NUMAB_T_pmd_batch_numa_only]);
}

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
	if (out->kind == NUMAB_FAULT_HINT_PMD && !batch_judges(m, *pte)) {
		out->reason = NUMAB_HOLD_PMD_CLEARED;
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

/* Nothing is mapped yet. */
static void probe_absent(struct numab_machine *m, struct task *t, const struct vma *v,
			 const struct span *s, uint64_t vpn, int write, struct numab_probe *out)
{
	struct rehearsal r = rehearsal_begin(m, t);

	out->kind = NUMAB_FAULT_FIRST_TOUCH;
	rehearse_absent(&r, v, s, vpn, write, out);
	rehearsal_end(&r);
}

static void probe_write(struct numab_machine *m, struct task *t, const struct vma *v, uint64_t vpn,
			uint64_t val, struct numab_probe *out)
{
	struct rehearsal r;
	int private_vma = v->kind == NUMAB_ANON_PRIVATE || v->kind == NUMAB_FILE_PRIVATE;
	int copies = (val & PTE_SPECIAL) ? !(v->flags & NUMAB_VMA_PFNMAP) :
		     !(val & PTE_EXCL) && private_vma &&
		     (page_mapcount(m, val) != 1 || !(*rec_at(m, rec_index(val)) & REC_ANON));

	out->kind = NUMAB_FAULT_WRITE;
	if (!copies)
		return;
	r = rehearsal_begin(m, t);
	out->kind = NUMAB_FAULT_COW;
	out->to_nid = rehearse_private(&r, v, vpn, 0);
	rehearsal_end(&r);
	if (out->to_nid >= 0)
		out->new_tag = NUMAB_TAG_UNSET;
}

int numab_probe(struct numab_machine *m, int tid, uint64_t vaddr, int write,
		struct numab_probe *out)
{
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, need = PTE_PRESENT | (write ? PTE_RW : 0), val;
	struct task *t = task_get(m, tid);
	const struct vma *v;
	struct span *s;
	uint8_t flags;

	if (!t)
		return no_task(m, tid);
	if (!out)
		return fail(m, NUMAB_EINVAL, "no place for the answer");
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
	else
		probe_absent(m, t, v, s, vpn, write, out);
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

/* Linux: gather_stats. */
static void gather_stats(const struct numab_machine *m, uint64_t *pte,
			 struct numab_vma_stats *out, uint64_t *nids)
{
	uint64_t val = *pte, bits, mapcount = 1;
	int anon = 1;

	if (!pte_present(val) || (val & PTE_SPECIAL))
		return;
	bits = *page_bits(m, pte);
	if (!(val & PTE_EXCL)) {
		anon = (bits & REC_ANON) != 0;
		mapcount = rec_mapcount(bits);
	}
	out->pages++;
	out->anon += (uint64_t)anon;
	/* An anonymous page is born dirty, and there is no swap that would clean it. */
	out->dirty += anon || (val & PTE_DIRTY) || (bits & REC_DIRTY);
	out->writeback += (bits & PG_WRITEBACK) != 0;
	if (mapcount > out->mapcount_max)
		out->mapcount_max = mapcount;
	nids[pg_nid(bits)]++;
}

/* The part of a VMA that lies in one slot; @whole: the slot is one page of a hugetlb mapping. */
static void gather_slot(const struct numab_machine *m, struct span *s, uint64_t start,
			uint64_t end, int whole, struct numab_vma_stats *out, uint64_t *nids)
{
	uint64_t i, before = out->pages;

	for (i = start; i < end && !(whole && out->pages != before); i++)
		gather_stats(m, &s->pte[i - s->base], out, nids);
}

int numab_vma_stats(struct numab_machine *m, int pid, uint64_t vaddr, struct numab_vma_stats *out,
		    uint64_t *nids)
{
	struct mm *mm = mm_get(m, pid);
	const struct vma *v;
	uint64_t vpn, next;

	if (!mm)
		return no_process(m, pid);
	if (!out || !nids)
		return fail(m, NUMAB_EINVAL, "no place for the answer");
	v = vma_find(mm, vaddr / NUMAB_PAGE_BYTES);
	if (!v)
		return fail(m, NUMAB_EFAULT, "no VMA at 0x%llx", (ull)vaddr);
	memset(out, 0, sizeof(*out));
	memset(nids, 0, sizeof(*nids) * (size_t)m->nr_ids);
	for (vpn = v->start; vpn < v->end; vpn = next) {
		struct span *s = span_find(mm, vpn);

		next = (vpn | (SLOT_PAGES - 1)) + 1;
		next = next < v->end ? next : v->end;
		if (s && slot_of(s, vpn)->nr_used)
			gather_slot(m, s, vpn, next, (v->flags & NUMAB_VMA_HUGETLB) != 0, out,
				    nids);
	}
	return 0;
}

int numab_page_set_flags(struct numab_machine *m, int pid, uint64_t vpn, uint32_t flags, int on)
{
	struct mm *mm = mm_get(m, pid);
	struct span *s = mm ? span_find(mm, vpn) : NULL;
	uint64_t *pte = s ? &s->pte[vpn - s->base] : NULL, *bits, set;

	if (!mm)
		return no_process(m, pid);
	if (flags & ~(uint32_t)(NUMAB_PG_NO_LRU | NUMAB_PG_PINNED | NUMAB_PG_WRITEBACK))
		return fail(m, NUMAB_EINVAL, "page flags 0x%x, permitted 0x400, 0x800, 0x1000",
			    flags);
	if (!pte || !pte_present(*pte) || (*pte & PTE_SPECIAL))
		return fail(m, NUMAB_ENOENT, "no page at vpn %llu", (ull)vpn);
	if (slot_of(s, vpn)->flags & SLOT_HUGE)
		pte = &s->pte[(vpn & ~(SLOT_PAGES - 1)) - s->base]; /* the head speaks for all */
	set = ((flags & NUMAB_PG_NO_LRU) ? PG_NO_LRU : 0) |
	      ((flags & NUMAB_PG_PINNED) ? PG_PINNED : 0) |
	      ((flags & NUMAB_PG_WRITEBACK) ? PG_WRITEBACK : 0);
	bits = page_bits(m, pte);
	*bits = on ? *bits | set : *bits & ~set;
	if (*bits & PG_LEAKED)
		*bits |= PG_PINNED; /* a lost reference is nobody's to drop */
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
