"""Is the C core the same model as the reference in tests/oracle?

Method: random programs over a small machine, the same calls to both, everything observable
compared after every step (machine_steps.py has the steps, pair.py the comparison).  A failure
prints the shortest program that shows it; its config and calls can be pasted into a regression
test and given to walk.replay().

By default the same programs run every time, within a minute.  `pytest -m long tests/properties`
runs new ones: 60,000 steps of the state machine, 180,000 of random walks, which compare after
every third.
"""

import random

import pytest
from core_under_test import CoreUnderTest, tunable_rows
from hypothesis import HealthCheck, Phase, settings
from pair import Pair
from walk import state_machine, walk

from oracle import names

MB = 1 << 20
PAGE = names.PAGE_BYTES
STEPS = 60
WALKS_AT_ONCE = 15
REPEATABLE = settings(
    max_examples=60, stateful_step_count=40, derandomize=True, database=None, deadline=None,
    report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate])  # walk.explain() shortens in seconds what would take minutes

TestStateMachine = state_machine(CoreUnderTest).TestCase
TestStateMachine.settings = REPEATABLE


@pytest.mark.long
class TestLongStateMachine(state_machine(CoreUnderTest).TestCase):
    settings = settings(REPEATABLE, max_examples=1000, stateful_step_count=STEPS,
                        derandomize=False)


def walks(first_seed):
    for seed in range(first_seed, first_seed + WALKS_AT_ONCE):
        walk(CoreUnderTest, seed, STEPS)


@pytest.mark.parametrize("batch", range(3))
def test_random_walks(batch):
    """Expect: no difference after any step."""
    walks(batch * WALKS_AT_ONCE)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(200))
def test_new_random_walks(batch):
    walks(random.SystemRandom().randrange(1 << 48))


def test_both_start_from_the_same_tunables():
    """Defaults and ranges of every tunable that changes what happens; prices are the core's."""
    core = {name: row[1:4] for name, row in tunable_rows().items() if row[4] != "PRICE"}
    assert core == names.TUNABLES


def test_migration_rate_limit_holds_pages_and_scans():
    """
    128 MB in 100 ms is 64 huge pages; 66 of them move one after the other, all at one instant.
    Expect: 65 move (the last one overshoots), the 66th holds, the scan after it is refused, and
    both are served again when their time has passed.  Random programs do not get this far.
    """
    pair = Pair()
    nodes = [(0, 40000, 8, 16, 24), (1, 40000, 8, 16, 24), (4, 0), (7, 100, 8, 16, 24)]
    pair.start(CoreUnderTest, (nodes, [0, 1], [[10] * 4] * 4, 250, "moron", {
        "thp": 1, "thp_native_migration": 1, "rate_limit": 1, "next_scan_factor": 0}))
    pid = pair.both("process", 0)
    huge = range(0, 66 * 2 * MB, 2 * MB)
    pair.both("mmap", pid, 0, len(huge) * 2 * MB, names.ANON_PRIVATE, 3)
    for vaddr in huge:
        pair.both("access", pid, vaddr, 1)
    pair.both("task_set_cpu", pid, 1)
    pair.both("change_prot_numa", pid, 0, len(huge) * 2 * MB)
    verdicts = [pair.both("access", pid, vaddr, 0)[1] for vaddr in huge]
    assert verdicts == ["GO_MIGRATED"] * 65 + ["HOLD_RATE_LIMIT"]
    for now_ms, refused in ((0, 1), (1000, 2), (1001, 2)):
        pair.both("set_now", now_ms * 1_000_000)
        pair.both("account", pid, 40_000_000_000)
        assert pair.both("tick", pid) == 1
        pair.both("task_work", pid)
        assert pair.oracle.counters["scan_rate_limited"] == refused
    assert pair.both("access", pid, huge[-1], 0)[1] == "GO_MIGRATED"
    pair.compare()
