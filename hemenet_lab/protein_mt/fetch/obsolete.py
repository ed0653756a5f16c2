"""The wwPDB's list of obsolete entries, ``obsolete.dat``, and who succeeds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.raw import read_lines

Successors = Mapping[str, tuple[str, ...]]
"""Obsolete PDB code → codes that replace it, none where the entry was withdrawn; small letters."""


@dataclass(frozen=True)
class Entry:
    """Which entry is fetched for a PDB code."""

    code: str
    """The code that was asked for."""
    current: str
    """The code to fetch; empty where the entry was withdrawn without a successor."""
    note: str = ""
    """What happened to an obsolete entry."""


def read_obsolete(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads ``obsolete.dat``: lines ``OBSLTE  date  code  successors``; others are headings."""
    found = {}
    for _, line in read_lines(path):
        words = line.lower().split()
        if len(words) >= 3 and words[0] == "obslte":
            found[words[2]] = tuple(words[3:])
    return found


def current_entry(code: str, successors: Successors) -> Entry:
    """The entry that stands for a PDB code today: the first successor of each is followed."""
    route, others = [code], []
    while route[-1] in successors:
        first, *rest = successors[route[-1]] or ("",)
        if not first:
            return Entry(code, "", f"{' → '.join(route)} is obsolete, without a successor")
        if first in route:
            return Entry(code, "", f"{' → '.join([*route, first])}: successors go in a circle")
        route.append(first)
        others += rest
    if len(route) == 1:
        return Entry(code, code)
    further = f" (not used: {', '.join(others)})" if others else ""
    return Entry(code, route[-1], f"obsolete: {' → '.join(route)}{further}")
