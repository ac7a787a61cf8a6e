"""External mode: the host owns time and pages, and answers for every move."""

import pytest
from numab import InvalidArgument, NoSuchTask, OutOfMemory

from .world import BASE, HIGH, MS, PAGE, SLOT, VPN, World

HINT = {"pgfault": 1, "numa_hint_faults": 1}
MOVED = {"numa_pages_migrated": 1, "pgmigrate_success": 1, "migrate_calls": 1, "migrate_passes": 1}


def asked(n=1, **kwargs):
    """n pages of node 0, touched from node 1 through their hints: n moves are asked for."""
    w = World(external=True, policy="moron", mapped=n, pmd_mark=0, **kwargs)
    w.place(0, 0, n)
    w.t.set_cpu(1)
    w.mark(0, n)
    for page in range(n):
        w.touch(page)
    return w


def test_a_misplaced_page_becomes_a_record_and_stays():
    """The fault ends with the page where it is and without its mark; nothing is accounted yet."""
    w = World(external=True, policy="moron", pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.mark()
    assert w.counts(w.touch) == HINT
    assert w.reasons() == {"go_asked_host": 1}
    assert w.nid() == 0
    assert w.flags() >= {"present", "moving"} and "marked" not in w.flags()
    assert w.t.faults().tolist() == [0, 0]
    (move,) = w.m.moves()
    assert (move.vpn, move.pid, move.tid, move.from_nid, move.to_nid, move.nr_pages) == (
        VPN, w.p.pid, w.t.tid, 0, 1, 1)
    assert w.m.moves() == []                  # a record is handed out once


def test_the_answer_completes_the_fault():
    """Done: counters, statistics and the page's node as the closed mode has them."""
    w = asked()
    (move,) = w.m.moves()
    assert w.counts(w.m.migrated, move) == MOVED
    assert (w.nid(), w.t.faults().tolist()) == (1, [0, 1])
    assert "moving" not in w.flags()
    assert (w.m.node(0).free, w.m.node(1).free) == (4000, 3999)
    assert w.reasons() == {"go_asked_host": 1, "go_migrated": 1}


def test_a_refusal_leaves_the_page_and_credits_its_node():
    w = asked()
    (move,) = w.m.moves()
    assert w.counts(w.m.migrated, move, ok=False) == {
        "pgmigrate_fail": 1, "migrate_calls": 1, "migrate_passes": 1}
    assert (w.nid(), w.t.faults().tolist()) == (0, [1, 0])
    assert w.reasons()["hold_host_refused"] == 1
    assert w.hint().reason == "go_asked_host"     # it may be asked again


def test_until_the_answer_the_page_counts_as_isolated():
    w = asked()
    assert w.hint().reason == "hold_isolation_failed"
    assert w.p.migrate_pages([VPN], 1) == 0       # and is on no list
    assert w.nid() == 0
    (move,) = w.m.moves()
    w.m.migrated(move)
    w.t.set_cpu(0)
    assert w.hint().reason == "go_asked_host"


def test_moves_come_oldest_first_and_in_batches():
    w = asked(5)
    assert [m.vpn - VPN for m in w.m.moves(2)] == [0, 1]
    assert [m.vpn - VPN for m in w.m.moves()] == [2, 3, 4]


def test_answers_may_come_in_any_order_and_only_once():
    w = asked(3)
    moves = w.m.moves()
    for move in (moves[2], moves[0]):
        w.m.migrated(move)
    assert w.nids(3) == [1, 0, 1]
    with pytest.raises(NoSuchTask):
        w.m.migrated(moves[0])
    with pytest.raises(NoSuchTask):
        w.m.migrated(99)
    w.m.migrated(moves[1])
    assert w.m.counters["numa_pages_migrated"] == 3


def test_refusals_before_the_host_is_asked_are_as_ever():
    """mapcount and watermark come first (patch 12)."""
    for reason in ("hold_shared_page", "hold_target_low_memory"):
        w = World(external=True, policy="moron", sizes=[4000, 100], pmd_mark=0)
        w.write(0)
        w.t.set_cpu(1)
        w.mark()
        if reason == "hold_shared_page":
            w.t.fork()
        else:
            w.fill(1, HIGH + 1)
        assert w.touch(0).reason == reason
        assert w.m.moves() == []


def test_a_huge_page_moves_whole():
    w = World(external=True, policy="moron", mapped=SLOT, thp=1, thp_native_migration=1)
    w.write(0)
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    w.touch(7)
    (move,) = w.m.moves()
    assert (move.vpn, move.nr_pages) == (VPN, SLOT)
    w.m.migrated(move)
    assert w.nids(SLOT) == [1] * SLOT
    assert w.m.counters["numa_pages_migrated"] == SLOT
    assert "huge" in w.flags()


def test_a_huge_page_split_meanwhile_does_not_move():
    w = World(external=True, policy="moron", mapped=SLOT, thp=1, thp_native_migration=1)
    w.write(0)
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    w.touch(7)
    w.p.split_huge_page(VPN)
    (move,) = w.m.moves()
    with pytest.raises(NoSuchTask):
        w.m.migrated(move)
    assert w.nids(SLOT) == [0] * SLOT
    assert "moving" not in w.flags()
    assert w.m.counters["pgmigrate_fail"] == SLOT


@pytest.mark.parametrize("gone", ["munmap", "exec", "exit"])
def test_a_page_that_is_gone_counts_as_failed(gone):
    """NUMAB_ENOENT, and nothing moves."""
    w = asked()
    (move,) = w.m.moves()
    {"munmap": lambda: w.p.munmap(BASE, PAGE), "exec": w.t.exec, "exit": w.t.exit}[gone]()
    with pytest.raises(NoSuchTask):
        w.m.migrated(move)
    assert w.m.counters["pgmigrate_fail"] == 1
    assert w.m.counters["numa_pages_migrated"] == 0
    assert w.m.node(0).free == 4000


def test_an_old_answer_does_not_move_a_new_page_at_the_same_place():
    """1 page A is asked for   2 unmapped, mapped anew, page B is asked for   3 the answer for A
    comes.  Expect: A is gone, B waits for its own answer."""
    w = asked()
    (old,) = w.m.moves()
    w.p.munmap(BASE, PAGE)
    w.p.mmap(BASE, PAGE)
    w.t.set_cpu(0)
    w.write(0)
    w.t.set_cpu(1)
    w.hint()
    (new,) = w.m.moves()
    with pytest.raises(NoSuchTask):
        w.m.migrated(old)
    assert (w.nid(), "moving" in w.flags()) == (0, True)
    w.m.migrated(new)
    assert w.nid() == 1


def test_a_page_is_moved_where_it_has_gone_meanwhile():
    """mremap while a move is under way: the record goes with it."""
    w = asked()
    w.p.mremap(BASE, PAGE, BASE + 64 * PAGE)
    (move,) = w.m.moves()
    assert move.vpn == VPN + 64
    w.m.migrated(move)
    assert w.nid(64) == 1


def test_a_page_shared_meanwhile_does_not_move():
    """fork makes it two mappings' page: the move is void, which counts as failed."""
    w = asked()
    child = w.t.fork()
    (move,) = w.m.moves()
    with pytest.raises(NoSuchTask):
        w.m.migrated(move)
    assert (w.nid(), child.page(VPN).nid, w.m.counters["pgmigrate_fail"]) == (0, 0, 1)
    assert "moving" not in w.flags()


@pytest.mark.parametrize("leaves", ["parent", "child"])
def test_a_page_shared_meanwhile_is_free_again_after_the_answer(leaves):
    """Shared by fork, then one of the two goes away or writes a copy.  Expect: whoever keeps the
    page, no mark of the move stays on it."""
    w = asked()
    child = w.t.fork()
    if leaves == "parent":
        w.touch(0, True)                          # copies: its entry has another page now
        keeper = child
    else:
        child.main.exit()
        keeper = w.p
    (move,) = w.m.moves()
    try:
        w.m.migrated(move)
    except NoSuchTask:
        pass
    assert "moving" not in keeper.page(VPN).flags
    assert "moving" not in w.flags()


def test_a_target_without_room_is_refused_and_the_move_stays_open():
    """The host says done, but the model has no page there: out of memory, nothing has changed."""
    w = asked(sizes=[4000, 100])
    (move,) = w.m.moves()
    w.p.mmap(BASE + PAGE, 200 * PAGE)
    w.p.set_policy(BASE + PAGE, 200 * PAGE, "bind", nodes=[1])
    with pytest.raises(OutOfMemory):
        w.write(*range(1, 200))
    assert w.m.node(1).free == 8
    w.m.migrated(move)                            # 8 pages are room enough
    assert w.nid() == 1


def test_4096_moves_can_be_under_way():
    """Then faults hold; an answer makes room for one."""
    w = asked(4097, pages=9000)
    assert w.reasons() == {"go_asked_host": 4096, "hold_isolation_failed": 1}
    moves = w.m.moves()
    assert len(moves) == 4096
    w.m.migrated(moves[17])
    assert w.hint(4096).reason == "go_asked_host"
    assert w.m.moves()[0].vpn == VPN + 4096


def test_the_host_keeps_the_time():
    """numab_run is refused; the clockwork is the host's: account, tick, task_work."""
    w = World(external=True)
    with pytest.raises(InvalidArgument, match="external"):
        w.m.run(100 * MS)
    w.write(0)
    w.m.set_now(1004 * MS)
    w.t.account(1004 * MS)
    assert w.t.tick()
    assert w.t.task_work() == 1


def test_what_the_access_left_stays_in_the_entry():
    """The fault's access is over when the answer comes: ACCESSED and DIRTY are not lost."""
    w = World(external=True, policy="moron", pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.hint(write=True)
    w.m.migrated(w.m.moves()[0])
    assert {"accessed", "dirty", "writable"} <= w.flags()
    assert w.touch(0, True).faults == 0
