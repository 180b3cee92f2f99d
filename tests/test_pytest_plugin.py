"""pytest --keeptrace, run as its users run it: dumps, what is printed, pytest-xdist, the debugger in the controller."""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
import sys

import pytest

import keeptrace

pexpect = pytest.importorskip("pexpect")

SUITE = """
import pytest

@pytest.fixture
def broken():
    part = "setup"
    raise KeyError(part)

@pytest.fixture
def leaving():
    yield 1
    part = "teardown"
    raise OSError(part)

def total(prices):
    return sum(prices)

@pytest.mark.parametrize("prices", [[1], [2]])
def test_total(prices):
    assert total(prices) == 0

def test_setup(broken): pass
def test_teardown(leaving): pass
def test_fail(): pytest.fail("on purpose")
def test_fine(): pass
def test_skipped(): pytest.skip("not now")

@pytest.mark.xfail
def test_expected(): assert 0
"""
FAILING = 5  # of SUITE

UNIT = """
import unittest

class T(unittest.TestCase):
    def test_it(self):
        part = 3
        self.assertEqual(part, 4)
"""

NAMES = """
import pytest

VALUES = ['a/b', 'x::y/z', '../..', 'x[1]', 'ä b']

@pytest.mark.parametrize('p', VALUES)
def test_path(p):
    assert 0
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests" / "test_shop.py").write_text(SUITE)
    return tmp_path


def environment():
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_XDIST_WORKER": "",
        "PYTHON_COLORS": "0",
        "TERM": "dumb",
    }


def command(*args):
    return [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "keeptrace.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "--color=no",
        *(("-p", "xdist") if any(each.startswith("-n") for each in args) else ()),
        *args,
    ]


def run(project, *args):
    return subprocess.run(
        command(*args), cwd=project, env=environment(), capture_output=True, text=True
    ).stdout


def commands_in(text):
    """The dumps whose commands stand in the text; a command names a dump by its time."""
    starts = re.findall(r"^\S+ -m keeptrace debug (.+)$", text, re.M)
    return [
        shlex.quote(path) for start in starts for path in glob.glob(f"{shlex.split(start)[0]}-*")
    ]


def innermost(exc):
    entry = exc.__traceback__
    while entry.tb_next:
        entry = entry.tb_next
    return entry.tb_frame


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_every_failure_has_a_dump(project, workers):
    """Tests, setup and teardown that fail have a dump with their frames, and the command under the failure; others have none.

    The dump's name has the test's file and name, whatever is in its parameter; unittest's tests have dumps as well.
    """
    (project / "tests" / "test_unit.py").write_text(UNIT)
    (project / "tests" / "test_names.py").write_text(NAMES)
    out = run(project, "--keeptrace", "tests", *workers)
    paths = [shlex.split(path)[0] for path in commands_in(out)]
    assert len(paths) == len(set(paths)) == FAILING + 1 + 5, out
    assert f"{FAILING + 1 + 5} dumps in {project}/keeptrace-dumps" in out
    named = [path for path in paths if "-test_names.py.test_path" in os.path.basename(path)]
    assert len(named) == 5
    (unit,) = [path for path in paths if "-test_unit.py." in os.path.basename(path)]
    exc = keeptrace.load(unit)
    assert type(exc) is AssertionError and exc.__traceback__.tb_frame.f_locals["part"] == 3
    paths = [path for path in paths if path not in (unit, *named)]
    found = {os.path.basename(path).split("-")[2]: keeptrace.load(path) for path in paths}
    assert {
        os.path.basename(path).split("-")[2]: os.path.basename(path).split("-")[1] for path in paths
    } == {
        "test_shop.py.test_total.prices0": "AssertionError",
        "test_shop.py.test_total.prices1": "AssertionError",
        "test_shop.py.test_setup": "KeyError",
        "test_shop.py.test_teardown": "OSError",
        "test_shop.py.test_fail": "Failed",
    }
    assert innermost(found["test_shop.py.test_total.prices1"]).f_locals["prices"] == [2]
    assert innermost(found["test_shop.py.test_setup"]).f_locals["part"] == "setup"
    assert innermost(found["test_shop.py.test_teardown"]).f_locals["part"] == "teardown"
    first = found["test_shop.py.test_total.prices0"].__traceback__.tb_frame
    assert first.f_code.co_name == "test_total", "pytest's own frames are not in it"


def test_the_command_stands_under_its_failure(project):
    """After the traceback of each failure, before the next one's."""
    out = run(project, "--keeptrace=dumps", "-k", "total")
    parts = re.split(r"^_+ test_total\[", out, flags=re.M)[1:]
    assert ["prices0" in commands_in(part.partition("\n_")[0])[0] for part in parts] == [
        True,
        False,
    ]
    assert all("AssertionError" in part.partition("keeptrace debug ")[0] for part in parts)
    assert (project / "dumps").is_dir() and (project / "dumps" / ".gitignore").read_text().endswith(
        "*\n"
    )


@pytest.mark.parametrize("style", ["no", "line"])
def test_short_styles(project, style):
    """Each command is printed once, whatever pytest prints of a failure."""
    out = run(project, "--keeptrace", f"--tb={style}", "tests")
    assert len(commands_in(out)) == FAILING


# file → its tests, of a run that goes on after what cannot be imported
ODD = {
    "test_broken.py": "value = 3\nvalue / 0\n",
    "test_sealed.py": (
        "import unittest\n"
        "class Sealed(Exception):\n"
        "    def __setattr__(self, name, value):\n"
        "        raise TypeError(name)\n"
        "class T(unittest.TestCase):\n"  # pytest itself fails to set the traceback in a function
        "    def test_it(self):\n"
        "        part = 3\n"
        "        raise Sealed(part)\n"
    ),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """What pytest prints of the tests of ODD, and the exception of each file's dump."""
    folder = tmp_path_factory.mktemp("odd")
    for name, text in ODD.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    out = run(folder, "--keeptrace", "--continue-on-collection-errors", *ODD)
    paths = commands_in(out)
    assert len(paths) == len(ODD), out
    return out, {name: keeptrace.load(path) for name in ODD for path in paths if name in path}


def test_a_module_that_cannot_be_imported(odd):
    """An error while tests are collected has a dump too."""
    _, dumps = odd
    assert innermost(dumps["test_broken.py"]).f_locals["value"] == 3


def test_an_exception_that_refuses_attributes(odd):
    """Such an exception has a dump, and does not end pytest."""
    out, dumps = odd
    assert innermost(dumps["test_sealed.py"]).f_locals["part"] == 3 and "1 failed" in out


def test_a_directory_that_cannot_be_written(project):
    """The tests' outcome is the same; a line says that there is no dump."""
    (project / "dumps").write_text("a file")
    out = subprocess.run(
        command("--keeptrace=dumps", "-k", "setup", "-s"),
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (
        "1 error" in out.stdout
        and "keeptrace: no dump of this KeyError" in out.stderr
        and commands_in(out.stdout) == []
    )


def test_off_it_costs_nothing(project):
    """Without the option nothing of keeptrace is imported but this module and the package's names, and nothing is written."""
    (project / "tests" / "test_shop.py").write_text(
        "import sys\ndef test_it():\n    assert sorted(m for m in sys.modules if m.startswith('keeptrace')) == ['keeptrace', 'keeptrace.core', 'keeptrace.core.exports', 'keeptrace.core.reserve', 'keeptrace.core.shadows', 'keeptrace.pytest_plugin']\n"
        "def test_fails(): assert 0\n"
    )
    out = run(project)
    assert "1 failed, 1 passed" in out and "keeptrace debug" not in out
    assert not (project / "keeptrace-dumps").exists()


def terminal(project, *args):
    child = pexpect.spawn(
        shlex.join(command(*args)),
        cwd=str(project),
        env=environment(),
        encoding="utf-8",
        timeout=40,
        dimensions=(50, 200),
    )
    child.expect_exact("(Pdb) ")
    return child


@pytest.mark.parametrize("workers", ["-n0", "-n2"], ids=["one process", "xdist"])
def test_the_debugger_opens_in_the_controller(project, workers):
    """--keeptrace-pdb: the frames and variables of what failed in a worker, at the prompt of the terminal; then the run goes on."""
    child = terminal(project, workers, "--keeptrace-pdb", "-k", "total")
    assert "assert total(prices) == 0" in child.before and "AssertionError" in child.before
    if workers == "-n2":
        assert re.search(r"in worker gw[01]", child.before)
    seen = set()
    for last in (False, True):
        child.sendline("p prices")
        child.expect(r"\[(\d)\]")
        seen.add(child.match[1])
        child.expect_exact("(Pdb) ")
        child.sendline("continue")
        child.expect("2 failed" if last else re.escape("(Pdb) "))
    child.expect(pexpect.EOF)
    child.close()
    assert seen == {"1", "2"} and child.exitstatus == 1
    assert len(os.listdir(project / "keeptrace-dumps")) >= 2


LIVE = """
import threading

def gone():
    yield from range(10)

def test_live():
    rows = gone()
    next(rows)
    lock = threading.Lock()
    assert lock.locked()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_the_debugger_in_the_failed_process(project, workers):
    """--keeptrace-pdb=live: the generator of a failed test goes on in place; then the run goes on, and nothing is left."""
    (project / "tests" / "test_live.py").write_text(LIVE)
    child = terminal(project, workers, "--keeptrace-pdb=live", "-k", "live", "tests/test_live.py")
    for expected in "12":
        child.sendline("p 'row', next(rows)")
        child.expect_exact(f"('row', {expected})")
        child.expect_exact("(Pdb) ")
    child.sendline("quit")
    child.expect("1 failed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert not any(project.glob("tmp/keeptrace*/*"))


def test_quit_ends_the_run(project):
    """`quit` in the debugger ends the whole run, as pytest's --pdb does."""
    child = terminal(project, "-n1", "--keeptrace-pdb")
    child.sendline("quit")
    child.expect("quit from the debugger")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2


CRASHING = """
import faulthandler, os, signal

def crash():
    faulthandler._sigsegv()

def test_crash(): crash()
def test_kill(): os.kill(os.getpid(), signal.SIGKILL)
def test_leave(): os._exit(4)
def test_fork():
    pid = os.fork()
    if not pid: os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
def test_fine(): pass
"""


def test_workers_that_crash(tmp_path):
    """The report of a crashed worker names the signal and the stack, and there is a dump of it.

    A process that a test forks is the test's own affair.
    """
    pytest.importorskip("xdist")
    (tmp_path / "test_crash.py").write_text(CRASHING)
    done = subprocess.run(
        command("-n", "1", "--keeptrace=dumps", "test_crash.py"),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "3 failed, 2 passed" in done.stdout, done.stdout
    assert "was killed by SIGSEGV" in done.stdout and "in crash" in done.stdout
    assert "was killed by SIGKILL" in done.stdout
    assert "its process ended with exit code 4" in done.stdout
    assert "2 dumps in" in done.stdout
    deaths = [keeptrace.load(path) for path in (tmp_path / "dumps").glob("*.keeptrace")]
    assert sorted(exc.signal for exc in deaths) == ["SIGKILL", "SIGSEGV"]
    assert not list((tmp_path / "dumps").glob(".*.box"))
