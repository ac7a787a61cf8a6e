"""The checker: quiet on every sound machine, loud on a broken one, and it changes nothing."""

import pytest
from numa_core import ffi, lib
from numab import InvalidArgument, rows

from .world import BASE, MACHINES, PAGE, SLOT, VPN, World


def busy():
    """A machine with a bit of everything: huge, shared, marked, moved, leaked, fed."""
    w = World(mapped=3 * SLOT, nodes=3, thp=1, policy="moron", leak_on_refused_migrate=1)
    w.write(0, SLOT)
    w.p.mprotect(BASE + SLOT * PAGE, 5 * PAGE, "none")
    child = w.t.fork(1)
    child.main.access(BASE, True)
    w.t.set_cpu(2)
    w.mark(0, 3 * SLOT)
    w.t.access_rows(rows(VPN | 99 << 48, writes=1))
    w.p.mmap(BASE + (1 << 40), 4 * PAGE, kind="shm", object=w.m.object("shm", 4))
    w.t.access(BASE + (1 << 40), True)
    w.p.populate([VPN + 2 * SLOT], 1, present=False)
    return w


def test_a_sound_machine_passes_and_nothing_changes():
    w = busy()
    before = (dict(w.m.counters), w.reasons(), w.nids(3 * SLOT), w.t.info(), w.m.node(0))
    for _ in range(3):
        w.m.check()
    assert (dict(w.m.counters), w.reasons(), w.nids(3 * SLOT), w.t.info(), w.m.node(0)) == before


@pytest.mark.parametrize("nid, by", [(0, 1), (2, 1 << 40)])
def test_fault_numbers_that_do_not_add_up_are_found(nid, by):
    """Somebody wrote into a task's array: its nodes sum to more than its total."""
    w = busy()
    MACHINES.remove(w.m)
    numbers = ffi.cast("uint64_t *", lib.numab_task_faults(w.m._h.m, w.t.tid))
    numbers[nid] += by
    with pytest.raises(InvalidArgument, match=f"broken invariant: task {w.t.tid}"):
        w.m.check()
    numbers[nid] -= by
    w.m.check()


def test_halved_numbers_may_differ_by_their_roundings():
    """1 + 1 + 1 = 3, halved 0 + 0 + 0 against 1: sound."""
    w = World(nodes=3, mapped=3, pmd_mark=0)
    w.write(0)
    for cpu in (0, 1, 2):
        w.t.set_cpu(cpu)
        w.hint()
    assert w.t.faults().tolist() == [1, 1, 1]
    w.scan()
    assert (w.t.faults().tolist(), w.t.info().numa_fault_tot) == ([0, 0, 0], 1)
    w.m.check()
