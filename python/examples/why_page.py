"""Why did this page move?  Its history in a replay, every scan, hint and verdict.

The command does the same: numab why TRACE --machine 2s --page 0x400001c
"""

from pathlib import Path

from numab.engine import ReplayJob
from numab.history import busiest_pages, history_lines, page_history

TRACE = Path(__file__).resolve().parents[2] / "tests" / "data" / "tiny.npz"

job = ReplayJob(
    str(TRACE), "2s", "home_node", start="worst", loops=120, hz=1000,
    tunables={"scan_delay_ms": 10, "scan_period_min_ms": 20},
)
for vpn, moves, hints in busiest_pages(job, limit=3):
    print(f"page {vpn:#x}: {moves} moves, {hints} hints")
print()
vpn = busiest_pages(job, limit=1)[0][0]
print("\n".join(history_lines(page_history(job, vpn), vpn)))
