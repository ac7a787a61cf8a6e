/* host.c - the core's side of the benches: a host program in C that drives a machine
 *
 * Bound to the extension that Python has loaded, so that what is measured is what is shipped: the
 * caller passes the addresses of its functions.
 */
#include "limit.h"

#include "numab.h"

struct calls {
	__typeof__(&numab_set_now) set_now;
	__typeof__(&numab_account) account;
	__typeof__(&numab_tick) tick;
	__typeof__(&numab_task_work) task_work;
	__typeof__(&numab_access_rows) access_rows;
	__typeof__(&numab_access) access;
	__typeof__(&numab_page) page;
	__typeof__(&numab_now_ns) now_ns;
	__typeof__(&numab_mprotect) mprotect;
	__typeof__(&numab_change_prot_numa) change_prot_numa;
};

/* More than any scan period of the benches: every window is due. */
#define WINDOW_NS 10000000000ull

/* One window through the scanner proper.  Returns the entries marked, negative when none ran. */
static int64_t scan_window(const struct calls *c, struct numab_machine *m, int tid)
{
	int err = c->set_now(m, c->now_ns(m) + WINDOW_NS);

	err = err ? err : c->account(m, tid, WINDOW_NS);
	if (err || c->tick(m, tid) != 1)
		return -1;
	return c->task_work(m, tid);
}

/* See limit_job(): the same windows, the same runs.  Task k has id k + 1.  *marked: entries marked
 * by all windows.  0, or what failed. */
int host_job(const struct calls *c, struct numab_machine *m, const struct row *rows,
	     uint64_t run_rows, const uint8_t *runs, uint64_t nr_windows, uint64_t runs_per_window,
	     uint64_t *marked)
{
	uint64_t w, r;

	for (*marked = w = 0; w < nr_windows; w++) {
		int64_t n = scan_window(c, m, (int)(w % NR_TASKS) + 1);

		if (n < 0)
			return -1;
		*marked += (uint64_t)n;
		for (r = 0; r < runs_per_window; r++, rows += run_rows) {
			int tid = runs[w * runs_per_window + r] + 1;
			int err = c->access_rows(m, tid, (const struct numab_row *)rows, run_rows,
						 NULL);

			if (err)
				return err;
		}
	}
	return 0;
}

/* Batches of one task each. */
int host_rows(const struct calls *c, struct numab_machine *m, int tid, const struct row *rows,
	      uint64_t n, uint64_t batch)
{
	uint64_t at;
	int err = 0;

	for (at = 0; at < n && !err; at += batch)
		err = c->access_rows(m, tid, (const struct numab_row *)rows + at,
				     n - at < batch ? n - at : batch, NULL);
	return err;
}

/* One access a call, through a pointer as through a shared library's table. */
int host_calls(const struct calls *c, struct numab_machine *m, int tid, const struct row *rows,
	       uint64_t n)
{
	__typeof__(&numab_access) volatile access = c->access;
	uint64_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = access(m, tid, rows[i].page * NUMAB_PAGE_BYTES, rows[i].writes != 0, NULL);
	return err;
}

double now_seconds(void);

/* Mark the first @nr_pages pages @times times; changing the protection back and forth unmarks them.
 * Returns the entries marked, negative when a call failed. */
int64_t host_marks(const struct calls *c, struct numab_machine *m, int pid, uint64_t nr_pages,
		   int times, double *seconds)
{
	const uint64_t bytes = nr_pages * NUMAB_PAGE_BYTES;
	int64_t marked = 0, n;
	double start;
	int k, err;

	for (k = 0; k < times; k++) {
		err = c->mprotect(m, pid, 0, bytes, NUMAB_PROT_READ);
		if (!err)
			err = c->mprotect(m, pid, 0, bytes, NUMAB_PROT_READ | NUMAB_PROT_WRITE);
		start = now_seconds();
		n = err ? err : c->change_prot_numa(m, pid, 0, bytes);
		seconds[k] = now_seconds() - start;
		if (n < 0)
			return n;
		marked += n;
	}
	return marked;
}

/* Node, tag, mark, accessed and dirty of every page, as limit_words() has them. */
uint64_t host_pages(const struct calls *c, struct numab_machine *m, int pid, uint64_t nr_pages)
{
	uint64_t pages = 0, i;

	for (i = 0; i < nr_pages; i++) {
		struct numab_page p;
		uint64_t word;

		if (c->page(m, pid, i, &p))
			return 0;
		word = (uint64_t)p.nid | (uint64_t)p.tag << 10;
		word |= (uint64_t)!!(p.flags & NUMAB_PG_MARKED) << 31 |
			(uint64_t)!!(p.flags & NUMAB_PG_ACCESSED) << 32 |
			(uint64_t)!!(p.flags & NUMAB_PG_DIRTY) << 33;
		pages ^= (word ^ i << 34) * 0x9e3779b97f4a7c15ull;
	}
	return pages;
}
