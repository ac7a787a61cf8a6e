"""The ``mpol=`` option of a tmpfs mount, as strictly as the kernel reads it.

A mount's policy is the first policy of every file there.  What is not understood makes mount(2)
fail with EINVAL.  :func:`numab.mempolicy.parse` reads the same words, and more, for users.
"""

from __future__ import annotations

from collections.abc import Iterable

from numa_core.errors import InvalidArgument, TopologyError

from ..arguments import shown
from ..topology.cpuset import parse_list
from .modes import MODES, Era, Flags, Mode
from .policy import MemPolicy

__all__ = ["mpol_parse_str"]

FLAGS = {"static": Flags.STATIC_NODES, "relative": Flags.RELATIVE_NODES}
_MAX_NODES = 1024


def mpol_parse_str(text: str, memory_nodes: Iterable[int], era: Era) -> MemPolicy:
    """The policy behind ``mpol=``: ``MODE[=static|=relative][:NODES]``, nothing more or less.

    ``memory_nodes``: the nodes with memory, outside which no node may be named, and which an
    interleave without a list takes.  Raises InvalidArgument: mount says EINVAL.
    Linux: mpol_parse_str.

    >>> from .modes import ERAS
    >>> str(mpol_parse_str("interleave=static", (0, 1), ERAS["v3.8"]))
    'interleave=static:0-1'
    >>> mpol_parse_str("prefer:0-1", (0, 1), ERAS["v6.1"])
    Traceback (most recent call last):
    numa_core.errors.InvalidArgument: nodes '0-1' of mpol='prefer:0-1', permitted: one number
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"mpol= {shown(text)}, permitted: a text such as bind:0-1")
    known = sorted(memory_nodes)
    rest, colon, listed = text.partition(":")
    name, equals, flag = rest.partition("=")
    row = _mode(text, name, era)
    nodes = _nodes(text, listed, known) if colon else None
    if row.name == "DEFAULT" and nodes is None:
        return MemPolicy("DEFAULT")  # and its flags, whatever they are, are not looked at
    _check_nodes(text, row, listed if colon else None, nodes)
    if equals and flag not in FLAGS:
        raise InvalidArgument(
            f"flag {shown(flag)} of mpol={shown(text)}, permitted: {', '.join(FLAGS)}"
        )
    if nodes is None and row.rule in ("INTERLEAVE", "WEIGHTED_INTERLEAVE"):
        nodes = tuple(known)
    return MemPolicy(row.name, nodes or (), FLAGS[flag] if equals else Flags.NONE)


def _mode(text: str, name: str, era: Era) -> Mode:
    names = {row.text: row for row in MODES.values() if era.has(row.name) and row.name != "NOOP"}
    if name not in names:
        raise InvalidArgument(
            f"mode {shown(name)} of mpol={shown(text)}, permitted in era {era.name}: "
            f"{', '.join(map(repr, names))}"
        )
    return names[name]


def _nodes(text: str, listed: str, known: list[int]) -> tuple[int, ...]:
    try:
        nodes = parse_list(listed, f"nodes of mpol={shown(text)}", _MAX_NODES)
    except TopologyError as e:
        raise InvalidArgument(str(e)) from None
    strange = sorted(nodes - set(known))
    if strange:
        raise InvalidArgument(f"node {strange[0]} of mpol={shown(text)}, permitted: {known}")
    return tuple(sorted(nodes))


def _check_nodes(
    text: str, row: Mode, listed: str | None, nodes: tuple[int, ...] | None
) -> None:
    if row.mask == "none" and nodes is not None:
        raise InvalidArgument(f"nodes {shown(listed)} of mpol={shown(text)}, permitted: none")
    if row.name == "PREFERRED" and listed is not None and not (listed.isdecimal() and nodes):
        raise InvalidArgument(f"nodes {shown(listed)} of mpol={shown(text)}, permitted: one number")
    if row.name in ("BIND", "PREFERRED_MANY") and not nodes:
        raise InvalidArgument(f"no nodes in mpol={shown(text)}, permitted: at least one")
