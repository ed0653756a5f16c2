"""Chains: which atoms of a file are one molecule, whatever ids the file gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import is_amino_acid, residue_class
from hemenet_lab.structures.structure import StructureError
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    Text,
    join_codes,
    rows_by_code,
    run_starts,
)
from hemenet_lab.structures.vocabulary import MAX_PEPTIDE_BOND

FAR = 3.0
"""Å; an atom that is repeated within this distance is an alternative, farther off it is another."""
_CHAIN_END = ("OXT", "OT2", "OC2", "O2")
"""Second oxygens of a chain's last residue."""


def noted(table: AtomTable, note: str) -> AtomTable:
    """The table with one more note."""
    return replace(table, notes=(*table.notes, note))


def renamed(table: AtomTable, copy: NDArray[np.int64]) -> AtomTable:
    """Chains of the copies 1, 2, ... get names of their own where theirs are taken: ``A-2``."""
    codes = join_codes(table.chain, copy)
    first = np.sort(np.unique(codes, return_index=True)[1])
    table.budget.need("chains", len(first))
    taken: set[str] = set()
    names = {}
    for row in sorted(first.tolist(), key=lambda row: int(copy[row])):
        name, number = table.chain[row], int(copy[row]) + 1
        while name in taken:
            name, number = f"{table.chain[row]}-{number}", number + 1
        taken.add(name)
        names[int(codes[row])] = name
    unique, place = np.unique(codes, return_inverse=True)
    chain = Text.merged(np.array([names[code] for code in unique.tolist()], np.str_), place)
    if table.line_word == "line":  # a PDB file, which has no other ids
        return replace(table, chain=chain, label=chain)
    return replace(table, chain=chain)


def _considered(table: AtomTable) -> NDArray[np.intp]:
    """Rows that can tell chains apart: neither water, whose numbers start anew, nor hydrogen."""
    water = table.residue_name.map(lambda name: residue_class(name) == "water")
    return np.flatnonzero(~water.astype(np.bool_) & ~table.element.equals("H", "D"))


def _chains_of_segments(table: AtomTable) -> AtomTable:
    """Segment ids become chain ids in a file without any, if its proteins have several."""
    if table.line_word != "line" or not table.chain.equals(NAMELESS_CHAIN).all():
        return table
    if not _are_segments(table):
        return table
    amino = table.residue_name.map(is_amino_acid).astype(np.bool_)
    if len(table.segment.take(amino).words()) < 2:
        return table
    chain = table.segment.replaced("", NAMELESS_CHAIN)
    return noted(replace(table, chain=chain, label=chain), "chains are told apart by segment ids")


def _are_segments(table: AtomTable) -> bool:
    """Columns 73-76 hold one value per residue; old files have other things there."""
    residue = (table.chain, table.number, table.insertion, table.part)
    runs, both = join_codes(*residue), join_codes(*residue, table.segment)
    return len(run_starts(both)) == len(run_starts(runs))


def separate_chains(table: AtomTable) -> AtomTable:
    """Gives chains of one id names of their own; see `_copies`.

    An atom is known by chain, residue number, insertion code, name and alternative location. Where
    atoms are repeated farther than `FAR` from each other, two molecules have one chain id, and
    segment ids, TER records or numbers that start anew tell them apart.
    """
    table = _chains_of_segments(table)
    rows = _considered(table)
    sub = table.take(rows)
    if not len(sub):
        return table
    kinds = np.array(["" if is_amino_acid(name) else name for name in sub.residue_name.values])
    kind = Text.merged(kinds.astype(np.str_), sub.residue_name.codes)
    place = join_codes(sub.chain, sub.number, sub.insertion, kind)
    atom = join_codes(place, sub.name, sub.altloc)
    _, first, inverse = np.unique(atom, return_index=True, return_inverse=True)
    with np.errstate(invalid="ignore"):
        far = np.linalg.norm(sub.coords - sub.coords[first[inverse]], axis=1) > FAR
    affected = np.isin(sub.chain.codes, sub.chain.codes[far]) | _ends_inside(sub)
    if not affected.any():
        return table
    copy = np.zeros(len(table), np.int64)
    use_segments = _are_segments(sub)
    said: list[str] = []
    amino = sub.residue_name.map(is_amino_acid).astype(np.bool_)
    second = np.zeros(len(table), np.bool_)
    for chain in rows_by_code(np.where(affected, sub.chain.codes, -1)):
        if affected[chain[0]]:
            found = _copies(sub, chain, place, atom, use_segments)
            second[rows[chain]] = _second_residues(sub.take(chain), found)
            found[second[rows[chain]]] = 0
            copy[rows[chain]] = found
            chains = np.unique(found[amino[chain]])
            if len(chains) > 1:
                said.append(f"{sub.chain[int(chain[0])]} ({len(chains)} times)")
    _with_rest(table, copy, rows)
    table = renamed(table, copy)
    if second.any():
        row = int(np.flatnonzero(second)[0])
        shown = f"{table.residue_name[row]} {table.chain[row]} {table.number[row]}"
        reason = f"HETATM amino acid with the number of a residue of its chain, far off: {shown}"
        table = table.drop(second, "second residue", reason)
    if not said:
        return table
    return noted(
        table,
        f"several molecules have one chain id and were told apart: {said[0]}"
        + (f" and {len(said) - 1} more ids" if len(said) > 1 else ""),
    )


def _second_residues(chain: AtomTable, copy: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Amino acids of further copies of a chain that are HETATM all: no chains, but strays.

    An example is a residue that the file lists behind the chain, with a number that is taken.
    """
    amino = chain.residue_name.map(is_amino_acid).astype(np.bool_) & (copy > 0)
    in_chains = np.unique(copy[amino & (~chain.hetero | (chain.hint == PolymerHint.YES))])
    return amino & ~np.isin(copy, in_chains)


def _with_rest(table: AtomTable, copy: NDArray, rows: NDArray[np.intp]) -> None:
    """Waters and hydrogens go with the atom before them that has the same chain id."""
    rest = np.ones(len(table), np.bool_)
    rest[rows] = False
    for chain in rows_by_code(table.chain.codes):
        known = np.where(rest[chain], -1, np.arange(len(chain)))
        last = np.maximum(np.maximum.accumulate(known), 0)
        copy[chain] = copy[chain][last]


def _ends_inside(sub: AtomTable) -> NDArray[np.bool_]:
    """Mask of the nameless chain, if a TER record ends a whole molecule inside its proteins."""
    nameless = sub.chain.equals(NAMELESS_CHAIN)
    amino = nameless & sub.residue_name.map(is_amino_acid).astype(np.bool_)
    parts = np.unique(sub.part[amino])
    if len(parts) < 2:
        return np.zeros(len(sub), np.bool_)
    closed = np.unique(sub.part[_closes(sub)])
    return nameless & bool(np.isin(closed, parts[:-1]).any())


def _closes(sub: AtomTable) -> NDArray[np.bool_]:
    """Atoms that show the end of a nameless chain.

    They are a second oxygen of the last residue, a cap behind it, or its C where the next residue
    is neither bonded nor numbered as if some were missing between them.
    """
    amino = sub.residue_name.map(is_amino_acid).astype(np.bool_)
    ends = (amino & sub.name.equals(*_CHAIN_END)) | sub.residue_name.equals("NME", "NMA", "NH2")
    carbons, nitrogens = (np.flatnonzero(amino & sub.name.equals(name)) for name in "CN")
    last = carbons[np.append(sub.part[carbons][1:] != sub.part[carbons][:-1], True)[: len(carbons)]]
    following = np.searchsorted(nitrogens, last)
    last, following = last[following < len(nitrogens)], following[following < len(nitrogens)]
    first = nitrogens[following]
    gap = np.linalg.norm(sub.coords[last] - sub.coords[first], axis=1)
    ends[last[(gap > MAX_PEPTIDE_BOND) & (sub.number[first] - sub.number[last] <= 1)]] = True
    return ends & sub.chain.equals(NAMELESS_CHAIN)


@dataclass
class _Block:
    """Atoms of one chain id within which no residue is repeated far off."""

    rows: list[int]
    atoms: dict[int, int]
    """Code of the atom → row."""
    polymer: bool
    segment: str
    """Of its protein; empty for none."""
    closed: bool = False
    """The last residue of a molecule is in it."""

    def add(self, codes: list[int], rows: list[int]) -> None:
        self.rows += rows
        for code, row in zip(codes, rows, strict=True):
            self.atoms.setdefault(code, row)

    def join(self, other: _Block) -> None:
        self.add(list(other.atoms), list(other.atoms.values()))
        self.segment = other.segment if other.polymer else self.segment
        self.polymer, self.closed = self.polymer or other.polymer, self.closed or other.closed


def _copies(
    sub: AtomTable,
    chain: NDArray[np.intp],
    place: NDArray[np.int64],
    atom: NDArray[np.int64],
    use_segments: bool,
) -> NDArray[np.int64]:
    """Number of the copy of its chain id that each row of ``chain`` belongs to, from 0.

    The rows are cut into blocks at TER records, changes of segment, and residues that are repeated
    far off. A block joins a copy that it does not repeat: protein the last one, other groups the
    nearest.
    """
    blocks = _blocks(sub, chain, place, atom, use_segments)
    copies: list[_Block] = []
    result = np.zeros(len(sub), np.int64)
    for block in blocks:
        sub.budget.check_time()
        fitting = [i for i, copy in enumerate(copies) if _fits(sub, block, copy, use_segments)]
        if not fitting:
            copies.append(_Block([], {}, False, ""))
            sub.budget.need("chains", len(copies))
            index = len(copies) - 1
        elif block.polymer or len(fitting) == 1:
            index = fitting[-1]
        else:
            index = min(fitting, key=lambda i: _distance(sub, block.rows, copies[i].rows))
        copies[index].join(block)
        result[block.rows] = index
    return result[chain]


def _fits(sub: AtomTable, block: _Block, copy: _Block, use_segments: bool) -> bool:
    if block.polymer and copy.closed:
        return False
    if use_segments and block.polymer and copy.segment not in ("", block.segment):
        return False
    return not _repeats(sub, block.atoms, copy.atoms)


def _repeats(sub: AtomTable, mine: dict[int, int], others: dict[int, int]) -> bool:
    """Most of the atoms that both have lie far from each other."""
    shared = mine.keys() & others.keys()
    if not shared:
        return False
    left, right = [mine[code] for code in shared], [others[code] for code in shared]
    gaps = np.linalg.norm(sub.coords[left] - sub.coords[right], axis=1)
    return bool((gaps > FAR).mean() > 0.5)


def _distance(sub: AtomTable, left: list[int], right: list[int]) -> float:
    """Å from the middle of one set of atoms to the nearest of another."""
    return float(np.linalg.norm(sub.coords[right] - sub.coords[left].mean(axis=0), axis=1).min())


def _blocks(
    sub: AtomTable,
    chain: NDArray[np.intp],
    place: NDArray[np.int64],
    atom: NDArray[np.int64],
    use_segments: bool,
) -> list[_Block]:
    mark = join_codes(sub.part, sub.segment) if use_segments else sub.part.astype(np.int64)
    amino = sub.residue_name.map(is_amino_acid).astype(np.bool_)
    closes = _closes(sub)
    size_here = 0
    blocks: list[_Block] = []
    alternating = 0
    last_place = last_mark = -1
    for piece in _pieces(chain, place, mark, atom):
        sub.budget.check_time()
        codes = atom[piece].tolist()
        here, now = int(place[piece[0]]), int(mark[piece[0]])
        new = not blocks or now != last_mark
        if not new:
            new = _repeats(sub, dict(zip(codes, piece.tolist(), strict=True)), blocks[-1].atoms)
            if new and here == last_place:
                new = 2 * len(codes) > size_here  # else some atoms are written twice
                alternating += new and bool(amino[piece[0]])
        if alternating > 1:
            raise StructureError(
                f"{sub.source}: residues of several molecules alternate under the chain id "
                f"{sub.chain[int(piece[0])]!r} ({sub.line_word} {sub.line[piece[0]]}: a residue is "
                "repeated far off); give each molecule a chain id of its own"
            )
        if new:
            blocks.append(_Block([], {}, False, sub.segment[int(piece[0])]))
        block = blocks[-1]
        block.add(codes, piece.tolist())
        block.polymer |= bool(amino[piece].any())
        block.closed |= bool(closes[piece].any())
        size_here = len(codes) + (size_here if here == last_place and not new else 0)
        last_place, last_mark = here, now
    return blocks


def _pieces(
    chain: NDArray[np.intp],
    place: NDArray[np.int64],
    mark: NDArray[np.int64],
    atom: NDArray[np.int64],
) -> list[NDArray[np.intp]]:
    """Runs of rows of one residue and mark, cut where an atom is repeated within the run."""
    starts = run_starts(join_codes(place[chain], mark[chain]))
    pieces = []
    for run in np.split(chain, starts[1:]):
        seen: set[int] = set()
        cuts = []
        for index, code in enumerate(atom[run].tolist()):
            if code in seen:
                cuts.append(index)
                seen = set()
            seen.add(code)
        pieces += np.split(run, cuts)
    return pieces
