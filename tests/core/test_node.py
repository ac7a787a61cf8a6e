"""Nodes: watermarks, fallback by distance, running out, odd and large machines."""

import numpy as np
import pytest
from numab import InvalidArgument, Node, NoSuchTask, OutOfMemory, Topology

from .world import BASE, HIGH, LOW, MIN, PAGE, VPN, World, machine, table


# ---- watermarks ----


@pytest.mark.parametrize("sizes, marks", table(
    # 2 x 64 MiB: 131072 KiB, sqrt(131072 * 16) = 1448 KiB = 362 pages, half each: 181
    ("two nodes of 64 MiB", [16384, 16384], [(181, 226, 271), (181, 226, 271)]),
    # 16 MiB: sqrt(16384 * 16) = 512 KiB = 128 pages, by size 3:1
    ("3 to 1", [3072, 1024], [(96, 120, 144), (32, 40, 48)]),
    # 512 KiB: sqrt(8192) = 90, at least 128 KiB = 32 pages
    ("at least 128 KiB", [128], [(32, 40, 48)]),
    # 1 TiB: sqrt(2^30 * 16) = 131072, at most 65536 KiB = 16384 pages
    ("at most 64 MiB", [1 << 27, 1 << 27], [(8192, 10240, 12288)] * 2),
))
def test_watermarks_follow_the_size_of_memory(sizes, marks):
    """min_free_kbytes = sqrt(16 x KiB) within 128..65536, shared out by size; low is a quarter and
    high a half above min."""
    w = World(sizes=sizes, watermarks=None)
    got = [w.m.node(nid) for nid in range(len(sizes))]
    assert [(n.watermark_min, n.watermark_low, n.watermark_high) for n in got] == marks


def test_nodes_of_their_own_watermarks():
    w = World()
    info = w.m.node(1)
    assert (info.watermark_min, info.watermark_low, info.watermark_high) == (MIN, LOW, HIGH)
    assert (info.pages, info.free, info.leaked, info.nr_cpus, info.nid) == (4000, 4000, 0, 1, 1)


# ---- fallback ----


def test_allocation_falls_back_by_distance_ties_by_id():
    """
    from 0:  1 at 20, 2 at 15, 3 at 20      Expect: 0, then 2, then 1, then 3, each down to low
    """
    distance = [[10, 20, 15, 20], [20, 10, 20, 20], [15, 20, 10, 20], [20, 20, 20, 10]]
    w = World(sizes=[LOW + 1] * 4, distance=distance, mapped=8)
    w.write(*range(5))
    assert w.nids(5) == [0, 2, 1, 3, 0]
    assert w.m.counters["alloc_fallback"] == 3


def test_low_on_all_nodes_comes_before_min_on_the_first():
    """Pass 1: free > low everywhere; pass 2: free > min."""
    w = World(sizes=[LOW + 2, LOW + 2], mapped=40)
    w.write(*range(6))
    assert w.nids(6) == [0, 0, 1, 1, 0, 0]


def test_out_of_memory_after_the_last_node_is_at_min():
    """Two nodes of 20: 12 pages each may go.  Expect: the 25th fails, nothing else changes, and a
    freed page helps."""
    w = World(sizes=[20, 20], mapped=40)
    w.write(*range(24))
    with pytest.raises(OutOfMemory, match=(
            "no node has a page for vpn .* of task 1; the machine has 40, of which 16 are free")):
        w.write(24)
    assert (w.m.node(0).free, w.m.node(1).free) == (MIN, MIN)
    assert w.nid(24) == -1
    assert w.m.counters["alloc_pages"] == 24
    w.p.munmap(BASE, PAGE)
    w.write(24)


def test_out_of_memory_while_copying_leaves_the_page_shared():
    w = World(sizes=[20, 20], mapped=24)
    w.write(*range(24))
    child = w.t.fork()
    with pytest.raises(OutOfMemory):
        w.touch(0, True)
    assert w.page().mapcount == 2
    assert w.m.counters["cow_faults"] == 0
    assert child.main.access(BASE).faults == 0


def test_reads_of_untouched_memory_need_none():
    """The zero page."""
    w = World(sizes=[20, 20], mapped=40)
    w.write(*range(24))
    assert w.touch(30).faults == 1


# ---- odd machines ----


def sparse():
    """Nodes 3, 7 and 900; CPUs 1, 4 and 6; node 7 without memory, 900 without CPUs.

    nid    3        7       900          distance 3-7: 15, 3-900: 30, 7-900: 25
    CPU    1, 4     6       -
    """
    topo = Topology(
        [Node(3, (1, 4), 4000 * PAGE), Node(7, (6,), 0), Node(900, (), 4000 * PAGE)],
        [[10, 15, 30], [15, 10, 25], [30, 25, 10]], "sparse")
    return machine(topo, "moron", tunables={"pmd_mark": 0})


def test_sparse_ids_of_nodes_and_cpus():
    m = sparse()
    assert m.nr_node_ids == 901
    p = m.process(4)
    p.mmap(BASE, 4 * PAGE)
    p.main.access(BASE, True)
    assert p.main.info().nid == 3
    assert p.node_pages()[[3, 7, 900]].tolist() == [1, 0, 0]
    for wrong in (0, 4, 899):
        with pytest.raises(NoSuchTask):
            m.node(wrong)
        with pytest.raises(InvalidArgument):
            p.main.set_home(wrong)
    for wrong in (0, 2, 3, 5, 7):
        with pytest.raises(InvalidArgument):
            p.main.set_cpu(wrong)


def test_a_node_without_memory_allocates_next_door_and_keeps_nothing():
    """Running on 7: 3 (15) is nearer than 900 (25).  A page of 3 wants to go to 7: no room."""
    m = sparse()
    p = m.process(6)
    p.mmap(BASE, PAGE)
    assert p.main.access(BASE, True).nid == 3
    assert m.counters["alloc_fallback"] == 1
    p.change_prot_numa(BASE, PAGE)
    assert p.main.access(BASE).reason == "hold_target_low_memory"
    assert m.counters["numa_hint_faults_local"] == 0
    assert p.main.faults()[[3, 7]].tolist() == [1, 0]


def test_a_node_without_cpus_only_lends_memory():
    """Nobody runs on 900; pages placed there come home at their hint."""
    m = sparse()
    p = m.process(1)
    p.mmap(BASE, PAGE)
    p.populate([VPN], 900)
    p.change_prot_numa(BASE, PAGE)
    assert p.main.access(BASE).reason == "go_migrated"
    assert p.page(VPN).nid == 3
    assert m.node(900).nr_cpus == 0


def test_a_thousand_nodes_and_eight_thousand_cpus():
    """The largest machine: 1,024 nodes, 8,192 CPUs.  Expect: the last of each works like the
    first, and a page crosses the whole machine."""
    nodes = [Node(nid, range(8 * nid, 8 * nid + 8), 1000 * PAGE) for nid in range(1024)]
    hops = abs(np.arange(1024)[:, None] - np.arange(1024))
    distance = 10 + (hops > 0) + 2 * hops // 9
    m = machine(Topology(nodes, distance, "largest"), "moron")
    p = m.process(8191)
    p.mmap(BASE, 2 * PAGE)
    task = p.main
    assert task.access(BASE, True).nid == 1023
    task.set_cpu(0)
    p.change_prot_numa(BASE, PAGE)
    outcome = task.access(BASE)
    assert (outcome.reason, outcome.nid) == ("go_migrated", 0)
    assert task.faults()[[0, 1023]].tolist() == [1, 0]
    p.set_policy(BASE, 2 * PAGE, "bind", nodes=[1000, 1023])
    task.access(BASE + PAGE, True)
    assert p.page(VPN + 1).nid == 1000
    assert m.access_matrix[0, 0, 0] == 1


def test_a_machine_of_one_node_has_nothing_to_balance():
    w = World(nodes=1, mapped=4)
    w.write(*range(4))
    w.scan()
    w.touch(0)
    assert w.reasons() == {"hold_two_stage_filter": 4}
    assert w.m.counters["numa_hint_faults_local"] == 4
