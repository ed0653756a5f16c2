"""The two commands: `lightning` (fit, validate, test, predict) and `hemenet` (data and tools)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.cli import LightningCLI

from hemenet_lab.commands import data, encoders
from hemenet_lab.data.datamodule import ProteinMTDataModule
from hemenet_lab.module import MultiTaskModule
from hemenet_lab.parser import SuiteArgumentParser, checkpoint_defaults
from hemenet_lab.plugins import load_encoders
from hemenet_lab.tracking import SaveConfigArtifact


class SuiteCLI(LightningCLI):
    """LightningCLI over `MultiTaskModule` and `ProteinMTDataModule`.

    A checkpoint given by ``--ckpt_path`` supplies the settings it was trained with; config files
    and the command line come on top of these.
    """

    def parse_arguments(self, parser: Any, args: Any) -> None:
        given = list(args) if isinstance(args, (list, tuple)) else sys.argv[1:]
        for key, value in checkpoint_defaults(given).items():
            for subparser in self._subcommand_parsers.values():
                subparser.set_defaults({key: value})
        super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Nothing: the checkpoint's settings are defaults here, so that what is written wins."""

    def after_fit(self) -> None:
        """Test the best checkpoint, so that every fit ends with the table of its results."""
        if self.trainer.fast_dev_run or self.trainer.interrupted:
            return
        checkpoint = self.trainer.checkpoint_callback
        best = getattr(checkpoint, "best_model_path", "")
        if best:
            self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best)


def lightning(args: Sequence[str] | None = None) -> None:
    """Entry point of the `lightning` command."""
    load_encoders()
    torch.set_float32_matmul_precision("high")
    SuiteCLI(
        MultiTaskModule,
        ProteinMTDataModule,
        save_config_callback=SaveConfigArtifact,
        save_config_kwargs={"save_to_log_dir": False},
        trainer_defaults={"use_distributed_sampler": False, "gradient_clip_val": 10.0},
        seed_everything_default=0,
        parser_class=SuiteArgumentParser,
        auto_configure_optimizers=False,
        args=list(args) if args is not None else None,
    )


def hemenet(args: Sequence[str] | None = None) -> int:
    """Entry point of the `hemenet` command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="hemenet", description="Tools of hemenet-lab")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (data, encoders):
        command.add_parser(commands)
    parsed = parser.parse_args(args)
    try:
        return int(parsed.run(parsed))
    except (ValueError, OSError) as error:
        print(f"hemenet: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    lightning()
