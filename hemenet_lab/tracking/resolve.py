"""Checkpoints by what a user has: a file, a run's folder, a run's id, or a registered model."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

from hemenet_lab.saved import FILE, shipped_models
from hemenet_lab.tracking.address import (
    cause,
    checkpoint_folder,
    database_uri,
    wait_shortly,
)
from hemenet_lab.tracking.runs import Tag

MODELS = "models:/"
FORMS = (
    "give a .ckpt file, the folder of a run or of a released model, the id of an MLflow run (32 "
    "letters and digits), or models:/NAME/VERSION"
)
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def resolve_checkpoint(
    word: str | Path, folder: str | Path = "runs", tracking_uri: str | None = None
) -> Path:
    """The checkpoint that a word means; of a run, the one that its test used.

    Args:
        word: A file; a run's folder, or one that holds a single run; a released model's folder, or
            the name of one that comes with the package; the id of an MLflow run;
            ``models:/name/version`` or ``models:/name@alias`` in MLflow's registry.
        folder: Folder of the runs, with their database.
        tracking_uri: Address of another database or a server; MLFLOW_TRACKING_URI counts too.

    Raises:
        ValueError: Nothing is there, several are, or the database does not answer.
    """
    text, folder = str(word), Path(folder).resolve()
    if text.startswith(MODELS):
        return _registered(text, folder, tracking_uri)
    path = Path(text)
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    if path.is_dir():
        return _in_folder(path)
    if _RUN_ID.fullmatch(text):
        return _of_run(text, folder, tracking_uri)
    shipped = shipped_models()
    if text in shipped:
        return shipped[text]
    names = f", or a model of the package: {', '.join(shipped)}" if shipped else ""
    raise ValueError(f"checkpoint {text} not found; {FORMS}{names}")


def best_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that counts in a folder of one run's checkpoints; None without any.

    Averaged weights if there are any, else the best epoch, else the last state.
    """
    averaged, last = folder / "averaged.ckpt", folder / "last.ckpt"
    epochs = sorted(folder.glob("epoch*.ckpt"), key=lambda path: path.stat().st_mtime)
    found = [path for path in (averaged, *reversed(epochs), last) if path.is_file()]
    return found[0] if found else None


def _in_folder(folder: Path) -> Path:
    places = (folder, folder / "checkpoints", *sorted(folder.glob("*/checkpoints")))
    found = [path for place in places if (path := best_checkpoint(place)) is not None]
    if len(found) != 1:
        what = f"{len(found)} runs" if found else "no run with a checkpoint"
        raise ValueError(f"the folder {folder} holds {what}; {FORMS}")
    return found[0]


def _of_run(run_id: str, folder: Path, uri: str | None) -> Path:
    here = checkpoint_folder(folder, run_id)
    recorded = ""
    try:
        from mlflow.tracking import MlflowClient  # slow to import

        tags = MlflowClient(_uri(folder, uri)).get_run(run_id).data.tags
        recorded = tags.get(Tag.BEST_CHECKPOINT, "")
    except Exception as error:
        found = best_checkpoint(here)
        if found is None:
            raise ValueError(f"run {run_id} not found ({cause(error)}); {FORMS}") from error
        return found
    if recorded and Path(recorded).is_file():
        return Path(recorded)
    found = best_checkpoint(here)
    if found is None:
        place = f"its best one was {recorded}" if recorded else f"none is in {here}"
        raise ValueError(
            f"run {run_id} has no checkpoint on this machine ({place}); copy it here and give its "
            "path, or register the model and give models:/NAME/VERSION"
        )
    return found


def _registered(word: str, folder: Path, uri: str | None) -> Path:
    """The checkpoint among the files of a registered model, fetched once from a server."""
    name, version, alias = _parts(word)
    try:
        from mlflow.tracking import MlflowClient  # slow to import

        client = MlflowClient(_uri(folder, uri), registry_uri=_uri(folder, uri))
        if alias:
            version = client.get_model_version_by_alias(name, alias).version
        source = client.get_model_version_download_uri(name, str(version))
        parsed = urlparse(source)
        if parsed.scheme in ("", "file"):
            place = Path(unquote(parsed.path))
        else:
            place = folder / "models" / name / str(version)
            if not any(place.rglob("*.ckpt")):
                from mlflow.artifacts import download_artifacts

                place.mkdir(parents=True, exist_ok=True)
                download_artifacts(source, dst_path=str(place), tracking_uri=_uri(folder, uri))
    except Exception as error:
        raise ValueError(
            f"{word} cannot be had from {_uri(folder, uri)} ({cause(error)}); "
            "`mlflow ui` shows what there is"
        ) from error
    found = sorted(place.rglob("*.ckpt"))
    if len(found) != 1:
        raise ValueError(f"{word} holds {len(found)} checkpoints in {place}, where one belongs")
    return found[0]


def _parts(word: str) -> tuple[str, str, str]:
    """Name, version and alias; one of the last two is empty."""
    matched = re.fullmatch(r"models:/+([^/@]+)(?:/(\d+)|@([^/@]+))", word)
    if matched is None:
        raise ValueError(f"{word} is not of the form models:/NAME/VERSION or models:/NAME@ALIAS")
    if re.search(r"[\\:]|^\.", matched[1]):
        raise ValueError(f"{matched[1]!r} is no name of a registered model")
    return matched[1], matched[2] or "", matched[3] or ""


def _uri(folder: Path, uri: str | None) -> str:
    given = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not given and not (folder / "mlruns.db").is_file():
        raise ValueError(f"no MLflow database at {folder / 'mlruns.db'}")
    wait_shortly(given or "")
    return given or database_uri(folder)
