"""/sys trees: what is read from which file, and that a written tree says the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numa_core.errors import InvalidArgument, TopologyError
from numab.topology import PRESETS, Node, Topology

NODE, CPU = "devices/system/node", "devices/system/cpu"

# Node 1 and 3; CPU 4 is offline; CPUs 0 and 2 share a core.
TREE = {
    f"{NODE}/online": "1,3", f"{NODE}/possible": "0-7",
    f"{NODE}/node1/cpulist": "0,2,4", f"{NODE}/node1/cpumap": "00000015",
    f"{NODE}/node1/distance": "10 21", f"{NODE}/node1/meminfo":
    "Node 1 MemTotal:        2048 kB\nNode 1 MemFree:   1 kB",
    f"{NODE}/node3/cpumap": "00000000,0000000a", f"{NODE}/node3/distance": "21 10",
    f"{NODE}/node3/meminfo": "\nNode 3 MemTotal:        1024 kB",
    f"{CPU}/online": "0-3",
    f"{CPU}/cpu0/topology/thread_siblings_list": "0,2",
    f"{CPU}/cpu1/topology/thread_siblings": "0000000a",
    f"{CPU}/cpu2/topology/core_cpus_list": "0,2",
    f"{CPU}/cpu3/topology/core_cpus": "0000000a",
    f"{CPU}/cpu0/topology/physical_package_id": "36",
    f"{CPU}/cpu1/topology/physical_package_id": "-1",
    f"{CPU}/cpu2/topology/physical_package_id": "36",
}


def write(root: Path, files: dict[str, str | None]) -> Path:
    for path, text in files.items():
        if text is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text + "\n", encoding="latin-1")
    return root


def load(tmp_path: Path, **changes: str | None) -> Topology:
    """The tree above, files changed by their path after the last «system/», None: left out."""
    changed = {f"devices/system/{path}": text for path, text in changes.items()}
    return Topology.load(write(tmp_path / "sys", {**TREE, **changed}))


def test_a_tree_is_read(tmp_path):
    machine = load(tmp_path)
    assert machine.nodes == (
        Node(1, (0, 2), 2 << 20, (0, 0), (36, 36)), Node(3, (1, 3), 1 << 20, (1, 1), None))
    assert machine.distance.tolist() == [[10, 21], [21, 10]]
    assert (machine.name, machine.notes) == ("sys", ())


def test_the_folder_above_sys_will_do(tmp_path):
    assert load(tmp_path) == Topology.load(tmp_path) == Topology.load(str(tmp_path))


def test_a_node_that_is_not_online_is_not_counted(tmp_path):
    machine = load(tmp_path, **{"node/node2/cpulist": "7", "node/node2/distance": "10"})
    assert machine.nids == (1, 3)


def test_without_cpu_online_each_cpu_answers_for_itself(tmp_path):
    """CPU 0 has no file online: it cannot be switched off.  CPU 4 has no folder."""
    machine = load(tmp_path, **{"cpu/online": None, "cpu/cpu2/online": "0", "cpu/cpu1/online": "1"})
    assert [node.cpus for node in machine.nodes] == [(0,), (1, 3)]


def test_without_any_word_on_cpus_the_nodes_are_believed(tmp_path):
    files = {path: text for path, text in TREE.items() if path.startswith(NODE)}
    machine = Topology.load(write(tmp_path, files))
    assert [node.cpus for node in machine.nodes] == [(0, 2, 4), (1, 3)]
    assert machine.nodes[0].cpu_core is None


def test_a_cpu_on_no_node_goes_to_the_first(tmp_path):
    machine = load(tmp_path, **{"cpu/online": "0-3,9"})
    assert machine.nodes[0].cpus == (0, 2, 9)
    assert machine.notes == ("CPUs 9 are on no node; assigned to node 1",)


def test_a_core_is_named_after_its_lowest_running_cpu(tmp_path):
    machine = load(tmp_path, **{"cpu/online": "1-3"})
    assert machine.nodes[0].cpu_core == (2,)


def test_no_distances_are_noted(tmp_path):
    machine = load(tmp_path, **{"node/node1/distance": None, "node/node3/distance": None})
    assert machine.distance.tolist() == [[10, 20], [20, 10]]
    assert machine.notes == ("no distances given: 10 and 20 assumed",)


def test_a_node_without_files_is_empty_with_notes(tmp_path):
    machine = load(tmp_path, **{"node/node3/cpumap": None, "node/node3/meminfo": None,
                                "cpu/online": "0,2"})
    assert machine.nodes[1] == Node(3)
    assert machine.notes == ("node3 has no cpulist or cpumap, taken as none",
                             "node3 has no meminfo, taken as none")


@pytest.mark.parametrize("path, text, complaint", [
    ("node/node3/distance", None, "node3 has no file distance, other nodes have"),
    ("node/node3/distance", "21", "node3/distance has 1 entries for 2 nodes"),
    ("node/node3/distance", "21 10 20", "node3/distance has 3 entries for 2 nodes"),
    ("node/node3/distance", "", "node3/distance has 0 entries for 2 nodes"),
    ("node/node3/distance", "x 10", "node3/distance: an entry is 'x'"),
    ("node/node3/distance", "0 10", "distance from node 3 to node 1 is 0"),
    ("node/node3/distance", "256 10", "distance from node 3 to node 1 is 256"),
    ("node/node1/cpulist", "0-", "node1/cpulist: '0-' is not an id"),
    ("node/node1/cpulist", "0-9999", "node1/cpulist: '0-9999' is outside 0-8191"),
    ("node/node1/cpulist", "0-3", "CPU 1 is on node 1 and on node 3"),
    ("node/node3/cpumap", "xyz", "node3/cpumap: 'xyz' is not a hexadecimal word"),
    ("node/node3/meminfo", "nothing", "node3/meminfo has no line 'MemTotal"),
    ("node/node3/meminfo", "Node 3 MemTotal: -1 kB", "MemTotal is '-1'"),
    ("node/node3/meminfo", "x" * (1 << 20), "node3/meminfo has more than 1048576 bytes"),
    ("node/online", "1,x", "node/online: 'x' is not an id"),
    ("node/online", "5", "no NUMA node is described"),
    ("node/node03/cpulist", "", "node 3 is described twice"),
    ("cpu/cpu0/topology/physical_package_id", "x", "physical_package_id is 'x'"),
    ("cpu/cpu0/topology/thread_siblings_list", "x", "thread_siblings_list: 'x'")])
def test_a_wrong_file_is_named(tmp_path, path, text, complaint):
    with pytest.raises(TopologyError, match=complaint) as caught:
        load(tmp_path, **{path: text})
    assert str(caught.value).startswith(f"{tmp_path}/sys: ")


def test_no_memory_and_no_cpus_are_refused(tmp_path):
    with pytest.raises(TopologyError, match="no node has memory"):
        load(tmp_path, **{f"node/node{nid}/meminfo": "MemTotal: 0 kB" for nid in (1, 3)})
    empty = {"cpu/online": None, "node/node1/cpulist": "", "node/node3/cpumap": "0"}
    files = {path: text for path, text in TREE.items() if path.startswith(NODE)}
    files |= {f"devices/system/{path}": text for path, text in empty.items()}
    with pytest.raises(TopologyError, match="no node has a CPU"):
        Topology.load(write(tmp_path / "none", files))


def test_a_folder_without_a_tree_is_refused(tmp_path):
    with pytest.raises(TopologyError, match="holds devices/system/node"):
        Topology.load(tmp_path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / f"{NODE}/node0/cpulist").mkdir(parents=True)
    with pytest.raises(TopologyError, match="cannot read .*node0/cpulist: Is a directory"):
        Topology.load(tmp_path)


def test_a_folder_that_may_not_be_listed_is_refused(tmp_path, monkeypatch):
    """Root may list everything, so the refusal is played."""
    (tmp_path / NODE).mkdir(parents=True)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(TopologyError, match=f"cannot list {NODE}: Permission denied"):
        Topology.load(tmp_path)


def test_the_live_machine_is_read_if_it_has_nodes():
    if not Path("/sys", NODE).is_dir():
        pytest.skip("this kernel has no /sys/devices/system/node")
    assert Topology.load("/sys") == Topology.load("/")


# --- writing -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_written_preset_is_read_back(tmp_path, name):
    machine = Topology.load(name)
    assert machine.write_sysfs(tmp_path / "root") == tmp_path / "root"
    assert Topology.load(tmp_path / "root") == machine
    assert Topology.load(tmp_path / "root/sys") == machine


@settings(deadline=None)  # files and unpacking: no even times
@given(data=st.data())
def test_any_machine_is_read_back(tmp_path_factory, data):
    nids = sorted(data.draw(st.sets(st.integers(0, 1023), min_size=1, max_size=5)))
    cpus = sorted(data.draw(st.sets(st.integers(0, 8191), min_size=1, max_size=12)))
    home = [data.draw(st.sampled_from(nids)) for _ in cpus]
    cores = data.draw(st.booleans())
    nodes = []
    for nid in nids:
        mine = [cpu for cpu, of in zip(cpus, home) if of == nid]
        labels = [mine[at - at % 2] for at in range(len(mine))] if cores else None
        nodes.append(Node(nid, mine, data.draw(st.integers(4, 1 << 30)) * 1024, labels, labels))
    far = data.draw(st.integers(10, 255))
    machine = Topology(nodes, [[10 if a == b else far for b in nids] for a in nids])
    root = machine.write_sysfs(tmp_path_factory.mktemp("sysfs"))
    assert Topology.load(root) == machine


def test_the_written_files_are_as_linux_prints_them(tmp_path):
    root = Topology.load("cxl").write_sysfs(tmp_path) / "sys/devices/system"
    assert {path: (root / path).read_text() for path in (
        "node/online", "node/has_cpu", "node/has_memory", "node/node2/cpulist",
        "node/node2/cpumap", "node/node1/cpulist", "node/node1/cpumap", "node/node1/distance",
        "cpu/online", "cpu/cpu9/topology/thread_siblings_list",
        "cpu/cpu9/topology/package_cpus_list", "cpu/cpu9/topology/physical_package_id")} == {
            "node/online": "0-2\n", "node/has_cpu": "0-1\n", "node/has_memory": "0-2\n",
            "node/node2/cpulist": "\n", "node/node2/cpumap": "00000000\n",
            "node/node1/cpulist": "8-15\n", "node/node1/cpumap": "0000ff00\n",
            "node/node1/distance": "21 10 24\n", "cpu/online": "0-15\n",
            "cpu/cpu9/topology/thread_siblings_list": "9\n",
            "cpu/cpu9/topology/package_cpus_list": "8-15\n",
            "cpu/cpu9/topology/physical_package_id": "1\n"}
    assert (root / "node/node0/meminfo").read_text().splitlines()[0] == (
        "Node 0 MemTotal:       67108864 kB")


@pytest.mark.parametrize("there", ["sys", "proc"])
def test_nothing_is_written_over(tmp_path, there):
    (tmp_path / there).mkdir()
    with pytest.raises(InvalidArgument, match="exists already"):
        Topology.load("tiny").write_sysfs(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == [there]


def test_lscpu_sees_the_same_machine(tmp_path):
    """lscpu of util-linux reads our tree: an independent judge."""
    if shutil.which("lscpu") is None:
        pytest.skip("lscpu is not installed")
    machine = Topology.load("2s-smt")
    root = machine.write_sysfs(tmp_path)
    run = subprocess.run(["lscpu", "-s", str(root), "-J", "-e=CPU,CORE,SOCKET,NODE"],
                         capture_output=True, text=True, check=False)
    if run.returncode or '"core"' not in run.stdout:
        pytest.skip("this lscpu does not read another root")
    cpus = [{key: int(value) for key, value in row.items()}
            for row in json.loads(run.stdout)["cpus"]]
    assert [(row["cpu"], row["node"], row["socket"]) for row in cpus] == [
        (cpu, machine.node_of_cpu(cpu), machine.package_of(cpu)) for cpu in machine.cpus]
    core = {row["cpu"]: row["core"] for row in cpus}
    assert all((core[a] == core[b]) == (machine.core_of(a) == machine.core_of(b))
               for a in machine.cpus for b in machine.cpus)
