"""Hosts in C and C++ with the core inside: do they build, run, and count right?

The numbers are worked out by hand in the comments of ``embed.c`` and ``embed.cpp``, from the rules
of the scanner, the two-stage filter and the host's own refusals: exact, not about.
"""

import random

import pytest
from core_host import COUNTERS, REASONS, SLOT, VMSTAT, Host

from numa_core import ffi, lib

EMBED_C = {
    "closed": {
        "numa_pte_updates": 3 * 512, "numa_hint_faults": 3 * 512, "numa_hint_faults_local": 512,
        "numa_pages_migrated": 512, "pgmigrate_success": 512, "pgfault": 512 + 3},
    "external": {
        "numa_pte_updates": 3 * 512, "numa_hint_faults": 3 * 512, "numa_hint_faults_local": 342,
        "numa_pages_migrated": 342 + 113, "pgmigrate_success": 342 + 113,
        "pgmigrate_fail": 170 + 57, "pgfault": 1 + 1 + 512},
    "filter": {
        "numa_pte_updates": 2 * 512, "numa_hint_faults": 2 * 512, "numa_hint_faults_local": 256,
        "numa_pages_migrated": 256, "pgmigrate_success": 256, "pgfault": 512 + 2 * 512},
}
TWO_NODES = {
    "numa_pte_updates": 3 * 512, "numa_hint_faults": 3 * 512, "numa_hint_faults_local": 512,
    "numa_pages_migrated": 512, "pgmigrate_success": 512, "pgfault": 3}
ZONE_STATS = COUNTERS[:6]  # the allocator's: numa_hit to numa_other
EMBED_CPP = {"ticks": TWO_NODES, "copies": TWO_NODES}


def vmstat(output):
    """``# title`` and ``name value`` lines as {title: {name: value}}, without the zeros."""
    parts = {}
    for line in output.splitlines():
        if line.startswith("# "):
            part = parts.setdefault(line[2:], {})
        else:
            name, value = line.split(" ")
            assert name in COUNTERS
            part[name] = int(value)
    for part in parts.values():
        assert list(part) == [COUNTERS[i] for i in VMSTAT]
    return {title: {k: v for k, v in part.items() if v and k not in ZONE_STATS}
            for title, part in parts.items()}


def test_the_recipe_of_embed_c(builder, run):
    assert vmstat(run(builder.recipe("embed.c"))) == EMBED_C


def test_embed_c_under_sanitizers(sanitized, run):
    assert vmstat(run(sanitized("embed.c"))) == EMBED_C


def test_embed_cpp_with_the_core_in_c(builder, run):
    assert vmstat(run(builder.program("embed.cpp"))) == EMBED_CPP


def test_embed_cpp_with_the_core_in_cpp(builder, run):
    """The core also compiles as C++, for builds that know no C."""
    core = builder.core("-O1", cplusplus=True)
    assert vmstat(run(builder.program("embed.cpp", core=core))) == EMBED_CPP


def test_embed_cpp_under_sanitizers(sanitized, run):
    assert vmstat(run(sanitized("embed.cpp"))) == EMBED_CPP


# ---- external mode with a host that does everything at once is closed mode ----


def accept_all(host):
    moves = ffi.new("struct numab_move[]", 64)
    while n := host.check(lib.numab_moves(host.m, moves, 64)):
        for move in moves[0:n]:
            host.check(lib.numab_migrated(host.m, move.id, 0))


def drive(host, seed, answer):
    """Threads on all nodes touch two slots at random while the scanner runs; one forks."""
    rng = random.Random(seed)
    pid = host.process(0)
    host.mmap(pid, 0, 2 * SLOT)
    for cpu in (1, 2):
        host.clone(pid, cpu)
    tasks = list(host.tasks)
    now = 0
    for ms in range(120):
        for tid in tasks:
            for _ in range(30):
                host.access(tid, rng.randrange(2 * SLOT), rng.randrange(2))
                answer(host)
            host.check(lib.numab_account(host.m, tid, 1_000_000))
        now += 1_000_000
        host.check(lib.numab_set_now(host.m, now))
        for tid in tasks:
            if host.check(lib.numab_tick(host.m, tid)):
                host.check(lib.numab_task_work(host.m, tid))
        if ms % 40 == 20:
            host.check(lib.numab_task_set_cpu(host.m, tasks[0], rng.randrange(5)))
        if ms == 60:
            child = host.check(lib.numab_fork(host.m, pid, 3))
            host.processes.append(child)
            host.tasks.append(child)
            tasks.append(child)
    return host


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("switches", [
    {}, {"pmd_mark": 0}, {"thp": 1, "thp_native_migration": 1}, {"thp": 1, "last_nid_transfer": 1},
    {"pmd_mark": 0, "last_nid_transfer": 1, "count_pages_not_faults": 1}])
def test_external_with_a_willing_host_equals_closed(seed, switches):
    """The same accesses, every move accepted at once: the kernel's counters and the pages agree.

    What differs, and has to: numab's own rows of TLB flushes (the host flushes for itself),
    ACCESSED and DIRTY (they are the host's page table's), and on which node the access that faulted
    counts (the page moves before it in closed mode, after it in external mode).
    """
    policy = "moron" if seed % 2 else "home_node"
    closed = drive(Host(policy=policy, tunables=switches), seed, lambda host: None)
    external = drive(Host(policy=policy, tunables=switches, external=True), seed, accept_all)
    assert closed.counter("numa_pages_migrated") > 0
    for i in VMSTAT:
        assert external.counter(COUNTERS[i]) == closed.counter(COUNTERS[i]), COUNTERS[i]
    assert external.reason("GO_ASKED_HOST") == closed.reason("GO_MIGRATED")
    for name in REASONS:
        assert name == "GO_ASKED_HOST" or external.reason(name) == closed.reason(name), name
    seen, wanted = external.everything(), closed.everything()
    for part in ("nodes", "faults", "mm faults"):
        assert seen[part] == wanted[part], part
    for seen_pages, wanted_pages in zip(seen["pages"], wanted["pages"]):
        assert [known(*page) for page in seen_pages] == [known(*page) for page in wanted_pages]


def known(nid, tag, mapcount, flags):
    return nid, tag, mapcount, flags & ~(lib.NUMAB_PG_ACCESSED | lib.NUMAB_PG_DIRTY)
