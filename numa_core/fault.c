/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fault.c - what happens when an access does not go through
 *
 * handle_access() is out of line and takes one fault after the other until the access goes through,
 * as a CPU would retry it.  The order of tests is handle_mm_fault's (patch 8); the three hinting
 * faults are do_numa_page, do_pmd_numa_page and do_huge_pmd_numa_page.  Linux: mm/memory.c,
 * mm/huge_memory.c.
 */
#include "internal.h"

#define PROT_RW (NUMAB_PROT_READ | NUMAB_PROT_WRITE)

static void charge_ns(struct fault_ctx *c, int tunable)
{
	c->cost_ps += (uint64_t)c->m->tun[tunable] * PS_PER_NS;
}

static noinline void put_hint_event(struct fault_ctx *c, uint64_t vpn, uint32_t nr, int from,
				    int to, uint32_t tag_before)
{
	struct numab_event e;

	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_HINT;
	e.pid = c->mm->pid;
	e.tid = c->t->tid;
	e.cpu = (int16_t)c->t->cpu;
	e.vpn = vpn;
	e.nr_pages = nr;
	e.from = (int16_t)from;
	e.to = (int16_t)to;
	e.reason = c->reason;
	e.aux = tag_before;
	event_put(c->m, &e);
}

static inline void hint_event(struct fault_ctx *c, uint64_t vpn, uint32_t nr, int from, int to,
			      uint32_t tag_before)
{
	if (unlikely(c->m->ring_cap))
		put_hint_event(c, vpn, nr, from, to, tag_before);
}

/* ---- new pages ---- */

/* Map a new exclusive page.  Linux: do_anonymous_page makes it writable and dirty wherever the VMA
 * is, also on a read. */
static int map_new_page(struct fault_ctx *c, const struct vma *v, struct span *s, uint64_t vpn)
{
	uint64_t *pte = &s->pte[vpn - s->base];
	uint64_t val = PTE_PRESENT | PTE_ACCESSED | PTE_EXCL;
	int nid = alloc_page_vma(c, v, vpn, *pte);

	if (nid < 0)
		return no_page(c->m, vpn, c->t->tid);
	if (v->prot & NUMAB_PROT_WRITE)
		val |= PTE_RW | PTE_DIRTY;
	mm_account(c->mm, nid, 1);
	pte_store(s, pte, val | pg_new(nid));
	return 0;
}

/* 1: a huge page is mapped, 0: base pages it is, or NUMAB_EOOM.  Its page of entries is put in
 * store, as its split will need one. */
static int do_huge_pmd_anonymous_page(struct fault_ctx *c, const struct vma *v, struct span *s,
				      uint64_t vpn)
{
	struct numab_machine *m = c->m;
	uint64_t head = vpn & ~(SLOT_PAGES - 1), i, val = PTE_PRESENT | PTE_ACCESSED | PTE_EXCL;
	int nid = alloc_huge_page(c, v, s, vpn);

	if (nid < 0)
		return 0;
	if (pte_alloc(m, c->t, c->mm, s, vpn, &c->cost_ps)) {
		m->nodes[nid].free += SLOT_PAGES; /* back again */
		return no_page(c->m, vpn, c->t->tid);
	}
	if (v->prot & NUMAB_PROT_WRITE)
		val |= PTE_RW | PTE_DIRTY;
	mm_account(c->mm, nid, (int64_t)SLOT_PAGES);
	slot_of(s, vpn)->flags |= SLOT_HUGE;
	for (i = 0; i < SLOT_PAGES; i++)
		pte_store(s, &s->pte[head - s->base + i], val | pg_new(nid));
	return 1;
}

/* ---- faults on absent and read-only entries ---- */

static void set_access_flags_flush(struct fault_ctx *c)
{
	struct numab_machine *m = c->m;

	/* Patches 22 and 23: x86; patch 24: everybody else. */
	if (m->tun[NUMAB_T_arch_x86] ? m->tun[NUMAB_T_tlb_x86_no_flush] : 0)
		return;
	if (m->tun[m->tun[NUMAB_T_arch_x86] ? NUMAB_T_tlb_x86_local_only :
					      NUMAB_T_tlb_generic_local]) {
		m->counters[NUMAB_C_tlb_flush_local]++;
		charge_ns(c, NUMAB_T_tlb_local_ns);
		return;
	}
	tlb_flush_page(m, c->mm, c->t->cpu, &c->cost_ps);
}

static int is_shared_vma(const struct vma *v)
{
	return v->kind != NUMAB_ANON_PRIVATE && v->kind != NUMAB_FILE_PRIVATE;
}

/* The object's page behind @vpn, allocated at the first touch; 0 when out of memory. */
static uint64_t object_page(struct fault_ctx *c, const struct vma *v, uint64_t vpn)
{
	const struct object *o = &c->m->objects[v->object - 1];
	uint64_t index = o->rec + v->pgoff + (vpn - v->start), *rec = rec_at(c->m, index);
	int nid;

	if (*rec & REC_USED)
		return index;
	nid = alloc_object_page(c, v, vpn);
	if (nid < 0)
		return 0;
	*rec = REC_USED | pg_new(nid);
	return index;
}

/* Linux: do_linear_fault, __do_fault. */
static int do_object_fault(struct fault_ctx *c, const struct vma *v, struct span *s, uint64_t vpn,
			   int write)
{
	uint64_t val = PTE_PRESENT | PTE_ACCESSED, index = object_page(c, v, vpn);

	if (!index)
		return no_page(c->m, vpn, c->t->tid);
	if (v->kind == NUMAB_FILE_PRIVATE && write) {
		int err = map_new_page(c, v, s, vpn);

		c->m->counters[NUMAB_C_cow_faults] += !err;
		return err;
	}
	if (rec_mapcount(*rec_at(c->m, index)) == REC_MAP_MAX)
		return fail(c->m, NUMAB_EBUSY, "vpn %llu is mapped 65535 times already",
			    (ull)vpn);
	if (write) {
		val |= PTE_RW | PTE_DIRTY;
		*rec_at(c->m, index) |= REC_DIRTY;
	} else if ((v->prot & NUMAB_PROT_WRITE) &&
		 (v->kind == NUMAB_SHM || v->kind == NUMAB_ANON_SHARED)) {
		val |= PTE_RW; /* file pages are write-protected to notice the first write */
	}
	*rec_at(c->m, index) += REC_MAP_ONE;
	mm_account_shared(c->mm, 1);
	pte_store(s, &s->pte[vpn - s->base], val | index << REC_INDEX_SHIFT);
	return 0;
}

static noinline int do_absent_page(struct fault_ctx *c, const struct vma *v, struct span *s,
				   uint64_t vpn, int write)
{
	uint64_t *pte = &s->pte[vpn - s->base];
	int err = pmd_alloc(c->m, c->t, c->mm, s, vpn, &c->cost_ps);

	if (!err && v->kind == NUMAB_ANON_PRIVATE && !(v->flags & NUMAB_VMA_PFNMAP)) {
		err = do_huge_pmd_anonymous_page(c, v, s, vpn);
		if (err)
			return err < 0 ? err : 0;
	}
	if (err || pte_alloc(c->m, c->t, c->mm, s, vpn, &c->cost_ps))
		return no_page(c->m, vpn, c->t->tid);
	if (v->flags & NUMAB_VMA_PFNMAP) {
		pte_store(s, pte, PTE_PRESENT | PTE_ACCESSED | PTE_SPECIAL |
			  ((v->prot & NUMAB_PROT_WRITE) ? PTE_RW | PTE_DIRTY : 0));
		return 0;
	}
	if (v->kind != NUMAB_ANON_PRIVATE)
		return do_object_fault(c, v, s, vpn, write);
	if (!write && c->m->tun[NUMAB_T_zero_page] && !(*pte & PTE_WISH)) {
		pte_store(s, pte, PTE_PRESENT | PTE_ACCESSED | PTE_SPECIAL);
		return 0;
	}
	return map_new_page(c, v, s, vpn);
}

/* Copy the page of a read-only entry.  Linux: do_wp_page, the copying half. */
static int copy_page(struct fault_ctx *c, const struct vma *v, struct span *s, uint64_t vpn)
{
	struct numab_machine *m = c->m;
	uint64_t *pte = &s->pte[vpn - s->base], old = *pte;
	int nid = alloc_page_vma(c, v, vpn, 0);

	if (nid < 0)
		return no_page(c->m, vpn, c->t->tid);
	m->counters[NUMAB_C_cow_faults]++;
	tlb_flush_page(m, c->mm, c->t->cpu, &c->cost_ps);
	if (!(old & PTE_SPECIAL))
		zap_pte(m, c->mm, s, pte);
	mm_account(c->mm, nid, 1);
	pte_store(s, pte, PTE_PRESENT | PTE_ACCESSED | PTE_RW | PTE_DIRTY | PTE_EXCL | pg_new(nid));
	return 0;
}

/* An anonymous record with one mapping left is this entry's own page again. */
static uint64_t unshare(struct fault_ctx *c, uint64_t pte)
{
	uint64_t index = rec_index(pte), rec = *rec_at(c->m, index);

	rec_release(c->m, index);
	mm_account_shared(c->mm, -1);
	mm_account(c->mm, pg_nid(rec), 1);
	return (pte & PTE_BITS) | PTE_EXCL | (rec & PG_MASK);
}

/* A write to a present, read-only entry.  Linux: do_wp_page. */
static noinline int do_wp_page(struct fault_ctx *c, const struct vma *v, struct span *s,
			       uint64_t vpn)
{
	uint64_t *pte = &s->pte[vpn - s->base], val = *pte;

	if (val & PTE_SPECIAL) {
		if (!(v->flags & NUMAB_VMA_PFNMAP))
			return copy_page(c, v, s, vpn);
	} else if (!(val & PTE_EXCL) && !is_shared_vma(v)) {
		uint64_t rec = *rec_at(c->m, rec_index(val));

		if (!(rec & REC_ANON) || rec_mapcount(rec) != 1)
			return copy_page(c, v, s, vpn);
		val = unshare(c, val);
	} else if (!(val & PTE_EXCL)) {
		*rec_at(c->m, rec_index(val)) |= REC_DIRTY;
	}
	pte_store(s, pte, val | PTE_RW | PTE_DIRTY | PTE_ACCESSED);
	set_access_flags_flush(c);
	return 0;
}

/* A huge page is never shared here: a write to a read-only one always reuses it. */
static void do_huge_pmd_wp_page(struct fault_ctx *c, struct span *s, uint64_t vpn)
{
	uint64_t head = (vpn & ~(SLOT_PAGES - 1)) - s->base, i;

	for (i = 0; i < SLOT_PAGES; i++)
		s->pte[head + i] |= PTE_RW | PTE_DIRTY | PTE_ACCESSED;
	set_access_flags_flush(c);
}

/* get_user_pages for writing, on an entry that is there and read-only: its write fault, whatever is
 * marked.  A marked pmd stays so, an entry's own mark goes with its old value. */
int gup_write_fault(struct fault_ctx *c, struct span *s, uint64_t vpn)
{
	uint64_t *pte = &s->pte[vpn - s->base], was = *pte;
	int err;

	c->m->counters[NUMAB_C_pgfault]++;
	if (slot_of(s, vpn)->flags & SLOT_HUGE) {
		do_huge_pmd_wp_page(c, s, vpn);
		return 0;
	}
	if (pte_numa(was))
		pte_store(s, pte, pte_mknonnuma(was));
	err = do_wp_page(c, vma_find(c->mm, vpn), s, vpn);
	if (err)
		pte_store(s, pte, was); /* refused: the mark stays */
	return err;
}

/* ---- the three hinting faults ---- */

static void count_hint(struct fault_ctx *c, int page_nid)
{
	c->m->counters[NUMAB_C_numa_hint_faults]++;
	if (page_nid == c->t->nid)
		c->m->counters[NUMAB_C_numa_hint_faults_local]++;
}

static uint32_t fault_flags(uint64_t pte, int write, uint32_t more)
{
	return (write ? NUMAB_F_WRITE : 0) | ((pte & PTE_EXCL) ? 0 : NUMAB_F_SHARED) | more;
}

/* Ask the policy about one page, remember its tag, and move it if it is misplaced.  Returns whether
 * it was; c->reason says what became of it.  The mark is still set, so that nobody else can use the
 * page meanwhile; it is gone when the page has moved. */
static int place_page(struct fault_ctx *c, const struct vma *v, struct move *mv, uint32_t flags)
{
	struct numab_machine *m = c->m;
	uint64_t *bits = page_bits(m, mv->pte);
	struct numab_verdict verdict = mpol_misplaced(m, c->t, v, mv->vpn, *bits, flags);

	*bits = pg_set_tag(*bits, verdict.tag);
	if (verdict.target_nid < 0) {
		decide(c, verdict.reason);
		return 0;
	}
	decide(c, migrate_misplaced_page(c, mv, verdict.target_nid));
	return 1;
}

static int how_faulted(const struct fault_ctx *c, int misplaced)
{
	return (misplaced ? FAULT_MISPLACED : 0) |
	       (c->reason == NUMAB_GO_MIGRATED ? FAULT_MIGRATED : 0);
}

/* A marked base entry (spec 4.2): the fault that runs meet most. */
static void do_numa_page(struct fault_ctx *c, const struct vma *v, struct span *s, uint64_t vpn,
			 int write)
{
	struct move mv = move_to(c->mm, s, &s->pte[vpn - s->base], vpn, NUMAB_NO_NODE);
	int from = pte_nid(c->m, *mv.pte), nid;
	uint32_t tag = pg_tag(*page_bits(c->m, mv.pte));
	int misplaced;

	c->hints++;
	count_hint(c, from);
	charge_ns(c, NUMAB_T_hint_ns);
	misplaced = place_page(c, v, &mv, fault_flags(*mv.pte, write, 0));
	nid = pte_nid(c->m, *mv.pte);
	if (pte_numa(*mv.pte))
		pte_store(s, mv.pte, pte_mknonnuma(*mv.pte));
	hint_event(c, vpn, 1, from, nid, tag);
	/* While the host has not answered, nothing is known to account: numab_migrated() does. */
	if (c->reason != NUMAB_GO_ASKED_HOST)
		task_numa_fault(c->m, c->t, misplaced ? nid : c->t->nid, 1,
				how_faulted(c, misplaced));
}

/* One page of a marked pmd. */
static void pmd_numa_page(struct fault_ctx *c, const struct vma *v, struct span *s, uint64_t vpn,
			  int write)
{
	struct numab_machine *m = c->m;
	struct move mv = move_to(c->mm, s, &s->pte[vpn - s->base], vpn, NUMAB_NO_NODE);
	int from = pte_nid(m, *mv.pte);
	uint32_t tag = pg_tag(*page_bits(m, mv.pte));

	count_hint(c, from);
	charge_ns(c, NUMAB_T_hint_batch_ns);
	if (!m->tun[NUMAB_T_pmd_batch_migrate]) {
		if (pte_numa(*mv.pte))
			pte_store(s, mv.pte, pte_mknonnuma(*mv.pte));
		decide(c, NUMAB_HOLD_PMD_CLEARED);
		hint_event(c, vpn, 1, from, from, tag);
		task_numa_fault(m, c->t, from, 1, 0);
		return;
	}
	if (!place_page(c, v, &mv, fault_flags(*mv.pte, write, NUMAB_F_PMD))) {
		if (pte_numa(*mv.pte))
			pte_store(s, mv.pte, pte_mknonnuma(*mv.pte));
		hint_event(c, vpn, 1, from, from, tag);
		return;
	}
	if (pte_numa(*mv.pte))
		pte_store(s, mv.pte, pte_mknonnuma(*mv.pte));
	hint_event(c, vpn, 1, from, pte_nid(m, *mv.pte), tag);
	if (c->reason != NUMAB_GO_ASKED_HOST)
		task_numa_fault(m, c->t, c->reason == NUMAB_GO_MIGRATED ? pte_nid(m, *mv.pte) :
									  c->t->nid, 1,
				how_faulted(c, 1));
}

/* A marked regular pmd (spec 4.3): from the slot's, or the VMA's, start to the slot's end, which
 * may reach into following VMAs. */
static noinline void do_pmd_numa_page(struct fault_ctx *c, const struct vma *v, struct span *s,
				      uint64_t vpn, int write)
{
	struct numab_machine *m = c->m;
	uint64_t head = vpn & ~(SLOT_PAGES - 1), end = head + SLOT_PAGES, at;
	const struct vma *own = v;
	int reason = NUMAB_HOLD_PMD_CLEARED; /* the verdict on the page that was touched, if any */

	c->hints++;
	m->counters[NUMAB_C_pmd_hint_faults]++;
	charge_ns(c, NUMAB_T_hint_ns);
	slot_pmd_clear(s, (head - s->base) / SLOT_PAGES);
	for (at = head > v->start ? head : v->start; at < end; at++) {
		uint64_t *pte = &s->pte[at - s->base];

		if (!pte_present(*pte))
			continue;
		if (at >= own->end || at < own->start)
			own = vma_find(c->mm, at);
		/* Guarded: as posted, memory that is PROT_NONE for good would be opened here. */
		if (!own || own->prot == NUMAB_PROT_NONE) {
			own = own ? own : v;
			continue;
		}
		if ((*pte & PTE_SPECIAL) || page_mapcount(m, *pte) != 1) {
			if (pte_numa(*pte))
				pte_store(s, pte, pte_mknonnuma(*pte));
			continue;
		}
		if (!pte_numa(*pte) && m->tun[NUMAB_T_pmd_batch_numa_only])
			continue;
		pmd_numa_page(c, own, s, at, write && at == vpn);
		if (at == vpn)
			reason = c->reason;
	}
	c->reason = reason;
}

/* A marked huge page (spec 4.4). */
static noinline void do_huge_pmd_numa_page(struct fault_ctx *c, const struct vma *v,
					   struct span *s, uint64_t vpn, int write)
{
	struct numab_machine *m = c->m;
	uint64_t head = vpn & ~(SLOT_PAGES - 1), slot = (head - s->base) / SLOT_PAGES, i;
	struct move mv = move_to(c->mm, s, &s->pte[head - s->base], head, NUMAB_NO_NODE);
	int from = pg_nid(*mv.pte), nid;
	uint32_t tag = pg_tag(*mv.pte);
	struct numab_verdict verdict;

	m->counters[NUMAB_C_thp_hint_faults]++;
	m->counters[NUMAB_C_numa_hint_faults]++;
	c->hints++;
	charge_ns(c, NUMAB_T_hint_ns);
	if (m->tun[NUMAB_T_thp_native_migration] && from == c->t->nid)
		m->counters[NUMAB_C_numa_hint_faults_local]++;
	verdict = mpol_misplaced(m, c->t, v, head, *mv.pte,
				 fault_flags(*mv.pte, write, NUMAB_F_HUGE));
	*mv.pte = pg_set_tag(*mv.pte, verdict.tag);
	if (verdict.target_nid >= 0 && !m->tun[NUMAB_T_thp_native_migration]) {
		/* A split is not a fault: nothing is accounted, the base pages fault again. */
		decide(c, NUMAB_HOLD_THP_SPLIT);
		hint_event(c, head, NUMAB_SLOT_PAGES, from, from, tag);
		huge_split(m, c->mm, s, slot);
		charge_ns(c, NUMAB_T_split_ns);
		return;
	}
	decide(c, verdict.target_nid < 0 ? verdict.reason :
		  migrate_misplaced_huge(c, &mv, verdict.target_nid));
	slot_pmd_clear(s, slot);
	for (i = 0; c->reason != NUMAB_GO_MIGRATED && i < SLOT_PAGES; i++)
		mv.pte[i] |= PTE_ACCESSED; /* pmd_mknonnuma sets it, as for an entry */
	nid = pg_nid(*mv.pte);
	hint_event(c, head, NUMAB_SLOT_PAGES, from, nid, tag);
	if (c->reason != NUMAB_GO_ASKED_HOST)
		task_numa_fault(m, c->t, verdict.target_nid < 0 ? c->t->nid : nid, SLOT_PAGES,
				how_faulted(c, verdict.target_nid >= 0));
}

/* ---- dispatch ---- */

/* One fault at a pmd, or at an entry that is not marked.  Linux: handle_mm_fault, in its order
 * (patch 8). */
static noinline int handle_pmd_fault(struct fault_ctx *c, const struct vma *v, struct span *s,
				     uint64_t vpn, int write)
{
	uint64_t pte = s->pte[vpn - s->base];
	struct slot *slot = slot_of(s, vpn);

	if (slot->flags & SLOT_HUGE) {
		if (slot->flags & SLOT_PMD_NUMA)
			do_huge_pmd_numa_page(c, v, s, vpn, write);
		else
			do_huge_pmd_wp_page(c, s, vpn);
		return 0;
	}
	if (slot->flags & SLOT_PMD_NUMA) {
		do_pmd_numa_page(c, v, s, vpn, write);
		return 0;
	}
	if (!pte_present(pte))
		return do_absent_page(c, v, s, vpn, write);
	return do_wp_page(c, v, s, vpn);
}

/* One fault.  A marked entry whose pmd is not marked comes before all others, as it is the fault
 * that runs meet most and no pmd can be in its way: its slot is not looked at. */
static inline int handle_mm_fault(struct fault_ctx *c, const struct vma *v, struct span *s,
				  uint64_t vpn, int write)
{
	uint64_t pte = s->pte[vpn - s->base];

	if (unlikely(!pte_numa(pte) || (pte & PTE_SLOT)))
		return handle_pmd_fault(c, v, s, vpn, write);
	do_numa_page(c, v, s, vpn, write);
	return 0;
}

static noinline int segv(struct fault_ctx *c, uint64_t vpn, int write, const struct vma *v)
{
	c->m->counters[NUMAB_C_sigsegv]++;
	return fail(c->m, NUMAB_EFAULT, "task %d: %s of vpn %llu: %s", c->t->tid,
		    write ? "write" : "read", (ull)vpn,
		    v ? "the mapping does not permit it" : "nothing is mapped there");
}

/* Remember the VMA of a fault, and whether hints in it are plain: one policy for all of it that
 * needs no filter of the host's, and nobody who watches. */
static const struct vma *fault_vma(struct fault_ctx *c, uint64_t vpn)
{
	const struct vma *v = c->vma = vma_find(c->mm, vpn);
	const struct numab_machine *m = c->m;

	c->plain_nr = 0;
	if (!v || (v->prot & PROT_RW) != PROT_RW || vma_has_shared_policy(v) || m->ring_cap)
		return v;
	c->plain_mpol = get_vma_policy(m, c->t, v, vpn);
	if (c->plain_mpol ? c->plain_mpol->flags & NUMAB_MPOL_F_MORON : !m->policy.builtin_filter)
		return v;
	c->plain_vpn = v->start;
	c->plain_nr = v->end - v->start;
	return v;
}

/* The fault that runs meet most, in one piece and without a call: a marked exclusive entry of a VMA
 * that was faulted on before, and a page that stays.  It does
 * what the long way through do_numa_page() does, a few times faster.  The page's node, or -1: not
 * such a fault, and nothing has been done. */
int hint_stays(struct fault_ctx *c, uint64_t *pte, uint64_t vpn, int write)
{
	const uint64_t want = PTE_NUMA | PTE_EXCL | (write ? PTE_RW : 0), val = *pte;
	struct numab_machine *m = c->m;
	struct numab_verdict verdict;
	int nid = pg_nid(val);

	if ((val & (want | PTE_PRESENT | PTE_SLOT)) != want || vpn - c->plain_vpn >= c->plain_nr)
		return -1;
	verdict = c->plain_mpol ? explicit_misplaced(m, c->plain_mpol, c->t, c->vma, vpn, val, 0) :
				  builtin_misplaced(m, c->t, vpn, val, fault_flags(val, write, 0));
	if (verdict.target_nid >= 0)
		return -1;
	c->faults++;
	c->hints++;
	m->counters[NUMAB_C_pgfault]++;
	count_hint(c, nid);
	c->cost_ps += (uint64_t)(m->tun[NUMAB_T_fault_ns] + m->tun[NUMAB_T_hint_ns]) * PS_PER_NS;
	decide(c, verdict.reason);
	*pte = pte_mknonnuma(pg_set_tag(val, verdict.tag)) | (write ? PTE_DIRTY : 0);
	task_numa_fault(m, c->t, c->t->nid, 1, 0);
	return nid;
}

/* Make an access go through, fault by fault.  *nid: node of the page then. */
int handle_access(struct fault_ctx *c, uint64_t vpn, int write, int *nid)
{
	uint64_t need = PTE_PRESENT | (write ? PTE_RW : 0);
	struct span *s = span_find(c->mm, vpn);
	uint64_t *pte = s ? &s->pte[vpn - s->base] : NULL;

	for (;;) {
		const struct vma *v = c->vma;
		int err;

		if (pte && (*pte & (need | PTE_SLOT)) == need) {
			*pte |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
			/* The zero page and bare frames belong to no node: they count as local. */
			*nid = (*pte & PTE_SPECIAL) ? c->t->nid : pte_nid(c->m, *pte);
			return 0;
		}
		/* The architecture's fault code rejects first: real PROT_NONE never gets to the
		 * hinting handlers, though the bit is the same. */
		if (!v || vpn < v->start || vpn >= v->end)
			v = fault_vma(c, vpn);
		if (!v || v->prot == NUMAB_PROT_NONE || (write && !(v->prot & NUMAB_PROT_WRITE)))
			return segv(c, vpn, write, v);
		c->faults++;
		c->m->counters[NUMAB_C_pgfault]++;
		charge_ns(c, NUMAB_T_fault_ns);
		err = handle_mm_fault(c, v, s, vpn, write);
		if (err)
			return err;
	}
}
