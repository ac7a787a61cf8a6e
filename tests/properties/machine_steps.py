"""The steps of the comparison: what can be done to two models of one small machine.

Every step does the same to the reference model and to a subject that mirrors its interface (see
pair.py for what is compared).
"""

from choices import Among, Number, Several, step
from pair import FIRST_VPN, LAST_VPN, Pair
from small_machine import CPU_NID, CPUS, DISTANCE, NIDS, NO_SUCH_CPU, SETTINGS, SIZES

from oracle import names

PAGE = names.PAGE_BYTES
MS = 1_000_000
MAX_TASKS, MAX_VMAS = 7, 9

ANY = Number(0, 2 ** 16)
BIT = Among(0, 1)
CPU = Among(*CPUS, NO_SUCH_CPU)
NID = Among(*NIDS)
KIND = Among(names.ANON_PRIVATE, names.ANON_PRIVATE, names.ANON_PRIVATE, names.ANON_PRIVATE,
             names.ANON_SHARED, names.SHM, names.FILE_SHARED, names.FILE_PRIVATE)
PROT = Among(3, 3, 3, 1, 0, 7)
VMA_FLAGS = Among(0, 0, 0, 0, 0, 0, names.VMA_IO, names.VMA_PFNMAP, names.VMA_HUGETLB)
START = Among(0, 3, 500, 508, 512, 520, 700, 1000, 1020, 1024, 1536, 2048, 2500)
LENGTH = Among(1, 3, 8, 20, 40, 40, 512, 600, 1200)
MODE = Number(names.MPOL_NONE, names.MPOL_INTERLEAVE)
MOF = Among(0, names.MPOL_F_MOF)
ERA = Among(0, 0, names.MF_V6, names.MF_V612)
MF_MBIND = Among(*range(16))
STUCK = Among(0, 0, 0, names.PG_NO_LRU, names.PG_PINNED, names.PG_WRITEBACK)
PAGE_FLAG = Among(names.PG_NO_LRU, names.PG_PINNED, names.PG_WRITEBACK)


def pick(items, number):
    """The item that @number stands for; shrinks to the first."""
    return items[number % len(items)]


class Steps(Pair):
    """The steps.  Arguments are numbers; what they stand for depends on what there is."""

    subject_class = None

    BOOT = {
        "size": Among(*SIZES), "hz": Among(250, 100, 1000), "posted": BIT, "pmd_mark": BIT,
        "policy": Among("home_node", "home_node", "v3_8", "v3_8", "moron", "off"), "thp": BIT,
        "native": BIT,
        "transfer": BIT, "settings": Several(Among(*SETTINGS), 0, 5), "pages": Number(1, 60),
        "big": Among(0x10400, 0x103FD, 0x10420), "big_pages": Among(1084, 1084, 512),
        "small": Among(0x10900, 0x10100), "file_kind": Among(*KIND.items[-2:])}

    def boot(self, size, hz, posted, pmd_mark, policy, thp, native, transfer, settings, pages,
             big, big_pages, small, file_kind):
        """A process of two threads on different nodes, with memory that straddles slot borders.

        0x101f0 |-- anon, 40 pages --| .. 0x10400 |-- anon, 2 slots and 60 pages --|
        before or behind both: |-- shm --|-- the same, anon --|-- file --|, 40 pages each
        """
        tunables = dict(names.AS_POSTED if posted else {}, pmd_mark=pmd_mark, thp=thp,
                        thp_native_migration=native, last_nid_transfer=transfer, scan_size_mb=2)
        self.start(self.subject_class, (SIZES[size], CPU_NID, DISTANCE, hz, policy, tunables))
        for setting in settings:
            self.both("set", *setting)
        pid = self.both("process", CPUS[0])
        other = self.both("clone", pid, CPUS[2])
        shm = self.both("object", names.SHM, 40)
        file = self.both("object", names.FILE_SHARED, 40)
        self.both("mmap", pid, 0x101F0 * PAGE, 40 * PAGE, names.ANON_PRIVATE, 3)
        self.both("mmap", pid, big * PAGE, big_pages * PAGE, names.ANON_PRIVATE, 3)
        self.both("mmap", pid, small * PAGE, 40 * PAGE, names.SHM, 3, 0, shm)
        self.both("mmap", pid, (small + 40) * PAGE, 40 * PAGE, names.ANON_SHARED, 3, 0, shm)
        self.both("mmap", pid, (small + 80) * PAGE, 40 * PAGE, file_kind, 3, 0, file)
        for page in range(pages):
            self.both("access", pid if page % 4 else other, (0x101F0 + page % 40) * PAGE, 1)
            self.both("access", pid, (big + page) * PAGE, 1)

    # ---- what the steps choose from ----

    def tid(self, number):
        return pick(sorted(self.oracle.tasks), number)

    def task_vma(self, number):
        """A task and a VMA of its process: (tid, pid, vma)."""
        pairs = [(tid, task.process.pid, vma) for tid, task in sorted(self.oracle.tasks.items())
                 for vma in task.mm.vmas]
        return pick(pairs, number)

    def task_page(self, number, page, mapped=False):
        """(tid, pid, vpn); @mapped: a page that is there, if there is one."""
        tid, pid, vma = self.task_vma(number)
        there = self.oracle.processes[pid].mm.vpns_in(vma.start, vma.end) if mapped else []
        return tid, pid, pick(there or range(vma.start, vma.end), page)

    def free_vpn(self, pid, number, pages):
        """The start of a hole of @pages; mapped memory when there is none."""
        mm = self.oracle.processes[pid].mm
        holes = [vpn for vpn in range(FIRST_VPN, LAST_VPN - pages, 37)
                 if not mm.vmas_in(vpn, vpn + pages)]
        return pick(holes or [FIRST_VPN], number)

    def some_range(self, number, first, length):
        """(pid, vaddr, bytes): begins in a VMA, may run past its end."""
        _, pid, vma = self.task_vma(number)
        pages = vma.end - vma.start
        start = vma.start + first % pages
        return pid, start * PAGE, (1 + length % (pages + 8)) * PAGE

    def have_task(self):
        return bool(self.oracle.tasks)

    def have_vma(self):
        return any(task.mm.vmas for task in self.oracle.tasks.values())

    def have_object(self):
        return bool(self.oracle.objects)

    def room_for_process(self):
        return len(self.oracle.tasks) < MAX_TASKS

    def room_for_task(self):
        return self.have_task() and self.room_for_process()

    def room_for_task_and_vma(self):
        return self.have_vma() and self.room_for_process()

    # ---- processes and tasks ----

    @step(0.5, when=room_for_process, cpu=CPU)
    def process(self, cpu):
        self.both("process", cpu)

    @step(1, when=room_for_task, who=ANY, cpu=CPU)
    def fork(self, who, cpu):
        self.both("fork", self.tid(who), cpu)

    @step(1, when=room_for_task, who=ANY, cpu=CPU)
    def clone(self, who, cpu):
        self.both("clone", self.tid(who), cpu)

    @step(0.3, when=have_task, who=ANY)
    def exec(self, who):
        self.both("exec", self.tid(who))

    @step(0.4, when=have_task, who=ANY)
    def exit(self, who):
        self.both("exit", self.tid(who))

    @step(1, when=have_task, who=ANY, cpu=CPU)
    def set_cpu(self, who, cpu):
        self.both("task_set_cpu", self.tid(who), cpu)

    @step(1, when=have_task, who=ANY, nid=Among(-1, 3, *NIDS))
    def set_home(self, who, nid):
        self.both("task_set_home", self.tid(who), nid)

    @step(0.2, tid=Number(1, 40))
    def stale_ids_are_refused(self, tid):
        if tid not in self.oracle.tasks:
            for operation in ("tick", "task_work", "exit", "exec", "task_info"):
                self.both(operation, tid)

    # ---- address spaces ----

    @step(0.5, kind=Among(names.SHM, names.FILE_SHARED), pages=LENGTH)
    def new_object(self, kind, pages):
        self.both("object", kind, pages)

    @step(0.3, when=have_object, which=ANY)
    def drop_object(self, which):
        self.both("object_drop", pick(sorted(self.oracle.objects), which))

    @step(2, when=have_task, who=ANY, start=START, pages=LENGTH, kind=KIND, prot=PROT,
          flags=VMA_FLAGS, which=ANY, pgoff=Number(0, 5))
    def mmap(self, who, start, pages, kind, prot, flags, which, pgoff):
        process = self.oracle.tasks[self.tid(who)].process
        number = 0
        if len(process.mm.vmas) >= MAX_VMAS:
            return
        if kind != names.ANON_PRIVATE:
            wanted = names.SHM if kind in (names.SHM, names.ANON_SHARED) else names.FILE_SHARED
            fitting = sorted(n for n, o in self.oracle.objects.items()
                             if o.kind == wanted or which % 8 == 0)
            if not fitting:
                return
            number = pick(fitting, which)
            pages = min(pages, self.oracle.objects[number].nr_pages)
        self.both("mmap", process.pid, (FIRST_VPN + start) * PAGE, pages * PAGE, kind, prot,
                  flags, number, pgoff)

    @step(1, when=have_vma, which=ANY, first=ANY, length=ANY)
    def munmap(self, which, first, length):
        self.both("munmap", *self.some_range(which, first, length))

    @step(2, when=have_vma, which=ANY, first=ANY, length=ANY, prot=PROT)
    def mprotect(self, which, first, length, prot):
        self.both("mprotect", *self.some_range(which, first, length), prot)

    @step(1, when=have_vma, which=ANY, back=Among(3, 3, 1))
    def mprotect_none_and_back(self, which, back):
        _, pid, vma = self.task_vma(which)
        vaddr, size = vma.start * PAGE, (vma.end - vma.start) * PAGE
        self.both("mprotect", pid, vaddr, size, names.PROT_NONE)
        self.both("mprotect", pid, vaddr, size, back)

    @step(2, when=have_vma, which=ANY, first=ANY, length=ANY, to=ANY, free=Among(1, 1, 0))
    def mremap(self, which, first, length, to, free):
        pid, vaddr, size = self.some_range(which, first, length)
        new_vpn = self.free_vpn(pid, to, size // PAGE) if free else FIRST_VPN + to % 2600
        self.both("mremap", pid, vaddr, size, new_vpn * PAGE)

    @step(2, when=have_vma, which=ANY, first=ANY, pages=Number(1, 60), nids=Several(NID, 1, 4),
          present=BIT)
    def populate(self, which, first, pages, nids, present):
        _, pid, start = self.task_page(which, first)
        wanted = [pick(nids, page) for page in range(pages)]
        self.both("populate", pid, list(range(start, start + pages)), wanted, present)

    @step(2, when=have_vma, which=ANY, nid=NID, left=Number(-1, 3), mark=Among(
        "min", "low", "high"), huge=BIT)
    def crowd(self, which, nid, left, mark, huge):
        """Fill a node up to one of its watermarks, or to that and a huge page; then touch there."""
        tid, pid, vma = self.task_vma(which)
        node = self.oracle.nodes[nid]
        count = node.free - getattr(node, mark) - left - 511 * huge
        mm = self.oracle.processes[pid].mm
        vpns = [vpn for vpn in range(vma.start, vma.end) if not mm.entry(vpn)][:max(count, 0)]
        if vpns:
            self.both("populate", pid, vpns, [nid] * len(vpns), 1)
        if not huge:
            self.storm(tid, pid, vma, 0, 5, 1)
        self.both("set_task_policy", tid, names.MPOL_PREFERRED, 0, nid)
        self.both("access", tid, (vma.end - 300 % (vma.end - vma.start)) * PAGE, 1)
        self.both("set_task_policy", tid, names.MPOL_NONE)

    @step(2, when=have_task, who=ANY, slot=Number(0, 4), page=ANY, home=NID, rounds=Number(0, 3),
          ending=Among("split_huge_page", "mprotect", "munmap", "fork", "none"), part=BIT)
    def huge_page(self, who, slot, page, home, rounds, ending, part):
        """Map a huge page, give it hints that want one node, then do something to it."""
        tid = self.tid(who)
        pid, start = self.oracle.tasks[tid].process.pid, FIRST_VPN + slot * 512
        self.both("set", "thp", 1)
        self.both("access", tid, start * PAGE, 1)
        self.both("task_set_home", tid, home)
        for _ in range(rounds):
            self.both("change_prot_numa", pid, start * PAGE, 512 * PAGE)
            self.both("access", tid, (start + page % 512) * PAGE, page % 2)
        vaddr, size = (start + part * 200) * PAGE, (512 - part * 200) * PAGE
        if ending == "split_huge_page":
            self.both(ending, pid, start + page % 512)
        elif ending == "mprotect":
            self.both(ending, pid, vaddr, size, page % 4)
        elif ending == "munmap":
            self.both(ending, pid, vaddr, size)
        elif ending == "fork" and self.room_for_task():
            self.both(ending, tid, CPUS[0])

    @step(2, when=have_vma, which=ANY, first=ANY, nids=Several(NID, 1, 4), to=ANY, cpu=CPU,
          how=Among("mremap", "fork", "munmap"))
    def placements(self, which, first, nids, to, cpu, how):
        """Note where first touches shall go, move or copy or drop that, then touch."""
        tid, pid, start = self.task_page(which, first)
        self.both("populate", pid, list(range(start, start + 8)), (nids * 8)[:8], 0)
        if how == "mremap":
            new_start = self.free_vpn(pid, to, 8)
            self.both(how, pid, start * PAGE, 8 * PAGE, new_start * PAGE)
            start = new_start
        elif how == "munmap":
            self.both(how, pid, start * PAGE, 8 * PAGE)
            self.both("mmap", pid, start * PAGE, 8 * PAGE, names.ANON_PRIVATE, 3)
        elif self.room_for_task():
            tid = self.both(how, tid, cpu) or tid
        for page in range(6):
            self.both("access", tid, (start + page) * PAGE, page % 2)

    @step(1, when=have_vma, which=ANY, first=ANY, length=ANY, mode=MODE, flags=MOF, nid=NID,
          mask=Several(NID, 0, 4))
    def set_vma_policy(self, which, first, length, mode, flags, nid, mask):
        self.both("set_vma_policy", *self.some_range(which, first, length), mode, flags, nid, mask)

    @step(1, when=have_task, who=ANY, mode=MODE, flags=MOF, nid=NID, mask=Several(NID, 0, 4))
    def set_task_policy(self, who, mode, flags, nid, mask):
        self.both("set_task_policy", self.tid(who), mode, flags, nid, mask)

    @step(1, when=have_vma, which=ANY, page=ANY, flags=PAGE_FLAG, on=Among(1, 1, 0))
    def page_set_flags(self, which, page, flags, on):
        _, pid, vpn = self.task_page(which, page, page % 8)
        self.both("page_set_flags", pid, vpn, flags, on)

    @step(1, when=have_vma, which=ANY, page=ANY)
    def split_huge_page(self, which, page):
        _, pid, vpn = self.task_page(which, page)
        self.both("split_huge_page", pid, vpn)

    @step(3, when=have_vma, which=ANY, first=ANY, pages=Number(0, 130), stride=Number(1, 3),
          nid=NID, mode=Number(0, 2), reason=Number(0, 6), flags=Among(
              0, 0, names.PG_NO_LRU, names.PG_PINNED, names.PG_WRITEBACK))
    def migrate_pages(self, which, first, pages, stride, nid, mode, reason, flags):
        _, pid, start = self.task_page(which, first, True)
        if flags:
            self.both("page_set_flags", pid, start, flags, 1)
        vpns = list(range(start, start + pages * stride, stride))
        self.both("migrate_pages", pid, vpns, nid, mode, reason)

    def stick(self, which, page, flags):
        """A page that there is gets in the way."""
        _, pid, vpn = self.task_page(which, page, True)
        if flags:
            self.both("page_set_flags", pid, vpn, flags, 1)

    @step(4, when=have_vma, which=ANY, first=ANY, length=ANY, mode=MODE, rule=BIT, mof=MOF, nid=NID,
          mask=Several(NID, 0, 4), other=BIT, flags=MF_MBIND, era=ERA, stuck=STUCK)
    def mbind(self, which, first, length, mode, rule, mof, nid, mask, other, flags, era, stuck):
        """Often over the end of a VMA, and now and then with another mask than the policy's."""
        self.stick(which, first, stuck)
        tid, pid, vma = self.task_vma(which)
        _, vaddr, size = self.some_range(which, first if length % 4 else 0, length)
        nodes = [nid, 7] if other else mask
        self.both("mbind", tid, vaddr, size, (mode, mof, nid, mask) if rule else None, nodes,
                  flags | era)
        if flags & names.MF_LAZY:
            for page in range(first % 5):
                self.both("access", tid, vaddr + page % (size // PAGE) * PAGE, page % 2)

    @step(3, when=have_vma, who=ANY, which=ANY, first=ANY, pages=Number(0, 200),
          stride=Number(0, 3),
          nids=Several(Among(*NIDS, *NIDS, *NIDS, *NIDS, 3, -1), 0, 4), every=Among(1, 9, 60),
          flags=Among(0, names.MF_MOVE, names.MF_MOVE_ALL, 1), era=ERA, stuck=STUCK)
    def move_pages(self, who, which, first, pages, stride, nids, every, flags, era, stuck):
        """@every: entries in a row with one target."""
        self.stick(which, first, stuck)
        _, pid, start = self.task_page(which, first, first % 3)
        vpns = [start + page * stride for page in range(pages)]
        wanted = [nids[page // every % len(nids)] for page in range(pages)] if nids else None
        self.both("move_pages", self.tid(who), pid, vpns, wanted, flags | era)

    @step(1, when=have_vma, who=ANY, which=ANY, source=NID, to=Among(3, *NIDS, *NIDS), era=ERA,
          flags=Among(names.MF_MOVE, names.MF_MOVE_ALL, 0, 1), fall_back=BIT, stuck=STUCK)
    def migrate_to_node(self, who, which, source, to, era, flags, fall_back, stuck):
        self.stick(which, source, stuck)
        _, pid, _ = self.task_vma(which)
        self.both("migrate_to_node", self.tid(who), pid, source, to,
                  flags | era | fall_back * names.MF_FALL_BACK)

    # ---- touching ----

    @step(2, when=have_vma, which=ANY, page=ANY, write=BIT)
    def touch(self, which, page, write):
        tid, _, vpn = self.task_page(which, page)
        self.both("access", tid, vpn * PAGE + page % PAGE, write)

    @step(0.5, when=have_task, who=ANY, offset=ANY, write=BIT)
    def touch_anywhere(self, who, offset, write):
        vpn = FIRST_VPN + offset % (LAST_VPN - FIRST_VPN)
        self.both("access", self.tid(who), vpn * PAGE, write)

    @step(4, when=have_vma, which=ANY, first=ANY, pages=Number(1, 80), stride=Number(1, 5),
          write=BIT)
    def touch_many(self, which, first, pages, stride, write):
        tid, _, vma = self.task_vma(which)
        for page in range(pages):
            vpn = vma.start + (first + page * stride) % (vma.end - vma.start)
            self.both("access", tid, vpn * PAGE, write)

    @step(4, when=have_vma, which=ANY, seed=ANY, rows=Number(1, 40))
    def touch_rows(self, which, seed, rows):
        """The batched path: ranges, reads and writes mixed, now and then past a VMA's end."""
        tid, _, vma = self.task_vma(which)
        batch = []
        for row in range(rows):
            mixed = (seed + 1) * (row + 7) * 2654435761 >> 7
            vpn = vma.start + mixed % (vma.end - vma.start)
            further = mixed // 4096 % 9 if mixed // 65536 % 4 == 0 else 0
            batch.append((vpn, further, mixed // 8 % 3, mixed // 32 % 3))
        self.both("access_rows", tid, batch)

    @step(2, when=have_vma, which=ANY, page=ANY, write=BIT, mark=BIT)
    def probe(self, which, page, write, mark):
        """A question that changes nothing, and then what it was about."""
        tid, pid, vpn = self.task_page(which, page)
        if mark:
            self.both("change_prot_numa", pid, vpn * PAGE, PAGE)
        self.both("probe", tid, vpn * PAGE, write)
        self.compare()
        self.both("access", tid, vpn * PAGE, write)

    @step(2, when=have_vma, which=ANY, page=ANY, write=BIT, fast=BIT)
    def gup(self, which, page, write, fast):
        tid, _, vpn = self.task_page(which, page)
        self.both("gup", tid, vpn * PAGE, write, fast)

    @step(2, when=have_vma, which=ANY, first=ANY, length=ANY)
    def change_prot_numa(self, which, first, length):
        self.both("change_prot_numa", *self.some_range(which, first, length))

    def storm(self, tid, pid, vma, first, pages, write):
        """Mark a whole VMA and touch some of it."""
        size = vma.end - vma.start
        self.both("change_prot_numa", pid, vma.start * PAGE, size * PAGE)
        for page in range(pages):
            self.both("access", tid, (vma.start + (first + page) % size) * PAGE, write)

    @step(6, when=have_vma, which=ANY, first=ANY, pages=Number(1, 20), write=BIT,
          rounds=Number(1, 3), home=Among(None, -1, *NIDS))
    def hint_storm(self, which, first, pages, write, rounds, home):
        """Several rounds from one node, so that two faults in a row agree."""
        tid, pid, vma = self.task_vma(which)
        if home is not None:
            self.both("task_set_home", tid, home)
        for _ in range(rounds):
            self.storm(tid, pid, vma, first, pages, write)

    @step(3, when=have_vma, which=ANY, first=ANY, pages=Number(1, 12), write=BIT, cpu=CPU,
          flags=PAGE_FLAG)
    def blocked_storm(self, which, first, pages, write, cpu, flags):
        """Every other page cannot be migrated."""
        tid, pid, vma = self.task_vma(which)
        for page in range(0, pages, 2):
            vpn = vma.start + (first + page) % (vma.end - vma.start)
            self.both("page_set_flags", pid, vpn, flags, 1)
        self.both("task_set_cpu", tid, cpu)
        for _ in range(2):
            self.storm(tid, pid, vma, first, pages, write)

    @step(2, when=room_for_task_and_vma, which=ANY, first=ANY, pages=Number(1, 12), write=BIT,
          cpu=CPU, home=NID)
    def fork_under_hints(self, which, first, pages, write, cpu, home):
        """Pages that become shared while they are marked; parent and child touch them."""
        tid, pid, vma = self.task_vma(which)
        size = vma.end - vma.start
        self.both("task_set_home", tid, home)
        self.both("change_prot_numa", pid, vma.start * PAGE, size * PAGE)
        child = self.both("fork", tid, cpu)
        for toucher in (tid, child or tid):
            for page in range(pages):
                self.both("access", toucher, (vma.start + (first + page) % size) * PAGE, write)

    # ---- time, tunables, policy ----

    @step(4, when=have_task, who=ANY, ms=Among(0, 4, 500, 1100, 2100, 5000, 40000), work=BIT)
    def run_for(self, who, ms, work):
        """A task runs, its tick comes, and it may or may not get to user mode yet."""
        tid = self.tid(who)
        self.both("set_now", self.oracle.now_ns + ms * MS)
        self.both("account", tid, ms * MS)
        self.both("tick", tid)
        if work:
            self.both("task_work", tid)

    @step(3, when=have_task, who=ANY, times=Number(1, 8))
    def scan_windows(self, who, times):
        """Window after window, late enough for every gate."""
        tid = self.tid(who)
        for _ in range(times):
            self.both("set_now", self.oracle.now_ns + 70_000 * MS)
            self.both("account", tid, 33_000 * MS)
            self.both("tick", tid)
            self.both("task_work", tid)

    @step(3, when=have_vma, which=ANY, first=ANY, pages=Number(1, 12), rounds=Number(1, 6),
          cpus=Several(CPU, 1, 3), write=BIT)
    def passes(self, which, first, pages, rounds, cpus, write):
        """Whole passes of the scanner and hints after each, two rounds on a CPU: placement."""
        tid, _, vma = self.task_vma(which)
        self.both("set", "scan_size_mb", 256)
        for number in range(rounds):
            self.both("task_set_cpu", tid, cpus[number // 2 % len(cpus)])
            self.both("set_now", self.oracle.now_ns + 70_000 * MS)
            self.both("account", tid, 33_000 * MS)
            self.both("tick", tid)
            self.both("task_work", tid)
            for page in range(pages):
                vpn = vma.start + (first + page) % (vma.end - vma.start)
                self.both("access", tid, vpn * PAGE, write)

    @step(1, when=have_task, who=ANY)
    def task_work(self, who):
        self.both("task_work", self.tid(who))

    @step(0.2, back=Number(1, 5))
    def time_never_goes_back(self, back):
        if self.oracle.now_ns >= back:
            self.both("set_now", self.oracle.now_ns - back)

    @step(3, setting=Among(*SETTINGS))
    def set_tunable(self, setting):
        self.both("set", *setting)

    @step(2, name=Among(*names.PRESETS["v3_8"]))
    def unset_tunable(self, name):
        """The policy's preset is in force again, or the default."""
        self.both("unset", name)

    @step(0.7, name=Among(*sorted(names.POLICIES)))
    def use_policy(self, name):
        self.both("use_policy", name)
