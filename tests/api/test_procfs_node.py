"""A node's ``numastat`` file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.procfs import node_numastat, parse_node_numastat
from numab.procfs.node import NUMASTAT_ROWS

VMSTAT = ("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other")


def test_the_rows_of_a_real_node():
    """Linux 6.18: the file and the first rows of its /proc/vmstat, read at one moment."""
    text = (
        "numa_hit 28445337\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 1197\n"
        "local_node 28445337\nother_node 0\n"
    )
    counters = dict(zip(VMSTAT, (28445337, 0, 0, 1197, 28445337, 0)))
    assert node_numastat({**counters, "numa_pte_updates": 5}) == text
    assert parse_node_numastat(text) == counters


def test_all_six_counters_of_vmstat_have_a_row():
    assert tuple(NUMASTAT_ROWS.values()) == VMSTAT


@given(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_it_round_trips(values):
    counters = dict(zip(VMSTAT, values))
    assert parse_node_numastat(node_numastat(counters)) == counters


def test_a_missing_counter_is_named():
    with pytest.raises(InvalidArgument, match="without numa_other"):
        node_numastat(dict.fromkeys(VMSTAT[:5], 0))


@pytest.mark.parametrize("text", ["", "numa_hit 1\n", "numa_hit x\n", "hits 1\n", "numa_hit  1\n"])
def test_other_texts_are_refused(text):
    with pytest.raises(InvalidArgument, match="permitted"):
        parse_node_numastat(text)
