"""Generated rows: sweep, uniform, zipf."""

import math

import numpy as np
import pytest
from numab import InvalidArgument

from .world import BASE, MS, PAGE, VPN, World, machine, topology

EV_ALLOC, EV_HINT = 4, 0
TICK = 4 * MS


def touched(m, kind=EV_ALLOC):
    """Pages by their number, in the order of their events."""
    events = m.drain()
    return (events["vpn"][events["kind"] == kind] - VPN).tolist()


def test_a_sweep_goes_from_the_first_page_to_the_last_again_and_again():
    """First round by allocations, second by hints."""
    w = World(policy="moron", mapped=300, pmd_mark=0)
    w.m.events(4096)
    w.t.feed_pattern("sweep", VPN, 300, writes=1, touches=300)
    assert w.m.run(1000 * MS).why == "feed"
    assert touched(w.m) == list(range(300))
    w.mark(0, 300)
    w.t.feed_pattern("sweep", VPN, 300, reads=1, touches=700)
    w.m.run(1000 * MS)
    assert touched(w.m, EV_HINT) == list(range(300))
    assert w.m.access_matrix[0, 0].tolist() == [700, 300]


def page_counts(nr_pages, touches, kind, seed=1, **words):
    """How often each page is touched: page k lies on node k, so the matrix tells exactly."""
    m = machine(topology([40] * nr_pages, cpus=[(0,)] + [()] * (nr_pages - 1)), "off",
                tunables={"cpu_ps": 1, "latency_local_ps": 10})
    p = m.process(0)
    p.mmap(BASE, nr_pages * PAGE)
    p.populate(range(VPN, VPN + nr_pages), range(nr_pages))
    p.main.feed_pattern(kind, VPN, nr_pages, reads=1, touches=touches, seed=seed, **words)
    assert m.run(100_000 * MS).why == "feed"
    return m.access_matrix[0, :, 0].astype(int)


def test_uniform_covers_every_page_equally():
    """64 pages, 64,000 touches: 1,000 each within 5 standard deviations (31 each); chi-square of
    63 degrees below 63 + 5 sqrt(126)."""
    counts = page_counts(64, 64_000, "uniform")
    assert counts.sum() == 64_000
    assert abs(counts - 1000).max() <= 5 * 31.4
    assert ((counts - 1000) ** 2 / 1000).sum() < 63 + 5 * math.sqrt(126)


@pytest.mark.parametrize("nr_pages, theta", [(64, 0.99), (64, 0.5), (64, 2.0), (600, 0.99)])
def test_zipf_has_the_exact_frequencies_by_rank(nr_pages, theta):
    """Rank k has weight k^-theta.  The sorted counts against n p_k: the first eight ranks and the
    lower half as a whole, each within 5 standard deviations; beyond rank 256 ranks share the
    weight of their segment, which moves no more than a thousandth."""
    touches = 200_000
    counts = np.sort(page_counts(nr_pages, touches, "zipf", theta=theta))[::-1]
    weight = np.arange(1, nr_pages + 1) ** -theta
    expected = touches * weight / weight.sum()
    for got, want in zip(counts[:8], expected[:8]):
        assert abs(got - want) <= 5 * math.sqrt(want) + 0.001 * want
    half = nr_pages // 2
    want = expected[half:].sum()
    assert abs(counts[half:].sum() - want) <= 5 * math.sqrt(want) + 0.02 * want


def test_zipf_scatters_its_hot_pages():
    """Ranks follow each other far apart: the two hottest pages are not neighbours."""
    first, second = np.argsort(page_counts(64, 20_000, "zipf", theta=1.5))[::-1][:2]
    assert abs(first - second) > 8


def test_zipf_over_a_very_large_range_keeps_its_shape():
    """128 GiB and an exponent of almost 0: the sum of the weights once ran over 64 bits.  Expect:
    the first sixteenth of the ranks has 6.27 % of the touches, by hand (1/16)^0.999."""
    n, touches = 1 << 25, 4000
    w = World(pages=10_000, mapped=n, zero_page=0)
    w.m.events(16384)
    w.t.feed_pattern("zipf", VPN, n, reads=1, touches=touches, theta=0.001)
    w.m.run(10_000 * MS)
    pages = touched(w.m)
    assert len(pages) >= touches - 5              # hardly any page twice
    back = pow(n // 2 + n // 8 + 1, -1, n)        # rank r is page r * (n/2 + n/8 + 1) mod n
    share = sum(page * back % n < n // 16 for page in pages) / len(pages)
    sigma = math.sqrt(0.0627 * 0.9373 / touches)
    assert abs(share - 0.0627) <= 5 * sigma


@pytest.mark.parametrize("kind", ["uniform", "zipf"])
def test_the_same_seed_makes_the_same_rows(kind):
    def order(seed):
        w = World(mapped=512, zero_page=0)
        w.m.events(4096)
        w.t.feed_pattern(kind, VPN, 512, reads=1, touches=3000, seed=seed)
        w.m.run(1000 * MS)
        return touched(w.m), w.m.access_matrix.tolist()

    one, again, other = order(5), order(5), order(6)
    assert one == again
    assert one[0] != other[0]


def test_a_share_of_the_touches_writes_and_the_others_read_instead():
    """write_permille 250 of 40,000 touches with 2 reads and 3 writes: a quarter within 5 standard
    deviations (87 touches); every touch has five accesses."""
    w = World(mapped=16, policy="off")
    w.place(0, 0, 16)
    w.t.feed_pattern("uniform", VPN, 16, reads=2, writes=3, write_permille=250, touches=40_000)
    w.m.run(1000 * MS)
    reads, writes = (int(n) for n in w.m.access_matrix[0, 0])
    assert reads + writes == 5 * 40_000
    assert writes % 3 == 0
    assert abs(writes // 3 - 10_000) <= 5 * 87


def test_patterns_are_checked():
    w = World()
    for words in ({"kind": "spiral"}, {"nr_pages": 0}, {"nr_pages": (1 << 36) + 1}, {"reads": 0},
                  {"vpn": 1 << 48}, {"write_permille": 1001}, {"kind": "zipf", "theta": 0.0},
                  {"kind": "zipf", "theta": 4.01}):
        words = {"kind": "sweep", "vpn": VPN, "nr_pages": 1, "reads": 1, **words}
        with pytest.raises(InvalidArgument):
            w.t.feed_pattern(words.pop("kind"), words.pop("vpn"), words.pop("nr_pages"), **words)
    assert w.m.run(TICK).why == "feed"
