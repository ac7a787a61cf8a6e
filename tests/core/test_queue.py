"""Moving pages on request: mbind (patches 10, 14), move_pages, migrate_pages.

Letters above a range are its VMAs, digits the nodes of its pages.
"""

import pytest
from numa_core import ffi, lib

from .world import BASE, HIGH, MIN, PAGE, SLOT, VPN, World, table

STRICT, MOVE, MOVE_ALL, LAZY, FALL_BACK, V6, V612 = 1, 2, 4, 8, 16, 32, 64
NONE, LOCAL, PREFERRED, BIND, INTERLEAVE = range(5)
ENOENT, EIO, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, ENODEV, EINVAL = (
    2, 5, 11, 12, 13, 14, 16, 19, 22)
EV_MIGRATE = 3
KEEP = object()
FLAT = (MIN, MIN, HIGH)  # nodes can be filled down to min
ERAS = pytest.mark.parametrize("era", [0, V6, V612], ids=["2012", "6.1", "6.12"])


class Asked(World):
    """A World whose process asks for its pages to be moved; mbind's range is all of them."""

    def __init__(self, nodes=2, *, mapped=1, **kwargs):
        super().__init__(nodes, mapped=mapped, **kwargs)
        self.size = max(mapped, 1)

    def c(self):
        return self.m._h.m

    def mbind(self, mode, nodes=(), flags=0, *, page=0, n=None, lazy=False, mask=None, by=None):
        """Returns the error code, or the result as a dict without its zeros."""
        words = ffi.new("uint64_t[16]")
        for nid in nodes:
            words[nid // 64] |= 1 << nid % 64
        nid = min(nodes, default=-1)
        policy = ffi.NULL
        if mode is not KEEP:
            if mode == PREFERRED and not nodes:
                mode = LOCAL
            policy = ffi.new("struct numab_mpol *", {
                "mode": mode, "flags": 8 if lazy else 0, "nid": nid, "nr_mask_words": 16,
                "mask": words})
        given = ffi.new("uint64_t[]", [sum(1 << x for x in (nodes if mask is None else mask))])
        out = ffi.new("struct numab_mbind_result *")
        n = self.size - page if n is None else n
        code = lib.numab_mbind(self.c(), (by or self.t).tid, BASE + page * PAGE, n * PAGE, policy,
                               given, 1, flags, out)
        fields = ("queued", "moved", "failed", "unmovable", "marked")
        return code or {f: getattr(out, f) for f in fields if getattr(out, f)}

    def move_pages(self, pages, nids=None, flags=MOVE, by=None, pid=None):
        """(what is returned, statuses; None where none was written)."""
        pages = list(pages)
        vaddrs = ffi.new("uint64_t[]", [BASE + page * PAGE for page in pages])
        status = ffi.new("int32_t[]", [-999] * len(pages))
        wanted = ffi.NULL
        if nids is not None:
            wanted = ffi.new("int32_t[]", [nids] * len(pages) if isinstance(nids, int) else nids)
        code = lib.numab_move_pages(self.c(), (by or self.t).tid, pid or self.p.pid, len(pages),
                                    vaddrs, wanted, status, flags)
        return code, [None if s == -999 else s for s in status]

    def to_node(self, source, to, flags=MOVE):
        return lib.numab_migrate_to_node(self.c(), self.t.tid, self.p.pid, source, to, flags)

    def on(self, nids):
        """Pages from BASE on: '0110' by node, '.' untouched, 'z' zero page."""
        for page, where in enumerate(nids):
            if where == "z":
                self.touch(page)
            elif where != ".":
                self.place(page, int(where))
        return self

    def where(self, n):
        return "".join("." if nid < 0 else str(nid) for nid in self.nids(n))


def world(nids="", **kwargs):
    nodes = kwargs.pop("nodes", 2)
    return Asked(nodes, mapped=kwargs.pop("mapped", max(len(nids), 1)), **kwargs).on(nids)


# ---- mbind: what is misplaced, and where it goes ----


@pytest.mark.parametrize("mode, nodes, flags, got, after", table(
    ("policy alone", BIND, [1], 0, {}, "0011"),
    ("move", BIND, [1], MOVE, {"queued": 2, "moved": 2}, "1111"),
    ("move all", BIND, [1], MOVE_ALL, {"queued": 2, "moved": 2}, "1111"),
    ("strict move", BIND, [1], STRICT | MOVE, {"queued": 2, "moved": 2}, "1111"),
    ("strict", BIND, [1], STRICT, -EIO, "0011"),
    ("strict and right", BIND, [0, 1], STRICT, {}, "0011"),
    ("preferred", PREFERRED, [1], MOVE, {"queued": 2, "moved": 2}, "1111"),
    ("interleave leaves pages on its nodes", INTERLEAVE, [0, 1], MOVE, {}, "0011"),
    ("interleave by offset", INTERLEAVE, [1], MOVE, {"queued": 2, "moved": 2}, "1111"),
    ("local: every page counts", PREFERRED, [], MOVE, {"queued": 4, "moved": 4}, "0000"),
    ("local strict", PREFERRED, [], STRICT, -EIO, "0011"),
    ("default: every page counts", NONE, [], MOVE, {"queued": 4, "moved": 4}, "0000"),
))
@ERAS
def test_mbind_moves_what_is_not_on_its_nodes(mode, nodes, flags, got, after, era):
    """As recorded on 6.1 (policy tables): one row a case, 3.3 step 4 for 2012."""
    w = world("0011")
    assert w.mbind(mode, nodes, flags | era) == got
    assert w.where(4) == after


def test_mbind_of_interleave_sends_each_page_to_its_own_node():
    """4 nodes, pages on 0, interleave over 1 2 3 by page offset: 123123."""
    w = world("000000", nodes=4)
    assert w.mbind(INTERLEAVE, [1, 2, 3], MOVE) == {"queued": 6, "moved": 6}
    assert w.where(6) == "123123"


def test_pages_are_misplaced_by_the_mask_as_it_was_given():
    """RELATIVE {7} on two nodes binds to node 1, yet a page on node 1 is not on 7: EIO."""
    w = world("11")
    assert w.mbind(BIND, [1], STRICT, mask=[7]) == -EIO
    assert w.mbind(BIND, [1], MOVE, mask=[7]) == {"queued": 2, "moved": 2}
    assert w.where(2) == "11"


def test_untouched_memory_and_the_zero_page_are_no_pages():
    w = world(".z0")
    assert w.mbind(BIND, [1], MOVE) == {"queued": 1, "moved": 1}
    assert w.where(3) == "..1"
    assert w.mbind(BIND, [1], STRICT) == {}


def test_the_new_policy_is_in_force_and_keeps_what_it_finds():
    w = world("00..")
    assert w.mbind(BIND, [1], MOVE, n=3) == {"queued": 2, "moved": 2}
    w.write(2, 3)
    assert w.where(4) == "1110"


def test_mbind_without_a_policy_moves_by_the_one_that_is_there():
    """MPOL_NOOP (patch 10): the mask is empty, so every page is misplaced; each follows the
    policy its address has."""
    w = world("0000")
    w.mbind(BIND, [1], 0, n=2)
    assert w.mbind(KEEP, [], MOVE) == {"queued": 4, "moved": 4}
    assert w.where(4) == "1100"


def test_mbind_full_target_falls_back_as_the_policy_allows():
    """Node 1 has one page above min.  PREFERRED spills, BIND does not: ENOMEM stops the list."""
    w = world("0000", sizes=[4000, 100], watermarks=FLAT)
    w.fill(1, MIN + 1)
    assert w.mbind(PREFERRED, [1], MOVE) == {"queued": 4, "moved": 4}
    assert w.where(4) == "1000"
    w = world("0000", sizes=[4000, 100], watermarks=FLAT)
    w.fill(1, MIN + 1)
    assert w.mbind(BIND, [1], MOVE) == {"queued": 4, "moved": 1, "failed": 3}
    assert w.where(4) == "1000"
    assert w.m.counters["pgmigrate_fail"] == 0


# ---- mbind: shared, stuck, not migratable ----


@ERAS
def test_a_page_mapped_twice_moves_with_move_all_alone(era):
    w = world("00")
    w.t.fork(0)
    assert w.mbind(BIND, [1], MOVE | STRICT | era) == {}
    assert w.where(2) == "00"
    assert w.mbind(BIND, [1], MOVE_ALL | era) == {"queued": 2, "moved": 2}
    assert w.where(2) == "11"


@pytest.mark.parametrize("era, strict, got, after", table(
    ("2012", 0, 0, {"queued": 2, "moved": 2, "unmovable": 1}, "01"),
    ("2012 strict", 0, STRICT, {"queued": 2, "moved": 2, "unmovable": 1}, "01"),
    ("6.1", V6, 0, {"queued": 2, "moved": 2, "unmovable": 1}, "01"),
    ("6.1 strict ends after the page table", V6, STRICT,
     {"queued": 1, "moved": 1, "unmovable": 1}, "00"),
    ("6.12 strict goes on", V612, STRICT, {"queued": 2, "moved": 2, "unmovable": 1}, "01"),
))
def test_a_page_on_no_list_is_unmovable(era, strict, got, after):
    """Pages 0 (on no list), 1, and 512 in the next 2 MiB."""
    w = world(mapped=SLOT + 1)
    w.place(0, 0, 2)
    w.place(SLOT, 0)
    w.set_flag("no_lru")
    assert w.mbind(BIND, [1], MOVE | strict | era) == got
    assert f"{w.nid(0)}{w.nid(SLOT)}" == after
    assert w.nid(1) == 1


def test_a_pinned_page_fails_after_ten_passes_and_is_no_permanent_failure():
    w = world("00")
    w.set_flag("pinned")
    assert w.mbind(BIND, [1], MOVE) == {"queued": 2, "moved": 1, "failed": 1}
    assert (w.m.counters["migrate_passes"], w.m.counters["pgmigrate_fail"]) == (10, 0)
    assert "pinned" in w.flags(0) and w.where(2) == "01"


def test_injected_locks_are_waited_for():
    """SYNC: passes 0 to 2 are refused, the fourth waits."""
    w = world("00", migrate_again_ppm=1_000_000, migrate_fail_ppm=1_000_000)
    assert w.mbind(BIND, [1], MOVE) == {"queued": 2, "moved": 2}
    assert w.m.counters["migrate_passes"] == 4


@pytest.mark.parametrize("flags, got, nid", table(
    ("2012 move", MOVE, {}, 0),
    ("2012 strict", STRICT, -EIO, 0),
    ("2012 strict move takes it all the same", STRICT | MOVE, {"queued": 1, "moved": 1}, 1),
    ("6.1 move", MOVE | V6, {}, 0),
    ("6.1 strict", STRICT | V6, -EIO, 0),
    ("6.1 strict move", STRICT | MOVE | V6, {"unmovable": 1}, 0),
    ("6.12 strict move", STRICT | MOVE | V612, {"unmovable": 1}, 0),
))
def test_memory_that_does_not_migrate(flags, got, nid):
    w = Asked(mapped=0)
    w.p.mmap(BASE, PAGE, flags=["io"])
    w.write(0)
    assert w.mbind(BIND, [1], flags) == got
    assert w.nid() == nid


@pytest.mark.parametrize("flags", [MOVE, STRICT, STRICT | MOVE, LAZY])
def test_hugetlb_memory_is_passed_over(flags):
    w = Asked(mapped=0)
    w.p.mmap(BASE, PAGE, flags=["hugetlb"])
    w.write(0)
    assert w.mbind(BIND, [1], flags) == {}
    assert w.nid() == 0


# ---- mbind: huge pages ----


def huge(**kwargs):
    w = world(mapped=2 * SLOT, thp=1, **kwargs)
    w.write(0, SLOT)
    return w


@pytest.mark.parametrize("flags, split", table(
    ("move splits", MOVE, 2), ("strict splits what it has seen", STRICT, 1), ("policy", 0, 0)))
def test_in_2012_a_walk_splits_huge_pages(flags, split):
    """check_range splits each before it looks.  A strict walk ends at the first, which is split
    by then: EIO leaves that behind."""
    w = huge()
    w.mbind(BIND, [1], flags)
    assert w.m.counters["thp_split"] == split
    assert w.m.counters["pgmigrate_success"] == (2 * SLOT if flags == MOVE else 0)


@pytest.mark.parametrize("era", [V6, V612])
def test_later_a_huge_page_moves_whole(era):
    w = huge()
    assert w.mbind(BIND, [1], STRICT | era) == -EIO
    got = w.mbind(BIND, [1], MOVE | era)
    assert got == {"queued": 2 * SLOT, "moved": 2 * SLOT}
    assert w.m.counters["thp_split"] == 0
    assert {w.nid(0), w.nid(SLOT - 1), w.nid(SLOT)} == {1}
    assert "huge" in w.flags(0)


def test_later_a_part_of_a_huge_page_is_split_and_moves_alone():
    w = huge()
    assert w.mbind(BIND, [1], MOVE | V6, n=3) == {"queued": 3, "moved": 3}
    assert (w.m.counters["thp_split"], w.nids(4)) == (1, [1, 1, 1, 0])
    assert "huge" in w.flags(SLOT)


# ---- mbind: holes ----


def holes(*parts):
    """VMAs of one page each at these page numbers, each page on node 0."""
    w = Asked(mapped=0)
    for page in parts:
        w.p.mmap(BASE + page * PAGE, PAGE)
        w.place(page, 0)
    return w


@pytest.mark.parametrize("parts, n, flags, got", table(
    ("nothing mapped", (9,), 4, 0, -EFAULT),
    ("at the start", (1, 2), 3, 0, -EFAULT),
    ("in the middle", (0, 2), 3, 0, -EFAULT),
    ("at the end", (0, 1), 3, 0, -EFAULT),
    ("no hole", (0, 1, 2), 3, 0, {}),
))
@ERAS
def test_a_hole_is_efault_and_nothing_moves(parts, n, flags, got, era):
    w = holes(*parts)
    assert w.mbind(BIND, [1], flags | MOVE | era, n=n) == (got or {"queued": 3, "moved": 3})
    nids = {w.nid(page) for page in parts}
    assert nids == ({0} if got else {1})
    w.mbind(KEEP, [], MOVE, page=parts[0], n=1)     # the policy is there, or is not
    assert w.nid(parts[0]) == (0 if got else 1)


@pytest.mark.parametrize("parts, old, later", table(
    ("start: mbind_range of 2012 minds", (1, 2), -EFAULT, {"queued": 2, "moved": 2}),
    ("middle", (0, 2), {"queued": 2, "moved": 2}, {"queued": 2, "moved": 2}),
    ("end", (0, 1), {"queued": 2, "moved": 2}, {"queued": 2, "moved": 2}),
    ("nothing mapped in it", (5,), -EFAULT, -EFAULT),
))
def test_the_default_policy_may_be_set_over_holes(parts, old, later):
    assert holes(*parts).mbind(NONE, [], MOVE, n=3) == old
    for era in (V6, V612):
        assert holes(*parts).mbind(NONE, [], MOVE | era, n=3) == later


def test_noop_minds_no_hole_in_2012_unless_nothing_follows():
    assert holes(1, 2).mbind(KEEP, [], MOVE, n=3) == {"queued": 2, "moved": 2}
    assert holes(5).mbind(KEEP, [], MOVE, n=3) == {}
    assert holes(0).mbind(KEEP, [], MOVE, page=1, n=3) == -EFAULT


def test_which_comes_first_the_hole_or_the_misplaced_page():
    """Pages 0 and 2, strict.  2012 looks back: page 0 gives EIO before the hole is seen.  Later
    kernels look ahead: EFAULT."""
    assert holes(0, 2).mbind(BIND, [1], STRICT, n=3) == -EIO
    assert holes(0, 2).mbind(BIND, [1], STRICT | V6, n=3) == -EFAULT
    assert holes(1, 2).mbind(BIND, [1], STRICT, n=3) == -EIO
    assert holes(1, 2).mbind(BIND, [1], STRICT | V6, n=3) == -EFAULT


# ---- mbind: lazy (patch 14) ----


def test_lazy_marks_at_once_and_moves_nothing():
    w = world("0.z0", pmd_mark=0)
    assert w.mbind(BIND, [1], MOVE | LAZY, lazy=True) == {"marked": 2}
    assert (w.marked(4), w.where(4)) == ([0, 3], "0..0")
    assert w.m.counters["numa_pte_updates"] == 2
    assert w.m.counters["migrate_calls"] == 0


@pytest.mark.parametrize("mode, nodes, after", table(
    ("bind", BIND, [1, 2], "1112"),
    ("preferred", PREFERRED, [2], "2222"),
    ("interleave", INTERLEAVE, [1, 2], "1212"),
    ("local", PREFERRED, [], "1111"),
))
def test_a_lazy_page_follows_its_policy_at_its_next_touch_with_balancing_off(mode, nodes, after):
    """Pages 0 0 0 2, touched from node 1, which is in the mask where it says so."""
    w = world("0002", nodes=3, policy="off", numa_balancing=0, pmd_mark=0)
    assert w.mbind(mode, nodes, MOVE | LAZY, lazy=True) == {"marked": 4}
    w.t.set_cpu(1)
    for page in range(4):
        w.touch(page)
    assert w.where(4) == after
    assert w.m.counters["numa_pages_migrated"] == sum(a != b for a, b in zip("0002", after))


def test_lazy_without_a_policy_arms_what_is_there():
    w = world("00", pmd_mark=0)
    w.mbind(BIND, [1], 0, lazy=True)
    assert w.mbind(KEEP, [], LAZY) == {"marked": 2}
    w.touch(0)
    assert w.where(2) == "10"


def test_lazy_marks_before_a_hole_stay():
    """2012 finds the hole when it enters the VMA behind it."""
    w = holes(0, 2)
    assert w.mbind(BIND, [1], LAZY, n=3, lazy=True) == -EFAULT
    assert "marked" in w.flags(0) and "marked" not in w.flags(2)


def test_later_lazy_leaves_out_memory_without_permission():
    for era, marked in ((0, 2), (V6, 1)):
        w = world("00", pmd_mark=0)
        w.p.mprotect(BASE, PAGE, "none")
        before = w.m.counters["numa_pte_updates"]
        assert w.mbind(BIND, [1], LAZY | era, n=2, lazy=True).get("marked", 0) <= marked
        assert w.m.counters["numa_pte_updates"] - before == 1  # PROT_NONE has the bit already


# ---- what it costs, and what is seen of it ----


def test_one_event_a_call_with_reason_and_mode():
    w = world("0000")
    w.m.events(4096)
    w.mbind(BIND, [1], MOVE)
    w.move_pages([0, 1], 0)
    w.to_node(1, 0)
    w.mbind(BIND, [0], MOVE)                       # nothing misplaced: no call
    events = w.m.drain()
    events = events[events["kind"] == EV_MIGRATE]
    assert events["from"].tolist() == [2, 2, 2]
    assert events["to"].tolist() == [4, 3, 3]
    assert events["aux"].tolist() == [4, 2, 2]


def test_the_caller_pays():
    w = world("00", migrate_ns=1000, tlb_local_ns=10)
    before = w.t.info().debt_ps
    w.mbind(BIND, [1], MOVE)
    assert w.t.info().debt_ps - before == 2 * (1000 + 10) * 1000


def test_wrong_arguments_change_nothing():
    w = world("00")
    before = dict(w.m.counters)
    for flags in (V6 | V612, FALL_BACK, 128):
        assert w.mbind(BIND, [1], flags | MOVE) == -EINVAL
        assert w.move_pages([0], 1, flags | MOVE)[0] == -EINVAL
    assert w.to_node(0, 1, 0) == -EINVAL
    assert w.to_node(0, 1, STRICT | MOVE) == -EINVAL
    assert w.to_node(0, 2) == w.to_node(-1, 0) == -ENODEV
    assert w.mbind(BIND, [7], MOVE) == -EINVAL
    assert lib.numab_mbind(w.c(), 99, BASE, PAGE, ffi.NULL, ffi.NULL, 0, 0, ffi.NULL) == -3
    assert lib.numab_mbind(w.c(), w.t.tid, BASE + 1, PAGE, ffi.NULL, ffi.NULL, 0, 0,
                           ffi.NULL) == -EINVAL
    assert lib.numab_mbind(w.c(), w.t.tid, BASE, PAGE, ffi.NULL, ffi.NULL, 1, 0,
                           ffi.NULL) == -EINVAL
    assert w.move_pages([0], 1, pid=77)[0] == -3
    assert (dict(w.m.counters), w.where(2)) == (before, "00")


# ---- move_pages ----


@pytest.mark.parametrize("era, untouched, zero", table(
    ("2012", 0, -ENOENT, -ENOENT), ("6.1", V6, -EFAULT, -EFAULT),
    ("6.12", V612, -ENOENT, -EFAULT)))
@pytest.mark.parametrize("nids", [None, 1])
def test_statuses_as_recorded(era, untouched, zero, nids):
    """touched, touched, untouched, zero page, unmapped: the 6.1 recording's first rows."""
    w = world("00.z")
    nid = 0 if nids is None else 1
    assert w.move_pages(range(5), nids, MOVE | era) == (
        0, [nid, nid, untouched, zero, -EFAULT])
    assert w.where(4) == f"{nid}{nid}.."


@ERAS
def test_an_untouched_page_of_an_object_is_never_efault(era):
    w = Asked(mapped=0)
    w.p.mmap(BASE, PAGE, kind="shm", object=w.m.object("shm", 1))
    assert w.move_pages([0], None, era)[1] == w.move_pages([0], 1, era)[1] == [-ENOENT]


@ERAS
def test_memory_that_does_not_migrate_can_be_asked_about(era):
    """-EFAULT to a move; asked, an ordinary page tells its node, a bare frame is none."""
    w = Asked(mapped=0)
    w.p.mmap(BASE, PAGE, flags=["io"])
    w.p.mmap(BASE + PAGE, PAGE, flags=["hugetlb"])
    w.p.mmap(BASE + 2 * PAGE, PAGE, flags=["pfnmap"])
    w.write(0, 1, 2)
    bare = -ENOENT if era == V612 else -EFAULT
    assert w.move_pages(range(3), None, era) == (0, [0, 0, bare])
    assert w.move_pages(range(3), 1, MOVE | era) == (0, [-EFAULT] * 3)


@ERAS
def test_a_shared_page_needs_move_all(era):
    """Recorded on 6.1: -13 with MOVE, moved with MOVE_ALL."""
    w = world("11")
    w.t.fork(0)
    assert w.move_pages([0, 1], 0, MOVE | era) == (0, [-EACCES] * 2)
    assert w.move_pages([0, 1], 0, MOVE_ALL | era) == (0, [0, 0])


@ERAS
def test_a_page_that_is_there_already_counts_as_moved_even_when_shared(era):
    w = world("11")
    w.t.fork(0)
    assert w.move_pages([0, 1], 1, MOVE | era) == (0, [1, 1])
    assert w.m.counters["migrate_calls"] == 0


@ERAS
def test_a_page_on_no_list_is_busy(era):
    w = world("00")
    w.set_flag("no_lru")
    assert w.move_pages([0, 1], 1, MOVE | era) == (0, [-EBUSY, 1])


def test_in_2012_every_page_has_its_own_target_and_a_batch_has_169():
    """4 nodes, 170 pages to 1 2 3 1 2 3 ..: two calls of migrate_pages."""
    w = world("0" * 170, nodes=4)
    nids = [1 + i % 3 for i in range(170)]
    assert w.move_pages(range(170), nids) == (0, nids)
    assert w.nids(170) == nids
    assert w.m.counters["migrate_calls"] == 2


def test_in_2012_a_page_named_twice_in_a_batch_is_busy():
    w = world("00")
    assert w.move_pages([0, 0, 1], [1, 0, 1]) == (0, [1, 0, 1])
    assert w.move_pages([0, 0, 1], [0, 0, 0]) == (0, [0, -EBUSY, 0])


def test_in_2012_a_pinned_page_tells_eagain_and_the_rest_moves():
    w = world("0" * 3)
    w.set_flag("pinned", 1)
    assert w.move_pages(range(3), 1) == (0, [1, -EAGAIN, 1])


def test_in_2012_a_wrong_node_stops_its_batch_before_anything_moves():
    w = world("0" * 171)
    code, status = w.move_pages(range(171), [1] * 170 + [7])
    assert (code, status) == (-ENODEV, [1] * 169 + [None, None])
    assert w.nids(171) == [1] * 169 + [0, 0]


@pytest.mark.parametrize("nid", [7, -1, 5000])
@ERAS
def test_a_wrong_node_is_enodev(nid, era):
    """Recorded: nothing written."""
    w = world("00")
    assert w.move_pages([0, 1], nid, MOVE | era) == (-ENODEV, [None, None])


@ERAS
def test_a_node_without_memory_is_enodev(era):
    w = world("00", sizes=[4000, 0])
    assert w.move_pages([0], 1, MOVE | era)[0] == -ENODEV


def test_in_2012_a_full_target_ends_the_call_in_its_batch():
    """Node 1 takes two.  They move, but the batch's statuses are not written."""
    w = world("0" * 4, sizes=[4000, 100], watermarks=FLAT)
    w.fill(1, MIN + 2)
    assert w.move_pages(range(4), 1) == (-ENOMEM, [None] * 4)
    assert w.where(4) == "1100"


def test_later_runs_of_equal_targets_move_together():
    """Targets 1 1 2 2 1: three runs, three calls."""
    w = world("00000", nodes=3)
    nids = [1, 1, 2, 2, 1]
    assert w.move_pages(range(5), nids, MOVE | V6) == (0, nids)
    assert w.m.counters["migrate_calls"] == 3


def test_later_a_page_that_is_not_queued_ends_its_run():
    """Page 2 is there already: pages 0 1 move in one call, 3 in another."""
    w = world("0010")
    assert w.move_pages(range(4), 1, MOVE | V6) == (0, [1, 1, 1, 1])
    assert w.m.counters["migrate_calls"] == 2


@pytest.mark.parametrize("pages, nids, pinned, left, status", table(
    ("at the end: the run is not written", range(3), [1, 1, 1], 2, 1, [None] * 3),
    ("run before another target", range(4), [1, 1, 2, 2], 1, 1 + 2, [None] * 4),
    ("run before a page that is there", (0, 1, 5, 2), [1] * 4, 1, 1 + 1,
     [None, None, 1, None]),
))
def test_later_a_run_that_fails_ends_the_call(pages, nids, pinned, left, status):
    """The number returned: those of the run that did not move, and all that was not tried."""
    w = world("000001", nodes=3)
    w.set_flag("pinned", pinned)
    assert w.move_pages(pages, nids, MOVE | V6) == (left, status)


def test_later_a_wrong_node_comes_after_the_run_before_it():
    w = world("000")
    assert w.move_pages(range(3), [1, 1, 9], MOVE | V6) == (-ENODEV, [1, 1, None])
    assert w.where(3) == "110"


@ERAS
def test_huge_pages_split_in_2012_and_move_whole_later(era):
    """Address 3 of a huge page.  Later its head moves, with all."""
    w = world(mapped=SLOT, thp=1)
    w.write(0)
    assert w.move_pages([3], 1, MOVE | era) == (0, [1])
    assert w.nids(5) == ([1] * 5 if era else [0, 0, 0, 1, 0])
    assert w.m.counters["thp_split"] == (not era)


@pytest.mark.parametrize("era", [V6, V612])
def test_later_a_second_address_of_a_queued_huge_page_is_busy(era):
    w = world(mapped=SLOT, thp=1)
    w.write(0)
    assert w.move_pages([3, 4, 5], 1, MOVE | era) == (0, [1, -EBUSY, 1])


def test_asking_splits_nothing_and_needs_no_flags():
    w = world(mapped=SLOT, thp=1)
    w.write(0)
    assert w.move_pages([3, 511], None, 0) == (0, [0, 0])
    assert w.m.counters["thp_split"] == 0
    assert w.move_pages([], None) == w.move_pages([], []) == (0, [])


def test_a_moved_page_loses_its_mark():
    w = world("0", pmd_mark=0)
    w.mark()
    assert w.move_pages([0], 1) == (0, [1])
    assert "marked" not in w.flags()


def test_another_processes_pages_move_in_the_callers_name():
    w = world("00")
    other = w.m.process(1)
    assert w.move_pages([0, 1], 1, by=other.main, pid=w.p.pid) == (0, [1, 1])


# ---- migrate_pages ----


def test_migrate_to_node_takes_the_pages_of_one_node():
    w = world("0120", nodes=3)
    assert w.to_node(0, 2) == 0
    assert w.where(4) == "2122"
    assert w.m.counters["pgmigrate_success"] == 2


def test_migrate_to_node_leaves_shared_and_stuck_pages():
    w = world("000")
    w.set_flag("pinned", 1)
    w.set_flag("no_lru", 2)
    assert w.to_node(0, 1) == 1
    assert w.where(3) == "100"


def test_migrate_to_node_fails_or_falls_back_when_the_target_is_full():
    """Node 2 takes one.  2012 falls back by distance, here to node 1; later ENOMEM."""
    distance = [[10, 20, 30], [20, 10, 15], [30, 15, 10]]
    for flags, got, after in ((MOVE, -ENOMEM, "2000"), (MOVE | FALL_BACK, 0, "2111")):
        w = world("0000", sizes=[4000, 4000, 100], distance=distance, watermarks=FLAT)
        w.fill(2, MIN + 1)
        assert w.to_node(0, 2, flags) == got
        assert w.where(4) == after


def test_migrate_to_node_passes_over_memory_that_does_not_migrate():
    w = world("00")
    w.p.mmap(BASE + 4 * PAGE, PAGE, flags=["io"])
    w.write(4)
    assert w.to_node(0, 1) == 0
    assert w.nids(5) == [1, 1, -1, -1, 0]


@ERAS
def test_migrate_to_node_and_huge_pages(era):
    w = huge()
    assert w.to_node(0, 1, MOVE | era) == 0
    assert w.m.counters["thp_split"] == (0 if era else 2)
    assert w.nids(2 * SLOT) == [1] * 2 * SLOT


def test_watermarks_are_those_of_allocation():
    """A target above its min takes pages although it is below high: no balancing check here."""
    w = world("00", sizes=[4000, 100])
    w.fill(1, HIGH)
    assert w.move_pages([0, 1], 1) == (0, [1, 1])
    assert VPN * PAGE == BASE
