"""The masks of ``/proc/PID/status``: as two real kernels print them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument
from numab.procfs import parse_status_masks, status_masks
from numab.procfs.status import mask_text


def test_as_a_machine_of_two_cpus_and_one_node_prints_them():
    """Linux 6.18 with 2 CPUs; 1024 nodes can exist."""
    zeros = "00000000," * 31
    assert status_masks((0, 1), (0,), 2) == (
        "Cpus_allowed:\t3\nCpus_allowed_list:\t0-1\n"
        f"Mems_allowed:\t{zeros}00000001\nMems_allowed_list:\t0\n"
    )


@pytest.mark.parametrize("ids, bits, text", [
    ((), 1, "0"), ((0,), 1, "1"), ((0, 3), 4, "9"), ((4,), 5, "10"), (range(8), 8, "ff"),
    ((31,), 32, "80000000"), ((32,), 33, "1,00000000"), ((0, 63), 64, "80000000,00000001"),
    (range(96), 96, "ffffffff,ffffffff,ffffffff"), ((), 40, "00,00000000"),
])
def test_the_first_word_has_the_digits_it_needs(ids, bits, text):
    assert mask_text(ids, bits) == text


def test_libnuma_finds_the_number_of_nodes_from_the_length():
    """It takes 32 bits for 9 characters, the newline among them."""
    mems = status_masks((0,), (0, 1), 4).splitlines(keepends=True)[2]
    assert len(mems.split("\t")[1]) * 32 // 9 == 1024


@given(st.sets(st.integers(0, 255), min_size=1), st.sets(st.integers(0, 1023), min_size=1))
def test_the_masks_round_trip(cpus, nodes):
    text = "Name:\tcat\n" + status_masks(cpus, nodes, 256) + "voluntary_ctxt_switches:\t1\n"
    assert parse_status_masks(text) == {"Cpus_allowed": cpus, "Mems_allowed": nodes}


@pytest.mark.parametrize("cpus, nodes", [((4,), (0,)), ((0,), (1024,))])
def test_an_id_that_cannot_exist_is_refused(cpus, nodes):
    with pytest.raises(InvalidArgument, match="permitted 0"):
        status_masks(cpus, nodes, 4)


@pytest.mark.parametrize("text, word", [
    ("", "Cpus_allowed:"),
    ("Cpus_allowed:\t3\n", "Cpus_allowed_list:"),
    ("Cpus_allowed:\t3\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n",
     "disagree"),
    ("Cpus_allowed:\tx\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n",
     "hexadecimal"),
])
def test_a_text_without_them_is_refused(text, word):
    with pytest.raises(InvalidArgument, match=word):
        parse_status_masks(text)
