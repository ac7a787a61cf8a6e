/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mm.c - the page table: spans of entries, slots, shared records, VMAs
 *
 * Entries lie flat in spans of whole 2 MiB slots, so that a look-up is one subtraction; the upper
 * level exists only as a slot's flags.  VMAs are ranges over the spans and own no entries.
 */
#include "internal.h"

struct mpol *mpol_get(struct mpol *p)
{
	if (p)
		p->refs++;
	return p;
}

void mpol_put(struct numab_machine *m, struct mpol *p)
{
	if (p && --p->refs == 0)
		mem_free(m, p, sizeof(*p) + sizeof(uint16_t) * p->nr_nodes);
}

/* The same rule and the same name.  Linux: mpol_equal. */
int mpol_equal(const struct mpol *a, const struct mpol *b)
{
	if (!a || !b)
		return a == b;
	return a->mode == b->mode && a->flags == b->flags && a->nid == b->nid &&
	       a->home_nid == b->home_nid && a->cookie == b->cookie &&
	       !memcmp(a->mask, b->mask, sizeof(a->mask));
}

struct mm *mm_new(struct numab_machine *m, int pid)
{
	struct mm *mm = (struct mm *)mem_zalloc(m, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->pid = pid;
	mm->first_nid = FIRST_NID_INIT;
	mm->faults = (uint64_t *)mem_zalloc(m, sizeof(uint64_t) * m->nr_ids);
	mm->node_pages = (uint64_t *)mem_zalloc(m, sizeof(uint64_t) * m->nr_ids);
	if (!mm->faults || !mm->node_pages) {
		mm_free(m, mm);
		return NULL;
	}
	return mm;
}

static void span_free(struct numab_machine *m, struct span *s)
{
	mem_free(m, s->pte, sizeof(uint64_t) * s->nr);
	mem_free(m, s->slots, sizeof(struct slot) * (s->nr / SLOT_PAGES));
}

/* Free an address space whose pages are gone already (or never came). */
void mm_free(struct numab_machine *m, struct mm *mm)
{
	uint32_t i;

	if (!mm)
		return;
	for (i = 0; i < mm->nr_spans; i++)
		span_free(m, &mm->spans[i]);
	for (i = 0; i < mm->nr_vmas; i++)
		mpol_put(m, mm->vmas[i].mpol);
	mem_free(m, mm->spans, sizeof(struct span) * mm->cap_spans);
	mem_free(m, mm->vmas, sizeof(struct vma) * mm->cap_vmas);
	mem_free(m, mm->tids, sizeof(int) * mm->cap_tasks);
	mem_free(m, mm->faults, sizeof(uint64_t) * m->nr_ids);
	mem_free(m, mm->node_pages, sizeof(uint64_t) * m->nr_ids);
	mem_free(m, mm, sizeof(*mm));
}

/* ---- VMAs ---- */

/* Index of the first VMA that ends after @vpn; nr_vmas when there is none.  Linux: find_vma. */
uint32_t vma_first_ending_after(const struct mm *mm, uint64_t vpn)
{
	uint32_t lo = 0, hi = mm->nr_vmas;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (mm->vmas[mid].end > vpn)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

struct vma *vma_find(const struct mm *mm, uint64_t vpn)
{
	uint32_t i = vma_first_ending_after(mm, vpn);

	return i < mm->nr_vmas && mm->vmas[i].start <= vpn ? &mm->vmas[i] : NULL;
}

int vmas_reserve(struct numab_machine *m, struct mm *mm, uint32_t more)
{
	uint32_t cap = mm->cap_vmas ? mm->cap_vmas : 8;

	while (cap < mm->nr_vmas + more)
		cap *= 2;
	if (cap == mm->cap_vmas)
		return 0;
	if (mem_grow(m, (void **)&mm->vmas, sizeof(struct vma), mm->cap_vmas, cap))
		return NUMAB_ENOMEM;
	mm->cap_vmas = cap;
	return 0;
}

/* Room must have been reserved. */
void vma_insert(struct mm *mm, const struct vma *v)
{
	uint32_t i = vma_first_ending_after(mm, v->start);

	memmove(&mm->vmas[i + 1], &mm->vmas[i], sizeof(*v) * (mm->nr_vmas - i));
	mm->vmas[i] = *v;
	mm->nr_vmas++;
}

void vma_remove(struct mm *mm, uint32_t i)
{
	mm->nr_vmas--;
	memmove(&mm->vmas[i], &mm->vmas[i + 1], sizeof(struct vma) * (mm->nr_vmas - i));
}

/* Cut the VMA that holds @vpn in two at @vpn; nothing when a border is there already.  The caller
 * has reserved room and holds a reference of the object for the second part. */
void vma_split(struct mm *mm, uint64_t vpn)
{
	struct vma *v = vma_find(mm, vpn), second;

	if (!v || v->start == vpn)
		return;
	second = *v;
	second.start = vpn;
	second.pgoff += vpn - v->start;
	mpol_get(second.mpol);
	v->end = vpn;
	vma_insert(mm, &second);
}

#define VMA_NEVER_MERGES (NUMAB_VMA_IO | NUMAB_VMA_PFNMAP | NUMAB_VMA_HUGETLB)

/* Linux: can_vma_merge_after, without anon_vma. */
static int can_vma_merge(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->kind == b->kind && a->prot == b->prot &&
	       a->flags == b->flags && !(a->flags & VMA_NEVER_MERGES) && a->object == b->object &&
	       a->pgoff + (a->end - a->start) == b->pgoff && mpol_equal(a->mpol, b->mpol);
}

/* The VMAs of [start, end] join with each other and with their neighbours, where they are equal.
 * Linux: vma_merge. */
void mm_merge(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = vma_first_ending_after(mm, start ? start - 1 : 0);

	while (i + 1 < mm->nr_vmas && mm->vmas[i + 1].start <= end) {
		struct vma *v = &mm->vmas[i];

		if (!can_vma_merge(v, v + 1)) {
			i++;
			continue;
		}
		v->end = v[1].end;
		mpol_put(m, v[1].mpol);
		if (v->object)
			m->objects[v->object - 1].nr_vmas--;
		vma_remove(mm, i + 1);
	}
}

/* ---- spans ---- */

struct span *span_find(struct mm *mm, uint64_t vpn)
{
	uint32_t lo = 0, hi = mm->nr_spans;
	struct span *s = &mm->spans[mm->last_span];

	if (mm->last_span < mm->nr_spans && vpn - s->base < s->nr)
		return s;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (mm->spans[mid].base + mm->spans[mid].nr > vpn)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo == mm->nr_spans || mm->spans[lo].base > vpn)
		return NULL;
	mm->last_span = lo;
	return &mm->spans[lo];
}

static int span_insert(struct numab_machine *m, struct mm *mm, uint32_t at, uint64_t base,
		       uint64_t nr)
{
	struct span s = { base, nr, NULL, NULL };

	if (mm->nr_spans == mm->cap_spans) {
		uint32_t cap = mm->cap_spans ? mm->cap_spans * 2 : 4;

		if (mem_grow(m, (void **)&mm->spans, sizeof(s), mm->cap_spans, cap))
			return NUMAB_ENOMEM;
		mm->cap_spans = cap;
	}
	s.pte = (uint64_t *)mem_zalloc(m, sizeof(uint64_t) * nr);
	s.slots = (struct slot *)mem_zalloc(m, sizeof(struct slot) * (nr / SLOT_PAGES));
	if (!s.pte || !s.slots) {
		span_free(m, &s);
		return NUMAB_ENOMEM;
	}
	memmove(&mm->spans[at + 1], &mm->spans[at], sizeof(s) * (mm->nr_spans - at));
	mm->spans[at] = s;
	mm->nr_spans++;
	return 0;
}

/* Make entries exist for [start, end): whole slots, in the gaps between the spans that are there.
 * On failure the spans made so far stay, empty, until spans_trim(). */
int spans_cover(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t lo = start & ~(SLOT_PAGES - 1), hi = (end + SLOT_PAGES - 1) & ~(SLOT_PAGES - 1);
	uint32_t i = 0;

	while (lo < hi) {
		uint64_t gap_end;

		while (i < mm->nr_spans && mm->spans[i].base + mm->spans[i].nr <= lo)
			i++;
		if (i < mm->nr_spans && mm->spans[i].base <= lo) {
			lo = mm->spans[i].base + mm->spans[i].nr;
			continue;
		}
		gap_end = i < mm->nr_spans && mm->spans[i].base < hi ? mm->spans[i].base : hi;
		if (span_insert(m, mm, i, lo, gap_end - lo))
			return NUMAB_ENOMEM;
		lo = gap_end;
	}
	return 0;
}

/* Give back the spans that no VMA uses any more. */
void spans_trim(struct numab_machine *m, struct mm *mm)
{
	uint32_t i, kept = 0;

	for (i = 0; i < mm->nr_spans; i++) {
		struct span *s = &mm->spans[i];
		uint32_t v = vma_first_ending_after(mm, s->base);

		if (v < mm->nr_vmas && mm->vmas[v].start < s->base + s->nr)
			mm->spans[kept++] = *s;
		else
			span_free(m, s);
	}
	mm->nr_spans = kept;
	mm->last_span = 0;
}

/* ---- shared records ---- */

/* Make room so that @n calls of rec_take() cannot fail. */
int rec_reserve(struct numab_machine *m, uint64_t n)
{
	uint64_t i, have = m->nr_free_recs;

	while (have < n) {
		uint64_t *chunk;

		if (m->nr_chunks == m->cap_chunks) {
			uint64_t cap = m->cap_chunks ? m->cap_chunks * 2 : 16;

			if (mem_grow(m, (void **)&m->rec_chunks, sizeof(uint64_t *), m->cap_chunks,
				     cap))
				return NUMAB_ENOMEM;
			m->cap_chunks = cap;
		}
		chunk = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * REC_CHUNK);
		if (!chunk)
			return NUMAB_ENOMEM;
		m->rec_chunks[m->nr_chunks++] = chunk;
		/* A free record holds the next one's index; 0 ends the list and is never used. */
		for (i = REC_CHUNK; i-- > 0;) {
			uint64_t index = (m->nr_chunks - 1) * REC_CHUNK + i;

			if (!index)
				continue;
			chunk[i] = m->free_rec << REC_INDEX_SHIFT;
			m->free_rec = index;
			m->nr_free_recs++;
			have++;
		}
	}
	return 0;
}

uint64_t rec_take(struct numab_machine *m)
{
	uint64_t index = m->free_rec;

	m->free_rec = rec_index(*rec_at(m, index));
	m->nr_free_recs--;
	return index;
}

void rec_release(struct numab_machine *m, uint64_t index)
{
	*rec_at(m, index) = m->free_rec << REC_INDEX_SHIFT;
	m->free_rec = index;
	m->nr_free_recs++;
}

/* ---- slots and huge pages ---- */

void slot_pmd_mark(struct span *s, uint64_t slot)
{
	uint64_t *pte = s->pte + slot * SLOT_PAGES;
	uint64_t i;

	s->slots[slot].flags |= SLOT_PMD_NUMA;
	for (i = 0; i < SLOT_PAGES; i++)
		pte[i] |= pte_present(pte[i]) ? PTE_SLOT : 0;
}

void slot_pmd_clear(struct span *s, uint64_t slot)
{
	uint64_t *pte = s->pte + slot * SLOT_PAGES;
	uint64_t i;

	s->slots[slot].flags &= (uint8_t)~SLOT_PMD_NUMA;
	for (i = 0; i < SLOT_PAGES; i++)
		pte[i] &= ~PTE_SLOT;
}

/* Linux: __split_huge_page_map with patch 7: a numa pmd makes numa entries, the pmd that replaces
 * it is an ordinary one. */
void huge_split(struct numab_machine *m, struct mm *mm, struct span *s, uint64_t slot)
{
	uint64_t *pte = s->pte + slot * SLOT_PAGES;
	int numa = s->slots[slot].flags & SLOT_PMD_NUMA;
	uint32_t tag = m->tun[NUMAB_T_last_nid_transfer] ? pg_tag(pte[0]) : NUMAB_TAG_UNSET;
	struct numab_event e;
	uint64_t i;

	slot_pmd_clear(s, slot);
	s->slots[slot].flags &= (uint8_t)~SLOT_HUGE;
	for (i = 0; i < SLOT_PAGES; i++) {
		if (i)
			pte[i] = pg_set_tag(pte[i], tag);
		if (numa)
			pte[i] = pte_mknuma(pte[i]);
	}
	m->counters[NUMAB_C_thp_split]++;
	tlb_flush_range(m, mm, NULL);
	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_SPLIT;
	e.pid = mm->pid;
	e.vpn = s->base + slot * SLOT_PAGES;
	e.nr_pages = NUMAB_SLOT_PAGES;
	event_put(m, &e);
}

/* A border is about to be cut at @vpn: a huge page across it must go. */
void mm_split_huge_at(struct numab_machine *m, struct mm *mm, uint64_t vpn)
{
	struct span *s = vpn % SLOT_PAGES ? span_find(mm, vpn) : NULL;

	if (s && (slot_of(s, vpn)->flags & SLOT_HUGE))
		huge_split(m, mm, s, (vpn - s->base) / SLOT_PAGES);
}

/* ---- page-table pages ---- */

#define GIB_PAGES (SLOT_PAGES * SLOT_PAGES)

/* The slot that holds the pmd page of @vpn's GiB; NULL: there is none. */
struct slot *pmd_page_slot(const struct mm *mm, uint64_t vpn)
{
	uint64_t start = vpn & ~(GIB_PAGES - 1), end = start + GIB_PAGES, at;
	uint32_t i;

	for (i = 0; i < mm->nr_spans && mm->spans[i].base < end; i++) {
		const struct span *s = &mm->spans[i];

		for (at = s->base > start ? s->base : start; at < s->base + s->nr && at < end;
		     at += SLOT_PAGES)
			if (slot_of(s, at)->pmd_page)
				return slot_of(s, at);
	}
	return NULL;
}

static void free_table(struct numab_machine *m, struct mm *mm, uint16_t *page)
{
	if (!*page)
		return;
	table_free(m, *page - 1);
	*page = 0;
	mm->nr_tables--;
}

/* First VMA that reaches into [start, end), NULL: none. */
static const struct vma *vma_in(const struct mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = vma_first_ending_after(mm, start);

	return i < mm->nr_vmas && mm->vmas[i].start < end ? &mm->vmas[i] : NULL;
}

/* A slot that no VMA reaches into has lost its page table, and the pmd its mark. */
static void unmark_free_slots(struct mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i;

	start &= ~(SLOT_PAGES - 1);
	for (i = 0; i < mm->nr_spans; i++) {
		struct span *s = &mm->spans[i];
		uint64_t at = s->base > start ? s->base : start;

		for (; at < end && at < s->base + s->nr; at += SLOT_PAGES)
			if ((slot_of(s, at)->flags & SLOT_PMD_NUMA) &&
			    !vma_in(mm, at, at + SLOT_PAGES))
				slot_of(s, at)->flags &= (uint8_t)~SLOT_PMD_NUMA;
	}
}

/* The VMAs of [start, end) are gone, their spans not yet: tables that serve no other VMA go too.
 * The note of a pmd page moves to a slot that stays.  Linux: free_pgtables. */
void free_pgtables(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t at = start & ~(SLOT_PAGES - 1);

	unmark_free_slots(mm, start, end);
	for (; mm->nr_tables && at < end; at += SLOT_PAGES) {
		struct span *s = span_find(mm, at);

		if (s && !vma_in(mm, at, at + SLOT_PAGES))
			free_table(m, mm, &slot_of(s, at)->pte_page);
	}
	for (at = start & ~(GIB_PAGES - 1); mm->nr_tables && at < end; at += GIB_PAGES) {
		const struct vma *v = vma_in(mm, at, at + GIB_PAGES);
		struct slot *slot = pmd_page_slot(mm, at);
		uint64_t stays = v && v->start > at ? v->start : at;
		uint16_t page;

		if (!slot)
			continue;
		if (!v) {
			free_table(m, mm, &slot->pmd_page);
			continue;
		}
		page = slot->pmd_page;
		slot->pmd_page = 0;
		slot_of(span_find(mm, stays), stays)->pmd_page = page;
	}
}

/* The end of an address space. */
void free_all_pgtables(struct numab_machine *m, struct mm *mm)
{
	uint64_t k;
	uint32_t i;

	for (i = 0; i < mm->nr_spans; i++) {
		struct span *s = &mm->spans[i];

		for (k = 0; mm->nr_tables && k < s->nr / SLOT_PAGES; k++) {
			free_table(m, mm, &s->slots[k].pte_page);
			free_table(m, mm, &s->slots[k].pmd_page);
		}
	}
}

/* ---- removing a mapping ---- */

/* Unmap one entry and free its page when this was the last mapping; an object's page stays in the
 * object. */
void zap_pte(struct numab_machine *m, struct mm *mm, struct span *s, uint64_t *pte)
{
	uint64_t val = *pte;

	pte_store(s, pte, 0);
	if (!pte_present(val) || (val & PTE_SPECIAL))
		return;
	if (val & PTE_EXCL) {
		mm_account(mm, pg_nid(val), -1);
		page_free(m, val);
	} else {
		uint64_t index = rec_index(val), *rec = rec_at(m, index);

		mm_account_shared(mm, -1);
		*rec |= (val & PTE_DIRTY) ? REC_DIRTY : 0;
		*rec -= REC_MAP_ONE;
		if (!rec_mapcount(*rec) && (*rec & REC_ANON)) {
			page_free(m, *rec);
			rec_release(m, index);
		}
	}
}

/* ---- TLB ---- */

static int mm_runs_elsewhere(const struct numab_machine *m, const struct mm *mm, int cpu)
{
	int i;

	for (i = 0; i < mm->nr_tasks; i++)
		if (m->ids[mm->tids[i]].task->cpu != cpu)
			return 1;
	return 0;
}

/* One page: the other CPUs are interrupted if the address space runs there. */
void tlb_flush_page(struct numab_machine *m, const struct mm *mm, int cpu, uint64_t *cost_ps)
{
	int remote = mm_runs_elsewhere(m, mm, cpu);

	m->counters[remote ? NUMAB_C_tlb_flush_remote : NUMAB_C_tlb_flush_local]++;
	if (cost_ps)
		*cost_ps += PS_PER_NS * (uint64_t)(m->tun[NUMAB_T_tlb_local_ns] +
						   (remote ? m->tun[NUMAB_T_tlb_remote_ns] : 0));
}

void tlb_flush_range(struct numab_machine *m, const struct mm *mm, uint64_t *cost_ps)
{
	int remote = mm->nr_tasks > 1 &&
		     mm_runs_elsewhere(m, mm, m->ids[mm->tids[0]].task->cpu);

	m->counters[NUMAB_C_tlb_flush_range]++;
	if (cost_ps)
		*cost_ps += PS_PER_NS * (uint64_t)(m->tun[NUMAB_T_tlb_range_ns] +
						   (remote ? m->tun[NUMAB_T_tlb_remote_ns] : 0));
}
