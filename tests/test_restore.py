"""What a restore gives: real tracebacks over real frames, that show no machinery, hold nothing of
the restorer, and can be dumped again.
"""

from __future__ import annotations

import gc
import inspect
import io
import logging
import pickle
import sys
import threading
import traceback
import types
import weakref
from typing import Any

import cases
import pytest
from unthreaded import unthreaded

from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.restore.policy import BUILTINS, KNOWN, POOL, Policy
from keeptrace.restore.restore import restore


def raised(act: Any, *args: Any, **kwargs: Any) -> BaseException:
    try:
        act(*args, **kwargs)
    except BaseException as exc:
        tb = BaseException.__dict__["__traceback__"]
        tb.__set__(exc, tb.__get__(exc).tb_next)  # without this function's own frame
        return exc
    raise AssertionError("nothing was raised")


def again(exc: BaseException, policy: Policy = KNOWN, **options: Any) -> BaseException:
    return restore(capture(exc, Options(**options)), policy)


def frames_of(exc: BaseException) -> list[types.FrameType]:
    return [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]


def divide(total: int, parts: int) -> float:
    rows = [total]
    return rows[0] / parts


def outer(total: int) -> float:
    share = total
    return divide(share, parts=0)


# -- real frames


def test_types() -> None:
    """Tracebacks and frames are CPython's own types."""
    exc = again(raised(outer, 3))
    entry = exc.__traceback__
    while entry is not None:
        assert (
            type(entry) is types.TracebackType
            and type(entry.tb_frame) is types.FrameType
            and type(entry.tb_frame.f_code) is types.CodeType
        )
        entry = entry.tb_next


def test_f_back() -> None:
    """f_back leads from the innermost frame to the outermost, and from there nowhere."""
    frames = frames_of(again(raised(outer, 3)))
    assert [frame.f_code.co_name for frame in frames] == ["outer", "divide"]
    assert frames[1].f_back is frames[0]
    assert frames[0].f_back is None


@pytest.mark.parametrize(
    "name",
    [
        "module level",
        "class_body",
        "generator",
        "coroutine",
        "comprehension",
        "exec without source",
    ],
)
def test_f_back_of_other_frames(name: str) -> None:
    """So it is where frames are a module's, a class's, a generator's or a coroutine's."""
    frames = frames_of(again(raised(cases.run, name)))
    for inner, frame in zip(frames[:0:-1], frames[-2::-1]):
        assert inner.f_back is frame
    assert frames[0].f_back is None


def test_facts_of_the_code() -> None:
    """File, names, first line and current line are the original's, also as inspect and traceback
    see them.
    """
    original = raised(outer, 3)
    restored = again(original)
    for frame, other in zip(frames_of(restored), frames_of(original), strict=True):
        for name in (
            "co_name",
            "co_qualname",
            "co_filename",
            "co_firstlineno",
            "co_argcount",
            "co_kwonlyargcount",
            "co_posonlyargcount",
        ):
            assert getattr(frame.f_code, name) == getattr(other.f_code, name), name
        assert inspect.getsourcelines(frame) == inspect.getsourcelines(other)
        assert frame.f_lineno == other.f_lineno
    assert (
        inspect.getinnerframes(restored.__traceback__)[-1][1:]
        == inspect.getinnerframes(original.__traceback__)[-1][1:]
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["arguments", "arguments by default", "deleted_argument", "argument_in_a_closure"]
)
def test_arguments(name: str) -> None:
    """Positional-only, variable and keyword-only arguments are arguments again, in their order."""
    original = raised(cases.run, name)
    for frame, other in zip(frames_of(again(original)), frames_of(original), strict=True):
        found, expected = inspect.getargvalues(frame), inspect.getargvalues(other)
        assert found[:3] == expected[:3]
        present = {
            argument
            for argument in [*expected.args, expected.varargs, expected.keywords]
            if argument in expected.locals
        }
        assert {
            argument: found.locals[argument]
            for argument in present
            if type(expected.locals[argument]) in (int, str, tuple, dict)
        } == {
            argument: expected.locals[argument]
            for argument in present
            if type(expected.locals[argument]) in (int, str, tuple, dict)
        }


@pytest.mark.parametrize(
    "name",
    [
        "arguments",
        "module level",
        "class_body",
        "comprehension",
        "exec_with_locals",
        "very_deep_chain",
        "recursion",
        "deleted_argument",
    ],
)
def test_no_machinery_is_visible(name: str) -> None:
    """Neither locals nor globals of a restored frame hold anything that the original's did not."""
    original = raised(cases.run, name)
    for frame, other in zip(frames_of(again(original)), frames_of(original), strict=True):
        assert set(frame.f_locals) <= set(other.f_locals)
        assert set(frame.f_globals) <= set(other.f_globals)
        assert frame.f_trace is None
        assert not any(
            "keeptrace" in str(name)
            for name in [
                *frame.f_locals,
                *frame.f_globals,
                *frame.f_code.co_varnames,
                *frame.f_code.co_freevars,
            ]
        )


def test_frames_can_be_worked_in() -> None:
    """Expressions are evaluated in a restored frame as a debugger does it."""
    inner = frames_of(again(raised(outer, 3)))[-1]
    assert eval("[row * 2 for row in rows] + [total]", inner.f_globals, inner.f_locals) == [6, 3]
    exec("import os; found = len(rows)", inner.f_globals, local := dict(inner.f_locals))
    assert local["found"] == 1


def test_every_reader_of_tracebacks() -> None:
    """traceback, logging, StackSummary, TracebackException and clear_frames read the restored one
    as the original.
    """
    original = raised(outer, 3)
    restored = again(original)
    assert traceback.format_exception(restored) == traceback.format_exception(original)
    assert traceback.extract_tb(restored.__traceback__) == traceback.extract_tb(
        original.__traceback__
    )
    found = traceback.TracebackException.from_exception(restored, capture_locals=True)
    assert list(found.format()) == list(
        traceback.TracebackException.from_exception(original, capture_locals=True).format()
    )
    stream = io.StringIO()
    logger = logging.Logger("restored")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("failed", exc_info=restored)
    assert "rows[0] / parts" in stream.getvalue()
    traceback.clear_frames(restored.__traceback__)
    sys_hook = io.StringIO()
    traceback.print_exception(restored, file=sys_hook)
    assert "ZeroDivisionError" in sys_hook.getvalue()


def test_raise_from() -> None:
    """A restored exception is raised again, chained and grouped like any other; its own traceback
    stays at the end.
    """
    restored = again(raised(outer, 3))
    with pytest.raises(ExceptionGroup) as info:
        try:
            raise restored
        except ZeroDivisionError as error:
            raise ExceptionGroup("more", [error]) from error
    text = "".join(traceback.format_exception(info.value))
    assert text.count("return rows[0] / parts") == 2
    assert (
        frames_of(restored)[0].f_code.co_name == "test_raise_from"
        and frames_of(restored)[-1].f_locals["total"] == 3
    )


# -- what is and what is not kept alive


class Token:
    """Something that can be watched."""


def _restore_beside(token: Token, report: Any, policy: Policy) -> BaseException:
    kept = [token]
    return restore(report, policy)


@pytest.mark.parametrize("policy", [BUILTINS, KNOWN, POOL], ids=["BUILTINS", "KNOWN", "POOL"])
@pytest.mark.parametrize(
    "name", ["arguments", "module level", "class_body", "group_of_groups", "coroutine", "recursion"]
)
def test_nothing_of_the_restorer_is_kept(name: str, policy: Policy) -> None:
    """The variables of whoever restores are free as soon as they return, without the garbage
    collector.
    """
    report = capture(raised(cases.run, name), Options())
    token = Token()
    watch = weakref.ref(token)
    gc.collect()
    gc.disable()
    try:
        exc = _restore_beside(token, report, policy)
        del token
        assert watch() is None
    finally:
        gc.enable()
    assert exc is not None


@unthreaded
def test_a_restored_exception_goes_away() -> None:
    """Nothing holds a restored exception, its frames or its variables once it is dropped."""
    exc: Any = again(raised(outer, 3))
    frame = frames_of(exc)[-1]
    frame.f_globals["token"] = token = Token()
    watches = [
        weakref.ref(token),
        weakref.ref(exc) if hasattr(exc, "__weakref__") else weakref.ref(token),
    ]
    del exc, frame, token
    gc.collect()
    assert [watch() for watch in watches] == [None, None]


@unthreaded
def test_restoring_many_times_grows_nothing() -> None:
    """Threads, frames and cached modules do not add up."""
    report = capture(raised(outer, 3), Options())
    for _ in range(50):
        restore(report, KNOWN)
    gc.collect()
    before, threads = len(gc.get_objects()), threading.active_count()
    for _ in range(300):
        restore(report, KNOWN)
    gc.collect()
    assert len(gc.get_objects()) - before < 100
    assert threading.active_count() == threads


def test_restoring_in_many_threads() -> None:
    """Restores that run at the same time do not meet, however deep their stacks are."""
    deep, flat = (
        capture(raised(cases.run, "recursion"), Options()),
        capture(raised(outer, 7), Options()),
    )
    failures: list[BaseException] = []
    limit = sys.getrecursionlimit()

    def work(report: Any, count: int, frames: int) -> None:
        try:
            for _ in range(count):
                assert len(frames_of(restore(report, KNOWN))) == frames
        except BaseException as problem:
            failures.append(problem)

    threads = [
        threading.Thread(target=work, args=args)
        for args in [(deep, 5, len(deep["exceptions"][0]["traceback"])), (flat, 200, 2)] * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and sys.getrecursionlimit() == limit


# -- deep stacks


def down(level: int) -> int:
    if level:
        return down(level - 1) + 1
    raise ValueError("bottom")


def test_deep_stacks() -> None:
    """5,000 frames are restored where the recursion limit is 1,000, in any thread, and the limit is
    what it was.
    """
    limit = sys.getrecursionlimit()
    found: list[BaseException] = []

    def work() -> None:
        try:
            down(5_000)
        except ValueError as exc:
            found.append(exc)

    sys.setrecursionlimit(6_000)
    threading.stack_size(64 << 20)
    try:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    finally:
        threading.stack_size(0)
        sys.setrecursionlimit(limit)
    report = capture(found[0], Options(limit=-1, max_bytes=1 << 24, max_seconds=60.0))
    restored = again(found[0], limit=-1, max_bytes=1 << 24, max_seconds=60.0)
    assert sys.getrecursionlimit() == limit
    frames = frames_of(restored)
    assert len(frames) == 5_002
    assert [frame.f_locals.get("level") for frame in frames[1:]] == list(range(5_000, -1, -1))
    assert frames[-1].f_back is frames[-2] and frames[0].f_back is None
    assert len(report["frames"]) == 5_002
    assert "".join(traceback.format_exception(restored)) == "".join(
        traceback.format_exception(found[0])
    )


def test_restoring_at_the_bottom_of_the_stack() -> None:
    """A restore that is asked for with little stack left works, or raises RecursionError: it never
    crashes or hangs.
    """
    report = capture(raised(cases.run, "recursion"), Options())
    outcomes: set[str] = set()

    def at(level: int) -> None:
        try:
            at(level + 1)
        except RecursionError:
            pass
        if len(outcomes) < 2 and level % 7 == 0:
            try:
                outcomes.add(type(restore(report, KNOWN)).__name__)
            except RecursionError:
                outcomes.add("refused")

    at(0)
    assert "RecursionError" in outcomes


# -- once more


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in cases.CASES
        if name
        not in {"deleted_module_of_a_class", "attribute: 100 MB", "class: a truth that raises"}
    ],
)
def test_dumped_again(name: str) -> None:
    """capture(restore(report)) loses nothing: types, arguments, attributes, frames, variables and
    text are those of the first.
    """
    first = restore(capture(raised(cases.run, name), Options(max_seconds=20.0)), BUILTINS)
    report = capture(first, Options(max_seconds=20.0, depth=4))
    second = restore(pickle.loads(pickle.dumps(report)), BUILTINS)
    facts, expected = cases.facts_of(second), cases.facts_of(first)
    for found, wanted in zip(facts, expected, strict=True):
        for what in wanted:
            assert found[what] == wanted[what], what
    assert cases.text_of(second) == cases.text_of(first)


class Account:
    def __init__(self) -> None:
        self.owner = "ann"
        self.rows = list(range(10))
        self.blob = b"x" * 50


def with_variables(account: Account, text: str, rows: list[int]) -> None:
    function, module, cls, lock = with_variables, traceback, Account, threading.Lock()
    raise ValueError(account)


def test_stand_ins_dumped_again() -> None:
    """Stand-ins keep their repr, attributes, length and what was cut through any number of dumps."""
    exc = raised(with_variables, Account(), "x" * 50, list(range(10)))
    bounds: dict[str, Any] = {"max_items": 3, "max_text": 20, "depth": 4}
    first = again(exc, BUILTINS, **bounds)
    third = again(again(first, BUILTINS, depth=5), BUILTINS, depth=6)
    one, other = frames_of(first)[-1].f_locals, frames_of(third)[-1].f_locals
    assert {name: repr(value) for name, value in one.items()} == {
        name: repr(value) for name, value in other.items()
    }
    assert str(third) == str(first) == str(exc)
    assert (
        other["account"].owner == "ann"
        and len(other["account"].rows) == 10
        and other["account"].rows[2] == 2
        and len(other["account"].blob) == 50
    )
    assert len(other["rows"]) == 10 and len(other["text"]) == 50
    with pytest.raises(LookupError, match="3 of its 10"):
        other["rows"][7]


# -- policies


class Found(Exception):
    imported = 0


def _fail_with_classes() -> None:
    cls, function, module = Found, outer, cases
    raise Found("x")


def test_builtins_looks_nothing_up() -> None:
    """BUILTINS makes types anew, and leaves modules, classes and functions as stand-ins, though all
    of them are at hand.
    """
    restored = again(raised(_fail_with_classes), BUILTINS)
    assert (
        type(restored) is not Found
        and type(restored).__name__ == "Found"
        and isinstance(restored, Exception)
    )
    local = frames_of(restored)[-1].f_locals
    assert (
        local["cls"] is not Found
        and local["module"] is not cases
        and local["function"] is not outer
    )
    assert (local["cls"].__name__, repr(local["module"]), local["function"].__name__) == (
        "Found",
        "<module 'cases'>",
        "outer",
    )
    with pytest.raises(TypeError, match="cannot be called"):
        local["function"]()


def test_known_and_pool_look_up() -> None:
    """KNOWN finds types and modules that are loaded; POOL functions as well."""
    known, pool = (
        frames_of(again(raised(_fail_with_classes), policy))[-1].f_locals
        for policy in (KNOWN, POOL)
    )
    assert known["cls"] is pool["cls"] is Found and known["module"] is pool["module"] is cases
    assert pool["function"] is outer and known["function"] is not outer
    assert type(again(raised(_fail_with_classes), KNOWN)) is Found


@pytest.mark.parametrize("policy", [BUILTINS, KNOWN], ids=["BUILTINS", "KNOWN"])
def test_nothing_is_imported(
    policy: Policy, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither BUILTINS nor KNOWN imports a module that a report names."""
    name = f"never_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    cls = type("Named", (ValueError,), {"__module__": name})
    restored = again(raised(cases.raise_builtin, cls, ("x",)), policy)
    assert (type(restored).__module__, type(restored).__name__) == (name, "Named") and isinstance(
        restored, ValueError
    )
    assert name not in sys.modules


def test_user_code_of_found_classes_is_not_run() -> None:
    """A class that is found is not called: neither its __init__, its __new__ nor its properties
    run.
    """
    calls: list[str] = []

    def watch(name: str) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return getattr(Exception, name)(*args, **kwargs)

        return method

    cls = type(
        "Watched",
        (Exception,),
        {
            name: watch(name)
            for name in (
                "__init__",
                "__new__",
                "__setattr__",
                "__getattribute__",
                "__reduce__",
                "__setstate__",
            )
        },
    )
    cls.__module__ = __name__
    globals()["Watched"] = cls
    try:
        exc = Exception.__new__(cls, 1)
        report = capture(raised(cases.raise_made, lambda: exc), Options())
        calls.clear()
        restored = restore(report, KNOWN)
        assert calls == []
        assert type(restored) is cls
    finally:
        del globals()["Watched"]


# -- damaged reports


def _damage(report: Any) -> Any:
    """Every way in which one number, list or text of a report can be wrong."""
    for name in ("exceptions", "frames", "codes", "values", "types", "globals"):
        indexes = set(range(len(report[name]))[:40])
        if name == "values":  # hundreds, many of them alike: these have one of each kind, too
            indexes.update({node[0]: index for index, node in enumerate(report[name])}.values())
        for index in indexes:
            for wrong in (None, [], {}, "x", 7):
                damaged = pickle.loads(pickle.dumps(report))
                damaged[name][index] = wrong
                yield damaged
    for record in ("exceptions", "frames", "codes"):
        for index, entry in enumerate(report[record]):
            for key in entry:
                for wrong in (None, -1, 10**6, "x", [10**6], [[0]], {}, 1 << 80):
                    damaged = pickle.loads(pickle.dumps(report))
                    damaged[record][index][key] = wrong
                    yield damaged


def test_damaged_reports() -> None:
    """A report that is not laid out as it should raises an Exception or gives what it can; it never
    exits, hangs or crashes.
    """
    report = capture(raised(cases.run, "cause"), Options())
    count = 0
    for damaged in _damage(report):
        count += 1
        try:
            assert isinstance(restore(damaged, BUILTINS), BaseException)
        except Exception:  # loads() makes one error of all of them
            pass
    assert count > 300


# -- sources


def test_sources_that_changed(tmp_path: Any) -> None:
    """A file that changed since is shown as it was, under a name that says so; live code of that
    file keeps its own.
    """
    import linecache

    path = tmp_path / "orders.py"
    path.write_text("def f(x):\n    return 1 / x  # as it was\n")
    namespace: dict[str, Any] = {"__name__": "orders"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    exc = raised(namespace["f"], 0)
    report = capture(exc, Options())
    path.write_text("# another text\ndef f(x):\n    return 2 / x\n")
    linecache.checkcache()
    text = "".join(traceback.format_exception(restore(report, BUILTINS)))
    assert "# as it was" in text and "orders.py [snapshot" in text
    assert linecache.getline(str(path), 1) == "# another text\n"
    path.unlink()
    linecache.checkcache()
    text = "".join(traceback.format_exception(restore(report, BUILTINS)))
    assert "# as it was" in text


def test_odd_line_ends(tmp_path: Any) -> None:
    """Form feeds, tabs, Windows line ends, a missing last line end and other encodings change no
    line number.
    """
    for name, data in {
        "form_feed": b"x = 1\n\x0c\ndef f():\n    return 1 / 0  # here\nf()\n",
        "windows": b"def f():\r\n\treturn 1 / 0  # here\r\nf()\r\n",
        "no_end": b"def f(): return 1 / 0  # here\nf()",
        "latin": "# coding: latin-1\ns = '\xfc\x85\x1c'\ndef f(): return '\xfc', 1 / 0  # here\nf()\n".encode(
            "latin-1"
        ),
        "bom": b"\xef\xbb\xbfdef f(): return 1 / 0  # here\nf()\n",
    }.items():
        path = tmp_path / f"{name}.py"
        path.write_bytes(data)
        exc = raised(exec, compile(data, str(path), "exec"), {"__name__": name})
        report = capture(exc, Options())
        expected = "".join(traceback.format_exception(exc))
        assert "# here" in expected, name
        assert "".join(traceback.format_exception(restore(report, BUILTINS))) == expected, name
        path.unlink()
        import linecache

        linecache.checkcache()
        assert "".join(traceback.format_exception(restore(report, BUILTINS))) == expected, name


def test_a_class_that_a_module_loads_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a worker arrives the class that a lazy module gives; a module that is not trusted is not
    asked, and one that fails costs the class alone.
    """
    burnt = type("Burnt", (ValueError,), {"__module__": "lazy_pizza"})
    asked: list[str] = []

    def load(name: str) -> type:
        asked.append(name)
        return {"Burnt": burnt}[name]

    module: Any = types.ModuleType("lazy_pizza")
    module.__getattr__ = load
    monkeypatch.setitem(sys.modules, "lazy_pizza", module)
    report = capture(burnt("pizza"), Options())
    asked.clear()
    assert type(restore(report, KNOWN)).__mro__[1:] == ValueError.__mro__ and asked == []
    assert isinstance(restore(report, POOL), burnt) and asked == ["Burnt"]
    missing = type("Missing", (ValueError,), {"__module__": "lazy_pizza"})
    found = restore(capture(missing("pizza"), Options()), POOL)
    assert type(found).__name__ == "Missing" and isinstance(found, ValueError)
