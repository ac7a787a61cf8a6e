"""numab.Process: address spaces, their pages and policies."""

from __future__ import annotations

import numpy as np
import pytest

from numab import AccessFault, AlreadyMapped, InvalidArgument, Machine, NoSuchTask, Vma, rows

BASE = 0x10000000
VPN = BASE >> 12
PAGE = 4096


@pytest.fixture
def p():
    return Machine("2s", tunables={"zero_page": 0}).process(cpu=0)


def layout(p):
    return [(v.vaddr - BASE, v.size, v.prot) for v in p.vmas()]


def test_mmap_returns_what_vmas_lists(p):
    vma = p.mmap(BASE, 8 * PAGE, prot="r", flags=("io",), pgoff=3)
    assert vma == Vma(BASE, 8 * PAGE, "anon_private", "r", ("io",), 0, 3)
    assert p.vmas() == [vma] and p.pid == 1 and p.main.tid == 1


def test_munmap_and_mprotect_split(p):
    """pages  0 1 2 3 4 5 6 7
              r r w . . w w w     Expect: three VMAs, and holes refuse mprotect but not munmap."""
    p.mmap(BASE, 8 * PAGE)
    p.munmap(BASE + 3 * PAGE, 2 * PAGE)
    p.munmap(BASE + 3 * PAGE, 2 * PAGE)
    p.mprotect(BASE, 2 * PAGE, "r")
    assert layout(p) == [(0, 2 * PAGE, "r"), (2 * PAGE, PAGE, "rw"), (5 * PAGE, 3 * PAGE, "rw")]
    with pytest.raises(AccessFault):
        p.mprotect(BASE + 2 * PAGE, 2 * PAGE, "r")
    with pytest.raises(AccessFault):
        p.main.access(BASE, write=True)
    with pytest.raises(AlreadyMapped):
        p.mmap(BASE + 4 * PAGE, 2 * PAGE)
    p.machine.check()


def test_mremap_moves_pages_and_marks(p):
    p.mmap(BASE, 2 * PAGE)
    p.main.access(BASE, write=True)
    assert p.change_prot_numa(BASE, 2 * PAGE) == 1
    p.mremap(BASE, 2 * PAGE, BASE + 16 * PAGE)
    assert layout(p) == [(16 * PAGE, 2 * PAGE, "rw")]
    assert {"marked", "present"} <= p.page(VPN + 16).flags
    with pytest.raises(NoSuchTask):
        p.set_page_flags(VPN, ["pinned"])


def test_populate_present_and_promised(p):
    """present: pages are there at once; otherwise only their node is fixed for the first touch."""
    p.mmap(BASE, 8 * PAGE)
    p.populate([VPN, VPN + 1], [1, 0])
    p.populate(range(VPN + 2, VPN + 4), 1, present=False)
    assert p.page_nids(VPN, 8).tolist() == [1, 0, -1, -1, -1, -1, -1, -1]
    for page in range(8):
        p.main.access(BASE + page * PAGE, write=True)
    assert p.page_nids(VPN, 8).tolist() == [1, 0, 1, 1, 0, 0, 0, 0]
    assert p.node_pages().tolist() == [5, 3]
    p.populate([], [])
    with pytest.raises(AccessFault):
        p.populate([VPN + 8], 0)


def test_page_tells_flags_tag_and_sharers(p):
    p.mmap(BASE, 2 * PAGE)
    p.main.access(BASE, write=True)
    page = p.page(VPN)
    assert (page.nid, page.tag, page.mapcount) == (0, None, 1)
    assert page.flags == {"present", "writable", "accessed", "dirty", "exclusive"}
    child = p.main.fork()
    assert p.page(VPN).mapcount == 2 and child.page(VPN).mapcount == 2
    assert "writable" not in p.page(VPN).flags
    assert p.page(VPN + 1) == type(page)(-1, None, 0, frozenset())


def test_a_hint_leaves_its_node_as_the_pages_tag(p):
    p.mmap(BASE, PAGE)
    p.main.access(BASE, write=True)
    for cpu, tag in ((0, 0), (8, 1)):
        p.main.set_cpu(cpu)
        p.change_prot_numa(BASE, PAGE)
        p.main.access(BASE)
        assert p.page(VPN).tag == tag


@pytest.mark.parametrize("flag, reason", [
    ("no_lru", "hold_isolation_failed"), ("pinned", "hold_migrate_again"),
    ("writeback", "hold_migrate_failed"),
])
def test_page_flags_of_the_host_stop_a_move(flag, reason):
    p = Machine("2s", policy="moron", tunables={"zero_page": 0}).process(cpu=0)
    p.mmap(BASE, PAGE)
    p.main.access(BASE, write=True)
    p.main.set_cpu(8)
    p.set_page_flags(VPN, [flag])
    p.change_prot_numa(BASE, PAGE)
    assert p.main.access(BASE).reason == reason and p.page(VPN).nid == 0
    p.set_page_flags(VPN, [flag], on=False)
    p.change_prot_numa(BASE, PAGE)
    assert p.main.access(BASE).reason == "go_migrated"


def test_migrate_pages_moves_and_counts_what_stays(p):
    p.mmap(BASE, 4 * PAGE)
    p.main.access_rows(rows(VPN + np.arange(4), writes=1))
    p.set_page_flags(VPN + 1, ["pinned"])
    assert p.migrate_pages(VPN + np.arange(4), 1, reason="numa_misplaced") == 1
    assert p.page_nids(VPN, 4).tolist() == [1, 0, 1, 1]
    assert p.machine.counters["pgmigrate_success"] == 3
    with pytest.raises(InvalidArgument, match="permitted: compaction, "):
        p.migrate_pages([VPN], 1, reason="because")


@pytest.mark.parametrize("mode, options, nids", [
    ("local", {}, [0, 0, 0, 0]), ("preferred", {"nid": 1}, [1, 1, 1, 1]),
    ("bind", {"nodes": [1]}, [1, 1, 1, 1]), ("interleave", {"nodes": {0, 1}}, [0, 1, 0, 1]),
    ("none", {}, [0, 0, 0, 0]),
])
def test_a_range_obeys_its_policy(p, mode, options, nids):
    p.mmap(BASE, 4 * PAGE)
    p.set_policy(BASE, 4 * PAGE, mode, **options)
    p.main.access_rows(rows(VPN + np.arange(4), writes=1))
    assert p.page_nids(VPN, 4).tolist() == nids


def test_policy_splits_a_vma_and_lazy_migrates(p):
    p.mmap(BASE, 4 * PAGE)
    p.main.access_rows(rows(VPN + np.arange(4), writes=1))
    p.set_policy(BASE + PAGE, PAGE, "preferred", nid=1, lazy=True)
    assert len(p.vmas()) == 3
    p.change_prot_numa(BASE, 4 * PAGE)
    p.main.access_rows(rows(VPN + np.arange(4), reads=1))
    assert p.page_nids(VPN, 4).tolist() == [0, 1, 0, 0]


def test_huge_pages_split():
    p = Machine("2s", tunables={"zero_page": 0, "thp": 1}).process(cpu=0)
    p.mmap(2 << 20, 2 << 20)
    p.main.access(2 << 20, write=True)
    assert "huge" in p.page(512).flags and p.node_pages()[0] == 512
    p.split_huge_page(700)
    assert "huge" not in p.page(512).flags and p.machine.counters["thp_split"] == 1
    with pytest.raises((NoSuchTask, InvalidArgument)):
        p.split_huge_page(512)


def test_faults_are_accounted_where_a_misplaced_page_goes(p):
    p.mmap(BASE, 4 * PAGE)
    p.main.access_rows(rows(VPN + np.arange(4), writes=1))
    p.main.set_cpu(8)
    for _ in range(2):
        p.change_prot_numa(BASE, 4 * PAGE)
        p.main.access_rows(rows(VPN + np.arange(4), reads=1))
    assert p.node_pages().tolist() == [0, 4]
    assert p.faults().tolist() == p.main.faults().tolist()
    assert p.faults()[0] == 0 and p.faults()[1] > 0
