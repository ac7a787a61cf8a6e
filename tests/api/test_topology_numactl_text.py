"""The text of numactl --hardware: exact in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument, TopologyError
from numab.topology import Node, Topology
from numab.topology.numactl_text import read_numactl

MIB = 1 << 20

# As numactl 2.0.16 prints it, blanks at the ends of lines included; node 100 has no CPUs.
TEXT = """\
available: 3 nodes (0-1,100)
node 0 cpus: 0 2
node 0 size: 4096 MB
node 0 free: 2048 MB
node 1 cpus: 1 3
node 1 size: 4095 MB
node 1 free: 4095 MB
node 100 cpus:
node 100 size: 0 MB
node 100 free: 0 MB
node distances:
node   0   1  100 
  0:  10  21  17 
  1:  21  10 140 
 100:  17 140  10 
"""

MACHINE = Topology(
    (Node(0, (0, 2), 4096 * MIB), Node(1, (1, 3), 4096 * MIB - 1), Node(100)),
    [[10, 21, 17], [21, 10, 140], [17, 140, 10]])


def load(tmp_path, text: str) -> Topology:
    (tmp_path / "machine.txt").write_text(text, encoding="utf-8")
    return Topology.load(tmp_path / "machine.txt")


def test_the_text_is_exact():
    assert MACHINE.numactl_hardware([2048 * MIB, 4096 * MIB - 1, 0]) == TEXT


def test_without_free_bytes_all_memory_is_free():
    assert "node 0 free: 4096 MB\n" in MACHINE.numactl_hardware()


@pytest.mark.parametrize("free, complaint", [
    ([0, 0], "2 entries for 3 nodes"), ([0, 0, 1], "node 100 is 1, expected 0 to 0"),
    ([-1, 0, 0], "node 0 is -1, expected 0 to 4294967296")])
def test_more_free_than_there_is_is_refused(free, complaint):
    with pytest.raises(InvalidArgument, match=complaint):
        MACHINE.numactl_hardware(free)


def test_the_text_is_read(tmp_path):
    machine = load(tmp_path, TEXT)
    assert machine.nodes == (Node(0, (0, 2), 4096 * MIB), Node(1, (1, 3), 4095 * MIB), Node(100))
    assert machine.distance.tolist() == MACHINE.distance.tolist()
    assert (machine.name, machine.notes) == ("machine", ())


def test_noise_around_the_report_is_passed_over(tmp_path):
    noisy = "$ numactl -H\nlibnuma: Warning: cpu mask\n" + TEXT.replace("\n", "\r\n") + "$ exit\n"
    assert load(tmp_path, noisy) == load(tmp_path, TEXT)


def test_columns_may_come_in_any_order(tmp_path):
    text = TEXT[:TEXT.index("node   0")] + (
        "node 100   0   1\n 100:  10  17 140\n  1: 140  21  10\n  0:  17  10  21\n")
    assert load(tmp_path, text).distance.tolist() == MACHINE.distance.tolist()


@pytest.mark.parametrize("tail", ["No distance information available.\n", ""])
def test_no_distances_are_noted(tmp_path, tail):
    head = TEXT[:TEXT.index("node distances")]
    assert load(tmp_path, head + tail).notes == ("no distances given: 10 and 20 assumed",)
    if tail:
        assert load(tmp_path, head + "node distances:\n" + tail).distance[0, 1] == 20


def test_a_size_that_is_not_available_is_no_memory(tmp_path):
    machine = load(tmp_path, TEXT.replace("node 1 size: 4095 MB", "node 1 size: <not available>"))
    assert machine.memory_nodes == (0,)


@pytest.mark.parametrize("old, new, complaint", [
    ("3 nodes", "4 nodes", "4 nodes are available, but listed are '0-1,100'"),
    ("(0-1,100)", "(0-1,1024)", "'1024' is outside 0-1023"),
    ("available: 3", "available: x", "no line 'available: N nodes"),
    ("node 1 cpus: 1 3\n", "", "node 1 has no line 'cpus:'"),
    ("node 1 size: 4095 MB\n", "", "node 1 has no line 'size:'"),
    ("node 1 size: 4095 MB", "node 1 size: 4095 kB", "size of node 1 is '4095 kB'"),
    ("node 1 size: 4095 MB", "node 1 size: 40", "size of node 1 is '40'"),
    ("node 1 cpus: 1 3", "node 1 cpus: 1 x", "a CPU id of node 1 is 'x'"),
    ("node 1 cpus: 1 3", "node 1 cpus: 1 8192", "a CPU id of node 1 is '8192'"),
    ("node 1 cpus: 1 3", "node 1 cpus: 1 2", "CPU 2 is on node 0 and on node 1"),
    ("node 1 cpus: 1 3\n", "node 1 cpus: 1\nnode 1 cpus: 3\n", "node 1 has two lines 'cpus:'"),
    ("node 1 cpus: 1 3", "node 2 cpus: 1 3", "node 2 is described but not listed"),
    ("  1:  21  10 140 \n", "", "distances of node 1 are missing"),
    ("  1:  21  10 140 \n", "  1:  21  10 \n", "node 1 has 2 distances, expected 3"),
    ("  1:  21  10 140 \n", "  0:  10  21  17 \n", "distances of node 0 come twice"),
    ("  1:  21  10 140 \n", "  7:  21  10 140 \n", "distances of node 7 come twice or are of no"),
    ("  1:  21  10 140 \n", "  1:   0  10 140 \n", "from node 1 to node 0 is 0"),
    ("node   0   1  100", "node   0   1   2", "header of the distances names other nodes"),
    ("node   0   1  100 \n", "", "distances of node 0 are missing")])
def test_a_wrong_text_is_refused(tmp_path, old, new, complaint):
    assert TEXT.count(old) == 1
    with pytest.raises(TopologyError, match=complaint) as caught:
        load(tmp_path, TEXT.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path}/machine.txt: ")


@pytest.mark.parametrize("nr_lines", range(len(TEXT.splitlines()) - 1))
def test_a_text_cut_between_lines_is_refused(nr_lines):
    """Cut just above «node distances:» it is whole: numactl need not know any."""
    text = "".join(TEXT.splitlines(keepends=True)[:nr_lines])
    if text.endswith("node 100 size: 0 MB\n") or text.endswith("node 100 free: 0 MB\n"):
        assert read_numactl(text).distance is None
    else:
        with pytest.raises(TopologyError):
            read_numactl(text)


@st.composite
def machines(draw) -> Topology:
    nids = sorted(draw(st.sets(st.integers(0, 1023), min_size=1, max_size=6)))
    cpus = sorted(draw(st.sets(st.integers(0, 8191), min_size=1, max_size=20)))
    home = [draw(st.sampled_from(nids)) for _ in cpus]
    memory = [draw(st.integers(0, 1 << 20)) * MIB for _ in nids]
    memory[0] += MIB
    far = {pair: draw(st.integers(10, 254)) for pair in
           ((a, b) for a in nids for b in nids if a < b)}
    return Topology(
        [Node(nid, [cpu for cpu, of in zip(cpus, home) if of == nid], size)
         for nid, size in zip(nids, memory)],
        [[10 if a == b else far[min(a, b), max(a, b)] for b in nids] for a in nids])


@settings(deadline=None)
@given(machines())
def test_what_is_written_is_read_back(machine):
    draft = read_numactl(machine.numactl_hardware())
    assert Topology._from_draft("copy", draft).nodes == tuple(
        Node(node.nid, node.cpus, node.memory) for node in machine.nodes)
    assert draft.distance == machine.distance.tolist()
