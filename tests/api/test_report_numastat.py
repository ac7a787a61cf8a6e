"""numastat's tables: as numastat 2.0.16 prints them."""

from __future__ import annotations

import pytest

from numa_core.errors import InvalidArgument
from numab.report.numastat import (
    numastat, numastat_mb, numastat_process, numastat_processes,
)

NAMES = ("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other")
#: A process on Linux 6.18, one node, lines of one kind added up, and what numastat said of it.
SLEEP = """\
55ecad3c9000 default file=/usr/bin/sleep mapped=9 N0=9 kernelpagesize_kB=4
55ecad3d2000 default file=/usr/bin/sleep anon=2 dirty=2 active=0 N0=2 kernelpagesize_kB=4
55eccc473000 default heap anon=4 dirty=4 active=0 N0=4 kernelpagesize_kB=4
7f9bd6395000 default file=/usr/lib/locale/C.utf8/LC_CTYPE mapped=44 mapmax=38 N0=44
7f9bd63f8000 default file=/usr/lib/x86_64-linux-gnu/libc.so.6 mapped=316 mapmax=39 N0=316
7f9bd65c7000 default file=/usr/lib/x86_64-linux-gnu/libc.so.6 anon=14 dirty=14 active=0 N0=14
7f9bd65e5000 default
7f9bd65ed000 default file=/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 mapped=51 N0=51
7fff0116c000 default stack anon=3 dirty=3 active=1 N0=3 kernelpagesize_kB=4
"""
OF_SLEEP = """
Per-node process memory usage (in MBs) for PID 7218 (sleep)
                           Node 0           Total
                  --------------- ---------------
Huge                         0.00            0.00
Heap                         0.02            0.02
Stack                        0.01            0.01
Private                      1.70            1.70
----------------  --------------- ---------------
Total                        1.73            1.73
"""


def stats(*rows):
    return {nid: dict(zip(NAMES, row)) for nid, row in rows}


def test_counters_in_calls():
    """The table of a real machine with one node, and a sparse one by hand."""
    assert numastat(stats((0, (28445337, 0, 0, 1197, 28445337, 0)))) == """\
                           node0
numa_hit                28445337
numa_miss                      0
numa_foreign                   0
interleave_hit              1197
local_node              28445337
other_node                     0
"""
    two = numastat(stats((0, (1, 2, 3, 4, 5, 6)), (33, (7, 8, 9, 10, 11, 12)))).splitlines()
    assert two[0] == "                           node0          node33"
    assert two[4] == "interleave_hit                 4              10"


def test_counters_in_mb():
    """1197 calls are 4.68 MB to numastat, whatever was allocated."""
    assert numastat_mb(stats((0, (28446057, 0, 0, 1197, 28446057, 0)))) == """
Per-node numastat info (in MBs):
                          Node 0           Total
                 --------------- ---------------
Numa_Hit               111117.41       111117.41
Numa_Miss                   0.00            0.00
Numa_Foreign                0.00            0.00
Interleave_Hit              4.68            4.68
Local_Node             111117.41       111117.41
Other_Node                  0.00            0.00
"""


def test_a_real_process():
    assert numastat_process(SLEEP, (0,), 7218, "sleep") == OF_SLEEP


def test_kinds_and_nodes():
    """
    A huge page counts 2 MB; a file is private whatever its name; nodes may be sparse.
    """
    maps = (
        "10000000 prefer (many):0-1 file=/anon_hugepage\\040(deleted) huge anon=3 N0=1 N5=2\n"
        "20000000 bind:0 heap anon=256 N0=256\n"
        "30000000 default file=/srv/heap mapped=512 N5=512\n"
    )
    lines = numastat_process(maps, (0, 5), 1).splitlines()
    assert [line.split()[1:] for line in lines[4:8]] == [
        ["2.00", "4.00", "6.00"], ["1.00", "0.00", "1.00"], ["0.00", "0.00", "0.00"],
        ["0.00", "2.00", "2.00"],
    ]
    assert lines[2].split() == ["Node", "0", "Node", "5", "Total"]


def test_several_processes_have_a_row_each():
    """The first column is as wide as the longest label, 16 at least."""
    text = numastat_processes(
        {23168: "10000000 default N0=269\n", 23177: "10000000 default N0=1098\n"}, (0,),
        {23168: "memfd:sealed-91", 23177: "bash"}.get,
    )
    assert text == """
Per-node process memory usage (in MBs)
PID                               Node 0           Total
-----------------------  --------------- ---------------
23168 (memfd:sealed-91)             1.05            1.05
23177 (bash)                        4.29            4.29
-----------------------  --------------- ---------------
Total                               5.34            5.34
"""


@pytest.mark.parametrize("call, message", [
    (lambda: numastat({}), "permitted: counters by node id"),
    (lambda: numastat_mb(5), "permitted: counters by node id"),
    (lambda: numastat_processes({}, (0,)), "no process"),
    (lambda: numastat_process("10000000 default N7=1", (0, 1), 1), "node 7 in numa_maps"),
    (lambda: numastat_process("nonsense", (0,), 1), "numa_maps line 'nonsense'"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
