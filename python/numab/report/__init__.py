"""Reports: text tables, vmstat text, JSON."""

from .table import explain, results_table
from .text import runs_json, vmstat_text, write_json

__all__ = ["explain", "results_table", "runs_json", "vmstat_text", "write_json"]
