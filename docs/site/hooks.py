"""What MkDocs does not do by itself: pages from the rest of the repository, navigation, reference.

The Markdown of the repository is written for readers of the repository. Here the start page is
made of the README, links that leave ``docs/`` lead to pages made of their targets, each executed
notebook becomes a page with its outputs, and each public face of the package gets a page of
reference. A page of ``docs/`` that no group names stands under "More".
"""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "report-a-fault.md",
    "baselines/README.md": "baselines.md",
    "benchmarks/build.md": "performance-build.md",
    "benchmarks/data.md": "performance-data.md",
    "benchmarks/encoders.md": "performance-encoders.md",
    "benchmarks/hemenet.md": "performance-hemenet.md",
    "benchmarks/tracking.md": "performance-tracking.md",
}
"""Files of the repository outside ``docs/`` that are pages, by their names there."""
GROUPS = {
    "Start": ("index", "concepts", "demo", "coming-from"),
    "Notebooks": ("notebooks/train", "notebooks/explain"),
    "How to": (
        *("data", "own-data", "known-sets", "store", "fetch", "predict", "explain"),
        *("pretrain", "finetune", "extend", "language-models"),
        *("sweeps", "cluster", "tracking", "reliability", "reproduce"),
    ),
    "Results": ("results-demo", "results-real", "baselines"),
    "Performance": (
        "performance",
        "performance-hemenet",
        "performance-encoders",
        "performance-data",
        "performance-build",
        "performance-tracking",
    ),
    "Project": (
        *("architecture", "conventions", "dependencies", "contributing", "changelog"),
        *("security", "report-a-fault"),
    ),
}
"""Pages of each tab, in order; what is not there is left out."""
FACES = (
    *("hemenet_lab", "hemenet_lab.structures", "hemenet_lab.store", "hemenet_lab.protein_mt"),
    *("hemenet_lab.graphs", "hemenet_lab.encoders", "hemenet_lab.loading", "hemenet_lab.metrics"),
    *("hemenet_lab.model", "hemenet_lab.saved", "hemenet_lab.tracking", "hemenet_lab.training"),
    *(
        "hemenet_lab.pretraining",
        "hemenet_lab.prediction",
        "hemenet_lab.explain",
        "hemenet_lab.testing",
        "hemenet_lab.benchmark",
        "baselines",
    ),
)
"""Packages with a page of reference."""
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made of other files of the repository."""
    for source, name in PAGES.items():
        if (ROOT / source).is_file():
            text = _relinked((ROOT / source).read_text("utf-8"), source)
            files.append(File.generated(config, name, content=text))
    for path in sorted((ROOT / "docs").glob("notebooks/*.ipynb")):
        name = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, name, content=_notebook(path)))
    for face in FACES:
        text = f"# `{face}`\n\n::: {face}\n"
        files.append(File.generated(config, f"api/{face}.md", content=text))
    there = {file.src_uri.removesuffix(".md") for file in files.documentation_pages()}
    nav: list[dict[str, list[str]]] = []
    for title, names in GROUPS.items():
        nav.append({title: [f"{name}.md" for name in names if name in there]})
    named = {name for names in GROUPS.values() for name in names}
    more = sorted(name for name in there - named if not name.startswith("api/"))
    if more:
        nav.append({"More": [f"{name}.md" for name in more]})
    nav.append({"API": [f"api/{face}.md" for face in FACES]})
    config["nav"] = nav
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that leave ``docs/`` lead to pages of the site."""
    if page.file.generated_by is not None:
        return markdown
    return _relinked(markdown, f"docs/{page.file.src_uri}")


def _notebook(path: Path) -> str:
    """An executed notebook as Markdown: text, code and outputs, with a link to the notebook."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [_output(output) for output in cell["outputs"]]
    parts.append(f"[This page as a notebook]({path.name})")
    return "\n\n".join(filter(None, parts)) + "\n"


def _output(output: dict[str, Any]) -> str:
    """An output of a cell: its picture, its HTML, or its text."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"![picture](data:image/png;base64,{''.join(data['image/png']).strip()})"
    if "text/html" in data:  # on lines of its own without empty ones, or Markdown would end it
        lines = "".join(data["text/html"]).splitlines()
        return "<div>\n" + "\n".join(line for line in lines if line.strip()) + "\n</div>"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"<pre><code>{html.escape(text)}</code></pre>" if text else ""


def _relinked(markdown: str, source: str) -> str:
    """The text of a file of the repository with links as the site has them."""

    def replaced(match: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / match[2])
        if target.startswith("docs/"):
            return f"{match[1]}{target.removeprefix('docs/')}{match[3]}"
        if target in PAGES:
            return f"{match[1]}{PAGES[target]}{match[3]}"
        if (ROOT / target).exists():  # a file that is read in the repository only
            return "](index.md#where-things-are)"
        return match[0]

    return LINK.sub(replaced, markdown)
