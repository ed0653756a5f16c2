"""The multi-task model: readouts, heads, losses, evaluation and the LightningModule."""

from hemenet_lab.model.checkpoint_notes import (
    SYNTHETIC_DATA,
    TRAINED_ON_KEY,
    note_of_data,
    plain_settings,
    training_data_note,
)
from hemenet_lab.model.entry_graphs import entry_graphs
from hemenet_lab.model.evaluation import TaskEvaluation
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.model.readout import (
    Counting,
    Mean,
    Readout,
    StatisticsPooling,
    Sum,
    TaskAware,
    Weighted,
)
from hemenet_lab.model.schedule import WarmUp, WarmupCosine, optimizers, require_steps
from hemenet_lab.model.starting import TASKS_KEY, DoesNotFit, take_weights

__all__ = [
    "SYNTHETIC_DATA",
    "TASKS_KEY",
    "TRAINED_ON_KEY",
    "Counting",
    "DoesNotFit",
    "Mean",
    "MultiTaskModule",
    "Readout",
    "StatisticsPooling",
    "Sum",
    "TaskAware",
    "TaskEvaluation",
    "WarmUp",
    "WarmupCosine",
    "Weighted",
    "entry_graphs",
    "note_of_data",
    "optimizers",
    "plain_settings",
    "require_steps",
    "take_weights",
    "training_data_note",
]
