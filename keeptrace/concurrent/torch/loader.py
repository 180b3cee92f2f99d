"""DataLoader: a subclass of torch's iterator keeps the frames of workers' exceptions, and explains
workers' deaths.

    DataLoader ─▶ torch's iterator, of a subclass ─▶ workers: worker.py
    installing.py: the subclass takes the iterator's place in torch's module

- torch notices a death by SIGCHLD, at any point of the main thread, or while waiting for a batch.
  Both raise a RuntimeError, as in torch; our error names the worker, its end, batch and stack.
- torch forgets the indices of batches after sending; the iterator remembers all unanswered batches.
- A DataLoader without workers is torch's own.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch.multiprocessing
import torch.utils.data.dataloader as engine
from torch.utils.data._utils import signal_handling

from ...capture.reprs import Renderer
from ...core.hold import Hold, make_holding
from ...core.options import DEFAULT, Options, make_options
from ..crossing import from_bytes
from ..deaths.black_box import JOB, BlackBox, box_of, failure_of
from ..deaths.dead import WorkerDeath, WorkerDied, death_of
from ..deaths.stacks import stacks_of
from ..engines import missing
from ..foreign import Way
from .worker import start
from .wrappers import keep_pinning_failures

if TYPE_CHECKING:
    from torch.utils.data import DataLoader as _DataLoader

T_co = TypeVar("T_co", covariant=True)

# When a batch is late, the workers have so much time to answer with their stacks. (seconds)
_ASK: Final = 2.0
# We remember the indices of so many batches for each batch on its way. (batches)
_REMEMBERED: Final = 4
# The indices of a batch, in the text of a death. (characters)
_MOST_INDICES: Final = 100
_render: Final = Renderer(_MOST_INDICES, run_reprs=False)


class DataLoaderWorkerDied(WorkerDied, RuntimeError):
    """A worker of a DataLoader ended; `deaths` has the facts: process, exit, batch and stack.

    A RuntimeError, as in torch. If an exception ended the worker, the exception is the `__cause__`.
    """


class DataLoader(engine.DataLoader[T_co]):  # type: ignore[misc]  # see pyproject.toml
    """A torch.utils.data.DataLoader whose workers' exceptions arrive as they were raised, with
    their frames, variables and chain; an error explains the death of a worker.

    Takes the arguments of torch.utils.data.DataLoader, with the same meaning.

    trace: what to keep of a failure (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps a copy of the worker alive at a failure, for
        keeptrace.attach().

    Raises OptionError for a wrong option.
    """

    def __init__(
        self,
        *args: object,
        trace: Options | None = None,
        hold: Hold | bool | None = None,
        **kwargs: object,
    ) -> None:
        self.trace: Options = make_options(trace)
        self._way = Way(self.trace, make_holding(hold))
        super().__init__(*args, **kwargs)

    def _get_iterator(self) -> object:
        if self.num_workers == 0 or missing("torch"):
            return super()._get_iterator()
        self.check_worker_number_rationality()
        return iterator_class(self._way)(self)


# -- the iterator

_iterators: weakref.WeakSet[FramedIterator] = weakref.WeakSet()


class FramedIterator(engine._BaseDataLoaderIter):  # type: ignore[misc]
    """Our part of an iterator over the batches of workers. The second base of a subclass is torch's
    iterator, or torchdata's.
    """

    way: Way = Way(DEFAULT, None)

    def __init__(self, loader: _DataLoader, *state: object) -> None:
        self._sent: dict[int, Any] = {}
        _explain_signals()
        _iterators.add(self)
        if loader.pin_memory:
            keep_pinning_failures()
        super().__init__(_LoaderView(loader, self.way), *state)

    def _reset(self, loader: object, *args: object, **kwargs: object) -> None:
        self._sent.clear()
        super()._reset(loader, *args, **kwargs)

    def _next_index(self) -> object:
        index = super()._next_index()
        self._sent[self._send_idx] = index
        if len(self._sent) > _REMEMBERED * self._prefetch_factor * self._num_workers:
            known = {*self._task_info, self._send_idx}
            self._sent = {batch: sent for batch, sent in self._sent.items() if batch in known}
        return index

    def _get_data(self) -> object:
        try:
            return super()._get_data()
        except RuntimeError as error:
            _raise_death_of(self)
            self._add_stacks(error)
            raise

    def death(self) -> DataLoaderWorkerDied | None:
        """The error about dead workers; None if all workers live, or ended their work."""
        dead = []
        for number, process in enumerate(getattr(self, "_workers", ())):
            if _died(process):
                dead.append((process, self._task_of(number, process)))
        if not dead:
            return None
        return _error_of(dead)

    def _task_of(self, number: int, process: BaseProcess) -> str:
        name = f"DataLoader worker {number}"
        batch = _batch_of(process)
        if batch is None:
            return f"{name}, between batches"
        if self._dataset_kind == engine._DatasetKind.Iterable or batch not in self._sent:
            return f"{name}, batch {batch}"
        index = self._sent[batch]
        word = "index"
        if type(index) is list:
            word = "indices"
        return f"{name}, batch {batch}, {word} {_render(index)}"

    def _add_stacks(self, error: BaseException) -> None:
        """Adds the workers' stacks to an error without a death: a batch is late."""
        living = []
        busy = []
        for number, process in enumerate(self._workers):
            if not process.is_alive():
                continue
            task = self._task_of(number, process)
            living.append((process, [task]))
            if _batch_of(process) is not None:
                busy.append((process, [task]))
        asked = busy or living
        for stack in stacks_of(asked, False, _ASK):
            error.add_note(str(stack))


_torchs_iterator: Final[type] = engine._MultiProcessingDataLoaderIter


def iterator_class(way: Way, base: type = _torchs_iterator) -> type[FramedIterator]:
    """torch's iterator, or torchdata's, with our workers, under the name expected by profilers."""
    namespace = {"way": way, "__module__": __name__}
    return type(base.__name__, (FramedIterator, base), namespace)


def _died(process: BaseProcess) -> bool:
    """Whether a worker ended with an error, or within a batch."""
    if process.exitcode == 0:
        return _batch_of(process) is not None
    return process.exitcode is not None


def _batch_of(process: object) -> int | None:
    """The number of a worker's current batch, or of its batch at death."""
    box = box_of(process)
    if box is None or not box.words[JOB]:
        return None
    return int(box.words[JOB]) - 1


def _raise_death_of(iterator: FramedIterator) -> None:
    """Raises the error about the iterator's dead workers, if any."""
    death = iterator.death()
    if death is None:
        return
    try:
        raise death from death.__cause__
    finally:
        del death  # breaks the cycle of error, traceback and frame


def _error_of(dead: Sequence[tuple[BaseProcess, str]]) -> DataLoaderWorkerDied:
    deaths: list[WorkerDeath] = [death_of(process, [task]) for process, task in dead]
    error = DataLoaderWorkerDied("\n".join(map(str, deaths)), deaths)
    for process, _ in dead:
        failure = failure_of(process)
        if failure is not None:
            error.__cause__ = from_bytes(failure)
            break
    for death in deaths:
        if death.stack is not None:
            error.add_note(death.note())
    return error


class _LoaderView:
    """Stands for the loader in the iterator's __init__. Its context makes workers of worker.py."""

    def __init__(self, loader: _DataLoader, way: Way) -> None:
        self._loader = loader
        context = loader.multiprocessing_context or torch.multiprocessing
        self.multiprocessing_context = _Context(context, way)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Context:
    """A multiprocessing context whose processes have a black box."""

    def __init__(self, context: Any, way: Way) -> None:
        self._context = context
        self._way = way

    def Process(self, target: Callable[..., None], args: tuple[Any, ...]) -> object:
        # PlainProcess of keeptrace's own contexts: a KeepTraceProcess would have another box
        make = getattr(type(self._context), "PlainProcess", self._context.Process)
        box = BlackBox()
        process = make(target=start, args=(box, self._way, target, args))
        process._keeptrace_box = box
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


# -- the SIGCHLD handler


def _explain_signals() -> None:
    """Makes torch's SIGCHLD handler explain a death of our workers."""
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
