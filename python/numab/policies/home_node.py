"""The Python half of ``home_node``: CPU follows memory (patch 29).

The core compares a task's fault statistics with where it runs, once a pass over its address space
(``task_numa_placement``, in ``stats.c``).  When they disagree it asks for a better place, and the
answer is an exchange of home nodes with a task that runs elsewhere.  Nothing moves then: the load
balancer brings both home.
"""

from __future__ import annotations

from typing import Any

from numa_core import RQ, Handle, ffi, lib

from ..topology import Topology
from ..tunables import Tunables

__all__ = ["HomeNode"]


class HomeNode:
    """``task_numa_find_placement`` on a machine (section 6.5)."""

    def __init__(self, handle: Handle, topology: Topology) -> None:
        self._h, self._topology = handle, topology
        nr_cpus = topology.cpus[-1] + 1
        self._curr, self._nr_running = (
            handle.records(lib.numab_rqs(handle.m), nr_cpus, RQ)[name]
            for name in ("curr", "nr_running"))
        self._words = (nr_cpus + 63) // 64
        self._tunables = Tunables(handle)
        self._distance = {a: dict(zip(topology.nids, row))
                          for a, row in zip(topology.nids, topology.distance.tolist())}

    def _info(self, tid: int) -> Any:
        info = ffi.new("struct numab_task_info *")
        return info if lib.numab_task_info(self._h.m, tid, info) == 0 else None

    def _may_run_on(self, tid: int) -> Any:
        mask = ffi.new("uint64_t[]", self._words)
        lib.numab_task_affinity(self._h.m, tid, mask, self._words)
        return mask

    def _weights(self, info: Any, nid: int) -> tuple[int, int]:
        """A task's and its address space's weight of a node (section 6.3)."""
        m = self._h.m
        return (lib.numab_weight(lib.numab_task_faults(m, info.tid)[nid], info.numa_fault_tot),
                lib.numab_weight(lib.numab_mm_faults(m, info.pid)[nid], info.mm_numa_fault_tot))

    def find_placement(self, tid: int) -> tuple[int, int] | None:
        """The node where task ``tid`` should live and the task that gives way there, or None.

        Of the running tasks of all CPUs it may use, the one for which both gain most: this task
        wants that node more than it wants its own, and more than the other does.  CPUs that idle,
        tasks without statistics, and tasks that may not run here are passed over; the first of
        equals wins.  Threads of one process compare their own weights, others those of their
        address spaces.  Changes nothing.
        """
        p = self._info(tid)
        here = self._weights(p, p.nid)
        mine, best, found = self._may_run_on(tid), 0, None
        for node in self._topology.nodes:
            there = self._weights(p, node.nid)
            if there[0] <= here[0] and there[1] <= here[1]:  # nobody there would be found
                continue
            for cpu in node.cpus:
                if not (mine[cpu // 64] >> cpu % 64 & 1 and self._nr_running[cpu]):
                    continue
                other = self._candidate(int(self._curr[cpu]), p.cpu)
                if other is None:
                    continue
                which = 0 if other.pid == p.pid else 1
                wants = there[which]
                gain = wants - self._weights(other, node.nid)[which]
                rise = wants - here[which]
                if gain > 0 and rise > 0 and gain + rise > best:
                    best, found = gain + rise, (node.nid, other.tid)
        return found

    def _candidate(self, tid: int, cpu: int) -> Any:
        """A running task with statistics that may run on ``cpu``."""
        info = self._info(tid) if tid else None
        if info is None or not info.numa_fault_tot or not info.mm_numa_fault_tot:
            return None
        return info if self._may_run_on(tid)[cpu // 64] >> cpu % 64 & 1 else None

    def find_swap(self, tid: int) -> int | None:
        """The task to change CPUs with, when task ``tid`` runs off its home node, no CPU that it
        may use is idle there, and somebody there is off home too; or None.

        The author's open point (cover letter).  Of the tasks that run on the home node, that may
        run here and get no farther from their own home: the one that ends nearest to it, of
        equals the first.  Changes nothing.
        """
        p = self._info(tid)
        if p.home_nid in (-1, p.nid) or p.next_cpu >= 0:
            return None
        mine, found, best = self._may_run_on(tid), None, 0
        for cpu in self._topology.node(p.home_nid).cpus:
            if not mine[cpu // 64] >> cpu % 64 & 1:
                continue
            if not self._nr_running[cpu]:
                return None
            other = self._info(int(self._curr[cpu]))
            if other is None or other.home_nid in (-1, other.nid) or other.next_cpu >= 0:
                continue
            after = self._distance[p.nid][other.home_nid]
            if after > self._distance[other.nid][other.home_nid]:
                continue
            if (found is None or after < best) and (
                    self._may_run_on(other.tid)[p.cpu // 64] >> p.cpu % 64 & 1):
                best, found = after, other.tid
        return found

    def place(self, tid: int) -> None:
        """Exchange home nodes with whom :meth:`find_placement` finds; with ``swap_off_home`` also
        CPUs, with whom :meth:`find_swap` finds then."""
        found = self.find_placement(tid)
        if found is not None:
            nid, other = found
            here = self._info(tid).nid
            self._h.check(lib.numab_task_set_home(self._h.m, tid, nid))
            self._h.check(lib.numab_task_set_home(self._h.m, other, here))
        if self._tunables["swap_off_home"]:
            partner = self.find_swap(tid)
            if partner is not None:
                self._h.check(lib.numab_task_swap(self._h.m, tid, partner))
