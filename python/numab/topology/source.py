"""Which reader a source belongs to, by what it is and not by its name."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from numa_core.errors import TopologyError

from numab.topology.archive import looks_like_archive, read_archive
from numab.topology.draft import Draft
from numab.topology.hwloc_xml import looks_like_xml, read_hwloc_xml
from numab.topology.numactl_text import looks_like_numactl, read_numactl
from numab.topology.presets import (
    PRESETS, looks_synthetic, nearest_preset, read_preset, read_synthetic)
from numab.topology.sysfs import find_folder_tree, read_sysfs

__all__ = ["read_source", "shown"]

PACKED_BYTES_MAX = 64 << 20
"""Real files have up to 340 kB."""

SHOWN_CHARS_MAX = 120


def read_source(source: str | os.PathLike[str]) -> tuple[str, Draft]:
    """Name and draft of the machine that ``source`` is; see :meth:`Topology.load`."""
    if not isinstance(source, (str, os.PathLike)):
        raise TopologyError(f"expected a str or a path, not {type(source).__name__}")
    if isinstance(source, str) and source in PRESETS:
        return source, read_preset(PRESETS[source])
    try:
        path = Path(os.fsdecode(source))
        mode = path.stat().st_mode if os.fspath(source) else 0
        if mode:
            return _name(path), _read_path(path, mode)
    except TopologyError:
        raise
    except FileNotFoundError:
        pass
    except OSError as error:
        raise TopologyError(f"cannot read: {error.strerror or error}") from None
    except ValueError:  # a NUL or a lone surrogate
        raise TopologyError("not a file name") from None
    if isinstance(source, str) and looks_synthetic(source):
        return " ".join(source.split()), read_synthetic(source)
    raise TopologyError(_absent(os.fsdecode(source)))


def shown(source: object) -> str:
    """A source as a message names it: printable, its end when it is long."""
    text = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
    if not text.isprintable() or not text:
        text = ascii(text)
    return text if len(text) <= SHOWN_CHARS_MAX else "..." + text[-SHOWN_CHARS_MAX:]


def _absent(text: str) -> str:
    nearest = None if os.sep in text else nearest_preset(text)
    question = f"; did you mean {nearest!r}?" if nearest else ""
    return f"no such file or preset{question} (presets: {', '.join(PRESETS)})"


def _name(path: Path) -> str:
    return re.sub(r"(\.tar(\.\w+)?|\.tgz|\.xml|\.txt)$", "", path.name) or str(path)


def _read_path(path: Path, mode: int) -> Draft:
    if stat.S_ISDIR(mode):
        return read_sysfs(find_folder_tree(path))
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise TopologyError("neither a file nor a folder")
    with open(path, "rb") as file:
        data = file.read(PACKED_BYTES_MAX + 1)
    if len(data) > PACKED_BYTES_MAX:
        raise TopologyError(f"the file has more than {PACKED_BYTES_MAX >> 20} MiB")
    if not data:
        raise TopologyError("the file is empty")
    if looks_like_archive(data):
        return read_sysfs(read_archive(data))
    if looks_like_xml(data):
        return read_hwloc_xml(data)
    text = data.decode("utf-8", errors="replace")
    if looks_like_numactl(text):
        return read_numactl(text)
    raise TopologyError("neither a tar archive of /sys (.tar, .gz, .bz2, .xz), nor hwloc XML, "
                        "nor the text of numactl --hardware")
