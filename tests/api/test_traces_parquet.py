"""traces/parquet: the [arrow] extra, with and without pyarrow."""

import sys
from pathlib import Path

import numpy as np
import pytest

from numa_core.errors import MissingExtra, NumabError, TraceError
from numab import traces
from numab.traces import parquet

TINY = Path(__file__).parents[1] / "data" / "tiny.npz"


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)      # import pyarrow now fails
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1")
    for function, arguments in ((traces.load, (file,)), (traces.convert, (TINY, file))):
        with pytest.raises(MissingExtra) as caught:
            function(*arguments)
        assert isinstance(caught.value, (NumabError, ImportError))
        assert str(caught.value).endswith(
            ": Parquet needs pyarrow, which is not installed: pip install 'numab[arrow]'")
        assert str(caught.value).startswith(str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


@pytest.fixture
def write(arrow, tmp_path):
    """A function that writes tiny with some columns changed, and returns the error of it."""
    pytest.importorskip("pyarrow.parquet")
    good = traces.load(TINY).columns

    def write(names=None, **changed) -> str:
        file = tmp_path / "a.parquet"
        columns = {name: arrow.array(column) for name, column in good.items()} | changed
        names = names or [*columns]
        table = arrow.Table.from_arrays([columns[name] for name in names], names)
        arrow.parquet.write_table(table, file)
        with pytest.raises(TraceError) as caught:
            traces.load(file)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(file), "a")

    return write


def test_types_on_disk_are_those_of_the_format(arrow, tmp_path):
    traces.convert(TINY, tmp_path / "a.parquet")
    schema = arrow.parquet.read_schema(tmp_path / "a.parquet")
    assert {field.name: str(field.type) for field in schema} == {
        "start": "uint64", "end": "uint64", "tid": "uint16", "vpn": "uint64",
        "reads": "uint32", "writes": "uint32", "first": "bool"}


def test_many_row_groups_and_more_columns(arrow, tmp_path):
    tiny = traces.load(TINY)
    table = arrow.table(tiny.columns | {"cpu": np.zeros(tiny.rows)})
    arrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    trace = traces.load(tmp_path / "a.parquet")
    assert all(np.array_equal(trace.columns[name], tiny.columns[name]) for name in tiny.columns)


def test_missing_and_repeated_columns(write):
    names = ["start", "end", "tid", "vpn", "reads", "writes", "first"]
    assert write(names[:3]).startswith("a: missing columns vpn, reads, writes, first; a trace has")
    assert write([*names, "vpn"]) == "a: column vpn is there 2 times; permitted: once"


def test_wrong_types(write, arrow):
    rows = traces.load(TINY).rows
    for array, has in ((arrow.array([0.5] * rows), "double"),
                       (arrow.array(["x"] * rows), "string"),
                       (arrow.array([[1]] * rows), "list<element: int64>"),
                       (arrow.nulls(rows), "null"),
                       (arrow.array([0] * rows, "timestamp[ns]"), "timestamp[ns]")):
        assert write(vpn=array) == (f"a: column vpn has Arrow type {has}; permitted: "
                                    "an integer dtype, 0 to 281474976710655")
    assert write(first=arrow.array([1] * rows, "uint8")) == (
        "a: column first has Arrow type uint8; permitted: bool")


def test_nulls(write, arrow):
    rows = traces.load(TINY).rows
    nulls = arrow.array([None, None] + [1] * (rows - 2), "uint32")
    assert write(reads=nulls) == "a: column reads has 2 nulls; permitted: none"


def test_too_many_rows_are_refused_by_what_the_file_says(write, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_ROWS", 228)
    assert write() == "a: says it has 229 rows; permitted: 228"


def test_no_parquet(arrow, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"surely not")
    with pytest.raises(TraceError, match="a.parquet: cannot be read as Parquet: "):
        traces.load(tmp_path / "a.parquet")
