/* SPDX-License-Identifier: BSD-3-Clause
 *
 * feed.c - what tasks do next: rows, patterns, programs, recorded traces
 */
#include "internal.h"

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

/* A task turns to something else: what it waited for, it waits for no more. */
static void cursor_replace(struct numab_machine *m, struct task *t, const struct cursor *c)
{
	program_leave(m, t);
	cursor_free(m, &t->cur);
	if (c)
		t->cur = *c;
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
	cursor_replace(m, t, NULL);
	if (!n)
		return 0;
	t->cur.kind = CURSOR_ROWS;
	t->cur.rows = rows;
	t->cur.nr = n;
	t->cur.repeat = repeat ? repeat - 1 : UINT64_MAX;
	return 0;
}

int numab_feed_pattern(struct numab_machine *m, int tid, const struct numab_pattern *p)
{
	struct cursor c;
	int err;
	struct task *t = feedable(m, tid, &err);

	if (err)
		return err;
	err = pattern_check(m, p);
	if (err)
		return err;
	memset(&c, 0, sizeof(c));
	c.kind = CURSOR_PATTERN;
	err = generator_init(m, &c.gen, p->kind == NUMAB_ZIPF);
	if (err)
		return err;
	generator_begin(&c.gen, p, 0, rng_seed(p->seed));
	cursor_replace(m, t, &c);
	return 0;
}

int numab_feed_program(struct numab_machine *m, int tid, const struct numab_step *steps,
		       uint32_t n, uint32_t flags, uint64_t seed)
{
	struct cursor c;
	int err;
	struct task *t = feedable(m, tid, &err);

	if (!err)
		err = program_init(m, &c, steps, n, flags, seed);
	if (err)
		return err;
	cursor_replace(m, t, &c);
	return 0;
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
			cursor_replace(m, t, NULL);
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

/* All its rows are done: the next ones, or an empty cursor. */
static int cursor_refill(struct numab_machine *m, struct task *t, uint64_t *cost_ps,
			 enum consume_result *result)
{
	struct cursor *c = &t->cur;

	c->pos = 0;
	switch (c->kind) {
	case CURSOR_PROGRAM:
		return program_next(m, t, cost_ps, result);
	case CURSOR_PATTERN:
		c->rows = c->gen.rows;
		c->nr = generator_fill(&c->gen);
		break;
	default:
		if (!c->repeat)
			c->nr = 0;
		else if (c->repeat != UINT64_MAX)
			c->repeat--;
		break;
	}
	if (!c->nr)
		cursor_free(m, c);
	return 0;
}

/* Let a task use up to @budget_ps of time on what it was fed. */
int cursor_run(struct numab_machine *m, struct task *t, uint64_t budget_ps, uint64_t *cost_ps,
	       enum consume_result *result)
{
	struct cursor *c = &t->cur;

	*result = CONSUMED_BUDGET;
	if (c->kind == CURSOR_PROGRAM && program_waits(t)) {
		*result = CONSUMED_SLEEPS;
		return 0;
	}
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
			err = cursor_refill(m, t, cost_ps, result);
			if (err || *result != CONSUMED_BUDGET)
				return err;
			continue;
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
