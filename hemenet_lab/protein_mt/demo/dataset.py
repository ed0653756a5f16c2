"""Items of the demo: families, their proteins, and the models made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.families import Family, Protein, make_family, make_protein
from hemenet_lab.protein_mt.demo.ligands import Molecule, library
from hemenet_lab.protein_mt.demo.model import Model, build_model
from hemenet_lab.protein_mt.demo.settings import DemoSettings

_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_CONTACTS = 0.3
"""Least number of contacts per residue."""
_REDRAWS = 30
"""Members that are drawn before a family is given up."""
_KINDS = {"lba": "l", "ppa": "p", "chain": "c"}


@dataclass(frozen=True)
class Item:
    """Entry of the demo."""

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
    """A family whose fold is compact and leaves room for side chains, as trial members show."""
    while True:
        family = make_family(index, rng, fold_draws)
        trials = (_trial(family, rng) for _ in range(3))
        if all(model is not None and _is_compact(model) for model in trials):
            return family


def _trial(family: Family, rng: np.random.Generator) -> Model | None:
    return build_model((make_protein(family, "", rng),), None, rng, attempts=2)


def _is_compact(model: Model) -> bool:
    """True where residues five or more apart meet (CA within 9 Å) often enough."""
    ca = np.array([atoms[1] for atoms in model.chains[0].residues])
    apart = np.triu(np.ones((len(ca), len(ca)), bool), 5)
    return bool((cdist(ca, ca)[apart] < 9.0).sum() > _CONTACTS * len(ca))


def _family_items(
    family: Family, numbers: dict[str, range], rng: np.random.Generator
) -> Iterator[Item]:
    members = _Members(family, rng)
    for number in numbers["lba"]:
        ligand = library()[int(rng.integers(len(library())))]
        yield Item("lba", item_code("lba", number), members.model(1, ligand))
    for number in numbers["ppa"]:
        yield Item("ppa", item_code("ppa", number), members.model(2))
    of_complexes = list(members.proteins)
    for place, number in enumerate(numbers["chain"]):
        # every other single chain is a protein that a complex has, too
        known = place % 2 == 0 and place // 2 < len(of_complexes)
        model = members.model_of(of_complexes[place // 2]) if known else members.model(1)
        yield Item("chain", item_code("chain", number), model)


class _Members:
    """The proteins of a family that are in use, and models of new ones."""

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        self.family, self.rng = family, rng
        self.proteins: list[Protein] = []

    def model(self, chains: int, ligand: Molecule | None = None) -> Model:
        """A model of new proteins; members that cannot be built are drawn again.

        Raises:
            RuntimeError: Nothing can be built on this fold; another seed is needed.
        """
        first = len(self.proteins)
        names = [f"SYN{self.family.index:02d}{first + k:03d}" for k in range(chains)]
        for _ in range(_REDRAWS):
            proteins = tuple(make_protein(self.family, name, self.rng) for name in names)
            model = build_model(proteins, ligand, self.rng)
            if model is not None:
                self.proteins += proteins
                return model
        raise RuntimeError(f"no model of {names} without clashes; make the demo with another seed")

    def model_of(self, protein: Protein) -> Model:
        """A single chain of a protein that a complex has, or of a new one if that cannot be."""
        return build_model((protein,), None, self.rng) or self.model(1)
