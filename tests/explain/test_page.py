"""The page of an explanation: what it says, what a browser makes of it, and hostile names."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains

from hemenet_lab.explain import Explanation, RelevanceMap, Residue, render_page, write_page
from hemenet_lab.explain.page import term_address, uniprot_ids
from hemenet_lab.prediction import Estimate, Result
from hemenet_lab.store import Entry
from hemenet_lab.structures import ELEMENT_CLASS_INDEX, ELEMENT_CLASSES, RESIDUE_ATOMS, RESIDUES
from hemenet_lab.tasks import EC, LBA, MF, Task
from tests.browser import assert_readable, chromium, open_page, requests
from tests.store.entries import random_entry

TERMS = EC.with_terms(["1.1.1.1", "2.7.11.-", "own term"])
GO = replace(MF.with_terms(["GO:0003824"]), term_names=("catalytic activity",))
FAR = "chain A is far from what the model was trained on: at most 21% identical"


def with_elements(entry: Entry) -> Entry:
    """The entry with the elements that its atoms' names have: ribbons need carbons called CA."""
    owner = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    elements = entry.atom_element.copy()
    for atom in np.flatnonzero(entry.node_chain[owner] >= 0):
        names = RESIDUE_ATOMS[RESIDUES[entry.node_type[owner[atom]]]]
        elements[atom] = ELEMENT_CLASS_INDEX[names[entry.atom_slot[atom]][0]]
    return replace(entry, atom_element=elements)


def explanation(
    entry: Entry | None = None, tasks: tuple[Task, ...] = (LBA, TERMS, GO), **more: Any
) -> Explanation:
    """An explanation by hand: relevance falls along the entry for an affinity, rises for terms."""
    entry = with_elements(entry or random_entry(3))
    estimates: dict[str, Estimate] = {}
    maps: list[RelevanceMap] = []
    for task in tasks:
        rows = 1 if task.level == "complex" else entry.num_chains
        value = np.linspace(0.9, 0.1, rows * task.num_outputs).reshape(rows, -1)
        if task.kind == "regression":
            estimates[task.name] = Estimate(task, value + 6, half_width=1.25)
        else:
            estimates[task.name] = Estimate(task, value, threshold=0.5)
        term = task.terms[0] if task.terms else ""
        ramp = np.linspace(1.0, -1.0, entry.num_nodes) * (-1 if term else 1)
        name = (task.term_names or task.terms or ("pKd",))[0]
        maps.append(RelevanceMap(task.name, term, name, "gradients", ramp))
        heads = np.abs(ramp)[None] / np.abs(ramp).sum()
        maps.append(RelevanceMap(task.name, "", "", "attention", heads[0], heads))
    names = [(*RESIDUES, *ELEMENT_CLASSES)[kind] for kind in entry.node_type]
    residues = tuple(
        Residue(entry.chain_names[chain] if chain >= 0 else "", number + 1, "", name)
        for number, (chain, name) in enumerate(zip(entry.node_chain, names, strict=True))
    )
    fields: dict[str, Any] = {
        "path": "folder/some.pdb",
        "drops": ("7 water left out: water molecule",),
        "notes": ("larger than all it was trained on",),
        "chain_notes": ((FAR,), *((),) * (entry.num_chains - 1)),
    }
    result = Result(
        entry=entry,
        model=0,
        pose=0,
        estimates=estimates,
        **(fields | more),
        identity=(0.21,) * entry.num_chains,
    )
    rows_ = tuple(result.rows())
    return Explanation(entry, residues, tuple(maps), rows_, result, 0.9, ("best.ckpt",))


# --- text -----------------------------------------------------------------------------------------


def links(text: str) -> set[str]:
    return {*re.findall(r'href="(https?://[^"]*)"', text)}


def test_page_says_what_is_predicted_and_how_far_to_trust_it() -> None:
    text = render_page(explanation())
    assert FAR in text
    assert "7 water left out" in text
    assert "larger than all it was trained on" in text
    assert "90 % interval" in text
    assert "5.65 to 8.15" in text
    assert "catalytic activity" in text
    assert links(text) == {
        *(f"https://www.uniprot.org/uniprotkb/P0000{chain}/entry" for chain in range(2)),
        "https://www.ebi.ac.uk/QuickGO/term/GO:0003824",
        "https://enzyme.expasy.org/EC/1.1.1.1",
        "https://enzyme.expasy.org/EC/2.7.11.-",
    }
    assert text.index(FAR) < text.index('id="viewer"')


def test_ids_of_synthetic_data_lead_nowhere() -> None:
    text = render_page(explanation(trained_on="SYNTHETIC demo data"))
    assert "The model learned from SYNTHETIC demo data." in text
    assert {each.split("/")[2] for each in links(text)} == {"www.uniprot.org"}


def test_tasks_of_any_level_and_kind(tmp_path: Path) -> None:
    whole = Task("place", "complex", "multilabel", title="Place in the cell", terms=("in", "out"))
    heat = Task("heat", "chain", "regression", title="Melting point", unit="K")
    text = write_page(
        explanation(None, (whole, heat, TERMS), path="bytes\udcff.pdb"), tmp_path / "page.html"
    ).read_text("utf-8")
    assert "Melting point, chain B" in text
    assert "bytes\\udcff.pdb" in text
    table = text[text.index("Place in the cell: the most") :]
    assert re.findall(r'<span class="id">(\w+)</span>', table)[:2] == ["in", "out"]
    assert "Chain" not in table[: table.index("</thead>")]


@pytest.mark.parametrize(
    ("term", "linked"),
    [
        ("GO:0003824", True),
        ("3.4.21.n1", True),
        ("1.-.-.-", True),
        ("GO:38", False),
        ("9.1.1.1", False),
        ('1.1.1.1" onclick="x', False),
        ("javascript:alert(1)", False),
    ],
)
def test_known_ids_only_are_linked(term: str, linked: bool) -> None:
    assert bool(term_address(term)) == linked


DBREF = "DBREF  1ABC A    1     3  UNP    P0A9P4   TRXB_ECOLI       1      3\n"
SEQRES = "SEQRES   1 A    3  ALA GLY SER\n"
ATOM = "ATOM      1  CA  ALA A   1      11.000  12.000  13.000  1.00 10.00           C\n"


def test_uniprot_ids_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pdb"
    path.write_text(DBREF + SEQRES + ATOM)
    assert uniprot_ids(path) == {"A": "P0A9P4"}
    path.write_text(DBREF.replace("P0A9P4", "<nono>") + SEQRES + ATOM)
    assert uniprot_ids(path) == {}
    path.write_bytes(b"\x00\xff")
    assert uniprot_ids(path) == {}
    entry = replace(random_entry(3), chain_uniprot=())
    assert "https://www.uniprot.org/uniprotkb/P0A9P4/entry" in links(
        render_page(explanation(entry), {"A": "P0A9P4"})
    )


def test_an_explanation_without_predictor_has_no_page() -> None:
    with pytest.raises(ValueError, match="explain\\(predictor"):
        render_page(replace(explanation(), result=None))


# --- browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--use-angle=swiftshader", "--enable-unsafe-swiftshader") as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(explanation(), tmp_path_factory.mktemp("page") / "new" / "page.html")


def visit(browser: Any, page: Path, width: int = 500) -> None:
    """Open the page with empty logs; a narrow window is drawn faster."""
    browser.get_log("browser")
    requests(browser)
    open_page(browser, page, width, height=1000)


def shown(browser: Any) -> np.ndarray[Any, Any]:
    """Pixels of the structure, [height, width, 3]."""
    data = browser.find_element("css selector", "#viewer canvas").screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def colours(pixels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Mean redness of the left and of the right half of what is not white."""
    red = (pixels[..., 0] - pixels[..., 2]) * (pixels.min(axis=2) < 250)
    half = red.shape[1] // 2
    return float(red[:, :half].sum()), float(red[:, half:].sum())


def quiet(browser: Any, page: Path) -> None:
    """Fail on any message of the console, and on any request but that for the page."""
    assert browser.get_log("browser") == []
    assert {*requests(browser)} <= {page.as_uri()}


def choose(browser: Any, target: str) -> None:
    script = (
        "const box = document.getElementById('target');"
        "box.value = arguments[0]; box.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, target)


def test_structure_is_drawn_and_follows_the_choice(browser: Any, page: Path) -> None:
    visit(browser, page)
    first = shown(browser)
    drawn = first.min(axis=2) < 250
    assert drawn.mean() > 0.01
    options = browser.find_elements("css selector", "#target option")
    assert [one.text for one in options] == [
        "Ligand binding affinity",
        "Enzyme Commission number: 1.1.1.1",
        "Gene Ontology: molecular function: GO:0003824 catalytic activity",
    ]
    top = browser.find_element("css selector", "#top tbody tr").text
    choose(browser, options[1].get_attribute("value"))
    second = shown(browser)
    # the other map is the negative of the first: red and blue change places
    assert np.sign(colours(first)) == pytest.approx(-np.sign(colours(second)))
    assert np.abs(first - second).max() > 50
    browser.find_element("css selector", "#methods input[value=attention]").click()
    assert np.abs(shown(browser) - second).max() > 50
    assert "attention" in browser.find_element("id", "unit").text
    assert browser.find_element("css selector", "#top tbody tr").text != top
    quiet(browser, page)


def test_residues_are_named_by_pointing_and_by_the_table(browser: Any, page: Path) -> None:
    visit(browser, page)
    told = browser.find_element("id", "hovered")
    before = told.text
    browser.find_element("css selector", "#top tbody button").click()
    name = browser.find_element("css selector", "#top tbody button").text
    assert told.text == f"{name}: +1.00"
    # the residue is now in the middle; any atom near it will do
    browser.execute_script("document.getElementById('hovered').textContent = ''")
    box = browser.find_element("css selector", "#viewer canvas")
    for place in range(0, 60, 10):
        ActionChains(browser).move_to_element_with_offset(box, place, place // 2).pause(
            0.2
        ).perform()
        if told.text:
            break
    assert re.fullmatch(r"(\w{3} \d+ of chain \w|ligand atom .*): [+−]?[\d.]+", told.text), before
    for switch in ("contacts", "strong", "bychain", "labels"):
        browser.find_element("id", switch).click()
    browser.find_element("id", "near").click()
    browser.find_element("id", "reset").click()
    assert (shown(browser).min(axis=2) < 250).mean() > 0.005
    quiet(browser, page)


@pytest.mark.parametrize("width", [375, 1440])
def test_readable_at_both_widths(browser: Any, page: Path, width: int) -> None:
    visit(browser, page, width)
    assert_readable(browser, width, "p, li, td, th, label, button, summary, output", 13)
    assert browser.find_element("css selector", "#viewer canvas").size["width"] >= 300
    quiet(browser, page)


BAD = '</script><script>window.bad=1</script><img src="http://x.invalid" onerror="window.bad=1">'
QUOTES = "\"'`${window.bad=1}\u2028<!--"


def test_hostile_names_are_text(browser: Any, tmp_path: Path) -> None:
    entry = replace(random_entry(3), id=BAD, chain_names=(BAD, QUOTES), chain_uniprot=(BAD, QUOTES))
    task = replace(EC.with_terms([BAD, QUOTES]), term_names=(QUOTES, BAD), title=BAD)
    lba = replace(LBA, title=QUOTES, unit=BAD)
    said: Mapping[str, Any] = {"drops": (BAD, QUOTES), "notes": (BAD,), "path": f"{QUOTES}{BAD}"}
    found = replace(explanation(entry, (lba, task), **said), models=(BAD,))
    page = write_page(found, tmp_path / "bad.html", {"A": BAD})
    visit(browser, page)
    assert browser.execute_script("return window.bad") is None
    assert browser.find_elements("css selector", "img") == []
    assert len(browser.find_elements("css selector", "script")) == 3
    assert browser.find_element("css selector", "h1").text == BAD
    assert BAD in browser.find_element("id", "target").text
    browser.find_element("css selector", "#top tbody button").click()
    assert BAD in browser.find_element("id", "hovered").text
    assert (shown(browser).min(axis=2) < 250).mean() > 0.005
    quiet(browser, page)
    # were an escape forgotten, the page's policy would hold: nothing but its two scripts runs
    page.write_text(page.read_text("utf-8").replace("<h1>", "<h1><script>window.bad=1</script>"))
    visit(browser, page)
    assert browser.execute_script("return window.bad") is None
    assert "Content Security Policy" in str(browser.get_log("browser"))


def test_without_webgl_the_tables_remain(browser: Any, page: Path) -> None:
    source = "HTMLCanvasElement.prototype.getContext = () => null"
    command = "Page.addScriptToEvaluateOnNewDocument"
    script = browser.execute_cdp_cmd(command, {"source": source})["identifier"]
    try:
        visit(browser, page)
        assert browser.find_element("id", "failed").is_displayed()
        assert len(browser.find_elements("css selector", "#top tbody tr")) == 12
    finally:
        remove = "Page.removeScriptToEvaluateOnNewDocument"
        browser.execute_cdp_cmd(remove, {"identifier": script})


def test_a_trace_of_alpha_carbons_is_drawn(browser: Any, tmp_path: Path) -> None:
    entry = random_entry(5, chains=(14,), ligand=0, missing=0.0)
    alpha = entry.atom_slot == 1
    entry = replace(
        entry,
        coords=entry.coords[alpha],
        atom_element=entry.atom_element[alpha],
        atom_slot=entry.atom_slot[alpha],
        node_atoms=np.ones(entry.num_nodes, np.uint8),
    )
    page = write_page(explanation(entry, (TERMS,)), tmp_path / "alpha.html")
    visit(browser, page)
    assert (shown(browser).min(axis=2) < 250).mean() > 0.002
    quiet(browser, page)
