"""Items that were read get their labels; those that cannot be used are dropped with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from hemenet_lab.protein_mt import BuildSettings
from hemenet_lab.protein_mt.labels import Affinity, Labels, is_full_label
from hemenet_lab.protein_mt.raw import DropRow, RawFolder, ReadResult, Source
from hemenet_lab.protein_mt.splits import Item, item_of
from hemenet_lab.store import Entry

KINDS = ("lba", "ppa", "chain", "user")


@dataclass
class Assembly:
    """Items, drops and counts, as known when all items have been labelled."""

    items: list[Item] = field(default_factory=list)
    """One per stored entry."""
    drops: list[DropRow] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """Numbers of notes; what follows ``:`` in one is detail."""
    doubts: list[dict[str, str]] = field(default_factory=list)
    """Notes with detail, each with its entry: nothing was lost, but somebody should look."""
    found: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    """Items per kind."""
    chains: int = 0
    without_uniprot: int = 0
    """Chains of stored entries that have no UniProt id."""
    with_sequence: int = 0
    """Chains of stored entries whose full sequence is known."""
    affinity: dict[str, Affinity] = field(default_factory=dict)
    """Stored entry → its affinity, where that is used."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Stored complex with a ligand affinity → fingerprint of the ligand, empty where unreadable."""
    smiles: dict[str, str] = field(default_factory=dict)
    """Stored complex with a ligand affinity → SMILES of the ligand, empty where unreadable."""

    def check(self) -> None:
        """Every item that was found is stored or dropped, and each dropped one has a reason."""
        assert self.found == self.stored + self.dropped, (self.found, self.stored, self.dropped)
        reasons = sum(row.stage == "entry" for row in self.drops)
        assert reasons == self.dropped.total(), (reasons, self.dropped)


def labelled_entries(
    raw: RawFolder,
    labels: Labels,
    settings: BuildSettings,
    load: Callable[[Source], ReadResult],
    assembly: Assembly,
) -> Iterator[Entry]:
    """Yields the entries to store, by id, one in memory at a time; fills ``assembly``."""
    assembly.drops += labels.drops
    for source in raw.sources:
        assembly.found[source.kind] += 1
        result = load(source)
        assembly.drops += result.drops
        assembly.notes.update(note.partition(":")[0] for note in result.notes)
        entry, reason = _label(source, result, labels, settings, assembly)
        if entry is None:
            assembly.dropped[source.kind] += 1
            if reason:
                assembly.drops.append(DropRow(source.id, source.kind, "entry", reason))
            continue
        assembly.stored[source.kind] += 1
        assembly.chains += entry.num_chains
        assembly.without_uniprot += sum(not names for names in entry.chain_uniprot)
        assembly.with_sequence += sum(map(bool, entry.chain_sequence))
        if "lba" in entry.values or (source.kind == "user" and source.ligands):
            assembly.fingerprints[entry.id] = result.fingerprint
            assembly.smiles[entry.id] = result.smiles
        record = labels.affinities.get(source.kind, {}).get(source.code)
        date = labels.release(source.code, result.date, record)
        full_label = is_full_label(entry, labels.tasks)
        assembly.items.append(item_of(entry, full_label=full_label, date=date))
        assembly.doubts += [{"id": entry.id, "note": n} for n in result.notes if ":" in n]
        yield entry
    _count_homeless(raw, labels, assembly)


def _label(
    source: Source,
    result: ReadResult,
    labels: Labels,
    settings: BuildSettings,
    assembly: Assembly,
) -> tuple[Entry | None, str]:
    """The labelled entry, or None and the reason (empty where the reader gave it)."""
    if result.entry is None:
        return None, ""
    if result.entry.num_atoms > settings.max_atoms:
        size = result.entry.num_atoms
        return None, f"too many heavy atoms: {size}, the limit is {settings.max_atoms}"
    entry = labels.transfer.apply(result.entry, source.code)
    if labels.own is not None:
        entry = labels.own.apply(entry, source.code, assembly.drops)
    record = labels.affinities.get(source.kind, {}).get(source.code)
    if record and record.censored and not settings.keep_censored:
        reason = f"affinity is a bound: p{record.measure} of a value given with {record.sign}"
        assembly.drops.append(DropRow(source.id, source.kind, "label", reason))
        record = None
    if record:
        entry = replace(entry, values={**entry.values, source.kind: record.pk})
    if not (entry.values or entry.chain_values or entry.terms):
        return None, "no label of any task"
    if record:
        assembly.affinity[source.id] = record
    return entry, ""


def _count_homeless(raw: RawFolder, labels: Labels, assembly: Assembly) -> None:
    """Affinities, and own labels, of complexes without a structure file."""
    if labels.own is not None:
        there = {name for source in raw.sources for name in (source.code, source.id.lower())}
        assembly.drops += labels.own.homeless(there)
    for kind, records in labels.affinities.items():
        codes = {source.code for source in raw.sources if source.kind == kind}
        assembly.drops += [
            DropRow(code, kind, "label", "affinity without a structure file")
            for code in sorted(records.keys() - codes)
        ]
