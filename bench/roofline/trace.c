/* trace.c - the touches that every side replays: uniform, or zipf with scattered ranks
 *
 * Seeded, so that one machine always makes the same trace (pow() may differ between machines: the
 * checksums of a zipf trace compare sides, not machines).
 */
#include <math.h>
#include <stdlib.h>

#include "limit.h"

static uint64_t next(uint64_t *s)
{
	uint64_t x = *s;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*s = x;
	return x * 2685821657736338717ull;
}

static uint64_t below(uint64_t *s, uint64_t n)
{
	return (next(s) >> 32) * n >> 32;
}

/* Walker's alias table: @share[k] is the chance that rank k keeps its own column. */
static int alias_table(uint64_t nr, double theta, double *share, uint32_t *alias)
{
	uint32_t *stack = malloc(nr * sizeof(*stack));
	uint64_t i, small = 0, large = nr;
	double sum = 0;

	if (!stack)
		return -1;
	for (i = 0; i < nr; i++)
		sum += share[i] = pow((double)(i + 1), -theta);
	for (i = 0; i < nr; i++) {
		share[i] *= (double)nr / sum;
		alias[i] = (uint32_t)i;
		stack[share[i] < 1 ? small++ : --large] = (uint32_t)i;
	}
	while (small && large < nr) {
		uint32_t lo = stack[--small], hi = stack[large];

		alias[lo] = hi;
		share[hi] -= 1 - share[lo];
		if (share[hi] < 1) {
			large++;
			stack[small++] = hi;
		}
	}
	free(stack);
	return 0;
}

static int zipf_pages(uint64_t *s, struct row *rows, uint64_t n, uint64_t nr, double theta)
{
	double *share = malloc(nr * sizeof(*share));
	uint32_t *alias = malloc(nr * sizeof(*alias)), *page = malloc(nr * sizeof(*page));
	int err = !share || !alias || !page || alias_table(nr, theta, share, alias);
	uint64_t i;

	for (i = 0; !err && i < nr; i++) {
		uint64_t k = below(s, i + 1);

		page[i] = page[k];
		page[k] = (uint32_t)i;
	}
	for (i = 0; !err && i < n; i++) {
		uint64_t k = below(s, nr);
		double u = (double)(next(s) >> 11) * 0x1p-53;

		rows[i].page = page[u < share[k] ? k : alias[k]];
	}
	free(share);
	free(alias);
	free(page);
	return err ? -1 : 0;
}

/* @n records over @nr_pages pages; theta 0: uniform.  One touch in four is a write.  runs[]: the
 * task that makes each run of touches. */
int trace_make(struct row *rows, uint64_t n, uint64_t nr_pages, double theta, uint8_t *runs,
	       uint64_t nr_runs, uint64_t seed)
{
	uint64_t s = seed * 2 + 1, i;

	for (i = 0; i < 16; i++)
		next(&s);
	for (i = 0; i < n; i++) {
		uint32_t write = (next(&s) >> 62) == 0;

		rows[i].page = below(&s, nr_pages);
		rows[i].reads = !write;
		rows[i].writes = write;
	}
	for (i = 0; i < nr_runs; i++)
		runs[i] = (uint8_t)below(&s, NR_TASKS);
	return theta > 0 ? zipf_pages(&s, rows, n, nr_pages, theta) : 0;
}

/* Every page once, in random order. */
int trace_permutation(struct row *rows, uint64_t n, uint64_t seed)
{
	uint64_t s = seed * 2 + 1, i;

	for (i = 0; i < n; i++) {
		uint64_t k = below(&s, i + 1);

		rows[i].page = rows[k].page;
		rows[k].page = i;
		rows[i].reads = 1;
		rows[i].writes = 0;
	}
	return 0;
}
