"""Nodes: watermarks, zonelists, taking and giving back pages; who a TLB flush reaches."""

from math import isqrt

from .names import EOOM, OracleError
from .state import Node, Page


def make_nodes(specs):
    """Nodes by nid from (nid, pages[, min, low, high]); watermarks of zeros are computed.

    Linux: init_per_zone_wmark_min and __setup_per_zone_wmarks (base): min_free_kbytes is
    sqrt(16 * memory in kB), 128..65536, shared out by size; low is 5/4 and high 3/2 of min.
    """
    total = sum(spec[1] for spec in specs)
    pages_min = min(max(isqrt(total * 4 * 16), 128), 65536) // 4
    nodes = {}
    for spec in specs:
        nid, pages = spec[0], spec[1]
        marks = tuple(spec[2:]) or (0, 0, 0)
        if marks == (0, 0, 0):
            low = pages_min * pages // total
            marks = (low, low + low // 4, low + low // 2)
        nodes[nid] = Node(nid, pages, *marks, free=pages)
    return nodes


def zonelist(m, nid):
    """All nodes by distance from @nid; equal distances by node id."""
    return sorted(m.nodes, key=lambda other: (m.distance[nid, other], other))


def running_node(m, task):
    """The node of the CPU that @task runs on."""
    return m.cpu_nid[task.cpu]


def alloc_pages(m, wanted, nids):
    """Take one page from the first node of @nids above its low, else above its min watermark."""
    for mark in ("low", "min"):
        for nid in nids:
            node = m.nodes[nid]
            if node.free > getattr(node, mark):
                return take_pages(m, wanted, node, 1)
    raise OracleError(EOOM)


def take_pages(m, wanted, node, nr_pages):
    """Count and take @nr_pages of @node for somebody who wanted node @wanted."""
    node.free -= nr_pages
    m.counters["alloc_pages"] += nr_pages
    if node.nid != wanted:
        m.counters["alloc_fallback"] += nr_pages
    return Page(node.nid)


def free_page(m, page):
    """Give @page back, unless somebody holds a lost reference to it for ever (D)."""
    node = m.nodes[page.nid]
    if page.leaked:
        node.leaked += 1
    else:
        node.free += 1


def page_remove_rmap(m, page):
    """One mapping of @page is gone; the last one frees an anonymous page."""
    page.mapcount -= 1
    if page.mapcount == 0 and page.owner is None:
        free_page(m, page)


def flush_tlb_page(m, process, cpu=None):
    """A flush of one page on every CPU that runs a task of @process, sent by @cpu (None: of one
    of them)."""
    cpus = {task.cpu for task in process.tasks}
    others = cpus - {min(cpus) if cpu is None else cpu}
    m.counters["tlb_flush_remote" if others else "tlb_flush_local"] += 1


def flush_tlb_range(m):
    m.counters["tlb_flush_range"] += 1


def ptep_set_access_flags(m, process):
    """The flush of a permission upgrade: patches 22 and 23 on x86, patch 24 elsewhere."""
    if m.tunables["arch_x86"]:
        if m.tunables["tlb_x86_no_flush"]:
            return
        local = m.tunables["tlb_x86_local_only"]
    else:
        local = m.tunables["tlb_generic_local"]
    if local:
        m.counters["tlb_flush_local"] += 1
    else:
        flush_tlb_page(m, process)
