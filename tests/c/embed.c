/* SPDX-License-Identifier: BSD-3-Clause
 *
 * embed.c - the core inside another simulator: a recipe to copy from
 *
 * Build it as one command, no library needed:
 *
 *	cc $(python -m numa_core --cflags --sources) embed.c -o embed
 *
 * The host below has a clock, one thread and 512 pages (one 2 MiB slot).  It is shown three times:
 *
 *	closed	 the host keeps the time, the core keeps the pages and moves them
 *	external the host keeps the pages too: the core asks for moves, the host does or refuses
 *	filter	 the host brings its own placement rule as a C function
 *
 * Each part prints the kernel's counters as /proc/vmstat would, and checks them against numbers
 * worked out by hand from the rules (a program that embeds the core would leave the checks out).
 *
 * The timeline is the same in all three.  A tick is 4 ms (hz 250) and the thread runs all the time,
 * so after tick k it has executed 4k ms.  Its first scan is due when more than scan_delay_ms = 1000
 * have been executed, the next ones when more than scan_period_min_ms = 2000 have since the last
 * look; and after a scan the address space rests for two periods of wall time, 1000 jiffies.
 *
 *	tick k	 executed  jiffies  numa_next_scan
 *	 251	  1004 ms     251          0	     scan 1, next not before jiffy 1251
 *	 752	  3008 ms     752       1251	     period over, but the address space rests
 *	1253	  5012 ms    1253       1251	     scan 2, next not before 2253
 *	1754	  7016 ms    1754       2253	     rests
 *	2255	  9020 ms    2255       2253	     scan 3
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numab.h"

#define NR_PAGES 512
#define BASE_VPN 0x7f0000000ull /* the first page; a multiple of 512, so one slot holds all */
#define TICK_NS 4000000ull
#define NR_TICKS 2300

#define CHECK(cond) check((cond), #cond, __LINE__)

static void check(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "embed.c:%d: expected %s\n", line, what);
	exit(1);
}

static void expect(const struct numab_machine *m, enum numab_counter counter, uint64_t value)
{
	uint64_t is = numab_counters(m)[counter];

	if (is == value)
		return;
	fprintf(stderr, "%s is %llu, expected %llu\n", numab_counter_name(counter),
		(unsigned long long)is, (unsigned long long)value);
	exit(1);
}

/* ---- 1. build a machine ----
 *
 * Two nodes of 64 MiB with a CPU each, 20 apart.  All arrays are copied: they may live on the
 * stack.  Everything hangs off the handle, so a host may have as many machines as it likes. */
static struct numab_machine *new_machine(uint32_t flags)
{
	struct numab_node nodes[2];
	const int32_t cpu_nid[2] = { 0, 1 };
	const uint8_t distance[4] = { 10, 20, 20, 10 };
	struct numab_config config;
	struct numab_machine *m;
	char err[256];

	memset(nodes, 0, sizeof(nodes));
	nodes[0].nid = 0;
	nodes[0].pages = 16384;
	nodes[1].nid = 1;
	nodes[1].pages = 16384;

	memset(&config, 0, sizeof(config));
	config.size = sizeof(config); /* the core refuses a header of another version */
	config.hz = 250;
	config.nr_nodes = 2;
	config.nr_cpus = 2;
	config.nodes = nodes;
	config.cpu_nid = cpu_nid;
	config.distance = distance;
	config.seed = 1;
	config.flags = flags;
	if (numab_create(&config, &m, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	return m;
}

/* ---- 2. give it a process with memory ---- */
static int new_process(struct numab_machine *m, int cpu)
{
	struct numab_vma vma;
	int pid = numab_process(m, cpu); /* also the id of its first task */

	memset(&vma, 0, sizeof(vma));
	vma.vaddr = BASE_VPN * NUMAB_PAGE_BYTES;
	vma.size_bytes = NR_PAGES * NUMAB_PAGE_BYTES;
	vma.kind = NUMAB_ANON_PRIVATE;
	vma.prot = NUMAB_PROT_READ | NUMAB_PROT_WRITE;
	if (pid < 0 || numab_mmap(m, pid, &vma)) {
		fprintf(stderr, "%s\n", numab_errmsg(m)); /* one line about the last failure */
		exit(1);
	}
	return pid;
}

/* ---- 3. the host's own loop: accesses, then time ----
 *
 * What ran between two ticks goes in as rows, as many per call as the host has at hand; then the
 * host tells the core how long its thread ran and what time it is, and lets the timer tick hit the
 * thread.  A tick may queue a scan, which runs at once here, as on the way back to user mode. */
static void one_tick(struct numab_machine *m, int tid, const struct numab_row *rows, uint64_t nr)
{
	CHECK(numab_access_rows(m, tid, rows, nr, NULL) == 0);
	CHECK(numab_account(m, tid, TICK_NS) == 0);
	CHECK(numab_set_now(m, numab_now_ns(m) + TICK_NS) == 0);
	if (numab_tick(m, tid) == 1)
		CHECK(numab_task_work(m, tid) >= 0);
}

static void one_row_a_page(struct numab_row *rows, uint32_t reads, uint32_t writes)
{
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		rows[i].page = BASE_VPN + i;
		rows[i].reads = reads;
		rows[i].writes = writes;
	}
}

/* ---- 4. read the counters ----
 *
 * The arrays are the machine's own and valid until it is destroyed: no call per reading.  Rows of
 * kind ABSENT are the kernel's, but nothing here bumps them: leave them out rather than print 0. */
static void print_vmstat(const struct numab_machine *m, const char *title)
{
	const uint64_t *counters = numab_counters(m);
	int i;

	printf("# %s\n", title);
	for (i = 0; i < numab_nr_counters(); i++)
		if (!strcmp(numab_counter_kind(i), "VMSTAT"))
			printf("%s %llu\n", numab_counter_name(i), (unsigned long long)counters[i]);
}

/* ---- the host keeps the time, the core the pages ----
 *
 * One access at a time initialises the memory on node 0; then the thread moves to node 1.
 * Expect of the home_node policy, whose thread has no home and so wants the node it runs on:
 *	scan 1	512 hints: the page's tag was unset, the two-stage filter holds all
 *	scan 2	512 hints: the second in a row that wants node 1, all move
 *	scan 3	512 hints: all local; a moved page's tag is unset anew
 * Marks on one node share their pmd's mark, so that one fault serves all 512 pages of a scan. */
static void closed(void)
{
	struct numab_machine *m = new_machine(0);
	struct numab_row rows[NR_PAGES];
	struct numab_outcome outcome;
	const uint64_t *faults;
	uint64_t pages[2];
	int tid = new_process(m, 0), i;

	CHECK(numab_use_policy(m, "home_node") == 0);
	for (i = 0; i < NR_PAGES; i++) {
		/* The outcome tells what a host charges to its thread: a price, and the node. */
		CHECK(numab_access(m, tid, (BASE_VPN + i) * NUMAB_PAGE_BYTES, 1, &outcome) == 0);
		CHECK(outcome.nid == 0 && outcome.faults == 1 && outcome.hints == 0);
		/* fault 500 ns, page 500 ns, instructions 0.5 ns, one line from node 0 80 ns */
		CHECK(outcome.cost_ps == 1080500);
	}
	CHECK(numab_task_set_cpu(m, tid, 1) == 0);
	one_row_a_page(rows, 1, 0);
	for (i = 0; i < NR_TICKS; i++)
		one_tick(m, tid, rows, NR_PAGES);

	print_vmstat(m, "closed");
	expect(m, NUMAB_C_numa_pte_updates, 3 * 512);
	expect(m, NUMAB_C_numa_hint_faults, 3 * 512);
	expect(m, NUMAB_C_numa_hint_faults_local, 512);
	expect(m, NUMAB_C_numa_pages_migrated, 512);
	expect(m, NUMAB_C_pgmigrate_success, 512);
	expect(m, NUMAB_C_pgmigrate_fail, 0);
	expect(m, NUMAB_C_pgfault, 512 + 3); /* first touches, then one pmd fault a scan */
	CHECK(numab_reasons(m)[NUMAB_HOLD_TWO_STAGE_FILTER] == 2 * 512);
	CHECK(numab_reasons(m)[NUMAB_GO_MIGRATED] == 512);
	CHECK(numab_mm_node_pages(m, tid, pages) == 0 && pages[0] == 0 && pages[1] == 512);
	/* 512 moves were accounted to node 1 before scan 3, whose end of the pass halves them. */
	faults = numab_task_faults(m, tid);
	CHECK(faults[0] == 0 && faults[1] == 256);
	CHECK(numab_check(m) == 0);
	numab_destroy(m);
}

/* ---- the host keeps the pages too ----
 *
 * The host has a page table of its own and a copy engine that refuses every third request.  It
 * tells the core where it has put its pages (numab_populate); afterwards the core never changes a
 * node by itself: a fault that would move a page leaves a record, numab_moves() hands it out, and
 * numab_migrated() completes the fault with the host's answer. */
struct page_host {
	int8_t nid[NR_PAGES];
	uint64_t asked, done;
};

static void answer_moves(struct numab_machine *m, struct page_host *host)
{
	struct numab_move moves[64];
	int i, n;

	while ((n = numab_moves(m, moves, 64)) > 0) {
		for (i = 0; i < n; i++) {
			uint64_t page = moves[i].vpn - BASE_VPN;
			int refused = ++host->asked % 3 == 0;

			CHECK(page < NR_PAGES && moves[i].nr_pages == 1);
			CHECK(moves[i].from_nid == host->nid[page]);
			if (!refused) {
				host->nid[page] = (int8_t)moves[i].to_nid; /* copy, remap, flush */
				host->done++;
			}
			CHECK(numab_migrated(m, moves[i].id, refused) == 0);
		}
	}
}

/* Expect:
 *	scan 1	512 hints, none moves (two-stage filter), none is asked for
 *	scan 2	512 hints, 512 asked; numbers 3, 6 .. 510 refused: 170 stay, 342 move
 *	scan 3	512 hints, 342 local; the 170 others ask again, numbers 513 .. 682, of which 513,
 *		516 .. 681 are refused: 57 stay, 113 move
 * The pages of scan 3 lie on two nodes, so that their pmd is not marked: a fault for each. */
static void external(void)
{
	struct numab_machine *m = new_machine(NUMAB_EXTERNAL);
	struct numab_row rows[NR_PAGES];
	struct page_host host;
	uint64_t vpns[NR_PAGES];
	int32_t nids[NR_PAGES];
	int16_t now[NR_PAGES];
	int tid = new_process(m, 1), i;

	memset(&host, 0, sizeof(host));
	for (i = 0; i < NR_PAGES; i++) {
		vpns[i] = BASE_VPN + i;
		nids[i] = host.nid[i];
	}
	CHECK(numab_populate(m, tid, vpns, nids, NR_PAGES, 1) == 0);
	CHECK(numab_use_policy(m, "home_node") == 0);
	one_row_a_page(rows, 1, 0);
	for (i = 0; i < NR_TICKS; i++) {
		one_tick(m, tid, rows, NR_PAGES);
		answer_moves(m, &host);
	}

	print_vmstat(m, "external");
	CHECK(host.asked == 512 + 170 && host.done == 342 + 113);
	expect(m, NUMAB_C_numa_pte_updates, 3 * 512);
	expect(m, NUMAB_C_numa_hint_faults, 3 * 512);
	expect(m, NUMAB_C_numa_hint_faults_local, 342);
	expect(m, NUMAB_C_numa_pages_migrated, 342 + 113);
	expect(m, NUMAB_C_pgmigrate_success, 342 + 113);
	expect(m, NUMAB_C_pgmigrate_fail, 170 + 57);
	expect(m, NUMAB_C_pgfault, 1 + 1 + 512);
	CHECK(numab_reasons(m)[NUMAB_GO_ASKED_HOST] == 512 + 170);
	CHECK(numab_reasons(m)[NUMAB_HOLD_HOST_REFUSED] == 170 + 57);
	CHECK(numab_page_nids(m, tid, BASE_VPN, NR_PAGES, now) == 0);
	for (i = 0; i < NR_PAGES; i++)
		CHECK(now[i] == host.nid[i]);
	CHECK(numab_check(m) == 0);
	numab_destroy(m);
}

/* ---- the host's own rule ----
 *
 * A filter is a pure function: what it sees is in struct numab_fault, what it may depend on besides
 * is behind ud.  It answers with a node or -1, a reason to stay, and the page's new tag. */
struct writers_rule {
	uint32_t pulls; /* NUMAB_F_* that pull a page to the CPU that touches it */
};

static void writers_filter(void *ud, const struct numab_fault *fault, struct numab_verdict *verdict)
{
	const struct writers_rule *rule = (const struct writers_rule *)ud;

	verdict->tag = fault->tag;
	verdict->target_nid = NUMAB_NO_NODE;
	verdict->reason = NUMAB_HOLD_USER_FILTER;
	if (fault->page_nid == fault->cpu_nid) {
		verdict->reason = NUMAB_HOLD_LOCAL;
	} else if (fault->flags & rule->pulls) {
		verdict->target_nid = fault->cpu_nid;
		verdict->reason = NUMAB_NONE;
	}
}

/* Even pages are read, odd ones written.  Expect:
 *	scan 1	512 hints: 256 written pages move at once, 256 read pages stay
 *	scan 2	512 hints: 256 local, 256 stay
 * Entries are marked one by one here (pmd_mark off): who shares a pmd's fault did not write. */
static void filter(void)
{
	struct numab_machine *m = new_machine(0);
	struct writers_rule rule = { NUMAB_F_WRITE };
	struct numab_policy policy;
	struct numab_row rows[NR_PAGES];
	int tid = new_process(m, 0), i;

	memset(&policy, 0, sizeof(policy));
	policy.name = "writers";
	policy.flags = NUMAB_POLICY_SCANS | NUMAB_POLICY_MOF;
	policy.filter = writers_filter;
	policy.ud = &rule;
	CHECK(numab_use_own_policy(m, &policy) == 0);
	CHECK(numab_set(m, NUMAB_T_pmd_mark, 0) == 0);

	one_row_a_page(rows, 0, 1);
	CHECK(numab_access_rows(m, tid, rows, NR_PAGES, NULL) == 0);
	CHECK(numab_task_set_cpu(m, tid, 1) == 0);
	for (i = 0; i < NR_PAGES; i += 2) {
		rows[i].reads = 1;
		rows[i].writes = 0;
	}
	for (i = 0; i < 1300; i++)
		one_tick(m, tid, rows, NR_PAGES);

	print_vmstat(m, "filter");
	expect(m, NUMAB_C_numa_pte_updates, 2 * 512);
	expect(m, NUMAB_C_numa_hint_faults, 2 * 512);
	expect(m, NUMAB_C_numa_hint_faults_local, 256);
	expect(m, NUMAB_C_numa_pages_migrated, 256);
	expect(m, NUMAB_C_pgfault, 512 + 2 * 512);
	CHECK(numab_reasons(m)[NUMAB_HOLD_USER_FILTER] == 2 * 256);
	CHECK(numab_reasons(m)[NUMAB_HOLD_LOCAL] == 256);
	CHECK(numab_check(m) == 0);
	numab_destroy(m);
}

int main(void)
{
	closed();
	external();
	filter();
	return 0;
}
