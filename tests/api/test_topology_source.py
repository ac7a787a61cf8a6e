"""Which reader gets what, and how a source that is nothing is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import NumabError, TopologyError
from numab.topology import Topology, source

DATA = Path(__file__).resolve().parents[1] / "data" / "topologies"


@pytest.mark.parametrize("name", ["machine", "machine.xml", "machine.tar.gz", "2s", "a b"])
def test_a_file_is_told_by_its_content_not_by_its_name(tmp_path, name):
    for original in sorted(DATA.glob("*[2l]")):
        (tmp_path / name).write_bytes(original.read_bytes())
        assert Topology.load(tmp_path / name) == Topology.load(original)
    (tmp_path / name).write_text(Topology.load("4s").numactl_hardware())
    assert Topology.load(tmp_path / name).distance.tolist() == Topology.load("4s").distance.tolist()


@pytest.mark.parametrize("file, name", [
    ("box.tar.bz2", "box"), ("box.tar", "box"), ("box.tgz", "box"), ("box.xml", "box"),
    ("box.txt", "box"), ("cxl.v3.xml", "cxl.v3"), ("box", "box"), (".xml", ".xml")])
def test_a_machine_is_named_after_its_file(tmp_path, file, name):
    (tmp_path / file).write_text(Topology.load("tiny").numactl_hardware())
    assert Path(Topology.load(tmp_path / file).name).name == name


def test_a_preset_goes_before_a_file_and_dot_slash_before_the_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("2s").write_text(Topology.load("8s").numactl_hardware())
    assert Topology.load("2s").nr_nodes == 2
    assert Topology.load("./2s").nr_nodes == 8
    assert Topology.load(Path("2s")).nr_nodes == 8


def test_a_file_goes_before_a_synthetic_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("numa:2").write_text(Topology.load("8s").numactl_hardware())
    assert Topology.load("numa:2").nr_nodes == 8
    assert Topology.load("numa:3").nr_nodes == 3


@pytest.mark.parametrize("name, complaint", [
    ("2S", "^2S: no such file or preset; did you mean '2s'[?] [(]presets: tiny, 1s, 2s,"),
    ("cxl-memory", "did you mean 'cxl'"),
    ("zzz", "^zzz: no such file or preset [(]presets:"),
    ("/no/such/2s", "^/no/such/2s: no such file or preset [(]presets:"),
    ("", "^'': no such file or preset"),
    ("a\nb", r"^'a\\nb': no such file or preset"),
    ("a\0b", r"^'a\\x00b': not a file name"),
    ("x" * 5000, "^[.][.][.]x{120}: cannot read: File name too long"),
    ("2s/none", "^2s/none: no such file or preset")])
def test_what_is_nothing_is_refused_with_a_suggestion(tmp_path, monkeypatch, name, complaint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TopologyError, match=complaint) as caught:
        Topology.load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 3, [], object()])
def test_what_is_no_path_is_refused(wrong):
    with pytest.raises(TopologyError, match="expected a str or a path, not"):
        Topology.load(wrong)


@pytest.mark.parametrize("data, complaint", [
    (b"", "the file is empty"), (b"hello\n", "neither a tar archive of /sys"),
    (b"PK\x03\x04", "neither a tar archive"), (b"\x1f\x8b", "truncated|corrupt"),
    (b"BZh9junk", "corrupt"), (b"\xfd7zXZ\0junk", "truncated|corrupt"),
    (b"available: many", "no line 'available: N nodes")])
def test_a_file_that_is_nothing_is_refused_by_name(tmp_path, data, complaint):
    (tmp_path / "thing").write_bytes(data)
    with pytest.raises(TopologyError, match=complaint) as caught:
        Topology.load(tmp_path / "thing")
    assert str(caught.value).startswith(f"{tmp_path}/thing: ")


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "PACKED_BYTES_MAX", 1 << 20)
    (tmp_path / "large").write_bytes(b"<" + bytes(1 << 20))
    with pytest.raises(TopologyError, match="the file has more than 1 MiB"):
        Topology.load(tmp_path / "large")


def test_a_device_is_refused_and_a_pipe_is_read(tmp_path):
    with pytest.raises(TopologyError, match="/dev/zero: neither a file nor a folder"):
        Topology.load("/dev/zero")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(
        target=lambda: pipe.write_text(Topology.load("2s").numactl_hardware()))
    writer.start()
    assert Topology.load(pipe).nr_cpus == 16
    writer.join()


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    """Root may read everything, so the refusal is played."""
    (tmp_path / "secret").write_text("x")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(TopologyError, match="secret: cannot read: Permission denied"):
        Topology.load(tmp_path / "secret")


def test_a_warning_names_the_machine(tmp_path):
    text = Topology.load("2s").numactl_hardware().replace("  1:  21", "  1:  20")
    (tmp_path / "odd.txt").write_text(text)
    with pytest.warns(UserWarning, match="^odd: .*20, back|^odd: .*21, back 20: asymmetric"):
        assert Topology.load(tmp_path / "odd.txt").notes[0].endswith("asymmetric")


@settings(deadline=None)  # files and unpacking: no even times
@given(st.one_of(
    st.binary(max_size=2000),
    st.sampled_from([b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"<", b"available: 1 nodes (0)\n",
                     bytes(257) + b"ustar"]).flatmap(
        lambda magic: st.binary(max_size=1000).map(lambda rest: magic + rest))))
def test_random_bytes_are_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "thing"
    path.write_bytes(data)
    with pytest.raises(NumabError) as caught:
        Topology.load(path)
    assert "\n" not in str(caught.value)


@settings(deadline=None)  # files and unpacking: no even times
@given(st.text(max_size=60))
def test_any_string_is_a_preset_or_refused_in_one_line(text):
    try:
        Topology.load(text)
    except NumabError as error:
        assert "\n" not in str(error)


@settings(deadline=None)  # files and unpacking: no even times
@given(st.lists(st.tuples(
    st.sampled_from(["pack", "numa", "core", "pu", "mem", "distance", "x"]),
    st.sampled_from(["0", "1", "2", "3", "8192", "64GiB", "-1", "", "9" * 30])), max_size=6))
def test_any_synthetic_line_is_read_or_refused_in_one_line(words):
    try:
        Topology.load(" ".join(f"{key}:{value}" for key, value in words))
    except NumabError as error:
        assert "\n" not in str(error)
