"""The scheduler of 2012: who runs where.

The core keeps run queues and balances loads as Linux 3.7 does; what it balances, and what is
decided about home nodes, lies here.

================  ==============================================================
``domain``        sched domains built from a topology
``bias``          patch 28's trade of tasks between balanced nodes
``scheduler``     both on a machine: ``Machine(..., sched="2012")``
``idlest``        where fork and exec put a task
``flags``         the kernel's constants
================  ==============================================================
"""

from __future__ import annotations

from .bias import PullBias
from .domain import Domain, Group, build_domains
from .idlest import select_task_rq
from .scheduler import Scheduler, scheduler_of

__all__ = ["Domain", "Group", "PullBias", "Scheduler", "build_domains", "scheduler_of",
           "select_task_rq"]
