"""Tunables: one mapping under the kernel's names, in every generation's spelling.

The rows are those of ``numa_core/tunables.def``.  The scan tunables and the switch moved twice:

========== ==================================== ==============================================
generation scan tunables                        on and off
========== ==================================== ==============================================
2012       ``kernel.balance_numa_<name>``       sched feature ``NUMA`` / ``NO_NUMA``
3.8        ``kernel.numa_balancing_<name>``     ``kernel.numa_balancing``
5.13       ``sched/numa_balancing/<name>`` in   ``kernel.numa_balancing``
           debugfs
========== ==================================== ==============================================

The scheduler's ``kernel.sched_<name>`` became ``sched/<name>`` in debugfs with 5.13.  Any of them,
and the bare name, is understood wherever a tunable is named.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass

from numa_core import Handle, lib, tunable_rows
from numa_core.errors import InvalidArgument

from .arguments import shown

__all__ = ["GENERATIONS", "TUNABLES", "Tunable", "Tunables", "parse_assignments", "resolve"]

#: The three generations of names, oldest first.
GENERATIONS = ("2012", "3.8", "5.13")

#: Came after the posting, and went before the names moved to debugfs.
_ONLY = {"scan_period_reset": ("3.8",)}
_PREFIXES = (
    "/proc/sys/kernel/",
    "/sys/kernel/debug/sched/",
    "sys/kernel/debug/sched/",
    "kernel.",
    "kernel/",
    "sched_features: ",
    "sched/",
    "numa_balancing/",
    "balance_numa_",
    "numa_balancing_",
)


@dataclass(frozen=True)
class Tunable:
    """One row: what it is called, what it may be, what it does.

    ``kind`` is SYSCTL (the kernel's own), SCHED (the scheduler's), FEATURE (a scheduler feature),
    SWITCH (as posted, mended or later), INJECT or PRICE.
    """

    name: str
    kind: str
    unit: str
    text: str
    dflt: int
    as_posted: int
    min: int
    max: int

    @property
    def generations(self) -> tuple[str, ...]:
        """Whose kernels have the knob, oldest first; the model's own switches are in none.

        >>> TUNABLES["numa_homenode_pull"].generations     # home nodes were never merged
        ('2012',)
        """
        if self.kind not in ("SYSCTL", "SCHED", "FEATURE"):
            return ()
        return _ONLY.get(self.name) or (GENERATIONS[:1] if self.kind == "FEATURE" else GENERATIONS)

    def spelling(self, generation: str) -> str:
        """The name a kernel of that generation knows it by.

        >>> TUNABLES["scan_size_mb"].spelling("3.8")
        'kernel.numa_balancing_scan_size_mb'
        >>> TUNABLES["numa_balancing"].spelling("2012")
        'sched_features: NUMA'

        The bare name where that generation has no such knob (see :attr:`generations`).
        """
        if generation not in GENERATIONS:
            raise InvalidArgument(
                f"generation {generation!r}, permitted: {', '.join(GENERATIONS)}"
            )
        if generation not in self.generations:
            return self.name
        if self.kind == "FEATURE":
            return f"sched_features: {self.name.upper()}"
        if self.kind == "SCHED":
            return (f"sched/{self.name.removeprefix('sched_')}" if generation == "5.13"
                    else f"kernel.{self.name}")
        if self.name == "numa_balancing":
            return "sched_features: NUMA" if generation == "2012" else "kernel.numa_balancing"
        return {
            "2012": f"kernel.balance_numa_{self.name}",
            "3.8": f"kernel.numa_balancing_{self.name}",
            "5.13": f"sched/numa_balancing/{self.name}",
        }[generation]


#: Every tunable by its bare name, in the core's order.
TUNABLES: dict[str, Tunable] = {row["name"]: Tunable(**row) for row in tunable_rows()}
_INDEX = {name: i for i, name in enumerate(TUNABLES)}
_SOURCES = ("default", "policy", "user")
#: Last words that are not the bare name.
_ALIASES = {
    "NUMA": "numa_balancing",
    **{t.name.upper(): t.name for t in TUNABLES.values() if t.kind == "FEATURE"},
    **{t.name.removeprefix("sched_"): t.name for t in TUNABLES.values() if t.kind == "SCHED"},
}
#: Scheduler features by kernel name, in the order of features.h.
FEATURES = {"NUMA": "numa_balancing", **{k: v for k, v in _ALIASES.items() if v.upper() == k}}


def resolve(name: str) -> str:
    """The bare name behind any spelling.

    >>> resolve("kernel.balance_numa_scan_delay_ms"), resolve("/proc/sys/kernel/numa_balancing")
    ('scan_delay_ms', 'numa_balancing')

    Raises InvalidArgument that suggests the nearest names.
    """
    if not isinstance(name, str):
        raise InvalidArgument(f"tunable {shown(name)}, permitted: a name")
    bare = name.strip()
    while bare not in TUNABLES:
        if bare in _ALIASES:
            return _ALIASES[bare]
        prefix = next((p for p in _PREFIXES if bare.startswith(p) and bare != p), None)
        if prefix is None:
            near = difflib.get_close_matches(bare, TUNABLES, 3, 0.5)
            hint = f"; nearest: {', '.join(near)}" if near else "; see `numab tunables`"
            raise InvalidArgument(f"unknown tunable {shown(name)}{hint}")
        bare = bare[len(prefix) :]
    return bare


def _refused(name: str, value: object, why: str = "") -> InvalidArgument:
    row = TUNABLES[name]
    return InvalidArgument(
        f"{name} = {shown(value)}{why}, permitted {row.min}..{row.max} {row.unit}"
    )


def _value(name: str, text: str) -> int:
    try:
        return int(text.strip(), 10)
    except ValueError:
        raise _refused(name, text, ": not a whole number") from None


def parse_assignments(words: Iterable[str], *, as_posted: bool = False) -> dict[str, int]:
    """``["scan_size_mb=16", ...]`` as a checked mapping of bare names; scheduler features also as
    they are written to ``sched_features``, without a value.

    ``as_posted``: SYSCTL rows may have any 32-bit value, as for :class:`Tunables`.

    >>> parse_assignments(["kernel.numa_balancing_scan_size_mb=16", "NO_NUMA_HOMENODE_PULL"])
    {'scan_size_mb': 16, 'numa_homenode_pull': 0}
    """
    out = {}
    for word in words:
        feature = word.strip().removeprefix("NO_")
        if feature in FEATURES:
            word = f"{feature}={int(feature == word.strip())}"
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f"{shown(word)}, permitted: name=value")
        bare = resolve(name)
        row, number = TUNABLES[bare], _value(bare, value)
        handler_of_2012 = as_posted and row.kind == "SYSCTL" and -(2**31) <= number < 2**31
        if not (row.min <= number <= row.max or handler_of_2012):
            raise _refused(bare, number)
        out[bare] = number
    return out


class Tunables(MutableMapping[str, int]):
    """A machine's tunables.  Keys take any spelling; iteration gives bare names.

    Setting takes effect at once, and lasts: policies that preset the tunable leave it alone (see
    :meth:`source`).  Values outside a row's range raise InvalidArgument and change
    nothing; on a machine built ``as_posted`` SYSCTL rows take any 32-bit integer, as the handler
    of 2012 did.

    >>> from numab import Machine
    >>> t = Machine("2s").tunables
    >>> t["kernel.numa_balancing_scan_size_mb"] = 64
    >>> t["scan_size_mb"]
    64
    """

    def __init__(self, handle: Handle) -> None:
        self._h = handle

    def __getitem__(self, name: str) -> int:
        return lib.numab_get(self._h.m, _INDEX[resolve(name)])

    def __setitem__(self, name: str, value: int) -> None:
        bare = resolve(name)
        try:
            number = operator.index(value)
        except TypeError:
            raise _refused(bare, value, ": not a whole number") from None
        if not -(2**63) <= number < 2**63:
            raise _refused(bare, number)
        self._h.check(lib.numab_set(self._h.m, _INDEX[bare], number))

    def __delitem__(self, name: str) -> None:
        raise InvalidArgument(f"tunable {name!r} cannot be removed, only set")

    def __contains__(self, name: object) -> bool:
        try:
            return bool(resolve(name))  # type: ignore[arg-type]
        except InvalidArgument:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(TUNABLES)

    def __len__(self) -> int:
        return len(TUNABLES)

    def update_checked(self, values: Mapping[str, int]) -> None:
        """Set several, or none: all are checked before the first is set."""
        if not isinstance(values, Mapping):
            raise InvalidArgument(f"tunables {shown(values)}, permitted: a mapping, name to value")
        before = {bare: (self[bare], self.source(bare)) for bare in map(resolve, values)}
        try:
            for name, value in values.items():
                self[name] = value
        except Exception:
            for bare, (value, source) in before.items():
                if source == "user":
                    self[bare] = value
                else:
                    self.unset(bare)
            raise

    def unset(self, name: str) -> None:
        """Forget what was set: the policy's preset is in force again, or the default.

        >>> from numab import Machine
        >>> t = Machine("2s", policy="v3_8").tunables
        >>> t["scan_period_min_ms"] = 500
        >>> t.unset("scan_period_min_ms")
        >>> t["scan_period_min_ms"], t.source("scan_period_min_ms")
        (100, 'policy')
        """
        self._h.check(lib.numab_unset(self._h.m, _INDEX[resolve(name)]))

    def source(self, name: str) -> str:
        """Whose value is in force: ``user``, ``policy`` (a preset) or ``default`` (the row's own,
        as posted on a machine built so).  A user's value wins over a preset, a preset over the
        row's own, whichever came first."""
        return _SOURCES[self._h.check(lib.numab_tunable_source(self._h.m, _INDEX[resolve(name)]))]

    def boot(self, parameter: str) -> None:
        """The boot parameter that the posting still missed: ``numa_balancing=enable|disable``.

        ``balancenuma=`` (the spelling of version 10) is understood too.
        """
        name, _, value = str(parameter).strip().partition("=")
        if name not in ("numa_balancing", "balancenuma") or value not in ("enable", "disable"):
            raise InvalidArgument(
                f"boot parameter {shown(parameter)}, permitted: numa_balancing=enable, "
                "numa_balancing=disable"
            )
        self["numa_balancing"] = int(value == "enable")

    def features_text(self) -> str:
        """The scheduler features as debugfs' ``sched_features`` prints them, in one line."""
        return " ".join(("" if self[bare] else "NO_") + name for name, bare in FEATURES.items())

    def load_features(self, words: str) -> None:
        """Switch features on, or with ``NO_`` before the name off; all are checked first.

        Raises InvalidArgument for an unknown name.
        """
        values = {}
        for word in str(words).split():
            name = word.removeprefix("NO_")
            if name not in FEATURES:
                raise InvalidArgument(
                    f"sched feature {shown(word)}, permitted: {', '.join(FEATURES)}, or NO_ "
                    "before one"
                )
            values[FEATURES[name]] = int(name == word)
        self.update_checked(values)

    def sysctl_text(self, generation: str = "3.8") -> str:
        """The SYSCTL rows that a generation has as ``sysctl`` prints them, one ``name = value`` a
        line."""
        rows = [t for t in TUNABLES.values()
                if t.kind == "SYSCTL" and generation in t.generations]
        return "".join(f"{t.spelling(generation)} = {self[t.name]}\n" for t in rows)

    def load_sysctl(self, text: str) -> None:
        """Read ``name = value`` lines in any spelling; ``#`` and ``;`` start comments.

        All lines are checked before the first takes effect.
        """
        values = {}
        for line in text.splitlines():
            line = line.strip()
            if not line or line[0] in "#;":
                continue
            name, equals, value = line.partition("=")
            if not equals:
                raise InvalidArgument(f"{shown(line)}, permitted: name = value")
            bare = resolve(name)
            values[bare] = _value(bare, value)
        self.update_checked(values)
