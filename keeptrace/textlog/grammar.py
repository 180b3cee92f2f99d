"""The words of tracebacks and the bounds of the reader, as data.

The grammar is drawn in __init__.py.
"""

from __future__ import annotations

import builtins
import os
import re
from typing import Final

# In a traceback, half at either end; deeper stacks need a raised recursion limit.
MOST_FRAMES: Final = 5_000
MOST_EXCEPTIONS: Final = 1_000  # in a chain with its groups
MOST_LINES: Final = 1_000  # of one message: more than any validation error has
MOST_FENCED_LINES: Final = 20_000  # of a worker's traceback between triple quotes
MOST_SOURCE_LINES: Final = 50  # under one frame
MOST_LEVELS: Final = 64  # of groups in groups; Python itself prints 10
MOST_BLANKS: Final = 20  # one after the other
MOST_OPEN: Final = 16  # tracebacks with prefixes whose lines alternate
MOST_FOREIGN: Final = 100  # foreign lines within a prefixed traceback
MOST_CHARACTERS: Final = 64 << 10  # in one line of a traceback
MOST_ESCAPED: Final = 4 << 20  # in one line with an escaped traceback
MOST_PREFIX: Final = 300  # characters before a header
# Source lines further down are left out: a restored source has an empty line for each unknown line.
MOST_LINE_NUMBER: Final = 100_000

HEAD: Final = "Traceback (most recent call last):"
GROUP: Final = "Exception Group "
STACK: Final = "Stack Trace:"  # Dagster's, between the message and the frames
LINKS: Final = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
# Django's links have the message of the exception before, and its last line is in two halves.
TOLD_LINK: Final = re.compile(
    r"(?P<begin>The above exception|During handling of the above exception)"
    r" \((?P<message>.*)\)(?P<end>,? (?:was the|another) .*)$"
)
TOLD_TYPE: Final = re.compile(r"Exception Type: (?P<name>[^\W\d][\w.]*)(?: at /.*)?\s*$")
TOLD_VALUE: Final = "Exception Value: "
# Searched for in the lower-cased line before the links are compared.
LINK_PART: Final = "the above exception"
FILE_LINE: Final = re.compile(
    r'\s*File "(?P<file>.*)", line (?P<line>\d{1,9})(?:, in (?P<name>.*))?$', re.DOTALL
)
REPEATED: Final = re.compile(r"\s*\[Previous line repeated (\d{1,9}) more times?\]\s*$")
GAP: Final = re.compile(r"\.\.\.<(\d{1,9}) lines?>\.\.\.$")
LAST_LINE: Final = re.compile(
    r"(?P<name>[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*"
    r"(?:\[[\w., \[\]]{1,100}\]|\([\w.]{1,100}\))?)"
    r"(?P<colon>:(?: (?P<message>.*))?)?$",
    re.DOTALL,
)
BAR: Final = re.compile(
    r"(?P<indent>\s*)(?P<mark>[|+])(?: (?P<text>.*)|(?P<rule>-.*))?$", re.DOTALL
)
RULE: Final = re.compile(r"(?P<opens>-\+)?-{8,}(?: (?P<number>\d{1,9}|\.\.\.) -{8,})?\s*$")
MORE: Final = re.compile(r"and (\d{1,9}) more exceptions?\s*$")
DEEPER: Final = re.compile(r"\.\.\. \(max_group_depth is \d+\)\s*$")
SIZE: Final = re.compile(r"(?P<message>.*) \((?P<count>\d{1,9}) sub-exceptions?\)$", re.DOTALL)
COLOUR: Final = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
ERRNO: Final = re.compile(r"\[Errno (?P<errno>-?\d{1,9})\] (?P<rest>.*)$", re.DOTALL)
# The type of an exception whose type the log does not name: read.py has the class.
UNNAMED: Final = "keeptrace.textlog.NotInLog"
FENCES: Final = ('"""', "'''")

# Stands for the end of a list, or of a tool's traceback: no traceback goes on with the beginning of
# a record.
RECORD: Final = '{"'
# Beginnings of log records; a traceback never continues with such a line.
RECORDS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\W\d]{0,12}\d{2}(?:\d\d)?[-/]\d\d[-/]\d\d[T ,]{1,2}\d\d:\d\d",  # 2026-01-01 12:00
        r"\[?\d\d:\d\d:\d\d\b",  # 12:00:00
        # ERROR:root:
        r"\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b[\]:|\s-]",
        r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",  # syslog: Jan  1 12:00:00
        r"<\d{1,3}>",  # syslog's priority
        r"[IWEF]\d{4} \d\d:\d\d",  # glog: E0101 12:00
        r"\d{10}(?:\d{3})?(?:\.\d+)?(?:\s|,\")",  # seconds or milliseconds since 1970
        r'\{"',  # JSON
        r"(?:level|time|ts|severity|msg)=\S",  # logfmt
        r"\((?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\) ",
        r"\d{1,3}(?:\.\d{1,3}){3} - ",  # an access log
        r"(?:[\w.:-]{2,100} ){1,2}\S{1,64} \S{1,64} \[\d\d/[A-Z][a-z]{2}/\d{4}:",  # of a host
        r"\[\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d",  # Django's server
        r"\[?[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d",  # Mon Jan  5 12:00:00
        r"\[pid: \d+\|",  # uWSGI
        r"\r?[^|\r]{0,80}\b\d{1,3}%\|",  # a bar of progress
        r"--- Logging error ---",
        r"(?:Call stack|Stack \(most recent call last\)):",
    )
)
# Texts of tools behind a traceback; a message never continues with such a line.
ENDS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"##\[\w+\]|::\w+::",  # GitHub, Azure
        r"section_(?:start|end):\d+:",  # GitLab
        r"```|~~~",  # a fence of Markdown
        r"\s*\tat |\s+\.\.\. \d+ (?:more|common frames)|Caused by: ",  # Java
        r"={10,}|={3,} .* ={3,}$|_{10,}|\*{20,}|-{40,}\s*$",  # pytest, unittest, socketserver
        r"(?:\]\]>)?</(?:pre|code|textarea|failure|error|skipped|system-(?:out|err)|testcase)>",
        r"(?:(?:START|END|REPORT) RequestId|XRAY TraceId): ",  # Lambda
        r"(?:FAILED|ERROR|PASSED|SKIPPED) \S+\.py::|\d+ (?:failed|passed|errors?)\b.* in [\d.]+s",
        r"Ran \d+ tests? in |\S{1,300}\.py:\d+: [A-Z]\w+\s*$",
        r"(?:Raised during|Request information):",  # Django
        # Shells, runners and what they say of a program that ended.
        r"(?:\S{1,100} exited|command terminated|Process (?:finished|exited)) with (?:exit )?code",
        r"(?:\S{1,100} ){1,8}?exit(?:ed)?(?: with)?(?: exit)?(?: code| status)? -?\d{1,3}\.?\s*$",
        r"\S{1,100}: exit \d{1,3} \(|nox > |ninja: |Running after_script|\[end of output\]",
        # What Python itself writes.
        r"\S{1,300}:\d{1,9}: \w*Warning: |(?:Task|Future) exception was never retrieved",
        r"Exception (?:in thread|in callback|ignored) |Task was destroyed but it is pending",
        r"At line:\d+ char:\d+|    at .{1,300}:\d+:\d+\)?$",  # PowerShell, JavaScript
        r"#\+end_|\[/\w+\]|\{(?:code|noformat)\}|\\end\{|-{4}\s*$",  # markup
        r"The command '.*' returned a non-zero code|fatal: \[\S+\]: |Script done",
        r"npm (?:ERR!|error) |[\w-]*make(?:\[\d+\])?: \*\*\* ",
        r"srun: |slurmstepd: |MPI_ABORT was invoked|wandb: |\*\*\* [A-Z]{3,}: ",
        r"[\w@.-]{1,80}\.service: ",
        r"(?:\(\S{1,60}\) )?[\w.-]{1,40}@[\w.-]{1,60}:\S{1,200}[$#] |\$ \w|PS [A-Z]:\\",
        r">>> |\(Pdb\) |Uncaught exception\. Entering post mortem debugging|> \S{1,200}\(\d+\)\S",
        r" \* (?:Debugger|Restarting|Running|Detected) ",
        r"(?:INFO|WARNING|ERROR|DEBUG) {2,}\S",  # rich's handler
    )
)
# Between two frames of Twisted's.
CAUGHT: Final = re.compile(r"--- <exception caught here> ---\s*$")
# The variables that loguru draws under a frame's source.
DRAWN: Final = re.compile(r"\s+(?:[│|]\s*)*(?:└|->) |\s+(?:[│|]\s+)*[│|]\s*$")
ORIGINAL: Final = "Original " + HEAD  # of PyTorch's workers
# Parts of a prefix that differ from line to line: dates, times, seconds since some start.
VARYING: Final = re.compile(r"\d+(?:[-:.,/T ]+\d+)+|\d{9,}")
# A prefix with the number of the line: 12:, app.log-12-, [step:12]; [worker:4121] looks the same.
NUMBERED: Final = re.compile(
    r"(?P<name>(?:.*(?:[\s:\[(#]|-(?=\d+-)))?)(?P<number>\d{1,8})(?P<after>\s?[\])|│:-]*)\s*$"
)

# Ending of an unknown type's name -> its builtin base.
BASES: Final = (
    ("ExceptionGroup", "ExceptionGroup"),
    ("Warning", "Warning"),
    ("Exit", "BaseException"),
    ("Interrupt", "BaseException"),
    ("", "Exception"),
)
_ERROR_LIKE: Final = re.compile(
    r"(?:Error|Exception|Warning|Exit|Interrupt|Group|Iteration|Timeout|Traceback)$"
)


def file_name(text: str) -> str:
    """The name without characters that no file name has: some Pythons fail to look for these."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "\ufffd")


def is_header(bare: str) -> bool:
    return bare.removeprefix("+ ").removeprefix(GROUP) == HEAD


def is_place(text: str) -> bool:
    match = FILE_LINE.match(text)
    return match is not None and match["name"] is None


def is_record(text: str) -> bool:
    return any(pattern.match(text) for pattern in RECORDS)


def is_end(text: str) -> bool:
    """Whether a tool wrote the line behind a traceback."""
    return any(pattern.match(text) for pattern in ENDS)


def is_error_like(match: re.Match[str]) -> bool:
    name = match["name"]
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        return True
    return _ERROR_LIKE.search(name) is not None
