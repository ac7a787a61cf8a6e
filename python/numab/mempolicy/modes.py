"""Modes and flags of a memory policy, and which kernel knows which of them.

A mode is a row of :data:`MODES`; nothing else in numab lists modes.  Numbers, names and rules are
those of the kernel's ``include/uapi/linux/mempolicy.h`` and ``mm/mempolicy.c``.

========== ============================================================================
era        kernel
========== ============================================================================
``v2``     the posting of Nov 2012 on 3.7: LOCAL and NOOP are modes, mbind takes LAZY
``v3.8``   as merged: NOOP and LAZY are hidden from user space again
``v6.1``   PREFERRED_MANY, the NUMA_BALANCING flag with BIND, set_mempolicy_home_node
``v6.12``  WEIGHTED_INTERLEAVE, NUMA_BALANCING also with PREFERRED_MANY
========== ============================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntFlag

from numa_core.errors import InvalidArgument

from ..arguments import choice, shown

__all__ = ["ERAS", "MODES", "Era", "Flags", "Mode", "era_named", "era_of_kernel"]


class Flags(IntFlag):
    """Flags of a policy, with the kernel's values.

    The first three are the user's and come with the mode's number; ``MOF`` (migrate on fault) is
    what ``mbind(MPOL_MF_LAZY)`` gives a policy; ``MORON`` (toward the running CPU), later named
    ``HOME``, is internal.
    """

    NONE = 0
    MOF = 1 << 3
    MORON = 1 << 4
    HOME = 1 << 4
    NUMA_BALANCING = 1 << 13
    RELATIVE_NODES = 1 << 14
    STATIC_NODES = 1 << 15


@dataclass(frozen=True)
class Mode:
    """One mode.

    ``numbers``: its number in each era that has it; ``text``: as numa_maps and ``mpol=`` spell it;
    ``rule``: the core's target rule (``enum numab_mpol_mode``) it lowers to; ``mask``: ``none``
    (must be empty), ``needed`` or ``optional``; ``flags``: the user's flags it can carry, in any
    era; ``sentence``: what it does.
    """

    name: str
    numbers: dict[str, int]
    text: str
    rule: str
    mask: str
    flags: Flags
    sentence: str


_NODES = Flags.STATIC_NODES | Flags.RELATIVE_NODES
_ALL = {"v2", "v3.8", "v6.1", "v6.12"}


def _numbers(number: int, eras: set[str]) -> dict[str, int]:
    return {era: number for era in ("v2", "v3.8", "v6.1", "v6.12") if era in eras}


#: Every mode, by the kernel's name without ``MPOL_``.
MODES: dict[str, Mode] = {
    row.name: row
    for row in (
        Mode("DEFAULT", _numbers(0, _ALL), "default", "NONE", "none", _NODES,
             "no policy of its own: the next wider one, in the end the running node"),
        Mode("PREFERRED", _numbers(1, _ALL), "prefer", "PREFERRED", "optional", _NODES,
             "the first node of the mask, then others by distance; an empty mask is LOCAL"),
        Mode("BIND", _numbers(2, _ALL), "bind", "BIND", "needed", _NODES | Flags.NUMA_BALANCING,
             "nodes of the mask only, nearest first; none left is out of memory"),
        Mode("INTERLEAVE", _numbers(3, _ALL), "interleave", "INTERLEAVE", "needed", _NODES,
             "nodes of the mask in turn, by the page's offset in its object"),
        Mode("LOCAL", _numbers(4, _ALL), "local", "LOCAL", "none", Flags.NONE,
             "the running node, then others by distance"),
        Mode("NOOP", _numbers(5, {"v2"}), "noop", "NONE", "none", _NODES,
             "keep what the range has; for mbind with MOVE or LAZY"),
        Mode("PREFERRED_MANY", _numbers(5, {"v6.1", "v6.12"}), "prefer (many)", "PREFERRED_MANY",
             "needed", _NODES | Flags.NUMA_BALANCING,
             "nodes of the mask, nearest first, then others by distance"),
        Mode("WEIGHTED_INTERLEAVE", _numbers(6, {"v6.12"}), "weighted interleave",
             "WEIGHTED_INTERLEAVE", "needed", _NODES,
             "nodes of the mask in turn, each as often as its weight says"),
    )
}


@dataclass(frozen=True)
class Era:
    """What a kernel's system calls know and answer, where kernels differ.

    ``mode_flags``: flags taken off the mode's number (others stay in it and make it unknown);
    ``balancing``: modes that may carry NUMA_BALANCING; ``mbind_flags``: MPOL_MF_VALID;
    ``local_is_preferred``: LOCAL is stored as PREFERRED without a node (patch 9), and takes
    STATIC_NODES and RELATIVE_NODES; ``home_node``: set_mempolicy_home_node exists; ``core_flags``:
    what the core's moving calls must know of it (``NUMAB_MF_*``).

    ``old_calls``: as in 2012.  get_mempolicy wants room for 1024 nodes, not for those that can
    exist; a mask's last word counts as far as ``maxnode`` says, also beyond node 1023;
    migrate_pages refuses a new mask with nodes that do not exist and takes an empty one;
    move_pages looks at targets by 169; mbind needs a mapping at its start also for DEFAULT.
    """

    name: str
    mode_flags: Flags
    balancing: tuple[str, ...]
    mbind_flags: int
    local_is_preferred: bool
    home_node: bool
    old_calls: bool
    core_flags: int

    def mode(self, number: int) -> Mode | None:
        """The mode of that number, None: unknown here."""
        for row in MODES.values():
            if row.numbers.get(self.name) == number:
                return row
        return None

    def has(self, mode: str) -> bool:
        """Does this kernel have the mode?"""
        return self.name in MODES[mode].numbers


_V6, _V612 = 32, 64  # NUMAB_MF_*

#: Every era, oldest first.  mbind flags: STRICT 1, MOVE 2, MOVE_ALL 4, LAZY 8.
ERAS: dict[str, Era] = {
    era.name: era
    for era in (
        Era("v2", _NODES, (), 15, True, False, True, 0),
        Era("v3.8", _NODES, (), 7, True, False, True, 0),
        Era("v6.1", _NODES | Flags.NUMA_BALANCING, ("BIND",), 7, False, True, False, _V6),
        Era("v6.12", _NODES | Flags.NUMA_BALANCING, ("BIND", "PREFERRED_MANY"), 7, False, True,
            False, _V612),
    )
}
#: First release of each era; v2 is what stands before 3.8.
_FIRST_RELEASE = {"v2": (0, 0), "v3.8": (3, 8), "v6.1": (5, 14), "v6.12": (6, 9)}


def era_of_kernel(release: str) -> Era:
    """The era of a kernel release such as ``6.1.192``.  Raises InvalidArgument.

    5.14 made LOCAL a mode of its own, 6.9 brought WEIGHTED_INTERLEAVE; what else changed between
    the releases that name the eras is dated with these.

    >>> era_of_kernel("6.1").name, era_of_kernel("6.12.117").name, era_of_kernel("3.7-rc6").name
    ('v6.1', 'v6.12', 'v2')
    """
    found = re.match(r"(\d{1,3})\.(\d{1,3})(?!\d)", release) if isinstance(release, str) else None
    if not found:
        raise InvalidArgument(f"kernel {shown(release)}, permitted: a release such as 6.1")
    number = int(found[1]), int(found[2])
    return ERAS[[name for name, first in _FIRST_RELEASE.items() if number >= first][-1]]


def era_named(name: str) -> Era:
    """The era of that name.  Raises InvalidArgument.

    >>> era_named("v6.1").mode(5).name
    'PREFERRED_MANY'
    """
    return ERAS[tuple(ERAS)[choice("era", name, tuple(ERAS))]]
