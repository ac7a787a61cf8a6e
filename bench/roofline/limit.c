/* limit.c - the limit of the whole job, of marking, of a fault storm and of single calls
 *
 * Question: how fast can this machine run the job at all?  Method: plain C over one flat array of
 * 64-bit entries, prefetched ahead, several histograms, the fault path out of line.  The answers
 * must be those of the core, bit for bit: limit_words() here, words() of sides.py there.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "limit.h"

#define AHEAD 96 /* records: 64 to 128 are alike here */
/* The records themselves: where random look-ups disturb it, the processor does not fetch a stream
 * far enough ahead by itself. */
#define ROWS_AHEAD (4 * AHEAD)
#define LARGE_BYTES ((size_t)2 << 20)

/* ---- the table ---- */

static void *map_table(size_t bytes)
{
	void *p = aligned_alloc(LARGE_BYTES, (bytes + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1));

	if (p)
		madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

/* All pages present, placed by first_nid(), tags unset; nothing counted yet. */
void limit_reset(struct limit *l, uint64_t free_pages, uint64_t high)
{
	uint64_t *pte = l->pte, nr = l->nr_pages, i;
	unsigned nid;

	memset(l, 0, sizeof(*l));
	l->pte = pte;
	l->nr_pages = nr;
	for (i = 0; i < nr; i++) {
		nid = first_nid(i);
		pte[i] = NEED_WRITE | TAG_MASK | (uint64_t)nid << NID_SHIFT;
		l->node_pages[nid]++;
	}
	for (nid = 0; nid < NR_NODES; nid++) {
		l->free[nid] = free_pages - l->node_pages[nid];
		l->high[nid] = high;
	}
}

struct limit *limit_new(uint64_t nr_pages)
{
	struct limit *l = aligned_alloc(64, (sizeof(*l) + 63) & ~63ul);

	if (!l)
		return NULL;
	l->nr_pages = nr_pages;
	l->pte = map_table(nr_pages * sizeof(uint64_t));
	if (!l->pte) {
		free(l);
		return NULL;
	}
	return l;
}

void limit_free(struct limit *l)
{
	free(l->pte);
	free(l);
}

/* ---- marking ---- */

/* A present entry that is not marked becomes marked. */
uint64_t limit_mark(uint64_t *pte, uint64_t n)
{
	uint64_t marked = 0, i;

	for (i = 0; i < n; i++) {
		uint64_t p = pte[i], hit = (p & (PRESENT | NUMA)) == PRESENT;

		pte[i] = hit ? (p & ~PRESENT) | NUMA : p;
		marked += hit;
	}
	return marked;
}

void limit_unmark(uint64_t *pte, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		pte[i] = (pte[i] & ~NUMA) | PRESENT;
}

double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* a system call less than the thread's own clock */
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Mark the whole table @times times, unmarked before each.  Returns the entries marked. */
uint64_t limit_marks(struct limit *l, int times, double *seconds)
{
	uint64_t marked = 0;
	double start;
	int k;

	for (k = 0; k < times; k++) {
		limit_unmark(l->pte, l->nr_pages);
		start = now_seconds();
		marked += limit_mark(l->pte, l->nr_pages);
		seconds[k] = now_seconds() - start;
	}
	return marked;
}

/* ---- moving on request ---- */

/* Entry i's page to nids[i], its node as status: found, rewritten, counted; the look-ups are
 * prefetched. */
void limit_moves(struct limit *l, uint64_t n, const uint64_t *vaddrs, const int32_t *nids,
		 int32_t *status)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		uint64_t *pte = &l->pte[vaddrs[i] >> 12], p = *pte;
		unsigned from = NID(p), to = (unsigned)nids[i];

		if (i + AHEAD < n)
			prefetch_w(&l->pte[vaddrs[i + AHEAD] >> 12]);
		status[i] = nids[i];
		if (from == to || !(p & (PRESENT | NUMA)))
			continue;
		*pte = (p & ~(NID_MASK | NUMA | ACCESSED | DIRTY)) | PRESENT |
		       (uint64_t)to << NID_SHIFT;
		l->free[from]++;
		l->free[to]--;
		l->node_pages[from]--;
		l->node_pages[to]++;
	}
}

static void halve(struct books *b)
{
	int i;

	b->tot >>= 1;
	for (i = 0; i < NR_NODES; i++)
		b->faults[i] >>= 1;
}

/* One window by @task; at the end of the space a pass is over. */
static void scan_window(struct limit *l, unsigned task, uint64_t start, uint64_t n)
{
	l->pte_updates += limit_mark(l->pte + start, n);
	if (start + n < l->nr_pages)
		return;
	l->scan_seq++;
	l->mm.tot >>= 1;
	halve(&l->task[task]);
}

/* ---- the fault path ---- */

static inline void credit(struct books *b, unsigned nid)
{
	b->tot++;
	b->ever++;
	b->faults[nid]++;
}

/* A marked entry: two-stage filter, perhaps a migration, the statistics. */
static inline uint64_t hint_fault(struct limit *l, unsigned task, unsigned nid, uint64_t p)
{
	unsigned from = NID(p), last = TAG(p), at = nid;

	l->hint_faults++;
	l->hint_faults_local += from == nid;
	p = (p & ~(NUMA | TAG_MASK)) | PRESENT | ACCESSED | (uint64_t)nid << TAG_SHIFT;
	if (last != nid) {
		l->reason[HOLD_FILTER]++;
	} else if (from == nid) {
		l->reason[HOLD_LOCAL]++;
	} else if (l->free[nid] <= l->high[nid] + 1) {
		l->reason[HOLD_MEMORY]++;
		at = from;
	} else {
		l->reason[GO]++;
		l->migrated++;
		l->free[from]++;
		l->free[nid]--;
		l->node_pages[from]--;
		l->node_pages[nid]++;
		p = (p & ~(NID_MASK | DIRTY)) | (uint64_t)nid << NID_SHIFT;
	}
	credit(&l->task[task], at);
	credit(&l->mm, at);
	return p;
}

static noinline uint64_t slow(struct limit *l, unsigned task, unsigned nid, uint64_t *pte,
			      uint32_t writes)
{
	uint64_t p = *pte;

	if (p & NUMA)
		p = hint_fault(l, task, nid, p);
	p |= writes ? ACCESSED | DIRTY : ACCESSED;
	*pte = p;
	return p;
}

/* ---- the job ---- */

#define HISTS 4

static inline uint64_t touch(struct limit *l, unsigned task, unsigned nid, const struct row *row)
{
	uint64_t *pte = &l->pte[row->page], p = *pte;
	uint64_t need = row->writes ? NEED_WRITE : NEED_READ;

	if (unlikely((p & need) != need))
		p = slow(l, task, nid, pte, row->writes);
	return NID(p);
}

/* Reads in the low half, writes in the high half: a run is too short for the one to overflow into
 * the other. */
static inline uint64_t both(const struct row *row)
{
	uint64_t rw;

	memcpy(&rw, &row->reads, sizeof(rw));
	return rw;
}

/* @n touches of one task.  AHEAD further records must be readable. */
static void run(struct limit *l, unsigned task, const struct row *rows, uint64_t n)
{
	const unsigned nid = task_nid(task);
	uint64_t hist[HISTS][NR_NODES], i;
	unsigned k;

	memset(hist, 0, sizeof(hist));
	for (i = 0; i + HISTS <= n; i += HISTS) {
		prefetch_r(&rows[i + ROWS_AHEAD]); /* one cache line: four records */
		for (k = 0; k < HISTS; k++)
			prefetch_w(&l->pte[rows[i + AHEAD + k].page]);
		for (k = 0; k < HISTS; k++)
			hist[k][touch(l, task, nid, &rows[i + k])] += both(&rows[i + k]);
	}
	for (; i < n; i++)
		hist[0][touch(l, task, nid, &rows[i])] += both(&rows[i]);
	for (k = 0; k < NR_NODES; k++) {
		uint64_t rw = hist[0][k] + hist[1][k] + hist[2][k] + hist[3][k];

		l->matrix[nid][k][0] += rw & 0xffffffff;
		l->matrix[nid][k][1] += rw >> 32;
	}
}

/* The whole job: a window is marked, then @runs_per_window runs of @run_rows touches follow.  The
 * scanning task changes with every window, as tasks race for it. */
void limit_job(struct limit *l, const struct row *rows, uint64_t run_rows, const uint8_t *runs,
	       uint64_t nr_windows, uint64_t runs_per_window, uint64_t window_pages)
{
	uint64_t per_pass = l->nr_pages / window_pages, w, r;

	for (w = 0; w < nr_windows; w++) {
		scan_window(l, (unsigned)(w % NR_TASKS), w % per_pass * window_pages, window_pages);
		for (r = 0; r < runs_per_window; r++, rows += run_rows)
			run(l, runs[w * runs_per_window + r], rows, run_rows);
	}
}

/* Batches of one task. */
void limit_batches(struct limit *l, unsigned task, const struct row *rows, uint64_t n,
		   uint64_t batch)
{
	uint64_t at;

	for (at = 0; at < n; at += batch)
		run(l, task, rows + at, n - at < batch ? n - at : batch);
}

/* ---- fault storm: no statistics, no reasons ---- */

uint64_t limit_storm(struct limit *l, unsigned nid, const struct row *rows, uint64_t n)
{
	uint64_t faults = 0, i;

	for (i = 0; i < n; i++) {
		uint64_t *pte = &l->pte[rows[i].page], p = *pte;

		prefetch_r(&rows[i + ROWS_AHEAD]);
		prefetch_w(&l->pte[rows[i + AHEAD].page]);
		if (!(p & NUMA))
			continue;
		if (NID(p) != nid && TAG(p) == nid)
			p = (p & ~(NID_MASK | DIRTY)) | (uint64_t)nid << NID_SHIFT;
		*pte = (p & ~(NUMA | TAG_MASK)) | PRESENT | ACCESSED | (uint64_t)nid << TAG_SHIFT;
		faults++;
	}
	return faults;
}

/* ---- one access a call ---- */

int limit_access(struct limit *l, int task, uint64_t vaddr, int write, void *out)
{
	const unsigned nid = task_nid((unsigned)task);
	const struct row row = { vaddr >> 12, !write, (uint32_t)write };

	(void)out;
	l->matrix[nid][touch(l, (unsigned)task, nid, &row)][write != 0]++;
	return 0;
}

/* Through a pointer, as through a shared library's table. */
int limit_calls(struct limit *l, int task, const struct row *rows, uint64_t n)
{
	int (*volatile access)(struct limit *, int, uint64_t, int, void *) = limit_access;
	uint64_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = access(l, task, rows[i].page << 12, rows[i].writes != 0, NULL);
	return err;
}

/* ---- the answers ---- */

/* The same words in the same order as host.c's digest(), pages as one number. */
uint64_t limit_words(const struct limit *l, uint64_t *out)
{
	uint64_t n = 0, pages = 0, i;
	int t, k;

	out[n++] = l->pte_updates;
	out[n++] = l->hint_faults;
	out[n++] = l->hint_faults_local;
	out[n++] = l->migrated;
	out[n++] = l->scan_seq;
	for (k = 0; k < NR_REASONS; k++)
		out[n++] = l->reason[k];
	memcpy(out + n, l->matrix, sizeof(l->matrix));
	n += sizeof(l->matrix) / sizeof(uint64_t);
	memcpy(out + n, l->free, sizeof(l->free));
	n += NR_NODES;
	memcpy(out + n, l->node_pages, sizeof(l->node_pages));
	n += NR_NODES;
	out[n++] = l->mm.tot;
	memcpy(out + n, l->mm.faults, sizeof(l->mm.faults));
	n += NR_NODES;
	for (t = 0; t < NR_TASKS; t++) {
		memcpy(out + n, &l->task[t], sizeof(l->task[t]));
		n += sizeof(l->task[t]) / sizeof(uint64_t);
	}
	for (i = 0; i < l->nr_pages; i++) {
		uint64_t p = l->pte[i], word = NID(p) | (uint64_t)TAG(p) << 10;

		word |= (uint64_t)!!(p & NUMA) << 31 | (uint64_t)!!(p & ACCESSED) << 32 |
			(uint64_t)!!(p & DIRTY) << 33;
		pages ^= (word ^ i << 34) * 0x9e3779b97f4a7c15ull;
	}
	out[n++] = pages;
	return n;
}
