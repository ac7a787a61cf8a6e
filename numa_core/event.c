/* SPDX-License-Identifier: BSD-3-Clause
 *
 * event.c - what is told to the host: error texts, names of the closed lists, the ring of events
 */
#include "internal.h"

struct counter_row {
	const char *name, *kind, *unit, *text;
};

static const struct counter_row counter_rows[] = {
#define X(name, kind, unit, text) { #name, #kind, unit, text },
#include "counters.def"
#undef X
};

static const struct {
	const char *name, *text;
} reason_rows[] = {
#define X(name, text) { #name, text },
#include "reasons.def"
#undef X
};

static const struct numab_tunable_info tunable_rows[] = {
#define X(name, kind, dflt, posted, min, max, unit, text) \
	{ #name, #kind, unit, text, dflt, posted, min, max },
#include "tunables.def"
#undef X
};

static const char *const event_names[] = {
	"hint", "scan", "pass", "migrate", "alloc", "unmap", "split",
	"sched_move", "sched_swap", "sched_stick", "sched_home", "switch", "wake", "sleep"
};
static const char *const migrate_modes[] = {
	"MIGRATE_ASYNC", "MIGRATE_SYNC_LIGHT", "MIGRATE_SYNC"
};
static const char *const migrate_reasons[] = {
	"compaction", "memory_failure", "memory_hotplug", "syscall_or_cpuset", "mempolicy_mbind",
	"numa_misplaced", "cma"
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define ROW_OR_NULL(a, i) ((i) >= 0 && (i) < COUNT(a) ? (a)[i] : NULL)

/* Remember one line for numab_errmsg() and give back the code. */
int fail(struct numab_machine *m, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->err, sizeof(m->err), fmt, ap);
	va_end(ap);
	return code;
}

int no_memory(struct numab_machine *m)
{
	return fail(m, NUMAB_ENOMEM, "the host's allocator refused");
}

/* These two also serve callers that hold no machine. */
int no_task(struct numab_machine *m, int tid)
{
	return m ? fail(m, NUMAB_ESRCH, "no task %d", tid) : NUMAB_EINVAL;
}

int no_process(struct numab_machine *m, int pid)
{
	return m ? fail(m, NUMAB_ESRCH, "no process %d", pid) : NUMAB_EINVAL;
}

const char *numab_errmsg(const struct numab_machine *m)
{
	return m ? m->err : "";
}

const char *numab_strerror(int code)
{
	switch (code) {
	case 0:
		return "success";
#define X(name, number, text) case -(number): return text;
#include "errors.def"
#undef X
	default:
		return "not an error of numab's";
	}
}

int numab_nr_counters(void)
{
	return NUMAB_NR_COUNTERS;
}

const char *numab_counter_name(int index)
{
	return index >= 0 && index < NUMAB_NR_COUNTERS ? counter_rows[index].name : NULL;
}

const char *numab_counter_kind(int index)
{
	return index >= 0 && index < NUMAB_NR_COUNTERS ? counter_rows[index].kind : NULL;
}

const char *numab_counter_unit(int index)
{
	return index >= 0 && index < NUMAB_NR_COUNTERS ? counter_rows[index].unit : NULL;
}

const char *numab_counter_text(int index)
{
	return index >= 0 && index < NUMAB_NR_COUNTERS ? counter_rows[index].text : NULL;
}

int numab_nr_reasons(void)
{
	return NUMAB_NR_REASONS;
}

const char *numab_reason_name(int index)
{
	return index >= 0 && index < NUMAB_NR_REASONS ? reason_rows[index].name : NULL;
}

const char *numab_reason_text(int index)
{
	return index >= 0 && index < NUMAB_NR_REASONS ? reason_rows[index].text : NULL;
}

int numab_nr_tunables(void)
{
	return NUMAB_NR_TUNABLES;
}

int numab_tunable_info(int index, struct numab_tunable_info *out)
{
	if (index < 0 || index >= NUMAB_NR_TUNABLES || !out)
		return NUMAB_EINVAL;
	*out = tunable_rows[index];
	return 0;
}

const char *numab_event_name(int kind)
{
	return ROW_OR_NULL(event_names, kind);
}

const char *numab_migrate_mode_name(int mode)
{
	return ROW_OR_NULL(migrate_modes, mode);
}

const char *numab_migrate_reason_name(int reason)
{
	return ROW_OR_NULL(migrate_reasons, reason);
}

/* A lossless ring grows for what cannot stop halfway: a scan, a call of the host's. */
static int ring_grow(struct numab_machine *m)
{
	uint32_t cap = m->ring_cap * 2, i;
	struct numab_event *ring;

	if (cap < m->ring_cap)
		return NUMAB_ENOMEM;
	ring = (struct numab_event *)mem_alloc(m, sizeof(*ring) * (size_t)cap);
	if (!ring)
		return NUMAB_ENOMEM;
	for (i = 0; i < m->ring_len; i++)
		ring[i] = m->ring[(m->ring_head + i) % m->ring_cap];
	mem_free(m, m->ring, sizeof(*ring) * (size_t)m->ring_cap);
	m->ring = ring;
	m->ring_cap = cap;
	m->ring_head = 0;
	return 0;
}

/* The time that a CPU has come to: they have their ticks one after the other. */
uint64_t cpu_now_ns(const struct numab_machine *m, int cpu)
{
	const struct run_state *r = &m->run;
	uint64_t left_ps = r->left_ps > r->unpaid_ps ? r->left_ps - r->unpaid_ps : 0;

	if (!r->mid_tick || cpu > r->cpu || (cpu == r->cpu && !r->begun))
		return m->now_ns;
	return m->now_ns + m->tick_ns - (cpu == r->cpu ? left_ps / PS_PER_NS : 0);
}

/* Keep an event, with the time, if it touches the pages watched.  Whether the ring is on never
 * changes a result. */
void event_put(struct numab_machine *m, struct numab_event *e)
{
	uint64_t end = e->vpn + (e->nr_pages ? e->nr_pages : 1);

	if (!m->ring_cap || !(m->ring_kinds >> e->kind & 1))
		return;
	if (e->kind != NUMAB_EV_PASS && e->kind < NUMAB_EV_SCHED_MOVE &&
	    (end <= m->ring_vpn || e->vpn >= m->ring_end))
		return;
	if (m->ring_len == m->ring_cap && (!m->ring_lossless || ring_grow(m))) {
		m->counters[NUMAB_C_events_dropped]++;
		return;
	}
	e->now_ns = e->kind < NUMAB_EV_SCHED_MOVE ? m->now_ns : cpu_now_ns(m, e->cpu);
	m->ring[(m->ring_head + m->ring_len) % m->ring_cap] = *e;
	m->ring_len++;
}

/* What befell a task on its CPU; for SCHED_HOME from and to are nodes. */
void sched_event(struct numab_machine *m, int kind, const struct task *t, int from, int to,
		 uint64_t aux)
{
	struct numab_event e;

	if (!m->ring_cap || !(m->ring_kinds >> kind & 1))
		return;
	memset(&e, 0, sizeof(e));
	e.kind = (int16_t)kind;
	e.pid = t->mm->pid;
	e.tid = t->tid;
	e.cpu = (int16_t)t->cpu;
	e.from = (int16_t)from;
	e.to = (int16_t)to;
	e.aux = aux;
	event_put(m, &e);
}

/* Another task runs on @cpu, or none (0). */
void sched_switch_event(struct numab_machine *m, int cpu, int prev, int next)
{
	const struct task *t = task_get(m, next);
	struct numab_event e;

	if (!m->ring_cap || !(m->ring_kinds >> NUMAB_EV_SWITCH & 1))
		return;
	memset(&e, 0, sizeof(e));
	e.kind = NUMAB_EV_SWITCH;
	e.pid = t ? t->mm->pid : 0;
	e.tid = next;
	e.cpu = e.from = e.to = (int16_t)cpu;
	e.aux = (uint64_t)prev;
	event_put(m, &e);
}

int numab_events_mask(struct numab_machine *m, uint64_t kinds)
{
	if (!m)
		return NUMAB_EINVAL;
	if (kinds & ~(uint64_t)NUMAB_EV_MASK_ALL)
		return fail(m, NUMAB_EINVAL, "event kinds 0x%llx, permitted bits 0x%llx",
			    (ull)kinds, (ull)NUMAB_EV_MASK_ALL);
	m->ring_kinds = kinds;
	return 0;
}

int numab_events(struct numab_machine *m, uint32_t capacity, int lossless, uint64_t vpn,
		 uint64_t vpn_end)
{
	struct numab_event *ring = NULL;

	if (!m)
		return NUMAB_EINVAL;
	if (capacity && capacity < RING_MARGIN * 2)
		return fail(m, NUMAB_EINVAL, "ring capacity %u is not 0 or at least %d", capacity,
			    RING_MARGIN * 2);
	if (capacity) {
		ring = (struct numab_event *)mem_alloc(m, sizeof(*ring) * (size_t)capacity);
		if (!ring)
			return fail(m, NUMAB_ENOMEM, "no memory for %u events", capacity);
	}
	mem_free(m, m->ring, sizeof(*ring) * (size_t)m->ring_cap);
	m->ring = ring;
	m->ring_cap = capacity;
	m->ring_head = m->ring_len = 0;
	m->ring_lossless = lossless != 0;
	m->ring_vpn = vpn;
	m->ring_end = vpn_end;
	return 0;
}

int numab_drain(struct numab_machine *m, struct numab_event *out, int max)
{
	int n = 0;

	if (!m)
		return NUMAB_EINVAL;
	if (!out && max > 0)
		return fail(m, NUMAB_EINVAL, "no place for %d events", max);
	while (n < max && m->ring_len) {
		out[n++] = m->ring[m->ring_head];
		m->ring_head = (m->ring_head + 1) % m->ring_cap;
		m->ring_len--;
	}
	return n;
}
