"""The Gene Ontology as an OBO file: names, branches and ancestors of terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.textfile import read_lines

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
    for kind, tags in _stanzas(path):
        if not kind:
            release = next(iter(tags["data-version"]), "")
        elif kind == "[Term]" and "is_obsolete" not in tags:
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
        relation, parent = text.split()[:2]
        yield relation, parent


def _stanzas(path: Path) -> Iterator[tuple[str, Tags]]:
    """Kind (empty for the header) and tags of each stanza; comments after ``!`` are cut off."""
    kind, tags = "", defaultdict[str, list[str]](list)
    for _, line in read_lines(path):
        if line.startswith("["):
            yield kind, tags
            kind, tags = line.strip(), defaultdict(list)
            continue
        tag, colon, value = line.partition(":")
        if colon:
            tags[tag].append(value.split(" ! ")[0].strip())
    yield kind, tags
