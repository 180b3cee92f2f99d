"""All that a view needs, as plain data: exceptions, frames, values, sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ..core.errors import KeepTraceError
from ..core.report import Ref
from ..snapshots.groups import NAMES as OF_SNAPSHOTS
from .sources import Sources
from .values import ShownValues

# Values that are rarely the reason for a failure, in a module's namespace.
_NOISE: Final = frozenset({"module", "function", "type"})


@dataclass(slots=True)
class ShownFrame:
    """One entry of a traceback, or a caller of its first frame (Options.outer_frames).

    left_out: if not 0, the entry stands for so many frames, which were not kept.
    """

    number: int  # through the whole report, from 1: the N of `--frame N`
    exception: int
    file: str
    line: int | None
    name: str
    function: str
    code_line: int
    position: list[int | None]  # line, end line, column, end column
    locals: list[tuple[str, Ref]]
    globals: list[tuple[str, Ref]]
    is_module: bool
    is_library: bool
    left_out: int = 0
    index: int = -1  # into the report's frames
    is_caller: bool = False

    @property
    def title(self) -> str:
        return f"{self.function} (a caller)" if self.is_caller else self.function


@dataclass(slots=True)
class ShownException:
    """One exception of the report.

    relation: to the exception at `of`: "cause", "context", "suppressed", "child", or "threads": the
        Snapshot of what the others did.
    """

    index: int
    type: str
    message: str
    notes: list[str]
    frames: list[ShownFrame]
    details: list[tuple[str, Ref]]  # args, fields and attributes
    text: str | None
    place: str = ""  # the line of a SyntaxError, with a mark under the error
    relation: str = ""
    of: int = -1
    depth: int = 0
    # (relation, index) of causes, contexts and children
    links: list[tuple[str, int]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The number that people use, from 1."""
        return self.index + 1

    @property
    def title(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def is_of_snapshot(self) -> bool:
        """Whether this is no exception, but a process, or the stack of a thread or a task."""
        return self.type in OF_SNAPSHOTS


@dataclass(slots=True)
class View:
    """Exceptions are in the report's order: the captured exception is the first."""

    exceptions: list[ShownException]
    values: ShownValues
    sources: Sources
    python: str
    cuts: dict[str, int]
    redacted: dict[str, int]
    counts: dict[str, int]

    @property
    def root(self) -> ShownException:
        return self.exceptions[0]

    @property
    def entry(self) -> ShownException:
        """Where a debugger starts: the root, or the first member of a snapshot."""
        if not self.root.is_of_snapshot:
            return self.root
        return next((each for each in self.exceptions if each.frames), self.root)

    def frames(self) -> Iterator[ShownFrame]:
        for exception in self.exceptions:
            yield from exception.frames

    def frame(self, number: int) -> ShownFrame:
        """The frame of this number. Raises KeepTraceError if the dump has none."""
        frames = {frame.number: frame for frame in self.frames()}
        if number not in frames:
            raise KeepTraceError(
                f"there is no frame {number}: the dump has {len(frames)}, numbered from 1"
            )
        return frames[number]

    def is_noise(self, name: str, ref: Ref) -> bool:
        """Whether a module's variable is its own machinery, an import or a definition."""
        return name.startswith("__") or self.values.value(ref).type in _NOISE

    def tree(self, suppressed: bool = False) -> list[ShownException]:
        """Every exception once, each below its parent.

        suppressed: also the contexts that `from None` hides.
        """
        listed, waiting, seen = [], [0], set()
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
        return exception.of == index and (suppressed or exception.relation != "suppressed")

    def in_order(self, suppressed: bool = False) -> list[ShownException]:
        """Every exception once, in the order of Python's own tracebacks.

        Causes come first, and a group before its children.
        """
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for exception in self.tree(suppressed):
            if exception.of >= 0:
                side = after if exception.relation in ("child", "threads") else before
                side.setdefault(exception.of, []).append(exception.index)
        ordered, waiting = [], [(0, False)]
        while waiting:
            index, is_reached = waiting.pop()
            if is_reached:
                ordered.append(self.exceptions[index])
                continue
            waiting += [(child, False) for child in reversed(after.get(index, ()))]
            waiting.append((index, True))
            waiting += [(other, False) for other in before.get(index, ())]
        return ordered
