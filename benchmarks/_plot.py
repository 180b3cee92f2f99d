"""Figures as SVG. The only place that knows matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parent / "figures"

_COLOURS = [
    "#0b6e4f",
    "#c44536",
    "#3d5a80",
    "#e09f3e",
    "#7b2d8b",
    "#6c757d",
    "#2a9d8f",
    "#b56576",
    "#8d6e63",
    "#1d3557",
]


# group names that would run into each other
_SLANTED: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}


@dataclass
class Figure:
    """A plot as data. kind: "bars" (x are the groups) or "lines" (x are numbers). A missing value
    is None.
    """

    name: str
    title: str
    kind: str
    x: list[Any]
    series: dict[str, list[float | None]]
    xlabel: str = ""
    ylabel: str = ""
    logx: bool = False
    logy: bool = True


def draw(figure: Figure) -> Path:
    """Writes the figure. Raises ImportError if matplotlib is not installed."""
    import matplotlib

    matplotlib.use("svg")
    # the same data gives the same file
    matplotlib.rcParams.update(
        {
            "svg.hashsalt": figure.name,
            "svg.fonttype": "none",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    from matplotlib import pyplot

    canvas, axes = pyplot.subplots(figsize=(9, 4.2), layout="constrained")
    {"bars": _bars, "lines": _lines}[figure.kind](axes, figure)
    axes.set_title(figure.title, loc="left", fontsize=10)
    axes.set_xlabel(figure.xlabel)
    axes.set_ylabel(figure.ylabel)
    if figure.logy:
        axes.set_yscale("log")
    if figure.logx:
        axes.set_xscale("log")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{figure.name}.svg"
    canvas.savefig(path, metadata={"Date": None})
    pyplot.close(canvas)
    return path


def _bars(axes: Any, figure: Figure) -> None:
    width = 0.85 / max(len(figure.series), 1)
    for number, (label, values) in enumerate(figure.series.items()):
        places = [at + (number - (len(figure.series) - 1) / 2) * width for at in range(len(values))]
        axes.bar(
            places,
            [value or 0 for value in values],
            width,
            label=label,
            color=_COLOURS[number % len(_COLOURS)],
        )
    axes.set_xticks(range(len(figure.x)), figure.x, **(_SLANTED if len(figure.x) > 6 else {}))


def _lines(axes: Any, figure: Figure) -> None:
    numbers = all(isinstance(x, (int, float)) for x in figure.x) and figure.logx
    for number, (label, values) in enumerate(figure.series.items()):
        known = [
            (x if numbers else at, value)
            for at, (x, value) in enumerate(zip(figure.x, values))
            if value is not None
        ]
        axes.plot(
            *zip(*known),
            marker="o",
            markersize=4,
            label=label,
            color=_COLOURS[number % len(_COLOURS)],
        ) if known else None
    if not numbers:
        axes.set_xticks(range(len(figure.x)), [str(x) for x in figure.x])
