"""The examples in the docstrings of all public modules run, from any folder."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import numa_core
import numab

MODULES = sorted(
    info.name
    for package in (numa_core, numab)
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not info.name.endswith(("__main__", "_cffi", "build_cffi"))
) + ["numa_core", "numab"]


def test_all_packages_are_looked_at():
    assert {"numa_core.errors", "numab.tunables", "numab.cli.options", "numab.policies",
            "numab.workloads", "numab.report.text"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), "a public module says what it is for"
    failed, _ = doctest.testmod(module)
    assert failed == 0
    assert list(tmp_path.iterdir()) == []
