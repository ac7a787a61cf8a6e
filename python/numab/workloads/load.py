"""What a synthetic load consists of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Load", "Touch"]


@dataclass(frozen=True)
class Touch:
    """What one thread does for ever: a pattern over pages of the load's one address space.

    ``pattern`` is sweep, uniform or zipf; ``first`` and ``nr_pages`` say where, in pages from the
    start of the memory; every touch makes ``accesses`` accesses, and ``write_permille`` of the
    touches write.
    """

    pattern: str
    first: int
    nr_pages: int
    accesses: int = 64
    write_permille: int = 300
    theta: float = 0.99


@dataclass(frozen=True)
class Load:
    """One process: its memory in pages, and what each thread touches, thread 0 first."""

    name: str
    pages: int
    threads: tuple[Touch, ...]
