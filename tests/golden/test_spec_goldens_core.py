"""Do the series' own numbers come out of the core?

The published values: section G of the specification and the formulas of patches 3 and 20, every
one worked out by hand.  The same list is put to the reference model next door.
"""

import pytest
from core.world import BASE, MB, MS, PAGE, SLOT, World
from numa_core import lib
from numab import cost

SWITCHES = {
    "scan_rewind_bug": 0, "pmd_batch_migrate": 1, "last_nid_transfer": 0, "home_alloc": 1,
    "next_scan_factor": 2, "small_vma_skip": 0, "count_pages_not_faults": 0, "rate_limit": 0,
    "thp_native_migration": 0, "scan_period_min_ms": 2000, "scan_period_max_ms": 32000,
}


def test_defaults_of_the_switches():
    """G, first paragraph; pmd_batch_migrate on is version 3's, off as posted."""
    w = World()
    assert {name: w.m.tunables[name] for name in SWITCHES} == SWITCHES
    assert World(as_posted=True).m.tunables["pmd_batch_migrate"] == 0


@pytest.mark.parametrize("faults, total, weight", [
    (3, 7, 428), (7, 7, 1000), (9, 7, 1000), (1, 3, 333), (0, 5, 0)])
def test_weights(faults, total, weight):
    """min(f, tot) * 1000 / tot."""
    assert lib.numab_weight(faults, total) == weight


def test_scan_windows():
    """VMA [1 MB, 1 GB), 256 MB: 1..258 (257 rounded up to 2 MB), budget -1; then 258..514."""
    w = World(mapped=0)
    w.p.mmap(MB, 1023 * MB)
    ends = []
    for _ in range(2):
        w.scan()
        ends.append(w.t.info().mm_numa_scan_vpn * PAGE // MB)
    assert ends == [258, 514]


def test_slow_start_and_gap():
    """Executed > 1000 ms, then > 2000 ms after that stamp; at least 4000 ms of wall time between
    scans, so that on a busy CPU every second trigger scans.  HZ 250."""
    w = World()
    triggers, scans = [], []
    for now in range(4, 9024, 4):
        w.m.set_now(now * MS)
        w.t.account(4 * MS)
        stamp = w.t.info().node_stamp_ns
        if w.t.tick():
            scans.append(now)
            w.t.task_work()
        if w.t.info().node_stamp_ns != stamp:
            triggers.append(now)
    assert triggers == [1004, 3008, 5012, 7016, 9020]
    assert scans == [1004, 5012, 9020]


def test_gap_at_the_longest_period():
    """64,000 ms."""
    w = World(scan_period_min_ms=32000)
    w.scan()
    assert w.t.info().mm_numa_next_scan * w.m.tick_ns // MS - w.m.now_ns // MS == 64_000


@pytest.mark.parametrize("wanted, page_on", [
    ((1, 1, 1, 0, 0), [0, 1, 1, 1, 0]), ((0, 1, 1), [0, 0, 1])])
def test_two_stage_filter(wanted, page_on):
    """1 stay, 1 move (new page last -1), 1 stay, 0 stay, 0 move; 0 stay, 1 stay, 1 move."""
    w = World(pmd_mark=0)
    w.write(0)
    seen = []
    for nid in wanted:
        w.t.set_home(nid)
        w.hint()
        seen.append(w.nid())
    assert seen == page_on


def test_decay():
    """tot 9 -> 4 -> 2 -> 1 -> 0 on successive passes."""
    w = World(mapped=9, pmd_mark=0)
    w.write(*range(9))
    for page in range(9):
        w.hint(page)
    totals = [w.t.info().numa_fault_tot]
    for _ in range(4):
        w.scan()
        totals.append(w.t.info().numa_fault_tot)
    assert totals == [9, 4, 2, 1, 0]


def test_misplaced_huge_page():
    """numa_hint_faults 1, then one per touched base page, each with its own filter; migrated at
    most as many as were touched."""
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.mark(0, SLOT)
    w.touch(0)                                    # the filter's first stage, whole page
    w.t.set_cpu(1)
    w.mark(0, SLOT)
    w.touch(0)                                    # wants another node than last time: stays
    w.mark(0, SLOT)
    before = w.m.counters["numa_hint_faults"]
    for page in (0, 1, 2, 3):
        w.touch(page)
    assert w.m.counters["thp_split"] == 1
    assert w.m.counters["numa_hint_faults"] - before == 1 + 4
    assert w.nids(4) == [1, 0, 0, 0]              # the head had its first stage, tails start anew
    assert w.m.counters["numa_pages_migrated"] == 1


def test_cost_formulas():
    """Patches 3 and 20 with u = 8 bytes, a struct page of 56, Wi 12, Wnuma 1.2, by hand:

    Ca 7, Cpagerw 519, Ci 19, Cpagecopy (519 + 19) x 2.2 = 1183.6, Cmc 1038, Cmf 14
    """
    stats = {"numa_pte_updates": 3, "numa_hint_faults": 2, "numa_pages_migrated": 1,
             "pgmigrate_success": 1, "pgmigrate_fail": 1, "numa_hint_faults_local": 1}
    assert cost.balancing_cost(stats) == pytest.approx(3 * 7 + 2 * 1000 + 19 + 1183.6)
    assert cost.compaction_cost(stats) == 1038 + 14
    assert cost.convergence(stats) == 0.5
    w = World(policy="moron", pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.hint()
    assert cost.balancing_cost(w.m.vmstat()) == pytest.approx(7 + 1000 + 19 + 1183.6)


def test_a_mapping_that_ends_with_the_address_space_is_no_special_case():
    """V10 27/49's subtle point: budget and address space end together only if they do."""
    w = World(mapped=0)
    w.p.mmap(BASE, 256 * MB)
    w.scan()
    assert (w.t.info().mm_numa_scan_seq, w.t.info().mm_numa_scan_vpn) == (1, 0)
