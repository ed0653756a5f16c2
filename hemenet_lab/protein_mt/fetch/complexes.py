"""The open route's complexes, written from fetched entries, each with a record of what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hemenet_lab.protein_mt.fetch.job import Record
from hemenet_lab.protein_mt.fetch.session import Session
from hemenet_lab.protein_mt.open_route.table import Complex, ComplexTable
from hemenet_lab.protein_mt.open_route.write import Written, write_complex, write_indices

SOURCE = "open-route"


def write_complexes(
    raw: Path,
    table: ComplexTable,
    entries: Mapping[str, Path],
    components: Mapping[str, Path],
    known: Mapping[str, Record],
    session: Session,
) -> list[Record]:
    """Writes each complex of a table, and the index files with the affinities.

    Complexes that an earlier run wrote and this table does not name are removed.

    Args:
        raw: The raw folder.
        table: What the user asks for.
        entries: PDB code → file of the whole entry.
        components: Component id → its definition.
        known: What earlier runs put into the raw folder.
        session: No complex is written once it is stopped.
    """
    records = [
        Record(problem.id or "*", SOURCE, "unusable", note=f"line {problem.line}: {problem.reason}")
        for problem in table.problems
    ]
    lines = []
    for row in table.rows:
        record, line = _write(row, entries.get(row.id), components.get(row.ligand), raw, session)
        records.append(record)
        lines += [(row.kind, line)] if line else []
    write_indices(raw, lines)
    _remove_others(raw, {record.path for record in records}, known)
    return records


def _write(
    row: Complex, entry: Path | None, component: Path | None, raw: Path, session: Session
) -> tuple[Record, str]:
    record = Record(row.id, SOURCE, "missing", note="the structure of the entry is missing")
    if session.stopped:
        return replace(record, status="not tried", note=session.reason), ""
    if entry is None:
        return record, ""
    try:
        written = write_complex(row, entry, component, raw)
    except ValueError as error:
        return replace(record, status="unusable", note=str(error)), ""
    except OSError as error:
        session.stop(f"a file cannot be written: {error}")
        return replace(record, status="failed", note=str(error)), ""
    return _as_record(written, record, raw), written.index_line


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


def _remove_others(raw: Path, here: set[str], known: Mapping[str, Record]) -> None:
    for place, record in known.items():
        if record.source != SOURCE or place in here:
            continue
        path = raw / place
        for file in path.iterdir() if path.is_dir() else [path]:
            file.unlink(missing_ok=True)
        if path.is_dir():
            path.rmdir()
