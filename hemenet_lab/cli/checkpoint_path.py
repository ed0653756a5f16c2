"""``--ckpt_path`` and ``--init_from``: which file they mean, and what is taken from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.utilities import rank_zero_info

from hemenet_lab.cli.config_file import expand_includes
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.pretraining import MaskedResidues
from hemenet_lab.saved import DATA, MODEL, TRAINING_ONLY, checkpoint_settings, read_checkpoint
from hemenet_lab.tracking import plain_config, resolve_checkpoint

OPTION = "--ckpt_path"
FOLDER = "--trainer.logger.init_args.folder"
RUNS = "runs"
"""Where runs are recorded unless another folder is given."""
TRUST = "--trust"
"""Word that lets a checkpoint name any class; no setting of a run, so it is not in its config."""
KEYWORDS = ("last", "best")
SUBCOMMANDS = ("fit", "validate", "test", "predict")
PRETRAIN = "pretrain"
"""A fit of another module, on structures without labels."""
SEED = "data.seed"
"""Where the seed of a run stands among the settings of its data."""
PLACES = ("root", "num_workers", "pin_memory", "seed")
"""Settings of the data that do not tell two runs apart, and the seed, which has its own option."""
Settings = Mapping[str, Mapping[str, Any]]
"""Settings of a command by group: ``model``, ``data``, ``seed_everything``."""


def checkpoint_defaults(
    args: Sequence[str],
    module_class: type = MultiTaskModule,
    data_class: type = ProteinMTDataModule,
    *,
    trust: bool = False,
) -> dict[str, Any]:
    """Settings of the model and the data, and the seed, of the checkpoint that ``args`` name.

    Args:
        args: Words of a `lightning` command; the checkpoint is a path there.
        module_class: Class of the command's module.
        data_class: Class of its data.
        trust: Let it name any class.

    Returns:
        Parser keys such as ``model.encoder`` with their plain values; empty without a checkpoint.

    Raises:
        ValueError: There is no such file, or its settings are refused.
    """
    path = option(args, OPTION)
    if path is None:
        return {}
    content = read_checkpoint(path)
    fits = next((word for word in args if word in SUBCOMMANDS), "fit") == "fit"
    named = named_classes(args)
    defaults: dict[str, Any] = {}
    for group, key, cls, skip in (
        ("model", MODEL, module_class, () if fits else TRAINING_ONLY),
        ("data", DATA, data_class, ()),
    ):
        mine = {name: classes for name, classes in named.items() if name.startswith(f"{group}.")}
        settings = checkpoint_settings(
            content,
            key,
            cls,
            path,
            skip=skip,
            named={name.partition(".")[2]: classes for name, classes in mine.items()},
            trust=trust,
        )
        defaults |= {f"{group}.{name}": value for name, value in settings.items()}
    if SEED in defaults:  # the command line sets it through this option
        defaults["seed_everything"] = defaults.pop(SEED)
    return defaults


def resolved_path(value: str, folder: Path, settings: Settings | None) -> Path:
    """The file that a value of ``--ckpt_path`` means.

    Args:
        value: A file, a folder with one run, or ``last`` or ``best``: the newest run with these
            settings in ``folder``.
        folder: Where runs are recorded.
        settings: What the command asks for; None if it says nothing of the model.

    Raises:
        ValueError: Nothing is there, or several runs are and none is the one.
    """
    path = Path(value)
    if path.is_file():
        return path
    word = value if value in KEYWORDS else "last"
    if path.is_dir():
        found = _checkpoints(path, word)
        if len(found) == 1:
            return found[0]
        what = f"holds {len(found)} runs" if found else "holds no run with a last checkpoint"
        raise ValueError(f"{OPTION} {value}: the folder {what}; {_advice(found)}")
    if value not in KEYWORDS:
        raise ValueError(
            f"checkpoint {value} not found; give the path of a .ckpt file, the folder of a run, "
            f"or {' or '.join(KEYWORDS)}"
        )
    found = _checkpoints(folder, word)
    if not found:
        raise ValueError(f"{OPTION} {value}: there is no run with a checkpoint in {folder}")
    if settings is None:
        if len(found) == 1:
            return found[0]
        raise ValueError(
            f"{OPTION} {value}: {folder} holds {len(found)} runs, and the command does not say "
            f"which model is meant; {_advice(found)}"
        )
    same = [each for each in found if _has_settings(each, settings)]
    if not same:
        raise ValueError(
            f"{OPTION} {value}: none of the {len(found)} runs in {folder} has this model, data and "
            f"seed; {_advice(found)}"
        )
    return same[-1]


def check_checkpoint(config: Any, parser: Any, trust: bool) -> None:
    """Find the file that a config's ``ckpt_path`` means, and let no pickle be read.

    Args:
        config: Of one command, as it was parsed; changed in place.
        parser: The command's.
        trust: The file may run code.

    Raises:
        ValueError: There is no such file, or it is to be read as a pickle.
    """
    path = config.get("ckpt_path")
    if path is None:
        return
    if not Path(path).is_file():
        asked = plain_config(parser, config)
        config.ckpt_path = str(resolved_path(path, Path(runs_folder(asked)), asked))
        rank_zero_info(f"ckpt_path {path}: {config.ckpt_path}")
    if config.get("weights_only") is False and not trust:
        raise ValueError(
            f"weights_only is false, which lets {path} run code; leave it out, or give {TRUST} "
            "too if you trust whoever wrote the file"
        )
    config.weights_only = config.get("weights_only") is not False


def start_from(
    module: MultiTaskModule | MaskedResidues, config: Mapping[str, Any], resumed: str | None
) -> None:
    """Let a fit begin with the weights that its ``init_from`` means.

    Args:
        module: Takes them once it is built.
        config: The fit's settings.
        resumed: Checkpoint that the fit goes on from; it has all weights.

    Raises:
        ValueError: There is no such checkpoint, or it cannot be read safely.
    """
    word = config.get("init_from")
    if word is None:
        return
    if resumed:
        rank_zero_info(f"--init_from {word} is not read: the fit goes on from {resumed}")
        return
    folder = Path(runs_folder(config))
    known = word in KEYWORDS
    path = resolved_path(word, folder, None) if known else resolve_checkpoint(word, folder)
    module.start_from(read_checkpoint(path), str(path))


def runs_folder(config: Mapping[str, Any]) -> str:
    """Folder in which the runs of a config are recorded."""
    logger = config["trainer"]["logger"]
    arguments = logger.get("init_args", {}) if isinstance(logger, dict) else {}
    return str(arguments.get("folder") or config["trainer"]["default_root_dir"] or RUNS)


def _advice(found: Sequence[Path]) -> str:
    return f"give one's path, such as {found[-1]}" if found else "give the path of a .ckpt file"


def _checkpoints(folder: Path, word: str) -> list[Path]:
    """The last or best checkpoint of each run at or below a folder, the newest run at the end."""
    depths = ("", "checkpoints/", "*/checkpoints/")
    places = {path.parent for depth in depths for path in folder.glob(f"{depth}last.ckpt")}
    newest = sorted(places, key=lambda place: ((place / "last.ckpt").stat().st_mtime, place.name))
    found = []
    for place in newest:
        best = sorted(place.glob("epoch*.ckpt"), key=lambda path: path.stat().st_mtime)
        if word == "last" or best:
            found.append(best[-1] if word == "best" else place / "last.ckpt")
    return found


def _has_settings(path: Path, settings: Settings) -> bool:
    """Check that a checkpoint was made with the settings of a command, as far as it keeps them."""
    try:
        content = read_checkpoint(path)
    except ValueError:
        return False
    for group, key in (("model", MODEL), ("data", DATA)):
        kept = content.get(key, {})
        asked = settings.get(group, {})
        for name, value in asked.items():
            if name in kept and name not in PLACES and _plain(kept[name]) != _plain(value):
                return False
    seed = content.get(DATA, {}).get("seed")
    return bool(seed is None or seed == settings.get("seed_everything", seed))


def _plain(value: Any) -> Any:
    """The same with lists for tuples and numbers that compare."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def option(args: Sequence[str], name: str) -> str | None:
    """The value that ``args`` give for an option, as ``--option value`` or ``--option=value``.

    The last one where there are several, as on any command line.
    """
    value = None
    for word, following in zip(args, [*args[1:], None], strict=False):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.split("=", 1)[1]
    return value


def with_option(args: Sequence[str], name: str, value: str | None) -> list[str]:
    """The words with another value for an option; without the option if it is None."""
    words: list[str] = []
    skip = False
    for word in args:
        if skip:
            skip = False
        elif word == name:
            skip = True
        elif not word.startswith(f"{name}="):
            words.append(word)
    return words if value is None else [*words, f"{name}={value}"]


def named_classes(args: Sequence[str]) -> dict[str, set[str]]:
    """Classes that the words and their config files name, by setting such as ``model.encoder``.

    What the user names is the user's choice, so a checkpoint may name it there as well.
    """
    found: dict[str, set[str]] = {}
    for key, value in _settings(args):
        parts = key.split(".")
        if len(parts) == 2 and isinstance(value, dict):
            value = value.get("class_path")
        elif parts[2:] != ["class_path"] and len(parts) != 2:
            continue
        if isinstance(value, str) and "." in value:
            found.setdefault(".".join(parts[:2]), set()).add(value)
    return found


def _settings(args: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Dotted settings that the words and their config files give."""
    for word, following in zip(args, [*args[1:], ""], strict=False):
        name, sign, value = word.partition("=")
        value = value if sign else following
        if name in ("--config", "-c"):
            for source in expand_includes(value):
                path = Path(source)
                text = source if "\n" in source or not path.is_file() else path.read_text()
                yield from _flat(_loaded(text))
        elif name.startswith("--"):
            content = _loaded(value)
            yield name[2:], content


def _flat(content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", deep) for inner, deep in value.items())
        else:
            yield str(name), value


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return None  # the parser says what is wrong with it
