"""The benchmark of published implementations, on one that is written here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.bench_script import bench_script

FILE = "models/egnn_clean/egnn_clean.py"

LAYER = '''
"""An equivariant layer by the book, edge by edge features and all, with the published names."""
import torch
from torch import nn
from torch_scatter import scatter_add, scatter_mean


class E_GCL(nn.Module):
    def __init__(self, width, out, hidden):
        super().__init__()
        self.edge_mlp = nn.Sequential(
            nn.Linear(2 * width + 1, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.node_mlp = nn.Sequential(
            nn.Linear(width + hidden, hidden), nn.SiLU(), nn.Linear(hidden, out)
        )
        self.coord_mlp = nn.Sequential(
            nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1, bias=False)
        )

    def forward(self, h, edge_index, x):
        to, source = edge_index
        step = x[to] - x[source]
        m = self.edge_mlp(torch.cat([h[to], h[source], (step**2).sum(1, keepdim=True)], 1))
        x = x + scatter_mean(step * self.coord_mlp(m), to, dim=0, dim_size=len(x))
        total = scatter_add(m, to, dim=0, dim_size=len(h))
        return h + SCALE * self.node_mlp(torch.cat([h, total], 1)), x, None
'''


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with bench_script("bench_originals") as module:
        yield module


def clone(folder: Path, scale: float = 1.0) -> Path:
    """A folder with the layer in its published place."""
    place = folder / FILE
    place.parent.mkdir(parents=True)
    place.write_text(LAYER.replace("SCALE", f"{scale}"))
    return folder


def run(bench: ModuleType, folder: Path, kind: str) -> dict[str, float]:
    words = [f"--original=egnn={folder}", f"--worker={kind}", "--residues=20", "--repeat=1"]
    found: dict[str, float] = bench.worker(bench.argument_parser().parse_args(words))
    return found


def test_the_table_names_repositories_commits_and_licences(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench_originals.py"])
    bench.main()
    table = capsys.readouterr().out
    assert (
        "| egnn | [vgsatorras/egnn](https://github.com/vgsatorras/egnn) | e9ca6c0 | MIT |" in table
    )
    assert len(table.splitlines()) == 2 + len(bench.ORIGINALS)


def test_both_sides_agree_and_are_measured(bench: ModuleType, tmp_path: Path) -> None:
    folder = clone(tmp_path)
    assert run(bench, folder, "difference")["difference"] < 1e-12
    numbers = run(bench, folder, "times") | run(bench, folder, "theirs")
    assert min(numbers[f"{side}_cpu"] for side in ("ours", "theirs")) > 0
    line = bench.row("egnn", numbers | {"difference": 1e-15})
    assert line.count("|") == bench.HEADER.count("|")
    assert "| 1.0e-15 |" in line


def test_another_computation_is_found_out(bench: ModuleType, tmp_path: Path) -> None:
    assert run(bench, clone(tmp_path, scale=1.001), "difference")["difference"] > 1e-6


def test_modules_of_a_clone_are_gone_afterwards(bench: ModuleType, tmp_path: Path) -> None:
    mine = sys.modules["models"] = ModuleType("models")
    try:
        run(bench, clone(tmp_path), "difference")
        assert sys.modules["models"] is mine
        assert not {"models.egnn_clean", "torch_scatter"} & set(sys.modules)
        assert str(tmp_path) not in sys.path
    finally:
        del sys.modules["models"]
    assert torch.get_default_dtype() is torch.float32


def test_other_folders_and_names_are_refused_in_a_line(
    bench: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for word, reason in {
        f"egnn={tmp_path}": f"{tmp_path} has no {FILE}, so it is no clone of vgsatorras/egnn; git",
        f"alphafold={tmp_path}": "give NAME=FOLDER, with one of the names hemenet, ",
        "egnn": "--original egnn: give NAME=FOLDER",
    }.items():
        monkeypatch.setattr("sys.argv", ["bench_originals.py", "--original", word])
        with pytest.raises(SystemExit) as stop:
            bench.main()
        assert stop.value.code == 2
        assert reason in capsys.readouterr().err.splitlines()[-1]


def test_every_original_refuses_an_empty_folder(bench: ModuleType, tmp_path: Path) -> None:
    for name, original in bench.ORIGINALS.items():
        with pytest.raises(ValueError, match=f"{original.file}, .* and give {name}=FOLDER"):
            bench.checked(name, original, tmp_path)


def test_parts_of_a_package_can_be_used_without_the_rest(bench: ModuleType, tmp_path: Path) -> None:
    clone = importlib.import_module("originals.clone")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "__init__.py").write_text("raise ImportError('no compiler')")
    part = "import torch\nfrom whole import helper\nmade = lambda: torch.ones(2, dtype=torch.float)"
    (tmp_path / "whole" / "part.py").write_text(part)
    with bench.opened(tmp_path):
        with pytest.raises(ImportError, match="no compiler"):
            importlib.import_module("whole.part")
        clone.bare("whole", tmp_path / "whole", helper=None)
        module = importlib.import_module("whole.part")
        assert clone.wider(module, exact=False).made().dtype is torch.float32
        assert clone.wider(module, exact=True).made().dtype is torch.float64
    assert not {"whole", "whole.part"} & set(sys.modules)


def test_of_a_file_the_first_chain_is_taken(bench: ModuleType, tmp_path: Path) -> None:
    places = [("A", 1), ("A", 2), ("A", 3), ("B", 1), ("B", 2)]
    atoms = [(*place, name) for place in places for name in ("N", "CA", "C", "O")]
    lines = [
        f"ATOM  {i:5d}  {name:<3s} ALA {chain}{number:4d}    "
        f"{1.4 * i:8.3f}{i % 3:8.3f}{0:8.3f}  1.00  0.00           {name[0]}"
        for i, (chain, number, name) in enumerate(atoms, 1)
    ]
    file = tmp_path / "two.pdb"
    file.write_text("\n".join([*lines, "END"]))
    entry = bench.the_protein(file, 300)
    assert (entry.num_nodes, entry.num_atoms) == (3, 12)
    assert set(entry.node_chain.tolist()) == {0}


def test_a_clone_at_another_commit_is_said(
    bench: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench, "measure", lambda word, options: "does not run: not tried")
    words = [f"--original=egnn={clone(tmp_path)}", "--residues=20"]
    bench.compare(bench.argument_parser().parse_args(words))
    told = capsys.readouterr().out
    assert f"- egnn: {tmp_path} is at no commit that git knows" in told
    assert "| egnn | does not run: not tried |" in told


def test_an_original_that_fails_has_a_row_with_the_reason(bench: ModuleType) -> None:
    line = bench.row("gvp", "does not run: ImportError: no torch_scatter")
    assert line.startswith("| gvp | does not run: ImportError: no torch_scatter |")
    assert line.count("|") == bench.HEADER.count("|")


def test_stand_ins_do_what_the_packages_do(bench: ModuleType) -> None:
    stand_ins = importlib.import_module("originals.stand_ins")
    made = stand_ins.module("made", **stand_ins.CONTENT["torch_scatter"])
    src, index = torch.tensor([[1.0, 4.0], [3.0, 2.0], [5.0, 0.0]]), torch.tensor([0, 2, 0])
    assert made.scatter_add(src, index, dim=0).tolist() == [[6.0, 4.0], [0.0, 0.0], [3.0, 2.0]]
    assert made.scatter_mean(src, index, dim=0, dim_size=4).tolist() == [
        *([3.0, 2.0], [0.0, 0.0], [3.0, 2.0], [0.0, 0.0])
    ]
    assert made.scatter_max(src, index, dim=0)[0].tolist() == [[5.0, 4.0], [0.0, 0.0], [3.0, 2.0]]
    assert made.scatter_min(src, index, dim=0)[0][0].tolist() == [1.0, 0.0]
    torch.testing.assert_close(
        made.scatter_softmax(src, index, dim=0)[[0, 2]], src[[0, 2]].softmax(0)
    )
    torch.testing.assert_close(
        made.scatter_std(src, index, dim=0)[0], src[[0, 2]].std(0), rtol=1e-5, atol=0
    )
    near = stand_ins.radius(src, src, 3.0)
    assert near.t().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2], [2, 1], [2, 2]]
