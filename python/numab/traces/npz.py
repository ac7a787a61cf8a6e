"""The native formats: ``.npz``, one array a column, and ``.npy``, one array of records.

``.npz`` is a zip of ``start.npy``, ``end.npy`` ...; small, and read into memory.
``.npy`` holds records with the columns as fields; it is mapped, not read: pages of the
file come in as they are used, so do not shorten the file while a Trace of it lives.

Nothing in a file is trusted: pickled objects are never loaded, and sizes are
compared with what the file really holds before memory is asked for.
"""

from __future__ import annotations

import os
import zipfile
from typing import Any, BinaryIO, Mapping

import numpy as np

from numa_core.errors import TraceError

from .columns import COLUMNS, NAMES, check_dtype, check_names, failure

__all__ = ["MAX_BYTES", "RECORD", "read_npy", "read_npz", "write_npy", "write_npz"]

MAX_BYTES = 64 << 30
"""An .npz whose columns say they need more than this is refused: a small zip can claim
any size, and 64 GiB is 1.9e9 rows, 400 times the largest recorded trace."""

RECORD = np.dtype(
    [(column.name, column.dtype) for column in
     sorted(COLUMNS, key=lambda column: column.dtype.itemsize, reverse=True)], align=True)
"""A record of ``.npy`` as written here: wide fields first, so that 40 bytes hold all of them
aligned.  Any order and padding of the fields can be read."""

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str) -> dict[str, np.ndarray]:
    """The columns of an ``.npz`` file, as they are typed there, read-only.

    Raises TraceError if the file is no zip, is corrupt, lacks a column, has a
    column of a wrong dtype, or says that it holds more than MAX_BYTES.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_names(path, (member.removesuffix(".npy") for member in archive.namelist()
                               if member.endswith(".npy")))
            members = {name: archive.getinfo(f"{name}.npy") for name in NAMES}
            nr_bytes = sum(member.file_size for member in members.values())
            if nr_bytes > MAX_BYTES:
                raise failure(path, f"says it holds {nr_bytes} bytes; permitted: {MAX_BYTES}")
            return {name: _read_member(path, archive, name, member)
                    for name, member in members.items()}
    except TraceError:
        raise
    except Exception as error:   # zipfile, zlib and numpy raise a dozen kinds on bad bytes
        raise failure(path, "cannot be read as .npz", error) from error


def read_npy(path: str) -> dict[str, np.ndarray]:
    """The columns of an ``.npy`` file of records: read-only views of the mapped file.

    Raises TraceError if the file has no such header, is shorter or longer than its
    header says, lacks a column or has a column of a wrong dtype.
    """
    try:
        with open(path, "rb") as file:
            dtype, rows = _read_header(path, "the array", file)
            check_names(path, dtype.names or ())
            for name in NAMES:
                check_dtype(path, name, dtype[name])
            offset, size = file.tell(), os.fstat(file.fileno()).st_size
            _check_size(path, "the array", rows * dtype.itemsize, size - offset)
            if not rows:
                return {name: np.empty(0, dtype[name]) for name in NAMES}   # cannot be mapped
            records = np.memmap(file, dtype, "r", offset, (rows,))
    except TraceError:
        raise
    except Exception as error:   # numpy parses the header as Python text: any kind may come
        raise failure(path, "cannot be read as .npy", error) from error
    return {name: np.asarray(records[name]) for name in NAMES}


def write_npz(file: BinaryIO, columns: Mapping[str, np.ndarray]) -> None:
    """Write @columns compressed; ``tid`` as u16 if it fits.  The same bytes for the same rows
    with one version of zlib: the members carry no date."""
    tid = columns["tid"]
    narrow = tid.astype("u2") if tid.max(initial=0) < 1 << 16 else tid
    np.savez_compressed(file, **{name: columns[name] for name in NAMES} | {"tid": narrow})


def write_npy(file: BinaryIO, columns: Mapping[str, np.ndarray]) -> None:
    """Write @columns as an array of RECORD, a part at a time."""
    rows, part = len(columns["start"]), 1 << 18
    np.lib.format.write_array_header_1_0(file, {
        "descr": np.lib.format.dtype_to_descr(RECORD), "fortran_order": False, "shape": (rows,)})
    for begin in range(0, rows, part):
        records = np.zeros(min(part, rows - begin), RECORD)
        for name in NAMES:
            records[name] = columns[name][begin:begin + part]
        file.write(records.tobytes())


def _read_member(path: str, archive: zipfile.ZipFile, name: str,
                 member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        dtype, rows = _read_header(path, f"column {name}", file)
        check_dtype(path, name, dtype)
        nr_bytes = rows * dtype.itemsize
        _check_size(path, f"column {name}", nr_bytes, member.file_size - file.tell())
        data = file.read(nr_bytes)
    _check_size(path, f"column {name}", nr_bytes, len(data))
    return np.frombuffer(data, dtype)


def _read_header(path: str, what: str, file: Any) -> tuple[np.dtype[Any], int]:
    """dtype and number of rows of the .npy stream @file, which is left at its data."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise failure(path, f"{what} has .npy version {version[0]}.{version[1]}; "
                            "permitted: 1.0, 2.0")
    shape, _fortran, dtype = _HEADER_READERS[version](file)
    if len(shape) != 1 or shape[0] < 0:
        raise failure(path, f"{what} has shape {shape}; permitted: one dimension")
    if dtype.hasobject:
        raise failure(path, f"{what} has dtype {dtype}: pickled objects are never loaded")
    return dtype, shape[0]


def _check_size(path: str, what: str, says: int, holds: int) -> None:
    if says != holds:
        raise failure(path, f"{what} should hold {says} bytes and holds {holds}")
