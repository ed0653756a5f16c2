"""Basics that any stage may use."""

from hemenet_lab.basics.csv_files import csv_cell, plain_cell, write_csv
from hemenet_lab.basics.former_names import former_paths, install, present_name, present_names
from hemenet_lab.basics.machine import usable_cores

__all__ = [
    "csv_cell",
    "former_paths",
    "install",
    "plain_cell",
    "present_name",
    "present_names",
    "usable_cores",
    "write_csv",
]
