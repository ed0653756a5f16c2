"""Predictions for single structures."""

from hemenet_lab.prediction.predictor import (
    Prediction,
    entry_from_files,
    load_module,
    named_predictions,
    predict_entries,
    read_complexes,
    write_csv,
)
from hemenet_lab.prediction.table import PredictionTable

__all__ = [
    "Prediction",
    "PredictionTable",
    "entry_from_files",
    "load_module",
    "named_predictions",
    "predict_entries",
    "read_complexes",
    "write_csv",
]
