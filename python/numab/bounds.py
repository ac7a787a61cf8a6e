"""The bounds of a load: what a user gets who binds everything by hand, and the opposite.

``hard_bind`` binds every thread, and the memory it works on, to the nodes of its share of the
machine; ``inverse_bind`` binds the memory to the mirrored nodes, so that all of it is remote
(autonumabench's HARD_BIND and INVERSE_BIND).  Balancing is off under both.

Where no page belongs to one share, in uniform, pingpong and phases, there is nothing to bind well
or badly: both then give the same, and a policy may do better.
"""

from __future__ import annotations

import difflib

from numa_core.errors import InvalidArgument

from .arguments import shown
from .policies import POLICIES, check_policy
from .topology import Topology
from .workloads import Load, Share

__all__ = ["BOUNDS", "bound_cpus", "check_run_policy", "memory_nodes_of", "nodes_of"]

BOUNDS = ("hard_bind", "inverse_bind")


def check_run_policy(name: str) -> str:
    """The name itself if it is a policy's or a bound's; InvalidArgument that says what is."""
    if name in BOUNDS:
        return name
    near = difflib.get_close_matches(name, BOUNDS, 2, 0.6) if isinstance(name, str) else []
    if near:
        raise InvalidArgument(f"unknown policy {shown(name)}; nearest: {', '.join(near)}")
    if isinstance(name, str) and not difflib.get_close_matches(name, POLICIES, 1, 0.6):
        if name not in POLICIES:
            raise InvalidArgument(f"unknown policy {shown(name)}; permitted: "
                                  f"{', '.join((*POLICIES, *BOUNDS))}")
    return check_policy(name)


def _whole_nodes(topology: Topology) -> list[int]:
    """Nodes with both CPUs and memory."""
    return [nid for nid in topology.cpu_nodes if nid in topology.memory_nodes]


def _of(share: Share, nodes: list[int]) -> list[int]:
    first = share.first * len(nodes) // share.of
    end = -(-(share.first + share.nr) * len(nodes) // share.of)
    return nodes[first:max(end, first + 1)]


def nodes_of(share: Share, topology: Topology) -> list[int]:
    """Nodes with CPUs and memory that a share of the machine has, at least one.

    >>> nodes_of(Share(1, 1, 2), Topology.load("4s"))
    [2, 3]
    """
    return _of(share, _whole_nodes(topology))


def memory_nodes_of(share: Share, bound: str, topology: Topology) -> list[int]:
    """Where the memory of that share goes under a bound.

    >>> memory_nodes_of(Share(0, 1, 4), "inverse_bind", Topology.load("4s"))
    [3]
    """
    nodes = _whole_nodes(topology)
    return _of(share, nodes if bound == "hard_bind" else nodes[::-1])


def bound_cpus(load: Load, topology: Topology) -> list[int]:
    """A CPU for every thread: of its share's nodes the one with the fewest threads so far.

    Raises InvalidArgument when there is no node with both CPUs and memory, or only one and so
    nothing to bind.
    """
    nodes = _whole_nodes(topology)
    if len(nodes) < 2:
        raise InvalidArgument(
            f"bounds on {topology.name}: nodes with CPUs and memory: {len(nodes)}, "
            "permitted: 2 and more"
        )
    used = dict.fromkeys(topology.cpus, 0)
    out = []
    for thread in load.threads:
        cpus = [c for nid in _of(thread.share, nodes) for c in topology.node(nid).cpus]
        cpu = min(cpus, key=lambda c: (used[c], c))
        used[cpu] += 1
        out.append(cpu)
    return out
