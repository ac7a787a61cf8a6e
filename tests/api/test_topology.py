"""The package as a whole: its examples run, and every real machine at hand loads.

Set NUMAB_DATA to a folder that holds ``topologies/`` to read more machines than the four
that lie here.
"""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import numab.topology
from numab.topology import Topology

DATA = Path(__file__).resolve().parents[1] / "data" / "topologies"
MODULES = ["numab.topology", *(
    f"numab.topology.{module.name}" for module in pkgutil.iter_modules(numab.topology.__path__))]

# name: nodes, CPUs, memory of all nodes in kB, distances; by shell and awk from the files.
MACHINES = {
    "128arm-2pa2n8cluster4co.tar.bz2": (range(4), 128, 527031224, {10, 16, 25, 32, 33}),
    "16amd64-4distances.xml": (range(8), 16, 67106960, {10, 20}),
    "16amd64-8n2c.tar.bz2": (range(8), 16, 67106960, {10, 20}),
    "192em64t-24n8c2t.xml": (range(24), 384, 779733764, {10, 50, 65, 79}),
    "256ia64-64n2s2c.tar.bz2": (range(64), 256, 516912176, {10, 22, 26, 30, 34}),
    "256ppc-8n8s4t.tar.bz2": ((0, 1, 4, 5, 8, 9, 12, 13), 256, 516423680, {10, 20, 40}),
    "40intel64-2g2n4c+pcilocality.tar.bz2": (range(4), 40, 536857436, {10, 20}),
    "4fake-4gr1nu1pu.tar.bz2": (range(4), 4, 4194304, {10, 20}),
    "64intel64-heteromem.xml": (range(8), 64, 12582912, {10, 20}),
    "8intel64-4n2t-memattrs.xml": (range(4), 8, 4194304, {10, 20}),
    "96em64t-4no4pa3ca2co.tar.bz2": (range(4), 96, 528473984, {10, 26}),
    "cxlmem+dax.v3.xml": (range(1), 4, 2989960, {10}),
    "fakeheteromemtiers.tar.bz2": ((0, 1, 2, 4, 6, 8, 9), 6, 6236076, {10, 20}),
}
WITHOUT_DISTANCES = {"4fake-4gr1nu1pu.tar.bz2", "64intel64-heteromem.xml",
                     "8intel64-4n2t-memattrs.xml", "cxlmem+dax.v3.xml"}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_each_module_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_all_that_is_promised_is_there():
    for name in MODULES:
        module = importlib.import_module(name)
        assert sorted(module.__all__) == list(dict.fromkeys(sorted(module.__all__)))
        assert all(hasattr(module, word) for word in module.__all__)


def locate(name: str) -> Path:
    """The file here, or below NUMAB_DATA, or skip."""
    places = [DATA / name]
    if "NUMAB_DATA" in os.environ:
        places.append(Path(os.environ["NUMAB_DATA"]) / "topologies" / name)
    for place in places:
        if place.exists():
            return place
    pytest.skip("only with NUMAB_DATA")


@pytest.mark.parametrize("name", MACHINES)
def test_a_real_machine_loads(name, tmp_path):
    nids, nr_cpus, memory_kb, distances = MACHINES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of them is odd
        machine = Topology.load(locate(name))
    assert machine.nids == tuple(nids)
    assert machine.nr_cpus == nr_cpus
    assert machine.memory == memory_kb * 1024
    assert set(np.unique(machine.distance).tolist()) == distances
    assert bool(machine.notes) == (name in WITHOUT_DISTANCES)
    assert Topology.load(machine.write_sysfs(tmp_path)) == machine


def test_dram_has_the_cpus_of_heteromem():
    """
    DRAM   0  1  2  3      with CPUs
    HBM    7  4  5  6      of the same cpuset, without
    """
    machine = Topology.load(locate("64intel64-heteromem.xml"))
    assert machine.cpu_nodes == (0, 1, 2, 3)
    assert [node.memory >> 30 for node in machine.nodes] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert machine.node(0).cpus == tuple(
        32 * high + 16 * low + cpu for high in range(2) for low in range(2) for cpu in range(4))


def test_sparse_ids_and_asymmetry_of_shape():
    ppc = Topology.load(locate("256ppc-8n8s4t.tar.bz2"))
    assert ppc.by_distance(9) == (9, 8, 0, 1, 4, 5, 12, 13)
    assert ppc.core_of(255) == 252 and ppc.package_of(0) is None
    arm = Topology.load(locate("128arm-2pa2n8cluster4co.tar.bz2"))
    assert arm.distance.tolist() == [
        [10, 16, 32, 33], [16, 10, 25, 32], [32, 25, 10, 16], [33, 32, 16, 10]]
    tiers = Topology.load(locate("fakeheteromemtiers.tar.bz2"))
    assert tiers.cpu_nodes == (0, 1, 2)
