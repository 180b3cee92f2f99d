"""install(), LoggingHandler and on_error(): real programs that fail, and what they leave behind."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import subprocess
import sys
import threading

import pytest

import keeptrace
from keeptrace.store import Store

INSTALL = "import keeptrace; keeptrace.install(sys.argv[1])\n"


def run(tmp_path, code, *, install=INSTALL, read=True):
    """Runs a program with the hooks; its result, and the dumps that it left."""
    script = tmp_path / "program.py"
    script.write_text("import sys\n" + (install if install is not None else "pass\n") + code)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHON_COLORS": "0",
    }
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "dumps")],
        capture_output=True,
        text=True,
        env=environment,
    )
    return done, Store(tmp_path / "dumps").entries() if read else []


def without_ours(text):
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("keeptrace: ")
    )


MAIN = """
def pay(amount):
    return amount / 0
if __name__ == "__main__":
    pay(7)
"""
THREAD = """
import threading
def pay(amount):
    return amount / 0
thread = threading.Thread(target=pay, args=(7,), name="T")
thread.start(); thread.join()
"""
UNRAISABLE = """
class Resource:
    def __del__(self): pay(7)
def pay(amount):
    return amount / 0
Resource()
"""
ASYNCIO = """
import asyncio, logging
logging.basicConfig(format="%(message).20s")
async def pay(amount):
    return amount / 0
async def main():
    task = asyncio.ensure_future(pay(7))
    await asyncio.wait([task])
    del task
asyncio.run(main())
"""
ASYNCIO_WITH_HANDLER = """
import asyncio
def pay(amount):
    return amount / 0
async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: print("handled", file=sys.stderr))
    asyncio.get_running_loop().call_soon(pay, 7)
    await asyncio.sleep(0.01)
asyncio.run(main())
"""


def child(method, kind="Process"):
    return f"""
import multiprocessing
def pay(amount):
    return amount / 0
class Mine(multiprocessing.get_context("{method}").Process):
    def run(self): pay(7)
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    process = Mine(name="P") if "{kind}" == "Mine" else context.Process(target=pay, args=(7,), name="P")
    process.start(); process.join()
    sys.exit(process.exitcode)
"""


CASES = {
    "main": MAIN,
    "thread": THREAD,
    "unraisable": UNRAISABLE,
    "asyncio": ASYNCIO,
    "asyncio, own handler": ASYNCIO_WITH_HANDLER,
    "fork": child("fork"),
    "spawn": child("spawn"),
    "forkserver": child("forkserver"),
    "subclass, fork": child("fork", "Mine"),
    "subclass, spawn": child("spawn", "Mine"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_place_where_python_reports(tmp_path, case):
    """Wherever an exception ends up uncaught there is a dump with its frames, and the program says
    what it says without us.
    """
    bare, _ = run(tmp_path, CASES[case], install="import keeptrace; keeptrace\n")
    with_hooks, entries = run(tmp_path, CASES[case])
    assert with_hooks.returncode == bare.returncode and with_hooks.stdout == bare.stdout
    addresses = re.compile("0x[0-9a-f]+")
    assert addresses.sub("", without_ours(with_hooks.stderr)) == addresses.sub("", bare.stderr)
    (entry,) = entries
    assert entry.type == "ZeroDivisionError" and entry.where.endswith("in pay") and entry.count == 1
    exc = keeptrace.load(entry.path)
    frame = exc.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    assert frame.tb_frame.f_locals["amount"] == 7
    start = entry.path.partition("Z-")[0]  # the time alone names the dump
    assert f"keeptrace debug {start}Z\n" in with_hooks.stderr


def test_grandchildren(tmp_path):
    """A spawned child's spawned child has the hooks too."""
    code = """
import multiprocessing
def inner(): raise KeyError("grandchild")
def outer():
    process = multiprocessing.get_context("spawn").Process(target=inner)
    process.start(); process.join()
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=outer)
    process.start(); process.join()
"""
    _, entries = run(
        tmp_path,
        code,
        install="import keeptrace\nif __name__ == '__main__': keeptrace.install(sys.argv[1])\n",
    )
    assert ["grandchild" in entry.message for entry in entries] == [True]


def test_install_without_deduplication(tmp_path):
    """install(deduplicate=False) keeps each failure; options beside a Store are refused."""
    install = "import keeptrace; keeptrace.install(sys.argv[1], deduplicate=False)\n"
    for _ in range(2):
        _, entries = run(tmp_path, "1/0\n", install=install)
    assert [entry.count for entry in entries] == [1, 1]
    with pytest.raises(keeptrace.OptionError, match="Store itself"):
        keeptrace.install(keeptrace.Store(tmp_path), deduplicate=False)


def test_options_that_cannot_be_sent_to_a_spawned_child(tmp_path):
    """A redact function that cannot be pickled: the child runs as ever, and one line says that it
    has no dumps.
    """
    install = "import keeptrace\nif __name__ == '__main__': keeptrace.install(sys.argv[1], redact=lambda name, text: False)\n"
    done, entries = run(tmp_path, child("spawn"), install=install)
    assert (
        "keeptrace: no dumps of the child process" in done.stderr
        and "ZeroDivisionError" in done.stderr
    )
    assert done.returncode == 1 and entries == []


@pytest.mark.parametrize(
    "code",
    [
        "raise KeyboardInterrupt",
        "sys.exit(3)",
        "import threading; threading.Thread(target=sys.exit).start()",
        "import asyncio\nasync def f(): raise asyncio.CancelledError\ntry: asyncio.run(f())\nexcept BaseException: pass",
    ],
)
def test_ending_on_purpose_leaves_no_dump(tmp_path, code):
    """Ctrl-C, exit and cancellation are no failures."""
    _, entries = run(tmp_path, code)
    assert entries == []


def test_a_hook_of_the_users_is_called_first(tmp_path):
    """What was installed before us runs, before the dump; also if it raises itself, there is a
    dump.
    """
    code = """
import keeptrace
def hook(*args):
    print("mine first", file=sys.stderr)
    raise OSError("the hook failed")
sys.excepthook = hook
keeptrace.install(sys.argv[1])
1/0
"""
    done, entries = run(tmp_path, code, install=None)
    assert done.stderr.startswith("mine first\nkeeptrace: a dump")
    assert "the hook failed" in done.stderr and "ZeroDivisionError: division by zero" in done.stderr
    assert [entry.type for entry in entries] == ["ZeroDivisionError"]


@pytest.mark.parametrize(
    "breakage",
    [
        "keeptrace.store.store.dumps = lambda *a, **k: time.sleep(1) or 1/0",
        "keeptrace.store.store.fingerprint = None",
        "open(sys.argv[1] + f'/.{os.geteuid()}.journal', 'w').close(); os.chdir('/')",
        "import shutil; shutil.rmtree(sys.argv[1]); open(sys.argv[1], 'w').close()",
    ],
    ids=["capture", "fingerprint", "journal", "directory"],
)
def test_a_dump_that_fails_changes_nothing(tmp_path, breakage):
    """The error is shown first and whole; one line says what became of the dump; the exit code is
    the same.
    """
    (tmp_path / "dumps").mkdir()
    done, _ = run(
        tmp_path,
        f"import os, time, keeptrace.store\n{breakage}\nraise ValueError('the real one')\n",
        read=False,
    )
    assert done.returncode == 1
    last, told = done.stderr.splitlines()[-2:]
    assert last == "ValueError: the real one"
    assert told.startswith(
        "keeptrace: a dump" if "journal" in breakage else "keeptrace: no dump of this ValueError: "
    )


def test_modules_are_hooked_when_they_are_imported(tmp_path):
    """install() imports none of the modules that it hooks, leaves no trace on their loaders, and
    waits only for those to come.
    """
    code = """
assert not {"asyncio", "multiprocessing", "unittest", "doctest", "IPython"} & set(sys.modules), "imported by install()"
import asyncio.base_events, multiprocessing.util, unittest, doctest
for module in (asyncio.base_events, multiprocessing.process, multiprocessing.util):
    assert not type(module.__loader__).__module__.startswith("keeptrace.hooks") and module.__spec__.loader is module.__loader__
(finder,) = (finder for finder in sys.meta_path if type(finder).__module__.startswith("keeptrace.hooks"))
assert set(finder.actions) == {"IPython.core.interactiveshell", "loky.process_executor", "joblib.externals.loky.process_executor"}
import inspect
assert "def call_exception_handler" in inspect.getsource(asyncio.base_events)
"""
    done, _ = run(tmp_path, code)
    assert done.stderr == ""


def state():
    import asyncio.base_events as loops
    import multiprocessing.process as process

    return (
        sys.excepthook, sys.unraisablehook, threading.excepthook, loops.BaseEventLoop.call_exception_handler,
        process.BaseProcess._bootstrap, dict(process.current_process()._config), list(sys.meta_path),
    )  # fmt: skip


def test_uninstall_puts_everything_back(tmp_path):
    """As a context manager, by uninstall(), and when a second install takes the place of the first."""
    before = state()
    with keeptrace.install(tmp_path) as installed:
        assert state() != before and "writing to" in repr(installed)
        assert keeptrace.install(tmp_path / "other").store.directory == str(tmp_path / "other")
        assert not installed.active
    keeptrace.uninstall()
    assert state() == before
    keeptrace.uninstall()
    keeptrace.install(tmp_path).uninstall()
    assert state() == before


def test_uninstall_leaves_what_others_have_put_there(tmp_path, monkeypatch):
    """Somebody chained to our hook: after uninstall() theirs stays, the chain works, and no dump is
    written.
    """
    monkeypatch.setattr(sys, "excepthook", lambda *args: seen.append("first"))
    seen = []
    installed = keeptrace.install(tmp_path)
    ours = sys.excepthook

    def theirs(*args):
        seen.append("theirs")
        ours(*args)

    monkeypatch.setattr(sys, "excepthook", theirs)
    installed.uninstall()
    assert sys.excepthook is theirs
    sys.excepthook(ValueError, ValueError(1), None)
    assert seen == ["theirs", "first"] and os.listdir(tmp_path) == []


def test_an_exception_without_its_traceback(tmp_path, monkeypatch, capsys):
    """Hooks that are called with the traceback apart get a dump with frames; the exception is left
    as it was.
    """
    monkeypatch.setattr(sys, "excepthook", lambda *args: None)
    error = ValueError(1)
    with keeptrace.install(tmp_path):
        sys.excepthook(ValueError, error, make_traceback())
        sys.excepthook(ValueError, None, None)
    (entry,) = Store(tmp_path).entries()
    assert keeptrace.load(entry.path).__traceback__ is not None and error.__traceback__ is None
    assert "keeptrace debug" in capsys.readouterr().err


def make_traceback():
    try:
        raise KeyError
    except KeyError as exc:
        return exc.__traceback__


# -- logging


@pytest.fixture
def logger(tmp_path):
    made = logging.getLogger(f"test.{tmp_path.name}")
    made.propagate = False
    handler = keeptrace.LoggingHandler(tmp_path / "dumps", level="INFO")
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def test_logging(tmp_path, logger, capsys):
    """A record with an exception gets a dump, and its path is there for the formats of the handlers
    that follow.
    """
    text = logging.StreamHandler(sys.stdout)
    text.setFormatter(logging.Formatter("%(message)s [%(keeptrace)s]"))
    logger.addHandler(text)
    amount = 7
    try:
        amount / 0
    except ZeroDivisionError:
        logger.exception("failed")
    logger.error("nothing raised")
    logger.error("no exception now", exc_info=True)
    (entry,) = Store(tmp_path / "dumps").entries()
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == f"failed [{entry.path}]"
        and "nothing raised []" in lines
        and "no exception now []" in lines
    )
    assert keeptrace.load(entry.path).__traceback__.tb_frame.f_locals["amount"] == 7


def test_logging_through_filters(tmp_path, logger):
    """A filter drops a record before the dump."""
    handler = logger.handlers[0]
    handler.addFilter(lambda record: record.getMessage() != "dropped")
    for message in ("dropped", "kept"):
        try:
            {}["k"]
        except KeyError:
            logger.exception(message)
    (entry,) = Store(tmp_path / "dumps").entries()
    assert entry.count == 1


def test_an_action_after_an_import_that_fails(capsys, monkeypatch):
    """An action of ours that fails costs the program's import nothing but a word."""
    from keeptrace.hooks.importing import when_imported

    def fail(module):
        raise AttributeError("another version")

    assert when_imported({"sys": lambda module: None}) is None
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    finder = when_imported({"colorsys": fail})
    importlib.import_module("colorsys")
    assert finder not in sys.meta_path and finder.find_spec("colorsys", None) is None
    told = "keeptrace: no dumps from colorsys: AttributeError: another version\n"
    assert capsys.readouterr().err == told


def test_logging_on_two_levels(tmp_path, logger):
    """A record that passes two handlers of ours is dumped once."""
    seen = []
    second = keeptrace.LoggingHandler(tmp_path / "second")
    logger.addHandler(second)
    logger.addFilter(lambda record: seen.append(record) or True)
    try:
        raise ValueError
    except ValueError as exc:
        logger.error("x", exc_info=exc)
    assert (
        seen[0].keeptrace.startswith(str(tmp_path / "dumps")) and not (tmp_path / "second").exists()
    )


def test_logging_from_a_repr(tmp_path, logger):
    """A __repr__ that logs its own failure while the frame is captured makes no dump of its own,
    and no recursion.
    """

    class Loud:
        def __repr__(self):
            logger.exception("in repr", exc_info=KeyError("repr"))
            raise KeyError

    def use(value):
        raise ValueError(1)

    try:
        use(Loud())
    except ValueError:
        logger.exception("x")
    assert [entry.type for entry in Store(tmp_path / "dumps").entries()] == ["ValueError"]


def test_logging_configuration(tmp_path):
    """The handler can be named in logging.config."""
    import logging.config

    logging.config.dictConfig({
        "version": 1, "disable_existing_loggers": False,
        "handlers": {"dumps": {"class": "keeptrace.LoggingHandler", "directory": str(tmp_path), "depth": 2, "level": "ERROR"}},
        "loggers": {"configured": {"handlers": ["dumps"], "propagate": False}},
    })  # fmt: skip
    logging.getLogger("configured").warning("below the level", exc_info=ValueError())
    logging.getLogger("configured").error("x", exc_info=ValueError())
    assert len(Store(tmp_path).entries()) == 1


# -- on_error


def fail(value):
    raise ValueError(value)


def test_on_error(tmp_path):
    """The block's exception goes on, the same object; there is a dump, and `path` tells where."""
    error = ValueError(1)
    with pytest.raises(ValueError) as caught, keeptrace.on_error(tmp_path) as watch:
        raise error
    assert caught.value is error
    assert watch.path == Store(tmp_path).entries()[0].path
    with keeptrace.on_error(tmp_path) as watch:
        pass
    assert watch.path is None


def test_on_error_one_file(tmp_path):
    """A name with an extension is a file; the next failure overwrites it."""
    for number in (1, 2):
        with pytest.raises(ValueError), keeptrace.on_error(tmp_path / "crash.keeptrace") as watch:
            fail(number)
    assert os.listdir(tmp_path) == ["crash.keeptrace"] and watch.path == str(
        tmp_path / "crash.keeptrace"
    )
    assert str(keeptrace.load(watch.path)) == "2"
    (tmp_path / "v1.d").mkdir()
    with pytest.raises(ValueError), keeptrace.on_error(tmp_path / "v1.d"):
        fail(3)
    assert len(Store(tmp_path / "v1.d").entries()) == 1


def test_on_error_when_the_file_cannot_be_written(tmp_path, capsys):
    """The user's error goes on, and one line says that there is no dump."""
    (tmp_path / "no").touch()
    with (
        pytest.raises(ValueError),
        keeptrace.on_error(tmp_path / "no" / "crash.keeptrace") as watch,
    ):
        fail(1)
    assert (
        watch.path is None
        and "no dump of this ValueError: NotADirectoryError" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
)
def test_on_error_lets_pass_what_ends_on_purpose(tmp_path, error):
    """No dump of exit, Ctrl-C or cancellation."""
    with pytest.raises(type(error)), keeptrace.on_error(tmp_path):
        raise error
    assert os.listdir(tmp_path) == []


def test_on_error_as_decorator(tmp_path):
    """A decorated function keeps its name, its arguments and its result."""

    @keeptrace.on_error(tmp_path)
    def task(self, *, function=None):
        "doc"
        return fail(self) if function is None else function

    assert (task.__name__, task.__doc__, task(1, function=2)) == ("task", "doc", 2)
    with pytest.raises(ValueError):
        task(1)
    assert Store(tmp_path).entries()[0].where.endswith("in fail")


def test_on_error_coroutine(tmp_path):
    """A decorated coroutine function is one, and its exception is dumped when it is awaited."""
    import inspect

    @keeptrace.on_error(tmp_path)
    async def task(value):
        await asyncio.sleep(0)
        fail(value)

    assert inspect.iscoroutinefunction(task)
    with pytest.raises(ValueError):
        asyncio.run(task(1))
    assert len(Store(tmp_path).entries()) == 1


def test_on_error_generator(tmp_path):
    """A decorated generator sends, throws, closes and returns as before."""

    @keeptrace.on_error(tmp_path)
    def task():
        got = yield 1
        try:
            yield got
        except KeyError:
            yield "caught"
        return "result"

    made = task()
    assert (next(made), made.send("sent"), made.throw(KeyError)) == (1, "sent", "caught")
    with pytest.raises(StopIteration) as stopped:
        next(made)
    assert stopped.value.value == "result"
    made = task()
    next(made)
    made.close()
    assert os.listdir(tmp_path) == []
    made = task()
    next(made)
    with pytest.raises(OSError):
        made.throw(OSError)
    assert len(Store(tmp_path).entries()) == 1


def test_on_error_asynchronous_generator(tmp_path):
    """A decorated asynchronous generator sends, throws and closes as before."""
    closed = []

    @keeptrace.on_error(tmp_path)
    async def task():
        try:
            got = yield 1
            try:
                yield got
            except KeyError:
                yield "caught"
        finally:
            closed.append(1)

    async def main():
        made = task()
        assert (await anext(made), await made.asend("sent"), await made.athrow(KeyError)) == (
            1,
            "sent",
            "caught",
        )
        assert [value async for value in made] == []
        made = task()
        await anext(made)
        await made.aclose()
        assert len(closed) == 2 and os.listdir(tmp_path) == []
        made = task()
        await anext(made)
        with pytest.raises(OSError):
            await made.athrow(OSError)

    asyncio.run(main())
    assert len(closed) == 3 and len(Store(tmp_path).entries()) == 1


def test_options_beside_a_store(tmp_path):
    """Options belong to the store where one is given; a thing that is no function cannot be
    decorated.
    """
    store = Store(tmp_path)
    for use in (keeptrace.on_error, keeptrace.LoggingHandler, keeptrace.install):
        with pytest.raises(keeptrace.OptionError):
            use(store, depth=1)
    with pytest.raises(keeptrace.OptionError):
        keeptrace.on_error(tmp_path)(3)
    with pytest.raises(ValueError), keeptrace.on_error(store):
        fail(1)
    assert len(store.entries()) == 1
