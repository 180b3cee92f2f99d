"""The buttons of the HTML report, in a real browser."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from chromium import browser, document_of

import keeptrace
from keeptrace.format.reading import decode
from keeptrace.render.model import make_view

pytest.importorskip("jinja2", reason="the pages are templates of jinja2")
pytest.importorskip("pygments", reason="the reports are coloured by Pygments")
pytestmark = pytest.mark.skipif(browser() is None, reason="no Chromium is installed")

# Clicks and types as a reader does; what came of it stands in an attribute of the document.
SCRIPT = """
const told = {};
const id = (name) => document.getElementById(name);
const frames = [...document.querySelectorAll("details.frame")];
const shown = () => frames.filter((frame) => getComputedStyle(frame).display !== "none").length;
told.frames = frames.length;
told.openAtFirst = frames.filter((frame) => frame.open).length;
id("open").click();
told.openAll = frames.filter((frame) => frame.open).length;
told.openLabel = id("open").textContent;
id("open").click();
told.openNone = frames.filter((frame) => frame.open).length;
told.shownAll = shown();
id("mine").click();
told.shownMine = shown();
told.pressed = id("mine").getAttribute("aria-pressed");
id("theme").click();
const first = document.documentElement.dataset.theme;
id("theme").click();
told.themes = [first, document.documentElement.dataset.theme].sort();
id("search").value = "needle";
id("search").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
told.found = id("found").textContent;
told.hit = document.querySelectorAll(".hit.current").length;
const same = document.querySelector("a.same");
same.click();
told.again = document.querySelectorAll(".again").length;
same.click();
told.goneAgain = document.querySelectorAll(".again").length;
// Without it the answer comes at once; the page then copies as where it may not use the clipboard.
Object.defineProperty(navigator, "clipboard", { value: undefined });
id("text").closest("details").open = true;
id("copy").click();
told.copied = id("copy").textContent;
told.selected = getSelection().toString().includes("Traceback");
document.body.setAttribute("data-told", JSON.stringify(told));
"""


def parse(text: str) -> Any:
    shared = {"needle": [1, 2]}
    other = shared
    return json.loads(text)


def test_every_button(tmp_path: Path) -> None:
    """All frames open and close, library frames hide, the theme changes, the search finds, "the
    same" opens in place, the text is copied.
    """
    from keeptrace.render.html import to_html

    try:
        parse("{")
    except ValueError as exc:
        dump = decode(keeptrace.dumps(exc))
    page = document_of(to_html(make_view(dump.report), dump.header), SCRIPT, tmp_path)
    found = re.search(r'data-told="(.*?)"', page)
    assert found is not None
    told = json.loads(html.unescape(found[1]))
    assert told["frames"] >= 4 and told["openAtFirst"] == 1
    assert (told["openAll"], told["openNone"]) == (told["frames"], 0)
    assert told["openLabel"] == "Close all frames"
    assert told["shownAll"] == told["frames"] and told["shownMine"] == 2
    assert told["pressed"] == "true" and told["themes"] == ["dark", "light"]
    assert told["found"].startswith("1 of ") and told["hit"] == 1
    assert (told["again"], told["goneAgain"]) == (1, 0)
    assert told["copied"] == "Copied" and told["selected"]
