"""Training on a device: every precision, compiled or not, and the loader beside the model.

    python benchmarks/bench_device.py --device cuda
    OMP_NUM_THREADS=1 python benchmarks/bench_device.py --only hemenet --size comparable --graphs 2

Steps of the whole module (encoder, readouts, heads, losses of six tasks, Adam) on a batch of
generated proteins; each row in a fresh process, one thread on a CPU. *first step* holds the
compilation. The second table loads a generated store with several numbers of workers. With
``--peak-tflops``, what the device can do, the share of it that the matrix products of a step reach
is printed too; otherwise that column stays empty.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from bench_data import TASKS, generated_entry, write_store
from bench_encoders import FOLDERS, encoder_names, make_encoder
from matrix_products import MatrixProducts
from meters import Meter

from hemenet_lab.graphs import EdgeCache, ProteinGraph, build_graph
from hemenet_lab.loading import ProteinMTDataModule, collate
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.store import Store
from hemenet_lab.training import Recompute

MODES = ("fp32", "bf16-mixed", "compiled", "compiled bf16-mixed", "recomputed")
ENCODERS = ("hemenet", "gearnet", "gvp", "schnet")
Row = dict[str, Any]


def batch_for(module: MultiTaskModule, graphs: int, device: torch.device) -> ProteinGraph:
    """Generated entries of real length, as a batch for the module."""
    view = module.encoder.view
    found = [build_graph(generated_entry(number), view, TASKS) for number in range(graphs)]
    return module.encoder.prepare(collate(found)).to(device)


def worker(options: argparse.Namespace) -> Row:
    """Measures one encoder in one mode in this process."""
    meter = Meter.on(options.device)
    if not meter.on_gpu:
        torch.set_num_threads(1)
    torch.manual_seed(0)
    meter.reset()
    module = MultiTaskModule(
        make_encoder(options.worker, options.size), compile="compiled" in options.mode
    )
    module.build(TASKS)
    module.train().to(meter.device)
    if options.mode == "recomputed":
        Recompute().apply(module.encoder)
    batch = batch_for(module, options.graphs, meter.device)
    optimizer = torch.optim.Adam(module.parameters())
    half = torch.autocast(meter.device.type, torch.bfloat16, enabled="bf16" in options.mode)

    def step() -> None:
        optimizer.zero_grad()
        with half:
            losses = module.losses(batch, module(batch))
            loss = sum(value for value, _ in losses.values())
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        optimizer.step()

    start = time.perf_counter()
    step()
    meter.wait()
    first = time.perf_counter() - start
    peak = meter.peak()
    operations = 0
    if "compiled" not in options.mode:
        with MatrixProducts() as products:
            step()
        operations = products.operations
    wall, cpu = meter.best_of(step, options.repeat)
    return {"first": first, "wall": wall, "cpu": cpu, "peak": peak, "operations": operations}


def apart(name: str, mode: str, options: argparse.Namespace) -> Row | str:
    """A row from a process of its own, or why there is none."""
    words = [f"--worker={name}", f"--mode={mode}", f"--size={options.size}"]
    words += [f"--graphs={options.graphs}", f"--repeat={options.repeat}"]
    done = subprocess.run(
        [sys.executable, __file__, *words, f"--device={options.device}"],
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:120]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(name: str, mode: str, row: Row | str, plain: Row | str, options: Any) -> str:
    """A line of the first table."""
    if isinstance(row, str):
        return f"| {name} | {mode} | {row} |" + " |" * 7
    gain = share = ""
    if isinstance(plain, dict):
        key = "wall" if Meter.on(options.device).on_gpu else "cpu"
        gain = f"{plain[key] / row[key]:.2f}"
        if options.peak_tflops:
            rate = plain["operations"] / row["wall"] / 1e12
            share = f"{rate / options.peak_tflops:.0%}"
    cells = (f"{row['first']:.1f}", f"{row['wall']:.3f}", f"{row['cpu']:.3f}", gain)
    rate = f"{options.graphs / row['wall']:.1f}"
    return f"| {name} | {mode} | {' | '.join(cells)} | {rate} | {row['peak']:.2f} | {share} |"


def loading(options: argparse.Namespace) -> None:
    """Prints how many proteins a second the loader gives, by its number of workers."""
    print("\n| workers | proteins/s | main process's CPU ms per batch |\n|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        write_store(path, options.entries, 250)
        view = make_encoder("hemenet", options.size).view
        EdgeCache(Store(path), view, workers=1)
        for workers in options.workers:
            data = ProteinMTDataModule(str(path), num_workers=workers, view=view)
            data.setup()
            graphs = batches = 0
            start, used = time.perf_counter(), time.process_time()
            for batch in data.train_dataloader():
                batch.to(options.device or "cpu", non_blocking=True)
                graphs, batches = graphs + batch.num_graphs, batches + 1
            wall, cpu = time.perf_counter() - start, time.process_time() - used
            print(f"| {workers} | {graphs / wall:.0f} | {1000 * cpu / batches:.1f} |", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="", help="such as cuda; the CPU if not given")
    parser.add_argument("--only", nargs="+", choices=encoder_names(), default=list(ENCODERS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--size", choices=FOLDERS, default="published")
    parser.add_argument("--graphs", type=int, default=8, help="proteins of the batch")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--entries", type=int, default=400, help="of the store; 0: no loader")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 4, 12])
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of the device")
    parser.add_argument("--worker", choices=encoder_names(), help=argparse.SUPPRESS)
    parser.add_argument("--mode", choices=MODES, default="fp32", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(worker(options)))
        return
    on_gpu = Meter.on(options.device).on_gpu
    name = torch.cuda.get_device_name() if on_gpu else platform.machine()
    print(f"{name}, torch {torch.__version__}, {options.size} size, {options.graphs} proteins\n")
    print(
        "| encoder | mode | first step s | wall s | CPU s | gain | proteins/s | peak GB | share |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for encoder in options.only:
        plain: Row | str = ""
        for mode in options.modes:
            row = apart(encoder, mode, options)
            plain = row if mode == "fp32" else plain
            print(show(encoder, mode, row, plain, options), flush=True)
    if options.entries:
        loading(options)


if __name__ == "__main__":
    main()
