"""Where fork and exec put a task: in the idlest group, on its idlest CPU, level by level.

Source: Linux 3.7, ``kernel/sched/fair.c`` (select_task_rq_fair with SD_BALANCE_FORK or
SD_BALANCE_EXEC, find_idlest_group, find_idlest_cpu).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from .domain import Domain, Group
from .flags import SCHED_POWER_SCALE, SD_BALANCE_FORK

__all__ = ["find_idlest_cpu", "find_idlest_group", "select_task_rq"]


def find_idlest_group(
    domain: Domain, load: Sequence[int], cpu: int, allowed: Container[int]
) -> Group | None:
    """The other group with the least load for its power, None: the one of ``cpu`` will do.

    It will unless its load exceeds that by half of what imbalance_pct is over 100.  ``load``: by
    CPU id, 1024 a task of nice 0; groups without a CPU in ``allowed`` are passed over.

    >>> from numab import Topology
    >>> from numab.sched import build_domains
    >>> top = build_domains(Topology.load("2s"))[0][-1]
    >>> find_idlest_group(top, [1024] + [0] * 15, 0, range(16)).cpus[0]
    8
    """
    here, least, idlest = 0, -1, None
    for group in domain.groups:
        if not any(c in allowed for c in group.cpus):
            continue
        average = sum(int(load[c]) for c in group.cpus) * SCHED_POWER_SCALE // group.power
        if cpu in group.members:
            here = average
        elif idlest is None or average < least:
            idlest, least = group, average
    if 100 * here < (100 + (domain.kind.imbalance_pct - 100) // 2) * least:
        return None
    return idlest


def find_idlest_cpu(group: Group, load: Sequence[int], allowed: Container[int]) -> int:
    """Its first CPU with the least load, of those in ``allowed`` (at least one of them must be).

    >>> find_idlest_cpu(Group((0, 1, 2), frozenset((0, 1, 2)), 3072), [1024, 0, 0], range(3))
    1
    """
    return min((c for c in group.cpus if c in allowed), key=lambda c: (int(load[c]), c))


def select_task_rq(
    domains: Mapping[int, Sequence[Domain]],
    load: Sequence[int],
    cpu: int,
    allowed: Sequence[int],
    flag: int = SD_BALANCE_FORK,
) -> int:
    """CPU for a task that one on ``cpu`` forks; with SD_BALANCE_EXEC for that one itself.

    ``domains`` as of :func:`build_domains`, ``load`` as ``machine.rqs["load_weight"]``, ``allowed``
    as ``task.affinity``.  A task with a single CPU stays on it.  A group that is as idle as the
    CPU's own is taken, so that of an idle node the first CPU is passed over, as in the kernel.

    >>> from numab import Machine
    >>> from numab.sched import build_domains
    >>> m = Machine("2s", sched="2012")
    >>> main, domains = m.process(cpu=0).main, build_domains(m.topology)
    >>> for _ in range(3):
    ...     cpu = select_task_rq(domains, m.rqs["load_weight"], 0, main.affinity)
    ...     print(main.clone(cpu).info().cpu)
    9
    1
    10
    """
    if len(allowed) == 1:
        return allowed[0]
    may, at = frozenset(allowed), cpu
    levels = [domain for domain in domains[at] if domain.flags & flag]
    while levels:
        domain = levels.pop()
        group = find_idlest_group(domain, load, at, may)
        if group is None:
            continue
        at = find_idlest_cpu(group, load, may)
        levels = [d for d in domains[at] if len(d.span) < len(domain.span) and d.flags & flag]
    return at if at in may else min(may)
