"""Which items the demo has: families, their proteins, and the models made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hemenet_lab.protein_mt.demo.families import Family, Protein, make_family, make_protein
from hemenet_lab.protein_mt.demo.ligands import Molecule, library
from hemenet_lab.protein_mt.demo.model import Model, build_model
from hemenet_lab.protein_mt.demo.settings import DemoSettings

_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_KINDS = {"lba": "l", "ppa": "p", "chain": "c"}


@dataclass(frozen=True)
class Item:
    """One entry of the demo."""

    kind: str
    """``lba``, ``ppa`` or ``chain``."""
    code: str
    """Four characters that start with 0, which no entry of the PDB does."""
    model: Model


def make_items(settings: DemoSettings) -> Iterator[Item]:
    """All items, family after family; each family has a random generator of its own."""
    totals = {
        "lba": settings.ligand_complexes,
        "ppa": settings.protein_complexes,
        "chain": settings.single_chains,
    }
    for index in range(settings.families):
        rng = np.random.default_rng([settings.seed, index])
        numbers = {kind: range(index, total, settings.families) for kind, total in totals.items()}
        yield from _family_items(_sound_family(index, rng, settings.fold_draws), numbers, rng)


def item_code(kind: str, number: int) -> str:
    """Code of the ``number``-th item of a kind, such as ``0lab``."""
    return f"0{_KINDS[kind]}{_DIGITS[number // 36]}{_DIGITS[number % 36]}"


def _sound_family(index: int, rng: np.random.Generator, fold_draws: int) -> Family:
    """A family whose fold leaves room for side chains: three trial members out of three pack."""
    while True:
        family = make_family(index, rng, fold_draws)
        if _packs(family, rng):
            return family


def _packs(family: Family, rng: np.random.Generator) -> bool:
    trials = (make_protein(family, "", rng) for _ in range(3))
    return all(build_model((protein,), None, rng, attempts=2) is not None for protein in trials)


def _family_items(
    family: Family, numbers: dict[str, range], rng: np.random.Generator
) -> Iterator[Item]:
    proteins: list[Protein] = []

    def new_protein() -> Protein:
        uniprot = f"SYN{family.index:02d}{len(proteins):03d}"
        proteins.append(make_protein(family, uniprot, rng))
        return proteins[-1]

    for number in numbers["lba"]:
        ligand = library()[int(rng.integers(len(library())))]
        yield _item("lba", number, (new_protein(),), ligand, rng)
    for number in numbers["ppa"]:
        yield _item("ppa", number, (new_protein(), new_protein()), None, rng)
    of_complexes = list(proteins)
    for place, number in enumerate(numbers["chain"]):
        # every other single chain is a protein that a complex has, too
        known = place % 2 == 0 and place // 2 < len(of_complexes)
        protein = of_complexes[place // 2] if known else new_protein()
        yield _item("chain", number, (protein,), None, rng)


def _item(
    kind: str,
    number: int,
    proteins: tuple[Protein, ...],
    ligand: Molecule | None,
    rng: np.random.Generator,
) -> Item:
    model = build_model(proteins, ligand, rng)
    if model is None:
        raise RuntimeError(
            f"no model of {[p.uniprot for p in proteins]} without clashes; "
            "generate the demo with another seed"
        )
    return Item(kind, item_code(kind, number), model)
