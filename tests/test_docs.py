"""Commands in the documentation parse, and its links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from hemenet_lab.cli import lightning

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "baselines/README.md"]


def commands(page: Path) -> Iterator[str]:
    """Shell commands of a page's bash blocks, continued lines joined."""
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.split("  #")[0].strip()


def fits() -> list[str]:
    """Complete fit commands; those of extend.md need its package and have their own test."""
    pages = [page for page in PAGES if page.name != "extend.md"]
    found = {command for page in pages for command in commands(page)}
    return sorted(c for c in found if c.startswith("lightning fit --config") and "<" not in c)


@pytest.mark.parametrize("command", fits())
def test_fit_command_parses(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["lightning"])
    with pytest.raises(SystemExit) as stop:
        lightning([*shlex.split(command)[1:], "--print_config"])
    assert stop.value.code == 0, capsys.readouterr().err


def test_there_are_commands_to_parse() -> None:
    assert len(fits()) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_files_that_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:hemenet_lab|baselines|tests|docs|configs)/[\w/.]+)`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_as_they_ran(path: Path) -> None:
    """With outputs, in order, without errors; what they import is there, links lead somewhere."""
    text = path.read_text("utf-8")
    assert len(text) < 200_000
    assert re.findall(r"/(?:root|home|tmp|work)/", text) == []
    cells = json.loads(text)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert "error" not in {output["output_type"] for output in outputs}
    for cell in code:
        source = "".join(cell["source"]).removeprefix("%%capture\n")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hemenet_lab"):
                module = import_module(str(node.module))
                assert [n.name for n in node.names if not hasattr(module, n.name)] == []
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", "".join(cell["source"])):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"explain", "train"}
