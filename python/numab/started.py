"""A load on its machine: what its tasks do next, what is noted of them, and when it is over.

Some loads are looked at each second, as ``perf bench numa mem`` looks at itself: has each process
come together on one node, and is it time to disturb the first thread?
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .arguments import U64
from .engine import NS_PER_S, run_until
from .machine import Machine
from .process import Process
from .values import Stop
from .workloads import Load, Thread

__all__ = ["BASE_VPN", "StartedLoad"]

#: Where the memory of every process begins.
BASE_VPN = 0x10000


@dataclass
class StartedLoad:
    """A machine that is fed and ready to run, and how far its tasks have come, by tid.

    ``duration_ns``: when the run ends, at the latest.  ``converged_ns``: since when each process
    has been on one node, 0: it is not.
    """

    machine: Machine
    load: Load
    seed: int
    processes: list[Process]
    threads: dict[int, Thread]
    best_share: float
    duration_ns: int
    work_ns: int
    begun: dict[int, int] = field(default_factory=dict)
    bound: str | None = None
    tasks: dict[int, dict[str, int]] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    converged_ns: int = 0

    def __post_init__(self) -> None:
        self._number = {tid: i for i, tid in enumerate(self.threads)}
        self._alive = [0] * len(self.processes)
        for thread in self.threads.values():
            self._alive[thread.process] += 1
        self._to_do = sum(not thread.background for thread in self.threads.values())
        self._last_nid: dict[int, int] = {}  # of those that have ended
        watched = self.load.convergence or self.load.perturb_s
        self._next_look_ns = NS_PER_S if watched else U64[1]

    def feed(self, tid: int) -> bool:
        """The task's next phase; False: it has none."""
        thread, k = self.threads[tid], self.begun.get(tid, 0)
        if k == len(thread.phases):
            return False
        task, phase = self.machine.task(tid), thread.phases[k]
        if not self.bound:
            if phase.bind is not None:
                nids = self.machine.topology.memory_nodes
                task.set_policy("bind", nodes=[nids[phase.bind]])
            elif k and thread.phases[k - 1].bind is not None:
                task.set_policy("none")
        task.feed_program(
            phase.steps, base_vpn=BASE_VPN, mutator=thread.mutator,
            seed=(self.seed * 65537 + self._number[tid]) & U64[1],
        )
        self.begun[tid] = k + 1
        return True

    def note(self, tid: int) -> None:
        """Keep a task's times."""
        info = self.machine.task(tid).info()
        used = info.sum_exec_ns + info.debt_ps // 1000
        system = info.sys_ps // 1000
        self.tasks[tid] = {
            "tid": tid, "pid": info.pid, "user_ns": used - system, "system_ns": system,
            "accesses_local": info.accesses_local, "accesses_remote": info.accesses_remote,
        }

    def end(self, tid: int) -> bool:
        """A task is through; True: so is the load."""
        thread = self.threads[tid]
        self.note(tid)
        self._last_nid[tid] = self.machine.task(tid).info().nid
        self._to_do -= not thread.background
        if not self._to_do:
            return True
        self._alive[thread.process] -= 1
        if not self._alive[thread.process]:  # its memory goes with it
            for nid, n in enumerate(self.processes[thread.process].node_pages().tolist()):
                self.gone[nid] = self.gone.get(nid, 0) + n
        self.machine.task(tid).exit()
        return False

    def run(self, until_ns: int) -> Stop:
        """Run on; a load that is looked at is run second by second, and stops with ``converged``
        when that ends it."""
        while True:
            look_ns = self._next_look_ns
            stop = run_until(self.machine, min(until_ns, look_ns))
            if stop.why == "until" and look_ns <= until_ns:
                self._next_look_ns += NS_PER_S
                self._disturb(look_ns // NS_PER_S)
                if self._look(look_ns):
                    return Stop("converged", 0, 0)
            if stop.why != "until" or look_ns > until_ns:
                return stop

    def _disturb(self, second: int) -> None:
        """Move the first thread into the other half of the machine; it may leave at once."""
        first = next(iter(self.threads))
        if not self.load.perturb_s or second % self.load.perturb_s or first in self._last_nid:
            return
        task, cpus = self.machine.task(first), self.machine.topology.cpus
        before, other = task.affinity, cpus.index(task.info().cpu) < len(cpus) // 2
        task.set_affinity([cpus[-1 if other else 0]])
        task.set_affinity(before)

    def _look(self, now_ns: int) -> bool:
        """Has each process come together, once all its threads are at their loops?  True: and that
        ends the load."""
        if any(n < len(self.threads[tid].phases) for tid, n in self.begun.items()):
            return False
        nids: list[set[int]] = [set() for _ in self.processes]
        for tid, thread in self.threads.items():
            gone = self._last_nid.get(tid)
            nids[thread.process].add(self.machine.task(tid).info().nid if gone is None else gone)
        if any(len(where) > 1 for where in nids):
            self.converged_ns = 0
            return False
        self.converged_ns = self.converged_ns or now_ns
        return self.load.until_converged

    def end_ns(self, why: str) -> int:
        """When a run was over that has just ended so: the work (``feed``) ends within a tick."""
        return self.machine.now_ns + (self.machine.tick_ns if why == "feed" else 0)

    def passes(self) -> int:
        """Scan passes complete over every living address space."""
        alive = {self.threads[t].process: t for t in self.threads if t not in self.tasks}
        infos = [self.machine.task(t).info() for t in alive.values()]
        return min((i.mm_numa_scan_seq for i in infos), default=0)

    def living(self) -> list[Process]:
        """Processes that have a task left."""
        return [p for i, p in enumerate(self.processes) if self._alive[i]]
