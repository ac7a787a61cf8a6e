"""Compile C and C++ hosts with the flags and sources that ``python -m numa_core`` prints.

Works from the source tree and from an installed wheel alike.  ``CC`` and ``CXX`` choose compilers.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
            "-DNUMAB_DEBUG"]


def printed(*options):
    """What ``python -m numa_core`` prints, as words."""
    done = subprocess.run([sys.executable, "-m", "numa_core", *options], check=True,
                          capture_output=True, text=True)
    return done.stdout.split()


def compiler(variable, *names):
    for name in (os.environ.get(variable), *names):
        if name and shutil.which(name):
            return name
    pytest.skip(f"no compiler: none of {', '.join(names)} is in PATH, and {variable} is not set")


class Builder:
    """Builds into one directory for the whole run of the tests; the core once per set of flags."""

    def __init__(self, directory):
        self.directory = directory
        self.cores = {}

    @staticmethod
    def call(*words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
        return done.stdout

    def recipe(self, source):
        """The one command of the embedding recipe."""
        program = self.directory / Path(source).stem
        self.call(compiler("CC", "cc", "gcc", "clang"), *printed("--cflags", "--sources"), *STRICT,
                  HERE / source, "-o", program)
        return program

    def core(self, *flags, cplusplus=False):
        """The core as an object file, compiled as C or as C++."""
        key = (cplusplus, flags)
        if key not in self.cores:
            made = self.directory / f"core{len(self.cores)}.o"
            if cplusplus:
                start = [compiler("CXX", "c++", "g++", "clang++"), "-std=c++11", "-x", "c++",
                         f"-I{printed('--include')[0]}"]
            else:
                start = [compiler("CC", "cc", "gcc", "clang"), *printed("--cflags")]
            self.call(*start, *STRICT, *flags, "-c", *printed("--sources"), "-o", made)
            self.cores[key] = made
        return self.cores[key]

    def program(self, source, *flags, core=None):
        """A host in C or C++ linked with the core of the same flags."""
        core = core or self.core(*flags)
        cplusplus = source.endswith(".cpp")
        program = self.directory / f"{core.stem}-{source.replace('.', '-')}"
        start = ([compiler("CXX", "c++", "g++", "clang++"), "-std=c++11"] if cplusplus else
                 [compiler("CC", "cc", "gcc", "clang"), "-std=c99"])
        self.call(*start, *STRICT, *flags, f"-I{printed('--include')[0]}", HERE / source, core,
                  "-o", program)
        return program


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="session")
def sanitized(builder):
    """source -> program under AddressSanitizer and UBSan, with the core's own assertions on."""
    return lambda source: builder.program(source, *SANITIZE)


@pytest.fixture(scope="session")
def run():
    """Run a program; it must exit 0 and say nothing on stderr.  Returns its output."""
    def call(program, *arguments):
        done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True,
                              timeout=600)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-4000:]}"
        assert done.stderr == ""
        return done.stdout
    return call
