"""Arguments on their way down: whole numbers in range, arrays of them, names of closed sets.

Every public method passes what it was given through here before it reaches C, so that a bad value
raises InvalidArgument, whose one line names the argument, the value and what is permitted, and
nothing has changed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from numa_core.errors import InvalidArgument

__all__ = [
    "CPU", "ID", "NICE", "NID", "U32", "U64", "choice", "flag", "names", "real", "records", "shown",
    "whole", "whole_array",
]

Span = tuple[int, int]  #: lowest and highest permitted
U64: Span = (0, 2**64 - 1)
U32: Span = (0, 2**32 - 1)
ID: Span = (1, 2**31 - 1)
CPU: Span = (0, 8191)
NICE: Span = (-20, 19)
NID: Span = (-1, 1023)
SHOWN_CHARS_MAX = 60


def shown(value: object) -> str:
    """The value as a message shows it: one line, its start when it is long.

    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    if isinstance(value, int) and abs(value) >= 10**40:
        return f"a number of {value.bit_length()} bits"
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 3] + "..."


def whole(what: str, value: Any, span: Span) -> int:
    """The value as an int, if it is a whole number in ``span``.

    >>> whole("cpu", 1.5, CPU)
    Traceback (most recent call last):
    numa_core.errors.InvalidArgument: cpu 1.5, permitted: a whole number 0..8191
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(
            f"{what} {shown(value)}, permitted: a whole number {span[0]}..{span[1]}"
        ) from None
    if not span[0] <= number <= span[1]:
        raise InvalidArgument(f"{what} {shown(number)}, permitted {span[0]}..{span[1]}")
    return number


def flag(what: str, value: Any) -> bool:
    """A truth value; other things than True, False, 1 and 0 are mistakes."""
    if value is True or value is False:
        return value
    if isinstance(value, (int, np.integer, np.bool_)) and value in (0, 1):
        return bool(value)
    raise InvalidArgument(f"{what} {shown(value)}, permitted: True or False")


def real(what: str, value: Any, low: float, high: float) -> float:
    """The value as a float in ``low..high``; NaN is in no range."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise InvalidArgument(f"{what} {shown(value)}, permitted {low}..{high}")
    return number


def choice(what: str, value: Any, permitted: Sequence[str]) -> int:
    """Index of the value in a closed set of names."""
    if not isinstance(value, str) or value not in permitted:
        raise InvalidArgument(f"{what} {shown(value)}, permitted: {', '.join(permitted)}")
    return permitted.index(value)


def names(what: str, values: Any, permitted: Sequence[str]) -> tuple[str, ...]:
    """Several names of a closed set; a lone string is a mistake, not its letters."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidArgument(
            f"{what}s {shown(values)}, permitted: a list of {', '.join(permitted)}"
        )
    given = tuple(values)
    for value in given:
        choice(what, value, permitted)
    return given


def whole_array(what: str, values: Any, dtype: Any, span: Span) -> np.ndarray:
    """Whole numbers as a contiguous array of ``dtype`` and one dimension, each in ``span``."""
    if isinstance(values, (Set, Iterator)):
        values = list(values)
    try:
        array = np.atleast_1d(np.asarray(values))
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"{what} {shown(values)}, permitted: an array of integers") from None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidArgument(
            f"{what} of dtype {array.dtype} and shape {array.shape}, permitted: integers "
            f"{span[0]}..{span[1]} in one dimension"
        )
    if array.size:
        for number in (array.min(), array.max()):
            whole(f"{what} with", number, span)
    return np.ascontiguousarray(array, dtype=dtype)


def records(what: str, table: Any, dtype: np.dtype[Any], maker: str) -> np.ndarray:
    """A contiguous array of just this record type; ``maker`` says where to get one."""
    if not isinstance(table, np.ndarray) or table.dtype != dtype or table.ndim != 1:
        found = (
            f"an array of dtype {table.dtype} and shape {table.shape}"
            if isinstance(table, np.ndarray) else f"a {type(table).__name__}"
        )
        raise InvalidArgument(
            f"{what}: {' '.join(found.split())}, permitted: one dimension of {maker}"
        )
    return np.ascontiguousarray(table)
