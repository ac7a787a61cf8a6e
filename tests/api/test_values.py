"""numab.values: rows, protections, equality of processes and tasks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from numa_core import ROW, lib
from numab import InvalidArgument, Machine, rows
from numab.values import (
    FAULT_KINDS, MPOL_MODES, OBJECT_KINDS, PAGE_FLAGS, REASONS, VMA_FLAGS, VMA_KINDS,
    prot_bits, prot_text, tag_or_none,
)


def test_rows_broadcasts():
    assert rows(7).tolist() == [(7, 0, 0)]
    assert rows([1, 2], 3, [4, 5]).tolist() == [(1, 3, 4), (2, 3, 5)]
    assert rows(np.arange(3), writes=1).dtype == ROW
    assert len(rows([])) == 0


def test_rows_refuses_lengths_that_differ_and_numbers_that_do_not_fit():
    for arguments in (([1, 2], [1, 2, 3]), ([-1],), ([1], -1), ([1], 2**32), ([1.5],), ("a",)):
        with pytest.raises(InvalidArgument):
            rows(*arguments)
    assert rows(2**64 - 1, 2**32 - 1)["page"][0] == 2**64 - 1


@pytest.mark.parametrize("text, bits", [("none", 0), ("r", 1), ("rw", 3), ("rwx", 7), ("r-x", 5)])
def test_protection_there_and_back(text, bits):
    assert prot_bits(text) == bits
    assert prot_text(bits) == text.replace("-", "")


def test_a_tag_is_unset_or_a_node():
    assert tag_or_none(lib.NUMAB_TAG_UNSET) is None and tag_or_none(0) == 0


def test_closed_sets_agree_with_the_header():
    """The lists here are in the order of the header's enums."""
    assert VMA_KINDS.index("file_private") == lib.NUMAB_FILE_PRIVATE
    assert VMA_FLAGS["hugetlb"] == lib.NUMAB_VMA_HUGETLB
    assert all(hasattr(lib, name) for name in OBJECT_KINDS.values())
    for i, flag in enumerate(PAGE_FLAGS):
        assert getattr(lib, f"NUMAB_PG_{flag.upper()}") == 1 << i
    for i, mode in enumerate(MPOL_MODES):
        assert getattr(lib, f"NUMAB_MPOL_{mode.upper()}") == i
    for i, kind in enumerate(FAULT_KINDS):
        assert getattr(lib, f"NUMAB_FAULT_{kind.upper()}") == i
    assert len(REASONS) == lib.numab_nr_reasons() and REASONS[0] == "none"


def test_processes_and_tasks_are_equal_by_machine_and_id():
    m, other = Machine("2s"), Machine("2s")
    p = m.process()
    assert p == m.process_of(p.pid) and p.main == m.task(p.pid) and hash(p) == hash(m.process_of(1))
    assert p != p.main and p != other.process() and p != m.process()
    assert repr(p) == "Process(1)" and repr(p.main) == "Task(1)"


def test_values_are_frozen():
    vma = Machine("2s").process().mmap(0, 4096)
    with pytest.raises(dataclasses.FrozenInstanceError):
        vma.size = 1
