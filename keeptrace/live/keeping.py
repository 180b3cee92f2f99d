"""Live objects: what a pickler can keep travels as the real thing, beside the stand-in that is used
where it cannot be loaded.

All live objects of a report are in one pickle, so that identity and cycles hold across variables
and frames. An object that cannot be pickled costs only itself: what it holds is tried in its place,
level by level."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from ..core import nodes as schema
from ..core.guard import Failed, run_each
from ..core.report import ExceptionRecord, Report
from ..restore.exceptions import is_exact
from ..restore.live import not_kept

# obj, most bytes → its pickle. Raises whatever the object's own reduction raises.
Dumps: TypeAlias = Callable[[Any, int], bytes]

# Kinds of nodes that a pickle would not keep better than they are.
_NEVER_LIVE: Final = frozenset({"exception", "live", "redacted"})

# What a _NotKept takes in the pickle. (bytes)
_MOST_REASON: Final = 400


class _TooLarge(Exception):
    """The pickle grew beyond its bound. size: the bytes that it had then."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _NotKept:
    """Stands in the pickle for an object that was too large for it: read, it tells why the stand-in
    took the object's place.
    """

    def __init__(self, size: int, most: int) -> None:
        self._why = (
            f"as a pickle it takes at least {size:,} bytes, and max_live_bytes allows {most:,} "
            "for all values of the exception: keeptrace.Options(max_live_bytes=...) raises the bound"
        )

    def __reduce__(self) -> Any:
        return not_kept, (self._why,)


class _BoundedFile(io.BytesIO):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._size = 0

    def write(self, data: Any) -> int:
        self._size += len(data)
        if self._size > self._most:
            raise _TooLarge(self._size)
        return super().write(data)


def bounded(pickler: Callable[[Any], Any]) -> Dumps:
    """A pickler class (called with a file, having .dump) as a function that stops at a size."""

    def dumps(obj: Any, most: int) -> bytes:
        file = _BoundedFile(most)
        pickler(file).dump(obj)
        return file.getvalue()

    return dumps


def dumps_of(pickler: str | Callable[[Any], bytes]) -> Dumps:
    """What Options.pickler names. Raises MissingExtraError if the library is not installed."""
    if not isinstance(pickler, str):
        dumps_all = pickler

        def dumps(obj: Any, most: int) -> bytes:
            data = dumps_all(obj)
            if len(data) > most:
                raise _TooLarge(len(data))
            return data

        return dumps
    from .picklers import pickler_of

    return bounded(pickler_of(pickler))


def keep(
    report: Report,
    objects: dict[int, Any],
    roots: list[int],
    dumps: Dumps,
    most: int,
    deadline: float,
    own: Sequence[tuple[ExceptionRecord, bytes]] = (),
    leaves_out: Callable[[Any], bool] | None = None,
) -> None:
    """Makes live what `roots` (indexes of values) stand for, where that says more than the stand-in
    does.

    objects: for each index of a value, the object it was made from. most: bytes of the pickle.
    deadline: of time.monotonic().
    own: exceptions' own pickles (see capture/own.py), which travel after the live objects.
    leaves_out: of what the stand-in stays."""
    nodes = report["values"]
    if leaves_out is not None:
        objects = {index: obj for index, obj in objects.items() if not leaves_out(obj)}
    wanted = [index for index in dict.fromkeys(roots) if _can_gain(nodes, index, objects)]
    pickles = [data for _, data in own]
    most += sum(map(len, pickles))
    if not wanted and not pickles:
        return
    (pickled,) = run_each(
        [lambda: dumps([objects[index] for index in wanted] + pickles, most)], deadline
    )
    kept = wanted
    if isinstance(pickled, Failed):
        found = _one_by_one(nodes, objects, wanted, dumps, most, deadline)
        kept = list(found)
        room = most + _MOST_REASON * len(found)
        (pickled,) = run_each([lambda: dumps([*found.values(), *pickles], room)], deadline)
        if isinstance(pickled, Failed):
            report["cuts"]["not live"] = len(wanted)
            return
    report["live"] = pickled
    for number, index in enumerate(kept):
        nodes.append(nodes[index])
        nodes[index] = schema.live(number, len(nodes) - 1)
    for number, (record, _) in enumerate(own, len(kept)):
        record["own"] = number


def _can_gain(nodes: list[Any], index: int, objects: dict[int, Any]) -> bool:
    """Whether a pickle of the object says more than its node."""
    if index not in objects or schema.kind_of(nodes[index]) in _NEVER_LIVE:
        return False
    return not is_exact(nodes, [[index]])


def _one_by_one(
    nodes: list[Any],
    objects: dict[int, Any],
    wanted: list[int],
    dumps: Dumps,
    most: int,
    deadline: float,
) -> dict[int, Any]:
    """Those that can be pickled, with what those that cannot hold in their place, as far as there
    is room. By their indexes.

    What is too large is there as a _NotKept.
    """

    def size_of(obj: Any) -> int:
        try:
            return len(dumps(obj, most))
        except _TooLarge as problem:
            return problem.size

    kept: dict[int, Any] = {}
    seen = set(wanted)
    room = most
    while wanted:
        sizes = run_each([partial(size_of, objects[index]) for index in wanted], deadline)
        deeper: list[int] = []
        for index, size in zip(wanted, sizes):
            if not isinstance(size, Failed) and size <= room:
                room -= size
                kept[index] = objects[index]
                continue
            deeper += [child for child in _children(nodes[index]) if child not in seen]
            seen.update(deeper)
            if not isinstance(size, Failed):
                kept[index] = _NotKept(size, most)
        wanted = [index for index in dict.fromkeys(deeper) if _can_gain(nodes, index, objects)]
    return kept


def _children(node: list[Any]) -> list[int]:
    if schema.kind_of(node) == "live":
        return []
    return schema.indexes(schema.refs_of(node))
