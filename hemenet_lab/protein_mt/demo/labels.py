"""Labels of the demo's items by the planted rules, with noise, hidden chains and UniProt ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from hemenet_lab.protein_mt.demo.dataset import Item
from hemenet_lab.protein_mt.demo.rules import (
    find_traits,
    ligand_affinity,
    pair_affinity,
    strength,
    terms_of,
)
from hemenet_lab.protein_mt.demo.settings import DemoSettings

CHAIN_IDS = "AB"
TABLES = {"ec": ("ec",), "go": ("mf", "bp", "cc")}
"""The annotation tables and their tasks."""


@dataclass(frozen=True)
class Annotation:
    """One row of the annotation tables: a chain and its terms."""

    chain: str
    """Such as ``0CAA-A``."""
    terms: dict[str, tuple[str, ...]]
    """Task → ids of terms; a task is absent where its table leaves the chain out."""


@dataclass
class DemoLabels:
    """All labels of the demo."""

    affinities: dict[str, dict[str, float]] = field(default_factory=lambda: {"lba": {}, "ppa": {}})
    """Kind → code → pKd."""
    annotations: list[Annotation] = field(default_factory=list)
    uniprot: list[tuple[str, str, str]] = field(default_factory=list)
    """(code, chain id, UniProt id) of the chains that have one."""


def label_items(items: Iterable[Item], settings: DemoSettings) -> DemoLabels:
    """Labels of all items. A protein is annotated once, on its single chain if it has one."""
    labels = DemoLabels()
    rng = np.random.default_rng([settings.seed, 1_000_000])
    annotated: set[str] = set()
    for item in sorted(items, key=lambda item: (item.kind != "chain", item.code)):
        if item.kind != "chain":
            labels.affinities[item.kind][item.code] = _affinity(item, settings, rng)
        for letter, chain in zip(CHAIN_IDS, item.model.chains, strict=False):
            uniprot = chain.protein.uniprot
            if item.kind == "chain" or rng.random() >= settings.unmapped:
                labels.uniprot.append((item.code, letter, uniprot))
            if uniprot in annotated:
                continue
            annotated.add(uniprot)
            terms = terms_of(find_traits(chain.protein.names, chain.residues))
            name = f"{item.code.upper()}-{letter}"
            labels.annotations.append(Annotation(name, _weather(terms, settings, rng)))
    return labels


def _affinity(item: Item, settings: DemoSettings, rng: np.random.Generator) -> float:
    model = item.model
    atoms = [np.concatenate(chain.residues) for chain in model.chains]
    partners = [*reversed(atoms)] if model.ligand_coords is None else [model.ligand_coords]
    total = sum(
        strength(chain.protein.names, chain.residues, partner)
        for chain, partner in zip(model.chains, partners, strict=True)
    )
    if item.kind == "lba":
        first = model.chains[0]
        value = ligand_affinity(total, find_traits(first.protein.names, first.residues).formed)
    else:
        value = pair_affinity(total)
    return round(float(np.clip(value + rng.normal(0.0, settings.affinity_noise), 2.0, 12.0)), 2)


def _weather(
    terms: dict[str, tuple[str, ...]], settings: DemoSettings, rng: np.random.Generator
) -> dict[str, tuple[str, ...]]:
    """Lose some terms, and leave the chain out of one of the tables now and then."""
    kept: dict[str, tuple[str, ...]] = {}
    for task, ids in terms.items():
        lost = rng.random(len(ids)) < settings.missing
        left = tuple(term for term, gone in zip(ids, lost, strict=True) if not gone)
        if left:
            kept[task] = left
    draw = rng.random()
    hidden = (draw < settings.hidden, draw > 1.0 - settings.hidden)
    gone = {
        task for tasks, out in zip(TABLES.values(), hidden, strict=True) if out for task in tasks
    }
    # a chain that only this table knows stays in it
    return {task: left for task, left in kept.items() if task not in gone} or kept
