"""What a program reports itself: failing cells of IPython, tests of unittest, examples of doctest; each leaves a dump."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback

import pytest

import keeptrace
from keeptrace.store import Store


def run(tmp_path, *arguments):
    """Runs Python in the directory; the finished process."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHON_COLORS": "0",
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_XDIST_WORKER": "",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def dumps(tmp_path):
    return Store(tmp_path / "keeptrace-dumps").entries()


def frames(path):
    found = []
    entry = keeptrace.load(path).__traceback__
    while entry is not None:
        found.append(entry.tb_frame)
        entry = entry.tb_next
    return found


def shown(entry):
    """The traceback of a dump, with its lines of source."""
    return "".join(traceback.format_exception(keeptrace.load(entry.path)))


# -- unittest

TESTS = """
import unittest

class Orders(unittest.TestCase):
    def check(self, quantity):
        self.assertEqual(quantity, 3)

    def test_failure(self):
        order = {"quantity": 2}
        self.check(order["quantity"])

    def test_error(self):
        order = {"quantity": 2}
        order["price"]

    def test_parts(self):
        for part in range(3):
            with self.subTest(part=part):
                self.assertNotEqual(part, 1)

    @unittest.expectedFailure
    def test_known(self):
        self.fail("known")

    @unittest.skip("not now")
    def test_skipped(self):
        pass

class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = {}["address"]

    def test_never(self):
        pass

if __name__ == "__main__":
    unittest.main()
"""


def reports(text):
    """The reports of unittest, by the name of the test."""
    parts = text.split("=" * 70 + "\n")[1:]
    return {part.split()[1]: part for part in parts}


@pytest.mark.parametrize("how", [["-m", "unittest", "test_orders"], ["test_orders.py"]])
def test_unittest(tmp_path, how):
    """Each failure, error and failing subtest leaves a dump, and its command stands below the report; what is expected leaves none."""
    (tmp_path / "test_orders.py").write_text(TESTS)
    done = run(tmp_path, "-m", "keeptrace", "run", *how)
    assert done.returncode == 1 and "expected failures=1" in done.stderr
    by_place = {entry.where.rpartition(" ")[2]: entry for entry in dumps(tmp_path)}
    assert set(by_place) == {
        "Orders.check",
        "Orders.test_error",
        "Orders.test_parts",
        "Broken.setUpClass",
    }
    failure = frames(by_place["Orders.check"].path)
    assert [frame.f_code.co_name for frame in failure] == ["test_failure", "check"]
    assert failure[-1].f_locals["quantity"] == 2
    assert frames(by_place["Orders.test_parts"].path)[0].f_locals["part"] == 1
    told = reports(done.stderr)
    for test, place in (("test_failure", "Orders.check"), ("test_error", "Orders.test_error")):
        stamp = os.path.basename(by_place[place].path).partition("Z-")[0]
        assert told[test].count("keeptrace: ") == 1 and stamp in told[test]


def test_unittest_reports_as_without_us(tmp_path):
    """But for our lines, the report and the exit code are unittest's own."""
    (tmp_path / "test_orders.py").write_text(TESTS)

    def told(text):
        lines = text.splitlines()
        return [line for line in lines if not line.startswith(("keeptrace: ", "Ran "))]

    bare = run(tmp_path, "-m", "unittest", "test_orders")
    ours = run(tmp_path, "-m", "keeptrace", "run", "-m", "unittest", "test_orders")
    assert ours.returncode == bare.returncode
    assert told(ours.stderr) == told(bare.stderr)


OWN_RESULT = """
import unittest, keeptrace
keeptrace.install()

class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.errors = {}

    def addError(self, test, err):
        try:
            super().addError(test, err)
        except AttributeError:
            self.errors[test] = err

class Test(unittest.TestCase):
    def test(self):
        {}["price"]

result = Result()
Test("test")(result)
print(len(result.errors))
"""


def test_unittest_with_a_result_of_its_own(tmp_path):
    """A result that keeps its reports in another way gets its errors as ever; the line goes to stderr."""
    done = run(tmp_path, "-c", OWN_RESULT)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    (entry,) = dumps(tmp_path)
    assert entry.type == "KeyError" and done.stderr.startswith("keeptrace: a dump of this KeyError")


def test_unittest_uninstalled(tmp_path):
    """After uninstall() nothing is left of us in unittest."""
    code = """
import unittest, keeptrace
before = dict(vars(unittest.TestResult))
with keeptrace.install():
    assert unittest.TestResult.addError is not before["addError"]
assert dict(vars(unittest.TestResult)) == before
"""
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr


# -- doctest

SHOP = '''
"""A shop.

>>> order = {"item": "bolt", "quantity": "two"}
>>> total(order, 3)
6
>>> total({"quantity": 2}, 3)
7
"""

RATES = {"eur": 1}

def total(order, price):
    quantity = int(order["quantity"])
    return quantity * price
'''


def doctest_dumps(tmp_path):
    by_type = {entry.type.rpartition(".")[2]: entry for entry in dumps(tmp_path)}
    assert set(by_type) == {"ValueError", "ExampleFailed"}
    return by_type["ValueError"], by_type["ExampleFailed"]


def check_raised(entry):
    """Whether the dump of the example that raised begins in the example, with its source and variables."""
    example, total = frames(entry.path)
    assert example.f_code.co_filename == "<doctest shop[1]>"
    assert example.f_globals["order"]["item"] == "bolt"
    assert total.f_locals["price"] == 3
    assert "\n    total(order, 3)\n" in shown(entry)


def check_wrong(entry):
    """Whether the dump of the example with another output stands in the example."""
    (example,) = frames(entry.path)
    assert example.f_code.co_filename == "<doctest shop[2]>"
    assert example.f_globals["RATES"] == {"eur": 1}
    assert "<failure>" not in example.f_globals
    assert entry.message == "expected '7\\n', got '6\\n'"
    assert '\n    total({"quantity": 2}, 3)\n' in shown(entry)


@pytest.mark.parametrize("how", [["-m", "doctest", "shop.py"], ["own.py"]])
def test_doctest(tmp_path, how):
    """An example that fails leaves a dump that begins in the example; the report is doctest's, with the command below."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "own.py").write_text(
        "import doctest, shop, sys; sys.exit(bool(doctest.testmod(shop)[0]))"
    )
    done = run(tmp_path, "-m", "keeptrace", "run", *how)
    assert done.returncode == 1 and "***Test Failed*** 2 failures." in done.stdout
    assert done.stdout.count("\nkeeptrace: a dump of this ") == 2 and done.stderr == ""
    raised, wrong = doctest_dumps(tmp_path)
    check_raised(raised)
    check_wrong(wrong)


def test_doctest_that_passes(tmp_path):
    """The exit code and the output of `python -m doctest` stay, and nothing is written."""
    (tmp_path / "fine.py").write_text('"""\n>>> 1 + 1\n2\n"""\n')
    done = run(tmp_path, "-m", "keeptrace", "run", "-m", "doctest", "fine.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "keeptrace-dumps").exists()


PYTEST = (
    *("-m", "pytest", "-p", "keeptrace.pytest_plugin", "-p", "no:cacheprovider"),
    *("--doctest-modules", "--keeptrace", "shop.py"),
)


@pytest.mark.parametrize("options", [[], ["--doctest-continue-on-failure"]])
def test_doctest_in_pytest(tmp_path, options):
    """pytest's plugin dumps the example's own exception, not the library's that tells of it."""
    (tmp_path / "shop.py").write_text(SHOP)
    done = run(tmp_path, *PYTEST, *options)
    assert done.returncode == 1 and "1 dump in " in done.stdout
    (entry,) = dumps(tmp_path)
    example, _ = frames(entry.path)
    assert example.f_code.co_filename == "<doctest shop[1]>"
    assert "\n    total(order, 3)\n" in shown(entry)


def test_wrong_output_in_pytest(tmp_path):
    """An example that printed something else opens in the example, with its variables."""
    (tmp_path / "shop.py").write_text(SHOP.replace('"two"', '"2"'))
    run(tmp_path, *PYTEST)
    (entry,) = dumps(tmp_path)
    check_wrong(entry)


# -- IPython

SHELL = """
import keeptrace
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
"""


def test_ipython(tmp_path):
    """A failing cell leaves a dump with the sources of the cells and the user's variables, without the shell's own; others leave none."""
    pytest.importorskip("IPython")
    code = f"""{SHELL}
shell.run_cell("import keeptrace; installed = keeptrace.install()")
shell.run_cell("def pay(amount):\\n    return amount / 0\\nrate = 3", store_history=True)
shell.run_cell("pay(7)", store_history=True)
for cell in ("1 +", "%no_such_magic", "raise KeyboardInterrupt", "fine = 1"):
    shell.run_cell(cell)
shell.run_cell("keeptrace.uninstall()")
shell.run_cell("1 / 0")
"""
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("keeptrace: a dump of this ZeroDivisionError was written") == 1
    (entry,) = dumps(tmp_path)
    cell, pay = frames(entry.path)
    assert pay.f_locals == {"amount": 7} and cell.f_globals["rate"] == 3
    assert not {"In", "Out", "_ih", "_i", "get_ipython", "exit"} & set(cell.f_globals)
    text = shown(entry)
    assert "\n    pay(7)\n" in text and "\n    return amount / 0\n" in text


def test_ipython_keeps_a_name_of_the_shell_that_a_cell_uses(tmp_path):
    """`_`, the last result, is kept where the cell reads it."""
    pytest.importorskip("IPython")
    code = f"""{SHELL}
keeptrace.install()
shell.run_cell("[1, 2]", store_history=True)
shell.run_cell("_[5]", store_history=True)
"""
    run(tmp_path, "-c", code)
    (entry,) = dumps(tmp_path)
    assert frames(entry.path)[0].f_globals["_"] == [1, 2]


def test_ipython_below_run(tmp_path):
    """`keeptrace run -m IPython` keeps failing cells, as the hooks come before IPython."""
    pytest.importorskip("IPython")
    (tmp_path / "cells.ipy").write_text("rate = 3\nrate / 0\n")
    done = run(tmp_path, "-m", "keeptrace", "run", "-m", "IPython", "cells.ipy")
    (entry,) = dumps(tmp_path)
    assert entry.type == "ZeroDivisionError", done.stderr


CELLS = ("import keeptrace; keeptrace.install()", "amount = 7", "amount / 0")


def test_jupyter(tmp_path):
    """In a kernel too; the line about the dump stands in the cell's output."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, CELLS)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        resources = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, allow_errors=True, resources=resources).execute()
    (entry,) = dumps(tmp_path)
    assert frames(entry.path)[0].f_globals["amount"] == 7
    outputs = notebook.cells[2].outputs
    assert any("keeptrace debug" in output.get("text", "") for output in outputs)


# -- exclude

EXCLUDING = """
import multiprocessing, sys, keeptrace

class OutOfStock(Exception): pass
class SoldOut(OutOfStock): pass

def child():
    raise SoldOut("in a child")

if __name__ == "__main__":
    keeptrace.install(exclude={exclude})
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start(); process.join()
    {raised}
"""


@pytest.mark.parametrize("exclude", ["(OutOfStock,)", "['__main__.OutOfStock']"])
@pytest.mark.parametrize(
    "raised",
    ["raise SoldOut('here')", "raise ExceptionGroup('all', [SoldOut(1), OutOfStock(2)])"],
)
def test_excluded(tmp_path, exclude, raised):
    """Excluded classes and their subclasses leave no dump, in spawned children too, nor does a group of such alone."""
    (tmp_path / "program.py").write_text(EXCLUDING.format(exclude=exclude, raised=raised))
    done = run(tmp_path, "program.py")
    assert done.returncode == 1 and "SoldOut: in a child" in done.stderr
    assert "keeptrace: " not in done.stderr and dumps(tmp_path) == []


def test_others_are_not_excluded(tmp_path):
    """What is not named leaves a dump, and so does a group with such a member."""
    for raised in (
        "raise ValueError(1)",
        "raise ExceptionGroup('mixed', [SoldOut(1), KeyError(2)])",
    ):
        program = EXCLUDING.format(exclude="(OutOfStock, 'LookupError.none')", raised=raised)
        (tmp_path / "program.py").write_text(program)
        run(tmp_path, "program.py")
    assert {entry.type for entry in dumps(tmp_path)} == {"ValueError", "ExceptionGroup"}


def test_a_builtin_is_excluded_by_its_bare_name(tmp_path):
    """'LookupError' is the builtin, and excludes KeyError."""
    done = run(
        tmp_path, "-c", "import keeptrace; keeptrace.install(exclude=['LookupError']); {}[1]"
    )
    assert "KeyError" in done.stderr and dumps(tmp_path) == []


@pytest.mark.parametrize(
    "exclude", [(int,), (ValueError("x"),), "ValueError", ValueError, (None,), 3, None]
)
def test_what_cannot_be_excluded(exclude):
    """Anything but classes of exceptions and names is refused when install() is called."""
    with pytest.raises(keeptrace.OptionError, match="exclude takes"):
        keeptrace.install(exclude=exclude)
