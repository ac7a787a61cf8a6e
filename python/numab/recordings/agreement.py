"""Rows of a recording against the model's, and what of the differences MODEL.md accepts."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numa_core
from numa_core.errors import InvalidArgument

from . import moving, tables
from .place import place
from .reading import NOT_UNDERSTOOD, Recording, Row
from .tables import Compared

__all__ = [
    "Accepted", "Agreement", "Difference", "accepted_differences", "check_recording",
]

#: Replays of the sections, by their names in a recording.
REPLAYS: dict[str, Callable[[Recording, list[Row]], Iterator[Compared]]] = {
    "mbind": tables.mbind,
    "mbind_addr": tables.mbind_addr,
    "set_mempolicy": tables.set_mempolicy,
    "get_mempolicy": tables.get_mempolicy,
    "set_mempolicy_home_node": tables.home_node,
    "move_pages": moving.move_pages,
    "migrate_pages": moving.migrate_pages,
    "place": place,
}
TITLE = "### Differences from recordings that are accepted"


@dataclass(frozen=True)
class Accepted:
    """A row of MODEL.md's table: rows whose label matches ``rows`` (with ``*``) may differ in
    ``fields`` by ``by``: ``any``, or a span ``low..high`` of recorded less ours, the same in all of
    these fields."""

    section: str
    rows: str
    fields: tuple[str, ...]
    by: str
    reason: str

    def covers(self, section: str, label: str, said: dict[str, Any], ours: dict[str, Any],
               differing: list[str]) -> bool:
        """Does it explain all of a row's differences?"""
        if not (fnmatch.fnmatchcase(section, self.section)
                and fnmatch.fnmatchcase(label, self.rows) and set(differing) <= set(self.fields)):
            return False
        if self.by == "any":
            return True
        low, _, high = self.by.partition("..")
        try:
            gaps = {said[f] - ours[f] for f in self.fields}
        except (KeyError, TypeError):
            return False
        return len(gaps) == 1 and int(low) <= gaps.pop() <= int(high)


@dataclass(frozen=True)
class Difference:
    """A row that did not come out; ``reason`` is why that is accepted, "" when it is not."""

    section: str
    label: str
    fields: tuple[tuple[str, Any, Any], ...]
    reason: str

    def __str__(self) -> str:
        parts = (f"{name} recorded {said!r}, here {ours!r}" for name, said, ours in self.fields)
        return f"{self.section}: {self.label}: " + "; ".join(parts)


@dataclass
class Agreement:
    """A section's rows: how many there are, and the differing ones."""

    section: str
    rows: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Differing rows that MODEL.md accepts."""
        return sum(1 for d in self.differences if d.reason)

    @property
    def unexplained(self) -> int:
        """Differing rows that it does not."""
        return len(self.differences) - self.accepted

    @property
    def share(self) -> float:
        """Share of rows that came out."""
        return 1 - len(self.differences) / self.rows if self.rows else 1.0


def accepted_differences(text: str | None = None) -> list[Accepted]:
    """The table in MODEL.md (default: the packaged one).  Raises InvalidArgument when it is not as
    it should be."""
    if text is None:
        text = (Path(numa_core.get_include()) / "MODEL.md").read_text(encoding="utf-8")
    found: list[Accepted] = []
    if TITLE not in text:
        return found
    section = re.split(r"^#", text.split(TITLE, 1)[1], flags=re.M)[0]
    for line in section.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|") or set(line) <= set("|- ") or cells[0] == "section":
            continue
        if len(cells) != 5 or not re.fullmatch(r"any|-?\d+\.\.-?\d+", cells[3]):
            raise InvalidArgument(f"MODEL.md, accepted differences: {line!r}, expected section, "
                                  "rows, fields, by (any, or low..high), reason")
        fields = tuple(re.split(r"`?, *`?", cells[2]))
        found.append(Accepted(cells[0], cells[1], fields, cells[3], cells[4]))
    return found


def check_recording(
    recording: Recording, accepted: list[Accepted] | None = None
) -> list[Agreement]:
    """Replay every section; one result a section, in the recording's order.

    Raises InvalidArgument for rows that make no sense, naming the section.
    """
    table = accepted_differences() if accepted is None else accepted
    out = []
    for name, rows in recording.sections.items():
        agreement = Agreement(name)
        try:
            for label, said, ours in REPLAYS.get(name.split()[0], _unknown)(recording, rows):
                agreement.rows += 1
                _compare(agreement, table, label, said, ours)
        except InvalidArgument as e:
            raise InvalidArgument(f"section {name}, row {agreement.rows}: {e}") from None
        out.append(agreement)
    return out


def _unknown(recording: Recording, rows: list[Row]) -> Iterator[Compared]:
    text = f"a section that is none of {', '.join(REPLAYS)}"
    for i, row in enumerate(rows):
        yield f"row {i}", row, {NOT_UNDERSTOOD: text}


def _compare(
    agreement: Agreement, table: list[Accepted], label: str, said: dict[str, Any],
    ours: dict[str, Any],
) -> None:
    if NOT_UNDERSTOOD in ours:
        agreement.differences.append(Difference(
            agreement.section, label, ((NOT_UNDERSTOOD, said.get("r"), ours[NOT_UNDERSTOOD]),),
            ""))
        return
    differing = [k for k in said if said[k] != ours.get(k)]
    if not differing:
        return
    reasons = [a.reason for a in table
               if a.covers(agreement.section, label, said, ours, differing)]
    agreement.differences.append(Difference(
        agreement.section, label, tuple((k, said[k], ours.get(k)) for k in differing),
        reasons[0] if reasons else ""))
