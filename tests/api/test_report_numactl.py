"""``numactl --show``: as numactl 2.0.16 prints it."""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument
from numab import Machine, Node, Topology
from numab.libnuma import LibNuma
from numab.report.numactl import numactl_show

#: One node, two CPUs: what numactl 2.0.16 said there on Linux 6.18, by policy.
TAIL = "physcpubind: 0 1 \ncpubind: 0 \nnodebind: 0 \nmembind: 0 \n"
REAL = {
    "default": "policy: default\npreferred node: current\n" + TAIL + "preferred: \n",
    "interleave:0": "policy: interleave\npreferred node: 0 (interleave next)\n"
                    "interleavemask: 0 \ninterleavenode: 0\n" + TAIL + "preferred: 0 \n",
    "prefer:0": "policy: preferred\npreferred node: 0\n" + TAIL + "preferred: 0 \n",
    "local": "policy: local\npreferred node: " + TAIL + "preferred: \n",
    "bind:0": "policy: bind\npreferred node: 0\n" + TAIL + "preferred: 0 \n",
    "preferred-many:0": "policy: preferred-many\npreferred node: 0 (preferred-many)\n" + TAIL
                        + "preferred: 0 \n",
    "bind:0 balancing": "policy: [8194]\npreferred node: " + TAIL + "preferred: 0 \n",
}


def shown(policy, machine, version="2.0.16", era="v6.12"):
    task = Machine(machine, era=era).process(cpu=0).main
    if policy != "default":
        task.set_mempolicy(policy)
    return numactl_show(LibNuma(task), version)


@pytest.mark.parametrize("policy", REAL)
def test_as_the_real_program_prints_it(policy):
    one_node = Topology([Node(0, (0, 1), 64 << 20)], [[10]])
    assert shown(policy, one_node) == REAL[policy]


@pytest.mark.parametrize("policy, lines", [
    ("interleave:1-2", ["policy: interleave", "preferred node: 1 (interleave next)",
                        "interleavemask: 1 2 ", "interleavenode: 1"]),
    ("preferred-many:2-3", ["policy: preferred-many", "preferred node: 0 (preferred-many)"]),
    ("weighted interleave:1", ["policy: [6]"]),
    ("prefer:3", ["policy: preferred", "preferred node: 3"]),
    ("bind:2-3", ["policy: bind", "preferred node: 2"]),
])
def test_more_nodes(policy, lines):
    """preferred-many shows the next interleave node, which there is none of: always 0."""
    text = shown(policy, "4s").splitlines()
    assert text[:len(lines)] == lines


def test_membind_is_what_is_allowed_unless_bound():
    task = Machine("4s", era="v6.1").process(cpu=0).main
    task.machine.process_of(1).set_mems_allowed((1, 2))
    task.set_affinity((0, 9))
    text = numactl_show(LibNuma(task)).splitlines()
    assert text[2:6] == ["physcpubind: 0 9 ", "cpubind: 1 ", "nodebind: 1 ", "membind: 1 2 "]


def test_releases_before_preferred_many_have_a_line_less():
    text = shown("bind:1", "2s", "2.0.14", era="v3.8").splitlines()
    assert text[:2] == ["policy: bind", "preferred node: 1"] and text[-1] == "membind: 1 "
    assert shown("preferred-many:1", "2s", "2.0.14").splitlines()[0] == "policy: [5]"


def test_in_2012_local_is_a_preferred_policy_without_a_node():
    assert shown("local", "2s", era="v2").splitlines()[:2] == [
        "policy: preferred", "preferred node: 0"]
    assert shown("local", "2s", "2.0.14", era="v2").splitlines()[:2] == [
        "policy: preferred", "preferred node: current"]


def test_unknown_releases_are_refused():
    with pytest.raises(InvalidArgument, match="numactl version '1.0', permitted: 2.0.14, 2.0.16"):
        shown("default", "2s", "1.0")
