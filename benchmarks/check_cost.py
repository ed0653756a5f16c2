"""What checking entries and edges against their checksums costs, as a share of an epoch.

    OMP_NUM_THREADS=1 python benchmarks/check_cost.py --entries 2000 --pairs 7

Each process checks an entry when it first reads it. Epochs that check all entries and epochs that
check none take turns in one process; CPU times, so that other programs hardly matter. The epoch
loads every training batch and does nothing with it, which is the least that an epoch can cost; a
few training steps say what is to be added.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path

import torch
from bench_data import cpu_time, write_store

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.graphs import EdgeCache, GraphView
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.store import Store


def epoch(data: ProteinMTDataModule, check: bool) -> float:
    """CPU seconds of reading all training batches in this process."""
    for each in (data.dataset.store, data.dataset.edges):
        each._checked[:] = bytes([not check]) * len(each._checked)
    return cpu_time(lambda: [None for _ in data.train_dataloader()])


def step_seconds(data: ProteinMTDataModule, steps: int) -> float:
    """Median CPU seconds of a forward and a backward pass of the default HeMeNet."""
    module = MultiTaskModule(HeMeNet())
    module.build(data.tasks)
    times = []
    for batch in itertools.islice(data.train_dataloader(), steps):

        def step(batch: object = batch) -> None:
            losses = module.losses(batch, module(batch))
            torch.stack([loss for loss, _ in losses.values()]).sum().backward()

        times.append(cpu_time(step))
    return statistics.median(times)


def main() -> None:
    """Prints the medians and the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--median", type=int, default=250, help="median chain length")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the store here (default: temporary)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "store"
        if not folder.exists():
            write_store(folder, options.entries, options.median)
        EdgeCache(Store(folder), GraphView(), workers=1)
        data = ProteinMTDataModule(str(folder), num_workers=0, pin_memory=False)
        data.setup()
        epoch(data, check=True)  # reads the files
        pairs = [(epoch(data, True), epoch(data, False)) for _ in range(options.pairs)]
        batches = len(data.train_dataloader())
        training = batches * step_seconds(data, options.steps) if options.steps else 0.0
    checked, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
    cost = statistics.median(one - other for one, other in pairs)
    print(f"{options.entries} entries, {batches} batches, {options.pairs} pairs of epochs")
    print(f"loading an epoch: {plain:.2f} s of CPU time, with all checks {checked:.2f} s")
    print(f"all checks: {cost:.3f} s, {cost / plain:.1%} of loading")
    if training:
        share = cost / (plain + training)
        print(f"training (from {options.steps} steps): {training:.0f} s more; share {share:.3%}")


if __name__ == "__main__":
    main()
