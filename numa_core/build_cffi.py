"""Build script of the binding: slices numab.h into cffi's declarations.

The text between the header's two markers is the declaration, word for word, so that no copy can
drift from the contract.  Names the one C source and its flags for whoever builds it.
"""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
CFLAGS = ["-std=c99", "-O3"]


def declarations(header: str) -> str:
    """The part of numab.h between the cffi markers, without comments and function-like macros."""
    text = header.split("--- cffi begin", 1)[1].split("*/", 1)[1].split("/* --- cffi end", 1)[0]
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


ffi = FFI()
ffi.cdef(declarations((HERE / "numab.h").read_text(encoding="utf-8")))
ffi.cdef(
    """
    extern "Python" int numab_py_place(void *ud, struct numab_machine *m, int tid);
    extern "Python" int numab_py_balance(void *ud, struct numab_machine *m, struct numab_lb *lb);
    extern "Python" void numab_py_filter(void *ud, const struct numab_fault *fault,
                                         struct numab_verdict *verdict);
    """
)
ffi.set_source(
    "numa_core._cffi",
    '#include "numab.h"',
    sources=["numa_core/_core.c"],
    depends=sorted(f"numa_core/{p.relative_to(HERE)}" for p in HERE.rglob("*.[chd]*")),
    include_dirs=["numa_core"],
    extra_compile_args=CFLAGS,
)

if __name__ == "__main__":
    ffi.compile(verbose=True)
