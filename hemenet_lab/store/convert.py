"""A parsed structure (and ligand) → `Entry`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from hemenet_lab.store.entry import LIGAND, PARTNER, PROTEIN, WHOLE, Entry
from hemenet_lab.structures import (
    Ligand,
    Structure,
    element_class,
    ligand_node_type,
    structure_from,
)

SAME_PLACE = 0.01
"""Å; a hetero atom this near to a ligand atom is that atom."""
CONTACT = 8.0
"""Å between the nearest heavy atoms of two binding partners; those of crystal complexes come below
4 Å, of docked or modelled ones rarely above 6 Å."""


class ContactError(ValueError):
    """A ligand or a partner that is too far from the protein to be bound to it."""


def entry_from_structure(
    structure: Structure | object,
    *,
    ligand: Ligand | None = None,
    partner_chains: Iterable[str] = (),
    kind: str = "user",
    uniprot: Mapping[str, str] | None = None,
    values: Mapping[str, float] | None = None,
    terms: Mapping[str, Mapping[int, NDArray[np.int32]]] | None = None,
    chain_values: Mapping[str, Mapping[int, float]] | None = None,
    contact: float = CONTACT,
) -> Entry:
    """Residues, then kept hetero atoms, then ligand atoms as the nodes of an entry.

    Args:
        structure: The protein chains, also as ``Bio.PDB``, gemmi or biotite hold them (see
            `structure_from`); hetero atoms that it keeps become ligand nodes, except those
            at the very place of an atom of ``ligand`` (the same group, given twice).
        ligand: A small molecule in the frame of the structure.
        partner_chains: Author ids of the chains that are the second partner of a complex.
        kind: Where the entry comes from, see `Entry.kind`.
        uniprot: Author chain id → UniProt ids joined by ``;``; other chains' ids are not used.
        values: Complex-level regression: task name → value.
        terms: Multi-label: task name → {chain index: indices of its terms}; at the complex level
            the index is `WHOLE`.
        chain_values: Chain-level regression: task name → {chain index: value}.
        contact: Distance in Å within which the ligand, and the partner chains, must have a heavy
            atom of the other protein chains; ``inf`` allows any.

    Raises:
        ContactError: The ligand or the partner is farther away.
        ValueError: A partner chain or chain index that the structure does not have, or a label
            that is not a finite number.
    """
    structure = structure_from(structure)
    residues = np.flatnonzero(structure.is_polymer)
    polymer_chains = np.unique(structure.residue_chain[residues])
    names = tuple(structure.chain_id[chain] for chain in polymer_chains)
    partners, values, terms = set(partner_chains), dict(values or {}), dict(terms or {})
    _check_partners(structure.id, names, partners)
    of_chains = {task: dict(found) for task, found in (chain_values or {}).items()}
    _check_labels(structure.id, names, values, terms, of_chains)
    chain = np.searchsorted(polymer_chains, structure.residue_chain[residues])
    is_partner = np.array([name in partners for name in names], np.bool_)[chain]
    atoms = structure.is_polymer[structure.atom_residue]
    counts = np.bincount(structure.atom_residue, minlength=structure.num_residues)[residues]
    free_coords, free_class, free_chemistry = _free_atoms(structure, ligand)
    coords = structure.coords[atoms]
    if ligand is not None:
        _check_contact(structure.id, "ligand", coords, ligand.coords, contact)
    on_partner_side = np.repeat(is_partner, counts)
    if on_partner_side.any() and not on_partner_side.all():
        sides = coords[~on_partner_side], coords[on_partner_side]
        _check_contact(structure.id, f"partner {','.join(sorted(partners))}", *sides, contact)
    letters = [ord(letter or "\0") for letter in structure.insertion_code[residues].tolist()]

    def nodes(of_residues: ArrayLike, of_free_atoms: int | NDArray, dtype: DTypeLike) -> NDArray:
        free = np.broadcast_to(of_free_atoms, len(free_class))
        return np.concatenate([of_residues, free]).astype(dtype)

    number = structure.atom_residue
    sums = np.bincount(number, structure.b_factor, structure.num_residues)
    means = sums / np.maximum(np.bincount(number, minlength=structure.num_residues), 1)
    return Entry(
        id=structure.id,
        kind=kind,
        node_type=nodes(
            structure.residue_type[residues], ligand_node_type(0) + free_class, np.int8
        ),
        entity=nodes(np.where(is_partner, PARTNER, PROTEIN), LIGAND, np.int8),
        node_chain=nodes(chain, -1, np.int16),
        sequence_index=nodes(structure.sequence_index[residues], 0, np.int32),
        residue_number=nodes(structure.residue_number[residues], 0, np.int32),
        insertion_code=nodes(letters, 0, np.uint8),
        node_atoms=nodes(counts, 1, np.uint8),
        coords=np.concatenate([coords, free_coords]).astype(np.float32),
        atom_element=np.append(_classes(structure.element[atoms]), free_class).astype(np.int8),
        atom_slot=nodes(structure.slot[atoms], 0, np.int8),
        chain_names=names,
        chain_uniprot=tuple((uniprot or {}).get(name, "") for name in names),
        chain_sequence=tuple(_sequence(structure, number) for number in polymer_chains.tolist()),
        values=values,
        terms={task: dict(found) for task, found in terms.items()},
        chain_values=of_chains,
        b_factor=nodes(means[residues], 0, np.float32),
        chemistry=nodes(np.zeros(len(residues)), free_chemistry, np.uint16),
    )


def _sequence(structure: Structure, chain: int) -> str:
    """The chain's deposited sequence, in lower case where it has no residue; see `Entry`."""
    places = structure.sequence_place[structure.is_polymer & (structure.residue_chain == chain)]
    if (places < 0).any():
        return ""
    letters = np.array(list(structure.chain_sequence[chain]))
    unseen = np.ones(len(letters), np.bool_)
    unseen[places] = False
    return "".join(np.where(unseen, np.strings.lower(letters), letters).tolist())


def _free_atoms(
    structure: Structure, ligand: Ligand | None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint16]]:
    """Coordinates [A, 3], element classes [A] and chemistry [A] of hetero atoms and the ligand."""
    hetero = ~structure.is_polymer[structure.atom_residue]
    coords, elements = structure.coords[hetero], structure.element[hetero]
    if ligand is None:
        return coords, _classes(elements), np.zeros(len(coords), np.uint16)
    if len(coords):
        from scipy.spatial import cKDTree  # slow to import

        distance, _ = cKDTree(ligand.coords).query(coords)
        coords, elements = coords[distance > SAME_PLACE], elements[distance > SAME_PLACE]
    classes = np.append(_classes(elements), _classes(ligand.element))
    told = np.zeros(len(ligand.coords)) if ligand.chemistry is None else ligand.chemistry
    chemistry = np.append(np.zeros(len(coords)), told).astype(np.uint16)
    return np.concatenate([coords, ligand.coords]), classes, chemistry


def _check_contact(
    id: str, what: str, protein: NDArray[np.float32], other: NDArray[np.float32], most: float
) -> None:
    """Raises `ContactError` if the two sets of atoms, [A, 3] and [B, 3], are apart."""
    if not np.isfinite(most):
        return
    from scipy.spatial import cKDTree  # slow to import

    distance = float(cKDTree(protein).query(other)[0].min())
    if distance > most:
        raise ContactError(
            f"{id}: the {what} is {distance:.1f} Å from the protein, more than {most:g} Å: it is "
            "not bound to it, or not in the same frame; give a complex, or allow a larger contact"
        )


def _classes(elements: NDArray[np.str_]) -> NDArray[np.int64]:
    unique, inverse = np.unique(elements, return_inverse=True)
    return np.array([element_class(symbol) for symbol in unique.tolist()], np.int64)[inverse]


def _check_partners(id: str, names: tuple[str, ...], partners: set[str]) -> None:
    unknown = sorted(partners - set(names))
    if unknown:
        raise ValueError(
            f"{id}: partner chains {unknown} are not in the structure, whose protein chains are "
            f"{list(names)}; name some of these (upper and lower case differ)"
        )


def _check_labels(
    id: str,
    names: tuple[str, ...],
    values: Mapping[str, float],
    terms: Mapping[str, Mapping[int, NDArray[np.int32]]],
    chain_values: Mapping[str, Mapping[int, float]],
) -> None:
    numbers = [(task, value) for task, value in values.items()]
    numbers += [(task, value) for task, found in chain_values.items() for value in found.values()]
    bad = {task: value for task, value in numbers if not math.isfinite(value)}
    if bad:
        raise ValueError(f"{id}: values {bad} are not finite numbers; leave out a missing label")
    for task, of_chains in (*terms.items(), *chain_values.items()):
        whole = {WHOLE} if task in terms else set()
        outside = [
            chain for chain in of_chains if chain not in whole and not 0 <= chain < len(names)
        ]
        if outside:
            raise ValueError(
                f"{id}: labels of task {task} for chains {outside}, but the structure has "
                f"{len(names)} chains, numbered from 0: {list(names)}"
            )
