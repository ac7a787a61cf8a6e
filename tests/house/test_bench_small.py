"""Do the benches still run, and do all their sides give the same answers?

Each bench's own job at a tiny size, untimed; sides are compared by checksum.  A side whose tools
are not here (a C compiler, numba) is left out.
"""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
PAGES = 1 << 15  # the smallest space whose 64 windows are whole slots

pytestmark = [
    pytest.mark.skipif(not (BENCH / "sides.py").exists(), reason="no bench/ beside the tests"),
    pytest.mark.skipif(not shutil.which("cc"), reason="the limit loops need a C compiler"),
]

SMALL = {
    "bench_whole_job.whole_job": (PAGES, 0.0, 2, 1, 64),
    "bench_whole_job.whole_job zipf": (PAGES, 0.99, 2, 1, 64),
    "bench_scan.scan": (PAGES, 2, 1),
    "bench_fault_storm.fault_storm": (PAGES, 1),
    "bench_calls.calls": (PAGES, 0, 1, 5000),
    "bench_calls.calls batches": (PAGES, 1000, 1, 5000),
    "bench_memory.memory": (PAGES, 1),
    "bench_move_pages.move_pages": (PAGES, 0, 2),
    "bench_move_pages.move_pages runs": (PAGES, 32, 2),
    "bench_mbind.lazy_mbind": (PAGES, 2),
    "bench_scheduler.scheduler": ("server", "2s", 32, PAGES, 100, 1),
}


class Untimed:
    """What a bench needs of pytest-benchmark's fixture."""

    def __init__(self):
        self.extra_info = {}

    def pedantic(self, call, setup, rounds, iterations):
        for _ in range(rounds):
            setup()
            call()


@pytest.mark.parametrize("case", SMALL)
def test_sides_agree(case, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    module, job = case.split()[0].split(".")
    benchmark = Untimed()
    digests = getattr(importlib.import_module(module), job)(benchmark, *SMALL[case])
    assert len(digests) > 1 and len(set(digests.values())) == 1, digests
    assert benchmark.extra_info["checksums"] == digests
