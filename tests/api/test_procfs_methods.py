"""numa_maps and status of running processes."""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument, NoSuchTask
from numab import Machine
from numab.procfs import parse_numa_maps, parse_status_masks
from numab.procfs.methods import vma_path
from numab.values import Vma

BASE, PAGE = 0x10000000, 4096


def started(era="v6.1", machine="2s", **options):
    p = Machine(machine, era=era, **options).process(cpu=0)
    p.mmap(BASE, 8 * PAGE)
    return p


def touch(p, *pages, base=BASE, by=None, write=True):
    for page in pages:
        (by or p.main).access(base + page * PAGE, write=write)


def test_a_line_a_mapping_in_order_of_address():
    p = started()
    p.mmap(0x7FFF00000000, 2 * PAGE, flags=["stack"])
    p.mmap(0x5000000, PAGE, flags=["heap"])
    touch(p, 0, 1), touch(p, 0, base=0x7FFF00000000)
    assert p.numa_maps() == (
        "05000000 default heap\n"
        "10000000 default anon=2 dirty=2 active=0 N0=2 kernelpagesize_kB=4\n"
        "7fff00000000 default stack anon=1 dirty=1 active=0 N0=1 kernelpagesize_kB=4\n"
    )


def test_a_range_shows_its_own_policy_and_the_others_the_tasks():
    p = started()
    p.main.set_mempolicy("interleave:0-1")
    p.mbind(BASE + 2 * PAGE, 2 * PAGE, "bind:1 static")
    touch(p, *range(8))
    lines = parse_numa_maps(p.numa_maps())
    assert [(line.vaddr - BASE, line.policy) for line in lines] == [
        (0, "interleave:0-1"), (2 * PAGE, "bind=static:1"), (4 * PAGE, "interleave:0-1")]
    assert lines[1].nodes == {1: 2}


def test_each_thread_shows_its_own_policy():
    p = started()
    thread = p.main.clone()
    thread.set_mempolicy("prefer:1")
    assert thread.numa_maps() == "10000000 prefer:1\n" and p.numa_maps() == "10000000 default\n"


@pytest.mark.parametrize("era, on_0, on_1", [
    ("v2", "prefer:0", "prefer:1"), ("v3.8", "prefer:0", "prefer:1"),
    ("v6.1", "default", "default"),
])
def test_who_reads_it_shows_in_2012(era, on_0, on_1):
    p = started(era)
    reader = p.machine.process(cpu=8).main
    assert p.numa_maps() == f"10000000 {on_0}\n"
    assert p.numa_maps(reader=reader) == f"10000000 {on_1}\n"


def test_a_home_node_shows_in_the_posting_whoever_reads():
    p = started("v2")
    p.main.set_home(1)
    assert p.numa_maps() == "10000000 prefer:1\n"


def test_objects_have_their_names():
    p = started()
    m = p.machine
    places = (
        ("file_shared", m.object("file", 4, "/srv/a b"), "file=/srv/a\\040b"),
        ("file_private", m.object("file", 4), "file=/object2"),
        ("shm", m.object("shm", 4), "file=/SYSV00000000\\040(deleted)"),
        ("anon_shared", m.object("shm", 4), "file=/dev/zero\\040(deleted)"),
        ("shm", m.object("shm", 4, "/dev/shm/x"), "file=/dev/shm/x"),
    )
    for i, (kind, number, _) in enumerate(places):
        p.mmap(BASE + (1 + i) * (1 << 20), 4 * PAGE, kind=kind, object=number)
    words = [line.split()[2] for line in p.numa_maps().splitlines()[1:]]
    assert words == [name for _, _, name in places]


def test_shared_pages_dirty_by_whoever_wrote_and_mapmax():
    """
    file page   0 read by both     1 written by a, read by b      Expect b: dirty=1 mapmax=2
    """
    m = Machine("2s", era="v3.8")
    number = m.object("file", 2, "/f")
    a, b = m.process(cpu=0), m.process(cpu=8)
    for p in (a, b):
        p.mmap(BASE, 2 * PAGE, kind="file_shared", object=number)
    touch(a, 0, write=False), touch(a, 1)
    touch(b, 0, 1, write=False)
    assert b.numa_maps() == (
        "10000000 prefer:1 file=/f dirty=1 mapped=2 mapmax=2 active=0 N0=2\n"
    )


def test_shared_memory_shows_the_policy_of_the_memory_itself():
    """What one mapper binds, the other sees at once."""
    m = Machine("2s", era="v6.1")
    number = m.object("shm", 4, "/x")
    a, b = m.process(cpu=0), m.process(cpu=8)
    for p in (a, b):
        p.mmap(BASE, 4 * PAGE, kind="shm", object=number)
    a.mbind(BASE, 4 * PAGE, "interleave:0-1")
    assert b.numa_maps() == "10000000 interleave:0-1 file=/x\n"


def test_status_has_the_masks():
    p = started(machine="4s")
    p.set_mems_allowed((1, 3))
    p.main.set_affinity((0, 31))
    assert parse_status_masks(p.status()) == {"Cpus_allowed": {0, 31}, "Mems_allowed": {1, 3}}
    assert p.status().splitlines()[0] == "Cpus_allowed:\t80000001"


@pytest.mark.parametrize("kind, number, path", [
    ("anon_private", 0, None), ("shm", 4, "/SYSV00000000 (deleted)"),
    ("file_private", 4, "/object4"), ("file_private", 7, "/seven"),
])
def test_paths(kind, number, path):
    assert vma_path(Vma(BASE, PAGE, kind, "rw", (), number, 0), {7: "/seven"}) == path


def test_mistakes_are_named():
    p = started()
    with pytest.raises(InvalidArgument, match="object name '', permitted: a path"):
        p.machine.object("shm", 1, "")
    with pytest.raises(NoSuchTask):
        p.machine.task(99).numa_maps()
