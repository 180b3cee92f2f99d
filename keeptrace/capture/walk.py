"""The walk through the object graph: reads the values that have places in the table."""

from __future__ import annotations

from itertools import islice
from typing import Final

from ..core.clock import monotonic
from ..core.guard import run_each, stack_is_short
from ..core.raw import qualname_of
from ..core.report import Node
from .objects import read_object
from .readers import READERS as _READERS
from .values import Values

# The clock is read once per so many values.
_CLOCK_EVERY: Final = 32
# The messages of exceptions are made after the reading, and matter more than the last values.
# (part of max_seconds)
_FOR_MESSAGES: Final = 0.2
# The approximate size of a value without its text. (bytes)
_OVERHEAD: Final = 24


class Walk(Values):
    """The value table, and the walk that fills the table. See the head of values.py for rules."""

    bytes: int

    def drain(self) -> None:
        """Reads all values with places, the nearest first, until the capture reaches a bound."""
        nodes = self.nodes
        max_bytes = self.max_bytes
        reader_of = _READERS.get
        # The queue grows meanwhile.
        for index, value, depth in islice(self._queue, self._read, None):
            self._read = read = self._read + 1
            if self.bytes > max_bytes or not read % _CLOCK_EVERY:
                self._look_at_bounds()
            if self._stop:
                nodes[index] = nodes[self._cut(type(value), self._stop)[0]]
                continue
            self.bytes += _OVERHEAD
            try:
                nodes[index] = reader_of(id(type(value)), read_object)(self, value, depth)
            except BaseException as problem:  # a library's code raised, or Ctrl-C came
                nodes[index] = self._unreadable(value, problem)

    def _look_at_bounds(self) -> None:
        """Notes the first bound that the capture has reached."""
        if self._stop:
            return
        if monotonic() > self.deadline - self.options.max_seconds * _FOR_MESSAGES:
            self._stop = "max_seconds"
        elif self.bytes > self.max_bytes:
            self._stop = "max_bytes"

    def _unreadable(self, value: object, problem: BaseException) -> Node:
        """The stand-in of a value whose reader failed."""
        if isinstance(problem, RecursionError) and stack_is_short():
            raise problem  # the stack is short: capture() tries again with more
        self.cut("unreadable")
        cls = type(value)
        why = f"reading it raised {qualname_of(type(problem))}"
        text = f"<{qualname_of(cls)} object at {id(value):#x}: {why}>"
        return ["object", self.type_index(cls), text, None, {"why": why, "address": id(value)}]

    def finish(self) -> None:
        """Runs the user's code that later() has collected, under guard, and reads the results."""
        while self._pending:
            pending, self._pending = self._pending, []
            results = run_each([call for call, _ in pending], self.deadline)
            for (_, use), result in zip(pending, results):
                use(result)
            self.drain()
        if self._renderer is not None and self._renderer.failed:
            self.cut("failed reprs", self._renderer.failed)
