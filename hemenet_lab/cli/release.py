"""`hemenet release`: a trained model as files to give away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hemenet_lab.model import MultiTaskModule


def release(ckpt: str, *, out: Path, trained_on: str = "", trust: bool = False) -> None:
    """Write a model to give away: one safetensors file, with a card.

    There is no pickle in it, and nothing of the run that made it. The folder is a checkpoint to
    every command that predicts. What is not known of the model is left open in the card, README.md,
    for you to write.

    Args:
        ckpt: Checkpoint of `lightning fit`, folder of a run or id of an MLflow run.
        out: Folder for the files.
        trained_on: What it was trained on, in a few words; it stands beside every prediction.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    from hemenet_lab.model import TRAINED_ON_KEY, MultiTaskModule, training_data_note
    from hemenet_lab.saved import (
        CARD,
        FILE,
        MODEL,
        TRAINING_ONLY,
        module_from_checkpoint,
        write_released,
    )
    from hemenet_lab.tracking import resolve_checkpoint

    module, content = module_from_checkpoint(MultiTaskModule, resolve_checkpoint(ckpt), trust=trust)
    trained_on = trained_on or training_data_note(content)
    if not trained_on:
        raise ValueError(
            "say in a few words what the model was trained on, such as --trained_on "
            "'472 enzymes of PDB, 2026'; it stands beside every prediction"
        )
    settings = {k: v for k, v in content[MODEL].items() if k not in TRAINING_ONLY}
    write_released(content | {MODEL: settings, TRAINED_ON_KEY: trained_on}, out / FILE)
    card = out / CARD
    if not card.exists():
        card.write_text(_card(out.resolve().name, module, content, trained_on), encoding="utf-8")
    print(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")
    print(f"Complete {card}; then anyone predicts with: hemenet predict FILE --ckpt {out}")


def _card(name: str, module: MultiTaskModule, content: dict[str, Any], trained_on: str) -> str:
    """The model card, with what the checkpoint tells and what its maker has to."""
    from hemenet_lab.calibration import Calibration, read_calibration

    known = read_calibration(content, name) or Calibration()
    measured = {task: each.n for task, each in known.terms.items()}
    measured |= {task: each.n for task, each in known.values.items()}
    size = sum(parameter.numel() for parameter in module.parameters())
    lines = [
        f"# {name}",
        "",
        f"- Encoder: {type(module.encoder).__name__}; {size:,} parameters with readouts and heads",
        f"- Trained on: {trained_on}",
    ]
    for task in module.tasks:
        what = f"{task.num_outputs} terms" if task.kind == "multilabel" else task.unit
        items = f", calibrated on {measured[task.name]} items" if task.name in measured else ""
        lines.append(f"- {task.title} (`{task.name}`): {what}{items}")
    if known.training is not None:
        lines.append(
            f"- Training chains: {len(known.training.sequences)} different sequences, the longest "
            f"of {known.training.longest_chain} residues"
        )
    for title, question in (
        ("Intended use", "What is it good for, and what must not be concluded from it?"),
        ("Data and licences", "Sources, versions and licences of structures and labels."),
        (
            "Splits and scores",
            "How were test items kept apart from training? Scores with intervals.",
        ),
        ("Limits", "Where is it no better than a plain method? What has it never seen?"),
    ):
        lines += ["", f"## {title}", "", f"To be written: {question}"]
    return "\n".join(lines) + "\n"
