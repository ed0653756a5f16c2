"""Run of ``hemenet data fetch``: from the public sources into one raw folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from hemenet_lab.protein_mt import COMPONENT, OBSOLETE, STRUCTURES, TABLES, PublicSource
from hemenet_lab.protein_mt.complexes import (
    Complex,
    ComplexTable,
    Written,
    read_affinity_table,
    write_complex,
    write_indices,
)
from hemenet_lab.protein_mt.fetch.archived import take_archived
from hemenet_lab.protein_mt.fetch.checks import CHECKS
from hemenet_lab.protein_mt.fetch.download import Known, fetch_all
from hemenet_lab.protein_mt.fetch.pdbbind import find_pdbbind, take_pdbbind
from hemenet_lab.protein_mt.fetch.report import FetchResult, Record, read_report, write_report
from hemenet_lab.protein_mt.fetch.request import Job
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.settings import FetchSettings, check_raw
from hemenet_lab.protein_mt.fetch.wanted import (
    FetchEntry,
    Wanted,
    current_entry,
    read_ids,
    read_obsolete,
    wanted_items,
)
from hemenet_lab.protein_mt.raw import split_chain_name, write_chain_list

PARTIAL = ".partial"
"""Folder in the raw folder for files that are not whole yet."""
COMPLEXES = "open-route"
"""PublicSource, in the report, of complexes that are cut out of entries of the PDB."""
_OF_COMPLEX = re.compile(r"open-route/[0-9][a-z0-9]{3}|PP/[0-9][a-z0-9]{3}\.b?cif\.gz")
"""Places of the files of such a complex."""
WITHOUT_COMPLEXES = (
    "No complexes with affinities were asked for: --pdbbind DIR takes them from PDBbind "
    "(registration needed), --affinity-table CSV from the PDB by a table of your own."
)


@dataclass
class _Run:
    raw: Path
    settings: FetchSettings
    session: Session
    known: dict[str, Record]

    def fetch(self, items: Sequence[tuple[PublicSource, str]], title: str) -> list[Record]:
        jobs = [self._job(source, item) for source, item in items]
        return fetch_all(
            jobs,
            self.session,
            self.raw,
            self.known,
            workers=self.settings.workers,
            title=title,
            progress=self.settings.progress,
        )

    def _job(self, source: PublicSource, item: str) -> Job:
        place = source.place(item)
        return Job(
            item or source.name,
            source.name,
            source.url(self.settings.hosts, item, self.settings.paths),
            self.raw / place,
            self.raw / PARTIAL / place,
            CHECKS[source.check],
            source.most,
            source.sha256,
            source.git_blob,
        )


def run_fetch(settings: FetchSettings) -> FetchResult:
    """Fetches tables and structures, takes PDBbind or an affinity table, and writes a report.

    Files that are there are kept; whatever cannot be had is in the result and in
    ``fetch_report.csv``, with its reason.

    Raises:
        ValueError: Wrong settings, an unreadable table or list of the user's, or another run in the
            same folder.
    """
    raw = settings.out
    check_raw(settings)
    only = read_ids(settings.ids) if settings.ids else None
    table = read_affinity_table(settings.affinity_table) if settings.affinity_table else None
    session = Session(settings.policy)
    with _only_run(raw):
        run = _Run(raw, settings, session, read_report(raw))
        records: list[Record] = []
        _guarded(session, lambda: _fetch_everything(run, only, table, records))
        problem = write_report(raw, records, run.known)
        advice = [problem] if problem else []
        if not settings.pdbbind and not table:
            advice.append(WITHOUT_COMPLEXES)
        return FetchResult(raw, tuple(records), settings.command, session.reason, tuple(advice))


def _fetch_everything(
    run: _Run, only: Iterable[str] | None, table: ComplexTable | None, records: list[Record]
) -> None:
    settings = run.settings
    if settings.pdbbind:
        found = find_pdbbind(settings.pdbbind)
        records += take_pdbbind(found, run.raw, settings.ligand_set, copy=settings.copy)
    records += run.fetch([(source, "") for source in (OBSOLETE, *TABLES)], "Tables")
    wanted = wanted_items(run.raw, only)
    records += [Record("*", "chains", "unusable", note=text) for text in wanted.problems]
    complexes = table.rows if table else ()
    entries = _entries(run.raw, {*wanted.codes, *(row.id for row in complexes)})
    files = _fetch_structures(run, entries, records)
    _write_chains(run.raw, wanted, files)
    if table:
        names = sorted({row.ligand for row in table.rows if row.ligand})
        parts = run.fetch([(COMPONENT, name) for name in names], "Components")
        records += parts
        definitions = {part.item: run.raw / part.path for part in parts if part.is_here}
        records += _write_complexes(run, table, files, definitions)


def _entries(raw: Path, codes: Iterable[str]) -> list[FetchEntry]:
    """Entries to fetch; without the list of obsolete ones each code stands for itself."""
    path = raw / OBSOLETE.place()
    successors = read_obsolete(path) if path.is_file() else {}
    return [current_entry(code, successors) for code in sorted(codes)]


def _fetch_structures(
    run: _Run, entries: Sequence[FetchEntry], records: list[Record]
) -> dict[str, Path]:
    """PDB code that was asked for → file of its entry, where there is one."""
    source = STRUCTURES[run.settings.format]
    codes = sorted({entry.current for entry in entries if entry.current})
    by_code = take_archived(run.settings, codes, run.known) if run.settings.pdb_dir else {}
    left = [(source, code) for code in codes if code not in by_code]
    by_code |= {record.item: record for record in run.fetch(left, "Structures")}
    files = {}
    for entry in entries:
        if not entry.current:
            records.append(Record(entry.code, source.name, "missing", note=entry.note))
            continue
        record = by_code[entry.current]
        note = "; ".join(text for text in (entry.note, record.note) if text)
        records.append(replace(record, item=entry.code, note=note))
        if record.is_here:
            files[entry.code] = run.raw / record.path
    return files


def _write_chains(raw: Path, wanted: Wanted, files: dict[str, Path]) -> None:
    chains = [(name, split_chain_name(name)[0]) for name in wanted.chains]
    write_chain_list(raw, [(name, files[code].name) for name, code in chains if code in files])


def _write_complexes(
    run: _Run, table: ComplexTable, entries: Mapping[str, Path], components: Mapping[str, Path]
) -> list[Record]:
    """Writes each complex of a table, and the index files with the affinities.

    Complexes that an earlier run wrote and this table does not name are removed.

    Args:
        run: No complex is written once its session is stopped.
        table: Complexes that the user asks for.
        entries: PDB code → file of the whole entry.
        components: Component id → its definition.
    """
    records = [
        Record(item.id or "*", COMPLEXES, "unusable", note=f"line {item.line}: {item.reason}")
        for item in table.problems
    ]
    lines = []
    for row in table.rows:
        record, line = _write_one(run, row, entries.get(row.id), components.get(row.ligand))
        records.append(record)
        lines += [(row.kind, line)] if line else []
    write_indices(run.raw, lines)
    _remove_others(run.raw, {record.path for record in records}, run.known)
    return records


def _write_one(
    run: _Run, row: Complex, entry: Path | None, component: Path | None
) -> tuple[Record, str]:
    record = Record(row.id, COMPLEXES, "missing", note="the structure of the entry is missing")
    if run.session.stopped:
        return replace(record, status="not tried", note=run.session.reason), ""
    if entry is None:
        return record, ""
    try:
        written = write_complex(row, entry, component, run.raw)
    except ValueError as error:
        return replace(record, status="unusable", note=str(error)), ""
    except OSError as error:
        run.session.stop(f"a file cannot be written: {error}")
        return replace(record, status="failed", note=str(error)), ""
    return _as_record(written, record, run.raw), written.index_line


def _as_record(written: Written, record: Record, raw: Path) -> Record:
    first = written.paths[0]
    place = first if len(written.paths) == 1 else first.parent
    size = sum(path.stat().st_size for path in written.paths)
    return replace(
        record,
        status="written",
        path=place.relative_to(raw).as_posix(),
        bytes=size,
        note=written.note,
    )


def _remove_others(raw: Path, here: set[str], known: Known) -> None:
    for place, record in known.items():
        if record.source != COMPLEXES or place in here or not _OF_COMPLEX.fullmatch(place):
            continue
        path = raw / place
        for file in path.iterdir() if path.is_dir() else [path]:
            file.unlink(missing_ok=True)
        if path.is_dir():
            path.rmdir()


def _guarded(session: Session, work: Callable[[], None]) -> None:
    """Do the work; a stop by the user or a fault of the disk ends it, and is reported."""
    try:
        work()
    except KeyboardInterrupt:
        session.stop("stopped by the user")
    except OSError as error:
        session.stop(f"a file cannot be read or written: {error}")


@contextmanager
def _only_run(raw: Path) -> Iterator[None]:
    partial = raw / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / "lock", timeout=0):
            yield
    except Timeout as error:
        raise ValueError(f"another fetch is writing {raw}; wait for it to end") from error
