/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check.c - walk everything and verify every invariant; reads all, changes nothing
 */
#include "internal.h"

struct census {
	uint64_t *used;    /* [nr_ids] pages that entries, records and objects hold */
	uint64_t *mapped;  /* [nr_chunks * REC_CHUNK] entries that name each record */
	uint64_t *tables;  /* [nr_ids] pages of page tables */
};

#define BROKEN(m, ...) fail(m, NUMAB_EINVAL, "broken invariant: " __VA_ARGS__)

static int check_entry(struct numab_machine *m, const struct mm *mm, const struct span *s,
		       uint64_t vpn, uint64_t pte, struct census *n, uint64_t *excl,
		       uint64_t *shared)
{
	const struct slot *slot = slot_of(s, vpn);
	uint64_t index;

	if ((pte & PTE_NUMA) && (pte & PTE_PRESENT))
		return BROKEN(m, "NUMA and PRESENT both set at vpn %llu", (ull)vpn);
	if (pte_present(pte) && !vma_find(mm, vpn))
		return BROKEN(m, "vpn %llu is mapped outside any VMA", (ull)vpn);
	if (pte_present(pte) && !(pte & PTE_SLOT) != !(slot->flags & SLOT_PMD_NUMA))
		return BROKEN(m, "vpn %llu and its pmd disagree on the mark", (ull)vpn);
	if (!pte_present(pte) && (pte & PTE_SLOT))
		return BROKEN(m, "vpn %llu has a pmd mark but is not mapped", (ull)vpn);
	if (!pte_present(pte))
		return (pte & ~(PTE_WISH | PG_NID_MASK)) ?
		       BROKEN(m, "vpn %llu is absent with bits 0x%llx", (ull)vpn, (ull)pte) : 0;
	if (pte & PTE_SPECIAL)
		return 0;
	if (pte & PTE_EXCL) {
		if ((pte & PG_MOVING) && !m->external)
			return BROKEN(m, "vpn %llu is off its list", (ull)vpn);
		n->used[pg_nid(pte)]++;
		excl[pg_nid(pte)]++;
		return 0;
	}
	if (slot->flags & SLOT_HUGE)
		return BROKEN(m, "shared entry in the huge page at vpn %llu", (ull)vpn);
	index = rec_index(pte);
	if (index >= m->nr_chunks * REC_CHUNK || !m->rec_chunks[index / REC_CHUNK] ||
	    !(*rec_at(m, index) & REC_USED))
		return BROKEN(m, "vpn %llu names record %llu, which is free", (ull)vpn, (ull)index);
	if ((*rec_at(m, index) & PG_MOVING) && !m->external)
		return BROKEN(m, "record %llu is off its list", (ull)index);
	n->mapped[index]++;
	(*shared)++;
	return 0;
}

static int check_mm(struct numab_machine *m, const struct mm *mm, struct census *n, uint64_t *excl)
{
	uint64_t shared = 0, pages = 0, k;
	uint32_t i;
	int nid, err;

	memset(excl, 0, sizeof(uint64_t) * m->nr_ids);
	for (i = 1; i < mm->nr_vmas; i++)
		if (mm->vmas[i].start < mm->vmas[i - 1].end)
			return BROKEN(m, "VMAs of process %d overlap or are unordered", mm->pid);
	for (i = 0; i < mm->nr_spans; i++) {
		const struct span *s = &mm->spans[i];
		uint64_t used = 0;

		if (i && s->base < mm->spans[i - 1].base + mm->spans[i - 1].nr)
			return BROKEN(m, "spans of process %d overlap", mm->pid);
		for (k = 0; k < s->nr; k++) {
			if (s->pte[k]) {
				used++;
				err = check_entry(m, mm, s, s->base + k, s->pte[k], n, excl,
						  &shared);
				if (err)
					return err;
			}
			if (k % SLOT_PAGES == SLOT_PAGES - 1) {
				if (used != s->slots[k / SLOT_PAGES].nr_used)
					return BROKEN(m, "vpn %llu: slot counts %u of %llu entries",
						      (ull)(s->base + k),
						      s->slots[k / SLOT_PAGES].nr_used, (ull)used);
				used = 0;
			}
		}
	}
	for (nid = 0; nid < m->nr_ids; nid++) {
		pages += excl[nid];
		if (excl[nid] != mm->node_pages[nid])
			return BROKEN(m, "process %d counts %llu of %llu pages on node %d", mm->pid,
				      (ull)mm->node_pages[nid], (ull)excl[nid], nid);
	}
	if (shared != mm->nr_shared || pages + shared != mm->nr_pages)
		return BROKEN(m, "process %d counts %llu pages, %llu shared; has %llu, %llu",
			      mm->pid, (ull)mm->nr_pages, (ull)mm->nr_shared, (ull)(pages + shared),
			      (ull)shared);
	return 0;
}

/* Page tables: each GiB has one pmd page at most, and has one if it has a page of entries. */
static int check_tables(struct numab_machine *m, const struct mm *mm, struct census *n)
{
	uint64_t found = 0, gib = UINT64_MAX, pmds = 0, ptes = 0, k;
	uint32_t i;

	for (i = 0; mm->nr_tables && i < mm->nr_spans; i++) {
		const struct span *s = &mm->spans[i];

		for (k = 0; k < s->nr / SLOT_PAGES; k++) {
			const struct slot *slot = &s->slots[k];

			if ((s->base / SLOT_PAGES + k) / SLOT_PAGES != gib) {
				if (pmds > 1 || (ptes && !pmds))
					return BROKEN(m, "GiB %llu has %llu pmd pages", (ull)gib,
						      (ull)pmds);
				gib = (s->base / SLOT_PAGES + k) / SLOT_PAGES;
				pmds = ptes = 0;
			}
			pmds += slot->pmd_page != 0;
			ptes += slot->pte_page != 0;
			found += (slot->pmd_page != 0) + (slot->pte_page != 0);
			if (slot->pmd_page)
				n->tables[slot->pmd_page - 1]++;
			if (slot->pte_page)
				n->tables[slot->pte_page - 1]++;
		}
	}
	if (found != mm->nr_tables || pmds > 1 || (ptes && !pmds))
		return BROKEN(m, "process %d counts %llu page tables, has %llu", mm->pid,
			      (ull)mm->nr_tables, (ull)found);
	return 0;
}

/* ---- policies ---- */

enum mpol_visit { MPOL_FORGET, MPOL_COUNT, MPOL_COMPARE };

/* Counts references in @seen, which nothing else uses. */
static int visit_mpol(struct numab_machine *m, struct mpol *p, enum mpol_visit what)
{
	if (!p)
		return 0;
	if (what == MPOL_COMPARE)
		return p->seen == p->refs ? 0 :
		       BROKEN(m, "a policy of mode %u counts %u users, has %u", p->mode, p->refs,
			      p->seen);
	p->seen = what == MPOL_FORGET ? 0 : p->seen + 1;
	return 0;
}

static int visit_mpols(struct numab_machine *m, enum mpol_visit what)
{
	uint32_t k;
	int i, err = 0;

	for (i = 0; i < m->nr_slots && !err; i++) {
		const struct mm *mm = m->ids[i].mm;

		if (m->ids[i].task)
			err = visit_mpol(m, m->ids[i].task->mpol, what);
		for (k = 0; !err && mm && k < mm->nr_vmas; k++)
			err = visit_mpol(m, mm->vmas[k].mpol, what);
	}
	for (i = 0; i < m->nr_objects && !err; i++)
		for (k = 0; !err && k < m->objects[i].nr_ranges; k++)
			err = visit_mpol(m, m->objects[i].ranges[k].mpol, what);
	return err;
}

static int check_ranges(struct numab_machine *m, int object)
{
	const struct object *o = &m->objects[object];
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < o->nr_ranges; end = o->ranges[i++].end)
		if (o->ranges[i].start < end || o->ranges[i].start >= o->ranges[i].end ||
		    o->ranges[i].end > o->nr_pages || !o->ranges[i].mpol || o->kind != NUMAB_SHM)
			return BROKEN(m, "policies of object %d: part %u", object + 1, i);
	return 0;
}

static int check_policies(struct numab_machine *m)
{
	int i, err = 0;

	for (i = 0; i < m->nr_objects && !err; i++)
		err = check_ranges(m, i);
	if (!err)
		err = visit_mpols(m, MPOL_FORGET);
	if (!err)
		err = visit_mpols(m, MPOL_COUNT);
	return err ? err : visit_mpols(m, MPOL_COMPARE);
}

/* Every call of the allocator got a node, either the one it asked for or another, either that of
 * its CPU or another; the counters are the nodes' sums.  (Where a node is farther from itself than
 * another is, an interleaved page on the node that its turn named is a miss.) */
static int check_statistics(struct numab_machine *m)
{
	uint64_t sum[NUMAB_NR_NODE_STATS] = { 0 };
	int nid, i;

	for (nid = 0; nid < m->nr_ids; nid++) {
		const uint64_t *at = m->node_stats + nid * NUMAB_NR_NODE_STATS;

		for (i = 0; i < NUMAB_NR_NODE_STATS; i++)
			sum[i] += at[i];
		if (at[0] + at[1] != at[4] + at[5] || at[3] > at[0] + at[1])
			return BROKEN(m, "allocation statistics of node %d", nid);
	}
	for (i = 0; i < NUMAB_NR_NODE_STATS; i++)
		if (sum[i] != m->counters[NUMAB_C_numa_hit + i])
			return BROKEN(m, "counter %s is %llu, its nodes sum to %llu",
				      numab_counter_name(NUMAB_C_numa_hit + i),
				      (ull)m->counters[NUMAB_C_numa_hit + i], (ull)sum[i]);
	return sum[1] == sum[2] ? 0 : BROKEN(m, "numa_miss and numa_foreign differ");
}

static int check_task(struct numab_machine *m, const struct task *t)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < m->nr_ids; i++)
		sum += t->faults[i];
	/* Halving a sum and its terms loses at most one a term. */
	if (sum > t->fault_tot || t->fault_tot - sum > (uint64_t)m->nr_ids)
		return BROKEN(m, "task %d: fault total %llu, its nodes sum to %llu", t->tid,
			      (ull)t->fault_tot, (ull)sum);
	if (t->nid != m->cpu_nid[t->cpu] || mm_get(m, t->mm->pid) != t->mm)
		return BROKEN(m, "task %d: node or address space", t->tid);
	if (!cpu_allowed(t, t->next_cpu >= 0 ? t->next_cpu : t->cpu))
		return BROKEN(m, "task %d: CPU %d is outside its affinity mask", t->tid, t->cpu);
	return 0;
}

/* A queue's counts and lists are those of its tasks. */
static int check_queue(struct numab_machine *m, int cpu)
{
	const struct numab_rq *rq = &m->rqs[cpu];
	const struct queue *q = &m->queues[cpu];
	int running = 0, on = 0, off = 0, listed = 0, woken = 0, i, list, tid;
	uint64_t load = 0, contrib = 0, woken_weight = 0;

	for (i = 0; i < q->nr; i++) {
		const struct task *t = task_get(m, q->tids[i]);

		if (!t || t->cpu != cpu || (i && q->tids[i - 1] >= q->tids[i]) ||
		    t->queued != (t->state == TASK_RUNNABLE))
			return BROKEN(m, "CPU %d: task %d on its queue", cpu, q->tids[i]);
		woken += t->woken_weight != 0;
		woken_weight += t->woken_weight;
		if (!t->queued)
			continue;
		if (t->woken_weight)
			return BROKEN(m, "CPU %d: task %d is awake and about to wake", cpu, t->tid);
		running++;
		load += t->weight;
		on += t->home == t->nid;
		off += t->home != t->nid && t->home != NUMAB_NO_NODE;
		contrib += t->home != t->nid && t->home != NUMAB_NO_NODE ? t->numa_contrib : 0;
	}
	if (woken != q->nr_woken || woken_weight != q->woken_weight)
		return BROKEN(m, "CPU %d: %d about to wake, counted %d", cpu, woken, q->nr_woken);
	for (list = 0; list < 2; list++) {
		int prev = 0;

		for (tid = q->first[list]; tid; prev = tid, tid = m->ids[tid].task->list_next)
			if (++listed > running || m->ids[tid].task->list != list ||
			    m->ids[tid].task->list_prev != prev)
				return BROKEN(m, "CPU %d: task %d on its lists", cpu, tid);
		if (q->last[list] != prev)
			return BROKEN(m, "CPU %d: the end of list %d", cpu, list);
	}
	if (listed != running || rq->nr_running != running || rq->load_weight != load ||
	    rq->nr_tasks != q->nr || (rq->curr && !task_get(m, rq->curr)))
		return BROKEN(m, "CPU %d counts %d runnable tasks of weight %llu; has %d, %llu",
			      cpu, rq->nr_running, (ull)rq->load_weight, running, (ull)load);
	if (!m->homes_unqueued && (rq->onnode_running != on || rq->offnode_running != off ||
				   rq->offnode_weight != contrib))
		return BROKEN(m, "CPU %d counts %d tasks on-node, %d off-node; has %d, %d", cpu,
			      rq->onnode_running, rq->offnode_running, on, off);
	return 0;
}

static int check_records(struct numab_machine *m, struct census *n)
{
	uint64_t i, free_recs = 0, at;
	int o;

	for (at = m->free_rec; at; at = rec_index(*rec_at(m, at)))
		free_recs++;
	if (free_recs != m->nr_free_recs)
		return BROKEN(m, "%llu free records counted, %llu found", (ull)m->nr_free_recs,
			      (ull)free_recs);
	for (i = 0; i < m->nr_chunks * REC_CHUNK; i++) {
		uint64_t rec;

		if (!m->rec_chunks[i / REC_CHUNK] || !i)
			continue;
		rec = *rec_at(m, i);
		if (!(rec & REC_USED)) {
			if (n->mapped[i])
				return BROKEN(m, "free record %llu is mapped", (ull)i);
			continue;
		}
		if (rec_mapcount(rec) != n->mapped[i])
			return BROKEN(m, "record %llu counts %llu mappings, has %llu", (ull)i,
				      (ull)rec_mapcount(rec), (ull)n->mapped[i]);
		n->used[pg_nid(rec)]++;
	}
	for (o = 0; o < m->nr_objects; o++)
		if (m->objects[o].dropped && !m->objects[o].nr_vmas && m->objects[o].nr_pages)
			return BROKEN(m, "object %d should be gone", o + 1);
	return 0;
}

/* Whoever waits at a barrier has been counted there, and worlds are stopped by living tasks. */
static int check_programs(struct numab_machine *m)
{
	uint32_t b, arrived, stops;
	int i, k;

	for (b = 0; b < m->nr_barriers; b++) {
		for (arrived = m->barriers[b].posted, i = 1; i < m->nr_slots; i++)
			if (m->ids[i].task && m->ids[i].task->cur.program.waits == (int64_t)b + 1)
				arrived++;
		if (arrived != m->barriers[b].arrived)
			return BROKEN(m, "barrier %u: %u tasks wait or went on, %u have arrived", b,
				      arrived, m->barriers[b].arrived);
	}
	for (i = 1; i < m->nr_slots; i++) {
		const struct mm *mm = m->ids[i].mm;

		for (stops = 0, k = 0; mm && k < mm->nr_tasks; k++)
			stops += m->ids[mm->tids[k]].task->cur.program.stops;
		if (mm && stops != mm->world_stopped)
			return BROKEN(m, "process %d: stopped %u times, by %u steps", i,
				      mm->world_stopped, stops);
	}
	return 0;
}

static int check_all(struct numab_machine *m, struct census *n, uint64_t *excl)
{
	int i, err;

	for (i = 0; i < m->nr_slots; i++) {
		if (m->ids[i].mm && ((err = check_mm(m, m->ids[i].mm, n, excl)) ||
				     (err = check_tables(m, m->ids[i].mm, n))))
			return err;
		if (m->ids[i].task && (err = check_task(m, m->ids[i].task)))
			return err;
	}
	for (i = 0; i < m->nr_cpus; i++) {
		err = check_queue(m, i);
		if (err)
			return err;
	}
	err = check_programs(m);
	if (!err)
		err = check_policies(m);
	if (!err)
		err = check_statistics(m);
	if (!err)
		err = check_records(m, n);
	for (i = 0; !err && i < m->nr_ids; i++) {
		const struct node *node = &m->nodes[i];

		if (n->tables[i] != node->tables)
			err = BROKEN(m, "node %d counts %llu page tables, has %llu", i,
				     (ull)node->tables, (ull)n->tables[i]);
		else if (node->free + node->leaked + node->kernel + node->tables + n->used[i] !=
			 node->pages)
			err = BROKEN(m, "node %d: %llu free + %llu leaked + %llu of the kernel + "
				     "%llu used != %llu", i, (ull)node->free, (ull)node->leaked,
				     (ull)(node->kernel + node->tables), (ull)n->used[i],
				     (ull)node->pages);
	}
	return err;
}

int numab_check(struct numab_machine *m)
{
	size_t ids, recs;
	struct census n;
	uint64_t *excl;
	int err;

	if (!m)
		return NUMAB_EINVAL;
	if (m->broken)
		return BROKEN(m, "assertion %s", m->broken);
	ids = sizeof(uint64_t) * m->nr_ids;
	recs = sizeof(uint64_t) * (m->nr_chunks * REC_CHUNK + 1);
	n.used = (uint64_t *)mem_zalloc(m, ids);
	n.mapped = (uint64_t *)mem_zalloc(m, recs);
	n.tables = (uint64_t *)mem_zalloc(m, ids);
	excl = (uint64_t *)mem_zalloc(m, ids);
	err = n.used && n.mapped && n.tables && excl ?
		      check_all(m, &n, excl) : fail(m, NUMAB_ENOMEM, "no memory for the check");
	mem_free(m, n.used, ids);
	mem_free(m, n.mapped, recs);
	mem_free(m, n.tables, ids);
	mem_free(m, excl, ids);
	return err;
}
