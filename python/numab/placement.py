"""Where threads run and where pages start: what a user chooses before a run.

All functions are pure: arrays and a topology in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numa_core.errors import InvalidArgument

from .arguments import shown
from .sched import build_domains, select_task_rq
from .topology import Topology

__all__ = [
    "FIRST_TOUCH", "STARTS", "best_static_nids", "best_static_remote_share", "check_start",
    "cpus_for_threads", "start_nids",
]

#: Threads with at least this share of the accesses are placed; the rest share the first CPU.
WORKING_SHARE = 0.01
DIGITS_MAX = 9
NICE_0_LOAD = 1024
FIRST_TOUCH = "first-touch"
STARTS = (FIRST_TOUCH, "node:N", "interleave", "worst")


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= DIGITS_MAX


def _cpu_list(text: str, topology: Topology) -> list[int]:
    known, out = set(topology.cpus), []
    for word in text.split(",") if isinstance(text, str) else [""]:
        first, dash, last = word.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise InvalidArgument(
                f"placement {shown(text)}, permitted: spread, pack, fork, or CPUs such as "
                "0,2,4-7"
            )
        cpus = range(int(first), int(last or first) + 1)
        if not cpus:
            raise InvalidArgument(
                f"CPUs {word.strip()} in placement {shown(text)}, permitted: low-high"
            )
        for cpu in cpus:
            if cpu not in known:
                raise InvalidArgument(
                    f"CPU {cpu} in placement {shown(text)} does not exist; the machine has "
                    f"{topology.nr_cpus} CPUs, {min(known)}..{max(known)}"
                )
            out.append(cpu)
    return out


def _forked(n: int, topology: Topology) -> list[int]:
    """CPUs of a task and of n - 1 that it forks."""
    domains, first = build_domains(topology), topology.cpus[0]
    load, out = [0] * (topology.cpus[-1] + 1), [first]
    for _ in range(n - 1):
        load[out[-1]] += NICE_0_LOAD
        out.append(select_task_rq(domains, load, first, topology.cpus))
    return out


def cpus_for_threads(
    place: str, shares: Sequence[float], topology: Topology
) -> list[int]:
    """CPU of each thread, in the order of ``shares`` (each thread's share of the accesses).

    ``spread``: working threads round robin over nodes with CPUs, ascending; ``pack``: node after
    node; ``fork``: the first on the first CPU, and the others where its forks put them on an
    otherwise idle machine of 2012; or a list of CPUs.  More threads than CPUs share them.  Threads
    with less than 1 % of the accesses go to the first CPU.

    >>> cpus_for_threads("spread", [0.5, 0.3, 0.001, 0.199], Topology.load("2s"))
    [0, 8, 0, 1]
    """
    by_node = [topology.node(nid).cpus for nid in topology.cpu_nodes]
    if place == "spread":
        longest = max(len(cpus) for cpus in by_node)
        order = [cpus[i] for i in range(longest) for cpus in by_node if i < len(cpus)]
    elif place == "fork":
        order = _forked(sum(share >= WORKING_SHARE for share in shares), topology)
    elif place == "pack":
        order = [cpu for cpus in by_node for cpu in cpus]
    else:
        order = _cpu_list(place, topology)
    first, out, k = order[0], [], 0
    for share in shares:
        if share >= WORKING_SHARE:
            out.append(order[k % len(order)])
            k += 1
        else:
            out.append(first)
    return out


def check_start(start: str, topology: Topology) -> str:
    """The start itself when it is one; InvalidArgument that names what is permitted."""
    if start in (FIRST_TOUCH, "interleave", "worst"):
        return start
    kind, colon, nid = start.partition(":") if isinstance(start, str) else ("", "", "")
    if kind != "node" or not colon or not _is_number(nid):
        raise InvalidArgument(f"start {shown(start)}, permitted: {', '.join(STARTS)}")
    if int(nid) not in topology.memory_nodes:
        raise InvalidArgument(
            f"start {shown(start)}: node {nid} has no memory; nodes with memory: "
            f"{', '.join(map(str, topology.memory_nodes))}"
        )
    return start


def start_nids(
    start: str,
    topology: Topology,
    first_nids: np.ndarray,
    main_nids: np.ndarray,
) -> np.ndarray:
    """Node on which each page starts, int32, by page in ascending order.

    ``first_nids``: node of each page's first toucher, ``main_nids``: of its main user.
    """
    memory = np.array(topology.memory_nodes, np.int32)
    if start == FIRST_TOUCH:
        return first_nids.astype(np.int32)
    if start == "interleave":
        return memory[np.arange(len(first_nids)) % len(memory)]
    if start == "worst":
        farthest = {
            nid: max(memory.tolist(), key=lambda n: (topology.distance_between(nid, n), -n))
            for nid in set(main_nids.tolist())
        }
        return np.array([farthest[nid] for nid in main_nids.tolist()], np.int32)
    return np.full(len(first_nids), int(start.partition(":")[2]), np.int32)


def _by_node(
    page: np.ndarray, nid: np.ndarray, weight: np.ndarray, nr_pages: int, nr_ids: int
) -> np.ndarray:
    flat = page.astype(np.int64) * nr_ids + nid
    return np.bincount(flat, weight.astype(np.float64), nr_pages * nr_ids).reshape(nr_pages, nr_ids)


def best_static_nids(
    topology: Topology, page: np.ndarray, nid: np.ndarray, lines: np.ndarray, nr_pages: int
) -> np.ndarray:
    """Node with memory at which each page costs least, int32: what no static placement beats.

    One entry a (page, user) pair: page index, node of the user's CPU, cache lines fetched.
    Nodes' sizes are not looked at.
    """
    nids, memory = list(topology.nids), list(topology.memory_nodes)
    use = _by_node(page, nid, lines, nr_pages, max(nids) + 1)[:, nids]
    distance = np.asarray(topology.distance, np.float64)
    cost = use @ distance[:, [nids.index(n) for n in memory]]
    return np.array(memory, np.int32)[np.argmin(cost, axis=1)]


def best_static_remote_share(
    topology: Topology, page: np.ndarray, nid: np.ndarray, accesses: np.ndarray, nr_pages: int
) -> float:
    """The least remote share that any static placement gives: every page on the node, with memory,
    that uses it most."""
    use = _by_node(page, nid, accesses, nr_pages, max(topology.nids) + 1)
    local = use[:, list(topology.memory_nodes)].max(axis=1).sum()
    total = use.sum()
    return float(1 - local / total) if total else 0.0
