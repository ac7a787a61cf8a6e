"""``/proc/PID/numa_maps``: lines of real kernels come out the same, and every value round-trips."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.mempolicy import ERAS, MODES, InForce, in_force, parse
from numab.procfs import MapsLine, maps_line, parse_numa_maps
from numab.procfs.numa_maps import path_text
from numab.values import Vma, VmaStats

#: Recorded on Linux 6.1.192, 2 nodes: what was asked for, and the line without its address.
RECORDED = """\
default|default anon=16 dirty=16 active=0 N0=16 kernelpagesize_kB=4
default|default anon=4096 dirty=4096 active=0 N0=4096 kernelpagesize_kB=4
local|local anon=16 dirty=16 active=0 N0=16 kernelpagesize_kB=4
prefer:1|prefer:1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
prefer|local anon=16 dirty=16 active=0 N0=16 kernelpagesize_kB=4
bind:1|bind:1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
bind:0-1|bind:0-1 anon=16 dirty=16 active=0 N0=16 kernelpagesize_kB=4
bind:0-1 balancing|bind=balancing:0-1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
interleave:0-1|interleave:0-1 anon=16 dirty=16 active=0 N0=8 N1=8 kernelpagesize_kB=4
interleave:0-1 static|interleave=static:0-1 anon=16 dirty=16 active=0 N0=8 N1=8 kernelpagesize_kB=4
interleave:3,5 relative|interleave=relative:1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
bind:3 relative|bind=relative:1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
preferred-many:1|prefer (many):1 anon=16 dirty=16 active=0 N1=16 kernelpagesize_kB=4
preferred-many:0-1|prefer (many):0-1 anon=16 dirty=16 active=0 N0=16 kernelpagesize_kB=4
"""
#: Of one process on Linux 6.18, one node, as cat printed them.
REAL = """\
559c5ff0c000 default file=/usr/bin/head mapped=2 N0=2 kernelpagesize_kB=4
559c5ff17000 default file=/usr/bin/head anon=1 dirty=1 active=0 N0=1 kernelpagesize_kB=4
559c61e78000 default heap anon=4 dirty=4 active=0 N0=4 kernelpagesize_kB=4
7fdfc5bb3000 default file=/usr/lib/locale/C.utf8/LC_CTYPE mapped=32 mapmax=20 N0=32 \
kernelpagesize_kB=4
7fdfc5c13000 default anon=2 dirty=2 active=0 N0=2 kernelpagesize_kB=4
7fdfc5e03000 default
7ffcfbaf6000 default stack anon=4 dirty=4 active=1 N0=4 kernelpagesize_kB=4
5570f0b1e000 prefer (many):0 file=/usr/bin/cat mapped=2 N0=2 kernelpagesize_kB=4
55aef8e4f000 bind=balancing:0 file=/usr/bin/cat mapped=2 N0=2 kernelpagesize_kB=4
"""
V2, V61 = ERAS["v2"], ERAS["v6.1"]


def vma(*flags, vaddr=0x10000000, kind="anon_private"):
    return Vma(vaddr, 4096, kind, "rw", flags, 0, 0)


def anon(pages, nodes):
    return VmaStats(pages, pages, pages, 0, 1, nodes)


@pytest.mark.parametrize("row", RECORDED.splitlines())
def test_the_recorded_lines_come_out_the_same(row):
    asked, recorded = row.split("|")
    nodes = MapsLine.parse(f"10000000 {recorded}").nodes
    policy = parse(asked)
    now = None if policy.mode == "DEFAULT" else in_force(policy, (0, 1), (0, 1))
    line = maps_line(vma(), anon(sum(nodes.values()), nodes), now, V61)
    assert str(line) == f"10000000 {recorded}"


def test_lines_of_a_real_process_round_trip():
    lines = parse_numa_maps(REAL)
    assert "".join(f"{line}\n" for line in lines) == REAL
    assert [line.file for line in lines[:3]] == ["/usr/bin/head", "/usr/bin/head", None]
    assert lines[3].mapmax == 20 and lines[6].stack and lines[7].policy == "prefer (many):0"


@pytest.mark.parametrize("era, line", [
    ("v2", "10000000 bind:0 anon=3 dirty=3 N0=3"),
    ("v3.8", "10000000 bind:0 anon=3 dirty=3 N0=3"),
    ("v6.1", "10000000 bind:0 anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4"),
    ("v6.12", "10000000 bind:0 anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4"),
])
def test_eras_differ_in_what_they_print(era, line):
    assert str(maps_line(vma(), anon(3, {0: 3}), bound(0), ERAS[era])) == line


def bound(*nodes):
    return in_force(parse("bind:" + ",".join(map(str, nodes))), range(64), range(64))


@pytest.mark.parametrize("era, home, policy", [
    ("v2", -1, "prefer:1"), ("v2", 3, "prefer:3"), ("v3.8", 3, "prefer:1"), ("v6.1", 3, "default"),
    ("v6.12", -1, "default"),
])
def test_no_policy_is_the_readers_node_in_2012(era, home, policy):
    """Patch 21's policy shows through: of the home node (patch 26), else the reader's."""
    line = maps_line(vma(), anon(0, {}), None, ERAS[era], reader_nid=1, home_nid=home)
    assert str(line) == f"10000000 {policy}"


def test_a_mapping_without_pages_ends_after_the_names():
    empty = VmaStats(0, 0, 0, 0, 0, {})
    assert str(maps_line(vma("heap"), empty, None, V61)) == "10000000 default heap"
    assert str(maps_line(vma("hugetlb"), empty, None, V61)) == (
        "10000000 default file=/anon_hugepage\\040(deleted) huge"
    )


@pytest.mark.parametrize("flags, path, words", [
    (("heap",), None, "heap"), (("stack",), None, "stack"), (("heap", "stack"), None, "heap"),
    (("heap",), "/lib/x", "file=/lib/x"), (("hugetlb",), "/mnt/h", "file=/mnt/h huge"),
])
def test_a_mapping_has_one_name(flags, path, words):
    assert str(maps_line(vma(*flags), anon(0, {}), None, V61, path=path)) == (
        f"10000000 default {words}"
    )


@pytest.mark.parametrize("stats, counts", [
    # file pages, none written: mapped says how many
    (VmaStats(3, 0, 0, 0, 1, {0: 3}), "mapped=3 active=0 N0=3"),
    # all written: dirty says it
    (VmaStats(3, 0, 3, 0, 2, {0: 3}), "dirty=3 mapmax=2 active=0 N0=3"),
    # some written, some copied
    (VmaStats(5, 1, 2, 1, 70000, {1: 5}),
     "anon=1 dirty=2 mapped=5 mapmax=70000 active=0 writeback=1 N1=5"),
])
def test_mapped_is_said_once(stats, counts):
    line = maps_line(vma(kind="file_private"), stats, None, V61, path="/f")
    assert str(line) == f"10000000 default file=/f {counts} kernelpagesize_kB=4"


def test_active_counts_the_anonymous_pages_of_2012():
    """Files' pages are inactive until touched again by read(2); anonymous ones are born active."""
    line = maps_line(vma(), VmaStats(5, 2, 2, 0, 1, {0: 5}), bound(0), V2, path="/f")
    assert str(line) == "10000000 bind:0 file=/f anon=2 dirty=2 mapped=5 active=2 N0=5"


def test_huge_pages_say_their_size_and_no_active():
    line = maps_line(vma("hugetlb"), anon(2, {0: 1, 1: 1}), bound(0, 1), V61)
    assert str(line) == (
        "10000000 bind:0-1 file=/anon_hugepage\\040(deleted) huge anon=2 dirty=2 N0=1 N1=1 "
        "kernelpagesize_kB=2048"
    )


def test_addresses_have_eight_digits_at_least():
    assert str(maps_line(vma(vaddr=0x1000), anon(0, {}), None, V61)) == "00001000 default"
    assert str(maps_line(vma(vaddr=0x7fffffffe000), anon(0, {}), None, V61)) == (
        "7fffffffe000 default"
    )


def test_a_long_node_list_is_cut_where_the_kernels_buffer_ends():
    policy = in_force(parse("interleave:" + ",".join(map(str, range(0, 64, 2)))), range(64),
                      range(64))
    text = str(maps_line(vma(), anon(0, {}), policy, V61))
    assert text == "10000000 interleave:0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,"
    assert len(text) - len("10000000 ") == 63


@pytest.mark.parametrize("path, text", [
    ("/dev/zero (deleted)", "/dev/zero\\040(deleted)"), ("/a=b\tc\nd", "/a\\075b\\011c\\012d"),
    ("/back\\slash", "/back\\slash"),
])
def test_paths_are_escaped_as_seq_path_does(path, text):
    assert path_text(path) == text


@pytest.mark.parametrize("text, word", [
    ("", "''"), ("default", "'default'"), ("10000000", "'10000000'"),
    ("10000000 default pages=3", "'pages=3'"), ("10000000 default N0", "'N0'"),
    ("10000000 default anon=-1", "'anon=-1'"), ("10000000 Default", "'10000000 Default'"),
    ("1000000 default", "'1000000 default'"), ("10000000 default anon=\u0663", "anon="),
])
def test_what_is_no_line_is_refused_by_word(text, word):
    with pytest.raises(InvalidArgument) as caught:
        MapsLine.parse(text)
    assert word in str(caught.value) and "permitted" in str(caught.value)


PATHS = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\r\x0b\x0c\x1c\x1d\x1e\x1f\x85",
                  exclude_categories=("Zs", "Zl", "Zp", "Cc")) | st.sampled_from(" \t\n="),
    min_size=1,
)
COUNT = st.integers(0, 2**63)
LINES = st.builds(
    MapsLine,
    vaddr=st.integers(0, 2**47),
    policy=st.builds(
        lambda mode, flags, nodes: mode + flags + nodes,
        st.sampled_from([row.text for row in MODES.values()]),
        st.sampled_from(["", "=static", "=relative", "=balancing", "=static|balancing"]),
        st.sampled_from(["", ":0", ":0-3,7"]),
    ),
    file=st.none() | PATHS, heap=st.booleans(), stack=st.booleans(), huge=st.booleans(),
)


@given(LINES, st.lists(COUNT, min_size=7, max_size=7),
       st.dictionaries(st.integers(0, 1023), st.integers(1, 2**40), min_size=1),
       st.sampled_from([None, 4, 2048]))
@settings(max_examples=200)
def test_every_line_round_trips(line, counts, nodes, size):
    full = MapsLine(line.vaddr, line.policy, line.file, line.heap, line.stack, line.huge, *counts,
                    nodes, size)
    for value in (line, full):
        assert MapsLine.parse(str(value)) == value


@given(st.text())
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text):
    try:
        lines = parse_numa_maps(text)
    except InvalidArgument:
        return
    assert len(lines) == len(text.splitlines())


def test_the_internal_values_of_a_policy_do_not_show():
    """set_mempolicy_home_node changes where pages go, not what numa_maps prints."""
    policy = bound(0, 1)
    home = InForce(policy.asked, policy.nodes, (0, 1), home_nid=1)
    assert str(maps_line(vma(), anon(0, {}), home, V61)) == "10000000 bind:0-1"
