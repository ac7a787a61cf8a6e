"""``struct bitmask``: a size in bits, and the bits.  Its functions need no task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from numa_core.errors import InvalidArgument, TopologyError

from ..arguments import shown, whole
from ..topology.cpuset import parse_mask

__all__ = [
    "Bitmask",
    "copy_bitmask_to_bitmask",
    "numa_bitmask_alloc",
    "numa_bitmask_clearall",
    "numa_bitmask_clearbit",
    "numa_bitmask_equal",
    "numa_bitmask_free",
    "numa_bitmask_isbitset",
    "numa_bitmask_nbytes",
    "numa_bitmask_setall",
    "numa_bitmask_setbit",
    "numa_bitmask_weight",
    "numa_parse_bitmap",
]

SIZE = (1, 1 << 20)
BIT = (-(2**31), 2**32 - 1)
LONG_BITS = 64


class Bitmask:
    """``size`` bits; a bit beyond reads as 0, and setting it does nothing, as in libnuma.

    Iterating gives the numbers of the bits that are set, ascending.

    >>> mask = Bitmask(64, (0, 3))
    >>> list(mask), mask
    ([0, 3], Bitmask(64, (0, 3)))
    """

    def __init__(self, size: int, bits: Iterable[int] = ()) -> None:
        self.size = whole("bitmask size", size, SIZE)
        self.maskp = 0  #: the bits, as one number
        for bit in bits:
            numa_bitmask_setbit(self, bit)

    def __iter__(self) -> Iterator[int]:
        return (i for i in range(self.maskp.bit_length()) if self.maskp >> i & 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitmask) and (self.size, self.maskp) == (other.size, other.maskp)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Bitmask({self.size}, {tuple(self)})"

    def words(self) -> np.ndarray:
        """The bits as unsigned long holds them: a new array, uint64, (nbytes / 8,)."""
        nr = -(-self.size // LONG_BITS)
        low = (1 << LONG_BITS) - 1
        return np.array([self.maskp >> LONG_BITS * i & low for i in range(nr)], np.uint64)

    def take(self, words: np.ndarray) -> None:
        """Take over what a system call wrote into :meth:`words`."""
        bits = sum(int(word) << LONG_BITS * i for i, word in enumerate(words))
        self.maskp = bits & (1 << self.size) - 1


def numa_bitmask_alloc(n: int) -> Bitmask:
    """A mask of ``n`` bits, all 0.  Raises InvalidArgument where libnuma exits: 0 bits."""
    return Bitmask(n)


def numa_bitmask_free(bmp: Bitmask | None) -> None:
    """Nothing: Python does it."""


def numa_bitmask_isbitset(bmp: Bitmask, n: int) -> int:
    """1 if bit ``n`` is set; 0 beyond the size."""
    n = whole("bit", n, BIT)
    return bmp.maskp >> n & 1 if 0 <= n < bmp.size else 0


def numa_bitmask_setbit(bmp: Bitmask, n: int) -> Bitmask:
    """Set bit ``n``; nothing happens beyond the size."""
    n = whole("bit", n, BIT)
    if 0 <= n < bmp.size:
        bmp.maskp |= 1 << n
    return bmp


def numa_bitmask_clearbit(bmp: Bitmask, n: int) -> Bitmask:
    """Clear bit ``n``; nothing happens beyond the size."""
    n = whole("bit", n, BIT)
    if 0 <= n < bmp.size:
        bmp.maskp &= ~(1 << n)
    return bmp


def numa_bitmask_setall(bmp: Bitmask) -> Bitmask:
    """Set all bits of the size."""
    bmp.maskp = (1 << bmp.size) - 1
    return bmp


def numa_bitmask_clearall(bmp: Bitmask) -> Bitmask:
    """Clear all bits."""
    bmp.maskp = 0
    return bmp


def numa_bitmask_equal(bmp1: Bitmask, bmp2: Bitmask) -> int:
    """1 if the same bits are set, whatever the sizes."""
    return int(bmp1.maskp == bmp2.maskp)


def numa_bitmask_weight(bmp: Bitmask) -> int:
    """Number of bits set."""
    return bin(bmp.maskp).count("1")


def numa_bitmask_nbytes(bmp: Bitmask) -> int:
    """Bytes that the bits fill, whole longs."""
    return -(-bmp.size // LONG_BITS) * 8


def copy_bitmask_to_bitmask(bmpfrom: Bitmask, bmpto: Bitmask) -> None:
    """Copy the bits; what does not fit is lost, what is left over is cleared."""
    bmpto.maskp = bmpfrom.maskp & (1 << bmpto.size) - 1


def numa_parse_bitmap(line: str, mask: Bitmask) -> int:
    r"""Read hexadecimal words of 32 bits, as in a node's ``cpumap``; 0, or -1: not such a line.

    The line must have its newline.

    >>> mask = numa_bitmask_alloc(64)
    >>> numa_parse_bitmap("1,80000000\n", mask), list(mask)
    (0, [31, 32])
    """
    if not isinstance(line, str):
        raise InvalidArgument(f"line {shown(line)}, permitted: a text")
    head, newline, _ = line.partition("\n")
    if not newline:
        return -1
    try:
        bits = parse_mask(head, "bitmap", numa_bitmask_nbytes(mask) * 8)
    except TopologyError:
        return -1
    mask.maskp = sum(1 << bit for bit in bits) & (1 << mask.size) - 1
    return 0
