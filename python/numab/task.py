"""Tasks: touching memory, and the time they take.

Addresses are bytes, ``vpn`` page numbers of 4 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from numa_core import ROW, ffi, lib
from numa_core.errors import InvalidArgument, NoSuchTask, TopologyError

from .arguments import (
    CPU, NICE, NID, U32, U64, choice, flag, real, records, shown, whole, whole_array,
)
from .procfs.methods import TaskFiles
from .program import PATTERNS, Step, step_rows
from .syscalls.methods import TaskCalls
from .topology.cpuset import format_list, parse_list
from .values import (
    FAULT_KINDS, REASONS, Batch, Outcome, Part, Probe, TaskInfo, mpol, tag_or_none,
)

if TYPE_CHECKING:
    from .process import Process

__all__ = ["Task"]

ROWS_FROM = "numab.rows(), dtype numa_core.ROW"


class Task(Part, TaskCalls, TaskFiles):
    """A thread of control on one CPU; tasks are made by ``machine.process`` and :meth:`clone`.

    >>> from numab import Machine
    >>> main = Machine("2s").process(cpu=0).main
    >>> other = main.clone(cpu=8)
    >>> other.tid, other.info().nid
    (2, 1)
    """

    @property
    def tid(self) -> int:
        """Task id."""
        return self._id

    def info(self) -> TaskInfo:
        """Snapshot of its state.  Raises NoSuchTask after exit."""
        c = ffi.new("struct numab_task_info *")
        if lib.numab_task_info(self._h.m, self._id, c):
            raise NoSuchTask(f"no task {self._id}")
        return TaskInfo(**{f: getattr(c, f) for f in TaskInfo.__dataclass_fields__})

    def sched_debug(self) -> str:
        """Its line in /proc/sched_debug as Linux 3.7 prints it, with patch 28's home/current at the
        end: home node (-1: none) and node of its CPU.

        Columns: R for the task that runs, name, tid, virtual run time (ms), switches, priority,
        virtual run time again, run time and sleep (ms).  Sleep is not kept: 0, as without
        CONFIG_SCHEDSTATS.

        >>> from numab import Machine
        >>> task = Machine("2s").process(cpu=8).main
        >>> task.set_home(0)
        >>> task.sched_debug().split()[-1]
        '0/1'
        """
        t = self.info()

        def ms(ns: int) -> str:
            return f"{ns // 10**6:9d}.{ns % 10**6:06d}"

        runs = "R" if int(self.machine.rqs[t.cpu]["curr"]) == t.tid and t.queued else " "
        return (f"{runs}{f'task-{t.tid}':>15} {t.tid:5d} {ms(t.vruntime_ns)} {t.nr_switches:9d} "
                f"{120 + t.nice:5d} {ms(t.vruntime_ns)} {ms(t.sum_exec_ns)} {ms(0)} "
                f"{t.home_nid}/{t.nid}")

    def faults(self) -> np.ndarray:
        """Hinting faults accounted to each node id, decaying: a copy, uint64, (nr_node_ids,)."""
        pointer = lib.numab_task_faults(self._h.m, self._id)
        if pointer == ffi.NULL:
            raise NoSuchTask(f"no task {self._id}")
        return self._h.view(pointer, (self.machine.nr_node_ids,)).copy()

    def fork(self, cpu: int | None = None) -> Process:
        """A child process, copy on write."""
        cpu = self.info().cpu if cpu is None else whole("cpu", cpu, CPU)
        pid = self._h.check(lib.numab_fork(self._h.m, self._id, cpu))
        self.machine.memory.started(pid, pid, self._id)
        return self.machine.process_of(pid)

    def clone(self, cpu: int | None = None) -> Task:
        """A further thread."""
        cpu = self.info().cpu if cpu is None else whole("cpu", cpu, CPU)
        tid = self._h.check(lib.numab_clone(self._h.m, self._id, cpu))
        self.machine.memory.started(tid, self.machine.memory.pid_of(tid), self._id)
        return Task(self.machine, tid)

    def exec(self) -> None:
        """Replace the address space by an empty one."""
        self._h.check(lib.numab_exec(self._h.m, self._id))

    def exit(self) -> None:
        """End it; the last task of a process frees its memory."""
        self._h.check(lib.numab_exit(self._h.m, self._id))

    def set_cpu(self, cpu: int) -> None:
        """Move it to a CPU, one of its :attr:`affinity`."""
        self._h.check(lib.numab_task_set_cpu(self._h.m, self._id, whole("cpu", cpu, CPU)))

    def set_home(self, nid: int) -> None:
        """Set its home node, -1: none (sched_setnode); the task does not move.

        Raises InvalidArgument for a node that does not exist, or has no CPUs: the kernel makes only
        nodes home where a task runs (task_numa_placement), and nobody could ever get there.
        """
        nid, topology = whole("nid", nid, NID), self.machine.topology
        if nid != -1 and nid not in topology.cpu_nodes:
            why = "has no CPUs" if nid in topology.nids else "does not exist"
            raise InvalidArgument(f"home node {nid} {why}, permitted: -1 (none), or one of "
                                  f"{format_list(topology.cpu_nodes)}")
        self._h.check(lib.numab_task_set_home(self._h.m, self._id, nid))

    @property
    def nice(self) -> int:
        """Nice value, -20 (most CPU time) to 19; children inherit it.  Assign to change it."""
        return self.info().nice

    @nice.setter
    def nice(self, nice: int) -> None:
        self.set_nice(nice)

    def set_nice(self, nice: int) -> None:
        """Set its nice value: each step is about 10 % of CPU time.  Raises InvalidArgument outside
        -20..19.  Source: set_user_nice.

        >>> from numab import Machine
        >>> task = Machine("2s").process().main
        >>> task.set_nice(5)
        >>> task.nice, task.info().weight
        (5, 335)
        """
        self._h.check(lib.numab_task_set_nice(self._h.m, self._id, whole("nice", nice, NICE)))

    @property
    def affinity(self) -> tuple[int, ...]:
        """CPUs that it may run on, ascending."""
        words = (max(self.machine.topology.cpus) + 64) // 64
        c = ffi.new("uint64_t[]", words)
        if lib.numab_task_affinity(self._h.m, self._id, c, words) < 0:
            raise NoSuchTask(f"no task {self._id}")
        return tuple(i for i in range(words * 64) if c[i // 64] >> i % 64 & 1)

    def set_affinity(self, cpus: Iterable[int] | str | None) -> None:
        """CPUs it may run on: ids, a list like ``"0-3,8"``, or None for all.  Children inherit it.

        A task that sits elsewhere moves to the first of them on its node, else to the first.
        Raises InvalidArgument when there is none, or one does not exist.  Source:
        set_cpus_allowed_ptr.

        >>> from numab import Machine
        >>> task = Machine("2s").process(cpu=0).main
        >>> task.set_affinity("2-3")
        >>> task.affinity, task.info().cpu
        ((2, 3), 2)
        """
        if cpus is None:
            self._h.check(lib.numab_task_set_affinity(self._h.m, self._id, ffi.NULL, 0))
            return
        if isinstance(cpus, str):
            try:
                cpus = parse_list(cpus, "cpus", CPU[1] + 1)
            except TopologyError as e:
                raise InvalidArgument(str(e)) from None
        bits = sum({1 << int(cpu) for cpu in whole_array("cpus", cpus, np.uint32, CPU)})
        words = (bits.bit_length() + 63) // 64
        c = ffi.new("uint64_t[]", [bits >> 64 * i & U64[1] for i in range(words)])
        self._h.check(lib.numab_task_set_affinity(self._h.m, self._id, c, words))

    def set_policy(
        self, mode: str, *, nid: int = -1, nodes: Iterable[int] = (), lazy: bool = False
    ) -> None:
        """Target rule of the task: none, local, preferred, bind, interleave; ``lazy``: MOF."""
        c, _mask = mpol(mode, nid, nodes, lazy)
        self._h.check(lib.numab_set_task_policy(self._h.m, self._id, c))

    def sleep(self, until_ns: int | None = None) -> None:
        """Take it off its CPU until then, or (None) until :meth:`wake`."""
        until = U64[1] if until_ns is None else whole("until_ns", until_ns, U64)
        self._h.check(lib.numab_task_sleep(self._h.m, self._id, until))

    def wake(self, by: Task | None = None) -> None:
        """Make it runnable: as its timer would, or as task ``by`` does.

        With sched domains it may wake on another CPU than it slept on: the waker's, if that is
        hardly busier (wake_affine), or an idle one that shares the cache.  Raises NoSuchTask.
        Source: select_task_rq_fair.

        >>> from numab import Machine
        >>> m = Machine("2s", sched="2012")
        >>> first, second = m.process(cpu=0).main, m.process(cpu=0).main
        >>> second.sleep()
        >>> second.wake()  # CPU 0 is taken, CPU 1 shares its cache
        >>> second.info().cpu
        1
        """
        if by is None:
            self._h.check(lib.numab_task_wake(self._h.m, self._id))
        elif isinstance(by, Task) and by.machine is self.machine:
            self._h.check(lib.numab_task_wake_by(self._h.m, self._id, by.tid))
        else:
            raise InvalidArgument(f"wake by {shown(by)}, permitted: a task of the same machine")

    # ---- touching memory ----

    def access(self, vaddr: int, write: bool = False) -> Outcome:
        """One access, now, with every fault it meets.  A few microseconds; for many, use rows.

        Raises AccessFault (SIGSEGV), OutOfMemory.
        """
        c = ffi.new("struct numab_outcome *")
        vaddr, write = whole("vaddr", vaddr, U64), flag("write", write)
        self._h.check(lib.numab_access(self._h.m, self._id, vaddr, write, c))
        return Outcome(c.cost_ps, c.nid, REASONS[c.reason], c.faults, c.hints)

    def access_rows(self, table: np.ndarray) -> Batch:
        """Many accesses in order: ``table`` of dtype ROW (see :func:`rows`); no copy.

        Raises AccessFault, OutOfMemory; the rows before the offending one are done.
        """
        table = records("table", table, ROW, ROWS_FROM)
        c = ffi.new("struct numab_batch *")
        self._h.check(
            lib.numab_access_rows(
                self._h.m, self._id, ffi.from_buffer("struct numab_row[]", table), len(table), c
            )
        )
        return Batch(c.consumed, c.cost_ps, c.faults, c.hints)

    def gup(self, vaddr: int, *, write: bool = False, fast: bool = True) -> bool:
        """get_user_pages: was the page taken?  ``fast`` refuses what may need a fault."""
        vaddr, write, fast = whole("vaddr", vaddr, U64), flag("write", write), flag("fast", fast)
        return bool(self._h.check(lib.numab_gup(self._h.m, self._id, vaddr, write, fast)))

    def probe(self, vaddr: int, write: bool = False) -> Probe:
        """What this access would meet, and why.  Changes nothing."""
        c = ffi.new("struct numab_probe *")
        vaddr, write = whole("vaddr", vaddr, U64), flag("write", write)
        self._h.check(lib.numab_probe(self._h.m, self._id, vaddr, write, c))
        return Probe(
            FAULT_KINDS[c.kind], REASONS[c.reason], c.nid, c.to_nid, tag_or_none(c.tag),
            tag_or_none(c.new_tag),
        )

    # ---- time ----

    def feed(self, table: np.ndarray, *, repeat: int = 1) -> None:
        """What it does next: rows (held, not copied), ``repeat`` times over, 0: for ever."""
        table, repeat = records("table", table, ROW, ROWS_FROM), whole("repeat", repeat, U64)
        c = ffi.from_buffer("struct numab_row[]", table)
        self._h.check(lib.numab_feed_rows(self._h.m, self._id, c, len(table), repeat))
        self._h.keep(("rows", self._id), c)  # only now: a refused feed leaves the old one in use

    def feed_pattern(
        self,
        kind: str,
        vpn: int,
        nr_pages: int,
        *,
        reads: int = 0,
        writes: int = 0,
        write_permille: int = 1000,
        touches: int = 0,
        theta: float = 0.99,
        seed: int = 0,
    ) -> None:
        """A generated load: ``sweep``, ``uniform`` or ``zipf`` over ``nr_pages`` from ``vpn``.

        ``reads`` and ``writes`` are per touch; ``write_permille`` of the touches make the writes,
        the others read instead; ``touches=0`` never ends.
        """
        c = ffi.new("struct numab_pattern *")
        c.kind = choice("pattern", kind, PATTERNS)
        c.vpn, c.nr_pages = whole("vpn", vpn, U64), whole("nr_pages", nr_pages, U64)
        c.touches, c.seed = whole("touches", touches, U64), whole("seed", seed, U64)
        c.reads, c.writes = whole("reads", reads, U32), whole("writes", writes, U32)
        c.write_permille = whole("write_permille", write_permille, (0, 1000))
        c.theta_milli = round(real("theta", theta, 0.001, 4.0) * 1000)
        self._h.check(lib.numab_feed_pattern(self._h.m, self._id, c))

    def feed_program(
        self, steps: Sequence[Step], *, base_vpn: int = 0, mutator: bool = False, seed: int = 0
    ) -> None:
        """What it does next: the steps of :mod:`numab.program`, their pages counted from
        ``base_vpn``; at the end, runs stop with ``feed``.

        ``mutator``: it stands still while a step of its process has stopped the world.  See
        :mod:`numab.program` for an example.
        """
        table = step_rows(steps, whole("base_vpn", base_vpn, U64))
        c = ffi.from_buffer("struct numab_step[]", table)
        flags = lib.NUMAB_PROGRAM_MUTATOR if flag("mutator", mutator) else 0
        seed = whole("seed", seed, U64)
        self._h.check(
            lib.numab_feed_program(self._h.m, self._id, c, len(table), flags, seed)
        )

    def account(self, ran_ns: int) -> None:
        """It has executed for that long (hosts that own the time)."""
        self._h.check(lib.numab_account(self._h.m, self._id, whole("ran_ns", ran_ns, U64)))

    def tick(self) -> bool:
        """The timer tick hits it; did it queue a scan?  (task_tick_numa)"""
        return bool(self._h.check(lib.numab_tick(self._h.m, self._id)))

    def task_work(self) -> int:
        """It returns to user mode: run its queued scan; entries marked.  (task_numa_work)"""
        return self._h.check(lib.numab_task_work(self._h.m, self._id))
