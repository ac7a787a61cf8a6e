"""Tar snapshots: what is read, and that a hostile or damaged one is refused in one line.

The right answers are read here with tarfile alone, without numab.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import NumabError, TopologyError
from numab.topology import Topology, archive

DATA = Path(__file__).resolve().parents[1] / "data" / "topologies"
ARCHIVES = sorted(DATA.glob("*.tar.bz2"))
SMALL = DATA / "4fake-4gr1nu1pu.tar.bz2"

NODE = "devices/system/node"
FILES = {f"{NODE}/node0/cpulist": "0", f"{NODE}/node0/distance": "10",
         f"{NODE}/node0/meminfo": "Node 0 MemTotal: 64 kB"}


def tar(files: dict[str, str], root: str = "box/sys/", extra: list[tarfile.TarInfo] = []) -> bytes:
    """A plain tar of these files, and of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for path, text in files.items():
            member = tarfile.TarInfo(root + path)
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode("ascii")))
        for member in extra:
            out.addfile(member)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def load(tmp_path: Path, data: bytes) -> Topology:
    (tmp_path / "snapshot").write_bytes(data)
    return Topology.load(tmp_path / "snapshot")


# --- real ones -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.name)
def test_a_real_snapshot_says_what_tarfile_and_a_glance_say(path):
    """Masks by int(hex), memory by a search: another way to the same numbers."""
    with tarfile.open(path) as source:
        text = {member.name.partition("/")[2]: source.extractfile(member).read().decode()
                for member in source if member.isfile()}
    nodes = {}
    for name in text:
        match = re.fullmatch(r"sys/devices/system/node/node(\d+)/cpumap", name)
        if match:
            mask = int(text[name].strip().replace(",", ""), 16)
            meminfo = text[name.replace("cpumap", "meminfo")]
            nodes[int(match[1])] = (
                tuple(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1),
                int(re.search(r"MemTotal:\s+(\d+)", meminfo)[1]) * 1024)
    machine = Topology.load(path)
    assert {node.nid: (node.cpus, node.memory) for node in machine.nodes} == nodes
    for nid in machine.nids:
        row = text.get(f"sys/devices/system/node/node{nid}/distance")
        if row is not None:
            assert machine.distance[machine.nids.index(nid)].tolist() == list(map(int, row.split()))
    for cpu in machine.cpus:
        folder = f"sys/devices/system/cpu/cpu{cpu}/topology"
        assert machine.package_of(cpu) == int(text[f"{folder}/physical_package_id"])


def test_16amd64_8n2c_by_hand():
    machine = Topology.load(DATA / "16amd64-8n2c.tar.bz2")
    assert machine.name == "16amd64-8n2c"
    assert [node.cpus for node in machine.nodes] == [(2 * n, 2 * n + 1) for n in range(8)]
    assert [node.memory // 1024 for node in machine.nodes] == [8386704] + [8388608] * 7
    assert [[int(far) for far in row] for row in machine.distance] == [
        [10 if a == b else 20 for b in range(8)] for a in range(8)]
    assert [machine.package_of(cpu) for cpu in machine.cpus] == [cpu // 2 for cpu in range(16)]
    assert [machine.core_of(cpu) for cpu in machine.cpus] == list(range(16))
    assert machine.notes == ()
    assert machine.describe() == "8 nodes, 16 CPUs, 64 GiB"


def test_96em64t_by_hand():
    machine = Topology.load(DATA / "96em64t-4no4pa3ca2co.tar.bz2")
    assert [node.cpus for node in machine.nodes] == [
        tuple(range(24 * n, 24 * n + 24)) for n in range(4)]
    assert [node.memory // 1024 for node in machine.nodes] == [132101504] + [132124160] * 3
    assert [[int(far) for far in row] for row in machine.distance] == [
        [10 if a == b else 26 for b in range(4)] for a in range(4)]
    assert [machine.package_of(cpu) for cpu in range(4)] == [1, 0, 2, 3]
    assert {machine.package_of(cpu) for cpu in machine.node(3).cpus} == {12, 13, 14, 15}
    assert machine.describe() == "4 nodes, 96 CPUs, 504 GiB"


def test_4fake_by_hand():
    machine = Topology.load(SMALL)
    assert [(node.cpus, node.memory) for node in machine.nodes] == [
        ((n,), 1 << 30) for n in range(4)]
    assert machine.notes == ("no distances given: 10 and 20 assumed",)
    assert machine.core_of(0) is None and machine.package_of(3) == 0


# --- forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress],
                         ids=["tar", "gz", "bz2", "xz"])
def test_each_packing_is_told_by_its_content(tmp_path, pack):
    assert load(tmp_path, pack(tar(FILES))).cpus == (0,)


@pytest.mark.parametrize("root", ["sys/", "./sys/", "", "./", "a/b/c/sys/", "box/"])
def test_the_root_folder_may_have_any_name(tmp_path, root):
    assert load(tmp_path, tar(FILES, root)).cpus == (0,)


def test_a_node_may_be_a_folder_alone(tmp_path):
    folder = tarfile.TarInfo(f"box/sys/{NODE}/node7")
    folder.type = tarfile.DIRTYPE
    files = {path: text for path, text in FILES.items() if "distance" not in path}
    assert load(tmp_path, tar(files, extra=[folder])).nids == (0, 7)


def test_links_within_the_archive_are_left_alone(tmp_path):
    within = [link("box/sys/bus/node/devices/node0", f"../../../{NODE}/node0"),
              link(f"box/sys/{NODE}/node0/cpu1", "../../cpu/cpu1"),
              link(f"box/sys/{NODE}/node9", "node0"),
              link("box/hard", f"box/sys/{NODE}/node0/cpulist", tarfile.LNKTYPE)]
    assert load(tmp_path, tar(FILES, extra=within)).nids == (0,)


# --- hostile -------------------------------------------------------------------------------


@pytest.mark.parametrize("member", [
    tarfile.TarInfo("/etc/passwd"), tarfile.TarInfo("../up"), tarfile.TarInfo("box/../../up"),
    tarfile.TarInfo(".."), link("box/a", "/etc/passwd"), link("box/a", "../../up"),
    link("a", ".."), link("box/a", "../up", tarfile.LNKTYPE), link("a", "/x", tarfile.LNKTYPE)],
    ids=lambda member: f"{member.name}>{member.linkname}")
def test_what_leads_outside_is_refused(tmp_path, member):
    with pytest.raises(TopologyError, match="leads outside it"):
        load(tmp_path, tar(FILES, extra=[member]))


def test_nothing_is_written_to_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Topology.load(SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "UNPACKED_BYTES_MAX", 1 << 20)
    with pytest.raises(TopologyError, match="unpacks to more than 1 MiB"):
        load(tmp_path, bz2.compress(tar(FILES) + bytes(2 << 20)))


@pytest.mark.parametrize("name, size, complaint", [
    (f"{NODE}/node1/cpulist", 1 << 40, "unpacks to more than 256 MiB"),
    ("any/file", 1 << 40, "unpacks to more than 256 MiB"),
    ("any/file", 200 << 20, "corrupt: 'unexpected end of data'"),
    (f"{NODE}/node1/cpulist", (1 << 20) + 1, "has 1048577 bytes, at most 1048576")])
def test_a_member_that_claims_too_much_is_not_believed(tmp_path, name, size, complaint):
    """Only the header is there: nothing is reserved, and nothing stepped through for long."""
    huge = tarfile.TarInfo(f"box/sys/{name}")
    huge.size = size
    with pytest.raises(TopologyError, match=complaint):
        load(tmp_path, tar(FILES)[:6 * 512] + huge.tobuf() + bytes(10240))


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MEMBERS_MAX", 3)
    with pytest.raises(TopologyError, match="more than 3 members"):
        load(tmp_path, tar(FILES, extra=[tarfile.TarInfo("box/more")]))


def test_two_trees_are_refused_and_none(tmp_path):
    both = {**{"a/sys/" + path: text for path, text in FILES.items()},
            **{"b/sys/" + path: text for path, text in FILES.items()}}
    with pytest.raises(TopologyError, match="expected one /sys tree in the archive, found 'a/', "):
        load(tmp_path, tar(both, root=""))
    with pytest.raises(TopologyError, match="found none"):
        load(tmp_path, tar({"readme": "hello"}))


# --- damaged -------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress],
                         ids=["tar", "gz", "bz2", "xz"])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, pack, share):
    """The plain tar is 3,072 bytes, an end mark of 1,024 and padding to 10,240: 0.9 is whole."""
    data = pack(tar(FILES))
    cut = data[:int(len(data) * share)]
    if pack is bytes and share == 0.9:
        assert load(tmp_path, cut).cpus == (0,)
    else:
        with pytest.raises(TopologyError, match="truncated|corrupt"):
            load(tmp_path, cut)


def test_a_tar_cut_between_two_members_is_refused(tmp_path):
    """It holds node 0 whole, and lost node 1: tarfile itself would say nothing."""
    two = {**FILES, f"{NODE}/node0/distance": "10 20"}
    for path, text in FILES.items():
        two[path.replace("node0", "node1")] = "20 10" if "distance" in path else text
    whole = tar(FILES)
    cut = whole[:6 * 512]
    assert not whole[6 * 512:].strip(b"\0")
    with pytest.raises(TopologyError, match="truncated: it has no end mark"):
        load(tmp_path, cut)


def read_or_refuse(tmp_path: Path, data: bytes) -> None:
    """Any outcome is fine but a foreign exception, or a message of several lines."""
    try:
        load(tmp_path, data)
    except NumabError as error:
        assert str(error) and "\n" not in str(error)


@settings(deadline=None)  # files and unpacking: no even times
@given(cut=st.integers(0, 877))
def test_a_real_archive_cut_anywhere_is_read_or_refused(tmp_path_factory, cut):
    read_or_refuse(tmp_path_factory.mktemp("cut"), SMALL.read_bytes()[:cut])


@settings(deadline=None)  # files and unpacking: no even times
@given(at=st.integers(0, 40959), byte=st.integers(0, 255), pack=st.booleans())
def test_a_real_archive_with_a_wrong_byte_is_read_or_refused(tmp_path_factory, at, byte, pack):
    """Unpacked, so that the wrong byte reaches tarfile; packed, that it reaches bzip2."""
    data = bytearray(SMALL.read_bytes() if pack else bz2.decompress(SMALL.read_bytes()))
    data[at % len(data)] = byte
    read_or_refuse(tmp_path_factory.mktemp("byte"), bytes(data))


@settings(deadline=None)  # files and unpacking: no even times
@given(edits=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 511),
                                st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_a_tar_with_wrong_headers_but_right_checksums_is_read_or_refused(tmp_path_factory, edits):
    data = bytearray(tar(FILES, extra=[link("box/a", "b"), tarfile.TarInfo("box/c")]))
    for block, at, new in edits:
        data[block * 512 + at:block * 512 + at + len(new)] = new
    for start in range(0, 13 * 512, 512):  # write each header's checksum again
        header = data[start:start + 512]
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            data[start + 148:start + 156] = b"%06o\0 " % sum(header)
    read_or_refuse(tmp_path_factory.mktemp("header"), bytes(data))
