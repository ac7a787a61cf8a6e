"""numab_probe: what would happen to this access now, and why; nothing changes by asking.

Method: random programs on a small machine.  After every step random accesses are probed first and
then made; the probe must have named the first fault, the nodes, the tag and the reason, and must
have left everything as it was.  The verdict on a page is read from the events, since a pmd's fault
decides on many.
"""

import random

import pytest
from numab import AccessFault, NoSuchTask, OutOfMemory, Policy, STAY, Verdict
from numab.values import REASONS

from .world import BASE, MB, PAGE, SLOT, VPN, World

HINT = 0
PAGES = 2 * SLOT
SWITCHES = ("pmd_mark", "pmd_mark_same_node_only", "pmd_batch_migrate", "last_nid_transfer",
            "home_alloc", "thp_native_migration", "zero_page", "policy_table_ready",
            "leak_on_refused_migrate", "count_pages_not_faults")


class Odd(Policy):
    """Pages with an odd number go where they are touched, others stay; remembers the CPU."""

    name = "odd"

    def filter(self, fault):
        go = fault.vpn % 2 and fault.page_nid != fault.cpu_nid
        return Verdict(fault.cpu_nid if go else STAY, tag=fault.cpu)


def state(w, processes):
    """Everything that can be seen."""
    m = w.m
    return (
        dict(m.counters), m.reasons(), m.access_matrix.tobytes(), [m.node(n) for n in range(3)],
        [(p.page_nids(VPN, PAGES + 80).tobytes(), [p.page(VPN + i) for i in range(0, PAGES, 7)],
          p.main.info(), p.main.faults().tolist(), p.faults().tolist()) for p in processes],
    )


class Program:
    """A random machine, and random steps on it."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        tunables = {name: rng.randint(0, 1) for name in SWITCHES}
        policy = rng.choice(["home_node", "home_node", "moron", "off", Odd()])
        w = self.w = World(nodes=3, pages=9000, mapped=PAGES, policy=policy, **tunables,
                           thp=rng.choice([0, 0, 1]))
        shm, file = w.m.object("shm", 40), w.m.object("file", 40)
        w.p.mmap(BASE + PAGES * PAGE, 40 * PAGE, kind="shm", object=shm)
        w.p.mmap(BASE + (PAGES + 40) * PAGE, 40 * PAGE, object=file,
                 kind=rng.choice(["file_shared", "file_private"]))
        w.p.mmap(BASE + 64 * MB, 4 * PAGE, flags=["pfnmap"])
        w.m.events(1 << 16)
        self.processes = [w.p]

    def page(self):
        """Near the start of a slot, in an object, in device memory, or nowhere."""
        rng = self.rng
        first = rng.choice([0, 0, 0, SLOT - 2, SLOT, PAGES - 2, PAGES + 38, 64 * MB // PAGE])
        return first + rng.randrange(5)

    def step(self):
        rng, w = self.rng, self.w
        p = rng.choice(self.processes)
        t, page, n = p.main, self.page(), rng.choice([1, 3, 30, 600])
        vaddr = BASE + page * PAGE
        try:
            rng.choice([
                *[lambda: p.change_prot_numa(vaddr, n * PAGE)] * 6,
                lambda: t.set_cpu(rng.randrange(3)),
                lambda: t.set_home(rng.randrange(-1, 3)),
                lambda: p.populate([VPN + page], rng.randrange(3), present=rng.random() < 0.5),
                lambda: p.mprotect(vaddr, n * PAGE, rng.choice(["none", "r", "rw", "rw"])),
                lambda: p.munmap(BASE + rng.randrange(SLOT) * PAGE, 2 * PAGE),
                lambda: p.set_page_flags(VPN + page, [rng.choice(["no_lru", "pinned",
                                                                  "writeback"])]),
                lambda: self.rule(p, vaddr, n),
                self.fork,
                lambda: w.m.tunables.__setitem__(rng.choice(SWITCHES), rng.randint(0, 1)),
            ])()
        except Exception as error:      # refusals change nothing and are part of the game
            assert not isinstance(error, (AssertionError, OutOfMemory)), error

    def rule(self, p, vaddr, n):
        rng = self.rng
        mode = rng.choice(["none", "none", "none", "local", "preferred", "bind", "interleave"])
        p.set_policy(vaddr, n * PAGE, mode, nid=rng.randrange(3),
                     nodes=rng.sample([0, 1, 2], rng.randint(1, 3)), lazy=rng.random() < 0.7)

    def fork(self):
        if len(self.processes) < 3:
            self.processes.append(self.rng.choice(self.processes).main.fork(self.rng.randrange(3)))

    def ask_and_touch(self):
        """One probe, checked, then the access, compared."""
        rng, w = self.rng, self.w
        p = rng.choice(self.processes)
        page, write = self.page(), rng.random() < 0.5
        before = state(w, self.processes) if rng.random() < 0.1 else None
        probe = p.main.probe(BASE + page * PAGE, write)
        if before:
            assert state(w, self.processes) == before
        w.m.drain()
        counted = dict(w.m.counters)
        try:
            p.main.access(BASE + page * PAGE, write)
        except PermissionError:
            assert probe.kind == "segv"
            return
        did = {k: v - counted[k] for k, v in w.m.counters.items() if v != counted[k]}
        self.compare(probe, did, p.page(VPN + page), page)

    def compare(self, probe, did, after, page):
        kind = probe.kind
        assert kind != "segv"
        assert (did.get("pgfault", 0) == 0) == (kind == "none")
        assert bool(did.get("pmd_hint_faults")) == (kind == "hint_pmd")
        assert bool(did.get("thp_hint_faults")) == (kind == "hint_thp")
        if kind in ("none", "write", "zero_page", "first_touch", "cow"):
            assert did.get("numa_hint_faults", 0) == 0
            assert after.nid == probe.to_nid
        if kind == "none":
            assert did == {}
        if kind in ("first_touch", "cow"):
            assert ("zero" in after.flags) is (after.nid < 0)
        if kind == "zero_page":
            assert (after.nid, "zero" in after.flags) == (-1, True)
        if kind == "cow":
            assert did["cow_faults"] == 1
        if kind.startswith("hint"):
            self.compare_hint(probe, page)

    def compare_hint(self, probe, page):
        """The first verdict on this page, or on its huge page, is the one that was foretold."""
        head = page // SLOT * SLOT if probe.kind == "hint_thp" else page
        verdicts = [e for e in self.w.m.drain() if e["kind"] == HINT and e["vpn"] - VPN == head]
        if not verdicts:
            assert probe.kind == "hint_pmd"          # the page itself is passed over
            assert (probe.reason, probe.to_nid) == ("hold_pmd_cleared", probe.nid)
            return
        verdict = verdicts[0]
        assert REASONS[verdict["reason"]] == probe.reason
        assert (verdict["from"], verdict["to"]) == (probe.nid, probe.to_nid)


@pytest.mark.parametrize("seed", range(30))
def test_a_probe_foretells_the_access_and_changes_nothing(seed):
    program = Program(seed)
    for _ in range(60):
        program.step()
        program.ask_and_touch()
        program.ask_and_touch()


def test_a_probe_tells_the_tag_before_and_after():
    """Two-stage filter: unset -> 1, then the move, whose new page starts unset."""
    w = World(pmd_mark=0)
    w.write(0)
    w.t.set_home(1)
    w.mark()
    probe = w.t.probe(BASE)
    assert (probe.kind, probe.reason) == ("hint_pte", "hold_two_stage_filter")
    assert (probe.nid, probe.to_nid, probe.tag, probe.new_tag) == (0, 0, None, 1)
    w.touch()
    w.mark()
    probe = w.t.probe(BASE)
    assert (probe.kind, probe.reason) == ("hint_pte", "go_migrated")
    assert (probe.nid, probe.to_nid, probe.tag, probe.new_tag) == (0, 1, 1, None)


@pytest.mark.parametrize("setup, write, kind", [
    ("absent", True, "first_touch"), ("absent", False, "zero_page"), ("unmapped", False, "segv"),
    ("present", True, "none"), ("zero", True, "cow"), ("zero", False, "none"),
    ("shared", True, "cow"), ("shared", False, "none"), ("readonly", True, "segv"),
    ("upgrade", True, "write")])
def test_kinds_of_faults(setup, write, kind):
    w = World()
    if setup in ("present", "shared", "readonly", "upgrade"):
        w.write(0)
    if setup == "zero":
        w.touch(0)
    if setup == "shared":
        w.t.fork()
    if setup in ("readonly", "upgrade"):
        w.p.mprotect(BASE, PAGE, "r")
    if setup == "upgrade":
        w.p.mprotect(BASE, PAGE, "rw")
    page = 5 if setup == "unmapped" else 0
    assert w.t.probe(BASE + page * PAGE, write).kind == kind


def test_in_external_mode_a_probe_says_that_the_host_will_be_asked():
    w = World(external=True, policy="moron", pmd_mark=0)
    w.write(0)
    w.t.set_cpu(1)
    w.mark()
    probe = w.t.probe(BASE)
    assert (probe.reason, probe.nid, probe.to_nid) == ("go_asked_host", 0, 0)
    assert w.m.moves() == []


# ---- numab_vma_stats ----


def counted(p, vaddr=BASE):
    """(pages, anon, dirty, writeback, mapmax), pages by node."""
    s = p.vma_stats(vaddr)
    return (s.pages, s.anon, s.dirty, s.writeback, s.mapcount_max), s.nodes


def test_vma_stats_count_what_is_mapped_marked_or_not():
    """
    page   0      1      2        3
           w, 0   w, 1   w, mark  zero page       Expect 3 pages, all dirty: 2 on node 0, 1 on 1.
    """
    w = World(nodes=2, mapped=4, zero_page=1)
    assert counted(w.p) == ((0, 0, 0, 0, 0), {})
    w.write(0, 2)
    w.write(1, by=w.t.clone(1))
    w.mark(2)
    w.touch(3)
    assert counted(w.p) == ((3, 3, 3, 0, 1), {0: 2, 1: 1})
    assert counted(w.p, BASE + 4 * PAGE - 1) == counted(w.p)


def test_vma_stats_stop_at_the_vmas_borders():
    w = World(nodes=2, mapped=SLOT)
    w.write(*range(SLOT))
    w.p.mprotect(BASE + 100 * PAGE, 50 * PAGE, "r")
    by_vma = [counted(w.p, vma.vaddr)[0][0] for vma in w.p.vmas()]
    assert by_vma == [100, 50, SLOT - 150]


def test_vma_stats_of_a_forked_page():
    """The sharers see each other: mapmax 2, and 1 again after the copy."""
    w = World(nodes=2, mapped=2)
    w.write(0, 1)
    child = w.t.fork(1)
    assert counted(w.p) == counted(child) == ((2, 2, 2, 0, 2), {0: 2})
    w.write(0, by=child.main)
    assert counted(child) == ((2, 2, 2, 0, 2), {0: 1, 1: 1})
    child.main.exit()
    assert counted(w.p) == ((2, 2, 2, 0, 1), {0: 2})


def test_an_objects_page_is_dirty_once_written():
    """
    file page    0 read   1 written by a   2 read by both, then written by a

    b maps it read-only: Expect PageDirty for 1 and 2, whoever wrote, and after a unmapped it.
    """
    w = World(nodes=2, mapped=0)
    file = w.m.object("file", 3)
    a, b = w.p, w.m.process(1)
    a.mmap(BASE, 3 * PAGE, kind="file_shared", object=file)
    b.mmap(BASE, 3 * PAGE, kind="file_shared", object=file, prot="r")
    w.touch(0), w.touch(1, write=True), w.touch(2)
    for page in range(3):
        w.touch(page, by=b.main)
    assert counted(a) == counted(b) == ((3, 0, 1, 0, 2), {0: 3})
    w.touch(2, write=True)
    assert counted(b) == ((3, 0, 2, 0, 2), {0: 3})
    a.munmap(BASE, 3 * PAGE)
    assert counted(b) == ((3, 0, 2, 0, 1), {0: 3})


def test_shared_memory_read_first_is_dirty_only_for_who_wrote():
    """It is mapped writable by the read, so that the write takes no fault: the bit is the entry's,
    and becomes the page's with the unmapping."""
    w = World(nodes=2, mapped=0)
    shm = w.m.object("shm", 1)
    a, b = w.p, w.m.process(1)
    for p in (a, b):
        p.mmap(BASE, PAGE, kind="shm", object=shm)
        p.main.access(BASE)
    w.touch(0, write=True)
    assert counted(a)[0] == (1, 0, 1, 0, 2)
    assert counted(b)[0] == (1, 0, 0, 0, 2)
    a.munmap(BASE, PAGE)
    assert counted(b)[0] == (1, 0, 1, 0, 1)


def test_a_page_stays_dirty_when_it_moves():
    """The entry's DIRTY is clear after a migration, the page's is not."""
    w = World(nodes=2, mapped=1, policy="moron")
    shm = w.m.object("shm", 1)
    w.p.mmap(BASE + 16 * MB, PAGE, kind="shm", object=shm)
    w.write(0)
    w.t.access(BASE + 16 * MB, write=True)
    w.t.set_cpu(1)
    for vaddr in (BASE, BASE + 16 * MB):
        assert w.p.change_prot_numa(vaddr, PAGE) == 1
        assert w.t.access(vaddr).reason == "go_migrated"
        assert "dirty" not in w.p.page(vaddr // PAGE).flags
        assert counted(w.p, vaddr)[0][2] == 1 and counted(w.p, vaddr)[1] == {1: 1}


def test_copies_of_a_private_file_are_anonymous():
    w = World(nodes=2, mapped=0)
    file = w.m.object("file", 3)
    w.p.mmap(BASE, 3 * PAGE, kind="file_private", object=file)
    w.touch(0), w.touch(1, write=True), w.touch(2)
    w.touch(2, write=True)
    assert counted(w.p) == ((3, 2, 2, 0, 1), {0: 3})


def test_huge_pages_count_512_and_hugetlb_pages_one():
    w = World(nodes=2, mapped=0, thp=1)
    w.p.mmap(BASE, 2 * SLOT * PAGE)
    w.write(0)
    assert counted(w.p) == ((SLOT, SLOT, SLOT, 0, 1), {0: SLOT})
    tlb = BASE + 16 * MB
    w.p.mmap(tlb, 2 * SLOT * PAGE, flags=["hugetlb"])
    for page in (0, 1, SLOT + 7):
        w.t.access(tlb + page * PAGE, write=True)
    assert counted(w.p, tlb) == ((2, 2, 2, 0, 1), {0: 2})


def test_writeback_is_counted_and_bad_questions_are_refused():
    w = World(nodes=2, mapped=2)
    w.write(0, 1)
    w.p.set_page_flags(VPN, ["writeback"])
    assert counted(w.p)[0] == (2, 2, 2, 1, 1)
    with pytest.raises(AccessFault, match="no VMA at 0x20000000"):
        w.p.vma_stats(0x2000_0000)
    with pytest.raises(NoSuchTask):
        w.m.process_of(99).vma_stats(BASE)
