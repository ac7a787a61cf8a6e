/* SPDX-License-Identifier: BSD-3-Clause
 *
 * feed.c - what tasks do next: rows, generated patterns, recorded traces
 */
#include "internal.h"

#define MAX_PATTERN_PAGES (1ull << 36)

static struct task *feedable(struct numab_machine *m, int tid, int *err)
{
	struct task *t = task_get(m, tid);

	*err = 0;
	if (!t)
		*err = no_task(m, tid);
	else if (m->replay.active && t->cur.kind == CURSOR_REPLAY)
		*err = fail(m, NUMAB_EBUSY, "task %d takes part in a replay", tid);
	return t;
}

int numab_feed_rows(struct numab_machine *m, int tid, const struct numab_row *rows, uint64_t n,
		    uint64_t repeat)
{
	int err;
	struct task *t = feedable(m, tid, &err);

	if (err)
		return err;
	if (n && !rows)
		return fail(m, NUMAB_EINVAL, "no rows given");
	cursor_free(m, &t->cur);
	if (!n)
		return 0;
	t->cur.kind = CURSOR_ROWS;
	t->cur.rows = rows;
	t->cur.nr = n;
	t->cur.repeat = repeat ? repeat - 1 : UINT64_MAX;
	return 0;
}

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

/* Segments of ranks: the first few alone, then 64 an octave, whose ranks are equally likely. */
static void zipf_segments(struct zipf *z, uint64_t nr_pages, uint32_t theta_milli)
{
	uint64_t rank = 0, total = 0;
	int shift = 12; /* so that the total stays below 2^63: weights have 52 bits, pages 36 */

	while (nr_pages >> (shift + 11))
		shift++;
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
}

/* Rank by its segment's share of the weight, then any rank of the segment. */
static uint64_t zipf_page(const struct zipf *z, uint64_t *rng, uint64_t nr_pages)
{
	uint64_t at = rng_next(rng) % z->cumul[z->nr - 1], rank;
	uint32_t lo = 0, hi = z->nr - 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (z->cumul[mid] > at)
			hi = mid;
		else
			lo = mid + 1;
	}
	rank = z->first[lo] + rng_below(rng, z->first[lo + 1] - z->first[lo]);
	if (nr_pages <= 0xffffffffull)
		return rank * z->mult % nr_pages;
	/* the same in two steps, as the product may have 72 bits */
	return ((((rank >> 18) * z->mult % nr_pages) << 18) + (rank & 0x3ffff) * z->mult) %
	       nr_pages;
}

/* ---- patterns ---- */

static int check_pattern(struct numab_machine *m, const struct numab_pattern *p)
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

int numab_feed_pattern(struct numab_machine *m, int tid, const struct numab_pattern *p)
{
	struct cursor c;
	int err;
	struct task *t = feedable(m, tid, &err);

	if (err)
		return err;
	err = check_pattern(m, p);
	if (err)
		return err;
	memset(&c, 0, sizeof(c));
	c.kind = CURSOR_PATTERN;
	c.pattern = *p;
	c.rng = rng_seed(p->seed);
	c.buffer = (struct numab_row *)mem_alloc(m, sizeof(*c.buffer) * PATTERN_ROWS);
	if (p->kind == NUMAB_ZIPF) {
		c.zipf.cumul = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * ZIPF_MAX_SEGMENTS);
		c.zipf.first = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * (ZIPF_MAX_SEGMENTS + 1));
	}
	if (!c.buffer || (p->kind == NUMAB_ZIPF && (!c.zipf.cumul || !c.zipf.first))) {
		cursor_free(m, &c);
		return fail(m, NUMAB_ENOMEM, "no memory for a pattern");
	}
	if (p->kind == NUMAB_ZIPF)
		zipf_segments(&c.zipf, p->nr_pages, p->theta_milli);
	cursor_free(m, &t->cur);
	t->cur = c;
	return 0;
}

/* Make the next rows of a pattern.  0: it is used up. */
static uint64_t pattern_fill(struct cursor *c)
{
	const struct numab_pattern *p = &c->pattern;
	uint64_t n = PATTERN_ROWS, i;

	if (p->touches && p->touches - c->made < n)
		n = p->touches - c->made;
	for (i = 0; i < n; i++, c->made++) {
		struct numab_row *row = &c->buffer[i];
		uint64_t page;

		switch (p->kind) {
		case NUMAB_SWEEP:
			page = c->made % p->nr_pages;
			break;
		case NUMAB_UNIFORM:
			page = rng_below(&c->rng, p->nr_pages);
			break;
		default:
			page = zipf_page(&c->zipf, &c->rng, p->nr_pages);
			break;
		}
		row->page = p->vpn + page;
		row->reads = p->reads;
		row->writes = p->writes;
		if (p->writes && p->write_permille < 1000 &&
		    rng_below(&c->rng, 1000) >= p->write_permille) {
			row->reads += row->writes;
			row->writes = 0;
		}
	}
	c->rows = c->buffer;
	c->nr = n;
	c->pos = 0;
	return n;
}

/* ---- replay ---- */

void replay_free(struct numab_machine *m)
{
	struct replay *r = &m->replay;

	mem_free(m, r->next, sizeof(uint64_t) * r->desc.nr_epochs);
	mem_free(m, r->started, r->desc.nr_epochs);
	memset(r, 0, sizeof(*r));
}

static int check_replay(struct numab_machine *m, const struct numab_replay *in)
{
	uint64_t i;

	if (!in || !in->nr_epochs || !in->nr_rows || !in->rows || !in->epochs)
		return fail(m, NUMAB_EINVAL, "a replay needs rows and epochs");
	if (!in->window)
		return fail(m, NUMAB_EINVAL, "replay window 0, permitted 1 and more");
	if (m->replay.active)
		return fail(m, NUMAB_EBUSY, "a replay is running");
	for (i = 0; i < in->nr_epochs; i++) {
		const struct numab_epoch *e = &in->epochs[i];

		if (!task_get(m, e->tid))
			return fail(m, NUMAB_ESRCH, "epoch %llu: no task %d", (ull)i,
				    e->tid);
		if (!e->nr_rows || e->row > in->nr_rows || e->nr_rows > in->nr_rows - e->row)
			return fail(m, NUMAB_EINVAL, "epoch %llu: rows %llu + %u of %llu",
				    (ull)i, (ull)e->row, e->nr_rows,
				    (ull)in->nr_rows);
	}
	return 0;
}

/* Everybody to the first epoch. */
static void replay_rewind(struct numab_machine *m)
{
	struct replay *r = &m->replay;
	uint64_t i;

	memset(r->started, 0, r->desc.nr_epochs);
	r->lowest = r->finished = 0;
	for (i = r->desc.nr_epochs; i-- > 0;) {
		struct task *t = m->ids[r->desc.epochs[i].tid].task;

		t->cur.epoch = i; /* descending: ends at the task's first */
		t->cur.in_epoch = 0;
	}
}

int numab_feed_replay(struct numab_machine *m, const struct numab_replay *in)
{
	struct replay *r;
	uint64_t i;
	int err = m ? check_replay(m, in) : NUMAB_EINVAL;

	if (err)
		return err;
	r = &m->replay;
	replay_free(m);
	r->desc = *in;
	r->next = (uint64_t *)mem_alloc(m, sizeof(uint64_t) * in->nr_epochs);
	r->started = (uint8_t *)mem_alloc(m, in->nr_epochs);
	if (!r->next || !r->started) {
		replay_free(m);
		return fail(m, NUMAB_ENOMEM, "no memory for %llu epochs",
			    (ull)in->nr_epochs);
	}
	for (i = in->nr_epochs; i-- > 0;) {
		struct task *t = m->ids[in->epochs[i].tid].task;

		if (t->cur.kind != CURSOR_REPLAY) {
			cursor_free(m, &t->cur);
			t->cur.kind = CURSOR_REPLAY;
			t->cur.epoch = UINT64_MAX;
		}
		r->next[i] = t->cur.epoch;
		t->cur.epoch = i;
	}
	r->active = 1;
	replay_rewind(m);
	return 0;
}

/* At the end of a tick: is a loop complete, all its price paid?  Then the next one begins.
 * *last: it was the last. */
int replay_loop_done(struct numab_machine *m, int *last)
{
	struct replay *r = &m->replay;
	uint64_t i;

	*last = 0;
	if (!r->active || r->finished < r->desc.nr_epochs)
		return 0;
	for (i = 0; i < (uint64_t)m->nr_slots; i++) {
		const struct task *t = m->ids[i].task;

		if (t && t->cur.kind == CURSOR_REPLAY && t->debt_ps)
			return 0;
	}
	r->loop++;
	if (r->desc.loops && r->loop >= r->desc.loops) {
		*last = 1;
		for (i = 0; i < (uint64_t)m->nr_slots; i++)
			if (m->ids[i].task && m->ids[i].task->cur.kind == CURSOR_REPLAY)
				cursor_free(m, &m->ids[i].task->cur);
		r->active = 0;
		return 1;
	}
	replay_rewind(m);
	return 1;
}

/* The task's next epoch may start when every epoch @window or more places earlier has. */
static int epoch_may_start(const struct replay *r, uint64_t epoch)
{
	return epoch < r->lowest + r->desc.window;
}

static void epoch_start(struct replay *r, struct cursor *c)
{
	const struct numab_epoch *e = &r->desc.epochs[c->epoch];

	r->started[c->epoch] = 1;
	while (r->lowest < r->desc.nr_epochs && r->started[r->lowest])
		r->lowest++;
	c->in_epoch = 1;
	c->rows = r->desc.rows + e->row;
	c->nr = e->nr_rows;
	c->pos = c->page = 0;
}

static int replay_run(struct numab_machine *m, struct task *t, uint64_t *cost_ps,
		      enum consume_result *result)
{
	struct replay *r = &m->replay;
	struct cursor *c = &t->cur;
	struct progress p = { 0, 0, 0, 0, 0 };
	int err;

	if (!c->in_epoch) {
		if (c->epoch == UINT64_MAX || !epoch_may_start(r, c->epoch)) {
			*result = CONSUMED_WAITS;
			return 0;
		}
		epoch_start(r, c);
	}
	/* Atomic: all its rows now, whatever the tick has left; the price is debt. */
	p.rows = c->pos;
	p.page = c->page;
	err = run_rows(m, t, c->rows, c->nr, UINT64_MAX, &p);
	*cost_ps += p.cost_ps;
	c->pos = p.rows;
	c->page = p.page;
	if (err)
		return err;
	c->in_epoch = 0;
	c->epoch = r->next[c->epoch];
	r->finished++;
	return 0;
}

/* ---- the cursor ---- */

/* Let a task use up to @budget_ps of time on what it was fed. */
int cursor_run(struct numab_machine *m, struct task *t, uint64_t budget_ps, uint64_t *cost_ps,
	       enum consume_result *result)
{
	struct cursor *c = &t->cur;

	*result = CONSUMED_BUDGET;
	while (*cost_ps < budget_ps) {
		struct progress p = { 0, 0, 0, 0, 0 };
		int err;

		if (c->kind == CURSOR_NONE) {
			*result = CONSUMED_EMPTY;
			return 0;
		}
		if (c->kind == CURSOR_REPLAY) {
			err = replay_run(m, t, cost_ps, result);
			if (err || *result == CONSUMED_WAITS)
				return err;
			continue;
		}
		if (c->pos == c->nr) {
			if (c->kind == CURSOR_PATTERN ? pattern_fill(c) == 0 : c->repeat == 0) {
				cursor_free(m, c);
				continue;
			}
			if (c->kind == CURSOR_ROWS && c->repeat != UINT64_MAX)
				c->repeat--;
			c->pos = 0;
		}
		p.rows = c->pos;
		p.page = c->page;
		err = run_rows(m, t, c->rows, c->nr, budget_ps - *cost_ps, &p);
		*cost_ps += p.cost_ps;
		c->pos = p.rows;
		c->page = p.page;
		if (err)
			return err;
	}
	return 0;
}
