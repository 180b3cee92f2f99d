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
    item = items.get(box.words[JOB] - 1)
    if item is None:
        return []
    if isinstance(item.fn, functools.partial) and item.fn.func is chunk:
        return describe_calls([(item.fn.args[0], each, {}) for each in item.args[0]])
    several = None
    if calls_of is not None:
        several = calls_of(item.fn)
    return describe_calls(several or [(item.fn, item.args, item.kwargs)])


class PoolBreak:
    """Why a pool broke: the deaths of its workers, or the exception of an initializer.

    describe: gives the calls of a worker.
    """

    def __init__(self, workers: Mapping[int, Any], describe: Callable[[Any], list[str]]) -> None:
        ended = gone(workers)
        failures = (failure_of(process) for process in ended)
        self._failure = next((each for each in failures if each is not None), None)
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
