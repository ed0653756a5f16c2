"""Deposited sequences of whole chains (SEQRES), and where the observed residues are in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import parent_residue
from hemenet_lab.structures.table import NAMELESS_CHAIN, AtomTable, Text
from hemenet_lab.structures.vocabulary import ONE_LETTER, RESIDUE_INDEX

CATEGORIES = ("entity_poly_seq", "struct_asym", "pdbx_poly_seq_scheme")
"""Categories of mmCIF that tell sequences, and which chains have them."""
Ints = NDArray[np.int64]


def letters(names: Iterable[str]) -> str:
    """One-letter codes of residues, or of their parents; ``X`` where they have none."""
    return "".join(ONE_LETTER[RESIDUE_INDEX[parent_residue(name)]] for name in names)


def pdb_sequences(lines: Iterable[bytes]) -> dict[str, str]:
    """Sequences of the SEQRES records, by the file's chain ids.

    A chain whose records do not hold as many residues as they say (columns 14-17) has none.
    """
    names: dict[str, list[str]] = {}
    sizes: dict[str, set[str]] = {}
    for line in lines:
        text = line.decode("latin-1")
        chain = text[10:12].strip() or NAMELESS_CHAIN
        names.setdefault(chain, []).extend(text[19:70].split())
        sizes.setdefault(chain, set()).add(text[13:17].strip())
    return {
        chain: letters(found)
        for chain, found in names.items()
        if sizes[chain] <= {"", str(len(found))}
    }


def with_sequences(table: AtomTable, block: Any) -> AtomTable:
    """The table with the sequences of its chains, of ``_entity_poly_seq``.

    Where that does not tell, ``_pdbx_poly_seq_scheme`` may.

    Args:
        table: Atoms of an mmCIF file.
        block: Its data block, of gemmi or (BinaryCIF) of biotite.
    """
    of_entities = _in_order(block, "entity_poly_seq", "entity_id", "num")
    entity = dict(_rows(block, "struct_asym", "id", "entity_id"))
    if of_entities and not entity.keys() >= {*table.molecule.words()}:
        entity |= dict(_rows(block, "atom_site", "label_asym_id", "label_entity_id"))
    of_chains = _in_order(block, "pdbx_poly_seq_scheme", "asym_id", "seq_id")
    of_chains |= {chain: of_entities[name] for chain, name in entity.items() if name in of_entities}
    return replace(table, declared=of_chains)


def _in_order(block: Any, category: str, owner: str, place: str) -> dict[str, str]:
    """Owner → sequence, of those whose residues are numbered 1, 2, 3, ...

    Of several residues with one number, which occur side by side in a crystal, the first counts.
    """
    names: dict[str, dict[str, str]] = {}
    for chain, number, name in _rows(block, category, owner, place, "mon_id"):
        names.setdefault(chain, {}).setdefault(number, name)
    return {
        chain: letters(found.values())
        for chain, found in names.items()
        if list(found) == [str(number) for number in range(1, len(found) + 1)]
    }


def _rows(block: Any, category: str, *items: str) -> Iterator[Any]:
    """Rows of some items of a category; none if an item is missing."""
    columns = [_cells(block, category, item) for item in items]
    if len({len(column) for column in columns}) == 1:
        yield from zip(*columns, strict=True)


def _cells(block: Any, category: str, item: str) -> list[str]:
    if isinstance(block, gemmi.cif.Block):
        return [gemmi.cif.as_string(raw) for raw in block.find_values(f"_{category}.{item}")]
    try:
        return list(map(str, block[category][item].as_array().tolist()))
    except Exception:  # it is missing, or written in a way that biotite has an error of its own for
        return []


def positions(numbers: Text) -> NDArray[np.int32]:
    """Places in the sequence from ``label_seq_id``, counted from 0; -1 where there is none."""
    return numbers.map(
        lambda word: int(word) - 1 if word.isascii() and word.isdigit() and len(word) < 9 else -1
    ).astype(np.int32)


def place_residues(
    residues: AtomTable, chain: Ints, polymer: NDArray[np.bool_], kind: Ints, index: Ints
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Deposited sequence of each chain, and each residue's place in it.

    Args:
        residues: First atom of each of the R residues.
        chain: [R], chain of each of them, ascending.
        polymer: [R], False for ions and cofactors.
        kind: [R], index into `RESIDUES`.
        index: [R], result of `sequence.sequence_index`.

    Returns:
        [C] sequences, empty where the file gives none; and int32 [R], -1 for all residues of a
        chain unless each of them is that of the sequence.
    """
    ends = np.searchsorted(chain, np.arange(int(chain[-1]) + 2))
    sequences = [""] * (len(ends) - 1)
    places = np.full(len(chain), -1, np.int32)
    if not residues.declared:
        return tuple(sequences), places
    for number in range(len(sequences)):
        residues.budget.check_time()
        rows = np.arange(ends[number], ends[number + 1])
        rows = rows[polymer[rows]]
        names = residues.molecule.take(rows).words()
        sequence = residues.declared.get(names[0], "") if len(names) == 1 else ""
        sequences[number] = sequence
        text = "".join(ONE_LETTER[code] for code in kind[rows].tolist())
        found: Ints | None = residues.position[rows].astype(np.int64)
        if (residues.position[rows] < 0).all():
            found = _matched(sequence, text, index[rows], residues.number[rows])
        if found is not None and _agrees(sequence, text, found):
            places[rows] = found
    return tuple(sequences), places


def _agrees(sequence: str, text: str, places: Ints) -> bool:
    """Check that the letters of ``text`` stand at these places of the sequence, in order."""
    inside = len(places) > 0 and places[0] >= 0 and places[-1] < len(sequence)
    if not inside or not (np.diff(places) > 0).all():
        return False
    return "".join(sequence[place] for place in places.tolist()) == text


def _matched(sequence: str, text: str, index: Ints, number: NDArray[np.int32]) -> Ints | None:
    """Places of a chain's residues in its sequence, if there is one way to find them only.

    Bonded residues are neighbours in the sequence. If the runs of them fit in several ways, the
    residue numbers have to tell which; those that jump between neighbours tell nothing.

    Args:
        sequence: The deposited sequence.
        text: Letters of the residues.
        index: [residues], position along the chain with steps over gaps.
        number: [residues], as the author counts them.
    """
    if not text:
        return None
    step = np.diff(index)
    starts = [0, *(np.flatnonzero(step != 1) + 1).tolist()]
    runs = [text[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    sizes = [len(run) for run in runs]
    first = _leftmost(sequence, runs)
    mirrored = _leftmost(sequence[::-1], [run[::-1] for run in reversed(runs)])
    if first is None or mirrored is None:
        return None
    last = [len(sequence) - at - size for at, size in zip(reversed(mirrored), sizes, strict=True)]
    if first == last:
        return np.repeat(np.subtract(first, starts), sizes) + np.arange(len(text))
    if (step != np.diff(number)).any():
        return None
    places = index - index[0]
    room = range(first[0], len(sequence) - int(places[-1]))
    fitting = (shift for shift in room if _agrees(sequence, text, places + shift))
    several = [*islice(fitting, 2)]
    return places + several[0] if len(several) == 1 else None


def _leftmost(sequence: str, runs: list[str]) -> list[int] | None:
    """Where runs of letters begin in the sequence, each as early as it can; None if they do not."""
    at, found = 0, []
    for run in runs:
        at = sequence.find(run, at)
        if at < 0:
            return None
        found.append(at)
        at += len(run)
    return found
