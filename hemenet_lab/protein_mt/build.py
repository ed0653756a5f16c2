"""From a raw folder to a store: deterministic, parallel, and able to go on after a kill."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hemenet_lab.data.store import StoreWriter
from hemenet_lab.protein_mt import mmseqs
from hemenet_lab.protein_mt.assemble import Assembly, labelled_entries
from hemenet_lab.protein_mt.clusters import Clusters, cluster_items
from hemenet_lab.protein_mt.counts import (
    CHAINS_FILE,
    ENTRIES_FILE,
    LabelCounts,
    chains_text,
    entries_text,
    entry_counts,
)
from hemenet_lab.protein_mt.drops import DROPS_FILE, DropRow, count_reasons, drops_text
from hemenet_lab.protein_mt.existing import (
    PARTIAL,
    check_folder,
    code_version,
    is_up_to_date,
    put_in_place,
)
from hemenet_lab.protein_mt.labels import Labels, read_labels
from hemenet_lab.protein_mt.layout import RawFolder, Source, find_raw
from hemenet_lab.protein_mt.leakage import LEVELS, MOSTLY, leakage_report
from hemenet_lab.protein_mt.partial import load_result, signature_of
from hemenet_lab.protein_mt.prepare import ReadJob, digest_files, read_item, run_all
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits import SCHEMES, split_items


@dataclass(frozen=True)
class BuildResult:
    """What `build_store` did."""

    path: Path
    built: bool
    """False where the same store was there already."""


def build_store(
    raw: str | Path,
    out: str | Path,
    *,
    workers: int = 1,
    settings: BuildSettings | None = None,
    force: bool = False,
    progress: bool = False,
) -> BuildResult:
    """Builds a store from a folder of public raw files (see `layout.find_raw`).

    The same raw files and settings give the same bytes, whatever the number of workers. A build
    that was stopped goes on where it was, from what lies in ``out/.partial``.

    Args:
        raw: Folder with structures and label files.
        out: Folder of the store.
        workers: Number of processes that read structures, and of threads of MMseqs2.
        settings: What the store is to hold; the defaults if not given.
        force: Replace a store that was built from other files or with other settings.
        progress: Show progress bars on the error stream.

    Raises:
        ValueError: No raw files, wrong settings, MMseqs2 is missing, or ``out`` holds something
            else and ``force`` is not set.
    """
    settings = settings or BuildSettings()
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be 1 or more")
    found, out = find_raw(raw), Path(out)
    check_folder(out)
    mmseqs.find_mmseqs()
    job = _Build(found, out, settings, workers, progress)
    with _only_builder(out):
        built = not is_up_to_date(out, job.origin(), force=force)
        if built:
            job.run()
        for path in (out / PARTIAL).glob("*.npz"):
            path.unlink()
    return BuildResult(out, built)


@contextmanager
def _only_builder(out: Path) -> Iterator[None]:
    partial = out / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / "lock", timeout=0):
            yield
            if not any(partial.glob("*.npz")):
                shutil.rmtree(partial)
    except Timeout as error:
        raise ValueError(f"another build is writing {out}; wait for it to end") from error


class _Build:
    """One run from raw files to a store."""

    def __init__(
        self, raw: RawFolder, out: Path, settings: BuildSettings, workers: int, progress: bool
    ) -> None:
        self.raw, self.out, self.settings = raw, out, settings
        self.workers, self.progress = workers, progress
        self.partial = out / PARTIAL
        self.digests = self._digest_sources()

    def origin(self) -> dict[str, Any]:
        """What the store is made from; two builds with the same origin are the same."""
        files = {self._name(path): digest_files([("", path)]) for path in self.raw.label_files}
        total = hashlib.sha256("".join(self.digests).encode()).hexdigest()
        return {
            "settings": self.settings.to_dict(),
            "sources": {
                "label_files": files,
                "structures": {"items": len(self.raw.sources), "sha256": total},
                "synthetic": self.raw.synthetic,
            },
            "code_version": code_version(),
        }

    def run(self) -> None:
        """Reads, labels, splits and writes."""
        labels = read_labels(self.raw)
        jobs = self._jobs(labels)
        run_all(read_item, list(jobs.values()), title="Reading structures", **self._how())
        draft = self.partial / "store"
        for old in (draft, *self.partial.glob(".store.*")):
            shutil.rmtree(old, ignore_errors=True)
        assembly, counts = Assembly(), LabelCounts(labels.tasks)
        assembly.drops += self._unused_files()
        with StoreWriter(draft, labels.tasks) as writer:
            entries = labelled_entries(
                self.raw,
                labels,
                self.settings,
                lambda source: load_result(jobs[source.id].result),
                assembly,
            )
            for entry in entries:
                writer.add(entry)
                counts.add(entry)
            assembly.check()
            tables = self._finish(writer, labels, assembly, counts)
        for name, text in tables.items():
            (draft / name).write_text(text, encoding="utf-8")
        put_in_place(draft, self.out)

    def _finish(
        self, writer: StoreWriter, labels: Labels, assembly: Assembly, counts: LabelCounts
    ) -> dict[str, str]:
        """Splits and manifest; returns the tables that lie beside the arrays."""
        items, settings = assembly.items, self.settings
        if not items:
            reasons = count_reasons(assembly.drops).get("entry", {})
            raise ValueError(f"not one entry of {self.raw.path} can be used: {reasons}")
        clusters = cluster_items(
            items,
            min_seq_id=settings.min_seq_id,
            coverage=settings.coverage,
            threads=self.workers,
        )
        splits = self._splits(assembly, clusters)
        for name, parts in splits.items():
            writer.set_split(name, parts)
        writer.set_full_label(item.id for item in items if item.full_label)
        tables = {
            DROPS_FILE: drops_text(assembly.drops),
            ENTRIES_FILE: entries_text(assembly, clusters, splits),
            CHAINS_FILE: chains_text(items, clusters),
        }
        writer.close(
            {
                **self.origin(),
                "synthetic": self.raw.synthetic,
                "mmseqs_version": mmseqs.mmseqs_version(),
                "counts": {
                    **entry_counts(assembly, clusters),
                    "label_files": labels.counts,
                    "terms": counts.terms(),
                    "splits": {name: counts.by_part(parts) for name, parts in splits.items()},
                },
                "drops": count_reasons(assembly.drops),
                "leakage": self._leakage(assembly, clusters, splits),
                "tables": {
                    name: hashlib.sha256(text.encode()).hexdigest() for name, text in tables.items()
                },
            }
        )
        return tables

    def _splits(self, assembly: Assembly, clusters: Clusters) -> dict[str, dict[str, str]]:
        """The chosen scheme under its own name and as ``default``; the other where it works."""
        splits = {}
        for scheme in SCHEMES:
            try:
                splits[scheme] = split_items(
                    assembly.items, clusters.group, scheme=scheme, seed=self.settings.seed
                )
            except ValueError:
                if scheme == self.settings.scheme:
                    raise
        return {"default": splits[self.settings.scheme], **splits}

    def _leakage(
        self, assembly: Assembly, clusters: Clusters, splits: dict[str, dict[str, str]]
    ) -> dict[str, Any]:
        coverage = self.settings.coverage
        return {
            "percent_identity": list(LEVELS),
            "both_covered": f"the alignment covers {coverage:.0%} of both chains or more",
            "mostly_covered": f"the alignment covers {MOSTLY:.0%} of the held-out chain or more",
            "splits": {
                name: leakage_report(assembly.items, clusters, parts, coverage=coverage)
                for name, parts in splits.items()
            },
        }

    def _jobs(self, labels: Labels) -> dict[str, ReadJob]:
        jobs = {}
        for source, digest in zip(self.raw.sources, self.digests, strict=True):
            record = labels.affinities.get(source.kind, {}).get(source.code)
            partners = record.partner_chains if record and source.kind == "ppa" else ()
            hetero = self.settings.keep_hetero
            signature = signature_of(source.id, source.kind, partners, hetero, digest)
            result = self.partial / f"{source.id}.npz"
            jobs[source.id] = ReadJob(source, partners, hetero, signature, result)
        return jobs

    def _digest_sources(self) -> list[str]:
        files = [self._files(source) for source in self.raw.sources]
        return run_all(digest_files, files, title="Checking raw files", **self._how())

    def _files(self, source: Source) -> list[tuple[str, Path]]:
        paths = (source.structure, *source.ligands, *source.others)
        return [(self._name(path), path) for path in paths]

    def _unused_files(self) -> list[DropRow]:
        reason = "label file not used, there is a newer one"
        return [DropRow(self._name(path), "*", "file", reason) for path in self.raw.unused]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.raw.path).as_posix()

    def _how(self) -> dict[str, Any]:
        return {"workers": self.workers, "progress": self.progress}


def default_workers() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
