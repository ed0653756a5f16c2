"""Preemption: a run whose machine is taken away saves, says so, and is taken up again."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.model_helpers import is_overridden

from hemenet_lab.saved import read_checkpoint
from hemenet_lab.tracking import tracker_of
from hemenet_lab.training.calibrate import keep_calibration
from hemenet_lab.training.files import write_whole
from hemenet_lab.training.loops import spawns
from hemenet_lab.training.record import (
    RUN_KEY,
    RUNS,
    run_folder,
    set_run_folder,
)

EXIT_STATUS = 143
"""128 + SIGTERM: what a shell calls a process that was asked to end."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""The last is submitit's, which reaches all processes of its job and puts the job back itself."""
INTERRUPTED_TAG = "interrupted"


class Preemption(Callback):
    """Ends a run at SIGTERM, SIGUSR1 or SIGUSR2, at the next place that it can be resumed from.

    `RunCheckpoint` asks after each optimizer step and each batch of a validation, writes
    ``last.ckpt`` in the run's own folder and lets this leave with status 143. At SIGUSR1 under
    SLURM the job is put back into the queue; it then goes on by itself (`continue_run`).
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._training = False
        self._former: dict[int, Any] = {}

    # --- signals --------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._listen(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        tracker = tracker_of(trainer)
        if tracker is not None and trainer.ckpt_path:
            tracker.set_tags({INTERRUPTED_TAG: "false"})
        mark = _mark(trainer)
        if mark is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            run_id = None if tracker is None else tracker.run_id
            content = {"folder": str(run_folder(trainer)), RUN_KEY: run_id}
            write_whole(mark, json.dumps(content).encode())

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = True
        self._listen(trainer)  # Lightning has put its own handlers in front meanwhile

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = False

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._listen(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._listen(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._training = False
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._former = {}

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._training = False

    def _listen(self, trainer: Trainer) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets the main thread only decide about signals
        for number in SIGNALS:
            former = signal.signal(number, self._handler(trainer))
            self._former.setdefault(number, former)

    def _handler(self, trainer: Trainer) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._received is not None:
                return  # a second one, while the first is being obeyed
            self._received = number
            kill = getattr(trainer.strategy.launcher, "kill", None)
            if kill is not None:
                with suppress(OSError):
                    kill(number)  # processes that this one has started
            if not self._training:
                self._say(trainer, "nothing was to be saved")
                raise SystemExit(_status(trainer))

        return handle

    # --- leaving --------------------------------------------------------------------------------

    def asked(self, trainer: Trainer) -> bool:
        """Check that any process was asked to end; all processes call it at the same places."""
        mine = self._received is not None
        if trainer.world_size == 1:
            return mine
        return trainer.strategy.reduce_boolean_decision(mine, all=False)

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if not trainer.checkpoint_callbacks and self.asked(trainer):
            self.leave(trainer, None)

    def leave(self, trainer: Trainer, checkpoint: Path | None) -> None:
        """End the process; the run's record says that it was interrupted.

        Raises:
            SystemExit: Always; with status 143, or 0 in a process that Lightning's launcher began,
                which else would kill rank 0 at once.
        """
        number = self._received or signal.SIGTERM
        if checkpoint is None:
            self._say(trainer, "this run keeps no checkpoints, so nothing was saved")
        else:
            words = shlex.join(_without_checkpoint(sys.argv[1:]))
            self._say(
                trainer,
                f"saved {checkpoint}; go on with: lightning {words} --ckpt_path {checkpoint}",
            )
        tracker = tracker_of(trainer)
        if tracker is not None and trainer.is_global_zero:
            tracker.set_tags({INTERRUPTED_TAG: "true"})
        trainer.strategy.barrier("interrupted")
        if number == signal.SIGUSR1 and trainer.is_global_zero:
            _requeue()
        raise SystemExit(_status(trainer))

    def _say(self, trainer: Trainer, text: str) -> None:
        if trainer.is_global_zero:
            name = signal.Signals(self._received or signal.SIGTERM).name
            where = f" in epoch {trainer.current_epoch}" if self._training else ""
            print(f"interrupted by {name}{where}: {text}", file=sys.stderr, flush=True)


def preemption_of(trainer: Trainer) -> Preemption | None:
    """The trainer's `Preemption`, if it has one."""
    found = (one for one in trainer.callbacks if isinstance(one, Preemption))  # type: ignore[attr-defined]
    return next(found, None)


def _status(trainer: Trainer) -> int:
    outside = {"TORCHELASTIC_RUN_ID", "SLURM_PROCID"} & {*os.environ}
    return EXIT_STATUS if trainer.is_global_zero or outside else 0


def _without_checkpoint(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not skip and word != "--ckpt_path" and not word.startswith("--ckpt_path="):
            kept.append(word)
        skip = word == "--ckpt_path"
    return kept


# --- SLURM ------------------------------------------------------------------------------------


def continue_run(trainer: Trainer, ckpt_path: str | None) -> str | None:
    """Let a fit go on in the run that its checkpoint, or its requeued SLURM job, belongs to.

    Args:
        trainer: About to fit.
        ckpt_path: The checkpoint that was asked for.

    Returns:
        The checkpoint to start from: that one, or the job's own last one.
    """
    folder, run_id = None, None
    mark = _mark(trainer)
    if ckpt_path and Path(ckpt_path).is_file():
        run_id = read_checkpoint(ckpt_path).get(RUN_KEY)
        place = Path(ckpt_path).resolve().parent
        folder = place.parent if place.name == "checkpoints" else None
    elif mark is not None and mark.is_file() and int(os.environ.get("SLURM_RESTART_COUNT", 0)):
        record = json.loads(mark.read_text("utf-8"))
        folder, run_id = Path(record["folder"]), record[RUN_KEY]
        last = folder / "checkpoints" / "last.ckpt"
        ckpt_path = str(last) if last.is_file() else None
        rank_zero_info(f"The requeued job goes on in {folder}, from {ckpt_path or 'the start'}")
    tracker = tracker_of(trainer)
    if tracker is not None:
        if run_id and trainer.is_global_zero:
            tracker.resume(run_id)
    elif folder is not None:
        set_run_folder(trainer, folder)
    if spawns(trainer):
        run_folder(trainer)  # chosen here, since each of fit and test has processes of its own
    return ckpt_path


def join_run(trainer: Trainer, ckpt_path: str | None, stage: str) -> None:
    """Let a test, validation or prediction be recorded in the run of its checkpoint.

    Args:
        trainer: About to begin.
        ckpt_path: The checkpoint; without one, the run that MLFLOW_RUN_ID names is meant.
        stage: ``test``, ``validate`` or ``predict``.
    """
    tracker = tracker_of(trainer)
    if tracker is None or not trainer.is_global_zero:
        return
    run_id = str(tracker.run_id) if tracker.resumed else None
    if ckpt_path and Path(ckpt_path).is_file():
        run_id = read_checkpoint(ckpt_path).get(RUN_KEY) or run_id
    if run_id:
        tracker.join(run_id, stage)


def finish_run(trainer: Trainer, model: LightningModule, data: LightningDataModule) -> None:
    """Calibrate and test the best weights, so that every fit ends with the table of its results.

    Those are the best checkpoint's, or the last ones if the run has kept none. A module without a
    test of its own (one that is pretrained) is not tested.
    """
    if trainer.interrupted or trainer.state.fn != TrainerFn.FITTING:
        return
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if best and not Path(best).is_file():
        rank_zero_info(f"{best} was removed; the weights of the end are tested")
        best = ""
    if best and trainer.is_global_zero:
        keep_calibration(trainer, model, data, Path(best))
    tested = is_overridden("test_step", model)
    if tested and (best or not trainer.fast_dev_run):  # type: ignore[attr-defined]
        trainer.test(model, datamodule=data, ckpt_path=best or None, verbose=False)
    mark = _mark(trainer)
    if mark is not None and trainer.is_global_zero:
        mark.unlink(missing_ok=True)


def _job() -> str | None:
    """Name of this SLURM job; None outside one, or in an interactive one."""
    if not SLURMEnvironment.detect():
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def _mark(trainer: Trainer) -> Path | None:
    """File that tells a requeued job which run it had begun with this command; None without one."""
    job = _job()
    if job is None:
        return None
    tracker = tracker_of(trainer)
    root = Path(trainer.default_root_dir).resolve() / RUNS if tracker is None else tracker.folder
    command = json.dumps([os.getcwd(), *sys.argv[1:]])
    cluster = os.environ.get("SLURM_CLUSTER_NAME", "slurm")
    name = f"{cluster}-{job}-{hashlib.sha256(command.encode()).hexdigest()[:12]}.json"
    return root / "requeued" / name


def _requeue() -> None:
    """Put this SLURM job back into the queue; say so if that fails."""
    job = _job()
    if job is None:
        return
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"job {job} could not be put back into the queue ({error})", file=sys.stderr)
    else:
        print(f"job {job} is back in the queue", file=sys.stderr, flush=True)
