"""Machines whose tasks stand on run queues as described, for numab_load_balance()."""

from __future__ import annotations

from dataclasses import dataclass

from numa_core import ffi, lib
from numab import Machine
from numab.sched import Scheduler, build_domains

VPN, PAGE = 0x10000, 4096
TICK_NS = 1_000_000
#: A read takes 0.9 ms, and nothing else any time.
PRICES = {"cpu_ps": 1, "latency_local_ps": 9 * 10**8 - 1, "fault_ns": 0, "page_alloc_ns": 0,
          "zero_page": 0}


@dataclass(frozen=True)
class Spec:
    """A task: where it is queued, its weight, home node and CPUs, whether it runs or just has."""

    cpu: int
    nice: int = 0
    home: int = -1
    cpus: tuple[int, ...] | None = None
    runs: bool = False
    hot: bool = False


class Queued:
    """Tasks are told by :meth:`put`; :meth:`build` makes the machine so.

    Who comes last stands first, on each of a CPU's lists; one of a CPU may run and must come first,
    and one may be ``hot``: it stopped running ``since`` ns ago, the others never ran.  Load
    averages are the load now.
    """

    def __init__(self, topology, *, preempt=False, since=499_999, seed=0, **features):
        self.topology, self.domains = topology, build_domains(topology)
        self.since, self.scheduler = since, Scheduler(preempt)
        self.specs, self.tasks, self.built = [], {}, False
        self.m = Machine(topology, policy="off", sched=self.scheduler, hz=10**9 // TICK_NS,
                         seed=seed, tunables={**PRICES, **features})
        self.h = self.m._h

    def put(self, cpu, **words):
        """Returns the number of the task, from 0."""
        self.specs.append(Spec(cpu, **words))
        return len(self.specs) - 1

    def _create(self, i):
        spec, p = self.specs[i], self.m.process(self.specs[i].cpu)
        p.mmap(VPN * PAGE, PAGE)
        p.main.set_nice(spec.nice)
        if spec.cpus is not None:
            p.main.set_affinity(spec.cpus)
        if spec.home >= 0:
            self.h.check(lib.numab_task_set_home(self.h.m, p.main.tid, spec.home))
        p.main.feed_pattern("sweep", VPN, 1, reads=1, touches=int(spec.hot))
        self.tasks[i] = p.main

    def build(self):
        """In a first tick the hot ones run and fall asleep, then those that run."""
        self.built = True
        for cpu in self.topology.cpus:
            self.h.check(lib.numab_set_domain(self.h.m, cpu, 0, ffi.NULL))
        hot = {spec.cpu: i for i, spec in enumerate(self.specs) if spec.hot}
        runs = {spec.cpu: i for i, spec in enumerate(self.specs) if spec.runs}
        for cpu in {**hot, **runs}:
            self._create(hot.get(cpu, runs.get(cpu)))
        while (stop := self.m.run(TICK_NS)).why == "feed":
            task = self.m.task(stop.tid)
            cpu = task.info().cpu
            task.sleep()
            if cpu in runs:
                self._create(runs[cpu])
        for i in range(len(self.specs)):
            if i not in self.tasks:
                self._create(i)
            elif self.specs[i].hot:
                self.tasks[i].wake()
        last = max([self.tasks[i].info().last_ran_ns for i in hot.values()], default=10**9)
        self.m.set_now(last + self.since)
        self.set_past(None)
        self.scheduler.attach(self.h, self.topology)
        self.m.events(1 << 16, kinds=["sched_move"])
        assert [self.tasks[i].info().cpu for i in self.tasks] == [
            self.specs[i].cpu for i in self.tasks]

    def set_past(self, averages):
        """Load averages by CPU, None: the load now.  Written into the core's own array."""
        for cpu in self.topology.cpus:
            rq = lib.numab_rqs(self.h.m)[cpu]
            rq.cpu_load = averages[cpu] if averages else [rq.load_weight] * 5

    def balance(self, cpu, idle, level=-1):
        """One balancing: NUMAB_BALANCE_* bits."""
        if not self.built:
            self.build()
        level = self.domains[cpu][level].level
        answer = self.h.check(lib.numab_load_balance(self.h.m, cpu, level, idle))
        self.m.check()
        return answer

    def moves(self):
        """[(number, from CPU, to CPU)] since the last look."""
        number = {task.tid: i for i, task in self.tasks.items()}
        return [(number[int(e["tid"])], int(e["from"]), int(e["to"])) for e in self.m.drain()]

    def state(self, cpu, level=-1):
        return lib.numab_domain_state(self.h.m, cpu, self.domains[cpu][level].level)

    def curr(self, cpu):
        """The number of the task that runs there, None: nobody."""
        tid = lib.numab_rqs(self.h.m)[cpu].curr
        return next((i for i, task in self.tasks.items() if task.tid == tid), None)

    def lists(self, cpu):
        """Numbers on both lists of a CPU: all but the off-node ones, and these."""
        tids, number = ffi.new("int32_t[]", 64), {t.tid: i for i, t in self.tasks.items()}
        return tuple([number[tid] for tid in tids[0:lib.numab_rq_tasks(self.h.m, cpu, which, tids,
                                                                       len(tids))]]
                     for which in (lib.NUMAB_CFS_TASKS, lib.NUMAB_OFFNODE_TASKS))
