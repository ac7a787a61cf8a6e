"""A policy of one's own in Python, beside the built-in ones, on a recorded trace.

ThreeInARow is the two-stage filter with a third stage: the page's tag holds the node that asked
last and how often it has done so in a row.  It moves a page later, and so moves fewer in vain.
"""

from pathlib import Path

import numab
from numab.engine import ReplayJob, replay

TRACE = Path(__file__).resolve().parents[2] / "tests" / "data" / "tiny.npz"


class ThreeInARow(numab.Policy):
    name = "three_in_a_row"
    stages = 3

    def filter(self, fault):
        nid, times = divmod(fault.tag or 0, 4)
        times = times + 1 if times and nid == fault.cpu_nid else 1
        tag = fault.cpu_nid * 4 + min(times, self.stages)
        if fault.page_nid == fault.cpu_nid:
            return numab.Verdict(numab.STAY, tag, "hold_local")
        if times < self.stages:
            return numab.Verdict(numab.STAY, tag)  # hold_user_filter
        return numab.Verdict(fault.cpu_nid, tag)


print(f"{'policy':>14}  first loop  last loop   total  hints  moves")
for policy in ("off", "moron", "home_node", ThreeInARow()):
    result = replay(ReplayJob(
        str(TRACE), "2s", policy, start="worst", loops=300, hz=1000,
        tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20},
    ))
    shares = (result.remote_share_first, result.remote_share_last, result.remote_share)
    print(f"{result.policy:>14}", *(f"{100 * x:8.2f} %" for x in shares),
          f"{result.vmstat['numa_hint_faults']:5}", f"{result.vmstat['numa_pages_migrated']:6}")
