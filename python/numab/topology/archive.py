"""A tar snapshot of /sys, read in memory; nothing is ever written to disk.

The archive may come from anybody, so every step has a bound: the packed size,
the unpacked size (the reader stops there, however the archive lies about its
members), the number of members, the size of a file that is kept.  An archive
is refused as a whole when a member, or the target of a link, lies outside it.
Links are never followed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import re
import tarfile
from typing import IO, Any, Callable

from numa_core.errors import TopologyError

from numab.topology.cpuset import quoted

__all__ = ["ArchiveTree", "looks_like_archive", "read_archive"]

UNPACKED_BYTES_MAX = 256 << 20
"""Real snapshots unpack to 1-16 MB."""

MEMBERS_MAX = 200_000
"""Real snapshots have up to 17,000 members."""

FILE_BYTES_MAX = 1 << 20
"""The largest file that is read, a row of 1,024 distances, has 4 kB."""

BLOCK_BYTES = 512

_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))

_KEPT = re.compile(
    r"(?P<root>(?:[^/]+/)*?)(?:sys/)?(?P<path>devices/system/"
    r"(?:node/(?:online|node[0-9]+(?:/(?:cpulist|cpumap|distance|meminfo))?)"
    r"|cpu/(?:online|cpu[0-9]+(?:/(?:online|topology/\w+))?)))")


class ArchiveTree:
    """The files of a snapshot that describe its NUMA topology, by their path below sys/."""

    def __init__(self, files: dict[str, str], names: set[str]) -> None:
        self._files = files
        self._names = names

    def read(self, path: str) -> str | None:
        """A file's text, or None when there is no such file."""
        return self._files.get(path)

    def names(self, folder: str) -> list[str]:
        """Names in a folder, ascending; empty when there is no such folder."""
        start = len(folder) + 1
        return sorted({name[start:].partition("/")[0] for name in self._names
                       if name.startswith(folder + "/")})


class _Bounded(io.RawIOBase):
    """A stream that ends with an error after UNPACKED_BYTES_MAX, and keeps its last bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = UNPACKED_BYTES_MAX
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size if size >= 0 else 1 << 16, 1 << 20))
        self._left -= len(data)
        if self._left < 0:
            raise _too_large()
        self.tail = (self.tail + data)[-2 * BLOCK_BYTES:]
        return data


def _too_large() -> TopologyError:
    return TopologyError(f"the archive unpacks to more than {UNPACKED_BYTES_MAX >> 20} MiB")


def looks_like_archive(data: bytes) -> bool:
    """Whether the bytes start as a tar file does, plain or packed by gzip, bzip2 or xz."""
    return any(data.startswith(magic) for magic, _ in _OPENERS) or data[257:262] == b"ustar"


def read_archive(data: bytes) -> ArchiveTree:
    """The /sys tree of a tar archive.

    Its root folder may have any name; a tree without sys/ above devices/ (a tar of /sys
    itself) will do.  Raises TopologyError: not an archive, truncated, corrupt, too large,
    a path or link that climbs out, no /sys tree in it, or more than one.
    """
    try:
        return _read(data)
    except TopologyError:
        raise
    except EOFError:
        raise TopologyError("the archive is truncated") from None
    except Exception as error:  # tarfile and the unpackers document no closed list of errors
        detail = quoted(str(error) or type(error).__name__)
        raise TopologyError(f"the archive is corrupt: {detail}") from None


def _read(data: bytes) -> ArchiveTree:
    packed = io.BytesIO(data)
    opener = next((opener for magic, opener in _OPENERS if data.startswith(magic)), None)
    bounded = _Bounded(opener(packed) if opener else packed)
    trees: dict[str, tuple[dict[str, str], set[str]]] = {}
    with tarfile.open(fileobj=bounded, mode="r|", bufsize=1 << 16) as archive:
        for count, member in enumerate(archive):
            archive.members = []  # type: ignore[attr-defined]  # it would keep every header
            if count >= MEMBERS_MAX:
                raise TopologyError(f"the archive has more than {MEMBERS_MAX} members")
            if member.size > UNPACKED_BYTES_MAX:  # tarfile would step over it, block by block
                raise _too_large()
            path = _checked_path(member)
            match = _KEPT.fullmatch(path)
            if match is None or not (member.isfile() or member.isdir()):
                continue
            files, names = trees.setdefault(match["root"], ({}, set()))
            names.add(match["path"])
            if member.isfile():
                files[match["path"]] = _text(archive, member)
    while bounded.read(1 << 16):  # to the end: the unpacker checks its checksum there
        pass
    if bounded.tail.strip(b"\0") or len(bounded.tail) < 2 * BLOCK_BYTES:
        raise TopologyError("the archive is truncated: it has no end mark")
    if len(trees) != 1:
        found = ", ".join(quoted(root) for root in sorted(trees)[:3]) or "none"
        raise TopologyError(f"expected one /sys tree in the archive, found {found}")
    return ArchiveTree(*trees.popitem()[1])


def _checked_path(member: tarfile.TarInfo) -> str:
    """The member's normal path.  Raises TopologyError when it, or its link, leaves the archive."""
    path = posixpath.normpath(member.name)
    inside = [path]
    if member.islnk():
        inside.append(posixpath.normpath(member.linkname))
    elif member.issym():
        # A link's target counts from its folder.
        inside.append(posixpath.normpath(
            posixpath.join(posixpath.dirname(member.name), member.linkname)))
    for place in inside:
        if place.startswith("/") or place == ".." or place.startswith("../"):
            raise TopologyError(f"the archive's member {quoted(member.name)} leads outside it")
    return path


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.size > FILE_BYTES_MAX:
        raise TopologyError(f"the archive's {quoted(member.name)} has {member.size} bytes, "
                            f"at most {FILE_BYTES_MAX}")
    content = archive.extractfile(member)
    return content.read().decode("latin-1") if content is not None else ""
