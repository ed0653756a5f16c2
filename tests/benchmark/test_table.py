from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest

from hemenet_lab.benchmark.render import escape_tex, render
from hemenet_lab.benchmark.results.grid import read_grid
from hemenet_lab.benchmark.tables import ResultTable, leads, overview, tabulate
from tests.tracking.fake_runs import FakeRuns, Scored

MULTI = {"setting": "multi", "encoder": "gcn"}
TARGET = np.linspace(4.0, 9.0, 30)
TERMS = np.tile(np.eye(3), (10, 1))


def scored(shift: float, task: str = "lba") -> dict[str, Scored]:
    """A run whose errors are all ``shift``, so that RMSE and MAE are both that."""
    return {task: Scored(TARGET + shift, TARGET)}


def noisy(noise: float, seed: int) -> dict[str, Scored]:
    errors = np.random.default_rng(seed).normal(0, noise, len(TARGET))
    return {"lba": Scored(TARGET + errors, TARGET)}


def table_of(runs: FakeRuns, grid: str = "table1") -> ResultTable:
    return tabulate(read_grid(grid, folder=runs.folder))


def printed(runs: FakeRuns, style: str = "markdown", **options: Any) -> str:
    return render(tabulate(read_grid("table1", folder=runs.folder, **options)), style)


def test_mean_and_standard_deviation_over_seeds(fake_runs: FakeRuns) -> None:
    for seed, shift in enumerate((1.0, 2.0, 6.0)):
        fake_runs.add(MULTI, seed, scored(shift))
    table = table_of(fake_runs)
    (row,) = table.rows
    cell = table.cell(row, "lba", "rmse")
    assert cell is not None
    assert cell.values == pytest.approx((1.0, 2.0, 6.0))
    assert (cell.mean, cell.std) == pytest.approx((3.0, 7**0.5))
    assert (cell.seeds, cell.n, cell.clusters) == ((0, 1, 2), "30", 30)
    # all errors are alike, so drawing items again changes nothing
    assert (cell.low, cell.high, cell.per_cluster) == pytest.approx((3.0, 3.0, 3.0))
    assert cell.constant == 2.5


def test_single_seed_has_no_deviation(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, noisy(1.0, 0))
    table = table_of(fake_runs)
    cell = table.cell(table.rows[0], "lba", "rmse")
    assert cell is not None
    assert cell.mean is not None
    assert cell.std is None
    assert cell.low is not None
    assert cell.high is not None
    assert cell.low < cell.mean < cell.high
    assert cell.high - cell.low == pytest.approx(2 * 1.96 * cell.mean / 60**0.5, rel=0.3)


def test_each_cluster_counts_once(fake_runs: FakeRuns) -> None:
    errors = np.r_[np.full(29, 1.0), 3.0]
    cluster = np.r_[np.zeros(29, dtype=int), 1]
    fake_runs.add(MULTI, 0, {"lba": Scored(TARGET + errors, TARGET, cluster)})
    table = table_of(fake_runs)
    cell = table.cell(table.rows[0], "lba", "mae")
    assert cell is not None
    assert (cell.mean, cell.per_cluster) == pytest.approx((32 / 30, 2.0))


def test_winner_where_the_bootstrap_says_so(fake_runs: FakeRuns) -> None:
    for name, noise in (("gcn", 3.0), ("gat", 1.0), ("egnn", 0.3)):
        for seed in range(3):
            place = {**MULTI, "encoder": name}
            fake_runs.add(place, seed, noisy(noise, seed + 10 * len(name)))
    table = table_of(fake_runs)
    marks = {dict(cell.row)["encoder"]: cell.mark for cell in table.cells if cell.metric == "rmse"}
    assert marks == {"gcn": "", "gat": "second", "egnn": "best"}
    lead = next(lead for lead in table.leads if lead.metric == "rmse")
    assert lead.difference.value < 0
    assert lead.difference.high is not None
    assert lead.difference.high < 0


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_nothing_is_established_nor_spread_below_three_seeds(
    fake_runs: FakeRuns, seeds: int
) -> None:
    for name, noise in (("gcn", 3.0), ("egnn", 0.1)):
        for seed in range(seeds):
            fake_runs.add({**MULTI, "encoder": name}, seed, noisy(noise, seed + 10 * len(name)))
    table = table_of(fake_runs)
    enough = seeds == 3
    assert all(lead.difference.excludes_zero for lead in table.leads)
    assert all(lead.difference.established is enough for lead in table.leads)
    assert ({cell.mark for cell in table.cells} == {""}) is not enough
    assert all((cell.std is not None) is enough for cell in table.cells)
    shown = overview(table)
    assert ("±" in shown.caption) is enough
    assert any(text.spread for row in shown.rows for text in row) is enough
    verdict = "established" if enough else "not established (fewer than 3 seeds)"
    assert {row[-1].main for row in leads(table).rows} == {verdict}


def test_no_winner_among_equals(fake_runs: FakeRuns) -> None:
    """Negative control: the best of four that differ by chance alone."""
    for place, name in enumerate(("gcn", "gat", "egnn", "gvp")):
        for seed in range(3):
            fake_runs.add({**MULTI, "encoder": name}, seed, noisy(1.0, seed + 10 * place))
    table = table_of(fake_runs)
    assert {cell.mark for cell in table.cells} == {""}
    assert len(table.leads) == 2
    assert not any(lead.difference.established for lead in table.leads)


def test_second_is_marked_only_where_told_from_the_third(fake_runs: FakeRuns) -> None:
    for place, (name, noise) in enumerate((("gcn", 0.2), ("gat", 1.5), ("egnn", 1.5))):
        for seed in range(3):
            fake_runs.add({**MULTI, "encoder": name}, seed, noisy(noise, seed + 10 * min(place, 1)))
    marks = [c.mark for c in table_of(fake_runs).cells if c.metric == "rmse"]
    assert sorted(marks) == ["", "", "best"]


def test_single_task_runs_share_a_row_and_compete_apart(fake_runs: FakeRuns) -> None:
    fake_runs.add({**MULTI, "task": "all"}, 0, {**scored(1.0), **scored(1.0, "ppa")})
    for task in ("lba", "ppa"):
        axes = {"setting": "single", "encoder": "gcn", "task": task}
        fake_runs.add(axes, 0, scored(2.0, task))
    table = table_of(fake_runs)
    assert [dict(row) for row in table.rows] == [{**MULTI, "setting": "single"}, MULTI]
    means = {(dict(c.row)["setting"], c.task): c.mean for c in table.cells if c.metric == "mae"}
    assert means == pytest.approx({
        ("single", "lba"): 2.0, ("single", "ppa"): 2.0, ("multi", "lba"): 1.0, ("multi", "ppa"): 1.0
    })  # fmt: skip
    assert table.leads == ()


def test_fewer_test_items_are_said(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, scored(1.0))
    fake_runs.add(MULTI, 1, {"lba": Scored(TARGET[:9] + 1, TARGET[:9])})
    fake_runs.add({**MULTI, "encoder": "gat"}, 0, scored(9.0))
    table = table_of(fake_runs)
    assert (table.uneven, table.leads) == (("lba",), ())
    cell = next(cell for cell in table.cells if cell.metric == "rmse" and cell.n == "9-30")
    assert (cell.low, cell.mark) == (None, "")
    text = printed(fake_runs)
    assert "Task lba: runs were tested on DIFFERENT ITEMS" in text
    assert "lba RMSE ↓ n=9-30" in text


def test_tasks_without_test_items_are_absent_and_said(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, {**scored(1.0), "cc": Scored(np.zeros((0, 3)), np.zeros((0, 3)))})
    table = table_of(fake_runs)
    assert (table.tasks, table.untested) == (["lba"], ["cc"])
    text = printed(fake_runs)
    assert "No labelled test item: task cc" in text
    assert "cc Fmax" not in text


def test_own_tasks_have_their_titles_and_units(fake_runs: FakeRuns) -> None:
    words = json.dumps({"tm": ["Melting temperature", "°C"]})
    fake_runs.add(MULTI, 0, {**scored(1.0), **scored(2.0, "tm")}, tags={"own_tasks": words})
    text = printed(fake_runs)
    assert "## tm: Melting temperature" in text
    assert "tm RMSE (°C) ↓ n=30" in text
    assert "lba RMSE ↓ n=30" in text
    results = read_grid("table1", folder=fake_runs.folder)
    assert (results.unit("tm"), results.unit("lba"), results.unit("xyz")) == ("°C", "pKd", "")
    assert results.words["lba"][0] == "Ligand binding affinity"


def test_empty_and_undefined_cells(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, {**scored(1.0), "ec": Scored(TERMS, TERMS, level="chain")})
    for seed in range(3):
        fake_runs.add({**MULTI, "encoder": "gat"}, seed, scored(2.0))
    broken = np.where(TARGET > 8, np.nan, TARGET)
    fake_runs.add({**MULTI, "encoder": "gvp"}, 0, {"lba": Scored(broken, TARGET)})
    text = printed(fake_runs)
    rows = [line.split("|") for line in text.split("## lba")[0].splitlines() if line[:2] == "| "]
    header, *lines = ([word.strip() for word in row[1:-1]] for row in rows)
    assert header == ["encoder", "lba RMSE ↓ n=30", "lba MAE ↓ n=30", "ec Fmax ↑ n=30"]
    cells = {line[0]: line[1:] for line in lines}
    assert cells["gat"] == ["2.000 ± 0.000", "2.000 ± 0.000", "–"]
    assert cells["gvp"][0].startswith("nan")
    assert cells["constant predictor"] == ["2.500", "2.500", "2.500"]


def test_markdown_says_what_is_missing(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, scored(1.0), tags={"benchmark_identity": "a"})
    stopped = fake_runs.add(
        MULTI, 1, status="FAILED", tags={"benchmark_identity": "b", "benchmark_settings": "--set x"}
    )
    text = printed(fake_runs, identities=["a", "b", "c", "d"])
    assert "1 of 4 planned runs finished, store 555555555555" in text
    assert f"NOT FINISHED (failed): gcn · multi, seed 1, {stopped}" in text
    assert "NOT BEGUN: 2 runs" in text
    assert "SYNTHETIC" not in text


def test_paper_stands_beside_with_notes(fake_runs: FakeRuns) -> None:
    fake_runs.add({"setting": "multi", "encoder": "hemenet"}, 0, scored(1.0))
    fake_runs.add({"setting": "multi", "encoder": "egnn"}, 0, scored(2.0))
    text = printed(fake_runs)
    assert "(1.730ᵃ)" in text or "(1.730ᵇ)" in text
    assert re.search(r"- [ᵃᵇ] In both published re-splits 62 %", text)
    assert "In brackets: the paper's number; letters" in text
    assert "Rows of the paper without runs here: single gcn" in text
    assert "NOT COMPARABLE" not in text


@pytest.mark.parametrize("style", ["markdown", "latex", "csv"])
def test_synthetic_data_are_said(fake_runs: FakeRuns, style: str) -> None:
    axes = {"setting": "multi", "encoder": "hemenet"}
    fake_runs.add(axes, 0, scored(1.0), tags={"synthetic_data": "True"})
    text = printed(fake_runs, style)
    if style == "csv":
        (line, *_) = csv.DictReader(io.StringIO(text))
        assert (line["synthetic_data"], line["paper_comparable"]) == ("true", "no: synthetic data")
        assert line["paper"] == "1.730"
    else:
        assert "SYNTHETIC DATA" in text
        assert "the paper's number, NOT COMPARABLE" in text


def test_csv_has_everything(fake_runs: FakeRuns) -> None:
    for seed in (0, 1, 2):
        fake_runs.add(MULTI, seed, scored(1.0 + seed))
    lines = list(csv.DictReader(io.StringIO(printed(fake_runs, "csv"))))
    assert [(line["encoder"], line["task"], line["metric"]) for line in lines] == [
        ("gcn", "lba", "rmse"),
        ("gcn", "lba", "mae"),
    ]
    first = lines[0]
    assert (float(first["mean"]), float(first["std"])) == pytest.approx((2.0, 1.0))
    assert (first["seeds"], first["seed_list"]) == ("3", "0 1 2")
    assert (first["n"], first["mark"]) == ("30", "")
    assert (first["paper"], first["synthetic_data"]) == ("", "false")
    assert first["store_hash"] == "5" * 64


def test_latex_is_escaped_and_balanced(fake_runs: FakeRuns) -> None:
    for name, noise in (("a_b%c&{d}$#~^\\", 0.1), ("hemenet", 3.0)):
        for seed in range(3):
            fake_runs.add({"setting": "multi", "encoder": name}, seed, noisy(noise, seed))
    text = printed(fake_runs, "latex")
    assert r"a\_b\%c\&\{d\}\$\#\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert r"\textbf{0.0" in text
    assert r"(1.730\textsuperscript{" in text
    body = [line for line in text.splitlines() if not line.startswith("%")]
    plain = re.sub(r"\\[{}]", "", "\n".join(body))
    assert plain.count("{") == plain.count("}")
    assert text.count(r"\begin{") == text.count(r"\end{") == 4
    for line in body:
        assert not re.search(r"(?<!\\)[&#]", line.replace(" & ", " "))
        assert not re.search(r"[↓↑±–·…]", line)
    assert escape_tex("50 %_±") == r"50 \%\_$\pm$"


def test_markdown_names_cannot_break_the_table(fake_runs: FakeRuns) -> None:
    fake_runs.add({"encoder": "a|b*c", "setting": "multi"}, 0, scored(1.0))
    fake_runs.add({"encoder": "<d>", "setting": "multi"}, 0, scored(1.5))
    text = printed(fake_runs)
    assert r"a\|b\*c" in text
    assert "&lt;d>" in text


def test_rows_of_numbers_stand_by_size(fake_runs: FakeRuns) -> None:
    for share in ("100", "8.33", "0", "16.67", "33.33"):
        fake_runs.add({"ppa_share": share}, 0, scored(1.0, "ppa"), grid="table2")
    table = table_of(fake_runs, "table2")
    assert [row[0][1] for row in table.rows] == ["0", "8.33", "16.67", "33.33", "100"]
    papers = [cell.paper.text for cell in table.cells if cell.paper and cell.metric == "rmse"]
    assert papers == ["7.764", "1.651", "1.161", "1.126", "1.087"]


def test_unknown_style(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, scored(1.0))
    with pytest.raises(ValueError, match="table style 'xls'; allowed: markdown, latex, csv"):
        printed(fake_runs, "xls")


def test_names_cannot_become_formulas(fake_runs: FakeRuns) -> None:
    fake_runs.add({"encoder": "=1+1", "@axis": "-2.5"}, 0, scored(1.0))
    first, *_ = csv.DictReader(io.StringIO(printed(fake_runs, "csv")))
    assert first["encoder"] == "'=1+1"
    assert first["'@axis"] == "-2.5"


def test_a_remark_cannot_leave_its_latex_comment(fake_runs: FakeRuns) -> None:
    fake_runs.add(MULTI, 0, scored(1.0), tags={"benchmark_settings": "--set a=b\n\\input{x}"})
    text = printed(fake_runs, "latex")
    assert not any(line.startswith("\\input") for line in text.splitlines())
    assert r"\textbackslash{}input\{x\}" in text


def test_metrics_beside_the_paper_s_are_in_the_csv_only(fake_runs: FakeRuns) -> None:
    run_id = fake_runs.add(MULTI, 0, {"ec": Scored(TERMS * 0.04, TERMS, level="chain")})
    path = next(fake_runs.folder.glob(f"artifacts/{run_id}/artifacts/results.csv"))
    path.write_text(path.read_text() + "ec,fmax_20,0.5,0.4,0.6,30,0.1\nec,aupr_macro,0.7,,,30,\n")
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(printed(fake_runs, "csv")))}
    assert {name: row["mean"] for name, row in rows.items()} == {
        "fmax": "1.0", "fmax_20": "0.5", "aupr_macro": "0.7"
    }  # fmt: skip
    for style in ("markdown", "latex"):
        assert "20 thresholds)" not in printed(fake_runs, style)
        assert "mean over terms" not in printed(fake_runs, style)
