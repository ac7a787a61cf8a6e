"""Node and Topology: what they check, what they answer."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest

from numa_core.errors import InvalidArgument, NumabWarning, TopologyError
from numab.topology import Node, Topology

GIB = 1 << 30


@pytest.fixture
def sparse() -> Topology:
    """
    node     0        4        9             distance   0   4   9
    CPUs     0 2      1 3      -                    0  10  16  30
    memory   1 GiB    -        2 GiB                4  16  10  16
                                                    9  30  16  10
    """
    return Topology((Node(0, (0, 2), GIB, (0, 2), (7, 7)),
                     Node(4, (1, 3), 0, (1, 1), (8, 8)), Node(9, (), 2 * GIB)),
                    [[10, 16, 30], [16, 10, 16], [30, 16, 10]], "sparse")


def test_a_node_takes_any_sequence_of_whole_numbers():
    node = Node(np.int32(3), range(2), np.uint64(8192), cpu_core=[0, 0])
    assert node == Node(3, (0, 1), 8192, (0, 0), None)
    assert (node.pages, type(node.nid), type(node.memory)) == (2, int, int)


def test_pages_are_whole():
    assert [Node(0, (), size).pages for size in (0, 4095, 4096, 8191)] == [0, 0, 1, 1]


@pytest.mark.parametrize("arguments, complaint", [
    ({"nid": -1}, "node id is -1, expected 0 to 1023"),
    ({"nid": 1024}, "node id is 1024, expected 0 to 1023"),
    ({"nid": "0"}, "node id is '0', expected a whole number"),
    ({"nid": 1.0}, "node id is 1.0, expected a whole number"),
    ({"cpus": (8192,)}, "CPU id of node 0 is 8192, expected 0 to 8191"),
    ({"cpus": (-1,)}, "CPU id of node 0 is -1"),
    ({"cpus": (1, 0)}, "CPU ids of node 0 do not ascend"),
    ({"cpus": (1, 1)}, "CPU ids of node 0 do not ascend"),
    ({"cpus": 3}, "CPU id of node 0: 3 is not a sequence"),
    ({"memory": -1}, "memory of node 0 in bytes is -1"),
    ({"memory": (1 << 56) + 1}, "memory of node 0 in bytes is"),
    ({"cpus": (0, 1), "cpu_core": (0,)}, "cpu_core of node 0 has 1 entries for 2 CPUs"),
    ({"cpus": (0,), "cpu_package": (-1,)}, "cpu_package of node 0 is -1")])
def test_a_node_that_cannot_be_is_refused(arguments, complaint):
    with pytest.raises(TopologyError, match=complaint):
        Node(**{"nid": 0, **arguments})


def test_the_limits_themselves_are_taken():
    big = Topology([Node(nid, range(nid * 8, nid * 8 + 8), 4096) for nid in range(1024)])
    assert (big.nr_nodes, big.nr_cpus, big.cpus[-1]) == (1024, 8192, 8191)
    assert big.by_distance(1023)[:3] == (1023, 0, 1)
    assert Node(1023, (8191,), 1 << 56).pages == 1 << 44


@pytest.mark.parametrize("nodes, complaint", [
    ([Node(1, (0,), GIB), Node(0, (1,), GIB)], "node 0 comes after node 1"),
    ([Node(0, (0,), GIB), Node(0, (1,), GIB)], "node 0 comes after node 0"),
    ([Node(0, (0, 1), GIB), Node(2, (1,), GIB)], "CPU 1 is on node 0 and on node 2"),
    ([Node(0, (), GIB)], "no node has a CPU"),
    ([Node(0, (0,), 4095)], "no node has memory"),
    ([], "no node has a CPU"),
    ([(0, (0,), GIB)], "expected Node objects"),
    (None, "expected Node objects")])
def test_a_machine_that_cannot_be_is_refused(nodes, complaint):
    with pytest.raises(TopologyError, match=complaint):
        Topology(nodes)


def test_a_machine_with_gaps_answers_by_id(sparse):
    assert sparse.nids == (0, 4, 9) and sparse.nr_nodes == 3
    assert sparse.cpus == (0, 1, 2, 3) and sparse.nr_cpus == 4
    assert sparse.cpu_nodes == (0, 4)
    assert sparse.memory_nodes == (0, 9)
    assert sparse.memory == 3 * GIB
    assert [sparse.node_of_cpu(cpu) for cpu in sparse.cpus] == [0, 4, 0, 4]
    assert [sparse.core_of(cpu) for cpu in sparse.cpus] == [0, 1, 2, 1]
    assert [sparse.package_of(cpu) for cpu in sparse.cpus] == [7, 8, 7, 8]
    assert (sparse.distance_between(0, 9), sparse.distance_between(9, 4)) == (30, 16)
    assert sparse.node(9).memory == 2 * GIB


def test_cpu_nid_marks_the_gaps():
    holes = Topology([Node(3, (1, 4), GIB)])
    assert holes.cpu_nid.tolist() == [-1, 3, -1, -1, 3]
    assert holes.cpu_nid.dtype == np.int32 and not holes.cpu_nid.flags.writeable


def test_what_is_not_known_is_none():
    plain = Topology([Node(0, (0,), GIB)])
    assert (plain.core_of(0), plain.package_of(0)) == (None, None)


def test_a_node_without_cpus_lacks_no_labels():
    """So that «any node with None» asks whether a label is missing."""
    assert (Node(0).cpu_core, Node(0).cpu_package) == ((), ())


@pytest.mark.parametrize("ask, complaint", [
    (lambda t: t.node(1), "no node 1, expected one of 0,4,9"),
    (lambda t: t.distance_between(0, 5), "no node 5, expected one of 0,4,9"),
    (lambda t: t.by_distance(-1), "no node -1, expected one of 0,4,9"),
    (lambda t: t.node_of_cpu(4), "no CPU 4, expected one of 0-3"),
    (lambda t: t.core_of(-1), "no CPU -1, expected one of 0-3")])
def test_a_question_about_nothing_is_refused_with_the_range(sparse, ask, complaint):
    with pytest.raises(InvalidArgument, match=complaint):
        ask(sparse)


def test_by_distance_starts_at_home_then_near_to_far_ties_by_id(sparse):
    assert sparse.by_distance(4) == (4, 0, 9)
    assert sparse.by_distance(9) == (9, 4, 0)


def test_by_distance_starts_at_home_even_when_another_is_nearer():
    with pytest.warns(NumabWarning):
        odd = Topology([Node(0, (0,), GIB), Node(1, (1,), GIB)], [[30, 20], [20, 30]])
    assert odd.by_distance(1) == (1, 0)


def test_oddities_warn_once_and_stay_in_the_notes():
    nodes = (Node(0, (0,), GIB), Node(1, (1,), GIB))
    with pytest.warns(NumabWarning, match="^mine: distance from node 0 to node 1 is 20, back 30"):
        odd = Topology(nodes, [[10, 20], [30, 10]], "mine")
    assert odd.notes == ("distance from node 0 to node 1 is 20, back 30: asymmetric",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # copies have been warned of
        copies = [dataclasses.replace(odd), pickle.loads(pickle.dumps(odd)), copy.deepcopy(odd)]
    for twin in copies:
        assert twin == odd and twin.notes == odd.notes and twin.name == "mine"
        assert not twin.distance.flags.writeable


def test_equality_is_of_the_machine_not_of_its_name(sparse):
    other = dataclasses.replace(sparse, name="other", notes=("seen",))
    assert other == sparse and hash(other) == hash(sparse)
    assert sparse != dataclasses.replace(sparse, distance=None)
    assert sparse != dataclasses.replace(sparse, nodes=sparse.nodes[:2] + (Node(9, (), GIB),))
    assert sparse != 3


def test_a_topology_cannot_be_changed(sparse):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sparse.name = "new"
    with pytest.raises(ValueError):
        sparse.distance[0, 0] = 1


@pytest.mark.parametrize("sizes, text", [
    ((96 * 1024,), "1 node, 1 CPU, 96 KiB"), ((1 << 20,), "1 node, 1 CPU, 1 MiB"),
    ((GIB - 1,), "1 node, 1 CPU, 1024 MiB"), ((GIB, GIB // 2), "2 nodes, 2 CPUs, 1.5 GiB"),
    ((755 * GIB,), "1 node, 1 CPU, 755 GiB"), ((1536 * GIB,), "1 node, 1 CPU, 1536 GiB"),
    ((20 << 40,), "1 node, 1 CPU, 20 TiB"),
    ((GIB, 0), "2 nodes (1 without memory), 2 CPUs, 1 GiB")])
def test_describe_is_one_line(sizes, text):
    machine = Topology([Node(nid, (nid,), size) for nid, size in enumerate(sizes)])
    assert machine.describe() == text


def test_describe_and_repr_tell_what_is_lacking(sparse):
    assert sparse.describe() == "3 nodes (1 without CPUs, 1 without memory), 4 CPUs, 3 GiB"
    assert repr(sparse) == f"<Topology 'sparse': {sparse.describe()}>"
