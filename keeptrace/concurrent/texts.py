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
from typing import TYPE_CHECKING, Any, Final

from ..core.errors import DumpError, OptionError
from ..core.options import Options
from .crossing import set_traceback, traceback_of
from .parcels import MAX_INLINE, Parcels

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

__all__ = ["exception_of", "keep_in_text"]

_NOTE: Final = "keeptrace.concurrent.texts.exception_of(error) reads this dump: <"
# A parcel in a text. The engine may have broken the lines.
_PARCEL: Final = re.compile(r"exception_of\(error\) reads this dump: <(dump:[A-Za-z0-9+/=\s]+)>")


def keep_in_text(
    function: Callable[..., Any] | None = None,
    *,
    max_inline: int = MAX_INLINE,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> Any:
    """Lets what a function raises carry a dump of itself as a note, so that whatever sends the text
    of a traceback sends the dump, too.

    function: the function that the engine runs in a worker, such as a UDF of Spark. Left out, a
        decorator is returned.
    max_inline: bytes of the dump; the note is a third longer. A larger dump is made smaller:
        without sources, then with representations only.
    trace: what to keep (keeptrace.Options).
    options: single settings of it.

    Raises OptionError for a wrong option, and for what cannot be called.
    """
    if function is None:
        return functools.partial(keep_in_text, max_inline=max_inline, trace=trace, **options)
    if not callable(function):
        raise OptionError(f"keep_in_text needs a callable, not {type(function).__name__}")
    Parcels((), None, max_inline, trace, **options)  # a wrong option is an error here
    return _noting(function, functools.partial(_add_note, max_inline, trace, options))


def _noting(function: Callable[..., Any], add_note: Callable[[BaseException], None]) -> Any:
    # Names of the closure alone: ipyparallel rebuilds the function with the globals of the wrapped
    # one's module.
    @functools.wraps(function)
    def noting(*args: object, **kwargs: object) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            add_note(exc)
            raise

    return noting


def _add_note(max_inline: int, trace: Options | None, options: Any, exc: BaseException) -> None:
    """Adds the dump of the exception as a note. Never raises."""
    try:
        if any(_NOTE in note for note in _notes_of(exc)):
            return
        traceback = traceback_of(exc)
        set_traceback(exc, traceback.tb_next if traceback is not None else None)
        try:
            parcel = Parcels((), None, max_inline, trace, **options).pack(exc)
        finally:
            set_traceback(exc, traceback)
        if parcel is not None:
            exc.add_note(f"{_NOTE}{parcel}>")
    except Exception:  # law 1: the notes are the user's own; the engine's text goes on in any case
        return


def exception_of(error: BaseException | str) -> BaseException | None:
    """What the function raised in the worker, with real frames; None if there is no dump in the
    error.

    error: the engine's error, or its text. The error's attributes are searched, too.

    Raises DumpError if the dump cannot be read, as when the engine cut the text; OptionError for
    what is neither an exception nor a text.
    """
    if not isinstance(error, (BaseException, str)):
        kind = type(error).__name__
        raise OptionError(f"exception_of takes the engine's error or its text, not {kind}")
    for text in [error] if isinstance(error, str) else _texts_of(error):
        # Of a chain, the last one is the exception that the others led to.
        parcels = list(_PARCEL.finditer(text))
        last = parcels[-1] if parcels else None
        if text.find(_NOTE, last.end() if last else 0) >= 0:  # not the exception before it
            raise DumpError("the text ends within the dump: give keep_in_text a smaller max_inline")
        if last is not None:
            return Parcels(()).unpack(re.sub(r"\s", "", last[1]))
    return None


def _texts_of(error: BaseException) -> Iterator[str]:
    yield str(error)
    yield from _notes_of(error)
    for value in vars(error).values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (text for text in value.values() if isinstance(text, str))


def _notes_of(exc: BaseException) -> list[str]:
    """The notes that are texts: the program may have set the attribute to anything."""
    notes = getattr(exc, "__notes__", ())
    if not isinstance(notes, (list, tuple)):
        return []
    return [note for note in notes if isinstance(note, str)]
