"""Shared memory: policies of its parts, seen by every mapper, outliving each mapping."""

from __future__ import annotations

import pytest

from .world import BASE, PAGE, World

OTHER = BASE + (1 << 30)


class Shared(World):
    """Six pages of shared memory, mapped at BASE by p and at OTHER by q; rows of a digit a page."""

    def __init__(self, kind="shm"):
        super().__init__(2, mapped=0)
        self.m.era = "v6.1"
        self.object = self.m.object("shm", 6)
        self.q = self.m.process(0)
        for process, vaddr in ((self.p, BASE), (self.q, OTHER)):
            process.mmap(vaddr, 6 * PAGE, kind=kind, object=self.object)

    def policies(self, process, base, shared=True):
        found = (self.m.memory.range_policy(process.pid, base + i * PAGE, shared=shared)
                 for i in range(6))
        return "".join(str(p.nodes[0]) if p else "-" for p in found)


def test_a_policy_is_of_the_memory_and_every_mapper_obeys():
    s = Shared()
    s.p.mbind(BASE + PAGE, 2 * PAGE, "bind:1")
    assert s.policies(s.p, BASE) == s.policies(s.q, OTHER) == "-11---"
    assert s.policies(s.q, OTHER, shared=False) == "------"
    for i in range(6):
        s.q.main.access(OTHER + i * PAGE, write=True)
    assert s.q.page_nids(OTHER // PAGE, 6).tolist() == [0, 1, 1, 0, 0, 0]


def test_it_outlives_the_mapping_that_made_it():
    s = Shared()
    s.p.mbind(BASE, 6 * PAGE, "bind:1")
    s.q.mbind(OTHER + 2 * PAGE, PAGE, "bind:0")
    s.p.munmap(BASE, 6 * PAGE)
    assert s.policies(s.q, OTHER) == "110111"
    s.q.mbind(OTHER, 2 * PAGE, None)
    assert s.policies(s.q, OTHER) == "--0111"


def test_offsets_count_from_the_memory_not_from_the_mapping():
    s = Shared()
    s.p.munmap(BASE, 6 * PAGE)
    s.p.mmap(BASE, 2 * PAGE, kind="shm", object=s.object, pgoff=3)
    s.p.mbind(BASE, 2 * PAGE, "bind:1")
    assert s.policies(s.q, OTHER) == "---11-"


@pytest.mark.parametrize("first, then, out", [
    ((0, 6), (2, 1), "110111"), ((0, 2), (1, 3), "1000--"), ((2, 2), (0, 6), "000000"),
    ((1, 1), (3, 1), "-1-0--"),
])
def test_parts_cut_each_other(first, then, out):
    s = Shared()
    s.p.mbind(BASE + first[0] * PAGE, first[1] * PAGE, "bind:1")
    s.q.mbind(OTHER + then[0] * PAGE, then[1] * PAGE, "bind:0")
    assert s.policies(s.p, BASE) == out


def test_equal_neighbours_are_one_mapping_again():
    """Private memory: three pages, the middle one bound and freed."""
    w = World(2, mapped=0)
    w.p.mmap(BASE, 3 * PAGE)
    w.p.mbind(BASE + PAGE, PAGE, "bind:1")
    assert [v.size // PAGE for v in w.p.vmas()] == [1, 1, 1]
    w.p.mbind(BASE + PAGE, PAGE, None)
    assert [v.size // PAGE for v in w.p.vmas()] == [3]
    w.p.mbind(BASE, 3 * PAGE, "bind:0")
    w.p.mbind(BASE + PAGE, PAGE, "bind:0")
    assert [v.size // PAGE for v in w.p.vmas()] == [3]
