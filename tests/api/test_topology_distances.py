"""The distance rules at their exact limits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from numa_core.errors import TopologyError
from numab.topology.distances import checked_distance

NIDS = (0, 3)


def test_none_gives_10_and_20_and_says_so():
    distance, said, odd = checked_distance((0, 3, 7), None)
    assert distance.tolist() == [[10, 20, 20], [20, 10, 20], [20, 20, 10]]
    assert said == ("no distances given: 10 and 20 assumed",)
    assert odd == ()


@pytest.mark.parametrize("far", [10, 11, 21, 254])
def test_a_plain_matrix_draws_no_remark(far):
    """10 between two nodes is what numa=fake makes."""
    distance, said, odd = checked_distance(NIDS, [[10, far], [far, 10]])
    assert (distance.tolist(), said, odd) == ([[10, far], [far, 10]], (), ())


def test_255_is_unreachable_and_noted():
    _, said, odd = checked_distance(NIDS, [[10, 255], [255, 10]])
    assert said == ("node 0 cannot reach node 3: distance 255 (and 1 more)",)
    assert odd == ()


@pytest.mark.parametrize("value", [0, -1, 256, 2**63 - 1])
def test_a_distance_that_no_byte_holds_is_refused_with_both_nodes(value):
    complaint = f"from node 3 to node 0 is {value}, expected 1 to 255"
    with pytest.raises(TopologyError, match=complaint):
        checked_distance(NIDS, [[10, 20], [value, 10]])


@pytest.mark.parametrize("matrix, remark", [
    ([[10, 9], [9, 10]],
     "distance from node 0 to node 3 is 9: nearer than local (and 1 more)"),
    ([[10, 20], [21, 10]],
     "distance from node 0 to node 3 is 20, back 21: asymmetric"),
    ([[10, 20], [20, 11]],
     "distance from node 3 to node 3 is 11: expected 10")])
def test_what_linux_takes_but_acpi_forbids_is_kept_and_odd(matrix, remark):
    distance, said, odd = checked_distance(NIDS, matrix)
    assert (distance.tolist(), said, odd) == (matrix, (), (remark,))


@pytest.mark.parametrize("matrix, complaint", [
    ([[10, 20]], "distance has 1 rows for 2 nodes"),
    ([[10, 20], [20, 10, 20]], "node 3 has 3 distances for 2 nodes"),
    ([[10, 20], [20]], "node 3 has 1 distances for 2 nodes"),
    ([[10, 20], []], "node 3 has 0 distances for 2 nodes"),
    ([[10, 20], 20], "node 3 has 1 distances for 2 nodes"),
    ([[10, 20.5], [20, 10]], "distances of node 0 are not whole numbers"),
    ([["10", "20"], [20, 10]], "distances of node 0 are not whole numbers"),
    ([[10, 2**70], [20, 10]], "distances of node 0 are not whole numbers"),
    ([[10, None], [20, 10]], "distances of node 0 are not whole numbers"),
    ([[10, [20]], [20, 10]], "not a matrix"),
    (7, "not a matrix")])
def test_what_is_no_matrix_is_refused(matrix, complaint):
    with warnings.catch_warnings(), pytest.raises(TopologyError, match=complaint):
        warnings.simplefilter("error")
        checked_distance(NIDS, matrix)


def test_the_matrix_is_a_read_only_copy():
    mine = np.array([[10, 20], [20, 10]], dtype=np.uint8)
    distance, _, _ = checked_distance(NIDS, mine)
    assert distance.dtype == np.int64 and not distance.flags.writeable
    mine[0, 1] = 99
    assert distance[0, 1] == 20
