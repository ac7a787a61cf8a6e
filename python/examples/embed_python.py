"""A host that owns time and pages: numab asks it to move pages, and it answers.

This is how another simulator embeds the model.  The host runs its own clock, tells what its threads
touched and for how long they ran, and takes the moves that numab asks for; here it refuses every
third, as if its own allocator had no room.
"""

import numab

BASE, PAGES = 0x10000000, 12
VPN = BASE >> 12

machine = numab.Machine("2s", policy="moron", external=True,
                        tunables={"zero_page": 0, "scan_delay_ms": 10, "scan_period_min_ms": 10})
process = machine.process(cpu=0)
task = process.main
process.mmap(BASE, PAGES * 4096)
task.access_rows(numab.rows(range(VPN, VPN + PAGES), writes=1))
task.set_cpu(machine.topology.node(1).cpus[0])

asked = 0
for step in range(1, 5):
    machine.set_now(step * 40_000_000)            # the host's clock: steps of 40 ms
    task.account(40_000_000)                      # the thread ran all the time
    if task.tick():                               # the timer tick: a scan is due
        marked = task.task_work()                 # ... and runs on the way back to user mode
        print(f"{step * 40} ms: {marked} pages marked")
    task.access_rows(numab.rows(range(VPN, VPN + PAGES), reads=1))
    for move in machine.moves():
        asked += 1
        machine.migrated(move, ok=asked % 3 != 0)
    print(f"{step * 40} ms: pages by node {process.node_pages().tolist()}")

counts = {name: n for name, n in machine.reasons().items() if n}
print(f"asked {asked} times; {counts}")
print({name: machine.counters[name] for name in ("numa_pages_migrated", "pgmigrate_fail")})
machine.check()
