"""Fault statistics per task and address space: who is credited, decay, placement (16, 29)."""

import pytest
from numa_core import lib
from numab import STAY, Policy, Verdict, rows

from .world import BASE, HIGH, MS, PAGE, SLOT, VPN, World


# ---- table B: which node is credited ----


def seen(w):
    """(credits by node, the address space's, totals, was a placement possible)."""
    info = w.t.info()
    assert w.t.faults().tolist() == w.p.faults().tolist()
    assert info.numa_fault_tot == info.mm_numa_fault_tot == info.numa_faults_ever
    return w.t.faults().tolist()


def test_a_pte_fault_that_stays_credits_the_running_node():
    """Wherever the page is: page on 0, running on 1, the filter holds."""
    w = World(pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.hint()
    assert seen(w) == [0, 1]


def test_a_pte_fault_that_migrates_credits_the_target():
    """Version 1 to 2: «account for faults on the correct node after migration».  Running on 0, at
    home on 2, page on 1.  Expect: 2."""
    w = World(nodes=3, pmd_mark=0)
    w.place(0, 1)
    w.t.set_home(2)
    w.hint()                                   # running node
    w.hint()                                   # target
    assert (seen(w), w.nid()) == ([1, 0, 1], 2)


@pytest.mark.parametrize("flag", ["no_lru", "pinned", "writeback", None])
def test_a_pte_fault_that_fails_to_migrate_credits_the_pages_node(flag):
    """4.2 step 7, 4.5: whichever way it fails."""
    w = World(policy="moron", nodes=3, sizes=[4000, 4000, 100], pmd_mark=0)
    w.place(0, 1)
    if flag:
        w.set_flag(flag)
    else:
        w.fill(2, HIGH + 1)
    w.t.set_cpu(2)
    w.hint()
    assert (seen(w), w.nid()) == ([0, 1, 0], 1)


def test_a_pmd_batch_credits_each_pages_node():
    w = World(mapped=5, as_posted=True)
    w.place(0, 0, 2)
    w.place(2, 1, 3)
    w.mark(0, 5)
    w.touch(0)
    assert seen(w) == [2, 3]


def test_a_huge_fault_that_stays_credits_the_running_node_and_a_split_nobody():
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    w.touch(0)
    assert seen(w) == [0, 1]
    w.mark(0, SLOT)
    before = w.t.info().numa_fault_tot
    assert w.touch(0).hints == 2                       # split, then the base page's own
    assert w.t.info().numa_fault_tot == before + 1


def test_a_huge_fault_counts_one_as_posted_and_512_by_switch():
    """6.1: «by one per call, pages is ignored»."""
    for switch, credit in ((0, 1), (1, SLOT)):
        w = World(mapped=SLOT, thp=1, count_pages_not_faults=switch)
        w.write(0)
        w.mark(0, SLOT)
        w.touch(0)
        assert seen(w) == [credit, 0]


def test_threads_share_the_address_spaces_numbers_and_have_their_own():
    w = World(mapped=2, pmd_mark=0)
    w.write(0, 1)
    other = w.t.clone(1)
    w.hint(0)
    w.hint(1, by=other)
    w.hint(1, by=other)
    assert (w.t.faults().tolist(), other.faults().tolist()) == ([1, 0], [0, 2])
    assert w.p.faults().tolist() == [1, 2]
    assert w.t.info().mm_numa_fault_tot == other.info().mm_numa_fault_tot == 3


# ---- decay ----


def test_totals_halve_once_a_pass():
    """6.2, golden of section G: 9 -> 4 -> 2 -> 1 -> 0.  The address space's numbers by node wait
    for placement."""
    w = World(mapped=9, pmd_mark=0)
    w.write(*range(9))
    for page in range(9):
        w.hint(page)
    totals = []
    for _ in range(5):
        info = w.t.info()
        assert w.t.faults()[0] == info.mm_numa_fault_tot == info.numa_fault_tot
        totals.append(info.numa_fault_tot)
        w.scan()
    assert totals == [9, 4, 2, 1, 0]
    assert w.t.info().numa_faults_ever == 9
    assert w.p.faults().tolist() == [9, 0]


def test_the_address_spaces_nodes_halve_with_its_total_by_switch():
    """Section D: mm per-node decay per thread, total decay per pass; mended, both per pass."""
    w = World(mapped=9, pmd_mark=0, mm_decay_once=1)
    w.write(*range(9))
    for page in range(9):
        w.hint(page)
    seen_by_node = []
    for _ in range(4):
        w.scan()
        seen_by_node.append((w.p.faults().tolist(), w.t.info().mm_numa_fault_tot))
    assert seen_by_node == [([4, 0], 4), ([2, 0], 2), ([1, 0], 1), ([0, 0], 0)]


def test_only_the_scanning_tasks_numbers_halve():
    """6.2: total and every node of the task that came to the end; other threads' do not."""
    w = World(mapped=1, nodes=3, pmd_mark=0)
    w.write(0)
    other = w.t.clone(1)
    for cpu, hints in ((0, 5), (1, 3), (2, 1)):
        w.t.set_cpu(cpu)
        for _ in range(hints):
            w.hint()
    for _ in range(4):
        w.hint(by=other)
    assert w.t.faults().tolist() == [5, 3, 1]
    w.scan()
    assert w.t.faults().tolist() == [2, 1, 0]
    assert w.t.info().numa_fault_tot == 4                # 9 >> 1, though 2 + 1 + 0 = 3
    assert (other.faults().tolist(), other.info().numa_fault_tot) == ([0, 4, 0], 4)
    assert w.t.info().mm_numa_fault_tot == 13 >> 1


def test_a_window_that_is_not_the_last_decays_nothing():
    w = World(mapped=SLOT * 2, pmd_mark=0, scan_size_mb=2)
    w.write(0)
    for _ in range(4):
        w.hint()
    w.scan()
    assert w.t.info().numa_fault_tot == 4
    w.scan()
    assert w.t.info().numa_fault_tot == 2


# ---- weights ----


@pytest.mark.parametrize("faults, total, weight", [
    (3, 7, 428), (7, 7, 1000), (9, 7, 1000), (1, 3, 333), (0, 5, 0), (0, 0, 0), (5, 0, 0),
    (1, 1000, 1), (1, 1001, 0), (1 << 40, 1 << 41, 500)])
def test_weights_are_thousandths(faults, total, weight):
    """6.3, goldens of section G: min(f, tot) * 1000 / tot."""
    assert lib.numab_weight(faults, total) == weight


# ---- patch 16: placement only for misplaced pages, once per pass ----


class Placing(Policy):
    """MORON that notes where the kernel would place; `act` may do something there."""

    name = "placing"

    def __init__(self, act=None):
        self.placed = []
        self.act = act

    def place(self, machine, tid):
        self.placed.append(tid)
        if self.act:
            self.act(machine, tid)


def placing(**kwargs):
    policy = Placing(kwargs.pop("act", None))
    w = World(policy=policy, pmd_mark=0, mapped=2, **kwargs)
    w.write(0, 1)
    return w, policy.placed


def test_placement_runs_once_per_pass_and_only_for_a_misplaced_page():
    """
    pass:    0            1                              2
    fault:   misplaced    local  misplaced  misplaced    misplaced
    placed:  no           no     yes        no           yes
    """
    w, placed = placing()

    def fault(cpu):
        w.t.set_cpu(cpu)
        w.hint()
        return len(placed)

    assert fault(1) == 0                 # sequence 0 was copied at fork: nothing new
    w.scan()
    assert [fault(1), fault(0), fault(1)] == [0, 1, 1]
    w.scan()
    assert fault(0) == 2


def test_placement_runs_whether_or_not_the_migration_worked():
    """Patch 16: true iff mpol_misplaced() gave a node."""
    w, placed = placing()
    w.set_flag("pinned")
    w.scan()
    w.t.set_cpu(1)
    assert w.hint().reason == "hold_migrate_again"
    assert placed == [w.t.tid]


def test_each_thread_is_placed_for_itself():
    w, placed = placing()
    other = w.t.clone(1)
    w.scan()
    w.hint(0, by=other)
    w.t.set_cpu(1)
    w.hint(1)
    w.hint(1)
    assert placed == [other.tid, w.t.tid]


def test_a_batch_as_posted_and_a_split_place_nobody():
    """Table B: misplaced false for the pmd, nothing at all for a split."""
    policy = Placing()
    w = World(policy=policy, mapped=2 * SLOT, thp=1, as_posted=True)
    w.m.tunables["thp"] = 1
    w.write(0)
    w.place(SLOT, 0)
    w.scan()
    w.t.set_cpu(1)
    w.touch(SLOT)
    assert w.m.counters["pmd_hint_faults"] == 1
    assert policy.placed == []


def test_the_batch_of_version_3_places_once():
    policy = Placing()
    w = World(policy=policy, mapped=4)
    w.write(0, 1, 2, 3)
    w.scan()
    w.t.set_cpu(1)
    w.touch(0)
    assert w.m.counters["numa_pages_migrated"] == 4
    assert policy.placed == [w.t.tid]


def test_a_move_asked_for_in_the_hook_waits_for_the_end_of_the_batch():
    """Called inside the accounting, after the credit; the task runs on 1 while its rows last.

    row               page 0 (hint: moves 0 -> 1)   page 0   page 1
    counted from, to  1, 1                          1, 1     1, 0       then it is on CPU 0
    """
    told = []

    def act(machine, tid):
        task = machine.task(tid)
        told.append(task.faults().tolist())
        task.set_home(0)
        task.set_cpu(0)
        told.append(task.info().cpu)

    w, _ = placing(act=act)
    w.scan()
    w.touch(0)
    w.touch(1)
    w.mark(0)
    w.t.set_cpu(1)
    before = w.m.access_matrix.copy()
    w.t.access_rows(rows([VPN, VPN, VPN + 1], reads=1))
    assert (w.m.access_matrix - before)[:, :, 0].tolist() == [[0, 0], [1, 2]]
    assert told == [[2, 1], 1]
    assert (w.t.info().cpu, w.t.info().home_nid) == (0, 0)


def test_an_exception_in_the_hook_comes_home_and_the_access_is_done():
    """Expect: the page has moved, the access is counted once, and the next call is not troubled."""
    def act(machine, tid):
        raise ZeroDivisionError

    for call in ("access", "rows", "wide"):
        w, placed = placing(act=act)
        w.scan()
        w.t.set_cpu(1)
        w.mark(0, 2)
        with pytest.raises(ZeroDivisionError):
            if call == "access":
                w.touch()
            else:
                w.t.access_rows(rows(VPN | (call == "wide") << 48, reads=1))
        assert (w.nid(), w.t.info().accesses_local, placed) == (1, 2 + 1, [w.t.tid])
        assert w.touch().faults == 0


def test_a_python_filter_and_hook_serve_the_closed_mode_too():
    """A run stops at the exception and can be taken up again, nothing lost or done twice."""
    class Once(Policy):
        name = "once"
        failures = 1

        def filter(self, fault):
            return Verdict(STAY if fault.page_nid == fault.cpu_nid else fault.cpu_nid)

        def place(self, machine, tid):
            if self.failures:
                self.failures -= 1
                raise RuntimeError("stop here")

    w = World(policy=Once(), mapped=4, pmd_mark=0, latency_local_ps=100_000_000)
    w.place(0, 1, 4)
    w.scan()                              # pass 1; then the task is fed from CPU 0
    w.m.set_now(4 * MS)
    w.t.feed_pattern("sweep", BASE // PAGE, 4, reads=1, touches=4)
    with pytest.raises(RuntimeError, match="stop here"):
        w.m.run(40 * MS)
    assert w.m.run(40 * MS).why == "feed"
    assert w.nids(4) == [0, 0, 0, 0]
    assert w.m.access_matrix.sum() == 4
