"""What a memory policy does, as sentences."""

from __future__ import annotations

from ..explanation import Balance, Explanation, Order
from ..mempolicy import ERAS, MODES, Flags
from ..topology import Topology

__all__ = ["explanation_text"]

CALLS = {
    "set_mempolicy": "a task's own, set_mempolicy(2)",
    "mbind": "of a range of memory, mbind(2) with MPOL_MF_LAZY",
    "mount": "of a tmpfs mount, mpol=",
}
#: Nodes of a turn that are printed one by one.
TURN_SHOWN_MAX = 16


def _nodes(nids: tuple[int, ...]) -> str:
    return " ".join(map(str, nids))


def _order(order: Order, interleaved: bool) -> str:
    end = "then out of memory, though other nodes have some" if order.out_of_memory else (
        "until no node has any")
    if not interleaved:
        return f"{_nodes(order.nodes)}, {end}"
    turn = _nodes(order.turn[:TURN_SHOWN_MAX])
    turn += " ..." if len(order.turn) > TURN_SHOWN_MAX else ""
    rest = tuple(n for n in order.nodes if n not in order.turn)
    full = f"; when these are full {_nodes(rest)}" if rest else ""
    return f"in turn {turn}, by the page's offset{full}, {end}"


def _balance(b: Balance) -> str:
    went = f"moves to {b.to_nid}" if b.to_nid != b.page_nid else "stays"
    return f"a page on node {b.page_nid} touched from node {b.nid} {went}  ({b.reason})"


def _balancing(e: Explanation) -> list[str]:
    if e.in_force is None:
        lines = ["on: no policy stands in its way"]
    elif e.policy.flags & (Flags.MOF | Flags.NUMA_BALANCING):
        lines = ["on, as far as the policy lets a page move"]
    elif ERAS[e.era].local_is_preferred:
        lines = ["off: a policy without migrate-on-fault keeps pages where they are; they are",
                 "marked all the same, and each mark costs a hinting fault"]
    else:
        lines = ["off: a policy without the balancing flag keeps pages where they are; they are",
                 "not marked either, which costs nothing"]
    return lines + [_balance(b) for b in e.balances]


def _verdicts(e: Explanation) -> list[str]:
    width = max(len(v.era) for v in e.verdicts)
    return [f"{v.era:<{width}}  {f'{v.errno}: {v.text}' if v.errno else 'takes it'}"
            for v in e.verdicts]


def explanation_text(e: Explanation, topology: Topology, notes: tuple[str, ...] = ()) -> str:
    """The text of ``numab policy explain``.

    >>> from numab.explanation import explain
    >>> from numab.mempolicy import MemPolicy
    >>> machine = Topology.load("2s")
    >>> text = explanation_text(explain(MemPolicy("LOCAL"), machine, era="v6.1"), machine)
    >>> print(text.splitlines()[0])
    local (a task's own, set_mempolicy(2)) on 2 nodes, 16 CPUs, 128 GiB
    """
    lazy = ", lazy" if e.policy.flags & Flags.MOF else ""
    lines = [f"{e.policy}{lazy} ({CALLS[e.call]}) on {topology.describe()}"]
    lines += [f"  {note}" for note in (MODES[e.policy.mode].sentence, *notes)]
    lines += ["kernels", *(f"  {line}" for line in _verdicts(e))]
    if e.verdict.errno:
        return "\n".join(lines) + "\n"
    row = e.in_force.rule if e.in_force else "NONE"
    interleaved = row in ("INTERLEAVE", "WEIGHTED_INTERLEAVE")
    lines.append(f"pages go (era {e.era}), touched from a CPU of")
    lines += [f"  node {o.nid}: {_order(o, interleaved)}" for o in e.orders]
    lines.append("balancing")
    lines += [f"  {line}" for line in _balancing(e)]
    if lazy:
        lines += ["lazy", "  mbind moves nothing: it marks the pages that are there, and each that",
                  "  is misplaced moves at its next touch"]
    lines.append(f"numa_maps shows  {e.shown}")
    return "\n".join(lines) + "\n"
