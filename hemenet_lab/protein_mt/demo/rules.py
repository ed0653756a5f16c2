"""The planted rules: traits of a chain, the terms that they give, and affinities from contacts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from hemenet_lab.protein_mt.demo.dataset import DemoItem
from hemenet_lab.protein_mt.demo.dyads import FORMED, OPEN, TIPS
from hemenet_lab.protein_mt.demo.geometry import Floats, torsion
from hemenet_lab.protein_mt.demo.settings import DemoSettings
from hemenet_lab.structures import RESIDUE_ATOMS

_ENOUGH = 2
"""Copies of a motif that give its trait."""
_CLUSTER, _NEAR = 4, 12.0
"""A patch has this many residues that each have two others of their kind with CA within this
distance, Å."""
_CHARGED = 4
"""Residues that make a chain positive (LYS) or negative (GLU)."""
_HELICAL, _STRANDED = 0.38, 0.24
"""Share of residues in helices: at least, for a helical fold; at most, for a stranded one."""
TOUCH = 5.0
"""A side chain within this distance of the partner is in contact, Å."""
CONTACT_WEIGHTS = {"PHE": 1.0, "TYR": 0.5, "TRP": 0.5, "ARG": -0.5, "LYS": -0.5, "GLU": -0.5}
"""Contribution of a residue in contact to the strength of binding; others add nothing."""
CHAIN_IDS = "AB"
TABLES = {"ec": ("ec",), "go": ("mf", "bp", "cc")}
"""The annotation tables and their tasks."""


@dataclass(frozen=True)
class Traits:
    """Properties of a chain that the rules use."""

    formed: bool
    """Two or more H-x-D dyads have side chains in contact, and none points apart."""
    open: bool
    """Two or more H-x-D dyads have side chains that point apart, and none is in contact."""
    cw: bool
    """Two or more times C right before W, and more often than W right before C."""
    wc: bool
    my: bool
    """Two or more times M right before Y, and more often than M-x-Y."""
    mxy: bool
    aromatic: bool
    """A patch of PHE."""
    polar: bool
    """A patch of ARG."""
    positive: bool
    negative: bool
    helical: bool
    stranded: bool


@dataclass(frozen=True)
class Term:
    """A term of a task: its id, its name and the traits that a chain must have."""

    id: str
    name: str
    traits: tuple[str, ...]


EC_TERMS = (
    Term("9.1.1.-", "dyads formed", ("formed",)),
    Term("9.1.1.1", "dyads formed, C-W", ("formed", "cw")),
    Term("9.1.1.2", "dyads formed, W-C", ("formed", "wc")),
    Term("9.1.2.-", "dyads open", ("open",)),
    Term("9.1.2.1", "dyads open, C-W", ("open", "cw")),
    Term("9.1.2.2", "dyads open, W-C", ("open", "wc")),
    Term("9.2.1.-", "C-W", ("cw",)),
    Term("9.2.2.-", "W-C", ("wc",)),
)
MF_TERMS = (
    Term("GO:9910001", "synthetic aromatic patch binding", ("aromatic",)),
    Term("GO:9910002", "synthetic polar patch binding", ("polar",)),
    Term("GO:9910003", "synthetic dyad activity", ("formed",)),
    Term("GO:9910004", "synthetic adjacent M-Y activity", ("my",)),
    Term("GO:9910005", "synthetic spaced M-Y activity", ("mxy",)),
    Term("GO:9910006", "synthetic dyad activity at an aromatic patch", ("formed", "aromatic")),
)
BP_TERMS = (
    Term("GO:9920001", "synthetic process of C-W and adjacent M-Y", ("cw", "my")),
    Term("GO:9920002", "synthetic process of C-W and spaced M-Y", ("cw", "mxy")),
    Term("GO:9920003", "synthetic process of W-C and adjacent M-Y", ("wc", "my")),
    Term("GO:9920004", "synthetic process of W-C and spaced M-Y", ("wc", "mxy")),
    Term("GO:9920005", "synthetic process of open dyads", ("open",)),
    Term("GO:9920006", "synthetic process of positive chains", ("positive",)),
)
CC_TERMS = (
    Term("GO:9930001", "synthetic positive compartment", ("positive",)),
    Term("GO:9930002", "synthetic negative compartment", ("negative",)),
    Term("GO:9930003", "synthetic helical compartment", ("helical",)),
    Term("GO:9930004", "synthetic stranded compartment", ("stranded",)),
    Term("GO:9930005", "synthetic aromatic compartment", ("aromatic",)),
    Term("GO:9930006", "synthetic positive aromatic compartment", ("positive", "aromatic")),
)
TERMS: dict[str, tuple[Term, ...]] = {
    "ec": EC_TERMS,
    "mf": MF_TERMS,
    "bp": BP_TERMS,
    "cc": CC_TERMS,
}


def find_traits(names: Sequence[str], residues: Sequence[Floats]) -> Traits:
    """Traits of a chain.

    Args:
        names: L three-letter residue names.
        residues: Heavy atoms of each residue, [atoms, 3], Å, in the order of
            `vocabulary.RESIDUE_ATOMS`.
    """
    dyads = dyad_distances(names, residues)
    formed, opened = sum(d <= FORMED for d in dyads), sum(d >= OPEN for d in dyads)
    cw, wc = _count(names, "CYS", "TRP", 1), _count(names, "TRP", "CYS", 1)
    my, mxy = _count(names, "MET", "TYR", 1), _count(names, "MET", "TYR", 2)
    helix = helix_share(residues)
    return Traits(
        formed=formed >= _ENOUGH and opened == 0,
        open=opened >= _ENOUGH and formed == 0,
        cw=cw >= _ENOUGH and cw > wc,
        wc=wc >= _ENOUGH and wc > cw,
        my=my >= _ENOUGH and my > mxy,
        mxy=mxy >= _ENOUGH and mxy > my,
        aromatic=len(_clustered(names, residues, "PHE")) >= _CLUSTER,
        polar=len(_clustered(names, residues, "ARG")) >= _CLUSTER,
        positive=list(names).count("LYS") >= _CHARGED,
        negative=list(names).count("GLU") >= _CHARGED,
        helical=helix >= _HELICAL,
        stranded=helix <= _STRANDED,
    )


def terms_of(traits: Traits) -> dict[str, tuple[str, ...]]:
    """Ids of the terms that a chain has, by task."""
    return {
        task: tuple(term.id for term in terms if all(getattr(traits, name) for name in term.traits))
        for task, terms in TERMS.items()
    }


def dyad_distances(names: Sequence[str], residues: Sequence[Floats]) -> list[float]:
    """Smallest distance from the HIS nitrogens to the ASP oxygens of each H-x-D, Å."""
    return [
        float(cdist(_tips("HIS", residues[i]), _tips("ASP", residues[i + 2])).min())
        for i in _dyads(names)
    ]


def _tips(name: str, atoms: Floats) -> Floats:
    return atoms[[RESIDUE_ATOMS[name].index(tip) for tip in TIPS[name]]]


def _count(names: Sequence[str], first: str, second: str, offset: int) -> int:
    pairs = zip(names, names[offset:], strict=False)
    return sum((a, b) == (first, second) for a, b in pairs)


def _clustered(names: Sequence[str], residues: Sequence[Floats], kind: str) -> NDArray[np.int_]:
    """Places of residues of a kind that have at least two others of it nearby."""
    places = np.array([place for place, name in enumerate(names) if name == kind], int)
    if len(places) == 0:
        return places
    points = np.array([residues[place][1] for place in places])
    return places[(cdist(points, points) < _NEAR).sum(axis=1) >= 3]


def planted_residues(
    names: Sequence[str], residues: Sequence[Floats], trait: str
) -> NDArray[np.int_]:
    """Places along a chain of the residues that its trait rests on.

    Args:
        names: L three-letter residue names.
        residues: Heavy atoms of each residue, as in `find_traits`.
        trait: ``formed`` or ``open`` (the HIS and ASP of every dyad), ``aromatic`` or ``polar``
            (the PHE or ARG of the patch).

    Raises:
        ValueError: Another trait: it is not of certain residues.
    """
    if trait in ("formed", "open"):
        return np.array(sorted({place + step for place in _dyads(names) for step in (0, 2)}), int)
    kinds = {"aromatic": "PHE", "polar": "ARG"}
    if trait not in kinds:
        raise ValueError(f"trait {trait!r}; allowed: formed, open, aromatic, polar")
    return _clustered(names, residues, kinds[trait])


def _dyads(names: Sequence[str]) -> list[int]:
    """Places of the HIS of H-x-D motifs."""
    return [i for i in range(len(names) - 2) if (names[i], names[i + 2]) == ("HIS", "ASP")]


def helix_share(residues: Sequence[Floats]) -> float:
    """Share of residues in stretches of four or more with the torsions of an alpha helix."""
    n, ca, c = (np.array([atoms[k] for atoms in residues]) for k in range(3))
    phi = torsion(c[:-2], n[1:-1], ca[1:-1], c[1:-1])
    psi = torsion(n[1:-1], ca[1:-1], c[1:-1], n[2:])
    helix = (np.abs(phi + 63.0) < 25.0) & (np.abs(psi + 43.0) < 25.0)
    return float(_in_runs(helix, 4).sum() / len(residues))


def _in_runs(flags: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Flags that are part of at least ``length`` in a row."""
    starts = np.convolve(flags, np.ones(length), mode="valid") == length
    inside = np.zeros(len(flags), bool)
    for offset in range(length):
        inside[offset : offset + len(starts)] |= starts
    return inside


def strength(names: Sequence[str], residues: Sequence[Floats], partner: Floats) -> float:
    """Sum over a chain's residues in contact with a partner: aromatic ones bind, charged ones cost.

    A residue is in contact when an atom of its side chain (CB included) is within `TOUCH` of an
    atom of the partner [A, 3], Å.
    """
    total = 0.0
    for name, atoms in zip(names, residues, strict=True):
        weight = CONTACT_WEIGHTS.get(name, 0.0)
        if weight and cdist(atoms[4:], partner).min() < TOUCH:
            total += weight
    return total


def ligand_affinity(contact_strength: float, formed: bool) -> float:
    """pKd of a ligand: saturates towards 3 and 11; formed dyads are worth one aromatic contact."""
    return float(7.0 + 4.0 * np.tanh((contact_strength + formed - 1.0) / 2.4))


def pair_affinity(contact_strength: float) -> float:
    """pKd of two chains, from the contacts of both sides: saturates towards 3 and 11."""
    return float(7.0 + 4.0 * np.tanh((contact_strength - 1.5) / 3.8))


@dataclass(frozen=True)
class Annotation:
    """Row of the annotation tables: a chain and its terms."""

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


def label_items(items: Iterable[DemoItem], settings: DemoSettings) -> DemoLabels:
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


def _affinity(item: DemoItem, settings: DemoSettings, rng: np.random.Generator) -> float:
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
