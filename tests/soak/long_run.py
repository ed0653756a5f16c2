"""A long training run with workers: memory and open files as time goes on.

``python -m tests.soak.long_run [--minutes N]`` prints a line each quarter minute and the slopes
over the second half; exit status 1 if they say that something grows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from tests.store.small_store import small_store

EVERY = 15.0
"""Seconds between measurements."""
MOST_MIB, MOST_FILES = 0.5, 0.05
"""Growth per minute in the second half that is called a leak."""


def train(store: Path, folder: Path, minutes: float) -> None:
    """Fits for some minutes, validating every epoch, with two workers and a tracking database."""
    from lightning.pytorch import Trainer

    from hemenet_lab.loading import ProteinMTDataModule
    from hemenet_lab.tracking import Tracker
    from hemenet_lab.training import RunCheckpoint
    from tests.model.test_module import small_module

    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_time={"minutes": minutes},
        logger=Tracker(folder=str(folder)),
        callbacks=[RunCheckpoint()],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=10,
    )
    trainer.fit(small_module(), datamodule=ProteinMTDataModule(str(store), num_workers=2))


def measured(process: psutil.Process) -> tuple[float, int]:
    """Private memory (MiB) and open files of a process and its children."""
    memory, files = 0.0, 0
    for each in (process, *process.children(recursive=True)):
        try:
            memory += each.memory_full_info().uss / 2**20
            files += each.num_fds()
        except psutil.Error:  # a worker that has just ended
            continue
    return memory, files


def main(words: list[str] | None = None) -> int:
    """Exit status 1 if memory or open files grow in the second half."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.long_run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args(words).minutes
    rows: list[tuple[float, float, int]] = []
    with tempfile.TemporaryDirectory() as name:
        store = small_store(Path(name) / "store", 40).path
        context = multiprocessing.get_context("spawn")
        run = context.Process(target=train, args=(store, Path(name) / "runs", minutes))
        run.start()
        start = time.monotonic()
        while run.is_alive():
            run.join(EVERY)
            if run.is_alive() and run.pid is not None:
                memory, files = measured(psutil.Process(run.pid))
                rows.append(((time.monotonic() - start) / 60, memory, files))
                print(f"{rows[-1][0]:6.2f} min {memory:8.1f} MiB {files:5d} files", flush=True)
    times, memories, opened = np.array([row for row in rows if row[0] > minutes / 2]).T
    growth = _slope(times, memories), _slope(times, opened)
    print(f"second half: {growth[0]:+.2f} MiB and {growth[1]:+.3f} files a minute")
    return int(run.exitcode != 0 or growth[0] > MOST_MIB or growth[1] > MOST_FILES)


def _slope(times: np.ndarray, values: np.ndarray) -> float:
    """Theil and Sen's slope: the median over all pairs, which single jumps do not move."""
    first, second = np.triu_indices(len(times), 1)
    return float(np.median((values[second] - values[first]) / (times[second] - times[first])))


if __name__ == "__main__":
    sys.exit(main())
