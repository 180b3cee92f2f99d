"""Views of small dumps that share one thing a million times stay small, and say what they leave out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import keeptrace
from keeptrace.format.reading import decode
from keeptrace.render import budgets
from keeptrace.render.frames import ShownFrame
from keeptrace.render.html import to_html
from keeptrace.render.model import make_view
from keeptrace.render.places import places_of
from keeptrace.render.sources import Sources
from keeptrace.render.view import View

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
# The views may have so many times fewer values, frames and lines, so that they are made soon.
SHARE = 8
# Characters that a view may have; JSON writes a character beyond ASCII as six, HTML adds its marks.
MOST = {
    "show": 1_000_000,
    "show --all": 2 * budgets.TERMINAL_CHARACTERS,
    "show --json": 8 * budgets.JSON_CHARACTERS,
    "html": 3 * budgets.HTML_CHARACTERS,
}


# The others take longer, or differ less: `python tests/costly.py NAME` tries each.
QUICK = (
    "entries",
    "doubled_lists",
    "objects_of_each_other",
    "one_list_of_notes_of_all",
    "groups_that_share",
    "long_variable_names",
    "attributes_of_many",
)


# Each command where it differs; the others are asked for two.
COMMANDS = {"entries": tuple(MOST), "entries_of_many_lines": ("html",)}


def commands_of(name: str) -> tuple[str, ...]:
    return COMMANDS.get(name, ("show --json", "html"))


class Views(NamedTuple):
    """What processes of their own made of the dumps: for each dump and command."""

    characters: dict[tuple[str, str], int]
    said: dict[tuple[str, str], list[str]]
    errors: str


@pytest.fixture(scope="module")
def views() -> Views:
    names = (*QUICK, "entries_of_many_lines")
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "costly.py"),
            str(SHARE),
            *(f"{name}:{','.join(commands_of(name))}" for name in names),
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Views(
        {(name, command): characters for name, command, characters, _, _ in lines},
        {(name, command): said for name, command, _, _, said in lines},
        done.stderr[-2000:],
    )


@pytest.mark.timeout(900)  # the fixture makes them all: two seconds of a processor
@pytest.mark.parametrize("name", QUICK)
def test_views_are_bounded(name: str, views: Views) -> None:
    """Each view of a dump as costly as the check allows ends within its budget and 1.5 GB."""
    for command in commands_of(name):
        assert (name, command) in views.characters, views.errors
        assert views.characters[name, command] <= MOST[command], command


@pytest.mark.timeout(900)
def test_what_is_left_out_is_told(views: Views) -> None:
    """The JSON counts what is beyond the budgets; the page and the terminal say how much."""
    assert '"left_out": ' in views.said["objects_of_each_other", "show --json"]
    assert "the rest is left out" in views.said["entries", "show --all"]
    html = views.said["entries_of_many_lines", "html"]
    assert "more frames, further out, are not shown" in html


def test_a_source_is_walked_once() -> None:
    """Whether a file holds a frame's code is looked up, in a table that is made once for the file."""
    places = places_of("def f(x):\n    return x + 1\n\n@f\ndef g():\n    pass\n")
    assert places is not None
    assert places.hold("f", 1, [2, 2, 11, 16])
    assert places.hold("g", 4, [None, None, None, None])
    assert not places.hold("g", 5, [2, 2, 11, 16])
    assert not places.hold("f", 1, [2, 2, 11, 17])
    assert places_of("def") is None


def test_generated_sources_are_not_parsed(tmp_path: Path) -> None:
    """A file of this machine is compared with the frames up to a bound; a larger one was generated,
    and would take half a minute."""
    found = []
    for name, count in (("small.py", 10), ("large.py", budgets.MAX_PARSED // 2)):
        file = tmp_path / name
        file.write_text("x = [" + "1, " * count + "]; 1 / 0\n")
        column = 8 + 3 * count
        position = [1, 1, column, column + 5]
        frame = ShownFrame(
            1, 0, str(file), 1, "<module>", "<module>", 1, position, [], [], True, False
        )
        found.append(Sources({}).of(frame) is not None)
    assert found == [True, False]


def test_a_page_finds_the_first_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many exceptions goes to the root cause once, not once a frame."""
    found = []
    first_frame = View.first_frame
    monkeypatch.setattr(
        View, "first_frame", property(lambda view: found.append(0) or first_frame.fget(view))
    )
    chain = None
    for number in range(50):
        try:
            raise ValueError(number) from chain
        except ValueError as exc:
            chain = exc
    read = decode(keeptrace.dumps(chain))
    assert "ValueError" in to_html(make_view(read.report), read.header)
    assert len(found) == 1


def test_linecache_does_not_grow_for_ever() -> None:
    """A program that reads dumps all day keeps the newest snapshots of sources, and those of the last dump."""
    import linecache

    from keeptrace.restore import sources

    text = "x" * (sources._MOST_KEPT // 8)
    for at in range(20):
        name = f"/nowhere/kept{at}.py"
        sources._keep_in_linecache(name, len(text), [text], {name: b""})
    kept = [at for at in range(20) if f"/nowhere/kept{at}.py" in linecache.cache]
    assert kept == list(range(12, 20))
