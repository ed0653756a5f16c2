"""`make bench` writes between marks only, and every section has its place in a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench_script import bench_script

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench():
    with bench_script("make_tables") as module:
        yield module


PAGE = (
    "# A page\n\nMeasured | by hand.\n\n<!-- bench a -->\n\nold\n\n<!-- end of bench a -->\nMore.\n"
)


def test_only_what_is_between_the_marks_changes(bench):
    made = bench.with_table(PAGE, "a", "| new |\n")
    assert made == PAGE.replace("old", "| new |")
    assert bench.with_table(made, "a", "| new |") == made


@pytest.mark.parametrize(
    "page", ["no place", PAGE + PAGE, "<!-- end of bench a -->\n<!-- bench a -->\n"]
)
def test_a_page_without_the_place_is_refused(bench, page):
    with pytest.raises(ValueError, match="<!-- bench a --> and <!-- end of bench a --> once"):
        bench.with_table(page, "a", "| new |")


def test_tables_and_headings_are_kept_of_what_a_script_prints(bench):
    output = "2 CPUs\n## Title\n\n| a |\n|---|\n| 1 |\n\nchatter\n| b |\n|---|\n| 2 |\n"
    assert bench.tables(output) == "#### Title\n\n| a |\n|---|\n| 1 |\n\n| b |\n|---|\n| 2 |"


def test_every_section_has_a_script_and_its_place(bench):
    for name, section in bench.SECTIONS.items():
        script = ROOT / "benchmarks" / section.words[0]
        assert script.is_file()
        assert not section.device or '"--device"' in script.read_text()
        bench.with_table((ROOT / section.page).read_text(), name, "| new |")


def test_a_section_that_fails_leaves_its_page(bench, tmp_path, monkeypatch, capsys):
    (tmp_path / "fails.py").write_text("print('| half |'); raise SystemExit(3)")
    (tmp_path / "works.py").write_text("import sys; print(f'| {sys.argv[1:]} |')")
    for name in "ab":
        (tmp_path / f"{name}.md").write_text(PAGE.replace("bench a", f"bench {name}"))
    monkeypatch.setattr(bench, "HERE", tmp_path)
    sections = {
        "a": bench.Section("a.md", ("fails.py",)),
        "b": bench.Section("b.md", ("works.py", "--x"), device=True),
    }
    monkeypatch.setattr(bench, "SECTIONS", sections)
    assert bench.write_tables(tmp_path, ["a", "b"], "cuda") == 1
    assert (tmp_path / "a.md").read_text() == PAGE
    assert "| ['--x', '--device', 'cuda'] |" in (tmp_path / "b.md").read_text()
    assert "fails.py: status 3" in capsys.readouterr().err
