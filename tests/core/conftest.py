"""Every test of this folder ends with a walk over all invariants of its machines."""

import pytest

from .world import MACHINES


@pytest.fixture(autouse=True)
def invariants_hold():
    MACHINES.clear()
    yield
    for m in MACHINES:
        m.check()
    MACHINES.clear()
