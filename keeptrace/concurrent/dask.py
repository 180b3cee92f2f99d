"""Dask: tasks whose exceptions arrive at the client with their frames, variables and original chain.

    client = KeepTraceClient(...)        or: client = Client(...); install(client)

    worker                                                     client
    task raises ─▶ error_message(exc): the plugin replaced ─ (the scheduler keeps bytes) ─▶ clean_exception(exception, traceback)
                   this function; capture → report → bytes                                   unpickles both: rebuild

- The way in is Dask's own: a worker plugin, which every worker gets that is there or comes later, restarted ones included.
  It replaces one function in the worker process, and puts it back when it is removed. Tasks that succeed are not touched.
- Dask sends exception and traceback apart, and raises the one with the other. So the exception's bytes hold the report, and
  the traceback's only a key: unpickled just after in the same thread, it gives the traceback of the exception rebuilt there.
- Whatever the exception is, a message is made: an exception out of error_message() would leave the task without an answer.
- KeyboardInterrupt and SystemExit end a Dask worker; that is Dask's rule, and stays.
- Workers on other machines need keeptrace installed, as they need every library of the tasks.
"""

from __future__ import annotations

import os
import pickle
import threading
import traceback as _text
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from .._errors import missing_extra
from .._guard import Failed, run_each
from .._live import bounded
from .._options import Options, make_options
from ._boundary import from_bytes, set_traceback, to_bytes, traceback_of
from ._foreign import without_modules

try:
    import cloudpickle
    from distributed import Client, worker
    from distributed.diagnostics.plugin import WorkerPlugin
    from distributed.protocol import to_serialize
except ImportError:
    raise missing_extra("keeptrace.concurrent.dask", "distributed", "dask") from None

__all__ = ["KeepTraceClient", "install", "uninstall"]

# A scheduler keeps the bytes of every failed task until the client lets it go. (bytes a report; together 1 MiB)
DEFAULTS: Final = Options(max_bytes=1 << 19, max_live_bytes=1 << 19)
# For a report that is larger all the same: its bounds are on what is kept of values, and messages have one of their own.
_SMALL: Final[dict[str, Any]] = {"depth": 1, "pickler": None, "max_live_bytes": 0, "max_items": 20, "max_text": 500, "max_message": 500}
_NAME: Final = "keeptrace"
# What stands between a worker's thread and the task. Frames of collections (dask.dataframe, ...) are not among it.
_ENGINE: Final = ("distributed.", "dask._task_spec", "dask.core", "dask.utils", "concurrent.futures.")
# Dask shows these texts on its dashboard and in logs. (characters; seconds)
_MOST_TEXT: Final = 10_000
_TEXT_SECONDS: Final = 1.0


class KeepTraceClient(Client):  # type: ignore[misc]  # distributed's class is untyped where it is not installed
    """A distributed.Client whose tasks' exceptions arrive with their whole chain, and their frames and variables.

    All arguments are those of distributed.Client, and mean the same.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(self, *args: Any, trace: Options | None = None, **kwargs: Any) -> None:
        self._keeptrace_plugin = _Plugin(make_options(trace or DEFAULTS))
        super().__init__(*args, **kwargs)

    async def _start(self, *args: Any, **kwargs: Any) -> Any:
        started = await super()._start(*args, **kwargs)
        await self._register_worker_plugin(plugin=self._keeptrace_plugin, name=_NAME, idempotent=False)
        return started


def install(client: Client, *, trace: Options | None = None, **options: Any) -> Any:
    """Makes the workers of a client's cluster, also those to come, send exceptions with their frames.

    trace: what to keep (keeptrace.Options); options: single settings of it. Of an asynchronous client, await the result.
    Raises OptionError for a wrong option, and what Dask raises when a worker cannot import keeptrace.
    """
    return client.register_plugin(_Plugin(make_options(trace or DEFAULTS, **options)), name=_NAME)


def uninstall(client: Client) -> Any:
    """Undoes install(). Of an asynchronous client, await the result."""
    return client.unregister_worker_plugin(_NAME)


class _Plugin(WorkerPlugin):  # type: ignore[misc]  # untyped where distributed is not installed
    """Replaces the worker's function that makes messages of exceptions."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def setup(self, worker: Any) -> None:
        _Installed.add(self)

    def teardown(self, worker: Any) -> None:
        _Installed.remove(self)


class _Installed:
    """The plugins that are set up in this process. Several workers may share it; the newest plugin's options hold."""

    _lock = threading.Lock()
    _plugins: list[_Plugin] = []
    _original: Callable[..., Any] | None = None

    @classmethod
    def add(cls, plugin: _Plugin) -> None:
        with cls._lock:
            if not cls._plugins:
                cls._original = worker.error_message
                worker.error_message = cls._error_message  # type: ignore[attr-defined, unused-ignore]  # imported there by name
            cls._plugins.append(plugin)

    @classmethod
    def remove(cls, plugin: _Plugin) -> None:
        with cls._lock:
            if plugin in cls._plugins:
                cls._plugins.remove(plugin)
                if not cls._plugins:
                    worker.error_message = cls._original  # type: ignore[attr-defined, assignment, unused-ignore]  # as above

    @classmethod
    def _error_message(cls, exc: BaseException, status: str = "error") -> dict[str, Any]:
        return error_message(exc, status, cls._plugins[-1].options if cls._plugins else DEFAULTS)


def error_message(exc: BaseException, status: str, options: Options) -> dict[str, Any]:
    """Dask's message about an exception, which its clean_exception() reads. Never raises."""
    traceback = without_modules(traceback_of(exc), _ENGINE)
    set_traceback(exc, traceback)
    data = to_bytes(exc, options, bounded(cloudpickle.Pickler))
    if len(data) > options.max_bytes + options.max_live_bytes:
        data = to_bytes(exc, options.replace(**_SMALL), bounded(cloudpickle.Pickler))
    key = os.urandom(8)
    texts = [lambda: repr(exc)[:_MOST_TEXT], lambda: "".join(_text.format_tb(traceback))[-_MOST_TEXT:]]
    results = run_each(texts, monotonic() + _TEXT_SECONDS)
    told, lines = (f"<{type(exc).__name__}: its text {text.why}>" if isinstance(text, Failed) else text for text in results)
    return {
        "status": status,
        "exception": to_serialize(pickle.dumps(_Sent(_rebuild, key, data))),
        "traceback": to_serialize(pickle.dumps(_Sent(_traceback_for, key))) if traceback is not None else None,
        "exception_text": told,
        "traceback_text": lines,
    }


class _Sent:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


_last: Final = threading.local()  # what _rebuild gave in this thread, until its traceback is asked for


def _rebuild(key: bytes, data: bytes) -> BaseException:
    exc = from_bytes(data)
    _last.arrived = key, traceback_of(exc)
    return exc


def _traceback_for(key: bytes) -> Any:
    known, traceback = getattr(_last, "arrived", (None, None))
    _last.arrived = None, None
    return traceback if known == key else None
