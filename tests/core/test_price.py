"""The cost model: what each thing costs, to the picosecond.  Defaults of tunables.def."""

import pytest
from numab import rows

from .world import BASE, PAGE, SLOT, VPN, World

CPU, LINE = 500, 80_000                       # ps
NS = 1000
FAULT, ALLOC, HINT, BATCH, MIGRATE, FAILED, SPLIT = 500, 500, 500, 100, 2500, 700, 10_000    # ns
LOCAL_FLUSH, REMOTE_FLUSH, RANGE = 100, 2000, 1000
READ = CPU + LINE                             # one local access


def test_the_defaults_are_the_ones_used_here():
    t = World().m.tunables
    names = ("cpu_ps", "latency_local_ps", "fault_ns", "page_alloc_ns", "hint_ns", "hint_batch_ns",
             "migrate_ns", "migrate_fail_ns", "split_ns", "tlb_local_ns", "tlb_remote_ns",
             "tlb_range_ns")
    assert [t[name] for name in names] == [
        CPU, LINE, FAULT, ALLOC, HINT, BATCH, MIGRATE, FAILED, SPLIT, LOCAL_FLUSH, REMOTE_FLUSH,
        RANGE]


@pytest.mark.parametrize("reads, writes", [
    (1, 0), (0, 1), (3, 4), (63, 0), (64, 0), (65, 0), (1000, 1000), (0, 0),
    (2**32 - 1, 2**32 - 1)])
@pytest.mark.parametrize("distance", [10, 17, 20, 255])
def test_a_row_costs_its_accesses_and_its_lines(reads, writes, distance):
    """accesses x cpu_ps + min(accesses, 64) x latency, latency = 80 ns x distance / 10."""
    far = max(distance, 11)
    w = World(distance=[[10, far], [far, 10]])
    w.place(0, int(distance > 10))
    accesses = max(1, reads + writes)
    expect = accesses * CPU + min(accesses, 64) * (LINE * distance // 10)
    assert w.t.access_rows(rows(VPN, reads=reads, writes=writes)).cost_ps == expect


def test_a_wide_row_costs_so_much_a_page():
    w = World(mapped=20)
    w.place(0, 0, 20)
    batch = w.t.access_rows(rows(VPN | 19 << 48, reads=70))
    assert batch.cost_ps == 20 * (70 * CPU + 64 * LINE)


def test_one_access_costs_the_same_as_a_row_of_one():
    w = World(distance=[[10, 21], [21, 10]], mapped=2)
    w.place(0, 0)
    w.place(1, 1)
    assert w.touch(0).cost_ps == READ
    assert w.touch(1, True).cost_ps == CPU + 168_000


def test_prices_take_effect_at_once():
    w = World()
    w.place(0, 1)
    w.m.tunables["latency_local_ps"] = 100
    w.m.tunables["cpu_ps"] = 7
    assert w.touch(0).cost_ps == 7 + 200
    assert w.t.access_rows(rows(VPN, reads=3)).cost_ps == 3 * 207


def test_first_touches_and_write_faults():
    w = World(mapped=3)
    assert w.touch(0).cost_ps == FAULT * NS + READ
    assert w.touch(1, True).cost_ps == (FAULT + ALLOC) * NS + READ
    w.p.mprotect(BASE + PAGE, PAGE, "r")
    w.p.mprotect(BASE + PAGE, PAGE, "rw")
    assert w.touch(1, True).cost_ps == FAULT * NS + READ
    huge = World(mapped=SLOT, thp=1)
    assert huge.touch(9).cost_ps == (FAULT + SLOT * ALLOC) * NS + READ


def misplaced(**kwargs):
    w = World(policy="moron", **{"pmd_mark": 0, **kwargs})
    w.write(0)
    w.t.set_cpu(1)
    return w


def test_hints_migrations_and_failures():
    """A local hint; one that moves (a flush of the local CPU); ten tries that fail (ten flushes);
    one refused before isolation costs no attempt."""
    w = misplaced()
    w.t.set_cpu(0)
    assert w.hint().cost_ps == (FAULT + HINT) * NS + READ
    w.t.set_cpu(1)
    assert w.hint().cost_ps == (FAULT + HINT + MIGRATE + LOCAL_FLUSH) * NS + READ
    far = CPU + 2 * LINE
    w = misplaced()
    w.set_flag("pinned")
    assert w.hint().cost_ps == (FAULT + HINT + FAILED + 10 * LOCAL_FLUSH) * NS + far
    w = misplaced()
    w.set_flag("no_lru")
    assert w.hint().cost_ps == (FAULT + HINT) * NS + far


def test_a_migration_that_interrupts_others():
    w = misplaced()
    w.t.clone(0)
    expect = (FAULT + HINT + MIGRATE + LOCAL_FLUSH + REMOTE_FLUSH) * NS + READ
    assert w.hint().cost_ps == expect


def test_a_batch_costs_by_the_page():
    """Fault and hint once, then 100 ns a page; as posted without migrations, version 3 with."""
    w = misplaced(mapped=4, pmd_mark=1, pmd_batch_migrate=0)
    w.place(1, 0, 3)
    w.mark(0, 4)
    assert w.touch(0).cost_ps == (FAULT + HINT + 4 * BATCH) * NS + CPU + 2 * LINE
    w = misplaced(mapped=4, pmd_mark=1)
    w.place(1, 0, 3)
    w.mark(0, 4)
    moves = 4 * (BATCH + MIGRATE + LOCAL_FLUSH)
    assert w.touch(0).cost_ps == (FAULT + HINT + moves) * NS + READ


def test_huge_pages():
    """A split and the base page's own fault and move; or whole, 512 times the price and a flush."""
    for native, extra in ((0, SPLIT + FAULT + HINT + MIGRATE + LOCAL_FLUSH),
                          (1, 512 * MIGRATE + RANGE)):
        w = World(policy="moron", mapped=SLOT, thp=1, thp_native_migration=native)
        w.write(0)
        w.t.set_cpu(1)
        w.mark(0, SLOT)
        assert w.touch(0).cost_ps == (FAULT + HINT + extra) * NS + READ


def test_a_host_pays_nothing_for_its_own_calls():
    """munmap, mprotect, migrate_pages and change_prot_numa are the host's: no task is charged."""
    w = World(mapped=4)
    w.write(0, 1)
    w.mark(0, 4)
    w.p.migrate_pages([VPN], 1)
    w.p.mprotect(BASE, PAGE, "r")
    w.p.munmap(BASE, PAGE)
    assert (w.t.info().debt_ps, w.t.info().sum_exec_ns) == (0, 0)
