"""A per-fault filter in C, at native speed: compiled here, handed over as a function's address.

Any C function of type numab_filter_fn (numab.h, section 2) will do.  This one is the built-in
home_node policy for tasks without a home, written again, so that the counters must be the same.
Needs a C compiler named cc.
"""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numa_core
import numab
from numab.engine import ReplayJob, replay

TRACE = Path(__file__).resolve().parents[2] / "tests" / "data" / "tiny.npz"
SOURCE = """
#include "numab.h"

void second_touch(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
    uint32_t want = (uint32_t)f->cpu_nid;

    (void)ud;
    v->tag = want;
    v->target_nid = NUMAB_NO_NODE;
    if (f->tag != want)
        v->reason = NUMAB_HOLD_TWO_STAGE_FILTER;
    else if (f->page_nid == f->cpu_nid)
        v->reason = NUMAB_HOLD_LOCAL;
    else
        v->target_nid = f->cpu_nid;
}
"""


def compiled(folder):
    """The library with the function; it must stay loaded as long as a machine uses it."""
    source, library = Path(folder) / "filter.c", Path(folder) / "filter.so"
    source.write_text(SOURCE)
    subprocess.run(["cc", *numa_core.cflags(), "-shared", "-fPIC", str(source), "-o", str(library)],
                   check=True)
    return ctypes.CDLL(str(library))


def run(policy):
    return replay(ReplayJob(
        str(TRACE), "2s", policy, start="worst", loops=300, hz=1000,
        tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20},
    ))


class SecondTouch(numab.Policy):
    name = "second_touch"


with tempfile.TemporaryDirectory() as folder:
    library = compiled(folder)
    SecondTouch.native_filter = ctypes.cast(library.second_touch, ctypes.c_void_p).value
    own, built_in = run(SecondTouch()), run("home_node")

print(own.reasons)
print("the same as the built-in policy:",
      (own.vmstat, own.reasons, own.model) == (built_in.vmstat, built_in.reasons, built_in.model))
