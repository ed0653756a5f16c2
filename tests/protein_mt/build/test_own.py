"""The page docs/own-data.md: own tasks, tables, structures and splits, built and checked."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.graphs import GraphView, build_graph
from hemenet_lab.protein_mt.labels import read_own
from hemenet_lab.store import Store
from tests.protein_mt.raw_folder import pdb_text, sequence

PAGE = (Path(__file__).parents[3] / "docs" / "own-data.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(BLOCK.findall(PAGE))


def command(start: str) -> list[str]:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(start)]
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, with structures, and the store that its command builds."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("tasks.yaml", "labels.csv", "chains.csv"):
        (folder / name).write_text(FILES[name], encoding="utf-8")
    (folder / "models").mkdir()
    for number in range(10):
        text = pdb_text({"A": sequence(number, 40)})
        (folder / "models" / f"Prot{number}.pdb").write_text(text)
    (folder / "models" / "other.pdb").write_text(pdb_text({"A": sequence(50)}))
    with (folder / "labels.csv").open("a") as file:
        file.write("prot3,1300\nprot77,50\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert hemenet([*command("hemenet data build"), "--workers", "1"]) == 0
    return folder


def test_the_page_builds_inspects_and_verifies(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert hemenet(command("hemenet data inspect")) == 0
    assert "Melting temperature" in capsys.readouterr().out
    assert hemenet(command("hemenet data verify")) == 0, capsys.readouterr().out
    drops = (folder / "own" / "drops.csv").read_text()
    assert "other.pdb,*,file,structure file not used: no table names it" in drops
    assert "prot77,tm,label,label without a structure file" in drops
    assert "tm 1300 is outside 20 to 120 °C" in drops


def test_labels_come_back_and_reach_the_graph(folder: Path) -> None:
    store = Store(folder / "own")
    tm, place, rate = store.tasks
    assert (tm.unit, tm.transform, rate.transform) == ("°C", "standardise", "log")
    assert place.terms == ("cytosol", "membrane", "nucleus")
    entry = store[store.index("prot1")]
    assert entry.values == {"tm": 48.0}
    assert entry.chain_values == {"rate": {0: 15.0}}
    assert entry.terms["place"][0].tolist() == [0, 2]
    graph = build_graph(entry, GraphView(nodes="alpha"), store.tasks)
    assert (graph.y_tm.item(), graph.y_rate.item()) == (48.0, 15.0)
    assert not store[store.index("prot3")].chain_values
    parts = store.counts()
    assert all(parts[part]["tm"] for part in ("train", "val", "test"))


def test_a_split_file_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    parts = ["train"] * 6 + ["valid", "val", "test"]
    rows = [f"PROT{number},{part}" for number, part in enumerate(parts)]
    (folder / "splits.csv").write_text("\n".join(["id,split", *rows, "gone,test", ""]))
    words = [*command("hemenet data build"), "--split-file", "splits.csv", "--workers", "1"]
    words[words.index("own")] = "split"
    assert hemenet(words) == 0
    store = Store(folder / "split")
    assert store.split("default").tolist() == [0] * 6 + [1, 1, 2, 3]
    assert (store.split("given") == store.split()).all()
    assert "split file names no entry" in (folder / "split" / "drops.csv").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks:\n- {name: tm, level: complex}", "needs name, level and kind"),
        ("tasks:\n- {name: lba, level: complex, kind: regression}", "is taken"),
        ("tasks:\n- {name: tm, level: residue, kind: regression}", "allowed: complex, chain"),
        ("tasks:\n- {name: tm, level: chain, kind: regression, range: [9, 1]}", "lower one first"),
        ("tasks:\n- {name: tm, level: chain, kind: regression, size: 1}", "a task may have"),
    ],
)
def test_wrong_tasks(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tasks.yaml").write_text(text)
    (tmp_path / "t.csv").write_text("id,value\na,1\n")
    with pytest.raises(ValueError, match=message):
        read_own(tmp_path / "tasks.yaml", [tmp_path / "t.csv"])
