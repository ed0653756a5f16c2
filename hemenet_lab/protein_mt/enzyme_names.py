"""ENZYME's names of EC numbers: ``enzyme.dat`` and, for classes, ``enzclass.txt``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hemenet_lab.protein_mt.textfile import read_lines

_CLASS = re.compile(r"\s*(\d+)\.\s*(\d+|-)\.\s*(\d+|-)\.\s*-\s+(\S.*)")
_TRANSFERRED = re.compile(r"Transferred entry: (?P<numbers>.*)")
_NUMBER = re.compile(r"\d+\.\d+\.\d+\.n?\d+")


def read_enzyme_names(data: str | Path | None, classes: str | Path | None) -> dict[str, str]:
    """EC number → name, for whichever of the two files are given.

    A number that was transferred has the names of its successors, with ``(now 1.1.1.2)``; a class
    such as ``1.1.1.-`` has the names of the classes above it in front.

    Args:
        data: ``enzyme.dat``.
        classes: ``enzclass.txt``.
    """
    names = _read_data(Path(data)) if data else {}
    return names | (_read_classes(Path(classes)) if classes else {})


def _read_data(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    number = ""
    for _, line in read_lines(path):
        code, text = line[:2], line[5:].strip()
        if code == "ID":
            number, names[text] = text, ""
        elif code == "DE" and number:
            names[number] = f"{names[number]} {text}".strip()
    names = {number: text.rstrip(".") for number, text in names.items()}
    return {number: _followed(text, names) for number, text in names.items()}


def _followed(text: str, names: Mapping[str, str]) -> str:
    match = _TRANSFERRED.match(text)
    if not match:
        return text
    numbers = _NUMBER.findall(match["numbers"])
    known = [f"{names[number]} (now {number})" for number in numbers if names.get(number)]
    return "; ".join(known) or text


def _read_classes(path: Path) -> dict[str, str]:
    names: dict[tuple[str, ...], str] = {}
    key: tuple[str, ...] = ()
    for _, line in read_lines(path):
        match = _CLASS.match(line)
        if match:
            key = tuple(level for level in match.groups()[:3] if level != "-")
            names[key] = match[4].strip()
        elif key and line.startswith("      ") and line.strip():
            names[key] += f" {line.strip()}"  # a long name goes on in the next line
        else:
            key = ()
    names = {key: text.rstrip(".") for key, text in names.items()}
    return {
        ".".join((*key, "-", "-", "-", "-")[:4]): ": ".join(
            names[key[:depth]] for depth in range(1, len(key) + 1) if key[:depth] in names
        )
        for key in names
    }
