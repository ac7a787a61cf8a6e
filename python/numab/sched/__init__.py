"""The scheduler of 2012: who runs where.

The core keeps run queues and knows when a balancing is due; what is decided then lies here.

================  ==============================================================
``domain``        sched domains built from a topology
``busiest``       find_busiest_group and its statistics, the home-node bias
``balance``       load_balance: which tasks move
``scheduler``     all of it on a machine: ``Machine(..., sched="2012")``
``flags``         the kernel's constants
================  ==============================================================
"""

from __future__ import annotations

from .balance import Balancer
from .domain import Domain, Group, build_domains
from .scheduler import Scheduler, answer, scheduler_of

__all__ = [
    "Balancer", "Domain", "Group", "Scheduler", "answer", "build_domains", "scheduler_of",
]
