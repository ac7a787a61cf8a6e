"""Fork and copy on write: who shares what, marks included."""

import pytest
from numab import InvalidArgument

from .world import BASE, PAGE, SLOT, VPN, World


def forked(n=1, **kwargs):
    w = World(mapped=n, pmd_mark=0, **kwargs)
    w.write(*range(n))
    child = w.t.fork(1)
    return w, child


def test_fork_shares_pages_until_somebody_writes():
    """
    parent  P            P            P'  (own again, the same page)
    child      -> shared    write -> C   own copy on the writer's node
    """
    w, child = forked()
    assert (w.page().mapcount, child.page(VPN).mapcount) == (2, 2)
    assert "writable" not in w.flags()
    assert w.m.node(0).free == 3999
    assert w.counts(child.main.access, BASE, True) == {
        "pgfault": 1, "cow_faults": 1, "alloc_pages": 1, "tlb_flush_local": 1}
    assert (child.page(VPN).nid, child.page(VPN).mapcount) == (1, 1)
    assert (w.page().nid, w.page().mapcount) == (0, 1)
    assert w.counts(w.touch, 0, True) == {"pgfault": 1}
    assert "exclusive" in w.flags()


def test_reads_share_for_ever():
    w, child = forked()
    assert child.main.access(BASE).faults == 0
    assert w.touch().faults == 0
    assert w.page().mapcount == 2


def test_the_child_starts_unaccessed():
    """copy_one_pte clears the accessed bit in the child; its dirty bit stays in private memory."""
    w, child = forked()
    assert child.page(VPN).flags == {"present", "dirty"}
    child.main.access(BASE)
    assert "accessed" in child.page(VPN).flags


def test_a_marked_entry_is_copied_marked():
    """It counts as present.  Expect: each has a hint of its own to take."""
    w = World(pmd_mark=0)
    w.write(0)
    w.mark()
    child = w.t.fork()
    assert "marked" in w.flags() and "marked" in child.page(VPN).flags
    assert child.main.access(BASE).hints == 1
    assert "marked" in w.flags()
    assert w.touch().hints == 1


def test_a_pmds_mark_is_not_copied():
    """The child's page table is new; only entries are copied."""
    w = World(mapped=2)
    w.write(0, 1)
    w.mark(0, 2)
    w.touch(0)
    w.mark(0)                                       # 0 marked, 1 only below a marked pmd
    child = w.t.fork()
    assert [child.page(VPN + i).flags & {"marked", "pmd_marked"} for i in (0, 1)] == [
        {"marked"}, set()]


def test_the_tag_and_the_node_go_with_the_page():
    w = World(pmd_mark=0, policy="home_node")
    w.place(0, 1)
    w.hint()
    child = w.t.fork()
    assert (child.page(VPN).nid, child.page(VPN).tag) == (1, 0)
    w.hint()                                        # shared: not marked, no hint
    assert w.m.counters["numa_hint_faults"] == 1


def test_the_page_is_freed_with_its_last_mapping():
    w, child = forked(3)
    grandchild = child.main.fork()
    assert w.page(2).mapcount == 3
    w.t.exit()
    child.main.exit()
    assert w.m.node(0).free == 3997
    assert grandchild.page(VPN).mapcount == 1
    grandchild.main.exit()
    assert w.m.node(0).free == 4000


def test_the_last_sharer_gets_the_page_back_on_its_next_write():
    """mapcount is 1 again: reused without a copy, keeping node and tag."""
    w = World(pmd_mark=0)
    w.place(0, 1)
    w.hint()
    child = w.t.fork()
    child.main.exit()
    assert w.page().mapcount == 1
    assert w.counts(w.touch, 0, True) == {"pgfault": 1}
    assert (w.nid(), w.page().tag) == (1, 0)
    assert {"exclusive", "writable"} <= w.flags()


def test_a_page_with_one_mapping_left_is_marked_and_moves_like_any_other():
    """mapcount 1 is all that the scanner and patch 12 ask for."""
    w = World(pmd_mark=0, policy="moron")
    w.write(0)
    w.t.fork().main.exit()
    w.t.set_cpu(1)
    assert w.mark() == 1
    assert w.touch().reason == "go_migrated"
    assert (w.nid(), w.marked(1)) == (1, [])
    assert w.touch().faults == 0


def test_fork_splits_huge_pages_first():
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.mark(0, SLOT)
    child = w.t.fork()
    assert w.m.counters["thp_split"] == 1
    assert "marked" in child.page(VPN + 300).flags
    assert "huge" not in w.flags()


def test_the_zero_page_is_nobodys():
    """Copied as it is; each copies when it writes."""
    w = World()
    w.touch(0)
    child = w.t.fork()
    assert child.page(VPN).flags == {"present", "accessed", "zero"}
    child.main.access(BASE, True)
    assert "zero" in w.flags()


def test_wishes_for_placement_are_copied():
    """populate(present=False): the first touch of either goes there."""
    w = World()
    w.p.populate([VPN], 1, present=False)
    child = w.t.fork()
    w.write(0)
    child.main.access(BASE, True)
    assert (w.nid(), child.page(VPN).nid) == (1, 1)


def test_read_only_and_protected_memory_is_copied_too():
    w = World(mapped=2)
    w.write(0, 1)
    w.p.mprotect(BASE, PAGE, "none")
    child = w.t.fork()
    assert child.main.probe(BASE).kind == "segv"
    child.mprotect(BASE, PAGE, "rw")
    assert child.main.access(BASE, True).faults == 1
    assert w.t.probe(BASE).kind == "segv"


def test_many_generations_share_one_page():
    """100 children, then each writes: 100 copies, the parent keeps the page."""
    w = World()
    w.write(0)
    children = [w.t.fork() for _ in range(100)]
    assert w.page().mapcount == 101
    for child in children:
        child.main.access(BASE, True)
    assert (w.page().mapcount, w.m.counters["cow_faults"]) == (1, 100)
    assert w.m.node(0).free == 4000 - 101


def test_a_page_has_at_most_65535_mappings():
    """One page in 256 mappings of a process: every fork adds 256.  Expect: refused once another
    doubling could overflow, at 32,768; nothing has changed then."""
    w = World(mapped=0)
    shm = w.m.object("shm", 1)
    for i in range(256):
        w.p.mmap(BASE + i * PAGE, PAGE, kind="shm", object=shm)
        w.write(i)
    for _ in range(127):
        w.t.fork()
    assert w.page().mapcount == 128 * 256
    with pytest.raises(InvalidArgument, match="32768 times"):
        w.t.fork()
    assert w.page().mapcount == 128 * 256
