"""Every policy of a machine, once: its index is the cookie that the core carries along.

The core knows a policy by the rule it lowers to; who asked for what, get_mempolicy and numa_maps
must tell.  So each value in use has a number, which tasks, mappings and shared memory keep through
fork, split and merge.
"""

from __future__ import annotations

from typing import Any

from numa_core import ffi, lib

from .modes import Flags
from .policy import InForce

__all__ = ["Interned"]

MASK_WORDS = 16  # 1024 nodes
CPUSET_ONLY = 1  # a task's cookie: its cpuset is narrower than the machine, it has no policy


class Interned:
    """Policies by cookie; cookie 0, and that of a cpuset without a policy, is no policy.

    >>> from .policy import MemPolicy, in_force
    >>> table = Interned()
    >>> p = in_force(MemPolicy("BIND", (0, 1)), (0, 1), (0, 1))
    >>> table.cookie(p), table.cookie(p), table.policy(2) is p, table.policy(0)
    (2, 2, True, None)
    """

    def __init__(self) -> None:
        self._values: list[InForce | None] = [None, None]
        self._cookies: dict[InForce | None, int] = {None: 0}

    def cookie(self, policy: InForce | None) -> int:
        """Its number, a new one at its first use."""
        cookie = self._cookies.setdefault(policy, len(self._values))
        if cookie == len(self._values):
            self._values.append(policy)
        return cookie

    def policy(self, cookie: int) -> InForce | None:
        """The policy of that number; None: there is none."""
        return self._values[cookie] if 0 <= cookie < len(self._values) else None

    def lowered(
        self, policy: InForce | None, within: tuple[int, ...] | None = None
    ) -> tuple[Any, Any]:
        """``struct numab_mpol *`` and the mask that must live as long.

        ``within``: the nodes of a cpuset that does not allow all; what would take the running node
        then takes the nearest of these, and no policy is one that still migrates on fault.
        """
        c = ffi.new("struct numab_mpol *")
        c.home_nid, c.nid = -1, -1
        c.cookie = self.cookie(policy)
        nodes = policy.nodes if policy else ()
        c.mode = getattr(lib, f"NUMAB_MPOL_{policy.rule if policy else 'NONE'}")
        c.flags = core_flags(policy.flags if policy else Flags.NONE)
        if within is not None and (policy is None or policy.rule == "LOCAL"):
            nodes, c.mode = within, lib.NUMAB_MPOL_BIND
            if policy is None:
                c.cookie, c.flags = CPUSET_ONLY, core_flags(Flags.MOF | Flags.MORON)
        if policy and policy.rule == "PREFERRED":
            c.nid = policy.nodes[0]
        if policy:
            c.home_nid = policy.home_nid
        mask = mask_words(nodes)
        c.mask, c.nr_mask_words = mask, MASK_WORDS
        return c, mask


def core_flags(flags: Flags) -> int:
    """What of a policy's flags the core obeys: MOF, and MORON, both of which balancing sets.

    Linux: sanitize_mpol_flags.
    """
    bits = int(flags & (Flags.MOF | Flags.MORON))
    if flags & Flags.NUMA_BALANCING:
        bits |= int(Flags.MOF | Flags.MORON)
    return bits


def mask_words(nodes: Any) -> Any:
    """A ``uint64_t[16]`` with those bits."""
    words = [0] * MASK_WORDS
    for n in nodes:
        words[n // 64] |= 1 << n % 64
    return ffi.new("uint64_t[]", words)
