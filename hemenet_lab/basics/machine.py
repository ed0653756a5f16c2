"""Facts about the machine that this process may use."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of glibc's ``malloc.h``."""


def usable_cores() -> int:
    """Number of CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # respects taskset and most clusters; Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Make the C library keep what is freed for what is asked for next, in this process.

    By default glibc gives large blocks back at once and gets them again empty, page by page, which
    costs a model that runs batch after batch a tenth of its time. Returns False where there is
    nothing to set (another C library).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
