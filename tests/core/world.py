"""A small machine to try one mechanism on.

    node     0      1      2 ..      each of `pages` pages, watermarks min 8, low 16, high 24
    CPU      0      1      2 ..      CPU n sits on node n, all other nodes are at distance 20
    memory   BASE |page 0|page 1| .. one process `p` with one task `t`; BASE begins a 2 MiB slot

Pages are named by their number from BASE on.
"""

from __future__ import annotations

import pytest
from numab import Machine, Node, Topology

PAGE = 4096
MB = 1 << 20
MS = 1_000_000
SLOT = 512
BASE = 0x1000_0000
VPN = BASE // PAGE
MIN, LOW, HIGH = 8, 16, 24
WATERMARKS = (MIN, LOW, HIGH)
#: The allocator's six, which move with every page.
ZONE_STATS = (
    "numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other",
)
#: Every machine of the running test: conftest verifies their invariants at its end.
MACHINES: list[Machine] = []


def topology(sizes, distance=None, cpus=None):
    """Nodes 0.. of `sizes` pages; `cpus` per node, default CPU n on node n."""
    nodes = [
        Node(nid, (nid,) if cpus is None else cpus[nid], pages * PAGE)
        for nid, pages in enumerate(sizes)
    ]
    if distance is None:
        distance = [[10 if a == b else 20 for b in range(len(sizes))] for a in range(len(sizes))]
    return Topology(nodes, distance, "test")


def machine(topo, policy="home_node", watermarks=WATERMARKS, **kwargs):
    """A machine whose invariants are verified when the test ends."""
    marks = {} if watermarks is None else {n.nid: watermarks for n in topo.nodes if n.pages}
    m = Machine(topo, policy=policy, watermarks=marks, **kwargs)
    MACHINES.append(m)
    return m


class World:
    """The machine of the module's drawing; keywords not named here are tunables."""

    def __init__(
        self, nodes=2, *, pages=4000, sizes=None, mapped=1, policy="home_node", distance=None,
        cpus=None, watermarks=WATERMARKS, hz=250, seed=0, as_posted=False, external=False,
        **tunables,
    ):
        topo = topology(sizes or [pages] * nodes, distance, cpus)
        self.m = machine(
            topo, policy, watermarks, hz=hz, seed=seed, as_posted=as_posted, external=external,
            tunables=tunables,
        )
        self.p = self.m.process(0)
        self.t = self.p.main
        if mapped:
            self.p.mmap(BASE, mapped * PAGE)

    # ---- pages by their number ----

    def touch(self, page=0, write=False, by=None):
        """One access; its Outcome."""
        return (by or self.t).access(BASE + page * PAGE, write)

    def write(self, *pages, by=None):
        """First touches."""
        for page in pages:
            self.touch(page, True, by)

    def mark(self, page=0, n=1):
        """Mark n pages for hinting; their numa_pte_updates."""
        return self.p.change_prot_numa(BASE + page * PAGE, n * PAGE)

    def hint(self, page=0, write=False, by=None):
        """Mark a page and touch it: the Outcome of its hinting fault."""
        self.mark(page)
        return self.touch(page, write, by)

    def place(self, page, nid, n=1):
        """Put n pages on a node before anybody touches them."""
        self.p.populate([VPN + page + i for i in range(n)], nid)

    def page(self, page=0):
        return self.p.page(VPN + page)

    def nid(self, page=0):
        return self.page(page).nid

    def nids(self, n, page=0):
        return self.p.page_nids(VPN + page, n).tolist()

    def flags(self, page=0):
        return self.page(page).flags

    def marked(self, n, page=0):
        """Which of n pages have a marked entry."""
        return [page + i for i in range(n) if "marked" in self.flags(page + i)]

    def set_flag(self, flag, page=0, on=True):
        self.p.set_page_flags(VPN + page, [flag], on)

    def fill(self, nid, free):
        """Take pages of a node until `free` are left, in memory of its own."""
        take = self.m.node(nid).free - free
        vaddr = 0x7000_0000_0000 + nid * (1 << 40)
        self.p.mmap(vaddr, take * PAGE)
        self.p.populate([vaddr // PAGE + i for i in range(take)], nid)
        assert self.m.node(nid).free == free

    # ---- counting and scanning ----

    def counts(self, call, *args, **kwargs):
        """Exactly the counters that a call changes, and by how much; without ZONE_STATS."""
        before = dict(self.m.counters)
        call(*args, **kwargs)
        return {k: v - before[k] for k, v in self.m.counters.items()
                if v != before[k] and k not in ZONE_STATS}

    def zone_stats(self, call, *args, **kwargs):
        """Of these, what a call changes."""
        before = dict(self.m.counters)
        call(*args, **kwargs)
        return {k: self.m.counters[k] - before[k] for k in ZONE_STATS
                if self.m.counters[k] != before[k]}

    def due(self, by=None):
        """Let a task run just long enough that its next tick exceeds its scan period, at a time
        that its address space's gate is open; did the tick queue a scan?"""
        t = by or self.t
        info = t.info()
        self.m.set_now(max(self.m.now_ns, info.mm_numa_next_scan * self.m.tick_ns))
        lacks = info.node_stamp_ns + info.numa_scan_period_ms * MS + 1 - info.sum_exec_ns
        t.account(max(0, lacks))
        return t.tick()

    def scan(self, by=None):
        """One scan, at once; how many entries it marked."""
        assert self.due(by)
        return (by or self.t).task_work()

    def reasons(self):
        """The verdicts given so far."""
        return {k: v for k, v in self.m.reasons().items() if v}


def table(*rows):
    """A drawing's rows as parameters: ``table(("name", 1, 2), ..)`` for parametrize with ids."""
    return [pytest.param(*row[1:], id=row[0].replace(" ", "_")) for row in rows]
