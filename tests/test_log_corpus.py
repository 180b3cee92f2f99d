"""The corpus of logs in tests/data/logs: what loggers, collectors, engines and tools write, each
with what a reader expects.

expected.json has for each file its tracebacks: type, functions of the frames, message, and the
cause in the same form. A message that ends in "..." goes on; functions that begin with "..." have
more in front.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands

from keeptrace import parse_tracebacks
from keeptrace.tools import logs as _logs

LOGS = Path(__file__).parent / "data" / "logs"
EXPECTED: dict[str, list[Any]] = json.loads((LOGS / "expected.json").read_text(encoding="utf-8"))


def check(exc: BaseException | None, wanted: list[Any]) -> None:
    """An exception, and the causes that are told, are as expected."""
    assert exc is not None
    kind, functions, message = wanted[:3]
    assert type(exc).__qualname__ == kind
    found = [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]
    if functions[:1] == ["..."]:
        assert found[1 - len(functions) :] == functions[1:]
    else:
        assert found == functions
    if message.endswith("..."):
        assert str(exc).startswith(message[:-3])
    else:
        assert str(exc) == message
    if wanted[3:]:
        check(exc.__cause__ or exc.__context__, wanted[3])


def opened(name: str) -> Any:
    data = (LOGS / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).splitlines(keepends=True)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_log_is_read(name: str) -> None:
    """Each traceback of the log is found, in order, with its frames, message and causes, and
    nothing else is.
    """
    found = [exc for _, exc, _ in parse_tracebacks(opened(name))]
    assert [type(exc).__qualname__ for exc in found] == [wanted[0] for wanted in EXPECTED[name]]
    for exc, wanted in zip(found, EXPECTED[name]):
        check(exc, wanted)


def test_every_log_is_expected() -> None:
    """No file of the corpus is left out."""
    assert {path.name for path in LOGS.iterdir()} == {*EXPECTED, "expected.json"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_log_that_is_cut_raises_nothing(name: str) -> None:
    """Whatever line a log ends at, reading it ends without an error."""
    lines = opened(name)
    for count in range(0, len(lines), max(1, len(lines) // 20)):
        list(parse_tracebacks(lines[:count]))


# What other programs put in front of each line, by the line's number.
MARGINS: dict[str, Callable[[int], str]] = {
    "compose": lambda number: "web-1  | ",
    "colours": lambda number: "\x1b[36mweb-1  | \x1b[0m",
    "times": lambda number: f"Nov 29 04:00:{number % 60:02} ",
    "journald": lambda number: f"Nov 29 04:00:{number % 60:02} host app[47]: ",
    "Jenkins": lambda number: f"[2026-11-29T04:00:{number % 60:02}.123Z] ",
    "pods": lambda number: f"[pod/app-7f9/web] 2026-11-29T04:00:{number % 60:02}.123456789Z ",
    "ranks": lambda number: "[rank0]: ",
    "Open MPI": lambda number: "[1,3]<stderr>:",
    "mail": lambda number: "> ",
    "diff": lambda number: "+",
    "indented": lambda number: "    ",
    "cat -n": lambda number: f"{number + 95:6}\t",
    "grep -n": lambda number: f"{number + 95}:",
    "grep -n -A": lambda number: f"app.log{'-' if number else ':'}{number + 95}{'-' if number else ':'}",
    "grep -A": lambda number: f"app.log{'-' if number else ':'}",
    "bat": lambda number: f"{number + 95:4} │ ",
    "steps": lambda number: f"[test:{number + 95}] ",
}  # fmt: skip


def first_line_of(lines: list[str]) -> int:
    """grep -A begins with the line that it searched for."""
    return next(at for at, line in enumerate(lines) if "Traceback" in line or "___" in line)


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize(
    "name", ["ipython-context", "loguru", "pytest-short", "rich", "small-names", "stackprinter"]
)
def test_a_margin_in_front_of_each_line(name: str, margin: str) -> None:
    """A tool's traceback, and Python's own, are read behind what another program put in front of
    each line: a service, a time, the line's number.
    """
    lines = [line.decode() for line in opened(f"{name}.log")]
    if margin.startswith("grep") and name != "stackprinter":
        lines = lines[first_line_of(lines) :]
    text = "".join(MARGINS[margin](number) + line for number, line in enumerate(lines))
    found = [exc for _, exc, _ in parse_tracebacks(text)]
    assert [type(exc).__qualname__ for exc in found] == [
        wanted[0] for wanted in EXPECTED[name + ".log"]
    ]
    for exc, wanted in zip(found, EXPECTED[name + ".log"]):
        check(exc, wanted)


def test_a_group_in_boxes() -> None:
    """rich draws a box for each exception of a group, within the box of its group."""
    (day,) = [exc for _, exc, _ in parse_tracebacks(opened("rich-group.log"))]
    assert isinstance(day, ExceptionGroup)
    pizza, evening, bake = day.exceptions
    check(pizza, ["KeyError", ["collect", "order"], "'pizza'"])
    check(bake, ["ValueError", ["collect", "main", "bake"], "cold oven 3"])
    assert isinstance(evening, ExceptionGroup) and not hasattr(evening, "__notes__")
    assert [str(exc).splitlines()[0] for exc in evening.exceptions] == [
        "'pizza'",
        "division by zero",
    ]


T = (LOGS / "python27.log").read_text()


def test_equal_ones_are_counted(tmp_path: Path) -> None:
    """Equal tracebacks of several logs, one of them compressed, are one, with the first and the
    last place.
    """
    (tmp_path / "b.log").write_text(
        "2026-01-05 18:30:00 start\n" + T + "2026-01-06 07:00:00 no pizza\n" + T
    )
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(T.replace("bake", "cook").encode()))
    files = [str(tmp_path / "a.log.gz"), str(tmp_path / "b.log")]
    groups = _logs.counted(_logs.read(files))
    assert [(group.times, group.first.number, group.last.number) for group in groups] == [
        (1, 1, 1),
        (2, 2, 3),
    ]
    first, last = groups[1].first, groups[1].last
    assert (first.line, first.time, first.before) == (
        2,
        "2026-01-05 18:30:00",
        "2026-01-05 18:30:00 start",
    )
    assert (last.line, last.time) == (9, "2026-01-06 07:00:00")


def test_the_command_counts_and_shows_each(tmp_path: Path, call: Commands) -> None:
    """`keeptrace log` shows equal tracebacks once, with their count and places; --all shows each;
    --json has the places.
    """
    path = tmp_path / "app.log"
    path.write_text(T + "2026-01-06 07:00:00 no pizza\n" + T)

    def log(*options: str) -> str:
        return call.out("log", path, *options)

    out = log()
    assert out.count("--- traceback ") == 1 and "2 times, the last in" in out.replace("\n", " ")
    assert log("--all").count("--- traceback ") == 2
    told = [json.loads(line) for line in log("--json").splitlines()]
    assert [(one["line"], one["before"]) for one in told] == [
        (1, ""),
        (8, "2026-01-06 07:00:00 no pizza"),
    ]


def test_a_log_is_followed(tmp_path: Path) -> None:
    """A log that grows, and is rotated meanwhile, is read on."""
    path = tmp_path / "app.log"
    path.write_text("start\n")
    found: list[Any] = []

    def follow() -> None:
        for told in _logs.read([str(path)], follow=True):
            found.append(told)
            if len(found) == 2:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    with path.open("a") as file:
        file.write(T + "INFO: going on\n")
    deadline = time.monotonic() + 20
    while not found and time.monotonic() < deadline:
        time.sleep(0.05)
    path.rename(tmp_path / "app.log.1")
    path.write_text(T + "INFO: going on\n")
    thread.join(20)
    assert [told.report["exceptions"][0]["type"] for told in found] == [0, 0]


def test_a_directory_is_no_log(tmp_path: Path, call: Commands) -> None:
    """A directory gets one clear sentence."""
    done = call("log", tmp_path)
    assert done.code == 2 and "is a directory" in done.err
