"""Results as the kernel prints them, and as JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numa_core.errors import InvalidArgument

from ..arguments import shown

if TYPE_CHECKING:
    from ..engine import Result

__all__ = ["check_writable", "runs_json", "vmstat_text", "write_json", "write_text"]


def vmstat_text(vmstat: Mapping[str, int]) -> str:
    """Rows as /proc/vmstat has them: ``name value``, a line each.

    >>> print(vmstat_text({"numa_hint_faults": 3}), end="")
    numa_hint_faults 3
    """
    return "".join(f"{name} {value}\n" for name, value in vmstat.items())


def runs_json(results: Iterable[Result], **about: Any) -> dict[str, Any]:
    """``{"runs": [...], ...}``: plain values, the kernel's names."""
    return {**about, "runs": [r.as_dict() for r in results]}


def _is_plain(path: str) -> bool:
    return os.path.isfile(path) or not os.path.exists(path)


def _folder(path: str) -> str:
    return os.path.dirname(os.path.realpath(path))


def check_writable(path: str) -> None:
    """Before a long run: can this file be written?  Leaves it as it is.

    Raises InvalidArgument with one line that names the file.
    """
    if os.path.isdir(path):
        raise InvalidArgument(f"{path}: is a directory, permitted: a file")
    try:
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        if _is_plain(path):
            handle, name = tempfile.mkstemp(prefix=".numab-", dir=_folder(path))
            os.close(handle)
            os.unlink(name)
    except (OSError, ValueError) as e:  # ValueError: a zero byte
        reason = getattr(e, "strerror", None) or e
        raise InvalidArgument(
            f"{shown(path)}: cannot be written ({reason}), permitted: a file in a writable folder"
        ) from None


def write_json(path: str, content: Any) -> None:
    """Plain values as JSON, all of it or nothing."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: str, text: str) -> None:
    """Write all of it or nothing: a file beside, then renamed into place.

    A symbolic link stays one; a pipe or a device is written to directly.  Raises OSError with the
    file's name.
    """
    try:
        _write(path, text)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise OSError(e.errno, e.strerror, path) from None


def _write(path: str, text: str) -> None:
    if not _is_plain(path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return
    path = os.path.realpath(path)
    handle, name = tempfile.mkstemp(prefix=".numab-", dir=_folder(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            f.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
