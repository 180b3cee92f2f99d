"""How an exception crosses from a DataLoader's worker, and from its thread that pins memory.

    worker                                          parent
    the dataset raises                              the queue unpickles
      └▶ torch wraps the exception in a class         └▶ ArrivedException: the same bytes
         that we replace: FramedException:            the iterator finds an ExceptionWrapper
         capture → bytes ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶    └▶ reraise(): restores, and raises

- torch's own class keeps the exception's class and a text, and its reraise() calls the class with
  the text. We keep the class's arguments, and a class that pickle cannot send.
- A batch that nobody asks for is never restored.
- The thread that pins memory is in the parent: there the exception itself is kept.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, Final, NoReturn

from torch._utils import ExceptionWrapper
from torch.utils.data._utils import pin_memory

from ...core.options import Options
from ..crossing import from_bytes, set_traceback, to_bytes, traceback_of
from ..worker_frames import without_modules

# Modules with frames between a worker's start and the dataset.
WORKER: Final = ("torch.utils.data._utils.worker", "keeptrace.concurrent.", "multiprocessing.")


def framed_bytes(exc: BaseException, options: Options) -> bytes:
    """The exception without the worker's own frames, as bytes for from_bytes(). Never raises."""
    set_traceback(exc, without_modules(traceback_of(exc), WORKER))
    return to_bytes(exc, options)


class FramedException(ExceptionWrapper):  # type: ignore[misc]  # see pyproject.toml
    """Replaces torch's class in a worker."""

    def __init__(
        self,
        options: Options,
        exc: BaseException | None = None,
        where: str = "in background",
    ) -> None:
        raised = exc or sys.exception()
        assert raised is not None  # torch makes one where it handles an exception
        self._data = framed_bytes(raised, options)
        self.where = where
        set_traceback(raised, None)  # its frames hold the batch

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
    """Replaces torch's class in the thread that pins memory, which also asks for instances."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        self._exc: BaseException | None = exc_info[1] if exc_info else sys.exception()
        self.where = where

    def reraise(self) -> NoReturn:
        """Raises the thread's exception."""
        exc, self._exc = self._exc, None  # a frame of its traceback holds this object
        assert exc is not None
        try:
            raise exc
        finally:
            del exc


def keep_pinning_failures() -> None:
    """Lets the failures of pinning threads be raised as themselves, for all DataLoaders of this
    process.
    """
    pin_memory.ExceptionWrapper = HeldException
