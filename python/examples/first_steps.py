"""The two-stage filter in twenty lines: one remote touch does not move a page, two in a row do.

  touches by node:  0 | 1       | 0          | 1          | 1
  page's node:      0 | 0: hold | 0: hold    | 0: hold    | 0 -> 1
"""

import numab

BASE = 0x10000000  # bytes; any page-aligned address

machine = numab.Machine("2s", policy="home_node", tunables={"zero_page": 0})
process = machine.process(cpu=0)
task = process.main
process.mmap(BASE, 4096)
print("first touch: the page is on node", task.access(BASE, write=True).nid)

cpu_of_node = {nid: machine.topology.node(nid).cpus[0] for nid in machine.topology.nids}
for nid in (1, 0, 1, 1):
    task.set_cpu(cpu_of_node[nid])
    process.change_prot_numa(BASE, 4096)          # the scanner does this in a run
    expected = task.probe(BASE).reason            # asks, changes nothing
    reason = task.access(BASE).reason             # a hinting fault
    assert reason == expected
    page = process.page(BASE >> 12)
    print(f"touched from node {nid}: {reason:22} page on node {page.nid}, last_nid {page.tag}")

print({name: n for name, n in machine.vmstat().items() if n})
