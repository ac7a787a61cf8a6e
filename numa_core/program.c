/* SPDX-License-Identifier: BSD-3-Clause
 *
 * program.c - steps of a program: touch, repeat, sleep, meet at a barrier, stop the world, mprotect
 *
 * A program is what a benchmark's thread does, so that no host has to be asked once it runs.  Tasks
 * wait by sleeping; whoever makes the condition true wakes them, in ascending order of ids.  All of
 * it happens within ticks: somebody woken on a CPU that has had its tick goes on in the next one.
 */
#include "internal.h"

static const char *const step_names[] = {
	"touch", "repeat", "sleep", "barrier", "stop", "start", "protect"
};

#define NR_STEP_KINDS ((uint32_t)(sizeof(step_names) / sizeof(step_names[0])))

const char *numab_step_name(int kind)
{
	return kind >= 0 && (uint32_t)kind < NR_STEP_KINDS ? step_names[kind] : NULL;
}

/* ---- is it a program? ---- */

static int check_barrier(struct numab_machine *m, const struct numab_step *s)
{
	if (s->target >= NUMAB_MAX_BARRIERS)
		return fail(m, NUMAB_EINVAL, "barrier %u, permitted 0..%d", s->target,
			    NUMAB_MAX_BARRIERS - 1);
	if (!s->count || s->count > INT32_MAX)
		return fail(m, NUMAB_EINVAL, "barrier %u of %llu tasks, permitted 1..2^31-1",
			    s->target, (ull)s->count);
	if (s->count_max > 1)
		return fail(m, NUMAB_EINVAL, "barrier %u goes on %llu, permitted 0, 1", s->target,
			    (ull)s->count_max);
	if (s->target < m->nr_barriers && m->barriers[s->target].arrived &&
	    m->barriers[s->target].need != s->count)
		return fail(m, NUMAB_EBUSY, "barrier %u of %llu tasks: some came for %u there",
			    s->target, (ull)s->count, m->barriers[s->target].need);
	return 0;
}

static int check_range(struct numab_machine *m, const struct numab_pattern *p)
{
	if (!p->nr_pages || p->nr_pages > MAX_VPN || p->vpn > MAX_VPN - p->nr_pages)
		return fail(m, NUMAB_EINVAL, "%llu pages from vpn %llu, permitted: 1 and more, "
			    "below 2^48", (ull)p->nr_pages, (ull)p->vpn);
	return 0;
}

static int check_step(struct numab_machine *m, const struct numab_step *s, uint32_t at)
{
	switch (s->kind) {
	case NUMAB_STEP_TOUCH:
		return pattern_check(m, &s->touch);
	case NUMAB_STEP_REPEAT:
		if (s->target >= at)
			return fail(m, NUMAB_EINVAL, "step %u repeats from step %u, permitted: an "
				    "earlier one", at, s->target);
		return 0;
	case NUMAB_STEP_SLEEP:
		if (s->count > s->count_max || s->count_max >= 1ull << 62)
			return fail(m, NUMAB_EINVAL, "sleep of %llu to %llu ns, permitted: "
				    "ascending, below 2^62", (ull)s->count, (ull)s->count_max);
		return 0;
	case NUMAB_STEP_BARRIER:
		return check_barrier(m, s);
	case NUMAB_STEP_PROTECT:
		if (s->target > 7)
			return fail(m, NUMAB_EINVAL, "protection %u, permitted 0..7", s->target);
		return check_range(m, &s->touch);
	default:
		return 0;
	}
}

static int check_program(struct numab_machine *m, const struct numab_step *steps, uint32_t n,
			 uint32_t flags)
{
	uint32_t i;

	if (!steps || !n || n > NUMAB_MAX_STEPS)
		return fail(m, NUMAB_EINVAL, "a program of %u steps, permitted 1..%d", n,
			    NUMAB_MAX_STEPS);
	if (flags & ~(uint32_t)NUMAB_PROGRAM_MUTATOR)
		return fail(m, NUMAB_EINVAL, "program flags 0x%x, permitted 0 or 1", flags);
	for (i = 0; i < n; i++) {
		int err;

		if (steps[i].kind >= NR_STEP_KINDS)
			return fail(m, NUMAB_EINVAL, "step %u is of kind %u, permitted 0..%u", i,
				    steps[i].kind, NR_STEP_KINDS - 1);
		err = check_step(m, &steps[i], i);
		if (err)
			return err;
	}
	return 0;
}

/* ---- a program's life ---- */

static int barriers_reserve(struct numab_machine *m, const struct numab_step *steps, uint32_t n)
{
	uint32_t top = m->nr_barriers, i;

	for (i = 0; i < n; i++)
		if (steps[i].kind == NUMAB_STEP_BARRIER && steps[i].target >= top)
			top = steps[i].target + 1;
	if (top == m->nr_barriers)
		return 0;
	if (mem_grow(m, (void **)&m->barriers, sizeof(*m->barriers), m->nr_barriers, top))
		return no_memory(m);
	memset(&m->barriers[m->nr_barriers], 0, sizeof(*m->barriers) * (top - m->nr_barriers));
	m->nr_barriers = top;
	return 0;
}

int program_init(struct numab_machine *m, struct cursor *c, const struct numab_step *steps,
		 uint32_t n, uint32_t flags, uint64_t seed)
{
	struct program *p = &c->program;
	int has_zipf = 0, err = check_program(m, steps, n, flags);
	uint32_t i;

	memset(c, 0, sizeof(*c));
	if (!err)
		err = barriers_reserve(m, steps, n);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		has_zipf |= steps[i].kind == NUMAB_STEP_TOUCH && steps[i].touch.kind == NUMAB_ZIPF;
	c->kind = CURSOR_PROGRAM;
	p->nr = n;
	p->mutator = (flags & NUMAB_PROGRAM_MUTATOR) != 0;
	p->rng = rng_seed(seed);
	p->steps = (struct numab_step *)mem_alloc(m, sizeof(*p->steps) * n);
	p->states = (struct step_state *)mem_zalloc(m, sizeof(*p->states) * n);
	if (!p->steps || !p->states || generator_init(m, &c->gen, has_zipf)) {
		cursor_free(m, c);
		return no_memory(m);
	}
	memcpy(p->steps, steps, sizeof(*steps) * n);
	for (i = 0; i < n; i++) {
		p->states[i].rng = rng_seed(steps[i].touch.seed ^ seed);
		p->states[i].left = steps[i].count;
	}
	return 0;
}

/* ---- waiting ---- */

/* Is it held up?  Then it has to sleep (again: a host may have woken it). */
int program_waits(const struct task *t)
{
	const struct program *p = &t->cur.program;

	return p->waits || (p->mutator && t->mm->world_stopped);
}

/* It is held up, and all that it did is paid: a sleep begins. */
void program_sleep(struct numab_machine *m, struct task *t)
{
	struct program *p = &t->cur.program;
	uint64_t until_ns = UINT64_MAX;

	if (p->waits == WAITS_FOR_TIMER) {
		p->waits = 0;
		until_ns = cpu_now_ns(m, t->cpu) + p->sleep_ns;
	} else if (!p->waits) {
		p->waits = WAITS_FOR_WORLD;
	}
	task_sleep(m, t, until_ns);
}

/* 1: it has to wait until the others have come.  Who only posts that it came goes on. */
static int meet(struct numab_machine *m, struct task *t, const struct numab_step *s)
{
	struct barrier *b = &m->barriers[s->target];

	b->need = (uint32_t)s->count;
	if (++b->arrived < b->need) {
		b->posted += s->count_max;
		if (s->count_max)
			return 0;
		t->cur.program.waits = (int64_t)s->target + 1;
		return 1;
	}
	b->arrived = b->posted = 0;
	wake_waiters(m, NULL, (int64_t)s->target + 1);
	return 0;
}

/* ---- the steps ---- */

/* mprotect(2): entering the kernel, an entry's change each page, and the flush. */
static int protect(struct numab_machine *m, struct task *t, const struct numab_step *s,
		   uint64_t *cost_ps)
{
	uint64_t ps = (uint64_t)m->tun[NUMAB_T_fault_ns] * PS_PER_NS +
		      (uint64_t)m->tun[NUMAB_T_mark_ps] * s->touch.nr_pages;
	int err = numab_mprotect(m, t->mm->pid, s->touch.vpn * NUMAB_PAGE_BYTES,
				 s->touch.nr_pages * NUMAB_PAGE_BYTES, s->target);

	if (err)
		return err;
	tlb_flush_range(m, t->mm, &ps);
	t->sys_ps += ps;
	*cost_ps += ps;
	return 0;
}

static void begin_touch(struct cursor *c, uint32_t at)
{
	struct program *p = &c->program;

	generator_begin(&c->gen, &p->steps[at].touch, p->states[at].made, p->states[at].rng);
	p->touching = 1;
}

/* Rows of the touch at hand.  0: it is over, and remembers where it stood. */
static int more_rows(struct cursor *c)
{
	struct program *p = &c->program;
	struct step_state *state = &p->states[p->at];

	c->rows = c->gen.rows;
	c->nr = generator_fill(&c->gen);
	if (c->nr)
		return 1;
	state->made = c->gen.made;
	state->rng = c->gen.rng;
	p->touching = 0;
	p->at++;
	return 0;
}

/* Back to an earlier step, or on; the count starts anew for whoever comes by again. */
static void repeat(struct program *p, const struct numab_step *s)
{
	struct step_state *state = &p->states[p->at];

	if (s->count && !state->left) {
		state->left = s->count;
		p->at++;
		return;
	}
	state->left -= s->count != 0;
	p->at = s->target;
}

/* The next step, or the next rows of the one at hand.  A step that touches nothing costs an
 * instruction, so that a program without touches fills a tick too. */
int program_next(struct numab_machine *m, struct task *t, uint64_t *cost_ps,
		 enum consume_result *result)
{
	struct cursor *c = &t->cur;
	struct program *p = &c->program;
	const struct numab_step *s;

	c->nr = 0;
	if (program_waits(t)) {
		*result = CONSUMED_SLEEPS;
		return 0;
	}
	if (p->touching && more_rows(c))
		return 0;
	if (p->at == p->nr) {
		program_leave(m, t);
		cursor_free(m, c);
		return 0;
	}
	s = &p->steps[p->at];
	if (s->kind == NUMAB_STEP_TOUCH) {
		begin_touch(c, p->at);
		return 0;
	}
	*cost_ps += (uint64_t)m->tun[NUMAB_T_cpu_ps];
	m->run.unpaid_ps = *cost_ps;
	if (s->kind == NUMAB_STEP_REPEAT) {
		repeat(p, s);
		return 0;
	}
	p->at++;
	switch (s->kind) {
	case NUMAB_STEP_SLEEP:
		p->waits = WAITS_FOR_TIMER;
		p->sleep_ns = s->count + rng_below(&p->rng, s->count_max - s->count + 1);
		*result = CONSUMED_SLEEPS;
		break;
	case NUMAB_STEP_BARRIER:
		if (meet(m, t, s))
			*result = CONSUMED_SLEEPS;
		break;
	case NUMAB_STEP_STOP:
		p->stops++;
		t->mm->world_stopped++;
		break;
	case NUMAB_STEP_START:
		if (p->stops) {
			p->stops--;
			world_start(m, t->mm);
		}
		break;
	default: /* NUMAB_STEP_PROTECT */
		return protect(m, t, s, cost_ps);
	}
	return 0;
}
