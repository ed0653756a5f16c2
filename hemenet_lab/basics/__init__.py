"""Basics that any stage may use."""

from hemenet_lab.basics.cluster import run_on_cluster
from hemenet_lab.basics.csv_files import csv_cell, plain_cell, write_csv
from hemenet_lab.basics.files import are_recorded, file_digest, put_file, record_files
from hemenet_lab.basics.former_names import former_paths, install, present_name, present_names
from hemenet_lab.basics.machine import keep_freed_memory, usable_cores
from hemenet_lab.basics.messages import first_line
from hemenet_lab.basics.recipes import (
    all_recipes,
    copy_recipes,
    included_path,
    recipe_note,
    recipe_path,
    recipes_folder,
)

__all__ = [
    "all_recipes",
    "are_recorded",
    "copy_recipes",
    "csv_cell",
    "file_digest",
    "first_line",
    "former_paths",
    "included_path",
    "install",
    "keep_freed_memory",
    "plain_cell",
    "present_name",
    "present_names",
    "put_file",
    "recipe_note",
    "recipe_path",
    "recipes_folder",
    "record_files",
    "run_on_cluster",
    "usable_cores",
    "write_csv",
]
