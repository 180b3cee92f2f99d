"""Dask: tasks whose exceptions arrive at the client with their frames, variables and original
chain.

    client = KeepTraceClient(...)        or: client = Client(...); install(client)

    worker                                          scheduler                            client
    task raises ─▶ error_message(exc), replaced: ─▶ keeps the patch, and each full ─ ─ ▶ clean_exception(exception, traceback)
                   capture → report → bytes         report once; sends both                unpickles both: rebuild
                   sent in full once, then as
                   a patch to the one before

- The way in is Dask's own: a worker plugin, which every worker gets that is there or comes later,
  restarted ones included. It replaces one function in the worker process, and puts it back when it
  is removed. Tasks that succeed are not touched.
- Dask sends exception and traceback apart, and raises the one with the other. So the exception's
  bytes hold the report, and the traceback's only a key: unpickled just after in the same thread, it
  gives the traceback of the exception rebuilt there.
- Failures of the same types at the same lines differ in a few values. So a worker sends the report
  of the first in full (the
  *base*), and of the others what is different (a *patch*: zlib with the base as its dictionary, so
  nothing is lost). A scheduler plugin keeps each base once, and puts it beside the patches before
  anybody else sees them: every task's error is whole for whoever asks, whatever became of the first
  task and of the worker. Both ends keep the same bases, since both see the same messages in the
  same order.
- Actors answer their callers without the scheduler: what their handlers say of an exception is
  replaced as well.
- Where the scheduler takes no plugin, each report is sent whole.
- Whatever the exception is, a message is made: an exception out of error_message() would leave the
  task without an answer.
- KeyboardInterrupt and SystemExit end a Dask worker; that is Dask's rule, and stays.
- Workers on other machines need keeptrace installed, as they need every library of the tasks; and
  so does the scheduler, for its plugin.
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
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from ..core.clock import monotonic
from ..core.errors import missing_extra
from ..core.guard import Failed, run_each
from ..core.options import Options, make_options
from ..live.keeping import bounded
from ..store.identity import fingerprint
from .crossing import DISTANT, from_bytes, set_traceback, to_bounded_bytes, traceback_of
from .foreign import without_modules

if TYPE_CHECKING:
    from typing import Unpack

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
# What stands between a worker's thread and the task. Frames of collections (dask.dataframe, ...)
# are not among it.
_ENGINE: Final = (
    "distributed.",
    "dask._task_spec",
    "dask.core",
    "dask.utils",
    "concurrent.futures.",
)
# Dask shows these texts on its dashboard and in logs. (characters; seconds)
_MOST_TEXT: Final = 10_000
_TEXT_SECONDS: Final = 1.0
# Where the worker's module and its state machine call what makes messages of exceptions; imported
# there by name.
_CALLERS: Final[tuple[Any, ...]] = (worker, worker_state_machine)
# Bases that a scheduler keeps for one worker, besides those of its tasks: as much as one report may
# take. (bytes)
_MOST_BASES: Final = 1 << 20
# Of zlib's dictionary, which ends 32 KiB before what it compresses: so a report is taken in pieces,
# and what is in the base up to 8 KiB before or after the piece is found. (bytes)
_PIECE: Final = 16 << 10
_AROUND: Final = 8 << 10
_SHARED: Final = "keeptrace"  # the number of the base, in the header of what is sent
_TASK_ERRED: Final = "task-erred"
_ACTOR_HANDLERS: Final = ("actor_execute", "actor_attribute")
_dumps: Final = bounded(cloudpickle.Pickler)


class KeepTraceClient(Client):  # type: ignore[misc]  # distributed's class is untyped where it is not installed
    """A distributed.Client whose tasks' exceptions arrive with their whole chain, and their frames
    and variables.

    All arguments are those of distributed.Client, and mean the same.

    trace: what to keep of a failing task (keeptrace.Options).
    """

    def __init__(self, *args: Any, trace: Options | None = None, **kwargs: Any) -> None:
        self._keeptrace_options = make_options(trace or DISTANT)
        super().__init__(*args, **kwargs)

    async def _start(self, *args: Any, **kwargs: Any) -> Any:
        started = await super()._start(*args, **kwargs)
        await _install(self, self._keeptrace_options)
        return started


def install(
    client: Client, *, trace: Options | None = None, **options: Unpack[SingleOptions]
) -> Any:
    """Makes the workers of a client's cluster, also those to come, send exceptions with their
    frames.

    trace: what to keep (keeptrace.Options); options: single settings of it. Of an asynchronous
    client, await the result. Raises OptionError for a wrong option, and what Dask raises when a
    worker cannot import keeptrace."""
    return client.sync(_install, client, make_options(trace or DISTANT, **options))


async def _install(client: Client, options: Options) -> Any:
    shares = True
    try:
        await client.register_plugin(_Scheduler(), name=_NAME)
    except (
        ImportError,
        ValueError,
    ) as problem:  # it has no keeptrace, or its configuration allows no plugins
        shares = False
        warnings.warn(
            f"the scheduler takes no plugin of keeptrace, so every report is sent in full: {problem}",
            stacklevel=2,
        )
    return await client.register_plugin(_Plugin(options, shares), name=_NAME)


def uninstall(client: Client) -> Any:
    """Undoes install(). Of an asynchronous client, await the result.

    The scheduler's plugin stays: messages that need it may be on their way. It does nothing when
    there are none."""
    return client.unregister_worker_plugin(_NAME)


# -- the worker


class _Plugin(WorkerPlugin):  # type: ignore[misc]  # untyped where distributed is not installed
    """Replaces the worker's function that makes messages of exceptions, and looks at what goes to
    the scheduler.
    """

    def __init__(self, options: Options, shares: bool) -> None:
        self.options = options
        self.shares = shares

    def setup(self, worker: Any) -> None:
        _Installed.add(self)
        if self.shares:
            worker.batched_send = functools.partial(_send, worker.batched_send, _Sender())
        if not worker.address.startswith("inproc:"):  # there the caller gets the very exception
            for name in _ACTOR_HANDLERS:
                worker.handlers[name] = _answering(worker.handlers[name], self.options)

    def teardown(self, worker: Any) -> None:
        _Installed.remove(self)
        if self.shares:
            del worker.batched_send  # the class has the original
        for name in _ACTOR_HANDLERS:
            worker.handlers[name] = getattr(
                worker.handlers[name], "__wrapped__", worker.handlers[name]
            )


class _Installed:
    """The plugins that are set up in this process. Several workers may share it;

    the newest plugin's options hold.
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
            if plugin in cls._plugins:
                cls._plugins.remove(plugin)
                if not cls._plugins:
                    for module, original in zip(_CALLERS, cls._originals):
                        module.error_message = original

    @classmethod
    def _error_message(cls, exc: BaseException, status: str = "error") -> dict[str, Any]:
        return error_message(exc, status, cls._plugins[-1].options if cls._plugins else DISTANT)


def error_message(exc: BaseException, status: str, options: Options) -> dict[str, Any]:
    """Dask's message about an exception, which its clean_exception() reads. Never raises."""
    traceback = without_modules(traceback_of(exc), _ENGINE)
    set_traceback(exc, traceback)
    data = to_bounded_bytes(exc, options, _dumps)
    key = os.urandom(8)
    texts = [
        lambda: repr(exc)[:_MOST_TEXT],
        lambda: "".join(_text.format_tb(traceback))[-_MOST_TEXT:],
    ]
    results = run_each(texts, monotonic() + _TEXT_SECONDS)
    told, lines = (
        f"<{type(exc).__name__}: its text {text.why}>" if isinstance(text, Failed) else text
        for text in results
    )
    exception = to_serialize(pickle.dumps(_Sent(_rebuild, key, data)))
    exception.keeptrace = _place_of(exc), key, data
    return {
        "status": status,
        "exception": exception,
        "traceback": to_serialize(pickle.dumps(_Sent(_traceback_for, key)))
        if traceback is not None
        else None,
        "exception_text": told,
        "traceback_text": lines,
    }


def _place_of(exc: BaseException) -> str:
    try:
        return fingerprint(exc)
    # a class that does not even tell its name: such failures share one base, or have nothing in
    # common with it
    except Exception:
        return ""


def _answering(handler: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """Stands for a handler of a worker's that answers for an actor."""

    def told(answer: dict[str, Any]) -> dict[str, Any]:
        exc = getattr(answer.get("exception"), "data", None)
        if isinstance(exc, BaseException):
            set_traceback(exc, without_modules(traceback_of(exc), _ENGINE))
            answer["exception"] = to_serialize(
                _Sent(from_bytes, to_bounded_bytes(exc, options, _dumps))
            )
        return answer

    async def awaited(answer: Any) -> dict[str, Any]:
        return told(await answer)

    @functools.wraps(handler)  # Dask asks for its name and its arguments
    def answering(*args: Any, **message: Any) -> Any:
        answer = handler(*args, **message)
        return awaited(answer) if isawaitable(answer) else told(answer)

    return answering


class _Sent:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


# -- what reports have in common


class _Bases:
    """The newest bases of one worker, within a bound.

    Worker and scheduler add the same in the same order, so they keep the same.
    """

    def __init__(self) -> None:
        self._kept: dict[int, bytes] = {}
        self._size = 0

    def add(self, number: int, base: bytes) -> None:
        self._kept[number] = base
        self._size += len(base)
        while self._size > _MOST_BASES:
            self._size -= len(self._kept.pop(next(iter(self._kept))))

    def get(self, number: int) -> bytes | None:
        return self._kept.get(number)


_numbers: Final = (
    itertools.count()
)  # of the process: a plugin that replaces another does not use the same again


class _Sender:
    """Makes of a worker's reports what is sent of them. Runs in the worker's event loop alone."""

    def __init__(self) -> None:
        self._bases = _Bases()  # compressed
        self._number_of: dict[str, int] = {}

    def share(self, place: str, key: bytes, data: bytes) -> Any:
        """The exception as a message has it:

        with its base if that was not sent before, else with the base's number alone.
        """
        number = self._number_of.get(place, -1)
        base = self._bases.get(number)
        frames: list[Any] = []
        if base is None:
            base = zlib.compress(data)
            self._number_of = {
                known: number
                for known, number in self._number_of.items()
                if self._bases.get(number) is not None
            }
            number = self._number_of[place] = next(_numbers)
            self._bases.add(number, base)
            frames.append(base)
        report = pickle.dumps(
            _Sent(_rebuild_shared, key, _patch(data, zlib.decompress(base)), base), 5
        )
        before, _, after = report.partition(base)
        # the base beside it, out of the band: what reads this needs nothing of ours, and gets the
        # bytes of a pickle
        joined = pickle.dumps(
            _Sent(bytes.join, b"", (before, pickle.PickleBuffer(base), after)),
            5,
            buffer_callback=lambda _: None,
        )
        return Serialized(
            {"serializer": "pickle", "writeable": (False,), _SHARED: number}, [joined, *frames]
        )


def _send(send: Callable[[dict[str, Any]], None], sender: _Sender, message: dict[str, Any]) -> None:
    """Stands for a worker's batched_send."""
    if message["op"] == _TASK_ERRED:
        report = getattr(
            message.get("exception"), "keeptrace", None
        )  # what Dask made itself has none
        if report is not None:
            message["exception"] = sender.share(*report)
    send(message)


def _patch(data: bytes, base: bytes) -> list[bytes]:
    """The data, as what it has that the base has not."""
    pieces = []
    for at in range(0, len(data), _PIECE):
        engine = zlib.compressobj(wbits=-15, zdict=_around(base, at))
        pieces.append(engine.compress(data[at : at + _PIECE]) + engine.flush())
    return pieces


def _patched(pieces: Sequence[bytes], base: bytes) -> bytes:
    return b"".join(
        zlib.decompressobj(wbits=-15, zdict=_around(base, number * _PIECE)).decompress(piece)
        for number, piece in enumerate(pieces)
    )


def _around(base: bytes, at: int) -> bytes:
    return base[max(0, at - _AROUND) : at + _PIECE + _AROUND]


# -- the scheduler


class _Scheduler(SchedulerPlugin):  # type: ignore[misc]  # untyped where distributed is not installed
    """Puts beside each patch that arrives the base that it needs, which it keeps once."""

    idempotent = True

    def start(self, scheduler: Any) -> None:
        self._bases: dict[str, _Bases] = {}
        original = scheduler.stream_handlers[_TASK_ERRED]

        def task_erred(**message: Any) -> None:
            exception = message.get("exception")
            if isinstance(exception, Serialized) and _SHARED in exception.header:
                message["exception"] = self._whole(exception, message)
            original(**message)

        scheduler.stream_handlers[_TASK_ERRED] = task_erred

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        self._bases.pop(worker, None)

    def _whole(self, exception: Any, message: dict[str, Any]) -> Any:
        bases = self._bases.setdefault(message["worker"], _Bases())
        number = exception.header[_SHARED]
        own, *sent = map(
            bytes, exception.frames
        )  # copies: what arrived are parts of a whole batch of messages
        if sent:
            bases.add(number, sent[0])
        base = sent[0] if sent else bases.get(number)
        if (
            base is None
        ):  # it cannot be, as both ends keep the same; but the user's error must arrive
            told = Exception(
                f"{message.get('exception_text')} (keeptrace's scheduler plugin has lost the report of this failure)"
            )
            return Serialized(
                {"serializer": "pickle", "writeable": ()}, [pickle.dumps(pickle.dumps(told))]
            )
        return Serialized({"serializer": "pickle", "writeable": (False,)}, [own, base])


# -- the client


_last: Final = (
    threading.local()
)  # what _rebuild gave in this thread, until its traceback is asked for


def _rebuild(key: bytes, data: bytes) -> BaseException:
    exc = from_bytes(data)
    _last.arrived = key, traceback_of(exc)
    return exc


def _rebuild_shared(key: bytes, pieces: list[bytes], base: bytes) -> BaseException:
    try:
        data = _patched(pieces, zlib.decompress(base))
    except zlib.error:
        data = b""  # which says that it is damaged
    return _rebuild(key, data)


def _traceback_for(key: bytes) -> Any:
    known, traceback = getattr(_last, "arrived", (None, None))
    _last.arrived = None, None
    return traceback if known == key else None
