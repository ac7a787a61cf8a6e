/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mmap.c - the system calls on an address space: map, unmap, protect, move, copy at fork, populate
 *
 * Linux: mm/mmap.c, mm/mprotect.c, mm/mremap.c, copy_page_range.  VMAs are split as needed, and
 * merge with equal neighbours.  Each call checks and reserves first, then changes, so that a
 * refusal leaves no trace.
 */
#include "internal.h"

#define MAX_END_BYTES (1ull << 60)

/* Bytes to pages, checked. */
int mm_range(struct numab_machine *m, uint64_t vaddr, uint64_t size_bytes, uint64_t *start,
	     uint64_t *end)
{
	if (vaddr % NUMAB_PAGE_BYTES)
		return fail(m, NUMAB_EINVAL, "vaddr 0x%llx is not page-aligned (%d)", (ull)vaddr,
			    NUMAB_PAGE_BYTES);
	if (!size_bytes || size_bytes % NUMAB_PAGE_BYTES)
		return fail(m, NUMAB_EINVAL, "size %llu is not a positive multiple of %d",
			    (ull)size_bytes, NUMAB_PAGE_BYTES);
	if (vaddr > MAX_END_BYTES || size_bytes > MAX_END_BYTES - vaddr)
		return fail(m, NUMAB_EINVAL, "range 0x%llx + 0x%llx ends above 2^60", (ull)vaddr,
			    (ull)size_bytes);
	*start = vaddr / NUMAB_PAGE_BYTES;
	*end = *start + size_bytes / NUMAB_PAGE_BYTES;
	return 0;
}

/* Is every page of [start, end) in some VMA? */
int mm_range_covered(struct numab_machine *m, const struct mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = vma_first_ending_after(mm, start);

	for (; start < end; i++) {
		if (i == mm->nr_vmas || mm->vmas[i].start > start)
			return fail(m, NUMAB_EFAULT, "nothing is mapped at 0x%llx",
				    (ull)start * NUMAB_PAGE_BYTES);
		start = mm->vmas[i].end;
	}
	return 0;
}

/* ---- mmap ---- */

static int check_vma(struct numab_machine *m, const struct numab_vma *in, uint64_t pages)
{
	const struct object *o;

	if (in->kind > NUMAB_FILE_PRIVATE)
		return fail(m, NUMAB_EINVAL, "VMA kind %u, permitted 0..4", in->kind);
	if (in->prot > 7)
		return fail(m, NUMAB_EINVAL, "protection %u, permitted 0..7", in->prot);
	if (in->flags > 31)
		return fail(m, NUMAB_EINVAL, "VMA flags %u, permitted 0..31", in->flags);
	if (in->pgoff > 1ull << 48 &&
	    (in->pgoff != NUMAB_PGOFF_VADDR || in->kind != NUMAB_ANON_PRIVATE))
		return fail(m, NUMAB_EINVAL, "pgoff %llu, permitted 0..2^48", (ull)in->pgoff);
	if (in->kind == NUMAB_ANON_PRIVATE)
		return in->object ? fail(m, NUMAB_EINVAL, "anonymous private memory has no object")
				  : 0;
	if (in->object < 1 || in->object > m->nr_objects || m->objects[in->object - 1].dropped)
		return fail(m, NUMAB_EINVAL, "no object %d", in->object);
	o = &m->objects[in->object - 1];
	if ((o->kind == NUMAB_SHM) != (in->kind == NUMAB_SHM || in->kind == NUMAB_ANON_SHARED))
		return fail(m, NUMAB_EINVAL, "object %d is of another kind", in->object);
	if (in->pgoff > o->nr_pages || pages > o->nr_pages - in->pgoff)
		return fail(m, NUMAB_EINVAL, "object %d has %llu pages, the mapping needs %llu",
			    in->object, (ull)o->nr_pages, (ull)(in->pgoff + pages));
	return 0;
}

int numab_mmap(struct numab_machine *m, int pid, const struct numab_vma *in)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end;
	struct vma v;
	uint32_t i;
	int err;

	if (!mm)
		return no_process(m, pid);
	if (!in)
		return fail(m, NUMAB_EINVAL, "no VMA given");
	err = mm_range(m, in->vaddr, in->size_bytes, &start, &end);
	if (!err)
		err = check_vma(m, in, end - start);
	if (err)
		return err;
	i = vma_first_ending_after(mm, start);
	if (i < mm->nr_vmas && mm->vmas[i].start < end)
		return fail(m, NUMAB_EEXIST, "0x%llx..0x%llx is mapped already",
			    (ull)mm->vmas[i].start * NUMAB_PAGE_BYTES,
			    (ull)mm->vmas[i].end * NUMAB_PAGE_BYTES);
	if (vmas_reserve(m, mm, 1) || spans_cover(m, mm, start, end)) {
		spans_trim(m, mm);
		return no_memory(m);
	}
	memset(&v, 0, sizeof(v));
	v.start = start;
	v.end = end;
	v.pgoff = in->pgoff == NUMAB_PGOFF_VADDR ? start : in->pgoff;
	v.kind = in->kind;
	v.prot = in->prot;
	v.flags = in->flags;
	v.object = in->object;
	vma_insert(mm, &v);
	if (v.object)
		m->objects[v.object - 1].nr_vmas++;
	mm_merge(m, mm, start, end);
	return 0;
}

/* Put a VMA border at @vpn; a huge page across it is split.  Room for one more VMA has been
 * reserved. */
void cut_border(struct numab_machine *m, struct mm *mm, uint64_t vpn)
{
	const struct vma *v = vma_find(mm, vpn);

	if (v && v->start != vpn) {
		if (v->object)
			m->objects[v->object - 1].nr_vmas++;
		vma_split(mm, vpn);
	}
	mm_split_huge_at(m, mm, vpn);
}

void cut_borders(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	cut_border(m, mm, start);
	cut_border(m, mm, end);
}

static void unmap_event(struct numab_machine *m, const struct mm *mm, uint64_t start, uint64_t end)
{
	struct numab_event e;

	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_UNMAP;
	e.pid = mm->pid;
	e.vpn = start;
	e.nr_pages = end - start > UINT32_MAX ? UINT32_MAX : (uint32_t)(end - start);
	event_put(m, &e);
}

/* Returns how many entries were mapped. */
static uint64_t zap_range(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t zapped = 0;

	while (start < end) {
		struct span *s = span_find(mm, start);
		uint64_t slot = (start - s->base) / SLOT_PAGES;
		uint64_t stop = s->base + (slot + 1) * SLOT_PAGES;

		stop = stop < end ? stop : end;
		for (; s->slots[slot].nr_used && start < stop; start++) {
			uint64_t *pte = &s->pte[start - s->base];

			zapped += pte_present(*pte) != 0;
			if (*pte)
				zap_pte(m, mm, s, pte);
		}
		start = stop;
		if (!s->slots[slot].nr_used && (s->slots[slot].flags & SLOT_HUGE))
			s->slots[slot].flags = 0;
	}
	return zapped;
}

/* Unmap everything; the address space itself is for mm_free(). */
void exit_mmap(struct numab_machine *m, struct mm *mm)
{
	uint32_t i;

	for (i = 0; i < mm->nr_vmas; i++) {
		zap_range(m, mm, mm->vmas[i].start, mm->vmas[i].end);
		object_put(m, mm->vmas[i].object);
	}
	free_all_pgtables(m, mm);
}

int numab_munmap(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end;
	uint32_t i;
	int err, any = 0;

	if (!mm)
		return no_process(m, pid);
	err = mm_range(m, vaddr, size_bytes, &start, &end);
	if (err)
		return err;
	if (vmas_reserve(m, mm, 2))
		return no_memory(m);
	cut_borders(m, mm, start, end);
	i = vma_first_ending_after(mm, start);
	while (i < mm->nr_vmas && mm->vmas[i].start < end) {
		struct vma v = mm->vmas[i];

		any |= zap_range(m, mm, v.start, v.end) != 0;
		vma_remove(mm, i);
		mpol_put(m, v.mpol);
		object_put(m, v.object);
		unmap_event(m, mm, v.start, v.end);
	}
	if (any)
		tlb_flush_range(m, mm, NULL);
	free_pgtables(m, mm, start, end);
	spans_trim(m, mm);
	return 0;
}

/* ---- mprotect ---- */

/* Linux: pte_modify keeps the page and the software bits and takes the rest from the new
 * protection; that is where a hint gets lost.  Private memory regains RW by a write fault. */
static uint64_t pte_modify(const struct vma *v, uint64_t pte)
{
	int shared = v->kind == NUMAB_SHM || v->kind == NUMAB_ANON_SHARED;
	int file = v->kind == NUMAB_FILE_SHARED;

	pte &= ~(PTE_RW | PTE_NUMA | PTE_PRESENT);
	if (v->prot == NUMAB_PROT_NONE)
		return pte | PTE_NUMA;
	if ((v->prot & NUMAB_PROT_WRITE) && (shared || (file && (pte & PTE_DIRTY))))
		pte |= PTE_RW;
	return pte | PTE_PRESENT;
}

static void change_protection(struct numab_machine *m, struct mm *mm, const struct vma *v)
{
	uint64_t at;

	for (at = v->start; at < v->end; at++) {
		struct span *s = span_find(mm, at);
		uint64_t *pte = &s->pte[at - s->base];
		struct slot *slot = slot_of(s, at);

		if (!slot->nr_used) {
			at |= SLOT_PAGES - 1; /* nothing in this slot */
			continue;
		}
		if ((slot->flags & SLOT_HUGE) && (slot->flags & SLOT_PMD_NUMA))
			slot_pmd_clear(s, (at - s->base) / SLOT_PAGES);
		if (pte_present(*pte))
			pte_store(s, pte, pte_modify(v, *pte));
	}
	tlb_flush_range(m, mm, NULL);
}

int numab_mprotect(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
		   uint32_t prot)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end;
	uint32_t i;
	int err;

	if (!mm)
		return no_process(m, pid);
	err = mm_range(m, vaddr, size_bytes, &start, &end);
	if (!err && prot > 7)
		err = fail(m, NUMAB_EINVAL, "protection %u, permitted 0..7", prot);
	if (!err)
		err = mm_range_covered(m, mm, start, end);
	if (err)
		return err;
	if (vmas_reserve(m, mm, 2))
		return no_memory(m);
	/* A mapping that has the protection already is left whole. */
	if (vma_find(mm, start)->prot != prot)
		cut_border(m, mm, start);
	if (vma_find(mm, end - 1)->prot != prot)
		cut_border(m, mm, end);
	i = vma_first_ending_after(mm, start);
	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		if (mm->vmas[i].prot == prot)
			continue;
		mm->vmas[i].prot = prot;
		change_protection(m, mm, &mm->vmas[i]);
	}
	mm_merge(m, mm, start, end);
	return 0;
}

/* ---- mremap ---- */

static void move_entries(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end,
			 uint64_t new_start)
{
	uint64_t i;
	int k;

	for (i = 0; i < end - start; i++) {
		struct span *from = span_find(mm, start + i), *to;
		uint64_t *pte = &from->pte[start + i - from->base], val = *pte;

		if (!val)
			continue;
		if (slot_of(from, start + i)->flags & SLOT_HUGE)
			huge_split(m, mm, from, (start + i - from->base) / SLOT_PAGES);
		val = *pte;
		pte_store(from, pte, 0);
		to = span_find(mm, new_start + i);
		pte_store(to, &to->pte[new_start + i - to->base], val);
	}
	for (k = 0; m->pending && k < NUMAB_MAX_MOVES; k++) {
		struct pending *p = &m->pending[k];

		if (p->id && p->pid == mm->pid && p->vpn >= start && p->vpn < end)
			p->vpn += new_start - start;
	}
}

int numab_mremap(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
		 uint64_t new_vaddr)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end, to, to_end;
	struct vma v;
	uint32_t i;
	int err;

	if (!mm)
		return no_process(m, pid);
	err = mm_range(m, vaddr, size_bytes, &start, &end);
	if (!err)
		err = mm_range(m, new_vaddr, size_bytes, &to, &to_end);
	if (!err)
		err = mm_range_covered(m, mm, start, end);
	if (err)
		return err;
	i = vma_first_ending_after(mm, start);
	if (mm->vmas[i].end < end)
		return fail(m, NUMAB_EFAULT, "0x%llx..0x%llx is more than one mapping",
			    (ull)vaddr, (ull)(vaddr + size_bytes));
	i = vma_first_ending_after(mm, to);
	if ((i < mm->nr_vmas && mm->vmas[i].start < to_end) || (to < end && start < to_end))
		return fail(m, NUMAB_EEXIST, "0x%llx + 0x%llx is not free", (ull)new_vaddr,
			    (ull)size_bytes);
	if (vmas_reserve(m, mm, 3) || spans_cover(m, mm, to, to_end)) {
		spans_trim(m, mm);
		return no_memory(m);
	}
	cut_borders(m, mm, start, end);
	i = vma_first_ending_after(mm, start);
	v = mm->vmas[i];
	move_entries(m, mm, start, end, to);
	vma_remove(mm, i);
	v.start = to;
	v.end = to_end;
	vma_insert(mm, &v);
	mm_merge(m, mm, to, to_end);
	tlb_flush_range(m, mm, NULL);
	free_pgtables(m, mm, start, end);
	spans_trim(m, mm);
	return 0;
}

/* ---- fork ---- */

static uint64_t share_exclusive(struct numab_machine *m, struct mm *mm, uint64_t pte)
{
	uint64_t index = rec_take(m);

	/* A move under way is off: shared pages do not migrate. */
	*rec_at(m, index) = REC_USED | REC_ANON | REC_MAP_ONE | (pte & PG_MASK & ~PG_MOVING);
	mm_account(mm, pg_nid(pte), -1);
	mm_account_shared(mm, 1);
	return (pte & PTE_BITS & ~PTE_EXCL) | index << REC_INDEX_SHIFT;
}

/* Linux: copy_one_pte.  A marked entry counts as present, so its copy is marked too. */
static void copy_one_pte(struct numab_machine *m, struct mm *from, struct span *src, struct mm *to,
			 const struct vma *v, uint64_t vpn)
{
	uint64_t *pte = &src->pte[vpn - src->base], val = *pte, copy;
	struct span *dst = span_find(to, vpn);

	if (pte_present(val) && !(val & PTE_SPECIAL)) {
		int shared = v->kind != NUMAB_ANON_PRIVATE && v->kind != NUMAB_FILE_PRIVATE;

		if (val & PTE_EXCL)
			val = share_exclusive(m, from, val);
		*rec_at(m, rec_index(val)) += REC_MAP_ONE;
		mm_account_shared(to, 1);
		if (!shared)
			val &= ~PTE_RW;
		pte_store(src, pte, val);
		copy = val & ~PTE_ACCESSED & (shared ? ~PTE_DIRTY : ~0ull);
	} else {
		copy = val;
	}
	pte_store(dst, &dst->pte[vpn - dst->base], copy & ~PTE_SLOT);
}

/* Each entry of a shared page is about to get a twin; a record's count must take it. */
static int records_have_room(struct numab_machine *m, const struct mm *mm)
{
	uint64_t k;
	uint32_t i;

	for (i = 0; mm->nr_shared && i < mm->nr_spans; i++) {
		const struct span *s = &mm->spans[i];

		for (k = 0; k < s->nr; k++)
			if (pte_present(s->pte[k]) && !(s->pte[k] & PTE_SPECIAL) &&
			    page_mapcount(m, s->pte[k]) > (int)(REC_MAP_MAX / 2))
				return fail(m, NUMAB_EBUSY, "vpn %llu is mapped %d times already",
					    (ull)(s->base + k), page_mapcount(m, s->pte[k]));
	}
	return 0;
}

/* Copy VMAs and entries; @to is new and empty.  On failure @from is as it was (its huge pages may
 * have been split) and @to is for the caller to free. */
int mm_copy(struct numab_machine *m, struct mm *from, struct mm *to)
{
	uint64_t nr_excl = from->nr_pages - from->nr_shared, at;
	uint32_t i;
	int err = records_have_room(m, from);

	if (err)
		return err;
	if (vmas_reserve(m, to, from->nr_vmas) || rec_reserve(m, nr_excl))
		return no_memory(m);
	for (i = 0; i < from->nr_vmas; i++)
		if (spans_cover(m, to, from->vmas[i].start, from->vmas[i].end))
			return no_memory(m);
	for (i = 0; i < from->nr_vmas; i++) {
		struct vma v = from->vmas[i];

		mpol_get(v.mpol);
		vma_insert(to, &v);
		if (v.object)
			m->objects[v.object - 1].nr_vmas++;
		for (at = v.start; at < v.end; at++) {
			struct span *s = span_find(from, at);
			struct slot *slot = slot_of(s, at);

			if (!slot->nr_used) {
				at |= SLOT_PAGES - 1;
				continue;
			}
			if (slot->flags & SLOT_HUGE)
				huge_split(m, from, s, (at - s->base) / SLOT_PAGES);
			if (s->pte[at - s->base])
				copy_one_pte(m, from, s, to, &v, at);
		}
	}
	tlb_flush_range(m, from, NULL);
	return 0;
}

/* ---- populate, look-ups ---- */

int numab_populate(struct numab_machine *m, int pid, const uint64_t *vpns, const int32_t *nids,
		   uint64_t n, int present)
{
	struct mm *mm = mm_get(m, pid);
	const struct vma *v = NULL;
	uint64_t i;

	if (!mm)
		return no_process(m, pid);
	if (n && (!vpns || !nids))
		return fail(m, NUMAB_EINVAL, "no pages or no nodes given");
	for (i = 0; i < n; i++)
		if (nids[i] < 0 || nids[i] >= m->nr_ids || !m->nodes[nids[i]].online)
			return fail(m, NUMAB_EINVAL, "node %d does not exist", nids[i]);
	for (i = 0; i < n; i++) {
		struct span *s;
		uint64_t *pte, bits = PTE_PRESENT | PTE_ACCESSED | PTE_EXCL;
		int nid;

		if (!v || vpns[i] < v->start || vpns[i] >= v->end)
			v = vma_find(mm, vpns[i]);
		if (!v || v->kind != NUMAB_ANON_PRIVATE || (v->flags & NUMAB_VMA_PFNMAP))
			return fail(m, NUMAB_EFAULT, "vpn %llu is not in anonymous private memory",
				    (ull)vpns[i]);
		s = span_find(mm, vpns[i]);
		pte = &s->pte[vpns[i] - s->base];
		if (pte_present(*pte))
			continue;
		if (!present) {
			pte_store(s, pte, PTE_WISH | pg_set_nid(0, nids[i]));
			continue;
		}
		nid = page_alloc_zonelist(m, nids[i], NULL, 1, 0);
		if (nid < 0)
			return no_page(m, vpns[i], 0);
		page_take(m, nid, 1);
		m->counters[NUMAB_C_alloc_pages]++;
		m->counters[NUMAB_C_alloc_fallback] += nid != nids[i];
		mm_account(mm, nid, 1);
		bits |= (v->prot & NUMAB_PROT_WRITE) ? PTE_RW | PTE_DIRTY : 0;
		if (v->prot == NUMAB_PROT_NONE)
			bits = (bits & ~PTE_PRESENT) | PTE_NUMA;
		pte_store(s, pte, bits | pg_new(nid));
	}
	return 0;
}

int numab_vmas(const struct numab_machine *m, int pid, struct numab_vma *out, int max)
{
	const struct mm *mm = mm_get(m, pid);
	uint32_t i;

	if (!mm || (!out && max > 0))
		return m && !mm ? NUMAB_ESRCH : NUMAB_EINVAL;
	for (i = 0; i < mm->nr_vmas && (int)i < max; i++) {
		const struct vma *v = &mm->vmas[i];

		out[i].vaddr = v->start * NUMAB_PAGE_BYTES;
		out[i].size_bytes = (v->end - v->start) * NUMAB_PAGE_BYTES;
		out[i].kind = v->kind;
		out[i].prot = v->prot;
		out[i].flags = v->flags;
		out[i].object = v->object;
		out[i].pgoff = v->pgoff;
		out[i].policy = v->mpol ? v->mpol->cookie : 0;
	}
	return (int)mm->nr_vmas;
}
