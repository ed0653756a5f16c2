"""Facts about the machine that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Number of CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # respects taskset and most clusters; Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
