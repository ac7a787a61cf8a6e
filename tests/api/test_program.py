"""numab.program: steps as the core's array."""

from __future__ import annotations

import pytest

from numa_core import STEP, ffi, lib, text
from numab import InvalidArgument
from numab.program import (
    PATTERNS, Barrier, Protect, Repeat, Sleep, StartWorld, StopWorld, Touch, step_rows,
)


def test_every_step_has_its_row():
    table = step_rows([
        Touch("zipf", 3, 40, accesses=9, write_permille=250, theta=0.5, touches=7), Repeat(0, 4),
        Sleep(1, 2), Barrier(5, 6), StopWorld(), StartWorld(), Protect(8, 9, "rw"),
        Barrier(5, 6, wait=False),
    ], base_vpn=100)
    assert table.dtype == STEP
    kinds = [text(lib.numab_step_name(int(k))) for k in table["kind"]]
    assert kinds == ["touch", "repeat", "sleep", "barrier", "stop", "start", "protect", "barrier"]
    touch = table[0]
    assert (touch["pattern"], touch["vpn"], touch["nr_pages"], touch["touches"]) == (2, 103, 40, 7)
    assert (touch["reads"], touch["writes"], touch["write_permille"]) == (0, 9, 250)
    assert touch["theta_milli"] == 500
    assert (table[1]["target"], table[1]["count"]) == (0, 4)
    assert (table[2]["count"], table[2]["count_max"]) == (1, 2)
    assert table[[3, 7]][["target", "count", "count_max"]].tolist() == [(5, 6, 0), (5, 6, 1)]
    assert (table[6]["vpn"], table[6]["nr_pages"], table[6]["target"]) == (108, 9, 3)


def test_a_row_is_laid_out_as_the_core_has_it():
    step = ffi.new("struct numab_step *")
    ffi.buffer(step)[:] = step_rows([Touch("sweep", 1, 2, touches=3)], 4).tobytes()
    assert (step.touch.vpn, step.touch.nr_pages, step.touch.touches) == (5, 2, 3)
    assert (step.touch.writes, step.touch.write_permille) == (64, 300)


def test_patterns_are_the_cores():
    for i, pattern in enumerate(PATTERNS):
        assert getattr(lib, f"NUMAB_{pattern.upper()}") == i


def test_for_ever_is_zero_in_the_row():
    assert step_rows([Sleep(0, 0), Repeat(0)])["count"].tolist() == [0, 0]


@pytest.mark.parametrize("step, said", [
    (Touch("spiral", 0, 1), "'spiral', permitted: sweep"), (Touch("sweep", -1, 1), "first -1"),
    (Touch("sweep", 0, 1, theta=9), "theta 9"), (Touch("sweep", 0, 1, touches=-1), "touches -1"),
    (Repeat(0, 0), "times 0, permitted 1.."), (Sleep(-1, 0), "min_ns -1"),
    (Barrier(0, -1), "count -1"), (Barrier(0, 1, wait=2), "wait 2, permitted: True or False"),
    (Protect(0, 1, "w"), "'w', permitted: none, r, rw"),
    ("touch", "step 'touch', permitted: those of numab.program"),
])
def test_steps_that_make_no_sense(step, said):
    with pytest.raises(InvalidArgument, match=said):
        step_rows([step])
