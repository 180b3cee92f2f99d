"""WSGI and ASGI middleware: a request that ends in an exception leaves a dump; the exception goes
on to the server.

Starlette and FastAPI answer an exception and raise it again, so middleware sees every exception.
Flask raises again only when debugging; connect Flask's signal instead:

    store = keeptrace.Store("dumps")
    flask.got_request_exception.connect(
        lambda sender, exception, **_: store.write(exception), app, weak=False
    )

Nothing is imported of any framework here.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from .core.options import Options
from .hooks import on_error, store_of
from .store import DEFAULT_DIRECTORY, Store

if TYPE_CHECKING:
    from typing import Unpack

    from .core.options import SingleOptions


class WSGIMiddleware:
    """Stands around a WSGI application: app = WSGIMiddleware(app, "dumps").

    app: the application.
    directory: where dumps go: a path, a URL, or a Store.
    options: those of keeptrace.Options, or a whole one as `trace`.

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
        files = environ.get("wsgi.file_wrapper")
        # A list can no longer fail, and a server may send its own kind of file without reading.
        if type(body) in (list, tuple) or (isinstance(files, type) and isinstance(body, files)):
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
    directory: where dumps go: a path, a URL, or a Store.
    options: those of keeptrace.Options, or a whole one as `trace`.

    A dump is written in the event loop's own thread: other requests wait for it, some milliseconds,
    at most `max_seconds` of the options and ten seconds for a disk that does not answer. Raises
    OptionError.
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
