"""What does the scheduler's Python half cost of a run: load balancing and placement?

Method: a load under home_node with the scheduler of 2012, tick by tick of 4 ms; once as users run
it («plain»), once with both hooks timed («timed»), in turn.  Python's part is the CPU time inside
the hooks, as share of the timed run and by tick that enters one, each tick's least of all rounds:
they do the same, and what interrupts one of them is not the tick's.  Both sides must end alike:
where every task is, what it has used and touched, how often each CPU has switched, all counters.
Non-goals: what accesses cost (bench_whole_job.py); start-up, which is outside the times.
"""

import statistics
import time
from collections import Counter, defaultdict

import pytest
from numa_core import counter_rows, lib
from sides import Rounds, digest, measure

from numab.engine import run_until
from numab.synthetic import LoadJob, start_load

HZ = 250
#: load, machine, threads, pages, ticks, rounds
LARGE = {
    "numa02-64cpus": ("numa02", "8s", 128, 1 << 20, 15000, 1),
    "numa01-64cpus": ("numa01_threadlocal", "8s", 128, 1 << 20, 15000, 5),
    "server-64cpus": ("server", "8s", 128, 1 << 20, 15000, 1),
    "specjbb-64cpus": ("specjbb", "8s", 128, 1 << 20, 15000, 1),
    "numa02-1024cpus": ("numa02", "numa:64 core:16", 2048, 1 << 21, 1000, 1),
    "server-1024cpus": ("server", "numa:64 core:16", 2048, 1 << 21, 1000, 1),
}


class Side:
    """A load at its start, run once."""

    def __init__(self, load, machine, threads, pages, ticks):
        self.job = LoadJob(load, machine, threads, pages, duration_ns=ticks * (10**9 // HZ),
                           hz=HZ, sched="2012")
        self.started = start_load(self.job)
        self.h = self.started.machine._h
        self.in_python, self.calls = Counter(), Counter()  # seconds by tick, calls by hook

    def time_hooks(self):
        for name in ("balance", "place"):
            setattr(self.h, name, self._timed(name, getattr(self.h, name)))

    def _timed(self, name, hook):
        def call(*args):
            start = time.thread_time()
            answer = hook(*args)
            self.in_python[lib.numab_now_ns(self.h.m)] += time.thread_time() - start
            self.calls[name] += 1
            return answer

        return call

    def run(self):
        machine, load = self.started.machine, self.started
        while (stop := run_until(machine, self.job.duration_ns)).why != "until":
            if not load.feed(stop.tid):
                load.end(stop.tid)

    def words(self):
        m, machine = self.h.m, self.started.machine
        values = lib.numab_counters(m)
        out = [values[i] for i in range(len(counter_rows()))]
        for task in map(machine.task, self.started.threads):
            info = task.info()
            out += [info.cpu, info.sum_exec_ns, info.accesses_local, info.accesses_remote]
        for cpu in machine.topology.cpus:
            rq = lib.numab_rqs(m)[cpu]
            out += [rq.nr_switches, rq.nr_running]
        return out


def hook_figures(side, by_tick, seconds):
    """Seconds inside the hooks, share of the run, microseconds of the ticks that entered one."""
    each = sorted(1e6 * min(times) for times in by_tick.values()) or [0.0]
    return {
        "balance_calls": side.calls["balance"], "place_calls": side.calls["place"],
        "python_s": round(sum(side.in_python.values()), 4),
        "python_share": round(sum(side.in_python.values()) / seconds, 4),
        "ticks_entered": len(side.in_python), "us_median": round(statistics.median(each), 1),
        "us_p99": round(each[len(each) * 99 // 100], 1), "us_max": round(each[-1], 1),
    }


def scheduler(benchmark, load, machine, threads, pages, ticks, rounds):
    out, state, by_tick = Rounds("ticks", ticks), {}, defaultdict(list)

    def turn():
        state["timed"] = Side(load, machine, threads, pages, ticks)
        state["timed"].time_hooks()
        out.run("timed", state["timed"].run)
        for tick, spent in state["timed"].in_python.items():
            by_tick[tick].append(spent)
        state["plain"] = Side(load, machine, threads, pages, ticks)

    measure(benchmark, rounds, turn, lambda: out.run("plain", state["plain"].run))
    out.digests = {name: digest(state[name].words()) for name in ("plain", "timed")}
    figures = hook_figures(state["timed"], by_tick, out.seconds["timed"][-1])
    print(f"\n  {out.seconds['plain'][-1]:.1f} s for {ticks} ticks, {out.digests['plain']}",
          *(f"\n  {name} {value}" for name, value in figures.items()), end="")
    benchmark.extra_info.update(
        figures, seconds=out.seconds, ticks=ticks, checksums=out.digests)
    return out.digests


@pytest.mark.benchmark(group="scheduler")
@pytest.mark.parametrize("case", LARGE)
def bench_scheduler(benchmark, case):
    digests = scheduler(benchmark, *LARGE[case])
    assert len(set(digests.values())) == 1, digests


test_scheduler = bench_scheduler
