"""How far predictions can be trusted: what validation data say of a model's numbers.

`calibrate` measures it for the weights of one checkpoint, which keeps it under `CALIBRATION_KEY`;
`read_calibration` gives it back.
"""

from hemenet_lab.calibration.measure import (
    CALIBRATION_KEY,
    Calibration,
    calibrate,
    read_calibration,
)
from hemenet_lab.calibration.tasks import (
    TermCalibration,
    ValueCalibration,
    expected_error,
    fit_terms,
    fit_values,
    reliability,
)
from hemenet_lab.calibration.training_set import FAR, TrainingSet

__all__ = [
    "CALIBRATION_KEY",
    "FAR",
    "Calibration",
    "TermCalibration",
    "TrainingSet",
    "ValueCalibration",
    "calibrate",
    "expected_error",
    "fit_terms",
    "fit_values",
    "read_calibration",
    "reliability",
]
