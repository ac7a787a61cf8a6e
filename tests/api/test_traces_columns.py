"""traces/columns: which types, values and orders of rows a trace may have.

Each test breaks one thing in a good trace of six rows and expects the error to
name the file, the offending value, and what is permitted:

    row     0   1   2   3   4   5
    start   0   0   0  10  10  20
    tid     0   0   1   0   1   0
    vpn     a   b   c   a   c   d
    first   x   x   x           x
"""

import numpy as np
import pytest

from numa_core.errors import TraceError
from numab.traces import COLUMNS, Trace, columns

GOOD = {
    "start": np.array([0, 0, 0, 10, 10, 20], "u8"),
    "end": np.array([10, 10, 12, 20, 19, 24], "u8"),
    "tid": np.array([0, 0, 1, 0, 1, 0], "u2"),
    "vpn": np.array([0xa, 0xb, 0xc, 0xa, 0xc, 0xd], "u8"),
    "reads": np.array([3, 0, 5, 1, 0, 2], "u4"),
    "writes": np.array([0, 4, 0, 9, 7, 2], "u4"),
    "first": np.array([1, 1, 1, 0, 0, 1], "?"),
}


def change(column: str, row: int, value: int) -> dict[str, np.ndarray]:
    changed = {name: array.copy() for name, array in GOOD.items()}
    changed[column][row] = value
    return changed


def message(changed: dict) -> str:
    with pytest.raises(TraceError) as caught:
        Trace(**changed, source="a.npz")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=[1, 2, 5, 1 << 18], ids="block of {}".format)
def _block_rows(request, monkeypatch):
    """Rows are checked in blocks; an error at a border must not be missed."""
    monkeypatch.setattr("numab.traces.columns.BLOCK_ROWS", request.param)
    monkeypatch.setattr("numab.traces.trace.BLOCK_ROWS", request.param)


def test_columns_are_those_of_the_format():
    assert [(column.name, str(column.dtype), column.limit) for column in COLUMNS] == [
        ("start", "uint64", 2**64 - 1), ("end", "uint64", 2**64 - 1), ("tid", "uint32", 2**31 - 1),
        ("vpn", "uint64", 2**48 - 1), ("reads", "uint32", 2**32 - 1),
        ("writes", "uint32", 2**32 - 1), ("first", "bool", 1)]


def test_missing_columns_are_named():
    columns.check_names("a.npz", [*GOOD, "cpu"])            # one more is ignored
    every = "a trace has start, end, tid, vpn, reads, writes, first"
    with pytest.raises(TraceError, match=f"^a.npz: missing column vpn; {every}$"):
        columns.check_names("a.npz", set(GOOD) - {"vpn"})
    with pytest.raises(TraceError, match=f"^a.npz: missing columns start, first; {every}$"):
        columns.check_names("a.npz", set(GOOD) - {"start", "first"})


@pytest.mark.parametrize("column,dtype,permitted", [
    ("vpn", "float64", "an integer dtype, 0 to 281474976710655"),
    ("tid", "bool", "an integer dtype, 0 to 2147483647"),
    ("reads", "complex128", "an integer dtype, 0 to 4294967295"),
    ("start", "timedelta64[ns]", "an integer dtype, 0 to 18446744073709551615"),
    ("writes", "object", "an integer dtype, 0 to 4294967295"),
    ("end", "<U3", "an integer dtype, 0 to 18446744073709551615"),
    ("first", "uint8", "bool"),
])
def test_wrong_dtype(column, dtype, permitted):
    changed = GOOD | {column: GOOD[column].astype(dtype)}
    assert message(changed) == f"a.npz: column {column} has dtype {dtype}; permitted: {permitted}"


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8", ">u8"])
def test_any_integer_dtype_will_do(dtype):
    changed = {name: array if name == "first" else array.astype(dtype)
               for name, array in GOOD.items()}
    trace = Trace(**changed)
    for column in COLUMNS:
        assert trace.columns[column.name].dtype == column.dtype
        assert np.array_equal(trace.columns[column.name], GOOD[column.name])


@pytest.mark.parametrize("column,dtype,bad", [
    ("vpn", "u8", 2**48), ("vpn", "i8", -1), ("tid", "u4", 2**31), ("tid", "i2", -3),
    ("reads", "u8", 2**32), ("writes", "i4", -1), ("start", "i8", -1), ("end", "i8", -(2**63)),
])
def test_value_out_of_range_names_the_first_bad_row(column, dtype, bad):
    changed = GOOD | {column: GOOD[column].astype(dtype)}
    changed[column][[2, 5]] = bad
    limit = {column.name: column.limit for column in COLUMNS}[column]
    assert message(changed) == f"a.npz: column {column} is {bad} in row 2; permitted: 0 to {limit}"


def test_largest_values_are_permitted():
    trace = Trace([2**64 - 1], [2**64 - 1], [2**31 - 1], [2**48 - 1], [2**32 - 1], [2**32 - 1],
                  [True])
    assert trace.accesses == 2**33 - 2
    assert trace.vmas().tolist() == [[2**48 - 1, 2**48]]
    assert trace.page_thread_accesses()["lines"].tolist() == [64]


def test_shapes_and_lengths():
    assert message(GOOD | {"vpn": GOOD["vpn"].reshape(2, 3)}) == (
        "a.npz: column vpn has shape (2, 3); permitted: one dimension")
    assert message(GOOD | {"vpn": np.uint64(3)}) == (
        "a.npz: column vpn has shape (); permitted: one dimension")
    assert message(GOOD | {"writes": GOOD["writes"][:4]}) == (
        "a.npz: column writes has 4 rows and column start has 6; all columns must have the same "
        "length")
    assert message({name: array[:0] for name, array in GOOD.items()}) == (
        "a.npz: has 0 rows; permitted: 1 or more")


@pytest.mark.usefixtures("_block_rows")
class TestRows:
    def test_the_good_trace_is_good(self):
        assert Trace(**GOOD).rows == 6

    def test_end_below_start(self):
        assert message(change("end", 3, 9)) == (
            "a.npz: row 3 ends at 9 and starts at 10; permitted: end at or after start")
        changed = change("end", 5, 20)                      # an empty epoch may be
        assert Trace(**changed).rows == 6

    def test_row_without_access(self):
        changed = change("writes", 4, 0)
        assert message(changed) == (
            "a.npz: row 4 has 0 reads and 0 writes; permitted: at least one access a row")

    @pytest.mark.parametrize("column,row,value,here,there", [
        ("start", 5, 9, "start 9, tid 0, vpn 0xd", "start 10, tid 1, vpn 0xc"),
        ("tid", 3, 2, "start 10, tid 1, vpn 0xc", "start 10, tid 2, vpn 0xa"),
        ("vpn", 1, 0x9, "start 0, tid 0, vpn 0x9", "start 0, tid 0, vpn 0xa"),
    ])
    def test_rows_out_of_order(self, column, row, value, here, there):
        bad = 4 if column == "tid" else row
        assert message(change(column, row, value)) == (
            f"a.npz: row {bad} ({here}) stands after row {bad - 1} ({there}); "
            "rows must be sorted by start, tid, vpn")

    def test_repeated_row(self):
        assert message(change("vpn", 1, 0xa)) == (
            "a.npz: row 1 repeats row 0 (start 0, tid 0, vpn 0xa); "
            "permitted: one row a page and epoch")

    def test_two_ends_in_an_epoch(self):
        assert message(change("end", 1, 11)) == (
            "a.npz: row 1 ends at 11 and row 0 of the same epoch at 10; permitted: one end an "
            "epoch")

    def test_page_without_a_first_row(self):
        assert message(change("first", 2, False)) == (
            "a.npz: page 0xc of row 2 has no first row; permitted: exactly one first row a page")
        assert message(GOOD | {"first": np.zeros(6, "?")}) == (
            "a.npz: page 0xa of row 0 has no first row; permitted: exactly one first row a page")

    def test_page_with_two_first_rows(self):
        assert message(change("first", 4, True)) == (
            "a.npz: page 0xc is first in rows 2 and 4; permitted: exactly one first row a page")

    def test_first_need_not_be_the_first_row_of_the_page(self):
        """Threads overlap: who touched first may have an epoch that stands later."""
        changed = change("first", 2, False)
        changed["first"][4] = True
        assert Trace(**changed).first_toucher()[1].tolist() == [0, 0, 1, 0]
