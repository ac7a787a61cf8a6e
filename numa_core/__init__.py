"""The binding of the C core: the only module that touches cffi.

It owns handles, error codes, callbacks and views; every other module sees integers, arrays and
dataclasses.  ``numab.h`` beside this file is the manual of the calls themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pkgutil import extend_path
from typing import Any, Callable

import numpy as np

# A checkout's numa_core/ has no built extension and shadows the installed one for commands that
# start in the checkout's root, such as ``python -m numa_core``: look for the extension there too.
__path__ = extend_path(__path__, __name__)

from . import errors  # noqa: E402
from ._cffi import ffi as _ffi  # noqa: E402
from ._cffi import lib as _lib  # noqa: E402

__all__ = [
    "CANDIDATE",
    "EPOCH",
    "EVENT",
    "ROW",
    "RQ",
    "STEP",
    "Handle",
    "cflags",
    "check",
    "counter_rows",
    "ffi",
    "get_include",
    "lib",
    "policy_presets",
    "policy_rows",
    "reason_rows",
    "sources",
    "text",
    "tunable_rows",
]

ffi: Any = _ffi
lib: Any = _lib

#: ``struct numab_row``: 16 bytes; ``page`` holds a page number and, in its high 16 bits, the
#: number of further pages of a range.
ROW = np.dtype([("page", "<u8"), ("reads", "<u4"), ("writes", "<u4")])
#: ``struct numab_epoch``
EPOCH = np.dtype([("row", "<u8"), ("nr_rows", "<u4"), ("tid", "<i4")])
#: ``struct numab_step``; the fields from ``pattern`` on are its ``touch``.
STEP = np.dtype(
    [
        ("kind", "<u4"),
        ("target", "<u4"),
        ("count", "<u8"),
        ("count_max", "<u8"),
        ("pattern", "<u4"),
        ("theta_milli", "<u4"),
        ("vpn", "<u8"),
        ("nr_pages", "<u8"),
        ("touches", "<u8"),
        ("seed", "<u8"),
        ("reads", "<u4"),
        ("writes", "<u4"),
        ("write_permille", "<u4"),
        ("reserved", "<u4"),
    ]
)
#: ``struct numab_event``
EVENT = np.dtype(
    [
        ("now_ns", "<u8"),
        ("vpn", "<u8"),
        ("aux", "<u8"),
        ("nr_pages", "<u4"),
        ("pid", "<i4"),
        ("tid", "<i4"),
        ("kind", "<i2"),
        ("cpu", "<i2"),
        ("from", "<i2"),
        ("to", "<i2"),
        ("reason", "<i4"),
    ]
)
#: ``struct numab_rq``
RQ = np.dtype(
    [
        ("load_weight", "<u8"),
        ("offnode_weight", "<u8"),
        ("cpu_load", "<u8", (5,)),
        ("nr_switches", "<u8"),
        ("nr_running", "<i4"),
        ("onnode_running", "<i4"),
        ("offnode_running", "<i4"),
        ("curr", "<i4"),
        ("nid", "<i4"),
        ("nr_tasks", "<i4"),
    ]
)
#: ``struct numab_candidate``
CANDIDATE = np.dtype(
    [(name, "<i4") for name in ("cpu", "nid", "tid", "home_nid", "here", "there", "other")]
    + [("flags", "<u4")]
)
for _dtype, _name in (
    (ROW, "row"), (EPOCH, "epoch"), (STEP, "step"), (EVENT, "event"), (RQ, "rq"),
    (CANDIDATE, "candidate"),
):
    if _dtype.itemsize != ffi.sizeof(f"struct numab_{_name}"):
        raise ImportError(f"numab_{_name}: the C core was built from another header")

_ERRORS = {
    -2: errors.NoSuchTask,
    -3: errors.NoSuchTask,
    -5: errors.NumabError,
    -11: errors.WouldBlock,
    -12: errors.OutOfMemory,
    -14: errors.AccessFault,
    -16: errors.InvalidArgument,
    -17: errors.AlreadyMapped,
    -19: errors.InvalidArgument,
    -22: errors.InvalidArgument,
    -105: errors.OutOfMemory,
    -106: errors.NumabError,
}


def text(pointer: Any) -> str:
    """A C string as ``str``; ``""`` for NULL."""
    return ffi.string(pointer).decode() if pointer != ffi.NULL else ""


def error(code: int, detail: str = "") -> errors.NumabError:
    """The exception for an error code of the core, with its detail or else the code's sentence."""
    return _ERRORS.get(code, errors.NumabError)(detail or text(lib.numab_strerror(code)))


def counter_rows() -> tuple[tuple[str, str, str, str], ...]:
    """(name, kind, unit, sentence) of every counter, in the core's order."""
    return tuple(
        (
            text(lib.numab_counter_name(i)),
            text(lib.numab_counter_kind(i)),
            text(lib.numab_counter_unit(i)),
            text(lib.numab_counter_text(i)),
        )
        for i in range(lib.numab_nr_counters())
    )


def reason_rows() -> tuple[tuple[str, str], ...]:
    """(name in lower case, sentence) of every reason, in the core's order."""
    return tuple(
        (text(lib.numab_reason_name(i)).lower(), text(lib.numab_reason_text(i)))
        for i in range(lib.numab_nr_reasons())
    )


def tunable_rows() -> tuple[dict[str, Any], ...]:
    """name, kind, unit, text, dflt, as_posted, min, max of every tunable, in the core's order."""
    info = ffi.new("struct numab_tunable_info *")
    rows = []
    for i in range(lib.numab_nr_tunables()):
        lib.numab_tunable_info(i, info)
        row: dict[str, Any] = {k: text(getattr(info, k)) for k in ("name", "kind", "unit", "text")}
        row.update({k: getattr(info, k) for k in ("dflt", "as_posted", "min", "max")})
        rows.append(row)
    return tuple(rows)


def policy_rows() -> tuple[tuple[str, str], ...]:
    """(name, sentence) of every built-in policy."""
    return tuple(
        (text(lib.numab_policy(i).name), text(lib.numab_policy_text(i)))
        for i in range(lib.numab_nr_policies())
    )


def policy_presets() -> dict[str, dict[str, int]]:
    """What each built-in policy presets: policy to tunable to value."""
    names = [row["name"] for row in tunable_rows()]
    policies = [lib.numab_policy(i) for i in range(lib.numab_nr_policies())]
    return {
        text(p.name): {
            names[p.presets[k].tunable]: p.presets[k].value for k in range(p.nr_presets)
        }
        for p in policies
    }


# ---- callbacks: an exception in a hook is kept, and raised where the call into C returns ----


@ffi.def_extern(onerror=None)
def numab_py_place(ud: Any, machine: Any, tid: int) -> int:
    handle = ffi.from_handle(ud)
    if handle.pending is not None:
        return 1
    try:
        handle.place(tid)
    except BaseException as e:  # carried home by check()
        handle.pending = e
        return 1
    return 0


@ffi.def_extern(onerror=None)
def numab_py_balance(ud: Any, machine: Any, lb: Any) -> int:
    handle = ffi.from_handle(ud)
    if handle.pending is not None:
        return -1
    try:
        return handle.balance(lb)
    except BaseException as e:  # carried home by check()
        handle.pending = e
        return -1


@ffi.def_extern(onerror=None)
def numab_py_filter(ud: Any, fault: Any, verdict: Any) -> None:
    handle = ffi.from_handle(ud)
    if handle.pending is not None:
        return  # the page stays
    try:
        handle.filter(fault, verdict)
    except BaseException as e:  # carried home by check()
        handle.pending = e


class _View:
    """An ``__array_interface__`` over the core's memory that keeps its machine alive."""

    def __init__(self, owner: Any, pointer: Any, shape: tuple[int, ...], typestr: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": typestr,
            "data": (int(ffi.cast("uintptr_t", pointer)), True),
        }


class Handle:
    """One ``struct numab_machine`` and what must live as long as it.

    Parameters are those of ``struct numab_config``; ``nodes`` is a sequence of
    ``(nid, pages, min, low, high)``, ``cpu_nid`` one of node ids (-1: no such CPU), ``distance``
    uint8 of shape (nr_nodes, nr_nodes).  ``place(tid)`` and ``balance(lb)``, with a
    ``struct numab_lb *``, are the hooks; the latter returns NUMAB_BALANCE_* bits.

    Raises InvalidArgument or OutOfMemory with the core's own words.
    """

    def __init__(
        self,
        nodes: list[tuple[int, int, int, int, int]],
        cpu_nid: list[int],
        distance: np.ndarray,
        *,
        hz: int = 250,
        seed: int = 0,
        external: bool = False,
        place: Callable[[int], None] | None = None,
        balance: Callable[[Any], int] | None = None,
    ) -> None:
        self.pending: BaseException | None = None
        self.place = place or (lambda tid: None)
        self.balance = balance or (lambda lb: 0)
        self.filter: Callable[[Any, Any], None] | None = None
        self._self = ffi.new_handle(self)
        self._keep: dict[Any, Any] = {}
        c_nodes = ffi.new("struct numab_node[]", len(nodes))
        for c, (nid, pages, wmin, wlow, whigh) in zip(c_nodes, nodes):
            c.nid, c.pages = nid, pages
            c.watermark_min, c.watermark_low, c.watermark_high = wmin, wlow, whigh
        c_cpus = ffi.new("int32_t[]", cpu_nid)
        flat = np.ascontiguousarray(distance, dtype=np.uint8)
        config = ffi.new("struct numab_config *")
        config.size = ffi.sizeof("struct numab_config")
        config.hz, config.seed = hz, seed
        config.nr_nodes, config.nr_cpus = len(nodes), len(cpu_nid)
        config.nodes, config.cpu_nid = c_nodes, c_cpus
        config.distance = ffi.from_buffer("uint8_t[]", flat) if flat.size else ffi.NULL
        config.flags = lib.NUMAB_EXTERNAL if external else 0
        if place is not None:
            config.place, config.place_ud = lib.numab_py_place, self._self
        if balance is not None:
            config.balance, config.balance_ud = lib.numab_py_balance, self._self
        out = ffi.new("struct numab_machine **")
        err = ffi.new("char[256]")
        code = lib.numab_create(config, out, err, 256)
        if code:
            raise error(code, text(err))
        self.m = ffi.gc(out[0], lib.numab_destroy)

    def check(self, code: int) -> int:
        """Pass a result through; raise the core's error, or an exception kept from a hook."""
        if self.pending is not None:
            e, self.pending = self.pending, None
            raise e
        if code < 0:
            raise error(code, text(lib.numab_errmsg(self.m)))
        return code

    def keep(self, key: Any, value: Any) -> Any:
        """Hold what C points to until the same key is kept anew."""
        self._keep[key] = value
        return value

    def view(self, pointer: Any, shape: tuple[int, ...], typestr: str = "<u8") -> np.ndarray:
        """Read-only zero-copy array over the core's memory; it keeps this handle alive."""
        return np.asarray(_View(self, pointer, shape, typestr))

    def records(self, pointer: Any, n: int, dtype: np.dtype[Any]) -> np.ndarray:
        """The same over ``n`` structures of that dtype."""
        return self.view(pointer, (n * dtype.itemsize,), "|u1").view(dtype)

    def use_own_policy(
        self, name: str, flags: int, filter: Any, presets: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Install a user's policy; see :class:`numab.Policy` for the three kinds of filter.

        ``presets``: (index of a tunable, value).
        """
        policy = ffi.new("struct numab_policy *")
        c_name = ffi.new("char[]", name.encode())
        rows = ffi.new("struct numab_preset[]", [(index, 0, value) for index, value in presets])
        policy.name, policy.flags = c_name, flags
        policy.presets, policy.nr_presets = rows, len(presets)
        if filter is None:
            policy.filter = ffi.NULL
        elif isinstance(filter, int):
            policy.filter = ffi.cast("numab_filter_fn", filter)
        elif isinstance(filter, ffi.CData):
            policy.filter = filter
        else:
            policy.filter, policy.ud = lib.numab_py_filter, self._self
        self.check(lib.numab_use_own_policy(self.m, policy))
        self.filter = filter if policy.ud else None
        self.keep("policy", (policy, filter))


def check(handle: Handle, code: int) -> int:
    """Function form of :meth:`Handle.check`."""
    return handle.check(code)


# ---- for embedders ----


def get_include() -> str:
    """Directory that holds ``numab.h``."""
    return str(Path(__file__).resolve().parent)


def sources() -> list[str]:
    """The C sources to compile into a host program: one file."""
    return [str(Path(__file__).resolve().parent / "_core.c")]


def cflags() -> list[str]:
    """Compiler flags for a host's build."""
    return ["-std=c99", "-O3", f"-I{get_include()}"]
