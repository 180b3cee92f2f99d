"""Middleware for web frameworks: writes a dump of each exception that ends a request. The exception
goes its usual way.

- WSGI, ASGI: the exception goes on to the server. Starlette and FastAPI answer an exception and
  raise it again, so middleware sees every exception.
- Django answers with 500 before middleware around it sees an exception, but sends a signal first.
- Flask does the same, except when debugging. Connect its signal:

    store = keeptrace.Store("dumps")
    flask.got_request_exception.connect(
        lambda sender, exception, **_: store.write(exception), app, weak=False
    )

No framework is imported with this module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from .core.errors import OptionError
from .core.options import Options
from .hooks import is_failure, on_error, store_of
from .store import DEFAULT_DIRECTORY, Store

if TYPE_CHECKING:
    from typing import Unpack

    from .core.options import SingleOptions

# Identifies our receiver of Django's signal: each of Django's handlers loads the middleware again.
_RECEIVER: Final = "keeptrace.middleware"


class WSGIMiddleware:
    """Stands around a WSGI application: app = WSGIMiddleware(app, "dumps").

    app: the application.
    directory: for the dumps: a path, a URL, or a Store.
    options: the options of keeptrace.Options, or a keeptrace.Options as `trace`.

    Raises OptionError.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        directory: str | os.PathLike[str] | Store = DEFAULT_DIRECTORY,
        *,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        self._app = app
        self.store: Store = store_of(directory, trace, options)
        self._keeping = on_error(self.store)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with self._keeping:
            body = self._app(environ, start_response)
        if type(body) in (list, tuple):  # can no longer fail
            return body
        # A server may send its own kind of file without reading it.
        files = environ.get("wsgi.file_wrapper")
        if isinstance(files, type) and isinstance(body, files):
            return body
        return _Body(body, self._keeping)


class _Body:
    """A response made while the server sends it."""

    def __init__(self, body: Iterable[bytes], keeping: on_error) -> None:
        self._body = body
        self._chunks: Iterator[bytes] | None = None
        self._keeping = keeping

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._keeping:
            if self._chunks is None:
                self._chunks = iter(self._body)
            for chunk in self._chunks:
                return chunk
        raise StopIteration

    def close(self) -> None:
        with self._keeping:
            getattr(self._body, "close", bool)()


class ASGIMiddleware:
    """Stands around an ASGI application: app = ASGIMiddleware(app, "dumps"), or Starlette's
    add_middleware(ASGIMiddleware, ...).

    app: the application.
    directory: for the dumps: a path, a URL, or a Store.
    options: the options of keeptrace.Options, or a keeptrace.Options as `trace`.

    Dumps are written in the thread of the event loop, so other requests wait some milliseconds: at
    most `max_seconds` of the options, and ten seconds for a disk that does not answer.

    Raises OptionError.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        directory: str | os.PathLike[str] | Store = DEFAULT_DIRECTORY,
        *,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        self._app = app
        self.store: Store = store_of(directory, trace, options)
        self._keeping = on_error(self.store)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        with self._keeping:
            await self._app(scope, receive, send)


def _options(given: dict[str, Any]) -> SingleOptions:
    options: SingleOptions = given  # type: ignore[assignment]  # _check_names() has seen the names
    return options


def _check_names(setting: dict[Any, Any]) -> None:
    known = ("directory", "trace", *Options.__slots__)
    for name in setting:
        if name not in known:
            raise OptionError(
                f"KEEPTRACE has no option {name!r}; the options are {', '.join(known)}"
            )


class DjangoMiddleware:
    """Middleware for Django, with a line of settings: MIDDLEWARE =
    ["keeptrace.middleware.DjangoMiddleware", ...].

    get_response: Django's argument for each middleware.

    The setting KEEPTRACE has the arguments of the other classes, as in {"directory": "/var/dumps",
    "depth": 8}. Exceptions from views, middleware and templates that Django answers with 500 leave
    a dump. Exceptions with another answer, such as Http404 and PermissionDenied, leave none.

    The class connects Django's signal got_request_exception and then steps aside
    (MiddlewareNotUsed), so requests cost nothing.

    Raises OptionError.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        from django.conf import settings
        from django.core.exceptions import MiddlewareNotUsed
        from django.core.signals import got_request_exception

        given: dict[str, Any] = {"directory": DEFAULT_DIRECTORY, "trace": None}
        setting = getattr(settings, "KEEPTRACE", {})
        if not isinstance(setting, dict):
            kind = type(setting).__name__
            raise OptionError(f'KEEPTRACE must be a dict, as {{"directory": "dumps"}}, not {kind}')
        _check_names(setting)
        given.update(setting)
        directory = given.pop("directory")
        trace = given.pop("trace")
        self.store: Store = store_of(directory, trace, _options(given))
        # The last settings count: a test may have changed them.
        got_request_exception.disconnect(dispatch_uid=_RECEIVER)
        got_request_exception.connect(self._keep, weak=False, dispatch_uid=_RECEIVER)
        raise MiddlewareNotUsed

    def _keep(self, **_: object) -> None:
        exc = sys.exception()
        if exc is not None and is_failure(exc):
            self.store.write(exc)
