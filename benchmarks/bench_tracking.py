"""Time of a small fit whose records go nowhere, to a local database, and to a server that is away.

    python benchmarks/bench_tracking.py --repeats 5

Prints a Markdown table. A real `mlflow server` is started on loopback; it is killed, or frozen, at
the first training step. The kinds of run take turns, so that a busy machine troubles all alike.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bench_data import write_store
from lightning.pytorch import Callback, Trainer, seed_everything

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.tracking import Tracker

KINDS = ("no tracking", "local database", "server", "server killed", "server frozen")


class Server:
    """`mlflow server` with a database in a folder, in a group of processes of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.process is not None:
            return
        words = ["-m", "mlflow", "server", "--workers", "1", "--port", str(self.port)]
        words += ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        words += ["--artifacts-destination", str(self.folder / "kept")]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit("the server does not start")

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class Timed(Tracker):
    """Adds up the time that a fit spends in its record, after the run has begun."""

    seconds = 0.0


def _timed(name: str) -> Callable[..., Any]:
    plain = getattr(Tracker, name)

    def call(self: Timed, *args: Any, **options: Any) -> Any:
        begun = time.perf_counter()
        try:
            return plain(self, *args, **options)
        finally:
            self.seconds += time.perf_counter() - begun

    return call


for method in ("log_metrics", "log_hyperparams", "log_text", "log_arrays", "set_tags", "finalize"):
    setattr(Timed, method, _timed(method))


class AtFirstStep(Callback):
    """Does something once, before the first training step."""

    def __init__(self, action: Callable[[], None] | None) -> None:
        self.action = action

    def on_train_start(self, *args: Any) -> None:
        if self.action is not None:
            self.action()


def fit(
    kind: str, store: Path, folder: Path, server: Server, epochs: int, every: int
) -> tuple[float, float, float]:
    """Wall and CPU seconds of a fit and its test, and wall seconds within the record."""
    logger: Any = False
    if kind == "local database":
        logger = Timed(folder=str(folder / "local"))
    elif kind != "no tracking":
        server.start()
        logger = Timed(folder=str(folder / "remote"), tracking_uri=server.uri)
    actions = {
        "server killed": server.kill,
        "server frozen": partial(server.signal, signal.SIGSTOP),
    }
    if logger:
        _ = logger.run_id
    seed_everything(0, verbose=False)
    module = MultiTaskModule(HeMeNet(hidden_dim=32, num_layers=2))
    data = ProteinMTDataModule(str(store), pin_memory=False)
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        logger=logger,
        callbacks=[AtFirstStep(actions.get(kind))],
        max_epochs=epochs,
        log_every_n_steps=every,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)
    taken = time.perf_counter() - wall, time.process_time() - cpu, getattr(logger, "seconds", 0.0)
    if kind == "server frozen":
        server.signal(signal.SIGCONT)
    return taken


def main() -> None:
    """Runs all kinds in turn and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS[1:], default=KINDS[1:])
    parser.add_argument("--entries", type=int, default=120)
    parser.add_argument("--median", type=int, default=80, help="median chain length")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--every", type=int, default=1, help="steps between two records")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    kinds = (KINDS[0], *options.kinds)
    times: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder / "store", options.entries, options.median)
        server = Server(folder)
        try:
            for kind in KINDS[:3] if any("server" in kind for kind in kinds) else KINDS[:2]:
                # imports, edges, caches
                fit(kind, folder / "store", folder, server, epochs=1, every=options.every)
            for number in range(options.repeats):
                for kind in kinds:
                    place = kind, folder / "store", folder, server
                    times[kind].append(fit(*place, options.epochs, options.every))
                    print(number, kind, times[kind][-1], file=sys.stderr, flush=True)
        finally:
            server.kill()
    print(f"{platform.machine()}, torch {torch.__version__}, {options.repeats} repeats\n")
    print("| records | wall (s) | CPU (s) | CPU, ratio of each round | in the record (s) | share |")
    print("|---|---|---|---|---|---|")
    for kind in kinds:
        wall, cpu, inside = (statistics.median(each[i] for each in times[kind]) for i in range(3))
        ratios = [
            mine[1] / bare[1] for mine, bare in zip(times[kind], times[KINDS[0]], strict=True)
        ]
        share = statistics.median(each[2] / each[0] for each in times[kind])
        print(
            f"| {kind} | {wall:.1f} | {cpu:.1f} | {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}) | {inside:.2f} | {share:.1%} |"
        )


if __name__ == "__main__":
    main()
