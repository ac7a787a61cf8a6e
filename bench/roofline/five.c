/* five.c - a smaller job at its limit: records of five bytes, one pass
 *
 * One page number of 32 bits and one task of 8 bits a touch, 64 windows, one pass, so that nothing
 * migrates; two-stage filter, statistics per task, local and remote counts.  The whole job is
 * compared with it without a floor: it reads a third of the bytes and keeps a part of the books.
 */
#include <string.h>

#include "limit.h"

#define AHEAD 128
#define WINDOWS 64

struct five {
	uint64_t faults[NR_TASKS][NR_NODES];
	uint64_t hint_faults, migrated, local, marked;
	uint32_t hist[4][NR_NODES * NR_NODES];
};

static noinline uint64_t fault(struct five *f, uint64_t p, unsigned task, unsigned nid)
{
	unsigned from = NID(p), last = TAG(p);

	p = (p & ~(NUMA | TAG_MASK)) | PRESENT | (uint64_t)nid << TAG_SHIFT;
	if (from != nid && last == nid) {
		p = (p & ~NID_MASK) | (uint64_t)nid << NID_SHIFT;
		from = nid;
		f->migrated++;
	}
	f->faults[task][from]++;
	f->hint_faults++;
	return p;
}

static inline void touch(struct five *f, uint64_t *pte, uint32_t vpn, unsigned task, int h)
{
	unsigned nid = task_nid(task);
	uint64_t p = pte[vpn];

	if (unlikely(p & NUMA))
		pte[vpn] = p = fault(f, p, task, nid);
	f->hist[h][nid * NR_NODES + NID(p)]++;
}

static void window(struct five *f, uint64_t *pte, const uint32_t *vpn, const uint8_t *task,
		   uint64_t n)
{
	uint64_t i;
	int k;

	for (i = 0; i + 4 <= n; i += 4) {
		for (k = 0; k < 4; k++)
			prefetch_w(&pte[vpn[i + AHEAD + k]]);
		for (k = 0; k < 4; k++)
			touch(f, pte, vpn[i + k], task[i + k], k);
	}
	for (; i < n; i++)
		touch(f, pte, vpn[i], task[i], 0);
}

uint64_t limit_mark(uint64_t *pte, uint64_t n);

/* @vpn must be readable AHEAD records beyond @n.  Returns the local accesses. */
uint64_t five_job(struct limit *l, const uint32_t *vpn, const uint8_t *task, uint64_t n,
		  uint64_t *hint_faults)
{
	uint64_t part = l->nr_pages / WINDOWS, w;
	struct five f;
	int h, i;

	memset(&f, 0, sizeof(f));
	for (w = 0; w < WINDOWS; w++) {
		uint64_t at = n / WINDOWS * w;

		f.marked += limit_mark(l->pte + w * part, part);
		window(&f, l->pte, vpn + at, task + at, n / WINDOWS);
	}
	for (h = 0; h < 4; h++)
		for (i = 0; i < NR_NODES; i++)
			f.local += f.hist[h][i * NR_NODES + i];
	*hint_faults = f.hint_faults;
	return f.local;
}
