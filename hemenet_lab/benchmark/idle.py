"""Time that a run which was cut off and resumed stood still between its processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from hemenet_lab.tracking import Tracker

IDLE_TAG = "idle_seconds"
"""Tag of resumed runs: seconds from each last sign of life to the next start, together."""


def record_idle(tracker: Tracker) -> None:
    """Add what has passed since a resumed run's last sign of life; nothing for a new run."""
    client, run_id = tracker.experiment, str(tracker.run_id)
    last = last_sign(client, run_id)
    if last is not None:
        before = float(client.get_run(run_id).data.tags.get(IDLE_TAG, 0))
        tracker.set_tags({IDLE_TAG: f"{before + max(0.0, time.time() - last):.1f}"})


def last_sign(client: Any, run_id: str) -> float | None:
    """When a run last recorded anything, in seconds since 1970; None before its first metric."""
    times = [point.timestamp for point in client.get_metric_history(run_id, "epoch")]
    ended = client.get_run(run_id).info.end_time
    times += [ended] if ended else []
    return max(times) / 1000 if times else None


def running_seconds(start: float, end: float, tags: Mapping[str, str]) -> float:
    """Time that the processes of a run took, together.

    Args:
        start: Of the first process, seconds since 1970.
        end: Of the last process.
        tags: Tags of the run.
    """
    return max(0.0, end - start - float(tags.get(IDLE_TAG, 0)))
