"""on_error: a dump when an exception leaves a block or a function."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import OptionError
from ..core.guard import with_enough_stack
from ..core.options import Options, make_options
from ..format.files import bounded
from ..store import Store
from ..store.telling import failed
from .failures import is_failure, store_of
from .wrapping import wrapper_of

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

_F = TypeVar("_F", bound=Callable[..., Any])


class on_error:  # used as a statement and as a decorator, like contextlib's
    """Writes a dump when an exception leaves a block or a function; the exception goes on
    unchanged.

        with keeptrace.on_error("dumps"): ...
        @keeptrace.on_error("crash.keeptrace")
        async def task(): ...

    directory_or_path: a name with an extension is a file; the next failure overwrites the file.
        Any other name, and the name of an existing directory, is a directory (see Store). A Store
        is used unchanged.
    options: the fields of keeptrace.Options, or a whole Options as `trace`.

    As a decorator, on_error takes functions, coroutine functions, generators and asynchronous
    generators. `path` is the last written dump, None before the first. Raises OptionError.
    """

    def __init__(
        self,
        directory_or_path: str | os.PathLike[str] | Store,
        *,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        self.path: str | None = None
        self._file: str | None = None
        self._store: Store | None = None
        if not isinstance(directory_or_path, Store):
            given = os.fspath(directory_or_path)
            if _is_file_name(given):
                self._file = os.path.abspath(given)
                self._options = make_options(trace, **options)
                return
        self._store = store_of(directory_or_path, trace, options)

    # If the stack has room for this call, the call of __exit__ at the same depth has room, too.
    def __enter__(self) -> on_error:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is None:
            return
        try:
            with_enough_stack(lambda: self._leave(exc))
        except RecursionError:  # no room for any call; the user's own error goes on
            return

    def _leave(self, exc: BaseException) -> None:
        if is_failure(exc):
            self.path = self._keep(exc)

    def _keep(self, exc: BaseException) -> str | None:
        if self._store is not None:
            return self._store.write(exc)
        from ..format.api import dump

        file = self._file or ""
        try:
            bounded(lambda: dump(exc, file, trace=self._options))
        except RecursionError:  # the stack is almost full: __exit__ tries again with more
            raise
        except Exception as problem:  # law 1: the user's own error goes on without its dump
            failed(exc, problem)
            return None
        return file

    def __call__(self, function: _F) -> _F:
        wrapper = wrapper_of(function, self)
        if wrapper is None:
            raise OptionError(f"on_error decorates a function, not {function!r}")
        wrapped = functools.wraps(function)(wrapper)
        return wrapped  # type: ignore[return-value]  # the same signature


def _is_file_name(path: str) -> bool:
    has_extension = bool(os.path.splitext(path)[1])
    return has_extension and "://" not in path and not os.path.isdir(path)
