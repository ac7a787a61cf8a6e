"""Memory-policy system calls: which errno, and what is left behind (patches 9, 10, 14; 3.3).

Plain lists of rules, first match wins, written from the manual pages' and the specification's order
of checks.  A mask argument is ``("null",)``, ``("bad",)`` or ``("bits", set of bit numbers, number
of 64-bit words that are mapped)``.  Results are errno names, "" for success.
"""

from collections import namedtuple

STATIC, RELATIVE, BALANCING = 1 << 15, 1 << 14, 1 << 13
MODES = {
    "v2": ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "NOOP"],
    "v3.8": ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL"],
    "v6.1": ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY"],
    "v6.12": ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY",
              "WEIGHTED_INTERLEAVE"],
}
OLD = ("v2", "v3.8")
Call = namedtuple("Call", "era nodes allowed root nr_node_ids")
Policy = namedtuple("Policy", "mode flags asked nodes")


class Errno(Exception):
    """The call ends with this errno."""


def refuse_if(condition, name):
    if condition:
        raise Errno(name)


def read_mask(era, mask, maxnode):
    """The set of nodes in a user's mask."""
    bits = maxnode - 1 if maxnode else 2**64 - 1
    if bits == 0 or mask[0] == "null":
        return set()
    refuse_if(bits > 32768, "EINVAL")
    refuse_if(mask[0] == "bad", "EFAULT")
    _, present, words = mask
    last = (bits - 1) // 64
    word = last
    while word >= 16:  # 1024 nodes are 16 words; the others must be zero, looked at from the end
        refuse_if(word >= words, "EFAULT")
        inside = {b for b in present if b // 64 == word}
        if era in OLD:
            inside = {b for b in inside if b < bits}
        refuse_if(inside, "EINVAL")
        word -= 1
    refuse_if(min(last, 15) >= words, "EFAULT")
    return {b for b in present if b < min(bits, 1024)}


def read_mode(era, number):
    """(mode name, flags) of a mode number."""
    number %= 2**32
    known = STATIC | RELATIVE | (0 if era in OLD else BALANCING)
    flags, plain = number & known, number & ~known
    refuse_if(plain >= len(MODES[era]), "EINVAL")
    mode = MODES[era][plain]
    refuse_if(flags & STATIC and flags & RELATIVE, "EINVAL")
    may = {"v6.1": ("BIND",), "v6.12": ("BIND", "PREFERRED_MANY")}.get(era, ())
    refuse_if(flags & BALANCING and mode not in may, "EINVAL")
    return mode, flags


def make_policy(call, mode, flags, nodes):
    """The policy object, or None."""
    strict_shape = flags & (STATIC | RELATIVE)
    if mode in ("DEFAULT", "NOOP"):
        refuse_if(nodes, "EINVAL")
        return None
    if mode == "LOCAL":
        refuse_if(nodes, "EINVAL")
        refuse_if(strict_shape and call.era not in OLD, "EINVAL")
        return Policy("LOCAL", flags, (), ())
    if mode == "PREFERRED" and not nodes:
        refuse_if(strict_shape, "EINVAL")
        return Policy("LOCAL", flags, (), ())
    refuse_if(not nodes, "EINVAL")
    usable = sorted(call.allowed & call.nodes)
    if flags & RELATIVE:
        left = sorted({usable[n % len(usable)] for n in nodes}) if usable else []
    else:
        left = sorted(nodes & set(usable))
    refuse_if(not left, "EINVAL")
    if mode == "PREFERRED":
        left = left[:1]
    return Policy(mode, flags, tuple(sorted(nodes)), tuple(left))


def set_mempolicy(call, number, mask, maxnode):
    """(errno, policy)."""
    try:
        mode, flags = read_mode(call.era, number)
        return "", make_policy(call, mode, flags, read_mask(call.era, mask, maxnode))
    except Errno as e:
        return str(e), None


def told(call, policy):
    """(mode number with flags, set of nodes) that get_mempolicy tells of a policy."""
    if policy is None:
        return 0, set()
    name = policy.mode
    if name == "LOCAL" and call.era in OLD:
        name = "PREFERRED"
    number = MODES[call.era].index(name) | policy.flags
    return number, set(policy.asked if policy.flags else policy.nodes)


def get_mempolicy(call, policy, has_mask, maxnode, addr, mapped, flags):
    """errno; ``mapped``: is something at ``addr``?  (Its policy is the default.)"""
    try:
        room = 1024 if call.era in OLD else call.nr_node_ids
        refuse_if(has_mask and maxnode < room, "EINVAL")
        refuse_if(flags >= 8, "EINVAL")
        if flags & 4:
            refuse_if(flags & 3, "EINVAL")
            return ""
        if flags & 2:
            refuse_if(not mapped, "EFAULT")
            return ""
        refuse_if(addr, "EINVAL")
        interleaves = policy and policy.mode in ("INTERLEAVE", "WEIGHTED_INTERLEAVE")
        refuse_if(flags & 1 and not interleaves, "EINVAL")
        return ""
    except Errno as e:
        return str(e)


def mbind(call, start, length, number, mask, maxnode, flags, pages, hole):
    """errno of mbind on mapped memory at ``start`` whose pages lie on the nodes ``pages``;
    ``hole``: the range goes on into unmapped memory."""
    try:
        mode, mode_flags = read_mode(call.era, number)
        nodes = read_mask(call.era, mask, maxnode)
        refuse_if(flags & ~(15 if call.era == "v2" else 7), "EINVAL")
        refuse_if(flags & 4 and not call.root, "EPERM")
        refuse_if(start % 4096, "EINVAL")
        rounded = -(-length // 4096) * 4096 % 2**64
        refuse_if(start + rounded >= 2**64, "EINVAL")
        if not rounded:
            return ""
        policy = make_policy(call, mode, mode_flags, nodes)
        refuse_if(policy and hole, "EFAULT")
        wrong = [nid for nid in pages if nid not in nodes]
        only_strict = flags & 15 == 1
        refuse_if(policy and only_strict and wrong, "EIO")
        return ""
    except Errno as e:
        return str(e)


def migrate_pages(call, exists, own, target_allowed, old, new, maxnode):
    """errno; ``exists``: is there such a process, ``own``: may the caller look into it, and which
    nodes does its cpuset allow?"""
    try:
        read_mask(call.era, old, maxnode)
        wanted = read_mask(call.era, new, maxnode)
        refuse_if(not exists, "ESRCH")
        refuse_if(not own, "EPERM")
        refuse_if(not wanted <= target_allowed and not call.root, "EPERM")
        if call.era in OLD:
            refuse_if(not wanted <= call.nodes, "EINVAL")
        else:
            refuse_if(not wanted & call.allowed, "EINVAL")
        return ""
    except Errno as e:
        return str(e)


def move_pages(call, exists, own, nodes, flags):
    """(errno, how many entries are done before it)."""
    try:
        refuse_if(flags & ~6, "EINVAL")
        refuse_if(flags & 4 and not call.root, "EPERM")
        refuse_if(not exists, "ESRCH")
        refuse_if(not own, "EPERM")
    except Errno as e:
        return str(e), 0
    for i, nid in enumerate(nodes):
        name = "ENODEV" if nid not in call.nodes else "EACCES" if nid not in call.allowed else ""
        if name:
            return name, i - i % 169 if call.era in OLD else i
    return "", len(nodes)
