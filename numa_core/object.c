/* SPDX-License-Identifier: BSD-3-Clause
 *
 * object.c - memory that several processes map: its records, its life, its policies by offset
 *
 * Linux: an inode with its page cache; of shared memory also the policies of its parts, which every
 * mapper obeys and which outlive each mapping (mm/mempolicy.c, struct shared_policy).
 */
#include "internal.h"

/* ---- policies of its parts ---- */

/* Index of the first range that ends after @index; nr_ranges when there is none. */
static uint32_t first_range_ending_after(const struct object *o, uint64_t index)
{
	uint32_t lo = 0, hi = o->nr_ranges;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (o->ranges[mid].end > index)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* The policy of page @index, NULL: none.  Linux: mpol_shared_policy_lookup. */
struct mpol *mpol_shared_policy_lookup(const struct object *o, uint64_t index)
{
	uint32_t i = first_range_ending_after(o, index);

	return i < o->nr_ranges && o->ranges[i].start <= index ? o->ranges[i].mpol : NULL;
}

/* Make room so that @more calls of mpol_set_shared_policy() cannot fail: each adds two at most. */
int shared_policy_reserve(struct numab_machine *m, struct object *o, uint32_t more)
{
	uint32_t cap = o->cap_ranges ? o->cap_ranges : 4;

	while (cap < o->nr_ranges + 2 * more)
		cap *= 2;
	if (cap == o->cap_ranges)
		return 0;
	if (mem_grow(m, (void **)&o->ranges, sizeof(*o->ranges), o->cap_ranges, cap))
		return NUMAB_ENOMEM;
	o->cap_ranges = cap;
	return 0;
}

static void range_insert(struct object *o, uint32_t i, uint64_t start, uint64_t end,
			 struct mpol *p)
{
	struct shared_range *r = &o->ranges[i];

	memmove(r + 1, r, sizeof(*r) * (o->nr_ranges - i));
	r->start = start;
	r->end = end;
	r->mpol = mpol_get(p);
	o->nr_ranges++;
}

/* Pages [start, end) obey @p from now on, or nothing.  Room has been reserved.
 * Linux: shared_policy_replace; a range is cut where another begins, and neighbours never join. */
void mpol_set_shared_policy(struct numab_machine *m, struct object *o, uint64_t start, uint64_t end,
			    struct mpol *p)
{
	uint32_t i = first_range_ending_after(o, start);

	if (i < o->nr_ranges && o->ranges[i].start < start) {
		struct shared_range r = o->ranges[i];

		o->ranges[i++].end = start;
		if (r.end > end)
			range_insert(o, i, end, r.end, r.mpol);
	}
	while (i < o->nr_ranges && o->ranges[i].end <= end) {
		mpol_put(m, o->ranges[i].mpol);
		o->nr_ranges--;
		memmove(&o->ranges[i], &o->ranges[i + 1],
			sizeof(*o->ranges) * (o->nr_ranges - i));
	}
	if (i < o->nr_ranges && o->ranges[i].start < end)
		o->ranges[i].start = end;
	if (p)
		range_insert(o, i, start, end, p);
}

/* ---- birth and death ---- */

int numab_object(struct numab_machine *m, int kind, uint64_t nr_pages)
{
	uint64_t nr_chunks, i;
	struct object *o;

	if (!m)
		return NUMAB_EINVAL;
	if (kind != NUMAB_SHM && kind != NUMAB_FILE_SHARED)
		return fail(m, NUMAB_EINVAL, "object kind %d, permitted %d or %d", kind, NUMAB_SHM,
			    NUMAB_FILE_SHARED);
	if (!nr_pages || nr_pages > 1ull << 35)
		return fail(m, NUMAB_EINVAL, "object of %llu pages, permitted 1..2^35",
			    (ull)nr_pages);
	nr_chunks = (nr_pages + REC_CHUNK - 1) / REC_CHUNK;
	if (m->nr_objects == m->cap_objects) {
		int cap = m->cap_objects ? m->cap_objects * 2 : 8;

		if (mem_grow(m, (void **)&m->objects, sizeof(*o), m->cap_objects, cap))
			return no_memory(m);
		m->cap_objects = cap;
	}
	/* The first chunk of all belongs to anonymous records: index 0 means «none». */
	if (!m->nr_chunks && rec_reserve(m, 1))
		return no_memory(m);
	if (m->nr_chunks + nr_chunks > m->cap_chunks) {
		uint64_t cap = (m->nr_chunks + nr_chunks) * 2;

		if (mem_grow(m, (void **)&m->rec_chunks, sizeof(uint64_t *), m->cap_chunks, cap))
			return no_memory(m);
		m->cap_chunks = cap;
	}
	o = &m->objects[m->nr_objects];
	memset(o, 0, sizeof(*o));
	o->block = (uint64_t *)mem_zalloc(m, sizeof(uint64_t) * nr_chunks * REC_CHUNK);
	if (!o->block)
		return no_memory(m);
	o->nr_pages = nr_pages;
	o->kind = (uint8_t)kind;
	o->rec = m->nr_chunks * REC_CHUNK;
	for (i = 0; i < nr_chunks; i++)
		m->rec_chunks[m->nr_chunks++] = o->block + i * REC_CHUNK;
	return ++m->nr_objects;
}

/* Free an object that nobody can reach any more; its range of record numbers is not used again. */
void object_free(struct numab_machine *m, struct object *o)
{
	uint64_t nr_chunks = (o->nr_pages + REC_CHUNK - 1) / REC_CHUNK, i;

	mpol_set_shared_policy(m, o, 0, o->nr_pages, NULL);
	mem_free(m, o->ranges, sizeof(struct shared_range) * o->cap_ranges);
	o->ranges = NULL;
	o->cap_ranges = 0;
	for (i = 0; i < o->nr_pages; i++)
		if (o->block[i] & REC_USED)
			page_free(m, o->block[i]);
	for (i = 0; i < nr_chunks; i++)
		m->rec_chunks[o->rec / REC_CHUNK + i] = NULL;
	mem_free(m, o->block, sizeof(uint64_t) * nr_chunks * REC_CHUNK);
	o->block = NULL;
	o->nr_pages = 0;
}

/* One VMA less. */
void object_put(struct numab_machine *m, int object)
{
	struct object *o = object ? &m->objects[object - 1] : NULL;

	if (o && --o->nr_vmas == 0 && o->dropped)
		object_free(m, o);
}

int numab_object_drop(struct numab_machine *m, int object)
{
	struct object *o;

	if (!m)
		return NUMAB_EINVAL;
	if (object < 1 || object > m->nr_objects || m->objects[object - 1].dropped)
		return fail(m, NUMAB_ENOENT, "no object %d", object);
	o = &m->objects[object - 1];
	o->dropped = 1;
	if (!o->nr_vmas)
		object_free(m, o);
	return 0;
}
