"""load_balance of Linux 3.7 with patch 28: which tasks come to a CPU, and when a balancing failed.

The decisions work on anything that has the shape of :class:`Queues`, so that they can be tested on
plain lists; :mod:`numab.sched.scheduler` puts a machine's run queues under them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .busiest import Env, Loads, find_busiest_group, find_busiest_queue
from .domain import Domain
from .flags import (
    CPU_IDLE, CPU_NEWLY_IDLE, CPU_NOT_IDLE, MAX_PINNED_INTERVAL_MS, SYSCTL_SCHED_MIGRATION_COST_NS,
    SYSCTL_SCHED_NR_MIGRATE,
)

__all__ = ["Balancer", "Features", "Queues", "State", "TaskView"]

CFS_TASKS, OFFNODE_TASKS = 0, 1


@dataclass(frozen=True)
class TaskView:
    """What can_migrate_task reads of a task.  ``home_nid`` -1: none; ``last_ran_ns``: when it last
    stopped running."""

    weight: int
    home_nid: int
    last_ran_ns: int


class Queues(Loads, Protocol):
    """Run queues and what may be done with them."""

    now_ns: int

    def tasks(self, cpu: int, which: int) -> Sequence[int]:
        """Tids on a CPU's list, CFS_TASKS or OFFNODE_TASKS, in the kernel's order."""

    def task(self, tid: int) -> TaskView:
        """A task's part in the decision."""

    def allowed(self, tid: int, cpus: Sequence[int]) -> int:
        """The first of these CPUs that the task may run on, -1: none."""

    def move(self, tid: int, cpu: int) -> None:
        """Dequeue it, and enqueue it there."""

    def move_tail(self, tid: int) -> None:
        """To the end of its list: it was passed over."""


class State(Protocol):
    """What a domain remembers: ``struct numab_domain_state``."""

    balance_interval_ms: int
    nr_balance_failed: int


class Features(Protocol):
    """The sched features of patch 28."""

    homenode_preferred: bool
    homenode_pull: bool
    homenode_pull_bias: bool


@dataclass(slots=True)
class _Pull:
    """One attempt to move tasks from a queue: the rest of struct lb_env."""

    env: Env
    state: State
    src_cpu: int
    loop_max: int = 0
    loop: int = 0
    all_pinned: bool = True
    new_dst_cpu: int = -1
    stopper: bool = False  #: the stopper runs on the source, so nobody else does

    @property
    def dst_cpu(self) -> int:
        return self.env.dst_cpu


class Balancer:
    """The load balancer over some run queues.

    ``domains``: of each CPU, from :func:`numab.sched.domain.build_domains`; ``cpu_nid``: node of
    each CPU id; ``distance``: by node ids, ``distance[from][to]``; ``state(cpu, level)``: what that
    domain remembers; ``preempt``: as a kernel with CONFIG_PREEMPT, whose newly idle balancing takes
    one task and no more.
    """

    def __init__(
        self, domains: dict[int, tuple[Domain, ...]], queues: Queues, features: Features,
        cpu_nid: Sequence[int], distance: Any,
        state: Any, *, preempt: bool = False,
    ) -> None:
        self.domains, self.queues, self.features = domains, queues, features
        self._cpu_nid, self._distance, self._state = cpu_nid, distance, state
        self._preempt = preempt

    def load_balance(self, domain: Domain, idle: int) -> tuple[int, bool]:
        """Balance a domain for its CPU: tasks moved to it, and whether it was its turn.

        Leaves ``nr_balance_failed`` and ``balance_interval_ms`` of the domain's state as the
        kernel does: doubled when balanced or pinned, back to the minimum when not.
        """
        state = self._state(domain.cpu, domain.level)
        env = Env(domain, domain.cpu, idle, self.features.homenode_pull_bias)
        while True:
            group, our_turn = find_busiest_group(env, self.queues)
            src = find_busiest_queue(env, self.queues, group) if group is not None else -1
            if src < 0:
                return self._balanced(domain, state, bool(env.excluded)), our_turn
            pull = _Pull(env, state, src)
            moved = 0
            if self.queues.rqs[src].nr_running > 1:
                moved = self._pull_from(pull)
                if pull.all_pinned:
                    env.excluded.add(src)
                    if len(env.excluded) < len(self.domains):
                        continue
                    return self._balanced(domain, state, True), our_turn
            if moved:
                state.nr_balance_failed = 0
                state.balance_interval_ms = domain.kind.min_interval
                return moved, our_turn
            return self._failed(domain, pull), our_turn

    def _balanced(self, domain: Domain, state: State, pinned: bool) -> int:
        """Nothing to do, or nothing that can be done: look less often."""
        state.nr_balance_failed = 0
        self._back_off(domain, state, pinned)
        return 0

    @staticmethod
    def _back_off(domain: Domain, state: State, pinned: bool) -> None:
        limit = MAX_PINNED_INTERVAL_MS if pinned else domain.kind.max_interval
        if state.balance_interval_ms < max(limit, domain.kind.max_interval):
            state.balance_interval_ms *= 2

    def _failed(self, domain: Domain, pull: _Pull) -> int:
        """There was load to move and no task that could be: count it, and at last use force."""
        state, queues = pull.state, self.queues
        if pull.env.idle != CPU_NEWLY_IDLE:
            state.nr_balance_failed += 1
        if not self._need_active_balance(domain, pull):
            state.balance_interval_ms = domain.kind.min_interval
            return 0
        curr = queues.rqs[pull.src_cpu].curr
        if curr and queues.allowed(curr, (domain.cpu,)) < 0:
            self._back_off(domain, state, pinned=True)
            return 0
        state.nr_balance_failed = domain.kind.cache_nice_tries + 1
        self._back_off(domain, state, pinned=False)
        self._active_load_balance(pull.src_cpu, domain.cpu)
        return 0

    def _need_active_balance(self, domain: Domain, pull: _Pull) -> bool:
        """Push the running task away?  After failures in a row, or when the bias chose a queue
        whose one task is off its home node (patch 28)."""
        rq = self.queues.rqs[pull.src_cpu]
        if pull.env.numa_queue and rq.nr_running == 1 and rq.offnode_running:
            return True
        return pull.state.nr_balance_failed > domain.kind.cache_nice_tries + 2

    def _active_load_balance(self, src: int, dst: int) -> None:
        """The stopper of the source pushes one task: active_load_balance_cpu_stop.

        It runs at once here, and in the kernel as soon as the balancing has returned.
        """
        queues = self.queues
        domain = next((d for d in self.domains[dst] if src in d.span), None)
        if domain is None or not queues.rqs[src].nr_running:
            return
        pull = _Pull(Env(domain, dst, CPU_IDLE), self._state(dst, domain.level), src, stopper=True)
        for which in (OFFNODE_TASKS, CFS_TASKS):
            for tid in queues.tasks(src, which):
                if self._can_migrate_task(tid, pull):
                    queues.move(tid, dst)
                    return

    def _pull_from(self, pull: _Pull) -> int:
        """Move tasks; to CPUs beside this one while some could not come here."""
        env, domain = pull.env, pull.env.domain
        beside = domain.ring.groups[domain.first].cpus
        pull.loop_max = min(SYSCTL_SCHED_NR_MIGRATE, self.queues.rqs[pull.src_cpu].nr_running)
        moved, tries = self._move_tasks(pull), 1
        while pull.new_dst_cpu >= 0 and env.imbalance > 0 and tries < len(beside):
            env.dst_cpu, pull.new_dst_cpu, pull.loop = pull.new_dst_cpu, -1, 0
            moved, tries = moved + self._move_tasks(pull), tries + 1
        return moved

    def _move_tasks(self, pull: _Pull) -> int:
        """The off-node list first, then the other: move_tasks with patch 28's pull order.

        A list that runs out of looks is left for the next; a fulfilled imbalance ends both.  The
        kernel's breather after 32 looks cannot come before its limit of 32 looks.
        """
        lists = (OFFNODE_TASKS, CFS_TASKS) if self.features.homenode_pull else (CFS_TASKS,)
        moved = 0
        for which in lists:
            if pull.env.imbalance <= 0:
                break
            pull.loop = 0 if which == CFS_TASKS and len(lists) > 1 else pull.loop
            some, done = self._move_from_list(pull, deque(self.queues.tasks(pull.src_cpu, which)))
            moved += some
            if done:
                break
        return moved

    def _move_from_list(self, pull: _Pull, tids: deque[int]) -> tuple[int, bool]:
        env, queues, moved = pull.env, self.queues, 0
        while tids:
            pull.loop += 1
            if pull.loop > pull.loop_max:
                break
            load = queues.task(tids[0]).weight
            if load // 2 > env.imbalance or not self._can_migrate_task(tids[0], pull):
                queues.move_tail(tids[0])
                tids.rotate(-1)
                continue
            queues.move(tids[0], env.dst_cpu)
            if env.dst_cpu != pull.src_cpu:  # an overlapping group may hold both
                tids.popleft()
            moved += 1
            env.imbalance -= load
            if env.imbalance <= 0 or (self._preempt and env.idle == CPU_NEWLY_IDLE):
                return moved, True
        return moved, False

    def _can_migrate_task(self, tid: int, pull: _Pull) -> bool:
        """Not pinned, not running, and neither cache-hot nor, for a busy CPU, better at home."""
        queues, env = self.queues, pull.env
        if queues.allowed(tid, (env.dst_cpu,)) < 0:
            if pull.new_dst_cpu < 0 and not pull.stopper:
                ring = env.domain.ring
                pull.new_dst_cpu = queues.allowed(tid, ring.groups[env.domain.first].cpus)
            return False
        pull.all_pinned = False
        if not pull.stopper and queues.rqs[pull.src_cpu].curr == tid:
            return False
        task = queues.task(tid)
        hot = queues.now_ns - task.last_ran_ns < SYSCTL_SCHED_MIGRATION_COST_NS
        if env.idle == CPU_NOT_IDLE and not hot:
            hot = self._task_numa_hot(task, pull)
        return not hot or pull.state.nr_balance_failed > env.domain.kind.cache_nice_tries

    def _task_numa_hot(self, task: TaskView, pull: _Pull) -> bool:
        """Would it get no nearer to its home node?  Patch 28; equally far counts as stay."""
        if not self.features.homenode_preferred or task.home_nid < 0:
            return False
        here = self._distance[self._cpu_nid[pull.src_cpu]][task.home_nid]
        there = self._distance[self._cpu_nid[pull.env.dst_cpu]][task.home_nid]
        return there >= here
