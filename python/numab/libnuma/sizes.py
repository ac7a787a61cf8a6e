"""Counts and masks that libnuma reads from /sys and /proc when it is loaded."""

from __future__ import annotations

import errno

from ..arguments import whole
from ..procfs.status import MAX_NUMNODES
from .bitmask import (
    Bitmask, copy_bitmask_to_bitmask, numa_bitmask_clearall, numa_bitmask_isbitset,
    numa_bitmask_setall, numa_bitmask_setbit, numa_bitmask_weight,
)
from .state import MPOL_PREFERRED_MANY, State, checked_mask
from .. import syscalls
from ..task import Task

__all__ = ["INT", "Sizes"]

LONG_BITS = 64
PAGE_BYTES = 4096
INT = (-(2**31), 2**31 - 1)


class Sizes(State):
    """Nodes and CPUs: how many, which, where."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        topology = self.machine.topology
        self._nr_possible_cpus = -(-(max(topology.cpus) + 1) // LONG_BITS) * LONG_BITS
        #: Nodes there are, and those with memory.
        self.numa_nodes_ptr = self._nodemask(topology.nids)
        self.numa_memnode_ptr = self._nodemask(topology.memory_nodes)
        #: Where the task may run and allocate, when the library was loaded.
        self.numa_all_cpus_ptr = self._cpumask(task.affinity)
        self.numa_all_nodes_ptr = self._nodemask(task.mems_allowed)
        self.numa_no_nodes_ptr = self._nodemask(())
        self._possible_nodes = self._nodemask(range(topology.nids[-1] + 1))
        self._possible_cpus = self._cpumask(range(topology.nr_cpus))
        self._has_preferred_many = self._probe_preferred_many()

    def _nodemask(self, nodes: object) -> Bitmask:
        return Bitmask(MAX_NUMNODES, nodes)  # type: ignore[arg-type]

    def _cpumask(self, cpus: object) -> Bitmask:
        return Bitmask(self._nr_possible_cpus, cpus)  # type: ignore[arg-type]

    def _probe_preferred_many(self) -> int:
        """Try it on node 0, and set the old policy again, which starts its interleaving anew."""
        bmp = self._nodemask(())
        old = self.get_mempolicy(bmp)
        if old is None:
            return 0
        try_it = self._nodemask((0,))
        if syscalls.set_mempolicy(self.task, MPOL_PREFERRED_MANY, try_it.words(), try_it.size) < 0:
            return 0
        self.setpol(old, bmp)
        return 1

    # ---- how many ----

    def numa_available(self) -> int:
        """0: the kernel has NUMA policies."""
        return -1 if self.get_mempolicy(None) is None and self.errno == errno.ENOSYS else 0

    def numa_max_node(self) -> int:
        """Highest node there is."""
        return max(self.numa_nodes_ptr)

    def numa_max_possible_node(self) -> int:
        """Highest node that the kernel could have."""
        return self.numa_num_possible_nodes() - 1

    def numa_num_possible_nodes(self) -> int:
        """Bits of a node mask of the kernel."""
        return MAX_NUMNODES

    def numa_num_possible_cpus(self) -> int:
        """Bits of a CPU mask of the kernel."""
        return self._nr_possible_cpus

    def numa_num_configured_nodes(self) -> int:
        """Number of nodes with memory, in spite of the name."""
        return numa_bitmask_weight(self.numa_memnode_ptr)

    def numa_num_configured_cpus(self) -> int:
        """Number of CPUs there are."""
        return self.machine.topology.nr_cpus

    def numa_num_task_nodes(self) -> int:
        """Number of nodes that the task may allocate from."""
        return numa_bitmask_weight(self.numa_all_nodes_ptr)

    def numa_num_task_cpus(self) -> int:
        """Number of CPUs that the task may run on."""
        return min(numa_bitmask_weight(self.numa_all_cpus_ptr), self.numa_num_configured_cpus())

    def numa_pagesize(self) -> int:
        """Bytes a page."""
        return PAGE_BYTES

    def numa_has_preferred_many(self) -> int:
        """1: the kernel has MPOL_PREFERRED_MANY."""
        return self._has_preferred_many

    # ---- masks ----

    def numa_allocate_nodemask(self) -> Bitmask:
        """An empty mask for nodes."""
        return self._nodemask(())

    def numa_allocate_cpumask(self) -> Bitmask:
        """An empty mask for CPUs."""
        return self._cpumask(())

    def numa_free_nodemask(self, bmp: Bitmask) -> None:
        """Nothing: Python does it."""

    def numa_free_cpumask(self, bmp: Bitmask) -> None:
        """Nothing: Python does it."""

    # ---- where ----

    def numa_node_size64(self, node: int) -> tuple[int, int]:
        """(bytes, free bytes) of a node, now; (-1, -1): there is none of that number."""
        node = whole("node", node, INT)
        if not numa_bitmask_isbitset(self.numa_nodes_ptr, node):
            return -1, -1
        info = self.machine.node(node)
        return info.pages * PAGE_BYTES, info.free * PAGE_BYTES

    def numa_node_size(self, node: int) -> tuple[int, int]:
        """As :meth:`numa_node_size64`."""
        return self.numa_node_size64(node)

    def numa_distance(self, node1: int, node2: int) -> int:
        """Distance of two nodes, 10 for itself; 0: one of them is not there."""
        nids = self.machine.topology.nids
        a, b = whole("node1", node1, INT), whole("node2", node2, INT)
        if a not in nids or b not in nids:
            return 0
        return int(self.machine.topology.distance[nids.index(a), nids.index(b)])

    def numa_node_to_cpus(self, node: int, mask: Bitmask) -> int:
        """The CPUs of a node into ``mask``; 0, or -1: ERANGE beyond the highest node, and for a
        number below it that is no node all bits are set."""
        node = whole("node", node, (0, INT[1]))
        if node > self.numa_max_node():
            return self.fail(errno.ERANGE)
        numa_bitmask_clearall(checked_mask(mask))
        if not numa_bitmask_isbitset(self.numa_nodes_ptr, node):
            copy_bitmask_to_bitmask(numa_bitmask_setall(self.numa_allocate_cpumask()), mask)
            return self.fail(errno.ENOENT)
        for cpu in self.machine.topology.node(node).cpus:
            numa_bitmask_setbit(mask, cpu)
        return 0

    def numa_node_to_cpu_update(self) -> None:
        """Nothing: CPUs do not come and go here."""

    def numa_node_of_cpu(self, cpu: int) -> int:
        """Node of a CPU; -1 and EINVAL: there is no such CPU."""
        cpu = whole("cpu", cpu, INT)
        if cpu not in self.machine.topology.cpus:
            return self.fail(errno.EINVAL)
        return self.machine.topology.node_of_cpu(cpu)
