"""What a reader found, before the rules for odd machines are applied.

A reader fills a :class:`Draft` with what its source says and nothing else;
:meth:`Draft.settle` then applies the rules that hold for every source, in the
one place where they live:

* a CPU that does not run is not counted;
* a running CPU on no node goes to the first node, with a note.

The rules for distances, duplicates and limits are those of
:class:`~numab.topology.model.Topology` itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from numa_core.errors import TopologyError

from numab.topology.cpuset import format_list

__all__ = ["Draft", "DraftNode", "LOCAL_DISTANCE", "MAX_CPUS", "MAX_MEMORY", "MAX_NODES",
           "REMOTE_DISTANCE"]

LOCAL_DISTANCE = 10
"""Of a node to itself (ACPI), and REMOTE_DISTANCE of any two that firmware says nothing about."""

REMOTE_DISTANCE = 20

MAX_NODES = 1024
"""Node ids are 0 to 1023.  Linux: 1 << CONFIG_NODES_SHIFT, at most 10."""

MAX_CPUS = 8192
"""CPU ids are 0 to 8191.  Linux: the largest NR_CPUS."""

MAX_MEMORY = 1 << 56
"""Bytes of one node, at most: sixteen times the 52 physical address bits of today's CPUs."""


@dataclass
class DraftNode:
    """A node as its source describes it: CPUs may be offline, memory is in bytes."""

    cpus: set[int] = field(default_factory=set)
    memory: int = 0


@dataclass
class Draft:
    """A machine as its source describes it."""

    nodes: dict[int, DraftNode] = field(default_factory=dict)
    running: set[int] | None = None
    """CPUs that are online and allowed; None: the source does not say, take those of the nodes."""
    distance: list[list[int]] | None = None
    """Rows and columns by ascending node id; None: the source has none."""
    core: dict[int, int] = field(default_factory=dict)
    """CPU -> lowest CPU of its core, as far as the source says."""
    package: dict[int, int] = field(default_factory=dict)
    """CPU -> package id, as far as the source says."""
    notes: list[str] = field(default_factory=list)

    def add_node(self, nid: int) -> DraftNode:
        """A new, empty node.  Raises TopologyError when the id is taken or above the limit."""
        if not 0 <= nid < MAX_NODES:
            raise TopologyError(f"node id {nid} is outside 0-{MAX_NODES - 1}")
        if nid in self.nodes:
            raise TopologyError(f"node {nid} is described twice")
        self.nodes[nid] = DraftNode()
        return self.nodes[nid]

    def settle(self) -> None:
        """Drop CPUs that do not run, and place those that run but are on no node.

        Linux gives a CPU without a node to an online node; the first one here.
        Raises TopologyError when there is no node.
        """
        if not self.nodes:
            raise TopologyError("no NUMA node is described")
        if self.running is None:
            return
        orphans = set(self.running)
        for node in self.nodes.values():
            orphans -= node.cpus
            node.cpus &= self.running
        if orphans:
            first = min(self.nodes)
            self.nodes[first].cpus |= orphans
            self.notes.append(
                f"CPUs {format_list(orphans)} are on no node; assigned to node {first}")
