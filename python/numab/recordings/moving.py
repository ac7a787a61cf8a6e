"""Sections about moving pages: move_pages and migrate_pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from numa_core.errors import InvalidArgument

from .. import syscalls
from ..arguments import shown
from ..syscalls import BAD_POINTER
from .reading import (
    NotUnderstood, Recording, Row, call_flags, field, mask_bits, number, result, understood,
)
from .replay import PAGE, USER_PID, Stage, digits, touch
from .tables import Compared

__all__ = ["migrate_pages", "move_pages"]

UNTOLD = -999  # what the recorder had put into status
TEXT = 1 << 22  # where a program's text lies
MIGRATE_PAGES = 32
MIGRATE_MAXNODE = 64


class _Mover:
    """The recorder: its pages by the names that rows use, and who it runs as."""

    def __init__(self, recording: Recording, uid: int) -> None:
        self.stage = Stage(recording)
        self.process = self.stage.process(0, uid)
        text = self.stage.machine.object("file", 1)
        self.process.mmap(TEXT, PAGE, kind="file_private", prot="rx", object=text)
        base = self.stage.room(self.process, 4)
        touch(self.process.main, (base, base + PAGE))
        for address in (base + 3 * PAGE, TEXT):
            self.process.main.access(address)  # read: the zero page, the text
        self.names = {"touched": [base, base + PAGE], "untouched": [base + 2 * PAGE],
                      "zeropage": [base + 3 * PAGE], "unmapped": [base + (1 << 29)],
                      "text": [TEXT]}

    def pages(self, row: Row) -> np.ndarray:
        """Addresses of the pages that a row lists."""
        left = {name: list(addresses) for name, addresses in self.names.items()}
        out = []
        for name in field(row, "pages", str).split(","):
            if not left.get(name):
                raise NotUnderstood(f"page {shown(name)}, expected {', '.join(self.names)}")
            out.append(left[name].pop(0))
        return np.array(out, np.uint64)


def move_pages(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """Pages of one process on node 0, as earlier rows of that user have left them.

    Cases that name a pid hand in the first two pages, for node 1; so does every case that does not
    name a target, with all pages.
    """
    movers: dict[int, _Mover] = {}
    for row in rows:
        uid = number(row, "user", 0)
        case = field(row, "case", str)
        said = {k: row.get(k) for k in ("r", "ret", "status")}
        if "from" in row:
            ours = understood(lambda: _shared(recording, row, uid))
        else:
            if uid not in movers:
                movers[uid] = _Mover(recording, uid)
            ours = understood(lambda: _move_case(movers[uid], case, row))
        yield f"user {uid} {case}", said, ours


def _move_case(mover: _Mover, case: str, row: Row) -> dict[str, Any]:
    pages: Any = mover.pages(row)
    target = re.search(r"to (?:.*?node )?(-?\d{1,6})", case)
    status = np.full(len(pages), UNTOLD, np.int32)
    nodes: Any = np.full(len(pages), int(target[1]) if target else 1, np.int32)
    count, pid = len(pages), 0
    out: Any = status
    if case.startswith("query"):
        nodes = None
    elif case == "count 0":
        count = 0
    elif case == "pages bad ptr":
        pages = BAD_POINTER
    elif case == "nodes bad ptr":
        nodes = BAD_POINTER
    elif case == "status bad ptr":
        out = BAD_POINTER
    elif case.startswith("pid"):
        count, pid = min(2, count), _pid(mover, case)
    elif not target and not re.fullmatch(r"flags .*|[A-Z_|]+", case):
        raise NotUnderstood(f"case {shown(case)}, expected such as 'to 1 MOVE' or 'query'")
    r = syscalls.move_pages(mover.process.main, pid, count, pages, nodes, out,
                            call_flags("mbind", row.get("flags", 2)))
    return {"r": result(r), "ret": max(r, -1), "status": status.tolist()}


def _pid(mover: _Mover, case: str) -> int:
    if "self" in case:
        return mover.process.pid
    if "negative" in case:
        return -1
    named = re.search(r"pid (\d{1,6})", case)
    if named and int(named[1]) == 1:
        return mover.stage.init.pid
    if named or "unknown" in case or "no such" in case:
        return USER_PID
    if "other" in case or "root" in case:
        return mover.stage.init.pid
    raise NotUnderstood(f"case {shown(case)}, expected a pid: self, 1, negative, unknown")


def _shared(recording: Recording, row: Row, uid: int) -> dict[str, Any]:
    """Two pages on node ``from``, mapped by a forked child too."""
    stage = Stage(recording)
    process = stage.process(number(row, "from"), uid)
    base = stage.room(process, 2)
    touch(process.main, (base, base + PAGE))
    process.main.fork()
    status = np.full(2, UNTOLD, np.int32)
    pages = np.array([base, base + PAGE], np.uint64)
    nodes = np.full(2, number(row, "to"), np.int32)
    flags = call_flags("mbind", row["case"].rpartition(", ")[2])
    r = syscalls.move_pages(process.main, 0, 2, pages, nodes, status, flags)
    return {"r": result(r), "ret": max(r, -1), "status": status.tolist()}


def migrate_pages(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    """32 pages, all on node 0 before each call, of the calling process."""
    stage = Stage(recording)
    for row in rows:
        said = {k: row[k] for k in ("r", "ret", "after") if k in row}
        if "r" not in said:
            raise InvalidArgument("migrate_pages: a row without a result")
        label = " ".join(f"{k} {v}" for k, v in row.items() if k not in said)
        yield label, said, understood(lambda: _migrate(stage, row))


def _migrate(stage: Stage, row: Row) -> dict[str, Any]:
    process = stage.process(0, number(row, "user", 0))
    base = stage.room(process, MIGRATE_PAGES)
    touch(process.main, range(base, base + MIGRATE_PAGES * PAGE, PAGE))
    pid, old, new = _migrate_arguments(stage, row)
    r = syscalls.migrate_pages(
        process.main, pid, row.get("maxnode", MIGRATE_MAXNODE), old, new)
    out = {"r": result(r), "ret": max(r, -1), "after": digits(process, base, MIGRATE_PAGES)}
    process.main.exit()
    return out


def _migrate_arguments(stage: Stage, row: Row) -> tuple[int, Any, Any]:
    pid = row.get("pid", 0)
    if pid == 1:
        pid = stage.init.pid
    if "bad ptr" in row:
        return pid, BAD_POINTER, BAD_POINTER
    if "null masks" in row:
        return pid, None, None
    return pid, mask_bits(str(row.get("old", "{0}"))), mask_bits(str(row.get("new", "{1}")))
