"""Memory policies: what a mode is, what it takes, how it reads.

>>> from numab import mempolicy
>>> p = mempolicy.parse("bind:0,1 static")
>>> p, str(p)
(MemPolicy(mode='BIND', nodes=(0, 1), flags=<Flags.STATIC_NODES: 32768>), 'bind=static:0-1')
"""

from .modes import ERAS, MODES, Era, Flags, Mode, era_named, era_of_kernel
from .policy import InForce, MemPolicy, in_force, rebind, relative_nodes, remap
from .text import format_policy, parse

__all__ = [
    "ERAS",
    "MODES",
    "Era",
    "Flags",
    "InForce",
    "MemPolicy",
    "Mode",
    "era_named",
    "era_of_kernel",
    "format_policy",
    "in_force",
    "parse",
    "rebind",
    "relative_nodes",
    "remap",
]
