"""The reference model: balancenuma V2's foundation in plain Python, slow and exact.

Written from the specification alone and sharing nothing with the C core, so that the two can be
compared step by step.  Dicts, lists and integers; one function per kernel function, with the
kernel's name.  Sections (4.2, B, G, ...) in docstrings are those of the V2 specification.

Reading order, each module needing only those before it:

=============  ================================================================================
names.py       error codes, counters, reasons, tunables, flags
state.py       what there is: nodes, tasks, address spaces, VMAs, slots, entries, pages
node.py        watermarks, zonelists, taking and giving back pages, TLB flush accounting
policy.py      which policy applies, where a page is wanted, mpol_misplaced (section 3)
stats.py       task_numa_fault, decay, weights (section 6.1 to 6.3)
migrate.py     migrate_pages, migrate_misplaced_page (patches 1, 2, 12)
huge.py        huge pages: first touch, split, the THP hinting fault (4.4)
fault.py       handle_mm_fault and everything under it (4.2, 4.3), accesses, get_user_pages
scan.py        task_tick_numa, task_numa_work, change_prot_numa (4.1)
vma.py         mmap, munmap, mprotect, mremap, populate, the policy of a range
process.py     fork, clone, exec, exit
probe.py       what an access would meet, tried on a copy
calls.py       errnos of the memory-policy system calls, and what they leave (all eras)
placement.py   task_numa_find_placement (6.5)
cpu.py         run queues: who runs, virtual run times, the lists of patch 28 (5.1)
sched.py       domains and load balancing of Linux 3.7 with patch 28 (5.2 to 5.5)
machine.py     OracleMachine: the calls, their argument checks, what can be observed
=============  ================================================================================
"""

from .machine import OracleMachine
from .names import OracleError
from .stats import weight

__all__ = ["OracleError", "OracleMachine", "weight"]
