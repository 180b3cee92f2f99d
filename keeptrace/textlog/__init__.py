r"""Tracebacks as text, in any log → tracebacks for debuggers.

    text ─▶ decode.py ─▶ formats.py ─▶ log.py, reader.py ─▶ build.py ─▶ report ─▶ exception
            records,      other tools'   the grammar           types, arguments,
            escapes       tracebacks     below, line by line   sources, positions

In: a text, a file, or lines. Out: reports and restored exceptions. The room imports core and
restore.

The grammar. A line is the rest of a log's line without records, colours, line ends and margins:

    log        = (ordinary line | traceback)*
    traceback  = exception (blank link blank exception)*     the last exception, with its chain
    link       = "The above exception was the direct cause ..."
               | "During handling of the above exception ..."
    exception  = [header frame*] [place] last-line more-lines* [children]
    header     = "Traceback (most recent call last):"
               | "Exception Group Traceback (most recent call last):"
    frame      = '  File "F", line N, in NAME' source*
               | "  [Previous line repeated N more times]"
    source     = "    " text | "    " carets | "    ...<N lines>..."
    place      = '  File "F", line N' [text [carets]]        of a SyntaxError
    last-line  = TYPE [": " message]
    more-lines = the rest of the message, then the notes
    children   = "+-+---- 1 ----" traceback ("+---- N ----" traceback)*
                 ["+---- ... ----" "and N more exceptions"] "+--------"

The margins, from outside in: the log's own prefix (a timestamp, a level, a quotation mark), on each
line or on the first alone; indentation; and the bars of exception groups, whose column says which
group a line belongs to. The reader also takes text without indentation; then the place in the
grammar decides, not the column.

A line that a narrow screen broke is joined again behind its margin (wrapped.py). Lines of other
programs may stand between two frames.

The text is ambiguous at the end of a traceback: the second line of a message, a note and the next
ordinary line look alike. Groups and records mark the end; elsewhere these rules decide:
 1. A line right after the last line belongs to the message, unless the line looks like a log's
    record (grammar.RECORDS), like the text of a tool behind a traceback (grammar.ENDS), or like the
    header of another traceback. The line is a note if the type's message is complete or empty.
 2. After a blank line, only indented lines and links belong to the message. Blank lines at the end
    are dropped.
 3. A header belongs to the message if the line before ends in a colon: "the worker said:".
 4. A last line without an exception's name is kept as the message, so nothing is thrown away.

The text of a restored exception equals the text of the log, with three exceptions: messages with
blank lines; sources that changed (restore/sources.py); and a worker's traceback, which
concurrent.futures and multiprocessing put between triple quotes. The worker's exception replaces
the _RemoteTraceback as the cause.

Everything is bounded (the constants of grammar.py), a traceback is returned as soon as the next
line is known, and no text raises.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from ..core.report import Report
from ..restore.policy import LOADED
from ..restore.restore import restore
from .build import ReportBuilder
from .grammar import MOST_FRAMES, MOST_LINES
from .log import Found, read_log
from .read import NotInLog
from .sources import merge_sources

Parsed: TypeAlias = tuple[type[BaseException], BaseException, types.TracebackType | None]

__all__ = [
    "MOST_FRAMES",
    "MOST_LINES",
    "Found",
    "NotInLog",
    "Parsed",
    "parse_reports",
    "parse_tracebacks",
    "read_log",
    "report_of",
    "restored",
]


def report_of(found: Found) -> Report:
    """The report of a traceback of read_log()."""
    return ReportBuilder().build(found.exception)


def parse_reports(lines: Iterable[Any]) -> Iterator[Report]:
    """The tracebacks of a text, as reports: plain data, see core/report.py."""
    for found in read_log(lines):
        yield report_of(found)


def parse_tracebacks(lines: Iterable[Any]) -> Iterator[Parsed]:
    """Finds the tracebacks in a text.

    lines: a str, an open log file, or any iterator of lines, however long.

    Yields (type, value, traceback) for each traceback, as soon as its end is known.
    `traceback.print_exception(*found)` prints the traceback again, `pdb.post_mortem(found[2])`
    walks through the frames. Source lines come from files, else from the text.
    """
    for report in parse_reports(lines):
        value = restored(report)
        yield type(value), value, value.__traceback__


def restored(report: Report) -> BaseException:
    """The exception of a report from a log."""
    merge_sources(report)
    return restore(report, LOADED)
