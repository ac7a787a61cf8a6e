"""The task's memory policy."""

from __future__ import annotations

import errno

from .. import syscalls
from ..arguments import whole
from .bitmask import Bitmask, numa_bitmask_clearall, numa_bitmask_setbit, numa_bitmask_weight
from .sizes import INT, Sizes
from .state import (
    MPOL_BIND, MPOL_DEFAULT, MPOL_F_NUMA_BALANCING, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED,
    MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE, checked_mask,
)

__all__ = ["Policies"]


class Policies(Sizes):
    """set_mempolicy and get_mempolicy behind names.

    None of the setters returns anything: numa_error is told when the kernel refuses.
    """

    def numa_set_membind(self, nodemask: Bitmask) -> None:
        """Allocate only from these nodes (MPOL_BIND)."""
        self.setpol(MPOL_BIND, nodemask)

    def numa_set_membind_balancing(self, nodemask: Bitmask) -> None:
        """The same, and let pages move among them; a kernel that cannot just binds."""
        bmp = checked_mask(nodemask)
        mode = MPOL_BIND | MPOL_F_NUMA_BALANCING
        result = syscalls.set_mempolicy(self.task, mode, bmp.words(), bmp.size + 1)
        if self.answer(result) < 0:
            if self.errno != errno.EINVAL:
                self.numa_error("set_mempolicy")
                return
            self.errno = 0
            self.numa_set_membind(bmp)

    def numa_get_membind(self) -> Bitmask:
        """Nodes of a policy BIND; of any other, those allowed when the library was loaded.

        A policy with a flag (balancing, static, relative) is not BIND to libnuma."""
        bmp = self.numa_allocate_nodemask()
        if self.getpol(bmp) != MPOL_BIND:
            bmp.maskp = self.numa_all_nodes_ptr.maskp
        return bmp

    def numa_get_mems_allowed(self) -> Bitmask:
        """Nodes that the cpuset allows, now."""
        bmp = self.numa_allocate_nodemask()
        if self.get_mempolicy(bmp, syscalls.MPOL_F_MEMS_ALLOWED) is None:
            self.numa_error("get_mempolicy")
        return bmp

    def numa_set_interleave_mask(self, nodemask: Bitmask) -> None:
        """Interleave over these nodes; none: back to the default policy."""
        self.setpol(MPOL_INTERLEAVE if checked_mask(nodemask).maskp else MPOL_DEFAULT, nodemask)

    def numa_get_interleave_mask(self) -> Bitmask:
        """Nodes of a policy INTERLEAVE; of any other, none."""
        bmp = self.numa_allocate_nodemask()
        if self.getpol(bmp) != MPOL_INTERLEAVE:
            numa_bitmask_clearall(bmp)
        return bmp

    def numa_set_weighted_interleave_mask(self, nodemask: Bitmask) -> None:
        """The same by the nodes' weights (libnuma 2.0.18)."""
        used = checked_mask(nodemask).maskp
        self.setpol(MPOL_WEIGHTED_INTERLEAVE if used else MPOL_DEFAULT, nodemask)

    def numa_get_weighted_interleave_mask(self) -> Bitmask:
        """Nodes of a policy WEIGHTED_INTERLEAVE; of any other, none (libnuma 2.0.18)."""
        bmp = self.numa_allocate_nodemask()
        if self.getpol(bmp) != MPOL_WEIGHTED_INTERLEAVE:
            numa_bitmask_clearall(bmp)
        return bmp

    def numa_get_interleave_node(self) -> int:
        """Node of the next page interleaved without a mapping; 0 under another policy."""
        return self.get_mempolicy(None, syscalls.MPOL_F_NODE) or 0

    def numa_set_localalloc(self) -> None:
        """Allocate where the task runs (MPOL_LOCAL)."""
        self.setpol(MPOL_LOCAL, self.numa_no_nodes_ptr)

    def numa_set_preferred(self, node: int) -> None:
        """Prefer a node; -1: where the task runs."""
        bmp = numa_bitmask_setbit(self.numa_allocate_nodemask(), whole("node", node, INT))
        self.setpol(MPOL_PREFERRED if bmp.maskp else MPOL_LOCAL, bmp)

    def numa_preferred(self) -> int:
        """Lowest node of :meth:`numa_preferred_many`; -1: it is empty."""
        return min(self.numa_preferred_many(), default=-1)

    def numa_set_preferred_many(self, nodemask: Bitmask) -> None:
        """Prefer several nodes; a kernel that cannot prefers the first."""
        if self.numa_has_preferred_many():
            self.setpol(MPOL_PREFERRED_MANY, nodemask)
            return
        self.numa_warn("nodeparse",
                       "Unable to handle MANY preferred nodes. Falling back to first node")
        self.numa_set_preferred(min(checked_mask(nodemask), default=-1))

    def numa_preferred_many(self) -> Bitmask:
        """Nodes of the task's policy, whatever it is, though the manual says that only preferring
        and binding ones have any.

        numa_error is told when one of these has several, though nothing is wrong."""
        bmp = self.numa_allocate_nodemask()
        policy = self.getpol(bmp)
        several = numa_bitmask_weight(bmp) > 1
        if several and policy in (MPOL_PREFERRED, MPOL_PREFERRED_MANY, MPOL_BIND):
            self.numa_error("libnuma.c")
        return bmp
