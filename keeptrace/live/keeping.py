"""Live objects: objects that travel as themselves, each beside a stand-in for readers that cannot
load the object.

All live objects of a report share a pickle, so identity and cycles hold across variables and
frames. An object that cannot be pickled costs only itself: the pickler tries the object's parts
instead, level by level.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ..core import nodes as schema
from ..core.guard import Failed, run_each
from ..core.report import ExceptionRecord, Node, Report
from ..restore.exactness import is_exact
from ..restore.live import not_kept
from .constants import NO_CONSTANTS, Constants, naming

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .picklers import Pickler


class Dumps(Protocol):
    """Pickles an object into `most` bytes at most, with references to the constants by name.

    Raises the errors of the object's own reduction.
    """

    def __call__(self, obj: object, most: int, constants: Constants = NO_CONSTANTS, /) -> bytes: ...


# Dumps, with the constants of a report.
ReportDumps: TypeAlias = Callable[[object, int], bytes]
# Index of a value → the original object.
Objects: TypeAlias = Mapping[int, object]

# Kinds of nodes for which a pickle would add nothing.
_NEVER_LIVE: Final = frozenset({"exception", "live", "redacted"})

# Size of a _NotKept in the pickle. (bytes)
_MOST_REASON: Final = 400


class _TooLarge(Exception):
    """The pickle grew beyond the bound. size: bytes so far."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _NotKept:
    """Replaces an object too large for the pickle. The reader gets the reason for the stand-in."""

    def __init__(self, size: int, most: int) -> None:
        self._why = (
            f"as a pickle it takes at least {size:,} bytes, and max_live_bytes allows {most:,} "
            "for all values of the exception: "
            "keeptrace.Options(max_live_bytes=...) raises the bound"
        )

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return not_kept, (self._why,)


class _BoundedFile(io.BytesIO):
    """A file that raises _TooLarge beyond a size."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._size = 0

    def write(self, data: ReadableBuffer) -> int:
        self._size += len(data)  # type: ignore[arg-type]  # picklers write sized buffers
        if self._size > self._most:
            raise _TooLarge(self._size)
        return super().write(data)


def bounded(pickler: Callable[[io.BytesIO], Pickler]) -> Dumps:
    """A pickler class as a function with a bound on the size."""

    def dumps(obj: object, most: int, constants: Constants = NO_CONSTANTS, /) -> bytes:
        file = _BoundedFile(most)
        made = pickler
        if constants:
            made = naming(pickler, constants)
        made(file).dump(obj)
        return file.getvalue()

    return dumps


def dumps_of(pickler: str | Callable[[Any], bytes]) -> Dumps:
    """The function for Options.pickler. Raises MissingExtraError if the library is absent.

    The program's own function pickles constants as any object.
    """
    if isinstance(pickler, str):
        from .picklers import pickler_of

        return bounded(pickler_of(pickler))
    dumps_all = pickler

    def dumps(obj: object, most: int, constants: Constants = NO_CONSTANTS, /) -> bytes:
        data = dumps_all(obj)
        if len(data) > most:
            raise _TooLarge(len(data))
        return data

    return dumps


def keep(
    report: Report,
    objects: Objects,
    roots: list[int],
    dumps: ReportDumps,
    most: int,
    deadline: float,
    own: Sequence[tuple[ExceptionRecord, bytes]] = (),
    leaves_out: Callable[[object], bool] | None = None,
) -> None:
    """Makes the objects behind `roots` (indexes of values) live, if an object is more than its
    stand-in.

    most: bytes of the pickle. deadline: of time.monotonic().
    own: exceptions' own pickles (see capture/own.py), which travel after the live objects.
    leaves_out: returns whether an object stays a stand-in.
    """
    if leaves_out is not None:
        objects = {index: obj for index, obj in objects.items() if not leaves_out(obj)}
    pickles = [data for _, data in own]
    room = most + sum(map(len, pickles))
    keeper = _Keeper(report["values"], objects, dumps, room, deadline)
    wanted = keeper.worth_keeping(roots)
    if not wanted and not pickles:
        return
    kept, pickled = keeper.pickle(wanted, pickles)
    if isinstance(pickled, Failed):
        report["cuts"]["not live"] = len(wanted)
        return
    report["live"] = pickled
    keeper.make_live(kept)
    for number, (record, _) in enumerate(own, len(kept)):
        record["own"] = number


class _Keeper:
    """Pickles the objects of a report, within bounds of bytes and time."""

    def __init__(
        self, nodes: list[Node], objects: Objects, dumps: ReportDumps, most: int, deadline: float
    ) -> None:
        self._nodes = nodes
        self._objects = objects
        self._dumps = dumps
        self._most = most
        self._deadline = deadline

    def worth_keeping(self, indexes: Iterable[int]) -> list[int]:
        """The values, without repetition, for which a pickle holds more than the node."""
        return [index for index in dict.fromkeys(indexes) if self._can_gain(index)]

    def _can_gain(self, index: int) -> bool:
        if index not in self._objects:
            return False
        kind = schema.kind_of(self._nodes[index])
        if kind in _NEVER_LIVE:
            return False
        return not is_exact(self._nodes, [[index]])

    def pickle(self, wanted: list[int], pickles: list[bytes]) -> tuple[list[int], bytes | Failed]:
        """The kept values, and the pickle of all kept values."""
        objects = [self._objects[index] for index in wanted]
        pickled = self._bounded([*objects, *pickles], self._most)
        if not isinstance(pickled, Failed):
            return wanted, pickled
        found = self._one_by_one(wanted)
        room = self._most + _MOST_REASON * len(found)
        pickled = self._bounded([*found.values(), *pickles], room)
        return list(found), pickled

    def _bounded(self, objects: list[object], most: int) -> bytes | Failed:
        def dump() -> bytes:
            return self._dumps(objects, most)

        pickled: bytes | Failed
        (pickled,) = run_each([dump], self._deadline)
        return pickled

    def make_live(self, kept: list[int]) -> None:
        """Puts a live node in the place of each value; the value moves to the end of the table."""
        for number, index in enumerate(kept):
            moved_to = len(self._nodes)
            self._nodes.append(self._nodes[index])
            self._nodes[index] = schema.live(number, moved_to)

    def _one_by_one(self, wanted: list[int]) -> dict[int, object]:
        """The objects that can be pickled, by index, within the room.

        The parts of an object replace an object that cannot be pickled; a _NotKept and the parts
        replace an object too large for the room.
        """
        kept: dict[int, object] = {}
        seen = set(wanted)
        room = self._most
        while wanted:
            calls = [partial(self._size_of, index) for index in wanted]
            sizes = run_each(calls, self._deadline)
            deeper: list[int] = []
            for index, size in zip(wanted, sizes):
                if not isinstance(size, Failed) and size <= room:
                    room -= size
                    kept[index] = self._objects[index]
                    continue
                parts = _parts_of(self._nodes[index])
                deeper += [part for part in parts if part not in seen]
                seen.update(deeper)
                if not isinstance(size, Failed):
                    kept[index] = _NotKept(size, self._most)
            wanted = self.worth_keeping(deeper)
        return kept

    def _size_of(self, index: int) -> int:
        try:
            return len(self._dumps(self._objects[index], self._most))
        except _TooLarge as problem:
            return problem.size


def _parts_of(node: Node) -> list[int]:
    if schema.kind_of(node) == "live":
        return []
    return schema.indexes(schema.refs_of(node))
