"""Policies as text: the kernel's ``mpol=`` syntax and numactl's words in, numa_maps' spelling out.

====================================  ==========================================================
``bind=static:0-3,5``                 the kernel's: mode, ``=static`` ``=relative`` ``=balancing``,
                                      ``:`` node list
``bind:0,1 static lazy``              flags as further words; ``lazy`` is mbind's LAZY
``--membind=0,1 --balancing``         numactl's options, long or short
====================================  ==========================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from numa_core.errors import InvalidArgument, TopologyError

from ..arguments import shown
from ..topology.cpuset import format_list, parse_list
from .modes import MODES, Flags
from .policy import InForce, MemPolicy

__all__ = ["format_policy", "parse"]

NR_NODE_IDS = 1024
FLAG_WORDS = {
    "static": Flags.STATIC_NODES,
    "relative": Flags.RELATIVE_NODES,
    "balancing": Flags.NUMA_BALANCING,
    "lazy": Flags.MOF,
}
#: numactl's options: long, short, mode.
NUMACTL = (
    ("interleave", "i", "INTERLEAVE"),
    ("weighted-interleave", "w", "WEIGHTED_INTERLEAVE"),
    ("membind", "m", "BIND"),
    ("preferred", "p", "PREFERRED"),
    ("preferred-many", "P", "PREFERRED_MANY"),
    ("localalloc", "l", "LOCAL"),
)


def _squeezed(word: str) -> str:
    return re.sub(r"[ _()-]+", "", word.lower())


#: Every spelling of a mode, without blanks, ``_``, ``-`` and brackets, in lower case.
_SPELLINGS = {
    **{_squeezed(long): mode for long, _, mode in NUMACTL},
    **{_squeezed(row.name): row.name for row in MODES.values()},
    **{_squeezed(row.text): row.name for row in MODES.values()},
}


def format_policy(policy: MemPolicy | InForce | None) -> str:
    """A policy as ``/proc/PID/numa_maps`` prints it; None and the internal ones are ``default``.

    Linux: mpol_to_str.

    >>> format_policy(MemPolicy("BIND", (0, 1, 3), Flags.STATIC_NODES | Flags.NUMA_BALANCING))
    'bind=static|balancing:0-1,3'
    """
    if policy is None:
        return "default"
    if isinstance(policy, InForce):
        asked, nodes, local = policy.asked, policy.nodes, policy.local
    else:
        asked, nodes = policy, policy.nodes
        local = policy.mode == "PREFERRED" and not nodes
    text = MODES["LOCAL"].text if local else asked.row.text
    words = [w for w, f in FLAG_WORDS.items() if f != Flags.MOF and asked.flags & f]
    if words:
        text += "=" + "|".join(words)
    return text + (":" + format_list(nodes) if nodes and not local else "")


def parse(text: str, memory_nodes: Iterable[int] | None = None) -> MemPolicy:
    """The policy that a text names.

    ``memory_nodes``: the machine's nodes with memory, which ``all``, ``!0`` (all but 0), ``+0``
    (the first of them) and an interleave without a list stand for; without it they are refused.

    Raises InvalidArgument that names the word it does not understand.

    >>> parse("interleave=relative:0-2")
    MemPolicy(mode='INTERLEAVE', nodes=(0, 1, 2), flags=<Flags.RELATIVE_NODES: 16384>)
    >>> parse("--preferred=1") == parse("prefer:1")
    True
    >>> str(parse("bind:0,1 static lazy"))
    'bind=static:0-1'
    >>> parse("prefer (many):0-1").mode
    'PREFERRED_MANY'
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument(f"policy {shown(text)}, permitted: a text such as bind:0-1")
    known = None if memory_nodes is None else sorted(memory_nodes)
    if text.lstrip().startswith("-"):
        return _numactl(text, known)
    return _kernel(text, known)


# ---- the kernel's syntax ----

_HEAD = re.compile(
    r"(?:mpol=)?(?:MPOL_)?(?P<mode>weighted[ _-]interleave|prefer(?:red)?[ _-]?\(?many\)?|[a-z]+)"
    r"(?:=(?P<flags>[a-z|]+))?(?::(?P<nodes>\S+))?(?P<words>(?:\s+[a-z]+)*)",
    re.IGNORECASE,
)


def _kernel(text: str, known: list[int] | None) -> MemPolicy:
    head = _HEAD.fullmatch(text.strip())
    mode = _SPELLINGS.get(_squeezed(head["mode"])) if head else None
    if head is None or mode is None:
        raise InvalidArgument(
            f"policy {shown(text)}, permitted: MODE[=static|relative|balancing][:NODES] with MODE "
            f"one of {', '.join(repr(row.text) for row in MODES.values())}"
        )
    flags = Flags.NONE
    words = (head["flags"].split("|") if head["flags"] else []) + head["words"].split()
    for word in words:
        if word.lower() not in FLAG_WORDS:
            raise InvalidArgument(
                f"flag {shown(word)} in policy {shown(text)}, permitted: {', '.join(FLAG_WORDS)}"
            )
        flags |= FLAG_WORDS[word.lower()]
    return _policy(text, mode, head["nodes"], flags, known)


# ---- numactl's options ----


def _numactl(text: str, known: list[int] | None) -> MemPolicy:
    """numactl takes one policy and --balancing (-b); other options are not policies."""
    options = {f"--{long}": mode for long, _, mode in NUMACTL}
    options.update({f"-{short}": mode for _, short, mode in NUMACTL})
    words, found, flags = text.split(), None, Flags.NONE
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if word in ("--balancing", "-b"):
            flags |= Flags.NUMA_BALANCING
        elif not word.startswith("-") and word.lower() in FLAG_WORDS:
            flags |= FLAG_WORDS[word.lower()]
        elif option in options and found is None:
            mode = options[option]
            if MODES[mode].mask != "none" and not equals and words:
                value = words.pop(0)
            found = (mode, value if equals or value else None)
        else:
            raise InvalidArgument(
                f"word {shown(word)} in policy {shown(text)}, permitted: one of "
                f"{', '.join(f'--{long}' for long, _, _ in NUMACTL)}, and --balancing"
            )
    if found is None:
        raise InvalidArgument(f"policy {shown(text)}: --balancing goes with a policy")
    return _policy(text, *found, flags, known)


# ---- node lists ----


def _policy(
    text: str, mode: str, nodes: str | None, flags: Flags, known: list[int] | None
) -> MemPolicy:
    row = MODES[mode]
    if nodes is None:
        if row.rule in ("INTERLEAVE", "WEIGHTED_INTERLEAVE"):
            return MemPolicy(mode, tuple(_machine(text, known)), flags)
        return MemPolicy(mode, (), flags)
    given = _nodes(text, nodes, known)
    if mode == "PREFERRED" and len(given) != 1:
        raise InvalidArgument(f"policy {shown(text)}, permitted: one preferred node")
    return MemPolicy(mode, tuple(given), flags)


def _machine(text: str, known: list[int] | None) -> list[int]:
    if known is None:
        raise InvalidArgument(
            f"policy {shown(text)} means all of a machine's nodes: name a machine"
        )
    return known


def _nodes(text: str, nodes: str, known: list[int] | None) -> list[int]:
    if nodes == "all":
        return _machine(text, known)
    sign, rest = (nodes[0], nodes[1:]) if nodes[:1] in ("!", "+") else ("", nodes)
    try:
        listed = parse_list(rest, f"nodes of policy {shown(text)}", NR_NODE_IDS)
    except TopologyError as e:
        raise InvalidArgument(str(e)) from None
    if sign == "!":
        return [n for n in _machine(text, known) if n not in listed]
    if sign == "+":
        machine = _machine(text, known)
        beyond = [n for n in sorted(listed) if n >= len(machine)]
        if beyond:
            raise InvalidArgument(
                f"node +{beyond[0]} in policy {shown(text)}, permitted +0..+{len(machine) - 1}"
            )
        return [machine[n] for n in listed]
    return sorted(listed)
