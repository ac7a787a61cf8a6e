"""Node and CPU lists as numactl's users write them: ``0-2,5``, ``!0``, ``+0-1``, ``all``.

``+`` counts among the allowed ids, ``!`` takes all others.  Numbers are what strtoul(3) takes:
decimal, ``0x`` hexadecimal, or octal after a 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .bitmask import Bitmask, numa_bitmask_isbitset, numa_bitmask_setbit

__all__ = ["parse_string"]

_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.ASCII
)
U64 = 2**64


def _strtoul(text: str) -> tuple[int | None, str]:
    """(number, rest); None: there is none, the text is left alone.

    >>> _strtoul("0x1f-3"), _strtoul("010"), _strtoul("x")
    ((31, '-3'), (8, ''), (None, 'x'))
    """
    found = _NUMBER.match(text)
    if not found:
        return None, text
    digits = found[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    number = min(int(digits, base), U64 - 1)
    return (-number) % U64 if found[1] == "-" else number, text[found.end():]


def _get_nr(text: str, allowed: Bitmask, relative: bool) -> tuple[int | None, str]:
    """A number; ``relative``: the id at that place among the allowed, past the end: the size."""
    number, rest = _strtoul(text)
    if number is None or not relative:
        return number, rest
    ids = list(allowed)
    return ids[number] if number < len(ids) else allowed.size, rest


def parse_string(
    text: str, what: str, allowed: Bitmask, nr_configured: int, warn: Callable[[str], None],
    mask: Bitmask,
) -> Bitmask | None:
    """The mask that a list names, None: it is not one, or names an id that is not ``allowed``.

    ``mask``: an empty one to fill; ``what``: node or cpu, for what ``warn`` is told.  ``!`` turns
    round the first ``nr_configured`` ids, however many there are behind.
    """
    if text == "":
        return mask
    invert = text[0] == "!"
    text = text[invert:]
    relative = text[:1] == "+"
    text = text[relative:]
    if not _fill(text, what, allowed, relative, warn, mask):
        return None
    if invert:
        mask.maskp ^= (1 << nr_configured) - 1
    return mask


def _fill(
    text: str, what: str, allowed: Bitmask, relative: bool, warn: Callable[[str], None],
    mask: Bitmask,
) -> bool:
    while True:
        if text == "all":
            mask.maskp = allowed.maskp
            return True
        first, rest = _get_nr(text, allowed, relative)
        if first is None:
            warn(f"unparseable {what} description `{text}'")
            return False
        last = first
        if not _is_allowed(allowed, first, what, warn):
            return False
        if rest[:1] == "-":
            text = rest[1:]
            found, rest = _get_nr(text, allowed, relative)
            if found is None:
                warn(f"missing {what} argument {text}")
                return False
            if not _is_allowed(allowed, found, what, warn):
                return False
            last = found
        numa_bitmask_setbit(mask, first)
        mask.maskp |= sum(1 << i for i in allowed if first <= i <= last)
        if rest[:1] != ",":
            return rest == ""
        text = rest[1:]


def _is_allowed(allowed: Bitmask, number: int, what: str, warn: Callable[[str], None]) -> bool:
    if number < allowed.size and numa_bitmask_isbitset(allowed, number):
        return True
    warn(f"{what} argument {number} is out of range")
    return False
