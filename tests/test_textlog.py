"""Tracebacks found in text: what is found, that it prints the same, and that no text does any harm."""

from __future__ import annotations

import io
import itertools
import json
import linecache
import logging
import pdb
import re
import subprocess
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from depth import DEPTH
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeptrace import textlog
from keeptrace.textlog import NotInLog, parse_reports, parse_tracebacks

# --------------------------------------------------------------------------------------------------------------------
# Real exceptions of many kinds.


class PlainError(Exception):
    """An exception of the tests' own."""


class SpokenError(Exception):
    """One whose text is not that of its arguments."""

    def __str__(self) -> str:
        return f"spoken: {self.args!r}"


class Outer:
    class InnerError(ValueError):
        """One with a dotted name."""


def _raise(exc: BaseException) -> None:
    raise exc


def _deep(count: int) -> int:
    return 1 // 0 if count == 0 else _deep(count - 1) + 1


def _noted(exc: BaseException, *notes: str) -> Any:
    for note in notes:
        exc.add_note(note)
    return exc


def _in_chain(link: str) -> None:
    try:
        _raise(ValueError("first"))
    except ValueError as error:
        if link == "cause":
            raise KeyError("second") from error
        if link == "none":
            raise KeyError("second") from None
        raise KeyError("second")


def _long_chain() -> None:
    try:
        _in_chain("cause")
    except KeyError:
        try:
            _in_chain("context")
        except KeyError as error:
            raise PlainError("third") from error


def _caught(raiser: Callable[[], Any]) -> Any:
    try:
        raiser()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def _group() -> None:
    chained = _caught(lambda: _in_chain("cause"))
    raise ExceptionGroup("outer", [chained, ValueError("not raised"), _caught(lambda: _deep(1))])


def _nested_group() -> None:
    try:
        raise LookupError("before")
    except LookupError:
        inner = [_caught(_group), OSError(2, "no such", "file"), _caught(_group)]
        raise ExceptionGroup("top\nof two lines", inner)


def _wide_group() -> None:
    raise ExceptionGroup("wide", [ValueError(number) for number in range(18)])


def _deep_group() -> None:
    exc: Exception = ValueError("innermost")
    for _ in range(14):
        exc = ExceptionGroup("level", [exc, KeyError("beside")])
    raise exc


def _group_then_chain() -> None:
    try:
        _nested_group()
    except ExceptionGroup:
        _raise(PlainError("after the group"))


def _group_from_group() -> None:
    try:
        _group()
    except ExceptionGroup as error:
        raise ExceptionGroup("second", [TypeError("x")]) from error


def _group_with_syntax_error() -> None:
    raise ExceptionGroup(
        "mixed",
        [
            _caught(lambda: compile("a b", "absent.py", "exec")),
            _noted(ValueError("a\n\nb"), "note"),
        ],
    )


def _multi_line_call() -> None:
    _raise(
        PlainError(
            "one",
            "two",
        )
    )


def _markers() -> Any:
    data: Any = {"a": {"ключ": None}}
    return data["a"]["ключ"]["x"] + 1  # the marker stands after letters of two bytes


def _wide_characters() -> Any:
    return {"鍵": 1}["鍵"] + {"鍵": 1}["無"]


def _import_frozen() -> None:
    import importlib

    importlib.import_module("surely.absent")


def _from_string() -> None:
    exec("def f():\n    1/0\nf()", {})


def _lambda() -> None:
    (lambda: [1 / n for n in (0,)])()


def _expression(source: str) -> types.CodeType:
    """Code that no file holds. Its file is not "<string>": for that one, `python -c` (which runs these tests) has a text of its own."""
    return compile(source, "<expression>", "exec")


RAISERS: dict[str, Callable[[], Any]] = {
    "plain": lambda: _raise(ValueError("plain")),
    "no message": lambda: _raise(KeyError()),
    "empty message": lambda: _raise(ValueError("")),
    "key": lambda: dict[Any, Any]()["it's"],
    "key of int": lambda: dict[Any, Any]()[3],
    "key of tuple": lambda: dict[Any, Any]()[1, 2],
    "key of text that is no literal": lambda: _raise(KeyError(types.SimpleNamespace(a=1))),
    "index": lambda: list[int]()[0],
    "two arguments": lambda: _raise(ValueError("a", 2)),
    "number": lambda: _raise(ValueError(17)),
    "lines": lambda: _raise(ValueError("two\nlines\n  and more")),
    "indented blank": lambda: _raise(ValueError("errors:\n\n  field a\n\n  field b")),
    "begins with a line end": lambda: _raise(ValueError("\nsecond")),
    "trailing space": lambda: _raise(ValueError("end ")),
    "colon": lambda: _raise(ValueError("a: b: c")),
    "no such file": lambda: open("/absent/file"),
    "errno without a file": lambda: _raise(OSError(5, "Input/output error")),
    "errno with two files": lambda: _raise(OSError(2, "no", "a", None, "b")),
    "os error of text": lambda: _raise(OSError("only text")),
    "permission": lambda: _raise(PermissionError(13, "Permission denied", "x: 'y'")),
    "decode": lambda: b"\xff".decode("utf-8"),
    "encode": lambda: "\u20ac".encode("ascii"),
    "attribute": lambda: "".absent,  # type: ignore[attr-defined]
    "name": lambda: eval(_expression("undefined_name")),
    "import": _import_frozen,
    "import name": lambda: exec(_expression("from os import absent_name")),
    "stop iteration": lambda: next(iter(())),
    "system exit": lambda: sys.exit(3),
    "interrupt": lambda: _raise(KeyboardInterrupt()),
    "own": lambda: _raise(PlainError("own")),
    "own text": lambda: _raise(SpokenError(1, 2)),
    "dotted": lambda: _raise(Outer.InnerError("dotted")),
    "stdlib": lambda: json.loads("{"),
    "called process": lambda: _raise(subprocess.CalledProcessError(2, ["a"])),
    "assertion": lambda: _raise(AssertionError("left == right")),
    "warning": lambda: _raise(DeprecationWarning("old")),
    "syntax": lambda: compile("a b\n", "absent.py", "exec"),
    "syntax of several characters": lambda: compile("x = (1,\n", "absent.py", "exec"),
    "indentation": lambda: compile("if 1:\nx", "absent file.py", "exec"),
    "syntax without a place": lambda: _raise(SyntaxError("bare")),
    "cause": lambda: _in_chain("cause"),
    "context": lambda: _in_chain("context"),
    "from none": lambda: _in_chain("none"),
    "chain of three": _long_chain,
    "cause that was not raised": lambda: exec(
        _expression("raise KeyError(2) from ValueError('never raised')")
    ),
    "recursion": lambda: _deep(50),
    "notes": lambda: _raise(_noted(ValueError("noted"), "one", "two\nthree")),
    "notes of a key": lambda: _raise(_noted(KeyError("noted"), "one", "two\nthree")),
    "group": _group,
    "nested group": _nested_group,
    "wide group": _wide_group,
    "deep group": _deep_group,
    "group in a chain": _group_then_chain,
    "group from a group": _group_from_group,
    "group with a syntax error": _group_with_syntax_error,
    "base group": lambda: _raise(BaseExceptionGroup("base", [KeyboardInterrupt(), ValueError(1)])),
    "noted group": lambda: _raise(
        _noted(ExceptionGroup("noted", [ValueError(1)]), "a note", "another")
    ),
    "several lines of source": _multi_line_call,
    "markers": _markers,
    "wide characters": _wide_characters,
    "from a string": _from_string,
    "lambda": _lambda,
    "traceback in the message": lambda: _raise(RuntimeError("it said:\n" + SIMPLE.rstrip())),
}

SIMPLE = """\
Traceback (most recent call last):
  File "/absent/app.py", line 12, in main
    run(job)
  File "/absent/app.py", line 7, in run
    raise BadJobError(job)
jobs.BadJobError: the job is bad
"""


def text_of(kind: str) -> str:
    return "".join(traceback.format_exception(_caught(RAISERS[kind])))


def printed(found: tuple[Any, Any, Any]) -> str:
    return "".join(traceback.format_exception(*found))


def only(text: Any) -> tuple[type[BaseException], BaseException, types.TracebackType | None]:
    """The one traceback in the text."""
    found = list(parse_tracebacks(text))
    assert len(found) == 1, [printed(one) for one in found]
    return found[0]


@pytest.fixture(autouse=True)
def _clean_linecache() -> Iterator[None]:
    """Sources that a test put there must not be seen by the next."""
    yield
    linecache.clearcache()


@pytest.mark.parametrize("kind", RAISERS)
def test_prints_as_it_was_read(kind: str) -> None:
    """The text of what was parsed is the text that was read, to the letter, whatever the exception."""
    text = text_of(kind)
    assert printed(only(text)) == text


@pytest.mark.parametrize("kind", RAISERS)
def test_source_comes_from_the_text_where_no_file_has_it(kind: str) -> None:
    """The source lines, and the markers under them, are the log's own when the files are not on this machine."""
    text = text_of(kind).replace(__file__, '/absent/dir with spaces/it\'s "quoted".py')
    assert printed(only(text)) == text


# --------------------------------------------------------------------------------------------------------------------
# Margins.


def _prefixed(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(prefix + line for line in text.splitlines(True))


def _ticking(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(
        pattern.format(f"{second:02}") + line for second, line in enumerate(text.splitlines(True))
    )


def _first_only(prefix: str) -> Callable[[str], str]:
    return lambda text: prefix + text


def _docker(text: str) -> str:
    return "".join(
        json.dumps({"log": line, "stream": "stderr"}, separators=(",", ":")) + "\n"
        for line in text.splitlines(True)
    )


def _coloured(text: str) -> str:
    return re.sub(
        r'"([^"\n]*)", line (\d+)', '\x1b[35m"\\1"\x1b[0m, line \x1b[35m\\2\x1b[0m', text
    ).replace("raise ", "\x1b[1;31mraise\x1b[0m ")


MARGINS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "indented": _prefixed("      "),
    "indented by a tab": _prefixed("\t"),
    "comment": _prefixed("# "),
    "quoted": _prefixed("> "),
    "quoted twice": _prefixed("> > "),
    "logger on the first line": _first_only("2026-01-01 12:00:00,123 ERROR [worker-3] app: "),
    "logger on each line": _prefixed("2026-01-01 12:00:00,123 ERROR [worker-3] app: "),
    "logger, ticking": _ticking("2026-01-01 12:00:{},123 ERROR [worker-3] app: "),
    "container": _ticking("2026-01-01T00:00:{}.123456789Z stderr F "),
    "syslog": _ticking("Jan  1 12:00:{} host app[123]: "),
    "monotonic": _ticking("[ 1234.0000{}] "),
    "docker": _docker,
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "colours": _coloured,
    "no trailing spaces": lambda text: "".join(
        line.rstrip() + "\n" for line in _prefixed("# ")(text).splitlines()
    ),
    "json": lambda text: json.dumps({"level": "error", "exc_info": text.rstrip("\n"), "x": 1}),
    "json, not ascii": lambda text: json.dumps(
        {"level": "error", "exc_info": text.rstrip("\n")}, ensure_ascii=False
    ),
    "json in json": lambda text: json.dumps({"log": json.dumps({"exc": text.rstrip("\n")})}),
    "json after words": lambda text: json.dumps({"msg": "it failed\n" + text.rstrip("\n")}),
    "repr": lambda text: "exc=" + repr(text.rstrip("\n").replace("'", "")),
}
PLAIN_KINDS = (
    "plain",
    "group",
    "group from a group",
    "cause",
    "lines",
    "nested group",
    "group in a chain",
    "syntax",
    "recursion",
    "markers",
    "several lines of source",
)


@pytest.mark.parametrize("kind", PLAIN_KINDS)
@pytest.mark.parametrize("margin", MARGINS)
def test_margins_are_taken_off(margin: str, kind: str) -> None:
    """Whatever a log puts before the lines, between them or around them, the traceback is the one that was printed."""
    text = text_of(kind)
    if margin == "repr" and "'" in text:
        text = text.replace("'", "")
    log = "INFO: before\n" + MARGINS[margin](text) + "\nINFO: after\n"
    assert printed(only(log)) == text


@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "cause",
        "context",
        "recursion",
        "syntax",
        "no message",
        "nested group",
        "group from a group",
        "group in a chain",
        "wide group",
        "chain of three",
        "markers",
    ],
)
def test_text_without_indentation(kind: str) -> None:
    """Where all leading spaces were lost, frames, names, lines and source are found by their place in the grammar."""
    text = text_of(kind)
    flat = "\n".join(line.strip() for line in text.splitlines())
    found = only(flat)
    expected = _caught(RAISERS[kind])
    shown = [(frame.name, frame.lineno, frame.line) for frame in traceback.extract_tb(found[2])]
    assert shown == [
        (frame.name, frame.lineno, frame.line)
        for frame in traceback.extract_tb(expected.__traceback__)
    ]
    assert found[0].__name__ == type(expected).__name__
    assert str(found[1]).partition(" (absent")[0] == str(expected).partition(" (absent")[0]
    without_markers = [
        line.strip() for line in text.splitlines() if not re.fullmatch(r"[\s|]*[~^]+\s*", line)
    ]
    again = [
        line.strip()
        for line in printed(found).splitlines()
        if not re.fullmatch(r"[\s|]*[~^]+\s*", line)
    ]
    assert again == without_markers


def test_indentation_of_source_beyond_the_usual_is_kept() -> None:
    """A source line that stands deeper than others in the log does so in the text that a debugger lists."""
    only(
        'Traceback (most recent call last):\n  File "/absent/deep.py", line 3, in f\n        g()\nValueError: x\n'
    )
    assert linecache.getline("/absent/deep.py", 3) == "    g()\n"


# --------------------------------------------------------------------------------------------------------------------
# What is yielded.


def test_real_tracebacks() -> None:
    """The tracebacks are tracebacks, over frames, as debuggers want them; without locals, for the text has none."""
    _, value, tb = only(SIMPLE)
    assert type(tb) is types.TracebackType and type(tb.tb_frame) is types.FrameType
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(tb)] == ["main", "run"]
    assert [line for _, line in traceback.walk_tb(tb)] == [12, 7]
    assert tb.tb_frame.f_locals == {} and value.__traceback__ is tb


def test_debugger_shows_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    """pdb starts at the innermost frame and lists the lines that the log shows."""
    _, _, tb = only(SIMPLE)
    out = io.StringIO()
    debugger = pdb.Pdb(
        stdin=io.StringIO("where\nlist\nup\nlist\nquit\n"), stdout=out, nosigint=True, readrc=False
    )
    debugger.reset()
    debugger.interaction(None, tb)
    assert "raise BadJobError(job)" in out.getvalue() and "run(job)" in out.getvalue()


@pytest.mark.parametrize(
    ("line", "name", "module", "base", "text"),
    [
        ("jobs.BadJobError: no", "BadJobError", "jobs", Exception, "no"),
        ("a.b.Outer.InnerError: no", "Outer.InnerError", "a.b", Exception, "no"),
        ("a.make.<locals>.LocalError", "make.<locals>.LocalError", "a", Exception, ""),
        ("StrangeWarning: old", "StrangeWarning", "__main__", Warning, "old"),
        ("TheExit: 3", "TheExit", "__main__", BaseException, "3"),
        ("UserInterrupt", "UserInterrupt", "__main__", BaseException, ""),
        ("ValueError:", "ValueError", "builtins", ValueError, ""),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'x'",
            "FileNotFoundError",
            "builtins",
            OSError,
            None,
        ),
        (
            "json.decoder.JSONDecodeError: Expecting: line 1",
            "JSONDecodeError",
            "json.decoder",
            ValueError,
            "Expecting: line 1",
        ),
        (
            "ExceptionGroup: but without children",
            "ExceptionGroup",
            "__main__",
            Exception,
            "but without children",
        ),
    ],
)
def test_types(
    line: str, name: str, module: str, base: type[BaseException], text: str | None
) -> None:
    """A type is found where it is known, else made with its name below the builtin one that its name speaks of."""
    cls, value, _ = only(SIMPLE.replace("jobs.BadJobError: the job is bad", line))
    assert (cls.__qualname__, cls.__module__) == (name, module) and issubclass(cls, base)
    assert issubclass(cls, Exception) or base is BaseException
    assert text is None or str(value) == text


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("key", {"args": ("it's",)}),
        ("key of int", {"args": (3,)}),
        (
            "no such file",
            {"errno": 2, "filename": "/absent/file", "strerror": "No such file or directory"},
        ),
        ("errno with two files", {"errno": 2, "filename": "a", "filename2": "b"}),
        ("system exit", {"code": 3}),
        ("syntax", {"filename": "absent.py", "lineno": 1, "text": "a b\n"}),
        ("plain", {"args": ("plain",)}),
    ],
)
def test_arguments(kind: str, state: dict[str, Any]) -> None:
    """What the text tells of an exception's arguments and fields is there as what it was."""
    value = only(text_of(kind))[1]
    assert {name: getattr(value, name) for name in state} == state


def test_unknown_arguments_are_visibly_not_known() -> None:
    """Where a message does not tell the arguments, there is a stand-in for them that says so, and never a guess."""
    value = only(text_of("decode"))[1]
    assert isinstance(value, UnicodeDecodeError) and "the log says" in repr(value.args[0])


def test_chain_and_group() -> None:
    """Causes, contexts and children are linked as Python links them."""
    value = only(text_of("chain of three"))[1]
    assert isinstance(value.__cause__, KeyError) and value.__suppress_context__
    assert (
        isinstance(value.__cause__.__context__, ValueError)
        and not value.__cause__.__suppress_context__
    )
    group = only(text_of("nested group"))[1]
    assert isinstance(group, ExceptionGroup) and [type(child) for child in group.exceptions] == [
        ExceptionGroup,
        FileNotFoundError,
        ExceptionGroup,
    ]
    assert len(group.exceptions[2].exceptions) == 3 and isinstance(group.__context__, LookupError)


def test_children_that_were_not_printed() -> None:
    """`and 3 more exceptions` become three children that say that the log does not show them."""
    group = only(text_of("wide group"))[1]
    assert isinstance(group, ExceptionGroup)
    assert [type(child) for child in group.exceptions] == [ValueError] * 15 + [NotInLog] * 3


def test_notes_where_the_message_is_known_to_be_complete() -> None:
    """What follows a complete message is notes."""
    assert only(text_of("notes of a key"))[1].__notes__ == ["one", "two", "three"]
    assert only(text_of("noted group"))[1].__notes__ == ["a note", "another"]


def test_repeated_lines_become_frames() -> None:
    """`Previous line repeated` stands for real frames, one each."""
    _, _, tb = only(text_of("recursion"))
    assert len(list(traceback.walk_tb(tb))) == 53


REMOTE = '''concurrent.futures.process._RemoteTraceback:
"""
Traceback (most recent call last):
  File "/absent/pool.py", line 9, in work
    step()
ValueError: a

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/absent/pool.py", line 11, in work
    raise KeyError("z")
KeyError: 'z'
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/absent/main.py", line 3, in <module>
    future.result()
KeyError: 'z'
'''


def test_worker_traceback_is_the_cause() -> None:
    """The text that a process pool sends along becomes the cause that it tells of, with frames of its own."""
    value = only(REMOTE)[1]
    cause = value.__cause__
    assert (
        isinstance(cause, KeyError)
        and cause.__traceback__ is not None
        and cause.__traceback__.tb_frame.f_code.co_name == "work"
    )
    assert isinstance(cause.__context__, ValueError) and cause.__context__.__traceback__ is not None


def test_worker_traceback_of_a_worker() -> None:
    """A pool in a pool: the fences are counted."""
    outer = REMOTE.replace(
        REMOTE[REMOTE.index("Traceback (most") : REMOTE.index('"""\n\nThe above')], REMOTE
    )
    value = only(outer)[1]
    assert isinstance(value.__cause__, KeyError) and isinstance(value.__cause__.__cause__, KeyError)
    assert isinstance(value.__cause__.__cause__.__context__, ValueError)


# --------------------------------------------------------------------------------------------------------------------
# Where a traceback ends.

ENDS: dict[str, tuple[str, int]] = {
    "nothing": ("", 1),
    "a record": ("2026-01-01 12:00:00 INFO app: next\n", 1),
    "a level": ("INFO:root:next\n", 1),
    "blank and words": ("\nand so on\n", 1),
    "another": (SIMPLE, 2),
    "another after a blank": ("\n" + SIMPLE, 2),
    "another, indented": ("\n" + "".join("    " + line for line in SIMPLE.splitlines(True)), 2),
    "another, prefixed": ("".join("# " + line for line in SIMPLE.splitlines(True)), 2),
    "another in JSON": (json.dumps({"exc_info": SIMPLE}) + "\n", 2),
    "a stack": (
        'Stack (most recent call last):\n  File "x.py", line 1, in <module>\n    log()\n',
        1,
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_a_traceback(what: str) -> None:
    """Records, blank lines and further tracebacks end one; none of it gets into the message."""
    text, count = ENDS[what]
    found = list(parse_tracebacks(SIMPLE + text))
    assert len(found) == count
    assert printed(found[0]) == SIMPLE


def test_other_times_end_a_message() -> None:
    """With one and the same time on all lines of a traceback, a line with another time is the next record."""
    log = (
        "".join(f"12:00:01.5 app {line}" for line in SIMPLE.splitlines(True))
        + "12:00:02.5 app next\n"
    )
    assert printed(only(log)) == SIMPLE


@pytest.mark.parametrize(
    "prefix",
    [
        "[worker-{}] ",
        "[worker:{}] ",
        "[rank:{}]",
        "2026-01-01 12:00:00,123 [worker:{}] ",
        "[app:{}] ERROR ",
    ],
)
@pytest.mark.parametrize("numbers", [(3, 4), (4, 3)])
def test_prefixed_tracebacks_in_between_each_other(prefix: str, numbers: tuple[int, int]) -> None:
    """Two workers that write at the same time are told apart by their prefixes."""
    one, other = (prefix.format(number) for number in numbers)
    first = [one + line for line in SIMPLE.splitlines(True)]
    second = [other + line for line in text_of("plain").splitlines(True)]
    mixed = [line for pair in itertools.zip_longest(first, second, fillvalue="") for line in pair]
    assert sorted(printed(found) for found in parse_tracebacks("".join(mixed))) == sorted(
        [SIMPLE, text_of("plain")]
    )


@pytest.mark.parametrize("number", [0, 7, 98])
def test_a_prefix_numbers_the_lines(number: int) -> None:
    """Drone's prefixes have the number of the line; groups, and tracebacks one after the other,
    are read with such prefixes.
    """
    text = SIMPLE + "INFO: next\n" + text_of("nested group")
    lines = enumerate(text.splitlines(True), number)
    log = "".join(f"[test:{count}] {line}" for count, line in lines)
    assert [printed(found) for found in parse_tracebacks(log)] == [SIMPLE, text_of("nested group")]


def test_a_header_in_between_a_worker_and_its_frames() -> None:
    """A frame belongs to the worker of its prefix, though another worker's header stands between."""
    log = [
        "[rank:1] Traceback (most recent call last):",
        '[rank:1]   File "/srv/a.py", line 1, in first',
        "[rank:1] ValueError: 1",
        "[rank:0] Traceback (most recent call last):",
        "[rank:1] Traceback (most recent call last):",
        '[rank:1]   File "/srv/a.py", line 2, in second',
        '[rank:0]   File "/srv/a.py", line 3, in third',
        "[rank:0] ValueError: 3",
        "[rank:1] ValueError: 2",
    ]
    found = parse_tracebacks("\n".join(log))
    frames = {str(exc): [name for *_, name, _ in traceback.extract_tb(tb)] for _, exc, tb in found}
    assert frames == {"1": ["first"], "2": ["second"], "3": ["third"]}


DAGSTER = """\
ValueError: no bread

Stack Trace:
  File "/srv/bakery/ops.py", line 31, in bake
    raise ValueError("no bread") from problem

The above exception was caused by the following exception:
"""


def test_a_cause_without_an_end() -> None:
    """Dagster's error is given before the end of a log whose lines all seem to be its cause."""
    log = [*DAGSTER.splitlines(True), *["more\n"] * 5_000]
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for line in log:
            read += 1
            yield line

    exc = next(parse_tracebacks(lines()))[1]
    assert str(exc) == "no bread" and read < 2_000


@pytest.mark.parametrize(
    "text",
    [
        'Stack (most recent call last):\n  File "x.py", line 1, in f\n    g()\n',
        "See Traceback (most recent call last): here\n",
        "Traceback (most recent call last):\n",
        "Traceback (most recent call last):\n    ...\nValueError: x\n",
        "ValueError: x\n",
        '  File "x.py", line 3, in f\n    g()\nValueError: x\n',
        '{"exc": "Traceback (most recent call last):\\n"}',
    ],
)
def test_what_is_no_traceback(text: str) -> None:
    """Stacks, mentions, and headers without a frame are not tracebacks."""
    assert list(parse_tracebacks(text)) == []


@pytest.mark.parametrize("keep", range(2, 5))
def test_truncated(keep: int) -> None:
    """A log that ends within a traceback gives what there is, and a note that says what is missing."""
    text = "".join(SIMPLE.splitlines(True)[:keep])
    cls, value, tb = only(text)
    assert cls is NotInLog and "truncated" in value.__notes__[0] and tb is not None
    assert printed((cls, value, tb)).startswith(text)


def test_truncated_chain() -> None:
    """Cut within a chain, the exceptions before the cut are the context of the one that is cut."""
    text = text_of("context")
    assert "truncated" in only(text[: text.index("During") + 80])[1].__notes__[0]
    cut = only(text[: text.rindex("KeyError")])[1]
    assert isinstance(cut, NotInLog) and isinstance(cut.__context__, ValueError)


def test_truncated_by_other_lines() -> None:
    """So does one that is broken off by something else."""
    cls, value, tb = only(
        "".join(SIMPLE.splitlines(True)[:4]) + "Segmentation fault (core dumped)\n"
    )
    assert cls is NotInLog and "truncated" in value.__notes__[0]


def test_truncated_group() -> None:
    """A group whose text ends early has the children that the text has."""
    text = text_of("nested group")
    for end in range(0, len(text), 97):
        for found in parse_tracebacks(text[:end]):
            assert printed(found)


@pytest.mark.parametrize(
    "text",
    [
        SIMPLE.splitlines(True),
        SIMPLE.splitlines(),
        SIMPLE.encode().splitlines(True),
        io.StringIO(SIMPLE),
        io.BytesIO(SIMPLE.encode()),
        [SIMPLE],
        iter([SIMPLE]),
    ],
)
def test_kinds_of_input(text: Any) -> None:
    """A str, files of text and of bytes, lines with and without their ends, pieces of several lines: all are read."""
    assert printed(only(text)) == SIMPLE


def test_endless_log() -> None:
    """A traceback is given as soon as the line after it was read, and no line is read before it is needed."""
    read = 0

    def log() -> Iterator[str]:
        nonlocal read
        for line in itertools.cycle(["INFO: ordinary\n", *SIMPLE.splitlines(True)]):
            read += 1
            yield line

    found = parse_tracebacks(log())
    for number in range(1, 4):
        assert printed(next(found)) == SIMPLE
        assert read == 7 * number + 1


def test_console_frames_have_no_source() -> None:
    """Frames of files that are none are there as they were printed."""
    text = (
        SIMPLE.replace("    run(job)\n", "")
        .replace("/absent/app.py", "<stdin>")
        .replace("in main", "in <module>")
    )
    assert printed(only(text.replace("    raise BadJobError(job)\n", ""))) == text.replace(
        "    raise BadJobError(job)\n", ""
    )


def test_text_further_left_ends_indented_tracebacks() -> None:
    """Prose around an indented traceback is no part of its message."""
    assert printed(only("As in\n" + MARGINS["indented"](SIMPLE) + "this is prose.\n")) == SIMPLE


def test_surrogate_pairs_in_json() -> None:
    """A character that JSON escapes as two halves is one again."""
    assert (
        str(only(json.dumps({"exc": SIMPLE.replace("bad", "\U0001f4a5").rstrip()}))[1])
        == "the job is \U0001f4a5"
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="colours came with 3.13")
@pytest.mark.parametrize(
    "kind", ["plain", "markers", "syntax", "several lines of source", "nested group"]
)
def test_colours_of_the_interpreter(kind: str) -> None:
    """A traceback that was printed in colour reads like one that was not."""
    error = _caught(RAISERS[kind])
    coloured = "".join(traceback.TracebackException.from_exception(error).format(colorize=True))  # type: ignore[call-arg, unused-ignore]
    assert "\x1b" in coloured
    assert printed(only(coloured)) == text_of(kind)


# --------------------------------------------------------------------------------------------------------------------
# Sources.


def test_two_tracebacks_of_one_absent_file() -> None:
    """Both keep the file's name when they show different lines of it; one that contradicts gets a name that says so."""

    def text(line: int, source: str) -> str:
        return f'Traceback (most recent call last):\n  File "/absent/one.py", line {line}, in f\n    {source}\nValueError: x\n'

    texts = [text(3, "a()"), text(9, "b()"), text(3, "a()"), text(3, "c()")]
    found = list(parse_tracebacks("".join(texts)))
    assert [printed(one) for one in found[:3]] == texts[:3]
    assert "[snapshot" in printed(found[3])


def test_files_here_need_no_source() -> None:
    """Lines that agree with the file on disk are not kept again; lines that do not are."""
    text = text_of("plain")
    assert next(parse_reports(text))["sources"] == {}
    assert list(next(parse_reports(text.replace("raise exc", "raise other")))["sources"]) == [
        __file__
    ]


def test_sources_are_bounded() -> None:
    """Text far down in a file would need all the text above it made up: it is left out."""
    report = next(parse_reports(SIMPLE.replace("line 7", "line 700000")))
    assert list(report["sources"]) == ["/absent/app.py"] and report["frames"][1]["at"][0] == 700000


def test_devices_are_not_read() -> None:
    """A log can name a device that never ends; neither reading the log nor printing what was read opens it."""
    text = SIMPLE.replace("/absent/app.py", "/dev/zero")
    assert printed(only(text)) == text


# --------------------------------------------------------------------------------------------------------------------
# Bounds.


def test_frames_are_bounded() -> None:
    """A traceback with too many frames keeps both ends and says how many are left out."""
    count = 2 * textlog.MOST_FRAMES
    frames = "".join(
        f'  File "/absent/x.py", line {number}, in f{number}\n' for number in range(1, count + 1)
    )
    text = f"Traceback (most recent call last):\n{frames}ValueError: x\n"
    report = next(parse_reports(text))
    entries = report["exceptions"][0]["traceback"]
    assert len(entries) == textlog.MOST_FRAMES + 1
    assert [entry for entry in entries if entry[0] == -1] == [[-1, count - textlog.MOST_FRAMES]]
    repeated = SIMPLE.replace("jobs.", "  [Previous line repeated 999999999 more times]\njobs.")
    assert len(next(parse_reports(repeated))["frames"]) == textlog.MOST_FRAMES


def test_messages_are_bounded() -> None:
    """A message without an end is cut, and says so; what follows is read as an ordinary log."""
    _, value, _ = next(
        parse_tracebacks(itertools.chain(SIMPLE.splitlines(), itertools.repeat("more")))
    )
    assert str(value).count("\n") < textlog.MOST_LINES and "truncated" in value.__notes__[0]


def test_chains_and_groups_are_bounded() -> None:
    """Endless chains, and groups in groups without end, are cut, and are no recursion."""
    link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    value = next(parse_tracebacks(itertools.cycle([*SIMPLE.split("\n"), *link.split("\n")])))[1]
    assert "truncated" in value.__notes__[0]
    lines = [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "x.py", line 1, in f',
        "  | ExceptionGroup: x (1 sub-exception)",
    ]
    for depth in range(1, 500):
        lines += [
            "  " * depth + "+-+---------------- 1 ----------------",
            "  " * depth + "  | ExceptionGroup: x (1 sub-exception)",
        ]
    assert len(list(parse_tracebacks(lines))) == 1


HOSTILE = {
    "a long line": "x" * 1_000_000,
    "a long header": " " * 1_000_000 + "Traceback (most recent call last):",
    "a long file": '  File "' + '", line 1' * 100_000,
    "a long name": "a." * 500_000 + "Error: x",
    "carets": "    " + "^ " * 500_000 + "x",
    "carets without spaces": "    " + "^" * 500_000 + "x",
    "backslashes": '{"exc": "Traceback (most recent call last):' + "\\" * 1_000_000,
    "escapes": '"Traceback (most recent call last):\\n' + '\\"' * 500_000,
    "digits": "1:" * 500_000 + " Traceback (most recent call last):",
    "sizes": "ExceptionGroup: " + " (1 sub-exception)" * 50_000 + "x",
    "errno": "OSError: [Errno 2] " + ": '" * 300_000,
    "brackets": '{"log":"' + "[" * 1_000_000,
    "colours": "\x1b[" * 500_000,
    "bars": "  | " * 250_000,
    "literal": "KeyError: " + "(" * 9_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_long_lines_cost_linear_time(what: str) -> None:
    """Lines of a megabyte, made to be slow, at every place of a traceback, are read in a moment."""
    begin = time.process_time()
    head, frame = SIMPLE.split("\n")[:2]
    for lines in (
        [],
        [head],
        [head, frame],
        [head, frame, "ValueError: x"],
        ["  + Exception Group " + head, "  | " + frame],
    ):
        list(parse_tracebacks([*lines, HOSTILE[what], "ValueError: x"]))
    assert time.process_time() - begin < 5


def test_lines_are_read_fast_enough() -> None:
    """Ordinary lines cost next to nothing, however many there are."""
    begin = time.process_time()
    assert (
        list(
            parse_tracebacks(
                itertools.repeat("2026-01-01 12:00:00 INFO app: an ordinary line", 200_000)
            )
        )
        == []
    )
    assert time.process_time() - begin < 5


# --------------------------------------------------------------------------------------------------------------------
# Any text.

ORDINARY = st.sampled_from(
    [
        "2026-01-01 12:00:00 INFO app: ready",
        "INFO:root:hello",
        '{"level": "info"}',
        "[2026-01-01 00:00:00] x",
        "DEBUG done",
    ]
)
BLOCKS = [
    text_of(kind)
    for kind in (
        "plain",
        "cause",
        "lines",
        "nested group",
        "group in a chain",
        "syntax",
        "recursion",
        "no message",
    )
]


@settings(max_examples=50 * DEPTH, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(ORDINARY, min_size=1, max_size=3),
            st.sampled_from(BLOCKS),
            st.sampled_from(sorted(MARGINS.keys() - {"repr"})),
        ),
        max_size=5,
    )
)
def test_tracebacks_between_ordinary_lines(parts: list[tuple[list[str], str, str]]) -> None:
    """However tracebacks, their margins and ordinary lines follow each other, all the tracebacks are found, in order, whole."""
    log = "".join(
        "\n".join(ordinary) + "\n" + MARGINS[margin](block).removesuffix("\n") + "\n"
        for ordinary, block, margin in parts
    )
    assert [printed(found) for found in parse_tracebacks(log + "INFO: the end\n")] == [
        block for _, block, _ in parts
    ]


PIECES = st.one_of(
    st.text(max_size=30),
    st.sampled_from([line for block in [*BLOCKS, REMOTE] for line in block.split("\n")]),
    st.sampled_from(
        [
            "  | ",
            "    | ",
            "+-+---------------- 1 ----------------",
            "    +---------------- 2 ----------------",
            '"""',
            "# ",
            "> ",
            "\x1b[0m",
        ]
    ),
)


@settings(max_examples=150 * DEPTH, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(["", "", "  ", "    ", "  | ", "# "]), PIECES), max_size=60)
)
def test_no_text_raises(pieces: list[tuple[str, str]]) -> None:
    """Lines of tracebacks in any order, mixed with any text: nothing raises, and what is found can be printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in parse_tracebacks("\n".join(prefix + piece for prefix, piece in pieces)):
            assert printed(found) and isinstance(found[1], BaseException)


@settings(max_examples=75 * DEPTH, deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    """Nor does any other text, wherever it stands."""
    for log in (
        text,
        SIMPLE + text,
        text + SIMPLE,
        SIMPLE.replace("app.py", text),
        SIMPLE.replace("BadJobError: ", text),
    ):
        for found in parse_tracebacks(log):
            assert isinstance(found[1], BaseException) and printed(found)


def test_loggers_own_output() -> None:
    """What logging writes for logger.exception() is found, without the records around it."""
    out = io.StringIO()
    logger = logging.Logger("app")
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    for kind in ("plain", "cause"):
        try:
            RAISERS[kind]()
        except Exception:
            logger.exception("it failed", stack_info=True)
        logger.info("next")
    assert [type(value) for _, value, _ in parse_tracebacks(out.getvalue())] == [
        ValueError,
        KeyError,
    ]
