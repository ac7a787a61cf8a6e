"""perf_bench_numa: ``perf bench numa mem`` with perf's own options.

    numab compare perf_bench_numa --args "-p 2 -t 8 -P 512 -l 40" ...

  -p N  processes                      -G MB  global memory, shared by all processes
  -t N  threads a process              -P MB  memory of a process, used by all its threads
  -l N  loops                          -T MB  memory of a thread
  -R, -W, -Z  reads, writes, memset    -r     random pages instead of sweeps
  -C CPUs, -M NODES  for the first threads    -0  initialise on the first node

Each loop a thread goes over the global memory, its process's and its own.  -B (backwards) is
accepted and makes the same touches: a page has no direction here.  -z and -I (initialisation) say
what first touch does anyway.  -s is --duration, -H is --thp, and -c, -m, -d, -q, -a only say what
perf prints: these are refused, as are -L (memory under a lock), -x (perturbation), -u (sleeps) and
-S (serialised start), which are not modelled.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..program import Touch
from .load import PAGE_LINES, Load, Phase, Range, Share, Size, Thread, again

MB_PAGES = 256
MANY = 1 << 20
_NOT_HERE = {
    "-s": "use --duration", "--nr_secs": "use --duration", "-H": "use --thp", "--thp": "use --thp",
    "-L": "memory under a lock is not modelled",
    "--mb_proc_locked": "memory under a lock is not modelled",
    "-x": "perturbation is not modelled", "--perturb_secs": "perturbation is not modelled",
    "-u": "sleeps between loops are not modelled", "--usleep": "sleeps are not modelled",
    "-S": "a serialised start is not modelled", "--serialize-startup": "not modelled",
    "-c": "it only prints", "-m": "it only prints", "-d": "it only prints", "-q": "it only prints",
    "-a": "run one at a time", "--all": "run one at a time",
}


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"perf_bench_numa: {message}; permitted: -p -t -G -P -T -l -R -W -B "
                              "-Z -r -z -I -0 -C -M")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 7 or int(text) > MANY:
        raise argparse.ArgumentTypeError(f"{shown(text)}, permitted 0..{MANY}")
    return int(text)


def _list(text: str) -> list[int]:
    """``0,2,4-7``"""
    out = []
    for word in text.split(","):
        first, dash, last = word.partition("-")
        low, high = _number(first), _number(last if dash else first)
        if high - low >= MANY // 16 or high < low:
            raise argparse.ArgumentTypeError(f"{shown(text)}, permitted: such as 0,2,4-7")
        out += range(low, high + 1)
    return out


def _parsed(args: str) -> Any:
    parser = _Options(prog="perf_bench_numa", add_help=False, allow_abbrev=False)
    for short, name in (("p", "nr_proc"), ("t", "nr_threads"), ("G", "mb_global"),
                        ("P", "mb_proc"), ("T", "mb_thread"), ("l", "nr_loops")):
        parser.add_argument(f"-{short}", f"--{name}", dest=name, type=_number)
    for short, name in (("R", "data_reads"), ("W", "data_writes"), ("B", "data_backwards"),
                        ("Z", "data_zero_memset"), ("r", "data_rand_walk"), ("z", "init_zero"),
                        ("I", "init_random"), ("0", "init_cpu0")):
        parser.add_argument(f"-{short}", f"--{name}", dest=name, action="store_true")
    parser.add_argument("-C", "--cpus", dest="cpus", type=_list, default=[])
    parser.add_argument("-M", "--memnodes", dest="memnodes", type=_list, default=[])
    try:
        words = shlex.split(args)
    except ValueError as e:
        raise InvalidArgument(f"--args {shown(args)}: {e}, permitted: perf's options") from None
    for word in words:
        why = _NOT_HERE.get(word.partition("=")[0])
        if why:
            raise InvalidArgument(f"perf_bench_numa: {word}: {why}, permitted: -p -t -G -P -T -l "
                                  "-R -W -B -Z -r -z -I -0 -C -M")
    return parser.parse_args(words)


def _permille(options: Any) -> int:
    """Of the touches, how many write: memset and -W alone all of them, -R with -W half."""
    if options.data_zero_memset or (options.data_writes and not options.data_reads):
        return 1000
    return 500 if options.data_writes else 0


def _areas(options: Any, size: Size) -> tuple[int, int, int, int, int]:
    """Processes, threads of each, pages of: all, a process, a thread."""
    nr_proc = 1 if options.nr_proc is None else options.nr_proc
    if not nr_proc:
        raise InvalidArgument("perf_bench_numa: -p 0, permitted: at least one process")
    threads = max(size.threads // nr_proc, 1) if options.nr_threads is None else options.nr_threads
    if not threads or threads * nr_proc > 65536:
        raise InvalidArgument(
            f"perf_bench_numa: -t {threads} in {nr_proc} processes, permitted: 1..65536 in all")
    areas = [(getattr(options, name) or 0) * MB_PAGES
             for name in ("mb_global", "mb_proc", "mb_thread")]
    if not any(areas):
        if any(getattr(options, n) == 0 for n in ("mb_global", "mb_proc", "mb_thread")):
            raise InvalidArgument("perf_bench_numa: no memory, permitted: -G, -P or -T of 1 MB "
                                  "and more")
        areas[1] = max(size.pages // nr_proc, 1)
    return nr_proc, threads, areas[0], areas[1], areas[2]


def _once(kind: str, permille: int, first: int, n: int, nr: int, of: int) -> tuple[Touch, ...]:
    """Once over an area; a sweep begins with the thread's own part, as perf's does."""
    ahead = n * nr // of if kind == "sweep" else 0
    return tuple(Touch(kind, f, count, PAGE_LINES, permille, touches=count)
                 for f, count in ((first + ahead, n - ahead), (first, ahead)) if count)


def perf_bench_numa(size: Size) -> Load:
    """The load; ``size`` gives what its options leave open (then all memory is per process)."""
    options = _parsed(size.args)
    nr_proc, nr_threads, shared, own, each = _areas(options, size)
    per_loop = shared + own + each
    loops = options.nr_loops or (-(-size.touches // per_loop) if size.touches else None)
    kind, permille = "uniform" if options.data_rand_walk else "sweep", _permille(options)
    threads, ranges = [], []
    for process in range(nr_proc):
        ranges.append(Range(process, shared, own, Share(process, 1, nr_proc)))
        for i in range(nr_threads):
            nr = process * nr_threads + i
            first = shared + own + i * each
            share = Share(nr, 1, nr_proc * nr_threads)
            areas = [(f, n) for f, n in ((0, shared), (shared, own), (first, each)) if n]
            steps = (
                *_once(kind, permille, 0, shared, nr, nr_proc * nr_threads),
                *_once(kind, permille, shared, own, i, nr_threads),
                *_once(kind, permille, first, each, 0, 1),
            )
            bind = options.memnodes[nr] if nr < len(options.memnodes) else None
            begin = () if not options.init_cpu0 else (Phase(tuple(
                Touch("sweep", f, n, PAGE_LINES, 1000, touches=n) for f, n in areas), bind=0),)
            threads.append(Thread(
                process, (*begin, Phase((*steps, *again(0, loops)), bind=bind)), share,
                cpu=options.cpus[nr] if nr < len(options.cpus) else None,
            ))
            if each:
                ranges.append(Range(process, first, each, share))
    return Load("perf_bench_numa", (own + each * nr_threads,) * nr_proc, tuple(threads),
                tuple(r for r in ranges if r.nr_pages), shared)
