"""Celery: the result backend returns exceptions of failed tasks with their frames, variables and
original chain.

    app = Celery(...); install(app)            or: Celery(..., task_cls=KeepTraceTask)

    worker                                       client
    task raises                                  backend.exception_to_python(stored):
      └▶ backend.prepare_exception(exc):           restores the dump, runs nothing from it
         Celery's dict, with the dump              (concurrent/parcels.py)
         as text ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─▶    └▶ result.get() raises the exception

- install() replaces methods of the app's backend object. Celery calls these methods for failures
  only, so successful tasks run as before. The methods serve every pool, backend and serializer,
  chords, chains, retries and time limits, in worker and client.
- Celery stores the same data as before, with an additional key. Readers without keeptrace read as
  before.
- Celery replaces an unpicklable exception by a substitute. We keep the original.
- With the pickle serializer, Celery unpickles a live exception. We give the live exception the
  traceback and the chain of the restored exception.
- AsyncResult.get() raises an exception with a traceback made from text, mostly None, and so would
  lose the restored traceback. get() calls a method of its class for the traceback. install()
  replaces the method.
- Eager tasks store nothing, and Celery clears their frames. With task_eager_propagates, they raise
  like any function.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from ..core.errors import KeepTraceError, missing_extra
from ..core.options import Options
from ..core.texts import one_line
from ..restore.classes import has_hook
from ..restore.fields import put_cause, put_context, put_suppress, put_traceback
from .crossing import add_note
from .engines import missing
from .parcels import MAX_INLINE, Parcels

if TYPE_CHECKING:
    from typing import Unpack

    from celery import Celery

    from ..core.options import SingleOptions

try:
    from celery import Task
    from celery.result import AsyncResult
except ImportError:
    raise missing_extra("keeptrace.concurrent.celery", "celery", "celery") from None

__all__ = ["KeepTraceTask", "install"]

_App = TypeVar("_App")

# Keys added to the stored failure: the dump, and (with the pickle serializer) Celery's own
# exception.
_PARCEL: Final = "keeptrace"
_PICKLED: Final = "keeptrace_exception"
# Modules with frames between a worker's start and the task.
_ENGINE: Final = ("celery.", "billiard.")
# The app's attribute for its Parcels.
_SETTINGS: Final = "_keeptrace_parcels"
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__


def install(
    app: _App,
    *,
    directory: str | os.PathLike[str] | None = None,
    max_inline: int = MAX_INLINE,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> _App:
    """Lets an app's result backend return the exceptions of tasks with their frames. Returns the
    app.

    Call install() where the program makes the app, so that workers and clients install alike. A
    second call changes the options.

    directory: for dumps larger than max_inline: a path, or a URL for fsspec (extra "fsspec"),
        shared by workers and clients. Without a directory, large dumps are made smaller.
    max_inline: bytes of a dump within a result; Celery's own data come on top. 0: all dumps go to
        the directory.
    trace: what to keep (keeptrace.Options).
    options: single fields of keeptrace.Options.

    Raises OptionError for a wrong option, MissingExtraError if fsspec is needed and not installed.
    """
    parcels = Parcels(_ENGINE, directory, max_inline, trace, **options)
    if missing("celery"):
        return app
    installed = hasattr(app, _SETTINGS)
    setattr(app, _SETTINGS, parcels)
    if not installed:
        _replace_backends(app)
    return app


def _replace_backends(app: Celery) -> None:
    make = app._get_backend  # Celery calls it once in each thread that uses the backend
    app._get_backend = lambda: _adopt(make(), app)
    if app._backend is not None:
        _adopt(app._backend, app)
    _Raising.install()


class KeepTraceTask(Task):  # type: ignore[misc]  # untyped
    """A base class of tasks, for `Celery(task_cls=KeepTraceTask)` or
    `@app.task(base=KeepTraceTask)`.

    The first such task of an app calls install(app), with the default options. A process that makes
    none of the app's tasks, and only asks for results by their ids, must call install(app)."""

    abstract = True

    @classmethod
    def bind(cls, app: object) -> Any:
        """Called by Celery when an app takes a task."""
        bound = super().bind(app)
        if not hasattr(app, _SETTINGS):
            install(app)
        return bound


def _adopt(backend: object, app: object) -> object:
    for name, replacement in (
        ("prepare_exception", _prepare_exception),
        ("exception_to_python", _exception_to_python),
        ("meta_from_decoded", _meta_from_decoded),
    ):
        original = getattr(backend, name)
        setattr(backend, name, functools.partial(replacement, app, original))
    return backend


def _prepare_exception(
    app: object, original: Callable[..., Any], exc: BaseException, serializer: str | None = None
) -> object:
    """The backend's data for a failure."""
    told = original(exc, serializer)
    parcel = getattr(app, _SETTINGS).pack(_raised(exc))
    if parcel is None:
        return told
    if isinstance(told, BaseException):  # the pickle serializer
        kind = type(told)
        stored = {
            "exc_type": kind.__qualname__,
            "exc_message": told.args,
            "exc_module": kind.__module__,
            _PICKLED: told,
        }
    else:
        stored = told
    return {**stored, _PARCEL: parcel}


def _raised(exc: BaseException) -> BaseException:
    """The original of an exception, if Celery replaced an unpicklable original. The replacement has
    the same traceback.
    """
    handled = sys.exception()
    traceback = _traceback_of(exc)
    if handled is None or traceback is None:
        return exc
    if _traceback_of(handled) is traceback:
        return handled
    return exc


def _exception_to_python(app: object, original: Callable[[Any], Any], stored: object) -> object:
    """The exception from the backend's data."""
    if not isinstance(stored, dict) or _PARCEL not in stored:
        return original(stored)
    pickled = stored.get(_PICKLED)
    try:
        restored = getattr(app, _SETTINGS).unpack(stored[_PARCEL])
    except (KeepTraceError, OSError) as problem:  # damaged, pruned, or in an unknown directory
        told = original(stored)
        if pickled is not None:
            told = original(pickled)
        why = one_line(f"{type(problem).__name__}: {problem}")
        add_note(told, f"keeptrace: there are no frames, because its dump cannot be read: {why}")
        return told
    if _is_of_same_class(pickled, restored):
        return _completed(pickled, restored)
    return restored


def _is_of_same_class(pickled: object, restored: BaseException) -> TypeGuard[BaseException]:
    """Whether Celery unpickled the exception itself, not a base class or a wrapper, and nothing
    speaks for the restored exception.
    """
    kind: Any = type(pickled)
    same = (
        isinstance(pickled, BaseException)
        and isinstance(restored, kind)
        and kind.__qualname__ == type(restored).__qualname__
    )
    # groups have children with frames of their own; Celery turns false exceptions into None
    return (
        same
        and not isinstance(pickled, BaseExceptionGroup)
        and not has_hook(kind.__mro__, "__bool__", "__len__")
    )


def _completed(exc: BaseException, restored: BaseException) -> BaseException:
    """The unpickled exception, with the restored traceback and chain."""
    put_cause(exc, restored.__cause__)
    put_context(exc, restored.__context__)
    put_suppress(exc, restored.__suppress_context__)  # last: putting a cause changes the flag
    put_traceback(exc, restored.__traceback__)
    return exc


def _meta_from_decoded(app: object, original: Callable[[Any], Any], decoded: object) -> object:
    """The metadata of a result, with the restored traceback."""
    meta = original(decoded)
    exc = meta.get("result")
    if isinstance(exc, BaseException) and _traceback_of(exc) is not None:
        meta[_PARCEL] = _traceback_of(exc)
    return meta


class _Raising:
    """Replaces AsyncResult._to_remote_traceback, because get() raises with its traceback."""

    original: Callable[[Any, object], object] | None = None

    @classmethod
    def install(cls) -> None:
        if cls.original is None:
            cls.original = AsyncResult._to_remote_traceback
            AsyncResult._to_remote_traceback = cls._to_remote_traceback

    @staticmethod
    def _to_remote_traceback(result: Any, text: object) -> object:
        kept = (result._cache or {}).get(_PARCEL)
        if kept is not None or _Raising.original is None:
            return kept
        return _Raising.original(result, text)
