"""Everything that ``hemenet data build`` needs, from the public sources into one raw folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from hemenet_lab.protein_mt import COMPONENT, OBSOLETE, STRUCTURES, TABLES, Source
from hemenet_lab.protein_mt.fetch.checks import CHECKS
from hemenet_lab.protein_mt.fetch.complexes import write_complexes
from hemenet_lab.protein_mt.fetch.job import Job, Record
from hemenet_lab.protein_mt.fetch.obsolete import Entry, current_entry, read_obsolete
from hemenet_lab.protein_mt.fetch.options import FetchOptions, check_raw
from hemenet_lab.protein_mt.fetch.pdbbind import find_pdbbind, take_pdbbind
from hemenet_lab.protein_mt.fetch.pool import fetch_all
from hemenet_lab.protein_mt.fetch.report import FetchResult, read_report, write_report
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.fetch.wanted import Wanted, read_ids, wanted_items
from hemenet_lab.protein_mt.open_route.table import ComplexTable, read_affinity_table
from hemenet_lab.protein_mt.raw import split_chain_name, write_chain_list

PARTIAL = ".partial"
"""Folder in the raw folder for files that are not whole yet."""
WITHOUT_COMPLEXES = (
    "No complexes with affinities were asked for: --pdbbind DIR takes them from PDBbind "
    "(registration needed), --affinity-table CSV from the PDB by a table of your own."
)


@dataclass
class _Run:
    raw: Path
    options: FetchOptions
    session: Session
    known: dict[str, Record]

    def fetch(self, items: Sequence[tuple[Source, str]], title: str) -> list[Record]:
        jobs = [self._job(source, item) for source, item in items]
        return fetch_all(
            jobs,
            self.session,
            self.raw,
            self.known,
            workers=self.options.workers,
            title=title,
            progress=self.options.progress,
        )

    def _job(self, source: Source, item: str) -> Job:
        place = source.place(item)
        return Job(
            item or source.name,
            source.name,
            source.url(self.options.hosts, item),
            self.raw / place,
            self.raw / PARTIAL / place,
            CHECKS[source.check],
            source.sha256,
        )


def fetch_benchmark(raw: str | Path, options: FetchOptions | None = None) -> FetchResult:
    """Fetches tables and structures, takes PDBbind or an affinity table, and writes a report.

    Files that are there are kept; whatever cannot be had is in the result and in
    ``fetch_report.csv``, with its reason.

    Raises:
        ValueError: Wrong settings, an unreadable table or list of the user's, or another run in the
            same folder.
    """
    raw, options = Path(raw), options or FetchOptions()
    check_raw(raw, options)
    only = read_ids(options.ids) if options.ids else None
    table = read_affinity_table(options.affinity_table) if options.affinity_table else None
    session = Session(options.policy)
    with _only_run(raw):
        run = _Run(raw, options, session, read_report(raw))
        records: list[Record] = []
        _guarded(session, lambda: _fetch_everything(run, only, table, records))
        problem = write_report(raw, records, run.known)
        advice = [problem] if problem else []
        if not options.pdbbind and not table:
            advice.append(WITHOUT_COMPLEXES)
        return FetchResult(raw, tuple(records), session.reason, tuple(advice))


def _fetch_everything(
    run: _Run, only: Iterable[str] | None, table: ComplexTable | None, records: list[Record]
) -> None:
    options = run.options
    if options.pdbbind:
        found = find_pdbbind(options.pdbbind)
        records += take_pdbbind(found, run.raw, options.ligand_set, copy=options.copy)
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
        records += write_complexes(run.raw, table, files, definitions, run.known, run.session)


def _entries(raw: Path, codes: Iterable[str]) -> list[Entry]:
    """The entries to fetch; without the list of obsolete ones each code stands for itself."""
    path = raw / OBSOLETE.place()
    successors = read_obsolete(path) if path.is_file() else {}
    return [current_entry(code, successors) for code in sorted(codes)]


def _fetch_structures(
    run: _Run, entries: Sequence[Entry], records: list[Record]
) -> dict[str, Path]:
    """PDB code that was asked for → file of its entry, where there is one."""
    source = STRUCTURES[run.options.format]
    codes = sorted({entry.current for entry in entries if entry.current})
    fetched = run.fetch([(source, code) for code in codes], "Structures")
    by_code = {record.item: record for record in fetched}
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


def _guarded(session: Session, work: Callable[[], None]) -> None:
    """Does the work; a stop by the user or a fault of the disk ends it, and is reported."""
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
