"""Rare layouts of tracebacks in logs: each is read, or passes as ordinary text, and none does harm."""

from __future__ import annotations

import json
import quopri
import textwrap
import time
import traceback
from typing import Any

import pytest

from keeptrace.textlog import parse_tracebacks
from keeptrace.textlog.structured import read_structured


def only(text: str) -> str:
    """The one traceback of a text, as Python prints it."""
    ((_, exc, _),) = parse_tracebacks(text.splitlines())
    return "".join(traceback.format_exception(exc))


SHORT = """\
=================================== FAILURES ===================================
shop/boom.py:9: in price
    return total(order) / 0
E   ZeroDivisionError: division by zero
=========================== short test summary info ============================
"""


def test_a_short_traceback_of_pytest() -> None:
    """--tb=short of a module that failed has no title of a test above."""
    text = only(SHORT)
    assert '  File "shop/boom.py", line 9, in price\n    return total(order) / 0\n' in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


LINE = 'Traceback (most recent call last):\\n  File "a.py", line 1, in f\\nValueError: '


@pytest.mark.parametrize(
    "line, message",
    [
        (json.dumps({"at": LINE.encode().decode("unicode_escape") + "café \U0001f600"}), "café \U0001f600"),
        ('x="' + LINE.replace('"', '\\"') + '\\x41\\t."', "A\t."),
        ("x='" + LINE + "it\\'s'", "it's"),
        ("log: " + LINE + "bad", "bad"),
    ],
    ids=["JSON", "C", "repr", "bare"],
)  # fmt: skip
def test_escapes_within_a_line(line: str, message: str) -> None:
    """A traceback that was escaped into one line has its characters back."""
    assert only(line).splitlines()[-1] == f"ValueError: {message}"


HEAD = "Traceback (most recent call last):\n"
CHAIN = (
    HEAD + '  File "a.py", line 1, in f\nKeyError: 1\n\n'
    "During handling of the above exception,\n{rest}\n\n"
    + HEAD + '  File "a.py", line 2, in f\nValueError: 2\n'
)  # fmt: skip


def test_a_link_on_a_narrow_screen() -> None:
    """A link that the screen has broken joins two tracebacks; the half of a link with another end
    does not.
    """
    whole = CHAIN.format(rest="another exception occurred:")
    assert only(whole).count("During handling of the above exception, another") == 1
    half = CHAIN.format(rest="nothing else was done")
    found = [type(exc).__name__ for _, exc, _ in parse_tracebacks(half.splitlines())]
    assert found == ["KeyError", "ValueError"]


STACK = {
    "exc_type": "ValueError",
    "module": "shop.errors",
    "exc_value": "bad",
    "frames": [{"name": "f"}],
}


def test_chains_of_structlog() -> None:
    """The data says whether what follows is the cause or the context; a type outside of builtins
    has its module.
    """
    for is_cause in (True, False):
        read: Any = read_structured([{**STACK, "exc_value": None}, {**STACK, "is_cause": is_cause}])
        assert read.name == "shop.errors.ValueError" and read.silent
        inner = read.cause if is_cause else read.context
        assert inner.lines == ["bad"] and inner.frames.count == 1


def test_contexts_of_sentry() -> None:
    """Sentry's mechanism tells a context from a cause."""
    values = [
        {"type": "KeyError", "value": "k", "stacktrace": {"frames": []}},
        {
            "type": "ValueError",
            "stacktrace": {"frames": []},
            "mechanism": {"source": "__context__"},
        },
    ]
    read: Any = read_structured({"values": values})
    assert read.name == "ValueError" and read.context.name == "KeyError" and read.cause is None


def test_stacks_of_lambda() -> None:
    """Frames of the service are lists or texts; what is no place is left out."""
    stack = [["a.py", 3, "f", "x = 1"], '  File "b.py", line 4, in g\n    y = 2\n', "..."]
    read: Any = read_structured({"stackTrace": stack, "errorType": "E", "errorMessage": "m"})
    assert (read.name, read.lines, read.frames.count) == ("E", ["m"], 2)


@pytest.mark.parametrize(
    "value",
    [
        [{"exc_type": "E", "frames": 3}],
        [{"exc_type": "E", "frames": [{"lineno": "x"}]}],
        {"stackTrace": [["a.py"] * 2], "errorType": "E"},
        {"stackTrace": [None], "errorType": "E"},
        {"values": [{"stacktrace": {}}, {"stacktrace": 3}]},
        {"other": 1},
        [],
        7,
    ],
    ids=repr,
)
def test_damaged_data_is_no_traceback(value: Any) -> None:
    """Data that is nearly a traceback is none."""
    assert read_structured(value) is None


NARROW = """\
Traceback (most recent call last):
  File "/srv/pizza/kitchen/oven.py", line 17, in bake
    return heat(dough["wood"], dough["air"], dough["salt"])
  File "/srv/pizza/kitchen/fire.py", line 4, in heat
    raise ValueError("cold oven")
ValueError: cold oven
"""


def broken(text: str, width: int) -> str:
    """A text as a terminal breaks its lines."""
    lines = []
    for line in text.splitlines():
        lines += [line[at : at + width] for at in range(0, len(line), width)]
    return "\n".join(lines) + "\n"


# A header that is broken begins nothing; of a function's name that is broken, the rest is lost.
@pytest.mark.parametrize("width", [*range(34, 49), *range(53, 60)])
def test_lines_that_a_terminal_broke(width: int) -> None:
    """A frame or a source that is longer than the screen is joined, wherever the screen ends."""
    ((_, exc, _),) = parse_tracebacks(broken(NARROW, width))
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]
    assert (str(exc), frames) == ("cold oven", ["bake", "heat"])


@pytest.mark.parametrize("indent", ["", " " * 20, "web-1  | "])
@pytest.mark.parametrize("width", range(36, 60))
def test_lines_that_were_broken_between_words(width: int, indent: str) -> None:
    """rich's log handler breaks lines between words, within a column of its own."""
    lines = []
    for line in NARROW.splitlines():
        lines += textwrap.wrap(line, width, break_on_hyphens=False)
    text = "".join(f"{indent}{line}\n" for line in lines)
    ((_, exc, _),) = parse_tracebacks(text)
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]
    assert (str(exc), frames) == ("cold oven", ["bake", "heat"])


@pytest.mark.parametrize("count", [1, 3])
def test_lines_of_another_program_between_frames(count: int) -> None:
    """What another program prints in between is not the last line, if the traceback goes on."""
    before, after = NARROW.split("  File", 2)[0::2]
    first = NARROW[len(before) : -len(after) - len("  File")]
    printed = "more wood is here\n" * count
    ((_, exc, _),) = parse_tracebacks(f"{before}{first}{printed}  File{after}")
    assert str(exc) == "cold oven" and not hasattr(exc, "__notes__")
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)] == [
        "bake",
        "heat",
    ]


MAIL = """\
Content-Transfer-Encoding: quoted-printable

{text}
"""


def test_a_mail_in_quoted_printable() -> None:
    """The lines of a mail are joined and decoded; the lines of the next part are not."""
    text = quopri.encodestring(NARROW.replace("oven.py", "caf\u00e9.py").encode()).decode()
    assert "=" in text
    found = only(MAIL.format(text=text))
    assert "/kitchen/caf\u00e9.py" in found and found.endswith("ValueError: cold oven\n")
    after = NARROW.replace("cold oven", "heat =3D 4")
    assert only(MAIL.format(text="--=part\n" + after)).endswith("ValueError: heat =3D 4\n")


def test_a_link_of_django_outside_of_a_traceback() -> None:
    """Sentences of Django's report are ordinary text where no traceback is."""
    link = "The above exception (cold oven) was the direct cause of the following exception:\n"
    text = f"{link}  File 'oven.py'\nException Type: ValueError at /\nException Value: cold oven\n"
    assert list(parse_tracebacks(text)) == []
    ((_, exc, _),) = parse_tracebacks(NARROW + text)
    assert exc.__cause__ is None


def test_the_title_of_a_test_behind_a_traceback() -> None:
    """A worker's traceback in the output of a test ends where pytest names the next test."""
    worker = 'Traceback (most recent call last):\n  File "w.py", line 1, in w\n    assert x\nAssertionError\n'
    listing = (
        "__________________ test_price __________________\n[gw0] linux -- Python 3.13.1 python\n\n"
        "    def test_price():\n>       assert price() == 1\nE       assert 0 == 1\n\n"
        "test_shop.py:9: AssertionError\n"
    )
    found = [exc for _, exc, _ in parse_tracebacks((worker + listing).splitlines())]
    assert [str(exc) for exc in found] == ["", "assert 0 == 1"]
    assert not hasattr(found[0], "__notes__")


def test_a_place_in_a_comment_before_a_traceback() -> None:
    """A place that a comment shows hides no traceback behind the comment."""
    traceback_of_price = (
        '    Traceback (most recent call last):\n      File "shop.py", line 7, in price\n'
        "        return total / 0\n    ZeroDivisionError: division by zero\n"
    )
    comment = '    # File "other.py", line 9, in run\n  text = dedent("""\n'
    assert 'File "shop.py", line 7, in price' in only(comment + traceback_of_price)


def test_a_log_behind_a_mail() -> None:
    """A line that is not encoded ends a mail, so an equals sign in a source stays."""
    mail = "Content-Transfer-Encoding: quoted-printable\nSubject: a=b\n\nx =3D 1\nx = 1\n"
    log = 'Traceback (most recent call last):\n  File "oven.py", line 7, in heat\n    heat(oven=42)\nValueError: x\n'
    assert "    heat(oven=42)\n" in only(mail + log)


@pytest.mark.parametrize(
    "tags",
    ["expected </error> here", "no <failure> in the text", "<error> and </failure> are left"],
)
def test_tags_in_a_message(tags: str) -> None:
    """The tags of a JUnit report, within the text of a message, are the message's own."""
    log = f'Traceback (most recent call last):\n  File "a.py", line 7, in f\n    f()\nValueError: {tags}\n'
    assert only(log).endswith(f"ValueError: {tags}\n")


def test_a_line_with_a_colon_behind_lines_of_another_program() -> None:
    """Behind a line of another program, a label before a colon is no exception's name."""
    log = 'Traceback (most recent call last):\n  File "a.py", line 7, in f\n    f()\nServer stopped.\nRestarting: now\n'
    assert "Restarting" not in only(log).splitlines()[-1]
    assert only(log + "ValueError: x\n").endswith("ValueError: x\n")


@pytest.mark.parametrize(
    "piece", ['  File "a', "___ a ", 'Stack:   File "', "</error>", "<failure "]
)
def test_a_long_line_takes_linear_time(piece: str) -> None:
    """A line that begins many tools' tracebacks takes no longer than its length allows."""
    start = time.process_time()
    assert not list(parse_tracebacks(piece * (200_000 // len(piece))))
    assert time.process_time() - start < 8  # a search in each place takes 16


def test_boxes_in_boxes_have_a_bound() -> None:
    """Of rich's boxes, as many are read within each other as groups within groups."""
    log = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nExceptionGroup: x (1 sub-exception)\n'
    boxes = "".join("│ " * depth + "╭── Sub-exception #1 ──────╮\n" for depth in range(1_000))
    assert "ExceptionGroup: x" in only(log + boxes)


def test_lines_of_a_screen_without_an_end() -> None:
    """Of lines that all fill a narrow screen, not all are joined into one."""
    broken = 'Traceback (most recent call last):\n  File "' + "a" * 32 + '\naaaa", line 1, in f\n'
    start = time.process_time()
    list(parse_tracebacks(broken + ("x" * 40 + "\n") * 200_000))
    assert time.process_time() - start < 8  # one line of all takes 25
