"""A small machine over the bare C calls, and everything that can be seen of it.

Used by the tests that compare two runs of the core bit by bit.  Nodes 0, 1 and 4 (ids may be
sparse), two CPUs on each of the first two, one on the third.
"""

import numpy as np

from numa_core import ROW, Handle, ffi, lib, text

PAGE = 4096
SLOT = 512
BASE_VPN = 0x10000
NIDS = (0, 1, 4)
CPU_NID = [0, 1, 4, 0, 1]
DISTANCE = np.array([[10, 20, 30], [20, 10, 20], [30, 20, 10]], dtype=np.uint8)

TUNABLES = {text(row.name): i for i in range(lib.numab_nr_tunables())
            for row in [ffi.new("struct numab_tunable_info *")]
            if not lib.numab_tunable_info(i, row)}
COUNTERS = [text(lib.numab_counter_name(i)) for i in range(lib.numab_nr_counters())]
VMSTAT = [i for i in range(lib.numab_nr_counters())
          if text(lib.numab_counter_kind(i)) == "VMSTAT"]
REASONS = [text(lib.numab_reason_name(i)) for i in range(lib.numab_nr_reasons())]


def row_array(rows):
    """(page offset, further pages, reads, writes) as the core's rows."""
    out = np.zeros(len(rows), dtype=ROW)
    for i, (page, further, reads, writes) in enumerate(rows):
        out[i] = ((BASE_VPN + page) | further << 48, reads, writes)
    return out


class Host(Handle):
    """A Handle with the calls that the tests make, checked."""

    def __init__(self, pages=6000, policy="home_node", hz=1000, tunables=None, **more):
        nodes = [(nid, pages, 0, 0, 0) for nid in NIDS]
        super().__init__(nodes, CPU_NID, DISTANCE, hz=hz, **more)
        self.check(lib.numab_use_policy(self.m, policy.encode()))
        self.set(scan_delay_ms=8, scan_period_min_ms=8)
        self.set(**(tunables or {}))
        self.processes = []
        self.tasks = []
        self.last_vpn = BASE_VPN

    def set(self, **tunables):
        for name, value in tunables.items():
            self.check(lib.numab_set(self.m, TUNABLES[name], value))

    def counter(self, name):
        return lib.numab_counters(self.m)[COUNTERS.index(name)]

    def reason(self, name):
        return lib.numab_reasons(self.m)[REASONS.index(name)]

    def process(self, cpu):
        pid = self.check(lib.numab_process(self.m, cpu))
        self.processes.append(pid)
        self.tasks.append(pid)
        return pid

    def clone(self, tid, cpu):
        self.tasks.append(self.check(lib.numab_clone(self.m, tid, cpu)))
        return self.tasks[-1]

    def mmap(self, pid, page, pages):
        vma = ffi.new("struct numab_vma *", {
            "vaddr": (BASE_VPN + page) * PAGE, "size_bytes": pages * PAGE,
            "prot": lib.NUMAB_PROT_READ | lib.NUMAB_PROT_WRITE})
        self.check(lib.numab_mmap(self.m, pid, vma))
        self.last_vpn = max(self.last_vpn, BASE_VPN + page + pages)

    def feed(self, tid, rows, repeat=1):
        self.keep(("rows", tid), rows)
        c_rows = ffi.from_buffer("struct numab_row[]", rows)
        self.check(lib.numab_feed_rows(self.m, tid, c_rows, len(rows), repeat))

    def access(self, tid, page, write):
        self.check(lib.numab_access(self.m, tid, (BASE_VPN + page) * PAGE, write, ffi.NULL))

    def node_pages(self, pid):
        """Node of every page of the process that may be mapped, -1: none."""
        n = self.last_vpn - BASE_VPN
        out = np.empty(n, dtype=np.int16)
        self.check(lib.numab_page_nids(self.m, pid, BASE_VPN, n,
                                       ffi.from_buffer("int16_t[]", out)))
        return out.tolist()

    def pages(self, pid):
        page = ffi.new("struct numab_page *")
        out = []
        for vpn in range(BASE_VPN, self.last_vpn):
            lib.numab_page(self.m, pid, vpn, page)
            out.append((page.nid, page.tag, page.mapcount, page.flags))
        return out

    def task(self, tid):
        info = ffi.new("struct numab_task_info *")
        self.check(lib.numab_task_info(self.m, tid, info))
        return {name: getattr(info, name) for name, _ in ffi.typeof(info[0]).fields}

    def everything(self):
        """All that can be seen from outside, as comparable values."""
        ids = lib.numab_nr_node_ids(self.m)
        info = ffi.new("struct numab_node_info *")
        nodes = []
        for nid in NIDS:
            self.check(lib.numab_node_info(self.m, nid, info))
            nodes.append((info.pages, info.free, info.leaked))
        self.check(lib.numab_check(self.m))
        return {
            "now": lib.numab_now_ns(self.m),
            "counters": dict(zip(COUNTERS, list(lib.numab_counters(self.m)[0:len(COUNTERS)]))),
            "reasons": dict(zip(REASONS, list(lib.numab_reasons(self.m)[0:len(REASONS)]))),
            "matrix": list(lib.numab_access_matrix(self.m)[0:2 * ids * ids]),
            "nodes": nodes,
            "tasks": [self.task(tid) for tid in self.tasks],
            "faults": [list(lib.numab_task_faults(self.m, tid)[0:ids]) for tid in self.tasks],
            "mm faults": [list(lib.numab_mm_faults(self.m, p)[0:ids]) for p in self.processes],
            "pages": [self.pages(pid) for pid in self.processes],
        }
