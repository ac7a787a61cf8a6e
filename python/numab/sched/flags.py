"""Constants of the 2012 load balancer, under the kernel's names and with its values.

Source: Linux 3.7, ``include/linux/sched.h`` and ``kernel/sched``; SD_NUMA is patch 28's.
"""

from __future__ import annotations

SD_LOAD_BALANCE = 0x0001
SD_BALANCE_NEWIDLE = 0x0002
SD_BALANCE_EXEC = 0x0004
SD_BALANCE_FORK = 0x0008
SD_BALANCE_WAKE = 0x0010
SD_WAKE_AFFINE = 0x0020
SD_SHARE_CPUPOWER = 0x0080
SD_SHARE_PKG_RESOURCES = 0x0200
SD_SERIALIZE = 0x0400
SD_PREFER_SIBLING = 0x1000
SD_OVERLAP = 0x2000
SD_NUMA = 0x4000

SCHED_POWER_SCALE = 1024
"""Compute power of a CPU that has its core to itself."""
SMT_GAIN = 1178
"""Power of a core of several threads, which they share."""
RECLAIM_DISTANCE = 30
"""Beyond it a NUMA level is not balanced over at fork and exec, and wakes stay within it."""
