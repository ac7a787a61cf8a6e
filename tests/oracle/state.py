"""What there is: nodes, tasks, processes, address spaces, VMAs, slots, entries, pages."""

from dataclasses import dataclass, field

from .names import (
    ANON_PRIVATE, FILE_PRIVATE, NO_NODE, PROT_NONE, PROT_WRITE, SHARED_KINDS, SLOT_PAGES,
    TAG_UNSET, VMA_PFNMAP,
)


@dataclass
class Node:
    """A NUMA node; watermarks and ``free`` in pages."""

    nid: int
    pages: int
    min: int
    low: int
    high: int
    free: int
    leaked: int = 0
    # Migrations towards this node (switch rate_limit).
    window_end_ns: int = 0
    window_pages: int = 0


@dataclass(eq=False)
class Page:
    """A page frame.  ``mapcount`` is the number of entries that map it.

    ``exclusive``: an anonymous page that never had a second mapping, or lost it at a write.
    ``owner``: the SharedObject it belongs to, None for anonymous pages.
    """

    nid: int
    mapcount: int = 0
    exclusive: bool = False
    owner: object = None
    tag: int = TAG_UNSET
    no_lru: bool = False
    pinned: bool = False
    writeback: bool = False
    leaked: bool = False


@dataclass(eq=False)
class Entry:
    """One pte (1.1).  It is in its slot's dict only while it is present to software.

    ``present`` is the hardware bit, ``numa`` the NUMA bit, which is PROT_NONE's too: exactly one
    of them is set.  ``special``: the zero page or a bare page frame; then ``page`` is None.
    """

    page: object = None
    special: bool = False
    present: bool = True
    numa: bool = False
    rw: bool = False
    accessed: bool = False
    dirty: bool = False


@dataclass(eq=False)
class Slot:
    """What one pmd covers: 512 aligned entries, by vpn.

    ``huge``: one huge page; its 512 entries are all there and its page flags are the head's.
    ``pmd_numa``: the pmd is marked; for a huge page that is the hint itself.
    """

    number: int
    huge: bool = False
    pmd_numa: bool = False
    entries: dict = field(default_factory=dict)

    @property
    def start(self):
        return self.number * SLOT_PAGES

    @property
    def end(self):
        return self.start + SLOT_PAGES

    @property
    def head(self):
        """The entry that stands for the whole huge page."""
        return self.entries[self.start]


@dataclass(frozen=True)
class Policy:
    """A memory policy: mode, flags, the preferred node, the set of nodes of its mask."""

    mode: int
    flags: int = 0
    nid: int = NO_NODE
    mask: frozenset = frozenset()


@dataclass(eq=False)
class SharedObject:
    """Shared memory or a file: pages by offset, kept when unmapped."""

    number: int
    kind: int
    nr_pages: int
    pages: dict = field(default_factory=dict)
    nr_vmas: int = 0
    dropped: bool = False
    policies: dict = field(default_factory=dict)  # by offset: shared memory's own


@dataclass(eq=False)
class Vma:
    """A mapping of [start, end), in page numbers."""

    start: int
    end: int
    kind: int
    prot: int
    flags: int = 0
    owner: object = None
    pgoff: int = 0
    policy: object = None

    @property
    def writable(self):
        return bool(self.prot & PROT_WRITE)

    @property
    def inaccessible(self):
        return self.prot == PROT_NONE

    @property
    def shared(self):
        return self.kind in SHARED_KINDS

    @property
    def pfnmap(self):
        return bool(self.flags & VMA_PFNMAP)

    @property
    def anonymous_private(self):
        return self.kind == ANON_PRIVATE

    @property
    def file_private(self):
        return self.kind == FILE_PRIVATE

    def offset_of(self, vpn):
        """Page offset into the object of @vpn."""
        return self.pgoff + vpn - self.start


@dataclass(eq=False)
class Mm:
    """An address space.  ``offset`` is numa_scan_offset in bytes, ``next_scan`` and ``next_reset``
    are in jiffies.  ``first_nid`` (v3.8): node it was seen on, -1 on none yet, -2 on two.

    ``placement``: vpn -> node wanted for the first touch there (populate with present=0).
    """

    vmas: list = field(default_factory=list)
    slots: dict = field(default_factory=dict)
    placement: dict = field(default_factory=dict)
    next_scan: int = 0
    next_reset: int = 0
    first_nid: int = -1
    scan_seq: int = 0
    offset: int = 0
    fault_tot: int = 0
    faults: dict = field(default_factory=dict)

    def find_vma(self, vpn):
        """The VMA that holds @vpn, or None."""
        for vma in self.vmas:
            if vma.start <= vpn < vma.end:
                return vma
        return None

    def vmas_in(self, start, end):
        """VMAs that meet [start, end), ascending."""
        return [vma for vma in self.vmas if vma.start < end and vma.end > start]

    def slot(self, vpn):
        return self.slots.get(vpn // SLOT_PAGES)

    def slots_in(self, start, end):
        """Slots that meet [start, end), ascending."""
        return [self.slots[n] for n in sorted(self.slots)
                if n * SLOT_PAGES < end and (n + 1) * SLOT_PAGES > start]

    def make_slot(self, vpn):
        number = vpn // SLOT_PAGES
        if number not in self.slots:
            self.slots[number] = Slot(number)
        return self.slots[number]

    def entry(self, vpn):
        """The entry of @vpn, or None when it is absent."""
        slot = self.slot(vpn)
        return slot.entries.get(vpn) if slot else None

    def set_entry(self, vpn, entry):
        self.make_slot(vpn).entries[vpn] = entry

    def vpns_in(self, start, end):
        """Page numbers in [start, end) with an entry, ascending."""
        return [vpn for slot in self.slots_in(start, end) for vpn in sorted(slot.entries)
                if start <= vpn < end]


@dataclass(eq=False)
class Process:
    """A thread group: its live tasks in order of creation, and its address space."""

    pid: int
    mm: Mm
    tasks: list = field(default_factory=list)


@dataclass(eq=False)
class Task:
    """A task, with the fields of 1.2."""

    tid: int
    process: Process
    cpu: int
    home: int = NO_NODE
    policy: object = None
    il_prev: int = NO_NODE  # interleaving without a VMA: the node last given
    scan_seq: int = 0
    scan_period: int = 0
    node_stamp: int = 0
    sum_exec: int = 0
    work_queued: bool = False
    fault_tot: int = 0
    faults: dict = field(default_factory=dict)
    faults_ever: int = 0
    accesses_local: int = 0
    accesses_remote: int = 0

    @property
    def mm(self):
        return self.process.mm
