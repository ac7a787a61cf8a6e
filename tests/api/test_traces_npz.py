"""traces/npz: the native formats, and files that lie about themselves."""

import io
import zipfile

import numpy as np
import pytest

from numa_core.errors import TraceError
from numab import traces
from numab.traces import npz

COLUMNS = {
    "start": np.array([0, 0, 9], "u8"), "end": np.array([9, 9, 12], "u8"),
    "tid": np.array([0, 0, 1], "u2"), "vpn": np.array([5, 6, 5], "u8"),
    "reads": np.array([1, 2, 3], "u4"), "writes": np.array([1, 0, 0], "u4"),
    "first": np.array([1, 1, 0], "?"),
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.npz"


def message(file) -> str:
    with pytest.raises(TraceError) as caught:
        traces.load(file)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(file), "a")


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def write_members(file, **changed: bytes | None) -> None:
    """An .npz of COLUMNS with the bytes of some members changed, or left out."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, column in COLUMNS.items():
            content = changed.get(name, npy(column))
            if content is not None:
                archive.writestr(f"{name}.npy", content)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read(file, write):
    write(file, **COLUMNS, note=np.array(["ignored"]))
    trace = traces.load(file)
    assert all(np.array_equal(trace.columns[name], COLUMNS[name]) for name in COLUMNS)


def test_what_is_written_numpy_reads(file):
    traces.save(file, traces.Trace(**COLUMNS))
    with np.load(file) as archive:
        assert {name: archive[name].dtype for name in archive.files} == {
            name: column.dtype for name, column in COLUMNS.items()}


def test_wide_thread_numbers_are_kept(file):
    traces.save(file, traces.Trace(**COLUMNS | {"tid": [0, 0, 2**31 - 1]}))
    assert traces.load(file).tids == (0, 2**31 - 1)
    with np.load(file) as archive:
        assert archive["tid"].dtype == "u4"


def test_missing_column(file):
    write_members(file, vpn=None, end=None)
    assert message(file) == (
        "a: missing columns end, vpn; a trace has start, end, tid, vpn, reads, writes, first")


def test_wrong_dtype_is_seen_before_the_data_is_read(file):
    write_members(file, vpn=npy(COLUMNS["vpn"].astype(float))[:-5])
    assert message(file) == ("a: column vpn has dtype float64; "
                             "permitted: an integer dtype, 0 to 281474976710655")


def test_wrong_shape(file):
    write_members(file, vpn=npy(COLUMNS["vpn"].reshape(3, 1)))
    assert message(file) == "a: column vpn has shape (3, 1); permitted: one dimension"


def test_columns_of_different_length(file):
    write_members(file, reads=npy(COLUMNS["reads"][:2]))
    assert message(file).startswith("a: column reads has 2 rows and column start has 3;")


def test_pickled_objects_are_never_loaded(file):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    content = npy(np.array([Bomb()] * 3, object), allow_pickle=True)
    write_members(file, vpn=content)
    assert message(file) == "a: column vpn has dtype object: pickled objects are never loaded"
    file.with_suffix(".npy").write_bytes(content)
    assert "pickled objects are never loaded" in message(file.with_suffix(".npy"))


def test_not_a_zip(file):
    file.write_bytes(b"surely not")
    assert message(file) == "a: cannot be read as .npz: File is not a zip file"


def test_member_shorter_or_longer_than_its_header_says(file):
    write_members(file, vpn=npy(COLUMNS["vpn"])[:-1])
    assert message(file) == "a: column vpn should hold 24 bytes and holds 23"
    write_members(file, vpn=npy(COLUMNS["vpn"]) + b"x")
    assert message(file) == "a: column vpn should hold 24 bytes and holds 25"


def test_header_that_asks_for_all_memory(file):
    content = npy(COLUMNS["vpn"]).replace(b"(3,), }         ", b"(300000000000,)}")
    assert b"(300000000000,)" in content
    write_members(file, vpn=content)
    assert message(file) == "a: column vpn should hold 2400000000000 bytes and holds 24"


def test_bomb_is_refused_by_what_it_says(file, monkeypatch):
    write_members(file)
    held = sum(len(npy(column)) for column in COLUMNS.values())
    monkeypatch.setattr(npz, "MAX_BYTES", held)
    assert traces.load(file).rows == 3
    monkeypatch.setattr(npz, "MAX_BYTES", held - 1)
    assert message(file) == f"a: says it holds {held} bytes; permitted: {held - 1}"


def test_bomb_that_says_less_than_it_inflates_to(file):
    """The directory says 152 bytes, the stream holds 4 MiB more.  Expect: no more is read than
    was promised, and the checksum does not agree."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, column in COLUMNS.items():
            content = npy(column)
            archive.writestr(f"{name}.npy", content + bytes(1 << 22) if name == "vpn" else content)
    said = (len(npy(COLUMNS["vpn"])) + (1 << 22)).to_bytes(4, "little")
    file.write_bytes(file.read_bytes().replace(said, (152).to_bytes(4, "little")))
    assert message(file).startswith("a: cannot be read as .npz: Bad CRC-32")


def test_flipped_bit_in_the_data(file):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, column in COLUMNS.items():
            archive.writestr(f"{name}.npy", npy(column))
    content = file.read_bytes()
    at = content.index(COLUMNS["reads"].tobytes())
    file.write_bytes(content[:at] + b"\7" + content[at + 1:])
    assert message(file) == "a: cannot be read as .npz: Bad CRC-32 for file 'reads.npy'"


# .npy, records.

def records(order: list[str], align: bool) -> np.ndarray:
    array = np.zeros(3, np.dtype([(name, COLUMNS[name].dtype) for name in order], align=align))
    for name in order:
        array[name] = COLUMNS[name]
    return array


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("order", [[*COLUMNS], sorted(COLUMNS)])
def test_records_in_any_order_and_padding(file, order, align):
    file = file.with_suffix(".npy")
    np.save(file, records(order, align))
    trace = traces.load(file)
    assert all(np.array_equal(trace.columns[name], COLUMNS[name]) for name in COLUMNS)


def test_records_written_here_are_mapped_not_copied(file):
    file = file.with_suffix(".npy")
    traces.save(file, traces.Trace(**COLUMNS))
    trace = traces.load(file)
    for column in trace.columns.values():
        base = column
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base, np.memmap)
    assert npz.RECORD.itemsize == 40 and np.load(file).dtype == npz.RECORD


def test_records_with_a_missing_field_or_a_wrong_one(file):
    file = file.with_suffix(".npy")
    np.save(file, records([*COLUMNS], False)[["start", "end", "tid", "reads", "writes", "first"]])
    assert message(file).startswith("a: missing column vpn; a trace has start, end, tid, vpn")
    np.save(file, COLUMNS["vpn"])
    assert message(file).startswith("a: missing columns start, end, tid, vpn, reads")
    wrong = [(name, "f4" if name == "reads" else column.dtype) for name, column in COLUMNS.items()]
    np.save(file, np.zeros(3, wrong))
    assert message(file).startswith("a: column reads has dtype float32; permitted: an integer")


def test_records_cut_off_or_followed_by_more(file):
    file = file.with_suffix(".npy")
    traces.save(file, traces.Trace(**COLUMNS))
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert message(file) == "a: the array should hold 120 bytes and holds 119"
    file.write_bytes(content + b"more")
    assert message(file) == "a: the array should hold 120 bytes and holds 124"


def test_no_records(file):
    file = file.with_suffix(".npy")
    np.save(file, np.zeros(0, npz.RECORD))
    assert message(file) == "a: has 0 rows; permitted: 1 or more"


def test_unknown_version_of_npy(file):
    write_members(file, tid=b"\x93NUMPY\x03\x00" + npy(COLUMNS["tid"])[8:])
    assert message(file) == "a: column tid has .npy version 3.0; permitted: 1.0, 2.0"
