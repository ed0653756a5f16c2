"""Raw files of the benchmark from the public sources, as ``hemenet data fetch`` gets them."""

from __future__ import annotations

from hemenet_lab.protein_mt.fetch.benchmark import run_fetch
from hemenet_lab.protein_mt.fetch.report import FetchResult, report_text
from hemenet_lab.protein_mt.fetch.settings import LIGAND_SETS, FetchSettings

__all__ = ["LIGAND_SETS", "FetchResult", "FetchSettings", "report_text", "run_fetch"]
