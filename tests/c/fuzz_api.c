/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fuzz_api.c - random calls with random, often bad, arguments
 *
 *	fuzz_api SEED STEPS
 *
 * Goal: no call may crash, hang or read what it was not given, whatever its arguments.  A result is
 * good or one of errors.def; a failure is explained in numab_errmsg() and leaves the machine as it
 * was (but for calls whose contract says otherwise); numab_check() holds all along; probing changes
 * nothing and is right about the access that follows; nothing leaks.  The allocator refuses now
 * and then.  Non-goal: right answers.  Those are compared with the reference model elsewhere.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numab.h"

#define CHECK(cond) check((cond), #cond, __LINE__)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct numab_machine *m;
static unsigned long seed, step_nr;
static const char *doing = "start";
static int64_t result;

static void check(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_api.c:%d: seed %lu step %lu %s gave %lld: expected %s (%s)\n", line,
		seed, step_nr, doing, (long long)result, what, numab_errmsg(m));
	abort();
}

/* ---- chance ---- */

static uint64_t rng;

static uint64_t any(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static uint64_t below(uint64_t n)
{
	return (any() >> 11) % n;
}

static int one_in(uint64_t n)
{
	return below(n) == 0;
}

static const uint64_t odd_numbers[] = {
	0, 1, 2, 511, 512, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
	1ull << 36, (1ull << 48) - 1, 1ull << 48, 1ull << 52, 1ull << 60, (1ull << 60) + 4096,
	1ull << 63, UINT64_MAX - 4095, UINT64_MAX,
};

static uint64_t odd(void)
{
	return odd_numbers[below(COUNT(odd_numbers))];
}

/* ---- arguments ---- */

static int last_id;

static int an_id(void)
{
	int tries, id = 1;

	if (one_in(40))
		return (int)odd();
	for (tries = one_in(12) ? 1 : 20; last_id && tries; tries--) {
		id = last_id - (int)below((uint64_t)(last_id < 30 ? last_id : 30));
		if (numab_task_faults(m, id)) /* it lives */
			break;
	}
	return id;
}

static int an_nid(void)
{
	return one_in(24) ? (int)odd() : (int)below(8) - 1;
}

static int a_cpu(void)
{
	return one_in(24) ? (int)odd() : (int)below(6);
}

/* Two areas of some slots each. */
static uint64_t a_vpn(void)
{
	if (one_in(100))
		return odd();
	return (one_in(6) ? 0x40000 : 0x1000) + below(one_in(2) ? 64 : 2500);
}

static uint64_t a_vaddr(void)
{
	uint64_t vpn = one_in(4) ? a_vpn() & ~511ull : a_vpn();

	return vpn * NUMAB_PAGE_BYTES + (one_in(40) ? below(4096) : 0);
}

static uint64_t a_size(void)
{
	if (one_in(60))
		return odd();
	return (1 + below(one_in(3) ? 1300 : 40)) * NUMAB_PAGE_BYTES + (one_in(60) ? 1 : 0);
}

/* ---- the host: an allocator with moods and a limit, a filter, a hook ---- */

#define HEAP_LIMIT ((size_t)96 << 20)

static size_t heap_bytes;
static int heap_moody;

static void *host_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes, int zeroed)
{
	(void)ud;
	if (old_bytes) {
		heap_bytes -= old_bytes;
		free(ptr);
		return NULL;
	}
	if (new_bytes > HEAP_LIMIT - heap_bytes || (heap_moody && one_in(50)))
		return NULL;
	heap_bytes += new_bytes;
	return zeroed ? calloc(1, new_bytes) : malloc(new_bytes);
}

static void host_filter(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	uint64_t x = (f->vpn * 31 + f->tag * 7 + (uint64_t)f->tid) * 0x9e3779b97f4a7c15ull;

	(void)ud;
	v->target_nid = (int32_t)(x >> 60) - 3;
	v->reason = (int32_t)(x >> 50 & 63) - 8;
	v->tag = (uint32_t)x;
}

static int host_place(void *ud, struct numab_machine *machine, int tid)
{
	(void)ud;
	if (one_in(2))
		numab_task_set_home(machine, tid, an_nid());
	if (one_in(4))
		numab_task_set_cpu(machine, tid, a_cpu());
	return one_in(5);
}

/* Groups that stay in place while a machine has them, good and bad ones. */
static const uint32_t starts[] = { 0, 1, 3, 4, 6 }, bad_starts[] = { 0, 2, 1, 4, 6 };
static const int32_t ring_cpus[] = { 0, 1, 2, 3, 4, 5 }, overlapping[] = { 0, 2, 1, 2, 0, 1 },
		     bad_cpus[] = { 0, 1, 2, -1, 4, 70 };
static const uint64_t powers[] = { 1024, 589, 2048, 1ull << 32 }, bad_powers[] = { 0, 1, 2, 3 };
static const uint32_t capacities[] = { 1, 0, 2, 100 };
static const uint32_t cpu_powers[128] = { 1024, 589, 294, 1024, 1, 1u << 31 }, no_powers[128];
static const uint8_t turns[] = { 1, 1, 0, 1, 1, 1 };

static void some_groups(struct numab_groups *g, int cpu)
{
	uint32_t i, k, first = 0;

	memset(g, 0, sizeof(*g));
	g->nr_groups = one_in(60) ? (uint32_t)odd() : 1 + (uint32_t)below(4);
	g->starts = one_in(40) ? NULL : one_in(40) ? bad_starts : starts;
	g->cpus = one_in(40) ? bad_cpus : one_in(3) ? overlapping : ring_cpus;
	g->power = one_in(40) ? bad_powers : powers;
	g->capacity = capacities;
	g->turn = one_in(40) ? NULL : turns;
	g->cpu_power = one_in(40) ? no_powers : cpu_powers;
	g->imbalance_pct = one_in(20) ? (uint32_t)odd() : 100 + (uint32_t)below(30);
	g->prefer_sibling = one_in(2);
	g->share_cpupower = one_in(2);
	for (i = 0; i < 3; i++)
		g->load_idx[i] = (uint32_t)below(one_in(20) ? 8 : 6);
	for (i = 0; i < 4; i++)
		for (k = starts[i]; k < starts[i + 1]; k++)
			if (g->cpus[k] == cpu)
				first = i;
	g->first = one_in(40) ? (uint32_t)below(6) : first;
}

static int64_t a_domain(struct numab_machine *machine)
{
	uint64_t span[2] = { one_in(20) ? odd() : 1 + below(63), one_in(40) };
	struct numab_domain d;
	int cpu = a_cpu();

	memset(&d, 0, sizeof(d));
	d.flags = (uint32_t)below(one_in(20) ? 64 : 32);
	d.max_interval_ms = one_in(20) ? (uint32_t)odd() : 1 + (uint32_t)below(40);
	d.min_interval_ms = one_in(20) ? (uint32_t)odd() : 1 + (uint32_t)below(20);
	d.busy_factor = one_in(20) ? (uint32_t)odd() : 1 + (uint32_t)below(4);
	d.cache_nice_tries = one_in(20) ? (uint32_t)odd() : (uint32_t)below(3);
	d.nr_mask_words = 1 + one_in(30);
	span[0] |= one_in(20) ? 0 : 1ull << (cpu & 63);
	d.span = one_in(30) ? NULL : span;
	some_groups(&d.groups, cpu);
	return numab_set_domain(machine, cpu, (int)below(4) - one_in(20), one_in(8) ? NULL : &d);
}

static int host_balance(void *ud, struct numab_machine *machine, struct numab_lb *lb)
{
	struct numab_domain_state *state = numab_domain_state(machine, lb->cpu, lb->level);

	(void)ud;
	CHECK(state && lb->idle >= NUMAB_CPU_IDLE && lb->idle <= NUMAB_CPU_NEWLY_IDLE);
	CHECK(numab_load_balance(machine, lb->cpu, lb->level, lb->idle) == NUMAB_EBUSY);
	state->balance_interval_ms = one_in(9) ? (uint32_t)odd() : 1 + (uint32_t)below(20);
	if (one_in(2))
		numab_task_set_cpu(machine, an_id(), one_in(3) ? a_cpu() : lb->cpu);
	if (one_in(9))
		numab_task_swap(machine, an_id(), an_id());
	if (one_in(20))
		a_domain(machine);
	lb->group = one_in(9) ? (int)odd() : lb->stats.numa.group;
	lb->imbalance = one_in(9) ? odd() : 1 + below(4000);
	return one_in(12) ? -1 : (int)below(8);
}

/* ---- what stays in place while the core uses it ---- */

#define NR_LISTS 8
#define NR_ROWS 48
#define NR_EPOCHS 12

static struct numab_row lists[NR_LISTS][NR_ROWS];
static struct numab_epoch epochs[NR_EPOCHS];
static int replaying;

static void fill_lists(void)
{
	int i, k;

	for (i = 0; i < NR_LISTS; i++) {
		for (k = 0; k < NR_ROWS; k++) {
			struct numab_row *row = &lists[i][k];

			row->page = one_in(60) ? odd() : 0x1000 + below(i < 4 ? 64 : 1500);
			if (one_in(12))
				row->page |= below(300) << 48;
			row->reads = (uint32_t)below(2000);
			row->writes = one_in(3) ? (uint32_t)below(2000) : 0;
		}
	}
}

/* ---- the calls ---- */

static int64_t call_use_policy(void)
{
	static const char *const names[] = { "off", "moron", "home_node", "home_node", "none", "" };

	return numab_use_policy(m, one_in(20) ? NULL : names[below(COUNT(names))]);
}

static int64_t call_use_own_policy(void)
{
	struct numab_policy p;

	memset(&p, 0, sizeof(p));
	p.name = one_in(10) ? "a name of more than thirty-one characters" : "own";
	p.flags = (uint32_t)below(one_in(10) ? 16 : 8);
	p.filter = one_in(10) ? NULL : host_filter;
	return numab_use_own_policy(m, one_in(20) ? NULL : &p);
}

static int64_t call_set(void)
{
	struct numab_tunable_info t;
	int i = (int)below((uint64_t)numab_nr_tunables());
	int64_t value;

	CHECK(numab_tunable_info(i, &t) == 0);
	value = one_in(2) ? t.min : t.max;
	if (one_in(3))
		value = (int64_t)odd();
	if (!strcmp(t.kind, "PRICE")) /* free accesses for ever would never fill a tick */
		value = one_in(10) ? -1 : t.dflt / 2 + (int64_t)below((uint64_t)t.dflt * 2);
	if (strstr(t.name, "thp"))
		value = !one_in(6);
	if (strstr(t.name, "_ms") && !one_in(8))
		value = 1 + (int64_t)below(30);
	if (!strcmp(t.kind, "INJECT") && value > 0 && !one_in(20))
		value = 100000;
	if (one_in(40))
		i = (int)odd();
	return numab_set(m, i, value);
}

static int64_t call_set_as_posted(void)
{
	int64_t err = one_in(12) ? numab_set_as_posted(m, one_in(3)) : 0;

	return err ? err : numab_set(m, NUMAB_T_scan_period_min_ms, 5);
}

static int64_t born(int id)
{
	if (id > 0) {
		CHECK(id > last_id);
		last_id = id;
	}
	return id;
}

static int64_t call_process(void)
{
	return born(numab_process(m, a_cpu()));
}

static int64_t call_fork(void)
{
	return born(numab_fork(m, an_id(), a_cpu()));
}

static int64_t call_clone(void)
{
	return born(numab_clone(m, an_id(), a_cpu()));
}

static int64_t call_exec(void)
{
	return one_in(4) ? numab_exec(m, an_id()) : 0;
}

static int64_t call_exit(void)
{
	return numab_exit(m, an_id());
}

static int64_t call_set_cpu(void)
{
	return numab_task_set_cpu(m, an_id(), a_cpu());
}

static int64_t call_set_home(void)
{
	return numab_task_set_home(m, an_id(), an_nid());
}

static int64_t call_set_nice(void)
{
	return numab_task_set_nice(m, an_id(), one_in(12) ? (int)odd() : (int)below(40) - 20);
}

static int64_t call_set_affinity(void)
{
	uint64_t mask[2] = { one_in(6) ? odd() : below(64), one_in(30) }, back[2];
	int tid = an_id();
	int64_t err = numab_task_set_affinity(m, tid, one_in(6) ? NULL : mask,
					      (uint32_t)below(3));
	int nr = numab_task_affinity(m, tid, back, 2);

	CHECK((nr > 0) == (numab_task_faults(m, tid) != NULL) && (nr < 0 || back[0] < 64));
	return err;
}

static int64_t call_swap(void)
{
	return numab_task_swap(m, an_id(), an_id());
}

static int64_t call_move_tail(void)
{
	return numab_rq_move_tail(m, an_id());
}

static int64_t call_load_balance(void)
{
	return numab_load_balance(m, a_cpu(), (int)below(3) - one_in(20),
				  (int)below(3) - one_in(30));
}

static int64_t call_set_domain(void)
{
	return a_domain(m);
}

static int64_t call_events_mask(void)
{
	return numab_events_mask(m, one_in(9) ? odd() : below(1 << 14));
}

static int64_t call_sleep(void)
{
	uint64_t until = one_in(4) ? odd() : numab_now_ns(m) + below(20000000);

	return numab_task_sleep(m, an_id(), until);
}

static int64_t call_wake(void)
{
	return numab_task_wake(m, an_id());
}

static int64_t call_object(void)
{
	int kind = one_in(10) ? (int)odd() : one_in(2) ? NUMAB_SHM : NUMAB_FILE_SHARED;

	return numab_object(m, kind, one_in(10) ? odd() : 1 + below(1600));
}

static int64_t call_object_drop(void)
{
	return numab_object_drop(m, one_in(10) ? (int)odd() : 1 + (int)below(12));
}

static int64_t call_mmap(void)
{
	struct numab_vma v;

	memset(&v, 0, sizeof(v));
	v.vaddr = a_vaddr();
	v.size_bytes = a_size();
	if (one_in(4)) { /* the whole of an area */
		v.vaddr = (one_in(3) ? 0x40000ull : 0x1000ull) * NUMAB_PAGE_BYTES;
		v.size_bytes = 1536 * NUMAB_PAGE_BYTES;
	}
	v.kind = one_in(2) ? NUMAB_ANON_PRIVATE : (uint32_t)below(6);
	v.prot = one_in(6) ? (uint32_t)below(9) : NUMAB_PROT_READ | NUMAB_PROT_WRITE;
	v.flags = one_in(10) ? (uint32_t)below(9) : 0;
	v.object = v.kind || one_in(20) ? 1 + (int32_t)below(12) : 0;
	v.pgoff = one_in(8) ? below(400) : one_in(30) ? odd() :
		  one_in(4) ? NUMAB_PGOFF_VADDR : 0;
	return numab_mmap(m, an_id(), one_in(60) ? NULL : &v);
}

static int64_t call_munmap(void)
{
	return numab_munmap(m, an_id(), a_vaddr(), a_size());
}

static int64_t call_mprotect(void)
{
	uint32_t prot = one_in(3) ? (uint32_t)below(9) : NUMAB_PROT_READ | NUMAB_PROT_WRITE;

	return numab_mprotect(m, an_id(), a_vaddr(), a_size(), prot);
}

static int64_t call_mremap(void)
{
	return numab_mremap(m, an_id(), a_vaddr(), a_size(), a_vaddr());
}

static int64_t call_change_prot_numa(void)
{
	return numab_change_prot_numa(m, an_id(), a_vaddr(), a_size());
}

static int64_t call_populate(void)
{
	uint64_t vpns[64], n = below(65), i;
	int32_t nids[64];

	for (i = 0; i < n; i++) {
		vpns[i] = one_in(200) ? odd() : 0x1000 + below(600);
		nids[i] = one_in(500) ? an_nid() : 0;
	}
	return numab_populate(m, an_id(), one_in(40) ? NULL : vpns, one_in(40) ? NULL : nids, n,
			      one_in(2));
}

static struct numab_mpol *a_mpol(void)
{
	static uint64_t mask[17];
	static struct numab_mpol p;

	memset(mask, 0, sizeof(mask));
	mask[0] = one_in(4) ? any() : one_in(2) ? 1 : 3;
	p.mode = (uint32_t)below(8);
	p.flags = one_in(10) ? (uint32_t)below(34) : one_in(2) ? NUMAB_MPOL_F_MOF : 0;
	p.home_nid = one_in(4) ? an_nid() : NUMAB_NO_NODE;
	p.cookie = below(3);
	p.nid = an_nid();
	p.nr_mask_words = one_in(10) ? (uint32_t)below(18) : 1;
	p.mask = one_in(20) ? NULL : mask;
	return one_in(40) ? NULL : &p;
}

static int64_t call_set_task_policy(void)
{
	return numab_set_task_policy(m, an_id(), a_mpol());
}

static int64_t call_set_vma_policy(void)
{
	return numab_set_vma_policy(m, an_id(), a_vaddr(), a_size(), a_mpol());
}

static int64_t call_weight(void)
{
	return numab_set_weight(m, an_nid(), (int)below(258) - 1);
}

static int64_t call_kernel_pages(void)
{
	int order = (int)below(12) - 1;

	return one_in(2) ? numab_alloc_kernel(m, an_id(), order) :
			   numab_free_kernel(m, an_nid(), order);
}

static int64_t call_page_set_flags(void)
{
	static const uint32_t flags[] = { 1024, 2048, 4096, 7168, 0, 1, 0xffffffff };

	return numab_page_set_flags(m, an_id(), a_vpn(), flags[below(COUNT(flags))], one_in(2));
}

static int64_t call_split(void)
{
	return numab_split_huge_page(m, an_id(), a_vpn());
}

static int64_t call_migrate_pages(void)
{
	uint64_t vpns[64], n = below(65), at = a_vpn(), i;

	for (i = 0; i < n; i++)
		vpns[i] = at += one_in(100) ? odd() : 1 + below(9);
	return numab_migrate_pages(m, an_id(), one_in(40) ? NULL : vpns, n, an_nid(),
				   (int)below(4), (int)below(8));
}

static uint32_t some_mf(void)
{
	static const uint32_t eras[] = { 0, 0, NUMAB_MF_V6, NUMAB_MF_V612 };

	return one_in(30) ? (uint32_t)odd() :
			    (uint32_t)below(one_in(4) ? 16 : 8) | eras[below(COUNT(eras))];
}

static int64_t call_mbind(void)
{
	uint64_t nodes[17];
	struct numab_mbind_result out;
	int64_t err;
	int i;

	for (i = 0; i < 17; i++)
		nodes[i] = one_in(3) ? any() : i ? 0 : 1;
	memset(&out, 0, sizeof(out));
	err = numab_mbind(m, an_id(), a_vaddr(), a_size(), one_in(4) ? NULL : a_mpol(),
			  one_in(40) ? NULL : nodes, (uint32_t)below(18), some_mf(),
			  one_in(10) ? NULL : &out);
	CHECK(out.moved + out.failed == out.queued);
	return err;
}

static int64_t call_move_pages(void)
{
	static uint64_t vaddrs[400];
	static int32_t nids[400], status[400];
	uint64_t n = below(one_in(4) ? 401 : 40), at = a_vpn(), i;
	int nid = an_nid(), pid = an_id();
	int64_t left;

	for (i = 0; i < n; i++) {
		vaddrs[i] = one_in(100) ? odd() : (at + below(n)) * NUMAB_PAGE_BYTES;
		nids[i] = nid = one_in(20) ? (one_in(10) ? an_nid() : (int)below(2)) : nid;
	}
	left = numab_move_pages(m, one_in(2) ? pid : an_id(), pid, n, one_in(40) ? NULL : vaddrs,
				one_in(4) ? NULL : nids, one_in(40) ? NULL : status,
				some_mf() & ~(uint32_t)(one_in(10) ? 0 : 9));
	CHECK(left <= (int64_t)n);
	return left;
}

static int64_t call_to_node(void)
{
	int pid = an_id();

	return numab_migrate_to_node(m, one_in(2) ? pid : an_id(), pid, an_nid(), an_nid(),
				     some_mf() & ~(uint32_t)(one_in(10) ? 0 : 9));
}

static int64_t call_access(void)
{
	struct numab_outcome out;

	return numab_access(m, an_id(), a_vaddr(), one_in(2), one_in(4) ? NULL : &out);
}

static int64_t call_access_rows(void)
{
	struct numab_batch out;
	uint64_t n = below(NR_ROWS + 1);
	int64_t err = numab_access_rows(m, an_id(), one_in(40) ? NULL : lists[below(NR_LISTS)], n,
					&out);

	CHECK(err == NUMAB_ESRCH || err == NUMAB_EINVAL || (err ? out.consumed < n :
								  out.consumed == n));
	return err;
}

static int64_t call_gup(void)
{
	return numab_gup(m, an_id(), a_vaddr(), one_in(2), one_in(2));
}

/* The zero page and bare frames are on no node. */
static int has_page(int tid, uint64_t vpn)
{
	struct numab_task_info task;
	struct numab_page page;

	return numab_task_info(m, tid, &task) == 0 && numab_page(m, task.pid, vpn, &page) == 0 &&
	       !(page.flags & NUMAB_PG_ZERO);
}

/* A probe is right about the access that follows. */
static int64_t call_probe(void)
{
	struct numab_outcome out;
	struct numab_probe p;
	int tid = an_id(), write = one_in(2);
	uint64_t vaddr = a_vaddr();
	int64_t err = numab_probe(m, tid, vaddr, write, &p);

	if (err || !one_in(2))
		return err;
	err = numab_access(m, tid, vaddr, write, &out);
	CHECK((p.kind == NUMAB_FAULT_SEGV) == (err == NUMAB_EFAULT));
	if (p.kind == NUMAB_FAULT_FIRST_TOUCH || p.kind == NUMAB_FAULT_COW)
		CHECK((p.to_nid < 0) == (err == NUMAB_EOOM));
	if (err)
		return 0;
	CHECK((p.kind == NUMAB_FAULT_NONE) == (out.faults == 0));
	CHECK((p.kind == NUMAB_FAULT_HINT_PTE || p.kind == NUMAB_FAULT_HINT_THP) <= out.hints);
	if (p.kind == NUMAB_FAULT_FIRST_TOUCH || p.kind == NUMAB_FAULT_COW)
		CHECK(out.faults == 1 && out.nid == p.to_nid);
	if (p.kind == NUMAB_FAULT_NONE && has_page(tid, vaddr / NUMAB_PAGE_BYTES))
		CHECK(out.nid == p.to_nid);
	return 0;
}

static int64_t call_feed_rows(void)
{
	return numab_feed_rows(m, an_id(), one_in(40) ? NULL : lists[below(NR_LISTS)],
			       below(NR_ROWS + 1), below(4));
}

static int64_t call_feed_pattern(void)
{
	struct numab_pattern p;

	memset(&p, 0, sizeof(p));
	p.kind = (uint32_t)below(one_in(10) ? 4 : 3);
	p.theta_milli = one_in(10) ? (uint32_t)odd() : 1 + (uint32_t)below(4000);
	p.vpn = one_in(10) ? odd() : 0x1000;
	p.nr_pages = one_in(10) ? odd() : 1 + below(1500);
	p.touches = one_in(2) ? 0 : below(2000);
	p.seed = any();
	p.reads = one_in(20) ? (uint32_t)odd() : 500 + (uint32_t)below(2000);
	p.writes = one_in(20) ? (uint32_t)odd() : (uint32_t)below(2000);
	p.write_permille = (uint32_t)below(one_in(10) ? 1100 : 1001);
	return numab_feed_pattern(m, an_id(), one_in(40) ? NULL : &p);
}

static int64_t call_feed_replay(void)
{
	struct numab_replay r;
	int64_t err;
	int i;

	for (i = 0; !replaying && i < NR_EPOCHS; i++) {
		epochs[i].tid = one_in(40) ? an_id() : last_id - (int)below(2);
		epochs[i].row = below(one_in(40) ? 60 : 40);
		epochs[i].nr_rows = (uint32_t)below(one_in(20) ? 12 : 8) + !one_in(20);
	}
	r.rows = lists[0];
	r.nr_rows = NR_ROWS;
	r.epochs = epochs;
	r.nr_epochs = one_in(20) ? 0 : 1 + below(NR_EPOCHS);
	r.window = one_in(20) ? 0 : 1 + below(8);
	r.loops = 1 + below(3);
	err = numab_feed_replay(m, one_in(40) ? NULL : &r);
	replaying |= err == 0;
	return err;
}

static int64_t call_run(void)
{
	struct numab_stop stop = { -1, -1, 0 };
	uint64_t until = numab_now_ns(m) + below(8) * numab_tick_ns(m) + below(3);
	int64_t err = numab_run(m, one_in(40) ? 0 : until, one_in(10) ? NULL : &stop);
	int tid;

	if (stop.why == NUMAB_STOP_DONE)
		replaying = 0;
	if (stop.why == NUMAB_STOP_FEED && one_in(2))
		numab_task_sleep(m, stop.tid, UINT64_MAX);
	/* Who cannot go on is put to sleep, or the clock would stand still from now on. */
	for (tid = 1; (err == NUMAB_EFAULT || err == NUMAB_EOOM) && tid <= last_id; tid++)
		if (one_in(2))
			numab_task_sleep(m, tid, UINT64_MAX);
	return err;
}

static int64_t call_set_now(void)
{
	uint64_t tick = numab_tick_ns(m), now = numab_now_ns(m) / tick * tick;

	if (one_in(100))
		return numab_set_now(m, odd() % (1ull << 50));
	return numab_set_now(m, now + (1 + below(3)) * tick);
}

static int64_t call_account(void)
{
	return numab_account(m, an_id(), one_in(60) ? odd() : below(9000000));
}

static int64_t call_tick(void)
{
	int tid = an_id();
	int64_t queued = numab_tick(m, tid), marked;

	if (queued < 1 || one_in(10))
		return queued;
	marked = numab_task_work(m, tid);
	return marked;
}

/* What a kernel does all day and independent calls seldom add up to: memory is touched, marked, and
 * touched again from another CPU, while some of its pages cannot move. */
static int64_t call_scene(void)
{
	uint64_t vpn = (one_in(3) ? 0x40000 : 0x1000) + 512 * below(3), i;
	int tid = an_id(), pid = tid, write = one_in(2);
	struct numab_task_info task;
	struct numab_vma vma;
	static const uint32_t stuck[] = { NUMAB_PG_NO_LRU, NUMAB_PG_PINNED, NUMAB_PG_WRITEBACK };

	if (numab_task_info(m, tid, &task) == 0)
		pid = task.pid;
	if (one_in(3))
		numab_munmap(m, pid, vpn * NUMAB_PAGE_BYTES, 512 * NUMAB_PAGE_BYTES);
	memset(&vma, 0, sizeof(vma));
	vma.vaddr = vpn * NUMAB_PAGE_BYTES;
	vma.size_bytes = 512 * NUMAB_PAGE_BYTES;
	vma.prot = NUMAB_PROT_READ | NUMAB_PROT_WRITE;
	numab_mmap(m, pid, &vma);
	for (i = 0; i < 6; i++)
		numab_access(m, tid, (vpn + below(512)) * NUMAB_PAGE_BYTES, write, NULL);
	for (i = 0; i < 2; i++)
		numab_change_prot_numa(m, pid, vpn * NUMAB_PAGE_BYTES,
				       (one_in(2) ? 512 : 100) * NUMAB_PAGE_BYTES);
	numab_task_set_cpu(m, tid, a_cpu());
	if (one_in(4))
		numab_page_set_flags(m, pid, vpn + below(512), stuck[below(3)], 1);
	for (i = 0; i < 200 && !one_in(100); i++) {
		result = call_probe();
		numab_access(m, tid, (vpn + i) * NUMAB_PAGE_BYTES, write, NULL);
	}
	return 0;
}

static uint64_t move_ids[256];
static int nr_moves;

static int64_t call_moves(void)
{
	struct numab_move moves[16];
	int n = numab_moves(m, one_in(20) ? NULL : moves, (int)below(18) - 1), i;

	for (i = 0; i < n; i++)
		move_ids[nr_moves++ % 256] = moves[i].id;
	return n;
}

static int64_t call_migrated(void)
{
	uint64_t id = one_in(20) ? odd() : move_ids[below(256)];

	return numab_migrated(m, id, one_in(3));
}

static int64_t call_events(void)
{
	uint32_t capacity = one_in(4) ? 0 : one_in(10) ? (uint32_t)odd() : 4096;

	return numab_events(m, capacity, one_in(3), one_in(2) ? 0 : a_vpn(),
			    one_in(2) ? UINT64_MAX : a_vpn());
}

static int64_t call_drain(void)
{
	static struct numab_event events[4096];

	return numab_drain(m, one_in(40) ? NULL : events, one_in(20) ? -1 : 4096);
}

static int64_t call_isa(void)
{
	static const char *const names[] = { "base", "avx2", "avx512", "mmx", NULL };

	return numab_scan_isa_use(m, names[below(COUNT(names))]);
}

/* Questions: no text of their own for a failure, as they change nothing. */
static int64_t call_questions(void)
{
	struct numab_mpol mpol;
	struct numab_vma vmas[4];
	struct numab_page page;
	struct numab_task_info task;
	struct numab_node_info node;
	uint64_t by_node[1024];
	int16_t nids[64];
	int32_t tids[5];
	struct numab_candidate met[3];
	int i = one_in(4) ? (int)odd() : (int)below(60);

	numab_counter_name(i);
	numab_counter_kind(i);
	numab_counter_unit(i);
	numab_counter_text(i);
	numab_reason_name(i);
	numab_reason_text(i);
	numab_policy(i);
	numab_policy_text(i);
	numab_event_name(i);
	numab_migrate_mode_name(i);
	numab_migrate_reason_name(i);
	numab_get(m, i);
	numab_weight(odd(), odd());
	numab_distance(m, i, an_nid());
	numab_task_faults(m, i);
	numab_mm_faults(m, i);
	numab_node_info(m, i, one_in(10) ? NULL : &node);
	numab_task_info(m, an_id(), one_in(10) ? NULL : &task);
	numab_rq_tasks(m, a_cpu(), (int)below(4) - 1, one_in(10) ? NULL : tids, (int)below(6) - 1);
	numab_domain_state(m, a_cpu(), i);
	numab_candidates(m, an_id(), (uint32_t)below(17), one_in(10) ? NULL : met,
			 (int)below(5) - 1);
	numab_page(m, an_id(), a_vpn(), one_in(10) ? NULL : &page);
	numab_page_nids(m, an_id(), a_vpn(), below(65), one_in(10) ? NULL : nids);
	numab_mm_node_pages(m, an_id(), one_in(10) ? NULL : by_node);
	numab_vmas(m, an_id(), one_in(10) ? NULL : vmas, (int)below(6) - 1);
	numab_task_policy(m, an_id(), one_in(10) ? NULL : &mpol);
	numab_vma_policy(m, an_id(), a_vaddr(), one_in(2), one_in(10) ? NULL : &mpol);
	numab_weight_of(m, an_nid());
	return 0;
}

/* How a failure may leave the machine: the contract's exceptions are PARTLY. */
enum manners { CLEAN, PARTLY };

static const struct {
	const char *name;
	int64_t (*call)(void);
	int weight;
	enum manners manners;
} calls[] = {
	{ "use_policy", call_use_policy, 1, CLEAN },
	{ "use_own_policy", call_use_own_policy, 1, CLEAN },
	{ "set", call_set, 2, CLEAN },
	{ "set_as_posted", call_set_as_posted, 1, CLEAN },
	{ "process", call_process, 2, CLEAN },
	{ "fork", call_fork, 2, PARTLY },
	{ "clone", call_clone, 2, CLEAN },
	{ "exec", call_exec, 1, CLEAN },
	{ "exit", call_exit, 3, CLEAN },
	{ "task_set_cpu", call_set_cpu, 3, CLEAN },
	{ "task_set_home", call_set_home, 2, CLEAN },
	{ "task_set_nice", call_set_nice, 2, CLEAN },
	{ "task_set_affinity", call_set_affinity, 2, CLEAN },
	{ "task_swap", call_swap, 1, CLEAN },
	{ "rq_move_tail", call_move_tail, 1, CLEAN },
	{ "set_domain", call_set_domain, 3, CLEAN },
	{ "load_balance", call_load_balance, 5, CLEAN },
	{ "events_mask", call_events_mask, 1, CLEAN },
	{ "task_sleep", call_sleep, 1, CLEAN },
	{ "task_wake", call_wake, 3, CLEAN },
	{ "object", call_object, 1, CLEAN },
	{ "object_drop", call_object_drop, 1, CLEAN },
	{ "mmap", call_mmap, 16, CLEAN },
	{ "munmap", call_munmap, 2, CLEAN },
	{ "mprotect", call_mprotect, 2, CLEAN },
	{ "mremap", call_mremap, 2, CLEAN },
	{ "change_prot_numa", call_change_prot_numa, 12, CLEAN },
	{ "populate", call_populate, 4, PARTLY },
	{ "set_task_policy", call_set_task_policy, 2, CLEAN },
	{ "set_vma_policy", call_set_vma_policy, 3, CLEAN },
	{ "weight", call_weight, 1, CLEAN },
	{ "kernel_pages", call_kernel_pages, 2, CLEAN },
	{ "page_set_flags", call_page_set_flags, 3, CLEAN },
	{ "split_huge_page", call_split, 1, CLEAN },
	{ "migrate_pages", call_migrate_pages, 4, PARTLY },
	{ "mbind", call_mbind, 6, PARTLY },
	{ "move_pages", call_move_pages, 6, PARTLY },
	{ "migrate_to_node", call_to_node, 3, PARTLY },
	{ "access", call_access, 30, PARTLY },
	{ "access_rows", call_access_rows, 10, PARTLY },
	{ "gup", call_gup, 3, PARTLY },
	{ "probe", call_probe, 10, CLEAN },
	{ "feed_rows", call_feed_rows, 3, CLEAN },
	{ "feed_pattern", call_feed_pattern, 3, CLEAN },
	{ "feed_replay", call_feed_replay, 1, CLEAN },
	{ "run", call_run, 10, PARTLY },
	{ "set_now", call_set_now, 2, CLEAN },
	{ "account", call_account, 4, CLEAN },
	{ "tick", call_tick, 6, CLEAN },
	{ "scene", call_scene, 12, PARTLY },
	{ "moves", call_moves, 3, CLEAN },
	{ "migrated", call_migrated, 6, PARTLY },
	{ "events", call_events, 2, CLEAN },
	{ "drain", call_drain, 3, CLEAN },
	{ "scan_isa_use", call_isa, 1, CLEAN },
	{ "questions", call_questions, 6, CLEAN },
};

/* ---- the machine ---- */

static const int32_t some_nids[] = { 0, 1, 3, 5, 130 };

static int64_t create(void)
{
	struct numab_node nodes[5];
	int32_t cpu_nid[6];
	uint8_t distance[25];
	struct numab_config c;
	char err[64] = "";
	uint32_t i, nr = 1 + (uint32_t)below(5);
	int64_t got;

	memset(nodes, 0, sizeof(nodes));
	memset(&c, 0, sizeof(c));
	for (i = 0; i < nr; i++) {
		nodes[i].nid = one_in(60) ? (int32_t)odd() : some_nids[i];
		nodes[i].pages = 300 + below(one_in(2) ? 4000 : 30000);
		if (one_in(6))
			nodes[i].pages = one_in(10) ? odd() : 0;
		if (one_in(3))
			nodes[i].watermark_min = nodes[i].watermark_low =
				nodes[i].watermark_high = one_in(10) ? odd() : below(200);
	}
	for (i = 0; i < 6; i++)
		cpu_nid[i] = one_in(6) ? -1 : one_in(90) ? 77 : some_nids[below(nr)];
	for (i = 0; i < 25; i++)
		distance[i] = (uint8_t)(one_in(400) ? 0 : 10 + below(246));
	c.size = one_in(60) ? (uint32_t)odd() : (uint32_t)sizeof(c);
	c.hz = one_in(60) ? (uint32_t)odd() : one_in(3) ? 300 : 1000;
	c.nr_nodes = nr;
	c.nr_cpus = one_in(60) ? 0 : 6;
	c.nodes = one_in(90) ? NULL : nodes;
	c.cpu_nid = cpu_nid;
	c.distance = distance;
	c.seed = any();
	c.flags = one_in(60) ? (uint32_t)odd() : (uint32_t)one_in(3);
	c.alloc = host_alloc;
	c.place = one_in(2) ? host_place : NULL;
	c.balance = one_in(2) ? host_balance : NULL;
	got = numab_create(&c, &m, err, sizeof(err));
	CHECK((got == 0) == (m != NULL) && (got == 0) == (err[0] == '\0'));
	CHECK(m || !heap_bytes);
	return got;
}

static void new_machine(void)
{
	numab_destroy(m);
	m = NULL;
	CHECK(heap_bytes == 0);
	last_id = replaying = 0;
	memset(move_ids, 0, sizeof(move_ids));
	doing = "create";
	heap_moody = 1;
	while (create())
		;
	heap_moody = 0;
	CHECK(numab_set(m, NUMAB_T_scan_delay_ms, 5) == 0);
	CHECK(numab_set(m, NUMAB_T_scan_period_min_ms, 5) == 0);
	CHECK(numab_set(m, NUMAB_T_thp, one_in(2)) == 0);
	CHECK(numab_set(m, NUMAB_T_thp_native_migration, one_in(2)) == 0);
	CHECK(numab_use_policy(m, one_in(3) ? "moron" : "home_node") == 0);
}

/* ---- the steps ---- */

struct state {
	uint64_t counters[NUMAB_NR_COUNTERS], reasons[NUMAB_NR_REASONS], free[5];
	uint64_t now_ns;
	struct numab_rq rqs[6];
};

static void look(struct state *s)
{
	struct numab_node_info node;
	int i;

	memset(s, 0, sizeof(*s));
	memcpy(s->counters, numab_counters(m), sizeof(s->counters));
	memcpy(s->reasons, numab_reasons(m), sizeof(s->reasons));
	for (i = 0; i < 5; i++)
		if (numab_node_info(m, some_nids[i], &node) == 0)
			s->free[i] = node.free;
	s->now_ns = numab_now_ns(m);
	memcpy(s->rqs, numab_rqs(m), sizeof(s->rqs));
}

static void one_step(void)
{
	static struct state before, after;
	static int total;
	char stale[64];
	size_t i;
	int at;

	if (!total)
		for (i = 0; i < COUNT(calls); i++)
			total += calls[i].weight;
	at = (int)below((uint64_t)total);
	for (i = 0; at >= calls[i].weight; i++)
		at -= calls[i].weight;
	doing = calls[i].name;
	look(&before);
	/* A text that no call of a step has: a failure must replace it. */
	numab_set(m, -12345, 0);
	snprintf(stale, sizeof(stale), "%s", numab_errmsg(m));
	heap_moody = one_in(4);
	result = calls[i].call();
	heap_moody = 0;
	if (result >= 0)
		return;
	CHECK(result >= INT32_MIN);
	CHECK(strcmp(numab_strerror((int)result), numab_strerror(-12345)));
	CHECK(numab_errmsg(m)[0] && strcmp(numab_errmsg(m), stale));
	look(&after);
	CHECK(calls[i].manners == PARTLY || !memcmp(&before, &after, sizeof(after)));
}

/* Without a machine: refused, or nothing; never a crash. */
#define REFUSED(call) CHECK((call) == NUMAB_EINVAL)

static void no_machine(void)
{
	CHECK(numab_create(NULL, NULL, NULL, 0) == NUMAB_EINVAL);
	CHECK(numab_create(NULL, &m, NULL, 0) == NUMAB_EINVAL && !m);
	numab_destroy(NULL);
	CHECK(!numab_errmsg(NULL)[0] && !numab_policy_in_use(NULL)[0] && !numab_scan_isa(NULL)[0]);
	CHECK(!numab_counters(NULL) && !numab_reasons(NULL) && !numab_access_matrix(NULL));
	CHECK(!numab_task_faults(NULL, 1) && !numab_mm_faults(NULL, 1));
	CHECK(!numab_get(NULL, 0) && !numab_now_ns(NULL) && !numab_tick_ns(NULL));
	REFUSED(numab_check(NULL));
	REFUSED(numab_set(NULL, 0, 0));
	REFUSED(numab_set_as_posted(NULL, 1));
	REFUSED(numab_use_policy(NULL, "off"));
	REFUSED(numab_use_own_policy(NULL, numab_policy(0)));
	REFUSED(numab_nr_node_ids(NULL));
	REFUSED(numab_node_info(NULL, 0, NULL));
	REFUSED(numab_distance(NULL, 0, 0));
	REFUSED(numab_process(NULL, 0));
	REFUSED(numab_fork(NULL, 1, 0));
	REFUSED(numab_clone(NULL, 1, 0));
	REFUSED(numab_exec(NULL, 1));
	REFUSED(numab_exit(NULL, 1));
	REFUSED(numab_task_set_cpu(NULL, 1, 0));
	REFUSED(numab_task_set_home(NULL, 1, 0));
	REFUSED(numab_task_set_nice(NULL, 1, 0));
	REFUSED(numab_task_set_affinity(NULL, 1, NULL, 0));
	REFUSED(numab_task_affinity(NULL, 1, NULL, 0));
	REFUSED(numab_task_swap(NULL, 1, 1));
	REFUSED(numab_rq_tasks(NULL, 0, 0, NULL, 0));
	REFUSED(numab_rq_move_tail(NULL, 1));
	REFUSED(numab_set_domain(NULL, 0, 0, NULL));
	REFUSED(numab_load_balance(NULL, 0, 0, 0));
	REFUSED(numab_events_mask(NULL, 0));
	CHECK(!numab_rqs(NULL) && !numab_domain_state(NULL, 0, 0));
	REFUSED(numab_task_sleep(NULL, 1, 0));
	REFUSED(numab_task_wake(NULL, 1));
	REFUSED(numab_task_info(NULL, 1, NULL));
}

static void no_memory_of_no_machine(void)
{
	struct numab_row row = { 0, 1, 0 };
	struct numab_pattern pattern;
	struct numab_probe probe;
	struct numab_page page;
	struct numab_vma vma;

	memset(&pattern, 0, sizeof(pattern));
	memset(&vma, 0, sizeof(vma));
	REFUSED(numab_mm_node_pages(NULL, 1, NULL));
	REFUSED(numab_object(NULL, NUMAB_SHM, 1));
	REFUSED(numab_object_drop(NULL, 1));
	REFUSED(numab_mmap(NULL, 1, &vma));
	REFUSED(numab_munmap(NULL, 1, 0, 4096));
	REFUSED(numab_mprotect(NULL, 1, 0, 4096, 0));
	REFUSED(numab_mremap(NULL, 1, 0, 4096, 8192));
	REFUSED(numab_change_prot_numa(NULL, 1, 0, 4096));
	REFUSED(numab_vmas(NULL, 1, NULL, 0));
	REFUSED(numab_populate(NULL, 1, NULL, NULL, 0, 1));
	REFUSED(numab_set_task_policy(NULL, 1, NULL));
	REFUSED(numab_set_vma_policy(NULL, 1, 0, 4096, NULL));
	REFUSED(numab_set_weight(NULL, 0, 1));
	REFUSED(numab_weight_of(NULL, 0));
	REFUSED(numab_alloc_kernel(NULL, 1, 0));
	REFUSED(numab_free_kernel(NULL, 0, 0));
	REFUSED(numab_page(NULL, 1, 0, &page));
	REFUSED(numab_page_nids(NULL, 1, 0, 0, NULL));
	REFUSED(numab_page_set_flags(NULL, 1, 0, 0, 0));
	REFUSED(numab_split_huge_page(NULL, 1, 0));
	REFUSED(numab_migrate_pages(NULL, 1, NULL, 0, 0, 0, 0));
	REFUSED(numab_mbind(NULL, 1, 0, 4096, NULL, NULL, 0, 0, NULL));
	REFUSED(numab_move_pages(NULL, 1, 1, 0, NULL, NULL, NULL, 0));
	REFUSED(numab_migrate_to_node(NULL, 1, 1, 0, 0, NUMAB_MF_MOVE));
	REFUSED(numab_access(NULL, 1, 0, 0, NULL));
	REFUSED(numab_access_rows(NULL, 1, &row, 1, NULL));
	REFUSED(numab_gup(NULL, 1, 0, 0, 0));
	REFUSED(numab_probe(NULL, 1, 0, 0, &probe));
	REFUSED(numab_feed_rows(NULL, 1, &row, 1, 1));
	REFUSED(numab_feed_pattern(NULL, 1, &pattern));
	REFUSED(numab_feed_replay(NULL, NULL));
	REFUSED(numab_run(NULL, 0, NULL));
	REFUSED(numab_set_now(NULL, 0));
	REFUSED(numab_account(NULL, 1, 0));
	REFUSED(numab_tick(NULL, 1));
	REFUSED(numab_task_work(NULL, 1));
	REFUSED(numab_moves(NULL, NULL, 0));
	REFUSED(numab_migrated(NULL, 1, 0));
	REFUSED(numab_events(NULL, 0, 0, 0, 0));
	REFUSED(numab_drain(NULL, NULL, 0));
	REFUSED(numab_scan_isa_use(NULL, "base"));
}

int main(int argc, char **argv)
{
	unsigned long steps = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;

	seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	rng = seed * 0x9e3779b97f4a7c15ull + 1;
	no_machine();
	no_memory_of_no_machine();
	for (step_nr = 0; step_nr < steps; step_nr++) {
		if (step_nr % 3000 == 0) {
			new_machine();
			fill_lists();
		}
		one_step();
		if (step_nr % 16 == 0)
			CHECK(numab_check(m) == 0);
	}
	CHECK(numab_check(m) == 0);
	numab_destroy(m);
	m = NULL;
	CHECK(heap_bytes == 0);
	return 0;
}
