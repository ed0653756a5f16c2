"""Reading the items of a raw folder, file by file, unless they have been read already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.labels import Labels
from hemenet_lab.protein_mt.layout import RawFolder, Source
from hemenet_lab.protein_mt.partial import is_current, result_file, save_result, signature_of
from hemenet_lab.protein_mt.read_entry import read_sources


@dataclass(frozen=True)
class ReadJob:
    """One item to read, and where the result goes."""

    source: Source
    partners: tuple[str, ...]
    """Author chain ids of the binding partner, where the affinity file gives them."""
    keep_hetero: bool
    signature: str
    """Changes with everything that decides what is read."""
    result: Path


def read_jobs(
    raw: RawFolder, labels: Labels, digests: Sequence[str], folder: Path, *, keep_hetero: bool
) -> dict[str, ReadJob]:
    """Item → what to read, with the results in ``folder``."""
    jobs = {}
    for source, digest in zip(raw.sources, digests, strict=True):
        record = labels.affinities.get(source.kind, {}).get(source.code)
        partners = record.partner_chains if record and source.kind == "ppa" else ()
        jobs[source.id] = ReadJob(
            source,
            partners,
            keep_hetero,
            signature_of(source.id, source.kind, partners, keep_hetero, digest),
            folder / result_file(source.id),
        )
    return jobs


def by_file(jobs: Iterable[ReadJob]) -> list[tuple[ReadJob, ...]]:
    """The jobs grouped by structure file: an entry gives up to 75 chains of the benchmark."""
    groups: dict[Path, list[ReadJob]] = defaultdict(list)
    for job in jobs:
        groups[job.source.structure].append(job)
    return [tuple(group) for group in groups.values()]


def read_items(jobs: Sequence[ReadJob]) -> list[bool]:
    """Reads the items of one structure file, which is parsed once, and saves each result.

    Returns:
        For each job: False where its result was there already.
    """
    fresh = [not is_current(job.result, job.signature) for job in jobs]
    missing = [job for job, is_missing in zip(jobs, fresh, strict=True) if is_missing]
    wanted = [(job.source, job.partners) for job in missing]
    results = read_sources(wanted, keep_hetero=any(job.keep_hetero for job in missing))
    for job, result in zip(missing, results, strict=True):
        save_result(job.result, result, job.signature)
    return fresh
