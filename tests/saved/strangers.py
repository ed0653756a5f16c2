"""Checkpoints that a stranger made: each asks for a class, a function or a file of its own.

What they run is harmless: it makes the file `MARK` in the folder of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hemenet_lab.encoders.hemenet import HeMeNet
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.saved.checkpoint import DATA, LIGHTNINGS_INSTANTIATOR, MODEL
from hemenet_lab.tasks import LBA

MARK = "it_ran"
MODULE = """\
from pathlib import Path
Path({mark!r}).touch()
from torch.optim import Adam as Opt
from torch.optim.lr_scheduler import StepLR as Sched
from hemenet_lab.encoders.hemenet import HeMeNet as Enc
from hemenet_lab.model import Sum as Read
def call(*args, **kwargs): return 1
"""
SMALL: dict[str, Any] = {"hidden_dim": 8, "num_layers": 1, "channel_dim": 4, "relation_dim": 4}
ENCODER = {"class_path": "hemenet_lab.encoders.HeMeNet", "init_args": SMALL}
Make = Callable[[Path], dict[str, Any]]


def touch(folder: Path) -> dict[str, Any]:
    """A class of the standard library that makes a file."""
    return {"class_path": "logging.FileHandler", "init_args": {"filename": str(folder / MARK)}}


def text(folder: Path) -> str:
    return f"{{class_path: logging.FileHandler, init_args: {{filename: {folder / MARK}}}}}"


def spec(path: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": path, "init_args": arguments}


def encoder(**arguments: Any) -> dict[str, Any]:
    return {"class_path": ENCODER["class_path"], "init_args": {**SMALL, **arguments}}


TORCH, RATES = "torch.optim", "torch.optim.lr_scheduler"
PLATEAU = "lightning.pytorch.cli.ReduceLROnPlateau"
MODEL_SETTINGS: dict[str, Make] = {
    "encoder class": lambda f: {"encoder": spec("stranger.Enc")},
    "encoder by text": lambda f: {"encoder": "stranger.Enc"},
    "encoder by function": lambda f: {"encoder": spec("stranger.call")},
    "encoder by yaml file": lambda f: {"encoder": str(f / "stranger.yaml")},
    "encoder by address": lambda f: {"encoder": f"file://{f / 'stranger.yaml'}"},
    "encoder by yaml text": lambda f: {"encoder": "{class_path: stranger.Enc}"},
    "view is a class": lambda f: {"encoder": encoder(view=touch(f))},
    "field of view is a class": lambda f: {"encoder": encoder(view={"k": touch(f)})},
    "view by yaml file": lambda f: {"encoder": encoder(view=str(f / "stranger.yaml"))},
    "number is a class": lambda f: {"encoder": encoder(hidden_dim=touch(f))},
    "unknown argument is a class": lambda f: {"encoder": encoder(other=touch(f))},
    "dict_kwargs hold a class": lambda f: {"encoder": {**ENCODER, "dict_kwargs": {"o": touch(f)}}},
    "dotted setting": lambda f: {"encoder": ENCODER, "encoder.class_path": "stranger.Enc"},
    "setting with a plus": lambda f: {"encoder": ENCODER, "readout+": spec("stranger.Read")},
    "setting of the trainer": lambda f: {"encoder": ENCODER, "../trainer.logger": touch(f)},
    "unknown setting": lambda f: {"encoder": ENCODER, "other": touch(f)},
    "readout class": lambda f: {"readout": spec("stranger.Read")},
    "readout by text": lambda f: {"readout": "stranger.call"},
    "readout by yaml text": lambda f: {"readout": "{class_path: stranger.Read}"},
    "readout is a file": lambda f: {"readout": touch(f)},
    "argument of readout": lambda f: {
        "readout": spec("hemenet_lab.model.TaskAware", num_heads=touch(f))
    },
    "loss weight is a class": lambda f: {"loss_weights": {"ec": touch(f)}},
    "loss weights are a class": lambda f: {"loss_weights": touch(f)},
    "task is a class": lambda f: {"tasks": [touch(f)]},
    "dropout is a class": lambda f: {"head_dropout": touch(f)},
    "switch is a class": lambda f: {"start_from_statistics": touch(f)},
    "another instantiator": lambda f: {"_instantiator": "stranger.call"},
    "another module": lambda f: {"_class_path": "stranger.Enc"},
}
"""By name: settings of the module that a prediction would build as well."""
TRAINING_SETTINGS: dict[str, Make] = {
    "optimizer class": lambda f: {"optimizer": spec("stranger.Opt")},
    "optimizer by text": lambda f: {"optimizer": "stranger.call"},
    "optimizer is a file": lambda f: {"optimizer": touch(f)},
    "rate is a class": lambda f: {"optimizer": spec(f"{TORCH}.Adam", lr=touch(f))},
    "beta is a class": lambda f: {"optimizer": spec(f"{TORCH}.Adam", betas=[0.9, touch(f)])},
    "argument is yaml text": lambda f: {"optimizer": spec(f"{TORCH}.Adam", foreach=text(f))},
    "process group": lambda f: {
        "optimizer": spec(
            "torch.distributed.optim.ZeroRedundancyOptimizer",
            optimizer_class="torch.optim.Adam",
            process_group=touch(f),
        )
    },
    "optimizer with a profile": lambda f: {
        "optimizer": {**spec(f"{TORCH}.SGD"), "dict_kwargs": {"o": touch(f)}}
    },
    "schedule class": lambda f: {"lr_scheduler": spec("stranger.Sched")},
    "schedule by text": lambda f: {"lr_scheduler": "stranger.call"},
    "averaging": lambda f: {
        "lr_scheduler": spec("torch.optim.swa_utils.SWALR", swa_lr=0.1, anneal_epochs=touch(f))
    },
    "schedule by function": lambda f: {
        "lr_scheduler": spec(f"{RATES}.LambdaLR", lr_lambda="stranger.call")
    },
    "cycle by function": lambda f: {
        "lr_scheduler": spec(f"{RATES}.CyclicLR", base_lr=0.1, max_lr=1, scale_fn="stranger.call")
    },
    "step is a class": lambda f: {"lr_scheduler": spec(f"{RATES}.StepLR", step_size=touch(f))},
    "step is yaml text": lambda f: {"lr_scheduler": spec(f"{RATES}.StepLR", step_size=text(f))},
    "list of schedules": lambda f: {
        "lr_scheduler": spec(f"{RATES}.SequentialLR", schedulers=[touch(f)], milestones=[1])
    },
    "threshold is a class": lambda f: {
        "lr_scheduler": spec(PLATEAU, monitor="val/loss", threshold=touch(f))
    },
    "class within a list within a mapping": lambda f: {
        "lr_scheduler": spec(f"{RATES}.OneCycleLR", max_lr={"a": [touch(f)]}, total_steps=3)
    },
}
"""By name: settings that only a fit reads."""
DATA_SETTINGS: dict[str, Make] = {
    "root is a class": lambda f: {"root": touch(f)},
    "view of the data is a class": lambda f: {"view": touch(f)},
    "share is a class": lambda f: {"label_share": {"ec": touch(f)}},
    "number of the data is a class": lambda f: {"num_workers": touch(f)},
    "another data module": lambda f: {"_class_path": "stranger.Enc"},
}
"""By name: settings of the data module."""


def prepare(folder: Path) -> None:
    """Write the stranger's module and config; whoever imports or builds from them is found out."""
    (folder / "stranger.py").write_text(MODULE.format(mark=str(folder / MARK)))
    (folder / "stranger.yaml").write_text("class_path: stranger.Enc\n")


def write(folder: Path, model: dict[str, Any], data: dict[str, Any] | None = None) -> Path:
    """A checkpoint that is sound but for these settings."""
    torch.manual_seed(0)
    path = folder / "stranger.ckpt"
    module = MultiTaskModule(HeMeNet(**SMALL))
    module.build([LBA])
    torch.save(
        {
            MODEL: {"encoder": ENCODER, "_instantiator": LIGHTNINGS_INSTANTIATOR, **model},
            DATA: {"root": "demo", **(data or {})},
            "tasks": [LBA.to_dict()],
            "state_dict": module.state_dict(),
            "epoch": 1,
            "global_step": 1,
            "loops": {},
            "pytorch-lightning_version": "2.6.0",
        },
        path,
    )
    return path
