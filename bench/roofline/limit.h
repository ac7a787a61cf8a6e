/* limit.h - what the limit loops share: records, the page table, the books
 *
 * A limit loop does the work that no model can leave out, and nothing else: no prices, no bounds,
 * no errors, no other kinds of page.  It speaks 64-bit entries of its own layout.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline))
#define prefetch_r(p) __builtin_prefetch((p), 0, 3)
#define prefetch_w(p) __builtin_prefetch((p), 1, 3)

#define NR_NODES 4
#define NR_TASKS 64

#define PRESENT (1ull << 0)
#define RW (1ull << 1)
#define ACCESSED (1ull << 5)
#define DIRTY (1ull << 6)
#define NUMA (1ull << 8)
#define NID_SHIFT 12
#define NID_MASK (0x3ffull << NID_SHIFT)
#define TAG_SHIFT 22
#define TAG_MASK (0x1fffffull << TAG_SHIFT)
#define NID(p) ((unsigned)((p) >> NID_SHIFT) & 0x3ff)
#define TAG(p) ((unsigned)((p) >> TAG_SHIFT) & 0x1fffff)

#define NEED_READ (PRESENT | ACCESSED)
#define NEED_WRITE (NEED_READ | RW | DIRTY)

/* The record of struct numab_row; both counts are read as one word. */
struct row {
	uint64_t page;
	uint32_t reads;
	uint32_t writes;
};

struct books {
	uint64_t tot, ever, faults[NR_NODES];
};

enum { HOLD_FILTER, HOLD_LOCAL, HOLD_MEMORY, GO, NR_REASONS };

struct limit {
	uint64_t *pte;
	uint64_t nr_pages;
	uint64_t pte_updates, hint_faults, hint_faults_local, migrated, scan_seq;
	uint64_t reason[NR_REASONS];
	uint64_t free[NR_NODES], high[NR_NODES], node_pages[NR_NODES];
	uint64_t matrix[NR_NODES][NR_NODES][2];
	struct books mm, task[NR_TASKS];
};

static inline unsigned task_nid(unsigned task)
{
	return task % NR_NODES;
}

/* Where page @i starts out: the same hash for every side. */
static inline unsigned first_nid(uint64_t i)
{
	return (unsigned)(i * 2654435761u >> 7) & (NR_NODES - 1);
}

#endif /* LIMIT_H */
