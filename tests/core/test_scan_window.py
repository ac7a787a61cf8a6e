"""What one scan marks: the rolling window of 256 MB, its wrap and restart (patches 14, 18)."""

import pytest

from .world import BASE, MB, MS, PAGE, SLOT, VPN, World


def windows(w, n, by=None):
    """n scans; where each leaves the scanner, in MB."""
    out = []
    for _ in range(n):
        w.scan(by)
        out.append(w.t.info().mm_numa_scan_vpn * PAGE / MB)
    return out


def passes(w):
    return w.t.info().mm_numa_scan_seq


# ---- the window ----


def test_windows_of_256_mb_end_at_a_slot():
    """Patch 18, golden of section G.  One mapping from 1 MB to 1 GB:

    1 MB ------- 258 ------- 514 ------- 770 ------ 1024 = end
    257 MB, rounded up to a multiple of 2 MB     254 MB: pass complete, back to the start
    """
    w = World(mapped=0)
    w.p.mmap(MB, 1023 * MB)
    assert windows(w, 3) == [258, 514, 770]
    assert passes(w) == 0
    assert windows(w, 2) == [0, 258]
    assert passes(w) == 1


def test_only_the_window_is_marked():
    """Pages on both sides of the first window's end at 258 MB.  Expect: marked up to it, the rest
    with the next."""
    w = World(mapped=0)
    w.p.mmap(MB, 1023 * MB)
    near = [at * MB // PAGE for at in (1, 257)] + [258 * MB // PAGE - 1]
    far = [258 * MB // PAGE, 514 * MB // PAGE - 1]
    w.p.populate(near + far, 0)
    assert w.scan() == 3
    assert ["marked" in w.p.page(vpn).flags for vpn in near + far] == [True] * 3 + [False] * 2
    assert w.scan() == 2
    assert w.scan() == 0


def test_the_budget_goes_on_in_the_next_mapping():
    """
    10 MB |-- 100 MB --| 110    1001 MB |------------- 1 GB ----
    256 - 100 = 156 MB are left: 1001 + 156 = 1157, rounded up: 1158.  Holes cost nothing.
    """
    w = World(mapped=0)
    w.p.mmap(10 * MB, 100 * MB)
    w.p.mmap(1001 * MB, 1024 * MB)
    assert windows(w, 2) == [1158, 1414]


def test_the_budget_may_end_exactly_at_a_mappings_end():
    """
    256 MB |-- 256 MB --| 512   600 |- 2 MB -|     Expect: 512, then the second and the end.
    """
    w = World(mapped=0)
    w.p.mmap(256 * MB, 256 * MB)
    w.p.mmap(600 * MB, 2 * MB)
    assert windows(w, 1) == [512]
    assert passes(w) == 0
    assert windows(w, 1) == [0]
    assert passes(w) == 1


def test_the_budget_counts_virtual_bytes_not_pages():
    """Version 2: an empty mapping uses the budget as a full one does (version 4: present ptes)."""
    w = World(mapped=0)
    w.p.mmap(0, 256 * MB)
    w.p.mmap(512 * MB, 2 * MB)
    w.t.access(512 * MB, True)
    assert w.scan() == 0
    assert w.scan() == 1


@pytest.mark.parametrize("mb, ends", [(1, [2, 4, 6]), (2, [2, 4, 6]), (3, [4, 8, 12])])
def test_small_windows_round_up_to_slots(mb, ends):
    w = World(mapped=0, scan_size_mb=mb)
    w.p.mmap(0, 64 * MB)
    assert windows(w, 3) == ends


def test_a_mapping_that_starts_inside_a_slot_aligns_at_the_first_window():
    """
    slots   |0 ........ 2|2 ........ 4|          2 MB windows from 1 MB: 1..4 (3 rounds up), 4..6
    """
    w = World(mapped=0, scan_size_mb=2)
    w.p.mmap(MB, 63 * MB)
    assert windows(w, 2) == [4, 6]


# ---- wrap and restart ----


def test_the_scanner_restarts_at_the_end_of_the_address_space():
    """Patch 18, version 1 to 2: «restart the PTE scanner when it reaches the end».  Expect: pages
    touched again after the first pass fault again after the second."""
    w = World(mapped=4)
    w.write(0, 1, 2, 3)
    for number in range(1, 4):
        assert w.scan() == 4
        assert (passes(w), w.t.info().mm_numa_scan_vpn) == (number, 0)
        w.touch(0)                               # clears the slot's hints through the pmd


def test_running_out_of_budget_in_the_last_mapping_is_not_the_end():
    """4.1's subtle point (V10 27/49): 512 MB in two windows.  Expect: one pass after the second,
    none after the first."""
    w = World(mapped=0)
    w.p.mmap(0, 512 * MB)
    assert (windows(w, 1), passes(w)) == ([256], 0)
    assert (windows(w, 1), passes(w)) == ([0], 1)


@pytest.mark.parametrize("flag", ["io", "pfnmap", "hugetlb"])
def test_trailing_mappings_that_cannot_migrate_do_not_stop_the_restart(flag):
    """4.1 step 10.  |-- anon --|-- flag --|   Expect: a pass each window, the last never marked."""
    w = World(mapped=2)
    w.p.mmap(BASE + 4 * MB, 2 * PAGE, flags=[flag])
    w.write(0)
    w.t.access(BASE + 4 * MB, True)
    assert [w.scan(), passes(w)] == [1, 1]
    assert "marked" not in w.p.page(VPN + 4 * MB // PAGE).flags
    assert [w.scan(), passes(w)] == [0, 2]


def test_a_budget_used_up_before_a_trailing_mapping_ends_the_pass_a_window_later():
    """
    |-- 256 MB --|-- io --|     first window: budget gone, a mapping is left; second: only that
    """
    w = World(mapped=0)
    w.p.mmap(0, 256 * MB)
    w.p.mmap(256 * MB, 2 * MB, flags=["io"])
    assert (windows(w, 1), passes(w)) == ([256], 0)
    assert (windows(w, 1), passes(w)) == ([0], 1)


def test_mappings_that_cannot_migrate_cost_no_budget():
    """
    0 |-- io, 512 MB --| 512 |-- 512 MB --|      Expect: the first window ends at 768.
    """
    w = World(mapped=0)
    w.p.mmap(0, 512 * MB, flags=["io"])
    w.p.mmap(512 * MB, 512 * MB)
    assert windows(w, 1) == [768]


def test_an_offset_beyond_everything_wraps_within_the_window():
    """4.1 step 8.  Two windows in, the upper half is unmapped: the next one finds nothing after
    its offset, counts a pass, and goes on from the first mapping."""
    w = World(mapped=0)
    w.p.mmap(0, 256 * MB)
    w.p.mmap(512 * MB, 512 * MB)
    assert windows(w, 2) == [256, 768]
    w.p.munmap(512 * MB, 512 * MB)
    w.p.populate([0], 0)
    assert w.scan() == 1
    assert passes(w) == 2                        # step 8, then the end of what is left


def test_an_empty_address_space_passes_twice_a_window():
    """4.1 steps 8 and 10 both find the end."""
    w = World(mapped=0)
    assert w.scan() == 0
    assert (passes(w), w.m.counters["scan_passes"]) == (2, 2)


def test_as_posted_the_scanner_is_not_rewound():
    """Switch scan_rewind_bug, patch 29 as posted (its author, 14 Nov): the sequence number goes
    up at the end, the offset stays where this window began; the lower half is not seen again."""
    w = World(mapped=0, scan_rewind_bug=1)
    w.p.mmap(0, 512 * MB)
    w.p.populate([0], 0)
    assert w.scan() == 1
    w.t.access(0)
    assert windows(w, 3) == [256, 256, 256]
    assert passes(w) == 3
    assert w.p.page(0).flags == {"present", "writable", "accessed", "dirty", "exclusive"}


# ---- what is never marked ----


def test_the_zero_page_is_never_marked():
    w = World(mapped=2, pmd_mark=0)
    w.touch(0)
    w.write(1)
    assert w.scan() == 1
    assert w.marked(2) == [1]


def test_pages_mapped_twice_are_not_marked():
    """mapcount != 1.  Page 0 shared by fork, page 1 copied since: one's own again."""
    w = World(mapped=2)
    w.write(0, 1)
    child = w.t.fork()
    w.write(1)
    assert w.scan() == 1
    assert w.marked(2) == [1]
    child.main.exit()
    assert w.scan() == 1
    assert w.marked(2) == [0, 1]


@pytest.mark.parametrize("kind", ["anon_shared", "shm", "file_shared", "file_private"])
def test_object_pages_are_marked_while_one_process_maps_them(kind):
    """No VMA kind is left out; it is the mapcount that counts.  Page 1 gets a second mapping."""
    w = World(mapped=0)
    obj = w.m.object("shm" if kind in ("anon_shared", "shm") else "file", 2)
    w.p.mmap(BASE, 2 * PAGE, kind=kind, object=obj)
    w.touch(0)
    assert w.scan() == 1
    other = w.m.process(1)
    other.mmap(BASE, 2 * PAGE, kind=kind, object=obj)
    other.main.access(BASE + PAGE)
    w.touch(1)
    assert w.scan() == 1
    assert w.marked(2) == [0]


def test_absent_and_protected_entries_are_not_marked():
    """PROT_NONE memory is walked, but its entries look numa already."""
    w = World(mapped=3)
    w.write(0, 1)
    w.p.mprotect(BASE, PAGE, "none")
    assert w.scan() == 1
    assert w.marked(3) == [0, 1]                 # 0: the bit of PROT_NONE


@pytest.mark.parametrize("pages, marks", [(SLOT - 1, 0), (SLOT, 1)])
def test_small_mappings_are_skipped_by_later_kernels(pages, marks):
    """Switch small_vma_skip: under 2 MiB, where the posting skips none."""
    for switch, expected in ((0, 1), (1, marks)):
        w = World(mapped=pages, small_vma_skip=switch)
        w.write(0)
        assert w.scan() == expected
        assert passes(w) == 1


# ---- flushes and events ----


def test_the_range_is_flushed_per_mapping_whether_anything_changed_or_not():
    """4.1: unconditional in versions 1 and 2."""
    w = World(mapped=1)
    w.p.mmap(BASE + MB, PAGE)
    w.p.mmap(BASE + 2 * MB, PAGE, flags=["io"])
    assert w.counts(w.scan) == {
        "scan_windows": 1, "scan_passes": 1, "tlb_flush_range": 2}


def test_a_scan_tells_its_parts_and_passes():
    """Events: one per part, then the pass with its number."""
    w = World(mapped=2)
    w.p.mmap(BASE + MB, PAGE)
    w.write(0)
    w.m.events(4096)
    w.scan()
    got = [(int(e["kind"]), int(e["vpn"]) - VPN, int(e["nr_pages"]), int(e["aux"]))
           for e in w.m.drain()]
    assert got == [(1, 0, 2, 1), (1, MB // PAGE, 1, 0), (2, -VPN, 0, 1)]


# ---- version 3.8's rate limit ----


def stream(rate_limit):
    """33,000 marked pages on node 0, their task on node 1, time 1 ms."""
    w = World(policy="moron", pages=80_000, mapped=33_000, pmd_mark=0, rate_limit=rate_limit,
              next_scan_factor=0, scan_size_mb=1024)
    w.place(0, 0, 33_000)
    w.t.set_cpu(1)
    w.mark(0, 33_000)
    w.m.set_now(MS)
    return w


def test_the_rate_limit_refuses_beyond_128_mb_in_100_ms():
    """Switch rate_limit.  32,769 pages go (the test is «more than»), the next is held, which is no
    failure.  The window began with the first at 1 ms: closed at 101 ms, open a ns later."""
    w = stream(1)
    reasons = [w.touch(page).reason for page in range(32_770)]
    assert reasons[32_768:] == ["go_migrated", "hold_rate_limit"]
    assert w.m.counters["pgmigrate_fail"] == 0
    w.m.set_now(101 * MS)
    assert w.touch(32_770).reason == "hold_rate_limit"
    w.m.set_now(101 * MS + 1)
    assert w.touch(32_771).reason == "go_migrated"


def test_while_the_running_node_is_rate_limited_nothing_is_scanned():
    """Switch rate_limit: 32,768 pages to one node; scans of tasks on that node then wait until a
    second after the window (1101 ms), though the gate moves on."""
    w = stream(1)
    for page in range(32_768):
        w.touch(page)
    for now, counter in ((MS, "scan_rate_limited"), (1101 * MS, "scan_rate_limited"),
                         (1101 * MS + 1, "scan_windows")):
        w.m.set_now(now)
        assert w.due()
        assert w.counts(w.t.task_work)[counter] == 1


def test_version_2_has_no_rate_limit():
    """4.5: «does not exist in V2»."""
    w = stream(0)
    assert {w.touch(page).reason for page in range(33_000)} == {"go_migrated"}
