"""Where a policy puts pages, what happens when memory is full, and whether balancing still acts.

  numab policy explain "bind:0,1 static lazy" --machine 4s
  numab policy explain --interleave=all --machine 4s --era v6.1 --node 2
  numab policy explain mpol=prefer:1 --machine 2s

POLICY is what numa_maps prints, numactl's options, or a tmpfs mount's mpol=.  The order of nodes is
found out by allocating on a small machine of that shape.  Exit codes: 0; 1 when the era's kernel
refuses the policy.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from typing import Any

from numa_core.errors import InvalidArgument

from ..arguments import shown
from ..explanation import Explanation, explain, explain_mount
from ..mempolicy import ERAS, MODES, Flags, MemPolicy, parse
from ..mempolicy.text import NUMACTL
from ..report.policy import explanation_text
from ..topology import Topology
from .options import integer, load_machine

__all__ = ["arguments", "run"]


class _Option(argparse.Action):
    """One of numactl's options: kept as it was written."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
        option_string: str | None = None,
    ) -> None:
        word = f"{option_string}={values}" if isinstance(values, str) else str(option_string)
        namespace.numactl = [*(namespace.numactl or []), word]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``numab policy explain``."""
    parser.add_argument("policy", nargs="*", metavar="POLICY",
                        help="a policy, in one of three syntaxes; several words are one text")
    for long, short, mode in NUMACTL:
        parser.add_argument(f"-{short}", f"--{long}", dest="numactl", action=_Option,
                            nargs=None if MODES[mode].mask != "none" else 0, metavar="NODES",
                            help=argparse.SUPPRESS)
    parser.add_argument("-b", "--balancing", dest="numactl", action=_Option, nargs=0,
                        help=argparse.SUPPRESS)
    parser.add_argument("--machine", required=True, metavar="MACHINE",
                        help="preset, /sys tree or snapshot, hwloc XML, numactl --hardware text")
    parser.add_argument("--era", choices=tuple(ERAS), default="v2",
                        help="whose kernel (default v2, the posting of 2012)")
    parser.add_argument("--node", type=integer(0, 1023), metavar="N",
                        help="tell the order for this running node only")
    parser.add_argument("--cpu", type=integer(0, 8191), metavar="N",
                        help="... or for the node of this CPU")
    parser.add_argument("--weights", default="", metavar="N=W,...",
                        help="weights of nodes, for weighted interleave (default 1 each)")


def _running(args: argparse.Namespace, topology: Topology) -> list[int]:
    if args.node is not None and args.cpu is not None:
        raise InvalidArgument("--node and --cpu, permitted: one of them")
    if args.cpu is None:
        return [] if args.node is None else [args.node]
    if args.cpu not in topology.cpus:
        raise InvalidArgument(f"CPU {args.cpu}, permitted: one of the {topology.nr_cpus} there are")
    return [topology.node_of_cpu(args.cpu)]


def _weights(text: str) -> dict[int, int]:
    weights = {}
    for word in text.split(",") if text else []:
        found = re.fullmatch(r"\s*([0-9]{1,4})=([0-9]{1,3})\s*", word, re.ASCII)
        if not found:
            raise InvalidArgument(f"weight {shown(word)}, permitted: NODE=WEIGHT, such as 0=3,1=1")
        weights[int(found[1])] = int(found[2])
    return weights


def _numactl(text: str, policy: MemPolicy, era: str) -> tuple[MemPolicy, tuple[str, ...]]:
    """What numactl makes of its options on that kernel, and what there is to say of it."""
    if not policy.flags & Flags.NUMA_BALANCING:
        return policy, ()
    notes: tuple[str, ...] = ()
    if text.split()[0] not in ("-b", "--balancing"):
        notes = ("numactl refuses --balancing behind a policy: put it first",)
    plain = replace(policy, flags=policy.flags & ~Flags.NUMA_BALANCING)
    if policy.mode != "BIND":
        return plain, (*notes, "numactl heeds --balancing with --membind only: left out here")
    if policy.mode in ERAS[era].balancing:
        return policy, notes
    return plain, (*notes, "where the kernel refuses balancing, numactl just binds")


def _explained(
    args: argparse.Namespace, topology: Topology
) -> tuple[Explanation, tuple[str, ...]]:
    if bool(args.policy) == bool(args.numactl):
        raise InvalidArgument("no policy, or two, permitted: POLICY, or numactl's options")
    text = " ".join(args.policy or args.numactl).strip()
    options: Any = {
        "era": args.era, "nids": _running(args, topology), "weights": _weights(args.weights),
    }
    if text.startswith("mpol="):
        return explain_mount(text.removeprefix("mpol="), topology, **options), ()
    policy, notes = parse(text, topology.memory_nodes), ()
    if text.startswith("-"):
        policy, notes = _numactl(text, policy, args.era)
    return explain(policy, topology, **options), notes


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    topology = load_machine(args.machine)
    explanation, notes = _explained(args, topology)
    print(explanation_text(explanation, topology, notes), end="")
    return 1 if explanation.verdict.errno else 0
