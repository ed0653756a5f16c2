"""From a raw folder to a store: deterministic, parallel, and able to go on after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hemenet_lab.protein_mt import BuildSettings
from hemenet_lab.protein_mt.build.origin import origin_of, source_digests
from hemenet_lab.protein_mt.build.parallel import (
    ReadJob,
    by_file,
    file_of,
    read_items,
    read_jobs,
    run_all,
)
from hemenet_lab.protein_mt.build.resume import (
    PARTIAL,
    check_folder,
    is_up_to_date,
    load_result,
    put_in_place,
)
from hemenet_lab.protein_mt.build.write import write_store
from hemenet_lab.protein_mt.labels import read_labels, read_own
from hemenet_lab.protein_mt.raw import Archive, find_raw, find_structures
from hemenet_lab.protein_mt.splits import find_mmseqs, read_split_file


@dataclass(frozen=True)
class BuildResult:
    """Outcome of `build_store`."""

    path: Path
    built: bool
    """False where the same store was there already."""
    resumed: int = 0
    """Items that an earlier, unfinished build had read."""


@dataclass(frozen=True)
class OwnData:
    """Files of a build of one's own data.

    Args:
        task: YAML file with the own tasks.
        tables: Tables with their labels.
        beside: The folder is a raw folder in the public layouts: the tasks come beside its six.
    """

    task: Path
    tables: tuple[Path, ...]
    beside: bool = False


def build_store(
    raw: str | Path | None,
    out: str | Path,
    *,
    workers: int = 1,
    settings: BuildSettings | None = None,
    force: bool = False,
    progress: bool = False,
    own: OwnData | None = None,
    split_file: str | Path | None = None,
    executor: str = "",
    pdb_dir: str | Path | None = None,
) -> BuildResult:
    """Builds a store from a folder of public raw files (see `layout.find_raw`).

    The same raw files and settings give the same bytes, whatever the number of workers. A build
    that was stopped goes on where it was, from what lies in ``out/.partial``.

    Args:
        raw: Folder with structures and label files; None for own data from an archive alone.
        out: Folder of the store.
        workers: Number of processes that read structures, and of threads of MMseqs2.
        settings: What the store is to hold; the defaults if not given.
        force: Replace a store that was built from other files or with other settings.
        progress: Show progress bars on the error stream.
        own: Own tasks and labels; ``raw`` is then a folder of structures whose names are the ids,
            unless they are ``beside`` the benchmark's.
        split_file: Table with the columns id and split, and perhaps name; the first of its splits
            is the store's default.
        executor: Address of a dask scheduler whose workers read the structures; they have to see
            ``raw`` and ``out`` under the same paths.
        pdb_dir: A local copy of the PDB (see `Archive`), for chains of the annotation tables, or
            for ids of own tables, that have no file in ``raw``.

    Raises:
        ValueError: No raw files, wrong settings, MMseqs2 is missing, or ``out`` holds something
            else and ``force`` is not set.
    """
    out, settings = Path(out), settings or BuildSettings()
    if executor:  # its workers were started in other folders
        raw, out = None if raw is None else Path(raw).absolute(), out.absolute()
        pdb_dir = Path(pdb_dir).absolute() if pdb_dir else None
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be 1 or more")
    check_folder(out)
    own_labels = read_own(own.task, own.tables) if own else None
    archive = Archive(pdb_dir) if pdb_dir is not None else None
    if own_labels and own and not own.beside:
        found = find_structures(raw, own_labels.labels.keys(), archive)
    elif raw is not None:
        found = find_raw(raw, archive)
    else:
        raise ValueError("a build needs a raw folder, or own tasks and tables")
    given = [own.task, *own.tables] if own else []
    given_splits = read_split_file(split_file) if split_file else None
    given += [Path(split_file)] if split_file else []
    find_mmseqs()
    digests = source_digests(found, workers=workers, progress=progress, executor=executor)
    origin = origin_of(found, settings, digests, given)
    with _only_builder(out) as partial:
        if is_up_to_date(out, origin, force=force):
            return BuildResult(out, built=False)
        labels = read_labels(found, settings, own_labels)
        jobs = read_jobs(found, labels, digests, partial, settings)
        fresh = run_all(
            read_items,
            by_file(jobs.values()),
            workers=workers,
            title="Reading structures",
            progress=progress,
            executor=executor,
            name=file_of,
        )
        _check_results(jobs.values(), executor)
        draft = _clear_drafts(partial)
        write_store(
            draft,
            found,
            labels,
            settings,
            lambda source: load_result(jobs[source.id].result),
            origin=origin,
            threads=workers,
            given_splits=given_splits,
        )
        put_in_place(draft, out)
    return BuildResult(out, built=True, resumed=sum(of_file.count(False) for of_file in fresh))


@contextmanager
def _only_builder(out: Path) -> Iterator[Path]:
    """The folder for what is read, removed at the end unless an error says that it is needed."""
    partial = out / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / "lock", timeout=0):
            finished = False
            try:
                yield partial
                finished = True
            finally:
                if finished or not any(partial.glob("*.npz")):
                    shutil.rmtree(partial)
    except Timeout as error:
        raise ValueError(f"another build is writing {out}; wait for it to end") from error


def _check_results(jobs: Iterable[ReadJob], executor: str) -> None:
    """Raise ValueError if what the workers of an executor wrote is not to be seen here."""
    lost = [job.result for job in jobs if executor and not job.result.is_file()]
    if lost:
        raise ValueError(
            f"the workers of {executor} wrote {len(lost)} results that are not here, such as "
            f"{lost[0]}; the store has to be in a folder that all of them share"
        )


def _clear_drafts(partial: Path) -> Path:
    """Place of the new store, without what a stopped build left there."""
    draft = partial / "store"
    for old in (draft, *partial.glob(".store.*")):
        shutil.rmtree(old, ignore_errors=True)
    return draft
