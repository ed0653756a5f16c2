"""Time and peak memory of a step, on a CPU or on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from bench_hemenet import memory, reset_peak


@dataclass
class Meter:
    """Measures steps on a device.

    On a CPU the peak is that of the process, on a GPU that of its memory; CPU time on a GPU is that
    of the process which gives it work.
    """

    device: torch.device
    before: float = 0.0
    """GB in use when the peak was reset."""

    @classmethod
    def on(cls, device: str) -> Meter:
        """For a device by its name, such as ``cpu`` or ``cuda``; ``cpu`` if empty."""
        return cls(torch.device(device or "cpu"))

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def reset(self) -> None:
        """Starts a new peak at the present memory."""
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device) / 1024**3
        else:
            self.before = reset_peak()

    def peak(self) -> float:
        """GB since the reset, above the memory then."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated(self.device) / 1024**3 - self.before
        return memory("VmHWM") - self.before

    def wait(self) -> None:
        """Waits for all that the device was given."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def best_of(self, step: Callable[[], object], repeat: int) -> tuple[float, float]:
        """Smallest wall time and smallest CPU time of a step, s."""
        wall, cpu = [], []
        for _ in range(repeat):
            self.wait()
            start, started = time.perf_counter(), time.process_time()
            step()
            self.wait()
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - started)
        return min(wall), min(cpu)
