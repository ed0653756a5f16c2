"""GO labels of an annotation table against the ancestors that a release of the ontology gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.labels.deepfri import FunctionTable
from hemenet_lab.protein_mt.labels.ontology import Ontology, compare_with_ontology, read_obo
from hemenet_lab.store.reader import Store
from hemenet_lab.tasks import BP, MF
from tests.protein_mt.labels.test_ontology import OBO
from tests.protein_mt.raw_folder import write_raw

HYDROLYSIS, CATALYSIS, OLD = "GO:0000002", "GO:0000001", "GO:0000099"
"""The first is a kind of the second, in the file; the third is an old id of the first."""


@pytest.fixture
def ontology(tmp_path: Path) -> Ontology:
    path = tmp_path / "go-basic.obo"
    path.write_text(OBO)
    return read_obo(path)


def table(chains: dict[str, dict[str, tuple[int, ...]]], *terms: str) -> FunctionTable:
    tasks = (MF.with_terms(terms), BP.with_terms(["GO:0000010", "GO:7777777"]))
    return FunctionTable(tasks, chains, len(chains))


def test_missing_ancestors_are_counted(ontology: Ontology) -> None:
    found = table(
        {
            "1ABC-A": {"mf": (0,)},  # lacks catalysis
            "1ABC-B": {"mf": (0, 1)},
            "1ABC-C": {"mf": (1,), "bp": (0, 1)},
            "1ABC-D": {"bp": (0,)},
        },
        HYDROLYSIS,
        CATALYSIS,
    )
    assert compare_with_ontology(found, ontology) == {
        "ontology": "releases/2019-07-01",
        "terms_not_in_ontology": 1,
        "labels_without_ancestor": 1,
    }


def test_only_columns_of_the_table_are_asked_for(ontology: Ontology) -> None:
    found = table({"1ABC-A": {"mf": (0,)}}, HYDROLYSIS)
    assert compare_with_ontology(found, ontology)["labels_without_ancestor"] == 0


def test_old_ids_have_the_ancestors_of_their_terms(ontology: Ontology) -> None:
    found = table({"1ABC-A": {"mf": (0,)}, "1ABC-B": {"mf": (0, 1)}}, OLD, CATALYSIS)
    counts = compare_with_ontology(found, ontology)
    assert (counts["terms_not_in_ontology"], counts["labels_without_ancestor"]) == (1, 1)


def test_manifest_names_the_release(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    without = Store(build_store(raw, tmp_path / "without").path).manifest["labels"]
    assert without["ontology"] == "not compared: no go-basic.2019-07-01.obo in the raw folder"
    (raw / "ontology").mkdir()
    (raw / "ontology" / "go-basic.2019-07-01.obo").write_text(OBO)
    manifest = Store(build_store(raw, tmp_path / "with").path).manifest
    assert manifest["labels"]["ontology"] == "releases/2019-07-01"
    assert manifest["labels"]["terms_not_in_ontology"] == 6  # made-up ids
    assert "ontology/go-basic.2019-07-01.obo" in manifest["sources"]["label_files"]
