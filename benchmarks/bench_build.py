"""Speed and memory of `hemenet data build` at the benchmark's size.

    python benchmarks/bench_build.py read --sample ../shared/data/protein-mt-sample --entries 2000
    python benchmarks/bench_build.py entry --sample ../shared/data/protein-mt-sample --chains 50

``read`` writes raw folders of growing size (BinaryCIF files of whole entries for single chains,
PDB and SDF files for complexes, as fetched), made of the structures of a raw folder under new ids,
and measures each stage of a build in a process of its own. ``entry`` reads all chains of one large
entry, together and one by one. Times are CPU seconds of one core, which a busy machine changes
little. Clustering, splits and leakage are in ``bench_search.py``.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import resource
import shutil
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from biotite.structure import AtomArray
from biotite.structure.io import pdb, pdbx

from hemenet_lab.protein_mt.build.origin import origin_of, source_digests
from hemenet_lab.protein_mt.build.parallel import by_file, read_items, read_jobs
from hemenet_lab.protein_mt.build.resume import load_result
from hemenet_lab.protein_mt.build.write import write_store
from hemenet_lab.protein_mt.labels.read import read_labels
from hemenet_lab.protein_mt.raw.entry import read_sources
from hemenet_lab.protein_mt.raw.layout import find_raw, write_chain_list
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.verify import verify_store

FULL_SIZE, CORES = 40_000, 16
LIGAND_SHARE, PAIR_SHARE = 0.13, 0.065
"""Of 40,000 entries 5,200 are protein-ligand and 2,660 protein-protein complexes."""


def codes(first: str) -> Iterator[str]:
    """PDB codes that begin with a digit of their own."""
    for letters in itertools.product(string.ascii_lowercase + string.digits, repeat=3):
        yield first + "".join(letters)


def write_raw(folder: Path, sample: Path, entries: int, cache: Path) -> None:
    """A raw folder of ``entries`` items, hard links to the sample's structures in ``cache``."""
    ligands, pairs = (sorted((sample / name).iterdir()) for name in ("refined-set", "PP"))
    num_ligands, num_pairs = int(LIGAND_SHARE * entries), int(PAIR_SHARE * entries)
    for source, code in zip(itertools.cycle(ligands), itertools.islice(codes("1"), num_ligands)):
        place = folder / "refined-set" / code
        place.mkdir(parents=True)
        for file in source.iterdir():
            os.link(_cached(file, cache), place / file.name.replace(source.name, code))
    (folder / "PP").mkdir()
    for source, code in zip(itertools.cycle(pairs), itertools.islice(codes("2"), num_pairs)):
        os.link(_cached(source, cache), folder / "PP" / f"{code}.ent.pdb")
    chains = list(_chain_entries(folder, pairs, entries - num_ligands - num_pairs, cache))
    write_chain_list(folder, chains)
    _write_tables(folder, num_ligands, num_pairs, [chain for chain, _ in chains])


def _cached(file: Path, cache: Path) -> Path:
    """A copy that links can point to, since the sample may lie on another file system."""
    copy = cache / f"{file.parent.name}-{file.name}"
    if not copy.exists():
        shutil.copyfile(file, copy)
    return copy


def _chain_entries(
    folder: Path, pairs: list[Path], number: int, cache: Path
) -> Iterator[tuple[str, str]]:
    (folder / "structures").mkdir()
    first = {source: _atoms(source).chain_id[0] for source in pairs[:number]}
    for source, code in zip(itertools.cycle(pairs), itertools.islice(codes("3"), number)):
        packed = cache / f"{source.name}.bcif.gz"
        if not packed.exists():
            packed.write_bytes(_binary_cif(_atoms(_cached(source, cache))))
        name = f"{code}.bcif.gz"
        os.link(packed, folder / "structures" / name)
        yield f"{code.upper()}-{first[source]}", name


def _atoms(path: Path) -> AtomArray:
    return pdb.PDBFile.read(path).get_structure(model=1)


def _binary_cif(atoms: AtomArray) -> bytes:
    """A structure as the archive's servers write it: encoded columns, gzipped."""
    file, out = pdbx.BinaryCIFFile(), BytesIO()
    pdbx.set_structure(file, atoms, data_block="X")
    pdbx.compress(file).write(out)
    return gzip.compress(out.getvalue(), 6)


def _write_tables(folder: Path, num_ligands: int, num_pairs: int, chains: list[str]) -> None:
    rng = np.random.default_rng(0)
    for kind, first, number in (("PL_data", "1", num_ligands), ("PP", "2", num_pairs)):
        rows = [
            f"{code}  2.00  {rng.integers(1990, 2020)}  {rng.uniform(3, 10):.2f}  Kd=1nM // x"
            for code in itertools.islice(codes(first), number)
        ]
        _write(folder / "index" / f"INDEX_general_{kind}.2020", rows)
    ec = [f"1.1.1.{number}" for number in range(538)]
    rows = [f"{chain}\t{','.join(rng.choice(ec, 2, replace=False))}" for chain in chains]
    head = ["### EC-numbers", "\t".join(ec), "### PDB-chain\tEC-numbers"]
    _write(folder / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv", [*head, *rows])
    widths = {"m": 489, "b": 1_943, "c": 320}
    head = []
    for letter, width in widths.items():
        terms = [f"GO:{letter}{number}" for number in range(width)]
        head += ["### GO-terms", "\t".join(terms), "### GO-names", "\t".join(terms)]
    rows = [f"{chain}\t{_some_terms(widths, rng)}" for chain in chains]
    table = [*head, "### PDB-chain\tGO-terms", *rows]
    _write(folder / "GeneOntology" / "nrPDB-GO_2019.06.18_annot.tsv", table)
    rows = [f"{chain[:4].lower()},{chain[5:]},P{number}" for number, chain in enumerate(chains)]
    _write(folder / "sifts" / "pdb_chain_uniprot.csv", ["PDB,CHAIN,SP_PRIMARY", *rows])


def _some_terms(widths: dict[str, int], rng: np.random.Generator) -> str:
    """GO terms of one row: 8, 40 and 5 of the three branches, about as in DeepFRI's table."""
    numbers = zip(widths.items(), (8, 40, 5), strict=True)
    return "\t".join(
        ",".join(f"GO:{letter}{n}" for n in rng.choice(width, count, replace=False))
        for (letter, width), count in numbers
    )


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


class Stages:
    """CPU seconds of this process per stage, in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.process_time()

    def end(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._since = now - self._since, now

    def report(self, before: int = 0) -> str:
        """One line of JSON: times, and this process's largest memory above ``before``, in MB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return json.dumps({"seconds": self.seconds, "peak": peak - before / 2**20})


def read_stage(raw: Path, partial: Path) -> str:
    """What the workers do: checksums and reading; in one process."""
    found, settings, stages = find_raw(raw), BuildSettings(), Stages()
    digests = source_digests(found, workers=1, progress=False)
    stages.end("checksums")
    partial.mkdir()
    jobs = read_jobs(found, read_labels(found, settings), digests, partial, settings)
    stages.end("jobs")
    before = psutil.Process().memory_info().rss
    for of_file in by_file(jobs.values()):
        read_items(of_file)
    stages.end("reading")
    (partial / "digests.json").write_text(json.dumps(digests))
    return stages.report(before)


def write_stage(raw: Path, partial: Path, out: Path) -> str:
    """What the parent process does: labels, clusters (of few sequences), splits, the store."""
    stages = Stages()
    found, settings = find_raw(raw), BuildSettings()
    digests = json.loads((partial / "digests.json").read_text())
    labels = read_labels(found, settings)
    stages.end("finding files, label tables")
    jobs = read_jobs(found, labels, digests, partial, settings)
    origin = origin_of(found, settings, digests)
    write_store(
        out,
        found,
        labels,
        settings,
        lambda source: load_result(jobs[source.id].result),
        origin=origin,
        threads=1,
    )
    stages.end("labelling and writing")
    return stages.report()


def verify_stage(raw: Path, out: Path) -> str:
    """`hemenet data verify`."""
    stages = Stages()
    faults = [found for found in verify_store(out, raw) if found.faults]
    assert not faults, faults
    stages.end("verify")
    return stages.report()


def measured(*words: object) -> dict[str, Any]:
    """The report of a stage that runs in a fresh process."""
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bench_read(sample: Path, sizes: list[int], work: Path) -> None:
    """The table of ``read``: one row per size."""
    print("| entries | checksums | reading | per core | growth | parent | its peak | verify |")
    print("|---|---|---|---|---|---|---|---|")
    for size in sizes:
        folder = work / str(size)
        raw, partial, out = folder / "raw", folder / "partial", folder / "store"
        cache = work / "cache"
        for new in (raw, cache):
            new.mkdir(parents=True, exist_ok=True)
        write_raw(raw, sample, size, cache)
        read = measured("stage-read", raw, partial)
        write = measured("stage-write", raw, partial, out)
        verify = measured("stage-verify", raw, out)
        reading, checks = read["seconds"]["reading"], read["seconds"]["checksums"]
        parent = sum(write["seconds"].values())
        print(
            f"| {size:,} | {checks:.1f} s | {reading:.1f} s | {size / reading:.1f}/s "
            f"| {read['peak']:.0f} MB | {parent:.1f} s | {write['peak']:.0f} MB "
            f"| {verify['seconds']['verify']:.1f} s, {verify['peak']:.0f} MB |",
            flush=True,
        )
        shutil.rmtree(folder)
    total = (reading + checks) / size * FULL_SIZE / CORES + parent / size * FULL_SIZE
    print(f"\n{FULL_SIZE:,} entries on {CORES} cores, without the search: {total / 60:.1f} minutes")


def bench_entry(sample: Path, number: int, work: Path) -> None:
    """The chains of one entry: read from one parsed file, and each from its own."""
    atoms = _atoms(sorted((sample / "PP").iterdir())[0])
    first = atoms[atoms.chain_id == atoms.chain_id[0]]
    names = [f"{letter}{digit}" for letter in string.ascii_uppercase for digit in "123456789"]
    entry = first[:0]
    for place, name in enumerate(names[:number]):
        copy = first.copy()
        copy.coord[:, 0] += 100 * place
        copy.chain_id = np.full(len(copy), name)
        entry += copy
    (work / "structures").mkdir()
    (work / "structures" / "1abc.bcif.gz").write_bytes(_binary_cif(entry))
    write_chain_list(work, [(f"1ABC-{name}", "1abc.bcif.gz") for name in names[:number]])
    found = [(source, ()) for source in find_raw(work).sources]
    stages = Stages()
    together = list(read_sources(found))
    stages.end("together")
    alone = [result for one in found for result in read_sources([one])]
    stages.end("one by one")
    assert all(result.entry for result in (*together, *alone))
    print(f"{number} chains of {len(first):,} atoms: {stages.report()}")


STAGES: dict[str, Callable[..., str]] = {
    "stage-read": read_stage,
    "stage-write": write_stage,
    "stage-verify": verify_stage,
}


def main() -> None:
    """Runs one benchmark, or one stage of it in this process."""
    if sys.argv[1:2] and sys.argv[1] in STAGES:
        print(STAGES[sys.argv[1]](*map(Path, sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("read", "entry"))
    parser.add_argument("--sample", type=Path, required=True, help="folder with refined-set and PP")
    parser.add_argument("--entries", type=int, nargs="+", default=[500, 1_000, 2_000])
    parser.add_argument("--chains", type=int, default=50, help="of the entry")
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory(prefix="hemenet-bench-") as work:
        if args.what == "entry":
            bench_entry(args.sample, args.chains, Path(work))
        else:
            bench_read(args.sample, args.entries, Path(work))


if __name__ == "__main__":
    main()
