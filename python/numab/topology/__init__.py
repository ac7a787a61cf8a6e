"""Machines: nodes, CPUs, memory and distances, from wherever they are described.

``Topology.load(source)`` reads a preset's name, a line such as ``numa:2 core:4``,
a /sys tree, a tar snapshot of one, hwloc XML, or the text of ``numactl --hardware``.

==================  ===========================================================
``model``           :class:`Node`, :class:`Topology`: the values, and their checks
``source``          which reader a source belongs to
``presets``         :data:`PRESETS`, the machines by name, and synthetic lines
``sysfs``           /sys trees: read, write
``archive``         tar snapshots of /sys, read in memory
``hwloc_xml``       hwloc XML
``numactl_text``    ``numactl --hardware``: read, write
``distances``       the rules for the matrix of distances
``draft``           what a reader found, and the rules that hold for all of them
``cpuset``          lists and masks of ids
==================  ===========================================================

>>> from numab.topology import Topology
>>> Topology.load("cxl").describe()
'3 nodes (1 without CPUs), 16 CPUs, 256 GiB'
"""

from __future__ import annotations

from numab.topology.distances import UNREACHABLE
from numab.topology.draft import (
    LOCAL_DISTANCE, MAX_CPUS, MAX_MEMORY, MAX_NODES, REMOTE_DISTANCE)
from numab.topology.model import PAGE_BYTES, Node, Topology
from numab.topology.presets import PRESETS, Preset

__all__ = ["LOCAL_DISTANCE", "MAX_CPUS", "MAX_MEMORY", "MAX_NODES", "Node", "PAGE_BYTES",
           "PRESETS", "Preset", "REMOTE_DISTANCE", "Topology", "UNREACHABLE"]
