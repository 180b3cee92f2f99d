"""A directory of dumps as a static site: an index of failures, each leading to its reports.

    DIR/*.keeptrace ─▶ index.html (groups, newest first) ─▶ reports/<name>.html, one a dump

The pages need no server, no network and, but for the filter, no script.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.texts import printable, shorten
from .pages import page_template
from .wording import time_text

# Dumps by time, of all groups on the same scale. (bars of a chart)
_BARS: Final = 24
_WIDTH: Final = 8  # of a bar (units of the chart)
_HEIGHT: Final = 28  # of a chart (units)
# More take minutes to make, and nobody opens them. (reports of one site)
MOST_REPORTS: Final = 500
_MESSAGE: Final = 300


@dataclass(slots=True)
class Seen:
    """A failure as the directory lists it: a group of dumps that are alike.

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

    target: a directory that exists. page_of: a dump's path → its report; raises KeepTraceError or
    OSError for a damaged dump, which is listed without a link.

    Raises MissingExtraError if jinja2 is not installed.
    """
    groups = sorted(_merged(seen), key=lambda each: -each.last)
    reports = _write_reports(groups, os.path.join(target, "reports"), page_of, write)
    page = _index(groups, title, reports)
    write(os.path.join(target, "index.html"), page.encode("utf-8", "backslashreplace"))
    return len(groups), len(reports)


def _merged(seen: Iterable[Seen]) -> list[Seen]:
    """One group for each fingerprint: users, and directories without counts, have several."""
    groups: dict[str, Seen] = {}
    for each in seen:
        known = groups.get(each.fingerprint)
        if known is None:
            groups[each.fingerprint] = each
            continue
        newest = max(known, each, key=lambda one: one.last)
        known.message, known.where, known.host = newest.message, newest.where, newest.host
        known.count += each.count
        known.at_least = known.at_least or each.at_least
        known.first, known.last = min(known.first, each.first), newest.last
        known.dumps = sorted(known.dumps + each.dumps, key=lambda dump: dump[1])
    return list(groups.values())


def _write_reports(
    groups: Sequence[Seen],
    folder: str,
    page_of: Callable[[str], str],
    write: Callable[[str, bytes], None],
) -> dict[str, str]:
    """dump → link of its report; the newest dump of each group first."""
    from ..core.errors import KeepTraceError

    os.makedirs(folder, exist_ok=True)
    paths = [each.dumps[-1][0] for each in groups]
    paths += [path for each in groups for path, _ in each.dumps[:-1]]
    links: dict[str, str] = {}
    for path in paths:
        if len(links) >= MOST_REPORTS:
            break
        name = os.path.basename(path).removesuffix(".keeptrace") + ".html"
        try:
            page = page_of(path)
        except (KeepTraceError, OSError):  # damaged, or another user's
            continue
        write(os.path.join(folder, name), page.encode("utf-8", "backslashreplace"))
        links[path] = f"reports/{name}"
    return links


def _index(groups: Sequence[Seen], title: str, links: dict[str, str]) -> str:
    template = page_template(
        "the HTML site", "site.html.jinja", ("report.css", "site.css"), "site.js"
    )
    times = [time for each in groups for _, time in each.dumps]
    start, end = (min(times), max(times)) if times else (0.0, 0.0)
    return template.render(
        title=printable(title),
        start=time_text(start),
        end=time_text(end),
        total=sum(each.count for each in groups),
        hosts=sorted({printable(each.host) for each in groups if each.host}),
        types=sorted({printable(each.type) for each in groups}),
        width=_BARS * _WIDTH,
        height=_HEIGHT,
        groups=[_row(each, start, end, links) for each in groups],
    )


def _row(each: Seen, start: float, end: float, links: dict[str, str]) -> dict[str, Any]:
    dumps = [(links.get(path), time_text(time)) for path, time in reversed(each.dumps)]
    return {
        "type": printable(each.type),
        "message": printable(shorten(each.message, _MESSAGE)),
        "where": printable(each.where),
        "host": printable(each.host),
        "count": f"{each.count:,}{'+' if each.at_least else ''}",
        "first": time_text(each.first),
        "last": time_text(each.last),
        "dumps": dumps,
        "link": next((link for link, _ in dumps if link), None),
        "bars": _bars([time for _, time in each.dumps], start, end),
    }


def _bars(times: Sequence[float], start: float, end: float) -> list[tuple[int, int, int, int]]:
    """The bars of a chart: (x, y, height, dumps)."""
    counts = [0] * _BARS
    span = max(end - start, 1.0)
    for time in times:
        counts[min(int((time - start) / span * _BARS), _BARS - 1)] += 1
    most = max(counts)
    bars = []
    for at, count in enumerate(counts):
        if count:
            height = max(round(count / most * _HEIGHT), 4)
            bars.append((at * _WIDTH, _HEIGHT - height, height, count))
    return bars
