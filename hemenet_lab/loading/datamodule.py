"""ProteinMTDataModule: a store as Lightning wants it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from hemenet_lab.graphs import EdgeCache, GraphView, ProteinGraph
from hemenet_lab.loading.label_share import hidden_labels, share_lines
from hemenet_lab.loading.loader import GraphDataset, GraphLoader, Plan, Prepare, TrainLoader
from hemenet_lab.loading.packing import Items, Limits
from hemenet_lab.loading.plan import FirstEpochOnly, TrainingPlan, evaluation_batches
from hemenet_lab.store import SPLIT_NAMES, Store, store_folder
from hemenet_lab.tasks import Task, select_tasks


def label_means(store: Store, task: Task, chosen: NDArray[np.bool_]) -> Tensor | None:
    """Mean label over the labelled items of some entries.

    Args:
        store: The entries.
        task: One of the store's tasks.
        chosen: [n], entries that count.

    Returns:
        float32 [outputs]: the mean value of a regression task, the frequency of each term of a
        multi-label task (over labelled chains); None where no item is labelled.
    """
    column = [known.name for known in store.tasks].index(task.name)
    if task.kind == "regression":
        rows = (store.array("value_task") == column) & chosen[_entry_of(store, "value")]
        values = store.array("value")[rows]
        return torch.tensor([values.mean()], dtype=torch.float32) if len(values) else None
    rows = (store.array("term_row_task") == column) & chosen[_entry_of(store, "term_row")]
    if not rows.any():
        return None
    length = np.diff(store.array("term_row_end"), prepend=0)
    terms = store.array("term")[np.repeat(rows, length)]
    counts = np.bincount(terms, minlength=task.num_outputs)
    return torch.from_numpy((counts / rows.sum()).astype(np.float32))


def _entry_of(store: Store, level: str) -> NDArray[np.int64]:
    """Entry of each row of a level."""
    return np.repeat(np.arange(len(store)), np.diff(store.array(f"{level}_offset")))


def print_summary(store: Store, split: str, tasks: tuple[Task, ...]) -> None:
    """Prints labelled items per task and part of the split, and what is not used."""
    synthetic = " (SYNTHETIC demo data)" if store.manifest.get("synthetic") else ""
    title = f"Labelled items{synthetic}"
    table = Table(title=title, min_width=len(title) + 2)  # else a narrow table wraps it
    table.add_column("task")
    parts = SPLIT_NAMES[:3]
    for part in parts:
        table.add_column(part, justify="right")
    counts = store.counts(split)
    for task in tasks:
        table.add_row(task.name, *(str(counts[part][task.name]) for part in parts))
    entries = [int((store.split(split) == code).sum()) for code in range(len(parts))]
    table.add_section()
    table.add_row("entries", *map(str, entries))
    console = Console()
    console.print(table)
    place = f"Store: {store.path} (hash {store.hash[:12]}, split {split})"
    for line in (place, _left_out(store, split, tasks)):
        console.print(line, highlight=False, soft_wrap=True)


def _left_out(store: Store, split: str, tasks: tuple[Task, ...]) -> str:
    """One line on entries that no loader will give, and on what the build left out."""
    codes = store.split(split)
    columns = [index for index, task in enumerate(store.tasks) if task in tasks]
    used = codes < SPLIT_NAMES.index("unused")
    unlabelled = used & ~store.labelled[:, columns].any(axis=1)
    text = (
        f"Not used: {int((~used).sum())} entries outside the split, "
        f"{int(unlabelled.sum())} without a label of these tasks"
    )
    dropped = sum((store.manifest.get("drops", {}).get("entry") or {}).values())
    return f"{text}; {dropped} left out when the store was built (drops.csv)" if dropped else text


class ProteinMTDataModule(LightningDataModule):
    """Batches of a store's structures, in the view that the model's encoder asks for.

    Training uses the entries of the training split with a label of at least one of the tasks; see
    `hemenet_lab.loading.plan.TrainingPlan` for how they make batches. Validation and test hold
    every labelled entry of their split once. Loaders share the batches between processes
    themselves, with the same number for each.

    Args:
        root: Folder of a store made by ``hemenet data build``, or the name of an installed one:
            ``demo`` is the embedded synthetic data set.
        tasks: Names of the tasks to load labels of; those that the model learns if None.
        split: Name of one of the store's splits.
        view: Kind of graph; that of the model's encoder if None.
        batch_graphs: Most structures per batch and process: the global batch is this times the
            number of processes (published: 8 per GPU).
        max_atoms_per_batch: Most heavy atoms per batch and process.
        max_edges_per_batch: Most edges per batch and process.
        balanced: Every training batch has a labelled item of every task that has any.
        num_workers: Processes that load ahead, per process and loader.
        pin_memory: Faster copies to a GPU; where one is used if None.
        label_share: Share (0 to 1) of the labelled training entries that keep their labels, by
            task name; what a smaller share keeps, a larger one keeps as well. All if not named.
        seed: Base of the order of batches, and of the choice by ``label_share``.

    Raises:
        ValueError: No store at ``root``, a task or split that it does not have, a share outside 0
            to 1, or a view other than the encoder's (all in `setup`).
    """

    def __init__(
        self,
        root: str = "demo",
        tasks: list[str] | None = None,
        split: str = "default",
        view: GraphView | None = None,
        batch_graphs: int = 8,
        max_atoms_per_batch: int = 60_000,
        max_edges_per_batch: int = 2_000_000,
        balanced: bool = True,
        num_workers: int = 0,
        pin_memory: bool | None = None,
        label_share: dict[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        root = str(root)
        self.save_hyperparameters(logger=False, ignore=["view"])
        self.root = root
        self.task_names = tasks
        self.split_name = split
        self.limits = Limits(batch_graphs, max_atoms_per_batch, max_edges_per_batch)
        self.balanced = balanced
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.label_share = label_share or {}
        self.seed = seed
        self._given_view = view
        self._store: Store | None = None
        self._dataset: GraphDataset | None = None

    # --- what there is --------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store; opened on first use."""
        if self._store is None:
            self._store = Store(store_folder(self.root))
        return self._store

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The selected tasks, those without a label in this store included."""
        names = self.task_names or getattr(self._module(), "task_names", None)
        return select_tasks(self.store.tasks, names)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Labelled items (complexes or chains) by part of the split and selected task."""
        names = [task.name for task in self.tasks]
        return {
            part: {name: counts[name] for name in names}
            for part, counts in self.store.counts(self.split_name).items()
        }

    @property
    def view(self) -> GraphView:
        """The encoder's view, or the one given, or the default one."""
        wanted = getattr(getattr(self._module(), "encoder", None), "view", None)
        if wanted is not None and self._given_view not in (None, wanted):
            raise ValueError(
                f"the encoder asks for {wanted}, the data are set to {self._given_view}; "
                "leave data.view out, or change the encoder's view"
            )
        return wanted or self._given_view or GraphView()

    def constant_predictor(self, task: Task) -> Tensor | None:
        """Prediction of the best predictor that sees no input, [outputs] (see `label_means`)."""
        column = [known.name for known in self.store.tasks].index(task.name)
        seen = (self.store.split(self.split_name) == 0) & ~self.hidden[:, column]
        return label_means(self.store, task, seen)

    def label_scales(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the training labels of each regression task.

        They are those of the logarithms where the task's transform is ``log``.
        The deviation is 1 where there are fewer than 2 labels or all are equal; a task without any
        is left out.
        """
        found = {}
        seen = self.store.split(self.split_name) == 0
        for column, task in enumerate(self.store.tasks):
            if task.kind == "regression" and task in self.tasks:
                rows = (seen & ~self.hidden[:, column])[_entry_of(self.store, "value")]
                values = self.store.array("value")[
                    rows & (self.store.array("value_task") == column)
                ]
                if task.transform == "log":
                    values = np.log(values)
                if len(values):
                    found[task.name] = float(values.mean()), float(values.std()) or 1.0
        return found

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """[n, T], labels of training entries that ``label_share`` leaves out."""
        split = self.store.split(self.split_name)
        return hidden_labels(self.store, split, self.label_share, self.seed)

    # --- Lightning's hooks ----------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Makes the data that a name such as ``demo`` stands for, if they are not there yet."""
        store_folder(self.root)

    def setup(self, stage: str | None = None) -> None:
        """Opens the store and computes the edges of the view if they are not there yet."""
        tasks, view = self.tasks, self.view
        self.store.split(self.split_name)
        node_input = getattr(self._module(), "node_input", None)
        embeddings = node_input and node_input.stored(self.store, self.root)
        if self._dataset is None:
            rank_zero_only(self._print_summary)()
        known = self._dataset
        if (
            known is None
            or (known.tasks, known.edges.view) != (tasks, view)
            or getattr(known.embeddings, "path", None) != getattr(embeddings, "path", None)
        ):
            edges = EdgeCache(self.store, view)
            self._dataset = GraphDataset(self.store, edges, tasks, self.hidden, embeddings)
        if isinstance(module := self._module(), LightningModule):
            # callbacks may copy the module in their own `setup`, which comes next
            module.configure_model()

    def train_dataloader(self) -> TrainLoader:
        """Batches of the training split, planned for each epoch."""
        items = self._items("train")
        if not len(items):
            names = [task.name for task in self.tasks]
            raise ValueError(
                f"split {self.split_name!r} of {self.store.path} has no training entry with a "
                f"label of {names}; it has {self.counts['train']}: choose other tasks or another "
                f"split ({', '.join(self.store.split_names)})"
            )
        rank, world_size = self._rank()
        return TrainLoader(
            self.dataset,
            self._plan(items, world_size),
            rank,
            world_size,
            self.num_workers,
            self._pinned(),
            self._prepare(),
        )

    def val_dataloader(self) -> GraphLoader | list[GraphLoader]:
        """Every labelled validation entry once."""
        return self._evaluation_loader(self._items("val"))

    def test_dataloader(self) -> GraphLoader | list[GraphLoader]:
        """Every labelled test entry once."""
        return self._evaluation_loader(self._items("test"))

    def predict_dataloader(self) -> GraphLoader | list[GraphLoader]:
        """Every test entry, labelled or not."""
        return self._evaluation_loader(self._items("test", labelled_only=False))

    def transfer_batch_to_device(
        self, batch: ProteinGraph, device: torch.device, dataloader_idx: int
    ) -> ProteinGraph:
        """The batch on the device; copies from pinned memory to a GPU overlap with other work."""
        return batch.to(device, non_blocking=device.type == "cuda")

    @property
    def dataset(self) -> GraphDataset:
        """Graphs of all entries of the store."""
        if self._dataset is None:
            self.setup()
        assert self._dataset is not None
        return self._dataset

    # --- details --------------------------------------------------------------------------------

    def _plan(self, items: Items, world_size: int) -> Plan:
        plan = TrainingPlan(items, self.limits, self.seed, world_size, self.balanced)
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        return FirstEpochOnly(plan) if overfit else plan

    def _evaluation_loader(self, items: Items) -> GraphLoader | list[GraphLoader]:
        if not len(items):
            return []  # no loader at all: Lightning refuses empty ones with several processes
        rank, world_size = self._rank()
        batches = evaluation_batches(items, self.limits, world_size)[rank::world_size]
        return GraphLoader(self.dataset, batches, self.num_workers, self._pinned(), self._prepare())

    def _items(self, part: str, labelled_only: bool = True) -> Items:
        store, tasks = self.store, self.tasks
        columns = [column for column, task in enumerate(store.tasks) if task in tasks]
        labelled: NDArray[np.bool_] = (store.labelled & ~self.hidden)[:, columns]
        chosen = store.split(self.split_name) == SPLIT_NAMES.index(part)
        if labelled_only:
            chosen = chosen & labelled.any(axis=1)
        index = np.flatnonzero(chosen)
        return Items(
            index=index,
            names=tuple(store.ids[entry] for entry in index.tolist()),
            atoms=store.num_atoms[index],
            edges=self.dataset.edges.num_edges[index],
            labelled=labelled[index],
            tasks=tasks,
        )

    def _print_summary(self) -> None:
        print_summary(self.store, self.split_name, self.tasks)
        split = self.store.split(self.split_name)
        for line in share_lines(self.store, split, self.hidden, self.label_share):
            print(line)

    def _module(self) -> object:
        return getattr(self.trainer, "lightning_module", None)

    def _prepare(self) -> Prepare | None:
        """Work that the encoder does once for each batch, if it has something of that kind."""
        preparation = getattr(getattr(self._module(), "encoder", None), "preparation", None)
        return None if preparation is None else preparation.store

    def _pinned(self) -> bool:
        """Use pinned memory; it costs time unless a GPU is used."""
        if self.pin_memory is not None:
            return self.pin_memory
        strategy = getattr(self.trainer, "strategy", None)
        return strategy is not None and strategy.root_device.type == "cuda"

    def _rank(self) -> tuple[int, int]:
        """Number of this process and of all processes."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
