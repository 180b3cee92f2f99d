"""Exceptions through engines that send text alone: Spark, submitit, ipyparallel, huey.

    worker                                              program
    @keep_in_text                                       the engine raises an error of its own
    def parse(row): ...   raises                          with the worker's traceback as text
      └▶ a note with a dump ─ ─ in the engine's text ─ ▶ exception_of(error): exception with frames

- Engines make their text of the printed traceback, which ends in the exception's notes.
- The dump is bounded, and its secrets are hidden, because such texts end up in logs.
- Reading runs nothing from the text (concurrent/parcels.py).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, overload

from ..core.errors import DumpError, OptionError
from ..core.options import Options
from .crossing import add_note, set_traceback, traceback_of
from .parcels import MAX_INLINE, Parcels

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

__all__ = ["exception_of", "keep_in_text"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_NOTE: Final = "keeptrace.concurrent.texts.exception_of(error) reads this dump: <"
# A parcel in a text. The engine may have broken the lines.
_PARCEL: Final = re.compile(r"exception_of\(error\) reads this dump: <(dump:[A-Za-z0-9+/=\s]+)>")


@overload
def keep_in_text(
    function: Callable[P, R],
    *,
    max_inline: int = ...,
    trace: Options | None = ...,
    **options: Unpack[SingleOptions],
) -> Callable[P, R]: ...
@overload
def keep_in_text(
    function: None = None,
    *,
    max_inline: int = ...,
    trace: Options | None = ...,
    **options: Unpack[SingleOptions],
) -> Callable[[F], F]: ...


def keep_in_text(
    function: Callable[P, R] | None = None,
    *,
    max_inline: int = MAX_INLINE,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> object:
    """Adds a dump to the exceptions of a function, as a note of the exception. The dump travels
    with any printed traceback of the exception.

    function: a function run by the engine in a worker, such as a UDF of Spark. Without a function,
        returns a decorator.
    max_inline: bytes of the dump; the note is a third longer. A larger dump is made smaller:
        without sources, then with representations only.
    trace: what to keep (keeptrace.Options).
    options: single fields of keeptrace.Options.

    Raises OptionError for a wrong option, and for an object that is not callable.
    """
    if function is None:
        return functools.partial(keep_in_text, max_inline=max_inline, trace=trace, **options)
    if not callable(function):
        raise OptionError(f"keep_in_text needs a callable, not {type(function).__name__}")
    Parcels((), None, max_inline, trace, **options)  # raises OptionError at once
    return _noting(function, functools.partial(_add_note, max_inline, trace, options))


def _noting(function: Callable[P, R], add_note: Callable[[BaseException], None]) -> Callable[P, R]:
    # noting() uses only names of the closure: ipyparallel rebuilds the function with the globals of
    # the wrapped function's module.
    @functools.wraps(function)
    def noting(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            add_note(exc)
            raise

    return noting


def _add_note(
    max_inline: int, trace: Options | None, options: SingleOptions, exc: BaseException
) -> None:
    """Adds the dump of the exception as a note. Never raises."""
    try:
        if any(_NOTE in note for note in _notes_of(exc)):
            return
        traceback = traceback_of(exc)
        set_traceback(exc, traceback and traceback.tb_next)
        try:
            parcel = Parcels((), None, max_inline, trace, **options).pack(exc)
        finally:
            set_traceback(exc, traceback)
        if parcel is not None:
            add_note(exc, f"{_NOTE}{parcel}>")
    except Exception:  # law 1: the notes are the user's own; the engine's text goes on in any case
        return


def exception_of(error: BaseException | str) -> BaseException | None:
    """The function's exception in the worker, with real frames; None if the error has no dump.

    error: the engine's error, or its text. The error's attributes are searched, too.

    Raises DumpError if the dump cannot be read, as when the engine cut the text; OptionError for
    anything but an exception or a text.
    """
    if not isinstance(error, (BaseException, str)):
        kind = type(error).__name__
        raise OptionError(f"exception_of takes the engine's error or its text, not {kind}")
    for text in _texts_of(error):
        parcel, end = "", 0
        # The text of a chain ends with the outermost exception.
        for found in _PARCEL.finditer(text):
            parcel, end = found[1], found.end()
        if text.find(_NOTE, end) >= 0:  # its dump is cut; an earlier dump is another exception's
            raise DumpError("the text ends within the dump: give keep_in_text a smaller max_inline")
        if parcel:
            return Parcels(()).unpack(re.sub(r"\s", "", parcel))
    return None


def _texts_of(error: BaseException | str) -> Iterator[str]:
    if isinstance(error, str):
        yield error
        return
    yield str(error)
    yield from _notes_of(error)
    for value in vars(error).values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (text for text in value.values() if isinstance(text, str))


def _notes_of(exc: BaseException) -> list[str]:
    """The notes with text; the program may have set the attribute to anything."""
    notes = getattr(exc, "__notes__", ())
    if not isinstance(notes, (list, tuple)):
        return []
    return [note for note in notes if isinstance(note, str)]
