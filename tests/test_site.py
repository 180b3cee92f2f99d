"""A directory of dumps as a static site: an index of failures that leads to their reports."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from chromium import browser, document_of

import keeptrace

pytest.importorskip("typer", reason="the command line is made with typer")
pytest.importorskip("jinja2", reason="the pages are templates of jinja2")
pytest.importorskip("pygments", reason="the reports are coloured by Pygments")


def total(quantity: str) -> int:
    return int(quantity)


def load(name: str) -> None:
    raise KeyError(f"<script>{name}</script>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a directory with counted failures, a dump by hand, and a damaged one."""
    folder = tmp_path_factory.mktemp("site")
    store = keeptrace.Store(folder / "dumps")
    for function, argument, times in ((total, "two", 7), (load, "k", 2)):
        for _ in range(times):
            try:
                function(argument)
            except (ValueError, KeyError) as exc:
                store.write(exc)
                last = exc
    keeptrace.dump(last, folder / "dumps" / "by-hand.keeptrace")
    (folder / "dumps" / "damaged.keeptrace").write_bytes(b"no dump")
    command = [sys.executable, "-m", "keeptrace", "html", "dumps", "-o", "out/site"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "3 groups, 8 reports" in done.stderr
    return folder / "out" / "site"


def test_index(site: Path) -> None:
    """Each group stands once, the newest first, with its count and bars; texts of foreign origin
    are escaped.
    """
    page = (site / "index.html").read_text("utf-8")
    counts = re.findall(r'<span class="count">(.*?)&times;', page)
    assert sorted(counts) == ["1", "3", "7"]
    assert "<script>k" not in page and "&lt;script&gt;k" in page
    assert page.count('<svg class="chart"') == 3 and "<title>" in page
    assert "damaged.keeptrace" in page and "(no report)" in page
    assert "http://" not in page and "https://" not in page


def test_the_bars_count_every_failure(site: Path) -> None:
    """Dumps stand at their times; repeats without a dump are one low bar between the first and the
    last.
    """
    page = (site / "index.html").read_text("utf-8")
    for article in page.split("<article")[1:]:
        count = re.search(r'<span class="count">(\d+)&times;', article)
        bars = [int(number) for number in re.findall(r"<title>(\d+) ", article)]
        assert count is not None and sum(bars) == int(count[1])
    assert page.count('class="between"') == 1
    assert "<title>2 repeats, counted without their times</title>" in page


def test_every_link_leads_to_a_report(site: Path) -> None:
    """Links are relative, and each report is a whole page of its own."""
    page = (site / "index.html").read_text("utf-8")
    links = {urllib.parse.unquote(link) for link in re.findall(r'href="(.*?)"', page)}
    assert len(links) == 8 and all(link.startswith("reports/") for link in links)
    for link in links:
        assert (site / link).read_text("utf-8").startswith("<!DOCTYPE html>")
    assert len(list((site / "reports").iterdir())) == 8


def test_a_page_of_the_newest_dump(site: Path) -> None:
    """With a file as output, the directory stands for its newest dump, as everywhere."""
    folder = site.parent.parent
    command = [sys.executable, "-m", "keeptrace", "html", "dumps", "-o", "one.html"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "KeyError" in (folder / "one.html").read_text("utf-8")


@pytest.mark.skipif(browser() is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("filter_of", "shown"), [("", 3), ("KeyError", 1), ("nothing", 0)])
def test_the_filter_in_a_browser(site: Path, tmp_path: Path, filter_of: str, shown: int) -> None:
    """The script of the page, in a real browser, hides the groups that do not fit."""
    page = (site / "index.html").read_text("utf-8")
    # Types into the filter: a script of the test's own, after the page's, under the page's policy.
    typed = (
        'const field = document.getElementById("search");'
        f'field.value = "{filter_of}"; field.dispatchEvent(new Event("input"));'
    )
    dom = document_of(page, typed, tmp_path)
    articles = re.findall(r"<article [^>]*>", dom)
    assert len([each for each in articles if "hidden" not in each]) == shown
