"""Real debuggers, driven through a terminal, stand in the worker's frames."""

from __future__ import annotations

import importlib.util
import io
import os
import pdb
import re
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pexpect
import pytest

import keeptrace
from keeptrace import debug as _debug
from keeptrace.capture.capture import capture
from keeptrace.core.options import Options
from keeptrace.restore.policy import BUILTINS
from keeptrace.restore.restore import restore

PROGRAM = """
import json, os, pdb, sys, time
from multiprocessing import get_context
import keeptrace
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

RATE = 7

class Order:
    def __init__(self, number):
        self.number = number
        self.lines = ["tea", "milk"]

def price(order, /, amount, *extras, currency="eur", **more):
    rows = [amount, 0]
    total = order.number * RATE
    return total / rows[1]

def parse(number):
    order = Order(number)
    try:
        return price(order, 5, "gift", note="x")
    except ZeroDivisionError as error:
        raise ValueError(f"order {number}") from error

def several():
    errors = []
    for number in (1, 2):
        try:
            parse(number)
        except ValueError as error:
            errors.append(error)
    raise ExceptionGroup("several", errors)

def broken_json(text):
    kept = len(text)
    return json.loads(text)

if __name__ == "__main__":
    with KeepTraceProcessPoolExecutor(1, get_context("fork")) as pool:
        exc = pool.submit(*TASK).exception()
    print("ready")
    START
    print("done")
"""


class Session:
    """A program in a terminal, that stops at a debugger's prompt."""

    def __init__(
        self, folder: Path, task: str, start: str, prompt: str = r"\(Pdb\) ", **environment: str
    ) -> None:
        script = folder / "orders.py"
        script.write_text(PROGRAM.replace("*TASK", task).replace("START", start))
        env = {
            **os.environ,
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PYTHON_COLORS": "0",
            "HOME": str(folder),
            **environment,
        }
        self.prompt = prompt
        self.child = pexpect.spawn(
            sys.executable,
            [str(script)],
            env=env,
            encoding="utf-8",
            timeout=30,
            dimensions=(50, 200),
            cwd=folder,
        )
        self.child.expect("ready")
        self.first = self._answer()

    def _answer(self, prompt: str = "") -> str:
        self.child.expect(prompt or self.prompt)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.child.before or "").replace("\r", "")

    def ask(self, command: str, prompt: str = "") -> str:
        self.child.sendline(command)
        return self._answer(prompt).removeprefix(command + "\n").strip()

    def close(self) -> None:
        self.child.close(force=True)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def start(*args: Any, **environment: str) -> Session:
        opened.append(Session(tmp_path, *args, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


POST_MORTEM = "pdb.post_mortem(exc.__traceback__)"
WITH_CHAIN = "pdb.post_mortem(exc)"


def test_pdb_in_the_frames_of_a_worker(session: Callable[..., Session]) -> None:
    """where, args, ll, p, pp, up, down, whatis, source lines and expressions, in the frames of the
    cause.
    """
    pdb = session("price, Order(3), 5, 'gift'", POST_MORTEM)
    assert "return total / rows[1]" in pdb.first
    where = pdb.ask("where")
    assert "price(" in where and "<keeptrace>" not in where and where.count("orders.py") == 1
    arguments = pdb.ask("args")
    assert [line.split(" = ")[0] for line in arguments.splitlines()] == [
        "order",
        "amount",
        "extras",
        "currency",
        "more",
    ] or [line.split(" = ")[0] for line in arguments.splitlines()] == [
        "order",
        "amount",
        "currency",
        "extras",
        "more",
    ]
    assert (
        "amount = 5" in arguments
        and "extras = ('gift',)" in arguments
        and "currency = 'eur'" in arguments
        and "more = {}" in arguments
    )
    source = pdb.ask("ll")
    assert (
        "def price(order, /, amount" in source
        and "->" in source
        and re.search(r"->\s+return total / rows\[1\]", source)
    )
    assert pdb.ask("p total, rows, RATE") == "(21, [5, 0], 7)"
    assert pdb.ask("p order.number + 1") == "4"
    assert pdb.ask("pp order.lines") == "['tea', 'milk']"
    assert (
        pdb.ask("p sorted(locals())")
        == "['amount', 'currency', 'extras', 'more', 'order', 'rows', 'total']"
    )
    assert pdb.ask("!x = total * 2") == "" and pdb.ask("p x") == "42"
    assert pdb.ask("whatis amount") == "<class 'int'>"
    assert "Oldest" in pdb.ask("up")
    assert pdb.ask("interact", ">>> ") is not None
    assert pdb.ask("[row + amount for row in rows]", ">>> ") == "[10, 5]"
    pdb.child.send("\x04")
    pdb._answer()
    pdb.child.sendline("quit")
    pdb.child.expect("done")


def test_pdb_moves_through_the_frames(session: Callable[..., Session]) -> None:
    """up and down move through the worker's frames, each with its own variables; the parent's are
    not among them.
    """
    pdb = session("broken_json, '{'", POST_MORTEM)
    where = pdb.ask("where")
    assert "broken_json" in where and "json/decoder.py" in where
    for _ in range(where.count("\n->")):
        last = pdb.ask("up")
        if "Oldest frame" in last:
            break
    assert pdb.ask("p text, kept") == "('{', 1)"
    assert "json.loads" in pdb.ask("ll")
    assert "s = '{'" in pdb.ask("down") + pdb.ask("args")


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="pdb has no command `exceptions` before 3.13"
)
def test_pdb_in_the_frames_of_a_cause(session: Callable[..., Session]) -> None:
    """`exceptions` lists the chain and moves into the frames of the cause."""
    pdb = session("parse, 4", WITH_CHAIN)
    listed = pdb.ask("exceptions")
    assert "ZeroDivisionError" in listed and "ValueError('order 4')" in listed
    assert pdb.ask("p order.number, number") == "(4, 4)"
    assert "return total / rows[1]" in pdb.ask("exceptions 0")
    assert pdb.ask("p total, rows, more") == "(28, [5, 0], {'note': 'x'})"
    assert "price(order, 5" in pdb.ask("up") and pdb.ask("p number") == "4"
    assert "raise ValueError" in pdb.ask("exceptions 1")


def test_pdb_in_the_frames_of_a_groups_members(session: Callable[..., Session]) -> None:
    """`exceptions` lists the members of a group and their causes, too, and opens each."""
    pdb = session("several,", "keeptrace.post_mortem(exc)")
    text = pdb.ask("exceptions")
    listed = re.findall(r"^(>?) +(\d+) (\w+)", text, re.M)
    assert [kind for _, _, kind in listed] == [
        *("ExceptionGroup", "ZeroDivisionError", "ValueError", "ZeroDivisionError", "ValueError")
    ]
    assert [number for arrow, number, _ in listed if arrow] == ["0"]
    assert "return total / rows[1]" in pdb.ask("exceptions 3")
    assert pdb.ask("p total, order.number") == "(14, 2)"
    assert "raise ValueError" in pdb.ask("exceptions 4") and pdb.ask("p number") == "2"
    assert "There is no exception 7" in pdb.ask("exceptions 7")


def test_pdb_in_the_frames_of_a_cause_by_hand(session: Callable[..., Session]) -> None:
    """With any pdb: the cause's own traceback."""
    pdb = session("parse, 4", "pdb.post_mortem(exc.__cause__.__traceback__)")
    assert pdb.ask("p total, extras") == "(28, ('gift',))"
    pdb.ask("up")
    assert pdb.ask("args") == "number = 4"


def test_pdb_in_the_frames_of_a_groups_child(session: Callable[..., Session]) -> None:
    """Each child of a group, and its cause, has frames to stand in."""
    pdb = session("several,", "keeptrace.post_mortem(exc.exceptions[1].__cause__)")
    assert pdb.ask("p total, order.number") == "(14, 2)"
    pdb.ask("up")
    assert "price(order, 5" in pdb.ask("ll")
    pdb.close()
    pdb = session("several,", "keeptrace.post_mortem(exc.exceptions[0])")
    assert pdb.ask("p number") == "1"


def test_post_mortem_starts_in_the_users_code(session: Callable[..., Session]) -> None:
    """keeptrace.post_mortem opens in the innermost frame of the user's own; `down` leads into the
    library below.
    """
    pdb = session("broken_json, '{'", "keeptrace.post_mortem(exc)")
    assert pdb.ask("p kept") == "1"
    assert "json/__init__.py" in pdb.ask("down")
    if sys.version_info >= (3, 13):
        assert "No chained" in pdb.ask("exceptions") or "JSONDecodeError" in pdb.ask("exceptions")


def test_post_mortem_while_handling(session: Callable[..., Session]) -> None:
    """Without an argument it takes the exception that is being handled."""
    start = "try:\n        raise exc\n    except ValueError:\n        keeptrace.post_mortem()"
    pdb = session("parse, 4", start)
    assert pdb.ask("p order.number") == "4"
    text = pdb.ask("where")
    assert text.index("<module>") < text.index("parse")


DEBUGGERS = [
    ("ipdb", "ipdb", "ipdb.set_trace", r"ipdb> "),
    ("ipython", "IPython", "IPython.core.debugger.set_trace", r"ipdb> "),
]


@pytest.mark.parametrize(
    "name, library, hook, prompt", DEBUGGERS, ids=[row[0] for row in DEBUGGERS]
)
@pytest.mark.parametrize("how", ["named", "PYTHONBREAKPOINT"])
def test_other_debuggers(
    session: Callable[..., Session], name: str, library: str, hook: str, prompt: str, how: str
) -> None:
    """ipdb and IPython's debugger, named in the call or by PYTHONBREAKPOINT."""
    pytest.importorskip(library)
    if how == "named":
        debugger = session(
            "price, Order(3), 5", f"keeptrace.post_mortem(exc, debugger={name!r})", prompt
        )
    else:
        debugger = session(
            "price, Order(3), 5", "keeptrace.post_mortem(exc)", prompt, PYTHONBREAKPOINT=hook
        )
    assert "(21, [5, 0])" in debugger.ask("p total, rows")
    assert "return total / rows[1]" in debugger.ask("ll")


@pytest.mark.parametrize("named", ["", "0", "pdb.set_trace", "nowhere.set_trace"])
def test_pythonbreakpoint_that_names_none_of_ours(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else than a debugger that is known and installed means pdb."""
    monkeypatch.setenv("PYTHONBREAKPOINT", named)
    assert _debug._chosen(None) is _debug.DEBUGGERS["pdb"]


@pytest.mark.parametrize("name", ["ipdb", "IPython", "pudb"])
def test_pythonbreakpoint_chooses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part of PYTHONBREAKPOINT names the debugger, if that is installed."""
    monkeypatch.setenv("PYTHONBREAKPOINT", f"{name}.set_trace")
    expected = name.lower() if importlib.util.find_spec(name) else "pdb"
    assert _debug._chosen(None) is _debug.DEBUGGERS[expected]


def test_the_exceptions_of_a_chain() -> None:
    """`exceptions` lists the chain, and goes to another one; what has no number or no frames is
    said.
    """

    def fail() -> None:
        raise KeyError("outer") from ValueError("never raised")

    try:
        fail()
    except KeyError as exc:
        said = io.StringIO()
        lines = (
            "exceptions\nexceptions 1\nexceptions 0\nexceptions 7\nexceptions -1\nexceptions x\nq\n"
        )
        debugger = pdb.Pdb(stdin=io.StringIO(lines), stdout=said, nosigint=True)
        traceback: Any = exc.__traceback__
        _debug.interact(debugger, exc, traceback)
    shown = said.getvalue()
    assert "> " in shown and "  1 KeyError('outer')" in shown
    assert "  - ValueError('never raised')" in shown
    assert "This exception has no frames to stand in" in shown
    for number in ("7", "-1", "x"):
        assert f"There is no exception {number}: exceptions lists them" in shown
    assert shown.count('raise KeyError("outer") from') >= 2


def test_errors() -> None:
    """What cannot be debugged is refused with a sentence that says what to do."""
    with pytest.raises(
        keeptrace.OptionError, match="debugger must be one of pdb, ipdb, ipython, pudb, not 'gdb'"
    ):
        keeptrace.post_mortem(_raised(), debugger="gdb")
    with pytest.raises(keeptrace.KeepTraceError, match="has no frames to stand in"):
        keeptrace.post_mortem(ValueError("never raised"))
    with pytest.raises(keeptrace.KeepTraceError, match="takes an exception, not str"):
        keeptrace.post_mortem("text")  # type: ignore[arg-type]


def test_no_exception_at_all(tmp_path: Path) -> None:
    """Where nothing failed, it says so."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "import keeptrace; keeptrace.post_mortem()"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "there is no exception to debug: pass one" in done.stderr


def _raised() -> BaseException:
    try:
        1 / 0
    except ZeroDivisionError as exc:
        return exc
    raise AssertionError


@pytest.mark.parametrize(
    "file, own",
    [
        ("/home/me/orders.py", True),
        (os.__file__, False),
        ("/x/site-packages/lib.py", False),
        ("<frozen os>", False),
        ("<stdin>", True),
    ],
)
def test_whose_code_it_is(file: str, own: bool) -> None:
    """The user's own is what is neither the standard library's nor installed."""
    namespace: dict[str, Any] = {}
    exec(compile("import sys\nframe = sys._getframe()", file, "exec"), namespace)
    assert _debug.is_users(namespace["frame"]) is own


def test_all_frames_of_a_library() -> None:
    """An exception that has only library frames is debugged in the innermost one."""
    import json

    with pytest.raises(ValueError) as info:
        json.loads("{")
    library = info.value.__traceback__.tb_next  # type: ignore[union-attr]
    assert _debug.levels_below_users(library) == 0  # type: ignore[arg-type]
    assert _debug.levels_below_users(info.value.__traceback__) == len(list(_entries(library)))  # type: ignore[arg-type]
    restored = restore(capture(info.value, Options()), BUILTINS)
    assert _debug.levels_below_users(restored.__traceback__) == _debug.levels_below_users(
        info.value.__traceback__
    )  # type: ignore[arg-type]


def _entries(entry: Any) -> Iterator[Any]:
    while entry is not None:
        yield entry
        entry = entry.tb_next
