"""The documentation as a site: `.ci/docs`, or `sphinx-build -W -n --keep-going docs docs/_build`.

The pages are Markdown, which reads well in the repository too. The reference is made from the
docstrings, whose style is the project's own: house_docstrings() turns it into what Sphinx knows.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keeptrace

project = "keeptrace"
author = "keeptrace developers"
project_copyright = "2026, keeptrace developers"
version = release = keeptrace.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
autodoc_mock_imports = [
    "celery",
    "cloudpickle",
    "dask",
    "distributed",
    "loky",
    "mpi4py",
    "multiprocess",
    "ray",
    "rq",
    "torch",
]  # engines need not be installed
exclude_patterns = ["_build"]
myst_heading_anchors = 4  # links to headings are checked, as GitHub makes their anchors
myst_enable_extensions = ["deflist", "colon_fence"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"keeptrace {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_sourcelink = html_copy_source = False

# Files of the repository that pages name, and that are no pages: GitHub shows them, the site offers
# them.
ROOT = Path(__file__).parent.parent


def _parameters(thing: Any) -> list[str]:
    """The names that a docstring may explain: those of the signature, of Options, of a tuple's
    fields.
    """
    names = [*getattr(thing, "__slots__", ()), *getattr(thing, "_fields", ())]
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return names
    return [*signature.parameters, *names]


def _explained(paragraph: list[str], names: list[str]) -> Iterator[str]:
    """A paragraph "name: text. other: text", with one field for each name."""
    text = " ".join(line.strip() for line in paragraph)
    begins = re.compile(rf"(?:^|(?<=[.!?] ))({'|'.join(map(re.escape, names))}): ")
    found = list(begins.finditer(text))
    if not found or found[0].start():
        yield from (line.strip() for line in paragraph)
        return
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=True):
        yield f":param {match[1]}: {text[match.end() : end].strip()}"


def house_docstrings(
    app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Paragraphs stay; "name: text" becomes a field of a parameter; what is indented becomes a
    block of code.
    """
    names = _parameters(thing)
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    made: list[str] = []
    for paragraph in filter(None, paragraphs):
        if paragraph[0].startswith(" "):
            made += [".. code-block:: python", "", *(f"    {line}" for line in paragraph)]
        elif names:
            made += _explained(paragraph, names)
        else:
            made += paragraph
        made.append("")
    lines[:] = [line if line.startswith("    ") else _as_rst(line) for line in made]


def _as_rst(line: str) -> str:
    """`name` is code, as in Markdown; a star outside of code is a star."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", line)
    texts = [
        part.replace("*", r"\*") if index % 2 == 0 else f"``{part.strip('`')}``"
        for index, part in enumerate(parts)
    ]
    return "".join(texts)


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", house_docstrings)
