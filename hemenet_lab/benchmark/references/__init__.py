"""References: what plain methods reach on a store, as rows beside the models of any table."""

from hemenet_lab.benchmark.references.beside import rows_beside, run_baselines
from hemenet_lab.benchmark.references.items import smiles_of
from hemenet_lab.benchmark.references.rows import (
    ReferenceRow,
    reference_predictions,
    reference_rows,
    rows_csv,
    rows_text,
)

__all__ = [
    "ReferenceRow",
    "reference_predictions",
    "reference_rows",
    "rows_beside",
    "rows_csv",
    "rows_text",
    "run_baselines",
    "smiles_of",
]
