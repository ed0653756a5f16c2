"""Published implementations and ours on the same protein, with the same weights.

    python benchmarks/bench_originals.py
    OMP_NUM_THREADS=1 python benchmarks/bench_originals.py --original egnn=FOLDER gvp=FOLDER

Without ``--original`` it prints which repositories and commits are known; clone the one you want
(its licence is its own, nothing of it is part of this project) and give its folder. The authors'
layers are put into our encoder, in the place of ours, so that everything around them is the same.

Time and memory: forward + backward in training mode without dropout, float32, one thread, on a
generated chain (``bench_data.single_chain``) or the first chain of ``--structure``. Both sides
take turns, and the best of all steps counts; the peak is that of the first step, each side in a
process of its own. What depends on the graph alone is computed before, once for a batch, as in
training; an original computes it in every pass if it is written so. "Difference" is the largest of
outputs and of gradients of what both sides share, relative to the largest number (at least 1), in
float64, on the first residues of the same protein.

`torch_scatter`, `torch_cluster` and `torch_sparse` are replaced by a few lines on torch where they
are not installed (`originals/stand_ins.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench_data import single_chain
from bench_encoders import first_residues
from meters import Meter
from originals import ORIGINALS, Sides, checked, commit_of, opened
from torch import Tensor, nn

from hemenet_lab.store import Entry, entry_from_structure
from hemenet_lab.structures import read_structure

KINDS = ("times", "theirs", "difference")
"""What a process measures: our peak and both times, their peak, or how both differ."""


def the_protein(structure: Path | None, residues: int) -> Entry:
    """A generated chain of about so many residues, or the first chain of a file."""
    if structure is None:
        return single_chain(residues)
    entry = entry_from_structure(read_structure(structure))
    length = int((entry.node_chain == 0).sum())
    return first_residues(entry, int(entry.node_atoms[:length].sum(dtype=int)))


class Step:
    """Forward and backward of one side; the loss weighs its outputs by fixed random numbers.

    A mean of squares would not do: behind a layer norm it is constant.
    """

    def __init__(self, net: nn.Module, run: Callable[[nn.Module], tuple[Tensor, ...]]) -> None:
        self.net, self.run = net, run
        self.weights: list[Tensor] = []

    def __call__(self) -> tuple[Tensor, ...]:
        self.net.zero_grad()
        outputs = self.run(self.net)
        if not self.weights:
            generator = torch.Generator().manual_seed(0)
            self.weights = [torch.randn(x.shape, generator=generator).to(x) for x in outputs]
        pairs = zip(outputs, self.weights, strict=True)
        torch.stack([(x * weight).sum() for x, weight in pairs]).sum().backward()
        return outputs


def difference(sides: Sides) -> float:
    """Largest difference of outputs and of gradients of parameters that both sides have."""
    outputs = [Step(net, sides.run)() for net in (sides.ours, sides.theirs)]
    pairs = list(zip(*outputs, strict=True))
    theirs = dict(sides.theirs.named_parameters())
    for name, mine in sides.ours.named_parameters():
        other = theirs.get(name)
        if other is not None and mine.grad is not None and other.grad is not None:
            pairs.append((mine.grad, other.grad))
    # one tensor, as Python's max passes over what is no number
    found = [(mine - other).abs().max() / other.abs().max().clamp(min=1) for mine, other in pairs]
    return torch.stack(found).max().item()


def worker(options: argparse.Namespace) -> dict[str, Any]:
    """Measures one thing in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    name, _, folder = options.original[0].partition("=")
    original, exact = ORIGINALS[name], options.worker == "difference"
    place = checked(name, original, Path(folder))
    entry = the_protein(options.structure, options.residues)
    if exact:
        entry = first_residues(entry, int(entry.node_atoms[: options.compared].sum(dtype=int)))
    with opened(place, exact):
        sides = original.make(place, entry, exact)
        sides.ours.train(), sides.theirs.train()
        if exact:
            return {"difference": difference(sides), "compared": entry.num_nodes}
        steps = {side: Step(getattr(sides, side), sides.run) for side in ("ours", "theirs")}
        meter = Meter.on("cpu")
        meter.reset()
        first = "ours" if options.worker == "times" else "theirs"
        steps[first]()
        best = {f"{first}_gb": meter.peak()}
        if options.worker == "theirs":
            return best
        for _ in range(options.repeat):
            for side, step in steps.items():
                for kind, seconds in zip(("wall", "cpu"), meter.best_of(step, 1), strict=True):
                    key = f"{side}_{kind}"
                    best[key] = min(seconds, best.get(key, seconds))
    return {"residues": entry.num_nodes, "atoms": entry.num_atoms, **best}


def measure(word: str, options: argparse.Namespace) -> dict[str, Any] | str:
    """All numbers of one original, each kind in a fresh process; a text says why there are none."""
    numbers: dict[str, Any] = {}
    rest = [f"--{key}={getattr(options, key)}" for key in ("residues", "compared", "repeat")]
    if options.structure:
        rest.append(f"--structure={options.structure}")
    for kind in KINDS:
        done = subprocess.run(
            [sys.executable, __file__, f"--original={word}", f"--worker={kind}", *rest],
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
            capture_output=True,
            text=True,
        )
        lines = done.stdout.splitlines()
        if done.returncode < 0:
            return f"killed by signal {-done.returncode}, out of memory in all likelihood"
        if done.returncode or not lines:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return f"does not run: {reason.replace('|', '/')}"
        numbers |= json.loads(lines[-1])
    return numbers


def known() -> str:
    """The table of repositories."""
    lines = ["| name | repository | commit | licence | needs | what is run |", "|" + "---|" * 6]
    for name, original in ORIGINALS.items():
        address = f"[{original.repository}](https://github.com/{original.repository})"
        needs = ", ".join(f"`{package}`" for package in original.also) or "–"
        cells = (name, address, original.commit, original.licence, needs, original.layers)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


HEADER = (
    "| original | theirs: wall s | CPU s | peak GB | ours: wall s | CPU s | peak GB "
    "| CPU, theirs / ours | peak, theirs / ours | largest difference |"
)


def row(name: str, result: dict[str, Any] | str) -> str:
    """A line of the table."""
    if isinstance(result, str):
        return f"| {name} | {result} |" + " |" * 8
    cells = [
        f"{result[f'{side}_{kind}']:.3f}" if kind != "gb" else f"{result[f'{side}_gb']:.2f}"
        for side in ("theirs", "ours")
        for kind in ("wall", "cpu", "gb")
    ]
    for kind in ("cpu", "gb"):
        ours = max(result[f"ours_{kind}"], 1e-6)
        cells.append(f"**{result[f'theirs_{kind}'] / ours:.1f}**")
    cells.append(f"{result['difference']:.1e}")
    return f"| {name} | {' | '.join(cells)} |"


def compare(options: argparse.Namespace) -> None:
    """Prints the table, and what is to be known of the clones.

    Raises:
        ValueError: A name that is not known, or a folder that is no clone of its repository.
    """
    remarks = []
    for word in options.original:
        name, _, folder = word.partition("=")
        if name not in ORIGINALS or not folder:
            raise ValueError(
                f"--original {word}: give NAME=FOLDER, with one of the names {', '.join(ORIGINALS)}"
            )
        original = ORIGINALS[name]
        commit = commit_of(checked(name, original, Path(folder)))
        if not commit.startswith(original.commit):
            remarks.append(
                f"{name}: {folder} is at {commit or 'no commit that git knows'}, the table of "
                f"benchmarks/encoders.md was made with {original.commit}"
            )
        if original.remark:
            remarks.append(f"{name}: {original.remark}")
    entry = the_protein(options.structure, options.residues)
    print(
        f"{entry.num_nodes} residues, {entry.num_atoms} atoms; differences on the first "
        f"{min(options.compared, entry.num_nodes)} residues"
    )
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, torch {torch.__version__}\n")
    print(HEADER)
    print("|" + "---|" * (HEADER.count("|") - 1))
    for word in options.original:
        print(row(word.partition("=")[0], measure(word, options)), flush=True)
    if remarks:
        print("", *(f"- {remark}" for remark in remarks), sep="\n")


def argument_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--original", nargs="+", default=[], metavar="NAME=FOLDER", help="clones to measure"
    )
    parser.add_argument("--structure", type=Path, help="a PDB or mmCIF file in place of the chain")
    parser.add_argument("--residues", type=int, default=300, help="length of the generated chain")
    parser.add_argument("--compared", type=int, default=100, help="residues for the difference")
    parser.add_argument("--repeat", type=int, default=5, help="steps of each side")
    parser.add_argument("--worker", choices=KINDS, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Command line."""
    parser = argument_parser()
    options = parser.parse_args()
    if options.worker:
        try:
            print(json.dumps(worker(options)))
        except Exception as error:
            traceback.print_exc()
            # the last line goes into the table
            print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
            sys.exit(1)
    elif not options.original:
        print(known())
    else:
        try:
            compare(options)
        except ValueError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
