"""A recorded page-access trace: which thread used which page how often, epoch by epoch.

:class:`Trace` is a value: seven columns, checked once when it is built, and what
a replay needs of them.  It knows nothing of machines, nodes or placement.

An *epoch* is one thread's rows of one ``start``; its rows stand together in the
file, in ascending order of pages.  Order inside an epoch was not recorded.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from numa_core.errors import InvalidArgument

from .columns import BLOCK_ROWS, NAMES, as_column, check_rows, failure

__all__ = ["EPOCH", "LINES_PER_PAGE", "PAGE_THREAD", "Trace"]

LINES_PER_PAGE = 64
"""Cache lines of 64 bytes in a page of 4 KiB: an epoch cannot fetch more of one page."""

EPOCH = np.dtype([("row_begin", "u8"), ("nr_rows", "u8"), ("tid", "u4")], align=True)
"""One epoch: rows row_begin .. row_begin + nr_rows - 1 of thread tid; 24 bytes."""

PAGE_THREAD = np.dtype(
    [("page", "u8"), ("accesses", "u8"), ("lines", "u8"), ("tid", "u4")], align=True)
"""What thread tid did to page number ``page`` (an index into first_toucher()); 32 bytes."""

_NO_PAGE = np.uint32(2**32 - 1)
_MAX_EXACT = 2**53   # up to here float64, which np.bincount sums in, holds every integer


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """A checked trace; see ``columns.py`` for what each column means.

    Parameters
    ----------
    start, end, tid, vpn, reads, writes, first
        The columns, arrays or lists, shape (nr_rows,), sorted by start, tid, vpn.  Held as
        read-only arrays of u64, u64, u32, u64, u32, u32, bool: a view where the dtype already
        is that one (do not write to the original afterwards), else a copy.
    source
        Where the rows came from, usually a path; error messages start with it.

    Raises
    ------
    TraceError
        A dtype or value is not permitted, the columns differ in length or are empty, a
        row ends before it starts or has no access, rows are out of order or repeated,
        an epoch has two ends, or a page has not exactly one ``first`` row.

    Example
    -------
    Thread 0 touches two pages, then thread 1 uses the second one:

    >>> trace = Trace(start=[0, 0, 12], end=[12, 12, 20], tid=[0, 0, 1], vpn=[16, 17, 17],
    ...               reads=[8, 0, 8], writes=[0, 4, 0], first=[True, True, False])
    >>> trace
    <Trace trace: 3 rows, 2 pages, 2 threads, 20 accesses>
    >>> trace.epochs()[["row_begin", "nr_rows", "tid"]].tolist()
    [(0, 2, 0), (2, 1, 1)]
    """

    start: np.ndarray
    end: np.ndarray
    tid: np.ndarray
    vpn: np.ndarray
    reads: np.ndarray
    writes: np.ndarray
    first: np.ndarray
    source: str = "trace"
    _vpns: np.ndarray = field(init=False)            # the distinct pages, ascending
    _page_of_row: np.ndarray = field(init=False)     # each row's index into _vpns, u32

    def __post_init__(self) -> None:
        for name in NAMES:
            column = as_column(self.source, name, getattr(self, name))
            object.__setattr__(self, name, column)
        check_rows(self.source, self.columns)
        object.__setattr__(self, "_vpns", self._checked_pages())
        object.__setattr__(self, "_page_of_row", self._checked_page_of_row())

    def __repr__(self) -> str:
        return (f"<Trace {self.source}: {self.rows} rows, {self.pages} pages, "
                f"{len(self.tids)} threads, {self.accesses} accesses>")

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns by name, in the order of the format; the arrays are not copied."""
        return {name: getattr(self, name) for name in NAMES}

    @property
    def name(self) -> str:
        """The source without folders and extension, as a report calls it."""
        return os.path.splitext(os.path.basename(self.source))[0]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.start)

    @property
    def pages(self) -> int:
        """Number of distinct pages."""
        return len(self._vpns)

    @cached_property
    def accesses(self) -> int:
        """Reads and writes of all rows."""
        return int(self.reads.sum(dtype="u8")) + int(self.writes.sum(dtype="u8"))

    @cached_property
    def tids(self) -> tuple[int, ...]:
        """The threads, by first appearance in the file."""
        tids, seen_at = np.unique(self._epochs["tid"], return_index=True)
        return tuple(int(tid) for tid in tids[np.argsort(seen_at)])

    def accesses_of(self, tid: int) -> int:
        """Reads and writes of one thread.

        Raises InvalidArgument if @tid is not in the trace.
        """
        if tid not in self._accesses_of_tid:
            raise InvalidArgument(f"tid {tid} is not in {self.source}; "
                                  f"permitted: {', '.join(map(str, self.tids))}")
        return self._accesses_of_tid[tid]

    def share_of(self, tid: int) -> float:
        """The thread's part of all accesses, above 0 and at most 1.

        Raises InvalidArgument if @tid is not in the trace.

        Example
        -------
        >>> Trace([0, 4], [4, 5], [0, 1], [7, 7], [4, 1], [0, 0], [True, False]).share_of(0)
        0.8
        """
        return self.accesses_of(tid) / self.accesses

    def epochs(self) -> np.ndarray:
        """The epochs in file order.

        Returns dtype EPOCH, shape (nr_epochs,), read-only; the same array at each call.
        """
        return self._epochs

    def vmas(self, gap: int = 512) -> np.ndarray:
        """The touched pages as ranges: two neighbours are joined if at most @gap
        untouched pages lie between them.

        Parameters
        ----------
        gap : pages, 0 or more

        Returns u64, shape (nr_vmas, 2), rows ``first_vpn, end_vpn`` with the end
        exclusive, ascending, disjoint; a new array.  Raises InvalidArgument if @gap
        is negative.

        Example
        -------
        >>> trace = Trace([0] * 3, [3] * 3, [0] * 3, [10, 12, 16], [1] * 3, [0] * 3, [True] * 3)
        >>> trace.vmas(gap=1).tolist()
        [[10, 13], [16, 17]]
        >>> trace.vmas(gap=3).tolist()
        [[10, 17]]
        """
        if gap < 0:
            raise InvalidArgument(f"gap {gap} pages; permitted: 0 or more")
        return _ranges(self._vpns, gap)

    def first_toucher(self) -> tuple[np.ndarray, np.ndarray]:
        """Who touched each page first.

        Returns (vpns u64, tids u32), both of shape (pages,), ascending by vpn,
        read-only; the same arrays at each call.

        Example
        -------
        >>> trace = Trace([0, 4], [4, 5], [0, 1], [7, 6], [4, 1], [0, 0], [True, True])
        >>> trace.first_toucher()
        (array([6, 7], dtype=uint64), array([1, 0], dtype=uint32))
        """
        return self._vpns, self._first_tids

    def page_thread_accesses(self) -> np.ndarray:
        """What each thread did to each page, summed over the trace.

        Returns dtype PAGE_THREAD, shape (pairs of page and thread that occur,),
        sorted by page and tid, read-only; the same array at each call.  ``page`` is an
        index into the arrays of :meth:`first_toucher`; ``accesses`` sums reads + writes;
        ``lines`` sums min(reads + writes, 64) of each row, the cache lines fetched.

        Example
        -------
        >>> trace = Trace([0, 100], [100, 101], [0, 1], [7, 7], [99, 1], [1, 0], [True, False])
        >>> trace.page_thread_accesses()[["page", "tid", "accesses", "lines"]].tolist()
        [(0, 0, 100, 64), (0, 1, 1, 1)]
        """
        return self._page_threads

    @cached_property
    def _epochs(self) -> np.ndarray:
        begins = [np.zeros(1, "i8")]
        for low in range(1, self.rows, BLOCK_ROWS):
            high = min(low + BLOCK_ROWS, self.rows)
            here, before = slice(low, high), slice(low - 1, high - 1)
            new = self.start[here] != self.start[before]
            new |= self.tid[here] != self.tid[before]
            begins.append(np.flatnonzero(new) + low)
        row_begin = np.concatenate(begins)
        epochs = np.zeros(len(row_begin), EPOCH)
        epochs["row_begin"] = row_begin
        epochs["nr_rows"] = np.diff(row_begin, append=self.rows)
        epochs["tid"] = self.tid[row_begin]
        return _read_only(epochs)

    @cached_property
    def _accesses_of_tid(self) -> dict[int, int]:
        accesses = dict.fromkeys(self.tids, 0)
        begins = self._epochs["row_begin"].astype("i8")
        per_epoch = np.add.reduceat(self.reads, begins, dtype="u8")
        per_epoch += np.add.reduceat(self.writes, begins, dtype="u8")
        for tid in accesses:
            accesses[tid] = int(per_epoch[self._epochs["tid"] == tid].sum())
        return accesses

    @cached_property
    def _first_tids(self) -> np.ndarray:
        rows = np.flatnonzero(self.first)
        tids = np.empty(self.pages, "u4")
        tids[self._page_of_row[rows]] = self.tid[rows]
        return _read_only(tids)

    @cached_property
    def _page_threads(self) -> np.ndarray:
        tids = np.unique(self._epochs["tid"])
        thread_of_epoch = np.searchsorted(tids, self._epochs["tid"])
        key = np.repeat(thread_of_epoch, self._epochs["nr_rows"].astype("i8"))
        key += self._page_of_row.astype("i8") * len(tids)
        accesses = self.reads.astype("u8")
        accesses += self.writes
        lines = np.minimum(accesses, LINES_PER_PAGE)
        keys, (accesses, lines) = _sum_by_key(key, self.pages * len(tids), accesses, lines)
        pairs = np.zeros(len(keys), PAGE_THREAD)
        pairs["page"] = keys // len(tids)
        pairs["tid"] = tids[keys % len(tids)]
        pairs["accesses"] = accesses
        pairs["lines"] = lines
        return _read_only(pairs)

    def _checked_pages(self) -> np.ndarray:
        """The pages of the first rows, if no page has two."""
        vpns = np.sort(self.vpn[self.first])
        twice = np.flatnonzero(vpns[1:] == vpns[:-1])
        if len(twice):
            vpn = vpns[twice[0]]
            rows = np.flatnonzero(self.first & (self.vpn == vpn))[:2]
            raise failure(self.source, f"page {vpn:#x} is first in rows {rows[0]} and {rows[1]}; "
                                       "permitted: exactly one first row a page")
        return _read_only(vpns)

    def _checked_page_of_row(self) -> np.ndarray:
        """The page of each row, if every page has a first row."""
        page_of_row = np.empty(self.rows, "u4")
        index = _PageIndex(self._vpns, nr_slots_max=4 * self.rows + (1 << 20))
        for begin in range(0, self.rows, BLOCK_ROWS):
            block = slice(begin, begin + BLOCK_ROWS)
            page_of_row[block] = index.of(self.vpn[block])
            none = page_of_row[block] == _NO_PAGE
            if none.any():
                row = begin + int(none.argmax())
                raise failure(self.source, f"page {self.vpn[row]:#x} of row {row} has no first "
                                           "row; permitted: exactly one first row a page")
        return _read_only(page_of_row)


class _PageIndex:
    """From page numbers to their places in a sorted array, by table where it is worth it.

    A binary search over all pages misses the cache at each step; over the few
    ranges that hold them it does not, and a table does the rest.
    """

    def __init__(self, vpns: np.ndarray, nr_slots_max: int) -> None:
        self._vpns = vpns
        self._table: np.ndarray | None = None
        ranges = _ranges(vpns, gap=512)
        sizes = ranges[:, 1] - ranges[:, 0]
        nr_slots = int(sizes.sum())
        if not 0 < nr_slots <= nr_slots_max:
            return
        self._begins, self._ends = ranges[:, 0].copy(), ranges[:, 1].copy()
        self._shift = self._begins - (np.cumsum(sizes) - sizes)   # page number less its slot
        self._table = np.full(nr_slots, _NO_PAGE, "u4")
        self._table[self._slot(vpns)[0]] = np.arange(len(vpns), dtype="u4")

    def of(self, vpns: np.ndarray) -> np.ndarray:
        """The place of each page, _NO_PAGE where there is none."""
        if not len(self._vpns):
            return np.full(len(vpns), _NO_PAGE, "u4")
        if self._table is None:
            place = np.minimum(np.searchsorted(self._vpns, vpns), len(self._vpns) - 1)
            return np.where(self._vpns[place] == vpns, place, _NO_PAGE)
        slot, inside = self._slot(vpns)
        return np.where(inside, self._table[slot], _NO_PAGE)

    def _slot(self, vpns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each page's slot in the table, and whether it lies in a range at all."""
        at = np.searchsorted(self._begins, vpns, side="right")
        inside = at > 0
        at -= inside
        inside &= vpns < self._ends[at]
        return np.where(inside, vpns - self._shift[at], 0), inside


def _ranges(vpns: np.ndarray, gap: int) -> np.ndarray:
    """Sorted distinct pages as [first, end) ranges, joined over up to @gap absent pages."""
    if not len(vpns):
        return np.empty((0, 2), "u8")
    ends = np.flatnonzero(vpns[1:] - vpns[:-1] - np.uint64(1) > gap)
    ranges = np.empty((len(ends) + 1, 2), "u8")
    ranges[0, 0], ranges[-1, 1] = vpns[0], vpns[-1] + np.uint64(1)
    ranges[1:, 0], ranges[:-1, 1] = vpns[ends + 1], vpns[ends] + np.uint64(1)
    return ranges


def _sum_by_key(key: np.ndarray, nr_keys: int,
                *values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The keys that occur, ascending, and exact u64 sums of each of @values by key."""
    if nr_keys > 4 * len(key) + (1 << 20):      # too thin for arrays over all keys
        keys, key = np.unique(key, return_inverse=True)
        return keys, [_sums(key, value, len(keys)) for value in values]
    keys = np.flatnonzero(np.bincount(key, minlength=nr_keys))
    return keys, [_sums(key, value, nr_keys)[keys] for value in values]


def _sums(key: np.ndarray, value: np.ndarray, nr_keys: int) -> np.ndarray:
    if int(value.sum()) <= _MAX_EXACT:
        return np.bincount(key, weights=value, minlength=nr_keys).astype("u8")
    sums = np.zeros(nr_keys, "u8")
    np.add.at(sums, key, value)
    return sums


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
