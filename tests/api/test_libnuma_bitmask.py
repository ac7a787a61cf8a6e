"""libnuma's bitmask: what it says of bits beyond its size, and its text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab import libnuma as n
from numab.procfs.status import mask_text


def test_the_package_gives_what_the_module_lists_and_the_module_lists_what_it_has():
    own = {name for name, value in vars(n.bitmask).items()
           if callable(value) and value.__module__ == n.bitmask.__name__}
    assert sorted(n.bitmask.__all__) == sorted(own)
    assert sorted(n.__all__) == sorted([*own, "LibNuma"])
    assert all(getattr(n, name) is getattr(n.bitmask, name) for name in own)


def test_bits_beyond_the_size_read_as_nought_and_cannot_be_set():
    mask = n.numa_bitmask_alloc(8)
    assert n.numa_bitmask_setbit(mask, 7) is mask and n.numa_bitmask_setbit(mask, 8) is mask
    n.numa_bitmask_setbit(mask, -1)
    assert list(mask) == [7]
    assert [n.numa_bitmask_isbitset(mask, i) for i in (7, 8, -1, 2**32 - 1)] == [1, 0, 0, 0]
    assert n.numa_bitmask_clearbit(mask, 8) is mask and list(mask) == [7]
    assert list(n.numa_bitmask_clearbit(mask, 7)) == []


def test_all_and_none():
    mask = n.numa_bitmask_setall(n.numa_bitmask_alloc(3))
    assert list(mask) == [0, 1, 2] and n.numa_bitmask_weight(mask) == 3
    assert n.numa_bitmask_clearall(mask) is mask and n.numa_bitmask_weight(mask) == 0
    assert n.numa_bitmask_free(mask) is None and n.numa_bitmask_free(None) is None


@pytest.mark.parametrize("bits, nbytes", [(1, 8), (64, 8), (65, 16), (1024, 128)])
def test_bytes_are_whole_longs(bits, nbytes):
    mask = n.Bitmask(bits)
    assert n.numa_bitmask_nbytes(mask) == nbytes == mask.words().nbytes


def test_equal_is_about_bits_not_sizes():
    assert n.numa_bitmask_equal(n.Bitmask(8, (1,)), n.Bitmask(100, (1,))) == 1
    assert n.numa_bitmask_equal(n.Bitmask(8, (1,)), n.Bitmask(8, (2,))) == 0
    assert n.Bitmask(8, (1,)) != n.Bitmask(100, (1,)) and n.Bitmask(8) != "mask"
    assert repr(n.Bitmask(8, (1, 3))) == "Bitmask(8, (1, 3))"


def test_a_copy_fits_itself_to_the_target():
    to = n.Bitmask(4, (0,))
    n.copy_bitmask_to_bitmask(n.Bitmask(128, (1, 3, 64)), to)
    assert list(to) == [1, 3]


@given(st.integers(1, 200).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_words_and_kernel_text_round_trip(value):
    size, bits = value
    mask, other = n.Bitmask(size, bits), n.Bitmask(size)
    other.take(mask.words())
    assert other == mask and mask.words().dtype == np.uint64
    again = n.Bitmask(size, (0,))
    assert n.numa_parse_bitmap(mask_text(bits, size) + "\n", again) == 0
    assert again == mask


@pytest.mark.parametrize("line", ["", "ff", "xyz\n", "1,2,3,4,5\n", "123456789\n"])
def test_other_lines_are_no_bitmaps(line):
    mask = n.Bitmask(64, (5,))
    assert n.numa_parse_bitmap(line, mask) == -1 and list(mask) == [5]


@pytest.mark.parametrize("make, message", [
    (lambda: n.numa_bitmask_alloc(0), "bitmask size 0, permitted 1.."),
    (lambda: n.Bitmask(8, (1.5,)), "bit 1.5, permitted: a whole number"),
    (lambda: n.numa_parse_bitmap(b"1\n", n.Bitmask(8)), "permitted: a text"),
])
def test_mistakes_are_named(make, message):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert message in str(caught.value)
