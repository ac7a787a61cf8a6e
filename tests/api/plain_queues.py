"""Run queues as lists, in the shape that the balancer reads: what a machine's are, without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        self.cpu_nid, self.power = cpu_nid, power
        self.lists = {(cpu, which): [] for cpu in range(nr_cpus) for which in (0, 1)}
        self.by_tid = {}
        self.curr = np.zeros(nr_cpus, np.int64)
        self.cpu_load = np.zeros((nr_cpus, 5), np.int64)
        self.now_ns = 10**9
        self.moves = []
        for name in ("load", "nr_running", "offnode_weight", "offnode_running", "onnode_running"):
            setattr(self, name, np.zeros(nr_cpus, np.int64))

    def _count(self, task, cpu, sign):
        self.load[cpu] += sign * task["weight"]
        self.nr_running[cpu] += sign
        away = task["home"] >= 0 and task["home"] != self.cpu_nid[cpu]
        if away:
            self.offnode_weight[cpu] += sign * task["weight"]
            self.offnode_running[cpu] += sign
        elif task["home"] >= 0:
            self.onnode_running[cpu] += sign
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
        if self.curr[src] == tid:
            self.curr[src] = 0
        self.put(task, cpu)
        self.moves.append((tid, src, cpu))

    def move_tail(self, tid):
        for tids in self.lists.values():
            if tid in tids:
                tids.append(tids.pop(tids.index(tid)))
