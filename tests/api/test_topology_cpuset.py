"""Lists and masks of ids: each spelling read, written, and refused when it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import TopologyError
from numab.topology.cpuset import (
    format_list, format_mask, parse_hwloc, parse_list, parse_mask, quoted, whole)

ID_SETS = st.sets(st.integers(0, 8191), max_size=200)


@pytest.mark.parametrize("text, ids", [
    ("", []), ("\n", []), ("0\n", [0]), ("0-3,8", [0, 1, 2, 3, 8]), ("5,1", [1, 5]),
    (" 1 , 2 \n", [1, 2]), ("8191", [8191]), ("007", [7]), ("3-3", [3])])
def test_a_list_is_read(text, ids):
    assert sorted(parse_list(text, "cpulist", 8192)) == ids


@pytest.mark.parametrize("text", [
    "8192", "0-8192", "3-2", "a", "0,,1", ",", "-1", "1-", "0x1", "1 2", "0-99999999999", "\u0663"])
def test_a_wrong_list_is_refused_and_named(text):
    with pytest.raises(TopologyError, match="^cpulist: "):
        parse_list(text, "cpulist", 8192)


@pytest.mark.parametrize("text, ids", [
    ("0", []), ("f", [0, 1, 2, 3]), ("00000001,00000000\n", [32]), ("1,00000005", [0, 2, 32]),
    ("0000,00000011,11111111", range(0, 40, 4)), ("80000000", [31])])
def test_a_mask_has_its_most_significant_word_first(text, ids):
    assert sorted(parse_mask(text, "cpumap", 8192)) == list(ids)


@pytest.mark.parametrize("text", ["", "g", "0x1", "123456789", "1,,1", "1 1", "-1",
                                  "1" + ",00000000" * 256, ",".join(["0"] * 1025)])
def test_a_wrong_mask_is_refused(text):
    with pytest.raises(TopologyError, match="^cpumap: "):
        parse_mask(text, "cpumap", 8192)


@pytest.mark.parametrize("text, ids", [
    ("0x0", []), ("", []), ("0x000000ff,,,0x1", [0, *range(96, 104)]),
    ("0x000000ff,,,,,,0x000000ff", [*range(8), *range(192, 200)]),
    ("0x0000ff00,0x0", range(40, 48))])
def test_an_empty_word_of_an_hwloc_bitmap_is_zero(text, ids):
    assert sorted(parse_hwloc(text, "cpuset", 8192)) == list(ids)


def test_an_endless_hwloc_bitmap_ends_with_the_ids():
    assert parse_hwloc("0xf...f,0x1", "nodeset", 64) == {0, *range(32, 64)}
    assert parse_hwloc("0xf...f", "nodeset", 64) == set(range(64))


@pytest.mark.parametrize("text", ["1", "0xg", "0x123456789", "0x1;0x2", "f...f", "0x1,0xf...f"])
def test_a_wrong_hwloc_bitmap_is_refused(text):
    with pytest.raises(TopologyError, match="^cpuset: "):
        parse_hwloc(text, "cpuset", 8192)


def test_an_id_too_large_is_named_with_the_range():
    with pytest.raises(TopologyError, match="id 32 is outside 0-31"):
        parse_mask("1,00000000", "cpumap", 32)


@given(ID_SETS)
def test_what_is_written_is_read_back(ids):
    assert parse_list(format_list(ids), "", 8192) == ids
    assert parse_mask(format_mask(ids, 8192), "", 8192) == ids


def test_lists_and_masks_look_as_linux_prints_them():
    assert format_list([0, 1, 3, 5, 6, 7]) == "0-1,3,5-7"
    assert format_list([]) == ""
    assert format_mask([0, 1], 2) == "00000003"
    assert format_mask([], 0) == "00000000"
    assert format_mask([39], 40) == "00000080,00000000"


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", " 1", "1_0", "\u0661", "9" * 21, "256"])
def test_whole_takes_decimal_digits_up_to_its_limit(text):
    assert whole("255", "it", 255) == 255
    with pytest.raises(TopologyError, match="^it is .*from 0 to 255$"):
        whole(text, "it", 255)


def test_quoted_is_one_short_printable_line():
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted("\x1b[31m\u00e9") == r"'\x1b[31m\xe9'"
    assert len(quoted("x" * 10_000)) < 60
