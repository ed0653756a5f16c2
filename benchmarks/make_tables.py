"""All benchmarks at a size for 2 cores and 20 minutes; the tables of their pages are written anew.

    make bench
    python benchmarks/make_tables.py --only encoders scaling --device cuda

A page has a place for each section, between the lines ``<!-- bench NAME -->`` and
``<!-- end of bench NAME -->``; nothing outside of it is touched, so that what was measured at full
size, and said of it, stays. A section that fails leaves its place as it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """A script, its words, and the page that shows what it prints."""

    page: str
    """Relative to the project's folder."""
    words: tuple[str, ...]
    device: bool = False
    """It takes ``--device``."""


def section(page: str, words: str, device: bool = False) -> Section:
    """A section whose command is given as it is typed."""
    return Section(page, tuple(words.split()), device)


SECTIONS = {
    "data": section(
        "benchmarks/data.md", "bench_data.py --entries 60 --median 120 --workers 0 2 --limit 20"
    ),
    "splits": section("benchmarks/build.md", "bench_search.py splits --sequences 5000"),
    "ddp": section("docs/performance.md", "bench_ddp.py --steps 6"),
    "hemenet": section("benchmarks/hemenet.md", "bench_hemenet.py --small"),
    "encoders": section(
        "benchmarks/encoders.md",
        "bench_encoders.py --sizes published --proteins residues --repeat 2",
        device=True,
    ),
    "pyg": section("benchmarks/encoders.md", "bench_pyg.py --residues 300 --repeat 3"),
    "predict": section("benchmarks/predict.md", "bench_predict.py --structures 200", device=True),
    "tracking": section("benchmarks/tracking.md", "bench_tracking.py --repeats 1 --epochs 2"),
    "scaling": section(
        "docs/performance.md", "bench_scaling.py --most 5000 --no-record", device=True
    ),
}


def marks(name: str) -> tuple[str, str]:
    """The lines around a section's place."""
    return f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"


def with_table(page: str, name: str, text: str) -> str:
    """The page with the text in the section's place.

    Raises:
        ValueError: There is no such place, or more than one.
    """
    start, end = marks(name)
    if page.count(start) != 1 or page.count(end) != 1 or page.index(end) < page.index(start):
        raise ValueError(
            f"a page needs each of the lines {start} and {end} once, in this order, for {name}"
        )
    head, rest = page.split(start)
    return f"{head}{start}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}"


def tables(output: str) -> str:
    """The Markdown tables and headings in what a script printed; headings two levels lower."""
    kept: list[str] = []
    for line in output.splitlines():
        if line.startswith("#"):
            kept += ["", f"##{line}", ""]
        elif line.startswith("|"):
            kept.append(line)
        elif kept and kept[-1] and not kept[-1].startswith("#"):
            kept.append("")
    return "\n".join(kept).strip()


def run(name: str, device: str) -> str:
    """Runs a section; its tables below a line about the command and the machine.

    Raises:
        RuntimeError: The script failed, or printed no table.
    """
    each = SECTIONS[name]
    words = [*each.words, *(["--device", device] if each.device and device else [])]
    done = subprocess.run(
        [sys.executable, str(HERE / words[0]), *words[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        text=True,
    )
    found = tables(done.stdout)
    if done.returncode or "|" not in found:
        raise RuntimeError(f"{' '.join(words)}: status {done.returncode}, no table to write")
    load = os.getloadavg()[0]
    about = f"`python benchmarks/{' '.join(words)}`; {platform.machine()}, {os.cpu_count()} CPUs"
    return f"{about}, load {load:.0f}, torch {torch.__version__}.\n\n{found}"


def write_tables(root: Path, names: Sequence[str], device: str) -> int:
    """Runs sections and writes their pages; the number that failed."""
    failures = 0
    for name in names:
        start = time.perf_counter()
        page = root / SECTIONS[name].page
        try:
            page.write_text(with_table(page.read_text(), name, run(name, device)))
        except (OSError, RuntimeError, ValueError) as error:
            failures += 1
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            continue
        print(f"{name}: {time.perf_counter() - start:.0f} s, {page}", flush=True)
    return failures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--device", default="", help="such as cuda, for scripts that take it")
    parser.add_argument("--root", type=Path, default=HERE.parent, help="folder of the pages")
    options = parser.parse_args()
    raise SystemExit(1 if write_tables(options.root, options.only, options.device) else 0)


if __name__ == "__main__":
    main()
