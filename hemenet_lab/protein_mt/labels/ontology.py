"""Names of terms: the Gene Ontology (OBO) with its ancestors, and ENZYME's names of EC numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.labels.deepfri import FunctionTable
from hemenet_lab.protein_mt.raw import read_lines

BRANCHES = {
    "molecular_function": "mf",
    "biological_process": "bp",
    "cellular_component": "cc",
}
"""Namespace → task."""
ROOTS = frozenset({"GO:0003674", "GO:0008150", "GO:0005575"})
"""The three terms that are true of everything, and so say nothing."""

Tags = dict[str, list[str]]


@dataclass(frozen=True)
class Ontology:
    """Terms of one release that are not obsolete."""

    release: str
    """As the file names it, such as ``releases/2019-07-01``."""
    names: dict[str, str]
    """Term → name."""
    branch: dict[str, str]
    """Term → ``mf``, ``bp`` or ``cc``."""
    parents: dict[str, tuple[tuple[str, str], ...]]
    """Term → (relation, parent); the relation is ``is_a``, ``part_of``, ``regulates``, …"""
    alternative: dict[str, str]
    """Id of a term that was merged into another → that other."""

    def find(self, term: str) -> str | None:
        """The term of an id, which may be an old one; None where there is none (any more)."""
        term = self.alternative.get(term, term)
        return term if term in self.names else None

    def ancestors(self, term: str, relations: Collection[str] = ()) -> frozenset[str]:
        """The term and all its ancestors over these relations (every one if none is named).

        The three roots are left out.
        """
        found = {term}
        open_terms = [term]
        while open_terms:
            for relation, parent in self.parents.get(open_terms.pop(), ()):
                follow = not relations or relation in relations
                if follow and parent in self.names and parent not in found:
                    found.add(parent)
                    open_terms.append(parent)
        return frozenset(found - ROOTS)


def read_obo(path: str | Path) -> Ontology:
    """Reads ``go-basic.obo``: the ``[Term]`` stanzas that are not obsolete.

    Raises:
        ValueError: The file names no release, or holds no term of the three branches.
    """
    path = Path(path)
    release = ""
    names: dict[str, str] = {}
    branch: dict[str, str] = {}
    parents: dict[str, tuple[tuple[str, str], ...]] = {}
    alternative: dict[str, str] = {}
    for line, kind, tags in _stanzas(path):
        if not kind:
            release = next(iter(tags["data-version"]), "")
        elif kind == "[Term]" and "is_obsolete" not in tags:
            lacking = [tag for tag in ("id", "name", "namespace") if not tags[tag]]
            if lacking:
                name = next(iter(tags["id"]), "no id")
                raise ValueError(
                    f"{path}: the term before line {line} ({name}) has no "
                    f"{' and no '.join(lacking)}; is the file whole? fetch it again"
                )
            term = tags["id"][0]
            names[term] = tags["name"][0]
            branch[term] = BRANCHES.get(tags["namespace"][0], "")
            parents[term] = tuple(_parents(tags))
            alternative |= dict.fromkeys(tags["alt_id"], term)
    if not release or not set(BRANCHES.values()) <= set(branch.values()):
        raise ValueError(
            f"{path} has {len(names)} terms and the release {release!r}; expected go-basic.obo of "
            "the Gene Ontology, with a data-version and terms of all three branches"
        )
    return Ontology(release, names, branch, parents, alternative)


def _parents(tags: Tags) -> Iterator[tuple[str, str]]:
    yield from (("is_a", parent) for parent in tags["is_a"])
    for text in tags["relationship"]:
        relation, _, rest = text.partition(" ")
        if parent := rest.split(maxsplit=1)[:1]:
            yield relation, parent[0]


def _stanzas(path: Path) -> Iterator[tuple[int, str, Tags]]:
    """Last line, kind (empty for the header) and tags of each stanza, without comments (``!``)."""
    kind, tags = "", defaultdict[str, list[str]](list)
    number = 0
    for number, line in read_lines(path):
        if line.startswith("["):
            yield number, kind, tags
            kind, tags = line.strip(), defaultdict(list)
            continue
        tag, colon, value = line.partition(":")
        if colon:
            tags[tag].append(value.split(" ! ")[0].strip())
    yield number, kind, tags


def compare_with_ontology(table: FunctionTable, ontology: Ontology) -> dict[str, Any]:
    """Counts the labels that a table lacks by the *is a* relations of a release.

    The table stays as it is, since published scores rest on it. Ancestors that it has no column
    for are not asked for, nor are those of terms that the release does not have.

    Returns:
        For the manifest: ``ontology`` (the release), ``terms_not_in_ontology`` and
        ``labels_without_ancestor`` (chain and ancestor that the chain's terms imply).
    """
    terms = {task.name: task.terms for task in table.tasks}
    columns = {term for of_task in terms.values() for term in of_task}
    above = {
        term: ontology.ancestors(known, ("is_a",)) & columns
        for term in columns
        if (known := ontology.find(term)) is not None
    }
    lacking = 0
    for labels in table.chains.values():
        own = {terms[task][index] for task, found in labels.items() for index in found}
        implied = frozenset[str]().union(*(above[term] for term in own if term in above))
        lacking += len(implied - own)
    return {
        "ontology": ontology.release,
        "terms_not_in_ontology": len(columns - above.keys()),
        "labels_without_ancestor": lacking,
    }


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
