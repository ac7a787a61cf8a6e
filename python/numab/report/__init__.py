"""Reports: text tables, mmtests' table, vmstat text, JSON."""

from .mmtests import mmtests_rows, mmtests_table
from .table import explain, results_table
from .text import runs_json, vmstat_text, write_json

__all__ = [
    "explain", "mmtests_rows", "mmtests_table", "results_table", "runs_json", "vmstat_text",
    "write_json",
]
