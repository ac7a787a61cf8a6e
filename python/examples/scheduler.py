"""The scheduler of 2012: nice values, affinity, and home nodes that the load balancer looks at."""

import numab

PAGE, BASE = 4096, 1 << 30


def crowd(n, features=""):
    """n tasks of one process, all on CPU 0 of a machine of two nodes with one CPU each."""
    m = numab.Machine("tiny", policy="off", sched="2012")
    m.sched_features = features
    process = m.process(cpu=0)
    process.mmap(BASE, n * PAGE)
    tasks = [process.main] + [process.main.clone(0) for _ in range(n - 1)]
    for i, task in enumerate(tasks):
        task.feed_pattern("sweep", BASE // PAGE + i, 1, reads=64)  # busy for ever
    return m, tasks


m, (a, b) = crowd(2)
b.nice = 5  # weighs 335, a task of nice 0 1024: 3.06 times less
for task in (a, b):
    task.set_affinity([0])
m.run(60 * 10**9)
ratio = a.info().sum_exec_ns / b.info().sum_exec_ns
print(f"nice: {ratio:.2f}, CPUs {a.info().cpu}, {b.info().cpu}")

b.set_affinity(None)
m.run(m.now_ns + 10**9)
print(f"not pinned: CPUs {a.info().cpu}, {b.info().cpu}")

for features in ("NUMA_HOMENODE_PULL", "NO_NUMA_HOMENODE_PULL"):
    m, tasks = crowd(3, features)
    for task, home in zip(tasks, (0, 1, -1)):
        task.set_home(home)  # queued anew, on the list of those off home or the other; not moved
    m.run(8 * 10**6)  # two ticks
    print(f"{features}: nodes {[task.info().nid for task in tasks]} of homes 0, 1 and none")
print(tasks[1].sched_debug().split()[-1], "home/current, as /proc/sched_debug ends the line")
