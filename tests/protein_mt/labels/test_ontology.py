"""The ontology reader: ancestors over chosen relations, old ids, obsolete terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.ontology import Ontology, read_obo

OBO = """format-version: 1.2
data-version: releases/2019-07-01
ontology: go

[Term]
id: GO:0003674
name: molecular_function
namespace: molecular_function

[Term]
id: GO:0008150
name: biological_process
namespace: biological_process

[Term]
id: GO:0005575
name: cellular_component
namespace: cellular_component

[Term]
id: GO:0000001
name: catalysis
namespace: molecular_function
def: "Speeds up: things." [GOC:x]
is_a: GO:0003674 ! molecular_function
relationship: part_of GO:0000010 ! metabolism

[Term]
id: GO:0000002
name: hydrolysis
namespace: molecular_function
alt_id: GO:0000099
alt_id: GO:0000098
is_a: GO:0000001 ! catalysis

[Term]
id: GO:0000003
name: inhibition
namespace: molecular_function
is_a: GO:0003674 ! molecular_function
relationship: negatively_regulates GO:0000002 ! hydrolysis

[Term]
id: GO:0000010
name: metabolism
namespace: biological_process
is_a: GO:0008150 ! biological_process

[Term]
id: GO:0000097
name: obsolete thing
namespace: molecular_function
is_obsolete: true
replaced_by: GO:0000002

[Typedef]
id: part_of
name: part of
namespace: external
xref: BFO:0000050
"""


@pytest.fixture
def ontology(tmp_path: Path) -> Ontology:
    path = tmp_path / "go-basic.obo"
    path.write_text(OBO)
    return read_obo(path)


def test_terms(ontology: Ontology) -> None:
    assert ontology.release == "releases/2019-07-01"
    assert ontology.names["GO:0000002"] == "hydrolysis"
    assert ontology.branch["GO:0000010"] == "bp"
    assert "part_of" not in ontology.names


def test_old_ids(ontology: Ontology) -> None:
    assert ontology.find("GO:0000099") == ontology.find("GO:0000098") == "GO:0000002"
    assert ontology.find("GO:0000001") == "GO:0000001"
    assert ontology.find("GO:0000097") is None
    assert ontology.find("GO:7777777") is None


def test_ancestors_leave_the_roots_out(ontology: Ontology) -> None:
    is_a = ontology.ancestors("GO:0000002", ("is_a",))
    assert is_a == {"GO:0000002", "GO:0000001"}
    part_of = ontology.ancestors("GO:0000002", ("is_a", "part_of"))
    assert part_of == is_a | {"GO:0000010"}
    assert ontology.ancestors("GO:0000003", ("is_a", "part_of")) == {"GO:0000003"}
    regulates = ("is_a", "part_of", "negatively_regulates")
    assert ontology.ancestors("GO:0000003", regulates) == part_of | {"GO:0000003"}
    assert ontology.ancestors("GO:0000003") == part_of | {"GO:0000003"}


def test_circles_end(ontology: Ontology) -> None:
    parents = {**ontology.parents, "GO:0000001": (("is_a", "GO:0000002"),)}
    circle = Ontology("x", ontology.names, ontology.branch, parents, {})
    assert circle.ancestors("GO:0000002", ("is_a",)) == {"GO:0000001", "GO:0000002"}


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.obo"
    path.write_text(OBO.replace("data-version: releases/2019-07-01\n", ""))
    with pytest.raises(ValueError, match=r"the release ''; expected go-basic\.obo"):
        read_obo(path)
    path.write_text(OBO.replace("cellular_component", "somewhere"))
    with pytest.raises(ValueError, match="terms of all three branches"):
        read_obo(path)


@pytest.mark.parametrize("tag", ["id", "name", "namespace"])
def test_term_without_a_needed_tag_is_named_with_its_line(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "go-basic.obo"
    stanza = {"id": "GO:0000123", "name": "x", "namespace": "molecular_function"}
    del stanza[tag]
    text = "".join(f"{name}: {value}\n" for name, value in stanza.items())
    path.write_text(f"{OBO}\n[Term]\n{text}\n[Term]\nid: GO:1\n")
    line = len(f"{OBO}\n[Term]\n{text}\n[Term]".splitlines())
    with pytest.raises(ValueError, match=f"go-basic.obo: the term before line {line} .*no {tag}"):
        read_obo(path)


def test_relation_without_a_parent_is_none(tmp_path: Path) -> None:
    path = tmp_path / "go-basic.obo"
    path.write_text(OBO.replace("[Term]\n", "[Term]\nrelationship: part_of\n", 1))
    assert read_obo(path).names
