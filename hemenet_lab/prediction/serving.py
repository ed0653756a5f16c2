"""A checkpoint as a model of MLflow's: texts of structures in, named predictions out.

What is kept with MLflow is the checkpoint and the name of this module, no pickle and no code.
Checkpoints are read as everywhere else here: tensors and plain data.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hemenet_lab.prediction.predictor import Predictor
from hemenet_lab.prediction.result import COLUMNS, Row
from hemenet_lab.prediction.stream import Complex, Failure
from hemenet_lab.tracking import Tracker, register_model, resolve_checkpoint, tracker_of

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("structure", "ligand", "partner_chains", "id", "encoding")
"""What a request may say of a complex; only the structure must be there."""
ENCODINGS = ("text", "base64")
MOST_COMPLEXES = 64
"""In one request."""
MOST_BYTES = 20_000_000
"""Of one structure or ligand, as it is sent."""
PARAMETERS = {"min_probability": 0.1, "top": 0}
"""Leave out terms below; at most so many terms per chain and task, 0 for all."""


class ServedModel:
    """Answers MLflow's requests with the predictions of a checkpoint.

    Args:
        checkpoint: Its path.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._predictor = Predictor(checkpoint)

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict for each row of a table.

        Args:
            model_input: A row per complex, with columns of `FIELDS`: contents of files, as text, or
                in base64 for files that are packed or binary.
            params: Values of `PARAMETERS`.

        Returns:
            The table of `hemenet predict`, with the number of the request's row in ``row``.

        Raises:
            MlflowException: What is wrong with the request, as a user's mistake (status 400).
        """
        import pandas as pd

        settings = {**PARAMETERS, **(params or {})}
        try:
            found = list(self._rows(model_input, settings))
        except ValueError as error:
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(str(error)) from None
        return pd.DataFrame(found, columns=["row", *COLUMNS]).astype(object)

    def _rows(self, table: Any, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        unknown = [str(name) for name in table.columns if name not in FIELDS]
        if unknown or "structure" not in table.columns:
            raise ValueError(f"columns {list(table.columns)}; allowed are {', '.join(FIELDS)}")
        if len(table) > MOST_COMPLEXES:
            raise ValueError(f"{len(table)} complexes in one request; at most {MOST_COMPLEXES}")
        asked = [_asked(number, row) for number, row in enumerate(table.to_dict("records"))]
        top = int(settings["top"]) or None
        for number, result in enumerate(self._predictor.predict_many(asked)):
            if isinstance(result, Failure):
                raise ValueError(str(result))
            for row in result.rows(float(settings["min_probability"]), top):
                yield {"row": number, **asdict(row)}


def _asked(number: int, row: Mapping[str, Any]) -> Complex:
    """The complex of one row.

    Raises:
        ValueError: A value that is missing, too large or of another kind.
    """
    texts: dict[str, str] = {}
    for name in FIELDS:
        value = row.get(name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            value = ""
        if not isinstance(value, str):
            raise ValueError(f"row {number}: {name} is no text but {type(value).__name__}")
        if len(value) > MOST_BYTES:
            raise ValueError(
                f"row {number}: {name} has {len(value):,} characters; at most {MOST_BYTES:,}"
            )
        texts[name] = value
    encoding = texts["encoding"] or ENCODINGS[0]
    if encoding not in ENCODINGS:
        raise ValueError(f"row {number}: encoding {encoding!r}; allowed: {', '.join(ENCODINGS)}")
    contents = {}
    for name in ("structure", "ligand"):
        try:
            contents[name] = (
                base64.b64decode(texts[name], validate=True)
                if encoding == "base64"
                else texts[name].encode()
            )
        except binascii.Error as error:
            raise ValueError(f"row {number}: {name} is no base64 ({error})") from error
    if not contents["structure"].strip():
        raise ValueError(f"row {number}: structure is empty; send the content of a structure file")
    partners = tuple(name for name in texts["partner_chains"].split(",") if name)
    shown = texts["id"] or f"row {number}"
    return Complex(
        contents["structure"], contents["ligand"] or None, partners, texts["id"] or "input", shown
    )


def _load_pyfunc(path: str) -> ServedModel:
    """MLflow's way in: the module's name is in the model, and it calls this."""
    return ServedModel(Path(path))


def save_served(checkpoint: Path, folder: Path) -> None:
    """Write a checkpoint as a model of MLflow's, with its signature and an example.

    Args:
        checkpoint: Its path.
        folder: A new folder.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    kinds = {"float": "double", "int": "long"}
    asked: list[Any] = [ColSpec("string", name, required=name == "structure") for name in FIELDS]
    answered: list[Any] = [ColSpec("long", "row")]
    for each in fields(Row):
        kind = kinds.get(str(each.type).split(" ")[0], "string")
        answered.append(ColSpec(kind, each.name, required=False))
    signature = ModelSignature(
        Schema(asked),
        Schema(answered),
        ParamSchema(
            [
                ParamSpec("min_probability", "double", PARAMETERS["min_probability"]),
                ParamSpec("top", "long", PARAMETERS["top"]),
            ]
        ),
    )
    mlflow.pyfunc.save_model(
        str(folder),
        loader_module=__name__,
        data_path=str(checkpoint),
        signature=signature,
        input_example=[{"structure": example_structure(), "id": "helix"}],
        pip_requirements=[f"hemenet-lab=={version('hemenet-lab')}"],
    )


def example_structure(residues: int = 12) -> str:
    """An alpha helix of alanine, as the text of a PDB file."""
    places = {  # radius, Å; angle, degrees; height, Å
        "N": (1.55, -28.0, -0.9),
        "CA": (2.28, 0.0, 0.0),
        "C": (1.66, 26.0, 1.1),
        "O": (2.0, 21.0, 2.3),
        "CB": (3.3, -17.0, -0.1),
    }
    lines: list[str] = []
    for residue in range(residues):
        for name, (radius, angle, height) in places.items():
            turn = math.radians(angle + 100.0 * residue)
            x, y, z = radius * math.cos(turn), radius * math.sin(turn), height + 1.5 * residue
            lines.append(
                f"ATOM  {len(lines) + 1:5d}  {name:<3} ALA A{residue + 1:4d}    "
                f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
            )
    return "\n".join([*lines, "END", ""])


def check_register(trainer: Trainer, wanted: bool | str) -> None:
    """Refuse, before a fit, what could not be registered after it.

    Raises:
        ValueError: No record with MLflow, or a name that the registry does not take.
    """
    if wanted and tracker_of(trainer) is None:
        raise ValueError("--tracking.register needs MLflow's record; leave trainer.logger as it is")
    if isinstance(wanted, str) and (not wanted or set(wanted) & set("/:@\\") or wanted[0] == "."):
        raise ValueError(f"--tracking.register={wanted}: the name of a model has no / : @ or \\")


def register_fit(trainer: Trainer, wanted: bool | str) -> str:
    """Register the best checkpoint of a fit that has ended.

    Args:
        trainer: Has fitted.
        wanted: The model's name; True for one made of its encoder, readout and tasks.

    Returns:
        ``models:/name/version``; empty if there is nothing to register, or it failed, which is
        said in a line.
    """
    tracker = tracker_of(trainer)
    if not wanted or tracker is None or not trainer.is_global_zero or trainer.interrupted:
        return ""
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    try:
        folder = tracker.folder / str(tracker.run_id)
        path = Path(best) if best and Path(best).is_file() else resolve_checkpoint(folder)
        address = register_checkpoint(path, tracker, "" if wanted is True else str(wanted))
    except Exception as error:  # the fit has ended well, whatever happens to its copy
        rank_zero_warn(f"the model could not be registered ({error}); the run and its files stay")
        return ""
    rank_zero_info(f"Registered: {address}; hemenet predict FILE --ckpt {address}")
    return address


def register_checkpoint(checkpoint: Path, tracker: Tracker, name: str = "") -> str:
    """Keep a checkpoint in MLflow's registry, as a model that it can serve.

    Returns:
        ``models:/name/version``.
    """
    with TemporaryDirectory(prefix="hemenet-register-") as place:
        folder = Path(place) / "model"
        save_served(checkpoint, folder)
        return register_model(tracker.uri, str(tracker.run_id), folder, name)
