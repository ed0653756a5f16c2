"""Several processes: how evenly a plan shares the work, and what an exchange of gradients costs.

    OMP_NUM_THREADS=1 python benchmarks/bench_ddp.py [--entries 40000] [--steps 12]

The first table needs no training: items of the sizes and labels of the full benchmark are planned
for 2, 4 and 8 processes, and the work of a batch is its number of edges. *slowest rank* is the work
of the rank with most of it over that of the mean rank, *waiting* the share of time that ranks wait
for the slowest of each step. The second trains a small HeMeNet in one process and in two, with one
thread each and a batch of the same size in each.
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from bench_data import LBA_SHARE, PPA_SHARE, TASKS, single_chain
from torch.nn.parallel import DistributedDataParallel

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.graphs import build_graph
from hemenet_lab.loading import collate
from hemenet_lab.loading.packing import Items, Limits
from hemenet_lab.loading.plan import TrainingPlan

LIMITS = Limits(8, 60_000, 2_000_000)
"""The data module's defaults."""
ATOMS_PER_RESIDUE, EDGES_PER_RESIDUE = 8.3, 12
EPOCHS = 3


def generated_items(number: int, seed: int = 0) -> Items:
    """Sizes and labels as `bench_data.generated_entry` draws them, without structures."""
    rng = np.random.default_rng(seed)
    draw = rng.random(number)
    lba, ppa = draw < LBA_SHARE, (draw >= LBA_SHARE) & (draw < LBA_SHARE + PPA_SHARE)
    lengths = np.clip(250 * rng.lognormal(0.0, 0.6, (number, 2)), 250 / 6, 6 * 250)
    residues = lengths[:, 0] + np.where(ppa, lengths[:, 1], 0)
    residues = (residues * np.where(lba & (rng.random(number) < 0.4), 2, 1)).astype(np.int64)
    labelled = rng.random((number, len(TASKS))) < np.where(lba | ppa, 0.2, 0.5)[:, None]
    for column, task in enumerate(TASKS):
        if task.level == "complex":
            labelled[:, column] = {"lba": lba, "ppa": ppa}[task.name]
    names = tuple(f"g{place:06d}" for place in range(number))
    atoms = (residues * ATOMS_PER_RESIDUE).astype(np.int64)
    return Items(np.arange(number), names, atoms, EDGES_PER_RESIDUE * residues, labelled, TASKS)


def balance(items: Items, world_size: int, epochs: int = EPOCHS) -> tuple[int, float, float]:
    """Batches, and the largest of some epochs' ratios: slowest to mean rank, and waiting."""
    plan = TrainingPlan(items, LIMITS, 0, world_size)
    slowest, waiting = [], []
    for epoch in range(epochs):
        work = np.array([items.edges[batch].sum() for batch in plan.batches(epoch)], float)
        steps = work.reshape(-1, world_size)
        ranks = steps.sum(axis=0)
        slowest.append(ranks.max() / ranks.mean())
        waiting.append(1 - steps.mean(axis=1).sum() / steps.max(axis=1).sum())
    return plan.num_batches, max(slowest), max(waiting)


def train(rank: int, world_size: int, port: int, steps: int, found: Any) -> None:
    """Trains in one of the processes; ``found`` gets wall and CPU seconds of each."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    encoder = HeMeNet(hidden_dim=64, num_layers=3, channel_dim=32, relation_dim=32)
    model = DistributedDataParallel(encoder, find_unused_parameters=False)
    graphs = [build_graph(single_chain(150), encoder.view) for _ in range(4)]
    batch = encoder.prepare(collate(graphs))
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(steps + 2):
        if step == 2:  # the first ones warm up
            dist.barrier()
            start, used = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    dist.barrier()
    found[rank] = (time.perf_counter() - start, time.process_time() - used)
    dist.destroy_process_group()


def scaling(world_size: int, steps: int) -> tuple[float, float]:
    """Wall seconds per step, and CPU seconds per step and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mp.Manager() as manager:
        found = manager.dict()
        mp.spawn(train, args=(world_size, port, steps, found), nprocs=world_size)
        walls, cpus = zip(*found.values(), strict=True)
    return max(walls) / steps, sum(cpus) / world_size / steps


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--entries", type=int, default=40_000)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    items = generated_items(options.entries)
    print(f"{options.entries:,} entries, {EPOCHS} epochs\n")
    print("| processes | batches | slowest rank / mean | waiting |\n|--:|--:|--:|--:|")
    for world_size in (2, 4, 8):
        batches, slowest, waiting = balance(items, world_size)
        print(f"| {world_size} | {batches:,} | {slowest:.4f} | {waiting:.1%} |", flush=True)
    print("\n| processes | wall s per step | CPU s per step and process | graphs/s |")
    print("|--:|--:|--:|--:|")
    for world_size in (1, 2):
        wall, cpu = scaling(world_size, options.steps)
        rate = 4 * world_size / wall
        print(f"| {world_size} | {wall:.3f} | {cpu:.3f} | {rate:.1f} |", flush=True)


if __name__ == "__main__":
    main()
