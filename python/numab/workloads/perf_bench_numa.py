"""perf_bench_numa: ``perf bench numa mem`` with perf's own options."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass
from typing import Any, NoReturn

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..program import Barrier, Step, Touch
from .load import PAGE_LINES, Load, Phase, Range, Share, Size, Thread, again

MB_PAGES = 256
MANY = 1 << 20
LIST_MAX = 65536
_IDS = re.compile(r"(\d{1,7})(?:_(\d{1,7}))?(?:-(\d{1,7}))?(?:#(\d{1,7}))?(?:x(\d{1,7}))?",
                  re.ASCII)
_SIZES = ("mb_global", "mb_proc", "mb_thread")
_SWITCHES = {
    "R": "data_reads", "W": "data_writes", "B": "data_backwards", "Z": "data_zero_memset",
    "r": "data_rand_walk", "z": "init_zero", "I": "init_random", "0": "init_cpu0",
    "S": "serialize-startup", "c": "show_convergence", "m": "measure_convergence",
    "d": "show_details", "q": "quiet",
}
_ON = {"data_reads", "data_writes", "data_backwards", "data_rand_walk", "init_random",
       "serialize-startup"}
_NUMBERS = {
    "p": "nr_proc", "t": "nr_threads", "G": "mb_global", "P": "mb_proc", "T": "mb_thread",
    "l": "nr_loops", "s": "nr_secs", "x": "perturb_secs",
}
_NOT_HERE = {
    ("-L", "--mb_proc_locked"): "locks shorter than a tick are not modelled",
    ("-u", "--usleep"): "sleeps under a lock, and locks shorter than a tick, are not modelled",
    ("-a", "--all"): "run one at a time",
}
_AT_GLOBAL, _AT_START, _AT_PROCESS = range(3)  # barriers; those of processes from the last on
_PERMITTED = "permitted: -p -t -G -P -T -l -s -x -R -W -B -Z -r -z -I -0 -S -m -c -d -q -H -C -M"


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"perf_bench_numa: {message}; {_PERMITTED}")


class _Refuse(argparse.Action):
    """Its help says why."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        raise InvalidArgument(f"perf_bench_numa: {option}: {self.help}, {_PERMITTED}")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 7 or int(text) > MANY:
        raise argparse.ArgumentTypeError(f"{shown(text)}, permitted 0..{MANY}")
    return int(text)


def _sign(text: str) -> int:
    if not re.fullmatch("[-+]?[0-9]{1,7}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{shown(text)}, permitted: a whole number")
    return int(text)


def _cpus(text: str) -> list[tuple[int, ...]]:
    """``0,2,4-7``, ``0-6#2``: every second of them, ``1x8``: eight times, ``8_4``: 8 to 11."""
    out: list[tuple[int, ...]] = []
    for word in text.split(","):
        found = _IDS.fullmatch(word)
        first, width, last, step, times = (
            (int(part or 1) for part in found.groups()) if found else [0] * 5)
        if found and not found[3]:
            last = first
        ids = range(first, last + 1, max(step, 1))
        if not (step and times and ids and 0 < width <= LIST_MAX // (len(ids) * times + len(out))):
            raise argparse.ArgumentTypeError(f"{shown(text)}, permitted: such as 0,2,4-7, 0-6#2, "
                                             "1x8, of CPUs 8_4")
        out += [tuple(range(i, i + width)) for i in ids for _ in range(times)]
    return out


def _nodes(text: str) -> list[int]:
    """The same without widths."""
    if "_" in text:
        raise argparse.ArgumentTypeError(f"{shown(text)}, permitted: no width (_) of nodes")
    return [ids[0] for ids in _cpus(text)]


def _parsed(args: str) -> Any:
    parser = _Options(prog="perf_bench_numa", add_help=False, allow_abbrev=False)
    for short, name in _NUMBERS.items():
        parser.add_argument(f"-{short}", f"--{name}", dest=name, type=_number)
    for short, name in _SWITCHES.items():
        dest = name.replace("-", "_")
        parser.add_argument(f"-{short}", f"--{name}", dest=dest, action="store_true",
                            default=name in _ON)
        parser.add_argument(f"--no-{name}", dest=dest, action="store_false")
    parser.add_argument("-C", "--cpus", dest="cpus", type=_cpus, default=[])
    parser.add_argument("-M", "--memnodes", dest="memnodes", type=_nodes, default=[])
    parser.add_argument("-H", "--thp", dest="thp", type=_sign, default=0)
    for words, why in _NOT_HERE.items():
        parser.add_argument(*words, action=_Refuse, nargs="?", help=why)
    try:
        words = shlex.split(args)
    except ValueError as e:
        raise InvalidArgument(f"--args {shown(args)}: {e}, permitted: perf's options") from None
    for i in range(len(words) - 1, 0, -1):
        if words[i - 1] in ("-H", "--thp"):  # argparse would take -1 for an option
            words[i - 1:i + 1] = [f"--thp={words[i]}"]
    for option, word in zip(words, words[1:]):
        if re.fullmatch("-[0-9]+", word) and int(word):
            raise InvalidArgument(f"perf_bench_numa: {option} {word}, permitted: 0 and more")
    options = parser.parse_args(words)
    if not (options.data_reads or options.data_writes or options.data_zero_memset):
        raise InvalidArgument("perf_bench_numa: neither reads nor writes, permitted: -R, -W or -Z")
    return options


def _areas(options: Any, size: Size) -> tuple[int, int, int, int, int]:
    """Processes, threads of each, pages of: all, a process, a thread."""
    nr_proc = 1 if options.nr_proc is None else options.nr_proc
    if not nr_proc:
        raise InvalidArgument("perf_bench_numa: -p 0, permitted: at least one process")
    threads = max(size.threads // nr_proc, 1) if options.nr_threads is None else options.nr_threads
    if not threads or threads * nr_proc > 65536:
        raise InvalidArgument(
            f"perf_bench_numa: -t {threads} in {nr_proc} processes, permitted: 1..65536 in all")
    for option, listed in (("-C", options.cpus), ("-M", options.memnodes)):
        if len(listed) > threads * nr_proc:
            raise InvalidArgument(f"perf_bench_numa: {option} names {len(listed)} for "
                                  f"{threads * nr_proc} threads, permitted: one a thread")
    areas = [(getattr(options, name) or 0) * MB_PAGES for name in _SIZES]
    if all(getattr(options, name) is None for name in _SIZES):
        areas[1] = max(size.pages // nr_proc, 1)
    elif options.mb_global is None:
        areas[0] = MB_PAGES
    if not any(areas):
        raise InvalidArgument("perf_bench_numa: no memory, permitted: -G, -P or -T of 1 MB and "
                              "more")
    return nr_proc, threads, areas[0], areas[1], areas[2]


def _once(kind: str, permille: int, first: int, n: int, nr: int, of: int) -> tuple[Touch, ...]:
    """Once over an area; a sweep begins with the thread's own part, as perf's first does."""
    ahead = n * nr // of if kind == "sweep" else 0
    return tuple(Touch(kind, f, count, PAGE_LINES, permille, touches=count)
                 for f, count in ((first + ahead, n - ahead), (first, ahead)) if count)


@dataclass(frozen=True)
class _Run:
    """Options and sizes; the areas of every process: shared, own, and each thread's."""

    options: Any
    nr_proc: int
    nr_threads: int
    shared: int
    own: int
    each: int

    def number(self, process: int, i: int) -> int:
        return process * self.nr_threads + i

    def first(self, i: int) -> int:
        """Where the memory of a process's thread i begins."""
        return self.shared + self.own + i * self.each

    def listed(self, process: int, i: int) -> int | None:
        """Its node of -M, or its process's first thread's, from which it inherits."""
        nodes = self.options.memnodes
        for nr in (self.number(process, i), self.number(process, 0)):
            if nr < len(nodes):
                return nodes[nr]
        return None

    def node(self, process: int, i: int) -> int | None:
        """Where its policy binds in the loops; -0 restores to the default after an area."""
        inherits = self.number(process, i) >= len(self.options.memnodes)
        if self.options.init_cpu0 and (self.each or (self.own and inherits)):
            return None
        return self.listed(process, i)

    def start(self, process: int, i: int) -> tuple[Phase, ...]:
        """What a thread writes before its loops, and for whom it waits."""
        parts: list[tuple[int | None, tuple[Step, ...]]] = []
        if self.options.init_random:
            if not i and not process:
                parts.append((None, _once("sweep", 1000, 0, self.shared, 0, 1)))
            if not i:
                parts.append((self.listed(process, 0), (
                    *self._meet(_AT_GLOBAL, self.nr_proc, self.shared),
                    *_once("sweep", 1000, self.shared, self.own, 0, 1))))
            parts.append((self.listed(process, i), (
                *self._meet(_AT_PROCESS + process, self.nr_threads, self.shared + self.own),
                *_once("sweep", 1000, self.first(i), self.each, 0, 1))))
        if self.options.serialize_startup:
            parts.append((None, self._meet(_AT_START, self.nr_proc * self.nr_threads, 1)))
        return tuple(Phase(steps, bind=0 if self.options.init_cpu0 else node)
                     for node, steps in parts if steps)

    @staticmethod
    def _meet(number: int, count: int, pages: int) -> tuple[Step, ...]:
        return (Barrier(number, count),) if count > 1 and pages else ()

    def loop(self, process: int, i: int) -> tuple[Touch, ...]:
        """Once over all that a thread uses."""
        o = self.options
        kind = "uniform" if o.data_rand_walk else "sweep"
        permille = 1000 if o.data_writes or o.data_zero_memset else 0
        parts = ((0, self.shared, process, self.nr_proc), (self.shared, self.own, i,
                 self.nr_threads), (self.first(i), self.each, 0, 1))
        return tuple(touch for first, n, nr, of in parts for touch in _once(
            kind, permille, first, n, 0 if o.data_zero_memset else nr, of))


def _end(options: Any) -> dict[str, Any]:
    """When the load is over, and what is done each second."""
    converge = options.measure_convergence
    loops = f"{options.nr_loops} loop{'s' * (options.nr_loops > 1)}" if options.nr_loops else ""
    return {
        "amount": ", ".join(filter(None, (loops, "until it converges" * converge))),
        "duration_ns": options.nr_secs * 10**9 if options.nr_secs else 0,
        "thp": options.thp > 0 if options.thp else None,
        "perturb_s": options.perturb_secs or 0,
        "convergence": converge or options.show_convergence, "until_converged": converge,
    }


def perf_bench_numa(size: Size) -> Load:
    """``perf bench numa mem`` with perf's own options, as ``size.args``.

        numab compare perf_bench_numa --args "-p 2 -t 8 -P 512 -l 40 --no-data_rand_walk" ...

      -p N  processes                      -G MB  global memory, shared by all processes (1)
      -t N  threads a process              -P MB  memory of a process, used by all its threads
      -l N  loops                          -T MB  memory of a thread
      -s N  seconds                        -H N   above 0 huge pages, below none
      -R, -W, -Z  reads, writes, memset    -r     random pages instead of sweeps
      -C CPUs, -M NODES  for the first threads: 0,2 or 4-7, 0-6#2 (every second), 1x8 (eight
                         times 1); of CPUs also 8_4 (any of the four from 8 on)
      -0  initialise on the first node     -S     no loops until all have initialised
      -m  end when converged: each process, with all its threads, is on one node; -c  only look
      -x N  every N seconds the first thread is moved to the machine's other half

    As with perf, -R, -W, -B, -r, -I and -S are on unless a --no-... takes them back: what is read
    is also written, in random order (--no-data_writes, --no-data_rand_walk), and all memory is
    written before the loops (--no-init_random): the global memory by the first thread, that of a
    process by its first thread, then each thread's by itself.  Who has no node of -M has the one of
    its process's first thread.  What is not given is the run's: -p, -t and, without any memory, its
    size are its --threads and --memory, and it ends by its --work or --duration (perf: after 5 s).

    Each loop a thread goes over the global memory, its process's and its own.  -B (backwards) makes
    the same touches: a page has no direction here.  -z does nothing (nor does it in perf, which
    reads only -I).  -d and -q only say what perf prints.  Refused are -a (all of perf's runs), -L
    (memory under a lock) and -u (sleeps under it): CPUs have their ticks one after the other, and a
    lock that is held for less than a tick would keep nobody out.

    >>> load = perf_bench_numa(Size(1, 1, args="-p 2 -t 8 -P 512 -s 100 -zZ0qcm --thp 1"))
    >>> len(load.threads), load.processes, load.amount
    (16, (131072, 131072), 'until it converges')

    Raises InvalidArgument that names the option, and what is permitted.
    """
    options = _parsed(size.args)
    run = _Run(options, *_areas(options, size))
    per_loop = run.shared + run.own + run.each
    loops = options.nr_loops or None
    if not loops and size.touches and not options.nr_secs:
        loops = -(-size.touches // per_loop)
    threads, ranges = [], []
    for process in range(run.nr_proc):
        ranges.append(Range(process, run.shared, run.own, Share(process, 1, run.nr_proc)))
        for i in range(run.nr_threads):
            nr = run.number(process, i)
            share = Share(nr, 1, run.nr_proc * run.nr_threads)
            steps = (*run.loop(process, i), *again(0, loops))
            threads.append(Thread(
                process, (*run.start(process, i), Phase(steps, bind=run.node(process, i))), share,
                cpus=options.cpus[nr] if nr < len(options.cpus) else (),
            ))
            ranges.append(Range(process, run.first(i), run.each, share))
    return Load("perf_bench_numa", (run.own + run.each * run.nr_threads,) * run.nr_proc,
                tuple(threads), tuple(r for r in ranges if r.nr_pages), run.shared, **_end(options))
