"""Predictions of another program, judged on a store's items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.benchmark.references import run_baselines
from hemenet_lab.benchmark.references.outside import read_predictions, rows_of_another
from hemenet_lab.benchmark.references.rows import ReferenceRow, reference_predictions
from hemenet_lab.store import Store
from tests.benchmark.test_references import function_store, ligand_store


def judged(path: Path, store: Store) -> tuple[dict[str, ReferenceRow], list[str]]:
    references = reference_predictions(store)
    rows, notes = rows_of_another(read_predictions(path, store), store, references)
    return {f"{row.task}/{row.metric}": row for row in rows}, notes


def judged_items(store: Store) -> list[tuple[str, float]]:
    """Id and pK of the test items of a ligand store."""
    test = np.flatnonzero(store.split("default") == 2).tolist()
    return [(store.ids[index], store[index].values["lba"]) for index in test]


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_true_values_have_no_error_and_beat_the_best_plain_method(tmp_path: Path) -> None:
    store = ligand_store(tmp_path / "s")
    lines = [f"{id.upper()},{value}" for id, value in judged_items(store)]
    rows, notes = judged(table(tmp_path / "mine.csv", "pdb_id,lba", *lines), store)
    row = rows["lba/rmse"]
    assert (row.method, row.value, row.n) == ("mine", 0, len(lines))
    assert rows["lba/pearson_centred"].value == pytest.approx(1)
    assert row.difference is not None
    assert row.difference <= 0
    assert row.against != ""
    assert notes == []


def test_missing_items_leave_the_rest_to_be_judged_and_are_counted(tmp_path: Path) -> None:
    store = ligand_store(tmp_path / "s")
    known = judged_items(store)
    lines = [f"lba,lba_{id},{value + 1}" for id, value in known[1:]]
    bad = ["lba,nobody,3", f"lba,{known[0][0]},high", f"nothing,{known[0][0]},3"]
    bad.append(lines[0])
    rows, notes = judged(table(tmp_path / "t.csv", "task,id,value", *lines, *bad), store)
    assert not rows  # the ids of the store have no kind before them
    lines = [line.replace("lba_", "") for line in lines]
    bad[-1] = lines[0]
    rows, notes = judged(table(tmp_path / "t.csv", "task,id,value", *lines, *bad), store)
    assert rows["lba/rmse"].n == len(known) - 1
    assert rows["lba/rmse"].value == pytest.approx(1)
    assert notes[0] == f"lba: 1 of {len(known)} items are not in the table"
    line = len(lines) + 2
    assert notes[1] == (
        f"3 rows could not be used: line {line + 1}: lba: 'high' is no finite number; line "
        f"{line + 2}: task 'nothing'; the store has lba, ppa, ec, mf, bp, cc; line {line + 3}: "
        "lba: an earlier row has it already"
    )
    assert notes[2] == "1 predictions meet no item judged here: lba nobody"


def test_terms_of_chains(tmp_path: Path) -> None:
    """The right terms with 1, the others left out or with 0: Fmax 1."""
    store = function_store(tmp_path / "s")
    terms = {task.name: task.terms for task in store.tasks}["ec"]
    lines = []
    for index in np.flatnonzero(store.split("default") == 2).tolist():
        for chain, found in store[index].terms["ec"].items():
            name = store[index].chain_names[chain]
            lines += [f"{store.ids[index]},{name},ec,{terms[term]},1" for term in found]
            lines.append(f"{store.ids[index]},{name},ec,9.9.9.9,1")
    rows, notes = judged(table(tmp_path / "t.csv", "id,chain,task,term,value", *lines), store)
    assert rows["ec/fmax"].value == pytest.approx(1)
    assert "no such term: '9.9.9.9'" in notes[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,lba", "a,1"], "column id"),
        (["id,lba", "a,none"], "line 2: lba: 'none' is no finite number"),
        (["id,value", "a,1"], "line 2: task ''; the store has lba"),
    ],
)
def test_a_table_of_another_form_is_told(tmp_path: Path, lines: list[str], message: str) -> None:
    store = ligand_store(tmp_path / "s")
    with pytest.raises(ValueError, match=message):
        read_predictions(table(tmp_path / "t.csv", *lines), store)


def test_the_command_prints_them_beside_the_plain_methods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ligand_store(tmp_path / "s")
    file = table(
        tmp_path / "fep.csv", "id,lba", *(f"{id},{value}" for id, value in judged_items(store))
    )
    run_baselines(str(store.path), predictions=file, out=tmp_path / "rows.csv")
    shown = capsys.readouterr().out
    assert "Predictions of" in shown
    assert "lba  fep  rmse" in shown.split("They less the best plain method")[1]
    assert any(
        line.startswith("lba,fep,rmse,0.0,")
        for line in (tmp_path / "rows.csv").read_text().split("\n")
    )
