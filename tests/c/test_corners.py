"""Corners of the contract that a host meets once in a blue moon: exact, and each with its story.

Machines are those of ``core_host``; time is the host's unless a test runs the core's ticks.
"""

from errno import EAGAIN, EFAULT, EINVAL

import pytest
from core_host import BASE_VPN, DISTANCE, PAGE, SLOT, Host, row_array

from numa_core import Handle, errors, ffi, lib

FOREVER = 2 ** 64 - 1
MS = 1_000_000


def mark(host, pid, pages=SLOT):
    return host.check(lib.numab_change_prot_numa(host.m, pid, BASE_VPN * PAGE, pages * PAGE))


def asked(host):
    moves = ffi.new("struct numab_move[]", 64)
    n = host.check(lib.numab_moves(host.m, moves, 64))
    return [(move.id, move.vpn - BASE_VPN, move.from_nid, move.to_nid) for move in moves[0:n]]


@pytest.fixture
def external():
    """A host that keeps the pages: task 1 on node 0 has touched page 0, from node 1 it asks."""
    host = Host(policy="moron", external=True, tunables={"pmd_mark": 0})
    host.mmap(host.process(0), 0, SLOT)
    host.access(1, 0, write=1)
    host.check(lib.numab_task_set_cpu(host.m, 1, 1))
    mark(host, 1)
    host.access(1, 0, write=1)
    assert asked(host) == [(1, 0, 0, 1)]
    return host


# ---- external mode: answers that come late ----


def test_an_answer_to_an_older_move_leaves_the_newer_one(external):
    """
    1. Page 0 is asked to move (move 1); before the answer the range is unmapped and mapped anew.
    2. The new page 0 is touched, marked, and asked to move as well (move 2).
    3. The answer to move 1 must not be taken for one to move 2, whose page has the same number.
    """
    host = external
    host.check(lib.numab_munmap(host.m, 1, BASE_VPN * PAGE, SLOT * PAGE))
    host.mmap(1, 0, SLOT)
    host.access(1, 0, write=1)                       # on node 1, where the task runs
    host.check(lib.numab_task_set_cpu(host.m, 1, 2))  # on node 4
    mark(host, 1)
    host.access(1, 0, write=1)
    assert asked(host) == [(2, 0, 1, 4)]

    with pytest.raises(errors.NoSuchTask):           # NUMAB_ENOENT
        host.check(lib.numab_migrated(host.m, 1, 0))
    assert host.node_pages(1)[0] == 1
    assert (host.counter("pgmigrate_success"), host.counter("pgmigrate_fail")) == (0, 1)
    host.check(lib.numab_migrated(host.m, 2, 0))
    assert host.node_pages(1)[0] == 4
    assert (host.counter("pgmigrate_success"), host.counter("pgmigrate_fail")) == (1, 1)
    host.check(lib.numab_check(host.m))


def test_a_page_that_a_fork_shares_does_not_move_any_more(external):
    """Shared pages do not migrate: the move is off, and nothing stays isolated for ever."""
    host = external
    child = host.check(lib.numab_fork(host.m, 1, 0))
    host.check(lib.numab_munmap(host.m, 1, BASE_VPN * PAGE, SLOT * PAGE))
    with pytest.raises(errors.NoSuchTask):
        host.check(lib.numab_migrated(host.m, 1, 0))
    page = ffi.new("struct numab_page *")
    host.check(lib.numab_page(host.m, child, BASE_VPN, page))
    assert (page.nid, page.flags & lib.NUMAB_PG_MOVING) == (0, 0)


def test_every_move_has_one_answer(external):
    host = external
    host.check(lib.numab_migrated(host.m, 1, 0))
    for _ in range(2):
        with pytest.raises(errors.NoSuchTask, match="no move 1"):
            host.check(lib.numab_migrated(host.m, 1, 0))
    assert host.counter("pgmigrate_success") == 1


# ---- rings that stop a run ----


def test_a_row_of_many_pages_goes_on_within_itself():
    """A full ring stops a batch inside a row; `pages` says where, so that no page counts twice.

    3,072 first touches, an event each; 4,096 events fit and a run stops with less than 2,048 free.
    """
    host = Host(tunables={"zero_page": 0})
    host.mmap(host.process(0), 0, 6 * SLOT)
    host.check(lib.numab_events(host.m, 4096, 1, 0, FOREVER))
    batch, ring = ffi.new("struct numab_batch *"), ffi.new("struct numab_event[]", 4096)
    rows = row_array([(0, 6 * SLOT - 1, 1, 0)])
    code = lib.numab_access_rows(host.m, 1, ffi.from_buffer("struct numab_row[]", rows), 1, batch)
    assert (code, batch.consumed, batch.pages) == (-EAGAIN, 0, 2049)
    assert host.check(lib.numab_drain(host.m, ring, 4096)) == 2049

    rows = row_array([(batch.pages, 6 * SLOT - 1 - batch.pages, 1, 0)])
    code = lib.numab_access_rows(host.m, 1, ffi.from_buffer("struct numab_row[]", rows), 1, batch)
    assert (code, batch.consumed, batch.pages) == (0, 1, 0)
    assert host.check(lib.numab_drain(host.m, ring, 4096)) == 3072 - 2049
    assert sum(lib.numab_access_matrix(host.m)[0:50]) == 3072
    assert host.counter("events_dropped") == 0


def test_a_lossless_ring_has_room_for_the_scans_of_a_tick():
    """1,500 VMAs are 1,500 events in one window: the ring is drained before the tick, not after."""
    host = Host(policy="moron", pages=20_000)
    pid = host.process(0)
    for i in range(1500):
        host.mmap(pid, 2 * i, 1)
    host.check(lib.numab_events(host.m, 4096, 1, 0, FOREVER))
    host.feed(pid, row_array([(2 * i, 0, 100, 100) for i in range(1500)]), 0)
    stop, ring = ffi.new("struct numab_stop *"), ffi.new("struct numab_event[]", 4096)
    kinds = {kind: 0 for kind in range(lib.NUMAB_EV_SPLIT + 1)}
    stop.why = -1
    while stop.why != lib.NUMAB_STOP_UNTIL:
        host.check(lib.numab_run(host.m, 60 * MS, stop))
        for event in ring[0:host.check(lib.numab_drain(host.m, ring, 4096))]:
            kinds[event.kind] += 1
    assert host.counter("events_dropped") == 0
    assert kinds[lib.NUMAB_EV_SCAN] == 1500 * host.counter("scan_windows") > 0
    assert kinds[lib.NUMAB_EV_PASS] == host.counter("scan_passes")
    assert kinds[lib.NUMAB_EV_ALLOC] == host.counter("alloc_pages") == 1500


# ---- runs that stop ----


def test_a_task_that_asks_for_more_keeps_its_slice():
    """Two tasks on a CPU: who stops for a feed in the middle of a tick goes on in that tick.

    A row costs 1000 x 500 ps + 64 lines x 80 ns = 5.62 us; a tick is 1 ms, 178 rows.  Expect: the
    first tick is task 1's alone, though it asked after its first row.
    """
    host = Host(policy="off", tunables={"zero_page": 0, "fault_ns": 0, "page_alloc_ns": 0})
    for _ in range(2):
        host.mmap(host.process(0), 0, 1)
        host.feed(host.tasks[-1], row_array([(0, 0, 1000, 0)]), 1)
    stop = ffi.new("struct numab_stop *")
    host.check(lib.numab_run(host.m, MS, stop))
    assert (stop.why, stop.tid) == (lib.NUMAB_STOP_FEED, 1)
    host.feed(1, row_array([(0, 0, 1000, 0)]), 0)
    host.check(lib.numab_run(host.m, MS, stop))
    assert stop.why == lib.NUMAB_STOP_UNTIL
    assert host.task(1)["sum_exec_ns"] == MS
    assert host.task(2)["sum_exec_ns"] == 0


def test_a_run_that_fails_says_whose_access_it_was():
    host = Host()
    host.mmap(host.process(0), 0, 1)
    host.mmap(host.process(1), 0, 1)
    host.feed(1, row_array([(0, 0, 1, 0)]), 0)
    host.feed(2, row_array([(0, 0, 1, 0), (1, 0, 1, 0)]), 0)
    stop = ffi.new("struct numab_stop *")
    assert lib.numab_run(host.m, MS, stop) == -EFAULT
    assert stop.tid == 2


# ---- numbers at the edge ----


def test_a_fork_stops_before_a_count_of_mappings_overflows():
    """A page of an object that one process maps 32,768 times: its fork would need 65,536."""
    host = Host()
    pid = host.process(0)
    shm = host.check(lib.numab_object(host.m, lib.NUMAB_SHM, 1))
    for i in range(32_768):
        vma = ffi.new("struct numab_vma *", {
            "vaddr": (BASE_VPN + i) * PAGE, "size_bytes": PAGE, "kind": lib.NUMAB_SHM, "prot": 3,
            "object": shm})
        host.check(lib.numab_mmap(host.m, pid, vma))
    rows = row_array([(0, 32_766, 1, 0)])
    host.check(lib.numab_access_rows(
        host.m, pid, ffi.from_buffer("struct numab_row[]", rows), 1, ffi.NULL))
    child = host.check(lib.numab_fork(host.m, pid, 0))  # 32,767 + 32,767
    host.check(lib.numab_exit(host.m, child))
    host.access(pid, 32_767, write=0)
    with pytest.raises(errors.InvalidArgument, match="32768 times"):
        host.check(lib.numab_fork(host.m, pid, 0))
    host.check(lib.numab_check(host.m))


@pytest.mark.parametrize("which", [2, 3, 4])
def test_watermarks_have_a_bound(which):
    node = [0, 1000, 0, 0, 0]
    node[which] = 2 ** 40
    Handle([tuple(node)], [0], DISTANCE[:1, :1].copy())
    node[which] += 1
    with pytest.raises(errors.InvalidArgument, match="watermarks"):
        Handle([tuple(node)], [0], DISTANCE[:1, :1].copy())


def test_a_touch_counts_in_32_bits():
    host = Host()
    host.mmap(host.process(0), 0, 1)
    pattern = ffi.new("struct numab_pattern *", {
        "vpn": BASE_VPN, "nr_pages": 1, "touches": 1, "reads": 2 ** 32 - 2, "writes": 1})
    host.check(lib.numab_feed_pattern(host.m, 1, pattern))
    pattern.writes = 2
    with pytest.raises(errors.InvalidArgument, match="permitted 1..2\\^32-1"):
        host.check(lib.numab_feed_pattern(host.m, 1, pattern))


def test_no_access_is_free():
    """At a price of 0 an endless load would never fill a tick, and numab_run never return."""
    host = Host()
    host.set(latency_local_ps=0)
    with pytest.raises(errors.InvalidArgument, match="permitted 1"):
        host.set(cpu_ps=0)


@pytest.mark.parametrize("call", [
    lambda m: lib.numab_drain(m, ffi.NULL, 1), lambda m: lib.numab_moves(m, ffi.NULL, 1),
    lambda m: lib.numab_vmas(m, 1, ffi.NULL, 1), lambda m: lib.numab_probe(m, 1, 0, 0, ffi.NULL),
    lambda m: lib.numab_populate(m, 1, ffi.NULL, ffi.NULL, 1, 1),
    lambda m: lib.numab_migrate_pages(m, 1, ffi.NULL, 1, 0, 0, 0),
    lambda m: lib.numab_feed_rows(m, 1, ffi.NULL, 1, 1),
    lambda m: lib.numab_access_rows(m, 1, ffi.NULL, 1, ffi.NULL)])
def test_nowhere_is_no_place(call):
    """A null pointer where something must be is an argument out of range, never a crash."""
    host = Host()
    host.mmap(host.process(0), 0, 1)
    assert call(host.m) == -EINVAL
