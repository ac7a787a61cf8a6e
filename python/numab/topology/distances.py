"""The matrix of node distances: what is taken, what is refused, what is only odd.

Linux keeps a distance in a byte, and believes most of what firmware says:

* 0 and numbers above 255 are refused; 255 means unreachable (ACPI) and is noted;
* a diagonal other than 10, a distance below 10 between two nodes, and two
  directions that differ are kept, and odd;
* 10 between two nodes is plain: ``numa=fake`` makes such machines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numa_core.errors import TopologyError

from numab.topology.draft import LOCAL_DISTANCE, REMOTE_DISTANCE

__all__ = ["UNREACHABLE", "checked_distance"]

UNREACHABLE = 255
"""The distance of nodes that cannot reach each other (ACPI)."""


def checked_distance(nids: tuple[int, ...], given: Any) -> tuple[
        npt.NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """The matrix, what was assumed, and what is odd.  Raises TopologyError."""
    if given is None:
        distance = np.full((len(nids),) * 2, REMOTE_DISTANCE, dtype=np.int64)
        np.fill_diagonal(distance, LOCAL_DISTANCE)
        said: tuple[str, ...] = (
            f"no distances given: {LOCAL_DISTANCE} and {REMOTE_DISTANCE} assumed",)
    else:
        distance = _as_matrix(nids, given)
        said = _unreachable(nids, distance)
    distance.setflags(write=False)
    return distance, said, _oddities(nids, distance)


def _as_matrix(nids: tuple[int, ...], given: Any) -> npt.NDArray[np.int64]:
    try:
        rows = [np.asarray(row) for row in given]
    except (TypeError, ValueError):
        raise TopologyError("distance is not a matrix of whole numbers") from None
    if len(rows) != len(nids):
        raise TopologyError(f"distance has {len(rows)} rows for {len(nids)} nodes")
    for nid, row in zip(nids, rows):
        if row.shape != (len(nids),):
            raise TopologyError(f"node {nid} has {row.size} distances for {len(nids)} nodes")
        if row.dtype.kind not in "iu":
            raise TopologyError(f"the distances of node {nid} are not whole numbers")
        bad = np.flatnonzero((row < 1) | (row > UNREACHABLE))
        if bad.size:
            raise TopologyError(
                f"distance from node {nid} to node {nids[bad[0]]} is {row[bad[0]]}, "
                f"expected 1 to {UNREACHABLE} ({UNREACHABLE}: unreachable)")
    return np.stack(rows).astype(np.int64)


def _pairs(where: npt.NDArray[np.bool_]) -> tuple[int, int, str]:
    """Row and column of the first pair that is set, and how many more there are."""
    at = np.argwhere(where)
    more = f" (and {len(at) - 1} more)" if len(at) > 1 else ""
    return int(at[0][0]), int(at[0][1]), more


def _unreachable(nids: tuple[int, ...], distance: npt.NDArray[np.int64]) -> tuple[str, ...]:
    far = distance == UNREACHABLE
    if not far.any():
        return ()
    a, b, more = _pairs(far)
    return (f"node {nids[a]} cannot reach node {nids[b]}: distance {UNREACHABLE}{more}",)


def _oddities(nids: tuple[int, ...], distance: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """One note for each thing that Linux accepts but ACPI forbids."""
    odd = []
    own = np.eye(len(nids), dtype=bool)
    for where, what in ((own & (distance != LOCAL_DISTANCE), f"expected {LOCAL_DISTANCE}"),
                        (~own & (distance < LOCAL_DISTANCE), "nearer than local"),
                        (np.triu(distance != distance.T), "asymmetric")):
        if where.any():
            a, b, more = _pairs(where)
            back = f", back {distance[b, a]}" if what == "asymmetric" else ""
            odd.append(f"distance from node {nids[a]} to node {nids[b]} is "
                       f"{distance[a, b]}{back}: {what}{more}")
    return tuple(odd)
