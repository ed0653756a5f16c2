"""Predictions for one's own structures, and how far to trust them."""

from hemenet_lab.prediction.complexes import (
    ReadComplex,
    entry_from_files,
    read_complexes,
    structure_files,
)
from hemenet_lab.prediction.named import (
    Prediction,
    load_module,
    named_predictions,
    predict_entries,
    write_csv,
)
from hemenet_lab.prediction.predictor import Predictor
from hemenet_lab.prediction.result import COLUMNS, Estimate, Result, Row
from hemenet_lab.prediction.serving import check_register, register_fit
from hemenet_lab.prediction.stream import Complex, Failure
from hemenet_lab.prediction.table import PredictionTable

__all__ = [
    "COLUMNS",
    "Complex",
    "Estimate",
    "Failure",
    "Prediction",
    "PredictionTable",
    "Predictor",
    "ReadComplex",
    "Result",
    "Row",
    "check_register",
    "entry_from_files",
    "load_module",
    "named_predictions",
    "predict_entries",
    "read_complexes",
    "register_fit",
    "structure_files",
    "write_csv",
]
