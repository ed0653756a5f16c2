"""Tables beside structures and annotations: where they are found, which of them are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.protein_mt.labels.deepfri import read_lists
from hemenet_lab.protein_mt.raw.further import FurtherFiles, find_further
from hemenet_lab.protein_mt.raw.layout import RawFolder
from hemenet_lab.protein_mt.sources import TABLES
from tests.shared import SAMPLE, needs_shared


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_everything_that_is_fetched_is_found(tmp_path: Path) -> None:
    touch(tmp_path, *(table.place() for table in TABLES))
    found = find_further(tmp_path)
    assert found.enzyme == tmp_path / "enzyme" / "enzyme.dat"
    assert found.enzyme_classes == tmp_path / "enzyme" / "enzclass.txt"
    assert found.ontology == tmp_path / "ontology" / "go-basic.current.obo"
    assert found.deepfri_ontology == tmp_path / "ontology" / "go-basic.2019-07-01.obo"
    assert found.sifts_ec == tmp_path / "sifts" / "pdb_chain_enzyme.csv.gz"
    assert found.sifts_go == tmp_path / "sifts" / "pdb_chain_go.csv.gz"
    assert found.split_lists == {
        "ec": (tmp_path / "EnzymeCommission", "nrPDB-EC_2020.04"),
        "go": (tmp_path / "GeneOntology", "nrPDB-GO_2019.06.18"),
    }
    assert found.dates is None


def test_nothing_is_needed(tmp_path: Path) -> None:
    assert find_further(tmp_path) == FurtherFiles(None, None, None, None, None, None, None, {})


def test_an_incomplete_split_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "nrPDB-EC_2020.04_train.txt", "nrPDB-EC_2020.04_test.txt")
    assert find_further(tmp_path).split_lists == {}


def test_the_labels_source_decides_what_is_used(tmp_path: Path) -> None:
    ec, dates = tmp_path / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv", tmp_path / "dates.csv"
    touch(tmp_path, *(table.place() for table in TABLES), "dates.csv")
    go = tmp_path / "GeneOntology" / "nrPDB-GO_2019.06.18_annot.tsv"
    raw = RawFolder(tmp_path, (), ec=ec, go=go)
    further = find_further(tmp_path)
    deepfri, sifts = (set(further.used(raw, route)) for route in ("deepfri", "sifts"))
    assert {ec, dates} <= deepfri
    assert deepfri - sifts == {ec, go, further.deepfri_ontology}
    assert sifts - deepfri == {further.ontology, further.sifts_ec, further.sifts_go}
    names = {path.name for path in deepfri}
    assert {"nrPDB-GO_2019.06.18_valid.txt", "nrPDB-EC_2020.04_test.csv", "enzyme.dat"} <= names


def test_flags_must_know_every_test_chain(tmp_path: Path) -> None:
    for end, text in (("train", "1AAA-A\n"), ("valid", "1AAB-A\n"), ("test", "1AAC-A\n1AAD-A\n")):
        (tmp_path / f"x_{end}.txt").write_text(text)
    assert read_lists(tmp_path, "x").limits == ()
    (tmp_path / "x_test.csv").write_text("PDB-chain,<30%,<95%\n1AAC-A,0,1\n")
    with pytest.raises(ValueError, match="no flags for 1 test chains, as 1AAD-A"):
        read_lists(tmp_path, "x")


@needs_shared
def test_real_lists() -> None:
    assert SAMPLE is not None
    lists = {name: read_lists(*place) for name, place in find_further(SAMPLE).split_lists.items()}
    sizes = {
        name: [list(found.parts.values()).count(part) for part in ("train", "val", "test")]
        for name, found in lists.items()
    }
    assert sizes == {"ec": [15_551, 1_729, 1_919], "go": [29_902, 3_323, 3_416]}
    assert all(found.limits == (30, 40, 50, 70, 95) for found in lists.values())
    below = {
        name: [sum(flags[limit] for flags in found.flags.values()) for limit in found.limits]
        for name, found in lists.items()
    }
    assert below == {
        "ec": [720, 902, 1_117, 1_476, 1_919],
        "go": [1_717, 1_937, 2_199, 2_733, 3_416],
    }
    assert len(lists["ec"].parts.keys() & lists["go"].parts.keys()) == 14_953
    ec, go = (lists[name].parts for name in ("ec", "go"))
    tests_that_train = [
        sum(part == "test" and others.get(chain) == "train" for chain, part in one.items())
        for one, others in ((ec, go), (go, ec))
    ]
    assert tests_that_train == [1_178, 1_228]
