"""What the tests of the command share: a place to run it in, and a trace that shows movement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from numab.cli import main

DATA = Path(__file__).resolve().parents[1] / "data"
TINY = str(DATA / "tiny.npz")
#: A tick of 1 ms and early scans: within 300 loops (0.6 s) every page of TINY has found its place.
EARLY = ("--hz", "1000", "--set", "scan_delay_ms=10", "--set", "scan_period_min_ms=20")
SMALL_NUMACTL = """\
available: 2 nodes (0-1)
node 0 cpus: 0 1
node 0 size: 64 MB
node 0 free: 60 MB
node 1 cpus: 2 3
node 1 size: 64 MB
node 1 free: 60 MB
node distances:
node   0   1
  0:  10  21
  1:  21  10
"""


@dataclass(frozen=True)
class Ran:
    """What a user sees of one command."""

    code: int
    out: str
    err: str


@pytest.fixture
def numab(capsys, tmp_path, monkeypatch):
    """``numab(*words)``: the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Ran:
        try:
            code = main([str(word) for word in words])
        except SystemExit as e:  # argparse: --help, or what it refuses
            code = e.code
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def refused(numab, tmp_path):
    """``refused(*words)``: the one line of a command that must be refused, checked to be just that:
    exit code 2, nothing on stdout, no file made."""

    def run(*words: object) -> str:
        before = sorted(p.name for p in tmp_path.iterdir())
        ran = numab(*words)
        notes = [line for line in ran.err.splitlines() if line.startswith("numab: note:")]
        lines = [line for line in ran.err.splitlines() if line not in notes]
        assert (ran.code, ran.out, len(lines)) == (2, "", 1), ran
        assert lines[0].startswith("numab") and "Traceback" not in ran.err
        assert sorted(p.name for p in tmp_path.iterdir()) == before
        return lines[0]

    return run


@pytest.fixture
def machine_file(tmp_path):
    """Path of a machine of two nodes, 4 CPUs and 128 MB."""
    path = tmp_path / "small.txt"
    path.write_text(SMALL_NUMACTL)
    return str(path)
