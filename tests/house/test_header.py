"""numab.h is the manual: it compiles alone, feeds the binding as it is, and explains every call."""

import os
import re
import shutil
import subprocess

import pytest
from tree import CORE, read

HEADER = CORE / "numab.h"
CC = [c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)]
CXX = [c for c in (os.environ.get("CXX"), "c++", "g++", "clang++") if c and shutil.which(c)]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def groups():
    """Runs of lines without a blank line between, comments kept."""
    return [group for group in re.split(r"\n\s*\n", read(HEADER)) if group.strip()]


@pytest.mark.skipif(not CC, reason="no C compiler")
@pytest.mark.parametrize("standard", ["c99", "c11", "gnu17"])
def test_compiles_alone_as_c(standard):
    subprocess.run([CC[0], f"-std={standard}", *STRICT, "-x", "c", str(HEADER)], check=True)


@pytest.mark.skipif(not CXX, reason="no C++ compiler")
@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_compiles_alone_as_cpp(standard):
    subprocess.run([CXX[0], f"-std={standard}", *STRICT, "-x", "c++", str(HEADER)], check=True)


def test_the_slice_is_a_declaration_that_cffi_takes():
    cffi = pytest.importorskip("cffi")
    from numa_core.build_cffi import declarations

    ffi = cffi.FFI()
    ffi.cdef(declarations(read(HEADER)))
    assert ffi.sizeof("struct numab_row") == 16


def test_the_slice_holds_every_call():
    from numa_core import lib
    from numa_core.build_cffi import declarations

    whole = re.sub(r"/\*.*?\*/", "", read(HEADER), flags=re.S)
    calls = set(re.findall(r"\b(numab_\w+)\(", whole))
    assert calls == set(re.findall(r"\b(numab_\w+)\(", declarations(read(HEADER))))
    assert all(hasattr(lib, call) for call in calls)


def test_every_call_is_explained():
    """By a comment before it in its group, or at its own line."""
    silent = []
    for group in groups():
        at = 0
        for match in re.finditer(r"^[a-z][\w \*]*\b(numab_\w+)\(", group, flags=re.M):
            if "/*" not in group[:match.start()] and "/*" not in group[match.start():].split(
                    "\n", 1)[0]:
                silent.append(match.group(1))
            at = match.end()
        assert at <= len(group)
    assert silent == []


def test_half_of_it_is_for_reading():
    text = read(HEADER)
    comment = sum(map(len, re.findall(r"/\*.*?\*/", text, flags=re.S)))
    assert comment > 0.4 * len(text)
