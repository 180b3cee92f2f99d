"""Small dumps that are as costly as the reader's check allows: each shares one thing as often as it
can.

As a script, `python costly.py NAME:COMMAND,COMMAND` does with one what commands of the tool do, and
tells how much came out.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import hostile

MEGABYTES = 1500
POSITION = [1, 1, 0, 1]
CASES: dict[str, Callable[[dict[str, Any]], None]] = {}


def case(function: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    CASES[function.__name__] = function
    return function


def many_of(report: dict[str, Any], count: int) -> None:
    """So many exceptions, each the cause of the one before."""
    first = report["exceptions"][0]
    report["exceptions"] = [
        {**first, "cause": at + 1 if at + 1 < count else None} for at in range(count)
    ]


def add(report: dict[str, Any], *nodes: Any) -> int:
    index = len(report["values"])
    report["values"] += nodes
    return index


@case
def plain(report: dict[str, Any]) -> None:
    """As it was."""


@case
def entries(report: dict[str, Any]) -> None:
    report["exceptions"][0]["traceback"] *= 20_000


@case
def entries_of_many_lines(report: dict[str, Any]) -> None:
    frame = report["exceptions"][0]["traceback"][0][0]
    lines = range(1, 20_001)  # equal entries would be folded
    report["exceptions"][0]["traceback"] = [[frame, [line, line, 0, 1]] for line in lines]


@case
def entries_of_many_variables(report: dict[str, Any]) -> None:
    report["frames"][0]["locals"].update({f"v{at}": at for at in range(2_000)})
    report["exceptions"][0]["traceback"] *= 2_000


@case
def one_large_text_everywhere(report: dict[str, Any]) -> None:
    index = add(report, ["str", 1_000_000, "\u20ac" * 1_000_000])
    report["frames"][0]["locals"].update({f"v{at}": [index] for at in range(500)})
    report["exceptions"][0]["traceback"] *= 1_000


@case
def one_large_list_everywhere(report: dict[str, Any]) -> None:
    rows = add(report, *[["list", 100, [at] * 100] for at in range(1_000)])
    index = add(report, ["list", 1_000, [[rows + at] for at in range(1_000)]])
    report["frames"][0]["locals"].update({f"v{at}": [index] for at in range(100)})
    report["exceptions"][0]["traceback"] *= 1_000


@case
def doubled_lists(report: dict[str, Any]) -> None:
    start = len(report["values"])
    add(
        report,
        *[["list", 2, [[start + at + 1], [start + at + 1]]] for at in range(200)],
        ["list", 0, []],
    )
    report["frames"][0]["locals"]["evil"] = [start]
    report["exceptions"][0]["traceback"] *= 500


@case
def objects_of_each_other(report: dict[str, Any]) -> None:
    start = len(report["values"])
    others = [{f"a{to}": [start + (at * 7 + to) % 300] for to in range(40)} for at in range(300)]
    add(report, *[["object", 0, None, attributes, {}] for attributes in others])
    report["frames"][0]["locals"].update({f"v{at}": [start + at] for at in range(300)})
    report["exceptions"][0]["traceback"] *= 300


@case
def many_exceptions(report: dict[str, Any]) -> None:
    report["exceptions"][0]["traceback"] *= 4
    many_of(report, 20_000)


@case
def one_message_of_all(report: dict[str, Any]) -> None:
    text = add(report, ["str", 90_000, "m" * 90_000])
    report["exceptions"][0]["args"] = [add(report, ["tuple", 1, [[text]]])]
    many_of(report, 6_000)


@case
def one_list_of_notes_of_all(report: dict[str, Any]) -> None:
    report["exceptions"][0]["notes"] = [add(report, ["list", 2_000, ["note\n" * 10] * 2_000])]
    many_of(report, 2_000)


@case
def groups_that_share(report: dict[str, Any]) -> None:
    report["types"].append(["builtins", "ExceptionGroup", []])
    group = {
        **report["exceptions"][0],
        "type": len(report["types"]) - 1,
        "fields": {"message": "m"},
    }
    report["exceptions"] = [
        *({**group, "children": [at + 1, at + 1]} for at in range(15)),
        report["exceptions"][0],
    ]


@case
def long_names(report: dict[str, Any]) -> None:
    report["types"].append(["m" * 1_000, "T" * 1_000, [0]])
    kind = len(report["types"]) - 1
    start = add(report, *[["object", kind, None, {}, {}] for _ in range(100_000)])
    report["frames"][0]["locals"].update({f"v{at}": [start + at] for at in range(100_000)})
    report["exceptions"][0]["type"] = kind


@case
def types_in_turn(report: dict[str, Any]) -> None:
    start = len(report["types"])
    report["types"] += [["m", f"T{at}", []] for at in range(2_000)]
    first = add(
        report, *[["object", start + at % 2_000, None, {}, {"len": 3}] for at in range(100_000)]
    )
    report["frames"][0]["locals"]["evil"] = [
        add(report, ["list", 100_000, [[first + at] for at in range(100_000)]])
    ]


@case
def long_dir(report: dict[str, Any]) -> None:
    names = [f"n{at}" for at in range(300_000)]
    report["frames"][0]["locals"]["evil"] = [add(report, ["object", 0, None, {}, {"dir": names}])]


@case
def long_variable_names(report: dict[str, Any]) -> None:
    report["frames"][0]["locals"].update({"x" * 100_000 + str(at): at for at in range(100)})
    report["exceptions"][0]["traceback"] *= 2_000


@case
def source_of_one_line(report: dict[str, Any]) -> None:
    report["codes"][0].update(file="gone.py", line=1)
    report["sources"] = {"gone.py": zlib.compress(b"f(" + b"1," * 3_000_000 + b")")}
    report["exceptions"][0]["traceback"] = [[0, [1, 1, at, 5_000_000]] for at in range(2_000)]


@case
def source_of_many_lines(report: dict[str, Any]) -> None:
    report["codes"][0].update(file="gone.py", line=1)
    report["sources"] = {"gone.py": zlib.compress(b"x = 1\n" * 500_000)}
    report["exceptions"][0]["traceback"] = [
        [0, [400_000 + at, 400_000 + at, 0, 1]] for at in range(2_000)
    ]


@case
def sources_of_this_machine(report: dict[str, Any]) -> None:
    report["codes"][0].update(
        file=json.__file__.replace("json/__init__", "_pydecimal"), name="f", line=1
    )
    report["exceptions"][0]["traceback"] = [[0, [at, at, 0, 1]] for at in range(1, 3_000)]


@case
def attributes_of_many(report: dict[str, Any]) -> None:
    report["exceptions"][0]["attributes"] = {f"a{at}": at for at in range(150_000)}


def dump_of(name: str) -> bytes:
    report = hostile.fresh()
    CASES[name](report)
    report["exceptions"] = [dict(record) for record in report["exceptions"]]
    return hostile.packed(report)


def view_of(name: str) -> tuple[Any, Any]:
    """The header and the view that a command makes of a dump."""
    from keeptrace.tools.cli.common import read_view

    with tempfile.NamedTemporaryFile(suffix=".keeptrace") as file:
        file.write(dump_of(name))
        file.flush()
        return read_view(file.name)


def _show(header: Any, view: Any, everything: bool = False, frame: int | None = None) -> str:
    from rich.console import Console

    from keeptrace.render import terminal

    written = io.StringIO()
    terminal.show(view, Console(file=written, width=100), everything=everything, frame=frame)
    return written.getvalue()


def _json(header: Any, view: Any, everything: bool = False) -> str:
    from keeptrace.render.data import to_data

    return json.dumps(to_data(view, header, everything=everything))


def _html(header: Any, view: Any) -> str:
    from keeptrace.render.html import to_html

    return to_html(view, header)


COMMANDS: dict[str, Callable[[Any, Any], str]] = {
    "show": _show,
    "show --all": lambda header, view: _show(header, view, True),
    "show --frame 1": lambda header, view: _show(header, view, False, 1),
    "show --json": _json,
    "show --json --all": lambda header, view: _json(header, view, True),
    "html": _html,
}


# What a view says of the frames and variables that it leaves out.
LEFT_OUT = (
    "the rest is left out",
    "more frames, further out, are not shown",
    '"left_out": ',
)


def tell(name: str, commands: Iterable[str]) -> None:
    """What commands make of one dump, within the memory: a line of JSON each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20))
    header, view = view_of(name)
    for command in commands:
        began = time.process_time()
        text = COMMANDS[command](header, view)
        took = round(time.process_time() - began, 1)
        said = [phrase for phrase in LEFT_OUT if phrase in text]
        print(json.dumps([name, command, len(text), took, said]), flush=True)


def lower(share: int) -> None:
    """Makes a view's budgets of values, frames and lines so many times smaller. What uses them is
    not yet imported.
    """
    from keeptrace.render import budgets

    for name, amount in list(vars(budgets).items()):
        if name.endswith(("_VALUES", "_FRAMES", "_LINES")):
            setattr(budgets, name, amount // share)


def main() -> None:
    """The dumps that are named, each in a process of its own, with the commands that are named
    after a colon, or with all. A number before: see lower().
    """
    wanted = sys.argv[1:]
    if wanted[0].isdigit():
        lower(int(wanted.pop(0)))
    for show in COMMANDS.values():  # what they import is there for all
        show(*view_of("plain"))
    failed = 0
    for each in wanted:
        name, _, commands = each.partition(":")
        if not os.fork():
            tell(name, commands.split(",") if commands else COMMANDS)
            return
        failed |= os.wait()[1]
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
