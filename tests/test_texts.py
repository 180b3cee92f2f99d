"""Texts of foreign origin in messages: what a terminal obeys, and what reorders or breaks a line,
is shown as an escape.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import Commands

from keeptrace import hooks, store
from keeptrace.concurrent.deaths.calls import describe_call
from keeptrace.concurrent.deaths.dead import WorkerDeath
from keeptrace.concurrent.deaths.stacks import WorkerStack
from keeptrace.core.texts import one_line, printable, quoted
from keeptrace.store import telling

# ESC and CSI, a title, backspace, return, NUL, C1, line separators, marks that reorder a line or
# hide in it, a lone surrogate
SIGNS = {
    "escape": "\x1b[2J", "title": "\x1b]0;owned\x07", "backspace": "\x08", "return": "\r", "nul": "\0", "csi": "\x9b31m",
    "next line": "\x85", "line": "\u2028", "paragraph": "\u2029", "override": "\u202e", "embedding": "\u202a", "isolate": "\u2066",
    "mark": "\u200f", "joiner": "\u200b", "order": "\ufeff", "surrogate": "\udc9b", "tag": "\U000e0041", "newline": "\nkeeptrace: forged",
}  # fmt: skip
ALL = "".join(SIGNS.values())


def named(name: str) -> type[Exception]:
    """A class of this name, without the two signs that no class can have in its own."""
    return type(name.replace("\0", "").replace("\udc9b", ""), (Exception,), {})


def function(name: str, file: str = "f.py") -> Any:
    """A function that raises, whose own name and file's name are any text."""
    space: dict[str, Any] = {}
    exec(compile("def f(*args, **kwargs): raise ValueError", file, "exec"), space)
    space["f"].__code__ = space["f"].__code__.replace(co_name=name, co_qualname=name)
    space["f"].__qualname__ = name
    return space["f"]


def stack_of(name: str, file: str) -> Any:
    try:
        function(name, file)()
    except ValueError as exc:
        return exc.__traceback__.tb_next


class _Oddly:
    def __str__(self) -> str:
        return ALL


def fault(name: str) -> str:
    """faulthandler's text of a stack with this name; it writes what is not ASCII as an escape."""
    escaped = "".join(
        c if 32 <= ord(c) < 127 else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
        for c in name
    )
    return f'Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  File "{escaped}", line 3 in {escaped}\n'


def told_on_stderr(action: Any, capsys: pytest.CaptureFixture[str]) -> str:
    action()
    text = capsys.readouterr().err
    assert text.startswith("keeptrace: ") and text.endswith("\n")
    return text[:-1]


def kept_by_hook(directory: str) -> None:
    try:
        raise named(f"T{ALL}")("m")
    except Exception as exc:
        hooks.Installed(store.Store(directory)).keep(exc)


MESSAGES: dict[str, Any] = {
    "a dead worker's task": lambda: str(WorkerDeath(5, -9, [describe_call(function(f"f{ALL}"), (ALL, named(ALL)()), {ALL: 1})])),
    "a dead worker's stack": lambda: WorkerDeath(5, -6, ["f()"], fault("\x1b[2J\u202e\x9b")).note().replace("\n", ""),
    "a living worker": lambda: str(WorkerStack(5, [describe_call(function(ALL), (), {})], stack_of(ALL, f"/a{ALL}"))).replace("\n", ""),
    "its threads": lambda: str(WorkerStack(5, [], None, {ALL: stack_of("f", "f.py")})).replace("\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_what_is_told_of_workers(message: str) -> None:
    """Tasks, their arguments, names of functions, files and threads cannot steer the terminal that
    shows them.
    """
    text = MESSAGES[message]()
    assert text.isprintable(), ascii(text)


def test_lines_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line that follows a crash, and the one that says why there is no dump, are one printable
    line each.
    """
    folder = str(tmp_path / ALL.replace("\0", "").replace("/", ""))
    assert told_on_stderr(lambda: kept_by_hook(folder), capsys).isprintable()
    assert told_on_stderr(lambda: telling.failed(named(ALL)(), OSError(ALL)), capsys).isprintable()
    assert told_on_stderr(lambda: telling.failed(ValueError(), _Oddly()), capsys).isprintable()


@pytest.mark.parametrize("sign", SIGNS)
def test_each_sign_is_escaped(sign: str) -> None:
    """Each of them alone, amid text that stays as it is."""
    text = one_line(f"äb {SIGNS[sign]} 漢")
    assert text.isprintable() and text.startswith("äb ") and text.endswith("漢")
    assert printable(f"a{SIGNS[sign]}").isprintable()


@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="needs bash")
def test_the_command_opens_the_file_whatever_it_is_called() -> None:
    """What is printed can be pasted into a shell, and names that very file."""
    names = [
        "plain",
        "two words",
        "it's",
        "über \\ $HOME `x`",
        *(f"a'\\{sign}b" for sign in SIGNS.values() if "\0" not in sign),
    ]
    words = [quoted(name) for name in names]
    assert all(word.isprintable() for word in words)
    done = subprocess.run(
        ["/bin/bash", "-c", f"printf '%s\\0' {' '.join(words)}"], capture_output=True, check=True
    )
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(name) for name in names]


@pytest.mark.parametrize("command", ["ls", "prune", "show", "html", "info"])
def test_the_command_line_with_odd_directories(
    command: str, tmp_path: Path, call: Commands
) -> None:
    """A directory and a dump full of such signs: the commands print none of them, whether they
    succeed or fail.
    """
    folder = tmp_path / ALL.replace("\0", "").replace("/", "")
    path = store.Store(folder).write(_failure())
    assert path is not None
    for target in (
        (folder, f"{folder}-absent") if command in ("ls", "prune") else (path, f"{path}-absent")
    ):
        done = call(command, target)
        assert (done.out + done.err).replace("\n", "").replace("\t", "").isprintable()
        assert "\nkeeptrace: forged" not in done.out + done.err


def _failure() -> BaseException:
    try:
        function(f"f{ALL}", f"/x{ALL}.py")()
    except ValueError as exc:
        exc.add_note(ALL)
        return exc
    raise AssertionError
