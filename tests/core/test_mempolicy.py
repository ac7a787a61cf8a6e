"""Where a page should be: which policy applies (3.1), the decision table of 3.2, lazy policies."""

import pytest
from numab import InvalidArgument, OutOfMemory

from .world import BASE, LOW, PAGE, VPN, World, table

FOUR = [[10, 21, 31, 21], [21, 10, 21, 31], [31, 21, 10, 21], [21, 31, 21, 10]]


def ruled(mode, page_nid, *, cpu=0, page=0, nid=-1, nodes=(), lazy=True, task=False, **kwargs):
    """One page on `page_nid`, its policy, and the task on CPU `cpu`, hinted once.

    distance from 0: 0, 1 and 3 (21), 2 (31)   from 1: 1, 0 and 2, 3   and so on round the ring
    """
    w = World(nodes=4, distance=FOUR, mapped=8, pmd_mark=0, **kwargs)
    w.place(page, page_nid)
    if task:
        w.t.set_policy(mode, nid=nid, nodes=nodes, lazy=lazy)
    else:
        w.p.set_policy(BASE, 8 * PAGE, mode, nid=nid, nodes=nodes, lazy=lazy)
    w.t.set_cpu(cpu)
    reason = w.hint(page).reason
    return reason, w.nid(page)


# ---- patch 11: mpol_misplaced, row by row ----


@pytest.mark.parametrize("task", [False, True], ids=["vma", "task"])
@pytest.mark.parametrize("mode, words", [
    ("local", {}), ("preferred", {"nid": 1}), ("bind", {"nodes": [1]}),
    ("interleave", {"nodes": [1]})])
def test_explicit_policies_opt_out_of_migration_on_fault(mode, words, task):
    """Step 1 and 3.1: set_mempolicy and a plain mbind lack MOF.  Expect: the hint is cleared and
    counted, the page stays, whatever the mode would want."""
    assert ruled(mode, 0, cpu=1, task=task, lazy=False, **words) == ("hold_no_mof", 0)


@pytest.mark.parametrize("page, page_nid, expected", table(
    ("page 0 wants node 1", 0, 0, ("go_migrated", 1)),
    ("page 1 wants node 3", 1, 0, ("go_migrated", 3)),
    ("page 2 wants node 1", 2, 1, ("hold_local", 1)),
    ("page 5 wants node 3", 5, 3, ("hold_local", 3)),
))
def test_interleave_wants_the_kth_node_of_its_mask(page, page_nid, expected):
    """Step 2: k = pgoff mod 2 over the mask {1, 3}."""
    assert ruled("interleave", page_nid, page=page, nodes=[1, 3]) == expected


def test_interleave_counts_from_the_page_offset_of_the_mapping():
    """Step 2: pgoff = vm_pgoff + (addr - vm_start).  vm_pgoff 5, page 2: 7 mod 3 = 1, the second
    node of {0, 1, 3}."""
    w = World(nodes=4, mapped=0, pmd_mark=0)
    w.p.mmap(BASE, 4 * PAGE, pgoff=5)
    w.place(2, 0)
    w.p.set_policy(BASE, 4 * PAGE, "interleave", nodes=[0, 1, 3], lazy=True)
    assert w.hint(2).reason == "go_migrated"
    assert w.nid(2) == 1


def test_interleave_with_an_empty_mask_wants_the_running_node():
    assert ruled("interleave", 0, cpu=2) == ("go_migrated", 2)


@pytest.mark.parametrize("cpu, expected", [(0, ("hold_local", 0)), (2, ("go_migrated", 2))])
def test_local_wants_the_running_node(cpu, expected):
    """Step 3, not the home node."""
    assert ruled("local", 0, cpu=cpu) == expected


@pytest.mark.parametrize("page_nid, expected", [
    (1, ("hold_local", 1)), (0, ("go_migrated", 1)), (2, ("go_migrated", 1))])
def test_preferred_wants_its_node_wherever_the_task_runs(page_nid, expected):
    """Step 4."""
    assert ruled("preferred", page_nid, nid=1, cpu=2) == expected


@pytest.mark.parametrize("page_nid", [1, 3])
def test_bind_leaves_a_page_anywhere_in_its_mask(page_nid):
    """Step 5: at once, even if another node of the mask is nearer."""
    expected = ("hold_bind_node_allowed", page_nid)
    assert ruled("bind", page_nid, cpu=0, nodes=[1, 3]) == expected


@pytest.mark.parametrize("cpu, nodes, target", table(
    ("1 and 3 equally near to 0 so the lower", 0, [1, 2, 3], 1),
    ("3 is nearer to 2 than 0", 2, [0, 3], 3),
    ("the running node itself", 3, [1, 3], 3),
    ("the farthest if it is all", 1, [3], 3),
))
def test_bind_wants_the_first_node_of_the_running_nodes_zonelist_in_the_mask(cpu, nodes, target):
    """Step 6: by distance from the running node, ties by id; the page is outside the mask."""
    away = next(n for n in (0, 1, 2, 3) if n not in nodes)
    assert ruled("bind", away, cpu=cpu, nodes=nodes) == ("go_migrated", target)


def test_bind_without_nodes_stays():
    """No kernel can make one; here it opts out."""
    assert ruled("bind", 1) == ("hold_no_mof", 1)


def test_lazy_policies_know_no_two_stage_filter_and_leave_the_tag():
    """3.2: only policies with HOME go through the exchange.  Expect: moves at the first touch,
    the tag is as it was."""
    w = World(nodes=2, pmd_mark=0, last_nid_transfer=1)
    w.write(0)
    w.hint()                              # automatic: tag 0
    w.p.set_policy(BASE, PAGE, "preferred", nid=1, lazy=True)
    assert w.hint().reason == "go_migrated"
    assert w.page().tag == 0


def test_automatic_policy_overrides_no_explicit_one():
    """Steps 8 to 11 belong to the internal table: a home elsewhere does not move a lazily bound
    page."""
    w = World(nodes=2, pmd_mark=0)
    w.write(0)
    w.t.set_home(1)
    w.p.set_policy(BASE, PAGE, "bind", nodes=[0], lazy=True)
    assert [w.hint().reason for _ in range(3)] == ["hold_bind_node_allowed"] * 3


# ---- 3.1: which policy applies ----


def test_a_mappings_policy_comes_before_the_tasks():
    """3.1 step 2.  Task prefers 0, mapping prefers 1, both lazy.  Expect: 1."""
    w = World(nodes=3, mapped=2, pmd_mark=0)
    w.place(0, 2, 2)
    w.t.set_policy("preferred", nid=0, lazy=True)
    w.p.set_policy(BASE, PAGE, "preferred", nid=1, lazy=True)
    w.hint(0)
    w.hint(1)
    assert w.nids(2) == [1, 0]


def test_without_its_own_policy_memory_is_automatic_again():
    """«none» takes the policy away: the table of preferred nodes applies, which has MOF."""
    w = World(policy="moron", pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.p.set_policy(BASE, PAGE, "preferred", nid=0)
    assert w.hint().reason == "hold_no_mof"
    w.p.set_policy(BASE, PAGE, "none")
    assert w.hint().reason == "go_migrated"


def test_the_moment_before_the_policy_table_is_initialised():
    """Patch 21, and version 1 to 2: «ensure preferred_node_policy is initialised before use».
    Early boot: mode still 0, no policy, so the default one without MOF."""
    w = World(policy="moron", pmd_mark=0, policy_table_ready=0)
    w.write(0)
    w.t.set_cpu(1)
    assert w.hint().reason == "hold_no_mof"
    w.m.tunables["policy_table_ready"] = 1
    assert w.hint().reason == "go_migrated"


def test_before_the_table_allocation_is_local_too():
    """3.1 step 3: default is PREFERRED|F_LOCAL: the running node, not the home node."""
    for ready, nid in ((0, 0), (1, 1)):
        w = World(policy_table_ready=ready)
        w.t.set_home(1)
        w.write(0)
        assert w.nid() == nid


# ---- allocation by policy ----


@pytest.mark.parametrize("mode, words, got", table(
    ("local", "local", {}, [2, 2, 2, 2]),
    ("preferred", "preferred", {"nid": 1}, [1, 1, 1, 1]),
    ("bind nearest of mask", "bind", {"nodes": [0, 1]}, [1, 1, 1, 1]),
    ("interleave", "interleave", {"nodes": [0, 3]}, [0, 3, 0, 3]),
))
def test_first_touch_goes_where_the_policy_says(mode, words, got):
    """Four pages touched from node 2, for a task policy and for a mapping's."""
    for task in (True, False):
        w = World(nodes=4, distance=FOUR, mapped=4)
        w.t.set_cpu(2)
        if task:
            w.t.set_policy(mode, **words)
        else:
            w.p.set_policy(BASE, 4 * PAGE, mode, **words)
        w.write(0, 1, 2, 3)
        assert w.nids(4) == got
        assert w.m.counters["alloc_fallback"] == 0


def test_bind_never_leaves_its_mask_others_fall_back():
    """Node 1 of 20 pages is full.  Expect: preferred goes next door, bind runs out of memory."""
    w = World(sizes=[4000, 20], mapped=40)
    w.p.set_policy(BASE, 20 * PAGE, "preferred", nid=1)
    w.p.set_policy(BASE + 20 * PAGE, 20 * PAGE, "bind", nodes=[1])
    for page in range(5):                # 20 - 16 (low) = 4 pages, the fifth goes to node 0
        w.write(page)
    assert w.nids(5) == [1, 1, 1, 1, 0]
    assert w.m.counters["alloc_fallback"] == 1
    for page in range(20, 28):           # bind may go on down to min (8): 8 pages more
        w.write(page)
    with pytest.raises(OutOfMemory):
        w.write(28)
    assert w.m.node(1).free == 8


def test_allocation_on_the_home_node_and_its_switch():
    """Patch 26: allocation is steered to the home node too; home_alloc=0 (version 3): local."""
    for home, switch, nid in ((-1, 1, 0), (1, 1, 1), (1, 0, 0)):
        w = World(home_alloc=switch)
        w.t.set_home(home)
        w.write(0)
        assert w.nid() == nid


def test_home_allocation_belongs_to_the_home_policy():
    """MORON's table is indexed by the running node (patch 21)."""
    for policy in ("moron", "off"):
        w = World(policy=policy)
        w.t.set_home(1)
        w.write(0)
        assert w.nid() == 0


# ---- patches 9 to 11, 14: lazy policy ----


def lazily_bound(**kwargs):
    """mbind(PREFERRED 1, MPOL_MF_LAZY) on four pages of node 0: policy with MOF, marked at once."""
    w = World(nodes=2, mapped=4, pmd_mark=0, **kwargs)
    w.place(0, 0, 4)
    w.p.set_policy(BASE, 4 * PAGE, "preferred", nid=1, lazy=True)
    assert w.mark(0, 4) == 4
    return w


def test_lazy_memory_is_marked_at_once_and_moves_at_its_next_touch():
    """Patch 14.  Expect: nothing moves by the call; each page moves when it is touched, from
    wherever, to the policy's node."""
    w = lazily_bound()
    assert w.nids(4) == [0, 0, 0, 0]
    w.touch(2)
    assert w.nids(4) == [0, 0, 1, 0]
    assert w.marked(4) == [0, 1, 3]
    assert w.touch(2).faults == 0


@pytest.mark.parametrize("off", ["policy", "tunable"])
def test_lazy_memory_moves_while_balancing_is_off(off):
    """Cover letter, patches 9-11: «if automatic balancing was broken ... the application could
    disable the automatic stuff but still get some advantage»."""
    w = lazily_bound(**({"policy": "off"} if off == "policy" else {"numa_balancing": 0}))
    assert not w.due()
    assert w.touch(0).reason == "go_migrated"
    assert w.t.faults().tolist() == [0, 1]


def test_lazy_marks_skip_huge_tlb_memory_and_holes():
    """3.3 step 4."""
    w = World(mapped=0, pmd_mark=0)
    w.p.mmap(BASE, PAGE, flags=["hugetlb"])
    w.p.mmap(BASE + 3 * PAGE, PAGE)
    w.write(0, 3)
    assert w.mark(0, 4) == 1


def test_lazy_marks_do_not_depend_on_the_scanner():
    """The scanner leaves VM_IO alone; mbind's walk asks only for hugetlb."""
    w = World(mapped=0, pmd_mark=0)
    w.p.mmap(BASE, PAGE, flags=["io"])
    w.write(0)
    assert w.mark() == 1


# ---- the calls ----


def test_a_range_policy_splits_mappings_and_only_them():
    """
    vma     |a a a a a a|      policy on the middle two pages -> three mappings, pgoff goes on
    """
    w = World(mapped=0)
    w.p.mmap(BASE, 6 * PAGE, pgoff=100)
    w.p.set_policy(BASE + 2 * PAGE, 2 * PAGE, "preferred", nid=1)
    assert [(v.vaddr, v.size // PAGE, v.pgoff) for v in w.p.vmas()] == [
        (BASE, 2, 100), (BASE + 2 * PAGE, 2, 102), (BASE + 4 * PAGE, 2, 104)]
    w.write(*range(6))
    assert w.nids(6) == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("words", [
    {"mode": "preferred", "nid": 5}, {"mode": "preferred", "nid": -1},
    {"mode": "bind", "nodes": [0, 2]}, {"mode": "interleave", "nodes": [63]}])
def test_policies_name_nodes_that_exist(words):
    w = World()
    with pytest.raises(InvalidArgument):
        w.t.set_policy(**words)
    with pytest.raises(InvalidArgument):
        w.p.set_policy(BASE, PAGE, **words)


def test_a_range_policy_on_a_hole_changes_nothing():
    w = World(mapped=2)
    with pytest.raises(PermissionError):
        w.p.set_policy(BASE, 3 * PAGE, "preferred", nid=1)
    w.write(0)
    assert w.nid() == 0


def test_policies_survive_fork_and_threads():
    """The task's policy is inherited, the mapping's is copied."""
    w = World(nodes=3, mapped=2)
    w.t.set_policy("preferred", nid=1)
    w.p.set_policy(BASE + PAGE, PAGE, "preferred", nid=2)
    child = w.t.fork().main
    child.access(BASE, True)
    child.access(BASE + PAGE, True)
    assert [w.m.process_of(child.tid).page(VPN + i).nid for i in (0, 1)] == [1, 2]
    thread = w.t.clone()
    thread.access(BASE, True)
    assert w.nid(0) == 1


def test_low_watermark_is_for_everybody_min_for_the_last_resort():
    """3.2 has no say here: the fallback keeps to low first on every node, then to min."""
    w = World(sizes=[100, 100], mapped=200)
    w.fill(0, LOW + 1)
    w.fill(1, LOW + 1)
    got = []
    for page in range(4):
        w.write(page)
        got.append(w.nid(page))
    assert got == [0, 1, 0, 0]


def balanced(text, policy="moron", nodes=3):
    """A page written on node 0 under that policy of the task, which then runs on node 1."""
    w = World(nodes, policy=policy)
    w.m.era = "v6.12"
    w.t.set_mempolicy(text)
    w.place(0, 0)
    w.touch(0, True)
    w.t.set_cpu(1)
    return w


@pytest.mark.parametrize("text, policy, reasons, nid", [
    ("bind=balancing:0-1", "moron", ["go_migrated"], 1),
    ("prefer (many)=balancing:0-1", "moron", ["go_migrated"], 1),
    ("bind=balancing:0,2", "moron", ["hold_outside_mask"], 0),   # the task is not in its mask
    ("bind:0-1", "moron", ["hold_no_mof"], 0),                   # without the flag: opted out
    ("bind=balancing:0-1", "home_node", ["hold_two_stage_filter", "go_migrated"], 1),
    ("bind=balancing:0-1", "off", ["go_migrated"], 1),           # no filter that could object
])
def test_balancing_moves_toward_the_task_inside_the_mask(text, policy, reasons, nid):
    """MPOL_F_NUMA_BALANCING: where the running node is in the mask and the filter agrees."""
    w = balanced(text, policy)
    assert [w.hint(0).reason for _ in reasons] == reasons
    assert w.nid(0) == nid


def test_a_balanced_page_that_is_where_the_task_runs_stays():
    w = balanced("bind=balancing:0-1")
    w.t.set_cpu(0)
    assert w.hint(0).reason == "hold_local"
