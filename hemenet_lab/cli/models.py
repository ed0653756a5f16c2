"""`hemenet models`: the runs that are there, with what `--ckpt` takes of them."""

from __future__ import annotations

import csv
import json
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from hemenet_lab.basics import first_line

LINE = 80
COLUMNS = (
    *("name", "id", "status", "date", "encoder", "readout", "tasks", "seed"),
    *("scores", "data", "checkpoint"),
)
SHOWN = ("fmax", "rmse")
"""Scores of a task in the list."""
_TIE = "\N{NO-BREAK SPACE}"
"""`textwrap` does not break lines there."""


def models(
    *, folder: Path = Path("runs"), tracking_uri: str = "", format: str = "table", best: str = ""
) -> None:
    """List the runs that are there, newest first, with their test scores and checkpoints.

    Scores of runs that were not tested are those of the last validation, marked val. `hemenet
    predict --ckpt` takes a run's id, its folder or its checkpoint.

    Args:
        folder: Folder of the runs, with their database.
        tracking_uri: Address of another database or a server; MLFLOW_TRACKING_URI counts too.
        format: table, csv or json.
        best: Score to sort by, such as ec/fmax or lba/rmse; the best one comes first.

    Raises:
        ValueError: There is no database, it does not answer, or no such format or score.
    """
    if format not in ("table", "csv", "json"):
        raise ValueError(f"--format {format}: allowed are table, csv and json")
    rows = _rows(folder, tracking_uri)
    if best:
        rows = _sorted(rows, best)
    if format == "json":
        print(json.dumps(rows, indent=1))
    elif format == "csv":
        _write_csv(rows)
    elif rows:
        print("\n\n".join(map(_block, rows)))
        print("\nhemenet predict FILE --ckpt ID predicts with one of them.")
    else:
        print(f"no runs in {folder}")


def _rows(folder: Path, tracking_uri: str) -> list[dict[str, Any]]:
    from hemenet_lab.tracking import RunDatabase

    database = RunDatabase.open(folder, tracking_uri or None)
    try:
        found = list(database.runs())
    except Exception as error:
        raise ValueError(
            f"the runs at {database.uri} cannot be read ({first_line(error, None)})"
        ) from error
    return [_row(run, database.folder) for run in found]


def _row(run: Any, folder: Path) -> dict[str, Any]:
    from hemenet_lab.tracking import Tag, best_checkpoint, checkpoint_folder

    recorded = Path(run.tags.get(Tag.BEST_CHECKPOINT) or folder / "nothing")
    path = recorded if recorded.is_file() else best_checkpoint(checkpoint_folder(folder, run.id))
    part = "test" if any(name.startswith("test/") for name in run.metrics) else "val"
    names = (name.split("/") for name in sorted(run.metrics))
    scores = {
        f"{task}/{metric}": run.metrics[f"{part}/{task}/{metric}"]
        for first, task, metric in (each for each in names if len(each) == 3)
        if first == part and metric in SHOWN
    }
    tasks = run.tags.get("tasks", "")
    if tasks in ("", "all"):
        tasks = "+".join(dict.fromkeys(name.split("/")[0] for name in scores)) or tasks
    return {
        "name": run.name,
        "id": run.id,
        "status": run.status,
        "date": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.start)),
        "encoder": run.tags.get("encoder", ""),
        "readout": run.tags.get("readout", ""),
        "tasks": tasks,
        "seed": run.tags.get(Tag.SEED, ""),
        "scores": scores,
        "part": part if scores else "",
        "data": "SYNTHETIC demo data" if run.synthetic else "",
        "checkpoint": "" if path is None else str(path),
    }


def _sorted(rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    """Rows with the best value of a score first, those without it last.

    Raises:
        ValueError: No run has it.
    """
    known = sorted({name for row in rows for name in row["scores"]})
    if score not in known:
        raise ValueError(f"--best {score}: no run has it; there are {', '.join(known) or 'none'}")
    sign = 1 if score.endswith("rmse") else -1
    have = [row for row in rows if score in row["scores"]]
    rest = [row for row in rows if score not in row["scores"]]
    return sorted(have, key=lambda row: (row["part"] != "test", sign * row["scores"][score])) + rest


def _block(row: dict[str, Any]) -> str:
    """Lines of at most 80 columns about one run."""
    made = ", ".join(filter(None, [row["encoder"], row["readout"], row["tasks"]]))
    scores = ", ".join(f"{name}{_TIE}{value:.3f}" for name, value in row["scores"].items())
    checkpoint = Path(row["checkpoint"]).name if row["checkpoint"] else "none on this machine"
    lines = [
        row["name"],
        f"  {row['id']}  {row['date']}  {row['status']}",
        f"  {made}" if made else "",
        f"  {row['data']}" if row["data"] else "",
        f"  {row['part']}: {scores}" if scores else "  no scores",
        f"  checkpoint: {checkpoint}",
    ]
    wrapped = (textwrap.wrap(line, LINE, subsequent_indent="    ") for line in lines if line)
    return "\n".join(line for part in wrapped for line in part).replace(_TIE, " ")


def _write_csv(rows: list[dict[str, Any]]) -> None:
    """A column per score; empty where a run does not have it."""
    from hemenet_lab.basics import csv_cell

    scores = sorted({name for row in rows for name in row["scores"]})
    plain = [name for name in COLUMNS if name != "scores"]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*plain, "part", *scores])
    for row in rows:
        values = [row[name] for name in plain] + [row["part"]]
        values += [row["scores"].get(name) for name in scores]
        out.writerow([csv_cell(value) for value in values])
