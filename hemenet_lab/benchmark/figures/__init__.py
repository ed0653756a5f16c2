"""Figures of a grid; importing this loads matplotlib."""

from __future__ import annotations

from hemenet_lab.benchmark.figures.draw import draw_figures, svg, write_figures
from hemenet_lab.benchmark.figures.style import Drawing

__all__ = ["Drawing", "draw_figures", "svg", "write_figures"]
