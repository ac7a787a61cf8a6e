"""A recording of policy calls: its file, and the words it uses.

JSON (also gzipped) with ``kernel`` (a release), ``nodes`` (their number), ``sections``: ``errs``,
tables of calls and what they answered, and ``place``, where pages came to lie.  Optional:
``distances``, a matrix; without it nodes form a ring, 10 + 10 for each step.
"""

from __future__ import annotations

import errno
import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..mempolicy import MODES, Era, Flags, era_of_kernel
from ..syscalls import BAD_POINTER

__all__ = [
    "NotUnderstood", "Recording", "call_flags", "load_recording", "mask_bits", "mode_number",
    "number", "pointer", "result", "understood",
]

NODES_MAX = 64
BYTES_MAX = 1 << 28
Row = dict[str, Any]
#: Key of a result that is no result.
NOT_UNDERSTOOD = "not understood"

_MODE_NUMBERS = {
    name: max(row.numbers.values()) for name, row in MODES.items() if name != "NOOP"
}
_MODE_FLAGS = {"STATIC": Flags.STATIC_NODES, "RELATIVE": Flags.RELATIVE_NODES,
               **{f.name: f for f in Flags if f >= Flags.NUMA_BALANCING}}
_CALL_FLAGS = {
    "mbind": {"STRICT": 1, "MOVE": 2, "MOVE_ALL": 4, "LAZY": 8},
    "get_mempolicy": {"NODE": 1, "ADDR": 2, "MEMS_ALLOWED": 4, "MEMS": 4},
}


class NotUnderstood(InvalidArgument):
    """A row in good shape that says something which is not known here."""


@dataclass(frozen=True)
class Recording:
    """A recording: ``kernel``, its ``era``, number of ``nodes``, their distances, sections."""

    kernel: str
    era: Era
    nodes: int
    distances: tuple[tuple[int, ...], ...]
    sections: dict[str, list[Row]]


def load_recording(path: str) -> Recording:
    """Read a recording.  Raises InvalidArgument with one line that says what is wrong with it,
    OSError when it cannot be read."""
    name = Path(path).name
    data = Path(path).read_bytes()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        document = json.loads(data)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as e:
        raise InvalidArgument(f"{name} is not JSON: {e}") from None
    try:
        return _recording(document)
    except InvalidArgument as e:
        raise InvalidArgument(f"{name}: {e}") from None


def _recording(document: Any) -> Recording:
    if not isinstance(document, dict):
        raise InvalidArgument(f"{shown(document)}, expected an object with kernel, nodes, sections")
    missing = [key for key in ("kernel", "nodes", "sections") if key not in document]
    if missing:
        raise InvalidArgument(f"no {missing[0]}, expected kernel, nodes and sections")
    era = era_of_kernel(document["kernel"])
    nodes = document["nodes"]
    if not isinstance(nodes, int) or isinstance(nodes, bool) or not 1 <= nodes <= NODES_MAX:
        raise InvalidArgument(f"nodes {shown(nodes)}, expected a number 1..{NODES_MAX}")
    return Recording(str(document["kernel"]), era, nodes, _distances(document, nodes),
                     _sections(document["sections"]))


def _distances(document: Row, nodes: int) -> tuple[tuple[int, ...], ...]:
    given = document.get("distances")
    if given is None:
        return tuple(
            tuple(10 + 10 * min((a - b) % nodes, (b - a) % nodes) for b in range(nodes))
            for a in range(nodes))
    rows = given if isinstance(given, list) else []
    good = len(rows) == nodes and all(
        isinstance(row, list) and len(row) == nodes
        and all(isinstance(d, int) and 1 <= d <= 255 for d in row) for row in rows)
    if not good:
        raise InvalidArgument(
            f"distances {shown(given)}, expected {nodes} lists of {nodes} numbers 1..255")
    return tuple(tuple(row) for row in rows)


def _sections(sections: Any) -> dict[str, list[Row]]:
    if not isinstance(sections, dict):
        raise InvalidArgument(f"sections {shown(sections)}, expected an object")
    found: dict[str, list[Row]] = {}  # of "place", every table is one of placements
    for part, tables in sections.items():
        if not isinstance(tables, dict):
            raise InvalidArgument(f"section {shown(part)} is {shown(tables)}, expected an object")
        for name, rows in tables.items():
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise InvalidArgument(f"section {shown(name)}: expected a list of objects")
            found[f"place {name}" if part == "place" and name != "place" else name] = rows
    if not any(found.values()):
        raise InvalidArgument("no rows in any section")
    return found


# ---- words ----


def understood(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the replay of a row gives; of one that is not understood, why: it has not come out."""
    try:
        return call()
    except NotUnderstood as e:
        return {NOT_UNDERSTOOD: str(e)}


def field(row: Row, key: str, kind: Any) -> Any:
    """A value of a row that must be there.  Raises InvalidArgument."""
    value = row.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgument(f"{key} {shown(value)} in a row, expected {_kind(kind)}")
    return value


def number(row: Row, key: str, default: int | None = None) -> int:
    """A number of a row that a C int can hold; without a default it must be there."""
    value = field(row if default is None else {key: default} | row, key, int)
    if not -(2**31) <= value < 2**31:
        raise InvalidArgument(f"{key} {shown(value)} in a row, expected 32 bits")
    return int(value)


def _kind(kind: Any) -> str:
    names = {str: "text", int: "a number", list: "a list", dict: "an object"}
    return names.get(kind, "something else")


def mode_number(text: str) -> int:
    """``BIND|NUMA_BALANCING|STATIC`` or ``6(..)|STATIC_NODES`` as the number a call gets.

    >>> mode_number("BIND|STATIC"), mode_number("-1"), mode_number("6(new)|RELATIVE_NODES")
    (32770, -1, 16390)
    """
    head, *flags = re.sub(r"\(.*?\)", "", text).split("|")
    if head in _MODE_NUMBERS:
        mode = _MODE_NUMBERS[head]
    elif re.fullmatch(r"-?\d{1,5}", head):
        mode = int(head)
    else:
        raise NotUnderstood(f"mode {shown(text)}, expected one of {', '.join(_MODE_NUMBERS)}")
    for word in flags:
        if word not in _MODE_FLAGS:
            raise NotUnderstood(f"flag {shown(word)} of mode {shown(text)}, expected one of "
                                f"{', '.join(_MODE_FLAGS)}")
        mode |= int(_MODE_FLAGS[word])
    return mode


def call_flags(call: str, text: Any) -> int:
    """``STRICT|MOVE`` or ``16`` as a number."""
    if isinstance(text, int):
        return text
    bits = 0
    for word in str(text).split("|"):
        if word.isdigit() and len(word) < 8:
            bits |= int(word)
        elif word in _CALL_FLAGS[call]:
            bits |= _CALL_FLAGS[call][word]
        else:
            raise NotUnderstood(f"flag {shown(word)} of {call}, expected one of "
                                f"{', '.join(_CALL_FLAGS[call])}")
    return bits


def mask_bits(text: str) -> int:
    """``{0,1}`` as a mask.

    >>> mask_bits("{0,7}")
    129
    """
    found = re.fullmatch(r"\{((?:\d{1,4})(?:,\d{1,4})*)?\}", text)
    if not found:
        raise NotUnderstood(f"mask {shown(text)}, expected the form {{0,1}}")
    return sum(1 << n for n in {int(word) for word in (found[1] or "").split(",") if word})


def pointer(text: str) -> tuple[Any, int]:
    """``{0,1}/64``, ``null/64`` or ``badptr/64`` as pointer and maxnode."""
    head, slash, maxnode = text.rpartition("/")
    if not slash or not re.fullmatch(r"\d{1,8}", maxnode):
        raise NotUnderstood(f"mask {shown(text)}, expected the form {{0,1}}/64")
    special = {"null": None, "badptr": BAD_POINTER}
    return (special[head] if head in special else mask_bits(head)), int(maxnode)


def result(code: int) -> str:
    """``ok`` or the errno's name, as recordings spell results.

    >>> result(0), result(-22)
    ('ok', 'EINVAL')
    """
    if code >= 0:
        return "ok"
    name = errno.errorcode.get(-code, str(code))
    return {"ENOTSUP": "EOPNOTSUPP"}.get(name, name)
