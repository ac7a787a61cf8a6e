"""Random calls with random arguments, under sanitizers: nothing crashes, hangs, lies or leaks.

See ``fuzz_api.c``.  Seeds are fixed; a failure names seed and step, and repeats.
"""

import pytest


@pytest.mark.parametrize("seed", range(1, 9))
def test_random_calls(sanitized, run, seed):
    assert run(sanitized("fuzz_api.c"), seed, 15_000) == ""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_more_random_calls(sanitized, run, seed):
    assert run(sanitized("fuzz_api.c"), seed, 60_000) == ""
