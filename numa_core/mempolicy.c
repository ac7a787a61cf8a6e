/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mempolicy.c - where should a page be: the compact target rules, and mpol_misplaced
 *
 * Modes, flags and system-call rules are the Python layer's; what arrives here is one of five
 * target rules per VMA or task.  Without one, the machine's policy stands in for the kernel's
 * internal table preferred_node_policy[] (patches 21 and 26).  Linux: mm/mempolicy.c.
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
	m->policy.ops = *p;
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

/* Check a descriptor and build the object; *out stays NULL for NUMAB_MPOL_NONE. */
int mpol_new(struct numab_machine *m, const struct numab_mpol *in, struct mpol **out)
{
	struct mpol *p;
	uint32_t i;
	int nid;

	*out = NULL;
	if (!in || in->mode > NUMAB_MPOL_INTERLEAVE)
		return fail(m, NUMAB_EINVAL, "policy mode %u, permitted 0..4", in ? in->mode : 0);
	if (in->flags & ~(uint32_t)NUMAB_MPOL_F_MOF)
		return fail(m, NUMAB_EINVAL, "policy flags 0x%x, permitted 0 or 0x8", in->flags);
	if (in->mode == NUMAB_MPOL_NONE)
		return 0;
	if (in->mode == NUMAB_MPOL_PREFERRED &&
	    (in->nid < 0 || in->nid >= m->nr_ids || !m->nodes[in->nid].online))
		return fail(m, NUMAB_EINVAL, "preferred node %d does not exist", in->nid);
	if (in->nr_mask_words > NUMAB_MAX_NODES / 64 || (in->nr_mask_words && !in->mask))
		return fail(m, NUMAB_EINVAL, "mask of %u words, permitted 0..%d", in->nr_mask_words,
			    NUMAB_MAX_NODES / 64);
	p = (struct mpol *)mem_zalloc(m, sizeof(*p));
	if (!p)
		return fail(m, NUMAB_ENOMEM, "no memory for a policy");
	p->refs = 1;
	p->mode = in->mode;
	p->flags = in->flags;
	p->nid = in->nid;
	for (i = 0; i < in->nr_mask_words; i++)
		p->mask[i] = in->mask[i];
	for (nid = 0; nid < NUMAB_MAX_NODES; nid++) {
		if (!(p->mask[nid / 64] >> (nid % 64) & 1))
			continue;
		if (nid >= m->nr_ids || !m->nodes[nid].online) {
			mpol_put(m, p);
			return fail(m, NUMAB_EINVAL, "node %d of the mask does not exist", nid);
		}
		p->nr_nodes++;
	}
	*out = p;
	return 0;
}

/* The k-th set node, k = page offset mod number of nodes.  Linux: offset_il_node. */
static int offset_il_node(const struct mpol *p, const struct vma *v, uint64_t vpn, int running)
{
	uint64_t k;
	int nid;

	if (!p->nr_nodes)
		return running;
	k = (v->pgoff + (vpn - v->start)) % p->nr_nodes;
	for (nid = 0; nid < NUMAB_MAX_NODES; nid++)
		if ((p->mask[nid / 64] >> (nid % 64) & 1) && k-- == 0)
			return nid;
	return running;
}

/* The VMA's policy comes before the task's.  NULL: neither has one.  Linux: get_vma_policy. */
static const struct mpol *get_vma_policy(const struct task *t, const struct vma *v)
{
	return v->mpol ? v->mpol : t->mpol;
}

/* Node of preferred_node_policy[] that a task without policy gets. -1: the table is not there. */
static int automatic_nid(const struct numab_machine *m, const struct task *t)
{
	if (!(m->policy.ops.flags & NUMAB_POLICY_MOF) || !m->tun[NUMAB_T_policy_table_ready])
		return -1;
	return (m->policy.ops.flags & NUMAB_POLICY_HOME) && t->home >= 0 ? t->home : t->nid;
}

/* Where an allocation starts from, and the mask that binds it (NULL: none). */
int alloc_target(struct numab_machine *m, const struct task *t, const struct vma *v, uint64_t vpn,
		 const uint64_t **mask)
{
	const struct mpol *p = get_vma_policy(t, v);
	int nid;

	*mask = NULL;
	if (!p) {
		nid = m->tun[NUMAB_T_home_alloc] ? automatic_nid(m, t) : -1;
		return nid >= 0 ? nid : t->nid;
	}
	switch (p->mode) {
	case NUMAB_MPOL_PREFERRED:
		return p->nid;
	case NUMAB_MPOL_BIND:
		*mask = p->mask;
		return t->nid;
	case NUMAB_MPOL_INTERLEAVE:
		return offset_il_node(p, v, vpn, t->nid);
	default:
		return t->nid;
	}
}

/* ---- mpol_misplaced ---- */

static struct numab_verdict explicit_policy(struct numab_machine *m, const struct mpol *p,
					    const struct task *t, const struct vma *v, uint64_t vpn,
					    int page_nid, uint32_t tag)
{
	int want = t->nid;

	if (!(p->flags & NUMAB_MPOL_F_MOF))
		return verdict_stay(NUMAB_HOLD_NO_MOF, tag);
	switch (p->mode) {
	case NUMAB_MPOL_INTERLEAVE:
		want = offset_il_node(p, v, vpn, t->nid);
		break;
	case NUMAB_MPOL_PREFERRED:
		want = p->nid;
		break;
	case NUMAB_MPOL_BIND:
		if (!p->nr_nodes)
			return verdict_stay(NUMAB_HOLD_NO_MOF, tag);
		if (p->mask[page_nid / 64] >> (page_nid % 64) & 1)
			return verdict_stay(NUMAB_HOLD_BIND_NODE_ALLOWED, tag);
		want = page_alloc_wanted(m, t->nid, p->mask);
		break;
	default:
		break;
	}
	return want == page_nid ? verdict_stay(NUMAB_HOLD_LOCAL, tag) : verdict_go(want, tag);
}

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

/* What a built-in policy says; needs no call.  See mpol_misplaced(). */
struct numab_verdict builtin_misplaced(const struct numab_machine *m, const struct task *t,
				       uint64_t vpn, uint64_t bits, uint32_t flags)
{
	struct numab_verdict out;
	struct numab_fault f;

	if (automatic_nid(m, t) < 0)
		return verdict_stay(NUMAB_HOLD_NO_MOF, pg_tag(bits));
	f = describe_fault(m, t, vpn, bits, flags);
	builtin_filter(m->policy.ops.filter, &f, &out);
	return out;
}

/* Where should this page be?  The verdict's tag is to be stored on the page whatever else happens.
 * Changes nothing, so that numab_probe() can ask too. */
struct numab_verdict mpol_misplaced(struct numab_machine *m, const struct task *t,
				    const struct vma *v, uint64_t vpn, uint64_t bits,
				    uint32_t flags)
{
	const struct mpol *p = get_vma_policy(t, v);

	if (p)
		return explicit_policy(m, p, t, v, vpn, pg_nid(bits), pg_tag(bits));
	if (automatic_nid(m, t) >= 0 && !m->policy.builtin_filter)
		return ask_own_filter(m, t, vpn, bits, flags);
	return builtin_misplaced(m, t, vpn, bits, flags);
}

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
	return 0;
}

/* Make room so that vma_policy_set() cannot fail. */
int vma_policy_reserve(struct numab_machine *m, struct mm *mm)
{
	return vmas_reserve(m, mm, 2) ? no_memory(m) : 0;
}

/* Everything mapped in [start, end) obeys @p from now on, or nothing of its own; holes are passed
 * over.  Linux: mbind_range. */
void vma_policy_set(struct numab_machine *m, struct mm *mm, uint64_t start, uint64_t end,
		    struct mpol *p)
{
	uint32_t i;

	cut_borders(m, mm, start, end);
	i = vma_first_ending_after(mm, start);
	for (; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		mpol_put(m, mm->vmas[i].mpol);
		mm->vmas[i].mpol = mpol_get(p);
	}
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
	err = vma_policy_reserve(m, mm);
	if (!err)
		vma_policy_set(m, mm, start, end, p);
	mpol_put(m, p);
	return err;
}
