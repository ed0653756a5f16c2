"""The two commands: `lightning` (fit, validate, test, predict) and `hemenet` (data and tools)."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, TypeVar

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from hemenet_lab.benchmark.identity_record import RecordIdentity, plain_config
from hemenet_lab.checkpoint_defaults import checkpoint_defaults
from hemenet_lab.checkpoint_io import AtomicCheckpointIO
from hemenet_lab.commands import benchmark, data, encoders, predict
from hemenet_lab.config_file import IncludingConfigFile
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.parser import SuiteArgumentParser
from hemenet_lab.plugins import load_encoders
from hemenet_lab.prediction_table import PredictionTable
from hemenet_lab.training import (
    CannotWrite,
    NonFiniteGuard,
    Preemption,
    ReproducibleSteps,
    ResultsTable,
    RunCheckpoint,
    RunRecord,
    SharedRunningStatistics,
    Throughput,
    continue_run,
    finish_run,
    prepare_trainer,
)

CLI = TypeVar("CLI", bound="SuiteCLI")


class SuiteCLI(LightningCLI):
    """LightningCLI over `MultiTaskModule` and `ProteinMTDataModule`.

    A checkpoint given by ``--ckpt_path`` supplies the settings it was trained with; config files
    and the command line come on top of these.
    """

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        kwargs.setdefault("dump_header", [f"hemenet-lab {version('hemenet-lab')}"])
        parser = self.parser_class(**kwargs)
        parser.add_argument(
            "-c",
            "--config",
            action=IncludingConfigFile,
            help="Config file in YAML; may be given several times, later ones win.",
        )
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
        parser.add_lightning_class_args(ReproducibleSteps, "steps")
        for target in ("data.seed", "steps.seed"):
            parser.link_arguments("seed_everything", target, compute_fn=int)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        given = self._get(self.config_init, "trainer")["plugins"] or []
        plugins = [*(given if isinstance(given, list) else [given])]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpointIO())
        if self._get(self.config_init, "trainer")["enable_checkpointing"] is False:
            self._parser(self.subcommand).callback_keys.remove("checkpoint")
        trainer = super().instantiate_trainer(plugins=plugins, **kwargs)
        try:
            prepare_trainer(trainer)
        except ValueError as error:
            raise SystemExit(f"lightning: {error}") from error
        return trainer

    def parse_arguments(self, parser: Any, args: Any) -> None:
        given = list(args) if isinstance(args, (list, tuple)) else sys.argv[1:]
        defaults = checkpoint_defaults(given)
        for subparser in self._subcommand_parsers.values():
            subparser.set_defaults(defaults)
        self._subcommand_parsers["test"].set_defaults({"verbose": False})  # ResultsTable prints
        super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Nothing: the checkpoint's settings are defaults here, so that what is written wins."""

    def before_fit(self) -> None:
        """Continue the run of the checkpoint, or of the requeued job, that a fit starts from."""
        path = continue_run(self.trainer, self.config.fit.ckpt_path)
        self.config_init.fit.ckpt_path = path

    def after_fit(self) -> None:
        """Test the best checkpoint, so that every fit ends with the table of its results."""
        finish_run(self.trainer, self.model, self.datamodule)


class ConfigReader(SuiteCLI):
    """Reads commands without carrying them out."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = parser.parse_args(list(args))

    def _set_seed(self) -> None:
        """Nothing: random numbers are none of its business."""

    def instantiate_classes(self) -> None:
        """Nothing: the config is all that is wanted."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing."""

    def read(self, args: Sequence[str]) -> dict[str, Any]:
        """The whole config of a `lightning` command, defaults included, as plain data."""
        self.parse_arguments(self.parser, list(args))
        name = self.config.subcommand
        return plain_config(self._parser(name), self.config[name])


def lightning(args: Sequence[str] | None = None) -> None:
    """Entry point of the `lightning` command."""
    try:
        _start(SuiteCLI, args)
    except (CannotWrite, FloatingPointError) as error:
        raise SystemExit(f"lightning: {error}") from error


def config_reader() -> ConfigReader:
    """Reads what `lightning` commands ask for."""
    return _start(ConfigReader, ["fit", "--model.encoder=HeMeNet"])


def _without_noise() -> None:
    """Keep messages that no user of ours can act on out of the terminal."""
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    # each run has a folder of its own for its checkpoints, and a resumed run has its own again
    warnings.filterwarnings("ignore", message="The dirpath has changed")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # what we log at the end of an epoch is the same on every process already
    warnings.filterwarnings("ignore", message="It is recommended to use `self.log")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "Tip:" not in record.getMessage()
    )


def _start(cli: type[CLI], args: Sequence[str] | None) -> CLI:
    _without_noise()
    load_encoders()
    return cli(
        MultiTaskModule,
        ProteinMTDataModule,
        save_config_callback=RecordIdentity,
        save_config_kwargs={"save_to_log_dir": False},
        trainer_defaults={
            "use_distributed_sampler": False,  # the data module plans the batches of every process
            "gradient_clip_val": 10.0,
            "num_sanity_val_steps": 0,
            "logger": {"class_path": "hemenet_lab.tracking.Tracker"},
            "callbacks": [
                SharedRunningStatistics(),
                RunRecord(),
                Throughput(),
                NonFiniteGuard(),
                Preemption(),
                ResultsTable(),
                PredictionTable(),
            ],
        },
        seed_everything_default=0,
        parser_class=SuiteArgumentParser,
        auto_configure_optimizers=False,
        args=list(args) if args is not None else None,
    )


def hemenet(args: Sequence[str] | None = None) -> int:
    """Entry point of the `hemenet` command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="hemenet", description="Tools of hemenet-lab")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (data, encoders, predict, benchmark):
        command.add_parser(commands)
    parser.set_defaults(config_reader=config_reader)
    parsed = parser.parse_args(args)
    try:
        return int(parsed.run(parsed))
    except (ValueError, OSError) as error:
        print(f"hemenet: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    lightning()
