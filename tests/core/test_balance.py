"""When a CPU balances: intervals, whose turn it is, where there is nothing to look for.

Domains of a host that balances itself (NUMAB_SD_HOST), so that its hook sees each balancing.  HZ is
1000 here, so that ms are ticks.  Four CPUs, 0 and 1 on node 0, 2 and 3 on node 1.
"""

import numpy as np
import pytest
from numa_core import Handle, ffi, lib
from numab import TUNABLES, rows

MS = 1_000_000
IDLE, BUSY, NEWLY_IDLE = lib.NUMAB_CPU_IDLE, lib.NUMAB_CPU_NOT_IDLE, lib.NUMAB_CPU_NEWLY_IDLE
MOVED, STOP = lib.NUMAB_BALANCE_MOVED, lib.NUMAB_BALANCE_STOP
NEWIDLE = lib.NUMAB_SD_NEWIDLE
SINGLE_CPUS = [(0,), (1,), (2,), (3,)]
NODES = [(0, 1), (2, 3)]
#: A read takes 1 ms.
PRICES = {"cpu_ps": 1, "latency_local_ps": 999_999_999}


class Host:
    """A machine without the Python layers; its balance hook notes (ms, cpu, level, idle)."""

    def __init__(self, hz=1000):
        self.calls, self.answer = [], lambda *call: 0
        distance = np.array([[10, 20], [20, 10]], np.uint8)
        self.h = Handle([(0, 4096, 0, 0, 0), (1, 4096, 0, 0, 0)], [0, 0, 1, 1], distance, hz=hz,
                        balance=self.balance)
        self.m = self.h.m
        self.load = rows(0x1000, reads=1)
        for name, value in PRICES.items():
            self.h.check(lib.numab_set(self.m, list(TUNABLES).index(name), value))

    def balance(self, lb):
        self.calls.append((lib.numab_now_ns(self.m) // MS, lb.cpu, lb.level, lb.idle))
        return self.answer(lb.cpu, lb.level, lb.idle)

    def task(self, cpu):
        """A task that runs for ever."""
        tid = self.h.check(lib.numab_process(self.m, cpu))
        c = ffi.new("struct numab_vma *")
        c.vaddr, c.size_bytes, c.prot = 0x1000 << 12, 4096, 3
        self.h.check(lib.numab_mmap(self.m, tid, c))
        c = ffi.from_buffer("struct numab_row[]", self.load)
        self.h.check(lib.numab_feed_rows(self.m, tid, c, 1, 0))
        return tid

    def domain(self, cpu, level=0, *, groups=SINGLE_CPUS, turn=0b1111, flags=0, interval=8,
               longest=8, factor=1, tries=1, span=0b1111, load_idx=0, prefer_sibling=0, power=1024,
               host=True, **bad):
        """Groups of CPUs, each CPU of the same power unless ``power`` maps group to another; in
        ``turn`` those that may balance for theirs."""
        d = ffi.new("struct numab_domain *")
        g, first = d.groups, next((i for i, group in enumerate(groups) if cpu in group), 0)
        cpus = [c for group in groups for c in group]
        powers = [power.get(i, 1024 * len(group)) if isinstance(power, dict) else
                  power * len(group) for i, group in enumerate(groups)]
        arrays = {
            "starts": ffi.new("uint32_t[]", np.cumsum([0, *map(len, groups)]).tolist()),
            "cpus": ffi.new("int32_t[]", cpus),
            "turn": ffi.new("uint8_t[]", [turn >> c & 1 for c in cpus]),
            "power": ffi.new("uint64_t[]", powers),
            "capacity": ffi.new(
                "uint32_t[]", bad.pop("capacity", [(p + 512) // 1024 for p in powers])),
            "cpu_power": ffi.new("uint32_t[]", bad.pop("cpu_power", [1024] * 4)),
        }
        g.nr_groups, g.first, g.load_idx = len(groups), first, [load_idx] * 3
        g.prefer_sibling, g.imbalance_pct = prefer_sibling, bad.pop("pct", 125)
        for name, array in arrays.items():
            setattr(g, name, array)
        if "null" in bad:
            setattr(g, bad.pop("null"), ffi.NULL)
        for name, value in bad.items():
            setattr(g, name, value)
        d.flags = flags | (lib.NUMAB_SD_HOST if host else 0)
        d.min_interval_ms, d.max_interval_ms, d.busy_factor = interval, longest, factor
        mask = ffi.new("uint64_t[]", [span])
        d.cache_nice_tries, d.nr_mask_words, d.span = tries, 1, mask
        self.h.keep(("domain", cpu, level), arrays)
        return self.h.check(lib.numab_set_domain(self.m, cpu, level, d))

    def state(self, cpu, level=0):
        return lib.numab_domain_state(self.m, cpu, level)

    def run(self, until_ms):
        stop = ffi.new("struct numab_stop *")
        self.h.check(lib.numab_run(self.m, until_ms * MS, stop))
        self.h.check(lib.numab_check(self.m))


def times(host, cpu, level=0):
    return [ms for ms, c, at, _ in host.calls if (c, at) == (cpu, level)]


def test_an_interval_is_kept():
    """CPU 1 is idle, CPU 0 has two tasks.  Every 8 ms, from when the domain was set."""
    host = Host()
    host.task(0), host.task(0)
    host.domain(1)
    host.run(30)
    assert host.calls == [(ms, 1, 0, IDLE) for ms in (8, 16, 24)]
    assert (host.state(1).nr_due, host.state(1).nr_called, host.state(1).last_balance) == (3, 3, 24)


def test_a_busy_cpu_looks_less_often():
    """8 ms x 3 while CPU 0 runs something."""
    host = Host()
    host.task(0)
    for _ in range(4):          # 1024 here is less than the average of 1280
        host.task(2)
    host.domain(0, factor=3)
    host.run(80)
    assert times(host, 0) == [24, 48, 72]
    assert {idle for *_, idle in host.calls} == {BUSY}


def test_the_hook_sets_the_pace():
    """It writes the state in place: 16 ms after the second look."""
    host = Host()
    host.task(0), host.task(0)
    host.domain(1)

    def answer(cpu, level, idle):
        if len(host.calls) == 2:
            host.state(1).balance_interval_ms = 16
        return 0

    host.answer = answer
    host.run(60)
    # rq->next_balance was reckoned before with 8: at 24 it finds that 16 have not passed
    assert times(host, 1) == [8, 16, 32, 48]


def test_intervals_are_clamped_to_a_tenth_of_a_second_a_cpu():
    """max_load_balance_interval = HZ x CPUs / 10 = 400 ms."""
    host = Host()
    host.task(0), host.task(0)
    host.domain(1, interval=5000, longest=5000)
    host.run(900)
    assert times(host, 1) == [400, 800]


def test_intervals_round_up_to_ticks():
    """HZ 250: 5 ms are two ticks."""
    host = Host(hz=250)
    host.task(0), host.task(0)
    host.domain(1, interval=5, longest=5)
    host.run(40)
    assert np.diff(times(host, 1)).tolist() == [8] * 4


# ---- whose turn it is ----


def test_the_first_idle_cpu_of_a_group_balances_for_it():
    """Group {0, 1}: CPU 0 is busy, 1 idle, so 1 does; CPU 0 stops there, before level 1."""
    host = Host()
    host.task(0), host.task(2), host.task(2)
    for cpu in (0, 1):
        host.domain(cpu, 0, groups=NODES)
        host.domain(cpu, 1, groups=NODES)
    host.run(20)
    assert times(host, 0, 0) == times(host, 0, 1) == [] and times(host, 1, 0)
    assert host.state(0).nr_due and not host.state(0, 1).nr_due
    assert times(host, 1, 1)


def test_of_a_busy_group_the_first_cpu_balances():
    host = Host()
    for cpu in (0, 1, 2, 2):
        host.task(cpu)
    for cpu in (0, 1):
        host.domain(cpu, groups=NODES)
    host.run(20)
    assert times(host, 0) and not times(host, 1)


def test_some_cpus_of_a_group_may_not_balance_for_it():
    """CPU 0, the group's first, lacks the level: CPU 1 is asked."""
    host = Host()
    for cpu in (0, 1, 2, 2):
        host.task(cpu)
    for cpu in (0, 1):
        host.domain(cpu, groups=NODES, turn=0b1110)
    host.run(20)
    assert times(host, 1) and not times(host, 0)


def test_of_groups_that_overlap_every_one_must_give_the_turn():
    """CPU 1 is the first that idles of {1, 2}, but of {0, 1} CPU 0 is; newly idle it may."""
    host = Host()
    for _ in range(3):
        host.task(3)
    runs = host.task(1)
    groups = [(1, 2), (0, 1), (3,)]
    host.domain(1, groups=groups, interval=1000, longest=1000)
    host.run(3)
    host.h.check(lib.numab_task_sleep(host.m, runs, ffi.cast("uint64_t", -1)))
    for idle, asked in ((IDLE, 0), (NEWLY_IDLE, 1)):
        lib.numab_load_balance(host.m, 1, 0, idle)
        assert len(host.calls) == asked
    host.domain(1, groups=[(1, 2), (1,), (3,)], interval=1000, longest=1000)
    lib.numab_load_balance(host.m, 1, 0, IDLE)
    assert len(host.calls) == 2


def test_stop_leaves_the_levels_above_alone_and_moved_makes_busy():
    host = Host()
    host.task(0), host.task(0)
    host.domain(3, 0), host.domain(3, 1, factor=1)
    host.answer = lambda cpu, level, idle: STOP
    host.run(8)
    assert [call[2] for call in host.calls] == [0]
    host = Host()
    host.task(0), host.task(0)
    host.domain(3, 0), host.domain(3, 1, factor=1)
    host.answer = lambda cpu, level, idle: MOVED
    host.run(8)
    assert [call[2:] for call in host.calls] == [(0, IDLE), (1, BUSY)]


# ---- what is never asked ----


@pytest.mark.parametrize("cpus", [(), (1,), (0, 1, 2, 3), (0, 0, 1, 1, 2, 2, 3, 3)])
def test_with_nothing_to_pull_no_hook_is_called(cpus):
    """Nobody else runs, or all run the same: a balanced domain, whose interval doubles below its
    longest."""
    host = Host()
    for cpu in cpus:
        host.task(cpu)
    host.run(400)                       # until load averages, rounded up, are equal
    host.domain(1, interval=8, longest=32)
    host.state(1).nr_balance_failed = 3
    host.run(500)
    state = host.state(1)
    assert host.calls == [] and state.nr_called == 0 and state.nr_due >= 4
    assert (state.balance_interval_ms, state.nr_balance_failed) == (32, 0)


def calls(cpus, *, homes=(), until_ms=420, **words):
    """Of the hook, for CPU 1, 400 ms after tasks on these CPUs have started."""
    host = Host()
    tids = [host.task(cpu) for cpu in cpus]
    for tid, home in zip(tids, homes):
        host.h.check(lib.numab_task_set_home(host.m, tid, home))
    host.run(400)
    host.domain(1, **words)
    host.run(until_ms)
    return len(host.calls)


TWO_EACH = (0, 0, 1, 1, 2, 2, 3, 3)


def test_equal_loads_are_balance_only_for_equal_powers():
    """CPU 1 alone is four times as strong, with 2048 to carry as the others."""
    assert calls(TWO_EACH) == 0
    assert calls(TWO_EACH, power={1: 4096}) > 0


def test_tasks_off_their_homes_at_equal_loads_are_nobodys_work():
    """Patch 28: the way out for equal loads does not ask the bias."""
    assert calls(TWO_EACH, homes=[1, 1, 1, 1, 0, 0, 0, 0]) == 0


def test_a_group_that_has_room_for_its_tasks_is_no_work():
    """One task a CPU beside idle CPU 1; work at the second, or where a CPU has room for none."""
    assert calls((0, 2, 3)) == 0
    assert calls((0, 2, 3, 3)) > 0
    assert calls((0, 2, 3), capacity=[1, 1, 0, 1]) > 0


def test_siblings_are_wanted_one_by_one():
    """Node 1 has room for its two tasks.  Where the level below prefers its siblings free, and here
    is room, it has room for one."""
    words = {"groups": NODES, "turn": 0b1110}
    assert calls((2, 3), **words) == 0
    assert calls((2, 3), **words, prefer_sibling=1) > 0
    assert calls((0, 1, 2, 3), **words, prefer_sibling=1) == 0


@pytest.mark.parametrize("load_idx, first", [(0, 401), (3, 406)])
def test_the_past_counts_for_ones_own(load_idx, first):
    """
    CPU 1 has run three tasks, all asleep from 400 ms; CPU 0 has two.  Average over 4 ticks, ms by
    ms: 2304, 1728, 1296, 972, 729, 546.  It is under the mean, (2048 + own) / 4, below 683.
    """
    host = Host()
    tids = [host.task(1) for _ in range(3)]
    host.task(0), host.task(0)
    host.run(400)
    for tid in tids:
        lib.numab_task_sleep(host.m, tid, ffi.cast("uint64_t", -1))
    host.domain(1, load_idx=load_idx, interval=1, longest=1)
    host.run(410)
    assert host.calls[0] == (first, 1, 0, IDLE)


# ---- newly idle ----


def test_a_cpu_that_runs_out_of_work_goes_up_its_newidle_levels():
    """Until something was pulled; at the end of the tick; level 1 has not the flag."""
    host = Host()
    tid = host.task(1)
    host.task(0), host.task(0)
    for level, flags in enumerate((NEWIDLE, 0, NEWIDLE, NEWIDLE)):
        host.domain(1, level, flags=flags, interval=1000, longest=1000)
    host.run(3)
    del host.calls[:]
    host.answer = lambda cpu, level, idle: MOVED if level == 2 else 0
    lib.numab_task_sleep(host.m, tid, ffi.cast("uint64_t", -1))
    host.run(4)
    assert [call[1:] for call in host.calls if call[3] == NEWLY_IDLE] == [
        (1, 0, NEWLY_IDLE), (1, 2, NEWLY_IDLE)]


def test_going_idle_brings_the_next_look_forward():
    """Busy, the next look is 8 x 20 ms away, at 160; CPU 1 pulls something when it goes idle at
    20, and loses it again: idle_balance has set rq->next_balance to 8 after the last balancing."""
    host = Host()
    tid = host.task(1)
    host.task(0), host.task(0)
    host.domain(1, factor=20, flags=NEWIDLE)
    host.run(20)
    assert host.calls == []
    lib.numab_task_sleep(host.m, tid, ffi.cast("uint64_t", -1))
    host.answer = lambda cpu, level, idle: MOVED if idle == NEWLY_IDLE else 0
    host.run(36)
    assert host.calls == [
        (21, 1, 0, NEWLY_IDLE), (21, 1, 0, IDLE), (29, 1, 0, IDLE)]


# ---- moves in the hook, errors ----


def test_a_move_in_the_hook_takes_effect_at_once():
    host = Host()
    first, second = host.task(0), host.task(0)
    seen = []

    def answer(cpu, level, idle):
        host.h.check(lib.numab_task_set_cpu(host.m, second, cpu))
        rqs = lib.numab_rqs(host.m)
        seen.append([rqs[i].nr_running for i in range(4)])
        return MOVED

    host.answer = answer
    host.domain(3)
    host.run(10)
    assert seen == [[1, 0, 0, 1]]       # afterwards CPU 3 is busy, its one task not worth asking
    assert first != second


def test_an_exception_in_the_hook_ends_the_run_and_comes_home():
    host = Host()
    host.task(0), host.task(0)
    host.domain(1)

    def fails(cpu, level, idle):
        raise KeyError("mine")

    host.answer = fails
    with pytest.raises(KeyError, match="mine"):
        host.run(10)
    assert lib.numab_now_ns(host.m) == 8 * MS
    host.answer = lambda *call: 0
    host.run(10)


@pytest.mark.parametrize("words, says", [
    ({"level": 2}, "level 2 of CPU 0, permitted 0..[01]"), ({"level": -1}, "level -1"),
    ({"flags": 64}, "flags 0x50, permitted bits 0x3f"), ({"longest": 0}, "longest interval of 0"),
    ({"interval": 0}, "shortest interval of 0"), ({"factor": 0}, "busy factor 0"),
    ({"tries": 1001}, "cache_nice_tries 1001, permitted 0..1000"),
    ({"pct": 99}, "imbalance_pct 99, permitted 100..1000"),
    ({"cpu_power": [1024, 0, 1, 1]}, "CPU 1 of power 0, permitted 1"),
    ({"span": 0b1110}, "the span of CPU 0's domain does not hold it"),
    ({"span": 1 << 4 | 1}, "CPU 4 in a mask"),
    ({"nr_groups": 0}, "0 groups, permitted 1..4"), ({"nr_groups": 5}, "5 groups, permitted 1..4"),
    ({"first": 4}, "group 4 is the first, permitted 0..3"),
    ({"first": 1}, "group 1 is the first of CPU 0 and does not hold it"),
    ({"load_idx": 6}, "load index 6, permitted 0..5"),
    ({"power": 0}, "group 0 of power 0, permitted 1"),
    ({"capacity": [1, 1 << 31, 1, 1]}, "group 1 of capacity 2147483648"),
    ({"groups": [(0, 4)]}, "CPU 4 does not exist"), ({"groups": [(0,), ()]}, "group 1 holds"),
    *(({"null": name}, f"groups without .*{name}") for name in (
        "starts", "cpus", "turn", "power", "capacity", "cpu_power"))])
def test_domains_that_make_no_sense(words, says):
    host = Host()
    with pytest.raises(ValueError, match=says):
        host.domain(0, **words)
    assert host.state(0) == ffi.NULL
    host.domain(0)
    with pytest.raises(ValueError):
        host.domain(0, **words)
    assert host.state(0).balance_interval_ms == 8


def test_levels_come_and_go():
    host = Host()
    for level in range(6):
        host.domain(2, level)
    assert host.state(2, 5) != ffi.NULL
    host.h.check(lib.numab_set_domain(host.m, 2, 3, ffi.NULL))
    assert host.state(2, 3) == ffi.NULL and host.state(2, 2) != ffi.NULL
    for level in range(3, 64):
        host.domain(2, level)
    with pytest.raises(ValueError, match="permitted 0..63"):
        host.domain(2, 64)
    assert lib.numab_domain_state(host.m, 9, 0) == ffi.NULL
