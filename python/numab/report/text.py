"""Results as the kernel prints them, and as JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numa_core.errors import InvalidArgument

if TYPE_CHECKING:
    from ..engine import Result

__all__ = ["check_writable", "runs_json", "vmstat_text", "write_json"]


def vmstat_text(vmstat: Mapping[str, int]) -> str:
    """Rows as /proc/vmstat has them: ``name value``, a line each.

    >>> print(vmstat_text({"numa_hint_faults": 3}), end="")
    numa_hint_faults 3
    """
    return "".join(f"{name} {value}\n" for name, value in vmstat.items())


def runs_json(results: Iterable[Result], **about: Any) -> dict[str, Any]:
    """``{"runs": [...], ...}``: plain values, the kernel's names."""
    return {**about, "runs": [r.as_dict() for r in results]}


def check_writable(path: str) -> None:
    """Before a long run: can this file be written?  Leaves it as it is.

    Raises InvalidArgument with one line that names the file.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise InvalidArgument(f"{path}: is a directory, permitted: a file")
    try:
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        handle, name = tempfile.mkstemp(prefix=".numab-", dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as e:
        raise InvalidArgument(f"{path}: cannot be written: {e.strerror}") from None


def write_json(path: str, content: Any) -> None:
    """Write all of it or nothing: a file beside, then renamed into place."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, name = tempfile.mkstemp(prefix=".numab-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            json.dump(content, f, indent=2)
            f.write("\n")
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
