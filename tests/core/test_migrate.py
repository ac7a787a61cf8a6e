"""migrate_pages and its counters (patches 1, 2), migrate_misplaced_page (12, 17)."""

import numpy as np
import pytest
from numa_core import Handle, counter_rows, ffi, lib, text
from numab import InvalidArgument, OutOfMemory
from numab.values import REASONS

from .world import BASE, HIGH, MIN, PAGE, SLOT, VPN, World, table

ASYNC, SYNC_LIGHT, SYNC = "async", "sync_light", "sync"
EV_MIGRATE = 3
SECOND = 1_000_000


def pages(*numbers):
    return [VPN + n for n in numbers]


def on_node_0(n=1, flags=None, **kwargs):
    """n pages on node 0, `flags` by page."""
    w = World(mapped=max(n, 1), **kwargs)
    w.place(0, 0, n)
    for page, flag in (flags or {}).items():
        w.set_flag(flag, page)
    return w


# ---- patch 1: what counts as failed ----


def test_moved_pages_count_as_success():
    w = on_node_0(3)
    assert w.counts(w.p.migrate_pages, pages(0, 1, 2), 1) == {
        "pgmigrate_success": 3, "migrate_calls": 1, "migrate_passes": 1, "tlb_flush_local": 3}
    assert w.nids(3) == [1, 1, 1]
    assert (w.m.node(0).free, w.m.node(1).free) == (4000, 3997)


@pytest.mark.parametrize("flag, mode, left, success, fail, passes", table(
    ("extra reference async", "pinned", ASYNC, 1, 0, 0, 10),
    ("extra reference light", "pinned", SYNC_LIGHT, 1, 0, 0, 10),
    ("extra reference sync", "pinned", SYNC, 1, 0, 0, 10),
    ("writeback async", "writeback", ASYNC, 1, 0, 1, 1),
    ("writeback light", "writeback", SYNC_LIGHT, 1, 0, 1, 1),
    ("writeback sync waits after pass 2", "writeback", SYNC, 0, 1, 0, 4),
    ("not on a list", "no_lru", SYNC, 0, 0, 0, 1),
))
def test_only_permanent_failures_count_as_failed(flag, mode, left, success, fail, passes):
    """Patch 1.  -EAGAIN stays for the next of ten passes and is never in pgmigrate_fail; what is
    not isolated is not tried."""
    w = on_node_0(1, {0: flag})
    assert w.p.migrate_pages(pages(0), 1, mode=mode) == left
    assert w.m.counters["pgmigrate_success"] == success
    assert w.m.counters["pgmigrate_fail"] == fail
    assert w.m.counters["migrate_passes"] == passes
    assert w.nid() == success


def test_a_mixed_list_returns_failures_plus_pages_still_to_be_retried():
    """Patch 1.  moved, pinned, writeback, moved: returns 2, success 2, fail 1, ten passes; the
    event has the same 2 and 1."""
    w = on_node_0(4, {1: "pinned", 2: "writeback"})
    w.m.events(4096)
    assert w.p.migrate_pages(pages(0, 1, 2, 3), 1, mode=ASYNC) == 2
    assert w.nids(4) == [1, 0, 0, 1]
    assert (w.m.counters["pgmigrate_success"], w.m.counters["pgmigrate_fail"]) == (2, 1)
    assert w.m.counters["migrate_passes"] == 10
    assert w.m.drain()["aux"].tolist() == [2 | 1 << 32]


def test_out_of_memory_stops_the_list_and_is_not_a_failure():
    """Patch 1.  Node 1 has two pages above min (8).  Expect: the first two move, the third finds
    none: stop at once, fail 0."""
    w = on_node_0(4, sizes=[4000, 100], watermarks=(MIN, MIN, HIGH))
    w.fill(1, MIN + 2)
    with pytest.raises(OutOfMemory):
        w.p.migrate_pages(pages(0, 1, 2, 3), 1)
    assert w.nids(4) == [1, 1, 0, 0]
    assert (w.m.counters["pgmigrate_success"], w.m.counters["pgmigrate_fail"]) == (2, 0)
    assert (w.m.counters["migrate_passes"], w.m.counters["migrate_calls"]) == (1, 1)


@pytest.mark.parametrize("mode, left, passes", [(ASYNC, 1, 10), (SYNC_LIGHT, 0, 4), (SYNC, 0, 4)])
def test_injected_retries_end_where_the_mode_may_wait(mode, left, passes):
    """A page lock taken by somebody (migrate_again_ppm, always): asynchronous migration never
    waits; the others do from the fourth pass on."""
    w = on_node_0(1, migrate_again_ppm=SECOND)
    assert w.p.migrate_pages(pages(0), 1, mode=mode) == left
    assert w.m.counters["migrate_passes"] == passes
    assert w.m.counters["pgmigrate_fail"] == 0


@pytest.mark.parametrize("mode, fail", [(ASYNC, 1), (SYNC_LIGHT, 0), (SYNC, 0)])
def test_injected_failures_hit_asynchronous_migration_alone(mode, fail):
    w = on_node_0(1, migrate_fail_ppm=SECOND)
    assert w.p.migrate_pages(pages(0), 1, mode=mode) == fail
    assert w.m.counters["pgmigrate_fail"] == fail


def test_injection_has_the_probability_asked_for_and_repeats():
    """10,000 pages at 30 %: 3,000 failures within 5 standard deviations (46 each); the same seed
    fails the same pages, another seed others."""
    def failed(seed):
        w = on_node_0(10_000, sizes=[12_000, 12_000], seed=seed, migrate_fail_ppm=300_000)
        left = w.p.migrate_pages(pages(*range(10_000)), 1, mode=ASYNC)
        assert left == w.m.counters["pgmigrate_fail"]
        return w.nids(10_000)

    one, again, other = failed(1), failed(1), failed(2)
    assert one == again != other
    assert abs(one.count(0) - 3000) <= 5 * 46


# ---- patch 2: the event ----


def test_an_event_per_call_even_with_nothing_to_move():
    """Patch 2: always emitted, 0/0 too.  Absent, zero and already-there pages are not listed."""
    w = World(mapped=3)
    w.touch(1)
    w.place(2, 1)
    w.m.events(4096)
    assert w.p.migrate_pages(pages(0, 1, 2), 1) == 0
    assert w.p.migrate_pages([], 1) == 0
    events = w.m.drain()
    assert events["kind"].tolist() == [EV_MIGRATE] * 2
    assert events["aux"].tolist() == [0, 0]
    assert w.m.counters["migrate_calls"] == 2
    assert w.m.counters["pgmigrate_success"] == w.m.counters["pgmigrate_fail"] == 0


def test_the_event_names_mode_and_reason():
    """Patch 2: seven reasons, three modes; a fault migrates async for reason 5."""
    names = [text(lib.numab_migrate_reason_name(i)) for i in range(7)]
    assert names == ["compaction", "memory_failure", "memory_hotplug", "syscall_or_cpuset",
                     "mempolicy_mbind", "numa_misplaced", "cma"]
    modes = [text(lib.numab_migrate_mode_name(i)) for i in range(3)]
    assert modes == ["MIGRATE_ASYNC", "MIGRATE_SYNC_LIGHT", "MIGRATE_SYNC"]
    w = World(policy="moron", pmd_mark=0)
    w.write(0)
    w.m.events(4096)
    w.p.migrate_pages(pages(0), 1, mode=SYNC, reason="mempolicy_mbind")
    w.hint()
    events = w.m.drain()
    migrate = events[events["kind"] == EV_MIGRATE]
    assert migrate["from"].tolist() == [2, 0]
    assert migrate["to"].tolist() == [4, 5]
    assert migrate["aux"].tolist() == [1, 1]


def test_the_event_is_told_of_the_task_that_migrates():
    """tracefs prints who is current: at a hint the task that touched the page, on its CPU; a call
    of the host's is nobody's.  Thread 2 on CPU 1 takes the fault."""
    w = World(policy="moron", pmd_mark=0)
    w.write(0)
    other = w.t.clone(1)
    w.mark()
    w.m.events(4096)
    assert w.touch(0, by=other).reason == "go_migrated"
    w.p.migrate_pages(pages(0), 0)
    events = w.m.drain()
    events = events[events["kind"] == EV_MIGRATE]
    assert events["tid"].tolist() == [other.tid, 0] and events["cpu"].tolist() == [1, 0]


def test_compaction_rows_do_not_exist_and_its_new_rows_are_absent():
    """Patches 1, 3: the three old rows are gone; the scanners' rows print «absent», no zero."""
    w = World()
    rows = set(w.m.counters)
    assert not {r for r in rows if r.startswith("compact")}
    assert w.m.counters.absent == (
        "compact_migrate_scanned", "compact_free_scanned", "compact_isolated")
    assert {"pgmigrate_success", "pgmigrate_fail"} <= set(w.m.vmstat())


# ---- the call itself ----


def test_a_moved_entry_is_accessible_clean_and_unmarked():
    """Restored from the VMA: the mark is lost, ACCESSED and DIRTY clear, RW as it was."""
    w = on_node_0(1)
    w.mark()
    w.p.migrate_pages(pages(0), 1)
    assert w.flags() - {"pmd_marked"} == {"present", "writable", "exclusive"}


def test_memory_without_permission_moves_and_stays_without():
    w = on_node_0(1)
    w.p.mprotect(BASE, PAGE, "none")
    w.p.migrate_pages(pages(0), 1)
    assert (w.nid(), w.t.probe(BASE).kind) == (1, "segv")
    assert "marked" in w.flags()


def test_a_shared_page_moves_once_for_all_who_map_it():
    """Two processes, one page.  Expect: one move, seen by both."""
    w = on_node_0(1)
    child = w.t.fork(1)
    w.p.migrate_pages(pages(0), 1)
    assert (w.nid(), child.page(VPN).nid) == (1, 1)
    assert w.m.counters["pgmigrate_success"] == 1


def test_one_page_mapped_twice_in_a_list_is_isolated_once():
    w = World(mapped=0)
    shm = w.m.object("shm", 1)
    for page in (0, 1):
        w.p.mmap(BASE + page * PAGE, PAGE, kind="shm", object=shm)
        w.write(page)
    w.p.migrate_pages(pages(0, 1), 1)
    assert (w.m.counters["pgmigrate_success"], w.nids(2)) == (1, [1, 1])


def test_a_huge_page_is_split_before_it_moves():
    w = World(mapped=SLOT, thp=1)
    w.write(0)
    w.p.migrate_pages(pages(4), 1)
    assert w.m.counters["thp_split"] == 1
    assert w.nids(6) == [0, 0, 0, 0, 1, 0]


def test_wrong_arguments_change_nothing():
    w = on_node_0(2)
    before = dict(w.m.counters)
    for vpns, nid in ((pages(1, 0), 1), (pages(0, 0), 1), (pages(0), 2), (pages(0), -1)):
        with pytest.raises(InvalidArgument):
            w.p.migrate_pages(np.array(vpns), nid)
    for words in ({"mode": "fast"}, {"reason": "fun"}):
        with pytest.raises(InvalidArgument):
            w.p.migrate_pages(pages(0), 1, **words)
    assert (dict(w.m.counters), w.nids(2)) == (before, [0, 0])


# ---- patch 12: migrate_misplaced_page ----


def misplaced(**kwargs):
    """A page on 0 whose task now runs on 1, under MORON."""
    w = World(policy="moron", pmd_mark=0, **kwargs)
    w.write(0)
    w.t.set_cpu(1)
    return w


@pytest.mark.parametrize("free, reason", [
    (HIGH + 1, "hold_target_low_memory"), (HIGH + 2, "go_migrated")])
def test_the_target_must_be_above_high_by_more_than_one_page(free, reason):
    """Patch 12 step 2: free > high + 1, so with high 24 not at 25, at 26."""
    w = misplaced(sizes=[4000, 100])
    w.fill(1, free)
    assert w.hint().reason == reason
    assert w.nid() == (reason == "go_migrated")


def test_a_target_without_memory_is_never_above_its_watermark():
    w = misplaced(sizes=[4000, 0])
    assert w.hint().reason == "hold_target_low_memory"


def test_a_page_mapped_twice_is_not_moved():
    """Patch 12 step 1.  Marked while its own, then shared by fork: the recheck refuses."""
    w = misplaced()
    w.mark()
    w.t.fork()
    assert w.touch().reason == "hold_shared_page"
    assert (w.nid(), w.m.counters["migrate_calls"]) == (0, 0)


def test_refusals_come_in_the_order_of_the_steps():
    """Patch 12: mapcount, watermark, isolation, migration.  All four obstacles at once, then one
    fewer each time."""
    w = misplaced(sizes=[4000, 100])
    w.set_flag("no_lru")
    w.set_flag("writeback")
    w.fill(1, HIGH + 1)
    w.mark()
    child = w.t.fork()
    assert w.touch().reason == "hold_shared_page"
    child.main.exit()
    w.touch(0, True)                         # its own again
    assert w.hint().reason == "hold_target_low_memory"
    w.p.munmap(0x7100_0000_0000, PAGE)       # one page more on node 1
    assert w.hint().reason == "hold_isolation_failed"
    w.set_flag("no_lru", on=False)
    assert w.hint().reason == "hold_migrate_failed"
    w.set_flag("writeback", on=False)
    assert w.hint().reason == "go_migrated"


def test_no_page_on_the_target_is_a_reason_of_its_own_and_no_failure():
    """Step 5 with -ENOMEM: only odd watermarks, high 10 below min 90, get a fault so far."""
    h = Handle([(0, 4000, 8, 16, 24), (1, 80, 90, 95, 10)], [0, 1], [[10, 20], [20, 10]])
    m, out = h.m, ffi.new("struct numab_outcome *")
    h.check(lib.numab_use_policy(m, b"moron"))
    pid = h.check(lib.numab_process(m, 0))
    vma = ffi.new("struct numab_vma *", {"vaddr": BASE, "size_bytes": PAGE, "prot": 3})
    h.check(lib.numab_mmap(m, pid, vma))
    h.check(lib.numab_access(m, pid, BASE, 1, out))
    h.check(lib.numab_task_set_cpu(m, pid, 1))
    h.check(lib.numab_change_prot_numa(m, pid, BASE, PAGE))
    h.check(lib.numab_access(m, pid, BASE, 0, out))
    assert (REASONS[out.reason], out.nid) == ("hold_migrate_nomem", 0)
    values = ffi.unpack(lib.numab_counters(m), lib.numab_nr_counters())
    counters = dict(zip((row[0] for row in counter_rows()), values))
    assert (counters["pgmigrate_fail"], counters["migrate_passes"]) == (0, 1)


def test_the_injected_failures_reach_the_fault():
    for name, reason in (("migrate_fail_ppm", "hold_migrate_failed"),
                         ("migrate_again_ppm", "hold_migrate_again")):
        w = misplaced(**{name: SECOND})
        assert w.hint().reason == reason


@pytest.mark.parametrize("leak", [0, 1])
@pytest.mark.parametrize("why", ["shared", "full"])
def test_as_posted_a_refused_page_leaks_a_reference(why, leak):
    """Switch leak_on_refused_migrate.  Steps 1 and 2 return without dropping the caller's
    reference.  Expect: pinned for good and its memory never back; mended, nothing of it."""
    w = misplaced(sizes=[4000, 100], leak_on_refused_migrate=leak)
    w.mark()
    if why == "shared":
        child = w.t.fork()
    else:
        w.fill(1, HIGH + 1)
    assert w.touch().reason == f"hold_{'shared_page' if why == 'shared' else 'target_low_memory'}"
    if why == "shared":
        child.main.exit()
    assert w.m.counters["pages_leaked"] == leak
    assert ("pinned" in w.flags()) is bool(leak)
    w.p.set_page_flags(VPN, ["pinned"], on=False)    # the lost reference is not the host's
    assert ("pinned" in w.flags()) is bool(leak)
    w.p.munmap(BASE, PAGE)
    assert (w.m.node(0).leaked, w.m.node(0).free) == (leak, 4000 - leak)


def test_a_failed_isolation_leaks_nothing_even_as_posted():
    """Step 3 drops the reference."""
    w = misplaced(leak_on_refused_migrate=1)
    w.set_flag("no_lru")
    assert w.hint().reason == "hold_isolation_failed"
    assert w.m.counters["pages_leaked"] == 0
