"""A machine: topology, policy, tunables, counters, and the run of time.

:class:`Machine` owns everything; processes and tasks (``process.py``) are thin names for parts of
it.  A machine must not be used by two threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

import numpy as np

from numa_core import EVENT, EPOCH, ROW, RQ, Handle, counter_rows, ffi, lib, reason_rows, text
from numa_core.errors import InvalidArgument, NoSuchTask

from .arguments import CPU, ID, U32, U64, choice, flag, names, records, shown, whole
from .mempolicy import era_named
from .policies import HomeNode, Policy, check_policy
from .process import Process
from .sched import Scheduler, scheduler_of
from .syscalls.state import MemoryState
from .task import ROWS_FROM, Task
from .topology import Topology
from .tunables import Tunables
from .values import OBJECT_KINDS, Move, NodeInfo, Stop

__all__ = ["EVENT_KINDS", "Counters", "Machine"]

_COUNTERS = counter_rows()
_REASONS = reason_rows()
#: Names of the kinds of events, at the places of EVENT's ``kind``.
EVENT_KINDS = tuple(
    text(lib.numab_event_name(i)) for i in range(lib.NUMAB_EV_MASK_ALL.bit_length())
)
STOP_NAMES = ("until", "feed", "loop", "done", "ring")
DRAIN_MAX = 1 << 24  # events a call: 1 GiB


class Counters(Mapping[str, int]):
    """Live counters by name; ``vmstat()`` and ``dict()`` give snapshots.

    Rows that nothing bumps (compaction's) are not in the mapping; :attr:`absent` names them.
    """

    absent: tuple[str, ...] = tuple(n for n, kind, _, _ in _COUNTERS if kind == "ABSENT")

    def __init__(self, handle: Handle) -> None:
        self._values = handle.view(lib.numab_counters(handle.m), (len(_COUNTERS),))
        self._index = {n: i for i, (n, k, _, _) in enumerate(_COUNTERS) if k != "ABSENT"}

    def __getitem__(self, name: str) -> int:
        return int(self._values[self._index[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def vmstat(self) -> dict[str, int]:
        """Snapshot of the rows that /proc/vmstat has, in its order."""
        return {n: self[n] for n, kind, _, _ in _COUNTERS if kind == "VMSTAT"}


def _watermarks(given: Any, topology: Topology) -> dict[int, tuple[int, ...]]:
    if not isinstance(given, Mapping):
        raise InvalidArgument(f"watermarks {shown(given)}, permitted: nid to (min, low, high)")
    out = {}
    for nid, marks in given.items():
        if nid not in topology.nids:
            raise InvalidArgument(
                f"watermarks of node {shown(nid)}, permitted nodes: {list(topology.nids)}"
            )
        three = marks if isinstance(marks, (tuple, list)) else ()
        if len(three) != 3:
            raise InvalidArgument(
                f"watermarks {shown(marks)} of node {nid}, permitted: (min, low, high) in pages"
            )
        out[nid] = tuple(whole(f"watermark of node {nid}", pages, U64) for pages in three)
        if list(out[nid]) != sorted(out[nid]):
            raise InvalidArgument(
                f"watermarks {shown(marks)} of node {nid}, permitted: min <= low <= high"
            )
    return out


class Machine:
    """A NUMA machine under automatic balancing.

    Parameters
    ----------
    topology : Topology or str
        A machine, or anything :meth:`numab.Topology.load` takes: a preset, a path.
    policy : str or Policy
        ``off``, ``moron``, ``home_node``, ``v3_8`` (:data:`numab.POLICIES` has a sentence on
        each), or an object of a subclass of :class:`numab.Policy`.
    seed : int
        Of the machine's one random generator (injected failures only).
    hz : int
        Ticks per second, 100..1000.
    tunables : mapping
        Name to value, any spelling of :mod:`numab.tunables`.
    as_posted : bool
        All switches as the posting of 13 Nov 2012 had them, instead of mended; what the policy
        presets wins over that, what ``tunables`` says over both.
    external : bool
        The host owns time and pages: see ``numab.h`` section 6.
    sched : str or Scheduler, optional
        None: tasks stay where they are put; ``"2012"`` or a :class:`numab.sched.Scheduler`: loads
        are balanced as by Linux 3.7 with patch 28, and ``home_node`` looks for better places.
    watermarks : mapping, optional
        nid to (min, low, high) in pages; default: as Linux computes them.
    era : str
        Whose memory-policy system calls: ``v2`` (the posting), ``v3.8``, ``v6.1``, ``v6.12``.

    Raises InvalidArgument, TopologyError.

    Example
    -------
    >>> m = Machine("2s", policy="moron")
    >>> p = m.process(cpu=0)
    >>> vma = p.mmap(0x10000000, 2 << 20)
    >>> p.main.access(0x10000000, write=True).nid
    0
    """

    def __init__(
        self,
        topology: Topology | str,
        *,
        policy: Union[str, Policy] = "home_node",
        seed: int = 0,
        hz: int = 250,
        tunables: Mapping[str, int] | None = None,
        as_posted: bool = False,
        external: bool = False,
        sched: Union[str, Scheduler, None] = None,
        watermarks: Mapping[int, tuple[int, int, int]] | None = None,
        era: str = "v2",
    ) -> None:
        if not isinstance(topology, Topology):
            topology = Topology.load(topology)
        self.topology = topology
        marks = _watermarks(watermarks or {}, topology)
        nodes = [(n.nid, n.pages, *marks.get(n.nid, (0, 0, 0))) for n in topology.nodes]
        self._policy: Policy | None = None
        chosen = scheduler_of(sched)
        self._h = Handle(
            nodes, topology.cpu_nid.tolist(), topology.distance, hz=whole("hz", hz, U32),
            seed=whole("seed", seed, U64), external=flag("external", external),
            place=self._place, balance=self._balance if chosen else None,
        )
        #: What the memory-policy calls know beside the core; see :mod:`numab.syscalls`.
        self.memory = MemoryState(self, era)
        #: Paths of objects that were given one, by id.
        self.object_names: dict[int, str] = {}
        self.tunables = Tunables(self._h)
        if flag("as_posted", as_posted):
            self._h.check(lib.numab_set_as_posted(self._h.m, 1))
        self.tunables.update_checked(tunables or {})
        self.policy = policy  # type: ignore[assignment]
        self._home_node = HomeNode(self._h, topology) if chosen else None
        if chosen:
            self._bias = chosen.attach(self._h, topology)
        #: Live counters by kernel name.
        self.counters = Counters(self._h)
        self._reasons = self._h.view(lib.numab_reasons(self._h.m), (len(_REASONS),))
        self.nr_node_ids: int = lib.numab_nr_node_ids(self._h.m)

    def _balance(self, lb: Any) -> int:
        return self._bias.answer(lb)

    def _place(self, tid: int) -> None:
        if self._policy is not None:
            self._policy.place(self, tid)
        elif self._home_node is not None and self.policy == "home_node":
            self._home_node.place(tid)

    # ---- policy, counters ----

    @property
    def policy(self) -> str:
        """Name of the policy in use; assign a name or a Policy to change it (marks stay armed)."""
        return text(lib.numab_policy_in_use(self._h.m))

    @policy.setter
    def policy(self, policy: Union[str, Policy]) -> None:
        if isinstance(policy, Policy):
            policy.install(self._h)
            self._policy = policy
        else:
            self._h.check(lib.numab_use_policy(self._h.m, check_policy(policy).encode()))
            self._policy = None

    @property
    def era(self) -> str:
        """Whose memory-policy system calls; may be changed at any time, policies stay."""
        return self.memory.era.name

    @era.setter
    def era(self, era: str) -> None:
        self.memory.era = era_named(era)

    def vmstat(self) -> dict[str, int]:
        """Snapshot of the kernel's vmstat rows."""
        return self.counters.vmstat()

    def reasons(self) -> dict[str, int]:
        """Snapshot: how often each verdict was given (names of ``reasons.def``, lower case)."""
        return {name: int(v) for (name, _), v in zip(_REASONS, self._reasons)}

    @property
    def access_matrix(self) -> np.ndarray:
        """Accesses by node of the CPU and node of the page: read-only view, uint64, shape
        (nr_node_ids, nr_node_ids, 2), last axis reads and writes."""
        n = self.nr_node_ids
        return self._h.view(lib.numab_access_matrix(self._h.m), (n, n, 2))

    @property
    def rqs(self) -> np.ndarray:
        """Run queues by CPU id: read-only, live view of dtype ``numa_core.RQ``, shape (CPU ids,);
        a task of nice 0 weighs 1024.  Source: ``struct numab_rq``.

        >>> m = Machine("2s")
        >>> _ = m.process(cpu=0)
        >>> int(m.rqs["nr_running"].sum()), int(m.rqs[0]["load_weight"])
        (1, 1024)
        """
        return self._h.records(lib.numab_rqs(self._h.m), max(self.topology.cpus) + 1, RQ)

    @property
    def sched_features(self) -> str:
        """The scheduler features, as debugfs prints them; assign names to switch some on or off
        (``NO_`` before the name).

        >>> m = Machine("2s")
        >>> m.sched_features = "NO_NUMA_HOMENODE_PULL_BIAS"
        >>> m.sched_features
        'NUMA NUMA_HOMENODE_PREFERRED NUMA_HOMENODE_PULL NO_NUMA_HOMENODE_PULL_BIAS'
        """
        return self.tunables.features_text()

    @sched_features.setter
    def sched_features(self, words: str) -> None:
        self.tunables.load_features(words)

    def node(self, nid: int) -> NodeInfo:
        """A node's memory, now.  Raises NoSuchTask for a node that does not exist."""
        c = ffi.new("struct numab_node_info *")
        if lib.numab_node_info(self._h.m, whole("nid", nid, (0, 1023)), c):
            raise NoSuchTask(f"node {nid} does not exist; nodes: {list(self.topology.nids)}")
        return NodeInfo(**{f: getattr(c, f) for f in NodeInfo.__dataclass_fields__})

    def set_weight(self, nid: int, weight: int) -> None:
        """A node's share under WEIGHTED_INTERLEAVE, 1..255 (at first 1; 0 sets that).

        Linux: /sys/kernel/mm/mempolicy/weighted_interleave/nodeN.
        """
        nid, weight = whole("nid", nid, (0, 1023)), whole("weight", weight, (0, 255))
        self._h.check(lib.numab_set_weight(self._h.m, nid, weight))

    def weight(self, nid: int) -> int:
        """A node's weight.  Raises InvalidArgument for a node that does not exist."""
        return self._h.check(lib.numab_weight_of(self._h.m, whole("nid", nid, (0, 1023))))

    def check(self) -> None:
        """Verify every invariant of the core; raises InvalidArgument that names a broken one."""
        self._h.check(lib.numab_check(self._h.m))

    # ---- processes, memory objects ----

    def process(self, cpu: int | None = None) -> Process:
        """A new process with one task on ``cpu`` (default: the first)."""
        cpu = self.topology.cpus[0] if cpu is None else whole("cpu", cpu, CPU)
        pid = self._h.check(lib.numab_process(self._h.m, cpu))
        self.memory.started(pid, pid)
        return Process(self, pid)

    def process_of(self, pid: int) -> Process:
        """The process of that id."""
        return Process(self, pid)

    def task(self, tid: int) -> Task:
        """The task of that id."""
        return Task(self, tid)

    def object(self, kind: str, nr_pages: int, name: str | None = None) -> int:
        """Memory that several processes can map: ``shm`` or ``file``.  Returns its id.

        ``name``: its path, as numa_maps shows it.
        """
        choice("object kind", kind, tuple(OBJECT_KINDS))
        nr_pages = whole("nr_pages", nr_pages, U64)
        if not (name is None or isinstance(name, str) and name):
            raise InvalidArgument(f"object name {shown(name)}, permitted: a path")
        number = self._h.check(
            lib.numab_object(self._h.m, getattr(lib, OBJECT_KINDS[kind]), nr_pages)
        )
        if name is not None:
            self.object_names[number] = name
        return number

    def drop_object(self, object_id: int) -> None:
        """Its pages are freed with the last mapping."""
        self._h.check(lib.numab_object_drop(self._h.m, whole("object_id", object_id, ID)))

    # ---- time ----

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return lib.numab_now_ns(self._h.m)

    @property
    def tick_ns(self) -> int:
        """Length of a tick, 1e9 / hz."""
        return lib.numab_tick_ns(self._h.m)

    def set_now(self, now_ns: int) -> None:
        """Set the clock (hosts that own the time); it never goes back."""
        self._h.check(lib.numab_set_now(self._h.m, whole("now_ns", now_ns, U64)))

    def run(self, until_ns: int) -> Stop:
        """Run whole ticks until ``until_ns``, or until something has to be done first.

        Raises AccessFault or OutOfMemory when a task's access failed, and any exception of a
        Python hook.  May be called again after either.
        """
        c = ffi.new("struct numab_stop *")
        self._h.check(lib.numab_run(self._h.m, whole("until_ns", until_ns, U64), c))
        return Stop(STOP_NAMES[c.why], c.tid, c.loop)

    def feed_replay(
        self, rows: np.ndarray, epochs: np.ndarray, *, window: int = 64, loops: int = 0
    ) -> None:
        """Let tasks replay a trace: ``rows`` of dtype ROW, ``epochs`` of dtype EPOCH.

        Both are held, not copied.  ``loops=0`` runs for ever.
        """
        rows = records("rows", rows, ROW, ROWS_FROM)
        epochs = records("epochs", epochs, EPOCH, "dtype numa_core.EPOCH")
        c = ffi.new("struct numab_replay *")
        held = [
            ffi.from_buffer("struct numab_row[]", rows),
            ffi.from_buffer("struct numab_epoch[]", epochs),
        ]
        c.rows, c.epochs = held
        c.nr_rows, c.nr_epochs = len(rows), len(epochs)
        c.window, c.loops = whole("window", window, U64), whole("loops", loops, U64)
        self._h.check(lib.numab_feed_replay(self._h.m, c))
        self._h.keep("replay", held)  # only now: a refused one leaves the machine as it was

    # ---- external mode ----

    def moves(self, limit: int = 4096) -> list[Move]:
        """Moves the host is asked for since the last call, oldest first."""
        limit = whole("limit", limit, (0, lib.NUMAB_MAX_MOVES))
        c = ffi.new("struct numab_move[]", limit)
        n = self._h.check(lib.numab_moves(self._h.m, c, limit))
        return [Move(**{f: getattr(c[i], f) for f in Move.__dataclass_fields__}) for i in range(n)]

    def migrated(self, move: Union[Move, int], ok: bool = True) -> None:
        """Answer a move: done, or refused."""
        move_id = whole("move", move.id if isinstance(move, Move) else move, U64)
        self._h.check(lib.numab_migrated(self._h.m, move_id, 0 if flag("ok", ok) else 1))

    # ---- events ----

    def events(
        self, capacity: int, *, lossless: bool = False, pages: Iterable[int] | None = None,
        kinds: Iterable[str] | None = None,
    ) -> None:
        """Keep a ring of ``capacity`` events, 0: none; ``pages=(first, end)`` watches those only.

        ``lossless``: a full ring stops runs with ``ring`` instead of dropping.  ``kinds``: names
        of :data:`EVENT_KINDS`; default: those of pages, not the scheduler's.
        """
        mask = lib.NUMAB_EV_MASK_PAGES
        if kinds is not None:
            chosen = names("event kind", kinds, EVENT_KINDS)
            mask = sum({1 << EVENT_KINDS.index(kind) for kind in chosen})
        watched = (0, 1 << 48) if pages is None else pages
        watched = tuple(watched) if isinstance(watched, Iterable) else ()
        if len(watched) != 2:
            raise InvalidArgument(f"pages {shown(pages)}, permitted: (first, end)")
        first, end = (whole("pages with", vpn, U64) for vpn in watched)
        capacity, lossless = whole("capacity", capacity, U32), flag("lossless", lossless)
        self._h.check(lib.numab_events(self._h.m, capacity, lossless, first, end))
        self._h.check(lib.numab_events_mask(self._h.m, mask))

    def drain(self, limit: int = 65536) -> np.ndarray:
        """Take up to ``limit`` events, oldest first: a copy of dtype EVENT."""
        out = np.zeros(whole("limit", limit, (0, DRAIN_MAX)), EVENT)
        n = self._h.check(
            lib.numab_drain(self._h.m, ffi.from_buffer("struct numab_event[]", out, True), limit)
        )
        return out[:n].copy()
