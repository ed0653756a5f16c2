"""A model to give away: safetensors, with all that is no tensor as JSON in its head; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hemenet_lab.basics import put_file

SUFFIX = ".safetensors"
FILE, CARD = f"model{SUFFIX}", "README.md"
OF_TRAINING = (
    *("optimizer_states", "lr_schedulers", "loops", "callbacks", "callback_metrics"),
    *("datamodule_hyper_parameters", "datamodule_hparams_name", "train_losses"),
    *("mlflow_run_id", "epoch", "global_step", "averaging_state", "current_model_state"),
)
"""What a checkpoint holds to go on with its run; folders of the machine are named there."""
SHIPPED = Path(__file__).parents[1] / "weights"
_PLACE = "$tensor"
_FORMAT = "hemenet-lab model 1"


def shipped_models() -> dict[str, Path]:
    """Files of the models that come with the package, by name."""
    return {path.parent.name: path for path in sorted(SHIPPED.glob(f"*/{FILE}"))}


def is_released(path: str | Path) -> bool:
    """Check that a file is of the kind that `write_released` writes."""
    return Path(path).suffix == SUFFIX


def write_released(content: Mapping[str, Any], file: str | Path) -> None:
    """Write a checkpoint's model without what only its training needs, at once or not at all.

    Args:
        content: Of a checkpoint; tensors and plain data.
        file: A ``.safetensors`` file; its folder is made.

    Raises:
        ValueError: It is there already, or the checkpoint holds something else than such data.
    """
    from safetensors.torch import save

    file = Path(file)
    if file.exists():
        raise ValueError(f"{file} is there already; give another folder")
    kept = {name: value for name, value in content.items() if name not in OF_TRAINING}
    tensors: dict[str, Tensor] = {}
    rest = json.dumps(_without_tensors(kept, "", tensors), ensure_ascii=False)
    put_file(file, save(tensors, {"format": _FORMAT, "content": rest}))


def read_released(file: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, from what `write_released` wrote; tensors are on the CPU.

    Raises:
        ValueError: The file is missing or damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            about = opened.metadata() or {}
            if about.get("format") != _FORMAT:
                raise ValueError(f"its form is {about.get('format')!r}, not {_FORMAT!r}")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        content = _with_tensors(json.loads(about["content"]), tensors)
        if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
            raise ValueError("it holds no weights of a model")
    except KeyError as error:
        raise ValueError(f"{file} cannot be read as a model (it lacks {error})") from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ValueError(f"{file} cannot be read as a model ({error})") from error
    return content


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain data with the names of tensors in their place."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_PLACE: name}
    if isinstance(value, Mapping):
        if bad := [key for key in value if not isinstance(key, str) or key == _PLACE]:
            raise ValueError(f"{name or 'the checkpoint'} has the key {bad[0]!r}; it must be text")
        return {
            key: _without_tensors(each, f"{name}/{key}" if name else key, tensors)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_tensors(each, f"{name}/{at}", tensors) for at, each in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"{name} is a {type(value).__name__}; only tensors and plain data are written")


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_PLACE}:
            return tensors[str(value[_PLACE])]
        return {key: _with_tensors(each, tensors) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_tensors(each, tensors) for each in value]
    return value
