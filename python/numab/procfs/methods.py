"""The files as methods of tasks, processes and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..values import Vma
from .numa_maps import maps_line
from .status import status_masks

if TYPE_CHECKING:
    from ..machine import Machine
    from ..process import Process
    from ..task import Task

__all__ = ["ProcessFiles", "TaskFiles", "vma_path"]


def vma_path(vma: Vma, named: dict[int, str]) -> str | None:
    """Path of what a mapping maps, None: nothing.

    ``named``: what objects were called.  Without a name, shared anonymous memory is
    ``/dev/zero (deleted)`` and a System V segment ``/SYSV00000000 (deleted)``, as in Linux.

    >>> vma_path(Vma(0x1000, 4096, "shm", "rw", (), 3, 0), {})
    '/SYSV00000000 (deleted)'
    """
    if not vma.object:
        return None
    plain = {
        "anon_shared": "/dev/zero (deleted)",
        "shm": "/SYSV00000000 (deleted)",
    }.get(vma.kind, f"/object{vma.object}")
    return named.get(vma.object, plain)


class TaskFiles:
    """What ``/proc/PID/task/TID`` says about memory."""

    machine: Machine
    tid: Any

    def numa_maps(self: Task, *, reader: Task | None = None) -> str:
        """``numa_maps``: a line a mapping, as the machine's era prints it.

        A mapping without a policy of its own shows this task's.  ``reader``: who reads the file,
        which until 3.14 shows where there is no policy at all (see
        :mod:`numab.procfs.numa_maps`); default: the task itself.  Raises NoSuchTask.

        >>> import numab
        >>> m = numab.Machine("2s", era="v6.1")
        >>> p = m.process(cpu=0)
        >>> vma = p.mmap(0x10000000, 8192, flags=["heap"])
        >>> p.main.set_mempolicy("interleave:0-1 static")
        >>> _ = p.main.access(0x10000000, write=True)
        >>> print(p.numa_maps(), end="")
        10000000 interleave=static:0-1 heap anon=1 dirty=1 active=0 N0=1 kernelpagesize_kB=4
        """
        state, info = self.machine.memory, self.info()
        process = self.machine.process_of(info.pid)
        own, _ = state.task_policy(self.tid)
        reader_nid = info.nid if reader is None else reader.info().nid
        lines = []
        for vma in process.vmas():
            at = state.range_policy(info.pid, vma.vaddr, shared=True)
            line = maps_line(
                vma, process.vma_stats(vma.vaddr), own if at is None else at, state.era,
                path=vma_path(vma, self.machine.object_names), reader_nid=reader_nid,
                home_nid=info.home_nid,
            )
            lines.append(f"{line}\n")
        return "".join(lines)

    def status(self: Task) -> str:
        """``status``, of it the four lines on CPUs and nodes allowed.

        >>> import numab
        >>> task = numab.Machine("2s").process(cpu=0).main
        >>> task.set_affinity((0, 2))
        >>> task.status().splitlines()[1]
        'Cpus_allowed_list:\\t0,2'
        """
        nr_cpu_ids = max(self.machine.topology.cpus) + 1
        return status_masks(self.affinity, self.mems_allowed, nr_cpu_ids)


class ProcessFiles:
    """What ``/proc/PID`` says about memory: the files of its main task."""

    main: Any

    def numa_maps(self: Process, *, reader: Task | None = None) -> str:
        """As :meth:`TaskFiles.numa_maps`."""
        return self.main.numa_maps(reader=reader)

    def status(self: Process) -> str:
        """As :meth:`TaskFiles.status`."""
        return self.main.status()
