"""The load balancer of Linux 3.7 with patch 28, slowly: dicts and lists, one step after the other.

Domains are dicts made by build(); run queues are dicts of lists of tasks.  Written from what the
kernel does and what the series says, not from the package.
"""

U64 = 1 << 64
IDLE, BUSY, NEWIDLE = 0, 1, 2
NUMA_LEVEL = "NUMA"


# ---- domains ----

def spans_by_level(cpus, node_of, core_of, package_of, distance):
    """[(name, {cpu: set of CPUs})]: SMT, MC, CPU, then one per distance beyond the local one."""
    same = [
        ("SIBLING", lambda a, b: node_of[a] == node_of[b] and core_of[a] == core_of[b]),
        ("MC", lambda a, b: node_of[a] == node_of[b] and package_of[a] == package_of[b]),
        ("CPU", lambda a, b: node_of[a] == node_of[b]),
    ]
    levels = [(name, {a: {b for b in cpus if together(a, b)} for a in cpus})
              for name, together in same]
    nodes = sorted(set(node_of.values()))
    seen = sorted({distance[a][b] for a in nodes for b in nodes})
    for far in seen:
        if far > distance[nodes[0]][nodes[0]]:
            levels.append((f"{NUMA_LEVEL}{far}", {
                a: {b for b in cpus
                    if node_of[a] == node_of[b] or distance[node_of[a]][node_of[b]] <= far}
                for a in cpus}))
    return levels


FLAGS = {  # names of our own for SD_*
    "SIBLING": {"lb", "newidle", "exec", "fork", "affine", "power", "pkg"},
    "MC": {"lb", "newidle", "exec", "fork", "affine", "pkg"},
    "CPU": {"lb", "newidle", "exec", "fork", "affine", "sibling"},
}
NUMBERS = {  # pct, busy factor, min, max, nice tries, busy, idle, newidle index
    "SIBLING": (110, 64, 1, 2, 0, 0, 0, 0),
    "MC": (125, 64, 1, 4, 1, 2, 0, 0),
    "CPU": (125, 64, 1, 4, 1, 2, 1, 0),
}


def build(cpus, node_of, core_of, package_of, distance):
    """{cpu: [domain, nearest first]} as the kernel attaches them."""
    levels = spans_by_level(cpus, node_of, core_of, package_of, distance)
    power = {}
    for cpu in cpus:
        siblings = len(levels[0][1][cpu])
        power[cpu] = 1178 // siblings if siblings > 1 else 1024
    top = {}  # the highest level that each CPU has
    for cpu in cpus:
        top[cpu] = next(i for i, (_, span) in enumerate(levels)
                        if span[cpu] == set(cpus) or i == len(levels) - 1)
    found = {}
    for cpu in cpus:
        chain = []
        for at in range(top[cpu] + 1):
            name, span = levels[at]
            groups, covered = [], set()
            for i in sorted(span[cpu]):
                if i in covered or top[i] < at:
                    continue
                members = levels[at - 1][1][i] if at else {i}
                covered |= members
                groups.append({"cpus": sorted(members), "power": sum(power[c] for c in members),
                               "mask": {c for c in members if c in span[cpu] and top[c] >= at}})
            first = None
            for group in groups:
                if (first is None and cpu in group["cpus"]) or min(group["mask"]) == cpu:
                    first = group
            where = groups.index(first)
            chain.append(describe(name, span[cpu], groups[where:] + groups[:where], cpu))
        found[cpu] = attach(chain, len(distance))
    return found, power


def describe(name, span, groups, cpu):
    domain = {"name": name, "span": sorted(span), "groups": groups, "cpu": cpu, "child": None,
              "failed": 0}
    if name.startswith(NUMA_LEVEL):
        near = int(name[len(NUMA_LEVEL):]) <= 30
        flags = {"lb", "newidle", "serialize", "overlap", "numa"}
        domain["flags"] = flags | ({"exec", "fork", "affine"} if near else set())
        numbers = (125, 32, len(span), 2 * len(span), 2, 3, 2, 0)
    else:
        domain["flags"], numbers = FLAGS[name], NUMBERS[name]
    keys = ("pct", "factor", "min", "max", "tries", "busy_idx", "idle_idx", "newidle_idx")
    domain.update(zip(keys, numbers))
    domain["interval"] = domain["min"]
    return domain


NEED_TWO = {"lb", "newidle", "exec", "fork", "power", "pkg"}


def useless(domain):
    if len(domain["span"]) == 1:
        return True
    if domain["flags"] & NEED_TWO and len(domain["groups"]) > 1:
        return False
    return "affine" not in domain["flags"]


def adds_nothing(child, parent, nr_nodes):
    if useless(parent):
        return True
    if child["span"] != parent["span"]:
        return False
    flags = set(parent["flags"])
    if len(parent["groups"]) == 1:
        flags -= NEED_TWO
        if nr_nodes == 1:
            flags -= {"serialize"}
    return flags <= child["flags"]


def attach(chain, nr_nodes):
    i = 0
    while i + 1 < len(chain):
        if adds_nothing(chain[i], chain[i + 1], nr_nodes):
            del chain[i + 1]
        else:
            i += 1
    if chain and useless(chain[0]):
        del chain[0]
    for below, above in zip(chain, chain[1:]):
        above["child"] = below
    return chain


# ---- one wake-up ----

def wake_cpu(chains, power, weights, task_weight, prev, waker, allowed):
    """The CPU that a task wakes on: it slept on ``prev``, ``waker`` is the CPU of who wakes it,
    ``weights`` are those of the tasks that run on each, ``allowed`` the CPUs that it may use."""
    if waker not in allowed:
        return prev
    both = [d for d in chains[waker] if "affine" in d["flags"] and prev in d["span"]]
    if not both:
        return prev
    target = prev
    if waker != prev and affine(both[0], power, weights, task_weight, prev, waker):
        target = waker
    return idle_sibling(chains[target], weights, target, allowed)


def affine(domain, power, weights, task_weight, prev, waker):
    load, this_load = sum(weights[prev]), sum(weights[waker])
    balanced = True
    if this_load > 0:
        this_eff_load = 100 * power[prev] * (this_load + task_weight)
        prev_eff_load = 100 + (domain["pct"] - 100) // 2
        prev_eff_load *= power[waker] * (load + task_weight)
        balanced = this_eff_load <= prev_eff_load
    per_task = this_load // len(weights[waker]) if weights[waker] else 0
    return balanced or (this_load <= load and this_load + load <= per_task)


def idle_sibling(chain, weights, target, allowed):
    if not weights[target]:
        return target
    for domain in reversed([d for d in chain if "pkg" in d["flags"]]):
        for group in domain["groups"]:
            usable = [cpu for cpu in group["cpus"] if cpu in allowed]
            if usable and not any(weights[cpu] for cpu in group["cpus"]):
                return usable[0]
    return target


# ---- one fork, or exec ----

def select_task_rq(chains, load, cpu, allowed, flag):
    """``chains``: the domains by CPU, ``load``: weight of the tasks of each CPU."""
    if len(allowed) == 1:
        return min(allowed)
    here = cpu
    domain = top_with(chains[cpu], flag, 1 << 30)
    while domain is not None:
        group = flag in domain["flags"] and idlest_group(domain, load, here, allowed)
        if not group:
            domain = domain["child"]
            continue
        order = [c for c in group["cpus"] if c in allowed]
        here = order[0]
        for c in order[1:]:
            if load[c] < load[here]:
                here = c
        domain = top_with(chains[here], flag, len(domain["span"]))
    return here if here in allowed else min(allowed)


def top_with(chain, flag, below):
    found = None
    for domain in chain:
        if len(domain["span"]) >= below:
            break
        if flag in domain["flags"]:
            found = domain
    return found


def idlest_group(domain, load, cpu, allowed):
    best, low, mine = None, U64 - 1, 0
    for group in domain["groups"]:
        if not set(group["cpus"]) & set(allowed):
            continue
        average = 1024 * sum(load[c] for c in group["cpus"]) // group["power"]
        if cpu in group["cpus"]:
            mine = average
        elif average < low:
            best, low = group, average
    if 100 * mine < (100 + (domain["pct"] - 100) // 2) * low:
        return None
    return best


# ---- one balancing ----

class Lots:
    """The core's generator (xorshift64* of seed 0): each of a list may take the place of those
    before it."""

    def __init__(self):
        state = 0x9E3779B97F4A7C15
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % U64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % U64
        self.state = state ^ state >> 31

    def below(self, n):
        self.state ^= self.state >> 12
        self.state ^= self.state << 25 & U64 - 1
        self.state ^= self.state >> 27
        return (self.state * 2685821657736338717 % U64 >> 32) * n >> 32

    def one(self, those):
        chosen = None
        for nr, each in enumerate(those, 1):
            if self.below(nr) == 0:
                chosen = each
        return chosen


class World:
    """Run queues: per CPU two lists of tasks (dicts: tid, weight, home, ran, cpus), who runs, and
    the averages of its load."""

    def __init__(self, cpus, node_of, distance, power, features):
        self.cpus, self.node_of, self.distance, self.power = cpus, node_of, distance, power
        self.features = features  # preferred, pull, bias, preempt, random
        self.lots = Lots()
        self.cfs = {cpu: [] for cpu in cpus}
        self.off = {cpu: [] for cpu in cpus}
        self.curr = {cpu: None for cpu in cpus}  # a tid
        self.past = {cpu: [0] * 5 for cpu in cpus}
        self.now = 10**9
        self.moves = []

    def put(self, task, cpu):
        away = task["home"] >= 0 and task["home"] != self.node_of[cpu]
        (self.off if away else self.cfs)[cpu].insert(0, task)

    def all(self, cpu):
        return self.cfs[cpu] + self.off[cpu]

    def weight(self, cpu):
        return sum(task["weight"] for task in self.all(cpu))

    def move(self, task, src, dst):
        for lists in (self.cfs, self.off):
            if task in lists[src]:
                lists[src].remove(task)
        self.put(task, dst)
        self.moves.append((task["tid"], src, dst))
        if self.curr[src] == task["tid"]:
            self.curr[src] = None


def source_load(world, cpu, idx):
    return min(world.past[cpu][idx - 1], world.weight(cpu)) if idx else world.weight(cpu)


def target_load(world, cpu, idx):
    return max(world.past[cpu][idx - 1], world.weight(cpu)) if idx else world.weight(cpu)


def group_stats(world, env, group, local):
    domain = env["domain"]
    idx = domain[{IDLE: "idle_idx", BUSY: "busy_idx", NEWIDLE: "newidle_idx"}[env["idle"]]]
    sgs = dict(load=0, nr=0, weighted=0, idle=0, imb=False, group=group, off=0, on=0, offw=0)
    most, least, most_nr, least_nr = 0, U64 - 1, 0, U64 - 1
    for cpu in group["cpus"]:
        if cpu not in env["cpus"]:
            continue
        nr = len(world.all(cpu))
        if local:
            load = target_load(world, cpu, idx)
        else:
            load = source_load(world, cpu, idx)
            most, least = max(most, load), min(least, load)
            most_nr, least_nr = max(most_nr, nr), min(least_nr, nr)
        sgs["load"] += load
        sgs["nr"] += nr
        sgs["weighted"] += world.weight(cpu)
        sgs["idle"] += nr == 0
        sgs["off"] += len(world.off[cpu])
        sgs["offw"] += sum(task["weight"] for task in world.off[cpu])
        sgs["on"] += sum(task["home"] >= 0 for task in world.cfs[cpu])
    sgs["avg"] = sgs["load"] * 1024 // group["power"]
    per_task = sgs["weighted"] // sgs["nr"] if sgs["nr"] else 0
    if (most - least) % U64 >= per_task and (most_nr - least_nr) % U64 > 1 and not local:
        sgs["imb"] = True
    sgs["capacity"] = round_to_closest(group["power"])
    if not sgs["capacity"] and "power" in domain["flags"]:
        sgs["capacity"] = 1
    sgs["room"] = sgs["capacity"] > sgs["nr"]
    return sgs


def round_to_closest(power):
    return (power + 512) // 1024


def my_turn(world, env, group):
    if env["idle"] == NEWIDLE:
        return True
    for cpu in group["cpus"]:
        if cpu in env["cpus"] and not world.all(cpu) and cpu in group["mask"]:
            return cpu == env["dst"]
    return min(group["mask"]) == env["dst"]


def busiest_group(world, env):
    """(group or None, is it our turn)."""
    env["imbalance"] = 0
    domain, this, busiest, numa = env["domain"], None, None, None
    total_load = total_power = max_load = 0
    sibling = domain["child"] is not None and "sibling" in domain["child"]["flags"]
    for group in domain["groups"]:
        local = env["dst0"] in group["cpus"] if env["dst"] == env["dst0"] else (
            env["dst"] in group["cpus"])
        sgs = group_stats(world, env, group, local)
        if local and not my_turn(world, env, group):
            return None, False
        total_load += sgs["load"]
        total_power += group["power"]
        if sibling and not local and this and this["room"]:
            sgs["capacity"] = min(sgs["capacity"], 1)
        if local:
            this = sgs
        else:
            if sgs["avg"] > max_load and (sgs["nr"] > sgs["capacity"] or sgs["imb"]):
                busiest, max_load = sgs, sgs["avg"]
            if sgs["off"] and numa is None:
                numa = sgs
    if busiest is None or busiest["nr"] == 0:
        return None, True
    average = 1024 * total_load // total_power
    force = busiest["imb"] or (env["idle"] == NEWIDLE and this["room"] and not busiest["room"])
    if not force:
        if this["avg"] >= busiest["avg"] or this["avg"] >= average:
            return None, True
        if env["idle"] == IDLE:
            fine = (this["idle"] <= busiest["idle"] + 1
                    and busiest["nr"] <= len(busiest["group"]["cpus"]))
        else:
            fine = 100 * busiest["avg"] <= domain["pct"] * this["avg"]
        if fine:
            if numa is not None and world.features["random"] and "numa" in domain["flags"]:
                others = [g for g in domain["groups"] if env["dst"] not in g["cpus"]]
                those = [group_stats(world, env, g, False) for g in others]
                numa = world.lots.one([sgs for sgs in those if sgs["off"]])
            return bias(world, env, this, numa), True
    amount(world, env, this, busiest, average)
    return busiest["group"], True


def bias(world, env, this, numa):
    if "numa" not in env["domain"]["flags"] or not world.features["bias"] or numa is None:
        return None
    if this["off"] == 0 and this["nr"] - this["on"] - this["off"] <= 0:
        return None
    env["imbalance"] = numa["offw"] // numa["off"]
    env["chooser"] = "numa"
    return numa["group"]


def amount(world, env, this, busiest, average):
    per_task = busiest["weighted"] // busiest["nr"]
    if busiest["imb"]:
        per_task = min(per_task, average)
    if busiest["avg"] < average:
        env["imbalance"] = 0
        return small(world, env, this, busiest, per_task)
    above = U64 - 1
    if not busiest["imb"]:
        above = ((busiest["nr"] - busiest["capacity"]) % U64) * 1024 * 1024 % U64
        above //= busiest["group"]["power"]
    max_pull = min(busiest["avg"] - average, above)
    one = max_pull * busiest["group"]["power"] % U64
    two = (average - this["avg"]) % U64 * this["group"]["power"] % U64
    env["imbalance"] = min(one, two) // 1024
    if env["imbalance"] < per_task:
        small(world, env, this, busiest, per_task)


def small(world, env, this, busiest, per_task):
    imbn = 2
    if this["nr"]:
        mine = this["weighted"] // this["nr"]
        if per_task > mine:
            imbn = 1
    else:
        nr = len(world.all(env["dst"]))
        mine = world.weight(env["dst"]) // nr if nr else 0
    busy_power, my_power = busiest["group"]["power"], this["group"]["power"]
    scaled = per_task * 1024 // busy_power
    if (busiest["avg"] - this["avg"] + scaled) % U64 >= scaled * imbn:
        env["imbalance"] = per_task
        return
    before = busy_power * min(per_task, busiest["avg"])
    before += my_power * min(mine, this["avg"])
    after, gone = 0, per_task * 1024 // busy_power
    if busiest["avg"] > gone:
        after += busy_power * min(per_task, busiest["avg"] - gone)
    if busiest["avg"] * busy_power < per_task * 1024:
        came = busiest["avg"] * busy_power // my_power
    else:
        came = per_task * 1024 // my_power
    after += my_power * min(mine, this["avg"] + came)
    if after // 1024 > before // 1024:
        env["imbalance"] = per_task


def busiest_queue(world, env, group):
    if env["chooser"] == "numa" and world.features["random"]:
        return world.lots.one([c for c in group["cpus"] if c in env["cpus"] and world.off[c]])
    if env["chooser"] == "numa":
        return next((c for c in group["cpus"] if c in env["cpus"] and world.off[c]), None)
    best, most = None, 0
    for cpu in group["cpus"]:
        if cpu not in env["cpus"]:
            continue
        capacity = round_to_closest(world.power[cpu])
        if not capacity and "power" in env["domain"]["flags"]:
            capacity = 1
        weight = world.weight(cpu)
        if capacity and len(world.all(cpu)) == 1 and weight > env["imbalance"]:
            continue
        if weight * 1024 // world.power[cpu] > most:
            best, most = cpu, weight * 1024 // world.power[cpu]
    return best


def can_migrate(world, env, task, stopper=False):
    if env["dst"] not in task["cpus"]:
        if not stopper and env["new_dst"] is None:
            env["new_dst"] = next(
                (c for c in env["domain"]["groups"][0]["cpus"] if c in task["cpus"]), None)
        return False
    env["all_pinned"] = False
    if not stopper and world.curr[env["src"]] == task["tid"]:
        return False
    hot = world.now - task["ran"] < 500_000
    if env["idle"] == BUSY and world.features["preferred"] and task["home"] >= 0:
        near = world.distance[world.node_of[env["src"]]][task["home"]]
        hot = hot or world.distance[world.node_of[env["dst"]]][task["home"]] >= near
    return not hot or env["domain"]["failed"] > env["domain"]["tries"]


def move_tasks(world, env):
    moved = 0
    lists = [world.off, world.cfs] if world.features["pull"] else [world.cfs]
    for tasks in lists:
        if env["imbalance"] <= 0:
            break
        tasks, loop = tasks[env["src"]], 0
        while tasks:
            loop += 1
            if loop > env["loop_max"]:
                break
            task = tasks[0]
            if task["weight"] // 2 > env["imbalance"] or not can_migrate(world, env, task):
                tasks.append(tasks.pop(0))
                continue
            world.move(task, env["src"], env["dst"])
            moved += 1
            env["imbalance"] -= task["weight"]
            if world.features["preempt"] and env["idle"] == NEWIDLE:
                return moved
            if env["imbalance"] <= 0:
                return moved
    return moved


def load_balance(world, domains, domain, idle):
    """(tasks moved, was it our turn); the domain's failed and interval change."""
    env = dict(domain=domain, dst=domain["cpu"], dst0=domain["cpu"], idle=idle, imbalance=0,
               cpus=set(world.cpus), chooser="plain", all_pinned=False, new_dst=None, src=None)
    moved = 0
    while True:
        group, turn = busiest_group(world, env)
        src = busiest_queue(world, env, group) if group else None
        if src is None:
            return balanced(domain, env), turn
        env["src"] = src
        if len(world.all(src)) > 1:
            env["all_pinned"], env["new_dst"] = True, None
            env["loop_max"] = min(32, len(world.all(src)))
            moved = move_tasks(world, env)
            tries = 1
            while env["new_dst"] is not None and env["imbalance"] > 0 and (
                    tries < len(domain["groups"][0]["cpus"])):
                tries += 1
                env["dst"], env["new_dst"] = env["new_dst"], None
                moved += move_tasks(world, env)
            if env["all_pinned"]:
                env["cpus"].discard(src)
                if env["cpus"]:
                    continue
                return balanced(domain, env), turn
        break
    if moved:
        domain["failed"], domain["interval"] = 0, domain["min"]
        return moved, turn
    if idle != NEWIDLE:
        domain["failed"] += 1
    bold = env["chooser"] == "numa" and len(world.all(src)) == 1 and world.off[src]
    if not bold and domain["failed"] <= domain["tries"] + 2:
        domain["interval"] = domain["min"]
        return 0, turn
    runner = [task for task in world.all(src) if task["tid"] == world.curr[src]]
    if runner and domain["cpu"] not in runner[0]["cpus"]:
        env["all_pinned"] = True
        back_off(domain, env)
        return 0, turn
    domain["failed"] = domain["tries"] + 1
    if domain["interval"] < domain["max"]:
        domain["interval"] *= 2
    push(world, domains, src, domain["cpu"])
    return 0, turn


def balanced(domain, env):
    domain["failed"] = 0
    back_off(domain, env)
    return 0


def back_off(domain, env):
    if (env["all_pinned"] and domain["interval"] < 512) or domain["interval"] < domain["max"]:
        domain["interval"] *= 2


def push(world, domains, src, dst):
    for domain in domains[dst]:
        if src in domain["span"]:
            env = dict(domain=domain, dst=dst, idle=IDLE, src=src, new_dst=None)
            for task in world.off[src] + world.cfs[src]:
                if can_migrate(world, env, task, stopper=True):
                    world.move(task, src, dst)
                    return
            return
