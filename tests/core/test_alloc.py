"""What a machine costs the host in memory."""

import os

import pytest
from numab import rows

from .world import BASE, PAGE, VPN, World

PAGES = 1 << 21


def resident():
    """Bytes this process has in memory."""
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pytest.skip("no /proc here")


def test_a_touched_page_costs_at_most_12_bytes():
    """8 GiB fully touched, marked and counted: entries of 8 bytes and little else."""
    w = World(sizes=[PAGES + 1000], nodes=1, mapped=PAGES)
    before = resident()
    w.t.access_rows(rows([VPN + i * 65536 | 65535 << 48 for i in range(PAGES // 65536)], writes=1))
    assert w.t.info().mm_pages == PAGES
    assert w.mark(0, PAGES) == PAGES
    assert resident() - before <= 12 * PAGES


def test_empty_address_space_costs_next_to_nothing():
    """16 TiB mapped, two pages touched at its ends: page tables are there only where they are
    touched (two blocks of the host's huge pages)."""
    w = World(mapped=0)
    size = 1 << 44
    before = resident()
    w.p.mmap(BASE, size)
    w.t.access(BASE, True)
    w.t.access(BASE + size - PAGE, True)
    assert resident() - before <= 32 << 20
    w.p.munmap(BASE, size)


def test_page_tables_are_given_back():
    """Expect: mapping, touching and unmapping many times over does not grow."""
    w = World(sizes=[PAGES], nodes=1, mapped=0)

    def once():
        w.p.mmap(BASE, (PAGES // 4) * PAGE)
        w.t.access_rows(rows([VPN + i * 65536 | 65535 << 48 for i in range(4)], writes=1))
        w.p.munmap(BASE, (PAGES // 4) * PAGE)

    once()
    before = resident()
    for _ in range(10):
        once()
    assert resident() - before <= 4 << 20


def test_machines_are_given_back():
    def once():
        w = World(mapped=4096, pages=5000)
        w.t.access_rows(rows(VPN | 4095 << 48, writes=1))
        from .world import MACHINES
        MACHINES.clear()

    once()
    before = resident()
    for _ in range(100):
        once()
    assert resident() - before <= 4 << 20
