"""numab.arguments: the one place where Python values are checked on their way to C."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numa_core import EPOCH, ROW
from numab import InvalidArgument
from numab.arguments import (
    CPU, NID, choice, flag, names, real, records, shown, whole, whole_array,
)


@pytest.mark.parametrize("value", [0, 8191, True, np.int8(5), np.uint64(5)])
def test_whole_takes_what_is_a_whole_number(value):
    got = whole("cpu", value, CPU)
    assert type(got) is int and got == int(value)


@pytest.mark.parametrize("value", [-1, 8192, 1.0, np.float64(1), "1", None, math.nan])
def test_whole_refuses_the_rest_and_names_it(value):
    with pytest.raises(InvalidArgument) as caught:
        whole("cpu", value, CPU)
    assert str(caught.value).startswith(f"cpu {shown(value)}, permitted")
    assert str(caught.value).endswith("0..8191")


def test_whole_is_exact_at_both_ends():
    assert whole("nid", -1, NID) == -1 and whole("nid", 1023, NID) == 1023
    for outside in (-2, 1024):
        with pytest.raises(InvalidArgument):
            whole("nid", outside, NID)


def test_shown_is_one_short_line():
    assert shown("a\nb") == "'a\\nb'"
    assert shown(np.zeros((9, 9))).count("\n") == 0
    assert len(shown(list(range(1000)))) == 60
    assert shown(10**5000) == "a number of 16610 bits"


def test_flag():
    assert [flag("f", x) for x in (True, False, 1, 0, np.True_, np.int64(0))] == [
        True, False, True, False, True, False]
    for value in (2, None, "yes", 1.0, [], np.array([1, 2])):
        with pytest.raises(InvalidArgument, match="permitted: True or False"):
            flag("f", value)


def test_real():
    assert real("theta", 1, 0.5, 4) == 1.0
    for value in (math.nan, math.inf, 0.49, 4.01, "x", None, 10**400):
        with pytest.raises(InvalidArgument, match=r"permitted 0.5\.\.4"):
            real("theta", value, 0.5, 4)


def test_choice_and_names():
    assert choice("mode", "b", ("a", "b")) == 1
    assert names("flag", ["b", "a"], ("a", "b")) == ("b", "a")
    for value in ("c", 1, None):
        with pytest.raises(InvalidArgument, match="permitted: a, b"):
            choice("mode", value, ("a", "b"))
    for value in ("ab", 5, ["c"], [None]):
        with pytest.raises(InvalidArgument, match="permitted"):
            names("flag", value, ("a", "b"))


@pytest.mark.parametrize("values", [
    [1, 2], (1, 2), range(1, 3), {1, 2}, iter([1, 2]), np.array([1, 2], "i1"),
    np.array([1, 9, 2, 9])[::2],
])
def test_whole_array_takes_any_collection_of_whole_numbers(values):
    got = whole_array("vpns", values, np.uint64, (0, 10))
    assert got.dtype == np.uint64 and got.flags.c_contiguous and got.tolist() == [1, 2]


def test_whole_array_of_one_and_of_none():
    assert whole_array("nids", 3, np.int32, (0, 5)).tolist() == [3]
    assert whole_array("nids", [], np.int32, (0, 5)).tolist() == []


def test_whole_array_does_not_copy_what_fits():
    given = np.arange(4, dtype=np.uint64)
    assert np.shares_memory(whole_array("vpns", given, np.uint64, (0, 10)), given)


def test_whole_array_names_the_value_outside():
    with pytest.raises(InvalidArgument, match="vpns with 11, permitted 0..10"):
        whole_array("vpns", [1, 11], np.uint64, (0, 10))
    with pytest.raises(InvalidArgument, match="dtype float64"):
        whole_array("vpns", [1.0], np.uint64, (0, 10))


def test_records_takes_one_record_type_only():
    table = np.zeros(3, ROW)
    assert records("table", table, ROW, "rows()") is table
    assert records("table", table[::2], ROW, "rows()").flags.c_contiguous
    for value, said in ((np.zeros(3, EPOCH), "dtype"), ([1], "a list"),
                        (np.zeros((1, 1), ROW), "shape")):
        with pytest.raises(InvalidArgument, match=said):
            records("table", value, ROW, "rows()")
