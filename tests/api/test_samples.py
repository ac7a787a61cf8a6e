"""numab.samples: a run cut into parts when it is over."""

from __future__ import annotations

import pytest

from numab.samples import PARTS, Samples


def sampled():
    """A sample every 10 ns to 400 ns; 100 accesses each; all remote in the first half.  The passes
    end at 100 and 300 ns."""
    samples = Samples()
    for i in range(1, 41):
        remote = 100 * min(i, 20)
        samples.add(10 * i, (remote, 100 * i), (i >= 10) + (i >= 30))
    return samples


def test_parts_are_equal_in_time():
    parts = sampled().parts()
    assert len(parts) == PARTS
    assert [end for _, end in parts] == [20 * i for i in range(1, 21)]
    assert [accesses for accesses, _ in parts] == [(200, 200)] * 10 + [(0, 200)] * 10


def test_shares_by_pass():
    """0..100 ns: all remote; ..300: half and half; and the one under way: all local."""
    shares, ends = sampled().passes()
    assert shares == [0.0, pytest.approx(0.5), 1.0] and ends == [100, 300, 400]


def test_a_run_of_one_sample_loses_nothing():
    samples = Samples()
    samples.add(7, (1, 4), 0)
    assert sum(every for (_, every), _ in samples.parts()) == 4 and samples.parts()[-1][1] == 7
    assert samples.passes() == ([0.75], [7])
