"""DataLoader, and install() for the DataLoaders of others: torch's iterator, whose workers keep
their exceptions' frames and are told of when they die.

    DataLoader ─▶ torch's iterator, of a subclass ─▶ workers: worker.py
    install()  ─▶ the subclass takes the iterator's place in torch's module

- torch learns of a death by SIGCHLD, in whatever the main thread does then, or as it waits for a
  batch. Both raise a RuntimeError, as torch does; it says which worker, how, at which batch, where.
- torch forgets the indices that it sent; the iterator remembers those that are not answered.
- A DataLoader without workers is torch's own.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import torch.multiprocessing
import torch.utils.data.dataloader as engine
from torch.utils.data._utils import signal_handling

from ...capture.reprs import Renderer
from ...core.options import DEFAULT, Options, make_options
from ..crossing import from_bytes
from ..deaths.black_box import JOB, BlackBox, box_of, failure_of
from ..deaths.dead import WorkerDeath, WorkerDied, death_of
from ..deaths.stacks import stacks_of
from ..engines import missing
from .worker import start
from .wrappers import keep_pinning_failures

T_co = TypeVar("T_co", covariant=True)

# How long the workers are asked for their stacks when a batch is late. (seconds)
_ASK: Final = 2.0
# Batches whose indices are remembered, for each that may be on its way. (batches)
_REMEMBERED: Final = 4
# The indices of a batch, in the text of a death. (characters)
_MOST_INDICES: Final = 100
_render: Final = Renderer(_MOST_INDICES, run_reprs=False)


class DataLoaderWorkerDied(WorkerDied, RuntimeError):
    """A worker of a DataLoader ended; `deaths` says which, how, at which batch, and where.

    A RuntimeError, as torch raises. If an exception ended the worker, it is the `__cause__`.
    """


class DataLoader(engine.DataLoader[T_co]):  # type: ignore[misc]  # see pyproject.toml
    """A torch.utils.data.DataLoader whose workers' exceptions arrive as they were raised, with
    their frames, variables and chain; a worker that dies is told of.

    All arguments are those of torch.utils.data.DataLoader, and mean the same.

    trace: what to keep of a failure (keeptrace.Options).

    Raises OptionError for a wrong option.
    """

    def __init__(self, *args: Any, trace: Options | None = None, **kwargs: Any) -> None:
        self.trace: Options = make_options(trace)
        super().__init__(*args, **kwargs)

    def _get_iterator(self) -> Any:
        if self.num_workers == 0 or missing("torch"):
            return super()._get_iterator()
        self.check_worker_number_rationality()
        return iterator_class(self.trace)(self)


# -- the iterator

_iterators: weakref.WeakSet[FramedIterator] = weakref.WeakSet()


class FramedIterator(engine._MultiProcessingDataLoaderIter):  # type: ignore[misc]
    """Torch's iterator over the batches of workers, with workers of worker.py."""

    options: Options = DEFAULT

    def __init__(self, loader: Any) -> None:
        self._sent: dict[int, Any] = {}
        _explain_signals()
        _iterators.add(self)
        if loader.pin_memory:
            keep_pinning_failures()
        super().__init__(_LoaderView(loader, self.options))

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        self._sent.clear()
        super()._reset(loader, first_iter)

    def _next_index(self) -> Any:
        index = super()._next_index()
        self._sent[self._send_idx] = index
        if len(self._sent) > _REMEMBERED * self._prefetch_factor * self._num_workers:
            known = {*self._task_info, self._send_idx}
            self._sent = {batch: sent for batch, sent in self._sent.items() if batch in known}
        return index

    def _get_data(self) -> Any:
        try:
            return super()._get_data()
        except RuntimeError as error:
            _raise_death_of(self)
            self._add_stacks(error)
            raise

    def death(self) -> DataLoaderWorkerDied | None:
        """The error that tells of dead workers; None if all of them live, or ended their work."""
        dead = [
            (number, process)
            for number, process in enumerate(getattr(self, "_workers", ()))
            if process.exitcode or (process.exitcode == 0 and _batch_of(process) is not None)
        ]
        if not dead:
            return None
        return _error_of([(process, self._task_of(number, process)) for number, process in dead])

    def _task_of(self, number: int, process: Any) -> str:
        name = f"DataLoader worker {number}"
        batch = _batch_of(process)
        if batch is None:
            return f"{name}, between batches"
        if self._dataset_kind == engine._DatasetKind.Iterable or batch not in self._sent:
            return f"{name}, batch {batch}"
        index = self._sent[batch]
        word = "indices" if type(index) is list else "index"
        return f"{name}, batch {batch}, {word} {_render(index)}"

    def _add_stacks(self, error: BaseException) -> None:
        """Notes where the workers are, at an error that tells of no death: a batch is late."""
        living = [
            (number, process) for number, process in enumerate(self._workers) if process.is_alive()
        ]
        busy = [each for each in living if _batch_of(each[1]) is not None]
        asked = [(process, [self._task_of(number, process)]) for number, process in busy or living]
        for stack in stacks_of(asked, False, _ASK):
            error.add_note(str(stack))


def iterator_class(options: Options) -> type[FramedIterator]:
    """The iterator for these options, under the name that profilers look for."""
    name = "_MultiProcessingDataLoaderIter"
    return type(name, (FramedIterator,), {"options": options, "__module__": __name__})


def _batch_of(process: Any) -> int | None:
    """The number of the batch that a worker is at, or was at its death."""
    box = box_of(process)
    job = box.words[JOB] if box is not None else 0
    return job - 1 if job else None


def _raise_death_of(iterator: FramedIterator) -> None:
    """Raises the error that tells of the iterator's dead workers, if there are any."""
    death = iterator.death()
    if death is None:
        return
    try:
        raise death from death.__cause__
    finally:
        del death  # a frame of its traceback would hold it


def _error_of(dead: Sequence[tuple[Any, str]]) -> DataLoaderWorkerDied:
    deaths: list[WorkerDeath] = [death_of(process, [task]) for process, task in dead]
    error = DataLoaderWorkerDied("\n".join(map(str, deaths)), deaths)
    failures = [failure for process, _ in dead if (failure := failure_of(process)) is not None]
    if failures:
        error.__cause__ = from_bytes(failures[0])
    for death in deaths:
        if death.stack is not None:
            error.add_note(death.note())
    return error


class _LoaderView:
    """A loader for the iterator's __init__, whose context makes workers of worker.py."""

    def __init__(self, loader: Any, options: Options) -> None:
        self._loader = loader
        context = loader.multiprocessing_context or torch.multiprocessing
        self.multiprocessing_context = _Context(context, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Context:
    """A multiprocessing context whose processes have a black box."""

    def __init__(self, context: Any, options: Options) -> None:
        self._context = context
        self._options = options

    def Process(self, target: Callable[..., None], args: tuple[Any, ...]) -> Any:
        # of keeptrace's own contexts: a KeepTraceProcess has another box
        make = getattr(type(self._context), "PlainProcess", self._context.Process)
        box = BlackBox()
        process = make(target=start, args=(box, self._options, target, args))
        process._keeptrace_box = box
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


# -- the SIGCHLD handler


def _explain_signals() -> None:
    """Lets torch's SIGCHLD handler tell of a death of our workers."""
    check = signal_handling._error_if_any_worker_fails
    if not isinstance(check, _Explaining):
        signal_handling._error_if_any_worker_fails = _Explaining(check)


class _Explaining:
    """Replaces torch's check of all workers."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def __call__(self) -> None:
        try:
            self._check()
        except RuntimeError as error:
            pids = set(re.findall(r"\d+", str(error)))
            for iterator in list(_iterators):
                if any(str(process.pid) in pids for process in getattr(iterator, "_workers", ())):
                    _raise_death_of(iterator)
            raise


# -- for the DataLoaders of others

_original: Final = engine._MultiProcessingDataLoaderIter


def install(*, trace: Options | None = None) -> None:
    """Lets every DataLoader of this process do as keeptrace.concurrent.torch.DataLoader, whoever
    makes it: Lightning, Transformers' Trainer, timm.

    trace: what to keep of a failure (keeptrace.Options).

    DataLoaders that are being iterated over stay as they are. A second call changes the options.
    Raises OptionError for a wrong option.
    """
    options = make_options(trace)
    if not missing("torch"):
        engine._MultiProcessingDataLoaderIter = iterator_class(options)


def uninstall() -> None:
    """Undoes install(), for DataLoaders that are iterated over from now on."""
    engine._MultiProcessingDataLoaderIter = _original
