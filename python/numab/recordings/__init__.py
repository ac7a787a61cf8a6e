"""Recordings of real kernels, replayed on the model: which rows come out, which differ.

==================  ==========================================================================
module              what
==================  ==========================================================================
``reading``         a recording's file, checked; masks, modes and flags as it spells them
``replay``          one machine for it, and the processes that made the rows
``tables``          the sections with errno tables: mbind, set_mempolicy, get_mempolicy, ...
``moving``          the sections about moving: move_pages, migrate_pages
``place``           where pages were placed, with counters and numa_maps
``agreement``       rows compared, and the differences that MODEL.md accepts
==================  ==========================================================================
"""

from .agreement import Accepted, Agreement, Difference, accepted_differences, check_recording
from .reading import Recording, load_recording

__all__ = [
    "Accepted",
    "Agreement",
    "Difference",
    "Recording",
    "accepted_differences",
    "check_recording",
    "load_recording",
]
