"""Whether relevance finds the sites that the demo plants: enrichment over random residues.

``python benchmarks/planted_sites.py CHECKPOINT`` prints a Markdown table for the test chains of the
demo that have a term which rests on certain residues: the dyads of HIS and ASP, the patches of PHE
or ARG. A chain with k planted residues of L is asked for the k residues with the largest absolute
relevance. The share of planted ones among them, over k / L, is the enrichment: 1 for a map that
knows nothing, L / k for one that finds all. The last columns are the same model with the numbers
in each of its weights shuffled, three times (Adebayo et al., NeurIPS 2018): what a map owes to the
make of the model and to the types of residues alone.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hemenet_lab.explain import Method, explain_entry
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.prediction import load_module
from hemenet_lab.protein_mt.demo import demo_store, planted_residues
from hemenet_lab.store import Entry, Store
from hemenet_lab.structures import RESIDUES

SITES = (
    ("dyads formed", "ec", "9.1.1.-", "formed"),
    ("dyads open", "ec", "9.1.2.-", "open"),
    ("dyads formed", "mf", "GO:9910003", "formed"),
    ("patch of PHE", "mf", "GO:9910001", "aromatic"),
    ("patch of ARG", "mf", "GO:9910002", "polar"),
)
METHODS: tuple[Method, ...] = ("gradients", "occlusion", "attention")
SHUFFLES = 3
TEST = 2
"""Part of the split."""


def planted(entry: Entry, trait: str) -> NDArray[np.bool_]:
    """[nodes], residues of the only chain that a trait rests on."""
    atoms = np.split(entry.coords.astype(float), np.cumsum(entry.node_atoms)[:-1])
    chain = np.flatnonzero(entry.node_chain == 0)
    names = [RESIDUES[entry.node_type[node]] for node in chain]
    found = np.zeros(entry.num_nodes, bool)
    found[chain[planted_residues(names, [atoms[node] for node in chain], trait)]] = True
    return found


def enrichment(relevance: NDArray[np.float64], site: NDArray[np.bool_]) -> float:
    """Share of the site among as many residues of largest relevance, over that of random ones."""
    best = np.argsort(-np.abs(relevance), kind="stable")[: site.sum()]
    return float(site[best].mean() / site.mean())


def chains_with(store: Store, task: str, term: str, most: int) -> list[Entry]:
    """Test entries of one chain that have a term, at most so many."""
    column = next(one for one in store.tasks if one.name == task).terms.index(term)
    found: list[Entry] = []
    for place in np.flatnonzero(store.array("split_default") == TEST):
        entry = store[int(place)]
        if entry.num_chains == 1 and column in entry.terms.get(task, {}).get(0, ()):
            found.append(entry)
    return found[:most]


def shuffled(module: MultiTaskModule, seed: int) -> MultiTaskModule:
    """A copy whose weights have the same numbers in random places."""
    found = deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    for weight in found.parameters():
        order = torch.randperm(weight.numel(), generator=generator)
        weight.data = weight.data.flatten()[order].view_as(weight)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--chains", type=int, default=20, help="at most so many chains per term")
    parser.add_argument("--term", default="", help="only the rows of this term")
    options = parser.parse_args()
    store = Store(demo_store())
    module = load_module(options.checkpoint)
    kinds = {"": [module], "shuffled: ": [shuffled(module, seed) for seed in range(SHUFFLES)]}
    heads = [f"{kind}{method}" for kind in kinds for method in METHODS]
    print(f"| planted | term | chains | residues | {' | '.join(heads)} |")
    print(f"|---|---|---|---|{'---|' * len(heads)}")
    for site, task, term, trait in SITES:
        if options.term not in ("", term):
            continue
        entries = chains_with(store, task, term, options.chains)
        found: dict[str, list[float]] = {head: [] for head in heads}
        shares = []
        for entry in entries:
            polymer = entry.node_chain >= 0
            where = planted(entry, trait)[polymer]
            shares.append(where.mean())
            for kind, modules in kinds.items():
                scores: dict[Method, list[float]] = {method: [] for method in METHODS}
                for each in modules:
                    made = explain_entry(
                        each, entry, [task], terms=[term], methods=METHODS, steps=16
                    )
                    for one in made.maps:
                        scores[one.method].append(enrichment(one.values[polymer], where))
                for method in METHODS:
                    found[f"{kind}{method}"].append(float(np.mean(scores[method])))
        cells = [
            f"{np.mean(v):.2f} ± {np.std(v, ddof=1) / len(v) ** 0.5:.2f}" for v in found.values()
        ]
        print(
            f"| {site} | {task} {term} | {len(entries)} | {100 * np.mean(shares):.1f} % | "
            f"{' | '.join(cells)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
