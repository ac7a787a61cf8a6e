/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node.c - nodes: free pages, watermarks, zonelists by distance
 *
 * One zone per node.  Linux: mm/page_alloc.c (3.7), get_page_from_freelist and
 * __setup_per_zone_wmarks.
 */
#include "internal.h"

/* Linux: min_free_kbytes lies within these, whatever the machine's size. */
#define MIN_FREE_KB_MIN 128ull
#define MIN_FREE_KB_MAX 65536ull

static uint64_t int_sqrt(uint64_t x)
{
	uint64_t r = 0, bit = 1ull << 62;

	while (bit > x)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (x >= r + bit) {
			x -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return r;
}

/* min_free_kbytes = 4 * sqrt(kilobytes of memory), shared out by size; low and high lie a quarter
 * and a half above. */
static void setup_watermarks(struct numab_machine *m, const struct numab_config *c)
{
	uint64_t total = 0, min_free_kb, pages_min;
	uint32_t i;

	for (i = 0; i < c->nr_nodes; i++)
		total += c->nodes[i].pages;
	min_free_kb = int_sqrt(total * 4 * 16);
	if (min_free_kb < MIN_FREE_KB_MIN)
		min_free_kb = MIN_FREE_KB_MIN;
	if (min_free_kb > MIN_FREE_KB_MAX)
		min_free_kb = MIN_FREE_KB_MAX;
	pages_min = min_free_kb / 4;
	for (i = 0; i < c->nr_nodes; i++) {
		const struct numab_node *in = &c->nodes[i];
		struct node *n = &m->nodes[in->nid];

		n->wmin = in->watermark_min;
		n->wlow = in->watermark_low;
		n->whigh = in->watermark_high;
		if (n->wmin || n->wlow || n->whigh || !total)
			continue;
		/* 46-bit page counts times 14 bits of pages_min: fits */
		n->wmin = pages_min * in->pages / total;
		n->wlow = n->wmin + n->wmin / 4;
		n->whigh = n->wmin + n->wmin / 2;
	}
}

static int setup_zonelist(struct numab_machine *m, int from)
{
	const uint8_t *dist = m->distance + (size_t)from * m->nr_ids;
	uint16_t *list = (uint16_t *)mem_alloc(m, sizeof(*list) * m->nr_nodes);
	int at[257] = { 0 }, i; /* where the nodes at each distance begin */

	if (!list)
		return NUMAB_ENOMEM;
	for (i = 0; i < m->nr_nodes; i++)
		at[dist[m->nids[i]] + 1]++;
	for (i = 1; i <= 256; i++)
		at[i] += at[i - 1];
	/* equal distances stay in ascending order of ids */
	for (i = 0; i < m->nr_nodes; i++)
		list[at[dist[m->nids[i]]]++] = m->nids[i];
	m->nodes[from].zonelist = list;
	return 0;
}

int nodes_init(struct numab_machine *m, const struct numab_config *c)
{
	size_t ids = (size_t)m->nr_ids;
	uint32_t i, j;

	for (i = 0; i < c->nr_nodes; i++) {
		struct node *n = &m->nodes[c->nodes[i].nid];

		n->online = 1;
		n->pages = n->free = c->nodes[i].pages;
		m->nids[i] = (uint16_t)c->nodes[i].nid;
		for (j = 0; j < c->nr_nodes; j++)
			m->distance[(size_t)c->nodes[i].nid * ids + c->nodes[j].nid] =
				c->distance[(size_t)i * c->nr_nodes + j];
	}
	setup_watermarks(m, c);
	latencies_update(m);
	for (i = 0; i < c->nr_cpus; i++) {
		m->cpu_nid[i] = c->cpu_nid[i];
		if (c->cpu_nid[i] >= 0)
			m->nodes[c->cpu_nid[i]].nr_cpus++;
	}
	for (i = 0; i < c->nr_nodes; i++)
		if (setup_zonelist(m, c->nodes[i].nid))
			return NUMAB_ENOMEM;
	return 0;
}

void nodes_free(struct numab_machine *m)
{
	int i;

	for (i = 0; m->nodes && i < m->nr_ids; i++)
		mem_free(m, m->nodes[i].zonelist, sizeof(uint16_t) * m->nr_nodes);
}

/* Prices follow distances: a node at distance 20 is twice as far as the local one (10). */
void latencies_update(struct numab_machine *m)
{
	size_t n = (size_t)m->nr_ids * m->nr_ids, i;

	for (i = 0; i < n; i++)
		m->latency_ps[i] = (uint64_t)m->tun[NUMAB_T_latency_local_ps] * m->distance[i] / 10;
}

/* An allocation of @pages at once leaves more than @mark free. Linux: zone_watermark_ok. */
int zone_watermark_ok(const struct node *n, uint64_t mark, uint64_t pages)
{
	return n->free >= pages && n->free - (pages - 1) > mark;
}

static int in_mask(const uint64_t *mask, int nid)
{
	return !mask || mask_has(mask, nid);
}

/* The node that an allocation starting from @from_nid gets: the first above its low watermark by
 * distance, else the first above its min.  -1: out of memory.  Takes nothing. */
int page_alloc_zonelist(struct numab_machine *m, int from_nid, const uint64_t *mask, uint64_t pages,
			int low_only)
{
	const uint16_t *list = m->nodes[from_nid].zonelist;
	int pass, i;

	for (pass = 0; pass < (low_only ? 1 : 2); pass++) {
		for (i = 0; i < m->nr_nodes; i++) {
			const struct node *n = &m->nodes[list[i]];

			if (in_mask(mask, list[i]) &&
			    zone_watermark_ok(n, pass ? n->wmin : n->wlow, pages))
				return list[i];
		}
	}
	return -1;
}

/* The node an allocation would like best: the first of the zonelist that has memory and that its
 * mask allows.  -1: there is none.  Linux: first_zones_zonelist. */
int preferred_zone(const struct numab_machine *m, int nid, const uint64_t *mask)
{
	const uint16_t *list = m->nodes[nid].zonelist;
	int i;

	for (i = 0; i < m->nr_nodes; i++)
		if (m->nodes[list[i]].pages && in_mask(mask, list[i]))
			return list[i];
	return NUMAB_NO_NODE;
}

static void count_zone(struct numab_machine *m, int nid, int counter)
{
	m->counters[counter]++;
	m->node_stats[nid * NUMAB_NR_NODE_STATS + counter - NUMAB_C_numa_hit]++;
}

/* One call of the allocator has asked for node @asked and got @got, from a CPU of node @running.
 * Linux: zone_statistics. */
void zone_statistics(struct numab_machine *m, int asked, int got, int running, int interleaved)
{
	count_zone(m, got, asked == got ? NUMAB_C_numa_hit : NUMAB_C_numa_miss);
	if (asked != got)
		count_zone(m, asked, NUMAB_C_numa_foreign);
	if (interleaved)
		count_zone(m, got, NUMAB_C_numa_interleave);
	count_zone(m, got, running == got ? NUMAB_C_numa_local : NUMAB_C_numa_other);
}

const uint64_t *numab_node_stats(const struct numab_machine *m)
{
	return m ? m->node_stats : NULL;
}

void page_take(struct numab_machine *m, int nid, uint64_t pages)
{
	m->nodes[nid].free -= pages;
}

/* A page goes back, unless a lost reference keeps it for ever (leak_on_refused_migrate). */
void page_free(struct numab_machine *m, uint64_t bits)
{
	if (bits & PG_LEAKED)
		m->nodes[pg_nid(bits)].leaked++;
	else
		m->nodes[pg_nid(bits)].free++;
}

/* @tid: who wanted it, 0: the host. */
int no_page(struct numab_machine *m, uint64_t vpn, int tid)
{
	uint64_t pages = 0, left = 0;
	char whom[32] = "";
	int nid;

	for (nid = 0; nid < m->nr_ids; nid++) {
		pages += m->nodes[nid].pages;
		left += m->nodes[nid].free;
	}
	if (tid)
		snprintf(whom, sizeof(whom), " of task %d", tid);
	return fail(m, NUMAB_EOOM,
		    "out of memory: no node has a page for vpn %llu%s; the machine has %llu, of "
		    "which %llu are free (reserves, or nodes that the policy forbids)",
		    (ull)vpn, whom, (ull)pages, (ull)left);
}

/* A page of a page table goes back. */
void table_free(struct numab_machine *m, int nid)
{
	m->nodes[nid].tables--;
	m->nodes[nid].free++;
}

/* v3.8's limit per target node: 128 MB in windows of 100 ms that open at the first request after
 * the last one ended.  Linux: numamigrate_update_ratelimit. */
#define RATE_WINDOW_NS 100000000ull
#define RATE_PAGES 32768ull
#define RATE_SCAN_INTERVAL_NS NS_PER_SEC

int rate_limited(struct numab_machine *m, int nid, uint64_t pages, int commit)
{
	struct node *n = &m->nodes[nid];
	uint64_t nr = m->now_ns > n->rate_end_ns ? 0 : n->rate_nr;

	if (!m->tun[NUMAB_T_rate_limit])
		return 0;
	if (commit && m->now_ns > n->rate_end_ns)
		n->rate_end_ns = m->now_ns + RATE_WINDOW_NS;
	if (commit)
		n->rate_nr = nr > RATE_PAGES ? nr : nr + pages;
	return nr > RATE_PAGES;
}

/* Linux: migrate_ratelimited, asked by the scanner of the running node. */
int rate_limit_holds_scan(const struct numab_machine *m, int nid)
{
	const struct node *n = &m->nodes[nid];

	return m->tun[NUMAB_T_rate_limit] && m->now_ns <= n->rate_end_ns + RATE_SCAN_INTERVAL_NS &&
	       n->rate_nr >= RATE_PAGES;
}

int numab_node_info(const struct numab_machine *m, int nid, struct numab_node_info *out)
{
	const struct node *n;

	if (!m || !out || nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online)
		return NUMAB_EINVAL;
	n = &m->nodes[nid];
	out->pages = n->pages;
	out->free = n->free;
	out->leaked = n->leaked;
	out->watermark_min = n->wmin;
	out->watermark_low = n->wlow;
	out->watermark_high = n->whigh;
	out->nr_cpus = n->nr_cpus;
	out->nid = nid;
	out->kernel = n->kernel + n->tables;
	return 0;
}

int numab_distance(const struct numab_machine *m, int from_nid, int to_nid)
{
	if (!m || from_nid < 0 || from_nid >= m->nr_ids || !m->nodes[from_nid].online ||
	    to_nid < 0 || to_nid >= m->nr_ids || !m->nodes[to_nid].online)
		return NUMAB_EINVAL;
	return m->distance[(size_t)from_nid * m->nr_ids + to_nid];
}

int numab_set_weight(struct numab_machine *m, int nid, int weight)
{
	if (!m)
		return NUMAB_EINVAL;
	if (nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online)
		return fail(m, NUMAB_EINVAL, "node %d does not exist", nid);
	if (weight < 0 || weight > UINT8_MAX)
		return fail(m, NUMAB_EINVAL, "weight %d of node %d, permitted 0..255", weight, nid);
	m->weights[nid] = (uint8_t)weight;
	return 0;
}

/* Linux: get_il_weight. */
int node_weight(const struct numab_machine *m, int nid)
{
	return m->weights[nid] ? m->weights[nid] : 1;
}

int numab_weight_of(const struct numab_machine *m, int nid)
{
	if (!m || nid < 0 || nid >= m->nr_ids || !m->nodes[nid].online)
		return NUMAB_EINVAL;
	return node_weight(m, nid);
}
