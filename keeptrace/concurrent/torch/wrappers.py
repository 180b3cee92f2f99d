"""How an exception crosses from a DataLoader's worker, and from its thread for pinning memory.

    worker                                          parent
    the dataset raises                              the queue unpickles
      └▶ torch wraps the exception in a class         └▶ ArrivedException: the same bytes
         replaced by us: FramedException:             the iterator finds an ExceptionWrapper
         capture → bytes ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶    └▶ reraise(): restores, and raises

- torch's own class keeps the exception's class and a text, and its reraise() calls the class with
  the text. We keep the exception's arguments, and unpicklable classes.
- An exception of an unread batch is never restored.
- The thread for pinning memory is in the parent: HeldException keeps the exception itself.
"""

from __future__ import annotations

import sys
import traceback
from typing import Final, NoReturn

from torch._utils import ExceptionWrapper
from torch.utils.data._utils import pin_memory

from ..crossing import from_bytes, set_traceback, to_bytes, traceback_of
from ..foreign import Way
from ..worker_frames import without_modules

# Modules with frames between a worker's start and the dataset.
WORKER: Final = (
    "torch.utils.data._utils.worker",
    "torchdata.stateful_dataloader.worker",
    "keeptrace.concurrent.",
    "multiprocessing.",
)


def framed_bytes(exc: BaseException, way: Way) -> bytes:
    """The exception without the worker's own frames, as bytes for from_bytes(). Never raises."""
    set_traceback(exc, without_modules(traceback_of(exc), WORKER))
    return to_bytes(exc, way.options, holding=way.holding)


class FramedException(ExceptionWrapper):  # type: ignore[misc]  # see pyproject.toml
    """Replaces torch's class in a worker."""

    def __init__(
        self,
        way: Way,
        exc: BaseException | None = None,
        where: str = "in background",
    ) -> None:
        raised = exc or sys.exception()
        assert raised is not None  # torch calls the class only in an `except` block
        self._data = framed_bytes(raised, way)
        self.where = where
        set_traceback(raised, None)  # because the frames hold the batch

    def __reduce__(self) -> tuple[type[ArrivedException], tuple[bytes, str]]:
        return ArrivedException, (self._data, self.where)


class ArrivedException(ExceptionWrapper):  # type: ignore[misc]  # see pyproject.toml
    """The exception of a worker, in the parent."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self.where = where

    def reraise(self) -> NoReturn:
        """Raises the worker's exception, with its frames."""
        raise from_bytes(self._data)

    @property
    def exc_type(self) -> type[BaseException]:
        return type(from_bytes(self._data))

    @property
    def exc_msg(self) -> str:
        return "".join(traceback.format_exception(from_bytes(self._data)))


class _AnyWrapper(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, ExceptionWrapper)


class HeldException(ExceptionWrapper, metaclass=_AnyWrapper):  # type: ignore[misc]
    """Replaces torch's class in the thread for pinning memory. The thread also calls isinstance()
    with the class.
    """

    def __init__(
        self,
        exc_info: tuple[object, BaseException, object] | None = None,
        where: str = "in background",
    ) -> None:
        self._exc = sys.exception()
        if exc_info:
            self._exc = exc_info[1]
        self.where = where

    def reraise(self) -> NoReturn:
        """Raises the thread's exception."""
        exc, self._exc = self._exc, None  # breaks the cycle of exception, traceback and frame
        assert exc is not None
        try:
            raise exc
        finally:
            del exc


def keep_pinning_failures() -> None:
    """Lets failures of pinning threads arrive as themselves, in all DataLoaders of the process."""
    pin_memory.ExceptionWrapper = HeldException
