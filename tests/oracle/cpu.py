"""Run queues of Linux 3.7 with patch 28's lists, at the resolution of a tick, slowly.

Written from what CFS does: one class, lists of tasks, whole numbers of picoseconds without bounds.
Every runnable task would run for ever.
"""

# Nice -20 to 19.
WEIGHTS = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15]
PS = 1000  # in a ns


class Task:
    def __init__(self, tid, cpu):
        self.tid, self.cpu = tid, cpu
        self.nice = self.vruntime = self.executed = self.slice_began = self.contrib = 0
        self.home, self.queued, self.wake_ns = -1, False, None
        self.allowed = None

    @property
    def weight(self):
        return WEIGHTS[self.nice + 20]


class Queue:
    def __init__(self, nid):
        self.nid, self.curr, self.resched, self.min_vruntime = nid, None, False, 0
        self.cfs, self.off, self.loads = [], [], [0] * 5
        self.onnode = self.offnode = self.offnode_weight = 0

    @property
    def runnable(self):
        return self.cfs + self.off

    @property
    def weight(self):
        return sum(task.weight for task in self.runnable)

    def advance(self):
        """min_vruntime follows the lowest queued task, never backwards."""
        if self.runnable:
            self.min_vruntime = max(self.min_vruntime, min(t.vruntime for t in self.runnable))


class Queues:
    """The calls of the contract that concern run queues."""

    def __init__(self, cpu_nid, hz=250, latency=6_000_000, granularity=750_000, wakeup=1_000_000,
                 scaling=1):
        self.queues = [Queue(nid) for nid in cpu_nid]
        self.tick_ns, self.now_ns, self.tasks = 10**9 // hz, 0, {}
        cpus = min(len(cpu_nid), 8)
        factor = {0: 1, 1: cpus.bit_length(), 2: cpus}[scaling]
        self.latency, self.granularity, self.wakeup = (
            n * factor * PS for n in (latency, granularity, wakeup))

    # ---- the lists ----

    def enqueue(self, task):
        queue = self.queues[task.cpu]
        away = task.home not in (-1, queue.nid)
        if away:
            task.contrib = task.weight
            queue.offnode_weight += task.contrib
            queue.offnode += 1
        elif task.home != -1:
            queue.onnode += 1
        (queue.off if away else queue.cfs).insert(0, task)
        task.queued = True

    def dequeue(self, task):
        queue = self.queues[task.cpu]
        if task in queue.off:
            queue.offnode_weight -= task.contrib
            queue.offnode -= 1
            queue.off.remove(task)
        else:
            queue.onnode -= task.home != -1
            queue.cfs.remove(task)
        task.queued = False

    # ---- fairness ----

    def slice(self, task):
        queue = self.queues[task.cpu]
        members = queue.runnable if task.queued else [*queue.runnable, task]
        most = -(-self.latency // self.granularity)
        period = self.latency
        if len(members) > most:
            period = len(members) * self.granularity
        return period * task.weight // sum(t.weight for t in members)

    def preempt_on_wakeup(self, task):
        queue = self.queues[task.cpu]
        if queue.curr:
            lead = queue.curr.vruntime - task.vruntime
            if lead > self.wakeup * 1024 // task.weight:
                queue.resched = True

    def join(self, task):
        """A relative virtual run time becomes that of the queue."""
        queue = self.queues[task.cpu]
        queue.advance()
        task.vruntime += queue.min_vruntime
        self.enqueue(task)
        self.preempt_on_wakeup(task)

    # ---- calls ----

    def new(self, tid, cpu, parent=None):
        task = self.tasks[tid] = Task(tid, cpu)
        if parent is not None:
            task.cpu, task.nice, task.home = parent.cpu, parent.nice, parent.home
            task.allowed = parent.allowed
        queue = self.queues[task.cpu]
        queue.advance()
        start = queue.min_vruntime + self.slice(task) * 1024 // task.weight
        if parent is not None and parent.queued:
            start = max(start, parent.vruntime)
        task.vruntime, task.cpu = start - queue.min_vruntime, cpu
        self.join(task)

    def exit(self, task):
        self.leave(task)
        del self.tasks[task.tid]

    def leave(self, task):
        queue = self.queues[task.cpu]
        if task.queued:
            queue.advance()
            self.dequeue(task)
        if queue.curr is task:
            queue.curr = None
        task.vruntime -= queue.min_vruntime
        queue.advance()

    def set_cpu(self, task, cpu):
        if cpu == task.cpu:
            return
        queued = task.queued
        self.leave(task)
        task.cpu = cpu
        if queued:
            self.join(task)
        else:
            task.vruntime += self.queues[cpu].min_vruntime

    def requeue(self, task, change):
        """Off the queue, something changes, on again; the current task stays it."""
        queue = self.queues[task.cpu]
        if not task.queued:
            change()
            return
        queue.advance()
        at = task.vruntime - queue.min_vruntime
        self.dequeue(task)
        if queue.curr is not task:
            queue.advance()
        change()
        task.vruntime = at + queue.min_vruntime
        self.enqueue(task)

    def set_home(self, task, nid):
        self.requeue(task, lambda: setattr(task, "home", nid))
        if self.queues[task.cpu].curr is task:
            task.slice_began = task.executed

    def set_nice(self, task, nice):
        before = task.nice
        if nice == before:
            return
        self.requeue(task, lambda: setattr(task, "nice", nice))
        queue = self.queues[task.cpu]
        if task.queued and (nice < before or queue.curr is task):
            queue.resched = True

    def set_affinity(self, task, cpus):
        task.allowed = cpus
        if cpus is not None and task.cpu not in cpus:
            nid = self.queues[task.cpu].nid
            near = [cpu for cpu in sorted(cpus) if self.queues[cpu].nid == nid]
            self.set_cpu(task, (near or sorted(cpus))[0])

    def sleep(self, task, until_ns):
        task.wake_ns = until_ns
        queue = self.queues[task.cpu]
        if task.queued:
            queue.advance()
            self.dequeue(task)
            if queue.curr is task:
                queue.curr = None
            queue.advance()

    def wake(self, task):
        if task.queued:
            return
        queue = self.queues[task.cpu]
        queue.advance()
        task.vruntime = max(task.vruntime, queue.min_vruntime - self.latency // 2)
        task.wake_ns = None
        self.enqueue(task)
        self.preempt_on_wakeup(task)

    # ---- time ----

    def wake_first(self, cpu):
        """Nobody runs here: the first whose sleep ends within the tick does; ns left of it."""
        sleepers = [task for task in self.tasks.values() if task.cpu == cpu]
        first = min(sleepers, key=lambda task: (task.wake_ns, task.tid), default=None)
        left = self.now_ns + self.tick_ns - first.wake_ns if first else 0
        if left <= 0:
            return 0
        self.wake(first)
        return left

    def run_tick(self):
        for cpu, queue in enumerate(self.queues):
            for tid in sorted(self.tasks):
                task = self.tasks[tid]
                if task.cpu == cpu and not task.queued and task.wake_ns <= self.now_ns:
                    self.wake(task)
            left = self.tick_ns
            if not queue.runnable:
                left = self.wake_first(cpu)
            if queue.resched:
                queue.curr = None
            if queue.curr is None and queue.runnable:
                queue.curr = min(queue.runnable, key=lambda t: (t.vruntime, t.tid))
                queue.curr.slice_began = queue.curr.executed
                queue.resched = False
            if queue.curr:
                queue.curr.executed += left * PS
                queue.curr.vruntime += left * PS * 1024 // queue.curr.weight
        self.now_ns += self.tick_ns
        for queue in self.queues:
            self.timer(queue)

    def timer(self, queue):
        weight = queue.weight
        queue.loads[0] = weight
        for i in range(1, 5):
            up = (1 << i) - 1 if weight > queue.loads[i] else 0
            queue.loads[i] = (queue.loads[i] * ((1 << i) - 1) + weight + up) >> i
        if not queue.curr or len(queue.runnable) < 2:
            return
        ideal, ran = self.slice(queue.curr), queue.curr.executed - queue.curr.slice_began
        if ran > ideal:
            queue.resched = True
        elif ran >= self.granularity:
            first = min(t.vruntime for t in queue.runnable if t is not queue.curr)
            if queue.curr.vruntime - first > ideal:
                queue.resched = True
