"""libnuma over the model: the functions that programs call, under their names.

:class:`LibNuma` stands for the library as one task has it loaded.  Its methods are libnuma's
functions, with libnuma's arguments, defaults, return values and side effects, and the system calls
they make are those of :mod:`numab.syscalls`.  The subject is the second version of the interface
(``struct bitmask``) as libnuma 2.0.16 implements it.

>>> import numab
>>> from numab.libnuma import LibNuma
>>> m = numab.Machine("2s", era="v6.1")
>>> numa = LibNuma(m.process(cpu=0).main)
>>> numa.numa_available(), numa.numa_max_node(), numa.numa_distance(0, 1)
(0, 1, 21)
>>> mem = numa.numa_alloc_onnode(8192, 1)
>>> numa.numa_police_memory(mem, 8192)
>>> print(numa.process.numa_maps(), end="")
7ffff7ffd000 bind:1 anon=2 dirty=2 active=0 N1=2 kernelpagesize_kB=4

What C cannot say in Python: a function with an ``int *`` to fill returns a tuple, NULL is None, and
``errno`` is an attribute.  ``numa_error`` and ``numa_warn``, which a program may replace, here keep
what they were told in :attr:`LibNuma.errors` and :attr:`LibNuma.warnings`.
"""

from . import bitmask
from .bitmask import *
from .library import LibNuma

__all__ = ["LibNuma", *bitmask.__all__]
