"""Sets of CPU or node ids, in the three spellings that machine descriptions use.

============  =====================  ==========================================
spelling      example                found in
============  =====================  ==========================================
list          ``0-3,8,10-11``        sysfs ``cpulist``, ``online``; ``numactl``
mask          ``000f,00000f0f``      sysfs ``cpumap``, ``thread_siblings``
hwloc bitmap  ``0x000000ff,,0x1``    hwloc XML ``cpuset``, ``nodeset``
============  =====================  ==========================================

Masks have words of 32 bits, the most significant first.  Every reader takes the
number of ids that may exist, and refuses a larger id before it builds anything.
"""

from __future__ import annotations

import re
from typing import Iterable

from numa_core.errors import TopologyError

__all__ = ["format_list", "format_mask", "parse_hwloc", "parse_list", "parse_mask", "quoted",
           "whole"]

WORD_BITS = 32

WORDS_MAX = 1024
"""Four times what 8,192 CPUs need: kernels pad their masks with zero words."""

QUOTE_CHARS_MAX = 40


def quoted(text: str) -> str:
    """The text as a message may show it: one line, printable, short.

    >>> quoted("10 20\\n")
    "'10 20\\\\n'"
    """
    shown = text if len(text) <= QUOTE_CHARS_MAX else text[:QUOTE_CHARS_MAX] + "..."
    return ascii(shown)


def whole(text: str, what: str, limit: int) -> int:
    """A whole number from 0 to ``limit``, in decimal ASCII digits.

    Raises TopologyError that names ``what`` and the range.

    >>> whole("0042", "node id", 1023)
    42
    """
    # 20 digits hold any 64-bit number; longer ones would make int() slow, then refuse.
    if not re.fullmatch("[0-9]{1,20}", text) or int(text) > limit:
        raise TopologyError(f"{what} is {quoted(text)}, expected a whole number from 0 to {limit}")
    return int(text)


def parse_list(text: str, what: str, nr_ids: int) -> set[int]:
    """Ids of a list such as ``0-3,8``; blanks at the ends are dropped, empty is the empty set.

    Parameters: ``what`` names the list in messages, ids are 0 .. ``nr_ids - 1``.
    Raises TopologyError (bad syntax, an id too large, a range that runs backwards).

    >>> sorted(parse_list("0-2,8\\n", "cpulist", 8192))
    [0, 1, 2, 8]
    """
    ids: set[int] = set()
    for part in text.strip("\0 \t\n").split(",") if text.strip("\0 \t\n") else []:
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if match is None:
            raise TopologyError(f"{what}: {quoted(part)} is not an id or a range of ids")
        first = int(match[1])
        last = int(match[2] or first)
        if last >= nr_ids or first > last:
            raise TopologyError(f"{what}: {quoted(part)} is outside 0-{nr_ids - 1} or runs back")
        ids.update(range(first, last + 1))
    return ids


def parse_mask(text: str, what: str, nr_ids: int) -> set[int]:
    """Ids of a mask as sysfs prints it, such as ``000f,00000f0f``.

    Raises TopologyError (not hexadecimal, a word of more than 32 bits, an id too large).

    >>> sorted(parse_mask("1,00000005\\n", "cpumap", 8192))
    [0, 2, 32]
    """
    return _bits(text.strip("\0 \t\n").split(","), what, nr_ids, r"[0-9a-fA-F]{1,8}")


def parse_hwloc(text: str, what: str, nr_ids: int) -> set[int]:
    """Ids of a bitmap as hwloc prints it: ``0x`` before each word, an empty word is zero.

    A first word ``0xf...f`` means «all higher ids too»: up to ``nr_ids - 1``.
    Raises TopologyError (as :func:`parse_mask`).

    >>> sorted(parse_hwloc("0x3,,0x80000000", "cpuset", 8192))
    [31, 64, 65]
    """
    words = text.strip().split(",")
    if words[0] != "0xf...f":
        return _bits(words, what, nr_ids, r"(0x[0-9a-fA-F]{1,8})?")
    low = words[1:] or ["0xffffffff"]
    return (_bits(low, what, nr_ids, r"(0x[0-9a-fA-F]{1,8})?")
            | set(range(len(low) * WORD_BITS, nr_ids)))


def _bits(words: list[str], what: str, nr_ids: int, pattern: str) -> set[int]:
    if len(words) > WORDS_MAX:
        raise TopologyError(f"{what}: {len(words)} words, at most {WORDS_MAX}")
    ids: set[int] = set()
    for position, word in enumerate(reversed(words)):
        if not re.fullmatch(pattern, word):
            raise TopologyError(f"{what}: {quoted(word)} is not a hexadecimal word of 32 bits")
        value = int(word or "0", 16)
        while value:
            bit = value & -value
            ids.add(position * WORD_BITS + bit.bit_length() - 1)
            value ^= bit
    if ids and max(ids) >= nr_ids:
        raise TopologyError(f"{what}: id {max(ids)} is outside 0-{nr_ids - 1}")
    return ids


def format_list(ids: Iterable[int]) -> str:
    """Ids as Linux lists them, ranges from two ids on; the empty set gives the empty string.

    >>> format_list([0, 1, 4, 5, 6, 9])
    '0-1,4-6,9'
    """
    runs: list[list[int]] = []
    for number in sorted(ids):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def format_mask(ids: Iterable[int], nr_ids: int) -> str:
    """Ids as a sysfs mask, as many words of 32 bits as ``nr_ids`` bits need.

    >>> format_mask([0, 2, 32], 33)
    '00000001,00000005'
    """
    nr_words = max(1, -(-nr_ids // WORD_BITS))
    words = [0] * nr_words
    for number in ids:
        words[number // WORD_BITS] |= 1 << number % WORD_BITS
    return ",".join(f"{word:08x}" for word in reversed(words))
