"""Presets and synthetic lines."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from numa_core.errors import TopologyError
from numab.topology import PRESETS, Topology
from numab.topology.presets import looks_synthetic, nearest_preset

GIB = 1 << 30


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads_without_remark(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine = Topology.load(name)
    assert (machine.name, machine.notes) == (name, ())
    assert machine.nids == tuple(range(machine.nr_nodes))
    assert machine.cpus == tuple(range(machine.nr_cpus))
    assert all(machine.core_of(cpu) is not None for cpu in machine.cpus)
    assert np.array_equal(machine.distance, machine.distance.T)


def test_the_shapes_are_those_that_the_table_tells():
    told = {name: Topology.load(name).describe() for name in PRESETS}
    assert told == {
        "tiny": "2 nodes, 2 CPUs, 512 MiB", "1s": "1 node, 8 CPUs, 64 GiB",
        "2s": "2 nodes, 16 CPUs, 128 GiB", "2s-smt": "2 nodes, 32 CPUs, 128 GiB",
        "4s": "4 nodes, 32 CPUs, 256 GiB", "8s": "8 nodes, 64 CPUs, 512 GiB",
        "64n": "64 nodes, 256 CPUs, 512 GiB", "snc": "4 nodes, 32 CPUs, 128 GiB",
        "nps4": "8 nodes, 32 CPUs, 128 GiB",
        "hbm": "2 nodes (1 without CPUs), 16 CPUs, 80 GiB",
        "cxl": "3 nodes (1 without CPUs), 16 CPUs, 256 GiB"}


def test_the_distances_of_the_shaped_presets():
    assert Topology.load("4s").distance.tolist() == [
        [10, 21, 31, 21], [21, 10, 21, 31], [31, 21, 10, 21], [21, 31, 21, 10]]
    assert Topology.load("8s").distance[0].tolist() == [10, 16, 16, 22, 16, 22, 22, 22]
    assert Topology.load("snc").distance[0].tolist() == [10, 11, 21, 21]
    assert Topology.load("nps4").distance[5].tolist() == [32, 32, 32, 32, 12, 10, 12, 12]
    assert Topology.load("cxl").distance.tolist() == [[10, 21, 14], [21, 10, 24], [14, 24, 10]]
    row = Topology.load("64n").distance[17].tolist()
    assert [row[nid] for nid in (17, 16, 19, 20, 31, 15, 32, 63)] == [
        10, 22, 22, 26, 26, 30, 30, 30]


def test_siblings_of_2s_smt_are_16_apart():
    machine = Topology.load("2s-smt")
    assert machine.node(1).cpus == (*range(8, 16), *range(24, 32))
    assert machine.core_of(24) == machine.core_of(8) == 8
    assert (machine.package_of(7), machine.package_of(24)) == (0, 1)


def test_packages_hold_several_nodes_in_snc():
    machine = Topology.load("snc")
    assert [machine.package_of(node.cpus[0]) for node in machine.nodes] == [0, 0, 1, 1]


def test_a_synthetic_line_is_read_from_the_outside_to_the_inside():
    """
    pack       0                     1
    numa       0          1          2            3
    core       0    1     2    3     4    5       6      7
    pu         0 1  2 3   4 5  6 7   8 9  10 11   12 13  14 15
    """
    machine = Topology.load("pack:2 numa:2 core:2 pu:2 mem:64GiB")
    assert [node.cpus for node in machine.nodes] == [
        (0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)]
    assert {node.memory for node in machine.nodes} == {64 * GIB}
    assert machine.node(2).cpu_core == (8, 8, 10, 10)
    assert [machine.package_of(cpu) for cpu in (0, 7, 8, 15)] == [0, 0, 1, 1]
    assert machine.notes == ("no distances given: 10 and 20 assumed",)


@pytest.mark.parametrize("line, nr_nodes, nr_cpus, each", [
    ("numa:2", 2, 2, GIB), ("core:4", 1, 4, GIB), ("pu:3 mem:1M", 1, 3, 1 << 20),
    ("NUMA:2 Core:4 PU:1 mem:1tb", 2, 8, 1 << 40), ("mem:8GB numa:2", 2, 2, 8 * GIB),
    ("  socket:2\tcore:3 mem:4096 ", 2, 6, 4096), ("node:1024 pu:8", 1024, 8192, GIB)])
def test_levels_left_out_count_one(line, nr_nodes, nr_cpus, each):
    machine = Topology.load(line)
    assert (machine.nr_nodes, machine.nr_cpus) == (nr_nodes, nr_cpus)
    assert {node.memory for node in machine.nodes} == {each}
    assert machine.name == " ".join(line.split())


def test_a_distance_may_be_given():
    machine = Topology.load("numa:3 distance:31")
    assert (machine.distance[0].tolist(), machine.notes) == ([10, 31, 31], ())


@pytest.mark.parametrize("line, complaint", [
    ("numa:0", "0 nodes of 1 CPUs, expected 1 to 1024 nodes and 1 to 8192 CPUs"),
    ("numa:1025", "1025 nodes of 1 CPUs"), ("numa:2 core:4097", "2 nodes of 4097 CPUs"),
    ("numa:2 numa:2", "numa is given twice"), ("numa:2 node:2", "numa is given twice"),
    ("core:2 numa:2", "the order is pack, numa, core, pu"),
    ("numa:x", "numa is 'x', expected a whole number"), ("numa:", "numa is ''"),
    ("numa:2 l3:2", "'l3:2': expected pack, numa, core, pu, mem or distance"),
    ("mem:64X", "mem is '64X', expected such as 64GiB"), ("mem:-1", "mem is '-1'"),
    ("mem:999999999T", "at most 65536 TiB"), ("numa:1 mem:0", "no node has memory"),
    ("numa:2 distance:0", "distance from node 0 to node 1 is 0"),
    ("numa:2 distance:256", "distance is '256', expected a whole number from 0 to 255"),
    ("numa:9999999999999999999999", "expected a whole number from 0 to 8192")])
def test_a_wrong_line_is_refused(line, complaint):
    with pytest.raises(TopologyError, match=complaint) as caught:
        Topology.load(line)
    assert str(caught.value).startswith(line + ": ")


def test_what_looks_synthetic():
    assert looks_synthetic("numa:2 core:4") and looks_synthetic("l3:2")
    assert not any(map(looks_synthetic, ("2s", "a b", "numa:2 core", "/a:b", "", "12:3")))


def test_the_nearest_preset_is_suggested():
    assert nearest_preset("4S") == "4s"
    assert nearest_preset("cxl2") == "cxl"
    assert nearest_preset("nps") == "nps4"
    assert nearest_preset("zzz") is None
