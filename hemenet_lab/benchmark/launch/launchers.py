"""Runs of a grid as processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

import torch

from hemenet_lab.basics import usable_cores
from hemenet_lab.benchmark.launch.job import GridJob, LauncherStopped, Outcome, Processes
from hemenet_lab.benchmark.launch.progress import Progress

GPUS = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"


def run_local(
    jobs: Sequence[GridJob],
    progress: Progress,
    slots: Sequence[dict[str, str]],
    processes: Processes | None = None,
) -> list[Outcome]:
    """Run all jobs, as many at a time as there are slots.

    Args:
        jobs: What is to be done, in this order.
        progress: Is told of every start and end.
        slots: Variables for each of the places that runs take (see `machine_slots`).
        processes: Starts the processes.

    Raises:
        KeyboardInterrupt: Ctrl-C or another signal to end; the processes have been ended.
    """
    processes = processes or Processes()
    free: SimpleQueue[dict[str, str]] = SimpleQueue()
    for slot in slots:
        free.put(slot)

    def work(job: GridJob) -> Outcome:
        slot = free.get()
        try:
            progress.start(job.run.name, job.start)
            outcome = job(processes, slot)
            progress.end(job.run.name, outcome.text, outcome.finished)
            return outcome
        finally:
            free.put(slot)

    pool = ThreadPoolExecutor(len(slots))
    with _ending_signals():
        try:
            futures = [pool.submit(work, job) for job in jobs]
            for future in as_completed(futures):
                future.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            pool.shutdown(wait=True)
            if isinstance(error, LauncherStopped):
                raise KeyboardInterrupt from error
            raise
    pool.shutdown()
    return [future.result() for future in futures]


def machine_slots(parallel: int | None, one_device: bool) -> list[dict[str, str]]:
    """Places for runs, with one GPU each if there are several and the CPU cores divided.

    Args:
        parallel: Runs at a time; one per GPU, or one, if None.
        one_device: Whether each run uses a single device.

    Raises:
        ValueError: No place at all is asked for, or several for runs that take all GPUs each.
    """
    gpus = _gpus()
    if len(gpus) > 1 and not one_device:
        if (parallel or 1) > 1:
            raise ValueError(
                f"--max-parallel {parallel}, but these runs use several devices each and would "
                f"meet on the same of the {len(gpus)} GPUs; leave it out"
            )
        gpus = []
    count = max(1, len(gpus)) if parallel is None else parallel
    if count < 1:
        raise ValueError(f"--max-parallel {parallel}; it must be 1 or more")
    slots = []
    for number in range(count):
        slot = {THREADS: os.environ.get(THREADS) or str(max(1, usable_cores() // count))}
        if len(gpus) > 1:
            slot[GPUS] = gpus[number % len(gpus)]
        slots.append(slot)
    return slots


def _gpus() -> list[str]:
    """Names of the GPUs that this process may use."""
    given = os.environ.get(GPUS)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


@contextmanager
def _ending_signals() -> Iterator[None]:
    """Make the signals that end a process do what Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # Python leaves signals to the main thread
        return
    ending = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup stays in force
    ]
    before = {number: signal.signal(number, interrupt) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
