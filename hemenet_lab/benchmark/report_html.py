"""Pieces of a report page: tables, lists and figures as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from hemenet_lab.benchmark.figures import svg
from hemenet_lab.benchmark.figures_style import Drawing
from hemenet_lab.benchmark.table_sheet import Sheet, Text

_PIXELS = 96
"""Per inch."""
_TALL = 40
"""Rows above which a table scrolls in its box."""
_NARROWEST = 640
"""Pixels below which a wide figure scrolls in its box instead of shrinking."""


def table_html(sheet: Sheet, link: Callable[[str], str] | None = None) -> str:
    """A table that sorts by each column and filters by text.

    Args:
        sheet: The table.
        link: Address for the text of a cell in the last column; none where it gives "".
    """
    heads = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>'
        for name in sheet.header
    )
    body = "".join(_row(row, sheet.labels, link) for row in sheet.rows)
    foot = "".join(_row(row, sheet.labels, None) for row in sheet.foot)
    caption = f'<p class="note">{escape(sheet.caption)}</p>' if sheet.caption else ""
    label = escape(sheet.title)
    tools = (
        f'<input type="search" placeholder="Filter rows" aria-label="Filter rows of {label}">'
        '<span class="count" aria-live="polite"></span>'
        if len(sheet.rows) > 4
        else ""
    )
    tall = " tall" if len(sheet.rows) > _TALL else ""
    return (
        f'<section class="sheet"><h3>{label}</h3>{tools}<div class="scroll{tall}" tabindex="0" '
        f'role="region" aria-label="{label}"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table></div>{caption}</section>"
    )


def _row(row: tuple[Text, ...], labels: int, link: Callable[[str], str] | None) -> str:
    cells = []
    for place, text in enumerate(row):
        kind = ' class="name"' if place < labels else ""
        sort = "" if text.sort is None else f' data-sort="{text.sort!r}"'
        content = _content(text)
        address = link(text.main) if link and place == len(row) - 1 else ""
        if address:
            content = f'<a href="{escape(address)}"><code>{content}</code></a>'
        cells.append(f"<td{kind}{sort}>{content}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _content(text: Text) -> str:
    main = escape(text.main)
    if text.mark:
        main = f"<strong>{main}</strong>" if text.mark == "best" else f"<u>{main}</u>"
    words = [main] if main else []
    words += [f'<span class="spread">± {text.spread}</span>'] if text.spread else []
    if text.paper:
        links = ",".join(f'<a href="#note-{n}">{n}</a>' for n in text.notes)
        raised = f"<sup>{links}</sup>" if links else ""
        brackets = f"({escape(text.paper)}{raised})" if main else escape(text.paper) + raised
        words.append(f'<span class="paper">{brackets}</span>')
    return " ".join(words)


def list_html(lines: Iterable[str]) -> str:
    """A bulleted list."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def notes_html(notes: Iterable[tuple[str, str]]) -> str:
    """Notes on the paper's numbers; their letters are the targets of links."""
    items = [
        f'<li id="note-{letter}"><sup>{letter}</sup> {escape(text)}</li>'
        if letter
        else f"<li>{escape(text)}</li>"
        for letter, text in notes
    ]
    return f'<ul class="notes">{"".join(items)}</ul>' if items else "<p>None for this grid.</p>"


def figure_html(drawing: Drawing) -> str:
    """A figure, drawn inside the page."""
    width = int(drawing.figure.get_figwidth() * _PIXELS)
    title, caption = escape(drawing.title), escape(drawing.caption)
    sizes = f"min-width:{min(width, _NARROWEST)}px;max-width:{round(1.5 * width)}px"
    return (
        f'<figure><h3>{title}</h3><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><div style="{sizes}" role="img" aria-label="{title}. {caption}">'
        f"{svg(drawing)}</div></div><figcaption>{caption}</figcaption></figure>"
    )
