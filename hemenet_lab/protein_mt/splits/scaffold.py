"""Splits of protein-ligand complexes by their ligands' scaffolds: over all, or in each target."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hemenet_lab.protein_mt.splits.inputs import Split, SplitInputs
from hemenet_lab.protein_mt.splits.taskwise import split_by_hash

FEWEST = 3
"""Scaffolds: one for each part."""
RULE = (
    "complexes with a ligand only, by the Bemis-Murcko scaffold of the ligand (a ligand without "
    "rings is one of its own); a hash of the scaffold decides: 15 % test, 10 % val. Proteins are "
    "on both sides: see the leakage report. Ligands whose chemistry is not readable, and all other "
    "entries, are unused"
)


def scaffold_split(inputs: SplitInputs) -> Split:
    """Splits complexes by the ligand's scaffold.

    Raises:
        ValueError: Fewer than three different scaffolds.
    """
    of = {name: scaffold(smiles) for name, smiles in inputs.smiles.items() if smiles}
    rows = [row for row, item in enumerate(inputs.items) if of.get(item.id)]
    items = [inputs.items[row] for row in rows]
    keys = sorted({of[item.id] for item in items})
    if len(keys) < FEWEST:
        raise ValueError(
            f"{len(items)} complexes have a readable ligand, of {len(keys)} scaffolds; the scheme "
            f"scaffold needs {FEWEST}: use the scheme taskwise"
        )
    number = {key: index for index, key in enumerate(keys)}
    groups = np.array([number[of[item.id]] for item in items], dtype=np.int64)
    # a chain's labels are no reason to hold a ligand out
    affinity = [replace(item, labelled=item.labelled & {"lba"}) for item in items]
    here = replace(inputs, items=affinity, copies=inputs.copies[rows])
    found = split_by_hash(here, groups, keys, RULE)
    parts = dict.fromkeys((item.id for item in inputs.items), "unused") | found.parts
    unreadable = sum(not smiles for smiles in inputs.smiles.values())
    about = {**found.about, "scaffolds": len(keys), "unused_unreadable": unreadable}
    return Split(parts, about)


FEWEST_LIGANDS = 10
"""Of a target that has some held out."""
OTHERS = 0.3
"""Least share of a target's ligands outside its commonest scaffold for a split by scaffold."""
WANTED = {"test": 0.20, "val": 0.12}
"""Shares of each target's ligands."""
MOST = {"test": 0.35, "val": 0.25}
"""What a part may have at most; scaffolds that do not fit train."""
WITHIN_RULE = (
    "ligands are left out within each target (complexes with the same protein sequences): by "
    "Bemis-Murcko scaffold, whole scaffolds in the order of their hash, until test has 20 % and "
    "val 12 % of the target's ligands (at most 35 % and 25 %); the commonest scaffold trains. A "
    "target with fewer than three scaffolds, or less than 30 % of its ligands outside the "
    "commonest, is split by single ligands; one of fewer than ten ligands trains. A ligand that is "
    "held out of one target is unused where it would train in another. Ligands whose chemistry is "
    "not readable, and all other entries, are unused"
)


def within_targets_split(inputs: SplitInputs) -> Split:
    """Leaves ligands out of each target; every protein that is tested trains too.

    Raises:
        ValueError: No target has ligands enough.
    """
    given = {
        item.id: inputs.smiles[item.id]
        for item in inputs.items
        if "lba" in item.labelled and inputs.smiles.get(item.id)
    }
    scaffolds = {name: found for name, text in given.items() if (found := scaffold(text))}
    ligand = {name: given[name] for name in scaffolds}
    targets: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for item in inputs.items:
        if item.id in ligand:
            targets[tuple(sorted(item.sequences))].append(item.id)
    parts = dict.fromkeys((item.id for item in inputs.items), "unused")
    parts |= dict.fromkeys(ligand, "train")
    by: Counter[str] = Counter()
    for members in targets.values():
        units = {name: ligand[name] for name in members}
        if len(set(units.values())) < FEWEST_LIGANDS:
            by["train"] += 1
            continue
        sizes = Counter(scaffolds[name] for name in members)
        others = len(members) - max(sizes.values())
        if len(sizes) >= FEWEST and others >= OTHERS * len(members):
            units = {name: scaffolds[name] for name in members}
            first = min(sizes, key=lambda each: (-sizes[each], each))
            by["scaffold"] += 1
        else:
            first = ""
            by["ligand"] += 1
        parts |= _held_out(units, first, inputs.settings.seed)
    if not by["scaffold"] + by["ligand"]:
        raise ValueError(
            f"{len(ligand)} complexes with a readable ligand are of {len(targets)} proteins, none "
            f"with {FEWEST_LIGANDS} different ones; the scheme within_targets needs series of "
            "ligands of one protein: use the scheme scaffold"
        )
    held = {ligand[name] for name in ligand if parts[name] in WANTED}
    twice = [name for name in ligand if parts[name] == "train" and ligand[name] in held]
    parts |= dict.fromkeys(twice, "unused")
    about = {
        "rule": WITHIN_RULE,
        "targets": {kind: by[kind] for kind in ("scaffold", "ligand", "train")},
        "unused_held_out_elsewhere": len(twice),
    }
    return Split(parts, about)


def _held_out(units: Mapping[str, str], first: str, seed: int) -> dict[str, str]:
    """Part of each item of a target that is held out.

    Args:
        units: Item → scaffold or ligand, which stays whole.
        first: One that trains.
        seed: Of the order.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for name, unit in units.items():
        members[unit].append(name)
    found: dict[str, str] = {}
    sizes = dict.fromkeys(WANTED, 0)
    for unit in _in_hash_order(sorted(members.keys() - {first}), seed):
        size = len(members[unit])
        for part, share in WANTED.items():
            room = sizes[part] + size <= MOST[part] * len(units)
            if room and sizes[part] < share * len(units):
                found |= dict.fromkeys(members[unit], part)
                sizes[part] += size
                break
    return found


def _in_hash_order(units: Sequence[str], seed: int) -> list[str]:
    return sorted(units, key=lambda unit: hashlib.sha256(f"{seed}/{unit}".encode()).digest())


def scaffold(smiles: str) -> str:
    """Bemis-Murcko scaffold as SMILES; the molecule itself without rings; empty if unreadable."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            return ""
        return str(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)) or smiles
