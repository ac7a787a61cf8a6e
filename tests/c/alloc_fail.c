/* SPDX-License-Identifier: BSD-3-Clause
 *
 * alloc_fail.c - refuse the n-th request for memory, for every n
 *
 * A scenario calls everything that may allocate.  In round n the allocator refuses request n (or
 * with "from": request n and all later ones, until the call that made it has returned).  Expect of
 * that call:
 *
 *	- it says NUMAB_ENOMEM, with one line in numab_errmsg();
 *	- the machine is as it was: counters, reasons, nodes, tasks, VMAs, every page;
 *	- numab_check() finds nothing;
 *	- the same call again, with memory, succeeds, and the round ends as an undisturbed one does.
 *
 * After numab_destroy() no byte is left, and every block was given back with the size it was asked
 * for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numab.h"

#define CHECK(cond) check((cond), #cond, __LINE__)

static const char *doing = "nothing";
static struct numab_machine *machine;
static uint64_t round_nr;

static void check(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "alloc_fail.c:%d: round %llu, in %s: expected %s (%s)\n", line,
		(unsigned long long)round_nr, doing, what, numab_errmsg(machine));
	abort();
}

/* ---- the allocator ---- */

struct block {
	size_t bytes;
	uint64_t magic;
};
#define MAGIC 0x6e756d61622d6d65ull

static struct {
	uint64_t requests, refuse; /* refuse: which request, 0: none */
	int sticky, refused;
	size_t live_bytes, live_blocks;
} heap;

static void *host_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes, int zeroed)
{
	struct block *b;

	CHECK(ud == &heap && (!old_bytes || !new_bytes) && (old_bytes || new_bytes));
	if (old_bytes) {
		CHECK(ptr != NULL);
		b = (struct block *)ptr - 1;
		CHECK(b->magic == MAGIC && b->bytes == old_bytes);
		heap.live_bytes -= old_bytes;
		heap.live_blocks--;
		b->magic = 0;
		free(b);
		return NULL;
	}
	CHECK(ptr == NULL);
	heap.requests++;
	if (heap.refuse && (heap.requests == heap.refuse ||
			    (heap.sticky && heap.requests > heap.refuse))) {
		heap.refused = 1;
		return NULL;
	}
	b = (struct block *)malloc(sizeof(*b) + new_bytes);
	CHECK(b != NULL);
	memset(b + 1, zeroed ? 0 : 0xa5, new_bytes); /* nobody may count on zeros unasked */
	b->bytes = new_bytes;
	b->magic = MAGIC;
	heap.live_bytes += new_bytes;
	heap.live_blocks++;
	return b + 1;
}

/* ---- what a machine looks like from outside ---- */

#define MAX_TID 24
#define MAX_VMAS 32
#define WATCH_PAGES 160 /* of each of the areas below */
#define NR_AREAS 5

static const uint64_t areas[NR_AREAS] = { 0x1000, 0x1600, 0x40000, 0x80000, 0x100000 };

struct picture {
	uint64_t counters[NUMAB_NR_COUNTERS], reasons[NUMAB_NR_REASONS];
	struct numab_node_info nodes[2];
	struct numab_task_info tasks[MAX_TID];
	uint64_t faults[MAX_TID][2];
	int nr_vmas[MAX_TID];
	struct numab_vma vmas[MAX_TID][MAX_VMAS];
	struct numab_page pages[MAX_TID][NR_AREAS][WATCH_PAGES];
	uint64_t now_ns;
};

static void take_picture(const struct numab_machine *m, struct picture *p)
{
	int tid, a, i;

	memset(p, 0, sizeof(*p));
	memcpy(p->counters, numab_counters(m), sizeof(p->counters));
	memcpy(p->reasons, numab_reasons(m), sizeof(p->reasons));
	for (i = 0; i < 2; i++)
		CHECK(numab_node_info(m, i, &p->nodes[i]) == 0);
	for (tid = 1; tid < MAX_TID; tid++) {
		const uint64_t *faults = numab_task_faults(m, tid);

		if (faults)
			memcpy(p->faults[tid], faults, sizeof(p->faults[tid]));
		numab_task_info(m, tid, &p->tasks[tid]);
		p->nr_vmas[tid] = numab_vmas(m, tid, p->vmas[tid], MAX_VMAS);
		for (a = 0; p->nr_vmas[tid] >= 0 && a < NR_AREAS; a++)
			for (i = 0; i < WATCH_PAGES; i++)
				numab_page(m, tid, areas[a] + i, &p->pages[tid][a][i]);
	}
	p->now_ns = numab_now_ns(m);
}

static uint64_t hash(const void *data, size_t bytes)
{
	const uint64_t *p = (const uint64_t *)data; /* whole words, all of them */
	uint64_t h = 14695981039346656037ull;
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h;
}

/* ---- the scenario: one call a step; 0 or an id when it worked ---- */

static struct world {
	int pid, child, thread, object;
	uint64_t nr_small;
} w;

static const struct numab_row rows[3] = {
	{ 0x1000 | 299ull << 48, 1, 0 }, { 0x80000 | 99ull << 48, 0, 1 }, { 0x1010, 2, 0 },
};
/* What is left of these by the time of the replay. */
static const struct numab_row recorded[3] = {
	{ 0x1000 | 63ull << 48, 9, 0 }, { 0x40000 | 31ull << 48, 0, 1 }, { 0x1010, 2, 0 },
};
static const struct numab_epoch epochs[2] = { { 0, 2, 1 }, { 2, 1, 1 } };

static int64_t do_create(void)
{
	struct numab_node nodes[2];
	const int32_t cpu_nid[2] = { 0, 1 };
	const uint8_t distance[4] = { 10, 20, 20, 10 };
	struct numab_config config;
	char err[128] = "";
	int result;

	memset(nodes, 0, sizeof(nodes));
	memset(&config, 0, sizeof(config));
	nodes[1].nid = 1;
	nodes[0].pages = nodes[1].pages = 65536;
	config.size = sizeof(config);
	config.hz = 250;
	config.nr_nodes = config.nr_cpus = 2;
	config.nodes = nodes;
	config.cpu_nid = cpu_nid;
	config.distance = distance;
	config.alloc = host_alloc;
	config.alloc_ud = &heap;
	result = numab_create(&config, &machine, err, sizeof(err));
	CHECK((result == 0) == (machine != NULL) && (result == 0) == (err[0] == '\0'));
	CHECK(result == 0 || heap.live_blocks == 0);
	return result;
}

static int64_t do_policy(void)
{
	int err = numab_use_policy(machine, "home_node");

	return err ? err : numab_set(machine, NUMAB_T_scan_delay_ms, 20); /* scans come soon */
}

static int64_t do_process(void)
{
	return w.pid = numab_process(machine, 0);
}

static int64_t map(uint64_t vpn, uint64_t nr, uint32_t kind, int object)
{
	struct numab_vma v;

	memset(&v, 0, sizeof(v));
	v.vaddr = vpn * NUMAB_PAGE_BYTES;
	v.size_bytes = nr * NUMAB_PAGE_BYTES;
	v.kind = kind;
	v.prot = NUMAB_PROT_READ | NUMAB_PROT_WRITE;
	v.object = object;
	return numab_mmap(machine, w.pid, &v);
}

static int64_t do_mmap(void)
{
	return map(0x1000, 0x700, NUMAB_ANON_PRIVATE, 0);
}

/* Begins in a slot that has entries already and ends in one that has not. */
static int64_t do_mmap_beside(void)
{
	return map(0x1700, 0x200, NUMAB_ANON_PRIVATE, 0);
}

static int64_t do_mmap_many(void)
{
	int64_t err = map(0x100000 + 1024 * w.nr_small, 1, NUMAB_ANON_PRIVATE, 0);

	w.nr_small += err == 0;
	return err;
}

static int64_t do_object(void)
{
	return w.object = numab_object(machine, NUMAB_SHM, 700);
}

static int64_t do_mmap_object(void)
{
	return map(0x80000, 700, NUMAB_SHM, w.object);
}

static int64_t do_populate(void)
{
	uint64_t vpns[64];
	int32_t nids[64];
	int i;

	for (i = 0; i < 64; i++) {
		vpns[i] = 0x1000 + 7 * (uint64_t)i;
		nids[i] = i % 2;
	}
	return numab_populate(machine, w.pid, vpns, nids, 64, 1);
}

static int64_t do_access(void)
{
	return numab_access_rows(machine, w.pid, rows, 3, NULL);
}

static int64_t do_clone(void)
{
	return w.thread = numab_clone(machine, w.pid, 1);
}

static int64_t do_fork(void)
{
	return w.child = numab_fork(machine, w.pid, 1);
}

static int64_t do_child_access(void)
{
	return numab_access_rows(machine, w.child, rows, 2, NULL);
}

static int64_t do_events(void)
{
	return numab_events(machine, 8192, 0, 0, UINT64_MAX);
}

static int64_t do_feed_zipf(void)
{
	struct numab_pattern p;

	memset(&p, 0, sizeof(p));
	p.kind = NUMAB_ZIPF;
	p.theta_milli = 990;
	p.vpn = 0x1000;
	p.nr_pages = 0x600;
	p.seed = 5;
	p.reads = 10000;
	p.writes = 1;
	p.write_permille = 500;
	return numab_feed_pattern(machine, w.child, &p);
}

static int64_t do_feed_replay(void)
{
	struct numab_replay r;

	r.rows = recorded;
	r.nr_rows = 3;
	r.epochs = epochs;
	r.nr_epochs = 2;
	r.window = 64;
	r.loops = 1;
	return numab_feed_replay(machine, &r);
}

static int64_t do_sleep_threads(void)
{
	int tid, err = 0;

	for (tid = 1; tid < MAX_TID && !err; tid++)
		if (numab_task_faults(machine, tid) && tid != w.pid && tid != w.child)
			err = numab_task_sleep(machine, tid, UINT64_MAX);
	return err;
}

static int64_t do_run(void)
{
	struct numab_stop stop;
	int err = numab_run(machine, 100000000ull, &stop);

	CHECK(err || stop.why == NUMAB_STOP_DONE);
	if (!err)
		err = numab_task_sleep(machine, w.pid, UINT64_MAX);
	if (!err)
		err = numab_run(machine, 100000000ull, &stop);
	CHECK(err || stop.why == NUMAB_STOP_UNTIL);
	return err;
}

static int64_t mpol(int vma, uint32_t mode)
{
	const uint64_t mask = 3;
	struct numab_mpol p;

	memset(&p, 0, sizeof(p));
	p.mode = mode;
	p.flags = NUMAB_MPOL_F_MOF;
	p.nid = 1;
	p.nr_mask_words = 1;
	p.mask = &mask;
	if (!vma)
		return numab_set_task_policy(machine, w.pid, &p);
	return numab_set_vma_policy(machine, w.pid, 0x1100 * (uint64_t)NUMAB_PAGE_BYTES,
				    0x80 * (uint64_t)NUMAB_PAGE_BYTES, &p);
}

static int64_t do_task_policy(void)
{
	return mpol(0, NUMAB_MPOL_PREFERRED);
}

static int64_t do_vma_policy(void)
{
	return mpol(1, NUMAB_MPOL_INTERLEAVE);
}

static int64_t do_mprotect(void)
{
	return numab_mprotect(machine, w.pid, 0x1200 * (uint64_t)NUMAB_PAGE_BYTES,
			      0x10 * NUMAB_PAGE_BYTES, NUMAB_PROT_READ);
}

static int64_t do_mremap(void)
{
	return numab_mremap(machine, w.pid, 0x1040 * (uint64_t)NUMAB_PAGE_BYTES,
			    0x20 * NUMAB_PAGE_BYTES, 0x40000 * (uint64_t)NUMAB_PAGE_BYTES);
}

static int64_t do_munmap(void)
{
	return numab_munmap(machine, w.pid, 0x1080 * (uint64_t)NUMAB_PAGE_BYTES,
			    0x20 * NUMAB_PAGE_BYTES);
}

static int64_t do_migrate(void)
{
	uint64_t vpns[32];
	int i;

	for (i = 0; i < 32; i++)
		vpns[i] = 0x1000 + (uint64_t)i;
	return numab_migrate_pages(machine, w.pid, vpns, 32, 1, NUMAB_MIGRATE_SYNC,
				   NUMAB_MR_SYSCALL);
}

/* The list of pages, the policy and the cut VMAs. */
static int64_t do_mbind(void)
{
	const uint64_t mask = 1;
	struct numab_mpol p;

	memset(&p, 0, sizeof(p));
	p.mode = NUMAB_MPOL_BIND;
	p.nr_mask_words = 1;
	p.mask = &mask;
	return numab_mbind(machine, w.pid, 0x1004 * (uint64_t)NUMAB_PAGE_BYTES,
			   0x18 * (uint64_t)NUMAB_PAGE_BYTES, &p, &mask, 1, NUMAB_MF_MOVE_ALL,
			   NULL);
}

static int64_t do_move_pages(void)
{
	uint64_t vaddrs[8];
	int32_t nids[8], status[8];
	int i;

	for (i = 0; i < 8; i++) {
		vaddrs[i] = (0x1004 + (uint64_t)i) * NUMAB_PAGE_BYTES;
		nids[i] = i / 4;
	}
	return numab_move_pages(machine, w.pid, w.pid, 8, vaddrs, nids, status,
				NUMAB_MF_MOVE_ALL | NUMAB_MF_V6);
}

static int64_t do_to_node(void)
{
	return numab_migrate_to_node(machine, w.pid, w.pid, 0, 1, NUMAB_MF_MOVE_ALL);
}

static int64_t do_set_cpu(void)
{
	return numab_task_set_cpu(machine, w.thread, numab_now_ns(machine) ? 1 : 0);
}

static int64_t do_check(void)
{
	return numab_check(machine);
}

static int64_t do_exec(void)
{
	return numab_exec(machine, w.child);
}

static int64_t do_exit(void)
{
	return numab_exit(machine, w.pid);
}

static int64_t do_drop(void)
{
	return numab_object_drop(machine, w.object);
}

struct step {
	const char *name;
	int64_t (*call)(void);
	int times;
};

static const struct step steps[] = {
	{ "create", do_create, 1 },
	{ "use_policy", do_policy, 1 },
	{ "process", do_process, 1 },
	{ "mmap", do_mmap, 1 },
	{ "mmap beside it", do_mmap_beside, 1 },
	{ "mmap, many", do_mmap_many, 16 },
	{ "populate", do_populate, 1 },
	{ "object", do_object, 1 },
	{ "mmap of an object", do_mmap_object, 1 },
	{ "events", do_events, 2 },
	{ "access", do_access, 1 },
	{ "clone", do_clone, 17 },
	{ "fork", do_fork, 2 },
	{ "access of the child", do_child_access, 1 },
	{ "object, more", do_object, 9 },
	{ "set_task_policy", do_task_policy, 2 },
	{ "set_vma_policy", do_vma_policy, 2 },
	{ "mprotect", do_mprotect, 1 },
	{ "mremap", do_mremap, 1 },
	{ "munmap", do_munmap, 1 },
	{ "migrate_pages", do_migrate, 1 },
	{ "mbind", do_mbind, 1 },
	{ "move_pages", do_move_pages, 1 },
	{ "migrate_to_node", do_to_node, 1 },
	{ "set_cpu", do_set_cpu, 1 },
	{ "feed zipf", do_feed_zipf, 2 },
	{ "feed a replay", do_feed_replay, 1 },
	{ "sleep", do_sleep_threads, 1 },
	{ "run", do_run, 1 },
	{ "feed zipf again", do_feed_zipf, 1 },
	{ "check", do_check, 1 },
	{ "fork again", do_fork, 1 },
	{ "exec", do_exec, 2 },
	{ "exit", do_exit, 1 },
	{ "drop", do_drop, 1 },
};
#define NR_STEPS ((int)(sizeof(steps) / sizeof(steps[0])))

/* Requests made up to and with each call of an undisturbed round: whose turn a refusal is. */
#define MAX_CALLS 100
static uint64_t requests_after[MAX_CALLS];

/* The call was refused memory: nothing may have changed, and with memory it works. */
static void refused(const struct step *step, const struct picture *before)
{
	static struct picture after;

	heap.refuse = heap.refused = 0;
	if (machine) {
		CHECK(numab_errmsg(machine)[0] != '\0');
		take_picture(machine, &after);
		CHECK(!memcmp(before, &after, sizeof(after)));
		CHECK(numab_check(machine) == 0);
	}
	CHECK(step->call() >= 0);
}

/* Returns a hash of what the machine looked like at the end. */
static uint64_t play(void)
{
	static struct picture picture;
	static struct numab_event events[8192];
	int i, k, call = 0;
	uint64_t end;

	machine = NULL;
	memset(&w, 0, sizeof(w));
	for (i = 0; i < NR_STEPS; i++) {
		for (k = 0; k < steps[i].times; k++, call++) {
			int64_t result;

			doing = steps[i].name;
			CHECK(call < MAX_CALLS);
			if (machine && heap.refuse && heap.refuse <= requests_after[call])
				take_picture(machine, &picture);
			result = steps[i].call();
			CHECK((result == NUMAB_ENOMEM) == heap.refused);
			CHECK(result >= 0 || heap.refused);
			if (!round_nr)
				requests_after[call] = heap.requests;
			if (heap.refused)
				refused(&steps[i], &picture);
		}
	}
	doing = "the end";
	heap.refuse = 0;
	CHECK(numab_check(machine) == 0);
	take_picture(machine, &picture);
	memset(events, 0, sizeof(events));
	numab_drain(machine, events, 8192);
	end = hash(&picture, sizeof(picture)) ^ hash(events, sizeof(events));
	numab_destroy(machine);
	CHECK(heap.live_bytes == 0 && heap.live_blocks == 0);
	return end;
}

static void new_round(uint64_t nr, int sticky)
{
	memset(&heap, 0, sizeof(heap));
	round_nr = nr;
	heap.refuse = nr;
	heap.sticky = sticky;
}

int main(void)
{
	uint64_t undisturbed, requests = 0, nr;
	int sticky, i;

	new_round(0, 0);
	undisturbed = play();
	for (i = 0; i < MAX_CALLS; i++)
		requests = requests_after[i] ? requests_after[i] : requests;
	for (sticky = 0; sticky < 2; sticky++) {
		for (nr = 1; nr <= requests; nr++) {
			new_round(nr, sticky);
			CHECK(play() == undisturbed);
		}
	}
	printf("requests %llu\n", (unsigned long long)requests);
	return 0;
}
