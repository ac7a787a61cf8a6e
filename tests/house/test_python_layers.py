"""The Python layers: who may import whom, and who may know what."""

import re

import pytest
from tree import CORE, PYTHON, ROOT, files, imports, name, package_of, read

# From the ground up.  A module may import modules of lower rows and of its own package; below all
# stands numa_core.  A new module needs a place here.
LAYERS = [
    {"arguments"},
    {"program"},
    {"topology", "tunables", "cost", "values", "traces", "workloads"},
    {"mempolicy", "policies", "sched"},
    {"procfs", "syscalls"},
    {"process", "task"},
    {"machine"},
    {"placement", "bounds", "samples", "explanation", "libnuma", "recordings"},
    {"engine"},
    {"history", "started"},
    {"synthetic"},
    {"tracing"},
    {"report"},
    {"cli"},
]
RANK = {module: rank for rank, row in enumerate(LAYERS) for module in row}
MODULES = [path for path in files(".py", under=PYTHON) if path != PYTHON / "__init__.py"]


def module_of(path):
    """``numab``'s direct child that a file is, or lies in."""
    return path.relative_to(PYTHON).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_import_only_lower_layers(path):
    own = module_of(path)
    assert own in RANK, f"give {own} a place in LAYERS"
    for imported in imports(path, package_of(path)):
        words = imported.split(".")
        if words[0] != "numab" or len(words) < 2 or words[1].startswith("__"):
            continue
        other = words[1]
        if other != own and other in RANK:
            same_row = RANK[other] == RANK[own] and {own, other} == {"process", "task"}
            assert RANK[other] < RANK[own] or same_row, f"{own} imports {other}"


@pytest.mark.parametrize("path", [p for p in MODULES if module_of(p) in ("traces", "workloads")],
                         ids=name)
def test_arrays_never_see_a_machine(path):
    seen = imports(path, package_of(path))
    for word in ("machine", "engine", "process", "task"):
        assert not any(imported.startswith(f"numab.{word}") for imported in seen)
    assert not {"numa_core.lib", "numa_core.ffi"} & seen


@pytest.mark.parametrize("path", files(".py", under=PYTHON), ids=name)
def test_only_the_binding_knows_cffi(path):
    assert not any(i.split(".")[0] in ("cffi", "_cffi_backend") or i.endswith("._cffi")
                   for i in imports(path, package_of(path)))
    assert not re.search(r"\bcffi\b", read(path))


def test_the_binding_is_one_module():
    knowing = {path.name for path in files(".py", under=CORE) if re.search(r"\bcffi\b", read(path))}
    assert knowing <= {"__init__.py", "build_cffi.py"}


@pytest.mark.parametrize("path", files(".py", under=CORE), ids=name)
def test_the_binding_imports_nothing_above_it(path):
    assert not any(i.split(".")[0] == "numab" for i in imports(path, "numa_core"))


@pytest.mark.parametrize("path", files(".py", under=ROOT / "tests" / "oracle"), ids=name)
def test_the_reference_model_stands_alone(path):
    seen = imports(path, "oracle")
    assert not any(i.split(".")[0] in ("numab", "numa_core", "numpy", "cffi") for i in seen)


def test_imports_are_found():
    """The reading above sees what it should."""
    seen = imports(PYTHON / "machine.py", "numab")
    assert {"numa_core.lib", "numab.tunables", "numab.topology.Topology"} <= seen
