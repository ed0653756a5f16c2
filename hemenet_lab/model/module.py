"""MultiTaskModule: an encoder, a readout per level and a head per task, trained together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable, ReduceLROnPlateau
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from hemenet_lab.encoders import Encoder, NodeInput
from hemenet_lab.graphs import ProteinGraph, count_chains, count_graphs, node_batch, row_items
from hemenet_lab.metrics import MeanLoss
from hemenet_lab.model.checkpoint_notes import (
    TRAINED_ON_KEY,
    check_node_input,
    note_node_input,
    note_of_data,
    plain_settings,
)
from hemenet_lab.model.evaluation import TaskEvaluation
from hemenet_lab.model.finetuning import Finetuning, parameter_groups
from hemenet_lab.model.heads import Head, head_scales, set_scales, start_heads
from hemenet_lab.model.losses import (
    default_loss_weights,
    gathered_losses,
    masked_loss,
    restore_losses,
)
from hemenet_lab.model.readout import Readout, TaskAware
from hemenet_lab.model.schedule import optimizers, require_steps
from hemenet_lab.model.starting import (
    SCALES_KEY,
    TASKS_KEY,
    own_random_numbers,
    take_weights,
)
from hemenet_lab.tasks import Task, require_same_tasks, select_tasks

STAGES = ("val", "test")
TRAIN_LOSSES_KEY = "train_losses"
"""Where it keeps the mean training losses of an epoch under way."""


class MultiTaskModule(LightningModule):
    """Wires encoder → readout → heads for the tasks that the data (or a checkpoint) name.

    Logged: ``train/loss``, ``train/<task>/loss``, ``train/lr``; per stage ``<stage>/loss``,
    ``<stage>/score``, ``<stage>/<task>/<metric>`` and ``<stage>/<task>/n``, the number of labelled
    items. A task without labelled items has n = 0 and no metrics. ``score`` is the mean over tasks
    of the skill relative to the constant predictor (`hemenet_lab.model.evaluation`), so that no
    task dominates.

    Args:
        encoder: Node features; it also says which graph view it needs.
        readout: Turns node features into one vector per task and group; made once for the
            complex-level tasks and once for the chain-level tasks.
        tasks: Names of the tasks to learn; all that the data have if None. One name gives
            single-task training.
        loss_weights: Weight of a task's loss, by task name or by kind (``regression``,
            ``multilabel``); 1 and 10 as published unless given.
        head_dropout: Dropout in the heads.
        start_from_statistics: Start each head at the training mean or term frequencies.
        standardise: Learn affinities in units of their standard deviation over the training labels,
            so that no task's loss outweighs the others by its unit. Predictions stay in the task's
            unit; mean and deviation go into the checkpoint. A task's own transform goes first.
        optimizer: Made from the parameters.
        lr_scheduler: Made from the optimizer; None for a constant rate. `OneCycleLR`, `CyclicLR`
            and `WarmUp` count optimizer steps, all others epochs.
        freeze: Parts that do not learn, such as ``[encoder]``, ``[encoder, readouts.chain]``.
        unfreeze_at_epoch: First epoch (from 0) in which they do.
        learning_rates: Rates other than the optimizer's, by part: ``{encoder: 1.0e-5}``.
        compile: Make one fast program of encoder, readouts and heads by `torch.compile`, for
            batches of all sizes; the first batches take a minute or two longer.
        node_input: Vectors in the place of node types, such as `ResidueEmbedding`; types if None.
    """

    readouts: nn.ModuleDict
    heads: nn.ModuleDict
    train_losses: nn.ModuleDict

    def __init__(
        self,
        encoder: Encoder,
        readout: Callable[[int, int], Readout] = TaskAware,
        tasks: list[str] | None = None,
        loss_weights: dict[str, float] | None = None,
        head_dropout: float = 0.0,
        start_from_statistics: bool = True,
        standardise: bool = False,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-4),
        lr_scheduler: LRSchedulerCallable | None = lambda optimizer: ReduceLROnPlateau(
            optimizer, monitor="val/loss", factor=0.75, patience=10
        ),
        freeze: list[str] | None = None,
        unfreeze_at_epoch: int | None = None,
        learning_rates: dict[str, float] | None = None,
        compile: bool = False,
        node_input: NodeInput | None = None,
    ) -> None:
        super().__init__()
        with plain_settings(self):
            self.save_hyperparameters(logger=False)
        self.encoder = encoder
        self.node_input = node_input
        if node_input is not None:
            node_input.attach(encoder)
        self.task_names = tasks
        self.start_from_statistics = start_from_statistics
        self.standardise = standardise
        self.tasks: tuple[Task, ...] = ()
        self.trained_on = ""
        self._make_readout = readout
        self._loss_weights = loss_weights or {}
        self._head_dropout = head_dropout
        self._compile = compile
        self._make_optimizer = optimizer
        self._make_scheduler = lr_scheduler
        self._finetuning = Finetuning(freeze, unfreeze_at_epoch) if freeze else None
        self._learning_rates = learning_rates or {}
        self._start: tuple[Mapping[str, Any], str] | None = None

    # --- construction ---------------------------------------------------------------------------

    def build(self, tasks: Sequence[Task]) -> None:
        """Make readouts, heads and metrics for ``tasks``; those without outputs are left out."""
        chosen = select_tasks(tasks, self.task_names)
        self.tasks = tuple(task for task in chosen if task.num_outputs > 0)
        if not self.tasks:
            raise ValueError(f"none of the tasks {[t.name for t in chosen]} has terms to predict")
        self.loss_weights = default_loss_weights(self.tasks, self._loss_weights)
        dim = self.encoder.out_dim
        self.readouts = nn.ModuleDict(
            {
                level: self._make_readout(dim, sum(task.level == level for task in self.tasks))
                for level in dict.fromkeys(task.level for task in self.tasks)
            }
        )
        self.heads = nn.ModuleDict(
            {task.name: Head(dim, task, dropout=self._head_dropout) for task in self.tasks}
        )
        self.train_losses = nn.ModuleDict({task.name: MeanLoss() for task in self.tasks})
        self.evaluations = nn.ModuleDict(
            {
                f"{stage}_{task.name}": TaskEvaluation(task, keep_rows=stage == "test")
                for stage in STAGES
                for task in self.tasks
            }
        )

    def evaluation(self, stage: str, task: str) -> TaskEvaluation:
        """Metrics of a task in a stage (``val`` or ``test``)."""
        return cast(TaskEvaluation, self.evaluations[f"{stage}_{task}"])

    def configure_model(self) -> None:
        """Make what the tasks of the data decide; safe to repeat, nothing without a data module.

        The data module calls this as soon as it knows its tasks, and so before callbacks that
        average weights copy the module; Lightning calls it again.
        """
        if self._trainer is None:
            return
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]  # present while running
        if self.tasks:
            require_same_tasks(self.tasks, select_tasks(datamodule.tasks, self.task_names))
        else:
            with own_random_numbers("readouts and heads"):
                self.build(datamodule.tasks)
            start_heads(self.heads, datamodule, self.standardise, self.start_from_statistics)
            if self._start is not None:
                for line in take_weights(self, self.tasks, *self._start).lines():
                    rank_zero_info(line)
                self._start = None
        for task in self.tasks:
            constant = datamodule.constant_predictor(task)
            for each in STAGES:
                self.evaluation(each, task.name).set_constant(constant)

    def start_from(self, content: Mapping[str, Any], source: str) -> None:
        """Begin with the weights of ``content`` that fit; ``source`` is its name in the report."""
        self._start = content, source

    def configure_callbacks(self) -> list[Callback]:
        return [self._finetuning] if self._finetuning else []

    def configure_optimizers(self) -> Any:
        optimizer = self._make_optimizer(parameter_groups(self, self._learning_rates))
        scheduler = self._make_scheduler(optimizer) if self._make_scheduler else None
        return optimizers(optimizer, scheduler, self.trainer)

    def on_train_start(self) -> None:
        require_steps(self.trainer)
        self.trained_on = note_of_data(self.trainer) or self.trained_on

    # --- computation ----------------------------------------------------------------------------

    def forward(self, graph: ProteinGraph) -> dict[str, Tensor]:
        """Raw outputs by task: [graphs, 1] or [chains, terms]; logits for multi-label tasks."""
        return _compiled()(self, graph) if self._compile else self._outputs(graph)

    def _outputs(self, graph: ProteinGraph) -> dict[str, Tensor]:
        features = self.encoder(graph)
        groups = {
            "complex": (features, node_batch(graph), count_graphs(graph)),
            "chain": (features[graph.polymer_node], graph.polymer_chain, count_chains(graph)),
        }
        outputs: dict[str, Tensor] = {}
        for level, readout in self.readouts.items():
            names = [task.name for task in self.tasks if task.level == level]
            for name, group_features in zip(names, readout(*groups[level]), strict=True):
                outputs[name] = self.heads[name](group_features)
        return outputs

    def losses(self, graph: ProteinGraph, outputs: dict[str, Tensor]) -> dict[str, tuple]:
        """By task: the mean loss over labelled rows (0 if there are none) and their number."""
        return {
            task.name: masked_loss(
                task,
                outputs[task.name],
                graph[f"y_{task.name}"],
                graph[f"mask_{task.name}"],
                cast(Head, self.heads[task.name]).scale,
            )
            for task in self.tasks
        }

    def training_step(self, batch: ProteinGraph, batch_idx: int) -> Tensor:
        losses = self.losses(batch, self(batch))
        total = torch.stack([self.loss_weights[name] * loss for name, (loss, _) in losses.items()])
        for name, (loss, count) in losses.items():
            cast(MeanLoss, self.train_losses[name]).update(loss, count)
        self.log("train/loss", total.sum().detach(), prog_bar=True, batch_size=count_graphs(batch))
        return total.sum()

    def _evaluation_step(self, batch: ProteinGraph, stage: str) -> None:
        outputs = self(batch)
        losses = self.losses(batch, outputs)
        for task in self.tasks:
            name = task.name
            labels = batch[f"y_{name}"], batch[f"mask_{name}"]
            items = row_items(batch, task.level)
            self.evaluation(stage, name).update(outputs[name], *labels, losses[name], items)

    def validation_step(self, batch: ProteinGraph, batch_idx: int) -> None:
        self._evaluation_step(batch, "val")

    def test_step(self, batch: ProteinGraph, batch_idx: int) -> None:
        self._evaluation_step(batch, "test")

    def predict_step(self, batch: ProteinGraph, batch_idx: int) -> dict[str, Any]:
        """Predictions of a batch: values in the task's unit, probabilities per term, and ids.

        ``counted`` [graphs] is False for copies that only fill up a process's batches.
        """
        outputs = self(batch)
        probabilities = {
            task.name: outputs[task.name].float().sigmoid()
            if task.kind == "multilabel"
            else outputs[task.name].float()
            for task in self.tasks
        }
        ids = {
            name: batch[name] for name in ("entry_id", "chain_names", "counted") if name in batch
        }
        return ids | probabilities

    # --- epoch ends -----------------------------------------------------------------------------

    def on_train_epoch_end(self) -> None:
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        for name, module in self.train_losses.items():
            mean = cast(MeanLoss, module)
            value = mean.compute()
            if not torch.isnan(value):  # NaN: no labelled item in the whole epoch
                self.log(f"train/{name}/loss", value)
            mean.reset()

    def _evaluation_end(self, stage: str) -> None:
        total: Tensor | float = 0.0
        skills: list[float] = []
        for task in self.tasks:
            evaluation = self.evaluation(stage, task.name)
            scores = evaluation.scores()
            self.log(f"{stage}/{task.name}/n", float(max(score.n for score in scores.values())))
            for metric, score in scores.items():
                if score.value is not None:
                    self.log(f"{stage}/{task.name}/{metric}", score.value)
            skill = evaluation.skill()
            if skill is not None:
                skills.append(skill)
                total = total + self.loss_weights[task.name] * evaluation.mean_loss()
        if not skills:
            raise ValueError(
                f"the {stage} split has no labelled item of {[task.name for task in self.tasks]}; "
                "choose other tasks, another split or another store (hemenet data inspect)"
            )
        self.log(f"{stage}/loss", total)
        self.log(f"{stage}/score", sum(skills) / len(skills), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self._evaluation_end("val")
        self._reset("val")

    def on_test_epoch_start(self) -> None:
        self._reset("test")

    def on_test_epoch_end(self) -> None:
        self._evaluation_end("test")

    def _reset(self, stage: str) -> None:
        for task in self.tasks:
            self.evaluation(stage, task.name).reset()

    # --- checkpoints ----------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[TASKS_KEY] = [task.to_dict() for task in self.tasks]
        checkpoint[TRAINED_ON_KEY] = self.trained_on
        checkpoint[SCALES_KEY] = head_scales(self.heads)
        note_node_input(checkpoint, self.node_input)
        if self.trainer.state.fn == TrainerFn.FITTING:
            checkpoint[TRAIN_LOSSES_KEY] = gathered_losses(self.train_losses, self.all_gather)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_node_input(checkpoint, self.node_input)
        self.trained_on = str(checkpoint.get(TRAINED_ON_KEY, ""))
        stored = tuple(Task.from_dict(record) for record in checkpoint[TASKS_KEY])
        if self.tasks:
            require_same_tasks(stored, self.tasks)
        else:
            self.build(stored)
        set_scales(self.heads, checkpoint.get(SCALES_KEY, {}))
        if self._trainer is not None and TRAIN_LOSSES_KEY in checkpoint:
            world, rank = self.trainer.world_size, self.trainer.global_rank
            restore_losses(self.train_losses, checkpoint[TRAIN_LOSSES_KEY], world, rank)


@cache
def _compiled() -> Callable[[MultiTaskModule, ProteinGraph], dict[str, Tensor]]:
    """`_outputs` compiled: as a function, so that keys of checkpoints stay, and copies work."""
    return torch.compile(MultiTaskModule._outputs, dynamic=True, fullgraph=True)
