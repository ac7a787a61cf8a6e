"""Machines in one process never meet: no state outside the handle, so no run disturbs another."""

import threading

from core_host import SLOT, Host

from numa_core import ffi, lib

MS = 1_000_000
CASES = [
    {"policy": "home_node", "seed": 1, "switches": {}},
    {"policy": "moron", "seed": 2, "switches": {"migrate_fail_ppm": 200_000, "pmd_mark": 0}},
    {"policy": "home_node", "seed": 1, "switches": {"thp": 1, "last_nid_transfer": 1}},
    {"policy": "off", "seed": 3, "switches": {"zero_page": 0}, "hz": 250},
]
END_MS = 60


def loaded(policy, seed, switches, hz=1000):
    """A machine with three tasks that touch three slots for ever, zipf and uniform."""
    host = Host(policy=policy, tunables=switches, seed=seed, hz=hz)
    pid = host.process(0)
    host.mmap(pid, 0, 3 * SLOT)
    for kind, tid in enumerate((pid, host.clone(pid, 1), host.clone(pid, 2))):
        pattern = ffi.new("struct numab_pattern *", {
            "kind": kind, "theta_milli": 990, "vpn": 0x10000, "nr_pages": 3 * SLOT, "reads": 50,
            "writes": 5, "write_permille": 300, "seed": seed + kind})
        host.check(lib.numab_feed_pattern(host.m, tid, pattern))
    return host


def run_until(host, ms):
    host.check(lib.numab_run(host.m, ms * MS, ffi.NULL))


def alone(case):
    host = loaded(**case)
    run_until(host, END_MS)
    return host.everything()


def test_interleaved_runs_equal_separate_ones():
    hosts = [loaded(**case) for case in CASES]
    for ms in range(1, END_MS + 1):
        for host in hosts if ms % 2 else reversed(hosts):
            run_until(host, ms)
    for case, host in zip(CASES, hosts):
        assert host.everything() == alone(case)


def test_destroying_one_leaves_the_others():
    first, second = loaded(**CASES[0]), loaded(**CASES[1])
    run_until(first, END_MS // 2)
    run_until(second, END_MS // 2)
    ffi.release(first.m)
    run_until(second, END_MS)
    assert second.everything() == alone(CASES[1])


def test_one_machine_a_thread():
    """cffi lets go of the interpreter during a call: the runs truly overlap."""
    hosts = [loaded(**case) for case in CASES]
    threads = [threading.Thread(target=run_until, args=(host, END_MS)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for case, host in zip(CASES, hosts):
        assert host.everything() == alone(case)


def test_same_seed_same_bits_other_seed_other_bits():
    same, other = dict(CASES[1]), dict(CASES[1], seed=9)
    assert alone(same) == alone(CASES[1])
    assert alone(other) != alone(CASES[1])
