"""Every error numab raises, in one place.

All inherit :class:`NumabError` and also the built-in that a caller would
naturally catch, so ``except ValueError`` works without importing anything.
A message names the offending value and the permitted range.

>>> from numa_core.errors import InvalidArgument, NumabError
>>> issubclass(InvalidArgument, ValueError) and issubclass(InvalidArgument, NumabError)
True
"""

from __future__ import annotations

__all__ = [
    "AccessFault",
    "AlreadyMapped",
    "InvalidArgument",
    "MissingExtra",
    "NoSuchTask",
    "NumabError",
    "NumabWarning",
    "OutOfMemory",
    "TopologyError",
    "TraceError",
    "WouldBlock",
]


class NumabError(Exception):
    """Root of all errors raised by numab."""


class NumabWarning(UserWarning):
    """Odd input that Linux accepts too, and how it was read."""


class InvalidArgument(NumabError, ValueError):
    """A value outside its permitted range (the core's NUMAB_EINVAL)."""


class NoSuchTask(NumabError, LookupError):
    """No process, task, VMA or page by that name (NUMAB_ESRCH, NUMAB_ENOENT)."""


class AlreadyMapped(NumabError, ValueError):
    """The range overlaps an existing VMA (NUMAB_EEXIST)."""


class AccessFault(NumabError, PermissionError):
    """An access that a kernel would answer with SIGSEGV (NUMAB_EFAULT)."""


class OutOfMemory(NumabError, MemoryError):
    """No node can take another page, or the host has no memory left (NUMAB_EOOM, NUMAB_ENOMEM)."""


class WouldBlock(NumabError, BlockingIOError):
    """The event ring is full, or a move waits for the host's answer (NUMAB_EAGAIN)."""


class TopologyError(NumabError, ValueError):
    """A machine description that Linux could not have reported."""


class TraceError(NumabError, ValueError):
    """A page-access trace that cannot be read or makes no sense."""


class MissingExtra(NumabError, ImportError):
    """An optional dependency is absent; the message names the extra to install."""
