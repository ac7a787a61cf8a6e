/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue.c - moving pages on request: mbind, move_pages, migrate_pages
 *
 * All three queue pages first (take them off their LRU lists), then hand the list to migrate.c.
 * Linux: mm/mempolicy.c of 3.7 with patches 10 and 14 (do_mbind, check_range, migrate_to_node),
 * mm/migrate.c (do_pages_move, do_pages_stat); the flags V6 and V612 choose the rules of 6.1 and
 * 6.12, where the walk is called queue_pages_range.
 */
#include "internal.h"

#define MF_MOVES (NUMAB_MF_MOVE | NUMAB_MF_MOVE_ALL)
#define MF_LATER (NUMAB_MF_V6 | NUMAB_MF_V612)
#define MBIND_FLAGS (NUMAB_MF_STRICT | MF_MOVES | NUMAB_MF_LAZY | MF_LATER)
#define TO_NODE_FLAGS (MF_MOVES | NUMAB_MF_FALL_BACK | MF_LATER)

/* 2012: struct page_to_node has 24 bytes, one page of them is a batch, the last one its end. */
#define CHUNK_PAGES (NUMAB_PAGE_BYTES / 24 - 1)

/* Statuses of move_pages are Linux's error numbers; these are NUMAB_E codes too but for EACCES. */
#define LINUX_EACCES -13

/* Which pages a call wants, and those it has taken off their lists. */
struct queue_pages {
	struct numab_machine *m;
	struct task *t;        /* in whose name */
	struct mm *mm;
	uint64_t start, end;   /* vpns */
	const uint64_t *nodes; /* [words] */
	uint32_t words;
	int invert;            /* pages on other nodes than these are wanted */
	uint32_t flags;
	uint32_t vma;          /* move_pages: where the last look-up hit */
	struct move *list;
	uint64_t nr;           /* moves in the list */
	uint64_t nr_pages;     /* pages in them */
	uint64_t unmovable;
	uint64_t marked;
	uint64_t cost_ps;
};

static int vma_movable(const struct vma *v)
{
	return !(v->flags & (NUMAB_VMA_IO | NUMAB_VMA_HUGETLB | NUMAB_VMA_PFNMAP));
}

/* Linux: queue_pages_required. */
static int wanted(const struct queue_pages *qp, uint64_t pte)
{
	int nid;

	if (!pte_present(pte) || (pte & PTE_SPECIAL))
		return 0;
	nid = pte_nid(qp->m, pte);
	return ((uint32_t)nid / 64 < qp->words && (qp->nodes[nid / 64] >> (nid % 64) & 1)) !=
	       qp->invert;
}

/* Take a page off its list.  0, or -EBUSY when it is on none: Linux: isolate_lru_page. */
static int isolate_lru_page(struct queue_pages *qp, struct span *s, uint64_t vpn, int to)
{
	uint64_t *pte = &s->pte[vpn - s->base];
	uint64_t *bits;

	if (slot_of(s, vpn)->flags & SLOT_HUGE) {
		vpn &= ~(SLOT_PAGES - 1);
		pte = &s->pte[vpn - s->base];
	}
	bits = page_bits(qp->m, pte);
	if (*bits & (PG_NO_LRU | PG_MOVING))
		return NUMAB_EBUSY;
	*bits |= PG_MOVING;
	qp->list[qp->nr] = move_to(qp->mm, s, pte, vpn, to);
	if (slot_of(s, vpn)->flags & SLOT_HUGE)
		qp->list[qp->nr].nr_pages = NUMAB_SLOT_PAGES;
	qp->nr_pages += qp->list[qp->nr++].nr_pages;
	return 0;
}

/* Move what has been queued, at the price of the task that asked, and put it back on the lists. */
static struct tally migrate_queued(struct queue_pages *qp, int reason, int fall_back)
{
	struct numab_machine *m = qp->m;
	struct migration how = { qp->t, qp->t->cpu, NUMAB_MIGRATE_SYNC, reason, fall_back };
	struct tally n = migrate_list(m, &how, qp->list, qp->nr, &qp->cost_ps);

	putback_lru_pages(m, qp->list, qp->nr);
	qp->cost_ps += PS_PER_NS * ((uint64_t)m->tun[NUMAB_T_migrate_ns] * n.moved +
				    (uint64_t)m->tun[NUMAB_T_migrate_fail_ns] *
					    (qp->nr_pages - n.moved));
	return n;
}

static void charge_caller(struct queue_pages *qp)
{
	qp->t->debt_ps += qp->cost_ps;
	qp->t->sys_ps += qp->cost_ps;
}

static int full_target(struct numab_machine *m)
{
	return fail(m, NUMAB_ENOMEM, "a target has no free page above its min watermark");
}

static int check_flags(struct numab_machine *m, uint32_t flags, uint32_t permitted)
{
	if ((flags & ~permitted) || (flags & MF_LATER) == MF_LATER)
		return fail(m, NUMAB_EINVAL, "flags 0x%x, permitted bits of 0x%x, one era", flags,
			    permitted);
	return 0;
}

/* ---- the walk of mbind and migrate_pages ---- */

#define WALK_ENDS 1 /* 6.1, strict: nothing behind an unmovable page is queued */

/* One wanted page, @vpn, base or huge.  0, WALK_ENDS, or NUMAB_EIO. */
static int queue_page(struct queue_pages *qp, const struct vma *v, struct span *s, uint64_t vpn)
{
	uint64_t pte = s->pte[vpn - s->base];
	uint64_t pages = slot_of(s, vpn)->flags & SLOT_HUGE ? SLOT_PAGES : 1;

	if (!(qp->flags & MF_MOVES))
		return fail(qp->m, NUMAB_EIO, "the page at 0x%llx is on node %d",
			    (ull)vpn * NUMAB_PAGE_BYTES, pte_nid(qp->m, pte));
	if ((qp->flags & MF_LATER) && !vma_movable(v)) {
		qp->unmovable += pages;
		return qp->flags & NUMAB_MF_V6 ? WALK_ENDS : 0;
	}
	/* A shared page stays, silently. */
	if (!(qp->flags & NUMAB_MF_MOVE_ALL) && page_mapcount(qp->m, pte) != 1)
		return 0;
	if (isolate_lru_page(qp, s, vpn, NUMAB_NO_NODE))
		qp->unmovable += pages;
	return 0;
}

/* Entries [at, stop), all of one slot.  In 2012 a huge page is split whatever it is wanted for;
 * later it is queued whole, unless the range has only a part of it (the border will cut it). */
static int queue_slot(struct queue_pages *qp, const struct vma *v, struct span *s, uint64_t at,
		      uint64_t stop)
{
	struct slot *slot = slot_of(s, at);
	uint64_t unmovable = qp->unmovable;
	int err = 0;

	if ((slot->flags & SLOT_HUGE) && stop - at == SLOT_PAGES && (qp->flags & MF_LATER)) {
		if (wanted(qp, s->pte[at - s->base]))
			err = queue_page(qp, v, s, at);
		at = stop;
	} else if ((slot->flags & SLOT_HUGE) &&
		   (!(qp->flags & MF_LATER) || (qp->flags & MF_MOVES))) {
		huge_split(qp->m, qp->mm, s, (at - s->base) / SLOT_PAGES);
		qp->cost_ps += PS_PER_NS * (uint64_t)qp->m->tun[NUMAB_T_split_ns];
	}
	for (; at < stop && !err; at++)
		if (wanted(qp, s->pte[at - s->base]))
			err = queue_page(qp, v, s, at);
	if (!err && qp->unmovable > unmovable && (qp->flags & NUMAB_MF_V6) &&
	    (qp->flags & NUMAB_MF_STRICT))
		err = WALK_ENDS;
	return err;
}

/* [at, end) of one VMA.  Linux: check_pgd_range, walk_page_range. */
static int queue_vma(struct queue_pages *qp, const struct vma *v, uint64_t at, uint64_t end)
{
	int err = 0;

	while (at < end && !err) {
		struct span *s = span_find(qp->mm, at);
		uint64_t stop = (at & ~(SLOT_PAGES - 1)) + SLOT_PAGES;

		stop = stop < end ? stop : end;
		if (slot_of(s, at)->nr_used)
			err = queue_slot(qp, v, s, at, stop);
		at = stop;
	}
	return err;
}

/* Is there a hole before VMA @i (2012), or around it (later)?  2012 does not look at the head of
 * the range: mbind_range does, when all has been queued. */
static int hole_at(const struct queue_pages *qp, uint32_t i, uint32_t first)
{
	const struct vma *v = &qp->mm->vmas[i];
	int is_last = i + 1 == qp->mm->nr_vmas;

	if (qp->flags & MF_LATER)
		return (i == first && v->start > qp->start) ||
		       (v->end < qp->end && (is_last || v[1].start > v->end));
	return (i > first && v[-1].end < v->start) || (is_last && v->end < qp->end);
}

static int hole_error(struct queue_pages *qp)
{
	return fail(qp->m, NUMAB_EFAULT, "0x%llx + 0x%llx is not all mapped",
		    (ull)qp->start * NUMAB_PAGE_BYTES,
		    (ull)(qp->end - qp->start) * NUMAB_PAGE_BYTES);
}

static int visit_vma(struct queue_pages *qp, const struct vma *v)
{
	uint64_t start = v->start > qp->start ? v->start : qp->start;
	uint64_t end = v->end < qp->end ? v->end : qp->end;

	if (v->flags & NUMAB_VMA_HUGETLB)
		return 0;
	if (qp->flags & NUMAB_MF_LAZY) {
		if ((qp->flags & MF_LATER) && (!vma_movable(v) || v->prot == NUMAB_PROT_NONE))
			return 0;
		qp->marked += change_prot_numa(qp->m, qp->mm, qp->t, start, end, &qp->cost_ps);
		return 0;
	}
	if ((qp->flags & NUMAB_MF_STRICT) || ((qp->flags & MF_MOVES) && vma_movable(v)))
		return queue_vma(qp, v, start, end);
	return 0;
}

/* Visit the VMAs of the range: 0, WALK_ENDS, NUMAB_EIO, NUMAB_EFAULT.  What was marked, split or
 * queued before an error stays so.  Linux: check_range; queue_pages_range. */
static int queue_pages_range(struct queue_pages *qp, int holes_are_fine)
{
	const struct mm *mm = qp->mm;
	uint32_t first = vma_first_ending_after(mm, qp->start), i;
	int err = 0;

	if (first == mm->nr_vmas ||
	    ((qp->flags & MF_LATER) && mm->vmas[first].start >= qp->end))
		return hole_error(qp);
	for (i = first; !err && i < mm->nr_vmas && mm->vmas[i].start < qp->end; i++)
		err = !holes_are_fine && hole_at(qp, i, first) ? hole_error(qp) :
								 visit_vma(qp, &mm->vmas[i]);
	return err;
}

/* How many entries of the range are wanted: as long as a list can get. */
static uint64_t count_wanted(const struct queue_pages *qp)
{
	const struct mm *mm = qp->mm;
	uint64_t n = 0, at, stop;
	uint32_t i;

	for (i = 0; i < mm->nr_spans; i++) {
		const struct span *s = &mm->spans[i];

		at = s->base > qp->start ? s->base : qp->start;
		stop = s->base + s->nr < qp->end ? s->base + s->nr : qp->end;
		for (; at < stop; at++) {
			if (!slot_of(s, at)->nr_used)
				at |= SLOT_PAGES - 1;
			else
				n += (uint64_t)wanted(qp, s->pte[at - s->base]);
		}
	}
	return n;
}

static size_t list_bytes(uint64_t n)
{
	return sizeof(struct move) * (size_t)n;
}

/* ---- mbind ---- */

/* The walk, the policy, the moves.  Everything that may be refused has been reserved. */
static int do_mbind(struct queue_pages *qp, int set_policy, struct mpol *p,
		    struct numab_mbind_result *out)
{
	int err = queue_pages_range(qp, p == NULL);
	uint32_t first = vma_first_ending_after(qp->mm, qp->start);

	/* mbind_range of 2012 wants a VMA at the start, also of MPOL_DEFAULT */
	if (err >= 0 && set_policy && !(qp->flags & MF_LATER) &&
	    qp->mm->vmas[first].start > qp->start)
		err = hole_error(qp);
	if (err < 0) {
		putback_lru_pages(qp->m, qp->list, qp->nr);
		return err;
	}
	if (set_policy)
		vma_policy_set(qp->m, qp->mm, qp->start, qp->end, p);
	if (qp->nr)
		out->moved = migrate_queued(qp, NUMAB_MR_MEMPOLICY_MBIND, 0).moved;
	out->queued = qp->nr_pages;
	out->failed = qp->nr_pages - out->moved;
	out->unmovable = qp->unmovable;
	out->marked = qp->marked;
	return 0;
}

int numab_mbind(struct numab_machine *m, int tid, uint64_t vaddr, uint64_t size_bytes,
		const struct numab_mpol *policy, const uint64_t *nodes, uint32_t words,
		uint32_t flags, struct numab_mbind_result *out)
{
	struct task *t = task_get(m, tid);
	struct numab_mbind_result result = { 0, 0, 0, 0, 0 };
	struct queue_pages qp;
	struct mpol *p = NULL;
	uint64_t n = 0;
	int err;

	if (!t)
		return no_task(m, tid);
	memset(&qp, 0, sizeof(qp));
	qp.m = m;
	qp.t = t;
	qp.mm = t->mm;
	qp.nodes = nodes;
	qp.words = words;
	qp.invert = 1;
	qp.flags = flags;
	err = check_flags(m, flags, MBIND_FLAGS);
	if (!err)
		err = mm_range(m, vaddr, size_bytes, &qp.start, &qp.end);
	if (!err && words && !nodes)
		err = fail(m, NUMAB_EINVAL, "no mask of %u words given", words);
	if (!err && policy)
		err = mpol_new(m, policy, &p);
	if (err)
		return err;
	if (policy)
		err = vma_policy_reserve(m, qp.mm, qp.start, qp.end);
	if ((flags & MF_MOVES) && !(flags & NUMAB_MF_LAZY))
		n = count_wanted(&qp);
	if (!err && n) {
		qp.list = (struct move *)mem_alloc(m, list_bytes(n));
		err = qp.list ? 0 : no_memory(m);
	}
	if (!err)
		err = do_mbind(&qp, policy != NULL, p, &result);
	charge_caller(&qp);
	mem_free(m, qp.list, list_bytes(n));
	mpol_put(m, p);
	if (!err && out)
		*out = result;
	return err;
}

/* ---- migrate_pages ---- */

int64_t numab_migrate_to_node(struct numab_machine *m, int tid, int pid, int from, int to,
			      uint32_t flags)
{
	struct task *t = task_get(m, tid);
	struct mm *mm = mm_get(m, pid);
	uint64_t source[NUMAB_MAX_NODES / 64] = { 0 }, n, i;
	struct tally got = { 0, 0, 0, 0 };
	struct queue_pages qp;
	int err;

	if (!t)
		return no_task(m, tid);
	if (!mm)
		return no_process(m, pid);
	err = check_flags(m, flags, TO_NODE_FLAGS);
	if (err)
		return err;
	if (!(flags & MF_MOVES))
		return fail(m, NUMAB_EINVAL, "flags 0x%x: MOVE or MOVE_ALL is needed", flags);
	if (from < 0 || from >= m->nr_ids || !m->nodes[from].online || to < 0 ||
	    to >= m->nr_ids || !m->nodes[to].online)
		return fail(m, NUMAB_ENODEV, "node %d or %d does not exist", from, to);
	source[from / 64] = 1ull << (from % 64);
	memset(&qp, 0, sizeof(qp));
	qp.m = m;
	qp.t = t;
	qp.mm = mm;
	qp.end = MAX_VPN;
	qp.nodes = source;
	qp.words = NUMAB_MAX_NODES / 64;
	qp.flags = flags;
	n = count_wanted(&qp);
	qp.list = n ? (struct move *)mem_alloc(m, list_bytes(n)) : NULL;
	if (n && !qp.list)
		return no_memory(m);
	if (mm->nr_vmas)
		queue_pages_range(&qp, 1); /* nothing can go wrong with holes and not strict */
	for (i = 0; i < qp.nr; i++)
		qp.list[i].to = to;
	if (qp.nr)
		got = migrate_queued(&qp, NUMAB_MR_SYSCALL, (flags & NUMAB_MF_FALL_BACK) != 0);
	charge_caller(&qp);
	mem_free(m, qp.list, list_bytes(n));
	return got.nomem ? full_target(m) : (int64_t)(got.failed + got.retry);
}

/* ---- move_pages ---- */

/* The VMA at @vpn, which is often the last one's. */
static const struct vma *vma_at(struct queue_pages *qp, uint64_t vpn)
{
	const struct mm *mm = qp->mm;

	if (qp->vma >= mm->nr_vmas || vpn < mm->vmas[qp->vma].start ||
	    vpn >= mm->vmas[qp->vma].end)
		qp->vma = vma_first_ending_after(mm, vpn);
	return qp->vma < mm->nr_vmas && mm->vmas[qp->vma].start <= vpn ? &mm->vmas[qp->vma] : NULL;
}

/* 0 when there is a page behind the entry, else the status that says why not.  A marked entry is
 * followed as it is. */
static int follow_page(const struct queue_pages *qp, const struct vma *v, uint64_t pte)
{
	int is_zero_page = !(v->flags & NUMAB_VMA_PFNMAP);

	if (!pte_present(pte)) /* 6.1 asks as a core dump would: FOLL_DUMP */
		return (qp->flags & NUMAB_MF_V6) && v->kind == NUMAB_ANON_PRIVATE ? NUMAB_EFAULT :
										    NUMAB_ENOENT;
	if (!(pte & PTE_SPECIAL))
		return 0;
	if (qp->flags & NUMAB_MF_V6)
		return NUMAB_EFAULT;
	return is_zero_page == !(qp->flags & NUMAB_MF_V612) ? NUMAB_ENOENT : NUMAB_EFAULT;
}

/* Linux: do_pages_stat_array. */
static int page_status(struct queue_pages *qp, uint64_t vaddr)
{
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, pte;
	const struct vma *v = vma_at(qp, vpn);
	struct span *s = v ? span_find(qp->mm, vpn) : NULL;
	int err;

	if (!s)
		return NUMAB_EFAULT;
	pte = s->pte[vpn - s->base];
	err = follow_page(qp, v, pte);
	return err ? err : pte_nid(qp->m, pte);
}

#define QUEUED NUMAB_MAX_NODES /* no node and no error */

/* Queue one page, or its status: the node when it is there already.
 * Linux: add_page_for_migration. */
static int add_page_for_migration(struct queue_pages *qp, uint64_t vaddr, int nid)
{
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES, *pte;
	const struct vma *v = vma_at(qp, vpn);
	struct span *s = v && vma_movable(v) ? span_find(qp->mm, vpn) : NULL;
	int err;

	if (!s)
		return NUMAB_EFAULT;
	pte = &s->pte[vpn - s->base];
	err = follow_page(qp, v, *pte);
	if (err)
		return err;
	if ((slot_of(s, vpn)->flags & SLOT_HUGE) && !(qp->flags & MF_LATER)) {
		huge_split(qp->m, qp->mm, s, (vpn - s->base) / SLOT_PAGES); /* FOLL_SPLIT */
		qp->cost_ps += PS_PER_NS * (uint64_t)qp->m->tun[NUMAB_T_split_ns];
	}
	if (pte_nid(qp->m, *pte) == nid)
		return nid;
	if (!(qp->flags & NUMAB_MF_MOVE_ALL) && page_mapcount(qp->m, *pte) > 1)
		return LINUX_EACCES;
	err = isolate_lru_page(qp, s, vpn, nid);
	return err ? err : QUEUED;
}

/* A target needs memory: N_HIGH_MEMORY. */
static int check_target(struct numab_machine *m, int nid)
{
	if (nid < 0 || nid >= m->nr_ids || !m->nodes[nid].pages)
		return fail(m, NUMAB_ENODEV, "node %d does not exist or has no memory", nid);
	return 0;
}

/* 2012: a batch of at most CHUNK_PAGES, each with a target of its own.  A refused one leaves its
 * statuses unwritten. */
static int move_chunk(struct queue_pages *qp, uint64_t n, const uint64_t *vaddrs,
		      const int32_t *nids, int32_t *status)
{
	struct move list[CHUNK_PAGES];
	int32_t got[CHUNK_PAGES];
	uint64_t i, k;

	for (i = 0; i < n; i++)
		if (check_target(qp->m, nids[i]))
			return NUMAB_ENODEV;
	qp->list = list;
	qp->nr = qp->nr_pages = 0;
	for (i = 0; i < n; i++)
		got[i] = add_page_for_migration(qp, vaddrs[i], nids[i]);
	if (qp->nr && migrate_queued(qp, NUMAB_MR_SYSCALL, 0).nomem)
		return full_target(qp->m);
	for (i = k = 0; i < n; i++) {
		status[i] = got[i];
		if (got[i] == QUEUED) {
			status[i] = list[k].err ? list[k].err : nids[i];
			k++;
		}
	}
	return 0;
}

static int move_by_chunks(struct queue_pages *qp, uint64_t n, const uint64_t *vaddrs,
			  const int32_t *nids, int32_t *status)
{
	uint64_t at, nr;
	int err = 0;

	for (at = 0; at < n && !err; at += nr) {
		nr = n - at < CHUNK_PAGES ? n - at : CHUNK_PAGES;
		err = move_chunk(qp, nr, vaddrs + at, nids + at, status + at);
	}
	return err;
}

/* What has been queued of entries [start, i) moves; all of them go to one node, whose number is
 * their status then.  Linux: move_pages_and_store_status. */
static int64_t move_run(struct queue_pages *qp, uint64_t start, uint64_t i, uint64_t n,
			int32_t *status)
{
	int nid = qp->nr ? qp->list[0].to : NUMAB_NO_NODE;
	struct tally got;

	if (!qp->nr)
		return 0;
	got = migrate_queued(qp, NUMAB_MR_SYSCALL, 0);
	qp->nr = qp->nr_pages = 0;
	if (got.nomem)
		return full_target(qp->m);
	if (got.failed + got.retry)
		return (int64_t)(got.failed + got.retry + n - i);
	for (; start < i; start++)
		status[start] = nid;
	return 0;
}

/* Later: runs of equal targets.  A page that cannot be queued ends its run, a run that does not
 * move as a whole ends the call. */
static int64_t move_by_runs(struct queue_pages *qp, uint64_t n, const uint64_t *vaddrs,
			    const int32_t *nids, int32_t *status)
{
	uint64_t start = 0, i;
	int64_t err = 0, err1;
	int got;

	for (i = 0; i < n && !err; i++) {
		err = check_target(qp->m, nids[i]);
		if (err)
			break;
		if (qp->nr && nids[i] != qp->list[0].to) {
			err = move_run(qp, start, i, n, status);
			if (err)
				return err;
		}
		if (!qp->nr)
			start = i;
		got = add_page_for_migration(qp, vaddrs[i], nids[i]);
		if (got == QUEUED)
			continue;
		status[i] = got;
		err = move_run(qp, start, i, n, status);
		if (err)
			return err > 0 ? err - 1 : err; /* this page has its status */
	}
	err1 = move_run(qp, start, i, n, status);
	return err ? err : err1;
}

static uint64_t longest_run(uint64_t n, const int32_t *nids)
{
	uint64_t longest = 0, start = 0, i;

	for (i = 0; i < n; i++) {
		start = i && nids[i] != nids[i - 1] ? i : start;
		longest = i - start + 1 > longest ? i - start + 1 : longest;
	}
	return longest;
}

int64_t numab_move_pages(struct numab_machine *m, int tid, int pid, uint64_t n,
			 const uint64_t *vaddrs, const int32_t *nids, int32_t *status,
			 uint32_t flags)
{
	struct task *t = task_get(m, tid);
	struct queue_pages qp;
	uint64_t i, longest;
	int64_t err;

	memset(&qp, 0, sizeof(qp));
	qp.m = m;
	qp.t = t;
	qp.mm = mm_get(m, pid);
	qp.flags = flags;
	if (!t)
		return no_task(m, tid);
	if (!qp.mm)
		return no_process(m, pid);
	err = check_flags(m, flags, MF_MOVES | MF_LATER);
	if (err)
		return err;
	if (n && (!vaddrs || !status))
		return fail(m, NUMAB_EINVAL, "no addresses, or no place for statuses");
	for (i = 0; i < n && !nids; i++)
		status[i] = page_status(&qp, vaddrs[i]);
	if (!nids)
		return 0;
	if (flags & MF_LATER) {
		longest = longest_run(n, nids);
		qp.list = (struct move *)mem_alloc(m, list_bytes(longest));
		if (!qp.list)
			return no_memory(m);
		err = move_by_runs(&qp, n, vaddrs, nids, status);
		mem_free(m, qp.list, list_bytes(longest));
	} else {
		err = move_by_chunks(&qp, n, vaddrs, nids, status);
	}
	charge_caller(&qp);
	return err;
}
