"""Speed and memory of `hemenet predict` on many structures.

    python benchmarks/bench_predict.py --ckpt best.ckpt --structures 500 2000 --workers 1

Synthetic proteins of 300 residues (a bundle of 15 helices with side chains, every one with a
sequence and a frame of its own) are written as PDB files; then the command predicts each folder in
a process of its own, start-up included. CPU seconds are those of the process and its readers; per
structure, what a run on a single structure needs is taken off. ``--profile`` prints what one
process spends its time on.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from biotite.structure import info
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HELICES, LENGTH, APART = 15, 20, 9.5
"""Helices on a square grid, residues in each, and Å between their axes."""
NAMES = (
    *("ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE"),
    *("LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL"),
)
BACKBONE = {"N": (1.55, -28.0, -0.87), "CA": (2.29, 0.0, 0.0), "C": (1.66, 26.0, 1.12)}
"""Radius (Å), turn (degrees) and rise (Å) of an alpha helix's atoms from those of the CA."""


def frame(n: Floats, ca: Floats, c: Floats) -> Floats:
    """Rotation [3, 3] whose columns are the axes that three backbone atoms span."""
    first = (c - ca) / np.linalg.norm(c - ca)
    third = np.cross(first, n - ca)
    third /= np.linalg.norm(third)
    return np.stack([first, np.cross(third, first), third], axis=1)


@dataclass(frozen=True)
class Template:
    """A residue without hydrogens and OXT, its CA in the origin of its own frame."""

    atoms: list[str]
    elements: list[str]
    coords: Floats


def template(name: str) -> Template:
    """The residue as the chemical component dictionary has it."""
    atoms = info.residue(name)
    atoms = atoms[(atoms.element != "H") & (atoms.atom_name != "OXT")]
    names = atoms.atom_name.tolist()
    n, ca, c = (atoms.coord[names.index(each)].astype(float) for each in BACKBONE)
    coords = (atoms.coord.astype(float) - ca) @ frame(n, ca, c)
    return Template(names, atoms.element.tolist(), coords)


def bundle(helices: int) -> tuple[Floats, Floats]:
    """CA atoms [n, 3] and frames [n, 3, 3] of helices side by side, up and down in turn."""
    origins, frames = [], []
    for helix in range(helices):
        shift = np.array([helix % 4 * APART, helix // 4 * APART, 0.0])
        for place in range(LENGTH):
            points = []
            for radius, turn, rise in BACKBONE.values():
                angle = np.radians(turn + 100 * place)
                z = rise + 1.5 * place
                points.append([radius * np.cos(angle), radius * np.sin(angle), z])
            found = np.array(points)
            if helix % 2:  # turned over, so that the chain runs down
                found = found * [1, -1, -1] + [0, 0, 1.5 * LENGTH]
            found += shift
            origins.append(found[1])
            frames.append(frame(*found))
    return np.array(origins), np.array(frames)


def write_structures(folder: Path, count: int, helices: int = HELICES, seed: int = 0) -> int:
    """Write PDB files; the number of their atoms."""
    rng = np.random.default_rng(seed)
    templates = [template(name) for name in NAMES]
    origins, frames = bundle(helices)
    folder.mkdir()
    total = 0
    for number in range(count):
        kinds = rng.integers(len(NAMES), size=len(origins))
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        lines: list[str] = []
        places = [templates[k].coords @ frames[i].T + origins[i] for i, k in enumerate(kinds)]
        coords = np.concatenate(places) @ turn + rng.normal(0, 0.05, (sum(map(len, places)), 3))
        row = 0
        for i, kind in enumerate(kinds):
            one = templates[kind]
            for name, element in zip(one.atoms, one.elements, strict=True):
                x, y, z = coords[row]
                row += 1
                shown = name if len(name) == 4 else f" {name}"
                lines.append(
                    f"ATOM  {row % 100000:5} {shown:<4} {NAMES[kind]} A{i + 1:4}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          {element:>2}\n"
                )
        (folder / f"s{number:06}.pdb").write_text("".join(lines) + "END\n")
        total += row
    return total


@dataclass(frozen=True)
class Measure:
    """What a run of the command needed."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, of all its processes."""
    memory: float
    """MB, most of all processes together (shared pages counted once each)."""
    course: tuple[float, float, float]
    """MB at a tenth of the predictions, at half of them, and at the end."""


def demo_checkpoint(folder: Path) -> str:
    """A checkpoint of the embedded demo's recipe after two batches: the time is that of any."""
    folder.mkdir()
    words = ["fit", "--config", "experiments/multitask.yaml"]
    words += ["--config", "configs/trainer/smoke.yaml"]
    run = [sys.executable, "-m", "hemenet_lab", *words]
    subprocess.run(run, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return str(next(folder.glob("runs/*/checkpoints/last.ckpt")))


def measure(folder: Path, ckpt: str, workers: int, out: Path, device: str) -> Measure:
    """Run the command on a folder, and watch it."""
    words = [sys.executable, "-m", "hemenet_lab", "predict", str(folder), "--ckpt", ckpt]
    words += ["--workers", str(workers), "--out", str(out), "--overwrite", "--top", "5"]
    words += ["--device", device]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen: list[tuple[int, float]] = []  # size of the table, and MB
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            try:
                process = psutil.Process(run.pid)
                family = [process, *process.children(recursive=True)]
                used = sum(each.memory_full_info().pss for each in family) / 1e6
            except psutil.Error:
                continue
            seen.append((out.stat().st_size if out.exists() else 0, used))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = run.wait()
    done.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit(f"the command failed with status {status}: {' '.join(words)}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    most = max((used for _, used in seen), default=0.0)
    whole = out.stat().st_size
    course = [next((m for size, m in seen if size >= part * whole), most) for part in (0.1, 0.5)]
    last = [used for size, used in seen if size >= 0.9 * whole] or [most]
    return Measure(time.perf_counter() - start, cpu, most, (*course, max(last)))


def profile(folder: Path, ckpt: str) -> None:
    """Print the functions in which one process spends most of its time."""
    from hemenet_lab.cli import hemenet

    words = ["predict", str(folder), "--ckpt", ckpt, "--out", str(folder.parent / "p.csv")]
    running = cProfile.Profile()
    running.enable()
    hemenet([*words, "--top", "5"])
    running.disable()
    pstats.Stats(running).sort_stats("tottime").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ckpt", help="an untrained model of demo size is made if not given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--structures", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--helices", type=int, default=HELICES, help="of 20 residues each; few to look at memory"
    )
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-predict-") as place:
        top = Path(place)
        write_structures(top / "one", 1, args.helices)
        ckpt = args.ckpt or demo_checkpoint(top / "demo")
        if args.profile:
            write_structures(top / "some", args.structures[0], args.helices)
            profile(top / "some", ckpt)
            return
        cores = len(os.sched_getaffinity(0))
        print(f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}\n")
        print(
            "| structures | workers | wall, s | CPU, s | start, CPU s | CPU ms per structure "
            "| structures/s | memory, MB | at 1/10, 1/2, end |\n" + "|--:" * 9 + "|"
        )
        for count in args.structures:
            write_structures(top / str(count), count, args.helices)
            for workers in args.workers:
                start = measure(top / "one", ckpt, workers, top / "one.csv", args.device)
                found = measure(top / str(count), ckpt, workers, top / "all.csv", args.device)
                each = 1000 * (found.cpu - start.cpu) / (count - 1)
                print(
                    f"| {count} | {workers} | {found.wall:.1f} | {found.cpu:.1f} | "
                    f"{start.cpu:.1f} | {each:.1f} | {count / found.wall:.1f} | "
                    f"{found.memory:.0f} | {', '.join(f'{used:.0f}' for used in found.course)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
