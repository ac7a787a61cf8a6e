"""The sides of a comparison: the core, the limit loop in C, and what numba gives in an afternoon.

Every side replays the same trace and must give the same answers; :func:`digest` makes one number
of them.  The limit loops and the core's host program are built with the system's C compiler into a
temporary directory when first used.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np

import numa_core
from numa_core import ROW, Handle, lib
from numa_core import ffi as core_ffi

HERE = Path(__file__).resolve().parent
NR_NODES = 4
NR_TASKS = 64
#: Records that must be readable behind the last one: the limit loops prefetch without a test.
SLACK = 512
NODE_PAGES = 1 << 26
WATERMARKS = (1000, 1250, 1500)
#: struct calls of roofline/host.c, in its order.
CALLS = ("set_now", "account", "tick", "task_work", "access_rows", "access", "page", "now_ns",
         "mprotect", "change_prot_numa")
SOURCES = ("limit.c", "trace.c", "five.c", "host.c")
U64 = ctypes.c_uint64
PTR = ctypes.c_void_p


@functools.cache
def clib() -> Any:
    """The limit loops, the trace maker and the host program, built now."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        raise RuntimeError("a C compiler is needed to build bench/roofline")
    room = tempfile.mkdtemp(prefix="numab-bench-")
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    out = Path(room) / "sides.so"
    sources = [str(HERE / "roofline" / name) for name in SOURCES]
    flags = ["-O3", "-march=native", "-shared", "-fPIC", f"-I{numa_core.get_include()}"]
    if platform.machine() == "x86_64":
        flags.append("-mprefer-vector-width=512")
    subprocess.run([cc, *flags, "-o", str(out), *sources, "-lm"], check=True)
    c = ctypes.CDLL(str(out))
    c.limit_new.restype = PTR
    for name in ("limit_marks", "limit_words", "limit_storm", "host_pages", "five_job"):
        getattr(c, name).restype = U64
    c.host_marks.restype = ctypes.c_int64
    c.host_calls.restype = c.host_rows.restype = c.host_job.restype = ctypes.c_int
    return c


def address(array: np.ndarray) -> Any:
    return PTR(array.ctypes.data)


def hash_nids(nr_pages: int, first: int = 0) -> np.ndarray:
    """Node where each page from ``first`` on starts out: first_nid() of roofline/limit.h."""
    pages = np.arange(first, first + nr_pages, dtype=np.uint64)
    nids = pages * np.uint64(2654435761) >> np.uint64(7) & np.uint64(NR_NODES - 1)
    return nids.astype(np.int32)


class Trace:
    """``nr_windows`` windows of ``runs_per_window`` runs of ``run_rows`` touches by one task each.

    theta 0 is uniform, else the zipf exponent.  One touch in four is a write.
    """

    def __init__(
        self, nr_pages: int, theta: float, nr_windows: int, runs_per_window: int, run_rows: int
    ) -> None:
        self.nr_pages, self.run_rows = nr_pages, run_rows
        self.nr_windows, self.runs_per_window = nr_windows, runs_per_window
        self.nr_runs = nr_windows * runs_per_window
        self.touches = self.nr_runs * run_rows
        self.window_pages = nr_pages // 64
        self.rows = np.zeros(self.touches + SLACK, dtype=ROW)
        self.runs = np.zeros(self.nr_runs, dtype=np.uint8)
        self.c_rows, self.c_runs = address(self.rows), address(self.runs)
        code = clib().trace_make(
            self.c_rows, U64(self.touches), U64(nr_pages), ctypes.c_double(theta), self.c_runs,
            U64(self.nr_runs), U64(4711),
        )
        if code:
            raise MemoryError("no memory for the trace")


def digest(words: Any) -> str:
    """One short name for a list of 64-bit answers."""
    return hashlib.sha256(np.asarray(words, dtype="<u8").tobytes()).hexdigest()[:16]


class LimitSide:
    """The limit loop: see roofline/limit.c."""

    name = "limit"

    def __init__(self, nr_pages: int, node_pages: int = NODE_PAGES) -> None:
        self.c, self.nr_pages, self.node_pages = clib(), nr_pages, node_pages
        self.state = PTR(self.c.limit_new(U64(nr_pages)))
        if not self.state.value:
            raise MemoryError("no memory for the limit loop's table")
        self.reset()

    def __del__(self) -> None:
        if getattr(self, "state", None):
            self.c.limit_free(self.state)

    @property
    def pte(self) -> Any:
        return PTR(ctypes.cast(self.state, ctypes.POINTER(U64))[0])

    def reset(self) -> None:
        self.c.limit_reset(self.state, U64(self.node_pages), U64(WATERMARKS[2]))

    def job(self, t: Trace) -> None:
        self.c.limit_job(
            self.state, t.c_rows, U64(t.run_rows), t.c_runs, U64(t.nr_windows),
            U64(t.runs_per_window), U64(t.window_pages),
        )

    def words(self) -> list[int]:
        out = np.zeros(1024, dtype=np.uint64)
        n = self.c.limit_words(self.state, address(out))
        return [int(x) for x in out[:n]]


def home_node_without_placement() -> Any:
    """The built-in policy but for task_numa_placement, once per task and pass: the limit loop's
    scans all come when they are due, and its tasks have no home."""
    policy = core_ffi.new("struct numab_policy *")
    names = [name for name, _ in numa_core.policy_rows()]
    policy[0] = lib.numab_policy(names.index("home_node"))[0]
    policy.flags &= ~lib.NUMAB_POLICY_PLACE
    return policy


class CoreSide:
    """A machine of 4 nodes, 64 CPUs, one process, one task a CPU; pages placed by first_nid()."""

    name = "numab"

    def __init__(
        self, nr_pages: int, populate: bool = True, node_pages: int = NODE_PAGES
    ) -> None:
        self.c, self.nr_pages, self.placed = clib(), nr_pages, populate
        self.node_pages = node_pages
        self.calls = (PTR * len(CALLS))(
            *(int(core_ffi.cast("uintptr_t", core_ffi.addressof(lib, f"numab_{name}")))
              for name in CALLS)
        )
        self.indices = {row["name"]: i for i, row in enumerate(numa_core.tunable_rows())}
        self.tunables = {
            "pmd_mark": 0, "last_nid_transfer": 1, "zero_page": 0, "next_scan_factor": 0,
            "scan_size_mb": max(1, nr_pages // 64 // 256),
        }
        self.reset()

    def reset(self) -> None:
        self.h = None
        nodes = [(nid, self.node_pages, *WATERMARKS) for nid in range(NR_NODES)]
        distance = np.full((NR_NODES, NR_NODES), 20, np.uint8)
        np.fill_diagonal(distance, 10)
        self.h = h = Handle(nodes, [i % NR_NODES for i in range(NR_TASKS)], distance)
        self.m = PTR(int(core_ffi.cast("uintptr_t", h.m)))
        for name, value in self.tunables.items():
            h.check(lib.numab_set(h.m, self.indices[name], value))
        h.check(lib.numab_use_own_policy(h.m, home_node_without_placement()))
        self.pid = h.check(lib.numab_process(h.m, 0))
        for cpu in range(1, NR_TASKS):
            h.check(lib.numab_clone(h.m, self.pid, cpu))
        vma = core_ffi.new("struct numab_vma *")
        vma.size_bytes, vma.prot = self.nr_pages * 4096, 3
        h.check(lib.numab_mmap(h.m, self.pid, vma))
        if self.placed:
            self.populate()

    def populate(self) -> None:
        h, step = self.h, 1 << 20
        for at in range(0, self.nr_pages, step):
            nids = hash_nids(min(step, self.nr_pages - at), at)
            vpns = np.arange(at, at + len(nids), dtype=np.uint64)
            h.check(lib.numab_populate(
                h.m, self.pid, core_ffi.from_buffer("uint64_t[]", vpns),
                core_ffi.from_buffer("int32_t[]", nids), len(nids), 1,
            ))

    def check(self, code: int) -> None:
        self.h.check(code)

    def job(self, t: Trace) -> None:
        marked = U64()
        code = self.c.host_job(
            self.calls, self.m, t.c_rows, U64(t.run_rows), t.c_runs, U64(t.nr_windows),
            U64(t.runs_per_window), ctypes.byref(marked),
        )
        if code:
            detail = numa_core.text(lib.numab_errmsg(self.h.m))
            raise RuntimeError(f"the job ended with {code}: {detail}")
        if marked.value != self.counters()["numa_pte_updates"]:
            raise RuntimeError("the windows and numa_pte_updates disagree")

    def counters(self) -> dict[str, int]:
        values = lib.numab_counters(self.h.m)
        return {row[0]: values[i] for i, row in enumerate(numa_core.counter_rows())}

    def words(self) -> list[int]:
        m, n = self.h.m, self.counters()
        reasons = {row[0]: lib.numab_reasons(m)[i]
                   for i, row in enumerate(numa_core.reason_rows())}
        out = [n["numa_pte_updates"], n["numa_hint_faults"], n["numa_hint_faults_local"],
               n["numa_pages_migrated"], n["scan_passes"], reasons["hold_two_stage_filter"],
               reasons["hold_local"], reasons["hold_target_low_memory"], reasons["go_migrated"]]
        out += list(lib.numab_access_matrix(m)[0 : NR_NODES * NR_NODES * 2])
        node = core_ffi.new("struct numab_node_info *")
        info = core_ffi.new("struct numab_task_info *")
        for nid in range(NR_NODES):
            self.check(lib.numab_node_info(m, nid, node))
            out.append(node.free)
        pages = core_ffi.new("uint64_t[]", NR_NODES)
        self.check(lib.numab_mm_node_pages(m, self.pid, pages))
        out += list(pages)
        self.check(lib.numab_task_info(m, self.pid, info))
        out += [info.mm_numa_fault_tot, *lib.numab_mm_faults(m, self.pid)[0:NR_NODES]]
        for tid in range(1, NR_TASKS + 1):
            self.check(lib.numab_task_info(m, tid, info))
            out += [info.numa_fault_tot, info.numa_faults_ever,
                    *lib.numab_task_faults(m, tid)[0:NR_NODES]]
        out.append(self.pages_word())
        return out

    def pages_word(self) -> int:
        return self.c.host_pages(self.calls, self.m, self.pid, U64(self.nr_pages))

    def isa(self) -> str:
        return numa_core.text(lib.numab_scan_isa(self.h.m))


def timed(call: Callable[[], Any]) -> float:
    """CPU seconds of this thread: others may use the machine meanwhile."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


class Rounds:
    """Sides that take turns: seconds of every round, digest of every side.

    The core's own rounds are what pytest-benchmark records; its opponents run right before each, so
    that a ratio compares neighbours in time.
    """

    def __init__(self, work: str, units: int) -> None:
        self.work, self.units = work, units
        self.seconds: dict[str, list[float]] = {}
        self.digests: dict[str, str] = {}

    def run(self, name: str, call: Callable[[], Any]) -> None:
        self.seconds.setdefault(name, []).append(timed(call))

    def rate(self, name: str) -> float:
        """Millions of units a second, median."""
        return self.units / statistics.median(self.seconds[name]) / 1e6

    def spread(self, name: str) -> str:
        s = self.seconds[name]
        return f"{self.units / max(s) / 1e6:.1f}..{self.units / min(s) / 1e6:.1f}"

    def ratio(self, over: str, under: str = "numab") -> float:
        """Median of the rounds' own ratios, as speeds: how much of ``over`` ``under`` reaches."""
        pairs = zip(self.seconds[over], self.seconds[under])
        return statistics.median(a / b for a, b in pairs)

    def publish(self, benchmark: Any, **more: Any) -> None:
        """Figures and checksum into the report, and one line a side onto the terminal."""
        info: dict[str, Any] = {"work": self.work, "units": self.units, **more}
        for name in self.seconds:
            info[f"{name} M/s"] = round(self.rate(name), 1)
            if name != "numab":
                info[f"ratio to {name}"] = round(self.ratio(name), 3)
            print(f"\n  {name:>8} {self.rate(name):9.1f} M {self.work}/s ({self.spread(name)})"
                  f"  {self.digests.get(name, '')}", end="")
        ratios = {n: f"{self.ratio(n):.3f}" for n in self.seconds if n != "numab"}
        print(f"\n  numab reaches {ratios} of them", end="")
        info["checksums"] = self.digests
        benchmark.extra_info.update(info)


def measure(benchmark: Any, rounds: int, turn: Callable[[], None], call: Callable[[], Any]) -> None:
    """Let pytest-benchmark time ``call``; ``turn`` runs before each round, untimed by it."""
    benchmark.pedantic(call, setup=turn, rounds=rounds, iterations=1)
