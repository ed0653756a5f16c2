from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.benchmark.report import report_page
from hemenet_lab.benchmark.results.grid import read_grid
from hemenet_lab.benchmark.tables import Scores, tabulate
from hemenet_lab.calibration import fit_terms, fit_values
from hemenet_lab.store.reader import Store
from tests.browser import assert_readable, chromium, open_page
from tests.tracking.fake_runs import FakeRuns, Scored

TARGET = np.linspace(4.0, 9.0, 12)
TERMS = np.tile(np.eye(3), (4, 1))
COMMAND = "lightning fit --config experiments/multitask.yaml # <&>"


def write(runs: FakeRuns, out: Path) -> Path:
    results = read_grid("table1", folder=runs.folder)
    scores = Scores(results.runs)
    out.write_text(report_page(tabulate(results, scores), scores), encoding="utf-8")
    return out


def fill(runs: FakeRuns, **tags: str) -> None:
    for place, name in enumerate(("gcn", "gat", "schnet", "egnn", "hemenet", "gvp")):
        for seed in range(2):
            errors = np.random.default_rng(10 * place + seed).normal(0, 0.5 + place, 12)
            runs.add(
                {"setting": "multi", "encoder": name},
                seed,
                {
                    "lba": Scored(TARGET + errors, TARGET),
                    "ec": Scored(TERMS * 0.5 + 0.1, TERMS, level="chain"),
                },
                tags={"benchmark_command": COMMAND, **tags},
                history={"val/score": [0.1, 0.2]},
                metrics={"train/graphs_per_second": 5.0 + place, "test/score": 0.3},
            )
    runs.add({"setting": "multi", "encoder": "cdconv"}, 0, status="RUNNING")


@pytest.fixture
def page(fake_runs: FakeRuns, tmp_path: Path) -> Path:
    fill(fake_runs, synthetic_data="True")
    return write(fake_runs, tmp_path / "report.html")


def test_page_is_complete_and_needs_no_network(page: Path, fake_runs: FakeRuns) -> None:
    text = page.read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in text
    assert "NOT FINISHED (running)" in text
    assert text.count("<svg") == 3
    assert "lightning fit --config experiments/multitask.yaml # &lt;&amp;&gt;" in text
    assert f"mlflow ui --backend-store-uri sqlite:///{fake_runs.folder}/mlruns.db" in text
    run_id = re.search(r"/runs/([0-9a-f]{32})", text)
    assert run_id is not None
    assert re.search(r"/#/experiments/\d+/runs/", text)
    assert "runs: code revision" in text
    loaded = re.findall(r'(?:src|href)="((?!#)[^"]*)"', re.sub(r'xlink:href="#[^"]*"', "", text))
    assert {address.split("/#/")[0] for address in loaded} <= {"http://127.0.0.1:5000", "data:,"}
    assert "$" not in re.sub(r"(?s)<svg.*?</svg>", "", text)


def test_counts_and_drops_of_the_store(
    fake_runs: FakeRuns, tmp_path: Path, tiny_store: Path
) -> None:
    store = Store(tiny_store)
    config = {"data": {"root": str(tiny_store), "split": "default"}}
    scored = {"lba": Scored(TARGET + 1, TARGET)}
    tags = {"store_hash": store.hash, "synthetic_data": "True"}
    fake_runs.add({"encoder": "gcn"}, 0, scored, tags=tags, config=config)
    out = write(fake_runs, tmp_path / "report.html")
    text = out.read_text(encoding="utf-8")
    assert f"hash {store.hash}, split default" in text
    train = store.counts()["train"]
    row = re.search(r"<td[^>]*>train</td>(.*?)</tr>", text)
    assert row is not None
    numbers = re.findall(r">(\d+)</td>", row[1])
    assert numbers[1:] == [str(train[task.name]) for task in store.tasks]
    assert ("Left out when the store was built" in text) == any(store.manifest["drops"].values())


@pytest.mark.parametrize(
    ("root", "said"), [("nowhere", "cannot be read here"), (None, "was built again since")]
)
def test_store_that_is_gone_or_changed(
    fake_runs: FakeRuns, tmp_path: Path, tiny_store: Path, root: str | None, said: str
) -> None:
    config = {"data": {"root": root or str(tiny_store)}}
    fake_runs.add({"encoder": "gcn"}, 0, {"lba": Scored(TARGET + 1, TARGET)}, config=config)
    out = write(fake_runs, tmp_path / "report.html")
    assert said in out.read_text(encoding="utf-8")


def test_a_demo_that_was_never_made_here(
    fake_runs: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path / "cache"))
    fake_runs.add({"encoder": "gcn"}, 0, {"lba": Scored(TARGET + 1, TARGET)})
    text = write(fake_runs, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"cannot be read here: there is no demo in {tmp_path / 'cache'}" in text


def test_the_demo_with_the_runs_hash_is_found(
    fake_runs: FakeRuns, tmp_path: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among others in the cache, newer versions among them."""
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path))
    other = tmp_path / "demo-tiny-v9" / "store"
    for place in (tmp_path / "demo-tiny-v1" / "store", other):
        shutil.copytree(tiny_store, place)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "hash": "9" * 64}))
    tags = {"store_hash": Store(tiny_store).hash}
    fake_runs.add({"encoder": "gcn"}, 0, {"lba": Scored(TARGET + 1, TARGET)}, tags=tags)
    text = write(fake_runs, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Store demo, hash {Store(tiny_store).hash}" in text


def test_names_of_runs_are_escaped(fake_runs: FakeRuns, tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    tags = {"benchmark_command": script, "benchmark_settings": script, "git_revision": script}
    fake_runs.add({"encoder": script}, 0, {"lba": Scored(TARGET + 1, TARGET)}, tags=tags)
    text = write(fake_runs, tmp_path / "report.html").read_text(encoding="utf-8")
    assert script not in text
    assert text.count("&lt;script&gt;alert(1)") >= 5


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--disable-gpu") as driver:
        yield driver


def column(browser: Any, place: int) -> list[str]:
    """Cells of a column of the first table, without the constant predictor."""
    script = (
        "return [...document.querySelectorAll('.sheet')[0].querySelectorAll('tbody tr')]"
        ".filter(row => !row.hidden).map(row => row.cells[arguments[0]].textContent)"
    )
    return list(browser.execute_script(script, place))


def click_head(browser: Any, place: int) -> str:
    script = (
        "const head = document.querySelector('.sheet').querySelectorAll('th')[arguments[0]];"
        "head.querySelector('button').click(); return head.getAttribute('aria-sort')"
    )
    return str(browser.execute_script(script, place))


def test_sorting_and_filtering(browser: Any, page: Path) -> None:
    open_page(browser, page)
    assert len(column(browser, 0)) == 6
    for direction in ("ascending", "descending"):
        assert click_head(browser, 1) == direction
        values = [float(text.split()[0]) for text in column(browser, 1)]
        assert values == sorted(values, reverse=direction == "descending")
    click_head(browser, 0)
    assert column(browser, 0) == sorted(column(browser, 0))
    box = browser.find_element("css selector", ".sheet input")
    box.send_keys("GV")
    assert column(browser, 0) == ["gvp"]
    count = browser.find_element("css selector", ".sheet .count").text
    assert count == "1 of 6"
    foot = browser.execute_script("return document.querySelector('tfoot').textContent")
    assert "constant predictor" in foot
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [375, 1440])
def test_readable_at_both_widths(browser: Any, page: Path, width: int) -> None:
    open_page(browser, page, width)
    assert_readable(browser, width, "p, li, td, th, figcaption", 12)
    figures = browser.execute_script(
        "return [...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().width)"
    )
    assert min(figures) >= 300
    assert browser.get_log("browser") == []


def test_a_broken_page_would_be_noticed(browser: Any, tmp_path: Path) -> None:
    """Negative control of the two tests above."""
    broken = tmp_path / "broken.html"
    broken.write_text("<div style='width:2000px'>x</div><script>nothing()</script>")
    open_page(browser, broken, 375)
    assert browser.execute_script("return document.documentElement.scrollWidth") > 375
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_calibration_of_runs_is_shown(fake_runs: FakeRuns, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (60, 3))
    terms = fit_terms(logits, (rng.random((60, 3)) < 1 / (1 + np.exp(-logits / 2))).astype(float))
    values = fit_values(rng.normal(0, 1, 40), np.zeros(40))
    assert terms is not None
    assert values is not None
    known = {"terms": {"ec": terms.to_dict()}, "values": {"lba": values.to_dict()}}
    tested = {"lba": Scored(TARGET + 1, TARGET), "ec": Scored(TERMS, TERMS, level="chain")}
    plain = fake_runs.add({"encoder": "gcn"}, 0, tested)
    assert "Calibration" not in write(fake_runs, tmp_path / "plain.html").read_text("utf-8")
    fake_runs.client.log_text(plain, json.dumps(known), "calibration.json")
    text = write(fake_runs, tmp_path / "report.html").read_text("utf-8")
    sheet = text[text.index("Calibration on the validation split") :]
    rows = re.findall(r"<td[^>]*>(ec|lba)</td>(.*?)</tr>", sheet, re.DOTALL)
    found = {task: re.findall(r">([\d.–]+)</td>", cells) for task, cells in rows}
    numbers = (terms.temperature, terms.ece_before, terms.ece, terms.threshold)
    numbers += (terms.precision, terms.recall)
    assert found["ec"] == ["60", *(f"{number:.3f}" for number in numbers), "–"]
    assert found["lba"] == ["40", *"–" * 6, f"{values.half_width(0.9):.3f}"]
    assert "Reliability of the probabilities" in text
