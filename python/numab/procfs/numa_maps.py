"""``/proc/PID/numa_maps``: a line a mapping.

::

    7f0000000000 prefer (many):0-1 file=/srv/a\\040b mapped=3 active=0 N0=3 kernelpagesize_kB=4

Address and policy are always there, then what the mapping is (``file=``, ``heap``, ``stack``,
``huge``), and, if it has a page, how many of which kind.  A policy's name may hold a blank.
Linux: show_numa_map, mpol_to_str.

What changed between the eras:

=================== ======================= ====================================================
                    v2, v3.8                v6.1, v6.12
=================== ======================= ====================================================
no policy           ``prefer:N``            ``default``
``active=``         counts anonymous pages  counts none: since 5.9 pages are born inactive
kernelpagesize_kB=  absent                  there since 4.0
=================== ======================= ====================================================

``prefer:N`` is the internal policy of patch 21 showing through, until 3.14: N is the home node of
the task (v2 only), without one the node on which the *reader* of the file runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..mempolicy import Era, InForce, format_policy
from ..values import PAGE_BYTES, Vma, VmaStats

__all__ = ["MapsLine", "maps_line", "parse_numa_maps", "path_text"]

POLICY_CHARS_MAX = 63
"""The kernel's buffer is 64 bytes; a longer node list is cut off."""

HUGE_PAGE_BYTES = 2 << 20

#: Counts, in order; each is printed when it is not 0, ``active`` when it is not None.
COUNTS = ("anon", "dirty", "mapped", "mapmax", "swapcache", "active", "writeback")


@dataclass(frozen=True)
class MapsLine:
    """One line.

    ``vaddr`` in bytes; ``policy`` as printed; ``file`` a path, None: not a file; the counts in
    pages of ``kernelpagesize_kB`` (None: not printed), ``mapped`` only where it says something that
    ``anon`` and ``dirty`` do not, ``active`` None where all pages are; ``nodes`` pages by node id.

    >>> str(MapsLine(0x400000, "default", file="/bin/a b"))
    '00400000 default file=/bin/a\\\\040b'
    """

    vaddr: int
    policy: str
    file: str | None = None
    heap: bool = False
    stack: bool = False
    huge: bool = False
    anon: int = 0
    dirty: int = 0
    mapped: int = 0
    mapmax: int = 0
    swapcache: int = 0
    active: int | None = None
    writeback: int = 0
    nodes: dict[int, int] = field(default_factory=dict)
    kernelpagesize_kB: int | None = None

    def __str__(self) -> str:
        words = [f"{self.vaddr:08x}", self.policy]
        if self.file is not None:
            words.append(f"file={path_text(self.file)}")
        words += [word for word in ("heap", "stack", "huge") if getattr(self, word)]
        if self.nodes:
            counts = ((name, getattr(self, name)) for name in COUNTS)
            words += [f"{name}={n}" for name, n in counts if n or (name, n) == ("active", 0)]
            words += [f"N{nid}={n}" for nid, n in sorted(self.nodes.items())]
            if self.kernelpagesize_kB is not None:
                words.append(f"kernelpagesize_kB={self.kernelpagesize_kB}")
        return " ".join(words)

    @classmethod
    def parse(cls, text: str) -> MapsLine:
        """The value of a line.  Raises InvalidArgument that names the word it does not know."""
        head = _HEAD.match(text)
        if not head:
            raise InvalidArgument(f"numa_maps line {shown(text)}, permitted: ADDRESS POLICY ...")
        values: dict[str, object] = {}
        nodes: dict[int, int] = {}
        for word in text[head.end():].split():
            if word in ("heap", "stack", "huge"):
                values[word] = True
            elif word.startswith("file="):
                values["file"] = _OCTAL.sub(lambda m: chr(int(m[1], 8)), word[5:])
            elif found := _COUNT.fullmatch(word):
                values[found[1]] = int(found[2])
            elif found := _NODE.fullmatch(word):
                nodes[int(found[1])] = int(found[2])
            else:
                raise InvalidArgument(
                    f"word {shown(word)} in numa_maps line {shown(text)}, permitted: file=, heap, "
                    f"stack, huge, {'=, '.join(COUNTS)}=, N0=, kernelpagesize_kB="
                )
        return cls(int(head[1], 16), head[2], nodes=nodes, **values)  # type: ignore[arg-type]


_HEAD = re.compile(
    r"([0-9a-f]{8,16}) ((?:prefer \(many\)|weighted interleave|[a-z]+)(?:=[a-z|]+)?(?::[0-9,-]+)?)"
    r"(?= |$)", re.ASCII,
)
_COUNT = re.compile(rf"({'|'.join(COUNTS)}|kernelpagesize_kB)=([0-9]{{1,20}})", re.ASCII)
_NODE = re.compile(r"N([0-9]{1,4})=([0-9]{1,20})", re.ASCII)
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


def parse_numa_maps(text: str) -> list[MapsLine]:
    """All lines of a file.

    >>> [line.vaddr for line in parse_numa_maps("00400000 default\\n7fff0000 default stack\\n")]
    [4194304, 2147418112]
    """
    return [MapsLine.parse(line) for line in text.splitlines()]


def path_text(path: str) -> str:
    r"""A path as seq_path prints it here: newline, tab, ``=`` and blank in octal.

    >>> path_text("/dev/zero (deleted)")
    '/dev/zero\\040(deleted)'
    """
    return re.sub(r"[\n\t= ]", lambda m: f"\\{ord(m[0]):03o}", path)


def _policy(policy: InForce | None, era: Era, reader_nid: int, home_nid: int) -> str:
    if policy is None and era.local_is_preferred:
        own = home_nid if era.name == "v2" and home_nid >= 0 else reader_nid
        return f"prefer:{own}"
    return format_policy(policy)[:POLICY_CHARS_MAX]


def maps_line(
    vma: Vma,
    stats: VmaStats,
    policy: InForce | None,
    era: Era,
    *,
    path: str | None = None,
    reader_nid: int = 0,
    home_nid: int = -1,
) -> MapsLine:
    """The line of a mapping.

    ``policy``: the one in force there (mapping, else task), None: none; ``path``: of the object,
    None: anonymous; ``reader_nid``, ``home_nid``: see the module's text.

    >>> from numab.mempolicy import ERAS
    >>> vma = Vma(0x10000000, 8192, "anon_private", "rw", ("heap",), 0, 0)
    >>> stats = VmaStats(2, 2, 2, 0, 1, {0: 2})
    >>> print(maps_line(vma, stats, None, ERAS["v2"], reader_nid=1))
    10000000 prefer:1 heap anon=2 dirty=2 N0=2
    >>> print(maps_line(vma, stats, None, ERAS["v6.1"]))
    10000000 default heap anon=2 dirty=2 active=0 N0=2 kernelpagesize_kB=4
    """
    old, huge = era.local_is_preferred, "hugetlb" in vma.flags
    if huge and path is None:
        path = "/anon_hugepage (deleted)"
    heap = path is None and "heap" in vma.flags
    active = stats.anon if old else 0
    alike = stats.pages in (stats.anon, stats.dirty)
    return MapsLine(
        vma.vaddr,
        _policy(policy, era, reader_nid, home_nid),
        file=path,
        heap=heap,
        stack=path is None and not heap and "stack" in vma.flags,
        huge=huge,
        anon=stats.anon,
        dirty=stats.dirty,
        mapped=0 if alike else stats.pages,
        mapmax=stats.mapcount_max if stats.mapcount_max > 1 else 0,
        active=active if active < stats.pages and not huge else None,
        writeback=stats.writeback,
        nodes=dict(stats.nodes),
        kernelpagesize_kB=None if old else (HUGE_PAGE_BYTES if huge else PAGE_BYTES) // 1024,
    )
