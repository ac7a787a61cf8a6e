/* SPDX-License-Identifier: BSD-3-Clause
 *
 * _core.c - the one compilation unit, a machine's life, and the tick
 *
 * A map of the core, in the order in which the parts below are included (each uses only those
 * before it):
 *	alloc      the allocator hook			event      errors, names, the ring
 *	pattern    generated rows
 *	node       free pages, watermarks, zonelists	tunable    whose value is in force
 *	mm         entries, spans, records, VMAs	object     memory that several map
 *	mmap       the calls on an address space
 *	mempolicy  where should a page be		pages      allocating them
 *	select     where a task wakes
 *	cpu        run queues				stats      per-task and per-mm faults
 *	migrate    moving pages, every way to fail	scan       tick, task work, marks
 *	fault      the faults				queue      mbind, move_pages, migrate_pages
 *	sched      moves, affinity, sleep		groups     the busiest group of CPUs
 *	pull       one balancing			balance    domains, when they are due
 *	task       fork, exec, exit			access     the hot loop
 *	program    steps: touch, sleep, barriers	feed       what tasks do next
 *	probe      looking without touching		check      every invariant
 * Read each from its end; read this file from here.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#define NUMAB_FUNC static

#include "internal.h"

#include "alloc.c"
#include "event.c"
#include "pattern.c"
#include "node.c"
#include "tunable.c"
#include "mm.c"
#include "object.c"
#include "mmap.c"
#include "mempolicy.c"
#include "pages.c"
#include "select.c"
#include "cpu.c"
#include "stats.c"
#include "migrate.c"
#include "scan.c"
#include "fault.c"
#include "queue.c"
#include "sched.c"
#include "groups.c"
#include "pull.c"
#include "balance.c"
#include "task.c"
#include "access.c"
#include "program.c"
#include "feed.c"
#include "probe.c"
#include "check.c"

/* ---- a machine's life ---- */

#define CONFIG_ERR(...) (snprintf(err, err_bytes, __VA_ARGS__), NUMAB_EINVAL)

static int check_nodes(const struct numab_config *c, char *err, size_t err_bytes)
{
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < c->nr_nodes; i++) {
		const struct numab_node *n = &c->nodes[i];

		if (n->nid < 0 || n->nid >= NUMAB_MAX_NODES)
			return CONFIG_ERR("node id %d, permitted 0..%d", n->nid,
					  NUMAB_MAX_NODES - 1);
		if (i && n->nid <= c->nodes[i - 1].nid)
			return CONFIG_ERR("node ids must ascend: %d after %d", n->nid,
					  c->nodes[i - 1].nid);
		if (n->pages > 1ull << 40)
			return CONFIG_ERR("node %d has %llu pages, permitted 0..2^40", n->nid,
					  (ull)n->pages);
		if (n->watermark_min > 1ull << 40 || n->watermark_low > 1ull << 40 ||
		    n->watermark_high > 1ull << 40)
			return CONFIG_ERR("node %d: watermarks %llu, %llu, %llu, permitted 0..2^40",
					  n->nid, (ull)n->watermark_min, (ull)n->watermark_low,
					  (ull)n->watermark_high);
		pages += n->pages;
	}
	if (!pages)
		return CONFIG_ERR("no node has memory");
	for (i = 0; i < c->nr_nodes * c->nr_nodes; i++)
		if (!c->distance[i])
			return CONFIG_ERR("distance 0 between nodes %d and %d, permitted 1..255",
					  c->nodes[i / c->nr_nodes].nid,
					  c->nodes[i % c->nr_nodes].nid);
	return 0;
}

static int check_cpus(const struct numab_config *c, char *err, size_t err_bytes)
{
	uint32_t i, k;
	int any = 0;

	for (i = 0; i < c->nr_cpus; i++) {
		if (c->cpu_nid[i] < 0)
			continue;
		any = 1;
		for (k = 0; k < c->nr_nodes && c->nodes[k].nid != c->cpu_nid[i]; k++)
			;
		if (k == c->nr_nodes)
			return CONFIG_ERR("CPU %u is on node %d, which does not exist", i,
					  c->cpu_nid[i]);
	}
	return any ? 0 : CONFIG_ERR("there is no CPU");
}

static int check_config(const struct numab_config *c, char *err, size_t err_bytes)
{
	int e;

	if (!c || c->size != sizeof(*c))
		return CONFIG_ERR("config size %u, this core's is %u", c ? c->size : 0,
				  (unsigned)sizeof(*c));
	if (c->hz < 100 || c->hz > 1000)
		return CONFIG_ERR("hz %u, permitted 100..1000", c->hz);
	if (c->nr_nodes < 1 || c->nr_nodes > NUMAB_MAX_NODES)
		return CONFIG_ERR("%u nodes, permitted 1..%d", c->nr_nodes, NUMAB_MAX_NODES);
	if (c->nr_cpus < 1 || c->nr_cpus > NUMAB_MAX_CPUS)
		return CONFIG_ERR("%u CPU ids, permitted 1..%d", c->nr_cpus, NUMAB_MAX_CPUS);
	if (c->flags & ~(uint32_t)NUMAB_EXTERNAL)
		return CONFIG_ERR("flags 0x%x, permitted 0 or 1", c->flags);
	if (!c->nodes || !c->cpu_nid || !c->distance)
		return CONFIG_ERR("nodes, cpu_nid and distance are needed");
	e = check_nodes(c, err, err_bytes);
	return e ? e : check_cpus(c, err, err_bytes);
}

/* Every array of a machine: where it hangs, and how many bytes.  One list for birth and death. */
struct part {
	void **at;
	size_t bytes;
};
#define NR_PARTS 13

static void machine_parts(struct numab_machine *m, struct part *p)
{
	size_t ids = (size_t)m->nr_ids;
	const struct part list[NR_PARTS] = {
		{ (void **)&m->hist, sizeof(uint64_t) * NR_HIST * ids },
		{ (void **)&m->latency_ps, sizeof(uint64_t) * ids * ids },
		{ (void **)&m->nodes, sizeof(struct node) * ids },
		{ (void **)&m->nids, sizeof(uint16_t) * (size_t)m->nr_nodes },
		{ (void **)&m->distance, ids * ids },
		{ (void **)&m->cpu_nid, sizeof(int32_t) * (size_t)m->nr_cpus },
		{ (void **)&m->rqs, sizeof(struct numab_rq) * (size_t)m->nr_cpus },
		{ (void **)&m->queues, sizeof(struct queue) * (size_t)m->nr_cpus },
		{ (void **)&m->pinned_cpus, sizeof(uint64_t) * cpu_words(m) },
		{ (void **)&m->matrix, sizeof(uint64_t) * ids * ids * 2 },
		{ (void **)&m->node_stats, sizeof(uint64_t) * ids * NUMAB_NR_NODE_STATS },
		{ (void **)&m->weights, ids },
		{ (void **)&m->pending,
		  m->external ? sizeof(struct pending) * NUMAB_MAX_MOVES : 0 },
	};

	memcpy(p, list, sizeof(list));
}

void numab_destroy(struct numab_machine *m)
{
	struct part parts[NR_PARTS];
	uint64_t i;
	int k;

	if (!m)
		return;
	for (k = 0; k < m->nr_slots; k++) {
		task_free(m, m->ids[k].task);
		mm_free(m, m->ids[k].mm);
	}
	for (k = 0; k < m->nr_objects; k++)
		if (m->objects[k].block)
			object_free(m, &m->objects[k]);
	for (i = 0; i < m->nr_chunks; i++)
		mem_free(m, m->rec_chunks[i], sizeof(uint64_t) * REC_CHUNK);
	for (k = 0; m->queues && k < m->nr_cpus; k++) {
		mem_free(m, m->queues[k].tids, sizeof(int) * (size_t)m->queues[k].cap);
		domains_free(m, &m->queues[k]);
	}
	nodes_free(m);
	replay_free(m);
	mem_free(m, m->ids, sizeof(*m->ids) * (size_t)m->cap_slots);
	mem_free(m, m->objects, sizeof(*m->objects) * (size_t)m->cap_objects);
	mem_free(m, m->rec_chunks, sizeof(uint64_t *) * m->cap_chunks);
	mem_free(m, m->barriers, sizeof(*m->barriers) * m->nr_barriers);
	mem_free(m, m->ring, sizeof(*m->ring) * (size_t)m->ring_cap);
	machine_parts(m, parts);
	for (k = 0; k < NR_PARTS; k++)
		if (parts[k].bytes)
			mem_free(m, *parts[k].at, parts[k].bytes);
	m->alloc(m->alloc_ud, m, sizeof(*m), 0, 0);
}

static int machine_fill(struct numab_machine *m, const struct numab_config *c)
{
	struct part parts[NR_PARTS];
	int k;

	machine_parts(m, parts);
	for (k = 0; k < NR_PARTS; k++) {
		if (!parts[k].bytes)
			continue;
		*parts[k].at = mem_zalloc(m, parts[k].bytes);
		if (!*parts[k].at)
			return NUMAB_ENOMEM;
	}
	if (mem_grow(m, (void **)&m->ids, sizeof(*m->ids), 0, 16))
		return NUMAB_ENOMEM;
	m->cap_slots = 16;
	m->nr_slots = 1; /* id 0 is nobody's */
	for (k = 0; k < m->nr_cpus; k++) {
		m->rqs[k].nid = c->cpu_nid[k];
		m->queues[k].next_wake_ns = UINT64_MAX;
		m->nr_online_cpus += c->cpu_nid[k] >= 0;
	}
	return nodes_init(m, c);
}

int numab_create(const struct numab_config *c, struct numab_machine **out, char *err,
		 size_t err_bytes)
{
	numab_alloc_fn alloc;
	struct numab_machine *m;
	char nowhere[1];
	int e;

	if (!err || !err_bytes) {
		err = nowhere;
		err_bytes = sizeof(nowhere);
	}
	err[0] = '\0';
	if (!out)
		return CONFIG_ERR("no place for the machine");
	*out = NULL;
	e = check_config(c, err, err_bytes);
	if (e)
		return e;
	alloc = c->alloc ? c->alloc : default_alloc;
	m = (struct numab_machine *)alloc(c->alloc_ud, NULL, 0, sizeof(*m), 1);
	if (!m)
		goto no_memory;
	m->alloc = alloc;
	m->alloc_ud = c->alloc_ud;
	m->place = c->place;
	m->place_ud = c->place_ud;
	m->balance = c->balance;
	m->balance_ud = c->balance_ud;
	m->ring_kinds = NUMAB_EV_MASK_PAGES;
	m->external = (c->flags & NUMAB_EXTERNAL) != 0;
	m->hz = c->hz;
	m->tick_ns = NS_PER_SEC / c->hz;
	m->rng = rng_seed(c->seed);
	m->nr_nodes = (int)c->nr_nodes;
	m->nr_ids = c->nodes[c->nr_nodes - 1].nid + 1;
	m->nr_cpus = (int)c->nr_cpus;
	scan_isa_pick(m, NULL);
	if (machine_fill(m, c)) {
		numab_destroy(m);
		goto no_memory;
	}
	tunables_init(m);
	numab_use_policy(m, "off");
	*out = m;
	return 0;
no_memory:
	snprintf(err, err_bytes, "the allocator refused memory for a machine");
	return NUMAB_ENOMEM;
}

/* ---- read-only arrays ---- */

const uint64_t *numab_counters(const struct numab_machine *m)
{
	return m ? m->counters : NULL;
}

const uint64_t *numab_reasons(const struct numab_machine *m)
{
	return m ? m->reasons : NULL;
}

int numab_nr_node_ids(const struct numab_machine *m)
{
	return m ? m->nr_ids : NUMAB_EINVAL;
}

const uint64_t *numab_access_matrix(const struct numab_machine *m)
{
	return m ? m->matrix : NULL;
}

uint64_t numab_now_ns(const struct numab_machine *m)
{
	return m ? m->now_ns : 0;
}

uint64_t numab_tick_ns(const struct numab_machine *m)
{
	return m ? m->tick_ns : 0;
}

/* ---- the tick ---- */

static void pay(struct numab_machine *m, struct task *t)
{
	uint64_t *left_ps = &m->run.left_ps;
	uint64_t ps = t->debt_ps < *left_ps ? t->debt_ps : *left_ps;

	t->debt_ps -= ps;
	*left_ps -= ps;
	m->run.unpaid_ps = 0;
	charge_run_time(t, ps);
	t->last_ran_ns = m->now_ns + m->tick_ns - *left_ps / PS_PER_NS;
}

/* One CPU's share of a tick, or what is left of it.  Returns 1 when the host has to act first. */
static int run_cpu(struct numab_machine *m, int cpu, struct numab_stop *stop, int *err)
{
	struct numab_rq *rq = &m->rqs[cpu];

	while (m->run.left_ps) {
		/* Whom a return to the host interrupted goes on, as if there had been none. */
		struct task *t = rq->curr ? m->ids[rq->curr].task : pick_next_task(m, cpu);
		enum consume_result result = CONSUMED_BUDGET;
		uint64_t cost = 0;

		if (!t && wake_first_sleeper(m, cpu))
			continue;
		if (!t)
			return 0;
		pay(m, t);
		if (!m->run.left_ps)
			return 0;
		*err = cursor_run(m, t, m->run.left_ps, &cost, &result);
		t->debt_ps += cost;
		pay(m, t);
		if (*err == NUMAB_EAGAIN) {
			*err = 0;
			stop->why = NUMAB_STOP_RING;
			stop->tid = t->tid;
			return 1;
		}
		if (*err) {
			stop->tid = t->tid;
			return 1;
		}
		if (result == CONSUMED_SLEEPS && !t->debt_ps)
			program_sleep(m, t);
		if (result == CONSUMED_WAITS) {
			t->blocked_tick = m->now_ns / m->tick_ns + 1;
			rq->curr = 0;
		}
		if (result == CONSUMED_EMPTY) {
			stop->why = NUMAB_STOP_FEED;
			stop->tid = t->tid;
			return 1;
		}
	}
	return 0;
}

/* The tick begins on a CPU: sleepers wake, and whoever runs gives way if it has to. */
static void begin_tick(struct numab_machine *m, int cpu)
{
	m->run.begun = 1;
	m->run.left_ps = m->tick_ns * PS_PER_NS;
	m->run.unpaid_ps = 0;
	wake_sleepers(m, cpu);
	if (m->queues[cpu].need_resched)
		m->rqs[cpu].curr = 0;
}

/* Neither has anybody to run in this tick, nor anybody who stops running. */
static int nobody(const struct numab_machine *m, int cpu)
{
	return !m->rqs[cpu].nr_running && !m->queues[cpu].last_ran &&
	       m->queues[cpu].next_wake_ns >= m->now_ns + m->tick_ns;
}

static int run_cpus(struct numab_machine *m, struct numab_stop *stop, int *err)
{
	struct run_state *r = &m->run;

	if (!r->mid_tick) {
		r->mid_tick = 1;
		r->cpu = 0;
		r->begun = 0;
	}
	for (; r->cpu < m->nr_cpus; r->cpu++, r->begun = 0) {
		if (nobody(m, r->cpu))
			continue;
		if (!r->begun)
			begin_tick(m, r->cpu);
		if (run_cpu(m, r->cpu, stop, err))
			return 1;
	}
	r->mid_tick = 0;
	return 0;
}

/* The timer interrupt: first every CPU's tick, then the scans that these queued, as all CPUs take
 * the tick at about the same moment and scan on their way back to user mode.  Threads of one
 * address space race for its window; the lowest CPU wins. */
static void tick_cpus(struct numab_machine *m)
{
	int cpu;

	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		scheduler_tick(m, cpu);
		if (m->rqs[cpu].curr)
			task_tick_numa(m, m->ids[m->rqs[cpu].curr].task);
	}
	for (cpu = 0; cpu < m->nr_cpus; cpu++) {
		struct task *t = m->rqs[cpu].curr ? m->ids[m->rqs[cpu].curr].task : NULL;

		if (t && t->work_queued)
			task_numa_work(m, t);
	}
}

int numab_run(struct numab_machine *m, uint64_t until_ns, struct numab_stop *stop)
{
	struct numab_stop s = { NUMAB_STOP_UNTIL, 0, 0 };
	int err = 0, last;

	if (!m)
		return NUMAB_EINVAL;
	if (m->external)
		return fail(m, NUMAB_EINVAL, "in external mode the host owns the time");
	if (m->now_ns % m->tick_ns)
		return fail(m, NUMAB_EINVAL, "the clock says %llu ns, not a multiple of a tick",
			    (ull)m->now_ns);
	while (until_ns - m->now_ns >= m->tick_ns && until_ns > m->now_ns) {
		if (ring_full(m)) {
			s.why = NUMAB_STOP_RING;
			break;
		}
		m->busy = 1;
		last = run_cpus(m, &s, &err);
		m->busy = 0;
		if (last)
			break;
		if (ring_full(m)) { /* the scans of this tick want room too */
			m->run.mid_tick = 1;
			s.why = NUMAB_STOP_RING;
			break;
		}
		m->now_ns += m->tick_ns;
		tick_cpus(m);
		apply_task_moves(m);
		balance_cpus(m);
		if (replay_loop_done(m, &last)) {
			s.why = last ? NUMAB_STOP_DONE : NUMAB_STOP_LOOP;
			s.loop = m->replay.loop;
			break;
		}
		if (m->hook_failed)
			break;
	}
	if (stop)
		*stop = s;
	return hook_result(m, err);
}
