"""The caller's memory, as a system call meets it: masks, arrays, and pointers that lead nowhere.

A pointer argument of :mod:`numab.syscalls` is None (NULL), :data:`BAD_POINTER` (an address that is
not mapped), or memory: a numpy array, which ends where it ends; for masks that are only read also a
whole number, of whose bits there are endlessly many.
"""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import numpy as np

from numa_core.errors import InvalidArgument

from ..arguments import shown, whole_array

__all__ = ["BAD_POINTER", "BadPointer", "MAX_NUMNODES", "bits_of", "get_nodes", "mask_of", "refuse"]

#: Nodes that a kernel is built for: CONFIG_NODES_SHIFT=10, as distributions do.
MAX_NUMNODES = 1024
PAGE_BYTES = 4096
U64_MAX = 2**64 - 1


class BadPointer:
    """An address where nothing is mapped; :data:`BAD_POINTER` is the one."""

    def __repr__(self) -> str:
        return "BAD_POINTER"


BAD_POINTER = BadPointer()


def refuse(code: int, text: str) -> NoReturn:
    """Raise the OSError of that errno; the raw calls return its number."""
    raise OSError(code, text)


def bits_of(mask: int) -> tuple[int, ...]:
    """Numbers of the bits that are set, ascending.

    >>> bits_of(0b1011)
    (0, 1, 3)
    """
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


def mask_of(nodes: Any) -> int:
    """The other way round.

    >>> mask_of((0, 1, 3))
    11
    """
    return sum(1 << int(n) for n in set(nodes))


def _words(pointer: Any) -> Any:
    """A mask in memory as something with words; a number's are endless."""
    if isinstance(pointer, np.ndarray) and pointer.ndim == 1 and pointer.dtype == np.uint64:
        return pointer
    if isinstance(pointer, (int, np.integer)) and not isinstance(pointer, bool) and pointer >= 0:
        return int(pointer)
    raise InvalidArgument(
        f"node mask {shown(pointer)}, permitted: None, BAD_POINTER, a number, "
        "an array of numpy.uint64 in one dimension"
    )


def _word(words: Any, i: int) -> int:
    if isinstance(words, int):
        return words >> 64 * i & U64_MAX
    if i >= len(words):
        refuse(errno.EFAULT, f"the node mask has {len(words)} words, its maxnode asks for more")
    return int(words[i])


def get_nodes(pointer: Any, maxnode: int, *, old: bool = False) -> int:
    """The mask at ``pointer`` as a number.

    ``maxnode - 1`` bits count; 0 bits, or a NULL pointer, are an empty mask; more than a page of
    them is EINVAL, as is a bit beyond what the kernel is built for.  ``old``: as in 2012, when a
    last word beyond that was cut at ``maxnode``, too.

    Raises OSError.  Linux: get_nodes.

    >>> get_nodes(0b10, 2), get_nodes(0b10, 3)
    (0, 2)
    """
    words = None if pointer is None or isinstance(pointer, BadPointer) else _words(pointer)
    left = (maxnode - 1) & U64_MAX
    if left == 0 or pointer is None:
        return 0
    if left > PAGE_BYTES * 8:
        refuse(errno.EINVAL, f"maxnode {maxnode}, permitted 1..{PAGE_BYTES * 8 + 1}")
    if words is None:
        refuse(errno.EFAULT, "the node mask's address is not mapped")
    for i in range((left - 1) // 64, MAX_NUMNODES // 64 - 1, -1):
        cut = left - 64 * i if old else 64
        beyond = _word(words, i) & (1 << min(cut, 64)) - 1
        if beyond:
            node = 64 * i + bits_of(beyond)[0]
            refuse(errno.EINVAL, f"node {node} in the mask, permitted 0..{MAX_NUMNODES - 1}")
    head = min(left, MAX_NUMNODES)
    mask = sum(_word(words, i) << 64 * i for i in range(-(-head // 64)))
    return mask & (1 << head) - 1


def copy_nodes_to_user(pointer: Any, maxnode: int, mask: int, nr_node_ids: int) -> None:
    """Write ``mask`` to the array of uint64 at ``pointer``.

    As many words as ``maxnode - 1`` bits fill; those beyond the last possible node are cleared, at
    most a page in all.  Raises OSError.  Linux: copy_nodes_to_user.
    """
    if isinstance(pointer, BadPointer):
        refuse(errno.EFAULT, "the address for the node mask is not mapped")
    copy = -(-((maxnode - 1) & U64_MAX) // 64)
    if copy > -(-nr_node_ids // 64) and copy > PAGE_BYTES // 8:
        refuse(errno.EINVAL, f"maxnode {maxnode}, permitted {nr_node_ids}..{PAGE_BYTES * 8 + 1}")
    if copy > len(pointer):
        refuse(errno.EFAULT, f"room for {len(pointer)} words of the mask, maxnode asks for {copy}")
    pointer[:copy] = [mask >> 64 * i & U64_MAX for i in range(copy)]


def checked_out(what: str, pointer: Any, dtype: Any) -> Any:
    """Where a call shall write to: None, BAD_POINTER, or a writable array of just that dtype."""
    if pointer is None or isinstance(pointer, BadPointer):
        return pointer
    if (
        isinstance(pointer, np.ndarray) and pointer.ndim == 1 and pointer.dtype == dtype
        and pointer.flags.writeable and pointer.flags.c_contiguous
    ):
        return pointer
    raise InvalidArgument(
        f"{what} {shown(pointer)}, permitted: None, BAD_POINTER, a writable array of "
        f"numpy.{np.dtype(dtype).name} in one dimension"
    )


def checked_in(what: str, pointer: Any, dtype: Any) -> Any:
    """What a call shall read: None, BAD_POINTER, or whole numbers as an array of that dtype."""
    if pointer is None or isinstance(pointer, BadPointer):
        return pointer
    info = np.iinfo(dtype)
    return whole_array(what, pointer, dtype, (int(info.min), int(info.max)))
