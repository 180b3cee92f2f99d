"""The plain data of every view: exceptions, frames, values, sources."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ..core.context import NAME as CONTEXT
from ..core.errors import KeepTraceError
from ..core.report import OF_SNAPSHOTS, Ref
from .frames import ShownFrame, Variables
from .sources import Sources
from .values import ShownValues

# Types of values in a module's namespace that rarely explain a failure.
_NOISE: Final = frozenset({"module", "function", "type"})


@dataclass(slots=True)
class ShownException:
    """An exception of the report.

    relation: to the exception at `of`: "cause", "context", "suppressed", "child", "held": in an
        argument or attribute, or "threads": the Snapshot of the other threads and the tasks.
    """

    index: int
    type: str
    message: str
    notes: list[str]
    frames: list[ShownFrame]
    details: Variables  # args, fields and attributes
    text: str | None
    place: str = ""  # the line of a SyntaxError, with a mark under the error
    relation: str = ""
    of: int = -1
    depth: int = 0
    number: int = 0  # from 1, in the order of Python's own tracebacks
    # (relation, index) of causes, contexts, children and held exceptions
    links: list[tuple[str, int]] = field(default_factory=list)

    @property
    def title(self) -> str:
        if self.message:
            return f"{self.type}: {self.message}"
        return self.type

    @property
    def context(self) -> Ref | None:
        """The facts that the program gave to keeptrace.context(); None without facts."""
        return dict(self.details).get(CONTEXT)

    @property
    def is_of_snapshot(self) -> bool:
        """Whether a snapshot made the entry: a process, or the stack of a thread or a task."""
        return self.type in OF_SNAPSHOTS


@dataclass(slots=True)
class View:
    """A report, ready to show. The captured exception comes first, as in the report."""

    exceptions: list[ShownException]
    values: ShownValues
    sources: Sources
    python: str
    cuts: dict[str, int]
    redacted: dict[str, int]
    counts: dict[str, int]
    process: Variables  # facts of the writing process

    @property
    def root(self) -> ShownException:
        return self.exceptions[0]

    @property
    def entry(self) -> ShownException:
        """Where an editor stops: the root, or the first member of a snapshot."""
        if not self.root.is_of_snapshot:
            return self.root
        for exception in self.exceptions:
            if exception.frames:
                return exception
        return self.root

    @property
    def root_cause(self) -> ShownException:
        """The exception to look at first: the last cause with frames of the user's own code."""
        if self.root.is_of_snapshot:
            return self.entry
        last = None
        last_of_users = None
        for exception in self._to_root_cause():
            if exception.frames:
                last = exception
            if any(not frame.is_library for frame in exception.frames):
                last_of_users = exception
        return last_of_users or last or self.root

    @property
    def first_frame(self) -> ShownFrame | None:
        """The root cause's innermost frame of the user's own code; without one, its innermost."""
        frames = self.root_cause.frames
        users = [frame for frame in frames if not frame.is_library]
        return next(reversed(users or frames), None)

    def _to_root_cause(self) -> Iterator[ShownException]:
        """From the root through causes and contexts, and through the first members of groups."""
        seen: set[int] = set()
        at: int | None = 0
        while at is not None and at not in seen:
            seen.add(at)
            exception = self.exceptions[at]
            yield exception
            links = dict(reversed(exception.links))  # the first of each relation
            followed = [links[name] for name in ("cause", "context", "child") if name in links]
            at = next(iter(followed), None)

    def parent_number(self, exception: ShownException) -> int | None:
        """The number of the exception at `of`; None for the captured exception."""
        if exception.of < 0:
            return None
        return self.exceptions[exception.of].number

    def exception(self, number: int) -> ShownException:
        """The exception with a number. Raises KeepTraceError for an unknown number."""
        for exception in self.exceptions:
            if exception.number == number:
                return exception
        count = len(self.exceptions)
        raise KeepTraceError(
            f"there is no exception {number}: the dump has {count}, numbered from 1"
        )

    def give_numbers(self) -> None:
        """Numbers exceptions and frames in printed order."""
        ordered = self.in_order(suppressed=True)
        printed = {exception.index for exception in ordered}
        ordered += [each for each in self.exceptions if each.index not in printed]
        frame_numbers = itertools.count(1)
        for number, exception in enumerate(ordered, 1):
            exception.number = number
            for frame in exception.frames:
                frame.number = next(frame_numbers)

    def frames(self) -> Iterator[ShownFrame]:
        for exception in self.exceptions:
            yield from exception.frames

    def frame(self, number: int) -> ShownFrame:
        """The frame with a number. Raises KeepTraceError for an unknown number."""
        frames = {frame.number: frame for frame in self.frames()}
        if number not in frames:
            raise KeepTraceError(
                f"there is no frame {number}: the dump has {len(frames)}, numbered from 1"
            )
        return frames[number]

    def is_noise(self, name: str, ref: Ref) -> bool:
        """Whether a module's variable is a dunder name, an import or a definition."""
        return name.startswith("__") or self.values.value(ref).type in _NOISE

    def tree(self, suppressed: bool = False) -> list[ShownException]:
        """Every exception once, each below its parent.

        suppressed: include the contexts hidden by `from None`.
        """
        listed = []
        waiting = [0]
        seen = set()
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            exception = self.exceptions[index]
            listed.append(exception)
            for _, other in reversed(exception.links):
                if self._is_below(other, index, suppressed):
                    waiting.append(other)
        return listed

    def _is_below(self, other: int, index: int, suppressed: bool) -> bool:
        exception = self.exceptions[other]
        if exception.relation == "suppressed" and not suppressed:
            return False
        return exception.of == index

    def in_order(self, suppressed: bool = False) -> list[ShownException]:
        """Every exception once, in the order of Python's own tracebacks.

        Causes come first, and a group before its children.
        """
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for exception in self.tree(suppressed):
            if exception.of < 0:
                continue
            side = before
            if exception.relation in ("child", "held", "threads"):
                side = after
            side.setdefault(exception.of, []).append(exception.index)
        ordered = []
        waiting = [(0, False)]
        while waiting:
            index, is_reached = waiting.pop()
            if is_reached:
                ordered.append(self.exceptions[index])
                continue
            for child in reversed(after.get(index, ())):
                waiting.append((child, False))
            waiting.append((index, True))
            for other in before.get(index, ()):
                waiting.append((other, False))
        return ordered
