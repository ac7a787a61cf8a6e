"""Memory policy (section 3): which one applies, where a page is wanted, is it misplaced?"""

from dataclasses import replace

from .names import (
    ANON_SHARED, MPOL_BIND, MPOL_F_MOF, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED, NO_NODE,
    POLICY_HOME, POLICY_MOF, SHM, SLOT_PAGES,
)
from .node import alloc_pages, running_node, zonelist


def get_vma_policy(task, vma, vpn):
    """The explicit policy in force: of shared memory the part's, else the VMA's; else the task's,
    else None (3.1)."""
    own = vma.policy
    if vma.kind in (SHM, ANON_SHARED):
        own = vma.owner.policies.get(vma.offset_of(vpn))
    return own or task.policy


def automatic_mof(m):
    """preferred_node_policy is set up and carries migrate-on-fault (patch 21)."""
    return bool(m.policy_flags & POLICY_MOF and m.tunables["policy_table_ready"])


def home_or_running(m, task):
    """tsk_home_node, or the running node when there is none (patches 25, 26)."""
    return task.home if task.home != NO_NODE else running_node(m, task)


def interleave_node(m, task, vma, vpn, policy, huge=False):
    """Step 2 of 3.2: the k-th node of the mask, k from the page offset; at the allocation of a huge
    page from the number of its slot."""
    nids = sorted(policy.mask)
    if not nids:
        return running_node(m, task)
    k = vma.offset_of(vpn)
    if huge:
        k = vma.pgoff // SLOT_PAGES + (vpn - vma.start) // SLOT_PAGES
    return nids[k % len(nids)]


def bind_zonelist(m, task, policy):
    """Nodes of the mask that have memory, in the order of the running node's zonelist."""
    return [nid for nid in zonelist(m, running_node(m, task))
            if nid in policy.mask and m.nodes[nid].pages]


def policy_node(m, task, vma, vpn, policy, huge=False):
    """The node that an explicit @policy names: steps 2, 3, 4 and 6 of 3.2."""
    if policy.mode == MPOL_INTERLEAVE:
        return interleave_node(m, task, vma, vpn, policy, huge)
    if policy.mode == MPOL_LOCAL:
        return running_node(m, task)
    if policy.mode == MPOL_PREFERRED:
        return policy.nid
    assert policy.mode == MPOL_BIND
    nids = bind_zonelist(m, task, policy)
    return nids[0] if nids else NO_NODE


def alloc_pages_vma(m, task, vma, vpn, huge=False):
    """(node wanted, nodes to try in order) for a new page at @vpn, of its slot when @huge.

    Without a policy of its own a task allocates at home (patch 26), unless home_alloc is off.
    """
    policy = get_vma_policy(task, vma, vpn)
    if policy is None:
        wanted = running_node(m, task)
        at_home = m.policy_flags & POLICY_HOME and m.tunables["home_alloc"]
        if automatic_mof(m) and at_home:
            wanted = home_or_running(m, task)
        return wanted, zonelist(m, wanted)
    wanted = policy_node(m, task, vma, vpn, policy, huge)
    if policy.mode == MPOL_BIND:
        return wanted, bind_zonelist(m, task, policy)
    return wanted, zonelist(m, wanted)


def page_cache_alloc(m, task, vma, vpn):
    """A page of a file: the cache knows no VMA, so the task's policy and its own rotation rule."""
    policy = task.policy
    if policy is None or policy.mode != MPOL_INTERLEAVE or not policy.mask:
        return alloc_pages(m, *alloc_pages_vma(m, task, replace(vma, policy=None), vpn))
    later = [nid for nid in sorted(policy.mask) if nid > task.il_prev]
    wanted = later[0] if later else min(policy.mask)
    page = alloc_pages(m, wanted, zonelist(m, wanted))
    task.il_prev = wanted
    return page


def mpol_misplaced(m, task, vma, vpn, page):
    """Where should @page be?  (node, "") when it should move, (-1, reason) when not (3.2).

    Writes the page's tag where the filter examines it.
    """
    policy = get_vma_policy(task, vma, vpn)
    if policy is not None:
        return explicit_policy_misplaced(m, task, vma, vpn, page, policy)
    if not automatic_mof(m):
        return NO_NODE, "HOLD_NO_MOF"
    if m.policy == "home_node":
        return two_stage_filter(page, home_or_running(m, task))
    if m.policy == "v3_8":
        return two_stage_filter(page, running_node(m, task))
    return misplaced_unless_on(running_node(m, task), page)


def explicit_policy_misplaced(m, task, vma, vpn, page, policy):
    """Steps 1 to 6: a policy that somebody set.  Only lazy ones carry MOF; no filter applies."""
    if not policy.flags & MPOL_F_MOF:
        return NO_NODE, "HOLD_NO_MOF"
    if policy.mode == MPOL_BIND:
        if not bind_zonelist(m, task, policy):
            return NO_NODE, "HOLD_NO_MOF"
        if page.nid in policy.mask:
            return NO_NODE, "HOLD_BIND_NODE_ALLOWED"
    return misplaced_unless_on(policy_node(m, task, vma, vpn, policy), page)


def two_stage_filter(page, wanted):
    """Steps 8 to 11: two faults in a row must want the same node (patch 31; policies 4)."""
    last, page.tag = page.tag, wanted
    if last != wanted:
        return NO_NODE, "HOLD_TWO_STAGE_FILTER"
    return misplaced_unless_on(wanted, page)


def misplaced_unless_on(nid, page):
    """Steps 10 and 11."""
    if page.nid == nid:
        return NO_NODE, "HOLD_LOCAL"
    return nid, ""
