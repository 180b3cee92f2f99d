"""Dumps that ride in the text of a traceback, for engines that send text alone."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import traced_tasks as tasks

from keeptrace import DumpError, OptionError
from keeptrace.concurrent import spark
from keeptrace.concurrent.texts import exception_of, keep_in_text


class EngineError(Exception):
    """An engine's error, which has the text of the worker's."""

    def __init__(self, text: str) -> None:
        super().__init__("the job failed")
        self.details = {"traceback": text}


def failing(size: int) -> int:
    password = "hunter2hunter2"  # noqa: F841  # is not to be sent
    return tasks.chained(size)


def text_of(function: Any, *args: Any) -> str:
    with pytest.raises(BaseException) as info:
        function(*args)
    return "".join(traceback.format_exception(info.value))


@pytest.mark.parametrize("how", ["text", "indented", "in an error"])
def test_the_exception_is_in_the_text(how: str) -> None:
    """Its frames, variables and chain arrive by the text of the printed traceback."""
    text = text_of(keep_in_text(failing), 5)
    given: Any = {
        "text": text,
        "indented": text.replace("\n", "\n    | "),
        "in an error": EngineError(text),
    }[how]
    exc = exception_of(given)
    assert exc is not None
    tasks.check_chained(exc, 5)
    assert [*tasks.frames(exc)] == ["failing", "chained"]
    assert not hasattr(exc, "__notes__")


def test_secrets_are_hidden() -> None:
    """Such texts end up in logs."""
    exc = exception_of(text_of(keep_in_text(failing), 5))
    assert exc is not None
    assert "redacted" in str(tasks.frames(exc)["failing"].f_locals["password"])


@pytest.mark.parametrize("kind", tasks.SEALED)
def test_a_sealed_exception(kind: str) -> None:
    """The note with the dump stands on an exception that refuses attributes, too."""
    exc = exception_of(text_of(keep_in_text(tasks.raise_sealed), kind))
    assert exc is not None and list(tasks.frames(exc)) == ["raise_sealed"]


def test_an_exception_carries_one_dump() -> None:
    """One that passes two decorated functions; and as a decorator with arguments."""

    @keep_in_text(depth=2)
    def outer() -> None:
        keep_in_text(failing)(5)

    text = text_of(outer)
    assert text.count("reads this dump") == 1 and exception_of(text) is not None


def test_no_dump() -> None:
    """None for an error without a dump; an error for a text that the engine cut."""
    assert exception_of(ValueError("x")) is None and exception_of("") is None
    text = text_of(keep_in_text(failing), 5)
    with pytest.raises(DumpError, match="max_inline"):
        exception_of(text[:-100])
    with pytest.raises(DumpError):
        exception_of(text.replace("<dump:", "<dump:AAAA"))


def test_a_text_that_is_cut_gives_no_earlier_exception() -> None:
    """A chain has two dumps. Where the last one is cut, the first is not the exception."""

    @keep_in_text
    def inner() -> None:
        raise KeyError("the cause")

    @keep_in_text
    def outer() -> None:
        try:
            inner()
        except KeyError as exc:
            raise EngineError("its effect") from exc

    text = text_of(outer)
    assert type(exception_of(text)) is EngineError
    with pytest.raises(DumpError, match="ends within the dump"):
        exception_of(text[:-100])


def test_notes_of_any_kind() -> None:
    """The program may set the notes of an exception to anything; the others are read."""

    def noted() -> None:
        exc: Any = EngineError("x")
        exc.__notes__ = [3, "a text"]
        raise exc

    with pytest.raises(EngineError) as info:
        keep_in_text(noted)()
    assert type(exception_of(info.value)) is EngineError
    error: Any = EngineError("nothing")
    for notes in (None, [3], 5):
        error.__notes__ = notes
        assert exception_of(error) is None


def test_a_large_failure_stays_within_the_bound() -> None:
    """The dump is made smaller; without room for any, the exception is as it was."""

    def large() -> None:
        rows = [f"{number}" * 20 for number in range(5_000)]
        raise LookupError(len(rows))

    text = text_of(keep_in_text(large, max_inline=3_000))
    assert len(text) < 6_000 and repr(exception_of(text)) == "LookupError(5000)"
    assert "reads this dump" not in text_of(keep_in_text(large, max_inline=10))


def test_nothing_else_changes() -> None:
    """Results, names and base exceptions pass; notes that take no more cost the dump alone."""
    traced = keep_in_text(tasks.double)
    assert traced(4) == 8 and traced.__name__ == "double"
    odd = KeyboardInterrupt()
    odd.__notes__ = 3  # type: ignore[assignment]

    def interrupted() -> None:
        raise odd

    with pytest.raises(KeyboardInterrupt) as info:
        keep_in_text(interrupted)()
    assert info.value is odd


def test_wrong_arguments() -> None:
    """What cannot be called, and wrong options, are errors at once."""
    for wrong in (lambda: keep_in_text(3), lambda: keep_in_text(failing, max_inline=-1)):
        with pytest.raises(OptionError):
            wrong()
    for nothing in (3, None):
        with pytest.raises(OptionError, match="exception_of takes the engine's error or its text"):
            exception_of(nothing)  # type: ignore[arg-type]
    assert spark.keep_in_text is keep_in_text and spark.exception_of is exception_of
