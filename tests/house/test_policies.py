"""To add a policy is to add one file and its row: nothing else in the core knows its name."""

import re

import pytest
from tree import CORE, ROOT, files, name, read, without_comments

from numa_core import policy_presets, policy_rows

FOLDER = CORE / "policies"
POLICIES = sorted(path.stem for path in FOLDER.glob("*.c") if path.stem != "policies")
ELSEWHERE = [path for path in files(".c", ".h", ".def", under=CORE) if path.parent != FOLDER]
DEFAULT = "off"  # the policy of a machine that was not told otherwise


def rows():
    listed = re.search(r"#define BUILTIN_POLICIES\(X\)(.*?)\n\n", read(FOLDER / "policies.c"), re.S)
    return re.findall(r"X\((\w+)\)", listed.group(1))


def test_every_file_is_included_and_has_a_row():
    included = re.findall(r'^#include "(\w+)\.c"', read(FOLDER / "policies.c"), flags=re.M)
    assert sorted(included) == sorted(rows()) == POLICIES


def test_a_row_is_a_policy_of_that_name():
    """In Python too, where nothing is listed a second time."""
    assert [row for row, _ in policy_rows()] == rows()
    assert list(policy_presets()) == rows()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_file_says_all_there_is_to_its_policy(policy):
    """Its traits under its own name, its filter, and when it presets anything, its presets."""
    code = read(FOLDER / f"{policy}.c")
    assert '#include "policy.h"' in code and f"static void {policy}_filter(" in code
    assert re.search(rf'policy_{policy} = \{{\s*\{{ "{policy}",', code)
    assert bool(policy_presets()[policy]) == (f"{policy}_presets[]" in code)


@pytest.mark.parametrize("path", ELSEWHERE, ids=name)
def test_nothing_else_in_the_core_knows_a_policy(path):
    text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
    code = without_comments(text)
    for policy in POLICIES:
        assert not re.search(rf"\b({policy}_filter|policy_{policy}|{policy}_presets)\b", code)
        assert policy == DEFAULT or f'"{policy}"' not in text


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_explained(policy):
    """To users in README's table, to readers of the kernel in the ledger; and it is tested."""
    assert f"| `{policy}` |" in read(ROOT / "README.md")
    assert f"policies/{policy}.c" in read(CORE / "MODEL.md")
    assert any(f'"{policy}"' in read(path) for path in (ROOT / "tests" / "core").glob("test_*.py"))
