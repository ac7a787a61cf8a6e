"""Sched domains: for each CPU, the spans in which it balances, from its core to the machine.

They are built from a Topology as Linux 3.7 builds them from the firmware's tables: SMT siblings,
the CPUs of a package within a node (MC), those of a node (CPU), and a NUMA level for each distance
beyond the local one, whose groups may overlap.  Source: ``kernel/sched/core.c``
(build_sched_domains, build_overlap_sched_groups, sched_init_numa, cpu_attach_domain).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from numa_core import ffi
from numab.topology import Topology

from .flags import (
    RECLAIM_DISTANCE, SCHED_POWER_SCALE, SD_BALANCE_EXEC, SD_BALANCE_FORK, SD_BALANCE_NEWIDLE,
    SD_LOAD_BALANCE, SD_NUMA, SD_OVERLAP, SD_PREFER_SIBLING, SD_SERIALIZE, SD_SHARE_CPUPOWER,
    SD_SHARE_PKG_RESOURCES, SD_WAKE_AFFINE, SMT_GAIN,
)

__all__ = ["Domain", "Group", "Ring", "build_domains", "cpu_powers"]

_COMMON = SD_LOAD_BALANCE | SD_BALANCE_NEWIDLE
_NEAR = SD_BALANCE_EXEC | SD_BALANCE_FORK | SD_WAKE_AFFINE
#: Flags that mean nothing in a domain of one group.
_NEED_GROUPS = (_COMMON | SD_BALANCE_EXEC | SD_BALANCE_FORK | SD_SHARE_CPUPOWER
                | SD_SHARE_PKG_RESOURCES)


@dataclass(frozen=True)
class Group:
    """CPUs that a domain compares with others as one.

    ``cpus`` ascend; ``mask``: those of them that may balance for the group (they have a domain
    of this level); ``power``: compute power of them all, SCHED_POWER_SCALE a core.

    >>> package = build_domains(Topology.load("2s"))[0][-1].ring.groups[1]
    >>> package.cpus, package.power, package.capacity, package.balance_cpu
    ((8, 9, 10, 11, 12, 13, 14, 15), 8192, 8, 8)
    """

    cpus: tuple[int, ...]
    mask: frozenset[int]
    power: int

    @property
    def balance_cpu(self) -> int:
        """Who balances for the group when none of its CPUs idles.  Linux: group_balance_cpu."""
        return min(self.mask)

    @cached_property
    def members(self) -> frozenset[int]:
        """``cpus``, for looking up."""
        return frozenset(self.cpus)

    @property
    def capacity(self) -> int:
        """Tasks it can run side by side: power in whole cores, rounded; 0 is possible."""
        return (self.power + SCHED_POWER_SCALE // 2) // SCHED_POWER_SCALE


class Ring:
    """The groups of one span, in the order in which the kernel links them.

    ``small_capacity``: a group that is less than a core may still have room for a task.
    """

    def __init__(self, groups: list[Group], small_capacity: bool) -> None:
        self.groups = tuple(groups)
        self._small_capacity = small_capacity

    def __len__(self) -> int:
        return len(self.groups)

    def small_capacity(self, group: Group) -> int:
        """Room for a task in less than a core: fix_small_capacity.

        >>> smt = build_domains(Topology.load("numa:1 core:2 pu:4"))[0][0]
        >>> group = smt.ring.groups[0]
        >>> group.power, group.capacity, smt.ring.small_capacity(group)
        (294, 0, 1)
        """
        return int(self._small_capacity and group.power * 32 > group.power * 29)

    @cached_property
    def core(self) -> tuple[Any, ...]:
        """Starts, CPUs, whose turn, powers and capacities as the core reads them; they live with
        the ring."""
        members = [(group, cpu) for group in self.groups for cpu in group.cpus]
        starts = np.cumsum([0, *(len(group.cpus) for group in self.groups)]).tolist()
        return (
            ffi.new("uint32_t[]", starts), ffi.new("int32_t[]", [cpu for _, cpu in members]),
            ffi.new("uint8_t[]", [cpu in group.mask for group, cpu in members]),
            ffi.new("uint64_t[]", [group.power for group in self.groups]),
            ffi.new("uint32_t[]", [g.capacity or self.small_capacity(g) for g in self.groups]),
        )


@dataclass(frozen=True)
class Kind:
    """What the domains of one level have in common; intervals in ms, None: see ``numa``."""

    name: str
    flags: int
    imbalance_pct: int
    busy_factor: int
    min_interval: int
    max_interval: int
    cache_nice_tries: int
    busy_idx: int = 0
    idle_idx: int = 0
    newidle_idx: int = 0


SIBLING = Kind("SIBLING", _COMMON | _NEAR | SD_SHARE_CPUPOWER | SD_SHARE_PKG_RESOURCES,
               110, 64, 1, 2, 0)
MC = Kind("MC", _COMMON | _NEAR | SD_SHARE_PKG_RESOURCES, 125, 64, 1, 4, 1, busy_idx=2)
CPU = Kind("CPU", _COMMON | _NEAR | SD_PREFER_SIBLING, 125, 64, 1, 4, 1, busy_idx=2, idle_idx=1)


def numa_kind(distance: int, nr_cpus: int) -> Kind:
    """A NUMA level that reaches as far as ``distance`` and spans ``nr_cpus``: sd_numa_init.

    >>> numa_kind(21, 16).min_interval, numa_kind(21, 16).max_interval
    (16, 32)
    """
    near = _NEAR if distance <= RECLAIM_DISTANCE else 0
    return Kind("NUMA", _COMMON | SD_SERIALIZE | SD_OVERLAP | SD_NUMA | near, 125, 32,
                nr_cpus, 2 * nr_cpus, 2, busy_idx=3, idle_idx=2)


class Domain:
    """A CPU's domain of one level: what it spans, its groups, and how its balancing goes.

    ``level`` counts from 0, the nearest.  ``groups`` yields the ring from the CPU's own group on;
    ``local`` are the indices in ``ring`` of the groups that hold the CPU (overlapping groups
    may be several).  It never changes: how its balancing goes is kept in the core.

    >>> top = build_domains(Topology.load("2s"))[9][-1]
    >>> top, top.level, [group.cpus[0] for group in top.groups]
    (<Domain NUMA of CPU 9: 16 CPUs>, 2, [8, 0])
    """

    __slots__ = ("child", "cpu", "first", "kind", "level", "local", "ring", "span")

    def __init__(self, cpu: int, kind: Kind, span: tuple[int, ...], ring: Ring) -> None:
        self.cpu, self.kind, self.span, self.ring = cpu, kind, span, ring
        self.level = 0
        self.child: Domain | None = None
        self.local = frozenset(i for i, g in enumerate(ring.groups) if cpu in g.members)
        self.first = -1
        for i, group in enumerate(ring.groups):
            if (self.first < 0 and i in self.local) or group.balance_cpu == cpu:
                self.first = i

    def core(self, cpu_power: Any) -> Any:
        """``struct numab_groups *``, for the core; ``cpu_power``: ``uint32_t[]`` by CPU id.  Both
        arrays must stay in place while the core has the domain.

        >>> domain = build_domains(Topology.load("2s"))[0][-1]
        >>> groups = domain.core(ffi.new("uint32_t[]", [1024] * 16))
        >>> groups.nr_groups, groups.first, groups.imbalance_pct
        (2, 0, 125)
        """
        c, kind = ffi.new("struct numab_groups *"), self.kind
        c.nr_groups, c.first = len(self.ring), self.first
        c.prefer_sibling = self.prefer_sibling
        c.share_cpupower = bool(self.flags & SD_SHARE_CPUPOWER)
        c.load_idx = (kind.idle_idx, kind.busy_idx, kind.newidle_idx)
        c.imbalance_pct = kind.imbalance_pct
        c.starts, c.cpus, c.turn, c.power, c.capacity = self.ring.core
        c.cpu_power = cpu_power
        return c

    @property
    def flags(self) -> int:
        """SD_* bits."""
        return self.kind.flags

    @property
    def groups(self) -> Iterator[Group]:
        """Its groups, its own first."""
        return iter(self.ring.groups[self.first:] + self.ring.groups[:self.first])

    @property
    def prefer_sibling(self) -> bool:
        """The level below wants its CPUs used by one task each.  Linux: SD_PREFER_SIBLING."""
        return self.child is not None and bool(self.child.flags & SD_PREFER_SIBLING)

    def __repr__(self) -> str:
        return f"<Domain {self.kind.name} of CPU {self.cpu}: {len(self.span)} CPUs>"


def _bits(mask: int) -> tuple[int, ...]:
    text = bin(mask)[:1:-1]
    return tuple(i for i, bit in enumerate(text) if bit == "1")


@dataclass
class _Level:
    """A level before domains are made: spans as bit masks by CPU, and who has it."""

    span: dict[int, int]
    kind: Callable[[int], Kind]
    have: int = 0


def _levels(topology: Topology) -> list[_Level]:
    """SMT, MC, CPU and NUMA levels with every CPU's span."""
    cpus, node_mask = topology.cpus, {}
    for node in topology.nodes:
        node_mask[node.nid] = sum(1 << cpu for cpu in node.cpus)
    by_core: dict[tuple[int, int | None, int], int] = {}
    by_package: dict[tuple[int, int | None], int] = {}
    keys = {}
    for cpu in cpus:
        nid, core = topology.node_of_cpu(cpu), topology.core_of(cpu)
        keys[cpu] = ((nid, core, cpu if core is None else -1), (nid, topology.package_of(cpu)))
        for table, key in zip((by_core, by_package), keys[cpu]):
            table[key] = table.get(key, 0) | 1 << cpu
    levels = [
        _Level({cpu: by_core[keys[cpu][0]] for cpu in cpus}, lambda n: SIBLING),
        _Level({cpu: by_package[keys[cpu][1]] for cpu in cpus}, lambda n: MC),
        _Level({cpu: node_mask[topology.node_of_cpu(cpu)] for cpu in cpus}, lambda n: CPU),
    ]
    with_cpus = [i for i, node in enumerate(topology.nodes) if node.cpus]
    table = topology.distance[np.ix_(with_cpus, with_cpus)]
    local = int(table[0, 0])
    for distance in sorted({int(d) for d in np.unique(table) if d > local}):
        reach = {}
        for i in with_cpus:
            row = topology.distance[i].tolist()
            reach[topology.nids[i]] = sum(
                node_mask[topology.nids[k]] for k in with_cpus if k == i or row[k] <= distance
            )
        levels.append(_Level({cpu: reach[topology.node_of_cpu(cpu)] for cpu in cpus},
                             lambda n, d=distance: numa_kind(d, n)))
    return levels


def _cut_at_the_top(levels: list[_Level]) -> None:
    """A CPU needs no level above the one that spans the machine."""
    everyone = sum(1 << cpu for cpu in levels[0].span)
    for cpu in levels[0].span:
        for level in levels:
            level.have |= 1 << cpu
            if level.span[cpu] == everyone:
                break


def cpu_powers(topology: Topology) -> npt.NDArray[np.int64]:
    """Compute power by CPU id, int64: 1024, or a thread's part of SMT_GAIN; 0: no such CPU.

    Source: default_scale_smt_power.  Frequency and real-time load play no part.

    >>> cpu_powers(Topology.load("2s-smt"))[:2].tolist()
    [589, 589]
    """
    powers = np.zeros(topology.cpus[-1] + 1, np.int64)
    for cpu, span in _levels(topology)[0].span.items():
        threads = bin(span).count("1")
        powers[cpu] = SMT_GAIN // threads if threads > 1 else SCHED_POWER_SCALE
    return powers


def _ring(
    levels: list[_Level], at: int, span: int, powers: npt.NDArray[np.int64], flags: int
) -> Ring:
    """Groups are spans of the level below, in ascending order of who asks, until all is covered.

    CPUs that lack the level do not ask: build_overlap_sched_groups.
    """
    groups: list[Group] = []
    covered, asking = 0, span & levels[at].have
    while asking & ~covered:
        lowest = asking & ~covered
        lowest &= -lowest
        members = levels[at - 1].span[lowest.bit_length() - 1] if at else lowest
        covered |= members
        cpus = _bits(members)
        mask = frozenset(_bits(members & span & levels[at].have))
        groups.append(Group(cpus, mask, int(powers[list(cpus)].sum())))
    return Ring(groups, bool(flags & SD_SHARE_CPUPOWER))


def _degenerate(domain: Domain) -> bool:
    """It balances nothing: sd_degenerate."""
    if len(domain.span) == 1:
        return True
    if len(domain.ring) > 1 and domain.flags & _NEED_GROUPS:
        return False
    return not domain.flags & SD_WAKE_AFFINE


def _parent_degenerate(domain: Domain, parent: Domain, nr_nodes: int) -> bool:
    """The parent adds nothing to what @domain does: sd_parent_degenerate."""
    if _degenerate(parent):
        return True
    if domain.span != parent.span:
        return False
    flags = parent.flags
    if len(parent.ring) == 1:
        flags &= ~_NEED_GROUPS
        if nr_nodes == 1:
            flags &= ~SD_SERIALIZE
    return not flags & ~domain.flags


def _attach(chain: list[Domain], nr_nodes: int) -> tuple[Domain, ...]:
    """Leave out what does not contribute, and link the rest: cpu_attach_domain."""
    kept = chain[:1]
    for parent in chain[1:]:
        if not _parent_degenerate(kept[-1], parent, nr_nodes):
            kept.append(parent)
    if kept and _degenerate(kept[0]):
        kept = kept[1:]
    for level, domain in enumerate(kept):
        domain.level = level
        domain.child = kept[level - 1] if level else None
    return tuple(kept)


def build_domains(topology: Topology) -> dict[int, tuple[Domain, ...]]:
    """The domains of every CPU, from the nearest to the farthest.

    CPUs whose cores are not known are their own cores; a node whose packages are not known is
    one package.  A domain of a single group may be among them: it balances nothing, but tells the
    level above it something (SD_PREFER_SIBLING).

    >>> domains = build_domains(Topology.load("2s-smt"))
    >>> [(d.kind.name, len(d.span), len(d.ring)) for d in domains[0]]
    [('SIBLING', 2, 2), ('MC', 16, 8), ('CPU', 16, 1), ('NUMA', 32, 2)]
    """
    levels, powers = _levels(topology), cpu_powers(topology)
    _cut_at_the_top(levels)
    spans: dict[int, tuple[int, ...]] = {}
    rings: dict[tuple[int, int], Ring] = {}
    kinds: dict[tuple[int, int], Kind] = {}
    domains = {}
    for cpu in topology.cpus:
        chain = []
        for at, level in enumerate(levels):
            if not level.have >> cpu & 1:
                break
            key = (at, level.span[cpu])
            if key not in rings:
                spans.setdefault(key[1], _bits(key[1]))
                kinds[key] = level.kind(len(spans[key[1]]))
                rings[key] = _ring(levels, at, key[1], powers, kinds[key].flags)
            chain.append(Domain(cpu, kinds[key], spans[key[1]], rings[key]))
        domains[cpu] = _attach(chain, topology.nr_nodes)
    return domains
