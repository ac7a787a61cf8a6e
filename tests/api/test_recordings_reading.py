"""A recording's file and words: what is read, and what is refused with one clear line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from numa_core.errors import InvalidArgument
from numab.recordings.reading import (
    call_flags, load_recording, mask_bits, mode_number, pointer, result)
from numab.syscalls import BAD_POINTER

SMALL = Path(__file__).resolve().parents[1] / "data" / "policy-small.json"
GOOD = {"kernel": "6.1", "nodes": 2, "sections": {"errs": {"mbind": [{}]}}}


def test_a_recording():
    recording = load_recording(str(SMALL))
    assert (recording.kernel, recording.era.name, recording.nodes) == ("6.1", "v6.1", 2)
    assert recording.distances == ((10, 20), (20, 10))
    assert list(recording.sections) == [
        "mbind", "set_mempolicy", "mbind_addr", "get_mempolicy", "move_pages", "migrate_pages",
        "set_mempolicy_home_node", "place"]


def write(tmp_path, data):
    path = tmp_path / "r.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return str(path)


def test_gzipped_and_ring_and_stated_distances(tmp_path):
    four = GOOD | {"nodes": 4, "kernel": "6.12.117"}
    recording = load_recording(write(tmp_path, gzip.compress(json.dumps(four).encode(), mtime=0)))
    assert recording.era.name == "v6.12"
    assert recording.distances[1] == (20, 10, 20, 30)
    stated = GOOD | {"distances": [[10, 12], [12, 10]]}
    assert load_recording(write(tmp_path, stated)).distances == ((10, 12), (12, 10))


@pytest.mark.parametrize("data, says", [
    (b"", "is not JSON"), (b"{", "is not JSON"), (b"\x1f\x8bxx", "is not JSON"),
    (b"\xff\xfe", "is not JSON"), (b"[" * 100000, "is not JSON"),
    (gzip.compress(b"{}", mtime=0)[:12], "is not JSON"),
    ([], "expected an object with kernel, nodes, sections"),
    ({"nodes": 2, "sections": {}}, "no kernel"),
    (GOOD | {"kernel": "x"}, "kernel 'x', permitted: a release"),
    (GOOD | {"kernel": 6.1}, "kernel 6.1, permitted: a release"),
    (GOOD | {"nodes": 0}, "nodes 0, expected a number 1..64"),
    (GOOD | {"nodes": True}, "nodes True"), (GOOD | {"nodes": "2"}, "nodes '2'"),
    (GOOD | {"sections": []}, "sections \\[\\], expected an object"),
    (GOOD | {"sections": {}}, "no rows in any section"),
    (GOOD | {"sections": {"errs": []}}, "section 'errs' is \\[\\]"),
    (GOOD | {"sections": {"errs": {"mbind": {}}}}, "section 'mbind': expected a list"),
    (GOOD | {"sections": {"errs": {"mbind": [1]}}}, "section 'mbind': expected a list"),
    (GOOD | {"distances": [[10]]}, "distances .*expected 2 lists of 2"),
    (GOOD | {"distances": [[10, 0], [20, 10]]}, "distances"),
])
def test_files_that_are_none(tmp_path, data, says):
    with pytest.raises(InvalidArgument, match="r.json.*" + says) as e:
        load_recording(write(tmp_path, data))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("text, number", [
    ("DEFAULT", 0), ("LOCAL|STATIC_NODES", 4 | 1 << 15), ("PREFERRED_MANY|RELATIVE", 5 | 1 << 14),
    ("BIND|NUMA_BALANCING|STATIC", 2 | 1 << 13 | 1 << 15),
    ("6(WEIGHTED_INTERLEAVE on 6.9+)|STATIC_NODES", 6 | 1 << 15), ("7", 7), ("-1", -1)])
def test_modes(text, number):
    assert mode_number(text) == number


def test_masks_flags_and_results():
    assert pointer("{0,1030}/2048") == (1 | 1 << 1030, 2048)
    assert pointer("null/0") == (None, 0) and pointer("badptr/64") == (BAD_POINTER, 64)
    assert mask_bits("{}") == 0
    assert call_flags("mbind", "STRICT|MOVE") == 3 and call_flags("mbind", "16") == 16
    assert call_flags("get_mempolicy", "MEMS|NODE") == 5 and call_flags("mbind", 4) == 4
    assert [result(n) for n in (0, 7, -22, -95)] == ["ok", "ok", "EINVAL", "EOPNOTSUPP"]


@pytest.mark.parametrize("call, text", [
    (mode_number, "BEND"), (mode_number, "BIND|FAST"), (pointer, "{0}"), (pointer, "{0}/x"),
    (pointer, "{x}/64"), (mask_bits, "0,1"), (mask_bits, "{0,}"),
    (lambda text: call_flags("mbind", text), "QUICK")])
def test_words_that_are_none(call, text):
    with pytest.raises(InvalidArgument, match="expected"):
        call(text)
