"""The per-fault filters: MORON (21), home node (26), last_nid and the two stages (30, 31), own."""

import pytest
from numab import STAY, InvalidArgument, Policy, Verdict

from .world import BASE, PAGE, SLOT, VPN, World


def wanted(w, *nids):
    """One hint per wanted node, the task at home there; the page's node after each."""
    seen = []
    for nid in nids:
        w.t.set_home(nid)
        w.hint()
        seen.append(w.nid())
    return seen


# ---- patch 21: migrate on reference of pte_numa node ----


def test_moron_moves_at_the_first_touch_from_another_node():
    """
    touched from:  0 | 1    1    0
    page's node:   0 | 1    1    0      Expect: at every change of hands, whatever the home node.
    """
    w = World(policy="moron", pmd_mark=0)
    w.t.set_home(0)
    w.write(0)
    seen = []
    for cpu in (1, 1, 0):
        w.t.set_cpu(cpu)
        seen.append((w.hint().reason, w.nid()))
    assert seen == [("go_migrated", 1), ("hold_local", 1), ("go_migrated", 0)]
    assert w.page().tag is None


# ---- patches 30, 31: last_nid and the two-stage filter ----


@pytest.mark.parametrize("nids, expected", [
    ((1, 1, 1, 0, 0), [0, 1, 1, 1, 0]),
    ((0, 1, 1), [0, 0, 1]),
    ((1, 0, 1, 0, 1, 0), [0] * 6)])
def test_two_faults_in_a_row_must_want_the_same_node(nids, expected):
    """Goldens of section G and 3.2; tags start unset, a moved page's anew:

    wanted 1 1 1 0 0 -> stay, move, stay (unset again), stay, move
    wanted 0 1 1     -> stay, stay, move
    wanted 1 0 1 0   -> never
    """
    w = World(pmd_mark=0)
    w.write(0)
    assert wanted(w, *nids) == expected


def test_the_exchange_happens_at_every_examined_fault():
    """3.2: also when the page is in its place, so local faults reinforce their node.

    wanted   1      0             1            1
    page     0      0 (local)     0 (was 0)    1
    """
    w = World(pmd_mark=0)
    w.write(0)
    reasons, tags = [], []
    for nid in (1, 0, 1, 1):
        w.t.set_home(nid)
        reasons.append(w.hint().reason)
        tags.append(w.page().tag)
    assert reasons == ["hold_two_stage_filter"] * 3 + ["go_migrated"]
    assert tags == [1, 0, 1, None]


def test_an_agreeing_local_fault_is_local():
    """Step 11: last == wanted, and the page is there."""
    w = World(pmd_mark=0)
    w.write(0)
    assert [w.hint().reason for _ in range(3)] == [
        "hold_two_stage_filter", "hold_local", "hold_local"]


def test_what_is_remembered_is_the_home_node_not_the_running_one():
    """3.2: two CPUs of different nodes, one home.  Expect: they agree."""
    w = World(nodes=3, pmd_mark=0)
    w.write(0)
    w.t.set_home(2)
    w.t.set_cpu(0)
    w.hint()
    assert w.page().tag == 2
    w.t.set_cpu(1)
    assert (w.hint().reason, w.nid()) == ("go_migrated", 2)


def test_without_a_home_the_running_node_is_wanted():
    """Patch 26: home -1.  A short visit elsewhere does not drag the page along; a stay does."""
    w = World(nodes=3, pmd_mark=0)
    w.write(0)
    seen = []
    for cpu in (0, 1, 0, 2, 2):
        w.t.set_cpu(cpu)
        w.hint()
        seen.append(w.nid())
    assert seen == [0, 0, 0, 0, 2]


def test_a_page_may_be_copied_from_remote_to_remote():
    """Patch 26, on purpose: runs on 0, at home on 2, page on 1."""
    w = World(nodes=3, pmd_mark=0)
    w.place(0, 1)
    assert wanted(w, 2, 2) == [1, 2]
    assert w.m.counters["numa_hint_faults_local"] == 0


def test_two_tasks_that_take_turns_never_move_a_page():
    """p squared: threads on 0 and 1, strictly by turns.  Expect: the page stays for good."""
    w = World(pmd_mark=0)
    w.write(0)
    other = w.t.clone(1)
    for _ in range(10):
        w.hint()
        w.hint(by=other)
    assert w.nid() == 0
    assert w.reasons() == {"hold_two_stage_filter": 20}


@pytest.mark.parametrize("transfer, tag, reason", [
    (0, None, "hold_two_stage_filter"), (1, 1, "hold_local")])
def test_the_tag_is_reset_by_migration_unless_transferred(transfer, tag, reason):
    """Patch 30; switch last_nid_transfer (v3.8).  In version 2 the new page starts at -1, so that
    even a local fault has to be repeated before it is believed."""
    w = World(pmd_mark=0, last_nid_transfer=transfer)
    w.write(0)
    wanted(w, 1, 1)
    assert (w.nid(), w.page().tag) == (1, tag)
    assert w.hint().reason == reason


def test_the_tag_is_reset_when_a_page_is_freed():
    """Patch 30: _last_nid = -1 on free.  Expect: the next page at the place starts unset."""
    w = World(pmd_mark=0)
    w.write(0)
    w.hint()
    assert w.page().tag == 0
    w.p.munmap(BASE, PAGE)
    w.p.mmap(BASE, PAGE)
    w.write(0)
    assert w.page().tag is None


def test_the_tag_belongs_to_the_page_not_to_its_mapping():
    """A page's tag goes with it through fork and mremap; a copy starts unset."""
    w = World(mapped=1, pmd_mark=0)
    w.write(0)
    w.hint()
    child = w.t.fork()
    assert child.page(VPN).tag == 0
    child.main.access(BASE, True)
    assert child.page(VPN).tag is None
    w.p.mremap(BASE, PAGE, BASE + 64 * PAGE)
    assert w.page(64).tag == 0


def test_a_tag_set_on_a_huge_page_is_its_heads():
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.mark(0, SLOT)
    w.touch(77)
    assert (w.page(0).tag, w.page(1).tag) == (0, None)


# ---- a policy of one's own ----


class Seen(Policy):
    """Goes where it is told; keeps what it saw."""

    name = "seen"
    uses_home = True

    def __init__(self, *verdicts):
        self.verdicts = list(verdicts)
        self.faults = []

    def filter(self, fault):
        self.faults.append(fault)
        return self.verdicts.pop(0)


def test_an_own_filter_sees_the_fault_and_its_answer_is_kept():
    policy = Seen(Verdict(STAY, tag=77, reason="hold_user_filter"), Verdict(1, tag=78))
    w = World(policy=policy, pmd_mark=0, last_nid_transfer=1, nodes=3)
    w.write(0)
    w.t.set_home(2)
    w.t.set_cpu(1)
    w.m.set_now(123)
    assert w.hint(write=True).reason == "hold_user_filter"
    assert w.page().tag == 77
    assert w.hint().reason == "go_migrated"
    assert (w.nid(), w.page().tag) == (1, 78)
    first, second = policy.faults
    assert (first.now_ns, first.vpn, first.tid, first.pid) == (123, VPN, w.t.tid, w.p.pid)
    assert (first.cpu, first.cpu_nid, first.page_nid, first.home_nid) == (1, 1, 0, 2)
    assert (first.policy_nid, first.tag, first.write, first.huge) == (2, None, True, False)
    assert (second.tag, second.write) == (77, False)


@pytest.mark.parametrize("verdict, reason", [
    (Verdict(0), "hold_local"), (Verdict(9), "hold_user_filter"), (Verdict(1), "go_migrated"),
    (Verdict(STAY, reason="go_migrated"), "hold_user_filter"),
    (Verdict(STAY, reason="hold_rate_limit"), "hold_rate_limit")])
def test_an_own_filters_odd_answers(verdict, reason):
    """Where the page is: local.  No such node, or a «go» that stays: the filter's own no."""
    w = World(policy=Seen(verdict), pmd_mark=0)
    w.write(0)
    assert w.hint().reason == reason


def test_an_exception_in_a_filter_comes_home_and_the_page_stays():
    w = World(policy=Seen(), pmd_mark=0)
    w.write(0)
    with pytest.raises(IndexError):
        w.hint()
    assert w.nid() == 0
    assert w.touch().faults == 0


def test_policies_that_do_not_scan_or_do_not_migrate():
    """scans=False: the tick queues nothing.  migrates=False: hints are cleared, for lack of MOF."""
    class Idle(Policy):
        name = "idle"
        scans = migrates = False

    w = World(policy=Idle(), pmd_mark=0)
    w.write(0)
    assert not w.due()
    assert w.hint().reason == "hold_no_mof"


def test_names_of_policies():
    w = World()
    for name in ("off", "moron", "home_node"):
        w.m.policy = name
        assert w.m.policy == name
    with pytest.raises(InvalidArgument, match="home_node"):
        w.m.policy = "home_nod"
    assert w.m.policy == "home_node"
