"""OracleMachine: the calls of the contract, ints in and ints out, and what can be observed."""

from . import fault, migrate, names, node, probe, process, queue, scan, vma
from .names import (
    EINVAL, ENOENT, ESRCH, NO_NODE, PAGE_BYTES, SLOT_PAGES, TAG_UNSET, VPN_END,
    OracleError,
)
from .huge import split_huge_page
from .state import Policy, SharedObject, Vma

OBJECT_KIND = {
    names.ANON_SHARED: names.SHM, names.SHM: names.SHM,
    names.FILE_SHARED: names.FILE_SHARED, names.FILE_PRIVATE: names.FILE_SHARED,
}


def require(condition, code=EINVAL):
    """The caller's mistake."""
    if not condition:
        raise OracleError(code)


def page_range(vaddr, size_bytes):
    """[start, end) in pages of an aligned, non-empty byte range."""
    require(vaddr % PAGE_BYTES == 0 and size_bytes % PAGE_BYTES == 0 and size_bytes > 0)
    start, end = vaddr // PAGE_BYTES, (vaddr + size_bytes) // PAGE_BYTES
    require(end <= VPN_END)
    return start, end


def entry_flags(entry, slot):
    """PG_* bits of an entry; a huge page's mark is its pmd's."""
    return (names.PG_PRESENT
            | (names.PG_MARKED if entry.numa else 0)
            | (names.PG_PMD_MARKED if slot.pmd_numa else 0)
            | (names.PG_HUGE if slot.huge else 0)
            | (names.PG_WRITABLE if entry.rw else 0)
            | (names.PG_ACCESSED if entry.accessed else 0)
            | (names.PG_DIRTY if entry.dirty else 0)
            | (names.PG_ZERO if entry.special else 0))


def page_flags(page):
    """PG_* bits of a page frame."""
    return ((names.PG_EXCLUSIVE if page.exclusive else 0)
            | (names.PG_NO_LRU if page.no_lru else 0)
            | (names.PG_PINNED if page.pinned else 0)
            | (names.PG_WRITEBACK if page.writeback else 0))


class OracleMachine:
    """A whole machine.

    nodes: (nid, pages) or (nid, pages, min, low, high) in ascending order of nid.
    cpu_nid: the node of each CPU, -1 where there is no such CPU.
    distance: rows and columns in the order of nodes.
    """

    def __init__(self, nodes, cpu_nid, distance, hz=250, policy="home_node", tunables=None):
        self.nodes = node.make_nodes(nodes)
        self.cpu_nid = list(cpu_nid)
        nids = [spec[0] for spec in nodes]
        self.distance = {(a, b): distance[i][j]
                         for i, a in enumerate(nids) for j, b in enumerate(nids)}
        self.hz = hz
        self.now_ns = 0
        self.user_set, self.placed = {}, []
        self.counters = dict.fromkeys(names.COUNTERS, 0)
        self.reasons = dict.fromkeys(names.REASONS, 0)
        self.accesses = {}
        self.processes, self.tasks, self.objects = {}, {}, {}
        self.last_id = self.last_object = 0
        self.use_policy(policy)
        for name, value in (tunables or {}).items():
            self.set(name, value)

    # ---- settings ----

    def set(self, name, value):
        require(name in names.TUNABLES)
        _, smallest, largest = names.TUNABLES[name]
        require(smallest <= value <= largest)
        self.user_set[name] = value
        self.settle()

    def unset(self, name):
        require(name in names.TUNABLES)
        self.user_set.pop(name, None)
        self.settle()

    def use_policy(self, name):
        require(name in names.POLICIES)
        self.policy, self.policy_flags = name, names.POLICIES[name]
        self.settle()

    def settle(self):
        """The user's value, else the policy's preset, else the default."""
        defaults = {name: row[0] for name, row in names.TUNABLES.items()}
        self.tunables = defaults | names.PRESETS.get(self.policy, {}) | self.user_set

    # ---- look-ups ----

    def new_id(self):
        self.last_id += 1
        return self.last_id

    def task(self, tid):
        require(tid in self.tasks, ESRCH)
        return self.tasks[tid]

    def mm(self, pid):
        require(pid in self.processes, ESRCH)
        return self.processes[pid].mm

    def check_cpu(self, cpu):
        require(0 <= cpu < len(self.cpu_nid) and self.cpu_nid[cpu] != NO_NODE)

    # ---- processes and tasks ----

    def process(self, cpu):
        self.check_cpu(cpu)
        return process.new_process(self, cpu).tid

    def fork(self, tid, cpu):
        task = self.task(tid)
        self.check_cpu(cpu)
        return process.fork(self, task, cpu).tid

    def clone(self, tid, cpu):
        task = self.task(tid)
        self.check_cpu(cpu)
        return process.clone(self, task, cpu).tid

    def exec(self, tid):
        process.exec_mm(self, self.task(tid))

    def exit(self, tid):
        process.do_exit(self, self.task(tid))

    def task_set_cpu(self, tid, cpu):
        task = self.task(tid)
        self.check_cpu(cpu)
        task.cpu = cpu

    def task_set_home(self, tid, nid):
        task = self.task(tid)
        require(nid == NO_NODE or nid in self.nodes)
        task.home = nid

    # ---- memory ----

    def object(self, kind, nr_pages):
        require(kind in (names.SHM, names.FILE_SHARED) and nr_pages > 0)
        self.last_object += 1
        self.objects[self.last_object] = SharedObject(self.last_object, kind, nr_pages)
        return self.last_object

    def object_drop(self, number):
        require(number in self.objects, ENOENT)
        owner = self.objects.pop(number)
        owner.dropped = True
        vma.free_object_if_unused(self, owner)

    def mmap(self, pid, vaddr, size_bytes, kind, prot, flags=0, object=0, pgoff=0):
        mm = self.mm(pid)
        start, end = page_range(vaddr, size_bytes)
        require(names.ANON_PRIVATE <= kind <= names.FILE_PRIVATE and 0 <= prot <= 7)
        require(0 <= flags <= 7)
        owner = self.objects.get(object)
        if kind == names.ANON_PRIVATE:
            require(object == 0)
        else:
            require(owner is not None and owner.kind == OBJECT_KIND[kind])
            require(pgoff + end - start <= owner.nr_pages)
        vma.mmap_region(mm, Vma(start, end, kind, prot, flags, owner, pgoff))

    def munmap(self, pid, vaddr, size_bytes):
        mm = self.mm(pid)
        vma.do_munmap(self, mm, *page_range(vaddr, size_bytes))

    def mprotect(self, pid, vaddr, size_bytes, prot):
        mm = self.mm(pid)
        start, end = page_range(vaddr, size_bytes)
        require(0 <= prot <= 7)
        vma.do_mprotect(self, mm, start, end, prot)

    def mremap(self, pid, vaddr, size_bytes, new_vaddr):
        mm = self.mm(pid)
        start, end = page_range(vaddr, size_bytes)
        new_start, _ = page_range(new_vaddr, size_bytes)
        vma.do_mremap(self, mm, start, end, new_start)

    def change_prot_numa(self, pid, vaddr, size_bytes):
        """mbind(MPOL_MF_LAZY)'s marking: holes are passed over, hugetlb VMAs too (3.3)."""
        mm = self.mm(pid)
        start, end = page_range(vaddr, size_bytes)
        before = self.counters["numa_pte_updates"]
        for part in mm.vmas_in(start, end):
            if not part.flags & names.VMA_HUGETLB:
                scan.change_prot_numa(self, mm, max(start, part.start), min(end, part.end))
        return self.counters["numa_pte_updates"] - before

    def populate(self, pid, vpns, nids, present):
        mm = self.mm(pid)
        require(all(nid in self.nodes for nid in nids))
        vma.populate(self, mm, vpns, nids, present)

    def make_policy(self, mode, flags, nid, mask):
        """None for MPOL_NONE; the set of nodes must be nodes of the machine.  A node alone means
        something to MPOL_PREFERRED only."""
        require(names.MPOL_NONE <= mode <= names.MPOL_INTERLEAVE)
        require(flags in (0, names.MPOL_F_MOF))
        require(mode != names.MPOL_PREFERRED or nid in self.nodes)
        require(all(member in self.nodes for member in mask))
        nid = nid if mode == names.MPOL_PREFERRED else NO_NODE
        return Policy(mode, flags, nid, frozenset(mask)) if mode != names.MPOL_NONE else None

    def set_task_policy(self, tid, mode, flags=0, nid=NO_NODE, mask=()):
        task = self.task(tid)
        task.policy, task.il_prev = self.make_policy(mode, flags, nid, mask), NO_NODE

    def set_vma_policy(self, pid, vaddr, size_bytes, mode, flags=0, nid=NO_NODE, mask=()):
        mm = self.mm(pid)
        start, end = page_range(vaddr, size_bytes)
        policy = self.make_policy(mode, flags, nid, mask)
        vma.set_vma_policy(self, mm, start, end, policy)

    def page_set_flags(self, pid, vpn, flags, on):
        """A huge page's flags are its head's.  A lost reference pins whatever the host says."""
        mm = self.mm(pid)
        require(flags and not flags & ~names.PG_SETTABLE)
        entry, slot = mm.entry(vpn), mm.slot(vpn)
        require(entry is not None and entry.page is not None, ENOENT)
        page = slot.head.page if slot.huge else entry.page
        if flags & names.PG_NO_LRU:
            page.no_lru = bool(on)
        if flags & names.PG_PINNED:
            page.pinned = bool(on) or page.leaked
        if flags & names.PG_WRITEBACK:
            page.writeback = bool(on)

    def split_huge_page(self, pid, vpn):
        slot = self.mm(pid).slot(vpn)
        require(slot is not None and slot.huge, ENOENT)
        split_huge_page(self, slot)

    def migrate_pages(self, pid, vpns, nid, mode, reason):
        """Failures and pages left; ENOMEM is raised when the target ran out (some moved)."""
        mm = self.mm(pid)
        require(all(a < b for a, b in zip(vpns, vpns[1:])) and nid in self.nodes)
        require(names.MIGRATE_ASYNC <= mode <= names.MIGRATE_SYNC)
        require(0 <= reason < names.NR_MIGRATE_REASONS)
        vma.split_range_huge(self, mm, vpns)
        return migrate.syscall_migrate_pages(self, self.processes[pid], vpns, nid, mode)

    def check_moves(self, flags, permitted):
        eras = names.MF_V6 | names.MF_V612
        require(not flags & ~(permitted | eras) and flags & eras != eras)

    def mbind(self, tid, vaddr, size_bytes, rule, nodes, flags):
        """(queued, moved, failed, unmovable, marked).  @rule None: MPOL_NOOP, else (mode, flags,
        preferred node, mask)."""
        task = self.task(tid)
        moves = names.MF_MOVE | names.MF_MOVE_ALL
        self.check_moves(flags, names.MF_STRICT | moves | names.MF_LAZY)
        start, end = page_range(vaddr, size_bytes)
        policy = self.make_policy(*rule) if rule else None
        return queue.do_mbind(self, task, start, end, rule is None, policy, nodes, flags)

    def move_pages(self, tid, pid, vpns, nids, flags):
        """(pages not moved or -code, statuses); a failed call has moved some, too."""
        task = self.task(tid)
        self.mm(pid)
        self.check_moves(flags, names.MF_MOVE | names.MF_MOVE_ALL)
        if nids is None:
            return 0, queue.pages_stat(self, self.processes[pid], task, vpns, flags)
        status = [names.NOT_WRITTEN] * len(vpns)
        try:
            left = queue.do_move_pages(self, task, self.processes[pid], vpns, nids, status, flags)
        except OracleError as error:
            left = -error.code
        return left, status

    def migrate_to_node(self, tid, pid, source, to, flags):
        """Pages left over; ENOMEM is raised when the target ran out (some moved)."""
        task = self.task(tid)
        self.mm(pid)
        moves = names.MF_MOVE | names.MF_MOVE_ALL
        self.check_moves(flags, moves | names.MF_FALL_BACK)
        require(flags & moves)
        require(source in self.nodes and to in self.nodes, names.ENODEV)
        return queue.migrate_to_node(self, task, self.processes[pid], source, to, flags)

    # ---- touching memory and passing time ----

    def access(self, tid, vaddr, write):
        """(node, reason, faults, hints)."""
        out = fault.access(self, self.task(tid), vaddr, bool(write))
        return out.nid, out.reason, out.faults, out.hints

    def access_rows(self, tid, rows):
        """(rows done, faults, hints, error code or 0)."""
        return fault.access_rows(self, self.task(tid), rows)

    def probe(self, tid, vaddr, write):
        """(kind, reason, node now, node after, tag now, tag after)."""
        self.task(tid)
        return probe.probe(self, tid, vaddr, bool(write))

    def gup(self, tid, vaddr, write, fast):
        task = self.task(tid)
        vpn = vaddr // PAGE_BYTES
        if fast:
            return fault.gup_fast(task.mm, vpn, write)
        return fault.gup_slow(self, task, vpn, write)

    def set_now(self, now_ns):
        require(now_ns >= self.now_ns)
        self.now_ns = now_ns

    def account(self, tid, ran_ns):
        self.task(tid).sum_exec += ran_ns

    def tick(self, tid):
        return scan.task_tick_numa(self, self.task(tid))

    def task_work(self, tid):
        return scan.task_numa_work(self, self.task(tid))

    # ---- observation ----

    def page(self, pid, vpn):
        """(node, tag, mapcount, PG_* flags); nothing mapped: (-1, unset, 0, 0)."""
        mm = self.mm(pid)
        entry = mm.entry(vpn)
        if entry is None:
            return NO_NODE, TAG_UNSET, 0, 0
        flags = entry_flags(entry, mm.slot(vpn))
        page = entry.page
        if page is None:
            return NO_NODE, TAG_UNSET, 0, flags
        return page.nid, page.tag, page.mapcount, flags | page_flags(page)

    def page_nids(self, pid, vpn, nr_pages):
        """Node of each page of a range, -1 where there is none."""
        mm = self.mm(pid)
        nids = [NO_NODE] * nr_pages
        for number in mm.vpns_in(vpn, vpn + nr_pages):
            page = mm.entry(number).page
            nids[number - vpn] = page.nid if page else NO_NODE
        return nids

    def task_info(self, tid):
        """The fields of struct numab_task_info that the model keeps."""
        task = self.task(tid)
        mm = task.mm
        return {
            "tid": tid, "pid": task.process.pid, "cpu": task.cpu,
            "nid": self.cpu_nid[task.cpu], "home_nid": task.home,
            "numa_scan_seq": task.scan_seq, "mm_numa_scan_seq": mm.scan_seq,
            "numa_scan_period_ms": task.scan_period, "node_stamp_ns": task.node_stamp,
            "sum_exec_ns": task.sum_exec, "numa_fault_tot": task.fault_tot,
            "numa_faults_ever": task.faults_ever, "accesses_local": task.accesses_local,
            "accesses_remote": task.accesses_remote, "mm_numa_next_scan": mm.next_scan,
            "mm_numa_scan_vpn": mm.offset // PAGE_BYTES, "mm_numa_fault_tot": mm.fault_tot,
            "mm_pages": sum(self.mm_node_pages(task.process.pid)),
            "mm_numa_next_reset": mm.next_reset, "mm_first_nid": mm.first_nid,
        }

    def by_node(self, counts):
        """A list indexed by node id, up to the highest."""
        return [counts.get(nid, 0) for nid in range(max(self.nodes) + 1)]

    def task_faults(self, tid):
        return self.by_node(self.task(tid).faults)

    def mm_faults(self, pid):
        return self.by_node(self.mm(pid).faults)

    def mm_node_pages(self, pid):
        """Pages mapped by a process on each node; each mapping counts."""
        counts = {}
        for slot in self.mm(pid).slots.values():
            for entry in slot.entries.values():
                if entry.page:
                    counts[entry.page.nid] = counts.get(entry.page.nid, 0) + 1
        return self.by_node(counts)

    def node_info(self, nid):
        require(nid in self.nodes)
        n = self.nodes[nid]
        return {"nid": nid, "pages": n.pages, "free": n.free, "leaked": n.leaked,
                "watermark_min": n.min, "watermark_low": n.low, "watermark_high": n.high,
                "nr_cpus": self.cpu_nid.count(nid)}

    def access_matrix(self):
        """{(node of the CPU, node of the page): [reads, writes]}, without zeros."""
        return {key: list(count) for key, count in self.accesses.items()}

    def check(self):
        """The invariants of the model itself."""
        used = dict.fromkeys(self.nodes, 0)
        for page in self.all_pages():
            used[page.nid] += 1
        for nid, n in self.nodes.items():
            assert n.free + n.leaked + used[nid] == n.pages, f"node {nid}"
        for proc in self.processes.values():
            for slot in proc.mm.slots.values():
                assert not slot.huge or len(slot.entries) == SLOT_PAGES
                assert all(e.present != e.numa for e in slot.entries.values())

    def all_pages(self):
        """Every page frame in use, once; mapcounts are verified on the way."""
        mappings = {page: 0 for owner in self.live_objects() for page in owner.pages.values()}
        for proc in self.processes.values():
            for slot in proc.mm.slots.values():
                for entry in slot.entries.values():
                    if entry.page:
                        mappings[entry.page] = mappings.get(entry.page, 0) + 1
        assert all(page.mapcount == count for page, count in mappings.items())
        return mappings

    def live_objects(self):
        """Objects that a call can name, and dropped ones that a VMA still maps."""
        mapped = {v.owner for proc in self.processes.values() for v in proc.mm.vmas if v.owner}
        return mapped | set(self.objects.values())
