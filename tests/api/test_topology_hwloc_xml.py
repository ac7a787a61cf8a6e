"""hwloc XML: nodes, CPUs that several nodes share, matrices, and hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import NumabError, TopologyError
from numab.topology import Node, Topology
from numab.topology.hwloc_xml import read_hwloc_xml

DATA = Path(__file__).resolve().parents[1] / "data" / "topologies"
REAL = DATA / "8intel64-4n2t-memattrs.xml"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
GIB = 1 << 30


def pu(*cpus: int) -> str:
    return "".join(f'<object type="PU" os_index="{cpu}"/>' for cpu in cpus)


def numa(nid: int, cpuset: str, more: str = f'local_memory="{GIB}"') -> str:
    return f'<object type="NUMANode" os_index="{nid}" cpuset="{cpuset}" {more}/>'


def document(objects: str, after: str = "", machine: str = "", version: str = "3.0") -> str:
    return (f'{HEAD}<topology version="{version}"><object type="Machine" {machine}>{objects}'
            f'</object>{after}</topology>')


def load(tmp_path: Path, text: str | bytes) -> Topology:
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / "machine.xml").write_bytes(data)
    return Topology.load(tmp_path / "machine.xml")


TWO = pu(0, 1, 2, 3) + numa(0, "0x3") + numa(1, "0xc")
MATRIX = ('<distances2 type="NUMANode" nbobjs="2" kind="5" name="{name}" indexing="os">'
          "<indexes>{indexes}</indexes><u64values>{values}</u64values></distances2>")


def test_the_real_file_by_hand():
    machine = Topology.load(REAL)
    assert machine.nodes == tuple(Node(n, (2 * n, 2 * n + 1), GIB) for n in range(4))
    assert machine.notes == ("no distances given: 10 and 20 assumed",)
    assert (machine.name, machine.core_of(0)) == ("8intel64-4n2t-memattrs", None)


@pytest.mark.parametrize("version", ["2", "2.0", "3.0", "3.1"])
def test_formats_2_and_3_are_read(tmp_path, version):
    assert load(tmp_path, document(TWO, version=version)).cpus == (0, 1, 2, 3)


@pytest.mark.parametrize("text, complaint", [
    (document(TWO, version="1.9"), "hwloc's format '1.9', expected 2 or 3"),
    (document(TWO).replace(' version="3.0"', "", 1), "hwloc's format '1', expected 2 or 3"),
    (document(TWO, version="4"), "format '4'"),
    (document(TWO, version="x\n\ny"), "format 'x  y'"),
    ("<html><p>no</p></html>", "the XML's root is 'html', expected 'topology'"),
    (document(""), "no NUMA node is described"),
    (document(pu(0)), "no NUMA node is described"),
    ('<topology version="2.0"/>', "no NUMA node is described")])
def test_what_is_not_such_a_file_is_refused(tmp_path, text, complaint):
    with pytest.raises(TopologyError, match=complaint):
        load(tmp_path, text)


# --- CPUs ----------------------------------------------------------------------------------


def test_words_of_a_cpuset_may_be_empty(tmp_path):
    machine = load(tmp_path, document(pu(0, 96, 97) + numa(5, "0x3,,,0x1")))
    assert machine.nodes == (Node(5, (0, 96, 97), GIB),)


def test_a_cpu_that_is_not_there_or_not_allowed_is_not_counted(tmp_path):
    objects = pu(0, 2, 3) + numa(0, "0x3") + numa(1, "0xc")
    machine = load(tmp_path, document(objects, machine='allowed_cpuset="0x5"'))
    assert [node.cpus for node in machine.nodes] == [(0,), (2,)]


def test_a_node_that_is_not_allowed_gives_no_memory(tmp_path):
    objects = TWO + numa(2, "0x0")
    machine = load(tmp_path, document(objects, machine='allowed_nodeset="0x1"'))
    assert machine.nodes == (Node(0, (0, 1), GIB), Node(1, (2, 3), 0))
    assert machine.notes[:2] == ("node 1 is not allowed: its memory is not counted",
                                 "node 2 is not allowed: not counted")


def test_an_endless_nodeset_allows_all(tmp_path):
    assert load(tmp_path, document(TWO, machine='allowed_nodeset="0xf...f"')).memory == 2 * GIB


@pytest.mark.parametrize("first, second, owner", [
    ('subtype="HBM"', 'subtype="DRAM"', 4), ('subtype="DRAM"', 'subtype="HBM"', 2),
    ("", "", 2), ("", 'subtype="DRAM"', 4), ('subtype="HBM"', "", 4),
    ('subtype="HBM"', 'subtype="HBM"', 2)])
def test_of_nodes_with_one_cpuset_dram_has_the_cpus_or_the_lowest_id(
        tmp_path, first, second, owner):
    """
    node 2    0-1  first         Expect: one of them has both CPUs, the other none.
    node 4    0-1  second
    """
    size = f'local_memory="{GIB}" '
    objects = pu(0, 1) + numa(2, "0x3", size + first) + numa(4, "0x3", size + second)
    machine = load(tmp_path, document(objects))
    assert machine.cpu_nodes == (owner,)
    assert machine.node(owner).cpus == (0, 1)
    assert machine.memory_nodes == (2, 4)


def test_memory_around_several_nodes_has_no_cpus(tmp_path):
    """
    node 0    0-3 (memory of the whole machine, lowest id)
    node 1    0-1         Expect: the nodes nearest to the CPUs have them.
    node 2    2-3
    """
    objects = pu(0, 1, 2, 3) + numa(0, "0xf") + numa(1, "0x3") + numa(2, "0xc")
    assert load(tmp_path, document(objects)).cpu_nodes == (1, 2)


def test_cpusets_that_overlap_in_part_are_refused(tmp_path):
    objects = pu(0, 1, 2) + numa(0, "0x3") + numa(1, "0x6")
    with pytest.raises(TopologyError, match="CPU 1 is on nodes 0 and 1, whose cpusets overlap"):
        load(tmp_path, document(objects))


def test_a_cpu_on_no_node_goes_to_the_first(tmp_path):
    machine = load(tmp_path, document(pu(0, 1, 2) + numa(3, "0x1") + numa(4, "0x2")))
    assert machine.node(3).cpus == (0, 2)
    assert machine.notes[0] == "CPUs 2 are on no node; assigned to node 3"


def test_cores_and_packages_are_those_around_a_cpu(tmp_path):
    def core(*cpus: int) -> str:
        cache = f'<object type="L1Cache">{pu(*cpus)}</object>'
        return f'<object type="Core" os_index="0">{cache}</object>'

    package = '<object type="Package" {}>{}</object>'
    objects = numa(0, "0xff") + package.format('os_index="36"', core(0, 4) + core(1, 5)) + (
        package.format('os_index="7"', core(2, 6) + core(3, 7)))
    node = load(tmp_path, document(objects)).node(0)
    assert node.cpu_core == (0, 1, 2, 3, 0, 1, 2, 3)
    assert node.cpu_package == (36, 36, 7, 7, 36, 36, 7, 7)
    unnamed = load(tmp_path, document(objects.replace('os_index="36"', ""))).node(0)
    assert unnamed.cpu_package == (0, 0, 2, 2, 0, 0, 2, 2)


# --- distances -----------------------------------------------------------------------------


def test_a_matrix_follows_its_indexes(tmp_path):
    """Rows and columns are nodes 1, 0: from 1 to 0 is 21, from 0 to 1 is 31."""
    text = document(TWO, MATRIX.format(name="NUMALatency", indexes="1 0", values="10 21 31 11"))
    with pytest.warns(UserWarning):
        assert load(tmp_path, text).distance.tolist() == [[11, 31], [21, 10]]


def test_a_matrix_may_be_split_and_indexed_by_gp(tmp_path):
    objects = pu(0) + numa(3, "0x1", f'gp_index="90" local_memory="{GIB}"') + (
        numa(8, "0x0", 'gp_index="7"'))
    matrix = ('<distances2 type="NUMANode" name="NUMALatency" indexing="gp">'
              '<indexes length="2">7 </indexes><indexes length="3">90 </indexes>'
              '<u64values length="6">10 17 </u64values><u64values length="3">17 </u64values>'
              '<u64values length="3">10 </u64values></distances2>')
    assert load(tmp_path, document(objects, matrix)).distance.tolist() == [[10, 17], [17, 10]]


@pytest.mark.parametrize("matrix", [
    MATRIX.format(name="NUMABandwidth", indexes="0 1", values="10 99 99 10"),
    MATRIX.format(name="", indexes="0 1", values="10 99 99 10"),
    MATRIX.replace("NUMANode", "Package").format(
        name="NUMALatency", indexes="0 1", values="10 99 99 10")])
def test_other_matrices_are_no_distances(tmp_path, matrix):
    assert load(tmp_path, document(TWO, matrix)).distance.tolist() == [[10, 20], [20, 10]]


def test_a_matrix_that_lacks_a_node_is_filled_with_a_note(tmp_path):
    text = document(TWO + numa(5, "0x0"),
                    MATRIX.format(name="NUMALatency", indexes="0 1", values="10 21 21 10"))
    machine = load(tmp_path, text)
    assert machine.distance.tolist() == [[10, 21, 20], [21, 10, 20], [20, 20, 10]]
    assert machine.notes == ("NUMALatency lacks nodes 5: 20 assumed to and from them",)


@pytest.mark.parametrize("indexes, values, complaint", [
    ("0 1", "10 21 21", "3 values for 2 indexes"), ("0", "10 21 21 10", "4 values for 1 indexes"),
    ("0 0", "10 21 21 10", "4 values for 2 indexes .1 different"),
    ("0 1", "10 21 x 10", "NUMALatency from node 1 to node 0 is 'x'"),
    ("0 1024", "10 21 21 10", "an index of NUMALatency is '1024'"),
    ("0 1", "10 0 21 10", "distance from node 0 to node 1 is 0"),
    ("0 1", "10 21 256 10", "distance from node 1 to node 0 is 256")])
def test_a_wrong_matrix_is_refused(tmp_path, indexes, values, complaint):
    with pytest.raises(TopologyError, match=complaint):
        load(tmp_path, document(TWO, MATRIX.format(
            name="NUMALatency", indexes=indexes, values=values)))


# --- wrong values --------------------------------------------------------------------------


@pytest.mark.parametrize("objects, complaint", [
    (TWO + numa(0, "0x0"), "node 0 is described twice"),
    (pu(0) + numa(1024, "0x1"), "os_index of a NUMANode is '1024'"),
    (pu(8192) + numa(0, "0x1"), "os_index of a PU is '8192'"),
    (pu(0) + '<object type="NUMANode"/>', "os_index of a NUMANode is ''"),
    (pu(0) + numa(0, "xyz"), "cpuset of node 0: 'xyz' is not a hexadecimal word"),
    (pu(0) + numa(0, "0x1" + ",0x0" * 256), "cpuset of node 0: id 8192 is outside 0-8191"),
    (pu(0) + numa(0, "0x1", 'local_memory="-1"'), "local_memory of node 0 is '-1'"),
    (pu(0) + numa(0, "0x1", ""), "no node has memory"),
    (numa(0, "0x1"), "no node has a CPU")])
def test_a_wrong_value_is_named(tmp_path, objects, complaint):
    with pytest.raises(TopologyError, match=complaint):
        load(tmp_path, document(objects))


# --- hostile and damaged -------------------------------------------------------------------


def test_an_entity_bomb_is_refused_at_its_declaration(tmp_path):
    bomb = ('<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY a "aaaaaaaaaa">'
            '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><topology version="2.0">&b;</topology>')
    with pytest.raises(TopologyError, match="declares the entity 'a'; entities are refused"):
        load(tmp_path, bomb)


@pytest.mark.parametrize("declaration", [
    '<!ENTITY secret SYSTEM "file:///etc/passwd">', '<!ENTITY % p SYSTEM "http://x/y"> %p;'])
def test_an_external_entity_is_refused(tmp_path, declaration):
    text = f"<!DOCTYPE topology [{declaration}]><topology version='2.0'/>"
    with pytest.raises(TopologyError, match="entities are refused"):
        load(tmp_path, text)


def test_deep_nesting_is_refused(tmp_path):
    with pytest.raises(TopologyError, match="nests deeper than 200"):
        load(tmp_path, "<topology>" * 100_000)


@pytest.mark.parametrize("data, complaint", [
    (document(TWO)[:-20], "truncated or corrupt: 'no element found"),
    (document(TWO).replace("UTF-8", "no-such"), "truncated or corrupt: 'unknown encoding"),
    (document(TWO).encode().replace(b"Machine", b"Ma\xffhine"), "truncated or corrupt: 'not well-"),
    ("<", "truncated or corrupt")])
def test_a_damaged_file_is_refused(tmp_path, data, complaint):
    with pytest.raises(TopologyError, match=complaint):
        load(tmp_path, data)


def test_a_byte_order_mark_is_fine(tmp_path):
    assert load(tmp_path, b"\xef\xbb\xbf" + document(TWO).encode()).nr_nodes == 2


@settings(deadline=None)  # files and unpacking: no even times
@given(data=st.data())
def test_a_real_file_changed_anywhere_is_read_or_refused(data):
    text = bytearray(REAL.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        width = data.draw(st.integers(0, 20))
        text[at:at + width] = data.draw(st.one_of(
            st.binary(max_size=4), st.sampled_from([b"", b"0", b"-1", b'"', b"<", b"99999999"])))
    try:
        Topology._from_draft("changed", read_hwloc_xml(bytes(text)))
    except NumabError as error:
        assert str(error) and "\n" not in str(error)
