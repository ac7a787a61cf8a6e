"""Recorded page-access traces: read, check, write and convert them.

A format is one module here and one row of FORMATS.  The columns of a trace are
those of ``columns.py``; what a replay computes from them is in ``trace.py``.

>>> [row.extension for row in FORMATS]
['.npz', '.npy', '.parquet']
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Callable, Mapping, NamedTuple

import numpy as np

from .columns import COLUMNS, Column, failure
from .npz import read_npy, read_npz, write_npy, write_npz
from .parquet import read_parquet, write_parquet
from .trace import EPOCH, LINES_PER_PAGE, PAGE_THREAD, Trace

__all__ = ["COLUMNS", "EPOCH", "FORMATS", "LINES_PER_PAGE", "PAGE_THREAD", "Column", "Format",
           "Trace", "convert", "load", "save"]


class Format(NamedTuple):
    """One format: its file name extension, reader, writer, and a sentence about it."""

    extension: str
    read: Callable[[str], dict[str, np.ndarray]]
    write: Callable[[BinaryIO, Mapping[str, np.ndarray]], None]
    meaning: str


FORMATS: tuple[Format, ...] = (
    Format(".npz", read_npz, write_npz, "native: one compressed array a column"),
    Format(".npy", read_npy, write_npy, "native: one array of records, mapped instead of read"),
    Format(".parquet", read_parquet, write_parquet, "for exchange; needs the [arrow] extra"),
)


def load(path: str | os.PathLike[str]) -> Trace:
    """Read and check a trace; the extension of the file name tells its format.

    Raises
    ------
    TraceError
        The file cannot be read, is damaged, or its rows make no sense; the message is one
        line with the file, the offending value and what is permitted.
    MissingExtra
        The format needs a package that is not installed; the message names the extra.

    Example
    -------
    >>> load("a.csv")
    Traceback (most recent call last):
    numa_core.errors.TraceError: a.csv: unknown extension '.csv'; permitted: .npz, .npy, .parquet
    """
    source = os.fsdecode(path)
    row = _format_of(source)
    _check_is_file(source)
    try:
        return Trace(**row.read(source), source=source)
    except MemoryError as error:
        raise failure(source, "does not fit into memory", error) from error


def save(path: str | os.PathLike[str], trace: Trace) -> None:
    """Write a trace in the format that the extension of @path tells.

    The file appears complete or not at all; an old one is replaced.  Raises TraceError
    for an unknown extension or a place that cannot be written, MissingExtra as load().

    Example
    -------
    >>> import tempfile
    >>> trace = Trace([0, 4], [4, 5], [0, 1], [7, 7], [4, 1], [0, 0], [True, False])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/two.npz", trace)
    ...     load(folder + "/two.npz").vpn.tolist()
    [7, 7]
    """
    target = os.fsdecode(path)
    row = _format_of(target)
    partial = f"{target}.partial"
    try:
        try:
            with open(partial, "wb") as file:
                row.write(file, trace.columns)
            os.replace(partial, target)
        except BaseException:
            if os.path.isfile(partial):
                os.unlink(partial)
            raise
    except OSError as error:
        raise failure(target, f"cannot be written: {error.strerror or error}") from error


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Trace:
    """Read the trace in @source, write it to @target, and return it.

    The extensions tell both formats.  Raises as load() and save(); an unknown
    extension of @target is seen before @source is read.
    """
    _format_of(os.fsdecode(target))
    trace = load(source)
    save(target, trace)
    return trace


def _format_of(path: str) -> Format:
    if "\0" in path:
        raise failure(repr(path), "no file name has a zero byte")
    extension = os.path.splitext(path)[1]
    for row in FORMATS:
        if row.extension == extension.lower():
            return row
    permitted = ", ".join(row.extension for row in FORMATS)
    raise failure(path, f"unknown extension {extension!r}; permitted: {permitted}")


def _check_is_file(path: str) -> None:
    """Raise TraceError unless @path is a file that exists: a pipe would never end."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise failure(path, f"cannot be opened: {error.strerror or error}") from error
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise failure(path, f"is {kind}; permitted: a trace file")
