"""The C core keeps its layers, and its hands off everything but its machine."""

import os
import re
import shutil
import subprocess

import pytest
from tree import CORE, c_functions, files, name, parts, read, without_comments

PART_LINES_MAX = 620
FUNCTION_LINES_MAX = 69

LIBC = {"memset", "memcpy", "memmove", "memcmp", "strcmp", "strlen", "snprintf", "vsnprintf"}
LIBC_OF = {"alloc": {"calloc", "malloc", "free", "mmap", "munmap", "madvise"}}
CPU_FEATURES = r"__cpu_\w+"  # scan.c asks the processor what it has
TOOLCHAIN = {"_GLOBAL_OFFSET_TABLE_"}
INCLUDES_OF = {"alloc": {"<stdlib.h>", "<sys/mman.h>"}, "mempolicy": {'"policies/policies.c"'},
               "event": {'"counters.def"', '"reasons.def"', '"tunables.def"', '"errors.def"'}}
FLAGS = ["-std=c99", "-O0", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fno-pic", "-fno-pie",
         "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-c"]


def layers():
    """The order in the head of internal.h, top first: a list of lists of parts."""
    head = read(CORE / "internal.h").split("*/", 1)[0]
    order = re.search(r"_core >[\s\S]*?alloc\b", head).group(0).replace(" *", " ")
    return [[word.strip() for word in layer.split(",")] for layer in order.split(">")]


@pytest.fixture(scope="session")
def symbols(tmp_path_factory):
    """{part: (defined, undefined)} as [(kind, name)] of every part compiled alone, and _core."""
    compiler = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang")
                     if c and shutil.which(c)), None)
    if not compiler or not shutil.which("nm"):
        pytest.skip("no C compiler or no nm")
    out = tmp_path_factory.mktemp("parts")
    found = {}
    for part, path in {**parts(), "_core": CORE / "_core.c"}.items():
        done = subprocess.run([compiler, *FLAGS, str(path), "-o", str(out / f"{part}.o")],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        listed = subprocess.run(["nm", str(out / f"{part}.o")], capture_output=True, text=True,
                                check=True).stdout.splitlines()
        pairs = [tuple(line.split()[-2:]) for line in listed]
        found[part] = ([p for p in pairs if p[0] != "U"], {s for kind, s in pairs if kind == "U"})
    return found


def external(defined):
    return {symbol for kind, symbol in defined if kind.isupper()}


def test_the_order_names_every_part_once():
    named = [part for layer in layers() for part in layer]
    assert sorted(named) == sorted(["_core", *(set(parts()) - {"check"})])


def test_the_unit_includes_the_parts_bottom_up():
    included = re.findall(r'^#include "(\w+)\.c"', read(CORE / "_core.c"), flags=re.M)
    rank = {part: i for i, layer in enumerate(reversed(layers())) for part in layer}
    ranks = [rank[part] for part in included if part != "check"]
    assert ranks == sorted(ranks)
    assert sorted(included) == sorted(parts())


def test_parts_call_only_parts_below_them(symbols):
    rank = {part: i for i, layer in enumerate(layers()) for part in layer}
    owner = {symbol: part for part in parts() for symbol in external(symbols[part][0])}
    for part in parts():
        for symbol in symbols[part][1]:
            if symbol in owner and part != "check":  # which reads all
                assert rank[owner[symbol]] > rank[part], (
                    f"{part}.c calls {symbol}() of {owner[symbol]}.c, which is not below it")


def test_parts_use_nothing_else_of_the_system(symbols):
    ours = {symbol for part in parts() for symbol in external(symbols[part][0])}
    for part in parts():
        foreign = symbols[part][1] - ours - LIBC - LIBC_OF.get(part, set()) - TOOLCHAIN
        if part == "scan":
            foreign = {symbol for symbol in foreign if not re.fullmatch(CPU_FEATURES, symbol)}
        assert not foreign, f"{part}.c"


def test_the_unit_exports_only_public_names(symbols):
    public = set(re.findall(r"\b(numab_\w+)\(", without_comments(read(CORE / "numab.h"))))
    exported = external(symbols["_core"][0])
    assert exported == {n for n in public if not n.endswith("_fn")}


@pytest.mark.parametrize("part", [*parts(), "_core"])
def test_no_writable_globals(symbols, part):
    assert [s for kind, s in symbols[part][0] if kind in "bBdDcCgGsS"] == []


@pytest.mark.parametrize("path", files(".c", ".h", under=CORE), ids=name)
def test_includes(path):
    found = set(re.findall(r'^\s*#include (\S+)', read(path), flags=re.M))
    if path.parent.name == "policies":
        allowed = {'"../numab.h"'} if path.suffix == ".h" else {'"policy.h"'}
        if path.stem == "policies":
            allowed |= {f'"{other.name}"' for other in path.parent.glob("*.c")}
    elif path.name == "numab.h":
        allowed = {"<stddef.h>", "<stdint.h>", *INCLUDES_OF["event"]}
    elif path.name == "internal.h":
        allowed = {"<stdarg.h>", "<stddef.h>", "<stdint.h>", "<stdio.h>", "<string.h>",
                   '"numab.h"'}
    elif path.name == "_core.c":
        allowed = {'"internal.h"'} | {f'"{part}.c"' for part in parts()}
    else:
        allowed = {'"internal.h"'} | INCLUDES_OF.get(path.stem, set())
    assert found <= allowed


@pytest.mark.parametrize("path", files(".c", ".h", under=CORE), ids=name)
def test_no_files_clocks_prints_or_exits(path):
    code = without_comments(read(path))
    assert not re.search(r"\b(printf|fprintf|puts|exit|abort|assert|getenv|time|clock|fopen|rand|"
                         r"srand|longjmp|setjmp|Py\w+)\s*\(", code)
    assert "Python.h" not in read(path)


@pytest.mark.parametrize("path", files(".c", under=CORE), ids=name)
def test_who_may_touch_what(path):
    """One owner each: the allocator hook, the fault arrays, a mapped page's node."""
    code = without_comments(read(path))
    if path.stem not in ("alloc", "_core"):
        assert "->alloc(" not in code
    if path.stem != "stats":
        assert not re.search(r"faults\[[^\]]*\]\s*([-+|&]?=[^=]|>>=|\+\+)", code)
    if path.stem != "migrate":
        setters = [line for line in code.splitlines() if "pg_set_nid(" in line]
        assert all("PTE_WISH" in line for line in setters)  # a wish is not a page yet


@pytest.mark.parametrize("path", files(".c", ".h", under=CORE), ids=name)
def test_sizes(path):
    if path.suffix == ".c":
        assert len(read(path).splitlines()) < PART_LINES_MAX
    for function, lines in c_functions(path):
        assert lines <= FUNCTION_LINES_MAX, f"{function}() has {lines} lines"


def test_functions_are_found():
    """The counting above sees what it should."""
    assert dict(c_functions(CORE / "stats.c"))["task_numa_fault"] > 5
    assert len(c_functions(CORE / "access.c")) > 15
