"""Touching memory: rows, who counts where, get_user_pages (patch 6), looking at pages."""

import numpy as np
import pytest
from numab import AccessFault, NoSuchTask, rows

from .world import BASE, PAGE, SLOT, VPN, World


# ---- accesses are counted by the node of the CPU and of the page ----


def test_the_matrix_counts_reads_and_writes_by_both_nodes():
    """
    from CPU of   0: page on 0 (2 reads), page on 1 (1 write)     1: page on 1 (3 reads, 1 write)
    """
    w = World(mapped=2)
    w.place(0, 0)
    w.place(1, 1)
    w.touch(0)
    w.touch(0)
    w.touch(1, True)
    w.t.set_cpu(1)
    w.t.access_rows(rows(VPN + 1, reads=3, writes=1))
    assert w.m.access_matrix.tolist() == [[[2, 0], [0, 1]], [[0, 0], [3, 1]]]
    info = w.t.info()
    assert (info.accesses_local, info.accesses_remote) == (2 + 4, 1)


def test_an_access_counts_where_the_page_is_when_it_is_made():
    """After the migration that its own hint caused."""
    w = World(policy="moron")
    w.write(0)
    w.t.set_cpu(1)
    assert w.hint().nid == 1
    assert w.m.access_matrix[1, :, 0].tolist() == [0, 1]


def test_the_zero_page_counts_as_local_everywhere():
    """It belongs to no node."""
    w = World(sizes=[100, 0])
    w.touch(0)
    w.t.set_cpu(1)
    assert (w.touch(0).nid, w.nid()) == (1, -1)
    assert w.m.access_matrix[:, :, 0].tolist() == [[1, 0], [0, 1]]


# ---- rows ----


def test_rows_are_the_same_as_single_accesses():
    """Mixed pages, in and out of order, marked in between.  Expect: same counters, same state."""
    def build():
        w = World(mapped=64, policy="moron", pmd_mark=0)
        w.place(0, 0, 64)
        w.t.set_cpu(1)
        w.mark(0, 64)
        return w

    rng = np.random.default_rng(7)
    pages, writes = rng.integers(0, 64, 500), rng.integers(0, 2, 500)
    one, many = build(), build()
    cost = sum(one.touch(int(p), bool(x)).cost_ps for p, x in zip(pages, writes))
    batch = many.t.access_rows(rows(VPN + pages, reads=1 - writes, writes=writes))
    assert (batch.consumed, batch.cost_ps) == (500, cost)
    assert dict(one.m.counters) == dict(many.m.counters)
    assert one.m.access_matrix.tolist() == many.m.access_matrix.tolist()
    assert [one.page(i) for i in range(64)] == [many.page(i) for i in range(64)]


def test_a_row_of_several_pages_is_that_many_rows():
    """reads and writes are per page."""
    w = World(mapped=10)
    batch = w.t.access_rows(rows(VPN + 2 | 4 << 48, reads=1, writes=2))
    assert (batch.consumed, batch.faults) == (1, 5)
    assert w.nids(10) == [-1] * 2 + [0] * 5 + [-1] * 3
    assert w.m.access_matrix[0, 0].tolist() == [5, 10]


def test_an_empty_row_is_one_read():
    w = World()
    w.t.access_rows(rows([VPN, VPN]))
    assert w.m.access_matrix.sum() == 2
    assert w.flags() == {"present", "accessed", "zero"}


def test_a_row_with_reads_and_writes_is_an_access_of_kind_write():
    """Caveat of numab.h: the order inside a row is not known.  Expect: no zero page."""
    w = World()
    assert w.t.access_rows(rows(VPN, reads=5, writes=1)).faults == 1
    assert w.nid() == 0


@pytest.mark.parametrize("wide", [False, True])
def test_rows_stop_at_the_first_that_fails(wide):
    """The rows before it are done and counted; of a wide row its first pages are done too."""
    w = World(mapped=4)
    table = rows([VPN, VPN + 1, VPN + 3 | wide << 48, VPN], writes=1)
    if not wide:
        table["page"][2] = VPN + 9
    with pytest.raises(AccessFault):
        w.t.access_rows(table)
    assert w.nids(4) == [0, 0, -1, 0 if wide else -1]
    assert w.m.access_matrix.sum() == 2 + wide


def test_rows_cross_mappings_and_spaces_between_them():
    """Spans far apart in one batch, back and forth."""
    w = World()
    far = 1 << 46
    w.p.mmap(far, PAGE)
    table = rows([VPN, far // PAGE] * 100, writes=1)
    assert w.t.access_rows(table).consumed == 200
    assert w.m.access_matrix[0, 0, 1] == 200


def test_a_batch_on_a_machine_of_many_nodes():
    """Beyond 64 nodes counting takes another way; the result is the same."""
    w = World(sizes=[100] * 70, cpus=[(i,) for i in range(70)], mapped=70)
    w.p.populate([VPN + i for i in range(70)], list(range(70)))
    w.t.set_cpu(69)
    w.t.access_rows(rows([VPN + i for i in range(70)] * 3, reads=2))
    assert w.m.access_matrix[69, :, 0].tolist() == [6] * 70
    assert w.t.info().accesses_local == 6


# ---- patch 6: get_user_pages ----


def test_fast_gup_takes_what_the_cpu_could_reach():
    w = World(mapped=2)
    w.write(0)
    assert w.t.gup(BASE, write=True)
    assert not w.t.gup(BASE + PAGE)               # absent
    assert w.m.counters["pgfault"] == 1


def test_fast_gup_gives_up_on_marked_entries_and_marked_pmds():
    """Patch 6: a numa pmd sends it to the slow path; a numa pte lacks the hardware's PRESENT."""
    w = World(mapped=2)
    w.write(0)
    w.mark(0, 2)
    w.place(1, 0)                                 # present itself, below a marked pmd
    before = dict(w.m.counters)
    assert not w.t.gup(BASE)
    assert not w.t.gup(BASE + PAGE)
    assert dict(w.m.counters) == before
    entries_only = World(pmd_mark=0)
    entries_only.write(0)
    entries_only.mark()
    assert not entries_only.t.gup(BASE)


def test_fast_gup_gives_up_on_a_marked_huge_page():
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    assert w.t.gup(BASE + 5 * PAGE, write=True)
    w.mark(0, SLOT)
    assert not w.t.gup(BASE + 5 * PAGE)


def test_slow_gup_neither_triggers_nor_clears_a_hint():
    """No FOLL_NUMA in version 2: follow_page sees a present entry and takes it."""
    for setup in ({"pmd_mark": 0}, {"pmd_mark": 1}, {"thp": 1}):
        w = World(mapped=SLOT, **setup)
        w.write(0)
        w.mark(0, SLOT)
        flags = w.flags()
        assert w.counts(w.t.gup, BASE, write=True, fast=False) == {}
        assert w.flags() == flags
        assert w.touch(0).hints >= 1


def test_slow_gup_faults_absent_pages_in():
    w = World()
    assert w.t.gup(BASE, write=True, fast=False)
    assert (w.nid(), w.m.counters["pgfault"]) == (0, 1)
    assert w.m.access_matrix.sum() == 0


def test_slow_gup_for_writing_copies_a_shared_page():
    """A marked, read-only entry needs its write fault; the copy has no mark."""
    w = World(pmd_mark=0)
    w.write(0)
    w.mark()
    w.t.fork()
    assert w.t.gup(BASE, write=True, fast=False)
    assert w.m.counters["cow_faults"] == 1
    assert w.m.counters["numa_hint_faults"] == 0
    assert w.marked(1) == []


@pytest.mark.parametrize("thp", [0, 1])
def test_slow_gup_for_writing_leaves_a_marked_pmd(thp):
    """A read-only entry below it gets its write permission back; the pmd's hint is still armed."""
    w = World(mapped=SLOT, thp=thp)
    w.write(0)
    w.p.mprotect(BASE, SLOT * PAGE, "r")
    w.p.mprotect(BASE, SLOT * PAGE, "rw")
    w.mark(0, SLOT)
    assert w.counts(w.t.gup, BASE, write=True, fast=False) == {"pgfault": 1}
    assert {"writable", "pmd_marked"} <= w.flags()
    assert w.touch(0, True).hints == 1


def test_slow_gup_for_an_absent_page_meets_a_marked_pmd():
    """handle_mm_fault has to be asked for the page, and finds the pmd first (patch 8)."""
    w = World(mapped=2, as_posted=True)
    w.write(0)
    w.mark(0, 2)
    assert w.counts(w.t.gup, BASE + PAGE, write=True, fast=False)["pmd_hint_faults"] == 1
    assert w.nids(2) == [0, 0]


def test_gup_respects_protection():
    w = World()
    w.write(0)
    w.p.mprotect(BASE, PAGE, "r")
    assert w.t.gup(BASE)
    assert not w.t.gup(BASE, write=True)
    for vaddr, write in ((BASE, True), (BASE + PAGE, False)):
        with pytest.raises(AccessFault):
            w.t.gup(vaddr, write=write, fast=False)
    assert w.m.counters["sigsegv"] == 0


# ---- looking at pages ----


def test_flags_of_the_host_are_set_and_cleared_on_pages_that_are_there():
    w = World(mapped=2)
    w.write(0)
    for flag in ("no_lru", "pinned", "writeback"):
        w.set_flag(flag)
        assert flag in w.flags()
        w.set_flag(flag, on=False)
        assert flag not in w.flags()
    with pytest.raises(NoSuchTask):
        w.set_flag("pinned", 1)
    w.touch(1)
    with pytest.raises(NoSuchTask):               # the zero page is nobody's
        w.set_flag("pinned", 1)


def test_pages_of_a_process_by_node():
    """node_pages, with and without shared pages."""
    w = World(mapped=6, nodes=3)
    w.place(0, 1, 2)
    w.place(2, 2)
    w.write(3)
    assert w.p.node_pages().tolist() == [1, 2, 1]
    child = w.t.fork(1)
    assert child.node_pages().tolist() == [1, 2, 1]
    child.main.access(BASE, True)
    w.write(4)
    assert child.node_pages().tolist() == [1, 2, 1]
    assert w.p.node_pages().tolist() == [2, 2, 1]
    assert w.t.info().mm_pages == 5
