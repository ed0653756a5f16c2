"""Launching the runs of a grid, here or on a cluster, and telling how far they are."""

from __future__ import annotations

from hemenet_lab.benchmark.launch.job import GridJob, LauncherStopped, Outcome, Processes
from hemenet_lab.benchmark.launch.run import Launch, launch_grid, tracker_settings
from hemenet_lab.benchmark.launch.status import RunStatus, lines, run_statuses

__all__ = [
    "GridJob",
    "Launch",
    "LauncherStopped",
    "Outcome",
    "Processes",
    "RunStatus",
    "launch_grid",
    "lines",
    "run_statuses",
    "tracker_settings",
]
