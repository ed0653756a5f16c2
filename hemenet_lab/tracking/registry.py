"""Models in MLflow's registry."""

from __future__ import annotations

from pathlib import Path

from hemenet_lab.tracking.address import wait_shortly
from hemenet_lab.tracking.runs import Tag

FOLDER = "model"
"""Folder of the model among the files of its run."""


def register_model(uri: str, run_id: str, folder: Path, name: str = "") -> str:
    """Keep a model with the files of its run, and make it the next version of a registered model.

    Args:
        uri: Address of the tracking database or server.
        run_id: The run.
        folder: The model as MLflow saves one.
        name: Name in the registry; made of the run's encoder, readout and tasks if empty.

    Returns:
        ``models:/name/version``.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    wait_shortly(uri)
    client = MlflowClient(uri, registry_uri=uri)
    run = client.get_run(run_id)
    words = (run.data.tags.get(part, "") for part in ("encoder", "readout", "tasks"))
    name = name or "-".join(filter(None, words)).lower() or "hemenet"
    client.log_artifacts(run_id, str(folder), FOLDER)
    try:
        client.create_registered_model(name)
    except MlflowException:  # it is there, or the next line says what is wrong
        client.get_registered_model(name)
    synthetic = run.data.tags.get(Tag.SYNTHETIC, "").lower() == "true"
    version = client.create_model_version(
        name,
        f"{run.info.artifact_uri}/{FOLDER}",
        run_id,
        tags={str(Tag.SYNTHETIC): str(synthetic)},
        description="trained on SYNTHETIC demo data" if synthetic else None,
    )
    return f"models:/{name}/{version.version}"
