"""Dask: tasks whose exceptions arrive at the client with their frames, variables and original
chain.

    client = KeepTraceClient(...)        or: client = Client(...); install(client)

    worker                           scheduler                    client
    task raises                      keeps each base once,        clean_exception(exception,
      └▶ error_message(), replaced:    puts it beside the           traceback) unpickles both:
         capture → report → bytes      patches, sends both          rebuild() and traceback_for()
         (base once, then patches)

- A worker plugin, Dask's public way in, replaces a function in every present and later worker
  process; removing the plugin puts the original back. Successful tasks run as before.
- Dask sends exception and traceback apart, and raises the exception with the traceback. The bytes
  of the exception hold the report, the bytes of the traceback a key. The client unpickles the
  traceback just after the exception, in the same thread, so the key finds the rebuilt traceback.
- A worker sends the report of the first of similar failures in full, then patches for later
  failures (dask_reports.py). A scheduler plugin completes the patches before anybody reads them, so
  every error is whole, even after the first task and the worker are gone.
- Without the scheduler's plugin, workers send each report in full.
- Actors answer their callers without the scheduler, so we replace their handlers' answers as well.
- error_message() never raises: the task would stay without an answer.
- KeyboardInterrupt and SystemExit end a Dask worker: Dask's rule, and unchanged.
- Workers and the scheduler on other machines need keeptrace installed.
"""

from __future__ import annotations

import functools
import itertools
import os
import pickle
import threading
import traceback as _text
import warnings
import zlib
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from ..core.clock import monotonic
from ..core.errors import missing_extra
from ..core.guard import Failed, run_each
from ..core.options import Options, make_options
from ..live.keeping import bounded
from ..store.identity import fingerprint
from .crossing import DISTANT, from_bytes, set_traceback, to_bounded_bytes, traceback_of
from .dask_reports import Bases, PickledCall, patch, rebuild, rebuild_shared, traceback_for
from .engines import missing
from .worker_frames import without_modules

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Unpack

    from distributed import Scheduler, Worker

    from ..core.options import SingleOptions

try:
    import cloudpickle
    from distributed import Client, worker, worker_state_machine
    from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
    from distributed.protocol import to_serialize
    from distributed.protocol.serialize import Serialized
except ImportError:
    raise missing_extra("keeptrace.concurrent.dask", "distributed", "dask") from None

__all__ = ["KeepTraceClient", "install", "uninstall"]

_NAME: Final = "keeptrace"
# Modules whose frames stand between a worker's thread and the task. Frames of collections
# (dask.dataframe, ...) stay.
_ENGINE: Final = (
    "distributed.",
    "dask._task_spec",
    "dask.core",
    "dask.utils",
    "concurrent.futures.",
)
# Dask shows texts of failures on its dashboard and in logs. (characters; seconds to make texts)
_MOST_TEXT: Final = 10_000
_TEXT_SECONDS: Final = 1.0
# Modules with a global name error_message of their own.
_CALLERS: Final[tuple[Any, ...]] = (worker, worker_state_machine)
_SHARED: Final = "keeptrace"  # key of the base's number in the header of a message
_TASK_ERRED: Final = "task-erred"
_ACTOR_HANDLERS: Final = ("actor_execute", "actor_attribute")
_dumps: Final = bounded(cloudpickle.Pickler)


class KeepTraceClient(Client):  # type: ignore[misc]  # untyped where it is not installed
    """A distributed.Client whose tasks' exceptions arrive with their whole chain, and their frames
    and variables.

    Takes the arguments of distributed.Client, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(self, *args: object, trace: Options | None = None, **kwargs: object) -> None:
        self._keeptrace_options = make_options(trace or DISTANT)
        super().__init__(*args, **kwargs)

    async def _start(self, *args: object, **kwargs: object) -> object:
        started = await super()._start(*args, **kwargs)
        await _install(self, self._keeptrace_options)
        return started


def install(
    client: Client, *, trace: Options | None = None, **options: Unpack[SingleOptions]
) -> Any:
    """Makes the present and later workers of a client's cluster send exceptions with their frames.

    trace: what to keep (keeptrace.Options).
    options: single fields of keeptrace.Options.

    With an asynchronous client, await the result. Raises OptionError for a wrong option, and Dask's
    own error if a worker cannot import keeptrace.
    """
    return client.sync(_install, client, make_options(trace or DISTANT, **options))


async def _install(client: Client, options: Options) -> object:
    if missing("dask"):
        return None
    shares = True
    try:
        await client.register_plugin(_Scheduler(), name=_NAME)
    except (ImportError, ValueError) as problem:
        # The scheduler has no keeptrace, allows no plugins, or is of an unknown version.
        shares = False
        warnings.warn(
            "the scheduler takes no plugin of keeptrace, so every report is sent in full:"
            f" {problem}",
            stacklevel=2,
        )
    return await client.register_plugin(_Plugin(options, shares), name=_NAME)


def uninstall(client: Client) -> Any:
    """Undoes install(). With an asynchronous client, await the result.

    The scheduler's plugin stays, because messages with patches may still be on their way. Without
    such messages, the plugin does nothing."""
    return client.unregister_worker_plugin(_NAME)


# -- the worker


class _Plugin(WorkerPlugin):  # type: ignore[misc]  # untyped where distributed is not installed
    """Replaces error_message() and batched_send() of the worker."""

    def __init__(self, options: Options, shares: bool) -> None:
        self.options = options
        self.shares = shares

    def setup(self, worker: Worker) -> None:
        if missing("dask"):
            return
        _Installed.add(self)
        if self.shares:
            worker.batched_send = functools.partial(_send, worker.batched_send, _Sender())
        if not worker.address.startswith("inproc:"):  # else callers get the same exception object
            for name in _ACTOR_HANDLERS:
                worker.handlers[name] = _answering(worker.handlers[name], self.options)

    def teardown(self, worker: Worker) -> None:
        if missing("dask"):
            return
        _Installed.remove(self)
        if self.shares:
            del worker.batched_send  # the class has the original
        for name in _ACTOR_HANDLERS:
            handler = worker.handlers[name]
            worker.handlers[name] = getattr(handler, "__wrapped__", handler)


class _Installed:
    """The plugins of the process; several workers may share a process. The newest plugin's options
    hold.
    """

    _lock = threading.Lock()
    _plugins: list[_Plugin] = []
    _originals: list[Any] = []

    @classmethod
    def add(cls, plugin: _Plugin) -> None:
        with cls._lock:
            if not cls._plugins:
                cls._originals = [module.error_message for module in _CALLERS]
                for module in _CALLERS:
                    module.error_message = cls._error_message
            cls._plugins.append(plugin)

    @classmethod
    def remove(cls, plugin: _Plugin) -> None:
        with cls._lock:
            if plugin not in cls._plugins:
                return
            cls._plugins.remove(plugin)
            if not cls._plugins:
                for module, original in zip(_CALLERS, cls._originals):
                    module.error_message = original

    @classmethod
    def _error_message(cls, exc: BaseException, status: str = "error") -> dict[str, Any]:
        options = DISTANT
        if cls._plugins:
            options = cls._plugins[-1].options
        return error_message(exc, status, options)


def error_message(exc: BaseException, status: str, options: Options) -> dict[str, Any]:
    """Dask's message about an exception, for its clean_exception(). Never raises."""
    traceback = without_modules(traceback_of(exc), _ENGINE)
    set_traceback(exc, traceback)
    data = to_bounded_bytes(exc, options, _dumps)
    key = os.urandom(8)
    texts = [
        lambda: repr(exc)[:_MOST_TEXT],
        lambda: "".join(_text.format_tb(traceback))[-_MOST_TEXT:],
    ]
    results = run_each(texts, monotonic() + _TEXT_SECONDS)
    told, lines = (_shown(text, exc) for text in results)
    pickled = pickle.dumps(PickledCall(rebuild, key, data))
    exception = to_serialize(pickled)
    exception.keeptrace = _place_of(exc), key, data
    sent_traceback = None
    if traceback is not None:
        sent_traceback = to_serialize(pickle.dumps(PickledCall(traceback_for, key)))
    return {
        "status": status,
        "exception": exception,
        "traceback": sent_traceback,
        "exception_text": told,
        "traceback_text": lines,
    }


def _shown(text: str | Failed, exc: BaseException) -> str:
    if isinstance(text, Failed):
        return f"<{type(exc).__name__}: its text {text.why}>"
    return text


def _place_of(exc: BaseException) -> str:
    try:
        return fingerprint(exc)
    except Exception:  # a class without a readable name: all such failures share one base
        return ""


def _answering(handler: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """Wraps a worker's handler of calls to actors."""

    def told(answer: dict[str, Any]) -> dict[str, Any]:
        exc = getattr(answer.get("exception"), "data", None)
        if isinstance(exc, BaseException):
            set_traceback(exc, without_modules(traceback_of(exc), _ENGINE))
            answer["exception"] = to_serialize(
                PickledCall(from_bytes, to_bounded_bytes(exc, options, _dumps))
            )
        return answer

    async def awaited(answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        return told(await answer)

    @functools.wraps(handler)  # Dask reads the name and the arguments
    def answering(*args: object, **message: object) -> object:
        answer = handler(*args, **message)
        if isawaitable(answer):
            return awaited(answer)
        return told(answer)

    return answering


# -- what reports have in common


# Numbers of bases. All plugins of a process share the counter, so every base has its own number.
_numbers: Final = itertools.count()


class _Sender:
    """Makes messages of a worker's reports. Runs only in the worker's event loop."""

    def __init__(self) -> None:
        self._bases = Bases()  # compressed
        self._number_of: dict[str, int] = {}

    def share(self, place: str, key: bytes, data: bytes) -> object:
        """The exception for a message: the first time with its base, later with the base's
        number.
        """
        number = self._number_of.get(place, -1)
        base = self._bases.get(number)
        frames: list[Any] = []
        if base is None:
            base = zlib.compress(data)
            number = next(_numbers)
            self._drop_lost_numbers()
            self._number_of[place] = number
            self._bases.add(number, base)
            frames.append(base)
        pieces = patch(data, zlib.decompress(base))
        report = pickle.dumps(PickledCall(rebuild_shared, key, pieces, base), 5)
        before, _, after = report.partition(base)
        # The base travels beside the pickle, as an out-of-band buffer. Readers without keeptrace
        # still get the bytes of a pickle.
        parts = (before, pickle.PickleBuffer(base), after)
        joined = pickle.dumps(
            PickledCall(bytes.join, b"", parts),
            5,
            buffer_callback=lambda _: None,
        )
        header = {"serializer": "pickle", "writeable": (False,), _SHARED: number}
        return Serialized(header, [joined, *frames])

    def _drop_lost_numbers(self) -> None:
        """Forgets the numbers whose bases are no longer kept."""
        for place, number in list(self._number_of.items()):
            if self._bases.get(number) is None:
                del self._number_of[place]


def _send(send: Callable[[dict[str, Any]], None], sender: _Sender, message: dict[str, Any]) -> None:
    """Replaces a worker's batched_send()."""
    if message["op"] == _TASK_ERRED:
        # Dask's own exceptions have no report.
        report = getattr(message.get("exception"), "keeptrace", None)
        if report is not None:
            message["exception"] = sender.share(*report)
    send(message)


# -- the scheduler


class _Scheduler(SchedulerPlugin):  # type: ignore[misc]  # untyped where it is not installed
    """Keeps each base once, and adds the base to each patch."""

    idempotent = True

    def start(self, scheduler: Scheduler) -> None:
        absent = missing("dask scheduler")
        if absent:
            raise ImportError(f"keeptrace does not know a version without {', '.join(absent)}")
        self._bases: dict[str, Bases] = {}
        original = scheduler.stream_handlers[_TASK_ERRED]

        def task_erred(**message: object) -> None:
            exception = message.get("exception")
            if isinstance(exception, Serialized) and _SHARED in exception.header:
                message["exception"] = self._whole(exception, message)
            original(**message)

        scheduler.stream_handlers[_TASK_ERRED] = task_erred

    def remove_worker(self, scheduler: object, worker: str, **_: object) -> None:
        self._bases.pop(worker, None)

    def _whole(self, exception: Any, message: dict[str, Any]) -> object:
        bases = self._bases.setdefault(message["worker"], Bases())
        number = exception.header[_SHARED]
        # Copies: the frames are views into a whole batch of messages.
        own, *sent = map(bytes, exception.frames)
        if sent:
            bases.add(number, sent[0])
        base = bases.get(number)
        if sent:  # get() has none if the base alone is over the bound
            base = sent[0]
        if base is None:  # both ends keep the same bases; but the user's error must arrive
            told = Exception(
                f"{message.get('exception_text')} (keeptrace's scheduler plugin has lost the"
                " report of this failure)"
            )
            header: dict[str, Any] = {"serializer": "pickle", "writeable": ()}
            return Serialized(header, [pickle.dumps(pickle.dumps(told))])
        header = {"serializer": "pickle", "writeable": (False,)}
        return Serialized(header, [own, base])
