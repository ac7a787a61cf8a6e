"""The policy v3_8, as merged in Linux 3.8: each of its rules, on and off (policies, section 4)."""

import pytest
from numab import Machine

from .world import BASE, MB, MS, PAGE, SLOT, VPN, World


def world(**kwargs):
    """Two nodes under v3_8; entries alone are marked, and scans are let through."""
    return World(policy="v3_8", **{"pmd_mark": 0, "first_nid_gate": 0, **kwargs})


def period(w, by=None):
    return (by or w.t).info().numa_scan_period_ms


# ---- the filter ----

#: Golden vectors (policies, section 10): A runs on node 0, B on node 1, the page starts on node 0.
VECTORS = [
    ("BBB", [1, 1, 1], [0, 1, 1]),
    ("BABABABA", [1, 0, 1, 0, 1, 0, 1, 0], [0] * 8),
    ("AABBAABB", [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0, 0, 1]),
    ("ABBBABBB", [0, 1, 1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1]),
]


@pytest.mark.parametrize("faults, moron, v3_8", VECTORS)
def test_the_golden_filter_vectors(faults, moron, v3_8):
    """The node of the page after each hinting fault."""
    for policy, expected in (("moron", moron), ("v3_8", v3_8)):
        w = World(policy=policy, pmd_mark=0, rate_limit=0)
        w.write(0)
        other = w.t.clone(1)
        seen = []
        for who in faults:
            w.hint(by=other if who == "B" else w.t)
            seen.append(w.nid())
        assert seen == expected


def test_the_running_node_is_wanted_whatever_the_home():
    """Home nodes were not merged; memory comes from the running node too."""
    w = world(mapped=2, nodes=3)
    w.t.set_home(2)
    w.t.set_cpu(1)
    w.write(0)
    assert w.nid() == 1
    assert [w.hint().reason for _ in range(2)] == ["hold_two_stage_filter", "hold_local"]
    assert w.page().tag == 1


def test_the_tag_goes_along_so_that_the_next_local_fault_is_local():
    """last_nid_transfer; in version 2 the new page starts unset."""
    w = world()
    w.write(0)
    w.t.set_cpu(1)
    assert [w.hint().reason for _ in range(3)] == [
        "hold_two_stage_filter", "go_migrated", "hold_local"]


# ---- when is scanned ----


def test_a_program_that_stays_on_one_node_is_never_scanned():
    """
    scan of:     t on 0   t on 0   other on 1   t on 0
    first_nid:   0        0        active       active      marked: only from the third on
    """
    w = world(first_nid_gate=1, mapped=SLOT)
    other = w.t.clone(1)
    w.write(0)
    assert w.t.info().mm_first_nid == -1
    seen = []
    for task in (w.t, w.t, other, w.t):
        seen.append((w.scan(task), w.t.info().mm_first_nid))
    assert seen == [(0, 0), (0, 0), (1, -2), (0, -2)]
    assert (w.m.counters["scan_one_node"], w.m.counters["scan_windows"]) == (2, 2)


def test_the_gate_comes_before_everything_else():
    """Refused, the next scan's time and the period stay as they were; a fork begins anew, and an
    exec counts as seen on node 0 (3.8 initialises first_nid in dup_mm alone)."""
    w = world(first_nid_gate=1, mapped=SLOT)
    before = w.t.info()
    w.scan()
    after = w.t.info()
    assert (after.mm_numa_next_scan, after.mm_numa_next_reset) == (
        before.mm_numa_next_scan, before.mm_numa_next_reset)
    assert w.t.fork(1).main.info().mm_first_nid == -1
    w.t.exec()
    assert w.t.info().mm_first_nid == 0
    w.scan()
    assert w.m.counters["scan_one_node"] == 2
    w.t.set_cpu(1)
    w.scan()
    assert w.t.info().mm_first_nid == -2


@pytest.mark.parametrize("hz, step", [(1000, 10), (250, 40), (100, 100), (300, 33)])
def test_a_fault_that_moves_nothing_makes_the_period_ten_ticks_longer(hz, step):
    """100, then + 10 ticks a fault that stays; none for one that moves; 5000 at most."""
    w = world(hz=hz, mapped=SLOT)
    w.write(0)
    w.scan()
    assert period(w) == 100
    w.hint()
    assert period(w) == 100 + step
    w.t.set_cpu(1)
    w.hint()
    w.hint()
    assert (w.nid(), period(w)) == (1, 100 + 2 * step)
    w.set_flag("pinned")
    w.t.set_cpu(0)
    w.hint()
    assert w.hint().reason == "hold_migrate_again"
    assert period(w) == 100 + 4 * step
    for _ in range(4900 // step + 1):
        w.hint()
    assert period(w) == 5000


@pytest.mark.parametrize("last, expected", [(120_000, 5000), (120_004, 100)])
def test_a_minute_later_scans_are_quick_again(last, expected):
    """scan_period_reset: at a scan more than 60 s after the last reset, for the thread that scans.
    Born at 0 the first scan is past it; the next reset then comes after 60 + 60 s."""
    w = world(mapped=SLOT)
    w.write(0)
    other = w.t.clone(1)
    seen = []
    for now in (60_000, 60_100, last):
        w.t.account(6000 * MS)
        w.m.set_now(now * MS)
        assert w.t.tick()
        for task in (w.t, other):
            while period(w, task) < 5000:
                w.hint(by=task)
        w.t.task_work()
        seen.append((period(w), period(w, other)))
    assert seen == [(100, 5000), (5000, 5000), (expected, 5000)]


def test_without_a_reset_time_there_is_none():
    w = world(scan_period_reset=0)
    w.write(0)
    w.scan()
    while period(w) < 5000:
        w.hint()
    w.m.set_now(10**6 * MS)
    w.scan()
    assert period(w) == 5000


def test_next_scan_is_one_period_away():
    w = world(mapped=SLOT)
    w.scan()
    assert w.t.info().mm_numa_next_scan - w.m.now_ns // w.m.tick_ns == 25      # 100 ms at HZ 250


def test_an_armed_fault_is_not_accounted_while_balancing_is_off():
    """account_when_off: task_numa_fault returns at once; the hint itself is served and counted."""
    for policy, accounted in (("v3_8", 0), ("moron", 1)):
        w = World(policy=policy, pmd_mark=0)
        w.write(0)
        w.mark(0)
        w.m.tunables["numa_balancing"] = 0
        before = period(w)
        assert w.touch().hints == 1
        assert (w.t.info().numa_fault_tot, period(w)) == (accounted, before)


def test_every_fault_takes_note_of_the_pass():
    """place_misplaced_only off: «only records the new scan_seq», local faults too."""
    w = world(mapped=SLOT)
    w.write(0)
    w.scan()
    assert (w.t.info().numa_scan_seq, w.t.info().mm_numa_scan_seq) == (0, 1)
    w.touch(0)
    assert w.t.info().numa_scan_seq == 1


# ---- what is walked ----


def test_holes_are_free_in_the_budget():
    """Two pages in each of 8 GB, 1 MB (256 entries) a window: one walk over all of it.  By bytes
    it would take 8192 windows."""
    w = world(mapped=0, scan_size_mb=1, pages=100_000)
    w.p.mmap(0, 8192 * MB)
    w.p.populate([gb << 18 | 5 + page for gb in range(8) for page in range(2)], 0)
    assert w.scan() == 16
    assert w.t.info().mm_numa_scan_seq == 1


def test_the_budget_is_spent_by_marks_and_windows_end_at_slots():
    """
    |-- slot 0: 512 pages --|-- slot 1: none --|-- slot 2: 512 --|-- slot 3: 512 --|  512 a window
    scans:  slot 0 (512, spent)   |   slots 1 and 2 (0 + 512)     |   slot 3    |  then it is over
    """
    w = world(mapped=4 * SLOT, scan_size_mb=2)
    for slot in (0, 2, 3):
        w.place(slot * SLOT, 0, SLOT)
    seen = []
    for _ in range(4):
        marked = w.scan()
        info = w.t.info()
        seen.append((marked, (info.mm_numa_scan_vpn - VPN) // SLOT, info.mm_numa_scan_seq))
    # 3.8 leaves the walk with the last mapping in hand: that it was the end shows in the next scan.
    assert seen[:3] == [(512, 1, 0), (512, 3, 0), (512, 4, 0)]
    assert seen[3] == (0, -VPN // SLOT, 2)


def test_what_is_marked_already_costs_nothing():
    w = world(mapped=2 * SLOT, scan_size_mb=2)
    w.place(0, 0, 2 * SLOT)
    w.mark(0, SLOT)
    assert w.scan() == SLOT
    assert w.marked(2 * SLOT) == list(range(2 * SLOT))


def test_small_and_inaccessible_mappings_are_skipped():
    w = world(mapped=SLOT - 1)
    for at, prot in ((4, "rw"), (8, "none"), (12, "r")):
        w.p.mmap(BASE + at * MB, 2 * MB, prot="rw")
        w.write(at * MB // PAGE)
        w.p.mprotect(BASE + at * MB, 2 * MB, prot)
    w.write(0)
    w.p.mprotect(BASE + 12 * MB, 2 * MB, "r")
    assert w.counts(w.scan) == {
        "scan_windows": 1, "scan_passes": 1, "numa_pte_updates": 2, "tlb_flush_range": 2}


def test_nothing_marked_nothing_flushed():
    w = world(mapped=SLOT)
    w.p.mmap(BASE + 2 * MB, 2 * MB)
    w.write(0)
    assert w.counts(w.scan)["tlb_flush_range"] == 1
    assert "tlb_flush_range" not in w.counts(w.scan)


def test_a_huge_page_counts_512_entries():
    """In numa_pte_updates and against the budget: 4 huge pages, 2 of them a window of 4 MB."""
    w = world(mapped=4 * SLOT, thp=1, scan_size_mb=4)
    w.write(0, SLOT, 2 * SLOT, 3 * SLOT)
    assert [w.scan(), w.scan()] == [2 * SLOT, 2 * SLOT]
    assert w.m.counters["numa_pte_updates"] == 4 * SLOT


# ---- faults and migration ----


def test_a_pmd_fault_handles_marked_entries_only():
    """A batch of three pages of which one has lost its mark: two hints.  Version 3: three."""
    for only, hints in ((1, 2), (0, 3)):
        w = world(mapped=3, pmd_mark=1, pmd_batch_numa_only=only)
        w.write(0, 1, 2)
        w.mark(0, 3)
        w.p.mprotect(BASE + PAGE, PAGE, "r")      # an entry that is written anew loses its hint
        w.touch(0)
        assert w.m.counters["numa_hint_faults"] == hints


@pytest.mark.parametrize("only, reason, tag", [
    (1, "hold_pmd_cleared", None), (0, "hold_two_stage_filter", 0)])
def test_a_probe_knows_whom_the_batch_passes_over(only, reason, tag):
    """Page 1 has lost its mark, the pmd has not: it is only opened, or judged like the others."""
    w = world(mapped=3, pmd_mark=1, pmd_batch_numa_only=only)
    w.write(0, 1, 2)
    w.mark(0, 3)
    w.p.mprotect(BASE + PAGE, PAGE, "r")
    seen = w.t.probe(BASE + PAGE, False)
    assert (seen.kind, seen.reason, seen.new_tag) == ("hint_pmd", reason, tag)
    assert w.t.access(BASE + PAGE, False).reason == reason
    assert w.page(1).tag == tag


def test_get_user_pages_takes_the_hint():
    """FOLL_NUMA (gup_numa): the slow path faults on a marked entry, and may move the page."""
    w = world()
    w.write(0)
    w.t.set_cpu(1)
    w.hint()
    w.mark()
    assert not w.t.gup(BASE)
    assert w.t.gup(BASE, fast=False)
    assert (w.nid(), w.flags() >= {"marked"}) == (1, False)
    assert w.m.counters["numa_hint_faults"] == 2


def test_huge_pages_move_whole_and_take_their_tag_along():
    """thp_native_migration: two faults, 512 pages, one period step for the one that stayed."""
    w = world(mapped=SLOT, thp=1)
    w.write(0)
    w.scan()
    w.t.set_cpu(1)
    w.touch(7)
    w.mark(0, SLOT)
    assert w.touch(9).reason == "go_migrated"
    assert w.m.counters["numa_pages_migrated"] == w.m.counters["pgmigrate_success"] == SLOT
    assert (w.m.counters["thp_split"], w.page().tag, period(w)) == (0, 1, 140)


def test_a_huge_page_that_finds_no_room_counts_512_failures():
    w = world(mapped=SLOT, thp=1, sizes=[2000, 600])
    w.write(0)
    w.t.set_cpu(1)
    w.fill(1, 500)
    for _ in range(2):
        w.mark(0, SLOT)
        reason = w.touch().reason
    assert (reason, w.m.counters["pgmigrate_fail"]) == ("hold_target_low_memory", SLOT)


# ---- in the whole ----


@pytest.mark.parametrize("pmd_mark, periods", [(0, [5000, 5000]), (1, [100, 100])])
def test_two_threads_on_two_nodes_sort_their_pages_out(pmd_mark, periods):
    """All memory on node 0, each thread uses its own half.  Within ten seconds the half of the one
    on node 1 is with it and the other has stayed.  Then both scan seldom; not so with marked pmds,
    as a batch accounts nothing for pages that stay (version 3), and 3.8 scans on in vain."""
    m = Machine("2s", policy="v3_8", tunables={"zero_page": 0, "pmd_mark": pmd_mark})
    p = m.process(cpu=0)
    p.mmap(BASE, 8 * MB)
    p.populate(range(VPN, VPN + 2048), 0)
    other = p.main.clone(m.topology.node(1).cpus[0])
    p.main.feed_pattern("sweep", VPN, 1024, writes=8)
    other.feed_pattern("sweep", VPN + 1024, 1024, writes=8)
    m.run(10 * 10**9)
    assert p.node_pages().tolist() == [1024, 1024]
    assert m.counters["numa_pages_migrated"] == 1024
    assert [task.info().numa_scan_period_ms for task in (p.main, other)] == periods
    m.check()


def test_a_machine_of_its_own_says_what_it_presets():
    m = Machine("2s", policy="v3_8")
    assert m.policy == "v3_8"
    assert m.tunables["scan_period_reset"] == 60_000
    assert m.tunables.source("scan_period_reset") == "policy"
