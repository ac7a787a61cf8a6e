"""A per-fault filter in Python at native speed: compiled by numba, handed over as an address.

The function is migrate-on-reference, the built-in moron policy, written again, so that the counters
must be the same.  Needs numba (pip install numba); numab itself does not.
"""

from pathlib import Path

import numba
import numpy as np
from numba import types

import numa_core
import numab
from numab.engine import ReplayJob, replay

TRACE = Path(__file__).resolve().parents[2] / "tests" / "data" / "tiny.npz"

# struct numab_fault and struct numab_verdict of numab.h
FAULT = np.dtype([("now_ns", "u8"), ("vpn", "u8"), ("tid", "i4"), ("pid", "i4"), ("cpu", "i4"),
                  ("cpu_nid", "i4"), ("page_nid", "i4"), ("home_nid", "i4"), ("policy_nid", "i4"),
                  ("tag", "u4"), ("flags", "u4"), ("reserved", "u4")])
VERDICT = np.dtype([("target_nid", "i4"), ("reason", "i4"), ("tag", "u4"), ("reserved", "u4")])
HOLD_LOCAL = [name for name, _ in numa_core.reason_rows()].index("hold_local")


@numba.cfunc(types.void(types.voidptr, types.CPointer(numba.from_dtype(FAULT)),
                        types.CPointer(numba.from_dtype(VERDICT))))
def on_reference(ud, faults, verdicts):
    fault, verdict = numba.carray(faults, 1)[0], numba.carray(verdicts, 1)[0]
    verdict.tag = fault.tag
    if fault.page_nid == fault.cpu_nid:
        verdict.target_nid = -1
        verdict.reason = HOLD_LOCAL
    else:
        verdict.target_nid = fault.cpu_nid


class OnReference(numab.Policy):
    name = "on_reference"
    native_filter = on_reference.address


def run(policy):
    return replay(ReplayJob(
        str(TRACE), "2s", policy, start="worst", loops=300, hz=1000,
        tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20},
    ))


own, built_in = run(OnReference()), run("moron")
print(own.reasons)
print("the same as the built-in policy:",
      (own.vmstat, own.reasons, own.model) == (built_in.vmstat, built_in.reasons, built_in.model))
