"""The table of modes: numbers, flags and eras as the kernel's headers have them."""

from __future__ import annotations

import pytest

from numa_core import lib
from numa_core.errors import InvalidArgument
from numab.mempolicy import ERAS, MODES, Flags, era_named

#: By hand, from uapi/linux/mempolicy.h of each kernel; the posting adds LOCAL and NOOP.
NUMBERS = {
    "v2": "DEFAULT PREFERRED BIND INTERLEAVE LOCAL NOOP",
    "v3.8": "DEFAULT PREFERRED BIND INTERLEAVE LOCAL",
    "v6.1": "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY",
    "v6.12": "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE",
}


@pytest.mark.parametrize("era", ERAS)
def test_modes_have_the_numbers_of_their_era(era):
    names = NUMBERS[era].split()
    assert [ERAS[era].mode(n).name for n in range(len(names))] == names
    assert {m for m in MODES if ERAS[era].has(m)} == set(names)
    for number in (-1, len(names), 7, 1 << 13, 2**31):
        assert ERAS[era].mode(number) is None


def test_flags_have_the_kernels_values():
    assert (Flags.STATIC_NODES, Flags.RELATIVE_NODES, Flags.NUMA_BALANCING) == (
        1 << 15, 1 << 14, 1 << 13)
    assert Flags.MOF == lib.NUMAB_MPOL_F_MOF == 8
    assert Flags.MORON == Flags.HOME == 16


@pytest.mark.parametrize("era, takes_lazy", [("v2", True), ("v3.8", False), ("v6.1", False),
                                             ("v6.12", False)])
def test_lazy_is_open_to_user_space_in_the_posting_only(era, takes_lazy):
    assert bool(ERAS[era].mbind_flags & 8) is takes_lazy
    assert ERAS[era].mbind_flags & 7 == 7


@pytest.mark.parametrize("era, modes", [
    ("v2", ()), ("v3.8", ()), ("v6.1", ("BIND",)), ("v6.12", ("BIND", "PREFERRED_MANY"))])
def test_who_may_balance(era, modes):
    assert ERAS[era].balancing == modes
    assert bool(ERAS[era].mode_flags & Flags.NUMA_BALANCING) is bool(modes)
    assert all(MODES[m].flags & Flags.NUMA_BALANCING for m in modes)


@pytest.mark.parametrize("name", ["v3", "", None, 6.1])
def test_an_unknown_era_is_refused_and_the_known_are_named(name):
    with pytest.raises(InvalidArgument, match="permitted: v2, v3.8, v6.1, v6.12"):
        era_named(name)
