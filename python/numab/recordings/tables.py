"""Sections with errno tables: mbind, mbind_addr, set_mempolicy, get_mempolicy, home nodes.

Each function replays a section and yields (label, recorded, ours) a row, both sides as mappings of
what can be compared.  What the recorder did between the calls is in each docstring.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from numa_core.errors import InvalidArgument

from .. import syscalls
from ..arguments import shown
from ..mempolicy import MODES
from ..syscalls import BAD_POINTER
from .reading import (
    NotUnderstood, Recording, Row, call_flags, field, mask_bits, mode_number, number, pointer,
    result, understood,
)
from .replay import PAGE, Stage, digits, fitting, touch

__all__ = [
    "get_mempolicy", "home_node", "mbind", "mbind_addr", "policy_words", "set_mempolicy",
]

Compared = tuple[str, dict[str, Any], dict[str, Any]]
MAXNODE = 1025
NEED_NODES = {name for name, row in MODES.items() if row.mask == "needed"}
KNOWN_ERRORS = sorted(errno.errorcode.values(), key=len, reverse=True)


def mbind(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """Four pages, three touched on node 0; mbind; if it succeeded the fourth is touched; nodes of
    all four.  A page that is not there is a letter."""
    stage = Stage(recording)
    for row in rows:
        uid, mode = number(row, "user", 0), field(row, "mode", str)
        for mask, cells in field(row, "rows", dict).items():
            if not isinstance(cells, dict):
                raise InvalidArgument(f"mbind {mask}: {shown(cells)}, expected an object")
            for flags, recorded in cells.items():
                said = _mbind_said(str(recorded))
                ours = understood(lambda: fitting(
                    recording.nodes,
                    lambda phase: _mbind_cell(stage, uid, mode, mask, flags, phase),
                    lambda out: said.items() <= out.items()))
                yield f"user {uid} {mode} {mask} {flags}", said, ours


def _mbind_said(text: str) -> dict[str, Any]:
    for name in ("ok", *KNOWN_ERRORS):
        if text == name:
            return {"r": name}
        nodes = text.removeprefix(name).strip()
        if text.startswith(name) and len(nodes) == 4:
            # Nodes are digits; a page without one is something else, whatever.
            return {"r": name, "nodes": re.sub(r"[^0-9a-f]", "F", nodes)}
    raise InvalidArgument(f"mbind result {shown(text)}, expected the form 'ok 0000' or 'EINVAL'")


def _mbind_cell(
    stage: Stage, uid: int, mode: str, mask: str, flags: str, phase: int
) -> dict[str, Any]:
    asked, bits = mode_number(mode), call_flags("mbind", flags)
    where, maxnode = pointer(mask)
    process = stage.process(0, uid)
    base = stage.room(process, 4, first_page=phase)
    touch(process.main, range(base, base + 3 * PAGE, PAGE))
    r = syscalls.mbind(process.main, base, 4 * PAGE, asked, where, maxnode, bits)
    if r == 0:
        touch(process.main, [base + 3 * PAGE])
    out = {"r": result(r), "nodes": digits(process, base, 4)}
    process.main.exit()
    return out


def mbind_addr(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """BIND{0} on two mappings of four pages, all touched on node 0, with a hole of four between."""
    stage = Stage(recording)
    for row in rows:
        case, said = field(row, "case", str), {"r": field(row, "r", str)}
        ours = understood(lambda: _range_result(stage, row, case))
        yield f"{case} {row.get('flags', 0)}", said, ours


def _range_result(stage: Stage, row: Row, case: str) -> dict[str, Any]:
    process = stage.process(0, number(row, "user", 0))
    base = stage.room(process, 4, gap=4)
    touch(process.main, range(base, base + 4 * PAGE, PAGE))
    start, length, mode = _range_case(case, base)
    flags = call_flags("mbind", row.get("flags", 0))
    r = syscalls.mbind(process.main, start, length, mode, int(mode != 0), MAXNODE, flags)
    process.main.exit()
    return {"r": result(r)}


def _range_case(case: str, base: int) -> tuple[int, int, int]:
    """(start, length, mode) of a case."""
    cases = {
        "unaligned start": (base + 1, PAGE),
        "len 0": (base, 0),
        "len 1": (base, 1),
        "len -1": (base, 2**64 - 1),
        "len overflow": (base, 2**64 - PAGE),
        "range with hole": (base, 12 * PAGE),
        "over hole": (base, 12 * PAGE),
        "start in hole": (base + 6 * PAGE, 6 * PAGE),
        "null addr": (0, PAGE),
    }
    head, _, rest = case.partition(" ")
    mode = 0 if head == "DEFAULT" else 2
    name = rest if head == "DEFAULT" else case
    if name not in cases:
        raise NotUnderstood(f"case {shown(case)}, expected one of {', '.join(cases)}")
    return (*cases[name], mode)


def set_mempolicy(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """set_mempolicy, and if it succeeded get_mempolicy with a mask of 1024 bits."""
    stage = Stage(recording)
    process = stage.process()
    for row in rows:
        process.uid = number(row, "user", 0)
        mode, mask = field(row, "mode", str), field(row, "mask", str)
        said = {"r": field(row, "r", str)} | ({"back": row["back"]} if "back" in row else {})
        ours = understood(lambda: _set(process.main, mode, mask))
        yield f"user {process.uid} {mode} {mask}", said, ours


def _set(task: Any, mode: str, mask: str) -> dict[str, Any]:
    r = syscalls.set_mempolicy(task, mode_number(mode), *pointer(mask))
    return {"r": result(r)} | ({} if r else {"back": _back(task)})


def _back(task: Any) -> str:
    mode, mask = np.zeros(1, np.int32), np.zeros(16, np.uint64)
    r = syscalls.get_mempolicy(task, mode, mask, MAXNODE - 1, 0, 0)
    told, nodes = int(mode[0]), sum(int(w) << 64 * i for i, w in enumerate(mask))
    return f"{result(r)} mode={told & 0xFFF} flags={told & 0xF000:x} mask={nodes:x}"


_ADDRESSES = ("null", "touched", "untouched", "unmapped")
_OUT = re.compile(r"none|badmode|mode only|(mode\+)?mask/(\d{1,7})")


def get_mempolicy(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """A task with that policy on node 0, with two pages of memory of which the first is touched.

    ``mode`` is -9 and ``mask`` 0 before the call.
    """
    stage = Stage(recording, page_tables=1)
    last, process, base, refused = None, stage.init, 0, {}
    for row in rows:
        policy = field(row, "taskpol", str)
        if policy != last:
            process = stage.process()
            base = stage.room(process, 2)
            touch(process.main, [base])
            last = policy
            refused = understood(lambda: _take(process.main, policy))
        process.uid = number(row, "user", 0)
        said = {k: row.get(k) for k in ("r", "mode", "mask")}
        ours = refused or understood(lambda: _get(process.main, base, row))
        yield _get_label(row), said, ours


def _take(task: Any, policy: str) -> dict[str, Any]:
    name, mask = policy_words(policy)
    syscalls.set_mempolicy(task, mode_number(name), mask, MAXNODE)
    return {}


def _get_label(row: Row) -> str:
    return " ".join(f"{row.get(k)}" for k in ("taskpol", "flags", "addr", "out"))


def policy_words(text: str) -> tuple[str, int | None]:
    """``INTERLEAVE{0,1}|STATIC`` as mode text and mask; no mask is NULL."""
    found = re.fullmatch(r"([A-Z_0-9]+)(\{[0-9,]*\})?((?:\|[A-Z_]+)*)", text)
    if not found:
        raise NotUnderstood(f"policy {shown(text)}, expected the form INTERLEAVE{{0,1}}|STATIC")
    return found[1] + found[3], None if found[2] is None else mask_bits(found[2])


def _get(task: Any, base: int, row: Row) -> dict[str, Any]:
    mode, mask = np.full(1, -9, np.int32), np.zeros(1 << 10, np.uint64)
    out = _OUT.fullmatch(field(row, "out", str))
    where = field(row, "addr", str)
    if out is None or where not in _ADDRESSES:
        raise NotUnderstood(f"row {shown(_get_label(row))}, expected an out and an addr of "
                            f"{', '.join(_ADDRESSES)}")
    address = (0, base, base + PAGE, base + (1 << 29))[_ADDRESSES.index(where)]
    policy: Any = None if out[0] == "none" or out[0].startswith("mask") else mode
    if out[0] == "badmode":
        policy = BAD_POINTER
    r = syscalls.get_mempolicy(
        task, policy, mask if out[2] else None, int(out[2] or 0), address,
        call_flags("get_mempolicy", field(row, "flags", (str, int))))
    nodes = sum(int(w) << 64 * i for i, w in enumerate(mask[:16]))
    return {"r": result(r), "mode": int(mode[0]), "mask": f"{nodes:x}"}


def home_node(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """Eight pages with that policy (of all nodes, where a mode that needs some names none); the
    home node; then all are touched on node 0."""
    for row in rows:
        said = {k: row.get(k) for k in ("r", "after_touch_from_node0") if k in row}
        case = field(row, "case", str)
        ours = understood(lambda: fitting(
            recording.nodes, lambda phase: _home_case(recording, case, phase, row),
            lambda out: said.items() <= out.items()))
        yield case, said, ours


def _home_case(recording: Recording, case: str, phase: int, row: Row) -> dict[str, Any]:
    found = re.fullmatch(r"no policy|(\S+) home (-?\d{1,6})", case)
    if not found:
        raise NotUnderstood(f"case {shown(case)}, expected the form 'BIND{{0,1}} home 1'")
    stage = Stage(recording)
    process = stage.process(0, number(row, "user", 0))
    base = stage.room(process, 8, first_page=phase)
    if found[1]:
        name, mask = policy_words(found[1])
        if mask is None and name in NEED_NODES:
            mask = (1 << recording.nodes) - 1
        syscalls.mbind(process.main, base, 8 * PAGE, mode_number(name), mask, MAXNODE, 0)
    home = int(found[2]) if found[2] else 0
    r = syscalls.set_mempolicy_home_node(process.main, base, 8 * PAGE, home, 0)
    touch(process.main, range(base, base + 8 * PAGE, PAGE))
    return {"r": result(r), "after_touch_from_node0": digits(process, base, 8)}
