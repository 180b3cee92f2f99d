"""The black boxes of workers, and the facts about a broken pool, for the executors of the standard
library and of loky.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ...core.options import Options
from ..crossing import from_bytes
from ..deaths.black_box import JOB, box_of, failure_of
from ..deaths.calls import describe_calls
from ..deaths.dead import WorkerDeath, add_notes, death_of
from ..deaths.worker import make_worker
from .queues import gone

Calls: TypeAlias = Sequence[tuple[Any, Sequence[Any], dict[str, Any]]]


class WorkerContext:
    """A multiprocessing or loky context whose processes are workers with a black box.

    target: a worker's function, called with `first` and then the engine's own arguments.
    """

    def __init__(
        self, context: Any, options: Options, target: Callable[..., object], *first: object
    ) -> None:
        self._context = context
        self._options = options
        self._target = target
        self._first = first

    def Process(self, target: Callable[..., Any], args: tuple[Any, ...], **more: Any) -> object:
        """Raises TypeError for arguments that the context's processes don't accept; loky then tries
        without.
        """
        start = functools.partial(self._context.Process, **more)
        return make_worker(start, self._options, self._target, (*self._first, *args))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def tasks_of(
    process: object,
    items: Mapping[int, Any],
    chunk: Callable[..., Any],
    calls_of: Callable[[Any], Calls | None] | None = None,
) -> list[str]:
    """The running calls of a worker, or the calls running at its death.

    items: the executor's, by number.
    chunk: the engine's function for a chunk of map().
    calls_of: see adopt() of concurrent/process_pool/of_loky.py.
    """
    box = box_of(process)
    if box is None:
        return []
    number = box.words[JOB] - 1
    item = items.get(number)
    if item is None:
        return []
    return describe_calls(_calls_in(item, chunk, calls_of))


def _calls_in(
    item: Any, chunk: Callable[..., Any], calls_of: Callable[[Any], Calls | None] | None
) -> Calls:
    """The calls of the program in a job of the engine's."""
    if isinstance(item.fn, functools.partial) and item.fn.func is chunk:
        function = item.fn.args[0]
        chunk_arguments = item.args[0]
        return [(function, arguments, {}) for arguments in chunk_arguments]
    if calls_of is not None:
        calls = calls_of(item.fn)
        if calls:
            return calls
    return [(item.fn, item.args, item.kwargs)]


class PoolBreak:
    """Why a pool broke: the deaths of its workers, or the exception of an initializer.

    describe: gives the calls of a worker.
    """

    def __init__(self, workers: Mapping[int, Any], describe: Callable[[Any], list[str]]) -> None:
        ended = gone(workers)
        self._failure = _first_failure(ended)
        self.deaths: list[WorkerDeath] = []
        if self._failure is None:
            self.deaths = [death_of(process, describe(process)) for process in ended]

    def explain(self, error: Any) -> None:
        """Adds the known facts to an error."""
        error.deaths = list(self.deaths)
        cause = None
        if self._failure is not None:
            cause = from_bytes(self._failure)
        add_notes(error, self.deaths, cause)


def _first_failure(ended: list[Any]) -> bytes | None:
    """The exception of the first worker whose initializer failed, as bytes."""
    for process in ended:
        failure = failure_of(process)
        if failure is not None:
            return failure
    return None
