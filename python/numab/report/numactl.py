"""``numactl --show``: under which policy, and where, a program would run.

The text is made of libnuma's calls in numactl's order, so that what it shows, and what it leaves
out, are libnuma's answers: under a policy with a flag (balancing, static) numactl prints the mode's
number, no preferred node and no newline after it, and as membind all allowed nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arguments import choice

if TYPE_CHECKING:
    from ..libnuma import LibNuma

__all__ = ["NUMACTL_VERSIONS", "numactl_show"]

#: 2.0.15 brought preferred-many and the last row; later releases print the same.
NUMACTL_VERSIONS = ("2.0.14", "2.0.16")
NAMES = ("default", "preferred", "bind", "interleave", "local", "preferred-many")


def _mask(name: str, ids: Iterable[int]) -> str:
    return f"{name}: " + "".join(f"{i} " for i in ids) + "\n"


def _preferred_node(numa: LibNuma, policy: int, next_node: int, *, many: bool) -> str:
    """What stands behind «preferred node:», newline included; numactl knows some modes only."""
    if policy == 0:
        return "current\n"
    if policy == 1:
        node = numa.numa_preferred()
        return f"{max(node, 0)}\n" if many else "current\n" if node < 0 else f"{node}\n"
    if policy == 2:
        return f"{min(numa.numa_get_membind())}\n"
    if policy == 3:
        return f"{next_node} (interleave next)\n"
    return f"{next_node} (preferred-many)\n" if policy == 5 and many else ""


def numactl_show(numa: LibNuma, version: str = "2.0.16") -> str:
    """The text, lines with their blank at the end.

    ``version``: of numactl, one of :data:`NUMACTL_VERSIONS`.

    >>> import numab
    >>> from numab.libnuma import LibNuma
    >>> task = numab.Machine("2s", era="v6.1").process(cpu=0).main
    >>> task.set_mempolicy("interleave:1")
    >>> for line in numactl_show(LibNuma(task)).splitlines():
    ...     print(line.rstrip())
    policy: interleave
    preferred node: 1 (interleave next)
    interleavemask: 1
    interleavenode: 1
    physcpubind: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
    cpubind: 0 1
    nodebind: 0 1
    membind: 0 1
    preferred: 1
    """
    many = choice("numactl version", version, NUMACTL_VERSIONS) > 0
    nodebind = numa.numa_get_run_node_mask()
    preferred, membind = numa.numa_preferred_many(), numa.numa_get_membind()
    next_node = numa.numa_get_interleave_node()
    policy = numa.get_mempolicy(None) or 0
    known = NAMES if many else NAMES[:5]
    text = f"policy: {known[policy] if policy < len(known) else f'[{policy}]'}\n"
    text += "preferred node: " + _preferred_node(numa, policy, next_node, many=many)
    if policy == 3:
        text += _mask("interleavemask", numa.numa_get_interleave_mask())
        text += f"interleavenode: {next_node}\n"
    text += _mask("physcpubind", numa.task.affinity)
    text += _mask("cpubind", nodebind) + _mask("nodebind", nodebind) + _mask("membind", membind)
    return text + (_mask("preferred", preferred) if many else "")
