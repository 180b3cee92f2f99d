"""Many failures at once: groups of similar exceptions, and the differences within each group.

group(exceptions) ─▶ by fingerprint (store/identity.py) ─▶ of each group: views of a sample
  ─▶ the variables of the first frame to look at (render/leaves.py) ─▶ the differing variables
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

from .core.errors import OptionError
from .core.options import Options
from .core.raw import names_of
from .core.texts import counted, printable, shorten
from .format.api import report_of
from .render.frames import ShownFrame
from .render.leaves import differing, leaves
from .render.model import make_view
from .render.view import View
from .store.identity import fingerprint

# A sample shows the differences; a capture takes a millisecond or two. (exceptions of a group)
_SAMPLE: Final = 500
# The capture of a sample: the first frame to look at is enough.
_OPTIONS: Final = Options(
    limit=20, max_values=2_000, max_bytes=100_000, max_exceptions=20, include_source=False
)
# In a table: differences of a group, values of a difference, characters of a line.
_DIFFERENCES: Final = 6
_VALUES: Final = 5
_LINE: Final = 160
_ABSENT: Final = "(absent)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs between the failures of a group.

    expression: Python code for the value in the frame: "order['quantity']", or "str(exception)".
    values: each text with its count, the most frequent first.
    """

    expression: str
    values: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{text} {count}" for text, count in self.values[:_VALUES])
        more = len(self.values) - _VALUES
        if more > 0:
            shown += f", {more} more"
        return f"{self.expression}: {shown}"


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Exceptions of the same types with tracebacks through the same places.

    exceptions: all exceptions, in the given order; `example` is the first.
    where: "file:line in function", the innermost of the user's own code; empty without frames.
    differences: the differing values, nearest to the failure first; in a large group, of the first
        500 exceptions.
    """

    fingerprint: str
    type: str
    message: str
    where: str
    exceptions: tuple[BaseException, ...]
    differences: tuple[Difference, ...]

    @property
    def count(self) -> int:
        return len(self.exceptions)

    @property
    def example(self) -> BaseException:
        return self.exceptions[0]

    def lines(self) -> Iterator[str]:
        """The group as lines of a table."""
        head = f"{self.count:>7}x  {self.type}"
        if self.where:
            head += f"  {self.where}"
        yield head
        if self.message:
            yield f"          {self.message.partition(chr(10))[0]}"
        for difference in self.differences[:_DIFFERENCES]:
            yield f"          {difference}"
        more = len(self.differences) - _DIFFERENCES
        if more > 0:
            yield f"          {more} more values differ"


class FailureGroups(Sequence[FailureGroup]):
    """The groups of group(), the largest first. str() makes a table."""

    def __init__(self, groups: Iterable[FailureGroup]) -> None:
        self._groups = tuple(groups)

    @overload
    def __getitem__(self, index: int) -> FailureGroup: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FailureGroup, ...]: ...
    def __getitem__(self, index: int | slice) -> FailureGroup | tuple[FailureGroup, ...]:
        return self._groups[index]

    def __len__(self) -> int:
        return len(self._groups)

    def __repr__(self) -> str:
        return f"<{_head(self)}>"

    def __str__(self) -> str:
        lines = [_head(self)]
        for each in self:
            lines.append("")
            for line in each.lines():
                lines.append(shorten(printable(line), _LINE))
        return "\n".join(lines)


def _head(groups: FailureGroups) -> str:
    failures = sum(each.count for each in groups)
    return f"{counted(failures, 'failure')} in {counted(len(groups), 'group')}"


def group(exceptions: Iterable[BaseException]) -> FailureGroups:
    """Groups similar failures: the same types along the same functions and lines.

    exceptions: for example the exceptions of the failed futures of a pool.

    Each group has a count, an example, and the differing values: print the result. Secrets are
    hidden in the texts. Nothing is written.

    Raises OptionError for anything but exceptions.
    """
    alike: dict[str, list[BaseException]] = {}
    for exc in exceptions:
        if not isinstance(exc, BaseException):
            raise OptionError(f"group() takes exceptions, not {type(exc).__name__}")
        alike.setdefault(fingerprint(exc), []).append(exc)
    groups = [_group(key, members) for key, members in alike.items()]
    return FailureGroups(sorted(groups, key=lambda each: -each.count))


def _group(key: str, members: list[BaseException]) -> FailureGroup:
    views = []
    for exc in members[:_SAMPLE]:
        report = report_of(exc, _OPTIONS)
        views.append(make_view(report))
    first = views[0]
    frame = first.first_frame
    kind = ".".join(names_of(type(members[0])))
    return FailureGroup(
        fingerprint=key,
        type=kind.removeprefix("builtins."),
        message=first.root.message,
        where=_where(frame),
        exceptions=tuple(members),
        differences=tuple(_differences(views)),
    )


def _where(frame: ShownFrame | None) -> str:
    if frame is None or frame.left_out:
        return ""
    return f"{frame.file}:{frame.line} in {frame.function}"


def _differences(views: list[View]) -> Iterator[Difference]:
    tables = [_table(view) for view in views]
    paths = differing(tables)
    line = _failing_line(views[0])
    paths.sort(key=lambda path: _distance(path, line))
    for path in paths:
        counts = Counter(table.get(path, _ABSENT) for table in tables)
        yield Difference(path, tuple(counts.most_common()))


def _table(view: View) -> dict[str, str]:
    table: dict[str, str] = {}
    frame = view.first_frame
    if frame is not None:
        table = leaves(view.values, frame.locals)
    return {**table, "str(exception)": view.root.message}


def _failing_line(view: View) -> str:
    frame = view.first_frame
    if frame is None:
        return ""
    return view.sources.failing_line(frame)


def _distance(path: str, line: str) -> int:
    """The distance of a value from the failing line, which has its path, its name, or neither."""
    if path in line or path.replace("'", '"') in line:
        return 0
    owner, _, _ = path.partition(".")
    name, _, _ = owner.partition("[")
    if name in line:
        return 1
    return 2
