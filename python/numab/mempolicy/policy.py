"""A memory policy: what was asked for, and what is in force under the allowed nodes.

:class:`MemPolicy` is what a user asks for.  :class:`InForce` is the same with the nodes it has here
and now, after the cpuset's allowed nodes were applied; it is what the kernel's ``struct mempolicy``
holds, and what every policy of a machine is interned as.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numa_core.errors import InvalidArgument

from ..arguments import choice, shown, whole, whole_array
from .modes import MODES, Era, Flags, Mode

__all__ = [
    "InForce", "MemPolicy", "checked_policy", "in_force", "rebind", "relative_nodes", "remap",
]

NID_SPAN = (0, 1023)
USER_FLAGS = Flags.STATIC_NODES | Flags.RELATIVE_NODES | Flags.NUMA_BALANCING


@dataclass(frozen=True)
class MemPolicy:
    """A policy as asked for: mode, nodes, flags; equal when these are.

    ``mode`` is a name of :data:`~numab.mempolicy.MODES`, ``nodes`` any iterable of node ids (kept
    ascending, each once), ``flags`` a sum of :class:`~numab.mempolicy.Flags`.

    Raises InvalidArgument for an unknown mode, nodes outside 0..1023, nodes where the mode takes
    none or none where it needs some, STATIC_NODES together with RELATIVE_NODES.  What a given
    kernel takes beyond that, :mod:`numab.syscalls` answers.

    >>> MemPolicy("BIND", (1, 0))
    MemPolicy(mode='BIND', nodes=(0, 1), flags=<Flags.NONE: 0>)
    >>> MemPolicy("BIND")
    Traceback (most recent call last):
    numa_core.errors.InvalidArgument: policy BIND with nodes (), permitted: at least one node
    """

    mode: str
    nodes: tuple[int, ...] = ()
    flags: Flags = Flags.NONE

    def __post_init__(self) -> None:
        choice("policy mode", self.mode, tuple(MODES))
        nodes = whole_array("nodes", self.nodes, np.int64, NID_SPAN)
        bits = whole("policy flags", self.flags, (0, 2**16 - 1))
        if bits & ~int(USER_FLAGS | Flags.MOF | Flags.MORON):
            raise InvalidArgument(f"policy flags 0x{bits:x}, permitted: a sum of {_flag_names()}")
        object.__setattr__(self, "nodes", tuple(sorted(set(nodes.tolist()))))
        object.__setattr__(self, "flags", Flags(bits))
        self._check()

    def _check(self) -> None:
        row = MODES[self.mode]
        if row.mask == "none" and self.nodes:
            raise InvalidArgument(
                f"policy {self.mode} with nodes {shown(self.nodes)}, permitted: no nodes"
            )
        if row.mask == "needed" and not self.nodes:
            raise InvalidArgument(f"policy {self.mode} with nodes (), permitted: at least one node")
        both = Flags.STATIC_NODES | Flags.RELATIVE_NODES
        if self.flags & both == both:
            raise InvalidArgument(
                "policy flags STATIC_NODES and RELATIVE_NODES, permitted: one of them"
            )
        if self.mode == "PREFERRED" and not self.nodes and self.flags & both:
            raise InvalidArgument(
                "policy PREFERRED without a node, permitted: neither STATIC_NODES nor "
                "RELATIVE_NODES"
            )

    @property
    def row(self) -> Mode:
        """Its mode's row."""
        return MODES[self.mode]

    def number(self, era: Era) -> int:
        """What a system call gets as mode: number and flags.  Raises InvalidArgument."""
        if not era.has(self.mode):
            raise InvalidArgument(
                f"policy mode {self.mode}, permitted in era {era.name}: "
                f"{', '.join(m for m in MODES if era.has(m))}"
            )
        return self.row.numbers[era.name] | int(self.flags & USER_FLAGS)

    def __str__(self) -> str:
        from .text import format_policy

        return format_policy(self)


def _flag_names() -> str:
    return ", ".join(f.name or "" for f in Flags if f)


@dataclass(frozen=True)
class InForce:
    """A policy under given allowed nodes.  Linux: ``struct mempolicy``.

    ``asked``: what was asked for; ``nodes``: the nodes it has now; ``w``: the kernel's union of
    that name, the user's mask when a user's flag is set (``user_nodemask``), else the cpuset's
    nodes it was made or last rebound for (``cpuset_mems_allowed``); ``home_nid``:
    set_mempolicy_home_node, -1: none; ``local``: PREFERRED fell back to the running node (the
    kernel's F_LOCAL before 5.14, mode LOCAL since).
    """

    asked: MemPolicy
    nodes: tuple[int, ...]
    w: tuple[int, ...]
    home_nid: int = -1
    local: bool = False

    @property
    def rule(self) -> str:
        """The core's target rule."""
        return "LOCAL" if self.local else self.asked.row.rule

    @property
    def flags(self) -> Flags:
        """Flags, internal ones included."""
        return self.asked.flags

    def reported_nodes(self) -> tuple[int, ...]:
        """What get_mempolicy says: the user's mask if a user's flag is set, else the nodes now.

        Linux: get_policy_nodemask and do_get_mempolicy.
        """
        if self.asked.flags & USER_FLAGS:  # mpol_store_user_nodemask
            return self.w
        return () if self.local else self.nodes

    def __str__(self) -> str:
        from .text import format_policy

        return format_policy(self)


def relative_nodes(nodes: Iterable[int], allowed: Iterable[int]) -> tuple[int, ...]:
    """The n-th allowed node for each n, counted round.  Linux: mpol_relative_nodemask.

    >>> relative_nodes((3, 5), (0, 1))
    (1,)
    """
    targets = sorted(allowed)
    return tuple(sorted({targets[n % len(targets)] for n in nodes})) if targets else ()


def remap(nodes: Iterable[int], old: Iterable[int], new: Iterable[int]) -> tuple[int, ...]:
    """Each node at position k of ``old`` becomes the one at position k mod n of ``new``; nodes not
    in ``old`` stay.  Linux: nodes_remap.

    >>> remap((0, 2), (0, 1, 2), (4, 5))
    (4,)
    """
    source, target = sorted(old), sorted(new)
    place = {nid: k for k, nid in enumerate(source)}
    return tuple(sorted({
        target[place[n] % len(target)] if n in place and target else n for n in nodes
    }))


def in_force(
    asked: MemPolicy, allowed: Iterable[int], memory_nodes: Iterable[int]
) -> InForce | None:
    """The policy under ``allowed`` nodes, of which ``memory_nodes`` have memory.

    None when no node is left, which the system calls answer with EINVAL.  DEFAULT and NOOP make no
    policy object and do not come here.  Linux: mpol_set_nodemask, contextualized at creation.

    >>> in_force(MemPolicy("INTERLEAVE", (0, 7)), (0, 1), (0, 1)).nodes
    (0,)
    """
    cpuset = tuple(sorted(allowed))
    usable = tuple(sorted(set(cpuset) & set(memory_nodes)))
    w = asked.nodes if asked.flags & USER_FLAGS else cpuset
    if asked.row.rule == "LOCAL" or (asked.mode == "PREFERRED" and not asked.nodes):
        return InForce(asked, (), w, local=True)
    if asked.flags & Flags.RELATIVE_NODES:
        nodes = relative_nodes(asked.nodes, usable)
    else:
        nodes = tuple(n for n in asked.nodes if n in usable)
    if not nodes:
        return None
    if asked.mode == "PREFERRED":
        nodes = nodes[:1]
    return InForce(asked, nodes, w)


def rebind(policy: InForce, allowed: Iterable[int], era: Era) -> InForce:
    """The policy after its cpuset's nodes changed to ``allowed``.  Linux: mpol_rebind_policy.

    STATIC keeps the user's nodes that are allowed, RELATIVE counts anew, others are remapped by
    position, from ``w``; nothing left means all allowed nodes.  PREFERRED moves along before 5.14
    (STATIC falls back to the running node while its node is not allowed); since, it and
    PREFERRED_MANY keep their nodes and only ``w`` is set, over the user's mask too.

    >>> from .modes import ERAS
    >>> p = in_force(MemPolicy("BIND", (0, 1)), (0, 1), (0, 1, 2, 3))
    >>> rebind(p, (2, 3), ERAS["v6.1"]).nodes
    (2, 3)
    """
    new = tuple(sorted(allowed))
    stored = policy.asked.flags & USER_FLAGS
    if policy.asked.row.rule == "LOCAL" or (not stored and policy.w == new):
        return policy
    if policy.asked.mode in ("PREFERRED", "PREFERRED_MANY"):
        return _rebind_preferred(policy, new, era)
    if stored & Flags.STATIC_NODES:
        return replace(policy, nodes=tuple(n for n in policy.w if n in new) or new)
    if stored & Flags.RELATIVE_NODES:
        return replace(policy, nodes=relative_nodes(policy.w, new) or new)
    return replace(policy, nodes=remap(policy.nodes, policy.w, new) or new, w=new)


def _rebind_preferred(policy: InForce, new: tuple[int, ...], era: Era) -> InForce:
    if not era.local_is_preferred:
        return policy if policy.local else replace(policy, w=new)
    if policy.asked.flags & Flags.STATIC_NODES:
        kept = policy.w[:1]
        return replace(policy, nodes=kept, local=kept[0] not in new)
    if policy.asked.flags & Flags.RELATIVE_NODES:
        return replace(policy, nodes=relative_nodes(policy.w, new)[:1])
    if policy.local:
        return policy
    return replace(policy, nodes=remap(policy.nodes, policy.w, new), w=new)


def checked_policy(value: Any) -> MemPolicy:
    """The value if it is a MemPolicy, a text parsed as one.  Raises InvalidArgument."""
    if isinstance(value, MemPolicy):
        return value
    if isinstance(value, str):
        from .text import parse

        return parse(value)
    raise InvalidArgument(
        f"policy {shown(value)}, permitted: a MemPolicy, or a text such as bind:0-1"
    )
