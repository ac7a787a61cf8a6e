"""Are the run queues those of a plain reading of CFS, task by task and tick by tick?

Random tasks of random weight come, go, sleep, wake, move and change their home on two nodes of two
CPUs; after every step both sides agree on who runs, on every counter, list, load average and
virtual run time.
"""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracle.cpu import Queues

from numab import Machine, Node, Topology
from numa_core import ffi, lib

VPN, PAGE = 0x1000, 4096
CPU_NID = (0, 0, 1, 1)
ANY = st.integers(0, 2**16)
CPU = st.integers(0, 3)
#: An access of 1 ms: every runnable task fills its ticks exactly.
PRICES = {"cpu_ps": 1, "latency_local_ps": 999_999_999, "fault_ns": 0}


def topology():
    return Topology([Node(0, (0, 1), 1 << 24), Node(1, (2, 3), 1 << 24)], [[10, 10], [10, 10]])


class RunQueues(RuleBasedStateMachine):
    @initialize(hz=st.sampled_from([250, 1000, 100]), scaling=st.sampled_from([0, 1, 2]),
                latency=st.sampled_from([6_000_000, 1_000_000, 40_000_000]),
                granularity=st.sampled_from([750_000, 100_000, 7_000_000]),
                wakeup=st.sampled_from([1_000_000, 0, 20_000_000]))
    def boot(self, hz, scaling, latency, granularity, wakeup):
        self.m = Machine(topology(), policy="off", hz=hz, tunables={
            **PRICES, "sched_tunable_scaling": scaling, "sched_latency_ns": latency,
            "sched_min_granularity_ns": granularity, "sched_wakeup_granularity_ns": wakeup})
        self.oracle = Queues(CPU_NID, hz, latency, granularity, wakeup, scaling)
        self.process(0)

    # ---- what both sides do ----

    def born(self, task, parent):
        """A task of an address space of its own, which would run for ever."""
        process = self.m.process_of(task.tid)
        if parent is None:
            process.mmap(VPN * PAGE, PAGE)
            process.populate([VPN], 0)
        task.feed_pattern("sweep", VPN, 1, reads=1)
        self.oracle.new(task.tid, task.info().cpu, parent)

    def choose(self, number):
        """(Task, oracle's task)."""
        tid = sorted(self.oracle.tasks)[number % len(self.oracle.tasks)]
        return self.m.task(tid), self.oracle.tasks[tid]

    def few(self):
        return len(self.oracle.tasks) < 14

    def some(self):
        return len(self.oracle.tasks) > 1

    @precondition(few)
    @rule(cpu=CPU)
    def process(self, cpu):
        self.born(self.m.process(cpu).main, None)

    @precondition(few)
    @rule(who=ANY, cpu=CPU)
    def fork(self, who, cpu):
        ours, theirs = self.choose(who)
        if cpu in (theirs.allowed or range(4)):
            self.born(ours.fork(cpu).main, theirs)

    @precondition(some)
    @rule(who=ANY)
    def exit(self, who):
        ours, theirs = self.choose(who)
        ours.exit()
        self.oracle.exit(theirs)

    @rule(who=ANY, nice=st.sampled_from([0, 0, 1, -1, 5, 19, -20]))
    def set_nice(self, who, nice):
        ours, theirs = self.choose(who)
        ours.set_nice(nice)
        self.oracle.set_nice(theirs, nice)

    @rule(who=ANY, nid=st.sampled_from([-1, 0, 1]))
    def set_home(self, who, nid):
        ours, theirs = self.choose(who)
        ours.set_home(nid)
        self.oracle.set_home(theirs, nid)

    @rule(who=ANY, cpu=CPU)
    def set_cpu(self, who, cpu):
        ours, theirs = self.choose(who)
        if cpu in (theirs.allowed or range(4)):
            ours.set_cpu(cpu)
            self.oracle.set_cpu(theirs, cpu)

    @rule(who=ANY, cpus=st.none() | st.frozensets(CPU, min_size=1))
    def set_affinity(self, who, cpus):
        ours, theirs = self.choose(who)
        ours.set_affinity(cpus)
        self.oracle.set_affinity(theirs, cpus)

    @rule(who=ANY, ticks=st.integers(0, 9))
    def sleep(self, who, ticks):
        ours, theirs = self.choose(who)
        until = self.m.now_ns + ticks * self.m.tick_ns - ticks % 2
        ours.sleep(until)
        self.oracle.sleep(theirs, until)

    @rule(who=ANY)
    def wake(self, who):
        ours, theirs = self.choose(who)
        ours.wake()
        self.oracle.wake(theirs)

    @rule(ticks=st.sampled_from([1, 1, 2, 5, 30]))
    def run(self, ticks):
        self.m.run(self.m.now_ns + ticks * self.m.tick_ns)
        for _ in range(ticks):
            self.oracle.run_tick()

    # ---- what must agree ----

    @invariant()
    def agree(self):
        if not hasattr(self, "oracle"):
            return
        self.m.check()
        for cpu, queue in enumerate(self.oracle.queues):
            rq = self.m.rqs[cpu]
            assert rq["cpu_load"].tolist() == queue.loads
            assert [int(rq[key]) for key in (
                "load_weight", "nr_running", "onnode_running", "offnode_running",
                "offnode_weight", "curr", "nid")] == [
                queue.weight, len(queue.runnable), queue.onnode, queue.offnode,
                queue.offnode_weight, queue.curr.tid if queue.curr else 0, queue.nid]
            assert self.listed(cpu, lib.NUMAB_CFS_TASKS) == [t.tid for t in queue.cfs]
            assert self.listed(cpu, lib.NUMAB_OFFNODE_TASKS) == [t.tid for t in queue.off]
        for tid, task in self.oracle.tasks.items():
            info = self.m.task(tid).info()
            assert (info.cpu, info.sum_exec_ns, info.nice, info.weight, info.queued) == (
                task.cpu, task.executed // 1000, task.nice, task.weight, task.queued)
            assert info.vruntime_ns == task.vruntime % 2**64 // 1000
            assert self.m.task(tid).affinity == tuple(sorted(task.allowed or range(4)))

    def listed(self, cpu, which):
        out = np.zeros(20, np.int32)
        n = lib.numab_rq_tasks(self.m._h.m, cpu, which, ffi.from_buffer("int32_t[]", out), 20)
        return out[:n].tolist()


RunQueues.TestCase.settings = settings(deadline=None, stateful_step_count=40)
TestRunQueues = RunQueues.TestCase
