/* SPDX-License-Identifier: BSD-3-Clause
 *
 * numab.h - a user-space model of Linux automatic NUMA balancing
 *
 * This header is the manual of the C core and can be read top to bottom.  It is C99, compiles as
 * C++ too, and needs nothing but <stdint.h> and <stddef.h>.  Build _core.c together with your
 * program (one unit, no dependencies); README.md has the recipe, MODEL.md says which kernel
 * behaviour is the same, simplified or absent.
 *
 * What it is.  A machine has nodes, CPUs and distances.  Processes map memory, tasks run on CPUs
 * and touch it.  Pages live on nodes.  The scanner takes the PRESENT bit from entries and sets the
 * NUMA bit; the next touch of such an entry is a hinting fault, and the fault path decides, as the
 * kernel's does, whether the page moves to the node that touched it.  Everything is counted under
 * the kernel's names, every decision has a reason, and nothing happens that the caller did not ask
 * for: time is an argument, the random generator is seeded, the allocator is yours.
 *
 * Words.  vpn: virtual page number, 4 KiB pages.  vaddr: virtual address in bytes.  nid: node id,
 * sparse ids allowed.  A page's tag: last_nid, all ones when unset.  Marked: NUMA set, PRESENT
 * clear.  A slot: 512 aligned entries, what one pmd covers.
 *
 * Caveats, each with the way out:
 * - A machine must not be used by two threads at once.  Give each thread a machine of its own.
 * - Functions that take a tid fault, allocate and migrate as that task; there is no `current`.
 * - Ids are never reused within a machine, so a stale id gives NUMAB_ESRCH, not somebody else.
 * - Pointers returned by numab_counters() and the like stay valid until numab_destroy(); those of
 *   a task until it exits.
 * - A row with reads and writes is one access of kind write: the order inside a row is not known.
 * - Results in ns are a model (see the PRICE tunables); the counters are exact.
 *
 * Errors.  Calls return 0 or a count, or a negative NUMAB_E* code.  A failed call leaves the
 * machine as it was unless its comment says otherwise, and numab_errmsg() holds one line that
 * names the value and what is permitted.
 */
#ifndef NUMAB_H
#define NUMAB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif


enum numab_error {
#define X(name, code, text) NUMAB_##name = -(code),
#include "errors.def"
#undef X
	NUMAB_OK = 0
};
enum numab_counter {
#define X(name, kind, unit, text) NUMAB_C_##name,
#include "counters.def"
#undef X
	NUMAB_NR_COUNTERS
};
enum numab_reason {
#define X(name, text) NUMAB_##name,
#include "reasons.def"
#undef X
	NUMAB_NR_REASONS
};
enum numab_tunable {
#define X(name, kind, dflt, posted, min, max, unit, text) NUMAB_T_##name,
#include "tunables.def"
#undef X
	NUMAB_NR_TUNABLES
};

/* --- cffi begin: from here to "cffi end" the text is also the Python binding's declaration --- */

#define NUMAB_ABI_VERSION 1

#define NUMAB_MAX_NODES 1024
#define NUMAB_MAX_CPUS 8192
#define NUMAB_PAGE_BYTES 4096
#define NUMAB_SLOT_PAGES 512
#define NUMAB_NO_NODE -1
#define NUMAB_TAG_UNSET 0x1fffff

struct numab_machine;

/* ---------------------------------------------------------------------------------------------
 * 1. A machine's life
 * ------------------------------------------------------------------------------------------- */

/* The one allocator.  old_bytes == 0: give new_bytes (zeroed when zeroed != 0; large zeroed
 * blocks should be zeroed lazily, they back sparse address spaces).  new_bytes == 0: free.
 * Never both non-zero.  Returns NULL when it refuses; the core then reports NUMAB_ENOMEM. */
typedef void *(*numab_alloc_fn)(void *ud, void *ptr, size_t old_bytes, size_t new_bytes,
				int zeroed);

/* A hint of the scheduler's: called at most once per task and pass over the address space, inside
 * the accounting of a misplaced fault.  Under NUMAB_POLICY_PLACE the core compares the statistics
 * itself, and asks only when the task and its memory are not together: where the kernel runs
 * task_numa_find_placement.  Otherwise it stands for task_numa_placement as a whole.  It may call
 * numab_task_set_home(), numab_task_set_cpu() and numab_task_swap(), nothing that runs time.
 * Return 0, or non-zero to end the run at the next safe point with NUMAB_EHOST. */
typedef int (*numab_place_fn)(void *ud, struct numab_machine *m, int tid);

/* Asked about a balancing under way: see numab_set_domain().  Permits the same calls, which take
 * effect at once.  Returns 0 or NUMAB_BALANCE_* bits, or a negative number to end the run with
 * NUMAB_EHOST. */
struct numab_lb;
typedef int (*numab_balance_fn)(void *ud, struct numab_machine *m, struct numab_lb *lb);

/* A node.  watermarks all 0: computed from pages as Linux does (min_free_kbytes). Unit: pages. */
struct numab_node {
	int32_t nid;
	uint32_t reserved;
	uint64_t pages;
	uint64_t watermark_min;
	uint64_t watermark_low;
	uint64_t watermark_high;
};

#define NUMAB_EXTERNAL 1 /* the host owns time and pages: see section 6 */

struct numab_config {
	uint32_t size;                /* sizeof(struct numab_config) */
	uint32_t hz;                  /* ticks per second, 100..1000; Linux: CONFIG_HZ */
	uint32_t nr_nodes;            /* 1..1024 */
	uint32_t nr_cpus;             /* highest CPU id + 1, 1..8192 */
	const struct numab_node *nodes; /* nr_nodes of them, nid ascending, 0..1023 */
	const int32_t *cpu_nid;       /* node of each CPU id, -1: no such CPU */
	const uint8_t *distance;      /* nr_nodes x nr_nodes, row major, in the order of nodes */
	uint64_t seed;
	uint32_t flags;               /* 0 or NUMAB_EXTERNAL */
	uint32_t reserved;
	numab_alloc_fn alloc;         /* NULL: calloc and free */
	void *alloc_ud;
	numab_place_fn place;         /* NULL: tasks stay */
	void *place_ud;
	numab_balance_fn balance;     /* NULL: what it is asked for does not happen */
	void *balance_ud;
};

/* Build a machine.  The arrays are copied.  On failure *out is NULL, err (may be NULL) holds one
 * line.  NUMAB_EINVAL, NUMAB_ENOMEM. */
int numab_create(const struct numab_config *config, struct numab_machine **out,
		 char *err, size_t err_bytes);
/* Free everything.  NULL is fine. */
void numab_destroy(struct numab_machine *m);

/* One line about the last failed call on this machine; "" when there was none. */
const char *numab_errmsg(const struct numab_machine *m);
/* The sentence of a NUMAB_E* code; never NULL. */
const char *numab_strerror(int code);

/* Walk everything and verify every invariant: pages per node sum to mapped pages, free counts are
 * right, shared records' counts equal their mappings, fault arrays match their totals, marks and
 * slots agree.  0, or NUMAB_EINVAL with the broken invariant in numab_errmsg().  Changes nothing
 * else; O(mapped address space). */
int numab_check(struct numab_machine *m);

/* ---------------------------------------------------------------------------------------------
 * 2. Tunables, policy, counters
 * ------------------------------------------------------------------------------------------- */

/* Rows of tunables.def, by index 0..numab_nr_tunables()-1 (NUMAB_T_* in C). */
struct numab_tunable_info {
	const char *name;
	const char *kind;      /* "SYSCTL", "SWITCH", "INJECT", "PRICE" */
	const char *unit;
	const char *text;
	int64_t dflt;
	int64_t as_posted;
	int64_t min;
	int64_t max;
};
int numab_nr_tunables(void);
int numab_tunable_info(int index, struct numab_tunable_info *out);
/* The value in force: the user's (numab_set) if there is one, else the preset of the policy in use,
 * else the row's `dflt` or `as_posted` column.  So the order of these calls does not matter. */
int64_t numab_get(const struct numab_machine *m, int index);
/* The user's value; takes effect at once.  NUMAB_EINVAL outside min..max; with as_posted also
 * values that the 2012 sysctl handler accepted (any 32-bit integer for a SYSCTL row). */
int numab_set(struct numab_machine *m, int index, int64_t value);
/* Forget the user's value.  NUMAB_EINVAL: no such row. */
int numab_unset(struct numab_machine *m, int index);
/* Whose value is in force?  NUMAB_EINVAL: no such row. */
enum numab_tunable_source { NUMAB_FROM_DEFAULT, NUMAB_FROM_POLICY, NUMAB_FROM_USER };
int numab_tunable_source(const struct numab_machine *m, int index);
/* The `as_posted` column (1) or the `dflt` column (0) from now on.  Forgets the user's values, but
 * those of prices; the policy's presets stay in force. */
int numab_set_as_posted(struct numab_machine *m, int as_posted);

/* What a per-fault filter sees, and what it answers.  Node ids, -1: none. */
struct numab_fault {
	uint64_t now_ns;
	uint64_t vpn;
	int32_t tid;
	int32_t pid;
	int32_t cpu;
	int32_t cpu_nid;       /* node of the running CPU */
	int32_t page_nid;      /* where the page is */
	int32_t home_nid;      /* the task's home node, -1: none */
	int32_t policy_nid;    /* what the mode switch of mpol_misplaced gave */
	uint32_t tag;          /* the page's tag, NUMAB_TAG_UNSET when unset */
	uint32_t flags;        /* NUMAB_F_* */
	uint32_t reserved;
};
#define NUMAB_F_WRITE 1
#define NUMAB_F_HUGE 2
#define NUMAB_F_PMD 4
#define NUMAB_F_SHARED 8

struct numab_verdict {
	int32_t target_nid;    /* node to move to, -1: stay */
	int32_t reason;        /* why it stays: a NUMAB_HOLD_*; NUMAB_NONE when it goes */
	uint32_t tag;          /* the page's new tag, 21 bits */
	uint32_t reserved;
};
/* A filter must be a pure function of its arguments and of ud: numab_probe() calls it too.
 * Called for faults under an internal (automatic) policy, after the mode switch and in place of
 * its HOME/MORON step.  A target without memory counts as stay. */
typedef void (*numab_filter_fn)(void *ud, const struct numab_fault *fault,
				struct numab_verdict *verdict);

#define NUMAB_POLICY_SCANS 1 /* the tick hook queues scans */
#define NUMAB_POLICY_MOF 2   /* the internal per-node policies carry migrate-on-fault */
#define NUMAB_POLICY_HOME 4  /* a task without policy belongs to its home node, if it has one */
#define NUMAB_POLICY_PLACE 8 /* the core runs task_numa_placement of patch 29: see numab_place_fn */

/* What a tunable is under a policy, unless the user says otherwise. */
struct numab_preset {
	int32_t tunable;       /* NUMAB_T_* */
	uint32_t reserved;
	int64_t value;         /* within the row's min..max */
};

/* A policy on the foundation: its traits, its per-fault filter, its presets. */
struct numab_policy {
	const char *name;
	uint32_t flags;
	uint32_t nr_presets;
	numab_filter_fn filter; /* needed when flags has NUMAB_POLICY_MOF */
	void *ud;
	const struct numab_preset *presets;
};
int numab_nr_policies(void);
const struct numab_policy *numab_policy(int index);  /* NULL when out of range */
const char *numab_policy_text(int index);
/* Use a built-in policy by name (default "off"), or a user's own (name, at most 31 characters, and
 * presets are copied; ud must outlive its use).  The former policy's presets end with it.  Marks
 * that are armed stay armed, home nodes and statistics stay as they are. */
int numab_use_policy(struct numab_machine *m, const char *name);
int numab_use_own_policy(struct numab_machine *m, const struct numab_policy *policy);
const char *numab_policy_in_use(const struct numab_machine *m);

/* Rows of counters.def and reasons.def.  The arrays are the machine's own: read them any time. */
int numab_nr_counters(void);
const char *numab_counter_name(int index);
const char *numab_counter_kind(int index); /* "VMSTAT", "MODEL", "ABSENT" */
const char *numab_counter_unit(int index);
const char *numab_counter_text(int index);
const uint64_t *numab_counters(const struct numab_machine *m);
int numab_nr_reasons(void);
const char *numab_reason_name(int index);
const char *numab_reason_text(int index);
const uint64_t *numab_reasons(const struct numab_machine *m);

/* nr_node_ids: highest nid + 1.  Every per-node array has this length and is indexed by nid. */
int numab_nr_node_ids(const struct numab_machine *m);
/* Accesses by (node of the CPU, node of the page): [cpu_nid * nr_node_ids + page_nid][2], reads
 * then writes. */
const uint64_t *numab_access_matrix(const struct numab_machine *m);

struct numab_node_info {
	uint64_t pages;
	uint64_t free;
	uint64_t leaked;           /* pages that lost references keep for ever */
	uint64_t watermark_min;
	uint64_t watermark_low;
	uint64_t watermark_high;
	int32_t nr_cpus;
	int32_t nid;
	uint64_t kernel;           /* pages of numab_alloc_kernel(), and page tables */
};
int numab_node_info(const struct numab_machine *m, int nid, struct numab_node_info *out);
int numab_distance(const struct numab_machine *m, int from_nid, int to_nid);

/* ---------------------------------------------------------------------------------------------
 * 3. Processes, tasks, memory
 * ------------------------------------------------------------------------------------------- */

/* All return a new id >= 1.  A process's first task has the process's id.
 * Linux: fork hooks of patches 15, 18 and 19; a new task starts with the slow start. */
int numab_process(struct numab_machine *m, int cpu);
/* Copy @tid's process: private pages become shared, copy on write.  NUMAB_ESRCH, NUMAB_ENOMEM,
 * NUMAB_EBUSY when a page is mapped more than 32767 times already, NUMAB_EOOM when page tables find
 * no memory (those that did stay counted as allocations). */
int numab_fork(struct numab_machine *m, int tid, int cpu);
/* A further thread of @tid's process. */
int numab_clone(struct numab_machine *m, int tid, int cpu);
/* Replace the address space by an empty one.  NUMAB_EBUSY when the process has other threads. */
int numab_exec(struct numab_machine *m, int tid);
/* End a task; the last one of a process frees its memory. */
int numab_exit(struct numab_machine *m, int tid);

/* Move a task.  Asked for by the place hook, or while numab_run() has stopped within a tick, it
 * runs there from the next tick (or batch of rows) on; otherwise at once.  NUMAB_EINVAL: no such
 * CPU, or not one that the task may run on. */
int numab_task_set_cpu(struct numab_machine *m, int tid, int cpu);
/* Two tasks change places, at the same moment that numab_task_set_cpu() would take.
 * NUMAB_EINVAL: one may not run where the other is.  Linux: migrate_swap (3.13). */
int numab_task_swap(struct numab_machine *m, int tid, int other_tid);
/* Home node, -1: none.  The task is requeued, so that it is on the right list; it does not move.
 * A node without CPUs is taken (placement gives none): the task is then always off its home.
 * Linux: sched_setnode (patch 25).  NUMAB_EINVAL: no such node. */
int numab_task_set_home(struct numab_machine *m, int tid, int nid);
/* Nice value, -20 (most CPU time) to 19; inherited by fork and clone.  NUMAB_EINVAL: out of range.
 * Linux: set_user_nice. */
int numab_task_set_nice(struct numab_machine *m, int tid, int nice);
/* CPUs that the task may run on: bit c of @mask's @nr_words 64-bit words for CPU c; NULL: all.
 * Inherited by fork and clone.  A task that sits elsewhere moves to the first CPU of its node that
 * is permitted, else to the first of all.  NUMAB_EINVAL: an empty mask, or a CPU in it does not
 * exist; NUMAB_ENOMEM.  Linux: set_cpus_allowed_ptr. */
int numab_task_set_affinity(struct numab_machine *m, int tid, const uint64_t *mask,
			    uint32_t nr_words);
/* The mask into @out, @nr_words words of it; returns how many CPUs it permits. */
int numab_task_affinity(const struct numab_machine *m, int tid, uint64_t *out,
			uint32_t nr_words);
/* Take a task off its CPU until @until_ns (UINT64_MAX: until numab_task_wake).  A CPU with nobody
 * to run sees the deadline when it comes; a busy one when it has nobody, or at the next tick. */
int numab_task_sleep(struct numab_machine *m, int tid, uint64_t until_ns);
/* Make it runnable: as its timer would, or as task @by does, from the CPU of that.  It may wake on
 * another CPU than it slept on, where domains are set.  Linux: select_task_rq_fair. */
int numab_task_wake(struct numab_machine *m, int tid);
int numab_task_wake_by(struct numab_machine *m, int tid, int by);

struct numab_task_info {
	int32_t tid;
	int32_t pid;
	int32_t cpu;
	int32_t nid;                 /* node of its CPU */
	int32_t home_nid;
	int32_t state;               /* 0 runnable, 1 asleep, 2 exited */
	int32_t numa_scan_seq;
	int32_t mm_numa_scan_seq;
	uint64_t numa_scan_period_ms;
	uint64_t node_stamp_ns;
	uint64_t sum_exec_ns;        /* executed run time */
	uint64_t numa_fault_tot;     /* decays by half per pass */
	uint64_t numa_faults_ever;   /* never decays */
	uint64_t debt_ps;            /* time used that its coming ticks still pay for */
	uint64_t accesses_local;
	uint64_t accesses_remote;
	uint64_t mm_numa_next_scan;  /* in ticks */
	uint64_t mm_numa_scan_vpn;   /* where the next window starts */
	uint64_t mm_numa_fault_tot;
	uint64_t mm_pages;           /* resident */
	uint64_t sys_ps;             /* of the time it has used or owes: faults, scans, moves and
				      * calls; the rest of sum_exec_ns + debt_ps is accesses */
	int32_t nice;
	uint32_t weight;             /* load weight of its nice value, 1024 for 0 */
	int32_t queued;              /* it is on its CPU's run queue */
	int32_t next_cpu;            /* where a move that waits will take it, -1: none waits */
	uint64_t numa_contrib;       /* weight it counted for when last queued off its home node */
	uint64_t vruntime_ns;
	uint64_t last_ran_ns;        /* when it last stopped running; now, for one that runs */
	uint64_t wake_ns;            /* when it wakes, if it is asleep */
	uint64_t mm_numa_next_reset; /* jiffies; see scan_period_reset */
	int32_t mm_first_nid;        /* node that the address space was seen on, -1: never scanned
				      * for, -2: on a second one; see first_nid_gate */
	int32_t reserved;
	uint64_t nr_switches;        /* times that its CPU turned to somebody else, or idled */
};
int numab_task_info(const struct numab_machine *m, int tid, struct numab_task_info *out);
/* Run queues, an array by CPU id: the machine's own, read it any time.  Of the tasks with a home
 * node those are on-node whose CPU is on it; the others have contributed their weight to
 * offnode_weight.  Tasks without a home are in neither count (patch 28). */
#define NUMAB_CPU_LOADS 5
struct numab_rq {
	uint64_t load_weight;        /* of the runnable tasks */
	uint64_t offnode_weight;
	uint64_t cpu_load[NUMAB_CPU_LOADS]; /* load_weight now, and averages over 2^i ticks */
	uint64_t nr_switches;
	int32_t nr_running;          /* runnable tasks, the running one included */
	int32_t onnode_running;
	int32_t offnode_running;
	int32_t curr;                /* tid of the task that runs, or ran to the end of the tick */
	int32_t nid;                 /* node of the CPU, -1: there is no such CPU */
	int32_t nr_tasks;            /* live tasks, asleep ones included */
};
const struct numab_rq *numab_rqs(const struct numab_machine *m);
/* Tids on one of a CPU's two lists in the kernel's order, who came last first: up to @max into
 * @out; returns how many there are. */
enum numab_rq_list { NUMAB_CFS_TASKS, NUMAB_OFFNODE_TASKS };
int numab_rq_tasks(const struct numab_machine *m, int cpu, int list, int32_t *out, int max);
/* Put a runnable task at the end of its list, as move_tasks does with one that it passes over.
 * NUMAB_EINVAL: it is not runnable. */
int numab_rq_move_tail(struct numab_machine *m, int tid);

enum numab_cpu_idle { NUMAB_CPU_IDLE, NUMAB_CPU_NOT_IDLE, NUMAB_CPU_NEWLY_IDLE };

/* The groups of a domain as one of its CPUs sees them.  Group g holds cpus[starts[g]] up to
 * cpus[starts[g + 1]]; groups may overlap.  Linux: struct sched_group, a ring of them. */
struct numab_groups {
	uint32_t nr_groups;
	uint32_t first;              /* group at which the CPU begins its way round: its own */
	uint32_t prefer_sibling;     /* the level below has SD_PREFER_SIBLING */
	uint32_t share_cpupower;     /* SD_SHARE_CPUPOWER: less than a core takes a task too */
	uint32_t load_idx[3];        /* by enum numab_cpu_idle, 0..NUMAB_CPU_LOADS: i looks at
				      * averages over 2^(i - 1) ticks too, 0 only at now */
	uint32_t imbalance_pct;      /* so much busier is not worth a move, 100..1000 */
	const uint32_t *starts;      /* [nr_groups + 1] */
	const int32_t *cpus;
	const uint8_t *turn;         /* along with cpus: may that CPU balance for that group? */
	const uint64_t *power;       /* [nr_groups], 1024 a core */
	const uint32_t *capacity;    /* [nr_groups] tasks that run side by side */
	const uint32_t *cpu_power;   /* by CPU id */
};
/* A group's numbers.  Linux: struct sg_lb_stats, with patch 28's counts. */
struct numab_sg_stats {
	uint64_t load;               /* lower of now and past, in its own group the higher */
	uint64_t avg_load;           /* load * 1024 / power */
	uint64_t weight;             /* of the runnable tasks, now */
	uint64_t power;
	uint64_t offnode_weight;
	int32_t group;               /* index, -1: there is no such group */
	int32_t nr_running;
	int32_t idle_cpus;
	int32_t capacity;
	int32_t imbalanced;          /* its tasks crowd on some of its CPUs */
	int32_t has_capacity;
	int32_t offnode_running;
	int32_t onnode_running;
};
enum numab_lb_exit {             /* how the search for the busiest group ends */
	NUMAB_LB_IMBALANCE,          /* pull from it */
	NUMAB_LB_FORCED,             /* the same, whatever the averages say */
	NUMAB_LB_NO_BUSIEST,         /* these three are ways out that do not ask patch 28's bias */
	NUMAB_LB_ABOVE_BUSIEST,
	NUMAB_LB_ABOVE_AVERAGE,
	NUMAB_LB_IDLE_ENOUGH,        /* balanced: the bias may still find something to trade */
	NUMAB_LB_WITHIN_PCT
};
/* A domain's numbers.  Linux: struct sd_lb_stats; numa: the first other group with a task off its
 * home node (patch 28). */
struct numab_sd_stats {
	struct numab_sg_stats local, busiest, numa;
	uint64_t avg_load;           /* of all groups together */
	uint64_t imbalance;          /* load to move; 0 unless the exit is one of the first two */
	int32_t exit;                /* enum numab_lb_exit */
	int32_t reserved;
};
/* Go round the groups, from @cpu's own on, and find the busiest and how much to pull from it.
 * @excluded: a bit for each CPU whose tasks are out of reach, NULL: none.  Reads the queues of the
 * CPUs named, changes nothing, checks nothing.  Linux: find_busiest_group. */
void numab_find_busiest_group(const struct numab_rq *rqs, const struct numab_groups *groups,
			      int cpu, int idle, const uint64_t *excluded,
			      struct numab_sd_stats *out);
/* The CPU of a group to pull from, -1: none.  @numa_queue: the first with tasks off their home node
 * (patch 28), else the one with most load for its power, but no lone task heavier than @imbalance.
 * Linux: find_busiest_queue. */
int numab_find_busiest_queue(const struct numab_rq *rqs, const struct numab_groups *groups,
			     int group, uint64_t imbalance, int numa_queue,
			     const uint64_t *excluded);

/* A scheduling domain of one CPU at one level, 0 the smallest.  When it is due the core pulls tasks
 * to the CPU. */
#define NUMAB_SD_NEWIDLE 1     /* also when the CPU has just run out of work */
#define NUMAB_SD_SHARE_CACHE 2 /* a task that wakes where others run looks here for idle CPUs, from
				* the highest such level down */
#define NUMAB_SD_NUMA 4        /* patch 28's bias may trade tasks here: the hook is asked */
#define NUMAB_SD_PREEMPT 8     /* CONFIG_PREEMPT: a newly idle CPU takes one task and no more */
#define NUMAB_SD_HOST 16       /* the hook balances instead of the core */
#define NUMAB_SD_WAKE_AFFINE 32 /* a task may wake on its waker's CPU */
struct numab_domain {
	uint32_t flags;              /* NUMAB_SD_* */
	uint32_t min_interval_ms;    /* the first one, and after an imbalance was found */
	uint32_t max_interval_ms;    /* a balanced domain's interval doubles while it is below */
	uint32_t busy_factor;        /* while the CPU is busy the interval is so much longer */
	uint32_t cache_nice_tries;   /* failures in a row after which hot tasks move too */
	uint32_t nr_mask_words;
	struct numab_groups groups;  /* its arrays stay the caller's, in place and unchanged until
				      * the level is set anew or forgotten */
	const uint64_t *span;        /* bit c for CPU c: those of the domain (copied) */
};
/* Set a level; @domain NULL: forget it and those above.  Levels have no gaps; at most 64.  The
 * state of the level starts anew, as if it had been balanced now.
 *
 * At the end of every tick, after the scans: first CPUs in ascending order that ran out of work in
 * it go up their levels with NUMAB_SD_NEWIDLE until something was pulled.  Then, ascending, every
 * CPU looks at each level whose interval has passed (busy CPUs at busy_factor times the interval).
 * Only the first idle CPU of each group that holds it, or else the group's first, goes on from
 * there; the others stop at this level.
 *
 * The core balances as Linux 3.7 with patches 27 and 28 does, and moves tasks at once; those off
 * their home nodes first, and to a busy CPU none that gets no nearer to its home
 * (NUMA_HOMENODE_PULL, NUMA_HOMENODE_PREFERRED).  Where a domain with NUMAB_SD_NUMA is balanced
 * (the last two ways to end the search) and another group has tasks off their home nodes, the hook
 * decides whether to trade: patch 28's check_numa_busiest_group.  With NUMAB_SD_HOST the hook is
 * called in place of all this, unless the search ends in one of the three ways out in the middle;
 * then, as always, the state changes as for a balanced domain.  NUMAB_EINVAL, NUMAB_ENOMEM.
 * Linux: rebalance_domains, idle_balance, load_balance. */
int numab_set_domain(struct numab_machine *m, int cpu, int level,
		     const struct numab_domain *domain);
#define NUMAB_BALANCE_MOVED 1 /* host: tasks came, so that a CPU that was idle is busy now */
#define NUMAB_BALANCE_STOP 2  /* host: leave the levels above alone */
#define NUMAB_BALANCE_PULL 4  /* trade: group and imbalance are given, pull from there */
/* Balance one level of a CPU now, whatever its interval says.  @idle: enum numab_cpu_idle.  Returns
 * NUMAB_BALANCE_MOVED and NUMAB_BALANCE_STOP bits.  NUMAB_EINVAL; NUMAB_EBUSY in a balance hook;
 * NUMAB_EHOST.  Linux: load_balance. */
int numab_load_balance(struct numab_machine *m, int cpu, int level, int idle);
/* What the hook is asked about. */
struct numab_lb {
	int32_t cpu;                 /* that pulls */
	int32_t level;
	int32_t idle;                /* enum numab_cpu_idle */
	int32_t group;               /* out: index of the group to pull off-node tasks from */
	uint64_t imbalance;          /* out: load to move, 1..2^62 */
	struct numab_sd_stats stats; /* of the search */
};
/* What a level remembers.  The hook reads and writes it in place; valid until the level is set
 * again.  NULL: no such CPU or level. */
struct numab_domain_state {
	uint64_t last_balance;       /* in ticks */
	uint32_t balance_interval_ms;
	uint32_t nr_balance_failed;
	uint64_t nr_due;             /* times the interval had passed, and newly idle ones */
	uint64_t nr_called;          /* of these, with a question to the hook */
};
struct numab_domain_state *numab_domain_state(const struct numab_machine *m, int cpu, int level);

/* Arrays of nr_node_ids: faults accounted to each node by a task (decaying) and by its address
 * space.  NULL when there is no such task.  Valid until it exits (or execs, for the latter). */
const uint64_t *numab_task_faults(const struct numab_machine *m, int tid);
const uint64_t *numab_mm_faults(const struct numab_machine *m, int pid);
/* Resident pages of a process by node, into @out[nr_node_ids].  O(1) per node unless it maps shared
 * pages, which are walked. */
int numab_mm_node_pages(const struct numab_machine *m, int pid, uint64_t *out);
/* min(faults, total) * 1000 / total, 0 when total is 0.  Linux: task_weight, mm_weight (29). */
uint64_t numab_weight(uint64_t faults, uint64_t total);
/* A CPU that a task may use, and whom it would meet there.  The weights are those of the two tasks
 * when they are threads of one process, else those of their address spaces. */
#define NUMAB_CAND_MAY_COME 1   /* it may run where the asking task is */
#define NUMAB_CAND_HAS_FAULTS 2 /* it and its address space have statistics */
#define NUMAB_CAND_WANTED 4     /* the asking task weighs more for that node than for its own */
#define NUMAB_CAND_MOVES 8      /* a move of it waits */
struct numab_candidate {
	int32_t cpu, nid;
	int32_t tid;      /* that runs there, 0: the CPU idles */
	int32_t home_nid; /* its, -1: none */
	int32_t here;     /* weight of the asking task for its own node */
	int32_t there;    /* its weight for @nid */
	int32_t other;    /* weight of the one that runs there for @nid */
	uint32_t flags;   /* NUMAB_CAND_* */
};
/* Those of @tid that have all flags of @need, in ascending order of CPUs: up to @max into @out;
 * returns how many there are, or NUMAB_ESRCH.  Linux: what task_numa_find_placement looks at (29).
 */
int numab_candidates(const struct numab_machine *m, int tid, uint32_t need,
		     struct numab_candidate *out, int max);

#define NUMAB_PROT_NONE 0
#define NUMAB_PROT_READ 1
#define NUMAB_PROT_WRITE 2
#define NUMAB_PROT_EXEC 4

enum numab_vma_kind {
	NUMAB_ANON_PRIVATE,
	NUMAB_ANON_SHARED,   /* needs an object */
	NUMAB_SHM,           /* needs an object; shared */
	NUMAB_FILE_SHARED,   /* needs an object */
	NUMAB_FILE_PRIVATE   /* needs an object; writes copy */
};
#define NUMAB_VMA_IO 1      /* not migratable: the scanner skips these three */
#define NUMAB_VMA_PFNMAP 2  /* no pages behind its entries */
#define NUMAB_VMA_HUGETLB 4
#define NUMAB_VMA_HEAP 8    /* names only: the program break's area, and the first stack */
#define NUMAB_VMA_STACK 16

struct numab_vma {
	uint64_t vaddr;      /* bytes, multiple of 4096 */
	uint64_t size_bytes; /* multiple of 4096, not 0; the end at most 2^60 */
	uint32_t kind;       /* enum numab_vma_kind */
	uint32_t prot;       /* NUMAB_PROT_* */
	uint32_t flags;      /* NUMAB_VMA_* */
	int32_t object;      /* from numab_object(), or 0 */
	uint64_t pgoff;      /* page offset into the object; anonymous private: for interleave */
	uint64_t policy;     /* out: cookie of the range's own policy, 0: none; ignored on input */
};
/* pgoff of anonymous private memory as Linux counts it: vaddr / 4096. */
#define NUMAB_PGOFF_VADDR 0xffffffffffffffff
/* Memory that several processes can map: @kind NUMAB_SHM or NUMAB_FILE_SHARED.  Its pages are
 * allocated at the first touch and stay when unmapped, until numab_object_drop() and the last
 * munmap.  Returns its id >= 1. */
int numab_object(struct numab_machine *m, int kind, uint64_t nr_pages);
int numab_object_drop(struct numab_machine *m, int object);

/* Map a range; pages come at the first touch.  NUMAB_EINVAL (unaligned, empty, too high, object
 * missing, too small or of another kind), NUMAB_EEXIST (overlap), NUMAB_ESRCH, NUMAB_ENOMEM. */
int numab_mmap(struct numab_machine *m, int pid, const struct numab_vma *vma);
/* Unmap; VMAs are split as needed, holes are fine.  Linux: do_munmap. */
int numab_munmap(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes);
/* Change protection.  Present entries are rewritten, so hints on them are lost, as the kernel's
 * change_pte_range loses them: the bit is the same.  NUMAB_EFAULT on holes (nothing changed). */
int numab_mprotect(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
		   uint32_t prot);
/* Move a mapping with its entries, marks included.  Same size; the target must be free. */
int numab_mremap(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
		 uint64_t new_vaddr);
/* Mark a range for hinting at once.  Returns the number of numa_pte_updates it made.
 * Linux: change_prot_numa, as mbind(MPOL_MF_LAZY) calls it (patch 14). */
int64_t numab_change_prot_numa(struct numab_machine *m, int pid, uint64_t vaddr,
			       uint64_t size_bytes);
/* VMAs of a process in ascending order: up to @max into @out; returns how many there are. */
int numab_vmas(const struct numab_machine *m, int pid, struct numab_vma *out, int max);

/* Place pages before the program runs (what an initialisation left).  nids[i] is the node wanted
 * for vpns[i]; a full node falls back by distance.  present != 0: map them now.  present == 0: only
 * note where the first touch shall place them.  Pages present already are left alone.  Anonymous
 * private VMAs only.  NUMAB_EFAULT names the first vpn without such a VMA, NUMAB_EOOM when memory
 * is out: pages before it stay placed. */
int numab_populate(struct numab_machine *m, int pid, const uint64_t *vpns, const int32_t *nids,
		   uint64_t n, int present);

/* Pages of one VMA as /proc/PID/numa_maps counts them, by one walk over the slots that are in use.
 * Marked pages count; the zero page and frames without a page do not.  A NUMAB_VMA_HUGETLB mapping
 * counts in huge pages: a slot is one, as its first mapped entry is.  Linux: gather_stats. */
struct numab_vma_stats {
	uint64_t pages;
	uint64_t anon;         /* private pages, copies of an object's pages among them */
	uint64_t dirty;        /* anonymous pages (nothing cleans them), written object pages */
	uint64_t writeback;    /* NUMAB_PG_WRITEBACK */
	uint64_t mapcount_max; /* 0 when there is no page */
};
/* The VMA that holds @vaddr.  nids[nr_node_ids] becomes its pages by node.  NUMAB_ESRCH,
 * NUMAB_EINVAL, NUMAB_EFAULT: no VMA there. */
int numab_vma_stats(struct numab_machine *m, int pid, uint64_t vaddr, struct numab_vma_stats *out,
		    uint64_t *nids);

/* The compact target rule that a memory policy lowers to.  NUMAB_MPOL_NONE: no policy of its own.
 * mask: nr_mask_words 64-bit words, bit n for nid n; copied.  An empty mask: INTERLEAVE and its
 * like use the running node, BIND has no page to give. */
enum numab_mpol_mode {
	NUMAB_MPOL_NONE,
	NUMAB_MPOL_LOCAL,              /* the running node, then by distance */
	NUMAB_MPOL_PREFERRED,          /* nid, then by distance */
	NUMAB_MPOL_BIND,               /* mask only, by distance from the running node */
	NUMAB_MPOL_INTERLEAVE,         /* the pgoff-th node of mask */
	NUMAB_MPOL_PREFERRED_MANY,     /* as BIND, then any node by distance */
	NUMAB_MPOL_WEIGHTED_INTERLEAVE /* as INTERLEAVE, each node as often as its weight says */
};
#define NUMAB_MPOL_F_MOF 8    /* migrate on fault; the kernel's value */
/* BIND and PREFERRED_MANY with balancing (MPOL_F_NUMA_BALANCING of later kernels): a page goes to
 * the running node if that is in the mask and the machine's filter lets it. */
#define NUMAB_MPOL_F_MORON 16
struct numab_mpol {
	uint32_t mode;
	uint32_t flags;          /* NUMAB_MPOL_F_* */
	int32_t nid;             /* PREFERRED */
	uint32_t nr_mask_words;
	const uint64_t *mask;
	int32_t home_nid;        /* BIND, PREFERRED_MANY: distances count from here; -1: from the
				  * running node.  Linux: set_mempolicy_home_node */
	uint32_t reserved;
	uint64_t cookie;         /* the host's own name for the policy; 0: none */
};
/* Two policies are equal, so that ranges under them merge, when rule and cookie are equal. */
int numab_set_task_policy(struct numab_machine *m, int tid, const struct numab_mpol *policy);
/* Policy of a range; VMAs are split, and merge with equal neighbours.  Of shared memory the object
 * gets it too, for its pages and for every mapper, also after this mapping is gone.  NUMAB_EFAULT
 * on holes, NUMAB_ENOMEM (nothing changed).  Linux: mbind_range, mpol_set_shared_policy. */
int numab_set_vma_policy(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
			 const struct numab_mpol *policy);
/* A task's own policy; mode NUMAB_MPOL_NONE when it has none.  Of the two interleaving modes
 * out->nid is the node that the next allocation without a VMA takes.  out->mask belongs to the
 * machine and holds until the policy is set anew; get_mempolicy of Linux. */
int numab_task_policy(const struct numab_machine *m, int tid, struct numab_mpol *out);
/* The policy at @vaddr.  shared_lookup 1: what faults there obey before the task's own, which in
 * shared memory is the object's; 0: what the VMA itself was given.  NUMAB_EFAULT: no VMA. */
int numab_vma_policy(const struct numab_machine *m, int pid, uint64_t vaddr, int shared_lookup,
		     struct numab_mpol *out);
/* Weight of a node in weighted interleave, 1..255 (default 1; 0 sets that).
 * Linux: /sys/kernel/mm/mempolicy/weighted_interleave. */
int numab_set_weight(struct numab_machine *m, int nid, int weight);
int numab_weight_of(const struct numab_machine *m, int nid); /* NUMAB_EINVAL: no such node */

/* Allocate 2^order pages for the kernel in the name of @tid: no VMA, so that interleave goes by the
 * task's own counter.  Returns the node, NUMAB_EOOM.  Linux: alloc_pages_current. */
int numab_alloc_kernel(struct numab_machine *m, int tid, int order);
/* Give them back.  NUMAB_EINVAL: node @nid holds no such pages. */
int numab_free_kernel(struct numab_machine *m, int nid, int order);

/* The six allocation statistics by node, [nr_node_ids][NUMAB_NR_NODE_STATS], in the order of
 * /proc/vmstat: numa_hit, numa_miss, numa_foreign, numa_interleave, numa_local, numa_other.  One a
 * call of the allocator, whatever its order.  Their sums are counters of the same names. */
#define NUMAB_NR_NODE_STATS 6
const uint64_t *numab_node_stats(const struct numab_machine *m);

struct numab_page {
	int32_t nid;           /* -1: no page */
	uint32_t tag;
	uint32_t mapcount;
	uint32_t flags;        /* NUMAB_PG_* */
};
#define NUMAB_PG_PRESENT 1     /* software-present: mapped, marked or not */
#define NUMAB_PG_MARKED 2      /* the entry is marked */
#define NUMAB_PG_PMD_MARKED 4  /* its pmd is marked */
#define NUMAB_PG_HUGE 8
#define NUMAB_PG_WRITABLE 16
#define NUMAB_PG_ACCESSED 32
#define NUMAB_PG_DIRTY 64
#define NUMAB_PG_ZERO 128      /* zero page or page frame without a page behind it */
#define NUMAB_PG_EXCLUSIVE 256
#define NUMAB_PG_MOVING 512    /* external mode: a move waits for its answer */
/* These three are the host's to set: */
#define NUMAB_PG_NO_LRU 1024   /* isolation fails */
#define NUMAB_PG_PINNED 2048   /* extra reference: every pass of migration is -EAGAIN */
#define NUMAB_PG_WRITEBACK 4096 /* asynchronous migration fails for good */
int numab_page(const struct numab_machine *m, int pid, uint64_t vpn, struct numab_page *out);
/* Node of each page of [vpn, vpn + n), -1 where there is none. */
int numab_page_nids(const struct numab_machine *m, int pid, uint64_t vpn, uint64_t n, int16_t *out);
/* Set or clear NO_LRU, PINNED, WRITEBACK of a mapped page; what leak_on_refused_migrate has pinned
 * stays so.  NUMAB_ENOENT: no page there. */
int numab_page_set_flags(struct numab_machine *m, int pid, uint64_t vpn, uint32_t flags, int on);
/* Split a huge page: NUMA goes to its entries, the pmd is an ordinary one (patch 7). */
int numab_split_huge_page(struct numab_machine *m, int pid, uint64_t vpn);

enum numab_migrate_mode { NUMAB_MIGRATE_ASYNC, NUMAB_MIGRATE_SYNC_LIGHT, NUMAB_MIGRATE_SYNC };
enum numab_migrate_reason {
	NUMAB_MR_COMPACTION, NUMAB_MR_MEMORY_FAILURE, NUMAB_MR_MEMORY_HOTPLUG, NUMAB_MR_SYSCALL,
	NUMAB_MR_MEMPOLICY_MBIND, NUMAB_MR_NUMA_MISPLACED, NUMAB_MR_CMA
};
/* As the kernel's mm_migrate_pages event prints them; NULL when out of range. */
const char *numab_migrate_mode_name(int mode);
const char *numab_migrate_reason_name(int reason);
/* Move pages of a process to a node: up to 10 passes, permanent failures counted, the rest not
 * (patches 1 and 2).  Absent pages are skipped.  Returns what the kernel returns: permanent
 * failures plus pages still to be retried, or NUMAB_ENOMEM when the target ran out (pages before
 * it have moved). */
int64_t numab_migrate_pages(struct numab_machine *m, int pid, const uint64_t *vpns, uint64_t n,
			    int nid, int mode, int reason);

/* Flags of the three calls below: the kernel's values, and three of ours.  Without V6 and V612 the
 * rules are those of the 2012 series. */
#define NUMAB_MF_STRICT 1
#define NUMAB_MF_MOVE 2       /* pages mapped once */
#define NUMAB_MF_MOVE_ALL 4   /* all pages */
#define NUMAB_MF_LAZY 8       /* move at the next touch (patch 14) */
#define NUMAB_MF_FALL_BACK 16 /* a full target falls back by distance, as migrate_pages in 2012 */
#define NUMAB_MF_V6 32        /* the rules of 6.1 */
#define NUMAB_MF_V612 64      /* the rules of 6.12 */

struct numab_mbind_result {
	uint64_t queued;     /* misplaced pages that were taken off their lists */
	uint64_t moved;      /* of these, pages that moved (maybe to the node they were on) */
	uint64_t failed;     /* of these, pages that did not: EIO to a strict caller */
	uint64_t unmovable;  /* misplaced pages that could not be taken, shared ones not counted:
			      * EIO to a strict caller of later kernels, nothing in 2012 */
	uint64_t marked;     /* LAZY: entries marked */
};
/* mbind of the address space of @tid: walk a range, set its policy, move what is misplaced to
 * where the new policy wants it (synchronously, in the name of @tid, reason MEMPOLICY_MBIND).
 * @policy NULL: keep policies (MPOL_NOOP); mode NUMAB_MPOL_NONE: take them away.  @nodes: the mask
 * as the caller of mbind gave it, @words 64-bit words, 0: empty; a page elsewhere is misplaced.
 * Flags: STRICT, MOVE, MOVE_ALL, LAZY, V6, V612.  LAZY marks the range and moves nothing, also
 * while automatic balancing is off: at its next touch a page follows a policy that has
 * NUMAB_MPOL_F_MOF.
 *
 * Pages mapped more than once stay, and nobody hears of it, unless MOVE_ALL.  A huge page is split
 * in 2012, later moved whole if the range has all of it.  Hugetlb memory is passed over.
 *
 * NUMAB_EIO: STRICT without MOVE, and a page is misplaced.  NUMAB_EFAULT: a hole; without @policy
 * or with mode NONE holes are fine, but not: in 2012 one at the start (mode NONE) or nothing mapped
 * from there on, later nothing mapped in the range.  On these two errors the policies stay and
 * nothing moves, but what the walk has done before stays, as in the kernel: marks, and huge pages
 * split.  NUMAB_ENOMEM, NUMAB_EINVAL, NUMAB_ESRCH change nothing.  What did not move is in *out,
 * which may be NULL.  Linux: do_mbind, check_range; later queue_pages_range. */
int numab_mbind(struct numab_machine *m, int tid, uint64_t vaddr, uint64_t size_bytes,
		const struct numab_mpol *policy, const uint64_t *nodes, uint32_t words,
		uint32_t flags, struct numab_mbind_result *out);
/* Move pages of process @pid, vaddrs[i] to node nids[i]; nids NULL: only tell where they are.
 * status[i]: the page's node afterwards, or a negative error number of Linux:
 *	-2, -14  no page: 2012 -2; V6 -14 in anonymous private memory, else -2; V612 -2.
 *	         Zero page: 2012 -2, later -14.  A page frame without a page: V612 -2, else -14
 *	-14      no mapping, or (not when only asked) one that does not migrate
 *	-13      mapped more than once, without MOVE_ALL
 *	-16      not on a list; also the second mention of a page in one batch
 *	-11      2012: still held by somebody after ten attempts
 * @flags: MOVE, MOVE_ALL, V6, V612.  Migration is synchronous, reason SYSCALL.
 *
 * 2012: batches of 169, each entry with its own target; huge pages are split; returns 0.  Later:
 * runs of equal targets that end at a page that cannot be queued; huge pages move whole; when a run
 * does not move as a whole the call ends, the statuses of the run and of what follows are not
 * written, and the number of pages not moved is returned.
 * NUMAB_ENODEV: a target does not exist or has no memory; NUMAB_ENOMEM: it is full.  On these two
 * the batches (and, with ENODEV of later kernels, the run) before are done, the failed one's
 * statuses are not written.  Linux: do_pages_move, do_pages_stat. */
int64_t numab_move_pages(struct numab_machine *m, int tid, int pid, uint64_t n,
			 const uint64_t *vaddrs, const int32_t *nids, int32_t *status,
			 uint32_t flags);
/* Move the pages of process @pid that lie on node @from to node @to, in ascending order of
 * addresses and in the name of @tid.  @flags: MOVE or MOVE_ALL; FALL_BACK, V6, V612.  Returns how
 * many pages did not move though they were on a list, NUMAB_ENOMEM when the target is full (those
 * before have moved), NUMAB_ENODEV: no such node.
 * Linux: migrate_to_node, what migrate_pages(2) is made of. */
int64_t numab_migrate_to_node(struct numab_machine *m, int tid, int pid, int from, int to,
			      uint32_t flags);

/* ---------------------------------------------------------------------------------------------
 * 4. Touching memory
 * ------------------------------------------------------------------------------------------- */

/* 16 bytes.  page: vpn in the low 48 bits, number of further pages of a range in the high 16.
 * reads and writes are per page.  Both 0 is one read. */
struct numab_row {
	uint64_t page;
	uint32_t reads;
	uint32_t writes;
};

struct numab_outcome {
	uint64_t cost_ps;    /* price of this access and its faults */
	int32_t nid;         /* node of the page when the access was made */
	int32_t reason;      /* verdict of its (last) hinting fault, NUMAB_NONE: there was none */
	uint32_t faults;     /* page faults taken */
	uint32_t hints;      /* of these, hinting faults */
};
/* One access by @tid, which runs at this moment on its CPU.  Takes every fault it meets (pmd hint,
 * base hint, first touch, copy on write).  @out may be NULL.  The cost is added to nothing: the
 * caller keeps the task's time (numab_account).
 * NUMAB_EFAULT: SIGSEGV.  NUMAB_EOOM: no memory for a first touch or a copy. */
int numab_access(struct numab_machine *m, int tid, uint64_t vaddr, int write,
		 struct numab_outcome *out);

struct numab_batch {
	uint64_t consumed;   /* whole rows done */
	uint64_t pages;      /* of the row after them, pages done already */
	uint64_t cost_ps;
	uint64_t faults;
	uint64_t hints;
};
/* Rows in order, prefetching ahead: the hot path.  @out may be NULL.  On an error the rows before
 * it are done and counted, out->consumed says how many.  NUMAB_EAGAIN: a ring is full; drain it
 * and go on with the row after the last one consumed, from its page number out->pages on. */
int numab_access_rows(struct numab_machine *m, int tid, const struct numab_row *rows, uint64_t n,
		      struct numab_batch *out);

/* get_user_pages.  fast: 1 when the page is taken without a fault, 0 when the caller must take the
 * slow path (absent, marked entry, marked pmd; patch 6).  slow: 1; a page that is there is taken
 * without triggering or clearing its hint, as version 2 has no FOLL_NUMA; an absent one is faulted
 * in, through the mark on its pmd if there is one. */
int numab_gup(struct numab_machine *m, int tid, uint64_t vaddr, int write, int fast);

/* What would happen to this access now, and why.  Changes nothing. */
enum numab_fault_kind {
	NUMAB_FAULT_NONE,        /* the access goes through */
	NUMAB_FAULT_SEGV,
	NUMAB_FAULT_FIRST_TOUCH, /* a page would be allocated, or an object's found, on to_nid */
	NUMAB_FAULT_ZERO_PAGE,   /* no page: the zero page, or a frame without a page behind it */
	NUMAB_FAULT_WRITE,       /* write permission regained, no copy */
	NUMAB_FAULT_COW,         /* a copy on to_nid */
	NUMAB_FAULT_HINT_PTE,
	NUMAB_FAULT_HINT_PMD,    /* reason and nodes are those of the page within the batch */
	NUMAB_FAULT_HINT_THP
};
struct numab_probe {
	int32_t kind;        /* enum numab_fault_kind: the first fault it would meet */
	int32_t reason;      /* for hints: GO_MIGRATED or the HOLD_ reason */
	int32_t nid;         /* where the page is, -1: nowhere */
	int32_t to_nid;      /* where it would be after the fault */
	uint32_t tag;        /* now */
	uint32_t new_tag;    /* after the fault */
};
int numab_probe(struct numab_machine *m, int tid, uint64_t vaddr, int write,
		struct numab_probe *out);

/* ---------------------------------------------------------------------------------------------
 * 5. Time: closed mode, the core owns the ticks
 * ------------------------------------------------------------------------------------------- */

/* Virtual time, and the length of a tick. */
uint64_t numab_now_ns(const struct numab_machine *m);
uint64_t numab_tick_ns(const struct numab_machine *m);

/* What a task does next: rows, @repeat times over (0: for ever).  The rows must stay in place until
 * they are used up or replaced.  NUMAB_EBUSY when the task takes part in a replay. */
int numab_feed_rows(struct numab_machine *m, int tid, const struct numab_row *rows, uint64_t n,
		    uint64_t repeat);

enum numab_pattern_kind {
	NUMAB_SWEEP,    /* first to last page, again and again */
	NUMAB_UNIFORM,  /* every page equally likely */
	NUMAB_ZIPF      /* rank k with weight k^-theta, ranks scattered over the range */
};
struct numab_pattern {
	uint32_t kind;
	uint32_t theta_milli;   /* zipf exponent x 1000, 1..4000 */
	uint64_t vpn;
	uint64_t nr_pages;      /* 1..2^36 */
	uint64_t touches;       /* rows to make, 0: endless */
	uint64_t seed;
	uint32_t reads;         /* per touch */
	uint32_t writes;
	uint32_t write_permille; /* share of touches that make the writes; the others only read */
	uint32_t reserved;
};
/* Feed a generated load.  Integers only: same seed, same rows, on any machine. */
int numab_feed_pattern(struct numab_machine *m, int tid, const struct numab_pattern *pattern);

/* A program: steps in order, and at its end NUMAB_STOP_FEED.  With it, threads that sleep, wait for
 * each other and change what they use run without their host. */
enum numab_step_kind {
	NUMAB_STEP_TOUCH,    /* make the rows of @touch; come back to, it goes on where it
			      * was: a sweep at its next page, the others with their next draw */
	NUMAB_STEP_REPEAT,   /* back to step @target, @count more times (0: for ever) */
	NUMAB_STEP_SLEEP,    /* @count..@count_max ns, drawn evenly; see numab_task_sleep */
	NUMAB_STEP_BARRIER,  /* sleep until @count tasks, this one included, have come to barrier
			      * @target; any tasks of the machine can meet there.  @count_max 1:
			      * be counted and go on, 0: wait */
	NUMAB_STEP_STOP,     /* mutators of this process stop at their next rows, and sleep... */
	NUMAB_STEP_START,    /* ...until as many starts as stops were made; without a stop of its
			      * own, a start does nothing */
	NUMAB_STEP_PROTECT   /* mprotect touch.vpn, touch.nr_pages to @target, NUMAB_PROT_* */
};
#define NUMAB_MAX_STEPS 4096
#define NUMAB_MAX_BARRIERS 65536
struct numab_step {
	uint32_t kind;
	uint32_t target;
	uint64_t count;
	uint64_t count_max;
	struct numab_pattern touch;
};
#define NUMAB_PROGRAM_MUTATOR 1 /* stands still while its process's world is stopped */
/* The steps are copied.  @seed: of its sleeps and, with that of each step, of its touches.  A task
 * that is given something else, or ends, leaves the barrier where it waits and lets the world go
 * on.  NUMAB_EINVAL names the step; NUMAB_EBUSY: tasks came to a barrier of another number. */
int numab_feed_program(struct numab_machine *m, int tid, const struct numab_step *steps,
		       uint32_t n, uint32_t flags, uint64_t seed);
const char *numab_step_name(int kind); /* "touch" and so on, NULL when out of range */

/* A recorded trace.  An epoch is atomic: its rows run when it starts, then its price is used up
 * tick by tick.  It starts when its task is free and has a CPU and every epoch that stands @window
 * or more places earlier has started.  The whole is run @loops times (0: for ever); numab_run
 * returns NUMAB_STOP_LOOP after each.  Arrays must stay in place.  One replay per machine. */
struct numab_epoch {
	uint64_t row;        /* index of its first row */
	uint32_t nr_rows;
	int32_t tid;
};
struct numab_replay {
	const struct numab_row *rows;
	uint64_t nr_rows;
	const struct numab_epoch *epochs;
	uint64_t nr_epochs;
	uint64_t window;     /* 64 */
	uint64_t loops;
};
int numab_feed_replay(struct numab_machine *m, const struct numab_replay *replay);

enum numab_stop_why {
	NUMAB_STOP_UNTIL,    /* the time asked for has come */
	NUMAB_STOP_FEED,     /* @tid has nothing left to do: feed it, put it to sleep or end it */
	NUMAB_STOP_LOOP,     /* @loop loops of the replay are complete */
	NUMAB_STOP_DONE,     /* the replay's last loop is complete */
	NUMAB_STOP_RING      /* the event ring is full and lossless: drain it */
};
struct numab_stop {
	int32_t why;
	int32_t tid;
	uint64_t loop;
};
/* Run ticks until no whole tick fits before @until_ns.  In a tick every CPU in ascending order runs
 * its tasks (lowest virtual run time first, ties by tid); then every running task gets its timer
 * tick, then the scans so queued run and are charged to their tasks, then loads are balanced.  May
 * be called again after any return: the slicing never changes the result.
 * NUMAB_EFAULT, NUMAB_EOOM: an access of stop->tid failed (numab_errmsg names it); NUMAB_EHOST. */
int numab_run(struct numab_machine *m, uint64_t until_ns, struct numab_stop *stop);

/* ---------------------------------------------------------------------------------------------
 * 6. Time: the host owns it (and, with NUMAB_EXTERNAL, the pages too)
 * ------------------------------------------------------------------------------------------- */

/* Set the clock; it never goes back.  Jiffies are now_ns * hz / 1e9. */
int numab_set_now(struct numab_machine *m, uint64_t now_ns);
/* @tid has executed for @ran_ns more. */
int numab_account(struct numab_machine *m, int tid, uint64_t ran_ns);
/* The timer tick hits @tid.  1 when it queued a scan, 0 when not.  Linux: task_tick_numa. */
int numab_tick(struct numab_machine *m, int tid);
/* @tid returns to user mode: run its queued scan.  Returns the entries marked, 0 when there was no
 * scan or it was refused.  The cost is the task's debt.  Linux: task_numa_work. */
int64_t numab_task_work(struct numab_machine *m, int tid);

/* In external mode a fault that would migrate leaves a record and the page stays; the host moves
 * it, or not, and answers.  Until then the page counts as isolated. */
struct numab_move {
	uint64_t id;
	uint64_t vpn;
	int32_t pid;
	int32_t tid;
	int32_t from_nid;
	int32_t to_nid;
	uint32_t nr_pages;     /* 1, or 512 for a huge page */
	uint32_t reserved;
};
/* Take up to @max records; returns how many.  At most NUMAB_MAX_MOVES can be under way: when there
 * is no room for another, faults hold with NUMAB_HOLD_ISOLATION_FAILED. */
#define NUMAB_MAX_MOVES 4096
int numab_moves(struct numab_machine *m, struct numab_move *out, int max);
/* The answer to a move: 0 done, anything else refused.  Completes the fault: counters, statistics,
 * the page's node.  NUMAB_ENOENT: no such move (or the page was unmapped, shared or split
 * meanwhile: counted as failed). */
int numab_migrated(struct numab_machine *m, uint64_t id, int result);

/* ---------------------------------------------------------------------------------------------
 * 7. Events: why did this page move, or not?
 * ------------------------------------------------------------------------------------------- */

enum numab_event_kind {
	NUMAB_EV_HINT,       /* a hint: vpn, from (page), to (after), reason, aux: tag before */
	NUMAB_EV_SCAN,       /* a part of a VMA was marked: vpn, nr_pages, aux: entries marked */
	NUMAB_EV_PASS,       /* the scanner reached the end: aux: numa_scan_seq */
	NUMAB_EV_MIGRATE,    /* mm_migrate_pages: vpn, from: mode, to: reason,
			      * aux: succeeded | failed << 32 */
	NUMAB_EV_ALLOC,      /* first touch or copy: vpn, to */
	NUMAB_EV_UNMAP,      /* pages unmapped: vpn, nr_pages */
	NUMAB_EV_SPLIT,      /* a huge page was split: vpn */
	/* These have no page, and from and to are CPUs: */
	NUMAB_EV_SCHED_MOVE, /* a task changed its CPU; Linux: sched_migrate_task */
	NUMAB_EV_SCHED_SWAP, /* two tasks did, tid and aux; Linux: sched_swap_numa */
	NUMAB_EV_SCHED_STICK, /* the place hook left a task as it was; Linux: sched_stick_numa */
	NUMAB_EV_SCHED_HOME, /* from, to: home nodes */
	NUMAB_EV_SWITCH,     /* another task runs: tid, aux: the one before, 0: idle */
	NUMAB_EV_WAKE,       /* a task became runnable */
	NUMAB_EV_SLEEP       /* a task left the queue, aux: until when */
};
/* Kinds kept unless asked otherwise: those of pages. */
#define NUMAB_EV_MASK_PAGES 0x7f
#define NUMAB_EV_MASK_ALL 0x3fff
struct numab_event {
	uint64_t now_ns;       /* the scheduler's: its CPU's time; of pages: the tick's */
	uint64_t vpn;
	uint64_t aux;
	uint32_t nr_pages;
	int32_t pid;
	int32_t tid;           /* 0: no task */
	int16_t kind;
	int16_t cpu;
	int16_t from;
	int16_t to;
	int32_t reason;
};
const char *numab_event_name(int kind);
/* Keep a ring of @capacity events (0: none) of pages in [vpn, vpn_end) of every process; scans that
 * touch the range are kept too.  lossless: a full ring stops runs instead of dropping; what
 * cannot stop halfway, a scan or a call of the host's, makes it larger. */
int numab_events(struct numab_machine *m, uint32_t capacity, int lossless,
		 uint64_t vpn, uint64_t vpn_end);
/* Keep only events whose bit (1 << kind) is set, from now on.  NUMAB_EINVAL: unknown bits. */
int numab_events_mask(struct numab_machine *m, uint64_t kinds);
/* Take up to @max events, oldest first; returns how many. */
int numab_drain(struct numab_machine *m, struct numab_event *out, int max);

/* Name of the instruction set that the scanner uses on this processor ("avx512", "avx2", "base").
 * All give the same bits; numab_scan_isa_use() picks one for tests (NUMAB_EINVAL: not here). */
const char *numab_scan_isa(const struct numab_machine *m);
int numab_scan_isa_use(struct numab_machine *m, const char *name);

/* --- cffi end --- */

#ifdef __cplusplus
}
#endif
#endif /* NUMAB_H */
