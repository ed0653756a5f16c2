"""LightningCLI with this project's module, data, record and checkpoints.

All that is used of LightningCLI's private names stands here (`USED`), and `check_library` says when
a new version of it no longer has them.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jsonargparse import set_parsing_settings
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info

from hemenet_lab.cli.checkpoint_path import (
    FOLDER,
    OPTION,
    PRETRAIN,
    RUNS,
    SUBCOMMANDS,
    TRUST,
    check_checkpoint,
    checkpoint_defaults,
    option,
    resolved_path,
    runs_folder,
    start_from,
    with_option,
)
from hemenet_lab.cli.config_file import IncludingConfigFile, config_notes
from hemenet_lab.cli.jsonargparse_adapter import SuiteArgumentParser, present_word
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import DoesNotFit, MultiTaskModule
from hemenet_lab.prediction import PredictionTable, check_register, register_fit
from hemenet_lab.pretraining import MaskedResidues, PretrainingDataModule
from hemenet_lab.saved import load_encoders
from hemenet_lab.tracking import NoRecord, RecordIdentity, plain_config
from hemenet_lab.training import (
    EXIT_STATUS,
    AtomicCheckpointIO,
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
    join_run,
    prepare_trainer,
    without_noise,
)

CLI = TypeVar("CLI", bound="SuiteCLI")
USED = ("_get", "_parse_ckpt_path", "_parser", "_run_subcommand", "_set_seed")
"""Private methods of LightningCLI that are called or replaced here."""
SUBPARSERS = "_subcommand_parsers"
"""Its private attribute with the parser of each subcommand."""


class SuiteCLI(LightningCLI):
    """LightningCLI over `MultiTaskModule` and `ProteinMTDataModule`.

    A checkpoint given by ``--ckpt_path`` supplies the settings it was trained with; config files
    and the command line come on top of these.
    """

    module_class: type[LightningModule] = MultiTaskModule
    data_class: type[ProteinMTDataModule] = ProteinMTDataModule

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
        parser.add_argument(
            "--init_from",
            type=str | None,
            default=None,
            help="Checkpoint (a path, or a run) whose weights, where they fit, begin a fit.",
        )
        parser.add_argument(
            "--tracking.register",
            type=bool | str,
            default=False,
            help="Keep the best checkpoint in MLflow's registry after a fit; the name of the model,"
            " or true for one made of its encoder, readout and tasks.",
        )
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
            _refuse(error)
        return trainer

    def parse_arguments(self, parser: Any, args: Any) -> None:
        words = list(args) if isinstance(args, (list, tuple)) else sys.argv[1:]
        trust = TRUST in words
        words = [present_word(word) for word in words if word != TRUST]
        for note in config_notes(words):
            rank_zero_info(note)
        if "test" in self._subcommand_parsers:
            self._subcommand_parsers["test"].set_defaults({"verbose": False})  # ResultsTable prints
        try:
            words = self._with_checkpoint(words)
            defaults = checkpoint_defaults(words, self.module_class, self.data_class, trust=trust)
        except (ValueError, OSError) as error:
            _refuse(error)
        for subparser in self._subcommand_parsers.values():
            subparser.set_defaults(defaults)
        self.config = parser.parse_args(words)
        name = self.config.subcommand
        try:
            check_checkpoint(self.config[name], self._parser(name), trust)
        except ValueError as error:
            _refuse(error)

    def _with_checkpoint(self, words: list[str]) -> list[str]:
        """The words with the file that ``--ckpt_path`` means in its place.

        Raises:
            ValueError: It means none, or several.
        """
        value = option(words, OPTION)
        if value is None or Path(value).is_file() or {"-h", "--help"} & {*words}:
            return words
        asked = self._asked(with_option(words, OPTION, None))
        folder = Path(runs_folder(asked) if asked else option(words, FOLDER) or RUNS)
        path = resolved_path(value, folder, asked)
        rank_zero_info(f"{OPTION} {value}: {path}")
        return with_option(words, OPTION, str(path))

    def _asked(self, words: list[str]) -> dict[str, Any] | None:
        """Settings that the words ask for without a checkpoint; None if they are no whole command.

        What is wrong with them is said when they are read with the checkpoint.
        """
        quiet = io.StringIO()
        with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            try:
                config = self.parser.parse_args(words)
            except SystemExit:
                return None
        return plain_config(self._parser(config.subcommand), config[config.subcommand])

    def _parse_ckpt_path(self) -> None:
        """Nothing: the checkpoint's settings are defaults here, so that what is written wins."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run it; after Ctrl-C, say what was kept, and say in one line what cannot go on."""
        try:
            super()._run_subcommand(subcommand)
        except SystemExit as left:
            # a signal to end has been answered already
            if self.trainer.interrupted and left.code != EXIT_STATUS:
                rank_zero_info(_kept(self.trainer, subcommand))
            raise
        except (CannotWrite, DoesNotFit, FloatingPointError, NoRecord) as error:
            print(f"lightning: {error}", file=sys.stderr)
            raise SystemExit(1) from error

    def before_fit(self) -> None:
        """Continue the run of the checkpoint, or of the requeued job, that a fit starts from."""
        path = continue_run(self.trainer, self.config.fit.ckpt_path)
        self.config_init.fit.ckpt_path = path
        try:
            check_register(self.trainer, self.config.fit.tracking.register)
            start_from(self.model, plain_config(self._parser("fit"), self.config.fit), path)
        except ValueError as error:
            _refuse(error)

    def before_test(self) -> None:
        """Record what follows in the run of its checkpoint."""
        name = self.config.subcommand
        join_run(self.trainer, self.config[name].ckpt_path, name)

    before_predict = before_validate = before_test

    def after_fit(self) -> None:
        """Test the best checkpoint, so that every fit ends with the table of its results."""
        finish_run(self.trainer, self.model, self.datamodule)
        register_fit(self.trainer, self.config.fit.tracking.register)


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


def run_lightning(args: Sequence[str] | None = None) -> None:
    """Run a `lightning` command.

    Args:
        args: Its words; those of the shell if None.
    """
    words = sys.argv[1:] if args is None else [*args]
    if words[:1] == [PRETRAIN]:
        ChosenCLI.chosen = "fit"
        _start(PretrainCLI, ["fit", *words[1:]])
    elif words and words[0] in SUBCOMMANDS:
        ChosenCLI.chosen = words[0]
        _start(ChosenCLI, args)
    else:
        _start(SuiteCLI, args)


class ChosenCLI(SuiteCLI):
    """The same for one subcommand: the parsers of all four take three times as long to make.

    A class of the module, so that processes that a strategy spawns find it by its name.
    """

    chosen = SUBCOMMANDS[0]

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {ChosenCLI.chosen: SuiteCLI.subcommands()[ChosenCLI.chosen]}


class PretrainCLI(ChosenCLI):
    """``lightning pretrain``: a fit without labels, whose checkpoints ``--init_from`` takes."""

    module_class = MaskedResidues
    data_class = PretrainingDataModule

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.set_defaults({"checkpoint.monitor": "val/loss", "checkpoint.mode": "min"})

    def before_fit(self) -> None:
        if self.config.fit.tracking.register:
            _refuse("--tracking.register is for models that predict; a pretrained encoder does not")
        super().before_fit()


def config_reader() -> ConfigReader:
    """Make a reader of what `lightning` commands ask for."""
    return _start(ConfigReader, ["fit", "--model.encoder=HeMeNet"])


def check_library() -> str:
    """List what a new version of Lightning has changed that this module builds on.

    Used by a test, so that an update is refused with a sentence and not by a wrong run.
    """
    missing = [name for name in USED if not callable(getattr(LightningCLI, name, None))]
    if SUBPARSERS not in inspect.getsource(LightningCLI):
        missing.append(SUBPARSERS)
    if not missing:
        return ""
    return (
        f"LightningCLI has no {', '.join(missing)} any more; hemenet_lab/cli/lightning_adapter.py "
        "uses them to give a checkpoint's settings as defaults and to read configs"
    )


def _refuse(error: object) -> NoReturn:
    print(f"lightning: {error}", file=sys.stderr)
    raise SystemExit(2)


def _kept(trainer: Trainer, subcommand: str) -> str:
    """One line on what an interrupted command leaves."""
    last = getattr(trainer.checkpoint_callback, "last_model_path", "")
    if subcommand != "fit":
        return f"Interrupted; `{subcommand}` keeps nothing, run it again."
    if not last:
        return "Interrupted before the first checkpoint; nothing was kept."
    return f"Interrupted; kept: {last}. Go on with the same command and {OPTION} {last}"


def _start(cli: type[CLI], args: Sequence[str] | None) -> CLI:
    without_noise()
    # a value that looks like an address would be fetched and read as a config
    set_parsing_settings(config_read_mode_fsspec_enabled=False, config_read_mode_urls_enabled=False)
    load_encoders()
    return cli(
        cli.module_class,
        cli.data_class,
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
