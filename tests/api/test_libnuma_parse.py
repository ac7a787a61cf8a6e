"""Lists of nodes and CPUs: as libnuma 2.0.16 reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numab.libnuma import Bitmask
from numab.libnuma.parse import parse_string

#: Answers of libnuma 2.0.16 itself, asked on a machine with node 0 and CPUs 0 and 1.
NODES = [
    ("", []), ("0", [0]), ("all", [0]), ("!0", []), ("+0", [0]), ("0-0", [0]), ("1", None),
    ("0,0", [0]), ("0,", None), ("x", None), ("0x0", [0]), ("!+0", []), ("0-", None),
    ("all,0", None), ("!all", []), (" 0", [0]), ("00", [0]), ("-1", None), ("0 ", None),
    ("+all", [0]), ("same", None), ("0-0-0", None), ("!", None), ("+", None), (",0", None),
]
CPUS = [
    ("", []), ("0", [0]), ("all", [0, 1]), ("!0", [1]), ("+1", [1]), ("0-1", [0, 1]), ("2", None),
    ("1-0", [1]), ("!1", [0]), ("!all", []), ("+0-1", [0, 1]), ("0-5", None),
]


def read(text, allowed, configured, what="node"):
    said = []
    mask = parse_string(text, what, Bitmask(64, allowed), configured, said.append, Bitmask(64))
    return None if mask is None else list(mask), said


@pytest.mark.parametrize("text, ids", NODES)
def test_node_lists_are_read_as_the_library_reads_them(text, ids):
    assert read(text, (0,), 1)[0] == ids


@pytest.mark.parametrize("text, ids", CPUS)
def test_cpu_lists_are_read_as_the_library_reads_them(text, ids):
    assert read(text, (0, 1), 2, "cpu")[0] == ids


@pytest.mark.parametrize("text, ids", [
    # allowed: 1, 3, 4 of a machine with nodes 0..4
    ("all", [1, 3, 4]), ("+0", [1]), ("+1-2", [3, 4]), ("+3", None), ("0", None),
    ("1-4", [1, 3, 4]), ("1-3", [1, 3]), ("2-4", None), ("3,all", [1, 3, 4]), ("0x3,04", [3, 4]),
    # ! turns round all configured nodes, allowed or not
    ("!1", [0, 2, 3, 4]), ("!+0", [0, 2, 3, 4]), ("!all", [0, 2]),
])
def test_plus_counts_among_the_allowed_and_not_does_not(text, ids):
    assert read(text, (1, 3, 4), 5)[0] == ids


def test_not_turns_round_as_many_ids_as_nodes_are_configured():
    """Nodes 0, 1, 33 of a sparse machine: the count is 3, so 33 is not turned round."""
    assert read("!0", (0, 1, 33), 3)[0] == [1, 2]


@pytest.mark.parametrize("text, warning", [
    ("x", "unparseable node description `x'"), ("7", "node argument 7 is out of range"),
    ("0-", "missing node argument "), ("0-9", "node argument 9 is out of range"),
])
def test_warnings_name_the_word(text, warning):
    assert read(text, (0, 1), 2) == (None, [warning])


@given(st.sets(st.integers(0, 63), min_size=1), st.data())
def test_lists_of_allowed_ids_round_trip(allowed, data):
    ids = data.draw(st.sets(st.sampled_from(sorted(allowed)), min_size=1))
    assert read(",".join(map(str, ids)), allowed, 64)[0] == sorted(ids)


@given(st.text("0123456789,-!+all xX\u0660\n", max_size=12))
@settings(max_examples=500)
def test_any_text_is_read_or_refused(text):
    ids, said = read(text, (0, 1, 2, 5), 6)
    assert ids is None or (set(ids) <= set(range(6)) and not said)
