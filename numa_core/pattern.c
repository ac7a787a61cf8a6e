/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pattern.c - generated rows: sweep, uniform, zipf, with integers only
 *
 * A generator is where a pattern stands: how many touches it has made, its random state, and the
 * tables of a zipf.  Nothing here knows of tasks.
 */
#include "internal.h"

#define MAX_PATTERN_PAGES (1ull << 36)

/* ---- zipf without floating point ---- */

/* log2(x) in 32.32 fixed point, x >= 1: the whole part by its top bit, the rest by squaring. */
static uint64_t log2_fix(uint64_t x)
{
	int whole = 63, i;
	uint64_t frac = 0, y;

	while (!(x >> whole))
		whole--;
	/* [2^31, 2^32) stands for [1, 2) */
	y = whole >= 31 ? x >> (whole - 31) : x << (31 - whole);
	for (i = 31; i >= 0; i--) {
		y = (y * y) >> 31;
		if (y >> 32) {
			frac |= 1ull << i;
			y >>= 1;
		}
	}
	return (uint64_t)whole << 32 | frac;
}

static uint64_t sqrt_fix(uint64_t x) /* floor(sqrt(x)) */
{
	uint64_t r = 0, bit = 1ull << 62;

	for (; bit; bit >>= 2) {
		if (x >= r + bit) {
			x -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return r;
}

/* 2^-x for a 32.32 fixed-point x, scaled by 2^52.  Bit i of the fraction contributes the factor
 * 2^-(2^(i-32)); each factor is the square root of the one before. */
static uint64_t exp2_neg_fix(uint64_t x)
{
	uint64_t whole = x >> 32, frac = x & 0xffffffffull, y = 1ull << 32;
	uint64_t factor = 1ull << 31; /* 0.32 fixed point: 2^-1 */
	int i;

	if (whole > 52)
		return 0;
	for (i = 31; i >= 0; i--) {
		factor = sqrt_fix(factor << 32);
		if (frac >> i & 1)
			y = (y * factor) >> 32;
	}
	return (y << 20) >> whole;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* weight * len / 2^shift, where the product may have 82 bits and shift is at most 26. */
static uint64_t mul_shift(uint64_t weight, uint64_t len, int shift)
{
	uint64_t low = weight & ((1ull << 26) - 1);

	return ((weight >> 26) * len << (26 - shift)) + (low * len >> shift);
}

/* Where the search for a weight begins: a step or two before the segment that holds it. */
static void zipf_guides(struct zipf *z, uint64_t total)
{
	uint32_t i, at = 0;

	z->guide_shift = 0;
	while (total >> z->guide_shift >= ZIPF_GUIDES)
		z->guide_shift++;
	for (i = 0; (uint64_t)i << z->guide_shift < total && i < ZIPF_GUIDES; i++) {
		while (z->cumul[at] <= (uint64_t)i << z->guide_shift)
			at++;
		z->guide[i] = at;
	}
}

/* Segments of ranks: the first few alone, then 64 an octave, whose ranks are equally likely. */
static void zipf_segments(struct zipf *z, uint64_t nr_pages, uint32_t theta_milli)
{
	uint64_t rank = 0, total = 0;
	int shift = 12; /* so that the total stays below 2^63: weights have 52 bits, pages 36 */

	while (nr_pages >> (shift + 11))
		shift++;
	z->theta_milli = theta_milli;
	z->nr = 0;
	while (rank < nr_pages && z->nr < ZIPF_MAX_SEGMENTS) {
		uint64_t len = 1, mid, weight;

		if (rank >= ZIPF_EXACT_RANKS)
			len = rank / ZIPF_SEGMENTS_PER_OCTAVE;
		if (len > nr_pages - rank || z->nr == ZIPF_MAX_SEGMENTS - 1)
			len = nr_pages - rank;
		mid = rank + 1 + (len - 1) / 2;
		weight = mul_shift(exp2_neg_fix(log2_fix(mid) * theta_milli / 1000), len, shift);
		total += weight ? weight : 1;
		z->first[z->nr] = rank;
		z->cumul[z->nr++] = total;
		rank += len;
	}
	z->first[z->nr] = nr_pages;
	z->mult = nr_pages / 2 + nr_pages / 8 + 1; /* far from 1 and from nr_pages */
	while (gcd(z->mult, nr_pages) != 1)
		z->mult++;
	zipf_guides(z, total);
}

static int zipf_is_of(const struct zipf *z, uint64_t nr_pages, uint32_t theta_milli)
{
	return z->nr && z->first[z->nr] == nr_pages && z->theta_milli == theta_milli;
}

/* Tables cost thousands of touches, and a step may make a few hundred. */
static void zipf_use(struct generator *g, uint64_t nr_pages, uint32_t theta_milli)
{
	if (zipf_is_of(&g->zipf[g->zipf_at], nr_pages, theta_milli))
		return;
	g->zipf_at ^= 1;
	if (!zipf_is_of(&g->zipf[g->zipf_at], nr_pages, theta_milli))
		zipf_segments(&g->zipf[g->zipf_at], nr_pages, theta_milli);
}

/* Rank by its segment's share of the weight, then any rank of the segment. */
static uint64_t zipf_page(const struct zipf *z, uint64_t *rng, uint64_t nr_pages)
{
	uint64_t at = rng_next(rng) % z->cumul[z->nr - 1], rank;
	uint32_t seg = z->guide[at >> z->guide_shift];

	while (z->cumul[seg] <= at)
		seg++;
	rank = z->first[seg] + rng_below(rng, z->first[seg + 1] - z->first[seg]);
	if (nr_pages <= 0xffffffffull)
		return rank * z->mult % nr_pages;
	/* the same in two steps, as the product may have 72 bits */
	return ((((rank >> 18) * z->mult % nr_pages) << 18) + (rank & 0x3ffff) * z->mult) %
	       nr_pages;
}

/* ---- patterns ---- */

int pattern_check(struct numab_machine *m, const struct numab_pattern *p)
{
	if (!p || p->kind > NUMAB_ZIPF)
		return fail(m, NUMAB_EINVAL, "pattern kind %u, permitted 0..2", p ? p->kind : 0);
	if (!p->nr_pages || p->nr_pages > MAX_PATTERN_PAGES || p->vpn >= MAX_VPN ||
	    p->vpn + p->nr_pages > MAX_VPN)
		return fail(m, NUMAB_EINVAL,
			    "pattern of %llu pages from vpn %llu: 1..2^36 below 2^48",
			    (ull)p->nr_pages, (ull)p->vpn);
	if (p->kind == NUMAB_ZIPF && (p->theta_milli < 1 || p->theta_milli > 4000))
		return fail(m, NUMAB_EINVAL, "theta_milli %u, permitted 1..4000", p->theta_milli);
	if (p->write_permille > 1000)
		return fail(m, NUMAB_EINVAL, "write_permille %u, permitted 0..1000",
			    p->write_permille);
	if ((!p->reads && !p->writes) || p->reads > UINT32_MAX - p->writes)
		return fail(m, NUMAB_EINVAL,
			    "a touch of %u reads and %u writes, permitted 1..2^32-1 in all",
			    p->reads, p->writes);
	return 0;
}

void generator_free(struct numab_machine *m, struct generator *g)
{
	int i;

	for (i = 0; i < 2; i++) {
		mem_free(m, g->zipf[i].cumul, sizeof(uint64_t) * ZIPF_MAX_SEGMENTS);
		mem_free(m, g->zipf[i].first, sizeof(uint64_t) * (ZIPF_MAX_SEGMENTS + 1));
		mem_free(m, g->zipf[i].guide, sizeof(uint32_t) * ZIPF_GUIDES);
	}
	mem_free(m, g->rows, sizeof(*g->rows) * PATTERN_ROWS);
	memset(g, 0, sizeof(*g));
}

/* Room for rows, and for the tables of a zipf.  On failure nothing is held. */
int generator_init(struct numab_machine *m, struct generator *g, int has_zipf)
{
	int i, ok;

	memset(g, 0, sizeof(*g));
	g->rows = (struct numab_row *)mem_alloc(m, sizeof(*g->rows) * PATTERN_ROWS);
	ok = g->rows != NULL;
	for (i = 0; i < 2 && has_zipf; i++) {
		struct zipf *z = &g->zipf[i];

		z->cumul = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * ZIPF_MAX_SEGMENTS);
		z->first = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * (ZIPF_MAX_SEGMENTS + 1));
		z->guide = (uint32_t *)mem_alloc(m, sizeof(uint32_t) * ZIPF_GUIDES);
		ok &= z->cumul && z->first && z->guide;
	}
	if (ok)
		return 0;
	generator_free(m, g);
	return no_memory(m);
}

/* Begin a pattern, or go on with it from its @made-th touch. */
void generator_begin(struct generator *g, const struct numab_pattern *p, uint64_t made,
		     uint64_t rng)
{
	g->pattern = *p;
	g->made = made;
	g->left = p->touches ? p->touches : UINT64_MAX;
	g->rng = rng;
	if (p->kind == NUMAB_ZIPF)
		zipf_use(g, p->nr_pages, p->theta_milli);
}

/* Make the next rows.  0: the pattern is used up. */
uint64_t generator_fill(struct generator *g)
{
	const struct numab_pattern *p = &g->pattern;
	uint64_t n = g->left < PATTERN_ROWS ? g->left : PATTERN_ROWS, i;
	uint64_t next = g->made % p->nr_pages; /* of a sweep */

	for (i = 0; i < n; i++, g->made++) {
		struct numab_row *row = &g->rows[i];
		uint64_t page;

		switch (p->kind) {
		case NUMAB_SWEEP:
			page = next++;
			if (next == p->nr_pages)
				next = 0;
			break;
		case NUMAB_UNIFORM:
			page = rng_below(&g->rng, p->nr_pages);
			break;
		default:
			page = zipf_page(&g->zipf[g->zipf_at], &g->rng, p->nr_pages);
			break;
		}
		row->page = p->vpn + page;
		row->reads = p->reads;
		row->writes = p->writes;
		if (p->writes && p->write_permille < 1000 &&
		    rng_below(&g->rng, 1000) >= p->write_permille) {
			row->reads += row->writes;
			row->writes = 0;
		}
	}
	if (g->left != UINT64_MAX)
		g->left -= n;
	return n;
}
