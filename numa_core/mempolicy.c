/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mempolicy.c - where should a page be: the compact target rules, and mpol_misplaced
 *
 * Names, flags and system-call rules are the Python layer's; what arrives here is one of six target
 * rules per VMA, part of shared memory, or task.  Without one, the machine's policy stands in for
 * the kernel's internal table preferred_node_policy[] (patches 21 and 26).  Linux: mm/mempolicy.c.
 */
#include "internal.h"
#include "policies/policies.c"

#define POLICY_FLAGS \
	(NUMAB_POLICY_SCANS | NUMAB_POLICY_MOF | NUMAB_POLICY_HOME | NUMAB_POLICY_PLACE)

int numab_nr_policies(void)
{
	return NR_BUILTIN_POLICIES;
}

const struct numab_policy *numab_policy(int index)
{
	return index >= 0 && index < NR_BUILTIN_POLICIES ? &builtin_policies[index]->ops : NULL;
}

const char *numab_policy_text(int index)
{
	return index >= 0 && index < NR_BUILTIN_POLICIES ? builtin_policies[index]->text : NULL;
}

const char *numab_policy_in_use(const struct numab_machine *m)
{
	return m ? m->policy.name : "";
}

int numab_use_own_policy(struct numab_machine *m, const struct numab_policy *p)
{
	if (!m)
		return NUMAB_EINVAL;
	if (!p || !p->name || !p->name[0] || strlen(p->name) >= sizeof(m->policy.name))
		return fail(m, NUMAB_EINVAL, "a policy needs a name of 1 to 31 characters");
	if (p->flags & ~(uint32_t)POLICY_FLAGS)
		return fail(m, NUMAB_EINVAL, "policy %s: flags 0x%x, permitted 0x0..0x%x", p->name,
			    p->flags, POLICY_FLAGS);
	if ((p->flags & NUMAB_POLICY_MOF) && !p->filter)
		return fail(m, NUMAB_EINVAL, "policy %s: NUMAB_POLICY_MOF needs a filter", p->name);
	if (use_presets(m, p->presets, p->nr_presets))
		return NUMAB_EINVAL;
	m->policy.ops = *p;
	m->policy.ops.presets = NULL; /* taken over */
	m->policy.builtin_filter = is_builtin_filter(p->filter);
	memmove(m->policy.name, p->name, strlen(p->name) + 1);
	m->policy.ops.name = m->policy.name;
	return 0;
}

int numab_use_policy(struct numab_machine *m, const char *name)
{
	int i;

	if (!m)
		return NUMAB_EINVAL;
	for (i = 0; name && i < NR_BUILTIN_POLICIES; i++)
		if (!strcmp(builtin_policies[i]->ops.name, name))
			return numab_use_own_policy(m, &builtin_policies[i]->ops);
	return fail(m, NUMAB_EINVAL, "unknown policy '%.40s'", name ? name : "(null)");
}

/* ---- the target rules ---- */

static int is_interleaving(const struct mpol *p)
{
	return p->mode == NUMAB_MPOL_INTERLEAVE || p->mode == NUMAB_MPOL_WEIGHTED_INTERLEAVE;
}

/* Modes whose nodes are tried by distance, and which can have a home node and balancing. */
static int is_by_distance(uint32_t mode)
{
	return mode == NUMAB_MPOL_BIND || mode == NUMAB_MPOL_PREFERRED_MANY;
}

static int node_exists(const struct numab_machine *m, int nid)
{
	return nid >= 0 && nid < m->nr_ids && m->nodes[nid].online;
}

/* Returns how many nodes are in the mask, or NUMAB_EINVAL. */
static int check_mpol(struct numab_machine *m, const struct numab_mpol *in)
{
	int nid, n = 0;

	if (!in || in->mode > NUMAB_MPOL_WEIGHTED_INTERLEAVE)
		return fail(m, NUMAB_EINVAL, "policy mode %u, permitted 0..6", in ? in->mode : 0);
	if (in->flags & ~(uint32_t)(NUMAB_MPOL_F_MOF | NUMAB_MPOL_F_MORON))
		return fail(m, NUMAB_EINVAL, "policy flags 0x%x, permitted bits of 0x18",
			    in->flags);
	if (in->mode == NUMAB_MPOL_NONE)
		return 0;
	if (in->mode == NUMAB_MPOL_PREFERRED && !node_exists(m, in->nid))
		return fail(m, NUMAB_EINVAL, "preferred node %d does not exist", in->nid);
	if ((in->flags & NUMAB_MPOL_F_MORON) && !is_by_distance(in->mode))
		return fail(m, NUMAB_EINVAL, "mode %u does not balance: flag 0x10 is for 3 and 5",
			    in->mode);
	if (is_by_distance(in->mode) && in->home_nid != NUMAB_NO_NODE &&
	    !node_exists(m, in->home_nid))
		return fail(m, NUMAB_EINVAL, "home node %d does not exist (-1: none)",
			    in->home_nid);
	if (in->nr_mask_words > NUMAB_MAX_NODES / 64 || (in->nr_mask_words && !in->mask))
		return fail(m, NUMAB_EINVAL, "mask of %u words, permitted 0..%d", in->nr_mask_words,
			    NUMAB_MAX_NODES / 64);
	for (nid = 0; nid < (int)in->nr_mask_words * 64; nid++) {
		if (!mask_has(in->mask, nid))
			continue;
		if (!node_exists(m, nid))
			return fail(m, NUMAB_EINVAL, "node %d of the mask does not exist", nid);
		n++;
	}
	return n;
}

/* Check a descriptor and build the object; *out stays NULL for NUMAB_MPOL_NONE. */
int mpol_new(struct numab_machine *m, const struct numab_mpol *in, struct mpol **out)
{
	int n = check_mpol(m, in), nid, k = 0;
	struct mpol *p;

	*out = NULL;
	if (n < 0 || in->mode == NUMAB_MPOL_NONE)
		return n;
	p = (struct mpol *)mem_zalloc(m, sizeof(*p) + sizeof(uint16_t) * (size_t)n);
	if (!p)
		return fail(m, NUMAB_ENOMEM, "no memory for a policy");
	p->refs = 1;
	p->mode = in->mode;
	p->flags = in->flags;
	p->nid = in->mode == NUMAB_MPOL_PREFERRED ? in->nid : NUMAB_NO_NODE;
	p->home_nid = is_by_distance(in->mode) ? in->home_nid : NUMAB_NO_NODE;
	p->cookie = in->cookie;
	p->nr_nodes = (uint32_t)n;
	for (nid = 0; nid < (int)in->nr_mask_words * 64; nid++) {
		if (!mask_has(in->mask, nid))
			continue;
		p->mask[nid / 64] |= 1ull << (nid % 64);
		mpol_nids(p)[k++] = (uint16_t)nid;
	}
	*out = p;
	return 0;
}

/* ---- interleave ---- */

static uint64_t remainder_of(uint64_t a, uint64_t b)
{
	return (a | b) >> 32 ? a % b : (uint32_t)a % (uint32_t)b; /* the short division */
}

/* Where page offset @index of a VMA lies: the nodes of the mask take turns, each as often as it
 * weighs.  Linux: offset_il_node (interleave_nid), weighted_interleave_nid. */
static int interleave_nid(const struct numab_machine *m, const struct mpol *p, uint64_t index,
			  int running)
{
	const uint16_t *nids = mpol_nids(p);
	uint64_t total = 0;
	uint32_t i;

	if (!p->nr_nodes)
		return running;
	if (p->mode == NUMAB_MPOL_INTERLEAVE)
		return nids[remainder_of(index, p->nr_nodes)];
	for (i = 0; i < p->nr_nodes; i++)
		total += (uint64_t)node_weight(m, nids[i]);
	index = remainder_of(index, total);
	for (i = 0; index >= (uint64_t)node_weight(m, nids[i]); i++)
		index -= (uint64_t)node_weight(m, nids[i]);
	return nids[i];
}

/* A huge page counts in units of its own size.  Linux: vma_alloc_folio, 3.7 alloc_pages_vma. */
static uint64_t interleave_index(const struct vma *v, uint64_t vpn, int huge)
{
	return huge ? v->pgoff / SLOT_PAGES + (vpn - v->start) / SLOT_PAGES :
		      v->pgoff + (vpn - v->start);
}

/* The node whose turn comes after @nid's. */
static int next_node_in(const struct mpol *p, int nid)
{
	const uint16_t *nids = mpol_nids(p);
	uint32_t i;

	for (i = 0; i < p->nr_nodes; i++)
		if (nids[i] > nid)
			return nids[i];
	return nids[0];
}

/* Whose turn it is in the task's own rotation.  Linux: interleave_nodes,
 * weighted_interleave_nodes. */
static int interleave_turn(const struct task *t)
{
	const struct mpol *p = t->mpol;

	if (!p->nr_nodes)
		return t->nid;
	if (p->mode == NUMAB_MPOL_WEIGHTED_INTERLEAVE && t->il_weight)
		return t->il_prev;
	return next_node_in(p, t->il_prev);
}

/* The turn has been taken. */
void interleave_advance(const struct numab_machine *m, struct task *t)
{
	int nid = interleave_turn(t);

	if (!t->mpol->nr_nodes)
		return;
	if (t->mpol->mode == NUMAB_MPOL_WEIGHTED_INTERLEAVE)
		t->il_weight = (t->il_weight ? t->il_weight : (uint32_t)node_weight(m, nid)) - 1;
	t->il_prev = nid;
}

/* ---- which policy, and where it allocates ---- */

/* Of a VMA: in shared memory the object's, by offset, elsewhere the VMA's own; else the task's.
 * NULL: none of them has one.  Linux: get_vma_policy. */
const struct mpol *get_vma_policy(const struct numab_machine *m, const struct task *t,
				  const struct vma *v, uint64_t vpn)
{
	const struct mpol *p = v->mpol;

	if (vma_has_shared_policy(v))
		p = mpol_shared_policy_lookup(&m->objects[v->object - 1],
					      v->pgoff + (vpn - v->start));
	return p ? p : t->mpol;
}

/* Node of preferred_node_policy[] that a task without policy gets. -1: the table is not there. */
static int automatic_nid(const struct numab_machine *m, const struct task *t)
{
	if (!(m->policy.ops.flags & NUMAB_POLICY_MOF) || !m->tun[NUMAB_T_policy_table_ready])
		return -1;
	return (m->policy.ops.flags & NUMAB_POLICY_HOME) && t->home >= 0 ? t->home : t->nid;
}

/* Everything but interleave; @p NULL: the machine's own. */
static struct alloc_plan policy_plan(const struct numab_machine *m, const struct task *t,
				     const struct mpol *p)
{
	struct alloc_plan plan = { t->nid, NULL, 0, 0 };
	int nid;

	if (!p) {
		nid = m->tun[NUMAB_T_home_alloc] ? automatic_nid(m, t) : NUMAB_NO_NODE;
		plan.nid = nid >= 0 ? nid : t->nid;
	} else if (p->mode == NUMAB_MPOL_PREFERRED) {
		plan.nid = p->nid;
	} else if (is_by_distance(p->mode)) {
		plan.nid = p->home_nid >= 0 ? p->home_nid : t->nid;
		plan.mask = p->mask;
		plan.then_all = p->mode == NUMAB_MPOL_PREFERRED_MANY;
	}
	return plan;
}

/* For a page of a VMA, @huge: for a huge one.  Linux: alloc_pages_vma. */
struct alloc_plan vma_alloc_plan(struct numab_machine *m, const struct task *t,
				 const struct vma *v, uint64_t vpn, int huge)
{
	const struct mpol *p = get_vma_policy(m, t, v, vpn);
	struct alloc_plan plan = { t->nid, NULL, 0, 1 };

	if (!p || !is_interleaving(p))
		return policy_plan(m, t, p);
	plan.nid = interleave_nid(m, p, interleave_index(v, vpn, huge), t->nid);
	return plan;
}

/* For a page without a VMA, whose interleave_advance() is the caller's.  Linux:
 * alloc_pages_current. */
struct alloc_plan task_alloc_plan(struct numab_machine *m, const struct task *t)
{
	struct alloc_plan plan = { t->nid, NULL, 0, 1 };

	if (!t->mpol || !is_interleaving(t->mpol))
		return policy_plan(m, t, t->mpol);
	plan.nid = interleave_turn(t);
	return plan;
}

/* ---- mpol_misplaced ---- */

static inline struct numab_fault describe_fault(const struct numab_machine *m,
						const struct task *t, uint64_t vpn, uint64_t bits,
						uint32_t flags)
{
	struct numab_fault f;

	f.now_ns = m->now_ns;
	f.vpn = vpn;
	f.tid = t->tid;
	f.pid = t->mm->pid;
	f.cpu = t->cpu;
	f.cpu_nid = t->nid;
	f.page_nid = pg_nid(bits);
	f.home_nid = (m->policy.ops.flags & NUMAB_POLICY_HOME) ? t->home : NUMAB_NO_NODE;
	f.policy_nid = automatic_nid(m, t);
	f.tag = pg_tag(bits);
	f.flags = flags;
	f.reserved = 0;
	return f;
}

/* A user's filter may answer anything. */
static noinline struct numab_verdict ask_own_filter(const struct numab_machine *m,
						    const struct task *t, uint64_t vpn,
						    uint64_t bits, uint32_t flags)
{
	struct numab_fault f = describe_fault(m, t, vpn, bits, flags);
	struct numab_verdict out = verdict_stay(NUMAB_HOLD_USER_FILTER, f.tag);

	m->policy.ops.filter(m->policy.ops.ud, &f, &out);
	out.tag &= NUMAB_TAG_UNSET;
	if (out.target_nid == f.page_nid)
		out = verdict_stay(NUMAB_HOLD_LOCAL, out.tag);
	if (out.target_nid >= m->nr_ids ||
	    (out.target_nid >= 0 && !m->nodes[out.target_nid].online))
		out = verdict_stay(NUMAB_HOLD_USER_FILTER, out.tag);
	if (out.target_nid < 0 &&
	    (out.reason <= NUMAB_GO_ASKED_HOST || out.reason >= NUMAB_NR_REASONS))
		out.reason = NUMAB_HOLD_USER_FILTER;
	if (out.target_nid < 0)
		out.target_nid = NUMAB_NO_NODE;
	return out;
}

static inline struct numab_verdict ask_builtin_filter(const struct numab_machine *m,
						      const struct task *t, uint64_t vpn,
						      uint64_t bits, uint32_t flags)
{
	struct numab_fault f = describe_fault(m, t, vpn, bits, flags);
	struct numab_verdict out;

	builtin_filter(m->policy.ops.filter, &f, &out);
	return out;
}

/* What a built-in policy says; needs no call.  See mpol_misplaced(). */
struct numab_verdict builtin_misplaced(const struct numab_machine *m, const struct task *t,
				       uint64_t vpn, uint64_t bits, uint32_t flags)
{
	if (automatic_nid(m, t) < 0)
		return verdict_stay(NUMAB_HOLD_NO_MOF, pg_tag(bits));
	return ask_builtin_filter(m, t, vpn, bits, flags);
}

/* BIND and PREFERRED_MANY with balancing: towards the running node, inside the mask, if the filter
 * agrees; without a filter at once.  Linux: mpol_misplaced of 5.12, should_numa_migrate_memory. */
static noinline struct numab_verdict balancing_misplaced(const struct numab_machine *m,
							 const struct mpol *p,
							 const struct task *t, uint64_t vpn,
							 uint64_t bits, uint32_t flags)
{
	struct numab_verdict out = t->nid == pg_nid(bits) ?
				   verdict_stay(NUMAB_HOLD_LOCAL, pg_tag(bits)) :
				   verdict_go(t->nid, pg_tag(bits));

	if (!mask_has(p->mask, t->nid))
		return verdict_stay(NUMAB_HOLD_OUTSIDE_MASK, pg_tag(bits));
	if (m->policy.builtin_filter)
		out = ask_builtin_filter(m, t, vpn, bits, flags);
	else if (m->policy.ops.filter)
		out = ask_own_filter(m, t, vpn, bits, flags);
	if (out.target_nid >= 0 && !mask_has(p->mask, out.target_nid))
		return verdict_stay(NUMAB_HOLD_OUTSIDE_MASK, out.tag);
	return out;
}

/* What a policy that somebody set says; @p is one. */
struct numab_verdict explicit_misplaced(struct numab_machine *m, const struct mpol *p,
					const struct task *t, const struct vma *v, uint64_t vpn,
					uint64_t bits, uint32_t flags)
{
	int page_nid = pg_nid(bits), want = t->nid;
	uint32_t tag = pg_tag(bits);

	if (!(p->flags & NUMAB_MPOL_F_MOF))
		return verdict_stay(NUMAB_HOLD_NO_MOF, tag);
	if (p->flags & NUMAB_MPOL_F_MORON)
		return balancing_misplaced(m, p, t, vpn, bits, flags);
	switch (p->mode) {
	case NUMAB_MPOL_INTERLEAVE: /* base pages, also for a huge one: as posted and in 6.1 */
		want = interleave_nid(m, p, interleave_index(v, vpn, 0), t->nid);
		break;
	case NUMAB_MPOL_WEIGHTED_INTERLEAVE:
		want = interleave_nid(m, p, interleave_index(v, vpn, flags & NUMAB_F_HUGE),
				      t->nid);
		break;
	case NUMAB_MPOL_PREFERRED:
		want = p->nid;
		break;
	case NUMAB_MPOL_BIND:
	case NUMAB_MPOL_PREFERRED_MANY:
		if (mask_has(p->mask, page_nid))
			return verdict_stay(NUMAB_HOLD_BIND_NODE_ALLOWED, tag);
		want = preferred_zone(m, t->nid, p->mask);
		if (want < 0)
			return verdict_stay(NUMAB_HOLD_NO_MOF, tag);
		break;
	default:
		break;
	}
	return want == page_nid ? verdict_stay(NUMAB_HOLD_LOCAL, tag) : verdict_go(want, tag);
}

/* Where should this page be?  The verdict's tag is to be stored on the page whatever else happens.
 * Changes nothing, so that numab_probe() can ask too. */
struct numab_verdict mpol_misplaced(struct numab_machine *m, const struct task *t,
				    const struct vma *v, uint64_t vpn, uint64_t bits,
				    uint32_t flags)
{
	const struct mpol *p = get_vma_policy(m, t, v, vpn);

	if (p)
		return explicit_misplaced(m, p, t, v, vpn, bits, flags);
	if (automatic_nid(m, t) >= 0 && !m->policy.builtin_filter)
		return ask_own_filter(m, t, vpn, bits, flags);
	return builtin_misplaced(m, t, vpn, bits, flags);
}

/* ---- the calls ---- */

int numab_set_task_policy(struct numab_machine *m, int tid, const struct numab_mpol *policy)
{
	struct task *t = task_get(m, tid);
	struct mpol *p;
	int err;

	if (!t)
		return no_task(m, tid);
	err = mpol_new(m, policy, &p);
	if (err)
		return err;
	mpol_put(m, t->mpol);
	t->mpol = p;
	if (p && is_interleaving(p)) {
		t->il_prev = NUMAB_NO_NODE;
		t->il_weight = 0;
	}
	return 0;
}

/* How many VMAs of [start, end) map @object. */
static uint32_t count_mappings(const struct mm *mm, uint64_t start, uint64_t end, int object)
{
	uint32_t i = vma_first_ending_after(mm, start), n = 0;

	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++)
		n += mm->vmas[i].object == object;
	return n;
}

/* Make room so that vma_policy_set() cannot fail. */
int vma_policy_reserve(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end)
{
	uint32_t i = vma_first_ending_after(mm, start);

	if (vmas_reserve(m, mm, 2))
		return no_memory(m);
	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		const struct vma *v = &mm->vmas[i];

		if (vma_has_shared_policy(v) &&
		    shared_policy_reserve(m, &m->objects[v->object - 1],
					  count_mappings(mm, start, end, v->object)))
			return no_memory(m);
	}
	return 0;
}

/* A border where the policy changes; a huge page across it is split. */
static void cut_policy_border(struct numab_machine *m, struct mm *mm, uint64_t vpn,
			      uint64_t inside, const struct mpol *p)
{
	const struct vma *v = vma_find(mm, inside);

	if (v && !mpol_equal(v->mpol, p))
		cut_border(m, mm, vpn);
}

/* Linux: mbind_range, and shmem_set_policy for the parts of shared memory. */
void vma_policy_set(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end,
		    struct mpol *p)
{
	uint32_t i;

	cut_policy_border(m, mm, start, start, p);
	cut_policy_border(m, mm, end, end - 1, p);
	i = vma_first_ending_after(mm, start);
	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		struct vma *v = &mm->vmas[i];
		uint64_t from = v->start > start ? v->start : start;
		uint64_t to = v->end < end ? v->end : end;

		if (vma_has_shared_policy(v))
			mpol_set_shared_policy(m, &m->objects[v->object - 1],
					       v->pgoff + (from - v->start),
					       v->pgoff + (to - v->start), p);
		if (mpol_equal(v->mpol, p))
			continue;
		mpol_put(m, v->mpol);
		v->mpol = mpol_get(p);
	}
	mm_merge(m, mm, start, end);
}

int numab_set_vma_policy(struct numab_machine *m, int pid, uint64_t vaddr, uint64_t size_bytes,
			 const struct numab_mpol *policy)
{
	struct mm *mm = mm_get(m, pid);
	uint64_t start, end;
	struct mpol *p;
	int err;

	if (!mm)
		return no_process(m, pid);
	err = mm_range(m, vaddr, size_bytes, &start, &end);
	if (!err)
		err = mm_range_covered(m, mm, start, end);
	if (!err)
		err = mpol_new(m, policy, &p);
	if (err)
		return err;
	err = vma_policy_reserve(m, mm, start, end);
	if (!err)
		vma_policy_set(m, mm, start, end, p);
	mpol_put(m, p);
	return err;
}

static void describe_policy(const struct mpol *p, struct numab_mpol *out)
{
	memset(out, 0, sizeof(*out));
	out->nid = out->home_nid = NUMAB_NO_NODE;
	if (!p)
		return;
	out->mode = p->mode;
	out->flags = p->flags;
	out->nid = p->nid;
	out->nr_mask_words = NUMAB_MAX_NODES / 64;
	out->mask = p->mask;
	out->home_nid = p->home_nid;
	out->cookie = p->cookie;
}

int numab_task_policy(const struct numab_machine *m, int tid, struct numab_mpol *out)
{
	const struct task *t = task_get(m, tid);

	if (!t || !out)
		return m && out ? NUMAB_ESRCH : NUMAB_EINVAL;
	describe_policy(t->mpol, out);
	if (t->mpol && is_interleaving(t->mpol))
		out->nid = interleave_turn(t);
	return 0;
}

int numab_vma_policy(const struct numab_machine *m, int pid, uint64_t vaddr, int shared_lookup,
		     struct numab_mpol *out)
{
	const struct mm *mm = mm_get(m, pid);
	uint64_t vpn = vaddr / NUMAB_PAGE_BYTES;
	const struct vma *v = mm ? vma_find(mm, vpn) : NULL;

	if (!mm || !out)
		return m && out ? NUMAB_ESRCH : NUMAB_EINVAL;
	if (!v)
		return NUMAB_EFAULT;
	if (shared_lookup && vma_has_shared_policy(v))
		describe_policy(mpol_shared_policy_lookup(&m->objects[v->object - 1],
							  v->pgoff + (vpn - v->start)), out);
	else
		describe_policy(v->mpol, out);
	return 0;
}
