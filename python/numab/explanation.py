"""What a memory policy does on a machine, found out by doing it.

The policy is given to a task of a small machine with the same nodes, CPUs and distances; the task
touches pages until memory is out; where they went is the answer.  So it cannot differ from what a
run does.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from numa_core.errors import InvalidArgument, OutOfMemory

from .arguments import shown
from .machine import Machine
from .mempolicy import ERAS, Flags, InForce, MemPolicy, era_named
from .mempolicy.mount import mpol_parse_str
from .process import Process
from .topology import Node, Topology

__all__ = ["Balance", "Explanation", "Order", "Verdict", "explain", "explain_mount"]

PAGE = 4096
BASE = 0x10000000
NODE_PAGES = 32
"""Memory of each node of the small machine, at least; more where a turn of weights needs it."""


@dataclass(frozen=True)
class Verdict:
    """A kernel's answer to the call: ``errno`` a name such as EINVAL, empty: it takes it."""

    era: str
    errno: str
    text: str


@dataclass(frozen=True)
class Order:
    """Where the pages go that are touched from node ``nid``.

    ``turn``: of the first ones, as many as a turn of interleaving has, else one; ``nodes``: all
    nodes in the order in which they came into use; ``out_of_memory``: it ended although there are
    other nodes with memory.
    """

    nid: int
    turn: tuple[int, ...]
    nodes: tuple[int, ...]
    out_of_memory: bool


@dataclass(frozen=True)
class Balance:
    """A page on node ``page_nid`` is touched from node ``nid`` with its hint set: it is then on
    node ``to_nid``, for that ``reason`` (``reasons.def``), the two-stage filter set aside."""

    page_nid: int
    nid: int
    to_nid: int
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What a policy does.

    ``call``: ``set_mempolicy``, ``mbind`` or ``mount``; ``verdicts``: by era; the rest, for one
    era, is empty when the kernel refuses.  ``shown``: as numa_maps prints it; ``in_force``: with
    the nodes it has here, None: no policy; ``balances``: of a page where the policy put it, and of
    one that lies on another node.
    """

    policy: MemPolicy
    era: str
    call: str
    verdicts: tuple[Verdict, ...]
    shown: str = ""
    in_force: InForce | None = None
    orders: tuple[Order, ...] = ()
    balances: tuple[Balance, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Of its era."""
        return next(v for v in self.verdicts if v.era == self.era)


def explain(
    policy: MemPolicy, topology: Topology, *, era: str = "v2", nids: Iterable[int] = (),
    weights: Mapping[int, int] | None = None,
) -> Explanation:
    """What ``policy`` does, as the policy of a task, or with lazy migration as that of a range.

    ``nids``: the running nodes to tell the order for, none: all with CPUs; ``weights``: of nodes,
    for weighted interleave.  Raises InvalidArgument.

    >>> e = explain(MemPolicy("BIND", (0, 1)), Topology.load("4s"), era="v6.1", nids=[1])
    >>> e.verdict.errno, e.orders
    ('', (Order(nid=1, turn=(1,), nodes=(1, 0), out_of_memory=True),))
    """
    call = "mbind" if policy.flags & Flags.MOF else "set_mempolicy"
    small = _small(topology, 1)
    verdicts = tuple(_verdict(small, each, policy) for each in ERAS)
    told = Explanation(policy, era_named(era).name, call, verdicts)
    return _placed(told, topology, list(nids), dict(weights or {}))


def explain_mount(
    text: str, topology: Topology, *, era: str = "v2", nids: Iterable[int] = (),
    weights: Mapping[int, int] | None = None,
) -> Explanation:
    """What the option ``mpol=text`` of a tmpfs mount does; a kernel that does not understand it
    answers EINVAL.  Raises InvalidArgument when none of them does.

    >>> e = explain_mount("prefer (many):0-1", Topology.load("2s"), era="v6.1")
    >>> [(v.era, v.errno) for v in e.verdicts]
    [('v2', 'EINVAL'), ('v3.8', 'EINVAL'), ('v6.1', ''), ('v6.12', '')]
    """
    verdicts, policy, refusal = [], None, None
    for each in ERAS.values():
        try:
            policy = mpol_parse_str(text, topology.memory_nodes, each)
            verdicts.append(Verdict(each.name, "", ""))
        except InvalidArgument as e:
            refusal = e
            verdicts.append(Verdict(each.name, "EINVAL", str(e)))
    if policy is None:
        raise refusal or InvalidArgument(f"mpol={shown(text)}")
    told = Explanation(policy, era_named(era).name, "mount", tuple(verdicts))
    return _placed(told, topology, list(nids), dict(weights or {}))


def _placed(
    told: Explanation, topology: Topology, nids: list[int], weights: dict[int, int]
) -> Explanation:
    """With what the small machine says."""
    running, shares = _running(topology, nids), _weights(topology, weights)
    if told.verdict.errno:
        return told
    small = _small(topology, max(NODE_PAGES, *shares.values(), 0))
    places = [_Place(small, told.era, told.policy, nid, shares) for nid in running]
    in_force = places[0].in_force
    return replace(
        told,
        shown=places[0].shown(),
        in_force=in_force,
        orders=tuple(place.order() for place in places),
        balances=_balances(small, told.era, told.policy, in_force),
    )


def _running(topology: Topology, nids: Iterable[int]) -> list[int]:
    able = list(topology.cpu_nodes)
    asked = list(nids)
    for nid in asked:
        if nid not in able:
            raise InvalidArgument(f"running node {shown(nid)}, permitted: {able}")
    return asked or able


def _weights(topology: Topology, weights: Mapping[int, int]) -> dict[int, int]:
    for nid, weight in weights.items():
        if nid not in topology.memory_nodes or not 1 <= weight <= 255:
            raise InvalidArgument(
                f"weight {shown(weight)} of node {shown(nid)}, permitted 1..255 for nodes "
                f"{list(topology.memory_nodes)}"
            )
    return dict(weights)


def _small(topology: Topology, pages: int) -> Topology:
    """The machine with little memory, and one CPU a node."""
    nodes = [
        Node(node.nid, node.cpus[:1], pages * PAGE if node.pages else 0)
        for node in topology.nodes
    ]
    return Topology(nodes, topology.distance)


def _verdict(small: Topology, era: str, policy: MemPolicy) -> Verdict:
    machine = Machine(small, era=era)
    process = machine.process()
    try:
        _apply(process, policy)
    except OSError as e:
        return Verdict(era, errno.errorcode.get(e.errno or 0, str(e.errno)), e.strerror or "")
    return Verdict(era, "", "")


def _apply(process: Process, policy: MemPolicy, *, size: int = PAGE) -> None:
    process.mmap(BASE, size)
    if policy.flags & Flags.MOF:
        process.mbind(BASE, size, policy)
    else:
        process.main.set_mempolicy(policy)


class _Place:
    """The small machine with the policy in force."""

    def __init__(
        self, small: Topology, era: str, policy: MemPolicy, nid: int, weights: Mapping[int, int],
        *, kind: str = "off",
    ) -> None:
        marks = {n: (0, 0, 0) for n in small.memory_nodes}
        self.machine = Machine(small, era=era, policy=kind, watermarks=marks,
                               tunables={"zero_page": 0})
        for node, weight in weights.items():
            self.machine.set_weight(node, weight)
        self.weights = weights
        self.process = self.machine.process(cpu=small.node(nid).cpus[0])
        self.task = self.process.main
        self.nid = nid
        self.pages = sum(self.machine.node(n).free for n in small.memory_nodes)
        _apply(self.process, policy, size=(self.pages + 1) * PAGE)

    @property
    def in_force(self) -> InForce | None:
        """The policy that pages here obey."""
        state = self.machine.memory
        at = state.range_policy(self.process.pid, BASE, shared=True)
        return at or state.task_policy(self.task.tid)[0]

    def shown(self) -> str:
        """Its name in numa_maps."""
        line = self.process.numa_maps().split("\n")[0]
        return line.partition(" ")[2]

    def turn(self) -> int:
        """Pages of a turn of interleaving."""
        now = self.in_force
        if now is None or now.rule not in ("INTERLEAVE", "WEIGHTED_INTERLEAVE"):
            return 1
        if now.rule == "INTERLEAVE":
            return len(now.nodes)
        return sum(self.weights.get(n, 1) for n in now.nodes)

    def order(self) -> Order:
        """Touch pages until there are none."""
        turn = self.turn()
        went: list[int] = []
        try:
            while len(went) < self.pages:
                went.append(self.task.access(BASE + len(went) * PAGE, write=True).nid)
            full = False
        except OutOfMemory:
            full = any(n not in went for n in self.machine.topology.memory_nodes)
        return Order(self.nid, tuple(went[:turn]), tuple(dict.fromkeys(went)), full)


def _balances(
    small: Topology, era: str, policy: MemPolicy, in_force: InForce | None
) -> tuple[Balance, ...]:
    """A page where the policy puts it, touched from another node, of the policy's own if it has
    two; and a page that lies outside its nodes, touched from there."""
    own = in_force.nodes if in_force else ()
    inside = [n for n in own if n in small.cpu_nodes]
    able = [*inside, *(n for n in small.cpu_nodes if n not in own)]
    found = []
    place = _Place(small, era, policy, able[0], {}, kind="moron")
    page_nid = place.task.access(BASE, write=True).nid
    other = next((n for n in able if n != page_nid), None)
    if other is not None:
        found.append(_hinted(place, page_nid, other))
    outside = next((n for n in small.memory_nodes if own and n not in own), None)
    if outside is not None:
        place = _Place(small, era, policy, able[0], {}, kind="moron")
        place.process.populate([BASE // PAGE], [outside])
        nid = outside if outside in small.cpu_nodes else able[0]
        found.append(_hinted(place, outside, nid))
    return tuple(found)


def _hinted(place: _Place, page_nid: int, nid: int) -> Balance:
    place.task.set_cpu(place.machine.topology.node(nid).cpus[0])
    place.process.change_prot_numa(BASE, PAGE)
    reason = place.task.access(BASE).reason
    return Balance(page_nid, nid, place.process.page(BASE // PAGE).nid, reason)
