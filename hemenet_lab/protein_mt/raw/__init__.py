"""Raw folders: what lies where, and structures read item by item."""

from hemenet_lab.protein_mt.raw.dates import read_dates, year_of
from hemenet_lab.protein_mt.raw.drops import (
    DROPS_FILE,
    DropRow,
    count_reasons,
    csv_text,
    drops_text,
)
from hemenet_lab.protein_mt.raw.entry import ReadResult, read_sources
from hemenet_lab.protein_mt.raw.fingerprint import BITS
from hemenet_lab.protein_mt.raw.further import FurtherFiles, find_further
from hemenet_lab.protein_mt.raw.layout import (
    RawFolder,
    Source,
    find_raw,
    split_chain_name,
    write_chain_list,
)
from hemenet_lab.protein_mt.raw.text import Problem, read_lines

__all__ = [
    "BITS",
    "DROPS_FILE",
    "DropRow",
    "FurtherFiles",
    "Problem",
    "RawFolder",
    "ReadResult",
    "Source",
    "count_reasons",
    "csv_text",
    "drops_text",
    "find_further",
    "find_raw",
    "read_dates",
    "read_lines",
    "read_sources",
    "split_chain_name",
    "write_chain_list",
    "year_of",
]
