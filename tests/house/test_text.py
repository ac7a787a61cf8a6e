"""Every file: widths, lengths, names, and words that do not belong."""

import re

import pytest
from tree import CORE, PYTHON, ROOT, all_files, c_functions, files, name, python_functions, read

WIDTH_MAX = 100
PYTHON_LINES_MAX = 399
FUNCTION_LINES_MAX = 69
CODE = files(".py", ".c", ".h", ".cpp")
TEXT = CODE + files(".md", ".toml", ".def", ".txt", ".in", ".out", ".yml", ".cfg")
OURS = [path for path in files(".py") if CORE in path.parents or PYTHON in path.parents]

# Put together here, so that this file is as clean as it asks the others to be.
PLACES = ["/" + place + "/" for place in ("work", "root", "tmp", "home")]
PEOPLE = ["sess" + "ion", "assis" + "tant", "co-" + "founder", "chat" + "bot"]
# pytest's own words
EXCUSED = ["scope=\"" + PEOPLE[0] + "\"", "pytest_" + PEOPLE[0]]


@pytest.mark.parametrize("path", CODE, ids=name)
def test_width(path):
    for number, line in enumerate(read(path).splitlines(), 1):
        assert len(line.expandtabs(8)) <= WIDTH_MAX, f"line {number}"
        assert path.suffix == ".py" or line == line.rstrip(), f"line {number} ends in a blank"


@pytest.mark.parametrize("path", TEXT, ids=name)
def test_words_that_do_not_belong(path):
    text = read(path)
    for excused in EXCUSED:
        text = text.replace(excused, "")
    for word in PLACES:
        assert word not in text, f"the path of somebody's place: {word}"
    for word in PEOPLE:
        assert not re.search(rf"\b{word}s?\b", text, flags=re.I), word


@pytest.mark.parametrize("path", OURS, ids=name)
def test_python_modules_stay_small(path):
    assert len(read(path).splitlines()) <= PYTHON_LINES_MAX


@pytest.mark.parametrize("path", files(".py"), ids=name)
def test_python_functions_stay_small(path):
    for function, lines in python_functions(path):
        assert lines <= FUNCTION_LINES_MAX, f"{function}() has {lines} lines"


@pytest.mark.parametrize("path", files(".c", under=ROOT / "tests"), ids=name)
def test_c_functions_of_tests_stay_small(path):
    for function, lines in c_functions(path):
        assert lines <= FUNCTION_LINES_MAX, f"{function}() has {lines} lines"


def test_no_file_without_a_subject():
    banned = re.compile(r"(utils?|helpers?|common|misc|old|new|tmp|v\d+)", flags=re.I)
    assert [name(path) for path in all_files()
            if any(banned.fullmatch(part) for part in [path.stem, *path.relative_to(ROOT).parts])
            ] == []


def test_no_empty_file():
    empty = [name(path) for path in all_files()
             if not path.stat().st_size and path.name not in ("__init__.py", "py.typed")]
    assert empty == []
