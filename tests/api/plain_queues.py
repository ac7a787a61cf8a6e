"""Run queues as lists, in the shape that the balancer reads: what a machine's are, without one."""

from __future__ import annotations

from dataclasses import dataclass

from numa_core import ffi
from numab.sched.balance import TaskView


@dataclass
class PlainState:
    """What a domain remembers."""

    balance_interval_ms: int
    nr_balance_failed: int = 0


@dataclass
class PlainFeatures:
    """The features of patch 28."""

    homenode_preferred: bool = True
    homenode_pull: bool = True
    homenode_pull_bias: bool = True


class PlainQueues:
    """Two lists a CPU of tasks {tid, weight, home, ran, cpus}; who comes last stands first."""

    def __init__(self, nr_cpus, cpu_nid, power):
        self.cpu_nid, self.power = cpu_nid, list(map(int, power))
        self.lists = {(cpu, which): [] for cpu in range(nr_cpus) for which in (0, 1)}
        self.by_tid = {}
        self.rqs = ffi.new("struct numab_rq[]", nr_cpus)
        self.now_ns = 10**9
        self.moves = []

    def set_past(self, cpu, loads):
        """Load averages of a CPU; None: all are its load now."""
        rq = self.rqs[cpu]
        rq.cpu_load = loads or [rq.load_weight] * 5

    def _count(self, task, cpu, sign):
        rq = self.rqs[cpu]
        rq.load_weight += sign * task["weight"]
        rq.nr_running += sign
        away = task["home"] >= 0 and task["home"] != self.cpu_nid[cpu]
        if away:
            rq.offnode_weight += sign * task["weight"]
            rq.offnode_running += sign
        elif task["home"] >= 0:
            rq.onnode_running += sign
        return self.lists[cpu, int(away)]

    def put(self, task, cpu):
        self.by_tid[task["tid"]] = (task, cpu)
        self._count(task, cpu, 1).insert(0, task["tid"])

    def tasks(self, cpu, which):
        return list(self.lists[cpu, which])

    def task(self, tid):
        task, _ = self.by_tid[tid]
        return TaskView(task["weight"], task["home"], task["ran"])

    def allowed(self, tid, cpus):
        return next((cpu for cpu in cpus if cpu in self.by_tid[tid][0]["cpus"]), -1)

    def move(self, tid, cpu):
        task, src = self.by_tid[tid]
        self._count(task, src, -1).remove(tid)
        if self.rqs[src].curr == tid:
            self.rqs[src].curr = 0
        self.put(task, cpu)
        self.moves.append((tid, src, cpu))

    def move_tail(self, tid):
        for tids in self.lists.values():
            if tid in tids:
                tids.append(tids.pop(tids.index(tid)))
