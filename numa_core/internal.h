/* SPDX-License-Identifier: BSD-3-Clause
 *
 * internal.h - private structures of the core and its inline hot path
 *
 * Layers, top to bottom; a part may call those to its right and nothing else:
 *	_core > probe > feed > program > access > task > balance > pull > groups > sched >
 *	queue > fault, scan > migrate > stats > cpu > select > pages > mempolicy > mmap >
 *	object > mm > tunable > node > pattern > event > alloc
 * check.c reads all.  policies/ return verdicts and never see a structure of this file.
 *
 * Every part compiles alone (its functions are then external), and all compile as the one unit
 * _core.c (its functions are then static and nothing but the public names is visible).
 */
#ifndef NUMAB_INTERNAL_H
#define NUMAB_INTERNAL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "numab.h"

#ifndef NUMAB_FUNC
#define NUMAB_FUNC extern
#endif

#if defined(__GNUC__)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define prefetch_r(p) __builtin_prefetch((p), 0, 3)
#define prefetch_w(p) __builtin_prefetch((p), 1, 3)
#define unroll_pragma(text) _Pragma(#text)
#define unroll(n) unroll_pragma(GCC unroll 4)
#define noinline __attribute__((noinline))
#define flatten __attribute__((flatten)) /* inline all that it calls, where it is in sight */
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#else
#define likely(x) (x)
#define unlikely(x) (x)
#define prefetch_r(p) ((void)(p))
#define prefetch_w(p) ((void)(p))
#define noinline
#define flatten
#define unroll(n)
#define printf_like(f, a)
#endif

/* Our own mistakes, on in debug builds and tests.  assert() would be dead: Python builds extensions
 * with -DNDEBUG, and it would print.  A failed one is remembered and numab_check() reports it. */
#ifdef NUMAB_DEBUG
#define numab_assert(m, cond) ((cond) ? (void)0 : (void)((m)->broken = #cond))
#else
#define numab_assert(m, cond) ((void)(m))
#endif

typedef unsigned long long ull; /* what printf wants for 64 bits */

#define NS_PER_SEC 1000000000ull
#define PS_PER_NS 1000ull
#define SLOT_PAGES ((uint64_t)NUMAB_SLOT_PAGES)
#define MAX_VPN (1ull << 48)
#define ROW_VPN(page) ((page) & (MAX_VPN - 1))
#define ROW_EXTRA(page) ((page) >> 48)

/*
 * An entry: 64 bits, the x86 bits of the series where it names them (patch 4).
 *
 *	 0 PRESENT  1 RW  5 ACCESSED  6 DIRTY  8 NUMA (= PROTNONE; "numa" is NUMA without PRESENT)
 *	 9 EXCL: an exclusively mapped page that lives in this entry alone, mapcount 1
 *	10 SLOT: mapped, but its pmd is marked (so that one test of the entry suffices)
 *	11 SPECIAL: no page behind it (zero page, page frame mapping)
 *	12..21 node, 22..42 tag, 43..47 page flags	if EXCL
 *	12..47 index of the shared record		if neither EXCL nor SPECIAL
 *	48 WISH: nothing mapped; bits 12..21 say where the first touch shall place the page
 */
#define PTE_PRESENT (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY (1ull << 6)
#define PTE_NUMA (1ull << 8)
#define PTE_EXCL (1ull << 9)
#define PTE_SLOT (1ull << 10)
#define PTE_SPECIAL (1ull << 11)
#define PTE_WISH (1ull << 48)
#define PTE_BITS 0xfffull

#define PG_NID_SHIFT 12
#define PG_NID_MASK (0x3ffull << PG_NID_SHIFT)
#define PG_TAG_SHIFT 22
#define PG_TAG_MASK ((uint64_t)NUMAB_TAG_UNSET << PG_TAG_SHIFT)
#define PG_NO_LRU (1ull << 43)
#define PG_PINNED (1ull << 44)
#define PG_WRITEBACK (1ull << 45)
#define PG_LEAKED (1ull << 46)
#define PG_MOVING (1ull << 47)
#define PG_FLAGS (PG_NO_LRU | PG_PINNED | PG_WRITEBACK | PG_LEAKED | PG_MOVING)
/* What describes the page itself: the same bits in an EXCL entry and in a record. */
#define PG_MASK (PG_NID_MASK | PG_TAG_MASK | PG_FLAGS)

/* A shared page's record: the page bits above, and who maps it. */
#define REC_USED (1ull << 0)
#define REC_ANON (1ull << 1)
#define REC_DIRTY (1ull << 2) /* an object's page that was written; entries may be clean since */
#define REC_MAP_SHIFT 48
#define REC_MAP_ONE (1ull << REC_MAP_SHIFT)
#define REC_MAP_MAX 0xffffull
#define REC_INDEX_SHIFT 12
#define REC_INDEX_MASK ((1ull << 36) - 1)
#define REC_CHUNK 512u

#define SLOT_HUGE 1     /* one huge page; its entries mirror it, the tag is the first entry's */
#define SLOT_PMD_NUMA 2 /* the pmd is marked: huge or regular */

struct slot {
	uint16_t nr_used; /* entries that are not zero */
	uint8_t flags;
	uint8_t unused;
	uint16_t pte_page; /* node of its page of entries + 1, 0: none (switch page_tables) */
	uint16_t pmd_page; /* node + 1 of the pmd page of its GiB, which this slot was first in */
};

/* A flat run of entries, whole slots.  VMAs come and go within it. */
struct span {
	uint64_t base; /* vpn */
	uint64_t nr;
	uint64_t *pte;
	struct slot *slots;
};

struct mpol {
	uint32_t refs;
	uint32_t mode;
	uint32_t flags;
	int32_t nid;
	int32_t home_nid;
	uint64_t cookie;
	uint32_t seen;     /* check.c's */
	uint32_t nr_nodes; /* set bits of mask; their nids: mpol_nids() */
	uint64_t mask[NUMAB_MAX_NODES / 64];
};

struct vma {
	uint64_t start; /* vpn */
	uint64_t end;
	uint64_t pgoff;
	uint32_t kind;
	uint32_t prot;
	uint32_t flags;
	int32_t object;
	struct mpol *mpol;
};

/* The policy of a part of shared memory, [start, end) in pages of the object.  Linux: sp_node. */
struct shared_range {
	uint64_t start, end;
	struct mpol *mpol;
};

struct object {
	uint64_t nr_pages; /* 0: gone */
	uint64_t rec;      /* index of its first record */
	uint64_t *block;
	uint32_t nr_vmas;
	uint8_t kind;
	uint8_t dropped;
	struct shared_range *ranges; /* ascending, none overlap */
	uint32_t nr_ranges, cap_ranges;
};

#define FIRST_NID_INIT -1
#define FIRST_NID_ACTIVE -2

struct mm {
	int pid;
	int nr_tasks, cap_tasks;
	int *tids; /* live tasks, ascending */
	struct vma *vmas;
	struct span *spans;
	uint32_t nr_vmas, cap_vmas;
	uint32_t nr_spans, cap_spans;
	uint32_t last_span; /* where the last look-up hit */
	uint64_t numa_next_scan; /* jiffies */
	uint64_t numa_next_reset; /* jiffies, scan_period_reset */
	int first_nid;           /* first_nid_gate: seen on this node so far, or FIRST_NID_* */
	uint64_t numa_scan_vpn;
	int numa_scan_seq;
	uint64_t fault_tot;
	uint64_t *faults;     /* [nr_ids] */
	uint64_t *node_pages; /* [nr_ids] exclusive pages */
	uint32_t world_stopped; /* by how many steps of programs */
	uint64_t nr_shared;   /* entries that name a record */
	uint64_t nr_pages;    /* both */
	uint64_t nr_tables;   /* page-table pages (switch page_tables) */
};

enum cursor_kind { CURSOR_NONE, CURSOR_ROWS, CURSOR_PATTERN, CURSOR_PROGRAM, CURSOR_REPLAY };
#define PATTERN_ROWS 256u

#define ZIPF_EXACT_RANKS 256u /* ranks that get a segment of their own; behind them segments grow */
#define ZIPF_SEGMENTS_PER_OCTAVE 64u
#define ZIPF_GUIDES 2048u
#define ZIPF_MAX_SEGMENTS (ZIPF_EXACT_RANKS + 30 * ZIPF_SEGMENTS_PER_OCTAVE)

struct zipf {
	uint32_t nr;       /* segments */
	uint64_t *cumul;   /* [nr]: weight up to and with this one */
	uint64_t *first;   /* [nr + 1]: its first rank */
	uint64_t mult;     /* scatters ranks over the range: rank * mult mod nr_pages */
	uint32_t theta_milli;
	int guide_shift;
	uint32_t *guide;   /* [ZIPF_GUIDES]: the segment that holds weight i << guide_shift */
};

/* Where a pattern stands. */
struct generator {
	struct numab_pattern pattern;
	uint64_t made;        /* touches made: where a sweep is */
	uint64_t left;        /* touches to make, UINT64_MAX: endless */
	uint64_t rng;
	struct zipf zipf[2];  /* of the last two ranges: programs go back and forth between steps */
	int zipf_at;          /* the one in use */
	struct numab_row *rows; /* [PATTERN_ROWS] */
};

struct step_state {
	uint64_t made, rng;   /* a touch: where it goes on */
	uint64_t left;        /* a repeat: times to go back still */
};

#define WAITS_FOR_WORLD -1
#define WAITS_FOR_TIMER -2

struct program {
	struct numab_step *steps;  /* [nr] */
	struct step_state *states; /* [nr] */
	uint32_t nr, at;
	int touching;         /* in the middle of the touch at @at */
	int mutator;
	uint32_t stops;       /* of its steps that stop the world, not taken back yet */
	int64_t waits;        /* 0: for nothing, a barrier's id + 1, WAITS_FOR_... */
	uint64_t sleep_ns;    /* of a sleep that is to begin (WAITS_FOR_TIMER) */
	uint64_t rng;         /* of its sleeps */
};

struct barrier {
	uint32_t need, arrived;
	uint32_t posted; /* of those arrived, how many went on */
};

struct cursor {
	enum cursor_kind kind;
	const struct numab_row *rows;
	uint64_t nr, pos;
	uint64_t repeat;      /* further times over, UINT64_MAX: for ever */
	uint64_t page;        /* pages done of the row at pos */
	struct generator gen;
	struct program program;
	uint64_t epoch;       /* replay: its next, or running, epoch */
	int in_epoch;
};

enum hook_failure { HOOK_FAILED = 1, HOOK_FAILED_SAID /* errmsg tells */ };
enum task_state { TASK_RUNNABLE, TASK_ASLEEP, TASK_EXITED };

struct task {
	int tid;
	struct mm *mm;
	int cpu, nid, home;
	int next_cpu; /* where a move that waits will put it, -1: nowhere */
	int nice;
	uint32_t weight;
	uint64_t *cpus_allowed; /* [cpu_words(m)], NULL: all */
	int queued; /* counted in its CPU's numab_rq, and on one of its lists */
	int list, list_prev, list_next; /* tids, 0: none */
	uint64_t numa_contrib;
	enum task_state state;
	uint64_t wake_ns;
	uint32_t woken_weight; /* woken by another CPU, its own has to come to that time; 0: not */
	struct mpol *mpol;
	int il_prev;        /* rotating interleave: the node last given, -1: none yet */
	uint32_t il_weight; /* weighted: turns it still has */
	int numa_scan_seq;
	uint64_t numa_scan_period; /* ms */
	uint64_t node_stamp_ns;
	uint64_t sum_exec_ps;
	uint64_t sys_ps; /* of what it has done: faults, scans, moves, calls */
	int work_queued;
	uint64_t fault_tot, faults_ever;
	uint64_t *faults; /* [nr_ids] */
	uint64_t debt_ps;
	uint64_t vruntime_ps;
	uint64_t slice_start_ps; /* sum_exec_ps when it was picked */
	uint64_t last_ran_ns;
	uint64_t nr_switches;
	uint64_t acc_local, acc_remote;
	uint64_t blocked_tick; /* waits for others in this tick (replay window), tick number + 1 */
	struct cursor cur;
};

struct node {
	uint64_t pages, free, leaked;
	uint64_t kernel, tables; /* of numab_alloc_kernel(), of page tables */
	uint64_t wmin, wlow, whigh;
	uint64_t rate_end_ns, rate_nr; /* rate_limit */
	int online;
	int nr_cpus;
	uint16_t *zonelist; /* [nr_online] nids by distance from here */
};

struct domain {
	struct numab_domain_state state;
	uint32_t flags, min_interval_ms, max_interval_ms, busy_factor, cache_nice_tries;
	struct numab_groups groups; /* its arrays are the host's */
	uint64_t *span; /* [cpu_words(m)] */
};

/* What a CPU's queue has beside its public struct numab_rq. */
struct queue {
	int *tids; /* every live task of the CPU, ascending */
	int nr, cap;
	int incoming; /* moves hither that wait for the end of a batch or tick */
	int first[2], last[2]; /* tids of the ends of its two lists, 0: empty */
	int need_resched; /* the running task gives way when the next tick begins */
	int went_idle;    /* it lost its last runnable task since the last balancing */
	int last_ran;     /* whom pick_next_task() chose last, 0: nobody */
	uint64_t next_wake_ns; /* no sleeper wakes before */
	int nr_woken;          /* sleepers with a woken_weight, and its sum */
	uint64_t woken_weight;
	uint64_t min_vruntime_ps;
	uint64_t next_balance; /* tick before which no level is looked at */
	struct domain *domains;
	int nr_domains, cap_domains;
};

struct replay {
	int active;
	struct numab_replay desc;
	uint64_t *next;    /* [nr_epochs] next epoch of the same task, UINT64_MAX: none */
	uint8_t *started;  /* [nr_epochs] */
	uint64_t lowest;   /* every earlier epoch has started */
	uint64_t finished; /* epochs whose rows have all run */
	uint64_t loop;
};

struct pending {
	uint64_t id; /* 0: free */
	uint64_t vpn;
	int pid, tid, from, to;
	uint32_t nr_pages;
	uint8_t taken;
};

struct id_slot {
	struct task *task;
	struct mm *mm; /* a process's, under its own id */
};

struct run_state {
	int mid_tick;
	int cpu;
	uint64_t left_ps;   /* of this CPU's tick */
	uint64_t unpaid_ps; /* what its task has cost and is not taken off yet, where it matters */
	int begun;        /* this CPU has begun */
};

/* What marking a run of entries met: the nodes marked pages lie on (equal when it is one node), and
 * whether entries were there whose record must be asked. */
struct marks {
	uint64_t nids_or, nids_and;
	uint64_t shared;
};
typedef uint64_t (*mark_entries_fn)(uint64_t *pte, uint64_t n, int want_nids, struct marks *out);

struct machine_policy {
	char name[32];
	struct numab_policy ops;
	int builtin_filter; /* one of ours */
};

#define NR_HIST 4

/* A lossless ring stops a run while this much room is left: one access emits at most a pmd batch of
 * 512 hints, 512 moves and a few more. */
#define RING_MARGIN 2048

struct numab_machine {
	/* hot */
	int nr_ids;
	uint64_t *hist;       /* [nr_ids][NR_HIST] reads | writes << 32 of the running batch */
	uint64_t *latency_ps; /* [nr_ids][nr_ids] one cache line */
	uint64_t **rec_chunks;
	uint64_t counters[NUMAB_NR_COUNTERS];
	uint64_t reasons[NUMAB_NR_REASONS];
	int64_t tun[NUMAB_NR_TUNABLES];
	struct machine_policy policy;
	mark_entries_fn mark_entries;
	const char *isa;

	uint64_t now_ns;
	uint64_t tick_ns;
	uint32_t hz;
	int external;
	int as_posted;
	uint8_t tun_from[NUMAB_NR_TUNABLES]; /* enum numab_tunable_source */
	uint8_t has_preset[NUMAB_NR_TUNABLES]; /* by the policy in use */
	int64_t preset[NUMAB_NR_TUNABLES];
	uint64_t rng;

	struct node *nodes; /* [nr_ids] */
	uint16_t *nids;     /* [nr_nodes] online, ascending */
	int nr_nodes;
	uint8_t *distance;  /* [nr_ids][nr_ids] */
	int32_t *cpu_nid;   /* [nr_cpus] */
	struct numab_rq *rqs;  /* [nr_cpus] */
	struct queue *queues;  /* [nr_cpus] */
	int nr_cpus, nr_online_cpus;
	uint64_t *matrix;   /* [nr_ids][nr_ids][2] */
	uint64_t *node_stats; /* [nr_ids][NUMAB_NR_NODE_STATS] */
	uint8_t *weights;     /* [nr_ids] of weighted interleave, 0: the default, 1 */

	struct id_slot *ids;
	int nr_slots, cap_slots; /* ids handed out: 1..nr_slots-1 */
	struct object *objects;
	int nr_objects, cap_objects;
	uint64_t nr_chunks, cap_chunks;
	uint64_t free_rec; /* head of the free list of anonymous records, 0: none */
	uint64_t nr_free_recs;
	struct replay replay;
	struct barrier *barriers; /* [nr_barriers] */
	uint32_t nr_barriers;
	struct run_state run;

	struct pending *pending; /* [NUMAB_MAX_MOVES], external mode */
	uint64_t next_move;
	int nr_pending;

	struct numab_event *ring;
	uint32_t ring_cap, ring_head, ring_len;
	int ring_lossless;
	uint64_t ring_vpn, ring_end, ring_kinds;

	int hook_failed; /* enum hook_failure, or 0 */
	int homes_unqueued; /* on-node and off-node counts are wrong, as posted (home_requeue) */
	int busy;      /* accesses are under way: tasks are not moved under them */
	int nr_moving; /* moves that wait */
	int balancing; /* a CPU pulls tasks; its hook may not balance another */
	uint64_t *pinned_cpus; /* [cpu_words(m)], all clear between balancings */
	numab_place_fn place;
	void *place_ud;
	numab_balance_fn balance;
	void *balance_ud;
	numab_alloc_fn alloc;
	void *alloc_ud;
	const char *broken;
	char err[256];
};

/* What the fault path knows of the task, the place and the price so far. */
struct fault_ctx {
	struct numab_machine *m;
	struct task *t;
	struct mm *mm;
	uint64_t cost_ps;
	uint64_t user_ps; /* of it: the accesses themselves */
	uint32_t faults, hints;
	int reason;
	/* Of the last fault; VMAs, policies and the ring stay as they are within a batch. */
	const struct vma *vma;
	uint64_t plain_vpn, plain_nr; /* its pages if hint_stays() may serve them, else none */
	const struct mpol *plain_mpol; /* the explicit policy in force there, NULL: none */
};

/* ---- alloc.c ---- */
NUMAB_FUNC void *mem_alloc(struct numab_machine *m, size_t bytes);
NUMAB_FUNC void *mem_zalloc(struct numab_machine *m, size_t bytes);
NUMAB_FUNC void mem_free(struct numab_machine *m, void *p, size_t bytes);
NUMAB_FUNC int mem_grow(struct numab_machine *m, void **p, size_t elem, size_t old_cap,
			size_t new_cap);
NUMAB_FUNC void *default_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes, int zeroed);

/* ---- event.c ---- */
NUMAB_FUNC int fail(struct numab_machine *m, int code, const char *fmt, ...) printf_like(3, 4);
NUMAB_FUNC int no_memory(struct numab_machine *m);
NUMAB_FUNC int no_task(struct numab_machine *m, int tid);
NUMAB_FUNC int no_process(struct numab_machine *m, int pid);
NUMAB_FUNC uint64_t cpu_now_ns(const struct numab_machine *m, int cpu);
NUMAB_FUNC void event_put(struct numab_machine *m, struct numab_event *e);
NUMAB_FUNC void sched_event(struct numab_machine *m, int kind, const struct task *t, int from,
			    int to, uint64_t aux);
NUMAB_FUNC void sched_switch_event(struct numab_machine *m, int cpu, int prev, int next);

/* ---- pattern.c ---- */
NUMAB_FUNC int pattern_check(struct numab_machine *m, const struct numab_pattern *p);
NUMAB_FUNC int generator_init(struct numab_machine *m, struct generator *g, int has_zipf);
NUMAB_FUNC void generator_free(struct numab_machine *m, struct generator *g);
NUMAB_FUNC void generator_begin(struct generator *g, const struct numab_pattern *p, uint64_t made,
				uint64_t rng);
NUMAB_FUNC uint64_t generator_fill(struct generator *g);

/* ---- node.c ---- */
NUMAB_FUNC int nodes_init(struct numab_machine *m, const struct numab_config *c);
NUMAB_FUNC void nodes_free(struct numab_machine *m);
NUMAB_FUNC void latencies_update(struct numab_machine *m);
NUMAB_FUNC int zone_watermark_ok(const struct node *n, uint64_t mark, uint64_t pages);
NUMAB_FUNC int page_alloc_zonelist(struct numab_machine *m, int from_nid, const uint64_t *mask,
				   uint64_t pages, int low_only);
NUMAB_FUNC int preferred_zone(const struct numab_machine *m, int nid, const uint64_t *mask);
NUMAB_FUNC void zone_statistics(struct numab_machine *m, int asked, int got, int running,
				int interleaved);
NUMAB_FUNC int node_weight(const struct numab_machine *m, int nid);
NUMAB_FUNC int no_page(struct numab_machine *m, uint64_t vpn, int tid);
NUMAB_FUNC void table_free(struct numab_machine *m, int nid);
NUMAB_FUNC void page_take(struct numab_machine *m, int nid, uint64_t pages);
NUMAB_FUNC void page_free(struct numab_machine *m, uint64_t page_bits);
NUMAB_FUNC int rate_limited(struct numab_machine *m, int nid, uint64_t pages, int commit);
NUMAB_FUNC int rate_limit_holds_scan(const struct numab_machine *m, int nid);

/* ---- tunable.c ---- */
NUMAB_FUNC void tunables_init(struct numab_machine *m);
NUMAB_FUNC int use_presets(struct numab_machine *m, const struct numab_preset *presets,
			   uint32_t n);

/* ---- mm.c ---- */
NUMAB_FUNC void mpol_put(struct numab_machine *m, struct mpol *p);
NUMAB_FUNC struct mpol *mpol_get(struct mpol *p);
NUMAB_FUNC int mpol_equal(const struct mpol *a, const struct mpol *b);
NUMAB_FUNC void mm_merge(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end);
NUMAB_FUNC struct slot *pmd_page_slot(const struct mm *mm, uint64_t vpn);
NUMAB_FUNC void free_pgtables(struct numab_machine *m, struct mm *mm, uint64_t start,
			      uint64_t end);
NUMAB_FUNC void free_all_pgtables(struct numab_machine *m, struct mm *mm);
NUMAB_FUNC struct mm *mm_new(struct numab_machine *m, int pid);
NUMAB_FUNC void mm_free(struct numab_machine *m, struct mm *mm);
NUMAB_FUNC struct span *span_find(struct mm *mm, uint64_t vpn);
NUMAB_FUNC struct vma *vma_find(const struct mm *mm, uint64_t vpn);
NUMAB_FUNC uint32_t vma_first_ending_after(const struct mm *mm, uint64_t vpn);
NUMAB_FUNC int vmas_reserve(struct numab_machine *m, struct mm *mm, uint32_t more);
NUMAB_FUNC void vma_insert(struct mm *mm, const struct vma *v);
NUMAB_FUNC void vma_remove(struct mm *mm, uint32_t i);
NUMAB_FUNC void vma_split(struct mm *mm, uint64_t vpn);
NUMAB_FUNC int spans_cover(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end);
NUMAB_FUNC void spans_trim(struct numab_machine *m, struct mm *mm);
NUMAB_FUNC int rec_reserve(struct numab_machine *m, uint64_t n);
NUMAB_FUNC uint64_t rec_take(struct numab_machine *m);
NUMAB_FUNC void rec_release(struct numab_machine *m, uint64_t index);
NUMAB_FUNC void slot_pmd_clear(struct span *s, uint64_t slot);
NUMAB_FUNC void slot_pmd_mark(struct span *s, uint64_t slot);
NUMAB_FUNC void huge_split(struct numab_machine *m, struct mm *mm, struct span *s, uint64_t slot);
NUMAB_FUNC void mm_split_huge_at(struct numab_machine *m, struct mm *mm, uint64_t vpn);
NUMAB_FUNC void zap_pte(struct numab_machine *m, struct mm *mm, struct span *s, uint64_t *pte);
NUMAB_FUNC void tlb_flush_page(struct numab_machine *m, const struct mm *mm, int cpu,
			       uint64_t *cost_ps);
NUMAB_FUNC void tlb_flush_range(struct numab_machine *m, const struct mm *mm, uint64_t *cost_ps);

/* ---- object.c ---- */
NUMAB_FUNC void object_put(struct numab_machine *m, int object);
NUMAB_FUNC void object_free(struct numab_machine *m, struct object *o);
NUMAB_FUNC int shared_policy_reserve(struct numab_machine *m, struct object *o, uint32_t more);
NUMAB_FUNC void mpol_set_shared_policy(struct numab_machine *m, struct object *o, uint64_t start,
				       uint64_t end, struct mpol *p);
NUMAB_FUNC struct mpol *mpol_shared_policy_lookup(const struct object *o, uint64_t index);

/* ---- mmap.c ---- */
NUMAB_FUNC int mm_copy(struct numab_machine *m, struct mm *from, struct mm *to);
NUMAB_FUNC void exit_mmap(struct numab_machine *m, struct mm *mm);
NUMAB_FUNC int mm_range(struct numab_machine *m, uint64_t vaddr, uint64_t size_bytes,
			uint64_t *start, uint64_t *end);
NUMAB_FUNC int mm_range_covered(struct numab_machine *m, const struct mm *mm, uint64_t start,
				uint64_t end);
NUMAB_FUNC void cut_border(struct numab_machine *m, struct mm *mm, uint64_t vpn);
NUMAB_FUNC void cut_borders(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end);

/* ---- sched.c ---- */
NUMAB_FUNC int check_cpu(struct numab_machine *m, int cpu);
NUMAB_FUNC void ask_move(struct numab_machine *m, struct task *t, int cpu);
NUMAB_FUNC int check_cpu_allowed(struct numab_machine *m, const struct task *t, int cpu);
NUMAB_FUNC int cpus_copy(struct numab_machine *m, const uint64_t *mask, uint32_t nr_words,
			 uint64_t *out);
NUMAB_FUNC void forget_move(struct numab_machine *m, struct task *t);
NUMAB_FUNC void apply_task_moves(struct numab_machine *m);

/* ---- groups.c ---- */
NUMAB_FUNC int check_groups(struct numab_machine *m, const struct numab_groups *g, int cpu);
NUMAB_FUNC void random_offnode_group(struct numab_machine *m, const struct numab_groups *g, int cpu,
				     int idle, const uint64_t *excluded,
				     struct numab_sg_stats *out);
NUMAB_FUNC int random_offnode_queue(struct numab_machine *m, const struct numab_groups *g,
				    int group, const uint64_t *excluded);

/* ---- balance.c ---- */
NUMAB_FUNC void domains_free(struct numab_machine *m, struct queue *q);
NUMAB_FUNC void balance_cpus(struct numab_machine *m);

/* ---- pull.c ---- */
NUMAB_FUNC int load_balance(struct numab_machine *m, int cpu, int level, int idle);

/* ---- task.c ---- */
NUMAB_FUNC void cursor_free(struct numab_machine *m, struct cursor *c);
NUMAB_FUNC void wake_waiters(struct numab_machine *m, const struct mm *mm, int64_t what);
NUMAB_FUNC void world_start(struct numab_machine *m, struct mm *mm);
NUMAB_FUNC void program_leave(struct numab_machine *m, struct task *t);
NUMAB_FUNC void task_free(struct numab_machine *m, struct task *t);

/* ---- mempolicy.c ---- */
NUMAB_FUNC int mpol_new(struct numab_machine *m, const struct numab_mpol *in, struct mpol **out);
NUMAB_FUNC const struct mpol *get_vma_policy(const struct numab_machine *m, const struct task *t,
					     const struct vma *v, uint64_t vpn);
/* Where an allocation may go. */
struct alloc_plan {
	int nid;              /* distances count from here */
	const uint64_t *mask; /* only these, NULL: all */
	int then_all;         /* ... and when they are full all others (PREFERRED_MANY) */
	int interleaved;
};
NUMAB_FUNC struct alloc_plan vma_alloc_plan(struct numab_machine *m, const struct task *t,
					    const struct vma *v, uint64_t vpn, int huge);
NUMAB_FUNC struct alloc_plan task_alloc_plan(struct numab_machine *m, const struct task *t);
NUMAB_FUNC void interleave_advance(const struct numab_machine *m, struct task *t);
NUMAB_FUNC int vma_policy_reserve(struct numab_machine *m, struct mm *mm, uint64_t start,
				  uint64_t end);
NUMAB_FUNC void vma_policy_set(struct numab_machine *m, struct mm *mm, uint64_t start,
			       uint64_t end, struct mpol *p);
NUMAB_FUNC struct numab_verdict builtin_misplaced(const struct numab_machine *m,
						  const struct task *t, uint64_t vpn,
						  uint64_t bits, uint32_t flags);
NUMAB_FUNC struct numab_verdict explicit_misplaced(struct numab_machine *m, const struct mpol *p,
						   const struct task *t, const struct vma *v,
						   uint64_t vpn, uint64_t bits, uint32_t flags);
NUMAB_FUNC struct numab_verdict mpol_misplaced(struct numab_machine *m, const struct task *t,
					       const struct vma *v, uint64_t vpn,
					       uint64_t page_bits, uint32_t flags);

/* ---- pages.c ---- */
NUMAB_FUNC int alloc_find(struct numab_machine *m, const struct alloc_plan *plan, uint64_t pages,
			  int low_only, int *asked);
NUMAB_FUNC struct alloc_plan object_alloc_plan(struct numab_machine *m, const struct task *t,
					       const struct vma *v, uint64_t vpn);
NUMAB_FUNC int alloc_page_vma(struct fault_ctx *c, const struct vma *v, uint64_t vpn, uint64_t pte);
NUMAB_FUNC int alloc_object_page(struct fault_ctx *c, const struct vma *v, uint64_t vpn);
NUMAB_FUNC int huge_alloc_nid(struct numab_machine *m, const struct task *t, const struct vma *v,
			      const struct span *s, uint64_t vpn);
NUMAB_FUNC int alloc_huge_page(struct fault_ctx *c, const struct vma *v, const struct span *s,
			       uint64_t vpn);
NUMAB_FUNC int pmd_page_missing(const struct numab_machine *m, const struct mm *mm,
				const struct span *s, uint64_t vpn);
NUMAB_FUNC int pte_page_missing(const struct numab_machine *m, const struct span *s, uint64_t vpn);
NUMAB_FUNC int pmd_alloc(struct numab_machine *m, struct task *t, struct mm *mm, struct span *s,
			 uint64_t vpn, uint64_t *cost_ps);
NUMAB_FUNC int pte_alloc(struct numab_machine *m, struct task *t, struct mm *mm, struct span *s,
			 uint64_t vpn, uint64_t *cost_ps);
NUMAB_FUNC int copy_pgtables(struct numab_machine *m, struct task *t, struct mm *mm);

/* ---- migrate.c ---- */
struct move {
	struct mm *mm;
	struct span *span;
	uint64_t *pte;
	uint64_t vpn;
	uint32_t nr_pages; /* 1, or a whole huge page; pte is its first entry then */
	int to;  /* the node wanted, NUMAB_NO_NODE: where the policy at its address says */
	int err; /* how the last attempt ended; NUMAB_EAGAIN: none yet, or to be tried again */
};

/* What all moves of one call have in common. */
struct migration {
	const struct task *t; /* whose policy allocates, needed where a move has no target */
	int cpu;              /* that sends the flushes */
	int mode, reason;
	int fall_back;        /* a full target falls back by distance */
};
struct tally {
	uint64_t moved, failed; /* pages */
	uint64_t retry;         /* moves */
	int nomem;
};
NUMAB_FUNC struct tally migrate_list(struct numab_machine *m, const struct migration *how,
				     struct move *list, uint64_t nr, uint64_t *cost_ps);
NUMAB_FUNC void putback_lru_pages(struct numab_machine *m, const struct move *list, uint64_t nr);
NUMAB_FUNC int migrate_admit(struct numab_machine *m, uint64_t bits, int mapcount, int nid,
			     uint64_t pages, int commit);
NUMAB_FUNC int migrate_misplaced_page(struct fault_ctx *c, struct move *mv, int nid);
NUMAB_FUNC int migrate_misplaced_huge(struct fault_ctx *c, struct move *mv, int nid);

/* ---- stats.c ---- */
#define FAULT_MISPLACED 1 /* the policy wanted the page elsewhere */
#define FAULT_MIGRATED 2  /* and it went there */
NUMAB_FUNC void task_numa_fault(struct numab_machine *m, struct task *t, int nid, uint64_t pages,
				int how);
NUMAB_FUNC void reset_ptenuma_scan(struct numab_machine *m, struct task *t);
NUMAB_FUNC void decide(struct fault_ctx *c, int reason);
NUMAB_FUNC int hook_result(struct numab_machine *m, int err);

/* ---- scan.c ---- */
NUMAB_FUNC uint64_t change_prot_numa(struct numab_machine *m, struct mm *mm, const struct task *t,
				     uint64_t start, uint64_t end, uint64_t *cost_ps);
NUMAB_FUNC int scan_isa_pick(struct numab_machine *m, const char *name);
NUMAB_FUNC int task_tick_numa(struct numab_machine *m, struct task *t);
NUMAB_FUNC int64_t task_numa_work(struct numab_machine *m, struct task *t);
NUMAB_FUNC uint64_t jiffies(const struct numab_machine *m);

/* ---- fault.c ---- */
NUMAB_FUNC int hint_stays(struct fault_ctx *c, uint64_t *pte, uint64_t vpn, int write);
NUMAB_FUNC int gup_write_fault(struct fault_ctx *c, struct span *s, uint64_t vpn);
NUMAB_FUNC int handle_access(struct fault_ctx *c, uint64_t vpn, int write, int *nid);

/* ---- select.c ---- */
NUMAB_FUNC int select_task_rq(const struct numab_machine *m, const struct task *t, int waker_cpu);

/* ---- cpu.c ---- */
NUMAB_FUNC uint32_t nice_to_weight(int nice);
NUMAB_FUNC int rq_reserve(struct numab_machine *m, int cpu);
NUMAB_FUNC void rq_add(struct numab_machine *m, struct task *t, const struct task *parent,
		       int cpu);
NUMAB_FUNC void rq_remove(struct numab_machine *m, struct task *t);
NUMAB_FUNC void rq_move(struct numab_machine *m, struct task *t, int cpu);
NUMAB_FUNC int requeue_begin(struct numab_machine *m, struct task *t);
NUMAB_FUNC void requeue_end(struct numab_machine *m, struct task *t);
NUMAB_FUNC void sched_setnode(struct numab_machine *m, struct task *t, int nid);
NUMAB_FUNC void list_move_tail(struct numab_machine *m, struct task *t);
NUMAB_FUNC struct task *pick_next_task(struct numab_machine *m, int cpu);
NUMAB_FUNC void charge_run_time(struct task *t, uint64_t ps);
NUMAB_FUNC void scheduler_tick(struct numab_machine *m, int cpu);
NUMAB_FUNC void task_sleep(struct numab_machine *m, struct task *t, uint64_t until_ns);
NUMAB_FUNC void task_wake(struct numab_machine *m, struct task *t, int cpu);
NUMAB_FUNC void task_wake_by(struct numab_machine *m, struct task *t, int waker_cpu);
NUMAB_FUNC void wake_sleepers(struct numab_machine *m, int cpu);
NUMAB_FUNC int wake_first_sleeper(struct numab_machine *m, int cpu);

/* ---- access.c ---- */
struct progress {
	uint64_t rows; /* whole rows done */
	uint64_t page; /* pages done of the next one */
	uint64_t cost_ps;
	uint64_t faults, hints;
};
NUMAB_FUNC int run_rows(struct numab_machine *m, struct task *t, const struct numab_row *rows,
			uint64_t n, uint64_t budget_ps, struct progress *p);

/* ---- program.c ---- */
enum consume_result { CONSUMED_BUDGET, CONSUMED_EMPTY, CONSUMED_WAITS, CONSUMED_SLEEPS };
NUMAB_FUNC int program_init(struct numab_machine *m, struct cursor *c,
			    const struct numab_step *steps, uint32_t n, uint32_t flags,
			    uint64_t seed);
NUMAB_FUNC int program_waits(const struct task *t);
NUMAB_FUNC void program_sleep(struct numab_machine *m, struct task *t);
NUMAB_FUNC int program_next(struct numab_machine *m, struct task *t, uint64_t *cost_ps,
			    enum consume_result *result);

/* ---- feed.c ---- */
NUMAB_FUNC int cursor_run(struct numab_machine *m, struct task *t, uint64_t budget_ps,
			  uint64_t *cost_ps, enum consume_result *result);
NUMAB_FUNC void replay_free(struct numab_machine *m);
NUMAB_FUNC int replay_loop_done(struct numab_machine *m, int *last);

/* ---- inline: ids, entries and pages ---- */

static inline struct task *task_get(const struct numab_machine *m, int tid)
{
	return m && tid > 0 && tid < m->nr_slots ? m->ids[tid].task : NULL;
}

static inline struct mm *mm_get(const struct numab_machine *m, int pid)
{
	return m && pid > 0 && pid < m->nr_slots ? m->ids[pid].mm : NULL;
}

static inline int cpu_bit(const uint64_t *mask, int cpu)
{
	return mask[cpu / 64] >> (cpu % 64) & 1;
}

static inline int cpu_allowed(const struct task *t, int cpu)
{
	return !t->cpus_allowed || cpu_bit(t->cpus_allowed, cpu);
}

/* 64-bit words of a mask of CPUs. */
static inline uint32_t cpu_words(const struct numab_machine *m)
{
	return ((uint32_t)m->nr_cpus + 63) / 64;
}

static inline int ring_full(const struct numab_machine *m)
{
	return m->ring_lossless && m->ring_cap && m->ring_cap - m->ring_len < RING_MARGIN;
}

static inline int pte_present(uint64_t pte)
{
	return (pte & (PTE_PRESENT | PTE_NUMA)) != 0;
}

/* NUMA is never set together with PRESENT. */
static inline int pte_numa(uint64_t pte)
{
	return (pte & (PTE_PRESENT | PTE_NUMA)) == PTE_NUMA;
}

/* Also sets ACCESSED, which saves the later write of that bit (patch 5). */
static inline uint64_t pte_mknonnuma(uint64_t pte)
{
	return (pte & ~PTE_NUMA) | PTE_PRESENT | PTE_ACCESSED;
}

static inline uint64_t pte_mknuma(uint64_t pte)
{
	return (pte & ~PTE_PRESENT) | PTE_NUMA;
}

static inline int pg_nid(uint64_t bits)
{
	return (int)((bits & PG_NID_MASK) >> PG_NID_SHIFT);
}

static inline uint32_t pg_tag(uint64_t bits)
{
	return (uint32_t)((bits & PG_TAG_MASK) >> PG_TAG_SHIFT);
}

static inline uint64_t pg_set_nid(uint64_t bits, int nid)
{
	return (bits & ~PG_NID_MASK) | ((uint64_t)nid << PG_NID_SHIFT);
}

static inline uint64_t pg_set_tag(uint64_t bits, uint32_t tag)
{
	return (bits & ~PG_TAG_MASK) | (((uint64_t)tag << PG_TAG_SHIFT) & PG_TAG_MASK);
}

static inline uint64_t pg_new(int nid)
{
	return pg_set_nid(PG_TAG_MASK, nid);
}

static inline uint64_t rec_index(uint64_t pte)
{
	return (pte >> REC_INDEX_SHIFT) & REC_INDEX_MASK;
}

static inline uint64_t *rec_at(const struct numab_machine *m, uint64_t index)
{
	return m->rec_chunks[index / REC_CHUNK] + index % REC_CHUNK;
}

/* Where the page's own bits live: the entry, or the record it names.  Not for SPECIAL entries. */
static inline uint64_t *page_bits(const struct numab_machine *m, uint64_t *pte)
{
	return (*pte & PTE_EXCL) ? pte : rec_at(m, rec_index(*pte));
}

static inline uint64_t rec_mapcount(uint64_t rec)
{
	return rec >> REC_MAP_SHIFT;
}

static inline int page_mapcount(const struct numab_machine *m, uint64_t pte)
{
	return (pte & PTE_EXCL) ? 1 : (int)rec_mapcount(*rec_at(m, rec_index(pte)));
}

static inline int pte_nid(const struct numab_machine *m, uint64_t pte)
{
	if (pte & PTE_EXCL)
		return pg_nid(pte);
	if (pte & PTE_SPECIAL)
		return NUMAB_NO_NODE;
	return pg_nid(*rec_at(m, rec_index(pte)));
}

/* Exclusive pages are counted by node; shared ones only as such, since a record's node may change
 * without its mappers being told. */
static inline void mm_account(struct mm *mm, int nid, int64_t pages)
{
	mm->node_pages[nid] += (uint64_t)pages;
	mm->nr_pages += (uint64_t)pages;
}

static inline void mm_account_shared(struct mm *mm, int64_t pages)
{
	mm->nr_shared += (uint64_t)pages;
	mm->nr_pages += (uint64_t)pages;
}

static inline uint16_t *mpol_nids(const struct mpol *p)
{
	return (uint16_t *)(p + 1);
}

static inline int mask_has(const uint64_t *mask, int nid)
{
	return (int)(mask[nid / 64] >> (nid % 64) & 1);
}

/* Shared memory proper; a file's pages have no policy of their own.  Linux: shmem's vm_ops. */
static inline int vma_has_shared_policy(const struct vma *v)
{
	return v->kind == NUMAB_SHM || v->kind == NUMAB_ANON_SHARED;
}

static inline struct slot *slot_of(const struct span *s, uint64_t vpn)
{
	return &s->slots[(vpn - s->base) / SLOT_PAGES];
}

static inline struct move move_to(struct mm *mm, struct span *s, uint64_t *pte, uint64_t vpn,
				  int nid)
{
	struct move mv = { mm, s, pte, vpn, 1, nid, NUMAB_EAGAIN };

	return mv;
}

/* The one way an entry gets a new value: keeps the slot's count of used entries, and SLOT set in
 * every mapped entry of a marked pmd, marked ones included.  An entry that stays mapped therefore
 * knows all of its slot, which is left alone then: a miss less in every hinting fault. */
static inline void pte_store(struct span *s, uint64_t *pte, uint64_t val)
{
	struct slot *slot;

	if (likely(pte_present(*pte) && pte_present(val))) {
		*pte = (val & ~PTE_SLOT) | (*pte & PTE_SLOT);
		return;
	}
	slot = &s->slots[(uint64_t)(pte - s->pte) / SLOT_PAGES];
	if ((slot->flags & SLOT_PMD_NUMA) && pte_present(val))
		val |= PTE_SLOT;
	else
		val &= ~PTE_SLOT;
	slot->nr_used = (uint16_t)(slot->nr_used + (val != 0) - (*pte != 0));
	*pte = val;
}

/* xorshift64*: one seeded generator per machine, another per pattern; integers only. */
static inline uint64_t rng_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 2685821657736338717ull;
}

static inline uint64_t rng_seed(uint64_t seed)
{
	uint64_t z = seed + 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return z ? z : 1;
}

/* Uniform in [0, n), n >= 1: a multiplication where 32 bits suffice, else a remainder whose bias
 * (under 2^-27 for n <= 2^36) no load will notice. */
static inline uint64_t rng_below(uint64_t *state, uint64_t n)
{
	uint64_t r = rng_next(state);

	return n <= 0xffffffffull ? ((r >> 32) * n) >> 32 : r % n;
}

#endif /* NUMAB_INTERNAL_H */
