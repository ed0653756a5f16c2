"""Speed and memory of clustering, search, splits and leakage reports at the benchmark's size.

    python benchmarks/bench_search.py search --sequences 5000
    python benchmarks/bench_search.py splits --sequences 60000

``search`` clusters generated sequences of real lengths in families with MMseqs2, splits them by
every scheme and reports leakage; ``splits`` does the last two without MMseqs2. Times are CPU
seconds of one core, which a busy machine changes little.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import numpy as np

from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits import mmseqs
from hemenet_lab.protein_mt.splits.clusters import Clusters, Item, cluster_items
from hemenet_lab.protein_mt.splits.inputs import SplitInputs, copy_sets
from hemenet_lab.protein_mt.splits.leakage import leakage_reports
from hemenet_lab.protein_mt.splits.schemes import make_splits

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
_PERCENT = "8.3 1.4 5.5 6.8 3.9 7.1 2.3 5.9 5.8 9.7 2.4 4.1 4.7 3.9 5.5 6.6 5.3 6.9 1.1 2.9"
FREQUENCY = np.array([float(word) for word in _PERCENT.split()])
"""Residues in UniProt, in percent, in the order of `ALPHABET`."""


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
            timer = _timed_step(timed, step, real, about)
            # where the name is used, not where it is made
            patches.enter_context(patch(f"{cluster_items.__module__}.{step}", timer))
        clusters: Clusters = timed(
            "all of clustering",
            lambda: cluster_items(items, min_seq_id=0.9, coverage=0.3, threads=threads),
            lambda r: f"{len(np.unique(r.group)):,} groups",
        )
    cluster_of = dict(zip(clusters.sequences, clusters.merged.tolist(), strict=True))
    inputs = SplitInputs(
        items, clusters.group, copy_sets(items, cluster_of, {}), settings, wide=clusters.wide
    )
    splits = timed("splits", lambda: make_splits(inputs), lambda r: ", ".join(r))
    parts = {name: split.parts for name, split in splits.items()}
    timed(
        "leakage reports",
        lambda: leakage_reports(items, clusters, parts, coverage=0.3),
        lambda r: f"{len(r)} splits",
    )
    own, child = _peak(), _peak(resource.RUSAGE_CHILDREN)
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
    clusters = Clusters(tuple(sorted(texts)), alone, hits, alone, group, group)
    start = _cpu()
    splits = make_splits(SplitInputs(items, group, copy_sets(items, place, {}), settings))
    split_at = _cpu()
    parts = {name: split.parts for name, split in splits.items()}
    leakage_reports(items, clusters, parts, coverage=0.3)
    print("| entries | hits | splits | their CPU time | leakage reports, CPU time | peak memory |")
    print("|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {len(items):,} | {len(query):,} | {len(splits)} | {split_at - start:.1f} s | "
        f"{_cpu() - split_at:.1f} s | {_peak():,.0f} MB |"
    )


def _timed_step(timed: Any, step: str, real: Any, about: Any) -> Callable[..., Any]:
    """A function of `mmseqs` that is timed when it is called."""
    return lambda *args, **options: timed(f"MMseqs2 {step}", lambda: real(*args, **options), about)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak(who: int = resource.RUSAGE_SELF) -> float:
    """Largest memory, MB."""
    return resource.getrusage(who).ru_maxrss / 1024


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("search", "splits"))
    parser.add_argument("--sequences", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    if args.what == "search":
        bench_search(args.sequences, args.seed, args.threads)
    else:
        bench_splits(args.sequences, args.seed)


if __name__ == "__main__":
    main()
