"""numab.report.ftrace and .chrome: hand-made events as text and as JSON, read back by consumers.

    tick    0        1        2          3          4
    CPU 0   task 1   ......   goes ->
    CPU 8   idle     ......   task 1     task 1 sleeps, idle
    task 2  of the other process, on CPU 1; homes of 1 and 2 are swapped at tick 2
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from numa_core import EVENT
from numab.report import chrome_trace, ftrace_lines
from numab.report.ftrace import kind_names
from numab.tracing import Recording, Sample

KIND = {name: i for i, name in enumerate(kind_names())}
MS = 1_000_000
TICK = 4 * MS


def event(tick, kind, tid, cpu, src=0, dst=0, aux=0, **more):
    e = np.zeros(1, EVENT)
    e["now_ns"], e["kind"], e["tid"], e["cpu"] = tick * TICK, KIND[kind], tid, cpu
    e["from"], e["to"], e["aux"], e["pid"] = src, dst, aux, 1 if tid == 1 else 2
    for name, value in more.items():
        e[name] = value
    return e


EVENTS = np.concatenate([
    event(0, "switch", 1, 0), event(0, "switch", 2, 1),
    event(1, "scan", 1, 0, aux=300, vpn=0x10000, nr_pages=512),
    event(1, "migrate", 1, 0, 0, 5, aux=7 | 2 << 32),
    event(2, "sched_home", 1, 0, -1, 1), event(2, "sched_move", 1, 8, 0, 8),
    event(2, "switch", 0, 0, aux=1), event(2, "switch", 1, 8),
    event(2, "sched_swap", 2, 1, 1, 9, aux=1), event(2, "sched_stick", 2, 1, 1, 9, aux=1),
    event(3, "sleep", 1, 8, 8, 8), event(3, "switch", 0, 8, aux=1),
    event(4, "wake", 1, 8, 8, 8), event(4, "pass", 1, 8, aux=3),
])


@pytest.fixture
def recording():
    cpus = {cpu: cpu // 8 for cpu in range(16)}
    samples = (Sample(0, (10, 0), ((0, 0), (0, 0))), Sample(2 * TICK, (4, 6), ((30, 40), (0, 0))))
    return Recording("numa01_threadlocal", "home_node", 5 * TICK, TICK, EVENTS, samples,
                     {1: 1, 2: 2}, cpus, {1: 0, 2: 1}, True, (0, 1))


# ---- ftrace text ----

#: mmtests: MonitorFtrace.pm and MonitorFtracenumabalance.pm.
LINE = re.compile(r"\s*([a-zA-Z0-9-]*)\s*(\[[0-9]*\])(\s*[dX.][Nnp.][Hhs.][0-9a-fA-F.]*|)\s*"
                  r"([0-9.]*):\s*([a-zA-Z_]*):\s*(.*)")
FIELDS = {
    "sched_stick_numa": r"src_pid=([0-9]*) src_tgid=([0-9]*) src_ngid=([0-9]*) src_cpu=([0-9]*) "
                        r"src_nid=([0-9]*) dst_pid=([0-9]*) dst_tgid=([0-9]*) dst_ngid=([0-9]*) "
                        r"dst_cpu=([-0-9]*) dst_nid=([-0-9]*)",
    "sched_move_numa": r"pid=([0-9]*) tgid=([0-9]*) ngid=([0-9]*) src_cpu=([0-9]*) "
                       r"src_nid=([0-9]*) dst_cpu=([0-9]*) dst_nid=([0-9])",
    "sched_migrate_task": r"comm=([a-zA-Z0-9-._\[\]\/\(\): ]*) pid=([0-9]*) prio=([0-9]*) "
                          r"orig_cpu=([0-9]*) dest_cpu=([0-9]*)",
}
FIELDS["sched_swap_numa"] = FIELDS["sched_stick_numa"]


def told(recording):
    """(event, args) of every line that is not a comment, as mmtests reads them."""
    out = []
    for line in ftrace_lines(recording):
        if not line.startswith("#"):
            found = LINE.search(line)
            assert found, line
            out.append((found[5], found[6]))
    return out


def test_mmtests_reads_every_line(recording):
    for name, args in told(recording):
        if name in FIELDS:
            assert re.fullmatch(FIELDS[name], args), args


def test_fields_are_those_of_the_kernel(recording):
    lines = dict(told(recording))
    assert lines["mm_migrate_pages"] == (
        "nr_succeeded=7 nr_failed=2 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 nr_split=0 "
        "mode=MIGRATE_ASYNC reason=numa_misplaced")
    assert lines["sched_migrate_task"] == (
        "comm=numa01_threadlo pid=1 prio=120 orig_cpu=0 dest_cpu=8")
    assert lines["sched_move_numa"] == (
        "pid=1 tgid=1 ngid=0 src_cpu=0 src_nid=0 dst_cpu=8 dst_nid=1")
    for name in ("sched_swap_numa", "sched_stick_numa"):
        assert lines[name] == (
            "src_pid=2 src_tgid=2 src_ngid=0 src_cpu=1 src_nid=0 "
            "dst_pid=1 dst_tgid=1 dst_ngid=0 dst_cpu=9 dst_nid=1")
    assert lines["sched_wakeup"] == "comm=numa01_threadlo pid=1 prio=120 target_cpu=008"
    assert lines["numab_sched_setnode"] == "pid=1 from_nid=-1 to_nid=1"


def test_a_switch_says_who_goes_and_whether_it_sleeps(recording):
    switches = [args for name, args in told(recording) if name == "sched_switch"]
    assert switches[0] == ("prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> "
                           "next_comm=numa01_threadlo next_pid=1 next_prio=120")
    assert "prev_pid=1 prev_prio=120 prev_state=R ==> next_comm=swapper/0" in switches[2]
    assert "prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=swapper/8" in switches[4]


def test_heads_of_lines(recording):
    lines = list(ftrace_lines(recording))
    plain = [line for line in lines if line[0] != "#"]
    assert lines[0] == "# tracer: nop"
    assert f"entries-written: {len(plain)}/{len(plain)}   #P:16" in lines[2]
    assert plain[0].startswith(
        "          <idle>-0       [000] d....     0.000000: sched_switch: ")
    assert " numa01_threadlo-1       [000] d....     0.004000: " in plain[2]
    by_event = {line.split(": ")[1]: line.split()[0] for line in plain}
    assert by_event["sched_wakeup"] == "<idle>-0"            # of CPU 8, which idles then
    assert by_event["sched_migrate_task"] == "<idle>-0"      # to CPU 8, which idles
    assert by_event["mm_migrate_pages"] == "numa01_threadlo-1"
    stamps = [float(line.split("....")[1].split(":")[0]) for line in plain]
    assert stamps == sorted(stamps)


def test_a_move_that_is_not_home_is_no_numa_move(recording):
    """Without the home node the same move is the load balancer's only."""
    events = EVENTS[EVENTS["kind"] != KIND["sched_home"]]
    names = [name for name, _ in told(_with(recording, events))]
    assert "sched_migrate_task" in names and "sched_move_numa" not in names


def _with(recording, events):
    return Recording(**{**vars(recording), "events": events})


# ---- Chrome JSON ----


def tracks(trace):
    """Duration events by track."""
    out = {}
    for e in trace["traceEvents"]:
        if e["ph"] == "X":
            out.setdefault((e["pid"], e["tid"]), []).append((e["ts"], e["dur"], e["name"]))
    return out


def test_slices_are_on_the_cpu_and_on_the_task(recording):
    """Task 1: two ticks on CPU 0, one on CPU 8; task 2 on CPU 1 to the end."""
    found = tracks(chrome_trace(recording))
    assert found[1, 1] == [(0, 8000, "CPU 0"), (8000, 4000, "CPU 8")]
    assert found[1_000_000, 0] == [(0, 8000, "task 1")]
    assert found[1_000_000, 8] == [(8000, 4000, "task 1")]
    assert found[2, 2] == [(0, 20000, "CPU 1")]


def assert_well_formed(trace):
    """What Perfetto needs: times ascend, slices of a track do not overlap and have lengths."""
    timed = [e for e in trace["traceEvents"] if e["ph"] != "M"]
    assert [e["ts"] for e in timed] == sorted(e["ts"] for e in timed)
    for spans in tracks(trace).values():
        end = 0
        for ts, dur, _ in spans:
            assert ts >= end and dur > 0
            end = ts + dur
    named = {(e["pid"], e["tid"]) for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in timed if e["ph"] in "Xi"} <= named


def test_times_ascend_and_slices_do_not_overlap(recording):
    assert_well_formed(chrome_trace(recording))


def test_counters_of_every_node(recording):
    counters = {(e["name"], e["ts"]): e["args"] for e in chrome_trace(recording)["traceEvents"]
                if e["ph"] == "C"}
    assert counters["node 0 pages", 0] == {"pages": 10}
    assert counters["node 1 pages", 8000] == {"pages": 6}
    assert counters["node 0 local share", 8000] == {"percent": 75.0}
    assert ("node 1 local share", 8000) not in counters           # nobody ran there


def test_what_befalls_a_task_is_an_instant_on_its_track(recording):
    instants = {e["name"]: e for e in chrome_trace(recording)["traceEvents"] if e["ph"] == "i"}
    assert instants["sched_migrate_task"]["args"] == {"orig_cpu": 0, "dest_cpu": 8, "home": True}
    assert instants["mm_migrate_pages"]["args"]["succeeded"] == 7
    assert instants["sched_swap_numa"]["tid"] == 2
    assert instants["sched_setnode"]["args"] == {"from_nid": -1, "to_nid": 1}
