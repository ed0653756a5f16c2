"""What a fit uses of its machine, by MLflow's own monitors.

MLflow's thread for them asks the server at every sample and ends when it is away, so these are
told as everything else is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
"""MLflow's environment variable: seconds between samples."""
PREFIX = "system/"


class SystemMetrics:
    """Samples processor, memory, disk, network and GPU in a thread of its own.

    Args:
        tell: Takes a sample's values and its number.
        first: Number of the first sample.
    """

    def __init__(self, tell: Callable[[Mapping[str, float], int], None], first: int = 0) -> None:
        self._tell, self._number = tell, first
        self._seconds = float(os.environ.get(INTERVAL) or 10)
        self._monitors = _monitors()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="system metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no further sample."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        self._sample()  # shares of processor time count from here
        while not self._stop.wait(self._seconds):
            self._tell(
                {PREFIX + name: value for name, value in self._sample().items()}, self._number
            )
            self._number += 1

    def _sample(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        return found


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    found = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        found.append(GPUMonitor())
    except Exception:  # no GPU, or no nvidia-ml-py to ask it
        return found
    return found
