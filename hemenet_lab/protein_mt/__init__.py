"""The benchmark Protein-MT: settings of a build and the public sources of its raw files."""

from hemenet_lab.protein_mt.settings import EVIDENCE, RELATIONS, ROUTES, SCHEMES, BuildSettings
from hemenet_lab.protein_mt.sources import (
    COMPONENT,
    GO_RELEASE,
    HOSTS,
    MIRRORS_VARIABLE,
    OBSOLETE,
    PDBBIND,
    SOURCES,
    STRUCTURES,
    TABLES,
    PublicSource,
    hosts_with,
    paths_with,
    sources_text,
)
from hemenet_lab.protein_mt.templates import check_template, fill_template

__all__ = [
    "COMPONENT",
    "EVIDENCE",
    "GO_RELEASE",
    "HOSTS",
    "MIRRORS_VARIABLE",
    "OBSOLETE",
    "PDBBIND",
    "RELATIONS",
    "ROUTES",
    "SCHEMES",
    "SOURCES",
    "STRUCTURES",
    "TABLES",
    "BuildSettings",
    "PublicSource",
    "check_template",
    "fill_template",
    "hosts_with",
    "paths_with",
    "sources_text",
]
