"""The C core behind the reference model's interface, call for call.

The only file here that touches cffi.  Names and numbers of rows come from the core by look-up, so
that an insertion into one of its lists cannot shift a comparison unnoticed.
"""

from numa_core import ffi, lib

from oracle import OracleError, names


def rows(count, name):
    """{name: index} of one of the core's lists."""
    return {ffi.string(name(index)).decode(): index for index in range(count)}


def tunable_rows():
    """{name: (index, default, min, max, kind)}."""
    out, info = {}, ffi.new("struct numab_tunable_info *")
    for index in range(lib.numab_nr_tunables()):
        check(lib.numab_tunable_info(index, info))
        out[ffi.string(info.name).decode()] = (
            index, info.dflt, info.min, info.max, ffi.string(info.kind).decode())
    return out


def check(code):
    """A negative code becomes the reference model's error."""
    if code < 0:
        raise OracleError(-code)
    return code


TASK_FIELDS = (
    "tid", "pid", "cpu", "nid", "home_nid", "numa_scan_seq", "mm_numa_scan_seq",
    "numa_scan_period_ms", "node_stamp_ns", "sum_exec_ns", "numa_fault_tot", "numa_faults_ever",
    "accesses_local", "accesses_remote", "mm_numa_next_scan", "mm_numa_scan_vpn",
    "mm_numa_fault_tot", "mm_pages", "mm_numa_next_reset", "mm_first_nid",
)
FAULT_KINDS = ffi.typeof("enum numab_fault_kind").elements
FAULT_KINDS = {kind: name.removeprefix("NUMAB_FAULT_") for kind, name in FAULT_KINDS.items()}
NODE_FIELDS = ("nid", "pages", "free", "leaked", "watermark_min", "watermark_low",
               "watermark_high", "nr_cpus")
#: The allocator's statistics, which numab_check() and tests/core/test_pages.py look after.
UNMODELLED = ("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local",
              "numa_other")


class CoreUnderTest:
    """See OracleMachine: same arguments, same results, same errors."""

    def __init__(self, nodes, cpu_nid, distance, hz=250, policy="home_node", tunables=None):
        self.tunables = tunable_rows()
        self.counter_rows = {
            name: index
            for name, index in rows(lib.numab_nr_counters(), lib.numab_counter_name).items()
            if ffi.string(lib.numab_counter_kind(index)) != b"ABSENT" and name not in UNMODELLED}
        self.reason_rows = rows(lib.numab_nr_reasons(), lib.numab_reason_name)
        self.reason_names = {index: name for name, index in self.reason_rows.items()}
        self.placed = []
        self.place = ffi.callback("int(void *, struct numab_machine *, int)", self.note_place)
        self.m = ffi.gc(self.create(nodes, cpu_nid, distance, hz), lib.numab_destroy)
        self.nr_node_ids = lib.numab_nr_node_ids(self.m)
        self.use_policy(policy)
        for name, value in (tunables or {}).items():
            self.set(name, value)
        self.page_out = ffi.new("struct numab_page *")
        self.task_out = ffi.new("struct numab_task_info *")

    def note_place(self, _ud, _machine, tid):
        self.placed.append(tid)
        return 0

    def create(self, nodes, cpu_nid, distance, hz):
        specs = ffi.new("struct numab_node[]", len(nodes))
        for spec, (nid, pages, *marks) in zip(specs, nodes):
            spec.nid, spec.pages = nid, pages
            spec.watermark_min, spec.watermark_low, spec.watermark_high = marks or (0, 0, 0)
        cpus = ffi.new("int32_t[]", list(cpu_nid))
        table = ffi.new("uint8_t[]", [step for row in distance for step in row])
        config = ffi.new("struct numab_config *", {
            "size": ffi.sizeof("struct numab_config"), "hz": hz, "nr_nodes": len(nodes),
            "nr_cpus": len(cpu_nid), "nodes": specs, "cpu_nid": cpus, "distance": table,
            "place": self.place})
        out = ffi.new("struct numab_machine **")
        check(lib.numab_create(config, out, ffi.NULL, 0))
        return out[0]

    # ---- settings ----

    def set(self, name, value):
        check(lib.numab_set(self.m, self.tunables[name][0], value))

    def unset(self, name):
        check(lib.numab_unset(self.m, self.tunables[name][0]))

    def use_policy(self, name):
        check(lib.numab_use_policy(self.m, name.encode()))

    # ---- processes and tasks ----

    def process(self, cpu):
        return check(lib.numab_process(self.m, cpu))

    def fork(self, tid, cpu):
        return check(lib.numab_fork(self.m, tid, cpu))

    def clone(self, tid, cpu):
        return check(lib.numab_clone(self.m, tid, cpu))

    def exec(self, tid):
        check(lib.numab_exec(self.m, tid))

    def exit(self, tid):
        check(lib.numab_exit(self.m, tid))

    def task_set_cpu(self, tid, cpu):
        check(lib.numab_task_set_cpu(self.m, tid, cpu))

    def task_set_home(self, tid, nid):
        check(lib.numab_task_set_home(self.m, tid, nid))

    # ---- memory ----

    def object(self, kind, nr_pages):
        return check(lib.numab_object(self.m, kind, nr_pages))

    def object_drop(self, number):
        check(lib.numab_object_drop(self.m, number))

    def mmap(self, pid, vaddr, size_bytes, kind, prot, flags=0, object=0, pgoff=0):
        check(lib.numab_mmap(self.m, pid, ffi.new("struct numab_vma *", {
            "vaddr": vaddr, "size_bytes": size_bytes, "kind": kind, "prot": prot,
            "flags": flags, "object": object, "pgoff": pgoff})))

    def munmap(self, pid, vaddr, size_bytes):
        check(lib.numab_munmap(self.m, pid, vaddr, size_bytes))

    def mprotect(self, pid, vaddr, size_bytes, prot):
        check(lib.numab_mprotect(self.m, pid, vaddr, size_bytes, prot))

    def mremap(self, pid, vaddr, size_bytes, new_vaddr):
        check(lib.numab_mremap(self.m, pid, vaddr, size_bytes, new_vaddr))

    def change_prot_numa(self, pid, vaddr, size_bytes):
        return check(lib.numab_change_prot_numa(self.m, pid, vaddr, size_bytes))

    def populate(self, pid, vpns, nids, present):
        check(lib.numab_populate(self.m, pid, ffi.new("uint64_t[]", vpns),
                                 ffi.new("int32_t[]", nids), len(vpns), present))

    @staticmethod
    def mpol(mode, flags, nid, mask):
        """The descriptor, and the words it points to."""
        words = [0] * 16
        for member in mask:
            words[member // 64] |= 1 << member % 64
        array = ffi.new("uint64_t[]", words)
        return ffi.new("struct numab_mpol *", {
            "mode": mode, "flags": flags, "nid": nid, "nr_mask_words": len(words), "home_nid": -1,
            "mask": array}), array

    def set_task_policy(self, tid, mode, flags=0, nid=-1, mask=()):
        policy, _words = self.mpol(mode, flags, nid, mask)
        check(lib.numab_set_task_policy(self.m, tid, policy))

    def set_vma_policy(self, pid, vaddr, size_bytes, mode, flags=0, nid=-1, mask=()):
        policy, _words = self.mpol(mode, flags, nid, mask)
        check(lib.numab_set_vma_policy(self.m, pid, vaddr, size_bytes, policy))

    def page_set_flags(self, pid, vpn, flags, on):
        check(lib.numab_page_set_flags(self.m, pid, vpn, flags, on))

    def split_huge_page(self, pid, vpn):
        check(lib.numab_split_huge_page(self.m, pid, vpn))

    def migrate_pages(self, pid, vpns, nid, mode, reason):
        return check(lib.numab_migrate_pages(self.m, pid, ffi.new("uint64_t[]", vpns), len(vpns),
                                             nid, mode, reason))

    def mbind(self, tid, vaddr, size_bytes, rule, nodes, flags):
        policy, _words = self.mpol(*rule) if rule else (ffi.NULL, None)
        given = ffi.new("uint64_t[]", [sum(1 << nid for nid in set(nodes))])
        out = ffi.new("struct numab_mbind_result *")
        check(lib.numab_mbind(self.m, tid, vaddr, size_bytes, policy, given, 1, flags, out))
        return out.queued, out.moved, out.failed, out.unmovable, out.marked

    def move_pages(self, tid, pid, vpns, nids, flags):
        vaddrs = ffi.new("uint64_t[]", [vpn * names.PAGE_BYTES + vpn % 9 for vpn in vpns])
        status = ffi.new("int32_t[]", [names.NOT_WRITTEN] * len(vpns))
        left = lib.numab_move_pages(
            self.m, tid, pid, len(vpns), vaddrs,
            ffi.NULL if nids is None else ffi.new("int32_t[]", nids), status, flags)
        if -left in (names.ESRCH, names.EINVAL):
            check(left)
        return left, list(status)

    def migrate_to_node(self, tid, pid, source, to, flags):
        return check(lib.numab_migrate_to_node(self.m, tid, pid, source, to, flags))

    # ---- touching memory and passing time ----

    def access(self, tid, vaddr, write):
        out = ffi.new("struct numab_outcome *")
        check(lib.numab_access(self.m, tid, vaddr, write, out))
        return out.nid, self.reason_names[out.reason], out.faults, out.hints

    def access_rows(self, tid, rows):
        batch, out = ffi.new("struct numab_row[]", len(rows)), ffi.new("struct numab_batch *")
        for row, (vpn, further, reads, writes) in zip(batch, rows):
            row.page, row.reads, row.writes = vpn | further << 48, reads, writes
        code = lib.numab_access_rows(self.m, tid, batch, len(rows), out)
        if -code not in (0, names.EFAULT, names.EOOM):
            check(code)
        return out.consumed, out.faults, out.hints, -code

    def probe(self, tid, vaddr, write):
        out = ffi.new("struct numab_probe *")
        check(lib.numab_probe(self.m, tid, vaddr, write, out))
        return (FAULT_KINDS[out.kind], self.reason_names[out.reason], out.nid, out.to_nid,
                out.tag, out.new_tag)

    def gup(self, tid, vaddr, write, fast):
        return check(lib.numab_gup(self.m, tid, vaddr, write, fast))

    def set_now(self, now_ns):
        check(lib.numab_set_now(self.m, now_ns))

    def account(self, tid, ran_ns):
        check(lib.numab_account(self.m, tid, ran_ns))

    def tick(self, tid):
        return check(lib.numab_tick(self.m, tid))

    def task_work(self, tid):
        return check(lib.numab_task_work(self.m, tid))

    # ---- observation ----

    @property
    def counters(self):
        values = lib.numab_counters(self.m)
        return {name: values[index] for name, index in self.counter_rows.items()}

    @property
    def reasons(self):
        values = lib.numab_reasons(self.m)
        return {name: values[index] for name, index in self.reason_rows.items()}

    def page(self, pid, vpn):
        page = self.page_out
        check(lib.numab_page(self.m, pid, vpn, page))
        return page.nid, page.tag, page.mapcount, page.flags

    def page_nids(self, pid, vpn, nr_pages):
        out = ffi.new("int16_t[]", nr_pages)
        check(lib.numab_page_nids(self.m, pid, vpn, nr_pages, out))
        return list(out)

    def task_info(self, tid):
        check(lib.numab_task_info(self.m, tid, self.task_out))
        return {field: getattr(self.task_out, field) for field in TASK_FIELDS}

    def task_faults(self, tid):
        return ffi.unpack(lib.numab_task_faults(self.m, tid), self.nr_node_ids)

    def mm_faults(self, pid):
        return ffi.unpack(lib.numab_mm_faults(self.m, pid), self.nr_node_ids)

    def mm_node_pages(self, pid):
        out = ffi.new("uint64_t[]", self.nr_node_ids)
        check(lib.numab_mm_node_pages(self.m, pid, out))
        return list(out)

    def node_info(self, nid):
        info = ffi.new("struct numab_node_info *")
        check(lib.numab_node_info(self.m, nid, info))
        return {field: getattr(info, field) for field in NODE_FIELDS}

    def access_matrix(self):
        nr = self.nr_node_ids
        values = ffi.unpack(lib.numab_access_matrix(self.m), nr * nr * 2)
        cells = {(i // nr, i % nr): values[2 * i:2 * i + 2] for i in range(nr * nr)}
        return {key: cell for key, cell in cells.items() if any(cell)}

    def check(self):
        """The core's own walk over all its invariants."""
        if lib.numab_check(self.m) != 0:
            raise AssertionError(ffi.string(lib.numab_errmsg(self.m)).decode())
