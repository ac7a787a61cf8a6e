"""Cut the small test traces out of a recorded one.

    NUMAB_DATA=<folder> python tests/data/make_traces.py [<folder to write to>]

reads ``$NUMAB_DATA/traces/sort.parquet`` (needs pyarrow) and writes the files of
CUTS, by default beside this script.  The same rows come out each time; the same
bytes too, with the same zlib.  README.md says what each cut is for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from numab import traces

CUTS = {
    "sort-small.npz": (0, 5100),    # reading, all four sorting threads, the first merges
    "tiny.npz": (3346, 3354),       # threads 2 and 1 in turn: 2 1 1 2 1 2 1 2
}
"""File name: first epoch, end epoch (exclusive), counted in file order from 0."""


def cut(trace: traces.Trace, begin: int, end: int) -> traces.Trace:
    """The epochs begin .. end-1 of @trace; nothing but ``first`` is changed.

    A page whose first toucher lies outside of the cut has no first row left: then its
    first row in the cut becomes first.
    """
    epochs = trace.epochs()[begin:end]
    low = int(epochs["row_begin"][0])
    rows = slice(low, int(epochs["row_begin"][-1] + epochs["nr_rows"][-1]))
    columns = {name: column[rows] for name, column in trace.columns.items()}
    vpns, row_of_page = np.unique(columns["vpn"], return_index=True)
    orphans = ~np.isin(vpns, columns["vpn"][columns["first"]])
    first = columns["first"].copy()
    first[row_of_page[orphans]] = True
    return traces.Trace(**(columns | {"first": first}), source=trace.source)


def main() -> None:
    source = traces.load(Path(os.environ["NUMAB_DATA"]) / "traces" / "sort.parquet")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, (begin, end) in CUTS.items():
        trace = cut(source, begin, end)
        traces.save(folder / name, trace)
        print(f"{name}: {trace.rows} rows, {trace.pages} pages, {len(trace.tids)} threads, "
              f"{len(trace.epochs())} epochs, {trace.accesses} accesses")


if __name__ == "__main__":
    main()
