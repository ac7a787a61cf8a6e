"""Masks in the caller's memory, bit by bit."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from numa_core.errors import InvalidArgument
from numab.syscalls.user import (
    BAD_POINTER, bits_of, checked_in, checked_out, copy_nodes_to_user, get_nodes, mask_of)


def words(*values):
    return np.array(values, np.uint64)


def errno_of(call, *args, **named):
    with pytest.raises(OSError) as e:
        call(*args, **named)
    return e.value.errno


@pytest.mark.parametrize("pointer, maxnode, mask", [
    (None, 0, 0), (None, 64, 0),
    (0b10, 2, 0),                       # one bit counts
    (0b10, 3, 0b10),
    (0b10, 1, 0), (BAD_POINTER, 1, 0),  # none does: nothing is read
    (words(5), 65, 5), (words(5), 64, 5),
    (1 << 1023, 1025, 1 << 1023),
    (1, 2048, 1), (1, 32769, 1),
])
def test_bits_that_count(pointer, maxnode, mask):
    assert get_nodes(pointer, maxnode) == mask


@pytest.mark.parametrize("pointer, maxnode, name", [
    (1, 0, "EINVAL"),                   # -1 bits: more than a page
    (1, 32770, "EINVAL"), (BAD_POINTER, 32770, "EINVAL"),
    (BAD_POINTER, 64, "EFAULT"),
    (1 | 1 << 1030, 2048, "EINVAL"),    # the kernel knows 1024
    (words(1), 66, "EFAULT"),           # 65 bits are two words
    (words(1), 1030, "EFAULT"),         # word 16 is looked at first
])
def test_masks_that_are_refused(pointer, maxnode, name):
    assert errno.errorcode[errno_of(get_nodes, pointer, maxnode)] == name


def test_the_last_word_beyond_1024_is_cut_in_2012_only():
    """maxnode 1026: 1025 bits, so bit 1030 does not count, but lies in a word that is read."""
    assert get_nodes(1 | 1 << 1030, 1026, old=True) == 1
    assert errno_of(get_nodes, 1 | 1 << 1030, 1026) == errno.EINVAL
    assert errno_of(get_nodes, 1 | 1 << 1024, 1026, old=True) == errno.EINVAL


@pytest.mark.parametrize("mask", [{0, 1}, -1, 1.5, True, np.array([1], np.int32)])
def test_other_things_are_no_masks(mask):
    with pytest.raises(InvalidArgument, match="node mask"):
        get_nodes(mask, 64)


@pytest.mark.parametrize("room, maxnode, nr_node_ids, out", [
    (1, 64, 2, [3]), (2, 64, 2, [3, 9]),        # 63 bits fill one word
    (2, 129, 2, [3, 0]),                        # the second is cleared
    (1, 1, 2, [9]),                             # no bits
])
def test_a_mask_is_written_as_far_as_maxnode_goes(room, maxnode, nr_node_ids, out):
    memory = np.full(room, 9, np.uint64)
    copy_nodes_to_user(memory, maxnode, 3, nr_node_ids)
    assert memory.tolist() == out


def test_a_mask_that_has_no_room():
    assert errno_of(copy_nodes_to_user, words(0), 66, 3, 2) == errno.EFAULT
    assert errno_of(copy_nodes_to_user, BAD_POINTER, 64, 3, 2) == errno.EFAULT
    assert errno_of(copy_nodes_to_user, words(0), 32770, 3, 2) == errno.EINVAL


def test_where_a_call_writes_is_checked():
    array = np.zeros(1, np.int32)
    assert checked_out("x", array, np.int32) is array
    assert checked_out("x", None, np.int32) is None
    strided = np.zeros(4, np.int32)[::2]
    for wrong in ([0], np.zeros(1, np.int64), np.zeros((1, 1), np.int32), strided):
        with pytest.raises(InvalidArgument, match="x .*permitted: None, BAD_POINTER"):
            checked_out("x", wrong, np.int32)
    with pytest.raises(InvalidArgument):
        checked_in("pages", [-1], np.uint64)
    assert checked_in("pages", [1, 2], np.uint64).dtype == np.uint64


def test_bits_and_masks():
    assert bits_of(mask_of({0, 70})) == (0, 70) and mask_of(()) == 0
