"""A test from a dump: the failing call is repeated with its arguments, in a process that has only the program."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Commands, Done

from keeptrace.format.reading import decode
from keeptrace.render.model import make_view
from keeptrace.tools.repro import repro_text

pytest.importorskip("typer", reason="the command line is made with typer")

SHOP = """
import asyncio, collections, dataclasses, datetime, decimal, enum, functools, pathlib, socket

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Line:
    name: str
    price: float

class OutOfStock(Exception):
    pass

class Order:
    def __init__(self, lines):
        self.lines = lines
        self.note = None

    def total(self, rate, /, *extras, discount=0, **more):
        raise OutOfStock(f"{self.lines[0].name}: {sum(line.price for line in self.lines) * rate}")

    @classmethod
    def parse(cls, text):
        return cls(int(text))

    @staticmethod
    def number(text):
        return int(text)

    @property
    def first(self):
        return self.lines[0].cost

    def __private(self, key):
        return {}[key]

    def private(self):
        return self.__private("k")

def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function("by the decorator", *args, **kwargs)
    return wrapper

@logged
def decorated(word, number):
    return word[number]

def many(text, data, number, when, path, colour, point, ordered, default, waiting, empty, big):
    raise ValueError(len(text) + number + sum(data["list"]) + len(ordered) + len(default) + waiting[0])

async def fetch(url, *, retries):
    await asyncio.sleep(0)
    raise ConnectionError(url * retries)

def rows(count):
    for number in range(count):
        yield 1 / (2 - number)

async def stream(count):
    yield count
    raise LookupError(count)

def translated(text):
    try:
        return int(text)
    except ValueError as problem:
        raise LookupError(f"no {text}") from problem

def with_socket(connection, password):
    return connection.send(password, "x" * 3) + int("no")

def array(values, table):
    return values.sum() + table["price"].sum() + int("x")

Point = collections.namedtuple("Point", "x y")
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "orders.py").write_text(SHOP)
    return folder


@pytest.fixture(autouse=True, scope="module")
def no_plugins() -> Iterator[None]:
    """The pytest that repeats a call need not import the plugins of this one, which takes longer than all else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield


def skip_without(*libraries: str) -> None:
    """Skips the test where one is absent. Only the processes that tests start import them."""
    absent = [name for name in libraries if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"needs {absent[0]}")


@pytest.fixture
def repro_in(call: Commands, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs `keeptrace repro` in a directory. The test that --verify runs has a process of its own."""

    def run(folder: Path, *arguments: object) -> Done:
        monkeypatch.chdir(folder)
        return call("repro", *arguments)

    return run


CALLS = {
    "method": "Order([Line('tea', 2.5), Line('milk', 1.0)]).total(3, 'gift', 7, discount=1, note='x')",
    "class method": "Order.parse('two')",
    "static method": "Order.number('two')",
    "property": "Order([Line('tea', 2.5)]).first",
    "private method": "Order([]).private()",
    "decorated": "decorated(99)",
    "every kind of value": (
        "many('té\\n', {'list': [1, 2], (1, 'k'): {3}, b'b': frozenset()}, 10**30, "
        "datetime.datetime(2020, 2, 3, tzinfo=datetime.timezone.utc), pathlib.Path('/x'), Colour.RED, "
        "Point(1, 2.5), collections.OrderedDict(a=1), collections.defaultdict(list, {1: [2]}), "
        "collections.deque([1, None]), (), float('inf'))"
    ),
    "coroutine": "asyncio.run(fetch('http://x', retries=2))",
    "generator": "list(rows(5))",
    "asynchronous generator": "asyncio.run(consume())",
    "translated": "translated('two')",
    "array": "array(numpy.arange(6.0).reshape(2, 3), pandas.DataFrame({'price': [1, 2]}))",
}


# Of these the tests read the code alone.
READ = {
    "socket": f"with_socket(socket.socket(), '{'hunter' + '2xyzzy'}')",
    "large": "array(numpy.arange(3.0), pandas.DataFrame({'price': list(range(5_000))}))",
    "odd": """
circle = [1]; circle.append(circle)
class Local: pass
with_socket([('x',), frozenset({1}), {3}, set(), lambda: 0, Local, type('<odd>', (), {}), datetime, len, many, 2j,
    'x' * 30_000, b'x' * 30_000, list(range(500)), dict.fromkeys(range(500)), circle, ..., NotImplemented, range(3), slice(1),
    iter([1]), asyncio.Lock(), ValueError('x'), decimal.Decimal('1.5'), Local()], 1)
""",
}

DUMP_ALL = """
import asyncio, collections, datetime, json, pathlib, sys, keeptrace
from shop.orders import *
try: import numpy, pandas
except ImportError: pass
async def consume():
    async for each in stream(3): pass
for name, call in json.load(sys.stdin).items():
    try: exec(call)
    except Exception as exc: keeptrace.dump(exc, f"{name}.keeptrace")
"""


@pytest.fixture(scope="module")
def dumps(shop: Path) -> dict[str, Path]:
    """The dump of each call; one process makes them all."""
    calls = json.dumps({**CALLS, **READ})
    command = [sys.executable, "-c", DUMP_ALL]
    subprocess.run(command, cwd=shop, input=calls, text=True, check=True, timeout=60)
    return {name: shop / f"{name}.keeptrace" for name in (*CALLS, *READ)}


@pytest.fixture(scope="module")
def verdicts(shop: Path, dumps: dict[str, Path]) -> dict[str, str]:
    """For each call, whether its test passes: "PASSED", or else; run in one process."""
    for name in CALLS:
        report = decode(dumps[name].read_bytes()).report
        text = repro_text(report, make_view(report), dump=str(dumps[name]))
        assert "not rebuilt" not in text
        (shop / f"test_{name.replace(' ', '_')}.py").write_text(text, "utf-8")
    files = sorted(path.name for path in shop.glob("test_*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, timeout=100)
    found = re.findall(r"^(PASSED|FAILED|ERROR) test_(\w+)\.py", done.stdout, re.M)
    return {name.replace("_", " "): verdict for verdict, name in found}


@pytest.mark.parametrize("name", CALLS)
def test_the_call_fails_the_same_way(verdicts: dict[str, str], name: str) -> None:
    """The test calls the function as it was called, and passes where the failure is there."""
    if name == "array":
        skip_without("numpy", "pandas")
    assert verdicts[name] == "PASSED"


def test_when_the_failure_is_repaired(repro_in: Callable[..., Done], tmp_path: Path) -> None:
    """Once the function is repaired, the test fails, and --verify says that it does not fail the same way."""
    (tmp_path / "shop.py").write_text("def half(x): return 10 / x\n")
    code = (
        "import keeptrace, shop\ntry: shop.half(0)\n"
        "except Exception as exc: keeptrace.dump(exc, 'x.keeptrace')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    done = repro_in(tmp_path, "x.keeptrace", "--verify")
    assert (done.code, done.out) == (0, "verified: the call fails the same way\n")
    (tmp_path / "shop.py").write_text("def half(x): return 10 / (x or 1)\n")
    again = repro_in(tmp_path, "x.keeptrace")
    assert again.code == 2 and "test_repro.py exists" in again.err
    done = repro_in(tmp_path, "x.keeptrace", "-o", "test_repro.py", "--verify")
    assert done.code == 1 and "DID NOT RAISE" in done.out
    assert done.out.endswith("the call does not fail the same way\n")


def test_a_script(repro_in: Callable[..., Done], tmp_path: Path) -> None:
    """A script that calls its function at once is loaded up to the line that failed, and not run again."""
    (tmp_path / "prog.py").write_text(
        textwrap.dedent(
            """
            RATE = 3
            class Broken(Exception): pass
            def work(x):
                raise Broken(x * RATE)
            print("ran")
            work(4)
            print("never")
            """
        )
    )
    command = [sys.executable, "-m", "keeptrace", "run", "prog.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    done = repro_in(tmp_path, "--verify")
    assert done.code == 0, done.out


def test_from_a_pools_worker(tmp_path: Path) -> None:
    """The call in the worker is repeated, without the pool."""
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent(
            """
            import keeptrace
            from keeptrace.concurrent import KeepTraceProcessPoolExecutor
            def total(order): return order["price"] * int(order["quantity"])
            if __name__ == "__main__":
                with KeepTraceProcessPoolExecutor(1) as pool:
                    failed = pool.submit(total, {"price": 2, "quantity": "two"}).exception()
                keeptrace.dump(failed, "x.keeptrace")
            """
        )
    )
    subprocess.run([sys.executable, "jobs.py"], cwd=tmp_path, check=True, timeout=60)
    command = [sys.executable, "-m", "keeptrace", "repro", "x.keeptrace", "--verify"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert "{'price': 2, 'quantity': 'two'}" in (tmp_path / "test_repro.py").read_text()


def test_what_cannot_be_rebuilt_is_named(
    dumps: dict[str, Path], repro_in: Callable[..., Done], tmp_path: Path
) -> None:
    """A socket and a secret stand at their place, with the reason; the file is Python all the same."""
    done = repro_in(tmp_path, dumps["socket"], "-o", "-")
    assert done.code == 0
    ast.parse(done.out)
    lines = done.out.splitlines()
    at = lines.index("    connection = None")
    assert lines[at - 1].startswith("    # not rebuilt: connection: a socket.socket")
    assert "    # not rebuilt: password: it was hidden as a secret" in lines
    assert "2xyzzy" not in done.out


def test_each_odd_value_is_code_or_named(
    dumps: dict[str, Path], repro_in: Callable[..., Done], tmp_path: Path
) -> None:
    """What has a literal or an import is written so; for the rest the place and the reason are told."""
    text = repro_in(tmp_path, dumps["odd"], "-o", "-").out
    ast.parse(text)
    for written in (
        "('x',)",
        "frozenset([1])",
        "{3}",
        "set()",
        "2j",
        "range(0, 3)",
        "decimal.Decimal('1.5')",
    ):
        assert f"{written}," in text, written
    for named in (
        "connection[4]: the function <lambda>",
        "connection[6]: a local class",
        "connection[11]: 20000 characters at its end",
        "connection[12]: 20000 characters at its end",
        "connection[13]: 400 of its elements",
        "connection[14]: 400 of its elements",
        "connection[15][1]: it holds itself, or is too deep",
    ):
        assert f"# not rebuilt: {named}" in text, named


def test_large_frames(
    dumps: dict[str, Path], repro_in: Callable[..., Done], tmp_path: Path
) -> None:
    """Of a large frame the beginning is no substitute, and that is said."""
    skip_without("numpy", "pandas")
    large = repro_in(tmp_path, dumps["large"], "-o", "-").out
    assert "# not rebuilt: table: a frame of which only the beginning was kept" in large


def test_live_objects(shop: Path, repro_in: Callable[..., Done], tmp_path: Path) -> None:
    """With --live what cannot be code is taken from the dump beside the test."""
    skip_without("numpy")
    code = (
        "import keeptrace, numpy\nfrom shop.orders import array\n"
        "try: array(numpy.arange(6_000.0), {'price': numpy.arange(5_000)})\n"
        "except ValueError as exc:\n"
        "    keeptrace.dump(exc, 'live.keeptrace', pickler='pickle', redact=False)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=shop, check=True, timeout=60)
    test = tmp_path / "test_live.py"
    done = repro_in(shop, "live.keeptrace", "-o", test, "--live", "--verify")
    text = test.read_text()
    assert done.code == 0, done.out + text
    assert 'table = kept_alive()["table"]' in text
    assert os.listdir(tmp_path).count("live.keeptrace") == 1


def test_live_objects_of_a_held_exception(repro_in: Callable[..., Done], tmp_path: Path) -> None:
    """With --live the frame may be of an exception in an attribute of the dumped one."""
    (tmp_path / "parts.py").write_text(
        textwrap.dedent(
            """
            import keeptrace
            def one(part, waiting):
                raise ValueError(f"part {part}")
            def both():
                failed = RuntimeError("both failed")
                failed.errors = []
                for part in (1, 2):
                    try: one(part, map(len, []))
                    except ValueError as exc: failed.errors.append(exc)
                raise failed
            if __name__ == "__main__":
                try: both()
                except RuntimeError as exc: keeptrace.dump(exc, "parts.keeptrace")
            """
        )
    )
    subprocess.run([sys.executable, "parts.py"], cwd=tmp_path, check=True, timeout=60)
    view = make_view(decode((tmp_path / "parts.keeptrace").read_bytes()).report)
    frame = view.exceptions[2].frames[-1]
    done = repro_in(tmp_path, "parts.keeptrace", "--frame", frame.number, "-o", "-", "--live")
    assert frame.name == "one" and ", live=True).errors[1].__traceback__" in done.out, done.err


def test_a_frame_by_its_number(
    dumps: dict[str, Path], repro_in: Callable[..., Done], tmp_path: Path
) -> None:
    """--frame repeats another call; what no test can call is one sentence."""
    dump = dumps["private method"]
    done = repro_in(tmp_path, dump, "--frame", 3, "-o", "-")
    assert "def test_order_private_fails" in done.out
    wrong = repro_in(tmp_path, dump, "--frame", 1, "-o", "-")
    assert wrong.code == 2 and "cannot be called from a test" in wrong.err
