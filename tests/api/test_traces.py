"""traces: one row a format, load, save and convert, and what the recorded files hold.

The exact numbers of the recordings are those of the table that came with them,
not of our own output.
"""

import doctest
import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import TraceError
from numab import traces

DATA = Path(__file__).parents[1] / "data"
TINY = DATA / "tiny.npz"
EXTENSIONS = [".npz", ".npy", ".parquet"]


def same(one: traces.Trace, other: traces.Trace) -> bool:
    return all(np.array_equal(one.columns[name], other.columns[name]) for name in one.columns)


def need(extension: str) -> None:
    if extension == ".parquet":
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("module", ["", ".columns", ".trace", ".npz", ".parquet"])
def test_examples_in_docstrings_run(module):
    assert doctest.testmod(importlib.import_module("numab.traces" + module)).failed == 0


def test_registry_has_one_row_a_format():
    assert [row.extension for row in traces.FORMATS] == EXTENSIONS


# What the files of tests/data hold: the table of tests/data/README.md.

def test_tiny_is_what_its_readme_says():
    tiny = traces.load(TINY)
    assert (tiny.rows, tiny.pages, tiny.accesses, tiny.tids) == (229, 97, 1_600_000, (2, 1))
    assert tiny.epochs()["tid"].tolist() == [2, 1, 1, 2, 1, 2, 1, 2]
    assert tiny.epochs()["nr_rows"].tolist() == [23, 36, 32, 35, 21, 34, 27, 21]
    assert len(tiny.vmas()) == 10
    assert tiny.name == "tiny"


def test_sort_small_is_what_its_readme_says():
    trace = traces.load(DATA / "sort-small.npz")
    assert (trace.rows, trace.pages, trace.accesses) == (814_570, 14_714, 1_020_000_000)
    assert trace.tids == (0, 1, 2, 3)
    assert np.bincount(trace.epochs()["tid"]).tolist() == [1316, 1268, 1264, 1252]
    assert len(trace.vmas()) == 14
    assert np.bincount(trace.first_toucher()[1]).tolist() == [12_041, 1087, 730, 856]
    pairs = trace.page_thread_accesses()
    assert int((np.bincount(pairs["page"].astype(int)) > 1).sum()) == 10_264
    assert (DATA / "sort-small.npz").stat().st_size < 2_000_000


# Round trips.

@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_saved_trace_loads_as_the_same_rows(tmp_path, extension):
    need(extension)
    tiny = traces.load(TINY)
    target = tmp_path / f"copy{extension.upper()}"
    traces.save(target, tiny)
    assert same(traces.load(target), tiny)
    assert os.listdir(tmp_path) == [target.name]          # no partial file left


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_same_rows_give_the_same_bytes(tmp_path, extension):
    need(extension)
    files = [tmp_path / f"{n}{extension}" for n in range(2)]
    for file in files:
        traces.convert(TINY, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_convert_through_all_formats_and_back(tmp_path):
    pytest.importorskip("pyarrow")
    steps = [TINY, *(tmp_path / f"a{extension}" for extension in (".parquet", ".npy", ".npz"))]
    for source, target in zip(steps, steps[1:]):
        assert same(traces.convert(source, target), traces.load(TINY))
    assert same(traces.load(steps[-1]), traces.load(TINY))


def test_convert_onto_itself_leaves_the_mapped_rows_alone(tmp_path):
    """The .npy is mapped while it is replaced; the old file lives on until it is let go."""
    file = tmp_path / "a.npy"
    traces.convert(TINY, file)
    trace = traces.convert(file, file)
    assert same(trace, traces.load(TINY))
    assert same(traces.load(file), trace)


# Errors: one line with the file, what is wrong, what is permitted; nothing but TraceError.

def message(function, *arguments) -> str:
    with pytest.raises(TraceError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_extension_lists_the_permitted_ones(tmp_path):
    permitted = "permitted: .npz, .npy, .parquet"
    assert message(traces.load, "a.csv") == f"a.csv: unknown extension '.csv'; {permitted}"
    assert message(traces.load, "plain") == f"plain: unknown extension ''; {permitted}"
    tiny = traces.load(TINY)
    assert message(traces.save, "a.txt", tiny) == f"a.txt: unknown extension '.txt'; {permitted}"
    assert message(traces.convert, "absent.npz", "a.txt").startswith("a.txt: unknown")


def test_places_that_are_no_trace(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npy")
    folder = str(tmp_path)
    assert message(traces.load, f"{folder}/no.npz") == (
        f"{folder}/no.npz: cannot be opened: No such file or directory")
    assert message(traces.load, f"{folder}/folder.npz") == (
        f"{folder}/folder.npz: is a directory; permitted: a trace file")
    assert message(traces.load, f"{folder}/pipe.npy") == (
        f"{folder}/pipe.npy: is not a regular file; permitted: a trace file")
    assert message(traces.load, "a\0.npz") == "'a\\x00.npz': no file name has a zero byte"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_unreadable_file(tmp_path, extension):
    need(extension)
    file = tmp_path / f"a{extension}"
    traces.convert(TINY, file)
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in message(traces.load, file)


def test_save_to_nowhere_leaves_nothing(tmp_path):
    tiny = traces.load(TINY)
    target = tmp_path / "no" / "a.npz"
    assert message(traces.save, target, tiny) == (
        f"{target}: cannot be written: No such file or directory")
    (tmp_path / "folder.npz").mkdir()
    message(traces.save, tmp_path / "folder.npz", tiny)
    assert os.listdir(tmp_path) == ["folder.npz"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_empty_and_foreign_files(tmp_path, extension):
    need(extension)
    file = tmp_path / f"a{extension}"
    empty_zip = b"PK\x05\x06" + b"\0" * 18
    for content in (b"", b"\0" * 4096, empty_zip, b"start,end\n1,2\n", b"PAR1" * 9):
        file.write_bytes(content)
        assert message(traces.load, file).startswith(f"{file}: ")


def test_a_name_with_a_line_break_still_gives_one_line(tmp_path):
    (tmp_path / "a\nb.npz").write_bytes(b"nothing")
    message(traces.load, tmp_path / "a\nb.npz")


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.filterwarnings("ignore:invalid escape sequence")     # in a damaged .npy header
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_files_give_trace_error_or_a_checked_trace(tmp_path_factory, extension, data):
    """Cut off, flip and insert bytes anywhere in a real file.  Expect a Trace (the damage was
    harmless or made another trace that makes sense) or TraceError, never anything else."""
    need(extension)
    folder = tmp_path_factory.getbasetemp()
    whole, file = folder / f"whole{extension}", folder / f"damaged{extension}"
    if not whole.exists():
        traces.convert(TINY, whole)
    content = bytearray(whole.read_bytes())
    ends = st.one_of(st.integers(0, min(300, len(content))),
                     st.integers(0, len(content) - 1),
                     st.integers(max(0, len(content) - 1200), len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    if kind == "cut":
        del content[data.draw(ends):]
    elif kind == "insert":
        at = data.draw(ends)
        content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    else:
        for at in data.draw(st.lists(ends, min_size=1, max_size=4)):
            content[min(at, len(content) - 1)] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        traces.load(file)
    except TraceError as error:
        assert str(error).startswith(f"{file}: ") and "\n" not in str(error)


# The recorded files, where there are any: the table of their README.

RECORDED = {
    # rows, pages, accesses in 1e9 (two decimals), threads, of these above 1 %
    "pigz": (524_978, 911, 2.02, 6, 4),
    "sort": (2_077_432, 20_357, 1.24, 4, 4),
    "matmul": (2_146_466, 25_178, 2.88, 2, 2),
    "sqlite": (818_336, 6_965, 2.18, 1, 1),
    "duckdb": (4_826_142, 222_047, 7.58, 17, 8),
}


def recorded(name: str) -> traces.Trace:
    pytest.importorskip("pyarrow")
    if "NUMAB_DATA" not in os.environ:
        pytest.skip("NUMAB_DATA names no folder with traces/*.parquet")
    return traces.load(Path(os.environ["NUMAB_DATA"]) / "traces" / f"{name}.parquet")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_file_is_what_its_table_says(name):
    trace = recorded(name)
    rows, pages, accesses, threads, above = RECORDED[name]
    assert (trace.rows, trace.pages, len(trace.tids)) == (rows, pages, threads)
    assert round(trace.accesses / 1e9, 2) == accesses
    assert sum(trace.share_of(tid) > 0.01 for tid in trace.tids) == above


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_file_adds_up(name):
    """Sums over rows, over epochs, over threads and over (page, thread) pairs are one number;
    the clock's last value is that number too, since it counts all accesses; every page has
    one first toucher, who did use it."""
    trace = recorded(name)
    pairs = trace.page_thread_accesses()
    assert int(pairs["accesses"].sum()) == trace.accesses == int(trace.end.max())
    assert sum(trace.accesses_of(tid) for tid in trace.tids) == trace.accesses
    assert int(trace.epochs()["nr_rows"].sum()) == trace.rows
    assert int(pairs["lines"].sum()) == int(
        np.minimum(trace.reads.astype("u8") + trace.writes, 64).sum())

    vpns, tids = trace.first_toucher()
    assert len(vpns) == trace.pages == np.count_nonzero(trace.first)
    assert sorted(set(trace.vpn.tolist())) == vpns.tolist()
    used = set(zip(pairs["page"].tolist(), pairs["tid"].tolist()))
    assert all(pair in used for pair in enumerate(tids.tolist()))
    sizes = np.diff(trace.vmas().astype("i8"), axis=1)
    assert trace.pages <= int(sizes.sum()) < trace.pages * 513


@pytest.mark.parametrize("name,begin,end", [("sort-small", 0, 5100), ("tiny", 3346, 3354)])
def test_cut_holds_the_rows_of_the_recording(name, begin, end):
    """All columns but ``first`` are the recording's; ``first`` differs only at the first row of
    a page whose own first row is not in the cut."""
    whole, cut = recorded("sort"), traces.load(DATA / f"{name}.npz")
    low = int(whole.epochs()["row_begin"][begin])
    assert int(whole.epochs()["row_begin"][end]) - low == cut.rows
    for column in ("start", "end", "tid", "vpn", "reads", "writes"):
        assert np.array_equal(cut.columns[column], whole.columns[column][low:low + cut.rows])
    old = whole.first[low:low + cut.rows]
    added = cut.first & ~old
    assert not (old & ~cut.first).any()
    assert not np.isin(cut.vpn[added], cut.vpn[old]).any()
    assert np.isin(np.flatnonzero(added), np.unique(cut.vpn, return_index=True)[1]).all()
