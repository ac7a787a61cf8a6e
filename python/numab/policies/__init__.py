"""Policies: the built-in ones, and the user's own.

A built-in policy is a C file in ``numa_core/policies``.  A user's own is a :class:`Policy`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numa_core import Handle, lib, policy_presets, policy_rows, reason_rows, tunable_rows
from numa_core.errors import InvalidArgument

from ..arguments import NID, U64, choice, shown, whole
from .home_node import HomeNode

__all__ = [
    "POLICIES", "PRESETS", "STAY", "Fault", "HomeNode", "Policy", "Verdict", "check_policy",
]

#: Built-in policies: name to sentence.
POLICIES: dict[str, str] = dict(policy_rows())
#: What each of them presets: policy to tunable to value.
PRESETS: dict[str, dict[str, int]] = policy_presets()
#: A verdict's target for «leave the page where it is».
STAY = -1
_REASONS = tuple(name for name, _ in reason_rows())
_TUNABLES = tuple(row["name"] for row in tunable_rows())


def check_policy(name: str) -> str:
    """The name itself if it is a built-in policy's; InvalidArgument that suggests the nearest.

    >>> check_policy("home_nod")
    Traceback (most recent call last):
    numa_core.errors.InvalidArgument: unknown policy 'home_nod'; nearest: home_node
    """
    if isinstance(name, str) and name in POLICIES:
        return name
    near = difflib.get_close_matches(name, POLICIES, 2, 0.6) if isinstance(name, str) else []
    hint = f"nearest: {', '.join(near)}" if near else f"permitted: {', '.join(POLICIES)}"
    raise InvalidArgument(f"unknown policy {shown(name)}; {hint}")


@dataclass(frozen=True)
class Fault:
    """What a filter sees of a hinting fault: ``struct numab_fault``.

    Node ids; -1: none.  ``tag`` is the page's last_nid, or None when unset.
    """

    now_ns: int
    vpn: int
    tid: int
    pid: int
    cpu: int
    cpu_nid: int
    page_nid: int
    home_nid: int
    policy_nid: int
    tag: int | None
    write: bool
    huge: bool


@dataclass(frozen=True)
class Verdict:
    """A filter's answer: where to (STAY: nowhere), the page's new tag, and a reason for staying.

    ``tag=None`` leaves the tag unset.  ``reason`` is a name of ``reasons.def`` in lower case.
    """

    target_nid: int
    tag: int | None = None
    reason: str = "hold_user_filter"


class Policy:
    """A policy of one's own: subclass it, give it a name and override what differs.

    ``filter`` decides per hinting fault.  In Python it costs about two microseconds a fault; for
    native speed set ``native_filter`` to the address of a C function of type
    ``numab_filter_fn`` (an int, e.g. ``numba.cfunc(...).address``), which then decides instead.
    ``place`` is called at most once per task and pass over the address space, inside the
    accounting of a misplaced fault, and may move tasks or set their home node.  With ``places``
    the core compares the fault statistics first, as patch 29 does (period, home node), and calls
    it only when the task is not where its memory is.

    A filter must depend on nothing but its argument: :meth:`Task.probe` asks it too.

    Example
    -------
    >>> class SecondTouch(Policy):
    ...     name = "second_touch"
    ...     def filter(self, fault):
    ...         if fault.page_nid == fault.cpu_nid or fault.tag is None:
    ...             return Verdict(STAY, tag=fault.cpu_nid)
    ...         return Verdict(fault.cpu_nid, tag=fault.cpu_nid)
    >>> from numab import Machine
    >>> Machine("2s", policy=SecondTouch()).policy
    'second_touch'
    """

    name: str = "own"
    #: The tick hook queues scans.
    scans: bool = True
    #: The internal per-node policies carry migrate-on-fault.
    migrates: bool = True
    #: A task without policy belongs to its home node, if it has one.
    uses_home: bool = False
    #: The core runs task_numa_placement of patch 29.
    places: bool = False
    #: Tunables that the policy presets, by bare name; what the user has set wins.
    presets: Mapping[str, int] = {}
    #: Address of a C function that decides instead of ``filter``.
    native_filter: int | None = None

    def filter(self, fault: Fault) -> Verdict:
        """Where should this page be?  The default: on the node that touches it, as moron has it."""
        if fault.page_nid == fault.cpu_nid:
            return Verdict(STAY, fault.tag, "hold_local")
        return Verdict(fault.cpu_nid, fault.tag)

    def place(self, machine: Any, tid: int) -> None:
        """A task may be moved now (``machine.task(tid)``); the default leaves it."""

    def install(self, handle: Handle) -> None:
        """Put this policy into a machine's core; called by Machine."""
        flags = lib.NUMAB_POLICY_SCANS if self.scans else 0
        flags |= lib.NUMAB_POLICY_MOF if self.migrates else 0
        flags |= lib.NUMAB_POLICY_HOME if self.uses_home else 0
        flags |= lib.NUMAB_POLICY_PLACE if self.places else 0
        if not isinstance(self.name, str) or "\0" in self.name:
            raise InvalidArgument(f"policy name {shown(self.name)}, permitted: 1..31 characters")
        native = self.native_filter
        if native is not None:
            native = whole("native_filter", native, (1, U64[1]))
        if not isinstance(self.presets, Mapping):
            raise InvalidArgument(
                f"presets {shown(self.presets)}, permitted: a mapping, tunable to value"
            )
        presets = [
            (choice("preset", name, _TUNABLES),
             whole(f"preset {name}", value, (-(2**63), 2**63 - 1)))
            for name, value in self.presets.items()
        ]
        handle.use_own_policy(
            self.name, flags, self._filter if native is None else native, presets
        )

    def _filter(self, c: Any, out: Any) -> None:
        unset = lib.NUMAB_TAG_UNSET
        fault = Fault(
            c.now_ns, c.vpn, c.tid, c.pid, c.cpu, c.cpu_nid, c.page_nid, c.home_nid, c.policy_nid,
            None if c.tag == unset else c.tag,
            bool(c.flags & lib.NUMAB_F_WRITE), bool(c.flags & lib.NUMAB_F_HUGE),
        )
        verdict = self.filter(fault)
        if not isinstance(verdict, Verdict):
            raise InvalidArgument(
                f"the filter of policy {self.name!r} gave {shown(verdict)}, permitted: a Verdict"
            )
        target = whole("target_nid of a verdict", verdict.target_nid, NID)
        tag = unset if verdict.tag is None else whole("tag of a verdict", verdict.tag, (0, unset))
        reason = choice("reason of a verdict", verdict.reason, _REASONS)
        out.target_nid, out.reason, out.tag = target, reason, tag
