"""Reading one item of a raw folder, unless it has been read already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.labels import Labels
from hemenet_lab.protein_mt.layout import RawFolder, Source
from hemenet_lab.protein_mt.partial import is_current, save_result, signature_of
from hemenet_lab.protein_mt.read_entry import read_source


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
            folder / f"{source.id}.npz",
        )
    return jobs


def read_item(job: ReadJob) -> bool:
    """Reads an item and saves the result; False where it was there already."""
    if is_current(job.result, job.signature):
        return False
    result = read_source(job.source, job.partners, keep_hetero=job.keep_hetero)
    save_result(job.result, result, job.signature)
    return True
