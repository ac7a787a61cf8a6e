"""numa02 with SMT defined: a thread a core.

Half the CPUs are idle then, so that the load balancer has somewhere to go.
"""

from __future__ import annotations

from .load import Load, Size
from .numa02 import chunks


def numa02_smt(size: Size) -> Load:
    """The load; its default number of threads is the machine's cores."""
    return chunks(size, "numa02_smt")
