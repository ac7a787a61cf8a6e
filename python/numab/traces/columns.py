"""The columns of a trace: one row each, and every check of their types and values.

All formats carry the same seven columns, so the rules live here once; a reader
asks :func:`check_names` and :func:`check_dtype` before it reads any data, and
:class:`~numab.traces.trace.Trace` asks for the rest when it is built.

An integer column may have any integer dtype, signed or not, of any width and
byte order, as long as each value lies in the column's range; ``first`` must be
bool.  Columns that are not listed here are ignored.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple

import numpy as np

from numa_core.errors import TraceError

__all__ = ["COLUMNS", "NAMES", "Column", "as_column", "check_dtype", "check_names",
           "check_rows", "failure"]

BLOCK_ROWS = 1 << 18
"""Rows checked at a time: the temporaries stay in the cache, and bounded in size."""

DETAIL_CHARS_MAX = 160
"""A foreign library's message may quote the file at length; this much of it is kept."""


class Column(NamedTuple):
    """One column: name, dtype in memory, largest permitted value, meaning."""

    name: str
    dtype: np.dtype[Any]
    limit: int
    meaning: str

    @property
    def permitted(self) -> str:
        """What an error message says is allowed."""
        return "bool" if self.dtype.kind == "b" else f"an integer dtype, 0 to {self.limit}"


COLUMNS: tuple[Column, ...] = (
    Column("start", np.dtype("u8"), 2**64 - 1,
           "accesses of all threads so far when this thread's epoch began"),
    Column("end", np.dtype("u8"), 2**64 - 1,
           "accesses of all threads so far when this thread's epoch ended"),
    Column("tid", np.dtype("u4"), 2**31 - 1, "thread, 0 = main"),
    Column("vpn", np.dtype("u8"), 2**48 - 1, "virtual page number, 4 KiB pages"),
    Column("reads", np.dtype("u4"), 2**32 - 1, "reads of that page by that thread in that epoch"),
    Column("writes", np.dtype("u4"), 2**32 - 1, "writes of that page, likewise"),
    Column("first", np.dtype("?"), 1, "this row's thread was the page's very first toucher"),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)

_COLUMN = {column.name: column for column in COLUMNS}


def failure(source: str, text: str, cause: BaseException | None = None) -> TraceError:
    """The error to raise: one line that starts with the file.

    Parameters
    ----------
    source : the file, or another name of where the trace came from
    text : what is wrong, the offending value, and what is permitted
    cause : an exception whose message is added, shortened

    Example
    -------
    >>> failure("a.npz", "cannot be read", EOFError("no data\\nleft"))
    TraceError('a.npz: cannot be read: no data left')
    """
    if cause is not None:
        detail = str(cause) or type(cause).__name__
        text = f"{text}: {detail[:DETAIL_CHARS_MAX]}"
    return TraceError(" ".join(f"{source}: {text}".splitlines()))


def check_names(source: str, names: Iterable[str]) -> None:
    """Raise TraceError unless every column is among @names; the error lists what is missing."""
    present = set(names)
    missing = [name for name in NAMES if name not in present]
    if missing:
        raise failure(source, f"missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
                              f"a trace has {', '.join(NAMES)}")


def check_dtype(source: str, name: str, dtype: np.dtype[Any], called: str = "") -> None:
    """Raise TraceError unless column @name may have @dtype, which the file calls @called.

    Example
    -------
    >>> check_dtype("a.npz", "vpn", np.dtype("<i4"))
    >>> check_dtype("a.npz", "first", np.dtype("f8"))
    Traceback (most recent call last):
    numa_core.errors.TraceError: a.npz: column first has dtype float64; permitted: bool
    """
    column = _COLUMN[name]
    if dtype.kind not in ("b" if column.dtype.kind == "b" else "iu"):
        raise failure(source, f"column {name} has {called or f'dtype {dtype}'}; "
                              f"permitted: {column.permitted}")


def as_column(source: str, name: str, values: Any) -> np.ndarray:
    """Column @name as the read-only array that a Trace holds.

    Returns shape (nr_rows,) of the column's dtype: a view of @values where the
    dtype is already that one, else a copy.  Raises TraceError if the dtype, the
    number of dimensions or a value is not permitted; the first bad row is named.

    Example
    -------
    >>> as_column("a.npz", "tid", np.array([0, 3], "i8"))
    array([0, 3], dtype=uint32)
    """
    column = _COLUMN[name]
    array = np.asarray(values)
    check_dtype(source, name, array.dtype)
    if array.ndim != 1:
        raise failure(source, f"column {name} has shape {array.shape}; permitted: one dimension")
    if array.size and column.dtype.kind != "b":
        _check_range(source, column, array)
    view = array.astype(column.dtype, copy=False).view()
    view.flags.writeable = False
    return view


def _check_range(source: str, column: Column, array: np.ndarray) -> None:
    info = np.iinfo(array.dtype)
    if info.min >= 0 and info.max <= column.limit:
        return
    if int(array.min()) >= 0 and int(array.max()) <= column.limit:
        return
    row = int(np.flatnonzero((array < 0) | (array > column.limit))[0])
    raise failure(source, f"column {column.name} is {array[row]} in row {row}; "
                          f"permitted: 0 to {column.limit}")


def check_rows(source: str, columns: Mapping[str, np.ndarray]) -> None:
    """Raise TraceError unless the rows of @columns make sense one by one and as a sequence.

    They have one length, not zero; ``end`` is not below ``start``; each row has at
    least one access; rows are sorted by start, tid, vpn, without duplicates; rows of one
    start and tid (an epoch) have one end.  The first bad row is named; rows count from 0.
    """
    rows = len(columns["start"])
    for name in NAMES:
        if len(columns[name]) != rows:
            raise failure(source, f"column {name} has {len(columns[name])} rows and column start "
                                  f"has {rows}; all columns must have the same length")
    if not rows:
        raise failure(source, "has 0 rows; permitted: 1 or more")
    for begin in range(0, rows, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, rows)
        _check_each(source, columns, begin, end)
        _check_sequence(source, columns, max(begin, 1), end)


def _check_each(source: str, columns: Mapping[str, np.ndarray], begin: int, end: int) -> None:
    block = slice(begin, end)
    starts, ends = columns["start"][block], columns["end"][block]
    bad = ends < starts
    if bad.any():
        row = int(bad.argmax())
        raise failure(source, f"row {begin + row} ends at {ends[row]} and starts at {starts[row]}; "
                              "permitted: end at or after start")
    bad = (columns["reads"][block] | columns["writes"][block]) == 0
    if bad.any():
        raise failure(source, f"row {begin + int(bad.argmax())} has 0 reads and 0 writes; "
                              "permitted: at least one access a row")


def _check_sequence(source: str, columns: Mapping[str, np.ndarray], begin: int, end: int) -> None:
    """Rows begin..end-1, each against the row before it."""
    before, after = slice(begin - 1, end - 1), slice(begin, end)
    start, tid, vpn = (columns[name] for name in ("start", "tid", "vpn"))
    same_start = start[after] == start[before]
    same_epoch = same_start & (tid[after] == tid[before])
    bad = start[after] < start[before]
    bad |= same_start & (tid[after] < tid[before])
    bad |= same_epoch & (vpn[after] <= vpn[before])
    if bad.any():
        row = begin + int(bad.argmax())
        here = f"(start {start[row]}, tid {tid[row]}, vpn {vpn[row]:#x})"
        if same_epoch[row - begin] and vpn[row] == vpn[row - 1]:
            raise failure(source, f"row {row} repeats row {row - 1} {here}; "
                                  "permitted: one row a page and epoch")
        there = f"(start {start[row - 1]}, tid {tid[row - 1]}, vpn {vpn[row - 1]:#x})"
        raise failure(source, f"row {row} {here} stands after row {row - 1} {there}; "
                              "rows must be sorted by start, tid, vpn")
    bad = same_epoch & (columns["end"][after] != columns["end"][before])
    if bad.any():
        row = begin + int(bad.argmax())
        ends = columns["end"]
        raise failure(source, f"row {row} ends at {ends[row]} and row {row - 1} of the same epoch "
                              f"at {ends[row - 1]}; permitted: one end an epoch")
