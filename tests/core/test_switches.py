"""As posted, mended, or as a later version has it: every switch, and the posting as a whole."""

import pytest
from numab import TUNABLES, InvalidArgument

from .world import BASE, MB, PAGE, SLOT, VPN, World

#: name: (default, as posted).  Section G of the specification, section 5 of the design.
SWITCHES = {
    "scan_rewind_bug": (0, 1), "pmd_mark": (1, 1), "pmd_batch_migrate": (1, 0),
    "pmd_mark_same_node_only": (1, 0), "leak_on_refused_migrate": (0, 1),
    "last_nid_transfer": (0, 0), "home_alloc": (1, 1), "next_scan_factor": (2, 2),
    "small_vma_skip": (0, 0), "count_pages_not_faults": (0, 0), "mm_decay_once": (0, 0),
    "rate_limit": (0, 0),
    "thp_native_migration": (0, 0), "policy_table_ready": (1, 1), "zero_page": (1, 1),
    "thp": (0, 0), "arch_x86": (1, 1), "tlb_x86_local_only": (1, 1), "tlb_x86_no_flush": (1, 1),
    "tlb_generic_local": (1, 1), "home_requeue": (1, 0), "page_tables": (0, 0),
    "swap_off_home": (0, 0), "random_offnode": (0, 0),
    "scan_budget_ptes": (0, 0),
    "first_nid_gate": (0, 0), "inaccessible_vma_skip": (0, 0), "flush_if_marked": (0, 0),
    "huge_counts_ptes": (0, 0), "pmd_batch_numa_only": (0, 0), "gup_numa": (0, 0),
    "period_step_ticks": (0, 0), "place_misplaced_only": (1, 1), "account_when_off": (1, 1),
}
SYSCTLS = {
    "numa_balancing": 1, "scan_delay_ms": 1000, "scan_period_min_ms": 2000,
    "scan_period_max_ms": 32000, "scan_size_mb": 256,
}


def test_every_switch_has_the_value_of_the_posting_and_a_mended_one():
    """Sections G and 5.  A switch that is not in this table is one too many."""
    assert {t.name for t in TUNABLES.values() if t.kind == "SWITCH"} == set(SWITCHES)
    mended, posted = World().m.tunables, World(as_posted=True).m.tunables
    assert {name: (mended[name], posted[name]) for name in SWITCHES} == SWITCHES


def test_the_tunables_of_version_2():
    """Table A: four sysctls of these values, and no migrate rate or reset period."""
    for w in (World(), World(as_posted=True)):
        assert {name: w.m.tunables[name] for name in SYSCTLS} == SYSCTLS
        assert w.m.tunables["scan_period_reset"] == 0
    later = {"scan_period_reset"}
    assert {t.name for t in TUNABLES.values() if t.kind == "SYSCTL"} == set(SYSCTLS) | later


@pytest.mark.parametrize("name, value", [
    ("scan_size_mb", 0), ("scan_size_mb", -1), ("scan_period_min_ms", 0), ("scan_delay_ms", -1),
    ("numa_balancing", 2), ("pmd_mark", 2), ("next_scan_factor", -1),
    ("migrate_fail_ppm", 1_000_001)])
def test_values_that_make_no_sense_are_refused(name, value):
    """And change nothing."""
    w = World()
    before = w.m.tunables[name]
    with pytest.raises(InvalidArgument, match=name):
        w.m.tunables[name] = value
    assert w.m.tunables[name] == before


def test_as_posted_the_handler_takes_any_integer():
    """Table A: plain integer handler without range check; switches stay checked."""
    w = World(as_posted=True)
    for value in (0, -1, -(1 << 31), (1 << 31) - 1):
        for name in SYSCTLS:
            w.m.tunables[name] = value
            assert w.m.tunables[name] == value
    with pytest.raises(InvalidArgument):
        w.m.tunables["scan_size_mb"] = 1 << 31
    with pytest.raises(InvalidArgument):
        w.m.tunables["pmd_mark"] = 2


@pytest.mark.parametrize("value", [0, -1, -(1 << 31)])
def test_as_posted_odd_values_do_no_harm(value):
    """A window of nothing marks nothing; a period of 2^32 - 1 ms is simply long."""
    w = World(as_posted=True, mapped=4)
    w.write(0)
    w.m.tunables["scan_size_mb"] = value
    assert w.scan() == 0
    assert (w.t.info().mm_numa_scan_vpn, w.t.info().mm_numa_scan_seq) == (0, 0)
    w.m.tunables["scan_size_mb"] = 256
    w.m.tunables["scan_period_min_ms"] = value
    other = w.t.clone()
    assert w.due(other)
    assert other.info().numa_scan_period_ms == value % (1 << 32)


def test_as_posted_can_be_adjusted_switch_by_switch():
    w = World(as_posted=True, pmd_mark=0)
    assert w.m.tunables["pmd_mark"] == 0
    assert w.m.tunables["scan_rewind_bug"] == 1


# ---- the posting as a whole ----


def test_as_posted_base_pages_are_hinted_but_hardly_ever_move():
    """4.3's consequence: two passes over 100 misplaced pages.  The pmd's fault clears the slot:
    every page is hinted once a pass, none moves.  Mended, all move in the second pass."""
    moved = {}
    for posted in (True, False):
        w = World(as_posted=posted, mapped=100)
        w.write(*range(100))
        w.t.set_cpu(1)
        for _ in range(2):
            w.scan()
            for page in range(100):
                w.touch(page)
        assert w.m.counters["numa_hint_faults"] == 200
        assert w.m.counters["numa_hint_faults_local"] == 0
        moved[posted] = w.m.counters["numa_pages_migrated"]
    assert moved == {True: 0, False: 100}


def test_as_posted_huge_memory_migrates_by_way_of_splits():
    """The author's figures: 15,032 splits x 512 are about his 7.9 million hints.  One huge page,
    wanted elsewhere: its hint, its split, and every base page for itself, two hints each."""
    w = World(as_posted=True, thp=1, mapped=SLOT)
    w.write(0)
    w.t.set_home(1)
    for _ in range(2):
        w.mark(0, SLOT)                 # 1st: the filter holds; 2nd: it splits
        for page in range(SLOT):
            w.touch(page)
    assert w.m.counters["thp_split"] == 1
    assert w.m.counters["numa_hint_faults"] == 2 + SLOT
    assert w.m.counters["numa_pages_migrated"] == 1        # the head: it had a tag
    w.m.tunables["pmd_mark"] = 0
    w.mark(0, SLOT)
    for page in range(SLOT):
        w.touch(page)
    assert w.m.counters["numa_pages_migrated"] == SLOT
    assert w.p.node_pages().tolist() == [0, SLOT]


def test_as_posted_the_upper_part_is_scanned_for_ever():
    """scan_rewind_bug in the whole: 600 MB, three windows to the end, then only the last one."""
    w = World(as_posted=True, mapped=0)
    w.p.mmap(0, 600 * MB)
    ends = []
    for _ in range(5):
        w.scan()
        ends.append((w.t.info().mm_numa_scan_vpn * PAGE // MB, w.t.info().mm_numa_scan_seq))
    assert ends == [(256, 0), (512, 0), (512, 1), (512, 2), (512, 3)]


def test_a_change_of_switches_leaves_marks_armed():
    """pmd_mark off while a pmd is marked: the mark is served as it is."""
    w = World(mapped=2)
    w.write(0, 1)
    w.mark(0, 2)
    w.m.tunables["pmd_mark"] = 0
    w.m.tunables["pmd_batch_migrate"] = 0
    assert w.touch(0).reason == "hold_pmd_cleared"
    assert w.touch(1).faults == 0
    assert w.p.page(VPN).flags >= {"present"}
    assert w.t.probe(BASE).kind == "none"
