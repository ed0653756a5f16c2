"""Checks that no split tears apart what belongs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.verify.store import PARTS, Check, RawStore, check
from hemenet_lab.structures import ONE_LETTER

if TYPE_CHECKING:  # slow to import
    from scipy.sparse import csr_array

UNUSED = PARTS.index("unused")
NOT_BY_SEQUENCE = ("time", "deepfri", "scaffold", "within_targets")
"""Beginnings of the names of splits that proteins may straddle: by design, and by their lists."""
LENGTH = 5
SHORTEST = 30
"""Residues; shorter chains have too few 5-mers to say anything."""
COMMON = 0.8
"""Share of the longer sequence's 5-mers in common: at least 95 % identity or so over 80 %, far
beyond any threshold that a split by sequence uses."""
_BLOCK = 1_000
Key = tuple[Hashable, ...]


def check_splits(store: RawStore) -> Iterator[Check]:
    """Checks every split's codes; of those by sequence ids, UniProt ids, clusters, near-copies."""
    yield _codes(store)
    yield _table_agrees(store)
    yield _chains_agree(store)
    by_sequence = sequence_splits(store)
    keys = {
        "no chain of a PDB entry is in two parts": _pdb_chains(store),
        "no UniProt id is in two parts": _uniprot(store),
        "no sequence cluster is in two parts": _clusters(store),
        "no sequence is in two parts": _sequences(store),
    }
    for name, places in keys.items():
        faults = [fault for split in by_sequence for fault in _torn(store, split, places)]
        yield check("splits", name, len(places) * len(by_sequence), faults)
    yield _near_copies(store, by_sequence)
    yield _dates(store)


def sequence_splits(store: RawStore) -> list[str]:
    """Splits that must keep similar proteins together; equal ones once."""
    exempt = [name for name in store.splits if name.startswith(NOT_BY_SEQUENCE)]
    found: list[str] = []
    for name in sorted(set(store.splits) - set(exempt), key=lambda name: (name == "default", name)):
        if not any(np.array_equal(store.split(name), store.split(o)) for o in (*exempt, *found)):
            found.append(name)
    return found


def _codes(store: RawStore) -> Check:
    faults = []
    for name in store.splits:
        codes = store.split(name)
        if codes.shape != (store.size,) or not np.isin(codes, range(len(PARTS))).all():
            faults.append(f"split {name} is not one code of 0 to 3 for each entry")
        elif not (codes == 0).any():
            faults.append(f"split {name} trains on nothing")
    return check("splits", "every entry is in one part", len(store.splits) * store.size, faults)


def _table_agrees(store: RawStore) -> Check:
    """``entries.csv`` says what the arrays say."""
    rows = store.table("entries.csv")
    faults = []
    if rows and [row["id"] for row in rows] != store.ids:
        faults.append("entries.csv lists other entries than the store")
    elif rows:
        for name in store.splits:
            said = [row.get(name) for row in rows]
            wrong = [
                entry
                for entry, code in enumerate(store.split(name).tolist())
                if said[entry] != PARTS[code]
            ]
            faults += [f"split {name}: entry {store.ids[entry]}" for entry in wrong]
    return check("splits", "entries.csv agrees", len(rows), faults)


def _chains_agree(store: RawStore) -> Check:
    """``chains.csv`` has a row for each chain."""
    rows = store.table("chains.csv")
    found = [(row["id"], row["chain"]) for row in rows]
    wanted = [(store.ids[entry], chain) for entry, chain, _ in store.chains]
    faults = ["chains.csv lists other chains than the store"] if rows and found != wanted else []
    return check("splits", "chains.csv agrees", len(rows), faults)


def _pdb_chains(store: RawStore) -> dict[Key, set[int]]:
    places: dict[Key, set[int]] = defaultdict(set)
    for entry, chain, _ in store.chains:
        places[pdb_code(store.ids[entry]), chain].add(entry)
    return places


def pdb_code(entry_id: str) -> str:
    """``1abc`` from ``1abc``, ``lba_1abc`` or ``1ABC-A``."""
    return entry_id.removeprefix("lba_").removeprefix("ppa_").partition("-")[0].lower()


def _uniprot(store: RawStore) -> dict[Key, set[int]]:
    places: dict[Key, set[int]] = defaultdict(set)
    for entry, _, ids in store.chains:
        for name in ids:
            places[name,].add(entry)
    return places


def _clusters(store: RawStore) -> dict[Key, set[int]]:
    position = {name: entry for entry, name in enumerate(store.ids)}
    places: dict[Key, set[int]] = defaultdict(set)
    for row in store.table("chains.csv"):
        if row["id"] in position:
            places["cluster", row["cluster"]].add(position[row["id"]])
    return places


def _sequences(store: RawStore) -> dict[Key, set[int]]:
    places: dict[Key, set[int]] = defaultdict(set)
    for (entry, _, _), text in zip(store.chains, store.sequences, strict=True):
        if text.strip("X"):
            places[text,].add(entry)
    return places


def _torn(store: RawStore, split: str, places: dict[Key, set[int]]) -> Iterator[str]:
    codes = store.split(split).tolist()
    for key, entries in places.items():
        parts = {codes[entry] for entry in entries} - {UNUSED}
        if len(parts) > 1:
            shown = ", ".join(sorted(_some(store, entries, codes, parts)))
            yield f"split {split}: {' '.join(map(str, key))[:40]} is in {shown}"


def _some(
    store: RawStore, entries: Iterable[int], codes: list[int], parts: set[int]
) -> Iterator[str]:
    for part in parts:
        entry = next(entry for entry in sorted(entries) if codes[entry] == part)
        yield f"{PARTS[part]} ({store.ids[entry]})"


def _near_copies(store: RawStore, splits: list[str]) -> Check:
    entry = np.array([chain[0] for chain in store.chains], dtype=np.int64)
    faults, looked_at = [], 0
    for split in splits:
        codes = store.split(split)
        trains, tests = codes[entry] == 0, np.isin(codes[entry], (1, 2))
        looked_at += int(tests.sum())
        for here, there in near_copies(store.sequences, _places(tests), _places(trains)):
            names = store.ids[entry[here]], store.ids[entry[there]]
            faults.append(f"split {split}: held out {names[0]} is nearly {names[1]}, which trains")
    return check("splits", "no held-out chain is nearly a training chain", looked_at, faults)


def _places(mask: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


def _dates(store: RawStore) -> Check:
    """In the split by time, nothing that trains is younger than what is held out."""
    rows = store.table("entries.csv")
    if "time" not in store.splits or len(rows) != store.size:
        return check("splits", "time goes from train to test", 0, ())
    years: dict[int, set[int]] = defaultdict(set)
    faults = []
    for row, code in zip(rows, store.split("time").tolist(), strict=True):
        if row["date"][:4].isdigit():
            years[code].add(int(row["date"][:4]))
        elif code != UNUSED:
            faults.append(f"entry {row['id']} has no date but is in {PARTS[code]}")
    for early, late in ((0, 1), (1, 2), (0, 2)):
        if years[early] and years[late] and max(years[early]) >= min(years[late]):
            faults.append(
                f"{PARTS[early]} goes to {max(years[early])}, {PARTS[late]} begins before"
            )
    return check("splits", "time goes from train to test", len(rows), faults)


def near_copies(
    sequences: Sequence[str], here: Sequence[int], there: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Finds pairs of a sequence of ``here`` and one of ``there`` that are nearly the same.

    It counts common 5-mers, a method that MMseqs2 has no part in.

    Args:
        sequences: All sequences.
        here: Positions of the ones that are looked up, such as held-out chains.
        there: Positions of the ones that they are compared with, such as training chains.

    Yields:
        For each of ``here`` that has any: itself and the first that is nearly the same.
    """
    here, there = (_different(sequences, places) for places in (here, there))
    if not here or not there:
        return
    known, sizes = _kmers(sequences, there)
    columns = known.T.tocsr()
    for start in range(0, len(here), _BLOCK):
        places = here[start : start + _BLOCK]
        rows, counts = _kmers(sequences, places)
        common = (rows @ columns).tocoo()
        longer = np.maximum(counts[common.row], sizes[common.col])
        close = common.data >= COMMON * longer
        first = np.unique(common.row[close], return_index=True)
        for row, place in zip(first[0], first[1], strict=True):
            yield places[row], there[common.col[close][place]]


def _different(sequences: Sequence[str], places: Sequence[int]) -> list[int]:
    """The first place of each different sequence that is long enough."""
    first: dict[str, int] = {}
    for place in places:
        if len(sequences[place]) >= SHORTEST:
            first.setdefault(sequences[place], place)
    return list(first.values())


def _kmers(sequences: Sequence[str], places: Sequence[int]) -> tuple[csr_array, NDArray[np.int64]]:
    """[sequences, 21⁵] with 1 for each 5-mer that occurs, and their numbers [sequences]."""
    from scipy.sparse import csr_array

    letters = np.full(128, len(ONE_LETTER) - 1)
    letters[[ord(letter) for letter in ONE_LETTER]] = np.arange(len(ONE_LETTER))
    powers = len(ONE_LETTER) ** np.arange(LENGTH)
    found = []
    for place in places:
        codes = letters[np.frombuffer(sequences[place].encode("ascii"), dtype=np.uint8)]
        windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH)
        found.append(np.unique(windows @ powers))
    sizes = np.array([len(kmers) for kmers in found])
    ends = np.append(0, np.cumsum(sizes))
    data = np.ones(ends[-1], dtype=np.int32)
    shape = (len(places), len(ONE_LETTER) ** LENGTH)
    return csr_array((data, np.concatenate(found), ends), shape=shape), sizes
