"""Memory-policy system calls: as methods that explain a refusal, and raw, as a kernel answers."""

import numpy as np

import numab
from numab import syscalls

PAGE, BASE = 4096, 1 << 30
m = numab.Machine("2s", policy="off", era="v6.1")
p = m.process(cpu=0)
p.mmap(BASE, 8 * PAGE, pgoff=BASE // PAGE)


def nodes():
    return "".join("." if nid < 0 else str(nid) for nid in p.page_nids(BASE // PAGE, 8))


p.main.set_mempolicy("interleave:0-1")  # the task's own, for all memory without one
p.mbind(BASE, 4 * PAGE, "bind:1")  # the first half has one
for i in range(6):
    p.main.access(BASE + i * PAGE, write=True)
print("placed    ", nodes())

p.mbind(BASE, 8 * PAGE, "bind:0", move=True)  # what lies elsewhere moves
print("moved     ", nodes())

status = p.main.move_pages([BASE, BASE + PAGE, BASE + 7 * PAGE], 1)
print("move_pages", status.tolist(), nodes())  # -14: that page was never touched

for asked in ("bind:5", "weighted interleave:0-1"):
    try:
        p.main.set_mempolicy(asked)
    except OSError as e:
        print(e)

# The same, raw: mode 2 is MPOL_BIND, masks are numbers or arrays, refusals are -errno.
print(syscalls.set_mempolicy(p.main, 2, 1 << 5, 64), syscalls.set_mempolicy(p.main, 6, 0b11, 64))
mode, mask = np.zeros(1, np.int32), np.zeros(1, np.uint64)
print(syscalls.get_mempolicy(p.main, mode, mask, 64, BASE, syscalls.MPOL_F_ADDR), mode, mask)

m.era = "v6.12"  # another kernel knows more
print(syscalls.set_mempolicy(p.main, 6, 0b11, 64), p.main.get_mempolicy())
