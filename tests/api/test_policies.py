"""numab.policies: the built-in ones, and a user's own in Python, C and numba.

The built-in policies written again in each of the three ways must give the same bits on a replay.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

import numa_core
from numab import POLICIES, STAY, InvalidArgument, Machine, Policy, Verdict
from numab.engine import ReplayJob, replay
from numab.policies import PRESETS, check_policy

from .conftest import TINY

BASE = 0x10000000
VPN = BASE >> 12
EARLY = {"scan_delay_ms": 10, "scan_period_min_ms": 20}


class Moron(Policy):
    name = "py_moron"

    def filter(self, fault):
        if fault.page_nid == fault.cpu_nid:
            return Verdict(STAY, fault.tag, "hold_local")
        return Verdict(fault.cpu_nid, fault.tag)


class HomeNode(Policy):
    name = "py_home_node"
    uses_home = places = True

    def filter(self, fault):
        want = fault.home_nid if fault.home_nid >= 0 else fault.cpu_nid
        if fault.tag != want:
            return Verdict(STAY, want, "hold_two_stage_filter")
        if fault.page_nid == want:
            return Verdict(STAY, want, "hold_local")
        return Verdict(want, want)


class Version38(Policy):
    name = "py_v3_8"
    presets = PRESETS["v3_8"]

    def filter(self, fault):
        if fault.tag != fault.cpu_nid:
            return Verdict(STAY, fault.cpu_nid, "hold_two_stage_filter")
        if fault.page_nid == fault.cpu_nid:
            return Verdict(STAY, fault.cpu_nid, "hold_local")
        return Verdict(fault.cpu_nid, fault.cpu_nid)


C_SOURCE = """
#include "numab.h"
void moron(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	(void)ud;
	v->tag = f->tag;
	v->reason = NUMAB_HOLD_LOCAL;
	v->target_nid = f->page_nid == f->cpu_nid ? NUMAB_NO_NODE : f->cpu_nid;
}
void home_node(void *ud, const struct numab_fault *f, struct numab_verdict *v)
{
	int want = f->home_nid >= 0 ? f->home_nid : f->cpu_nid;

	(void)ud;
	v->tag = (uint32_t)want;
	v->reason = f->tag != (uint32_t)want ? NUMAB_HOLD_TWO_STAGE_FILTER : NUMAB_HOLD_LOCAL;
	v->target_nid = f->tag != (uint32_t)want || f->page_nid == want ? NUMAB_NO_NODE : want;
}
"""


def outcome(policy, **options):
    """Everything a replay says, but the policy's name."""
    job = ReplayJob(TINY, "2s", policy, start="worst", loops=200, hz=1000,
                    tunables={**EARLY, **options})
    return {**replay(job).as_dict(), "policy": ""}


@pytest.fixture(scope="module")
def built_in():
    return {name: outcome(name) for name in POLICIES}


@pytest.fixture(scope="module")
def c_library(tmp_path_factory):
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler named cc")
    folder = tmp_path_factory.mktemp("filters")
    (folder / "filters.c").write_text(C_SOURCE)
    subprocess.run(
        ["cc", *numa_core.cflags(), "-Werror", "-Wall", "-shared", "-fPIC", "filters.c", "-o",
         "filters.so"], cwd=folder, check=True,
    )
    return ctypes.CDLL(str(folder / "filters.so"))


def test_the_built_in_ones_differ(built_in):
    assert list(POLICIES) == ["off", "moron", "home_node", "v3_8"] and all(POLICIES.values())
    assert list(PRESETS) == list(POLICIES)
    assert built_in["off"]["vmstat"]["numa_hint_faults"] == 0
    assert built_in["moron"]["reasons"] != built_in["home_node"]["reasons"]
    for name in ("moron", "home_node"):
        assert built_in[name]["vmstat"]["numa_pages_migrated"] == 92


@pytest.mark.parametrize("policy, name", [
    (Moron(), "moron"), (HomeNode(), "home_node"), (Version38(), "v3_8")])
def test_in_python_the_same_bits(built_in, policy, name):
    assert outcome(policy) == built_in[name]


@pytest.mark.parametrize("name", ["moron", "home_node"])
def test_in_c_the_same_bits(built_in, c_library, name):
    policy = Policy()
    policy.uses_home = policy.places = name == "home_node"
    policy.native_filter = ctypes.cast(getattr(c_library, name), ctypes.c_void_p).value
    assert outcome(policy) == built_in[name]


def test_in_c_through_cffi_the_same_bits(built_in, c_library):
    """The address of a library that cffi has opened does as well."""
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("void moron(void *, const void *, void *);")
    library = ffi.dlopen(c_library._name)
    policy = Policy()
    policy.native_filter = int(ffi.cast("uintptr_t", ffi.addressof(library, "moron")))
    assert outcome(policy) == built_in["moron"]


def test_in_numba_the_same_bits(built_in):
    numba = pytest.importorskip("numba")
    from numba import types

    fault_type = np.dtype(
        [("now_ns", "u8"), ("vpn", "u8")]
        + [(name, "i4") for name in ("tid", "pid", "cpu", "cpu_nid", "page_nid", "home_nid",
                                     "policy_nid")]
        + [("tag", "u4"), ("flags", "u4"), ("reserved", "u4")]
    )
    verdict_type = np.dtype(
        [("target_nid", "i4"), ("reason", "i4"), ("tag", "u4"), ("reserved", "u4")])
    hold_local = [name for name, _ in numa_core.reason_rows()].index("hold_local")

    @numba.cfunc(types.void(types.voidptr, types.CPointer(numba.from_dtype(fault_type)),
                            types.CPointer(numba.from_dtype(verdict_type))))
    def moron(ud, faults, verdicts):
        fault, verdict = numba.carray(faults, 1)[0], numba.carray(verdicts, 1)[0]
        verdict.tag = fault.tag
        verdict.reason = hold_local
        verdict.target_nid = -1 if fault.page_nid == fault.cpu_nid else fault.cpu_nid

    policy = Policy()
    policy.native_filter = moron.address
    assert outcome(policy) == built_in["moron"]


def test_the_default_filter_is_moron(built_in):
    assert outcome(Policy()) == built_in["moron"]


def test_traits():
    """Without scans nothing is marked; without migrates no hint moves; the name is the user's."""
    class Still(Policy):
        name = "still"
        scans = False

    class Held(Policy):
        migrates = False

    still, held = outcome(Still()), outcome(Held())
    assert still["vmstat"]["numa_pte_updates"] == 0
    assert held["vmstat"]["numa_hint_faults"] > 0 and set(held["reasons"]) == {"hold_no_mof"}
    assert Machine("2s", policy=Still()).policy == "still"


def test_a_filter_sees_the_whole_fault():
    seen = []

    class Watch(Policy):
        uses_home = True

        def filter(self, fault):
            seen.append(fault)
            return Verdict(STAY, tag=7)

    m = Machine("2s", policy=Watch(), tunables={"zero_page": 0})
    p = m.process(cpu=0)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    p.main.set_cpu(8)
    p.main.set_home(0)
    m.set_now(5_000_000)
    for tag in (None, 7):
        p.change_prot_numa(BASE, 4096)
        p.main.access(BASE, write=True)
        fault = seen[-1]
        assert (fault.now_ns, fault.vpn, fault.tid, fault.pid) == (5_000_000, VPN, 1, 1)
        assert (fault.cpu, fault.cpu_nid, fault.page_nid, fault.home_nid) == (8, 1, 0, 0)
        assert (fault.tag, fault.write, fault.huge) == (tag, True, False)
    assert p.page(VPN).tag == 7 and len(seen) == 2


@pytest.mark.parametrize("target", [1023, 5])
def test_a_target_that_does_not_exist_is_stay(target):
    class Away(Policy):
        def filter(self, fault):
            return Verdict(target, reason="hold_user_filter")

    m = Machine("2s", policy=Away(), tunables={"zero_page": 0})
    p = m.process(cpu=0)
    p.mmap(BASE, 4096)
    p.main.access(BASE, write=True)
    p.change_prot_numa(BASE, 4096)
    assert p.main.access(BASE).reason == "hold_user_filter"
    m.check()


def test_place_may_move_a_task_to_its_memory():
    """The memory is on node 1, the task on node 0.  A filter that holds, and a place hook that
    moves the task: CPU follows memory."""
    class Follow(Policy):
        name = "follow"
        calls = 0

        def filter(self, fault):
            return Verdict(fault.cpu_nid if self.calls == 0 else STAY)

        def place(self, machine, tid):
            self.calls += 1
            task = machine.task(tid)
            pages = machine.process_of(task.info().pid).node_pages()
            task.set_cpu(machine.topology.node(int(np.argmax(pages))).cpus[0])
            task.set_home(int(np.argmax(pages)))

    policy = Follow()
    m = Machine("2s", policy=policy,
                tunables={"zero_page": 0, "scan_delay_ms": 1, "scan_period_min_ms": 5})
    p = m.process(cpu=0)
    p.mmap(BASE, 1 << 20)
    p.populate(VPN + np.arange(256), 1)
    p.main.feed_pattern("sweep", VPN, 256, writes=8)
    m.run(10**9)
    info = p.main.info()
    assert policy.calls >= 1 and (info.cpu, info.nid, info.home_nid) == (8, 1, 1)
    assert p.node_pages()[1] >= 255 and m.counters["numa_hint_faults_local"] > 0
    m.check()


def test_place_is_called_at_most_once_a_pass():
    class Count(Policy):
        calls = 0

        def place(self, machine, tid):
            self.calls += 1

    policy = Count()
    m = Machine("2s", policy=policy, tunables={
        "zero_page": 0, "scan_delay_ms": 1, "scan_period_min_ms": 5})
    p = m.process(cpu=0)
    p.mmap(BASE, 1 << 20)
    p.populate(VPN + np.arange(256), 1)
    p.main.feed_pattern("sweep", VPN, 256, writes=8)
    m.run(10**9)
    assert 1 <= policy.calls <= m.counters["scan_passes"] + 1


def test_check_policy():
    assert check_policy("moron") == "moron"
    with pytest.raises(InvalidArgument, match="'morn'; nearest: moron"):
        check_policy("morn")
    for name in ("zzz", 5, None, ["moron"]):
        with pytest.raises(InvalidArgument, match="permitted: off, moron, home_node, v3_8"):
            check_policy(name)


@pytest.mark.parametrize("attribute, value", [
    ("name", ""), ("name", "x" * 32), ("name", None), ("native_filter", 0),
    ("native_filter", -1), ("native_filter", "filter"), ("native_filter", 1.0),
])
def test_odd_policies_are_refused(attribute, value):
    policy = Policy()
    setattr(policy, attribute, value)
    with pytest.raises(InvalidArgument):
        Machine("2s", policy=policy)
