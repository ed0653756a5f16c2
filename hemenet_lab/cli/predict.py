"""`hemenet predict` and `hemenet embed`: what a model says of one's own structure files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hemenet_lab.prediction import Complex, Failure, Predictor
    from hemenet_lab.prediction.output import Comparison, Form, Resumable, Streamed

MANY, MOST_READERS = 48, 8
"""Structures from which on they are read by other processes, and how many of these at most."""


def predict(
    structures: tuple[str, ...],
    *,
    ckpt: str,
    ligand: Path | None = None,
    partner_chains: str = "",
    receptor_chains: str = "",
    model: str = "",
    pose: str = "1",
    keep_hetero: bool = False,
    contact: float = 8.0,
    min_probability: float = 0.1,
    top: int = 0,
    mc_dropout: int = 0,
    format: str = "",
    device: str = "",
    workers: int = -1,
    executor: str = "",
    out: Path | None = None,
    overwrite: bool = False,
    against: Path | None = None,
    trust: bool = False,
) -> int:
    """Predict from structure files with a checkpoint.

    Affinities are given for what has the partner: lba with a ligand, ppa with partner chains. What
    was left out of each file is told on the error stream and in the column drops. A file that
    cannot be read is reported and makes the exit status 1. With --out, the same command goes on
    where it was stopped. With --config or --ckpt_path in place of files, this is `lightning
    predict`, on a data set.

    Args:
        structures: PDB, mmCIF or BinaryCIF (.gz), folders of them, patterns, - for input, or CSV
            tables of complexes (structure, ligand, receptor_chains, partner_chains, id, model,
            pose).
        ckpt: Checkpoint of `lightning fit` or folder of a run; several with commas between them are
            an ensemble: mean and spread.
        ligand: SDF or mol2, for a single structure.
        partner_chains: Chains of the second protein, such as B,C.
        receptor_chains: Chains of the first one, where others are to be left out.
        model: Number of the MODEL, or all; the first, or an assembly whole, if not given.
        pose: Number of the pose in the ligand's file, or all.
        keep_hetero: Keep ions and cofactors, if the store had them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        min_probability: Leave out terms below.
        top: At most so many terms per chain and task; 0 for all.
        mc_dropout: Passes with dropout for the column spread; 0 for none.
        format: csv, json, jsonl (a line per structure) or parquet; by the name of --out if not
            given.
        device: Where to compute, such as cpu or cuda; a GPU if there is one.
        workers: Processes that read structures ahead; -1 for all cores but one where there are many
            structures, and none where there are few.
        executor: Address of a dask scheduler whose workers read in place of them.
        out: Output file; standard output if not given.
        overwrite: Start --out anew, whatever is there.
        against: CSV table of labels (id, chain, a column per task) to compare with: metrics with
            95 % intervals are printed, and written beside --out.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    from hemenet_lab.prediction.output import FORMS, Comparison, show_scores

    name = _form(format, out, FORMS)
    form = FORMS[name](min_probability, top or None)
    asked = _asked(structures, ligand, partner_chains, receptor_chains, model, pose)
    options = {"keep_hetero": keep_hetero, "contact": contact, "mc_dropout": mc_dropout}
    checkpoints = _checkpoints(ckpt)
    made_with = {
        "format": format or type(form).__name__.lower(),
        **options,
        "min_probability": min_probability,
        "top": top,
    }
    table = _table(out, form, overwrite, checkpoints, made_with, against)
    complete = False
    try:
        comparison = None
        predictor = _predictor(checkpoints, ckpt, device, trust, options)
        if against is not None:
            comparison = Comparison(predictor.tasks, predictor.level).read(against)
        failures = _run(predictor, asked, table, comparison, workers, executor)
        complete = True
    finally:
        if table is not None:
            table.close(complete)
    if comparison is not None:
        show_scores(comparison, out)
    return 1 if failures else 0


def embed(
    structures: tuple[str, ...],
    *,
    ckpt: str,
    out: Path,
    level: str = "chain",
    format: str = "",
    ligand: Path | None = None,
    partner_chains: str = "",
    receptor_chains: str = "",
    model: str = "",
    pose: str = "1",
    keep_hetero: bool = False,
    contact: float = 8.0,
    device: str = "",
    workers: int = -1,
    trust: bool = False,
) -> int:
    """Write a model's embeddings of structure files.

    A row per residue, chain or complex, with the columns entry, path, model, pose; chain;
    residue_number, insertion_code, residue; and embedding, float32 [rows, d]. A file that cannot be
    read is reported and makes the exit status 1.

    Args:
        structures: As for `hemenet predict`.
        ckpt: Checkpoint of `lightning fit` or folder of a run.
        out: Output file.
        level: residue, chain (mean over its residues) or complex (mean over all nodes).
        format: npz, parquet or h5; by the name of --out if not given.
        ligand: SDF or mol2, for a single structure.
        partner_chains: Chains of the second protein, such as B,C.
        receptor_chains: Chains of the first one, where others are to be left out.
        model: Number of the MODEL, or all; the first, or an assembly whole, if not given.
        pose: Number of the pose in the ligand's file, or all.
        keep_hetero: Keep ions and cofactors, if the store had them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        device: Where to compute, such as cpu or cuda; a GPU if there is one.
        workers: Processes that read structures ahead; -1 for all cores but one where there are many
            structures, and none where there are few.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    from hemenet_lab.prediction import LEVELS, Failure
    from hemenet_lab.prediction.output import EMBEDDING_FORMS, columns_of

    form = EMBEDDING_FORMS[_form(format, out, EMBEDDING_FORMS)]
    chosen = next((each for each in LEVELS if each == level), None)
    if chosen is None:
        raise ValueError(f"--level {level}: allowed are {', '.join(LEVELS)}")
    asked = _asked(structures, ligand, partner_chains, receptor_chains, model, pose)
    [path] = _checkpoints(ckpt, several=False)
    options = {"keep_hetero": keep_hetero, "contact": contact}
    failures, readers = 0, _readers(workers, len(asked))
    _share_cores(readers)
    with form(out, {"level": level, "checkpoint": path}) as file:
        predictor = _predictor([path], ckpt, device, trust, options)
        file.about["trained_on"] = predictor.trained_on
        with _progress(len(asked), shown=True) as (step, tell):
            for answer in predictor.embed_many(asked, chosen, workers=readers):
                if answer.last:
                    step()
                if isinstance(answer.found, Failure):
                    tell(str(answer.found))
                    failures += 1
                else:
                    file.add(columns_of(answer.found, chosen))
    return 1 if failures else 0


# --- parts of both ------------------------------------------------------------------------------


def _form(name: str, out: Path | None, forms: Iterable[str]) -> str:
    """The name of a form, or else that of the file's ending, or else the first."""
    end = out.suffix.lower().removeprefix(".") if out is not None else ""
    allowed = list(forms)
    chosen = name or (end if end in allowed else allowed[0])
    if chosen not in allowed:
        raise ValueError(f"--format {name}: allowed are {', '.join(allowed)}")
    return chosen


def _asked(
    words: Sequence[str],
    ligand: Path | None,
    partner_chains: str,
    receptor_chains: str,
    model: str,
    pose: str,
) -> list[Complex | Failure]:
    from hemenet_lab.prediction import named_complexes

    return named_complexes(words, ligand, partner_chains, receptor_chains, model, pose)


def _checkpoints(text: str, several: bool = True) -> list[Path]:
    from hemenet_lab.tracking import resolve_checkpoint

    words = [text] if Path(text).exists() else [word for word in text.split(",") if word]
    if not several and len(words) > 1:
        raise ValueError("embeddings are those of one model; give a single --ckpt")
    return [resolve_checkpoint(word) for word in words]


def _predictor(
    checkpoints: Sequence[Path], shown: str, device: str, trust: bool, options: dict[str, Any]
) -> Predictor:
    from hemenet_lab.basics import keep_freed_memory
    from hemenet_lab.prediction import Predictor

    keep_freed_memory()
    made = Predictor(checkpoints, device=device or None, trust=trust, **options)
    for note in made.notes:
        print(f"hemenet: {shown}: {note}", file=sys.stderr)
    return made


def _table(
    out: Path | None,
    form: Form,
    overwrite: bool,
    checkpoints: Sequence[Path],
    made_with: dict[str, Any],
    against: Path | None,
) -> Resumable | Streamed | None:
    """Where predictions go; nowhere if only the comparison is wanted."""
    from hemenet_lab.basics import file_digest
    from hemenet_lab.prediction.output import Resumable, Streamed

    if out is None:
        return None if against is not None else Streamed(sys.stdout, form)
    made_with = {"checkpoint": [file_digest(path) for path in checkpoints], **made_with}
    made_with["labels"] = None if against is None else file_digest(against)
    return Resumable(out, form, made_with, overwrite)


def _run(
    predictor: Predictor,
    asked: Sequence[Complex | Failure],
    table: Resumable | Streamed | None,
    comparison: Comparison | None,
    workers: int,
    executor: str,
) -> int:
    """Predict what is not in the table yet; the number of failures."""
    from hemenet_lab.prediction import Failure, Result
    from hemenet_lab.prediction.output import Resumable

    waiting = list(asked)
    kept: list[Complex] = []
    if isinstance(table, Resumable):
        kept = [each for each in asked if not isinstance(each, Failure) and table.has(each)]
        known = {id(each) for each in kept}
        waiting = [each for each in asked if id(each) not in known]
    failures, told = 0, {*predictor.notes}
    results: list[Result] = []
    wrong: list[str] = []
    shown = isinstance(table, Resumable) or not sys.stdout.isatty()
    with _progress(len(asked), shown, len(kept)) as (step, tell):
        if isinstance(table, Resumable) and kept:
            tell(f"{len(kept)} of {len(asked)} are in {table.path} already")
            for each in kept:
                for text in table.failures(each):
                    tell(text)
                    failures += 1
                if comparison is not None:
                    comparison.restore(table.kept(each))
        readers = 0 if executor else _readers(workers, len(waiting))
        _share_cores(readers)
        for answer in predictor.answers(waiting, workers=readers, executor=executor):
            if isinstance(answer.found, Failure):
                wrong.append(str(answer.found))
                tell(wrong[-1])
                failures += 1
            else:
                results.append(answer.found)
                _tell_drops(answer.found, tell)
                for note in (each for each in answer.found.notes if each not in told):
                    tell(f"{answer.found.path}: {note}")
                    told.add(note)
            if not answer.last:
                continue
            step()
            request = waiting[answer.number]
            if results and not isinstance(request, Failure):
                more = comparison.take(results) if comparison is not None else None
                if table is not None:
                    table.add(request, results, more, wrong)
            results, wrong = [], []
    return failures


def _readers(workers: int, structures: int) -> int:
    """Reading processes; -1 chooses, since starting some pays for many structures only."""
    if workers >= 0:
        return workers
    from hemenet_lab.basics import usable_cores

    return min(MOST_READERS, max(1, usable_cores() - 1)) if structures >= MANY else 0


def _share_cores(readers: int) -> None:
    """Leave the readers their cores: threads that wait for one of them burn what they wait for."""
    import torch

    from hemenet_lab.basics import usable_cores

    if readers:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), usable_cores() - readers)))


def _tell_drops(found: Any, tell: Callable[[str], None]) -> None:
    """One line per file, model and pose of which something was left out or noted."""
    if found.drops:
        place = f"{found.path}, model {found.model}" if found.model else found.path
        place = f"{place}, pose {found.pose}" if found.pose > 1 else place
        tell(f"{place}: {'; '.join(dict.fromkeys(found.drops))}")


@contextmanager
def _progress(
    total: int, shown: bool, done: int = 0
) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """A step of the bar, which is there on a terminal, and a line on the error stream above it."""
    if not (shown and sys.stderr.isatty()):
        yield lambda: None, lambda text: print(f"hemenet: {text}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*Progress.get_default_columns()[:2], *columns, console=console) as bar:
        task = bar.add_task("structures", total=total, completed=done)

        def tell(text: str) -> None:
            console.print(f"hemenet: {text}", markup=False, highlight=False)

        yield lambda: bar.advance(task), tell
