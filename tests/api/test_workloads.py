"""numab.workloads: which thread touches what."""

from __future__ import annotations

import pytest

from numab import InvalidArgument
from numab.workloads import LOADS, Load, Touch, load_named


def test_the_four():
    assert load_named("private", 2, 10).threads == (Touch("sweep", 0, 5), Touch("sweep", 5, 5))
    assert load_named("zipf", 2, 11).threads == (Touch("zipf", 0, 5), Touch("zipf", 5, 5))
    assert load_named("uniform", 2, 10) == Load("uniform", 10, (Touch("uniform", 0, 10),) * 2)
    assert load_named("pingpong", 3, 10) == Load("pingpong", 10, (Touch("sweep", 0, 10),) * 3)


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("threads, pages", [(1, 1), (3, 3), (7, 1000)])
def test_every_thread_stays_inside(name, threads, pages):
    load = load_named(name, threads, pages)
    assert (load.name, load.pages, len(load.threads)) == (name, pages, threads)
    for touch in load.threads:
        assert touch.nr_pages >= 1 and 0 <= touch.first <= pages - touch.nr_pages


@pytest.mark.parametrize("name, threads, pages, said", [
    ("privat", 1, 1, "'privat'; nearest: private"), ("1", 1, 1, "permitted: uniform"),
    (None, 1, 1, "permitted: uniform"), ("zipf", 0, 1, "threads 0, permitted 1..65536"),
    ("zipf", 65537, 1 << 20, "permitted 1..65536"), ("zipf", 1.5, 4, "threads 1.5"),
    ("zipf", 2, 1, "permitted 2..68719476736"), ("zipf", 1, (1 << 36) + 1, "permitted 1.."),
    ("zipf", 1, "4", "pages"),
])
def test_loads_that_are_refused(name, threads, pages, said):
    with pytest.raises(InvalidArgument, match=said):
        load_named(name, threads, pages)
