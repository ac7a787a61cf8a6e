"""Samples of a run, taken often enough to cut it into parts when it is over."""

from __future__ import annotations

__all__ = ["PARTS", "Samples"]

#: Parts of a run: the first and the last stand where a replay has its first and last loop.
PARTS = 20
PASSES_MAX = 200  # of which the share is kept


class Samples:
    """Cumulative (time, remote, all, passes), often enough to cut a run into parts afterwards."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)]

    def add(self, now_ns: int, total: tuple[int, int], passes: int) -> None:
        """``total``: (remote, all) accesses since the start; ``passes`` complete."""
        self.rows.append((now_ns, *total, passes))

    def _share(self, a: tuple[int, ...], b: tuple[int, ...]) -> float:
        return 1 - (b[1] - a[1]) / (b[2] - a[2]) if b[2] > a[2] else 0.0

    def parts(self) -> list[tuple[tuple[int, int], int]]:
        """((remote, all), end) of PARTS equal parts of the time."""
        out, last, end = [], self.rows[0], self.rows[-1][0]
        for i in range(1, PARTS + 1):
            row = next(r for r in self.rows if r[0] >= end * i // PARTS)
            out.append(((row[1] - last[1], row[2] - last[2]), row[0]))
            last = row
        return out

    def passes(self) -> tuple[list[float], list[int]]:
        """Local share of each pass, and the sample that saw its end; the last one is under way."""
        shares, ends, first = [], [], self.rows[0]
        for before, row in zip(self.rows, self.rows[1:]):
            if row[3] > before[3] or row is self.rows[-1]:
                shares.append(self._share(first, row))
                ends.append(row[0])
                first = row
        return shares[:PASSES_MAX], ends[:PASSES_MAX]
