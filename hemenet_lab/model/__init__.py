"""The multi-task model: readouts, heads, losses, evaluation and the LightningModule."""

from hemenet_lab.model.evaluation import TaskEvaluation
from hemenet_lab.model.module import TASKS_KEY, MultiTaskModule
from hemenet_lab.model.origin import training_data_note
from hemenet_lab.model.readout import Mean, Readout, Sum, TaskAware, Weighted
from hemenet_lab.model.schedule import WarmUp, WarmupCosine

__all__ = [
    "TASKS_KEY",
    "Mean",
    "MultiTaskModule",
    "Readout",
    "Sum",
    "TaskAware",
    "TaskEvaluation",
    "WarmUp",
    "WarmupCosine",
    "Weighted",
    "training_data_note",
]
