"""Speed and memory of `hemenet data build` at the benchmark's size.

    python benchmarks/bench_build.py read --sample ../shared/data/protein-mt-sample --entries 2000
    python benchmarks/bench_build.py search --sequences 5000
    python benchmarks/bench_build.py splits --sequences 60000

``read`` writes raw folders of growing size (BinaryCIF files of whole entries for single chains,
PDB and SDF files for complexes, as fetched), made of the structures of a raw folder under new ids,
and measures each stage of a build in a process of its own. ``search`` clusters generated
sequences of real lengths in families, splits them by every scheme and reports leakage; ``splits``
does the last two at full size, without MMseqs2. Times are CPU seconds of one core, which a busy
machine changes little.
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
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from biotite.structure import AtomArray
from biotite.structure.io import pdb, pdbx

from hemenet_lab.protein_mt import mmseqs
from hemenet_lab.protein_mt.chain_list import write_chain_list
from hemenet_lab.protein_mt.clusters import Clusters, Item, cluster_items
from hemenet_lab.protein_mt.labels import read_labels
from hemenet_lab.protein_mt.layout import find_raw
from hemenet_lab.protein_mt.leakage import leakage_reports
from hemenet_lab.protein_mt.origin import origin_of, source_digests
from hemenet_lab.protein_mt.partial import load_result
from hemenet_lab.protein_mt.read_item import read_item, read_jobs
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.split_inputs import SplitInputs, copy_sets
from hemenet_lab.protein_mt.splits import make_splits
from hemenet_lab.protein_mt.verify.store import verify_store
from hemenet_lab.protein_mt.write import write_store

FULL_SIZE, CORES = 40_000, 16
LIGAND_SHARE, PAIR_SHARE = 0.13, 0.065
"""Of 40,000 entries 5,200 are protein-ligand and 2,660 protein-protein complexes."""
ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
_PERCENT = "8.3 1.4 5.5 6.8 3.9 7.1 2.3 5.9 5.8 9.7 2.4 4.1 4.7 3.9 5.5 6.6 5.3 6.9 1.1 2.9"
FREQUENCY = np.array([float(word) for word in _PERCENT.split()])
"""Residues in UniProt, in percent, in the order of `ALPHABET`."""


def codes(first: str) -> Iterator[str]:
    """PDB codes that begin with a digit of their own."""
    for letters in itertools.product(string.ascii_lowercase + string.digits, repeat=3):
        yield first + "".join(letters)


def write_raw(folder: Path, sample: Path, entries: int, cache: Path) -> None:
    """A raw folder of ``entries`` items, hard links to the sample's structures in ``cache``."""
    ligands = sorted((sample / "refined-set").iterdir())
    pairs = sorted((sample / "PP").iterdir())
    num_ligands, num_pairs = int(LIGAND_SHARE * entries), int(PAIR_SHARE * entries)
    for source, code in zip(
        itertools.cycle(ligands), itertools.islice(codes("1"), num_ligands), strict=False
    ):
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
    for source, code in zip(itertools.cycle(pairs), itertools.islice(codes("3"), number)):
        packed = cache / f"{source.name}.bcif.gz"
        if not packed.exists():
            packed.write_bytes(_binary_cif(_cached(source, cache)))
        chain = packed.with_suffix(".chain")
        if not chain.exists():
            chain.write_text(_first_chain(_cached(source, cache)))
        name = f"{code}.bcif.gz"
        os.link(packed, folder / "structures" / name)
        yield f"{code.upper()}-{chain.read_text()}", name


def _atoms(path: Path) -> AtomArray:
    return pdb.PDBFile.read(path).get_structure(model=1)


def _first_chain(path: Path) -> str:
    return str(_atoms(path).chain_id[0])


def _binary_cif(path: Path) -> bytes:
    """The structure as the archive's servers write it: encoded columns, gzipped."""
    file, out = pdbx.BinaryCIFFile(), BytesIO()
    pdbx.set_structure(file, _atoms(path), data_block="X")
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
    jobs = read_jobs(found, read_labels(found, settings), digests, partial, keep_hetero=False)
    stages.end("jobs")
    before = psutil.Process().memory_info().rss
    for job in jobs.values():
        read_item(job)
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
    jobs = read_jobs(found, labels, digests, partial, keep_hetero=False)
    origin = origin_of(found, settings, digests)
    stages.end("jobs")
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
        raw.mkdir(parents=True)
        cache.mkdir(exist_ok=True)
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


def families(number: int, seed: int) -> tuple[list[str], list[int]]:
    """Different sequences, and the family of each: 60 to 95 % identity to its root, ragged ends.

    Family sizes follow a power law up to 1,500, lengths a log-normal law with a median of 240.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list(ALPHABET))
    frequency = FREQUENCY / FREQUENCY.sum()
    found: dict[str, int] = {}
    for family in itertools.count():
        length = int(np.clip(rng.lognormal(np.log(240), 0.55), 30, 1_500))
        root = rng.choice(letters, length, p=frequency)
        for _ in range(min(int(rng.pareto(1.25)) + 1, 1_500)):
            changed = rng.random(length) < (1 - rng.uniform(0.60, 0.95)) / 0.94
            text = np.where(changed, rng.choice(letters, length, p=frequency), root)
            start, end = rng.integers(0, length // 20 + 1, 2)
            found.setdefault("".join(text[start : length - end]), family)
            if len(found) == number:
                return list(found), list(found.values())
    raise AssertionError


def items_of(sequences: list[str], of_family: list[int], seed: int) -> list[Item]:
    """Entries of one or two chains, with labels and dates at random."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(sequences)).tolist()
    found: list[Item] = []
    while order:
        kind = str(rng.choice(["chain", "lba", "ppa"], p=[0.805, 0.13, 0.065]))
        chains = [order.pop() for _ in range(min(len(order), 1 if kind == "chain" else 2))]
        tasks = {kind} - {"chain"} | set(rng.choice(["ec", "mf", "bp", "cc"], 2).tolist())
        found.append(
            Item(
                f"{kind}{len(found)}",
                tuple("AB"[: len(chains)]),
                tuple(sequences[place] for place in chains),
                tuple((f"P{of_family[place]}-{place % 7}",) for place in chains),
                frozenset(tasks),
                kind == "lba" and bool(rng.random() < 0.25),
                kind,
                str(rng.integers(1990, 2020)),
            )
        )
    return found


def bench_search(number: int, seed: int, threads: int) -> None:
    """The table of ``search``."""
    texts, of_family = families(number, seed)
    items = items_of(texts, of_family, seed)
    sizes = np.bincount(of_family)
    print(f"{number:,} sequences in {len(sizes):,} families, the largest of {sizes.max():,}; ")
    print(f"{len(items):,} entries; {(sizes.astype(float) ** 2).sum():,.0f} pairs in families\n")
    print("| step | CPU time | wall time | |\n|---|---|---|---|")
    settings = BuildSettings()

    def timed(name: str, work: Callable[[], Any], about: Callable[[Any], str]) -> Any:
        wall, before = time.perf_counter(), _cpu()
        result = work()
        spent, wall = _cpu() - before, time.perf_counter() - wall
        print(f"| {name} | {spent:.1f} s | {wall:.0f} s | {about(result)} |", flush=True)
        return result

    steps = {
        "cluster": lambda answer: f"{len(set(answer.tolist())):,} clusters",
        "search": lambda answer: f"{len(answer.query):,} hits",
    }
    with ExitStack() as patches:
        for step, about in steps.items():
            real = getattr(mmseqs, step)

            patches.enter_context(patch.object(mmseqs, step, _timed_step(timed, step, real, about)))
        clusters: Clusters = timed(
            "all of clustering",
            lambda: cluster_items(items, min_seq_id=0.9, coverage=0.3, threads=threads),
            lambda r: f"{len(np.unique(r.group)):,} groups",
        )
    cluster_of = dict(zip(clusters.sequences, clusters.merged.tolist(), strict=True))
    inputs = SplitInputs(items, clusters.group, copy_sets(items, cluster_of), settings)
    splits = timed("splits", lambda: make_splits(inputs), lambda r: ", ".join(r))
    parts = {name: split.parts for name, split in splits.items()}
    timed(
        "leakage reports",
        lambda: leakage_reports(items, clusters, parts, coverage=0.3),
        lambda r: f"{len(r)} splits",
    )
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nPeak memory: this process {own:,.0f} MB, MMseqs2 {child:,.0f} MB")


def bench_splits(number: int, seed: int) -> None:
    """Splits and leakage reports of a full-size set, with hits that are made instead of searched.

    All pairs within a family are hits, in both directions, with identities at random.
    """
    texts, of_family = families(number, seed)
    items, settings = items_of(texts, of_family, seed), BuildSettings()
    order = np.argsort(texts)
    family = np.array(of_family)[order]
    members = [np.flatnonzero(family == f) for f in np.unique(family)]
    pairs = [np.stack(np.meshgrid(found, found), -1).reshape(-1, 2) for found in members]
    query, target = np.concatenate(pairs).astype(np.int32).T
    rng = np.random.default_rng(seed)
    identity = rng.uniform(0.36, 0.9, len(query)).astype(np.float32)
    full = np.ones(len(query), dtype=np.float32)
    hits = mmseqs.Hits(query, target, identity, full, full)
    alone = np.arange(number)
    place = {texts[old]: new for new, old in enumerate(order.tolist())}
    group = np.array([family[place[item.sequences[0]]] for item in items])
    group = np.unique(group, return_inverse=True)[1]
    clusters = Clusters(tuple(sorted(texts)), alone, hits, alone, group)
    stages = Stages()
    splits = make_splits(SplitInputs(items, group, copy_sets(items, place), settings))
    stages.end("splits")
    parts = {name: split.parts for name, split in splits.items()}
    leakage_reports(items, clusters, parts, coverage=0.3)
    stages.end("leakage reports")
    print(f"{len(items):,} entries, {len(query):,} hits, {len(splits)} splits: {stages.report()}")


def _timed_step(timed: Any, step: str, real: Any, about: Any) -> Callable[..., Any]:
    """A function of `mmseqs` that is timed when it is called."""
    return lambda *args, **options: timed(f"MMseqs2 {step}", lambda: real(*args, **options), about)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


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
    parser.add_argument("what", choices=("read", "search", "splits"))
    parser.add_argument("--sample", type=Path, help="raw folder whose structures are used")
    parser.add_argument("--entries", type=int, nargs="+", default=[500, 1_000, 2_000])
    parser.add_argument("--sequences", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    if args.what == "search":
        bench_search(args.sequences, args.seed, args.threads)
        return
    if args.what == "splits":
        bench_splits(args.sequences, args.seed)
        return
    if args.sample is None:
        parser.error("read needs --sample, a raw folder with refined-set and PP")
    with tempfile.TemporaryDirectory(prefix="hemenet-bench-") as work:
        bench_read(args.sample, args.entries, Path(work))


if __name__ == "__main__":
    main()
