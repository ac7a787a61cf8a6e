"""Every example prints exactly what stands in the .out file beside it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "python" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
NEEDS = {
    "native_filter": (shutil.which("cc"), "a C compiler named cc"),
    "numba_filter": (importlib.util.find_spec("numba"), "numba"),
}


def test_every_example_has_its_output_and_every_output_its_example():
    assert NAMES and NAMES == sorted(path.stem for path in EXAMPLES.glob("*.out"))
    assert set(NEEDS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_example(name, tmp_path):
    present, what = NEEDS.get(name, (True, ""))
    if not present:
        pytest.skip(f"{name}.py needs {what}")
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")], capture_output=True, text=True,
        cwd=tmp_path, timeout=120, env={**os.environ, "PYTHONHASHSEED": "random"},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (EXAMPLES / f"{name}.out").read_text()
    assert list(tmp_path.iterdir()) == []
