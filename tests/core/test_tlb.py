"""TLB flushes, counted by kind: patches 22 to 24 with a switch each, and who else flushes."""

import pytest

from .world import BASE, PAGE, SLOT, VPN, World, table

PAGE_KINDS = ("tlb_flush_local", "tlb_flush_remote", "tlb_flush_range")


def flushes(w, call, *args, **kwargs):
    """(local, remote, range) flushes of a call."""
    did = w.counts(call, *args, **kwargs)
    return tuple(did.get(kind, 0) for kind in PAGE_KINDS)


def upgradable(threads, **switches):
    """A page that lost its write permission and may have it back; a thread on another CPU."""
    w = World(**switches)
    w.write(0)
    w.p.mprotect(BASE, PAGE, "r")
    w.p.mprotect(BASE, PAGE, "rw")
    if threads:
        w.t.clone(1)
    return w


@pytest.mark.parametrize("switches, alone, threaded", table(
    ("x86 before the series", {"tlb_x86_local_only": 0, "tlb_x86_no_flush": 0},
     (1, 0, 0), (0, 1, 0)),
    ("x86 patch 22", {"tlb_x86_local_only": 1, "tlb_x86_no_flush": 0}, (1, 0, 0), (1, 0, 0)),
    ("x86 patch 23", {"tlb_x86_local_only": 1, "tlb_x86_no_flush": 1}, (0, 0, 0), (0, 0, 0)),
    ("x86 patch 23 alone", {"tlb_x86_local_only": 0, "tlb_x86_no_flush": 1},
     (0, 0, 0), (0, 0, 0)),
    ("others before the series", {"arch_x86": 0, "tlb_generic_local": 0}, (1, 0, 0), (0, 1, 0)),
    ("others patch 24", {"arch_x86": 0, "tlb_generic_local": 1}, (1, 0, 0), (1, 0, 0)),
))
def test_a_permission_upgrade_flushes(switches, alone, threaded):
    """ptep_set_access_flags: 22 «only the local CPU's entry», 23 «even the local flush goes», 24
    the same for the generic version."""
    for threads, expected in ((False, alone), (True, threaded)):
        w = upgradable(threads, **switches)
        assert flushes(w, w.touch, 0, True) == expected


def test_switches_of_the_other_architecture_do_nothing():
    w = upgradable(True, arch_x86=1, tlb_generic_local=0)
    assert flushes(w, w.touch, 0, True) == (0, 0, 0)
    w = upgradable(True, arch_x86=0, tlb_x86_no_flush=0, tlb_x86_local_only=0)
    assert flushes(w, w.touch, 0, True) == (1, 0, 0)


def test_as_posted_the_three_patches_are_in():
    w = World(as_posted=True)
    for name in ("arch_x86", "tlb_x86_local_only", "tlb_x86_no_flush", "tlb_generic_local"):
        assert w.m.tunables[name] == 1


def test_migration_of_a_marked_page_still_flushes():
    """Known wrong in version 2 (cover letter, patches 22-24): try_to_unmap_one flushes although no
    TLB can hold a numa entry.  Local while nobody else runs the address space, else remote."""
    for cpu, expected in ((None, (1, 0, 0)), (1, (1, 0, 0)), (0, (0, 1, 0))):
        w = World(policy="moron", pmd_mark=0)
        w.write(0)
        w.t.set_cpu(1)
        if cpu is not None:
            w.t.clone(cpu)
        w.mark()
        assert flushes(w, w.touch) == expected


def test_remote_means_a_live_task_of_the_address_space_on_another_cpu():
    """The same CPU, another process, or a thread that has ended: all local."""
    w = World(cpus=[(0, 1), (2,)], mapped=4)
    for page in range(4):
        w.touch(page)                     # zero pages: each write copies and flushes
    w.t.clone(0)
    other = w.m.process(1)
    assert flushes(w, w.touch, 0, True) == (1, 0, 0)
    thread = w.t.clone(1)                 # same node, another CPU
    assert flushes(w, w.touch, 1, True) == (0, 1, 0)
    thread.exit()
    assert flushes(w, w.touch, 2, True) == (1, 0, 0)
    assert other.main.info().cpu == 1


def test_copy_on_write_flushes_the_page():
    w = World(mapped=1)
    w.write(0)
    child = w.t.fork(1)
    assert flushes(w, child.main.access, BASE, True) == (1, 0, 0)


def test_hints_that_stay_flush_nothing():
    """Clearing a mark only adds permission."""
    w = World(mapped=4)
    w.write(0, 1)
    w.t.clone(1)
    w.mark(0, 4)
    assert flushes(w, w.touch, 0) == (0, 0, 0)


def test_range_flushes_of_the_calls():
    """fork, split and mremap once; mprotect once per mapping that really changes; munmap once if
    anything was mapped; exec and exit never."""
    w = World(mapped=SLOT, thp=1)
    w.p.mmap(BASE + SLOT * PAGE, PAGE)
    w.write(0, SLOT)
    one, all_ = (BASE, SLOT * PAGE), (BASE, (SLOT + 1) * PAGE)
    assert flushes(w, w.p.split_huge_page, VPN) == (0, 0, 1)
    assert flushes(w, w.t.fork) == (0, 0, 1)
    assert flushes(w, w.p.mprotect, *all_, "r") == (0, 0, 2)
    assert flushes(w, w.p.mprotect, *one, "rw") == (0, 0, 1)
    assert flushes(w, w.p.mprotect, *all_, "rw") == (0, 0, 1)
    assert flushes(w, w.p.mprotect, *all_, "rw") == (0, 0, 0)
    assert flushes(w, w.p.mremap, *one, BASE + (1 << 40)) == (0, 0, 1)
    assert flushes(w, w.p.munmap, *all_) == (0, 0, 1)
    assert flushes(w, w.p.munmap, *all_) == (0, 0, 0)
    w.p.mmap(*one)
    assert flushes(w, w.p.munmap, *one) == (0, 0, 0)
    assert flushes(w, w.t.exec) == (0, 0, 0)
    assert flushes(w, w.t.exit) == (0, 0, 0)


def test_flushes_have_prices():
    """A copy costs fault 500 + allocation 500 + flush 100, and 2000 more when it interrupts other
    CPUs; then the write itself: 0.5 + 80."""
    for threads, extra in ((0, 0), (1, 2000)):
        w = World()
        w.touch(0)
        if threads:
            w.t.clone(1)
        expect = (500 + 500 + 100 + extra) * 1000 + 500 + 80_000
        assert w.touch(0, True).cost_ps == expect
