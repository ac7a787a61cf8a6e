"""Parquet files, for exchange with dataframes; needs pyarrow, the ``[arrow]`` extra.

One Parquet column a column of the trace, without nulls; other columns are ignored.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Mapping

import numpy as np

from numa_core.errors import MissingExtra, TraceError

from .columns import COLUMNS, NAMES, check_dtype, check_names, failure

__all__ = ["MAX_ROWS", "read_parquet", "write_parquet"]

MAX_ROWS = (64 << 30) // sum(column.dtype.itemsize for column in COLUMNS)
"""A file that says it has more rows is refused: 64 GiB of columns, as for ``.npz``."""


def read_parquet(path: str) -> dict[str, np.ndarray]:
    """The columns of a Parquet file, as they are typed there.

    Raises MissingExtra without pyarrow; TraceError if the file is not Parquet, is corrupt,
    lacks a column or has it twice, has a column of a wrong type or with nulls, or says that
    it has more than MAX_ROWS rows.
    """
    pyarrow = _pyarrow(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            check_names(path, names)
            for name in NAMES:
                if names.count(name) > 1:
                    raise failure(path, f"column {name} is there {names.count(name)} times; "
                                        "permitted: once")
                kind = file.schema_arrow.field(name).type
                check_dtype(path, name, _dtype(kind), called=f"Arrow type {kind}")
            if not 0 <= file.metadata.num_rows <= MAX_ROWS:
                raise failure(path, f"says it has {file.metadata.num_rows} rows; "
                                    f"permitted: {MAX_ROWS}")
            table = file.read(columns=[*NAMES])
        for name in NAMES:
            if table[name].null_count:
                raise failure(path, f"column {name} has {table[name].null_count} nulls; "
                                    "permitted: none")
        return {name: table[name].to_numpy() for name in NAMES}
    except TraceError:
        raise
    except Exception as error:   # pyarrow raises half a dozen kinds on bad bytes
        raise failure(path, "cannot be read as Parquet", error) from error


def write_parquet(file: BinaryIO, columns: Mapping[str, np.ndarray]) -> None:
    """Write @columns, compressed with zstd; ``tid`` as u16 if it fits.

    Raises MissingExtra without pyarrow.
    """
    pyarrow = _pyarrow(getattr(file, "name", "a trace"))
    tid = columns["tid"]
    narrow = tid.astype("u2") if tid.max(initial=0) < 1 << 16 else tid
    table = pyarrow.table({name: columns[name] for name in NAMES} | {"tid": narrow})
    pyarrow.parquet.write_table(table, file, compression="zstd")


def _pyarrow(path: str) -> Any:
    """The pyarrow module, with its parquet part."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(f"{path}: Parquet needs pyarrow, which is not installed: "
                           "pip install 'numab[arrow]'") from error
    return pyarrow


def _dtype(kind: Any) -> np.dtype[Any]:
    """The numpy dtype of an Arrow type, object if it has none."""
    try:
        return np.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        return np.dtype(object)
