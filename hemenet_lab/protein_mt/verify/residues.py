"""Checks residues and their atoms against the raw files as Biopython reads them."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from hemenet_lab.protein_mt.verify.doubts import kmers
from hemenet_lab.protein_mt.verify.store import Check, RawStore, check
from hemenet_lab.structures import ONE_LETTER, RESIDUE_ATOMS, RESIDUES

NAME = "residues have the atoms that Biopython reads"
SEQUENCES = "residues are those of SEQRES, which Biopython reads"
FULL = "full sequences are SEQRES, which Biopython reads"
LEAST, FEWEST = 0.5, 6
"""Share of a chain's 5-mers that must lie in its SEQRES, of chains with this number: one changed
residue and one gap take five or four of them."""
MOST = 60
"""Entries that are looked at, spread evenly; Biopython takes a second for some."""
KNOWN = frozenset(ONE_LETTER) - {"X"}
STANDARD = 20
"""Node types below this are the standard amino acids."""
NAMELESS = "_"
"""The store's name of a chain without one."""
SIMULATED = {"O1", "OT1", "OC1", "CD", "SE"}
"""Names of atoms that stand for one of the standard's."""
Place = tuple[str, int, str]
"""Chain, residue number and insertion code."""


def check_residues(store: RawStore, raw: Path) -> Iterator[Check]:
    """Standard residues of evenly spread entries: none is missing, each has the file's atoms.

    Residues with alternative forms are left to the readers' own tests, and so are those with atoms
    of simulation programs' names; BinaryCIF files are not looked at.

    Args:
        store: The store.
        raw: The raw folder that it was built from.
    """
    try:
        import_module("Bio.PDB")
    except ImportError:
        return  # a dependency, which an installation without its own dependencies may lack
    from hemenet_lab.protein_mt.raw import find_raw, find_structures  # slow to import

    own = set(store.kinds) == {"user"}
    found_raw = find_structures(raw, store.ids) if own else find_raw(raw)
    files = {source.id: source.structure for source in found_raw.sources}
    chosen = np.unique(np.linspace(0, store.size - 1, min(MOST, store.size)).astype(int))
    faults: list[str] = []
    doubts: list[str] = []
    wrong: list[str] = []
    other: list[str] = []
    looked_at = sequences = full = 0
    for entry in chosen.tolist():
        path = files.get(store.ids[entry])
        if path is None or ".bcif" in path.name:
            continue
        number, found = _compare(_stored(store, entry), _counted(path, path.stat().st_mtime_ns))
        looked_at += number
        faults += [f"entry {store.ids[entry]}: {fault}" for fault in found]
        number, found = _other_sequences(store, entry, path)
        sequences += number
        doubts += [f"entry {store.ids[entry]}: {doubt}" for doubt in found]
        if store.full_sequences:
            number, cut, found = _other_full_sequences(store, entry, path)
            full += number
            wrong += [f"entry {store.ids[entry]}: {fault}" for fault in cut]
            other += [f"entry {store.ids[entry]}: {doubt}" for doubt in found]
    yield check("raw", NAME, looked_at, faults)
    yield check("raw", SEQUENCES, sequences, (), doubts)
    if store.full_sequences:
        yield check("raw", FULL, full, wrong, other)


def _other_sequences(store: RawStore, entry: int, path: Path) -> tuple[int, list[str]]:
    """How many chains have a SEQRES, and those of which few 5-mers lie in it."""
    looked_at, doubts = 0, []
    for place, name, said in _declared(store, entry, path):
        words = kmers(store.sequences[place])
        if len(words) < FEWEST:
            continue
        looked_at += 1
        common = len(words & kmers(said))
        if common < LEAST * len(words):
            doubts.append(f"chain {name}: {common} of {len(words)} 5-mers lie in its SEQRES")
    return looked_at, doubts


def _other_full_sequences(
    store: RawStore, entry: int, path: Path
) -> tuple[int, list[str], list[str]]:
    """How many chains keep a full sequence; those of another length, and of other letters.

    The two programs do not call all modified residues by the same letter.
    """
    looked_at, faults, doubts = 0, [], []
    for place, name, said in _declared(store, entry, path):
        full = store.full_sequences[place]
        if not full:
            continue
        looked_at += 1
        if len(full) != len(said):
            faults.append(f"chain {name}: {len(full)} letters, {len(said)} in its SEQRES")
            continue
        pairs = zip(full.upper(), said, strict=True)
        differ = sum(one != other and {one, other} <= KNOWN for one, other in pairs)
        if differ:
            doubts.append(f"chain {name}: {differ} of {len(full)} letters are others in its SEQRES")
    return looked_at, faults, doubts


def _declared(store: RawStore, entry: int, path: Path) -> Iterator[tuple[int, str, str]]:
    """Chains of an entry that have a SEQRES: place in the store, name in the file, sequence."""
    declared = _seqres(path, path.stat().st_mtime_ns)
    first, last = store.offsets("chain")[entry : entry + 2].tolist()
    for place in range(first, last):
        name = store.chains[place][1]
        if len(declared) == 1 == last - first:  # a file of one chain may call it as it likes
            [name] = declared
        if name in declared:
            yield place, name, declared[name]


@lru_cache(MOST)
def _seqres(path: Path, changed: int) -> dict[str, str]:
    """Author chain id → sequence that the file's head gives; nothing where it gives none."""
    library: Any = import_module("Bio.SeqIO")
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    text = data.decode("utf-8", "replace")
    form = "cif-seqres" if "_atom_site." in text else "pdb-seqres"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            records = list(library.parse(StringIO(text), form))
        except (ValueError, KeyError, IndexError):
            return {}
    return {record.annotations["chain"].strip(): str(record.seq) for record in records}


def _stored(store: RawStore, entry: int) -> dict[Place, tuple[str, int]]:
    """Place → name and number of atoms of each standard residue."""
    first, last = store.offsets("node")[entry : entry + 2].tolist()
    start = int(store.offsets("chain")[entry])
    columns = ("node_chain", "residue_number", "insertion_code", "node_type", "node_atoms")
    rows = zip(
        *(np.asarray(store.array(name)[first:last]).tolist() for name in columns), strict=True
    )
    return {
        (store.chains[start + chain][1], number, chr(code) if code else ""): (RESIDUES[kind], atoms)
        for chain, number, code, kind, atoms in rows
        if kind < STANDARD
    }


@lru_cache(MOST)
def _counted(path: Path, changed: int) -> dict[Place, tuple[str, int]]:
    """The same of a file's first model by Biopython; 0 atoms where they are not comparable.

    Args:
        path: The file.
        changed: When it was changed last; files that are known are not read again.
    """
    library: Any = import_module("Bio.PDB")
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    text = data.decode("utf-8", "replace")
    parser: Any = (library.MMCIFParser if "_atom_site." in text else library.PDBParser)(QUIET=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = next(iter(parser.get_structure("x", StringIO(text))))
    found: dict[Place, tuple[str, int]] = {}
    for chain in model:
        for residue in chain:
            hetero, number, code = residue.id
            place = chain.id.strip() or NAMELESS, number, code.strip()
            atoms = RESIDUE_ATOMS.get(residue.resname, ())
            names = {atom.id for atom in residue}
            plain = not hetero.strip() and not residue.is_disordered() and "CA" in names
            plain = plain and not (names - {*atoms}) & SIMULATED
            count = len(names & {*atoms}) if plain else 0
            found[place] = residue.resname, 0 if place in found else count
    return found


def _compare(
    stored: dict[Place, tuple[str, int]], counted: dict[Place, tuple[str, int]]
) -> tuple[int, list[str]]:
    """How many residues could be compared, and what differs."""
    chains = {place[0] for place in counted}
    own = {place[0] for place in stored}
    if len(chains) == len(own) == 1:  # a file of one chain may call it as it likes
        [name] = own
        counted = {(name, place[1], place[2]): found for place, found in counted.items()}
    shared = {place: found for place, found in counted.items() if place[0] in own and found[1]}
    faults = []
    for place, (residue, atoms) in shared.items():
        if residue not in RESIDUES:
            continue
        found = stored.get(place)
        if found != (residue, atoms):
            shown = "".join(map(str, place))
            faults.append(f"{residue} {shown} has {atoms} atoms in the file, in the store {found}")
    return len(shared), faults
