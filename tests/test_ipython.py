"""%load_ext keeptrace: %kt_debug, %debug after a pool task failed, and how exceptions are shown."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import keeptrace

pytest.importorskip("IPython")
pexpect = pytest.importorskip("pexpect")

TASKS = """
import json
def pay(amount):
    return amount / 0
def read(text):
    return json.loads(text)
"""


def environment(tmp_path):
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "TERM": "dumb",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    namespace = {}
    exec(compile(TASKS, str(tmp_path / "tasks.py"), "exec"), namespace)
    for name, function, value in (
        ("pay", namespace["pay"], 7),
        ("read", namespace["read"], "{wrong"),
    ):
        try:
            function(value)
        except Exception as exc:
            keeptrace.dump(exc, tmp_path / f"{name}.keeptrace")
    return tmp_path


class Shell:
    def __init__(self, project):
        arguments = [
            "-m",
            "IPython",
            "--simple-prompt",
            "--colors=NoColor",
            "--no-banner",
            "--no-confirm-exit",
        ]
        self.child = pexpect.spawn(
            sys.executable,
            arguments,
            env=environment(project),
            cwd=str(project),
            encoding="utf-8",
            timeout=40,
            dimensions=(50, 200),
        )
        self.child.expect(r"In \[\d+\]: ")

    def __call__(self, line, prompt=r"In \[\d+\]: "):
        self.child.sendline(line)
        self.child.expect(prompt)
        return self.child.before


DEBUGGER = "ipdb> "


def test_a_session(project):
    """%debug after a pool task failed, then %kt_debug with a future and with a file: in the task's
    frame, with its variables.
    """
    shell = Shell(project)
    shell("%load_ext keeptrace")
    shell("import tasks, keeptrace.concurrent")
    shell(
        "pool = keeptrace.concurrent.KeepTraceProcessPoolExecutor(1); future = pool.submit(tasks.pay, 7)"
    )
    assert "return amount / 0" in shell("future.result()")
    assert "return amount / 0" in shell("%debug", DEBUGGER)
    assert "7" in shell("p amount", DEBUGGER).splitlines()
    assert "raise self._exception" in shell("up", DEBUGGER)
    shell("q")
    shell("%kt_debug future", DEBUGGER)
    assert "7" in shell("p amount", DEBUGGER).splitlines()
    shell("q")
    assert "return json.loads(text)" in shell(
        "%kt_debug read.keeptrace", DEBUGGER
    )  # not the library's innermost frame
    assert "'{wrong'" in shell("p text", DEBUGGER)
    assert "json/__init__.py" in shell("down", DEBUGGER)
    shell("q")
    assert "raw_decode" in shell("%debug", DEBUGGER)  # goes on with what was opened last
    shell("q")
    shell("pool.shutdown()")
    shell.child.sendline("exit")
    shell.child.expect(pexpect.EOF)


def in_a_shell(project, code):
    """Runs code with a shell of IPython, without a terminal."""
    head = "from IPython.core.interactiveshell import InteractiveShell\nimport keeptrace\nshell = InteractiveShell.instance()\nshell.run_line_magic('load_ext', 'keeptrace')\n"
    program = project / "in_a_shell.py"  # not -c: a dump tells the command line
    program.write_text(head + code)
    done = subprocess.run(
        [sys.executable, program.name],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_how_an_exception_is_shown(project):
    """With its frames, as text and as a page of its own that runs nothing of the notebook's; within
    a list as ever.
    """
    pytest.importorskip("jinja2")
    pytest.importorskip("pygments")
    in_a_shell(
        project,
        """
exc = keeptrace.load("pay.keeptrace")
data, _ = shell.display_formatter.format(exc)
assert "return amount / 0" in data["text/plain"] and data["text/plain"].endswith("ZeroDivisionError: division by zero")
page = data["text/html"]
assert page.startswith("<iframe sandbox=") and "amount" in page and "allow-same-origin" not in page
assert page.count('"') == 6, "a value cannot leave the attribute"
data, _ = shell.display_formatter.format([exc])
assert data["text/plain"] == "[ZeroDivisionError('division by zero')]"
data, _ = shell.display_formatter.format(ValueError("never raised"))
assert data == {"text/plain": "ValueError('never raised')"}
shell.run_line_magic("unload_ext", "keeptrace")
assert shell.display_formatter.format(exc)[0] == {"text/plain": "ZeroDivisionError('division by zero')"}
assert shell.find_line_magic("kt_debug") is None
""",
    )


def test_without_the_libraries_of_the_page(project):
    """Without the extra there is the text, and no error."""
    in_a_shell(
        project,
        """
import sys
sys.modules["jinja2"] = None
assert list(shell.display_formatter.format(keeptrace.load("pay.keeptrace"))[0]) == ["text/plain"]
""",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "use %kt_debug FILE"),
        ("none.keeptrace", "No such file"),
        ("tasks.py", "not a dump of keeptrace"),
        ("number", "number is int, no exception, future or dump"),
        ("future", "the future future has not failed"),
        ("bare", "has no frames"),
    ],
)
def test_wrong_uses_are_told_in_a_sentence(project, line, message):
    """A wrong name or file gives one sentence, no traceback."""
    done = in_a_shell(
        project,
        f"""
from concurrent.futures import Future
from IPython.core.error import UsageError
shell.user_ns.update(number=1, future=Future(), bare=ValueError())
try:
    shell.run_line_magic("kt_debug", {line!r})
except UsageError as problem:
    print(problem)
""",
    )
    assert message in done.stdout and done.stdout.count("\n") == 1
