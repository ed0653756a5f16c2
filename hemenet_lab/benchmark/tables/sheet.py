"""Contents of the printed tables, before they become Markdown, LaTeX or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hemenet_lab.benchmark.grids import FOLD_AXIS
from hemenet_lab.benchmark.results import (
    BY_KEY,
    EVERYWHERE,
    SYNTHETIC,
    GridResults,
    paper_rows,
    row_position,
)
from hemenet_lab.benchmark.tables.cells import RULE, Cell, ResultTable
from hemenet_lab.benchmark.tables.rows import FIRST_AXES, Row, label_of, varying_axes
from hemenet_lab.metrics import FEWEST_SEEDS, METRICS, Difference
from hemenet_lab.tasks import PROTEIN_MT

OF_BENCHMARK = {task.name for task in PROTEIN_MT}
"""Tasks whose unit, pKd, every reader of these tables knows."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ABSENT = "–"


@dataclass(frozen=True)
class CellText:
    """A cell for people."""

    main: str
    spread: str = ""
    """Standard deviation over seeds."""
    mark: str = ""
    paper: str = ""
    notes: str = ""
    """Letters of the notes on the paper's number."""
    sort: float | None = None
    """Number by which the cell is sorted; its text if None."""


@dataclass(frozen=True)
class Sheet:
    """A table for people."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[CellText, ...], ...]
    labels: int
    """Number of columns at the left that are names."""
    caption: str = ""
    foot: tuple[tuple[CellText, ...], ...] = ()
    """Rows that stay at the end however the others are sorted."""


def note_letters(table: ResultTable) -> dict[str, str]:
    """Letter of each note that a shown number of the paper needs."""
    keys = (key for cell in table.cells if cell.paper for key in cell.paper.notes)
    return dict(zip(dict.fromkeys(keys), LETTERS, strict=False))


def overview(table: ResultTable) -> Sheet:
    """One line per configuration, one column per task and metric of the paper."""
    axes, letters = varying_axes(table.rows), note_letters(table)
    columns = table.columns()
    rows = [
        (*_labels(row, axes), *(_entry(table.cell(row, *column), letters) for column in columns))
        for row in table.rows
    ]
    constant = [CellText("constant predictor"), *[CellText("")] * (len(axes) - 1)]
    foot = (*constant, *(_constant(table, *column) for column in columns))
    header = (*axes, *(_heading(table, *column) for column in columns))
    spread = any(cell.std is not None for cell in table.cells)
    caption = "Mean ± standard deviation over seeds." if spread else "Mean over seeds."
    if letters or any(cell.paper for cell in table.cells):
        mark = ", NOT COMPARABLE with these" if table.results.synthetic else ""
        caption += f" In brackets: the paper's number{mark}; letters: see the notes."
    return Sheet("Mean over seeds", header, tuple(rows), len(axes), caption, (foot,))


def details(table: ResultTable, task: str) -> Sheet:
    """Everything about one task: intervals, seeds, scores per sequence cluster."""
    axes, letters = varying_axes(table.rows), note_letters(table)
    metrics = [metric for name, metric in table.columns() if name == task]
    with_paper = any(cell.paper for cell in table.cells if cell.task == task)
    header = [*axes]
    for metric in metrics:
        header += [_with_unit(table, task, metric), "95 % interval", "per cluster"]
        header += ["paper"] if with_paper else []
    header += ["seeds", "n"]
    rows = []
    for row in table.rows:
        cells = [table.cell(row, task, metric) for metric in metrics]
        first = next((cell for cell in cells if cell), None)
        if first is None:
            continue
        line = _labels(row, axes)
        for cell in cells:
            line += _detail(cell, letters, with_paper)
        line += [_number(str(len(first.seeds))), _number(first.n)]
        rows.append(tuple(line))
    title = ": ".join(filter(None, (task, table.results.words.get(task, ("", ""))[0])))
    return Sheet(title, tuple(header), tuple(rows), len(axes), _detail_caption(table, task))


def _detail_caption(table: ResultTable, task: str) -> str:
    known = {cell.clusters for cell in table.cells if cell.task == task and cell.clusters}
    clusters = f"{max(known)} sequence clusters" if known else "sequence clusters unknown"
    return (
        "95 % interval of the mean over seeds: bootstrap over whole sequence clusters of test "
        "items (single items where none is known). "
        f"Per cluster: each sequence cluster counts once ({clusters})."
    )


def remarks(table: ResultTable) -> list[str]:
    """Remarks beside the tables: data, runs that are missing, untested tasks."""
    results = table.results
    found = [SYNTHETIC] if results.synthetic else []
    of = "" if results.planned is None else f" of {results.planned} planned"
    found.append(f"{len(results.runs)}{of} runs finished, store {results.store_hash[:12]}.")
    settings = sorted({run.settings for run in results.runs} - {""})
    found += [f"Further settings of {_share(results, text)}: {text}" for text in settings]
    if (results.planned or 0) > len(results.runs) + len(results.unfinished):
        missing = (results.planned or 0) - len(results.runs) - len(results.unfinished)
        found.append(f"NOT BEGUN: {missing} runs")
    for run in results.unfinished:
        choices = " · ".join(run.choices.values())
        found.append(f"NOT FINISHED ({run.status.lower()}): {choices}, seed {run.seed}, {run.id}")
    found += [f"LEFT OUT: {line}" for line in results.lacking]
    folds = {run.choices[FOLD_AXIS] for run in results.runs if FOLD_AXIS in run.choices}
    if folds:
        found.append(
            f"Cross-validation over {len(folds)} folds: every score is over the test items of all "
            "folds together, each predicted by the run that did not see it."
        )
    found += [f"Superseded by a later run: {run.name}, {run.id}" for run in results.superseded]
    found += [f"No labelled test item: task {task}" for task in table.untested]
    found += [
        f"Task {task}: runs were tested on DIFFERENT ITEMS (limited test batches?); nothing is "
        "compared there and means over different items have no interval."
        for task in table.uneven
    ]
    return found


def _share(results: GridResults, settings: str) -> str:
    number = sum(run.settings == settings for run in results.runs)
    return "all runs" if number == len(results.runs) else f"{number} runs"


def lead_lines(table: ResultTable) -> list[str]:
    """Best against runner-up in words, one line per column and block."""
    lines = []
    for row in leads(table).rows:
        *where, best, second, gap, interval, verdict = (text.main for text in row)
        place = " ".join(filter(None, where))
        lines.append(f"{place}: {best} against {second}: {gap} {interval}, {verdict}")
    return lines


def leads(table: ResultTable) -> Sheet:
    """Best against runner-up, one line per column and block."""
    axes = varying_axes(table.rows)
    rows = []
    for lead in table.leads:
        gap = lead.difference
        interval = "no interval" if gap.low is None else f"[{gap.low:+.3f}, {gap.high:+.3f}]"
        shown = [axis for axis in axes if axis not in FIRST_AXES or not lead.block]
        rows.append(
            (
                *(CellText(word) for word in (lead.block, lead.task, METRICS[lead.metric].title)),
                *(CellText(label_of(row, shown)) for row in (lead.best, lead.second)),
                CellText(f"{gap.value:+.3f}", sort=gap.value),
                CellText(interval, sort=gap.low),
                CellText(_verdict(gap)),
            )
        )
    header = ["setting", "task", "metric", "best", "runner-up"]
    header += ["difference", "95 % interval", "verdict"]
    if not any(lead.block for lead in table.leads):
        header, rows = header[1:], [row[1:] for row in rows]
    return Sheet("Who leads", tuple(header), tuple(rows), len(header) - 3)


def _verdict(gap: Difference) -> str:
    if gap.excludes_zero and not gap.established:
        return f"not established (fewer than {FEWEST_SEEDS} seeds)"
    return "established" if gap.established else "not established"


def note_lines(table: ResultTable) -> list[tuple[str, str]]:
    """(letter, text) of the notes on the paper's numbers, then what holds for all of them."""
    letters = note_letters(table)
    lines = [(letter, BY_KEY[key].text) for key, letter in letters.items()]
    if any(cell.paper for cell in table.cells):
        lines.append(("", EVERYWHERE))
        if missing := _missing_rows(table):
            lines.append(("", f"Rows of the paper without runs here: {', '.join(missing)}."))
    return lines


def rule(table: ResultTable) -> str:
    """Text on how winners are marked; empty if nothing could compete."""
    return RULE if table.leads else ""


def _missing_rows(table: ResultTable) -> list[str]:
    grid = table.results.grid
    here = {row_position(grid, [choice for _, choice in row]) for row in table.rows}
    return [" ".join(row) for place, row in enumerate(paper_rows(grid)) if place not in here]


def _labels(row: Row, axes: Sequence[str]) -> list[CellText]:
    return [CellText(label_of(row, [axis]) or ABSENT) for axis in axes]


def _entry(cell: Cell | None, letters: dict[str, str]) -> CellText:
    if cell is None:
        return CellText(ABSENT)
    paper = cell.paper.text if cell.paper else ""
    notes = "".join(sorted(letters[key] for key in cell.paper.notes)) if cell.paper else ""
    if cell.mean is None:
        return CellText("undefined", paper=paper, notes=notes)
    spread = "" if cell.std is None else f"{cell.std:.3f}"
    return CellText(f"{cell.mean:.3f}", spread, cell.mark, paper, notes, cell.mean)


def _detail(cell: Cell | None, letters: dict[str, str], with_paper: bool) -> list[CellText]:
    width = 4 if with_paper else 3
    if cell is None:
        return [CellText(ABSENT)] * width
    entry = _entry(cell, letters)
    interval = ABSENT if cell.low is None else f"{cell.low:.3f} to {cell.high:.3f}"
    cluster = ABSENT if cell.per_cluster is None else f"{cell.per_cluster:.3f}"
    paper = cell.paper.value if cell.paper else None
    texts = [
        CellText(entry.main, entry.spread, entry.mark, sort=entry.sort),
        CellText(interval, sort=cell.low),
        CellText(cluster, sort=cell.per_cluster),
        CellText("", paper=entry.paper, notes=entry.notes, sort=paper),
    ]
    return texts[:width]


def _constant(table: ResultTable, task: str, metric: str) -> CellText:
    """The constant predictor's score; a range if the rows' training labels differ."""
    cells = [cell for row in table.rows if (cell := table.cell(row, task, metric))]
    known = [cell.constant for cell in cells if cell.constant is not None]
    if not known:
        return CellText(ABSENT)
    low, high = f"{min(known):.3f}", f"{max(known):.3f}"
    return CellText(low if low == high else f"{low} to {high}", sort=min(known))


def _heading(table: ResultTable, task: str, metric: str) -> str:
    counts = {n for row in table.rows if (c := table.cell(row, task, metric)) for n in c.counts}
    n = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
    return f"{task} {_with_unit(table, task, metric)} n={n}"


def _with_unit(table: ResultTable, task: str, metric: str) -> str:
    """Head of a column, with the unit of an own task."""
    unit = "" if task in OF_BENCHMARK else table.results.unit(task)
    return METRICS[metric].axis_label(unit)


def _number(text: str) -> CellText:
    return CellText(text, sort=float(text.split("-")[0]))
