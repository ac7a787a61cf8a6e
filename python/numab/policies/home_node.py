"""The Python half of ``home_node``: CPU follows memory (patch 29).

The core compares a task's fault statistics with where it runs, once a pass over its address space
(``task_numa_placement``, in ``stats.c``).  When they disagree it asks for a better place, and the
answer is an exchange of home nodes with a task that runs elsewhere.  Nothing moves then: the load
balancer brings both home.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numa_core import CANDIDATE, Handle, ffi, lib

from ..topology import Topology
from ..tunables import TUNABLES

__all__ = ["HomeNode"]

_SWAP_OFF_HOME = list(TUNABLES).index("swap_off_home")
_MAY_COME = lib.NUMAB_CAND_MAY_COME
_WORTHWHILE = _MAY_COME | lib.NUMAB_CAND_HAS_FAULTS | lib.NUMAB_CAND_WANTED


class HomeNode:
    """``task_numa_find_placement`` on a machine (section 6.5).

    ``handle`` is the machine's, ``topology`` must be that of the machine.

    >>> from numab import Machine, Topology
    >>> m = Machine("2s", sched="2012")
    >>> task = m.process(cpu=0).main
    >>> HomeNode(m._h, m.topology).find_placement(task.tid) is None  # nobody runs yet
    True
    """

    def __init__(self, handle: Handle, topology: Topology) -> None:
        self._h = handle
        nr_cpus = topology.cpus[-1] + 1
        self._found = np.zeros(nr_cpus, CANDIDATE)
        self._buffer = ffi.from_buffer("struct numab_candidate[]", self._found, True)
        self._info = ffi.new("struct numab_task_info *")
        self._distance = np.zeros((topology.nids[-1] + 1,) * 2, np.int64)
        self._distance[np.ix_(topology.nids, topology.nids)] = topology.distance

    def _candidates(self, tid: int, need: int) -> int:
        """Fill the array of CPUs that task ``tid`` may use and of whom it would meet there; of
        those with all flags of ``need``; returns how many there are."""
        return self._h.check(
            lib.numab_candidates(self._h.m, tid, need, self._buffer, len(self._found)))

    def find_placement(self, tid: int) -> tuple[int, int] | None:
        """The node where task ``tid`` should live and the task that gives way there, or None.

        Of the running tasks of all CPUs it may use, the one for which both gain most: this task
        wants that node more than it wants its own, and more than the other does.  CPUs that idle,
        tasks without statistics, and tasks that may not run here are passed over; the first of
        equals wins, in ascending order of nodes.  Threads of one process compare their own weights
        (section 6.3), others those of their address spaces.  Changes nothing.  Raises NoSuchTask.
        """
        best, found = 0, None
        for i in range(self._candidates(tid, _WORTHWHILE)):
            c = self._buffer[i]
            gain = c.there - c.other
            if gain <= 0:
                continue
            gain += c.there - c.here
            if gain > best or (gain == best and c.nid < found[0]):
                best, found = gain, (c.nid, c.tid)
        return found

    def find_swap(self, tid: int) -> int | None:
        """The task to change CPUs with, when task ``tid`` runs off its home node, no CPU that it
        may use is idle there, and somebody there is off home too; or None.

        The author's open point (cover letter).  Of the tasks that run on the home node, that may
        run here and get no farther from their own home: the one that ends nearest to it, of
        equals the first.  Changes nothing.  Raises NoSuchTask.
        """
        p = self._task(tid)
        if p.home_nid in (-1, p.nid) or p.next_cpu >= 0:
            return None
        c = self._found[: self._candidates(tid, 0)]
        c = c[c["nid"] == p.home_nid]
        if not c["tid"].all():
            return None
        c = c[(c["home_nid"] >= 0) & (c["home_nid"] != c["nid"])
              & (c["flags"] & (_MAY_COME | lib.NUMAB_CAND_MOVES) == _MAY_COME)]
        after = self._distance[p.nid, c["home_nid"]]
        nearer = after <= self._distance[c["nid"], c["home_nid"]]
        if not nearer.any():
            return None
        return int(c["tid"][np.where(nearer, after, after.max() + 1).argmin()])

    def _task(self, tid: int) -> Any:
        self._h.check(lib.numab_task_info(self._h.m, tid, self._info))
        return self._info

    def place(self, tid: int) -> None:
        """Exchange home nodes with whom :meth:`find_placement` finds; with ``swap_off_home`` also
        CPUs, with whom :meth:`find_swap` finds then."""
        found = self.find_placement(tid)
        if found is not None:
            nid, other = found
            here = self._task(tid).nid
            self._h.check(lib.numab_task_set_home(self._h.m, tid, nid))
            self._h.check(lib.numab_task_set_home(self._h.m, other, here))
        if lib.numab_get(self._h.m, _SWAP_OFF_HOME):
            partner = self.find_swap(tid)
            if partner is not None:
                self._h.check(lib.numab_task_swap(self._h.m, tid, partner))
