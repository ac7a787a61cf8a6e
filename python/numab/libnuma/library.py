"""The library: where tasks run, what lists of nodes mean, and all the other parts together."""

from __future__ import annotations

import errno

from numa_core.errors import InvalidArgument

from ..arguments import shown, whole
from .bitmask import (
    Bitmask, copy_bitmask_to_bitmask, numa_bitmask_isbitset, numa_bitmask_nbytes,
    numa_bitmask_setall, numa_bitmask_setbit,
)
from .memory import Memory
from .parse import parse_string
from .sizes import INT
from .state import checked_mask

__all__ = ["LibNuma"]


class LibNuma(Memory):
    """libnuma, loaded by one task (threads load their own: its variables are thread-local).

    Loading reads which CPUs and nodes the task may use and tries MPOL_PREFERRED_MANY, as the
    library's constructor does.  Raises InvalidArgument for what is no task, NoSuchTask for one that
    is gone.

    >>> import numab
    >>> m = numab.Machine("2s", era="v6.1")
    >>> numa = LibNuma(m.process(cpu=0).main)
    >>> numa.numa_set_membind(numa.numa_parse_nodestring("1"))
    >>> list(numa.numa_get_membind())
    [1]
    >>> numa.numa_set_membind(numa.numa_allocate_nodemask())
    >>> numa.errors                                            # EINVAL: no node
    [('set_mempolicy', 22)]
    """

    # ---- where the task runs ----

    def numa_sched_setaffinity(self, pid: int, mask: Bitmask) -> int:
        """CPUs that a task may run on; ``pid`` 0: this one.  0, or -1: EINVAL, ESRCH."""
        task = self._task_of(pid)
        if task is None:
            return self.fail(errno.ESRCH)
        return self.setaffinity(task, mask)

    def numa_sched_getaffinity(self, pid: int, mask: Bitmask) -> int:
        """The same into ``mask``; returns the bytes of a kernel mask, or -1: EINVAL (it is too
        small), ESRCH."""
        task = self._task_of(pid)
        if task is None:
            return self.fail(errno.ESRCH)
        cpus = self._cpumask(task.affinity)
        if numa_bitmask_nbytes(checked_mask(mask)) < numa_bitmask_nbytes(cpus):
            return self.fail(errno.EINVAL)
        copy_bitmask_to_bitmask(cpus, mask)
        return numa_bitmask_nbytes(cpus)

    def numa_run_on_node(self, node: int) -> int:
        """Run on one node's CPUs, -1: on all; 0, or -1: EINVAL (no such node), ERANGE."""
        node = whole("node", node, INT)
        cpus = self.numa_allocate_cpumask()
        if node >= self.numa_num_possible_nodes() or node < -1:
            return self.fail(errno.EINVAL)
        if node == -1:
            numa_bitmask_setall(cpus)
        elif self.numa_node_to_cpus(node, cpus) < 0:
            self.numa_warn("noderunmask", "Cannot read node cpumask from sysfs")
            return -1
        return self.setaffinity(self.task, cpus)

    def numa_run_on_node_mask(self, nodemask: Bitmask) -> int:
        """Run on some nodes' CPUs; nodes outside the cpuset are warned of and left out."""
        return self._run_on(nodemask, self.numa_all_nodes_ptr)

    def numa_run_on_node_mask_all(self, nodemask: Bitmask) -> int:
        """The same whatever the cpuset says about memory."""
        return self._run_on(nodemask, self._possible_nodes)

    def _run_on(self, nodemask: Bitmask, allowed: Bitmask) -> int:
        cpus, of_node = self.numa_allocate_cpumask(), self.numa_allocate_cpumask()
        for node in checked_mask(nodemask):
            if not numa_bitmask_isbitset(allowed, node):
                self.numa_warn("noderunmask", f"node {node} not allowed")
            elif self.numa_node_to_cpus(node, of_node) < 0:
                self.numa_warn("noderunmask", "Cannot read node cpumask from sysfs")
            else:
                cpus.maskp |= of_node.maskp
        result = self.setaffinity(self.task, cpus)
        if result < 0:
            self.numa_error("numa_sched_setaffinity_v2_int() failed")
        return result

    def numa_get_run_node_mask(self) -> Bitmask:
        """Nodes of which the task may use a CPU, as far as it may use their memory.

        The mask has the size of one for CPUs."""
        nodes = self.numa_allocate_cpumask()
        topology = self.machine.topology
        for cpu in self.task.affinity:
            node = topology.node_of_cpu(cpu)
            if numa_bitmask_isbitset(self.numa_all_nodes_ptr, node):
                numa_bitmask_setbit(nodes, node)
        return nodes

    def numa_bind(self, nodemask: Bitmask) -> None:
        """Run on these nodes, and allocate only there."""
        self.numa_run_on_node_mask(nodemask)
        self.numa_set_membind(nodemask)

    # ---- lists ----

    def numa_parse_nodestring(self, text: str) -> Bitmask | None:
        """Nodes of a list such as ``0-2,5``, ``!0``, ``+0-1``, ``all``, all of them allowed; None
        (and a warning): not such a list.  An empty text is the empty mask."""
        return self._parse(text, "node", self.numa_all_nodes_ptr)

    def numa_parse_nodestring_all(self, text: str) -> Bitmask | None:
        """The same with all nodes that could be there."""
        return self._parse(text, "node", self._possible_nodes)

    def numa_parse_cpustring(self, text: str) -> Bitmask | None:
        """CPUs of such a list, all of them allowed."""
        return self._parse(text, "cpu", self.numa_all_cpus_ptr)

    def numa_parse_cpustring_all(self, text: str) -> Bitmask | None:
        """The same with all CPUs there are."""
        return self._parse(text, "cpu", self._possible_cpus)

    def _parse(self, text: str, what: str, allowed: Bitmask) -> Bitmask | None:
        if not isinstance(text, str):
            raise InvalidArgument(f"{what} list {shown(text)}, permitted: a text such as 0-2,5")
        nodes = what == "node"
        configured = self.numa_num_configured_nodes() if nodes else self.numa_num_configured_cpus()
        mask = self.numa_allocate_nodemask() if nodes else self.numa_allocate_cpumask()
        return parse_string(
            text, what, allowed, configured, lambda said: self.numa_warn(f"{what}parse", said), mask
        )
