"""task_numa_find_placement, slowly (6.5): whose home node should a task exchange with its own?"""

from .stats import weight


def find_placement(p, tasks, cpus, node_of):
    """(node, task) or None.

    @p and @tasks: dicts with tid, pid, cpu, cpus (a set), faults and mm_faults ({node: number}),
    tot and mm_tot.  @cpus: {cpu: the task that runs there, or None}; @node_of: {cpu: node}.
    """
    here = node_of[p["cpu"]]
    best, chosen = 0, None
    for node in sorted(set(node_of.values())):
        for cpu in sorted(c for c in cpus if node_of[c] == node):
            if cpu not in p["cpus"]:
                continue
            other = cpus[cpu]
            if other is None:                     # idle
                continue
            if other["tot"] == 0 or other["mm_tot"] == 0 or p["cpu"] not in other["cpus"]:
                continue
            if other["pid"] == p["pid"]:
                faults, total = "faults", "tot"
            else:
                faults, total = "mm_faults", "mm_tot"
            this_w = weight(p[faults].get(node, 0), p[total])
            other_w = weight(other[faults].get(node, 0), other[total])
            p_w = weight(p[faults].get(here, 0), p[total])
            other_diff, this_diff = this_w - other_w, this_w - p_w
            if other_diff > 0 and this_diff > 0 and other_diff + this_diff > best:
                best, chosen = other_diff + this_diff, (node, other["tid"])
    return chosen
