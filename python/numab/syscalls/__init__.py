"""The memory-policy system calls, raw: numbers, masks, pointers in; 0 (or a count) or -errno out.

The first argument of each is the calling task.  Masks and arrays are as :mod:`numab.syscalls.user`
says: None is NULL, :data:`BAD_POINTER` an address that is not mapped.  Which modes and flags exist,
and where kernels answer differently, is the machine's ``era``.  The same calls as methods, with
policies as values and refusals as exceptions, are those of :class:`numab.Task`.

>>> import numab
>>> from numab import syscalls
>>> m = numab.Machine("2s", era="v6.1")
>>> task = m.process(cpu=0).main
>>> syscalls.set_mempolicy(task, 2, 0b11, 64)                     # MPOL_BIND {0,1}
0
>>> syscalls.set_mempolicy(task, 2, syscalls.BAD_POINTER, 64)     # -EFAULT
-14
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import move_calls, policy_calls, range_calls
from .cpusets import set_mems_allowed
from .policy_calls import MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED, MPOL_F_NODE
from .range_calls import MPOL_MF_LAZY, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT
from .user import BAD_POINTER

__all__ = [
    "BAD_POINTER",
    "MPOL_F_ADDR",
    "MPOL_F_MEMS_ALLOWED",
    "MPOL_F_NODE",
    "MPOL_MF_LAZY",
    "MPOL_MF_MOVE",
    "MPOL_MF_MOVE_ALL",
    "MPOL_MF_STRICT",
    "get_mempolicy",
    "mbind",
    "migrate_pages",
    "move_pages",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "set_mems_allowed",
]


def _raw(call: Callable[..., int | None]) -> Callable[..., int]:
    """The call with its refusals as negative numbers; mistakes in Python stay exceptions."""

    @functools.wraps(call)
    def answer(*args: Any, **named: Any) -> int:
        try:
            return call(*args, **named) or 0
        except OSError as e:
            if not e.errno:  # an error of numab's own that inherits OSError
                raise
            return -e.errno

    return answer


set_mempolicy = _raw(policy_calls.set_mempolicy)
get_mempolicy = _raw(policy_calls.get_mempolicy)
mbind = _raw(range_calls.mbind)
set_mempolicy_home_node = _raw(range_calls.set_mempolicy_home_node)
migrate_pages = _raw(move_calls.migrate_pages)
move_pages = _raw(move_calls.move_pages)
