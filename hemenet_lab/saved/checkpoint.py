"""Reads a checkpoint that a stranger may have made: plain data, checked before it is used."""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule

from hemenet_lab.basics import first_line, present_names
from hemenet_lab.model import TASKS_KEY, MultiTaskModule
from hemenet_lab.saved.plugins import load_encoders
from hemenet_lab.saved.released import is_released, read_released
from hemenet_lab.saved.settings import ADVICE, Refused, checked_settings

MODEL, DATA = "hyper_parameters", "datamodule_hyper_parameters"
"""Where Lightning keeps the settings of the module and of the data module."""
TRAINING_ONLY = ("optimizer", "lr_scheduler")
"""Settings of the module that only a fit needs; nothing else builds them."""
LIGHTNINGS_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
RUN_KEY = "mlflow_run_id"
Module = TypeVar("Module", bound=LightningModule)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, or of a released model; tensors are on the CPU.

    Raises:
        ValueError: No such file, a damaged one, or one that holds more than tensors and plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"checkpoint {path} not found; give the path of a .ckpt file")
    if is_released(path):
        return read_released(path)
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise Refused(
            f"{path} is not a checkpoint of tensors and plain data; a pickle with other objects "
            f"can run code and is not opened ({first_line(error)})"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as a checkpoint ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    _check_places(content, path)
    return content


def checkpoint_settings(
    content: Mapping[str, Any],
    group: str,
    cls: type,
    source: str,
    *,
    skip: Collection[str] = (),
    named: Mapping[str, Collection[str]] | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Settings of the module or the data in a checkpoint, safe to build from.

    Args:
        content: What `read_checkpoint` gave.
        group: `MODEL` or `DATA`.
        cls: The class that they are for.
        source: Name of the file, for messages.
        skip: Settings that are left out unread.
        named: By setting, classes that the user named.
        trust: Check nothing.

    Raises:
        Refused: They ask for more than `checked_settings` allows, or are another module's.
    """
    tasks = content.get(TASKS_KEY)
    if group == MODEL and tasks is not None and bool(tasks) != issubclass(cls, MultiTaskModule):
        kind = "a model with tasks" if tasks else "a pretrained encoder without tasks"
        raise Refused(f"{source} is {kind}; begin a fit with its weights: --init_from {source}")
    settings = content.get(group, {})
    if not isinstance(settings, dict) or any(not isinstance(name, str) for name in settings):
        raise Refused(f"{source}: {group} are not settings by name; {ADVICE}")
    hidden = {name: value for name, value in settings.items() if name.startswith("_")}
    instantiator = hidden.pop("_instantiator", LIGHTNINGS_INSTANTIATOR)
    if not trust and (hidden or instantiator != LIGHTNINGS_INSTANTIATOR):
        found = f"names {instantiator!r} to make it" if not hidden else f"has {sorted(hidden)}"
        raise Refused(f"{source}: {group} {found}; {ADVICE}")
    shown = {name: value for name, value in settings.items() if not name.startswith("_")}
    if trust:
        shown = {name: value for name, value in shown.items() if name not in skip}
        return dict(present_names(shown))
    return checked_settings(cls, shown, source, skip, named)


def module_from_checkpoint(
    cls: type[Module], path: str | Path, *, trust: bool = False
) -> tuple[Module, dict[str, Any]]:
    """A trained module on the CPU, in evaluation mode, and the rest of its checkpoint.

    Neither optimizer nor scheduler is built.

    Args:
        cls: Class of the module.
        path: A checkpoint of `lightning fit`.
        trust: Build whatever classes its settings name.

    Raises:
        ValueError: No such file, settings that are refused, or a checkpoint that does not say how
            its encoder was made.
    """
    load_encoders()
    content = read_checkpoint(path)
    if "encoder" not in content.get(MODEL, {}):
        raise ValueError(
            f"{path} does not hold its encoder's settings (it was not written by `lightning fit`); "
            f"use {cls.__name__}.load_from_checkpoint(path, encoder=...)"
        )
    settings = checkpoint_settings(content, MODEL, cls, str(path), skip=TRAINING_ONLY, trust=trust)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, "module", fail_untyped=False)
    module: Module = parser.instantiate(parser.parse_object({"module": settings})).module
    module.on_load_checkpoint(content)
    module.load_state_dict(content["state_dict"])
    return module.eval(), content


def _check_places(content: Mapping[str, Any], path: Path) -> None:
    """Raise Refused for a run id or paths of kept checkpoints that lead somewhere else.

    A resumed fit continues the run of that name, and deletes a former best checkpoint.
    """
    run_id = content.get(RUN_KEY)
    if run_id is not None and not re.fullmatch(r"[0-9a-zA-Z]{1,64}", str(run_id)):
        raise Refused(f"{path}: {RUN_KEY} is {run_id!r}, which is no id of a run")
    callbacks = content.get("callbacks", {})
    for state in callbacks.values() if isinstance(callbacks, dict) else ():
        if not isinstance(state, dict):
            continue
        kept = state.get("best_k_models") or {}
        places = [state.get(name) for name in ("best_model_path", "last_model_path", "dirpath")]
        places += [state.get("kth_best_model_path"), *(kept if isinstance(kept, dict) else ())]
        for place in places:
            if isinstance(place, str) and (".." in Path(place).parts or "://" in place):
                raise Refused(f"{path} names {place!r} as one of its run's checkpoints")
