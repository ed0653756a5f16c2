"""Predictions for single structures."""

from hemenet_lab.prediction.predictor import (
    Prediction,
    entry_from_files,
    load_module,
    named_predictions,
    predict_entries,
    write_csv,
)

__all__ = [
    "Prediction",
    "entry_from_files",
    "load_module",
    "named_predictions",
    "predict_entries",
    "write_csv",
]
