"""The kernel's text files, as it prints them: numa_maps, the masks of status, numastat of a node.

Each is a value that reads and writes its text; what fills it, a machine knows.

>>> from numab.procfs import MapsLine
>>> line = MapsLine.parse("7f0000000000 bind=static:0-1 anon=3 dirty=3 N0=2 N1=1")
>>> line.nodes, str(line)
({0: 2, 1: 1}, '7f0000000000 bind=static:0-1 anon=3 dirty=3 N0=2 N1=1')
"""

from .node import node_numastat, parse_node_numastat
from .numa_maps import MapsLine, maps_line, parse_numa_maps
from .status import parse_status_masks, status_masks

__all__ = [
    "MapsLine",
    "maps_line",
    "node_numastat",
    "parse_node_numastat",
    "parse_numa_maps",
    "parse_status_masks",
    "status_masks",
]
