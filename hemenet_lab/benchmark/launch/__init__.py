"""Launching the runs of a grid, here or on a cluster, and telling how far they are."""

from __future__ import annotations

from hemenet_lab.benchmark.launch.job import GridJob, LauncherStopped, Outcome, Processes
from hemenet_lab.benchmark.launch.run import Launch, launch_grid, tracker_settings
from hemenet_lab.benchmark.launch.status import Standing, lines, standings

__all__ = [
    "GridJob",
    "Launch",
    "LauncherStopped",
    "Outcome",
    "Processes",
    "Standing",
    "launch_grid",
    "lines",
    "standings",
    "tracker_settings",
]
