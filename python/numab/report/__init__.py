"""Reports: text tables, mmtests' table, numactl and numastat, vmstat text, JSON."""

from .chrome import chrome_trace
from .ftrace import ftrace_lines
from .mmtests import mmtests_rows, mmtests_table
from .numactl import numactl_show
from .numastat import numastat, numastat_mb, numastat_process, numastat_processes
from .table import explain, results_table
from .text import runs_json, vmstat_text, write_json

__all__ = [
    "chrome_trace", "explain", "ftrace_lines", "mmtests_rows", "mmtests_table", "numactl_show",
    "numastat", "numastat_mb", "numastat_process", "numastat_processes", "results_table",
    "runs_json", "vmstat_text",
    "write_json",
]
