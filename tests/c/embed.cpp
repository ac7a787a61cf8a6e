/* SPDX-License-Identifier: BSD-3-Clause
 *
 * embed.cpp - the core inside a C++ simulator: a recipe to copy from
 *
 * The core is C; compile it as such, and include its header from C++:
 *
 *	cc -c $(python -m numa_core --cflags --sources) -o core.o
 *	c++ -std=c++11 -I$(python -m numa_core --include) embed.cpp core.o -o embed
 *
 * embed.c explains the calls and the timeline of scans; this file shows what a C++ host does
 * differently: a handle that frees itself, functions with a `this` behind the user pointer, and two
 * loads that embed.c has not:
 *
 *	ticks	the core owns the ticks as well (numab_run); a place hook, and the ring of events
 *	copies	the host owns time and pages, and a copy takes it five ticks
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

#include "numab.h"

namespace {

const uint64_t nr_pages = 512;
const uint64_t base_vpn = 0x7f0000000;
const uint64_t tick_ns = 4000000;
const int nr_ticks = 2300;

#define CHECK(cond) check((cond), #cond, __LINE__)

void check(bool ok, const char *what, int line)
{
	if (ok)
		return;
	std::fprintf(stderr, "embed.cpp:%d: expected %s\n", line, what);
	std::exit(1);
}

struct Destroy {
	void operator()(numab_machine *m) const { numab_destroy(m); }
};

/* The handle: freed with its owner; a failed call becomes an exception here, on our side of the
 * border.  Never let one travel through the core: a hook catches and returns non-zero. */
class Machine {
public:
	Machine(uint32_t flags, numab_place_fn place, void *place_ud)
	{
		numab_node nodes[2] = {};
		const int32_t cpu_nid[2] = { 0, 1 };
		const uint8_t distance[4] = { 10, 20, 20, 10 };
		numab_config config = {};
		numab_machine *m = nullptr;
		char err[256];

		nodes[1].nid = 1;
		nodes[0].pages = nodes[1].pages = 16384;
		config.size = sizeof(config);
		config.hz = 250;
		config.nr_nodes = config.nr_cpus = 2;
		config.nodes = nodes;
		config.cpu_nid = cpu_nid;
		config.distance = distance;
		config.flags = flags;
		config.place = place;
		config.place_ud = place_ud;
		if (numab_create(&config, &m, err, sizeof(err)))
			throw std::runtime_error(err);
		handle.reset(m);
	}

	int64_t operator()(int64_t result) const
	{
		if (result < 0)
			throw std::runtime_error(numab_errmsg(handle.get()));
		return result;
	}

	numab_machine *get() const { return handle.get(); }
	uint64_t count(numab_counter c) const { return numab_counters(handle.get())[c]; }
	uint64_t reason(numab_reason r) const { return numab_reasons(handle.get())[r]; }

private:
	std::unique_ptr<numab_machine, Destroy> handle;
};

/* A process on CPU 1 whose 512 pages an initialisation has left on node 0. */
int new_process(const Machine &m)
{
	int pid = static_cast<int>(m(numab_process(m.get(), 1)));
	std::vector<uint64_t> vpns;
	std::vector<int32_t> nids(nr_pages, 0);
	numab_vma vma = {};

	vma.vaddr = base_vpn * NUMAB_PAGE_BYTES;
	vma.size_bytes = nr_pages * NUMAB_PAGE_BYTES;
	vma.kind = NUMAB_ANON_PRIVATE;
	vma.prot = NUMAB_PROT_READ | NUMAB_PROT_WRITE;
	m(numab_mmap(m.get(), pid, &vma));
	for (uint64_t i = 0; i < nr_pages; i++)
		vpns.push_back(base_vpn + i);
	m(numab_populate(m.get(), pid, vpns.data(), nids.data(), nr_pages, 1));
	m(numab_use_policy(m.get(), "home_node"));
	return pid;
}

std::vector<numab_row> sweep()
{
	std::vector<numab_row> rows;

	for (uint64_t i = 0; i < nr_pages; i++) {
		numab_row row = { base_vpn + i, 1000, 0 };
		rows.push_back(row);
	}
	return rows;
}

void print_vmstat(const Machine &m, const char *title)
{
	std::printf("# %s\n", title);
	for (int i = 0; i < numab_nr_counters(); i++)
		if (!std::strcmp(numab_counter_kind(i), "VMSTAT"))
			std::printf("%s %llu\n", numab_counter_name(i),
				    static_cast<unsigned long long>(numab_counters(m.get())[i]));
}

/* ---- the core owns the ticks ---- */

/* Called at most once per task and pass over the address space, inside the accounting of a
 * misplaced fault: by every policy's placement, or only where the core's own finds task and memory
 * apart. */
struct Scheduler {
	int calls = 0;

	static int place(void *ud, numab_machine *m, int tid)
	{
		Scheduler *self = static_cast<Scheduler *>(ud);

		self->calls++;
		return numab_task_set_home(m, tid, 1) ? 1 : 0;
	}
};

/* The series' policy without its placement, which is then the host's. */
struct numab_policy home_node_placed_by_host()
{
	struct numab_policy policy = {};

	for (int i = 0; i < numab_nr_policies(); i++)
		if (!std::strcmp(numab_policy(i)->name, "home_node"))
			policy = *numab_policy(i);
	policy.flags &= ~static_cast<uint32_t>(NUMAB_POLICY_PLACE);
	return policy;
}

/* Expect what embed.c's closed part has, but for the first touches: hold 512, move 512, local 512.
 * Only the second scan's faults are misplaced: one call of the hook, unless the core places, which
 * finds the task where its faults are and asks nobody.  Its home is node 1 either way. */
void ticks(bool host_places)
{
	Scheduler scheduler;
	Machine m(0, Scheduler::place, &scheduler);
	int tid = new_process(m);
	struct numab_policy policy = home_node_placed_by_host();
	struct numab_task_info info;
	std::vector<numab_row> rows = sweep(); /* must stay in place while the core runs them */
	std::vector<numab_event> events(8192);
	int kinds[NUMAB_EV_SPLIT + 1] = {};
	numab_stop stop;

	if (host_places)
		m(numab_use_own_policy(m.get(), &policy));
	m(numab_events(m.get(), 8192, 1, 0, UINT64_MAX));
	m(numab_feed_rows(m.get(), tid, rows.data(), rows.size(), 0));
	do {
		m(numab_run(m.get(), nr_ticks * tick_ns, &stop));
		int n = numab_drain(m.get(), events.data(), static_cast<int>(events.size()));
		for (int i = 0; i < n; i++)
			kinds[events[i].kind]++;
	} while (stop.why != NUMAB_STOP_UNTIL);

	if (!host_places)
		print_vmstat(m, "ticks");
	CHECK(m.count(NUMAB_C_numa_pte_updates) == 3 * 512);
	CHECK(m.count(NUMAB_C_numa_hint_faults) == 3 * 512);
	CHECK(m.count(NUMAB_C_numa_hint_faults_local) == 512);
	CHECK(m.count(NUMAB_C_numa_pages_migrated) == 512);
	CHECK(m.count(NUMAB_C_pgfault) == 3);
	CHECK(m.count(NUMAB_C_events_dropped) == 0);
	m(numab_task_info(m.get(), tid, &info));
	CHECK(scheduler.calls == (host_places ? 1 : 0));
	CHECK(info.home_nid == 1);
	CHECK(kinds[NUMAB_EV_HINT] == 3 * 512 && kinds[NUMAB_EV_MIGRATE] == 512);
	CHECK(kinds[NUMAB_EV_SCAN] == 3 && kinds[NUMAB_EV_PASS] == 3);
	CHECK(numab_check(m.get()) == 0);
}

/* ---- the host owns time and pages, and a copy takes it five ticks ---- */

struct CopyEngine {
	struct Copy {
		numab_move move;
		int ready;
	};
	std::deque<Copy> queue;

	void ask(const Machine &m, int now)
	{
		numab_move move;

		while (m(numab_moves(m.get(), &move, 1)) == 1) {
			Copy copy = { move, now + 5 };
			queue.push_back(copy);
		}
	}

	void finish(const Machine &m, int now)
	{
		for (; !queue.empty() && queue.front().ready == now; queue.pop_front())
			m(numab_migrated(m.get(), queue.front().move.id, 0));
	}
};

void copies()
{
	Machine m(NUMAB_EXTERNAL, nullptr, nullptr);
	int tid = new_process(m), longest = 0;
	std::vector<numab_row> rows = sweep();
	CopyEngine engine;
	struct numab_page page; /* say struct: a function has the name too */

	for (int k = 1; k <= nr_ticks; k++) {
		m(numab_access_rows(m.get(), tid, rows.data(), rows.size(), nullptr));
		m(numab_account(m.get(), tid, tick_ns));
		m(numab_set_now(m.get(), k * tick_ns));
		if (m(numab_tick(m.get(), tid)))
			m(numab_task_work(m.get(), tid));
		engine.ask(m, k);
		engine.finish(m, k);
		m(numab_page(m.get(), tid, base_vpn, &page));
		longest += (page.flags & NUMAB_PG_MOVING) != 0;
	}

	print_vmstat(m, "copies");
	CHECK(longest == 5); /* the page waits from the tick that asks to the one that answers */
	CHECK(page.nid == 1);
	CHECK(m.count(NUMAB_C_numa_hint_faults) == 3 * 512);
	CHECK(m.count(NUMAB_C_numa_hint_faults_local) == 512);
	CHECK(m.count(NUMAB_C_numa_pages_migrated) == 512);
	CHECK(m.reason(NUMAB_GO_ASKED_HOST) == 512);
	CHECK(numab_check(m.get()) == 0);
}

} // namespace

int main()
{
	try {
		ticks(false);
		ticks(true);
		copies();
	} catch (const std::exception &e) {
		std::fprintf(stderr, "%s\n", e.what());
		return 1;
	}
	return 0;
}
