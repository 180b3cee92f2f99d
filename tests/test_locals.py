"""Reading variables changes nothing of the program's, and holds nothing; cleared frames say so."""

from __future__ import annotations

import gc
import io
import sys
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from unthreaded import unthreaded

import keeptrace


class Watched:
    """An object whose life is watched."""


def dumped(exc: BaseException) -> BaseException:
    file = io.BytesIO()
    keeptrace.dump(exc, file)
    return keeptrace.loads(file.getvalue())


def taken_first(first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    own = locals()
    before = {**own}
    text = "later"
    try:
        raise ValueError(text)
    except ValueError as exc:
        dumped(exc)
    return before, own


def taken_with_objects(first: Watched) -> tuple[dict[str, Any], dict[str, Any]]:
    first = Watched()
    own = locals()
    before = {**own}
    first = Watched()
    try:
        raise ValueError(first)
    except ValueError as exc:
        dumped(exc)
    return before, own


def taken_twice(first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    own = locals()
    second = [first]
    own = locals()
    before = {**own}
    third = [second]
    try:
        raise ValueError(third)
    except ValueError as exc:
        dumped(exc)
    return before, own


def taken_where_it_failed(first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    kept: list[dict[str, Any]] = []

    def fail(number: int) -> None:
        kept.append(locals())
        later = number * 2
        kept.append({**kept[0]})
        raise ValueError(later)

    try:
        fail(first)
    except ValueError as exc:
        dumped(exc)
    return kept[1], kept[0]


def added_by_exec(first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    exec("extra = first + 1")
    try:
        raise ValueError
    except ValueError as exc:
        dumped(exc)
    return {"extra": 8}, {name: value for name, value in locals().items() if name == "extra"}


class Name(str):
    """A name that counts who asks for its hash, which is a program's code."""

    asked = 0

    def __hash__(self) -> int:
        Name.asked += 1
        return super().__hash__()


def test_names_of_a_programs_own_class_are_not_asked() -> None:
    """What exec() put under a name of another class stays there, and the name's code is not run."""
    if sys.version_info >= (3, 13):
        pytest.skip("exec() in a function has a dict of its own there")
    exec("import sys; sys._getframe(1).f_locals[Name('extra')] = 1", {"Name": Name})
    Name.asked = 0
    try:
        raise ValueError
    except ValueError as exc:
        dumped(exc)
    assert Name.asked == 0


@pytest.mark.parametrize(
    "take", [taken_first, taken_with_objects, taken_twice, taken_where_it_failed, added_by_exec]
)
def test_the_programs_own_locals_stay_as_they_were(take: Callable[..., Any]) -> None:
    """A dict that locals() gave to the program has the same variables and values after a dump."""
    if take is added_by_exec and sys.version_info >= (3, 13):
        pytest.skip("exec() in a function has a dict of its own there")
    before, after = take(7)
    assert list(after) == list(before)
    assert all(after[name] is value for name, value in before.items())


def test_variables_in_another_order_than_the_arguments() -> None:
    """Each variable keeps its own value, also where the dict of locals() began with a later one."""

    def fail(first: str, second: str) -> None:
        del first
        locals()
        first = "bound again"
        raise ValueError(first)

    try:
        fail("first", "second")
    except ValueError as exc:
        restored = dumped(exc)
    assert restored.__traceback__ and restored.__traceback__.tb_next
    found = restored.__traceback__.tb_next.tb_frame.f_locals
    assert (found["first"], found["second"]) == ("bound again", "second")


def test_a_dict_that_is_freed_meanwhile_is_not_taken_for_the_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the dicts are read of which one may be the function's, the collector may free one of
    them, and the interpreter gives its memory to the function's own: the variables stay right."""

    def catch(first: int) -> tuple[BaseException, dict[str, Any]]:
        try:
            raise ValueError
        except ValueError as exc:
            restored = dumped(exc)
            return restored, locals()

    # a list that alone holds the dict: as if the collector had just freed all else that did
    monkeypatch.setattr(gc, "get_objects", lambda: [{"first": "another's", "foreign": 2}])
    restored, own = catch(1)
    assert (set(own), own["first"]) == ({"first", "exc", "restored"}, 1)
    assert restored.__traceback__
    assert set(restored.__traceback__.tb_frame.f_locals) == {"first", "exc"}
    assert restored.__traceback__.tb_frame.f_locals["first"] == 1


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_captured_is_let_go(times: int) -> None:
    """After the except block the failing frame's objects are freed, and so is what the catching
    function deletes, while that function goes on."""
    alive: list[Any] = []

    def fail() -> None:
        big = Watched()
        alive.append(weakref.ref(big))
        raise ValueError

    def catch() -> list[bool]:
        held = Watched()
        alive.append(weakref.ref(held))
        try:
            fail()
        except ValueError as exc:
            for _ in range(times):
                keeptrace.dumps(exc)
        del held
        return [one() is not None for one in alive]

    gc.disable()
    try:
        assert catch() == [False, False]
    finally:
        gc.enable()


@unthreaded
def test_code_that_failed_is_let_go() -> None:
    """No cache keeps a code object, with the constants in it, that the program made and dropped."""
    space: dict[str, Any] = {}
    exec("def f():\n    raise ValueError", space)
    code = weakref.ref(space["f"].__code__)
    try:
        space["f"]()
    except ValueError as exc:
        keeptrace.dumps(exc)
    space.clear()
    gc.collect()
    assert code() is None


def test_variables_under_a_trace_function_stay() -> None:
    """Where a debugger traces, the interpreter writes the dict back into the variables: a dump in
    the trace function leaves them."""

    def fail(number: int) -> int:
        doubled = number * 2
        try:
            raise ValueError
        except ValueError:
            pass
        return number + doubled

    def trace(frame: types.FrameType, event: str, arg: Any) -> Any:
        if event == "exception":
            keeptrace.dumps(arg[1])
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert fail(2) == 6
    finally:
        sys.settrace(before)


# -- cleared frames


def with_argument(shop: str) -> None:
    raise ValueError(shop)


def with_variable() -> None:
    rows = 5
    raise ValueError(rows)


def with_deleted_argument(shop: str) -> None:
    del shop
    raise ValueError


def with_failed_store() -> None:
    try:
        rows = int("x")
    except ValueError:
        raise KeyError from None
    raise ValueError(rows)


def with_nothing() -> None:
    raise ValueError


def generator_with_argument(shop: str) -> Any:
    yield 1
    raise ValueError(shop)


CLEARED: list[tuple[Callable[..., Any], bool, bool]] = [
    # function, cleared by somebody, said to be cleared
    (with_argument, True, True),
    (with_variable, True, True),
    (generator_with_argument, True, True),
    (with_argument, False, False),
    (with_variable, False, False),
    (with_deleted_argument, False, False),
    (with_failed_store, False, False),
    (with_nothing, False, False),
    (with_nothing, True, False),
]


@pytest.mark.parametrize(("function", "clear", "told"), CLEARED)
def test_a_frame_that_was_cleared_says_so(
    function: Callable[..., Any], clear: bool, told: bool
) -> None:
    """A frame without variables is told to be cleared if it must have had some, and only then."""
    arguments = ("tea",) * function.__code__.co_argcount
    try:
        for _ in function(*arguments) or ():
            pass
    except Exception as exc:
        error: BaseException = exc
    entry = error.__traceback__
    assert entry is not None and entry.tb_next is not None
    error = error.with_traceback(entry.tb_next)
    if clear:
        traceback.clear_frames(error.__traceback__)
    found = dumped(error)
    local = found.__traceback__.tb_frame.f_locals  # type: ignore[union-attr]
    assert ("cleared" in repr(local.get("<locals>"))) == told
    assert ("cleared" in " ".join(getattr(found, "__notes__", []))) == told
