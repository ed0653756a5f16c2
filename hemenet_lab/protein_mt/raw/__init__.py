"""Raw folders: what lies where, and structures read item by item."""

from hemenet_lab.protein_mt.raw.archive import Archive
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
from hemenet_lab.protein_mt.raw.ids import (
    chain_name,
    entry_code,
    is_chain_name,
    is_pdb_code,
    split_chain_name,
)
from hemenet_lab.protein_mt.raw.layout import (
    RawFolder,
    Source,
    find_raw,
    write_chain_list,
)
from hemenet_lab.protein_mt.raw.leftover import leftover_rows
from hemenet_lab.protein_mt.raw.own import find_structures
from hemenet_lab.protein_mt.raw.text import Problem, Row, number_text, read_lines, read_table

__all__ = [
    "BITS",
    "DROPS_FILE",
    "Archive",
    "DropRow",
    "FurtherFiles",
    "Problem",
    "RawFolder",
    "ReadResult",
    "Row",
    "Source",
    "chain_name",
    "count_reasons",
    "csv_text",
    "drops_text",
    "entry_code",
    "find_further",
    "find_raw",
    "find_structures",
    "is_chain_name",
    "is_pdb_code",
    "leftover_rows",
    "number_text",
    "read_dates",
    "read_lines",
    "read_sources",
    "read_table",
    "split_chain_name",
    "write_chain_list",
    "year_of",
]
