"""numab: a fast, exact, embeddable model of Linux automatic NUMA balancing.

>>> import numab
>>> m = numab.Machine("2s", policy="home_node", tunables={"zero_page": 0})
>>> p = m.process(cpu=0)
>>> vma = p.mmap(0x1000000, 4096)
>>> _ = p.main.access(0x1000000, write=True)       # first touch: node 0
>>> p.main.set_cpu(m.topology.node(1).cpus[0])
>>> outcomes = []
>>> for _ in range(2):
...     _ = p.change_prot_numa(0x1000000, 4096)
...     outcomes.append(p.main.access(0x1000000).reason)
>>> outcomes                                       # not at the first remote hint, at the second
['hold_two_stage_filter', 'go_migrated']
"""

from numa_core.errors import (
    AccessFault,
    AlreadyMapped,
    InvalidArgument,
    MissingExtra,
    NoSuchTask,
    NumabError,
    NumabWarning,
    OutOfMemory,
    TopologyError,
    TraceError,
    WouldBlock,
)

from .machine import Machine
from .policies import POLICIES, PRESETS, STAY, Fault, Policy, Verdict
from .process import Process
from .task import Task
from .topology import Node, Topology
from .tunables import TUNABLES, Tunables
from .values import (
    Batch, Move, NodeInfo, Outcome, Page, Probe, Stop, TaskInfo, Vma, VmaStats, rows,
)

__version__ = "0.1.0"

__all__ = [
    "POLICIES",
    "PRESETS",
    "STAY",
    "TUNABLES",
    "AccessFault",
    "AlreadyMapped",
    "Batch",
    "Fault",
    "InvalidArgument",
    "Machine",
    "MissingExtra",
    "Move",
    "NoSuchTask",
    "Node",
    "NodeInfo",
    "NumabError",
    "NumabWarning",
    "OutOfMemory",
    "Outcome",
    "Page",
    "Policy",
    "Probe",
    "Process",
    "Stop",
    "Task",
    "TaskInfo",
    "Topology",
    "TopologyError",
    "TraceError",
    "Tunables",
    "Verdict",
    "Vma",
    "VmaStats",
    "WouldBlock",
    "rows",
]
