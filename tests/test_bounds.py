"""A dump that was written can be read: the writer keeps to the bounds of the reader, whatever fails."""

from __future__ import annotations

import fractions
import functools
import json
import pickle
import traceback
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from depth import DEPTH
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keeptrace
from keeptrace.capture.capture import capture
from keeptrace.core import bounds
from keeptrace.core.options import Options
from keeptrace.core.report import Report
from keeptrace.format.checking import check
from keeptrace.format.fitting import REASON, fit
from keeptrace.format.reading import decode
from keeptrace.format.shrinking import STEPS, shrink
from keeptrace.format.writing import encode
from keeptrace.restore.restore import restore

FAR: dict[str, Any] = {
    "max_items": -1,
    "max_values": 10**9,
    "max_bytes": 10**9,
    "max_seconds": 50.0,
    "include_source": False,
}


def caught(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as exc:
        return exc
    raise AssertionError("it did not fail")


def frames_of(exc: BaseException) -> list[types.FrameType]:
    found = []
    traceback = exc.__traceback__
    while traceback is not None:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return found


def local_of(value: Any) -> BaseException:
    def fail() -> None:
        kept = value
        raise ValueError("boom")

    return caught(fail)


# -- what fails, its options, and a word about what of it must arrive


def long_fraction() -> None:
    value = fractions.Fraction(10**3000, 7)
    raise ValueError("boom")


def recursions_in_a_group() -> None:
    def endless() -> None:
        endless()

    raise ExceptionGroup("many", [caught(endless) for _ in range(102)])


def class_body() -> None:
    exec("\n".join(f"v{at} = {at}" for at in range(25_000)) + "\n1/0", {}, {})


def class_body_beyond() -> None:
    exec("\n".join(f"v{at} = {at}" for at in range(bounds.MAX_LOCALS + 10)) + "\n1/0", {}, {})


def shared_lists() -> None:
    value = [0] * 10
    for _ in range(8):
        value = [value] * 20
    raise ValueError(value)


def shared_in_many() -> None:
    value = [[1] * 100 for _ in range(100)]
    raise ExceptionGroup("x", [ValueError(*[value] * 100) for _ in range(100)])


def doubled_lists() -> None:
    value = [0]
    for _ in range(60):
        value = [value, value]
    raise ValueError(1, value)


def bases() -> None:
    raise type("Many", tuple(type(f"B{at}", (Exception,), {}) for at in range(25)), {})("boom")


def too_many_bases() -> None:
    raise type(
        "Many", tuple(type(f"B{at}", (Exception,), {}) for at in range(bounds.MAX_BASES + 2)), {}
    )("boom")


def ancestors(count: int = 250) -> None:
    cls: Any = LookupError
    for at in range(count):
        cls = type(f"A{at}", (cls,), {})
    raise cls("boom")


def too_many_ancestors() -> None:
    ancestors(bounds.MAX_ANCESTORS + 100)


def group_of_itself() -> None:
    exc: Any = ValueError("inner")
    for _ in range(40):
        exc = ExceptionGroup("g", [exc, exc])
    raise exc


def keys_that_share() -> None:
    key: Any = ()
    for _ in range(40):
        key = frozenset({(key, 1), (key, 2)})
    kept = {key: 1}
    raise ValueError("boom")


def deep_key() -> None:
    key: Any = ()
    for _ in range(bounds.MAX_KEY_DEPTH + 50):
        key = (key, 1)
    kept = {key: 1}
    raise ValueError("boom")


def long_number() -> None:
    number = 1 << (8 * bounds.MAX_DIGITS)
    raise ValueError("boom")


def many_arguments() -> None:
    raise ValueError(*range(100_000))


def many_attributes() -> None:
    exc = ValueError("boom")
    exc.__dict__.update((f"a{at}", at) for at in range(25_000))
    raise exc


def long_type_names() -> None:
    kept = type("x" * 1_000_000, (), {})()
    raise type("Y" * 1_000_000, (ValueError,), {})("boom")


def names_with_nul() -> None:
    code = compile("1/0", "x", "exec").replace(co_filename="a\0b", co_name="\0", co_qualname="q\0")
    exec(code)


def long_names_of_code() -> None:
    exec(compile("1/0", "x", "exec").replace(co_filename="f" * 100_000, co_name="n" * 100_000))


def lines_below_zero() -> None:
    import ast

    tree = ast.parse("def f():\n  1/0\nf()")
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = -3
    exec(compile(tree, "x", "exec"))


def surrogates() -> None:
    value = "\ud800"
    raise ValueError("\udfff", {"\ud800": value})


def many_notes() -> None:
    exc = ValueError("boom")
    exc.__notes__ = ["n" * 1000] * 1_000
    raise exc


def chain() -> None:
    last: Any = None
    for at in range(3000):
        exc = ValueError(at)
        exc.__cause__ = last
        last = exc
    raise last


def frame_of_many_exceptions() -> None:
    space: dict[str, Any] = {f"v{at}": at for at in range(2_000)}
    space["caught"] = caught
    exec("def fail():\n raise ValueError(1)\n", space)
    body = "errors = []\nfor _ in range(280):\n try:\n  fail()\n except ValueError as exc:\n  errors.append(exc)\nraise ExceptionGroup('x', errors)"
    exec(body, space, dict(space))


def functions_of_all_sizes() -> None:
    errors = []
    for count in range(1, 210):
        space: dict[str, Any] = {}
        exec(
            f"def f():\n {'=0;'.join(f'v{at}' for at in range(count))}=0\n raise ValueError", space
        )
        errors.append(caught(space["f"]))
    raise ExceptionGroup("x", errors)


CASES = [
    (long_fraction, {}, False),
    (recursions_in_a_group, {}, None),
    (class_body, {}, False),
    (shared_lists, {}, False),
    (shared_lists, {"depth": -1}, True),
    (shared_in_many, {"depth": 5}, True),
    (doubled_lists, {"depth": -1}, True),
    (bases, {}, False),
    (too_many_bases, {}, True),
    (ancestors, {}, False),
    (too_many_ancestors, {}, True),
    (group_of_itself, {}, True),
    (keys_that_share, {"depth": -1}, True),
    (deep_key, {"depth": -1}, True),
    (long_number, {"max_text": 10**8}, False),
    (many_arguments, {}, False),
    (many_attributes, {}, False),
    (long_type_names, {}, True),
    (names_with_nul, {}, False),
    (long_names_of_code, {}, False),
    (lines_below_zero, {}, False),
    (surrogates, {}, False),
    (many_notes, {"max_bytes": 500_000}, False),
    (chain, {}, False),
    (chain, {"max_exceptions": 10**9}, False),
    (frame_of_many_exceptions, {}, True),
    (functions_of_all_sizes, {}, True),
]
# Bounds that are lowered for a case: at their true size, making what exceeds them takes seconds.
LOWERED = {
    too_many_bases: ("MAX_BASES", 200),
    too_many_ancestors: ("MAX_ANCESTORS", 200),
    frame_of_many_exceptions: ("MAX_STORES", 500_000),
    functions_of_all_sizes: ("MAX_SHAPES", 20_000),
}


@pytest.mark.parametrize(
    ("fail", "options", "cuts"),
    CASES,
    ids=[f"{fail.__name__} {options or ''}" for fail, options, _ in CASES],
)
def test_what_is_written_is_read(
    fail: Callable[[], None],
    options: dict[str, Any],
    cuts: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader takes the dump; the class is caught, the failing frame is there, and a cut of the writer's is counted."""
    if fail in LOWERED:
        monkeypatch.setattr(bounds, *LOWERED[fail])
    exc = caught(fail)
    data = keeptrace.dumps(exc, include_source=False, **options)
    found = keeptrace.loads(data)
    nearest = next(cls for cls in type(exc).__mro__ if cls.__module__ == "builtins")
    assert isinstance(found, nearest)
    assert frames_of(found)
    assert found.__traceback__.tb_lineno == exc.__traceback__.tb_lineno  # type: ignore[union-attr]
    if cuts is not None:
        assert (REASON in decode(data).report["cuts"]) == cuts


def test_a_long_fraction_is_exact() -> None:
    """A fraction of thousands of digits comes back as itself."""
    value = fractions.Fraction(10**3000, 7)
    found = keeptrace.loads(keeptrace.dumps(local_of(value), include_source=False))
    assert frames_of(found)[-1].f_locals["kept"] == value


def lines_of(exc: BaseException) -> list[int | None]:
    found = []
    traceback = exc.__traceback__
    while traceback is not None:
        found.append(traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def test_lines_below_one_are_told_as_they_were() -> None:
    """Generated code may stand below line one: the traceback has the same numbers."""
    exc = caught(lines_below_zero)
    assert (lines_of(exc)[-2] or 0) < 1  # Python 3.15 has no number for such a line
    assert lines_of(keeptrace.loads(keeptrace.dumps(exc, include_source=False))) == lines_of(exc)


def test_a_cut_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bound of the dump cuts stands in its place as a stand-in that says so."""
    found = keeptrace.loads(keeptrace.dumps(caught(deep_key), depth=-1, include_source=False))
    assert "beyond the bounds of a dump" in repr(frames_of(found)[-1].f_locals["kept"])
    # at its true size, compiling the code of the case takes 10 s
    monkeypatch.setattr(bounds, "MAX_LOCALS", 5_000)
    found = keeptrace.loads(
        keeptrace.dumps(caught(class_body_beyond), include_source=False, max_bytes=1 << 30)
    )
    assert repr(frames_of(found)[-1].f_locals["<left out>"]).startswith("<11 variables: not kept")


def test_a_function_of_too_many_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frame arrives without them, also where the frame was cleared and has no variables."""
    monkeypatch.setattr(bounds, "MAX_LOCALS", 100)
    namespace: dict[str, Any] = {}
    exec(f"def fail({', '.join(f'a{at}' for at in range(150))}): 1/0", namespace)
    exc = caught(lambda: namespace["fail"](*range(150)))
    traceback.clear_frames(exc.__traceback__)
    found = keeptrace.loads(keeptrace.dumps(exc, include_source=False))
    assert frames_of(found)[-1].f_code.co_name == "fail"


def test_a_group_says_what_it_lost() -> None:
    """A group whose parts unfold beyond the bound has a note with the number of those left out."""
    exc: Any = keeptrace.loads(keeptrace.dumps(caught(group_of_itself), include_source=False))
    while len(exc.exceptions) == 1:
        assert exc.__notes__ == ["keeptrace: 1 exceptions of this group were not kept"]
        exc = exc.exceptions[0]


@pytest.mark.parametrize("many", [
    lambda: [object() for _ in range(5_000)],
    lambda: ["\u20ac" * 1_000 + str(at) for at in range(1_000)],
    lambda: [{"a": at, "b": [at, "x" * 300]} for at in range(3_000)],
], ids=["objects", "texts", "dicts"])  # fmt: skip
def test_options_far_above_the_defaults(many: Callable[[], Any]) -> None:
    """Options far above the defaults give a dump of all that a reader bears, not one of the defaults alone."""
    exc = local_of(many())
    sizes = []
    for options in ({"include_source": False}, {**FAR, "max_text": 10**6}):
        report = decode(keeptrace.dumps(exc, **options)).report
        sizes.append(len(json.dumps(report["values"])))
    assert sizes[1] > 5 * sizes[0]


def test_live_objects_of_any_size() -> None:
    """Live objects that are too large for a dump are left out, counted, and their stand-ins are there."""
    exc = local_of(bytearray(bounds.MAX_DUMP + 1))
    report = capture(
        exc, Options(pickler="pickle", **{**FAR, "max_bytes": 10**10, "max_text": 100})
    )
    data = encode(report)
    assert len(data) < bounds.MAX_DUMP
    assert decode(data).report["live"] is None


def test_a_report_beyond_all_measure_still_tells_the_type() -> None:
    """If a report cannot be made to fit, by a defect, the type and the reason arrive."""
    report: Any = capture(caught(long_fraction), Options(include_source=False))
    report["exceptions"][0]["args"] = [10**9]
    report["cuts"][REASON] = 1
    found = keeptrace.loads(_encoded(report))
    assert isinstance(found, ValueError)
    assert str(found) == "<its message was not kept>"
    assert "beyond the bounds" in found.__notes__[0]


def test_such_a_type_is_below_its_builtin_class() -> None:
    """An `except` for the builtin class catches it, and plain pickle gives the same; also below a
    class that is no exception.
    """

    class Mixin:
        pass

    class Far(Mixin, FileNotFoundError):
        pass

    report: Any = capture(Far(2, "none"), Options(include_source=False))
    report["exceptions"][0]["args"] = [10**9]
    report["cuts"][REASON] = 1
    data = _encoded(report)
    for found in (keeptrace.loads(data), pickle.loads(data)):
        assert isinstance(found, FileNotFoundError) and type(found).__name__ == "Far"
        assert str(found) == "<its message was not kept>"


def _encoded(report: Report) -> bytes:
    args = report["exceptions"][0]
    report["values"].append(["tuple", 0, []])
    args["args"] = [len(report["values"]) - 1]
    args["cause"] = 10**9  # an index that points nowhere
    return encode(report)


# -- generated failures

_atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.fractions()
    | st.decimals()
    | st.uuids()
    | st.datetimes()
)
_keys = st.recursive(
    st.integers() | st.text(max_size=5) | st.fractions(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
_values = st.recursive(
    _atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(_keys, inner, max_size=3)
        | st.sets(_keys, max_size=3)
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=15,
)
_names = st.text(max_size=8) | st.sampled_from(
    ["<module>", "f\0", "\ud800", "<keeptrace>", "n" * 5000]
)
# the lines of the code that follow must fit a C int as well
_line = st.integers(1, 2**31 - 100) | st.sampled_from([1, 2, 10_000])


@st.composite
def _codes(draw: Any) -> types.CodeType:
    """Code that fails, with facts that no source gives."""
    function = draw(st.booleans())
    text = (
        "def f(a, b=2, /, c=3, *d, e=5, **g):\n  h = a\n  raise error\n"
        if function
        else "x = 1\nraise error\n"
    )
    code = compile(text, "x", "exec")
    if function:
        code = next(const for const in code.co_consts if isinstance(const, types.CodeType))
    table = (
        code.co_linetable
        if draw(st.booleans())
        else bytes([0x80 | 15 << 3 | 7] * (len(code.co_code) // 16 + 1))
    )
    return code.replace(
        co_filename=draw(_names), co_name=draw(_names), co_qualname=draw(_names), co_firstlineno=draw(_line), co_linetable=table,
        co_flags=code.co_flags | draw(st.sampled_from([0, 0x10, 0x40, 0x10000, 0x1000000])),
    )  # fmt: skip


def _raised(code: types.CodeType, exc: BaseException, value: Any) -> BaseException:
    space = {"error": exc, "value": value}
    if code.co_flags & 0x1:
        function = types.FunctionType(code, space, None, (2, 3))
        function.__kwdefaults__ = {"e": value}
        return caught(lambda: function(value))
    return caught(lambda: exec(code, space))


@st.composite
def _exceptions(draw: Any, levels: int = 2) -> BaseException:
    arguments = draw(st.lists(_values, max_size=3))
    cls = draw(
        st.sampled_from([ValueError, KeyError, OSError, RuntimeError, StopIteration, SystemExit])
    )
    exc: BaseException = cls(*arguments)
    exc = _raised(draw(_codes()), exc, draw(_values))
    for note in draw(st.lists(st.text(max_size=5), max_size=2)):
        exc.add_note(note)
    exc.__dict__.update(draw(st.dictionaries(st.text(max_size=5), _values, max_size=2)))
    if levels and draw(st.booleans()):
        exc.__cause__ = draw(_exceptions(levels - 1))
    if levels and draw(st.integers(0, 3)) == 0:
        exc = BaseExceptionGroup("g", [exc, exc])
    return exc


@settings(max_examples=30 * DEPTH, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    _exceptions(),
    st.sampled_from(
        [{}, {"depth": -1}, {"depth": 1}, {"max_items": 1, "max_text": 3}, {"max_values": 2}]
    ),
)
def test_every_capture_is_read(exc: BaseException, options: dict[str, Any]) -> None:
    """Whatever capture makes of generated values, frames, chains and odd code passes the reader's check, and restores."""
    report = json.loads(
        json.dumps(
            {
                **capture(exc, Options(include_source=False, run_reprs=False, **options)),
                "sources": {},
            }
        )
    )
    fit(report)
    assert REASON not in report["cuts"] or "n" * 999 in str(report)
    check(report)
    found = restore(report)
    assert type(found).__name__ == type(exc).__name__
    assert lines_of(found) == lines_of(exc)


class Row:
    def __init__(self, number: int) -> None:
        self.number = number
        self.text = f"row {number}, " + "x" * 200
        self.error = KeyError(number)


def _of_everything() -> BaseException:
    """A group of failures with long chains, deep stacks, and values of each kind."""

    def down(n: int, rows: list[Row]) -> None:
        table = {row.number: row for row in rows}
        names, pairs = "n" * 2_000 + str(n), [(at, str(at)) for at in range(150)]
        empty = type(f"Empty{n}", (), {})()
        if n:
            down(n - 1, rows)
        raise ValueError(names, pairs) from KeyError(table)

    rows = [Row(number) for number in range(30)]
    group = BaseExceptionGroup("many", [caught(lambda: down(at, rows)) for at in range(0, 60, 5)])
    return caught(functools.partial(_raise, group))


def _raise(exc: BaseException) -> None:
    raise exc


def test_each_step_of_shrinking_is_read() -> None:
    """Whatever a report holds, a smaller one is a report as well; each step keeps less, and counts what it cuts."""
    options = Options(**{**FAR, "depth": -1, "outer_frames": True, "run_reprs": True})
    # in a thread of its own: the outer frames of this one hold all that pytest knows
    with ThreadPoolExecutor(1) as thread:
        report: Any = thread.submit(lambda: capture(_of_everything(), options)).result()
    report["process"] = {"pid": 1}
    sizes, cuts = [len(json.dumps(report["values"]))], [0]
    for step in STEPS:
        shrink(report, step)
        fit(report)
        check(report)
        sizes.append(len(json.dumps(report["values"])))
        cuts.append(report["cuts"].get(REASON, 0))
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0] / 50
    assert cuts == sorted(cuts) and cuts[-1] > 1_000
    exc: Any = restore(report)
    assert type(exc).__name__ == "ExceptionGroup" and 1 <= len(exc.exceptions) < 10
    text = "".join(traceback.format_exception(exc))
    assert "ValueError: (" in text and REASON in text


def _of_each_kind() -> BaseException:
    """A small group whose exceptions have notes, variables, classes and keys of each kind."""

    def down(n: int, *rows: Any, **named: Any) -> None:
        table = {(n, (1, 2)): rows, frozenset({(n, n)}): named}
        if n:
            down(n - 1, *rows, table, last=n)
        ValueError.nothing  # type: ignore[attr-defined]

    def fail(*values: Any) -> None:
        raise KeyError(list(values), {"key": values})

    errors: list[Any] = [caught(lambda: down(5)), caught(lambda: fail([1, [2]], "x"))]
    errors += [caught(lambda: down(2)) for _ in range(4)]
    errors[1].add_note("a note")
    group = ExceptionGroup("several", errors)
    group.add_note("another note")
    return caught(functools.partial(_raise, group))


TIGHT = {
    "MAX_CLASSES": 0,
    "MAX_CHILDREN": 4,
    "MAX_LOCALS": 1,
    "MAX_SHAPES": 3,
    "MAX_KINDS": 1,
    "MAX_ENTRIES": 12,
    "MAX_STORES": 6,
    "MAX_KEYS": 2,
    "MAX_KEY_DEPTH": 1,
}


@pytest.mark.parametrize("name", TIGHT)
def test_each_bound_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report beyond a bound is cut there, counts the cut, and is read within the same bound."""
    report: Any = capture(_of_each_kind(), Options(include_source=False, depth=-1))
    monkeypatch.setattr(bounds, name, TIGHT[name])
    fit(report)
    assert report["cuts"][REASON] >= 1
    check(report)
    exc: Any = restore(report)
    assert len("".join(traceback.format_exception(exc))) > 100
