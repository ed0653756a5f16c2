"""What docs/cluster.md promises, on a real SLURM and dask: ``python -m tests.soak.cluster``."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.build import build_store
from hemenet_lab.protein_mt.demo import write_demo
from hemenet_lab.tracking import RecordedRun, RunDatabase
from tests.soak.cluster.services import (
    NODES,
    dask,
    kill_job,
    kill_node,
    missing,
    output,
    slurm,
    wait_for,
)

ROOT = Path(__file__).resolve().parents[3]
HEMENET = [sys.executable, "-m", "hemenet_lab"]
LONG = 1200.0
"""Time that any step may take on a busy machine, in seconds."""
EPOCHS = 60
"""Enough that a training is still going when it is killed."""
NARROW = [f"model.encoder.init_args.{n}=8" for n in ("hidden_dim", "channel_dim", "relation_dim")]
SMOKE = str(ROOT / "configs" / "trainer" / "smoke.yaml")
GRID = str(ROOT / "experiments" / "figure4.yaml")


@dataclass
class Place:
    """Folder and variables of all steps.

    Args:
        folder: An empty one.
        environment: Leads to SLURM.
    """

    folder: Path
    environment: Mapping[str, str]
    start: float = field(default_factory=time.monotonic)

    @property
    def store(self) -> Path:
        """The store that the build makes and the trainings use."""
        return self.folder / "store"

    def say(self, text: str) -> None:
        """A line of the transcript, with the time since the start."""
        print(f"[{time.monotonic() - self.start:5.0f} s] {text}", flush=True)

    def check(self, text: str, holds: object) -> None:
        """A line about what was found; ends everything if it is not so."""
        if not holds:
            raise SystemExit(f"NOT SO: {text}")
        self.say(f"  so: {text}")

    def output(self, *command: str) -> str:
        """Output of a command that has to end well."""
        return output(list(command), self.environment, self.folder)

    def begin(self, words: list[str], log: str) -> subprocess.Popen[bytes]:
        """Start a ``hemenet`` command in the background."""
        self.say(f"$ {shown(words)}")
        with (self.folder / log).open("wb") as out:
            return subprocess.Popen(
                [*HEMENET, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=self.folder,
            )

    def fit(self, runs: str, epochs: int, *more: str) -> list[str]:
        """Words of a small training that records in a folder of its own."""
        words = ["fit", "--config", str(ROOT / "experiments" / "multitask.yaml")]
        words += ["--config", SMOKE, "--data.root", str(self.store)]
        words += ["--trainer.max_epochs", str(epochs), *(f"--{each}" for each in NARROW)]
        words += ["--trainer.logger.init_args.folder", str(self.folder / runs)]
        return [*words, *more]

    def job(self, name: str, *options: str, words: list[str]) -> str:
        """Submit a job script that trains; its number."""
        script = self.folder / f"{name}.sh"
        lines = ["#!/bin/bash", *(f"#SBATCH {each}" for each in options)]
        lines += [f"#SBATCH --output={self.folder}/{name}.out --open-mode=append"]
        script.write_text("\n".join([*lines, f"srun {shlex.join([*HEMENET, *words])}", ""]))
        self.say(f"$ sbatch {name}.sh   # {' '.join(options)}: srun hemenet fit …")
        return self.output("sbatch", "--parsable", str(script)).strip().partition(";")[0]

    def state(self, job: str) -> str:
        """SLURM's word for where a job stands."""
        text = self.output("scontrol", "--oneliner", "show", "job", job)
        return text.partition("JobState=")[2].partition(" ")[0]

    def ended(self, job: str, name: str) -> None:
        """Wait until a job is completed; show its log if it is not."""
        running = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")
        wait_for(f"job {job}", lambda: self.state(job) not in running, LONG)
        if self.state(job) != "COMPLETED":
            log = (self.folder / f"{name}.out").read_text()
            raise SystemExit(f"job {job}: {self.state(job)}\n{log[-4000:]}")
        self.say(f"  job {job} {self.state(job)}")

    def recorded(self, runs: str) -> list[RecordedRun]:
        """The MLflow runs of a folder."""
        database = RunDatabase.make({"folder": str(self.folder / runs), "tracking_uri": None})
        return list(database.runs())

    def checkpoint(self, runs: str) -> list[Path]:
        """The last checkpoints in a folder."""
        return sorted((self.folder / runs).glob("*/checkpoints/last.ckpt"))


def shown(words: list[str]) -> str:
    """A command for people: paths by their last part."""
    return "hemenet " + " ".join(w.rpartition("/")[2] if w.startswith("/") else w for w in words)


def build(place: Place) -> None:
    """A build by three workers of which one is killed gives the bytes of a build in one process."""
    raw = write_demo(place.folder / "raw", "tiny")
    with dask(place.folder / "dask", place.environment) as (address, workers):
        place.say(f"dask: a scheduler and {len(workers)} workers")
        words = ["data", "build", "--raw", str(raw), "--out", str(place.store)]
        process = place.begin([*words, "--executor", address], "build.out")
        partial = place.store / ".partial"
        wait_for("a file that is read", lambda: len(list(partial.glob("*.npz"))) >= 3, LONG)
        os.kill(workers[0], signal.SIGKILL)
        read = len(list(partial.glob("*.npz")))
        place.say(f"  kill -9 of a worker, when {read} items were read")
        status = process.wait(LONG)
        place.check("the build ended with status 0", status == 0)
    here = place.folder / "here"
    process = place.begin(["data", "build", "--raw", str(raw), "--out", str(here)], "here.out")
    assert process.wait(LONG) == 0
    names = sorted(path.name for path in here.iterdir())
    same = [(place.store / name).read_bytes() == (here / name).read_bytes() for name in names]
    place.check(f"all {len(names)} files of the store are those of a build here", all(same))


def two_nodes(place: Place) -> None:
    """One training on two nodes is one run."""
    more = ("--trainer.num_nodes", "2", "--trainer.strategy", "ddp")
    job = place.job("two", "--nodes=2 --ntasks-per-node=1", words=place.fit("runs-two", 2, *more))
    wait_for("the job's nodes", lambda: place.state(job) != "PENDING", LONG)
    place.ended(job, "two")
    log = (place.folder / "two.out").read_text()
    place.check("two processes of one group", "MEMBER: 2/2" in log)
    [run] = place.recorded("runs-two")
    place.check(f"one MLflow run, {run.status}", run.finished and run.status == "FINISHED")


def torchrun(place: Place) -> None:
    """The same by ``torchrun``, with an agent for each machine."""
    more = ("--trainer.num_nodes", "2", "--trainer.strategy", "ddp")
    words = [*place.fit("runs-torchrun", 2, *more)]
    agent = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    agent += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:29517", "--rdzv-id=check"]
    place.say("$ torchrun --nnodes=2 --nproc-per-node=1 … -m hemenet_lab fit …   # twice")
    logs = [(place.folder / f"torchrun{number}.out").open("wb") for number in range(2)]
    agents = [
        subprocess.Popen(
            [*agent, "-m", "hemenet_lab", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **place.environment},
            cwd=place.folder,
        )
        for log in logs
    ]
    place.check("both ended with status 0", [each.wait(LONG) for each in agents] == [0, 0])
    [run] = place.recorded("runs-torchrun")
    place.check(f"one MLflow run, {run.status}", run.finished and run.status == "FINISHED")


def preempted(place: Place) -> None:
    """A job that is asked to leave goes on in its own run."""
    options = "--nodes=1 --ntasks-per-node=1 --requeue"
    job = place.job("preempted", options, words=place.fit("runs-preempted", EPOCHS))
    wait_for("a checkpoint", lambda: bool(place.checkpoint("runs-preempted")), LONG)
    place.say(f"$ scancel --signal=USR1 {job}")
    place.output("scancel", "--signal=USR1", job)
    wait_for("the requeue", lambda: place.state(job) == "PENDING", LONG)
    [before] = place.recorded("runs-preempted")
    log = (place.folder / "preempted.out").read_text()
    [(when, saved)] = re.findall(r"^(interrupted by SIGUSR1.*): saved (.*?);", log, re.MULTILINE)
    place.check(
        f"{when}: saved {shown([saved])[8:]}", Path(saved) in place.checkpoint("runs-preempted")
    )
    place.check(f"job {job} is back in the queue", f"job {job} is back in the queue" in log)
    place.say(f"$ scontrol update JobId={job} StartTime=now   # SLURM holds it two minutes else")
    place.output("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait_for("the second start", lambda: place.state(job) != "PENDING", LONG)
    place.ended(job, "preempted")
    [run] = place.recorded("runs-preempted")
    place.check("the same MLflow run", run.id == before.id)
    place.check(f"{run.status}, once", run.finished and run.status == "FINISHED")
    place.check("its tag interrupted is false", run.tags.get("interrupted") == "false")
    steps = [p.step for p in run.client.get_metric_history(run.id, "val/loss")]
    place.check(
        f"{len(steps)} validations for {EPOCHS} epochs, each at a step of its own",
        len(set(steps)) == len(steps) == EPOCHS,
    )
    strangers = [*place.folder.glob("hpc_ckpt*"), *place.folder.glob("*.ckpt")]
    place.check("no checkpoint outside of the run's folder", not strangers)


def lost(place: Place) -> None:
    """A job whose node dies goes on in its own run, on the other node."""
    options = "--nodes=1 --ntasks-per-node=1 --requeue"
    job = place.job("lost", options, words=place.fit("runs-lost", EPOCHS))
    wait_for("a checkpoint", lambda: bool(place.checkpoint("runs-lost")), LONG)
    [before] = place.recorded("runs-lost")
    node = place.output("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    killed = kill_node(node, place.environment["SLURM_CONF"])
    place.say(f"  kill -9 of slurmd on {node} and of the {killed - 1} other processes there")
    wait_for("the requeue", lambda: place.state(job) == "PENDING", LONG)
    place.say(f"  SLURM has missed the node and put job {job} back into the queue")
    place.output("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait_for("the second start", lambda: place.state(job) != "PENDING", LONG)
    other = place.output("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    place.check(f"it goes on on {other}", {node, other} == {*NODES})
    place.ended(job, "lost")
    [run] = place.recorded("runs-lost")
    place.check("the same MLflow run", run.id == before.id)
    place.check(f"{run.status}, once", run.finished and run.status == "FINISHED")
    steps = {p.step for p in run.client.get_metric_history(run.id, "val/loss")}
    place.check(f"validations of {len(steps)} of {EPOCHS} epochs", len(steps) == EPOCHS)


def grid(place: Place) -> None:
    """A grid of which one job is killed ends with one table."""
    runs = place.folder / "runs-grid"
    chosen = ["--config", SMOKE, "--seeds", "2", "--folder", str(runs), "--set"]
    chosen += [f"data.root={place.store}", f"trainer.max_epochs={EPOCHS}", *NARROW]
    words = ["benchmark", "run", GRID, *chosen, "--launcher", "slurm", "--slurm", "timeout_min=60"]
    process = place.begin(words, "grid.out")
    wait_for("a checkpoint", lambda: bool(place.checkpoint("runs-grid")), LONG)
    queue = place.output("squeue", "--me", "--noheader", "--array", "--format=%i %T").splitlines()
    job = next(line.split()[0] for line in queue if line.endswith("RUNNING"))
    killed = kill_job(job, place.environment["SLURM_CONF"])
    place.say(f"  kill -9 of the {killed} processes of job {job}")
    place.say("$ hemenet benchmark status figure4.yaml …")
    for line in place.output(*HEMENET, "benchmark", "status", GRID, *chosen).splitlines():
        place.say(f"  {line.partition(', see')[0]}")
    place.check("the grid ended with status 0", process.wait(LONG) == 0)
    said = (place.folder / "grid.out").read_text().splitlines()
    for line in said:
        place.say(f"  {line.strip()}")
    place.check("the lost job was submitted once more", sum("was lost" in x for x in said) == 1)
    found = place.recorded("runs-grid")
    place.check("two MLflow runs, both finished", [r.finished for r in found] == [True] * 2)
    place.say("$ hemenet benchmark table figure4.yaml …")
    table = place.output(*HEMENET, "benchmark", "table", GRID, *chosen).splitlines()
    for line in table[:12]:
        place.say(f"  {line[:110]}")


PARTS: dict[str, Callable[[Place], None]] = {
    "build": build,
    "two nodes": two_nodes,
    "torchrun": torchrun,
    "preempted": preempted,
    "grid": grid,
    "lost": lost,
}


def main(names: list[str]) -> int:
    """Run all parts, or some; the build makes the store for the others."""
    if absent := missing():
        raise SystemExit(
            f"not installed: {', '.join(absent)}; on Debian: apt-get install slurmctld slurmd "
            "slurm-client munge, as root"
        )
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"no part {unknown}; there are {[*PARTS]}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that all is stopped
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="hemenet-cluster-") as made:
        folder = Path(made)
        start = time.monotonic()
        with slurm(folder / "slurm") as environment:
            place = Place(folder, environment, start)
            place.say(f"{place.output('sinfo', '--version').strip()}, nodes {' and '.join(NODES)}")
            if names and "build" not in names:
                build_store(write_demo(folder / "raw", "tiny"), place.store)
            for name, part in PARTS.items():
                if not names or name in names:
                    place.say(f"== {name}")
                    part(place)
        place.say("all of it held; SLURM and dask are stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
