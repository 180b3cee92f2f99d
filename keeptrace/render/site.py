"""A directory of dumps as a static site: an index of failures, with links to their reports.

    DIR/*.keeptrace ─▶ index.html (groups, newest first) ─▶ reports/<name>.html, for each dump

The pages need no server, no network and, but for the filter, no script.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.texts import printable, shorten
from .pages import page_template
from .wording import time_text

# Failures by time; all groups have the same span of time. (bars of a chart)
_BARS: Final = 24
_WIDTH: Final = 8  # of a bar with its gap (units of the chart)
_GAP: Final = 2
_HEIGHT: Final = 28  # of a chart (units)
# Making more reports takes minutes, and nobody opens so many. (reports of a site)
MOST_REPORTS: Final = 500
_MESSAGE: Final = 300


@dataclass(slots=True)
class Seen:
    """A failure in a directory: a group of dumps with the same fingerprint.

    dumps: (path, seconds since 1970), oldest first.
    """

    fingerprint: str
    type: str
    message: str
    where: str
    host: str
    count: int
    at_least: bool
    first: float
    last: float
    dumps: list[tuple[str, float]]


def write_site(
    seen: Iterable[Seen],
    target: str,
    title: str,
    page_of: Callable[[str], str],
    write: Callable[[str, bytes], None],
) -> tuple[int, int]:
    """Writes the site, and returns the number of its groups and reports.

    target: an existing directory.
    page_of: the path of a dump → its report. If page_of raises KeepTraceError or OSError, the site
        lists the dump without a link.

    Raises MissingExtraError if jinja2 is not installed.
    """
    groups = sorted(_merged(seen), key=lambda each: -each.last)
    folder = os.path.join(target, "reports")
    reports = _write_reports(groups, folder, page_of, write)
    page = _index(groups, title, reports)
    index = os.path.join(target, "index.html")
    write(index, _encoded(page))
    return len(groups), len(reports)


def _encoded(page: str) -> bytes:
    return page.encode("utf-8", "backslashreplace")


def _merged(seen: Iterable[Seen]) -> list[Seen]:
    """A group for each fingerprint. Several users, or a directory without counts, have several."""
    groups: dict[str, Seen] = {}
    for each in seen:
        known = groups.get(each.fingerprint)
        if known is None:
            groups[each.fingerprint] = each
            continue
        _merge(known, each)
    return list(groups.values())


def _merge(known: Seen, other: Seen) -> None:
    """Adds a group of the same fingerprint to a known one. The newest failure is described."""
    if other.last > known.last:
        known.message = other.message
        known.where = other.where
        known.host = other.host
        known.last = other.last
    known.first = min(known.first, other.first)
    known.count += other.count
    known.at_least = known.at_least or other.at_least
    known.dumps += other.dumps
    known.dumps.sort(key=operator.itemgetter(1))


def _write_reports(
    groups: Sequence[Seen],
    folder: str,
    page_of: Callable[[str], str],
    write: Callable[[str, bytes], None],
) -> dict[str, str]:
    """dump → link of its report; the newest dump of each group first."""
    from ..core.errors import KeepTraceError

    os.makedirs(folder, exist_ok=True)
    newest = []
    older = []
    for each in groups:
        paths = [path for path, _ in each.dumps]
        older += paths[:-1]
        newest += paths[-1:]
    links: dict[str, str] = {}
    for path in newest + older:
        if len(links) >= MOST_REPORTS:
            break
        name = os.path.basename(path).removesuffix(".keeptrace") + ".html"
        try:
            page = page_of(path)
        except (KeepTraceError, OSError):  # damaged, or another user's
            continue
        write(os.path.join(folder, name), _encoded(page))
        links[path] = f"reports/{name}"
    return links


def _index(groups: Sequence[Seen], title: str, links: dict[str, str]) -> str:
    template = page_template(
        "the HTML site", "site.html.jinja", ("report.css", "site.css"), "site.js"
    )
    start = min((each.first for each in groups), default=0.0)
    end = max((each.last for each in groups), default=0.0)
    hosts = {printable(each.host) for each in groups if each.host}
    types = {printable(each.type) for each in groups}
    return template.render(
        title=printable(title),
        start=time_text(start),
        end=time_text(end),
        total=sum(each.count for each in groups),
        hosts=sorted(hosts),
        types=sorted(types),
        width=_BARS * _WIDTH,
        height=_HEIGHT,
        groups=[_row(each, start, end, links) for each in groups],
    )


def _row(each: Seen, start: float, end: float, links: dict[str, str]) -> dict[str, Any]:
    dumps = []
    for path, time in reversed(each.dumps):
        dumps.append((links.get(path), time_text(time)))
    newest_link = next((link for link, _ in dumps if link), None)
    span = max(end - start, 1.0)
    count = f"{each.count:,}"
    if each.at_least:
        count += "+"
    return {
        "type": printable(each.type),
        "message": printable(shorten(each.message, _MESSAGE)),
        "where": printable(each.where),
        "host": printable(each.host),
        "count": count,
        "first": time_text(each.first),
        "last": time_text(each.last),
        "dumps": dumps,
        "link": newest_link,
        "chart": _chart(each, start, span),
    }


@dataclass(slots=True)
class _Bar:
    """A rectangle of a chart, in its units, and the number of failures behind the rectangle."""

    x: int
    y: int
    width: int
    height: int
    count: int
    is_between: bool = False  # repeats without a dump: only their number is known


def _chart(each: Seen, start: float, span: float) -> list[_Bar]:
    """The dumps of a group as bars. Below, the repeats are a low bar from the first to the last."""

    def place(time: float) -> int:
        share = (time - start) / span
        number = int(share * _BARS)
        return max(min(number, _BARS - 1), 0)

    counts = [0] * _BARS
    for _, time in each.dumps:
        counts[place(time)] += 1
    first = place(each.first)
    places = place(each.last) - first + 1
    repeats = max(each.count - len(each.dumps), 0)
    share = repeats / places
    most = max(counts) + share
    base = _tall(share, most, 2)
    room = _HEIGHT - base
    bars = []
    if repeats:
        width = places * _WIDTH - _GAP
        bars.append(_Bar(first * _WIDTH, room, width, base, repeats, is_between=True))
    for at, count in enumerate(counts):
        height = min(_tall(count, most, 4), room)
        if height:
            bars.append(_Bar(at * _WIDTH, room - height, _WIDTH - _GAP, height, count))
    return bars


def _tall(part: float, whole: float, least: int) -> int:
    """The height of a bar for `part`, if `whole` fills the chart: 0 for 0, else `least` or more."""
    if not part:
        return 0
    return max(round(part / whole * (_HEIGHT - 4)), least)
